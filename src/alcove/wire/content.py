"""Content: what people say to each other, before it is sealed.  The server may not import this.

A body holds a signed and padded `Said`: one content, and how far its writer had read the log.

    sealed ← signed ← padded ← Said(content, seen …, at) ← Text | Edit | Delete | React | …

Whoever makes a content draws its id, and the id is unique for its account only: so one content
names another by `Target`, the account and the id.  What a newer app says and this one does not
know becomes `Unknown`, and is kept as it came.
"""

import re
import unicodedata
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from alcove.wire.codec import MALFORMED
from alcove.wire.ids import Count, Hash, Id, Millis, Seq

SAID_BYTES_MAX: Final = 200 * 1024
"""The size of one content, checked before it is parsed.  Padded and sealed it fits a message."""
TEXT_CHARACTERS_MAX: Final = 40_000
"""The length of a message's text."""
TOPIC_CHARACTERS_MAX: Final = 80
"""The length of the name of a thread of talk within a room."""
NAME_CHARACTERS_MAX: Final = 255
"""The length of a file's name."""
REASON_CHARACTERS_MAX: Final = 300
"""The length of what an admin says about a removal."""
EMOJI_CHARACTERS_MAX: Final = 32
"""The length of a reaction: one emoji may be made of many characters."""
MENTIONS_MAX: Final = 64
"""Accounts that one message calls by name."""
FILES_MAX: Final = 20
"""Files of one message."""
THUMBNAIL_BYTES_MAX: Final = 16 * 1024
"""A small picture that travels inside the message; larger ones are blobs of their own."""
WAVEFORM_BYTES_MAX: Final = 256
"""Bars of a voice note's picture, one byte each."""
OPTIONS_MAX: Final = 20
"""Answers of one poll."""
PADDED_BYTES_MIN: Final = 256
"""Everything shorter looks alike."""
SIZE_BYTES: Final = 4
"""The length in front of what is padded."""
KIND_CHARACTERS_MAX: Final = 32
"""So much of the name of an unknown content is kept."""


class ContentError(Exception):
    """A content from outside was refused.  `cause` says why, and never repeats what it said."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"refused content: {cause}")


# ---- Pieces ----


class Target(Struct, frozen=True, array_like=True, gc=False):
    """Another content of the same room."""

    account: Id
    """Whose it is."""
    content: Id


class SealedBlob(Struct, frozen=True, gc=False):
    """A stored file, and what it takes to open it."""

    blob: Id
    key: Hash
    """32 random bytes, for this file only."""
    sha256: Hash
    """Of the plain file."""
    size: Count
    """Of the plain file, in bytes."""


class File(Struct, frozen=True, gc=False, omit_defaults=True):
    """A file that belongs to a message."""

    name: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    """As its sender says: it is made safe before it meets a disk."""
    media: Annotated[str, Meta(pattern=r"\A[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100}\Z")]
    """The media type, as its sender says."""
    sealed: SealedBlob
    expires_at: Millis | None = None
    """When the server drops it."""
    thumbnail: Annotated[bytes, Meta(max_length=THUMBNAIL_BYTES_MAX)] = b""
    """A small picture of it; empty for none."""
    thumbnail_blob: SealedBlob | None = None
    """A larger one."""
    width: Count = 0
    height: Count = 0
    length_ms: Count = 0
    """How long a voice note or film takes; 0 for what has no length."""
    waveform: Annotated[bytes, Meta(max_length=WAVEFORM_BYTES_MAX)] = b""
    """How loud a voice note is, from its beginning to its end."""


class Preview(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the sender saw behind a link.  Receivers never fetch it."""

    url: Annotated[str, Meta(pattern=r"\Ahttps?://[^\x00-\x20\x7f]{1,2000}\Z")]
    title: Annotated[str, Meta(max_length=300)] = ""
    description: Annotated[str, Meta(max_length=1000)] = ""
    thumbnail: Annotated[bytes, Meta(max_length=THUMBNAIL_BYTES_MAX)] = b""
    thumbnail_blob: SealedBlob | None = None


Words = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
"""A text of people, with a few marks of Markdown that are kept as they were typed."""
Reason = Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)]
"""Why somebody did something; may be empty."""
Mentions = Annotated[tuple[Id, ...], Meta(max_length=MENTIONS_MAX)]
"""Accounts that are called by name."""
Choice = Annotated[int, Meta(ge=0, lt=OPTIONS_MAX)]
"""The number of a poll's answer, from 0."""


# ---- Contents ----


