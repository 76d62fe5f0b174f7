"""What is sealed to a public key opens for who holds the other half, and where it belongs."""

import hashlib
from typing import Any

import pytest

from alcove.client.errors import PeerError
from alcove.client.keys.archive import (
    ANSWER,
    ENCAPSULATED_BYTES,
    ROW,
    archive_key,
    open_answer,
    open_archived,
    seal_answer,
    seal_archived,
)
from alcove.client.keys.suite import SUITE
from alcove.mls import SigningKey
from tests.client.keys import stranger
from tests.client.keys.kinds import ADA, BOB

KEY = archive_key(b"archive".ljust(32, b"."))
OTHER = archive_key(b"another".ljust(32, b"."))
ACCOUNT, ROOM, NAME, SECRET = b"A" * 16, b"R" * 16, b"K" * 32, b"secret".ljust(32, b".")
ASKER = b"D" * 16


def cause(function: Any, *args: Any) -> str:
    with pytest.raises(PeerError) as caught:
        function(*args)
    return caught.value.cause


def to(label: bytes, place: bytes, padded: bytes) -> bytes:
    """Seal by the page alone: HPKE is the library's, and its info is that of RFC 9420, 5.1.3."""
    full = b"MLS 1.0 " + label
    size = len(place)
    length = bytes([size]) if size < 64 else (0x4000 | size).to_bytes(2, "big")
    info: bytes = bytes([len(full)]) + full + length + place
    encapsulated, sealed = SUITE.crypto.hpke_seal(SUITE.hpke, KEY.public, info, padded)
    return encapsulated + sealed


def row(writer: SigningKey, place: bytes, secret: bytes = SECRET) -> bytes:
    signed = place + stranger.transcript(writer.public, secret)
    return writer.public + stranger.sign(writer.private, signed) + secret


ROW_PLACE = stranger.transcript(b"alcove archive row 1", ACCOUNT, ROOM, NAME)


def test_an_archived_key_comes_back_and_tells_who_wrote_it() -> None:
    body = seal_archived(KEY.public, ACCOUNT, ROOM, NAME, ADA, SECRET)
    assert open_archived(KEY, ACCOUNT, ROOM, NAME, body) == (ADA.public, SECRET)
    assert len(body) == ENCAPSULATED_BYTES + 256 + 16 <= ROW.bytes_max


def test_archive_keys_are_those_of_before() -> None:
    assert (
        hashlib.sha256(KEY.public).hexdigest()
        == "07cf9cc2997263f7f9197c66706eb2223a68d6f000317fda68edb510f3bd36b4"
    )


def test_a_stranger_s_row_by_the_page_alone_opens() -> None:
    body = to(b"alcove archive row 1", ROW_PLACE, stranger.pad(row(ADA, ROW_PLACE)))
    assert open_archived(KEY, ACCOUNT, ROOM, NAME, body) == (ADA.public, SECRET)


@pytest.mark.parametrize("there", [
    (KEY, b"a" * 16, ROOM, NAME),
    (KEY, ACCOUNT, b"r" * 16, NAME),
    (KEY, ACCOUNT, ROOM, b"k" * 32),
    (OTHER, ACCOUNT, ROOM, NAME),
])  # fmt: skip
def test_an_archived_key_cannot_be_moved(there: tuple[Any, ...]) -> None:
    body = seal_archived(KEY.public, ACCOUNT, ROOM, NAME, ADA, SECRET)
    assert cause(open_archived, *there, body) == "not-sealed"


def test_who_knows_the_public_key_cannot_write_in_another_s_name_or_place() -> None:
    for inner in (
        BOB.public + row(ADA, ROW_PLACE)[32:],
        row(ADA, stranger.transcript(b"alcove archive row 1", ACCOUNT, b"r" * 16, NAME)),
        row(ADA, stranger.transcript(b"alcove archive row 1", b"a" * 16, ROOM, NAME)),
        row(ADA, stranger.transcript(b"alcove archive row 1", ACCOUNT, ROOM, b"k" * 32)),
        row(ADA, stranger.transcript(b"alcove chain row 1", ROOM, NAME)),
        SECRET,
        b"",
    ):
        body = to(b"alcove archive row 1", ROW_PLACE, stranger.pad(inner))
        assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, body) == "not-signed"


def test_a_row_that_holds_no_key_is_refused() -> None:
    inner = row(ADA, ROW_PLACE, b"short")
    body = to(b"alcove archive row 1", ROW_PLACE, stranger.pad(inner))
    assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, body) == "bad-archive-row"


def test_a_row_that_is_padded_otherwise_is_refused() -> None:
    padded = stranger.pad(row(ADA, ROW_PLACE)) + b"\0"
    body = to(b"alcove archive row 1", ROW_PLACE, padded)
    assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, body) == "not-padded"


def test_a_damaged_or_cut_row_does_not_open() -> None:
    body = seal_archived(KEY.public, ACCOUNT, ROOM, NAME, ADA, SECRET)
    for place in range(0, len(body), 97):
        damaged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, damaged) == "not-sealed"
    for length in (0, 1, ENCAPSULATED_BYTES, len(body) - 1):
        assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, body[:length]) == "not-sealed"
    too_long = bytes(ROW.bytes_max + 1)
    assert cause(open_archived, KEY, ACCOUNT, ROOM, NAME, too_long) == "too-large"


@pytest.mark.parametrize("public", [b"", bytes(1216), b"\xff" * 1216, KEY.public[:-32] + bytes(32)])
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    assert cause(seal_answer, public, ROOM, ASKER, ADA, b"") == "bad-key"


# ---- Answers ----


def test_an_answer_opens_for_who_asked() -> None:
    body = seal_answer(KEY.public, ROOM, ASKER, ADA, b"keys" * 1000)
    assert open_answer(KEY, ROOM, ASKER, ADA.public, body) == b"keys" * 1000
    assert len(body) <= ANSWER.bytes_max


@pytest.mark.parametrize("there", [
    (KEY, b"r" * 16, ASKER, ADA.public),
    (KEY, ROOM, b"d" * 16, ADA.public),
    (KEY, ROOM, ASKER, BOB.public),
    (OTHER, ROOM, ASKER, ADA.public),
])  # fmt: skip
def test_an_answer_cannot_be_moved(there: tuple[Any, ...]) -> None:
    body = seal_answer(KEY.public, ROOM, ASKER, ADA, b"keys")
    assert cause(open_answer, *there, body) == "not-sealed"


@pytest.mark.parametrize(("part", "value"), [
    (0, b"r" * 16), (1, b"d" * 16), (2, BOB.public), (3, OTHER.public),
])  # fmt: skip
def test_an_answer_that_was_signed_for_elsewhere_is_refused(part: int, value: bytes) -> None:
    here = [ROOM, ASKER, ADA.public, KEY.public]
    there = [*here[:part], value, *here[part + 1 :]]
    label = b"alcove answer 1"
    signed = stranger.transcript(label, *there, b"keys")
    inner = stranger.sign(ADA.private, signed) + b"keys"
    body = to(label, stranger.transcript(label, *here), stranger.pad(inner))
    assert cause(open_answer, KEY, ROOM, ASKER, ADA.public, body) == "not-signed"


def test_what_a_stranger_answers_by_the_page_alone_opens() -> None:
    label = b"alcove answer 1"
    place = stranger.transcript(label, ROOM, ASKER, ADA.public, KEY.public)
    inner = stranger.sign(ADA.private, place + stranger.transcript(b"keys")) + b"keys"
    body = to(label, place, stranger.pad(inner))
    assert open_answer(KEY, ROOM, ASKER, ADA.public, body) == b"keys"
