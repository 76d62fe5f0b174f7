"""Links of a server: by which people register, bots are enrolled and lost accounts come back.

https://server/i/ID#SECRET.kKEY.tCERTIFICATE

`alcove.wire.invites` says what each part is.  Parts that this app does not know are passed over: a
newer one may have written them.
"""

import re
from typing import Final, NamedTuple

from alcove.client.errors import UsageError

LINK_CHARACTERS_MAX: Final = 1024
"""Longer texts are not looked at."""
_FORM: Final = re.compile(
    r"(https?://[A-Za-z0-9._:\[\]-]+)/i/[a-z0-9]{1,64}"
    r"#([A-Za-z0-9_-]{8,128})\.k([0-9a-f]{64})(?:\.t([0-9a-f]{64}))?(?:\.[a-z][A-Za-z0-9_-]{0,128})*"
)
NOT_A_LINK: Final = (
    "This is not a whole link of a server: copy it from the invitation again, up to its last"
    " letter."
)


class Invitation(NamedTuple):
    """What such a link says."""

    address: str
    """The server's, with `https://`."""
    secret: str
    server: bytes
    """The server's public key, to be pinned."""
    certificate: bytes | None
    """The SHA-256 of the server's certificate, when that is self-signed."""

    def __repr__(self) -> str:
        return "<Invitation>"


def is_link(text: str) -> bool:
    """Say whether a text is meant as a link, and not as the bare address of a server."""
    return "/i/" in text or "#" in text


def read_invitation(text: str) -> Invitation:
    """Return what a link says that somebody was given; one that was cut off is refused."""
    text = text.strip()
    found = _FORM.fullmatch(text) if len(text) <= LINK_CHARACTERS_MAX else None
    if found is None:
        raise UsageError(NOT_A_LINK)
    address, secret, server, certificate = found.groups()
    pinned = None if certificate is None else bytes.fromhex(certificate)
    return Invitation(address, secret, bytes.fromhex(server), pinned)
