"""Frames: what is too large is refused unread, what cannot be read is refused, nothing crashes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alcove import wire
from alcove.wire import codec
from alcove.wire.accounts import GetSalt, Register, Reset
from alcove.wire.base import Done
from alcove.wire.entries import Append, MessageHeader, NewEntry, OfferHandshakes, PutSnapshot
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.greeting import Goodbye, NewToken
from alcove.wire.rooms import CreateRoom, GetMembers, SendLetter
from tests.wire import drawn

ROOM = bytes(16)
NEVER = b"\xc1"
"""The one byte that msgpack never uses."""

MESSAGE_FRAME_MAX = codec.MESSAGE_BYTES_MAX + codec.ENVELOPE_BYTES
HANDSHAKE_FRAME_MAX = codec.HANDSHAKE_BYTES_MAX + codec.ENVELOPE_BYTES


def refusal(frame: bytes, *limits: int) -> Code:
    """Return how a frame is refused."""
    with pytest.raises(Refused) as caught:
        codec.decode_requests(frame, *limits)
    return caught.value.code


def append_of(size: int) -> bytes:
    """Return a frame of exactly this size that appends one large entry."""

    def frame(body: int) -> bytes:
        entry = NewEntry(header=b"", body=bytes(body))
        return codec.encode_frame([Append(room=ROOM, entries=(entry,), id=1)])

    around = len(frame(size)) - size
    return frame(size - around)


# ---- Sizes ----


def test_the_limits_are_those_of_the_protocol() -> None:
    assert codec.MESSAGE_BYTES_MAX == 256 * 1024
    assert codec.HANDSHAKE_BYTES_MAX == 8 * 1024 * 1024
    assert codec.FRAME_MESSAGES_MAX == 256


def test_a_frame_above_all_limits_is_refused_before_it_is_read() -> None:
    assert refusal(NEVER * (HANDSHAKE_FRAME_MAX + 1)) == Code.TOO_LARGE
    assert refusal(b"\x91" + NEVER * (HANDSHAKE_FRAME_MAX - 1)) == Code.MALFORMED


def test_a_large_frame_with_several_messages_is_refused_before_they_are_read() -> None:
    assert refusal(b"\x92" + NEVER * MESSAGE_FRAME_MAX) == Code.TOO_LARGE
    assert refusal(b"\xdc\x00\x01" + NEVER * MESSAGE_FRAME_MAX) == Code.TOO_LARGE
    assert refusal(b"\x92" + NEVER * (MESSAGE_FRAME_MAX - 1)) == Code.MALFORMED


def test_a_message_may_be_as_large_as_the_limit_and_a_little_around_it() -> None:
    letter = SendLetter(room=ROOM, devices=(ROOM,), body=bytes(codec.MESSAGE_BYTES_MAX), id=1)
    frame = codec.encode_frame([letter])
    assert codec.MESSAGE_BYTES_MAX < len(frame) <= MESSAGE_FRAME_MAX
    assert codec.decode_requests(frame) == [letter]


def test_a_handshake_may_be_as_large_as_its_own_limit() -> None:
    assert len(codec.decode_requests(append_of(HANDSHAKE_FRAME_MAX))) == 1
    assert refusal(append_of(HANDSHAKE_FRAME_MAX + 1)) == Code.TOO_LARGE


def test_only_some_kinds_of_requests_may_be_large() -> None:
    large = (Append, CreateRoom, PutSnapshot, OfferHandshakes, Register, Reset)
    assert large == codec.LARGE
    letters = codec.encode_frame([SendLetter(room=ROOM, devices=(ROOM,), body=bytes(10_000))])
    assert len(letters) > 2 * codec.ENVELOPE_BYTES
    assert refusal(letters, 100) == Code.MALFORMED


def test_a_host_may_set_other_limits() -> None:
    size = 20_000
    assert len(codec.decode_requests(append_of(size), 100, size - codec.ENVELOPE_BYTES)) == 1
    assert refusal(append_of(size + 1), 100, size - codec.ENVELOPE_BYTES) == Code.TOO_LARGE


def test_a_frame_holds_at_least_one_message_and_at_most_256() -> None:
    most = [NewToken()] * codec.FRAME_MESSAGES_MAX
    assert codec.decode_requests(codec.encode_frame(most)) == most
    assert refusal(codec.encode_frame([*most, NewToken()])) == Code.MALFORMED
    assert refusal(codec.encode_frame([])) == Code.MALFORMED


# ---- Bytes that mean nothing ----

MEMBERS = codec.encode_frame([GetMembers(room=ROOM)])
UNREADABLE = {
    "nothing": b"",
    "no list": codec.encode(GetMembers(room=ROOM)),
    "something after the end": MEMBERS + b"\x00",
    "cut short": MEMBERS[:-1],
    "an unknown tag": codec.encode([{"type": "open_sesame"}]),
    "no tag": codec.encode([{"room": ROOM}]),
    "no room": codec.encode([{"type": "get_members"}]),
    "a reply": codec.encode_frame([Done(id=1)]),
    "a short id": codec.encode([{"type": "get_members", "room": ROOM[1:]}]),
    "text for bytes": codec.encode([{"type": "get_members", "room": "a" * 16}]),
    "a fraction": codec.encode([{"type": "get_rooms", "since": 1.0}]),
    "a negative number": codec.encode([{"type": "get_rooms", "since": -1}]),
    "a number beyond 2^53": codec.encode([{"type": "get_rooms", "since": 2**53}]),
    "a key that is no text": b"\x91\x82\xa4type\xa9get_rooms\x01\x02",
    "text that is not UTF-8": codec.encode_frame([GetSalt(name="abc")]).replace(b"abc", b"a\xffc"),
    "a tag that is not UTF-8": MEMBERS.replace(b"get_m", b"get_\xff"),
    "a list that says it is long": b"\xdd\xff\xff\xff\xff",
    "lists in lists": b"\x91" * 100_000,
    "lists in lists in an unknown field": b"\x91\x82\xa4type\xa9get_rooms\xa1x" + b"\x91" * 100_000,
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_malformed(what: str) -> None:
    assert refusal(UNREADABLE[what]) == Code.MALFORMED


def test_a_field_that_nobody_knows_is_passed_over() -> None:
    frame = codec.encode([{"type": "get_members", "room": ROOM, "colour": {"red": [1, 2.5, None]}}])
    assert codec.decode_requests(frame) == [GetMembers(room=ROOM)]


def test_fields_may_stand_in_any_order_and_be_left_out_where_they_have_a_default() -> None:
    frame = codec.encode([{"room": ROOM, "id": 7, "type": "get_members"}])
    assert codec.decode_requests(frame) == [GetMembers(room=ROOM, id=7)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a frame of good requests that was damaged in one to three places."""
    kinds = st.one_of([drawn(kind) for kind in wire.REQUESTS])
    frame = bytearray(codec.encode_frame([draw(kinds)]))
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(frame)))
        last = draw(st.integers(first, min(first + 4, len(frame))))
        frame[first:last] = draw(st.binary(max_size=4))
    return bytes(frame)


