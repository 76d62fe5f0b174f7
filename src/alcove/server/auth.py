"""Who is who: the server's own keys, signatures, and the hashes of what is only shown once.

The only module of the server that touches cryptography.  Nothing in it is random: keys follow from
one stored secret, and what is drawn comes in as an argument.

                      ┌─ "alcove server signing key 1" ─► Ed25519: what devices pin
    secret, 32 bytes ─┼─ "alcove server salt key 1" ────► salts of names, used or not
      (HKDF-SHA256)   ├─ "alcove server login pepper 1" ► hashes of login keys
                      ├─ "alcove server token pepper 1" ► hashes of bearer tokens
                      ├─ "alcove server link pepper 1" ─► hashes of the secrets in links
                      └─ "alcove server invite key 1" ──► the secrets of invites

The secret belongs in the backup: with another one the server is a stranger to every device, and no
password opens an account.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alcove.wire.signed import proof_bytes

SECRET_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SALT_BYTES: Final = 16

PUBLIC_KEYS_KEPT: Final = 4096
"""So many devices' public keys are remembered as objects; the longest unused goes."""

NEW_SECRET_BYTES: Final = 20
"""160 bits, which base32 writes in exactly 32 characters."""

TOTP_SECRET_BYTES: Final = 20
"""RFC 4226, section 4: "This document RECOMMENDs a shared secret length of 160 bits."."""
TOTP_DIGITS: Final = 6
TOTP_STEP_MS: Final = 30_000
TOTP_WINDOW_STEPS: Final = 1
"""A code counts one step early and late: clocks differ, and people type slowly."""

_PRIME: Final = 2**255 - 19
_SMALL_ORDER: Final = frozenset({
    0,
    1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
})  # fmt: skip
"""The y of the points of order 1, 2, 4 and 8, up to sign."""


# ---- The server's keys ----


@dataclass(frozen=True, slots=True, eq=False)
class ServerKeys:
    """All keys of a server.  Printing them shows the public one only."""

    public: bytes
    """The server's key, as devices know it: 32 bytes."""
    signing: Ed25519PrivateKey = field(repr=False)
    salt_key: bytes = field(repr=False)
    login_pepper: bytes = field(repr=False)
    token_pepper: bytes = field(repr=False)
    link_pepper: bytes = field(repr=False)
    invite_key: bytes = field(repr=False)


def make_server_keys(secret: bytes) -> ServerKeys:
    """Return the keys that follow from the server's secret, always the same ones."""
    assert len(secret) == SECRET_BYTES, "the server's secret has 32 bytes"
    signing = Ed25519PrivateKey.from_private_bytes(_derive(secret, "alcove server signing key 1"))
    return ServerKeys(
        public=signing.public_key().public_bytes_raw(),
        signing=signing,
        salt_key=_derive(secret, "alcove server salt key 1"),
        login_pepper=_derive(secret, "alcove server login pepper 1"),
        token_pepper=_derive(secret, "alcove server token pepper 1"),
        link_pepper=_derive(secret, "alcove server link pepper 1"),
        invite_key=_derive(secret, "alcove server invite key 1"),
    )


def _derive(secret: bytes, label: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=label.encode("ascii")).derive(secret)


# ---- Signatures ----


