"""What is sealed to a public key: rows of the archive, and answers to who asks for old room keys.

    encapsulated key (1,120 bytes) ‖ HPKE(padded(writer ‖ signature ‖ plain))

Who seals cannot open again.  So a copied device adds to the archive of its account and reads none
of it: the private half lies in the box.
"""

from typing import Final

from alcove.client.errors import PeerError
from alcove.client.keys.envelope import (
    Form,
    Opened,
    check_inside,
    check_inside_by,
    check_size,
    pad,
    sign_inside,
    sign_inside_by,
    unpad,
)
from alcove.client.keys.rooms import SECRET_BYTES
from alcove.client.keys.suite import SUITE
from alcove.mls import CryptoError, KemKey, SigningKey
from alcove.wire.signed import transcript

ENCAPSULATED_BYTES: Final = 1120
"""What X-Wing sends along: 1,088 bytes of ML-KEM-768 and 32 of X25519."""
ROW: Final = Form("alcove archive row 1", 16 * 1024)
ANSWER: Final = Form("alcove answer 1", 256 * 1024)


def archive_key(seed: bytes) -> KemKey:
    """Return the archive's key pair that follows from a seed of the box."""
    assert len(seed) == SECRET_BYTES
    return SUITE.kem_derive(seed)


def _enclose(form: Form, public: bytes, place: bytes, inner: bytes) -> bytes:
    try:
        encapsulated, sealed = SUITE.seal(public, form.label.encode(), place, pad(inner))
    except CryptoError:
        raise PeerError("bad-key") from None
    body = encapsulated + sealed
    assert len(body) <= form.bytes_max, "the caller limits what it seals"
    return body


def _disclose(form: Form, key: KemKey, place: bytes, body: bytes) -> bytes:
    check_size(form, body)
    encapsulated, sealed = body[:ENCAPSULATED_BYTES], body[ENCAPSULATED_BYTES:]
    try:
        return unpad(SUITE.open(key, form.label.encode(), place, encapsulated, sealed))
    except CryptoError:
        raise PeerError("not-sealed") from None


# ---- The archive ----


def seal_archived(
    public: bytes, account: bytes, room: bytes, name: bytes, signer: SigningKey, secret: bytes
) -> bytes:
    """Return the row that keeps the room key of this name, for who opens the box."""
    assert len(secret) == SECRET_BYTES
    place = transcript(ROW.label, account, room, name)
    return _enclose(ROW, public, place, sign_inside_by(signer, place, secret))


def open_archived(key: KemKey, account: bytes, room: bytes, name: bytes, body: bytes) -> Opened:
    """Return an archived room key, and the device that says so; it must be one of the account's."""
    place = transcript(ROW.label, account, room, name)
    opened = check_inside_by(place, _disclose(ROW, key, place, body))
    if len(opened.plain) != SECRET_BYTES:
        raise PeerError("bad-archive-row")
    return opened


# ---- Answers ----


def seal_answer(
    public: bytes, room: bytes, asker: bytes, signer: SigningKey, plain: bytes
) -> bytes:
    """Return an answer to one device, sealed to a key that it drew for its question.

    Others in the room hold the keys of letters; old room keys are for the asker alone.
    """
    place = transcript(ANSWER.label, room, asker, signer.public, public)
    return _enclose(ANSWER, public, place, sign_inside(signer, place, plain))


def open_answer(key: KemKey, room: bytes, asker: bytes, writer: bytes, body: bytes) -> bytes:
    """Return what a device, by its public key, has answered to this one's question."""
    place = transcript(ANSWER.label, room, asker, writer, key.public)
    return check_inside(writer, place, _disclose(ANSWER, key, place, body))
