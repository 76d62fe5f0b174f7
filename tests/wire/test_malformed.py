"""A request that cannot be read: the field is named, and what was sent is never repeated."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from alcove.wire import codec
from alcove.wire.errors import SENTENCES, Code, Refused
from alcove.wire.malformed import SAID_CHARACTERS_MAX, malformed

SECRET = "correct-horse-battery"


class _Place(Struct, array_like=True):
    x: int
    y: int = 0


class _Asked(Struct, tag="asked"):
    name: Annotated[str, Meta(pattern=r"\A[a-z]+\Z", max_length=30)]
    room: Annotated[bytes, Meta(min_length=16, max_length=16)] = bytes(16)
    form: Literal["kept", "live"] = "kept"
    place: _Place | None = None
    counts: dict[Annotated[str, Meta(max_length=3)], int] = {}


def said(body: bytes) -> str:
    """Return what is said about a body, without the beginning that is always the same."""
    with pytest.raises(codec.MALFORMED) as caught:
        msgspec.json.Decoder(_Asked).decode(body)
    refused = malformed(caught.value)
    assert refused.code == Code.MALFORMED
    always = SENTENCES[Code.MALFORMED].removesuffix(".") + ": "
    assert refused.why.startswith(always)
    return refused.why.removeprefix(always)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{}", "`name` is missing."),
        (b'{"name": 5}', "`name` must be text, not integer."),
        (b'{"name": "A1"}', r"`name` must be text matching regex '\\A[a-z]+\\Z'."),
        (b'{"name": "a", "room": "AAAA"}', "`room` must be bytes of length >= 16."),
        (b'{"name": "a", "room": "!"}', "`room` must be base64."),
        (b'{"name": "a", "form": "x"}', "`form` is not one of the values that it may have."),
        (b'{"type": "x"}', "`type` is not one of the values that it may have."),
        (b'{"name": "a", "place": [1, []]}', "`place[1]` must be integer, not list."),
        (b'{"name": "a", "place": {}}', "`place` must be list or nil, not map."),
        (b'{"name": "a", "place": []}', "`place` must be list of at least length 1, not 0."),
        (b'{"name": "a", "counts": {"b": null}}', "`counts` must be integer, not nil."),
        (b'{"name": "a", "counts": {"abcd": 1}}', "`counts` must be text of length <= 3."),
        (b"[]", "the message must be map, not list."),
        (b"", "it cannot be read, or ends too early."),
        (b'{"name": "\xff"}', "a text in it is not UTF-8."),
        (
            b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
            "its parts stand too deep inside each other.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_it_should_be(body: bytes, sentence: str) -> None:
    assert said(body) == sentence


@pytest.mark.parametrize(
    "fields",
    [
        {"name": SECRET.upper()},
        {"name": "a", "form": SECRET},
        {"type": SECRET},
        {"name": "a", "room": SECRET},
        {"name": "a", "counts": {SECRET: 1}},
        {"name": "a", "counts": {"a": SECRET}},
        {"name": "a", "place": [SECRET]},
    ],
)
def test_what_was_sent_is_not_repeated(fields: dict[str, Any]) -> None:
    assert SECRET not in said(msgspec.json.encode(fields)).lower()


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([{"type": "find"}], "in message 1 of the frame, `name` is missing."),
        (
            [{"type": "find", "name": "ada"}, {"type": "find", "name": 5}],
            "in message 2 of the frame, `name` must be text, not integer.",
        ),
        ([{}], "in message 1 of the frame, `type` is missing."),
        ([5], "in message 1 of the frame, the message must be map, not integer."),
        (5, "the message must be list, not integer."),
        ([], "a frame holds 1 to 256 messages."),
    ],
)
def test_in_a_frame_the_message_is_named_too(messages: Any, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        codec.decode_requests(codec.encode(messages))
    assert caught.value.why.endswith(f": {sentence}")


@given(st.text())
def test_of_a_sentence_that_nobody_has_thought_of_nothing_is_repeated(text: str) -> None:
    sentence = f"Strange {text}"
    expected = malformed(msgspec.ValidationError("Strange")).why
    assert malformed(msgspec.ValidationError(sentence)).why == expected


def test_what_is_said_is_never_long() -> None:
    long = msgspec.ValidationError(f"Expected `str` matching regex '{'x' * 1000}' - at `$.a`")
    always = len(SENTENCES[Code.MALFORMED])
    assert len(malformed(long).why) == always + 2 + SAID_CHARACTERS_MAX