def outcome(frame: bytes) -> str:
    """Return what becomes of a frame."""
    try:
        codec.decode_requests(frame)
    except Refused as refused:
        return refused.code
    return "read"


@given(damaged() | st.binary(max_size=40))
@example(UNREADABLE["text that is not UTF-8"])
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_a_damaged_frame_is_read_or_refused(frame: bytes) -> None:
    assert outcome(frame) in ("read", Code.MALFORMED)


# ---- The other direction, and headers ----


def test_a_client_refuses_what_is_no_answer() -> None:
    with pytest.raises(Refused) as caught:
        codec.decode_answers(MEMBERS)
    assert caught.value.code == Code.MALFORMED


def test_an_answer_that_was_stored_is_read_again() -> None:
    assert codec.decode_answer(codec.encode(Done(id=5))) == Done(id=5)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xc1",
        codec.encode({"type": "x"}),
        codec.encode({"type": "m", "sender": ROOM, "content": ROOM, "form": "plain"}),
        codec.encode({"type": "m", "content": ROOM, "sender": ROOM, "form": "notice"}),
        codec.encode(MessageHeader(sender=ROOM, content=ROOM, form="notice")) + b"\x00",
        codec.encode({"type": "m", "sender": ROOM, "content": ROOM, "form": "a"}).replace(
            b"\xa1a", b"\xa1\xff"
        ),
    ],
)
def test_a_header_that_cannot_be_read_is_a_bad_header(header: bytes) -> None:
    with pytest.raises(Refused) as caught:
        codec.decode_header(header)
    assert caught.value.code == Code.BAD_HEADER


@pytest.mark.parametrize("why", ["\x1b[2J", "two\nlines", "\x9b", "\u202e", "\u2066", "x" * 1_001])
def test_a_sentence_of_a_server_that_would_steer_a_terminal_is_none(why: str) -> None:
    for said in (Refusal(1, Code.LIMIT, why), Goodbye(Code.STOPPING, why)):
        with pytest.raises(Refused) as refused:
            codec.decode_answers(codec.encode_frame([said]))
        assert refused.value.code == Code.MALFORMED


def test_a_frame_of_answers_has_so_many_messages_at_most() -> None:
    for count in (codec.FRAME_MESSAGES_MAX, codec.FRAME_MESSAGES_MAX + 1):
        frame = codec.encode_frame([Done(id=one) for one in range(count)])
        if count <= codec.FRAME_MESSAGES_MAX:
            assert len(codec.decode_answers(frame)) == count
        else:
            with pytest.raises(Refused):
                codec.decode_answers(frame)
