"""What a handshake says of itself has one encoding, and its header says the same."""

import msgspec
import pytest
from msgspec.structs import replace

from alcove.client.errors import PeerError
from alcove.client.rooms.note import (
    LIST_BYTES_MAX,
    LISTS_MAX,
    NOTE_BYTES_MAX,
    LinkProof,
    Note,
    agrees,
    decode_note,
    encode_note,
    header,
)
from alcove.wire.codec import decode_header, encode
from alcove.wire.entries import ROUTING_MAX, Member, Routing

ME, BEFORE = bytes(range(16)), bytes(32)
FULL = Note(
    renews=True,
    closes=True,
    joins="link",
    link=bytes(32),
    proof=LinkProof(bytes(32), bytes(64)),
    routing=Routing(adds=(Member(ME, ME),), roles=((ME, "admin"),), history="none", keep_ms=3),
    lists=(b"list",),
    notices=(b"notice",),
)


def test_a_note_comes_back() -> None:
    assert decode_note(encode_note(FULL)) == FULL
    assert decode_note(encode_note(Note())) == Note()


def test_only_the_one_encoding_is_read() -> None:
    good = encode_note(FULL)
    fields = msgspec.msgpack.decode(good)
    longer = msgspec.msgpack.encode([*fields, 1])
    shorter = msgspec.msgpack.encode([True])
    for bad in (b"", b"\xc1", good + b"\xc0", good[:-1], longer, shorter):
        with pytest.raises(PeerError, match="note-form"):
            decode_note(bad)


def test_a_note_has_limits() -> None:
    for bad in (
        replace(FULL, lists=(b"",) * (LISTS_MAX + 1)),
        replace(FULL, notices=(b"",) * (ROUTING_MAX + 1)),
        replace(FULL, lists=(bytes(LIST_BYTES_MAX + 1),)),
        replace(FULL, notices=(bytes(32 * 1024 + 1),)),
    ):
        with pytest.raises(PeerError, match="note-form"):
            decode_note(encode_note(bad))
    most = replace(FULL, notices=(bytes(32 * 1024),) * 130)
    assert len(encode_note(most)) > NOTE_BYTES_MAX
    with pytest.raises(PeerError, match="note-form"):
        decode_note(encode_note(most))


def test_the_header_says_what_the_note_says() -> None:
    said = header(FULL, ME, BEFORE)
    assert decode_header(encode(said)) == said
    assert agrees(said, FULL) is None
    assert agrees(replace(said, sender=bytes(16), before=bytes([1] * 32)), FULL) is None
    for wrong in (
        replace(said, renews=False),
        replace(said, closes=False),
        replace(said, joins="sibling"),
        replace(said, link=None),
        replace(said, routing=Routing()),
    ):
        assert agrees(wrong, FULL) == "note-not-header"