class Text(Struct, frozen=True, tag="text", gc=False, omit_defaults=True):
    """A message: a text, files, or both."""

    text: Words = ""
    topic: Annotated[str, Meta(max_length=TOPIC_CHARACTERS_MAX)] = ""
    """Of which of the room's threads it is; empty for none."""
    reply_to: Target | None = None
    mentions: Mentions = ()
    mentions_all: bool = False
    """`@all`: counts only for those who may."""
    is_forwarded: bool = False
    preview: Preview | None = None
    files: Annotated[tuple[File, ...], Meta(max_length=FILES_MAX)] = ()
    through: Annotated[str, Meta(max_length=TOPIC_CHARACTERS_MAX)] = ""
    """The hook by which a program has posted it, as its writer says; empty for none."""


class Edit(Struct, frozen=True, tag="edit", gc=False, omit_defaults=True):
    """Another text for a message of one's own."""

    target: Id
    """The message's content id."""
    text: Words
    mentions: Mentions = ()
    mentions_all: bool = False
    preview: Preview | None = None


class Delete(Struct, frozen=True, tag="delete", gc=False, omit_defaults=True):
    """Take a message away for everyone: one's own, or as an admin another's."""

    target: Target
    reason: Reason = ""


class React(Struct, frozen=True, tag="react", gc=False, omit_defaults=True):
    """Put an emoji under a message, or take it back."""

    target: Target
    emoji: Annotated[
        str, Meta(min_length=1, max_length=EMOJI_CHARACTERS_MAX, pattern=r"\A[^\x00-\x20\x7f]+\Z")
    ]
    on: bool = True


class Pin(Struct, frozen=True, tag="pin", gc=False, omit_defaults=True):
    """Keep a message in everyone's sight, or no longer."""

    target: Target
    on: bool = True


class Poll(Struct, frozen=True, tag="poll", gc=False, omit_defaults=True):
    """A question with a few answers."""

    question: Annotated[str, Meta(min_length=1, max_length=1000)]
    options: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(min_length=2, max_length=OPTIONS_MAX),
    ]
    is_multiple: bool = False
    """Whether one may choose several."""
    closes_at: Millis | None = None


class Vote(Struct, frozen=True, tag="vote", gc=False, omit_defaults=True):
    """An answer to a poll; the newest one of an account counts, an empty one takes it back."""

    target: Target
    options: Annotated[tuple[Choice, ...], Meta(max_length=OPTIONS_MAX)] = ()


class EndPoll(Struct, frozen=True, tag="end_poll", gc=False):
    """No more votes: by who asked, or an admin."""

    target: Target


class Mute(Struct, frozen=True, tag="mute", gc=False, omit_defaults=True):
    """Have every client hide what an account says from here on, or no longer; by admins."""

    account: Id
    on: bool = True
    reason: Reason = ""


class Unknown(Struct, frozen=True, gc=False):
    """Something that a newer app says."""

    kind: str
    raw: bytes
    """As it came: a newer version of this app may know it."""


Known = Text | Edit | Delete | React | Pin | Poll | Vote | EndPoll | Mute
"""What this app can say."""
Content = Known | Unknown
"""What it can hear."""


class Said(Struct, frozen=True, gc=False):
    """A content, and where its writer stood: this is what is signed and sealed."""

    content: Content
    seen_seq: Seq
    """The writer had read the log up to here,"""
    seen_chain: Hash | None
    """with this running hash (None where it does not know it),"""
    seen_incarnation: Count
    """in this life of the server."""
    at: Millis
    """By the writer's clock."""


# ---- Bytes ----


class _Sealed(Struct, frozen=True, array_like=True, gc=False):
    """`Said` as it is written: a longer one comes from a newer app, and is read all the same."""

    content: Known
    seen_seq: Seq
    seen_chain: Hash | None
    seen_incarnation: Count
    at: Millis


class _Strange(Struct, frozen=True, array_like=True, gc=False):
    """The same with a content that cannot be read."""

    content: msgspec.Raw
    seen_seq: Seq
    seen_chain: Hash | None
    seen_incarnation: Count
    at: Millis


class _Kind(Struct, frozen=True, gc=False):
    type: str


_decode = msgspec.msgpack.Decoder(_Sealed).decode
_decode_strange = msgspec.msgpack.Decoder(_Strange).decode
_decode_kind = msgspec.msgpack.Decoder(_Kind).decode
_known: Any = Known
_decode_content = msgspec.msgpack.Decoder(_known).decode
_encode = msgspec.msgpack.Encoder().encode

KINDS: Final = ("text", "edit", "delete", "react", "pin", "poll", "vote", "end_poll", "mute")
"""The names of what this app knows."""


