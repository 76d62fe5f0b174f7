"""Room links: a secret behind a `#` that lets who has it join a room by himself.

https://server/r/ID#SECRET.kKEY.tCERTIFICATE.rROOM.fINVITER.eEPOCH

    ID            the first bytes of SHA-256(SECRET), in hex: names the link, and is not secret
    SECRET        32 bytes in base64url, from which the link key follows
    kKEY          the server's public key, in hex
    tCERTIFICATE  the SHA-256 of a self-signed certificate, in hex; otherwise left out
    rROOM         the room's id, in hex
    fINVITER      the inviter's fingerprint: the SHA-256 of his identity key, in hex
    eEPOCH        the least epoch: an older state of the room is a lie

The server is shown SHA-256(SECRET) and no more.  What lets somebody in is a signature by the link
key, whose public half stands in the room extension under the inviter's name.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple

from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.envelope import sign, verify
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.extension import LinkKey, RoomState
from alcove.client.rooms.note import LinkProof
from alcove.client.rooms.roles import may, settled
from alcove.mls import SigningKey
from alcove.wire.signed import transcript

LINK_LABEL: Final = "alcove link 1"
SECRET_BYTES: Final = 32
ID_BYTES: Final = 8
LINK_CHARACTERS_MAX: Final = 1024
"""Longer texts are not looked at."""
_KEY_LABEL: Final = b"alcove link key 1"
_KEY_BYTES: Final = 32
_FORM: Final = re.compile(
    r"(https?://[A-Za-z0-9._:\[\]-]+)/r/([0-9a-f]{16})"
    r"#([A-Za-z0-9_-]{43})\.k([0-9a-f]{64})(?:\.t([0-9a-f]{64}))?"
    r"\.r([0-9a-f]{32})\.f([0-9a-f]{64})\.e(0|[1-9][0-9]{0,15})"
)
NOT_A_LINK: Final = (
    "This is not a whole link to a room: copy it from the invitation again, up to its last letter."
)


class RoomLink(NamedTuple):
    """What a link to a room says."""

    address: str
    """The server's, with `https://`."""
    secret: bytes
    server: bytes
    """The server's public key, to be pinned."""
    certificate: bytes | None
    """The SHA-256 of the server's certificate, when that is self-signed."""
    room: bytes
    inviter: bytes
    """The SHA-256 of the inviter's identity key."""
    epoch: int
    """The room's epoch when the link was made."""

    def __repr__(self) -> str:
        return "<RoomLink>"


def link_hash(secret: bytes) -> bytes:
    """Return what the server knows a link by."""
    return hashlib.sha256(secret).digest()


def link_key(secret: bytes) -> SigningKey:
    """Return the key that follows from a link's secret."""
    return SUITE.signing_key(SUITE.expand_label(secret, _KEY_LABEL, b"", _KEY_BYTES))


def entry_for(secret: bytes, made_by: bytes) -> LinkKey:
    """Return what stands in the room extension for a link, given its maker's identity hash."""
    return LinkKey(link_key(secret).public, made_by)


# ---- As text ----


def write_link(link: RoomLink) -> str:
    """Return a link as it is handed on."""
    parts = [
        urlsafe_b64encode(link.secret).decode("ascii").rstrip("="),
        f"k{link.server.hex()}",
        *(() if link.certificate is None else (f"t{link.certificate.hex()}",)),
        f"r{link.room.hex()}",
        f"f{link.inviter.hex()}",
        f"e{link.epoch}",
    ]
    name = link_hash(link.secret)[:ID_BYTES].hex()
    return f"{link.address}/r/{name}#{'.'.join(parts)}"


def read_link(text: str) -> RoomLink:
    """Return what a link says that somebody was given; one that was cut off is refused."""
    text = text.strip() if len(text) <= LINK_CHARACTERS_MAX else ""
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(NOT_A_LINK)
    address, _, secret, server, certificate, room, inviter, epoch = found.groups()
    link = RoomLink(
        address,
        urlsafe_b64decode(secret + "="),
        bytes.fromhex(server),
        None if certificate is None else bytes.fromhex(certificate),
        bytes.fromhex(room),
        bytes.fromhex(inviter),
        int(epoch),
    )
    if write_link(link) != text:  # The name is another link's: two were pasted together.
        raise UsageError(NOT_A_LINK)
    return link


# ---- Joining ----


def signed_bytes(room: bytes, epoch: int, device_key: bytes, credential: bytes) -> bytes:
    """Return what a link key signs for one device, in one epoch of one room."""
    number = epoch.to_bytes(8, "big")
    return transcript(LINK_LABEL, room, number, device_key, hashlib.sha256(credential).digest())


def prove(
    secret: bytes, room: bytes, epoch: int, device_key: bytes, credential: bytes
) -> LinkProof:
    """Return what shows that a device has a link, for a commit onto this epoch.

    The credential is that of the leaf by which the device joins.
    """
    key = link_key(secret)
    return LinkProof(key.public, sign(key, signed_bytes(room, epoch, device_key, credential)))


def lets_in(
    state: RoomState,
    there: frozenset[bytes],
    proof: LinkProof,
    place: tuple[bytes, int, bytes, bytes],
) -> bool:
    """Return whether a proof lets a leaf in: its link stands there, and its maker may invite.

    `there` are the identities of who is in the room; the place is room, epoch, device key and
    credential, as for `prove`.
    """
    for link in state.links:
        if link.key == proof.key:
            maker = settled(state, link.made_by)
            if maker not in there or not may(state, maker, "invite"):
                return False
            try:
                verify(proof.key, signed_bytes(*place), proof.signature)
            except PeerError:
                return False
            return True
    return False