def prove(keys: ServerKeys, nonce: bytes, challenge: bytes, device: bytes, version: int) -> bytes:
    """Return the server's signature over `proof_bytes`, 64 bytes."""
    return keys.signing.sign(proof_bytes(keys.public, nonce, challenge, device, version))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature is right.  Whatever is malformed is wrong, and raises nothing."""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    key = _public_key(public)
    if key is None:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=PUBLIC_KEYS_KEPT)
def _public_key(public: bytes) -> Ed25519PublicKey | None:
    """Return a key to verify with, or None for one of the few that anybody can sign for."""
    y = (int.from_bytes(public, "little") & (2**255 - 1)) % _PRIME
    if min(y, _PRIME - y) in _SMALL_ORDER:
        return None
    return Ed25519PublicKey.from_public_bytes(public)


# ---- Salts, and hashes of what is shown ----


def salt_of(keys: ServerKeys, name: str) -> bytes:
    """Return the salt of a name.  It is computed, not stored: it says nothing about who exists."""
    # A lone surrogate is no text and nobody's name, and still no reason to crash.
    folded = name.casefold().encode("utf-8", "surrogatepass")
    return hmac.digest(keys.salt_key, folded, "sha256")[:SALT_BYTES]


def login_hash(keys: ServerKeys, login: bytes) -> bytes:
    """Return the form in which a login key is stored.

    One HMAC is enough.  A login key comes out of Argon2id on the client, so each guess at a
    password has to go through that already; stretching it again here would add little for who
    guesses, and let strangers keep the server busy.  The pepper is not in the account's line: who
    reads only that cannot even begin to guess.
    """
    return hmac.digest(keys.login_pepper, login, "sha256")


def token_hash(keys: ServerKeys, token: str) -> bytes:
    """Return the form in which a bearer token is stored.

    A token has too many bits to guess.  The pepper is there for whoever can write into the database
    but does not know the server's secret: a token put there by hand opens nothing.
    """
    return hmac.digest(keys.token_pepper, token.encode("utf-8", "surrogatepass"), "sha256")


def secret_hash(keys: ServerKeys, secret: str) -> bytes:
    """Return the form in which the secret of a link is stored; never equal to a token's."""
    return hmac.digest(keys.link_pepper, secret.encode("utf-8", "surrogatepass"), "sha256")


def new_secret(entropy: Callable[[int], bytes]) -> str:
    """Return a new secret for a token or a link, 160 bits in 32 characters.

    Small letters and digits only: it survives in a URL, in a shell, after a double click and at the
    end of a sentence, where a `-` or `_` is often lost.
    """
    drawn = entropy(NEW_SECRET_BYTES)
    assert len(drawn) == NEW_SECRET_BYTES, "entropy gives as many bytes as it is asked for"
    return base64.b32encode(drawn).decode("ascii").lower()


def invite_secret(keys: ServerKeys, invite: str) -> str:
    """Return the secret of the invite with this id.  It is computed: what is stored is its hash.

    So a request that comes twice gets the same link, though no answer is kept with a secret in it.
    Links by which an account or the server itself is taken over are not made this way: a copy of
    the database with the server's secret in it must not open those.
    """
    drawn = hmac.digest(keys.invite_key, invite.encode("ascii"), "sha256")[:NEW_SECRET_BYTES]
    return new_secret(lambda _: drawn)


def same(one: bytes, other: bytes) -> bool:
    """Say whether two hashes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


# ---- Codes of an authenticator app (RFC 6238) ----


def totp_code(secret: bytes, now_ms: int) -> str:
    """Return the code of this moment: RFC 6238 with SHA-1, six digits and steps of 30 seconds."""
    return _code(secret, now_ms // TOTP_STEP_MS)


def totp_step_accepted(secret: bytes, code: str, now_ms: int, last_step: int) -> int | None:
    """Return the step that a code belongs to, or None when it is wrong, old or used.

    `last_step` is the newest step that was accepted before (0: none was), and what is returned
    takes its place.  RFC 6238, section 5.2: "The verifier MUST NOT accept the second attempt of the
    OTP after the successful validation has been issued for the first OTP".

    One guess in 333,333 is right: the caller limits how often an account may try.
    """
    if len(code) != TOTP_DIGITS or not (code.isascii() and code.isdigit()):
        return None
    step = now_ms // TOTP_STEP_MS
    if last_step > step + TOTP_WINDOW_STEPS:
        last_step = 0  # The clock was ahead when that code was used, and has been set right.
    first = max(step - TOTP_WINDOW_STEPS, last_step + 1, 0)
    for candidate in range(first, step + TOTP_WINDOW_STEPS + 1):
        if hmac.compare_digest(_code(secret, candidate), code):
            return candidate
    return None


def totp_uri(secret: bytes, name: str, issuer: str) -> str:
    """Return the otpauth:// address that an authenticator app reads from a QR code.

    A colon separates issuer and name, so the issuer's own (a port) becomes a space.
    """
    by = quote(issuer.replace(":", " "), safe="")
    written = base64.b32encode(secret).decode("ascii").rstrip("=")
    return (
        f"otpauth://totp/{by}:{quote(name, safe='')}?secret={written}&issuer={by}"
        f"&algorithm=SHA1&digits={TOTP_DIGITS}&period={TOTP_STEP_MS // 1000}"
    )


def _code(secret: bytes, step: int) -> str:
    """HOTP (RFC 4226, section 5.3): four bytes from where the last one points, without the sign."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}"