def encode_said(said: Said) -> bytes:
    """Return what is padded, signed and sealed.  Raises `ContentError` for what is too large."""
    assert not isinstance(said.content, Unknown), "an app says only what it knows"
    _check(said.content)
    data = _encode(
        _Sealed(said.content, said.seen_seq, said.seen_chain, said.seen_incarnation, said.at)
    )
    if len(data) > SAID_BYTES_MAX:
        raise ContentError("too-large")
    return data


def decode_said(data: bytes) -> Said:
    """Return what somebody said.  Raises `ContentError` for bytes that nobody should send."""
    if len(data) > SAID_BYTES_MAX:
        raise ContentError("too-large")
    try:
        sealed = _decode(data)
    except MALFORMED:
        return _said_by_newer(data)
    _check(sealed.content)
    return Said(
        sealed.content, sealed.seen_seq, sealed.seen_chain, sealed.seen_incarnation, sealed.at
    )


def _said_by_newer(data: bytes) -> Said:
    """Return what cannot be read because it is new; what is merely wrong is refused."""
    try:
        strange = _decode_strange(data)
        kind = _decode_kind(strange.content).type
    except MALFORMED as error:
        raise ContentError("not-readable") from error
    if kind in KINDS:
        raise ContentError("not-readable")
    unknown = Unknown(kind[:KIND_CHARACTERS_MAX], bytes(strange.content))
    return Said(unknown, strange.seen_seq, strange.seen_chain, strange.seen_incarnation, strange.at)


def encode_content(content: Content) -> bytes:
    """Return one content as a timeline keeps it."""
    return content.raw if isinstance(content, Unknown) else _encode(content)


def decode_content(data: bytes) -> Content:
    """Return what `encode_content` kept; what an older app kept as unknown may be known now."""
    try:
        content: Content = _decode_content(data)
    except MALFORMED:
        return Unknown(_decode_kind(data).type[:KIND_CHARACTERS_MAX], data)
    return content


def _check(content: Known) -> None:
    """Refuse what has the right form and yet makes no sense."""
    if isinstance(content, Text) and not (content.text.strip() or content.files):
        raise ContentError("empty")
    if isinstance(content, Edit) and not content.text.strip():
        raise ContentError("empty")


# ---- Padding ----


def padded(data: bytes) -> bytes:
    """Return data that tells little of its length: size, data, and zeros."""
    size = padded_size(SIZE_BYTES + len(data))
    return (len(data).to_bytes(SIZE_BYTES, "big") + data).ljust(size, b"\x00")


def unpadded(data: bytes) -> bytes:
    """Return what was padded; only the one right padding is taken."""
    size = int.from_bytes(data[:SIZE_BYTES], "big")
    end = SIZE_BYTES + size
    if len(data) < PADDED_BYTES_MIN or end > len(data) or padded_size(end) != len(data):
        raise ContentError("bad-padding")
    if data.count(b"\x00", end) != len(data) - end:
        raise ContentError("bad-padding")
    return data[SIZE_BYTES:end]


def padded_size(size: int) -> int:
    """Return a size when it is padded (Padmé): at most an eighth more, and at least 256."""
    if size <= PADDED_BYTES_MIN:
        return PADDED_BYTES_MIN
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


# ---- Showing ----

_BREAKS: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
"""What ends a line, written in other ways."""
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u202a-\u202e\u2066-\u2069]"
)
"""Controls, and what turns the direction of all that follows: `exe.txt` from `txt.exe`."""
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that show nothing, and are no spaces."""
_MARKS_MAX: Final = 3
"""So many accents on one letter; more climb over the lines above."""
SHOWN_NAME_CHARACTERS_MAX: Final = 80
"""So much of a name is shown."""


def shown_text(text: str) -> str:
    """Return a text without what rings, hides or turns; its lines end in one way."""
    return _HIDDEN.sub("", _BREAKS.sub("\n", text))


def shown_name(name: str) -> str:
    """Return a name on one line in which nothing is invisible; one of nothing at all is `?`."""
    return _plain(name)[:SHOWN_NAME_CHARACTERS_MAX].rstrip() or "?"


def _plain(name: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", name[:TEXT_CHARACTERS_MAX]):
        category = unicodedata.category(character)
        marks = marks + 1 if category[0] == "M" else 0
        if category in {"Cc", "Zl", "Zp", "Zs"} or character in _BLANKS:
            kept.append(" ")
        elif category[0] != "C" and marks <= _MARKS_MAX and not _is_selector(character):
            kept.append(character)
    return " ".join("".join(kept).split())


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
