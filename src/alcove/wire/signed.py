"""What is signed, byte by byte: both sides must agree on it, and nobody needs a key to write it.

    who signs      label                      what follows it
    the identity   alcove certificate 1       a Certificate, in msgpack
    the identity   alcove device list 1       a DeviceList, in msgpack
    a device       alcove sign in 1           server key, challenge, device id, version
    the server     alcove server proof 1      server key, nonce, challenge, device id, version

A signature under one label cannot be shown as one under another.
"""

import hashlib

CERTIFICATE_LABEL = "alcove certificate 1"
LIST_LABEL = "alcove device list 1"
SIGN_IN_LABEL = "alcove sign in 1"
PROOF_LABEL = "alcove server proof 1"

DEVICE_ID_BYTES = 16


def transcript(label: str, *parts: bytes) -> bytes:
    """Return the bytes that are signed for these parts: no other label and parts have the same.

    Each of label (in ASCII) and parts stands behind its length, four bytes, big-endian.  So there
    is one way to read it.  What MLS signs begins with the length of a label in one byte, never 0,
    and this with a 0: a device's signature under one cannot be shown as one under the other.
    """
    pieces = (label.encode("ascii"), *parts)
    return b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)


def certificate_bytes(body: bytes) -> bytes:
    """Return what the identity key signs for a `Certificate`, given in msgpack."""
    return transcript(CERTIFICATE_LABEL, body)


def list_bytes(body: bytes) -> bytes:
    """Return what the identity key signs for a `DeviceList`, given in msgpack.

    When a list brings a new identity key, the one before signs the same bytes.
    """
    return transcript(LIST_LABEL, body)


def sign_in_bytes(server_key: bytes, challenge: bytes, device: bytes, version: int) -> bytes:
    """Return what a device signs to sign in; the version is four bytes, big-endian.

    The server's key, as it was pinned, stands in it so that another server cannot pass the
    signature on.
    """
    return transcript(SIGN_IN_LABEL, server_key, challenge, device, version.to_bytes(4, "big"))


def proof_bytes(
    server_key: bytes, nonce: bytes, challenge: bytes, device: bytes, version: int
) -> bytes:
    """Return what the server signs to prove its key to a device; the nonce is the client's."""
    parts = (server_key, nonce, challenge, device, version.to_bytes(4, "big"))
    return transcript(PROOF_LABEL, *parts)


def device_id(public: bytes) -> bytes:
    """Return the id of the device with this public key."""
    return hashlib.sha256(public).digest()[:DEVICE_ID_BYTES]
