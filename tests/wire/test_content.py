"""What people say to each other, as bytes: limits, padding, and what is fit to be shown."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.mls import padme
from alcove.wire import content
from alcove.wire.content import (
    Content,
    ContentError,
    Delete,
    Edit,
    EndPoll,
    File,
    Known,
    Mute,
    Pin,
    Poll,
    Preview,
    React,
    Said,
    SealedBlob,
    Target,
    Text,
    Unknown,
    Vote,
    decode_content,
    decode_said,
    encode_content,
    encode_said,
    padded,
    shown_name,
    shown_text,
    unpadded,
)

TARGET = Target(b"a" * 16, b"c" * 16)
BLOB = SealedBlob(b"b" * 16, bytes(32), bytes(32), 5)
FILE = File("a.png", "image/png", BLOB, thumbnail=b"small", width=3, height=4)
EVERYTHING: list[Known] = [
    Text(
        "**hi**",
        topic="tea",
        reply_to=TARGET,
        mentions=(b"m" * 16,),
        mentions_all=True,
        is_forwarded=True,
        preview=Preview("https://example.org/", "Title"),
        files=(FILE, File("v.ogg", "audio/ogg", BLOB, length_ms=900, waveform=b"\x01\x02")),
    ),
    Edit(b"c" * 16, "better"),
    Delete(TARGET, "rude"),
    React(TARGET, "❤️"),
    Pin(TARGET, on=False),
    Poll("Tea?", ("yes", "no"), is_multiple=True, closes_at=7),
    Vote(TARGET, (1,)),
    EndPoll(TARGET),
    Mute(b"a" * 16),
]


def said(what: Content) -> Said:
    return Said(what, 7, bytes(32), 1, 1_800_000_000_000)


def as_newer(what: object) -> bytes:
    return msgspec.msgpack.encode([what, 7, bytes(32), 1, 5, "new"])


@pytest.mark.parametrize("what", EVERYTHING, ids=lambda what: type(what).__name__)
def test_everything_that_can_be_said_is_heard_as_it_was_said(what: Known) -> None:
    assert decode_said(encode_said(said(what))) == said(what)
    assert decode_content(encode_content(what)) == what


def test_the_list_of_kinds_names_everything() -> None:
    tags = [msgspec.inspect.type_info(type(what)).tag for what in EVERYTHING]  # type: ignore[attr-defined]
    assert tuple(tags) == content.KINDS


def test_what_a_newer_app_says_is_kept_as_it_came() -> None:
    strange = {"type": "dance", "steps": [1, 2]}
    heard = decode_said(as_newer(strange))
    assert heard.content == Unknown("dance", msgspec.msgpack.encode(strange))
    assert heard.seen_seq == 7
    assert decode_content(encode_content(heard.content)) == heard.content


def test_what_was_unknown_is_known_after_an_update() -> None:
    raw = encode_content(Text("hi"))
    assert decode_content(encode_content(Unknown("text", raw))) == Text("hi")


def test_more_that_a_newer_app_says_about_what_we_know_is_passed_over() -> None:
    heard = decode_said(as_newer({"type": "text", "text": "hi", "colour": "red"}))
    assert heard.content == Text("hi")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 100_000,
        as_newer({"type": "text", "text": 5}),
        as_newer({"type": "text", "text": "a" * (content.TEXT_CHARACTERS_MAX + 1)}),
        as_newer({"type": "react", "target": [b"a" * 16, b"c" * 16], "emoji": "a\nb"}),
        as_newer({"type": "vote", "target": [b"a" * 16, b"c" * 16], "options": [20]}),
        as_newer({"type": "delete", "target": [b"a" * 15, b"c" * 16]}),
        as_newer({"text": "of no type"}),
        as_newer(5),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(ContentError) as caught:
        decode_said(data)
    assert caught.value.cause == "not-readable"


def test_ten_megabytes_of_text_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(ContentError, match="too-large"):
        decode_said(bytes(10 * 1024 * 1024))


def test_what_is_too_large_to_send_is_not_sent() -> None:
    files = (msgspec.structs.replace(FILE, thumbnail=bytes(content.THUMBNAIL_BYTES_MAX)),) * 20
    with pytest.raises(ContentError, match="too-large"):
        encode_said(said(Text("see", files=files)))


@pytest.mark.parametrize("what", [Text(" \n"), Edit(b"c" * 16, "")])
def test_saying_nothing_is_refused(what: Known) -> None:
    raw = as_newer(msgspec.to_builtins(what, builtin_types=(bytes,)))
    with pytest.raises(ContentError, match="empty"):
        decode_said(raw)
    with pytest.raises(ContentError, match="empty"):
        encode_said(said(what))


def test_a_file_needs_no_words() -> None:
    assert decode_said(encode_said(said(Text(files=(FILE,))))).content == Text(files=(FILE,))


@given(st.binary(max_size=300))
def test_bytes_from_anywhere_are_read_or_refused(data: bytes) -> None:
    with suppress(ContentError):
        assert isinstance(decode_said(data), Said)


# ---- Padding ----


@given(st.integers(0, 20_000))
def test_padding_is_taken_off_again(size: int) -> None:
    data = b"a" * size
    whole = padded(data)
    assert unpadded(whole) == data
    assert len(whole) == max(content.PADDED_BYTES_MIN, padme(len(data) + 4))


def test_short_texts_look_alike() -> None:
    assert len(padded(b"yes")) == len(padded(b"a" * 250)) == 256


@pytest.mark.parametrize(
    "data",
    [
        b"",
        padded(b"hi")[:-1],
        padded(b"hi") + b"\x00",
        padded(b"hi")[:-1] + b"\x01",
        b"\xff" * 256,
        b"\x00\x00\x00\x02hi".ljust(512, b"\x00"),
    ],
)
def test_other_padding_is_refused(data: bytes) -> None:
    with pytest.raises(ContentError, match="bad-padding"):
        unpadded(data)


# ---- Showing ----


def test_a_text_does_not_ring_turn_or_hide() -> None:
    assert shown_text("a\x07b\u202ec\u2066d\x00\x1b[31m") == "abcd[31m"
    assert shown_text("one\r\ntwo\rthree\u2028four\tfive") == "one\ntwo\nthree\nfour\tfive"


def test_a_text_keeps_what_languages_and_emoji_need() -> None:
    for text in ("می‌خواهم", "👩‍👩‍👧", "שלום", "naïve ❤️"):
        assert shown_text(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Mia", "Mia"),
        ("  Mia\n\u2029 Lee\u3000", "Mia Lee"),
        ("M\u200bi\u200da\ufeff\U000e0041", "Mia"),
        ("\u202eaiM", "aiM"),
        ("\u3164\u2800\u115f", "?"),
        ("e\u0301\u0302\u0303\u0304\u0305\u0306", "é\u0302\u0303\u0304"),
        ("a\ufe0fb\U000e0101", "ab"),
        ("", "?"),
        ("x" * 500, "x" * content.SHOWN_NAME_CHARACTERS_MAX),
    ],
)
def test_nothing_in_a_name_is_invisible(name: str, shown: str) -> None:
    assert shown_name(name) == shown
