"""The certificate that the server makes for itself."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from alcove.server.io.certificate import (
    Certificate,
    known_fingerprint,
    own_certificate,
    tls_context,
    today,
)
from alcove.server.settings import Settings

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_it_names_all_that_the_server_is_called_and_is_valid_for_long(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, ["example.org", "127.0.0.1", "::1"], NOW)
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert found.not_valid_before_utc < NOW
    assert found.not_valid_after_utc > NOW + timedelta(days=15 * 365)
    assert made.sha256 == hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).digest()


def test_it_is_made_once_and_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, ["a"], NOW)
    assert own_certificate(tmp_path, ["b"], NOW) == made
    assert made.key.stat().st_mode & 0o777 == 0o600
    made.certificate.unlink()
    assert own_certificate(tmp_path, ["a"], NOW).sha256 != made.sha256


def test_the_server_speaks_tls_1_3_with_it(tmp_path: Path) -> None:
    context = tls_context(own_certificate(tmp_path, ["a"], today()))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_key_that_needs_a_password_is_an_error_and_no_question(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, ["a"], NOW)
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(ssl.SSLError):
        tls_context(Certificate(made.certificate, made.key, None))


def test_links_name_a_certificate_only_where_the_server_made_it(tmp_path: Path) -> None:
    alone = msgspec.structs.replace(Settings(), self_signed=True)
    assert known_fingerprint(tmp_path, alone) is None
    made = own_certificate(tmp_path, ["a"], NOW)
    assert known_fingerprint(tmp_path, alone) == made.sha256
    assert known_fingerprint(tmp_path, Settings()) is None
