"""What is said about a request that cannot be read: which field is wrong, and what it should be.

The library's own sentences are taken apart rather than passed on: some of them repeat what was
sent, and that may be a password.  What is told here are names of fields, which are ours, and types.
"""

import re
from typing import Final

import msgspec

from alcove.wire.errors import SENTENCES, Code, Refused

SAID_CHARACTERS_MAX: Final = 200
"""So much is said about what is wrong: a pattern can be long."""

_PLACE: Final = re.compile(r"(.*?)(?: - at `(?:key` in `)?\$(?:\[(\d+)\])?\.?([\w.\[\]]*)`)?")
_EXPECTED: Final = re.compile(r"Expected (`[a-z |]+`(?:(?! got ).)*?)(?:, got (`?[\w ]+`?))?")
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_WORDS: Final = {
    "str": "text",
    "int": "integer",
    "bool": "boolean",
    "array": "list",
    "object": "map",
    "null": "nil",
}


def malformed(error: Exception) -> Refused:
    """Return the refusal of what a decoder could not read."""
    said = SENTENCES[Code.MALFORMED].removesuffix(".")
    return Refused(Code.MALFORMED, f"{said}: {_wrong(error)[:SAID_CHARACTERS_MAX]}.")


def _wrong(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return _wrong_field(str(error))
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    if isinstance(error, RecursionError):
        return "its parts stand too deep inside each other"
    return "it cannot be read, or ends too early"


def _wrong_field(text: str) -> str:
    """Return what is wrong with one field, from the library's sentence about it."""
    match = _PLACE.fullmatch(text)
    what, number, path = match.groups() if match else ("", None, "")
    path = (path or "").replace("[...]", "")
    missing = _MISSING.fullmatch(what)
    if missing is not None:
        said = f"`{f'{path}.' if path else ''}{missing[1]}` is missing"
    else:
        said = f"{f'`{path}`' if path else 'the message'} {_must(what)}"
    return f"in message {int(number) + 1} of the frame, {said}" if number else said


def _must(what: str) -> str:
    expected = _EXPECTED.fullmatch(what)
    if expected is not None:
        wanted, given = expected.groups()
        return f"must be {_plain(wanted)}" + (f", not {_plain(given)}" if given else "")
    if what == "Invalid base64 encoded string":
        return "must be base64"
    # Everything else may repeat what was sent.
    return "is not one of the values that it may have"


def _plain(types: str) -> str:
    """Return the names of types as the protocol's pages say them."""
    quoted = re.sub(r"`([a-z |]+)`", lambda match: match[1].replace("|", "or"), types)
    words = re.sub(
        r"[a-z]+", lambda match: _WORDS.get(match[0], match[0]), quoted.partition("'")[0]
    )
    return words + "".join(quoted.partition("'")[1:])
