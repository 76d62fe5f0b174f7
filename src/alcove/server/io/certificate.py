"""The server's own TLS certificate, for networks that no authority reaches.

Nobody vouches for it, so its SHA-256 travels in invites and is pinned by whoever comes by one.
That is why it is made once and kept for long: a new one would be a stranger to every device.
"""

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from alcove.server.settings import Settings

FOLDER: Final = "tls"
CERTIFICATE_NAME: Final = "certificate.pem"
YEARS: Final = 20
YESTERDAY: Final = timedelta(days=1)
"""It is valid since before now: clocks of devices differ."""


class Certificate(Struct, frozen=True):
    """A certificate and its key, as files."""

    certificate: Path
    key: Path
    sha256: bytes | None
    """The hash of a certificate that we made, for invites; None for one that was given."""


def own_certificate(data: Path, names: Sequence[str], now: datetime) -> Certificate:
    """Return the certificate in the data folder, made at the first start."""
    folder = data / FOLDER
    certificate, key = folder / CERTIFICATE_NAME, folder / "key.pem"
    if not (certificate.is_file() and key.is_file()):
        folder.mkdir(mode=0o700, exist_ok=True)
        certificate_pem, key_pem = make_certificate(names, now)
        # The key first: a certificate without its key would be taken for whole the next time.
        _write(key, key_pem)
        _write(certificate, certificate_pem)
    return Certificate(certificate, key, fingerprint(certificate.read_text("ascii")))


def fingerprint(pem: str) -> bytes:
    """Return the SHA-256 of a certificate, as browsers show it."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()


def make_certificate(names: Sequence[str], now: datetime) -> tuple[bytes, bytes]:
    """Return a new certificate for these names and addresses, and its key, both PEM.

    P-256, because browsers know no certificates with Ed25519.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alcove")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - YESTERDAY)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(
            x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only this user may read, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.rename(path)


def tls_context(certificate: Certificate) -> ssl.SSLContext:
    """Return what the server speaks TLS with: 1.3 and nothing older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A password, so that a key that needs one is an error and not a question on the terminal.
    context.load_cert_chain(certificate.certificate, certificate.key, password="")
    return context


def today() -> datetime:
    """Return the time, for a new certificate."""
    return datetime.now(UTC)


def known_fingerprint(data: Path, settings: Settings) -> bytes | None:
    """Return the SHA-256 for invites where the server has made its certificate itself."""
    file = data / FOLDER / CERTIFICATE_NAME
    return fingerprint(file.read_text("ascii")) if settings.self_signed and file.is_file() else None
