"""Frames: how messages become bytes and come back, and the limits checked before parsing.

A frame is a msgpack list of messages.  One that is larger than a message may be holds exactly one,
of a kind that may be large (handshakes with their Welcomes, and snapshots), or is not decoded.
"""

from collections.abc import Sequence
from typing import Any, Union

import msgspec
from msgspec import Raw

from alcove import wire
from alcove.wire.accounts import Register, Reset
from alcove.wire.entries import (
    Append,
    HandshakeHeader,
    Header,
    MessageHeader,
    OfferHandshakes,
    PutSnapshot,
)
from alcove.wire.errors import Code, Refused
from alcove.wire.malformed import malformed
from alcove.wire.rooms import CreateRoom

MESSAGE_BYTES_MAX = 256 * 1024
"""The size of a request, where nothing else is set."""
HANDSHAKE_BYTES_MAX = 8 * 1024 * 1024
"""The size of a request with handshakes or Welcomes, where nothing else is set."""
ENVELOPE_BYTES = 4 * 1024
"""What a frame may be larger than the body that it carries."""
FRAME_MESSAGES_MAX = 256
"""Messages in one frame."""
TOO_FEW_OR_MANY = (
    "The request does not have the form that the protocol asks for: a frame holds 1 to"
    f" {FRAME_MESSAGES_MAX} messages."
)
NOT_CANONICAL = "The header is not in its one encoding; docs/protocol/order.md shows it."

LARGE = (Append, CreateRoom, PutSnapshot, OfferHandshakes, Register, Reset)
"""The kinds of requests that a large frame may hold."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that it cannot read: text that is not UTF-8 has its own error."""

_requests: Any = Union[wire.REQUESTS]  # noqa: UP007
_large: Any = Union[LARGE]  # noqa: UP007
_answers: Any = Union[(*wire.REPLIES, *wire.PUSHES)]

_decode_requests = msgspec.msgpack.Decoder(list[_requests]).decode
_decode_raw = msgspec.msgpack.Decoder(list[Raw]).decode
_decode_large = msgspec.msgpack.Decoder(_large).decode
_decode_answers = msgspec.msgpack.Decoder(list[_answers]).decode
_decode_answer = msgspec.msgpack.Decoder(_answers).decode
_decode_header = msgspec.msgpack.Decoder(Header).decode
encode = msgspec.msgpack.Encoder().encode


def decode_requests(
    frame: bytes,
    message_bytes_max: int = MESSAGE_BYTES_MAX,
    handshake_bytes_max: int = HANDSHAKE_BYTES_MAX,
) -> list[wire.Request]:
    """Return the requests of a frame from outside; its size decides how it is looked at."""
    size = len(frame)
    try:
        if size <= message_bytes_max + ENVELOPE_BYTES:
            requests: list[wire.Request] = _decode_requests(frame)
        elif size <= handshake_bytes_max + ENVELOPE_BYTES:
            if frame[0] != 0x91:  # A list of one.
                raise Refused(Code.TOO_LARGE)
            (raw,) = _decode_raw(frame)
            requests = [_decode_large(raw)]
        else:
            raise Refused(Code.TOO_LARGE)
    except MALFORMED as error:
        raise malformed(error) from error
    if not 0 < len(requests) <= FRAME_MESSAGES_MAX:
        raise Refused(Code.MALFORMED, TOO_FEW_OR_MANY)
    return requests


def decode_answers(frame: bytes) -> list[Any]:
    """Return the replies and pushes of a frame from a server."""
    try:
        answers: list[Any] = _decode_answers(frame)
    except MALFORMED as error:
        raise Refused(Code.MALFORMED) from error
    if len(answers) > FRAME_MESSAGES_MAX:
        raise Refused(Code.MALFORMED, TOO_FEW_OR_MANY)
    return answers


def decode_answer(data: bytes) -> Any:
    """Return one reply that was stored as it was sent."""
    return _decode_answer(data)


def encode_frame(messages: Sequence[Any]) -> bytes:
    """Return the frame that holds these messages."""
    return encode(messages)


def decode_header(header: bytes) -> MessageHeader | HandshakeHeader:
    """Return what an entry's header says."""
    try:
        decoded: MessageHeader | HandshakeHeader = _decode_header(header)
    except MALFORMED as error:
        raise Refused(Code.BAD_HEADER) from error
    if encode(decoded) != header:  # One header must not be read in two ways.
        raise Refused(Code.BAD_HEADER, NOT_CANONICAL)
    return decoded
