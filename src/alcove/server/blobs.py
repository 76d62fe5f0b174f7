"""Uploads by the tus 1.0 protocol: what its headers say, and what they may say here.

    POST   /v1/blobs          Upload-Length              ► 201, Location, Upload-Expires
    HEAD   /v1/blobs/ID                                  ► 200, Upload-Offset, Upload-Metadata
    PATCH  /v1/blobs/ID       Upload-Offset, bytes       ► 204, Upload-Offset, Upload-Expires
    DELETE /v1/blobs/ID                                  ► 204
    GET    /v1/blobs/ID       Range                      ► the bytes

The bytes are sealed; the server knows their number, and that is all.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, get_args

from alcove.wire.blobs import Expiry
from alcove.wire.errors import Code, Refused

TUS_VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,expiration,termination"
CONTENT_TYPE: Final = "application/offset+octet-stream"
OVERRIDE: Final = "X-HTTP-Method-Override"
"""Names the method that is meant, where something on the way lets only some methods pass."""
ID_HEX: Final = 32
DIGITS_MAX: Final = 15
"""Digits of a number in a header."""
METADATA_MAX: Final = 1024
"""Characters of the header Upload-Metadata."""


def check_version(headers: Mapping[str, str]) -> None:
    """Refuse a client of another version of tus."""
    if headers.get("Tus-Resumable") != TUS_VERSION:
        raise Refused(Code.VERSION, f"Uploads here speak tus {TUS_VERSION}: say Tus-Resumable.")


def number(headers: Mapping[str, str], name: str) -> int:
    """Return a header that is a number, or refuse."""
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise Refused(Code.MALFORMED, f"{name} must be there and be a number.")
    return int(text)


def expiry_of(headers: Mapping[str, str]) -> Expiry:
    """Return when a blob is to go, from the `expiry` of Upload-Metadata."""
    said = headers.get("Upload-Metadata", "")
    if len(said) > METADATA_MAX:
        raise Refused(Code.TOO_LARGE, "Upload-Metadata may only say when the file goes.")
    for pair in said.split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "expiry":
            try:
                text = base64.b64decode(value, validate=True).decode("ascii")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Refused(Code.MALFORMED, "The value of expiry must be base64.") from error
            for known in get_args(Expiry):
                if text == known:
                    return known  # type: ignore[no-any-return]
            raise Refused(Code.MALFORMED, "expiry is one of never, day and week.")
    return "never"


def metadata_of(expiry: Expiry) -> str:
    """Return Upload-Metadata as far as it was kept: names and types of files are not."""
    return f"expiry {base64.b64encode(expiry.encode()).decode()}"


def blob_id(text: str) -> bytes:
    """Return the id that stands in an address."""
    try:
        if len(text) == ID_HEX:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise Refused(Code.UNKNOWN)
