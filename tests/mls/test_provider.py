"""What the library asks of its one seam to cryptography, as a suite that any provider can pass.

A second provider joins by one line in `PROVIDERS`: then every test here runs on it too, and what
one provider made is opened by each of the others.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519

from alcove.mls import (
    ALGORITHMS,
    DEFAULT_SUITE,
    Algorithms,
    CryptoError,
    Hpke,
    KemKey,
    Provider,
    SigningKey,
    Suite,
    standard_suites,
    suites_on,
)
from alcove.mls.codec import opaque
from alcove.mls.hpke import AEAD_KEY_BYTES, HASH_BYTES, KEMS
from alcove.mls.pyca import PROVIDER

PROVIDERS: dict[str, Provider] = {"pyca": PROVIDER}

unhex = bytes.fromhex
AEADS = sorted(AEAD_KEY_BYTES)
HASHES = sorted(HASH_BYTES)
CURVES = sorted(name for name, spec in KEMS.items() if spec.order)
SCHEMES = ["ed25519", "ed448", *CURVES]
SUITES = [Hpke(row.kem, row.kdf or row.hash, row.aead) for row in ALGORITHMS.values()]

each_aead = pytest.mark.parametrize("aead", AEADS)
each_hash = pytest.mark.parametrize("algorithm", HASHES)
each_kem = pytest.mark.parametrize("kem", sorted(KEMS))
each_suite = pytest.mark.parametrize("hpke", SUITES, ids="-".join)
each_scheme = pytest.mark.parametrize("scheme", SCHEMES)


@pytest.fixture(params=sorted(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> Provider:
    return PROVIDERS[request.param]


@pytest.fixture(params=sorted(PROVIDERS))
def other(request: pytest.FixtureRequest) -> Provider:
    """Whoever is at the far end: each provider in turn, the same one included."""
    return PROVIDERS[request.param]


def refused(function: Callable[..., object], *arguments: object) -> None:
    """See to it that a primitive's refusal has one form, whatever it refuses."""
    with pytest.raises(CryptoError):
        function(*arguments)


def changed(data: bytes) -> list[bytes]:
    """Return neighbours of `data`: shorter, longer, empty, zero, and with single bits flipped."""
    places = sorted({0, len(data) // 3, len(data) // 2, len(data) - 1})
    flips = [data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :] for at in places]
    return [data[:-1], data + b"\0", b"", bytes(len(data)), *flips]


# ---- Hashes and MACs ----


@each_hash
def test_a_digest_is_the_standards(provider: Provider, algorithm: str) -> None:
    assert provider.digest(algorithm, b"abc") == hashlib.new(algorithm, b"abc").digest()


@each_hash
def test_a_mac_is_hmac(provider: Provider, algorithm: str) -> None:
    """The key longer than a block, and the empty one, are hmac's corner cases."""
    for key in (b"Jefe", b"", bytes(200)):
        made = provider.mac(key, b"what do ya want for nothing?", algorithm)
        assert made == hmac.new(key, b"what do ya want for nothing?", algorithm).digest()


# ---- Authenticated encryption ----

SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)


@pytest.mark.parametrize(
    ("aead", "key", "nonce", "data", "aad", "sealed"),
    [
        # The GCM specification (McGrew and Viega), test cases 2 and 14; RFC 8439, section 2.8.2.
        (
            "aes128gcm",
            bytes(16),
            bytes(12),
            bytes(16),
            b"",
            "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
        ),
        (
            "aes256gcm",
            bytes(32),
            bytes(12),
            bytes(16),
            b"",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            "chacha20poly1305",
            bytes(range(0x80, 0xA0)),
            unhex("070000004041424344454647"),
            SUNSCREEN,
            unhex("50515253c0c1c2c3c4c5c6c7"),
            """
            d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fa
            fb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4
            fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecb
            d0600691
            """,
        ),
    ],
)
def test_sealing_is_the_standards(
    provider: Provider, aead: str, key: bytes, nonce: bytes, data: bytes, aad: bytes, sealed: str
) -> None:
    assert provider.aead_seal(aead, key, nonce, data, aad) == unhex(sealed)


@each_aead
def test_what_one_sealed_the_other_opens(provider: Provider, other: Provider, aead: str) -> None:
    key, nonce = os.urandom(AEAD_KEY_BYTES[aead]), os.urandom(12)
    for data in (b"", b"data", bytes(5000)):
        sealed = provider.aead_seal(aead, key, nonce, data, b"aad")
        assert other.aead_open(aead, key, nonce, sealed, b"aad") == data


@each_aead
def test_opening_refuses_whatever_was_changed(provider: Provider, aead: str) -> None:
    key, nonce = os.urandom(AEAD_KEY_BYTES[aead]), os.urandom(12)
    sealed = provider.aead_seal(aead, key, nonce, b"data", b"aad")
    for data in changed(sealed):
        refused(provider.aead_open, aead, key, nonce, data, b"aad")
    for aad in changed(b"aad"):
        refused(provider.aead_open, aead, key, nonce, sealed, aad)
    for wrong in changed(key):
        refused(provider.aead_open, aead, wrong, nonce, sealed, b"aad")
    for wrong in changed(nonce):
        refused(provider.aead_open, aead, key, wrong, sealed, b"aad")


@each_aead
def test_sealing_refuses_what_is_no_key_and_no_nonce(provider: Provider, aead: str) -> None:
    key = bytes(AEAD_KEY_BYTES[aead])
    for wrong in (b"", key[:-1], key + b"\0"):
        refused(provider.aead_seal, aead, wrong, bytes(12), b"data", b"aad")
    refused(provider.aead_seal, aead, key, b"", b"data", b"aad")


# ---- Keys for HPKE ----


@each_kem
def test_a_seed_always_gives_the_same_key(provider: Provider, other: Provider, kem: str) -> None:
    one, same = provider.kem_derive(kem, b"seed"), other.kem_derive(kem, b"seed")
    assert (one.private, one.public) == (same.private, same.public)
    assert provider.kem_derive(kem, b"another seed").public != one.public


@each_kem
def test_a_private_key_is_its_bytes(provider: Provider, other: Provider, kem: str) -> None:
    key = provider.kem_derive(kem, b"seed")
    parsed = other.kem_key(kem, key.private)
    assert (parsed.private, parsed.public) == (key.private, key.public)
    assert len(key.private) == KEMS[kem].private_bytes


@each_kem
def test_a_private_key_of_another_length_is_refused(provider: Provider, kem: str) -> None:
    private = provider.kem_derive(kem, b"seed").private
    for wrong in (b"", private[:-1], private + b"\0", b"\0" + private):
        refused(provider.kem_key, kem, wrong)


@pytest.mark.parametrize("kem", CURVES)
def test_a_private_key_outside_the_group_is_refused(provider: Provider, kem: str) -> None:
    spec = KEMS[kem]
    for wrong in (0, spec.order, spec.order + 1, 256**spec.private_bytes - 1):
        refused(provider.kem_key, kem, wrong.to_bytes(spec.private_bytes, "big"))


@each_kem
def test_a_public_key_is_checked(provider: Provider, kem: str) -> None:
    public = provider.kem_derive(kem, b"seed").public
    provider.kem_check(kem, public)
    for wrong in (b"", public[:-1], public + b"\0", bytes(len(public))):
        refused(provider.kem_check, kem, wrong)


@pytest.mark.parametrize("kem", CURVES)
def test_a_point_is_uncompressed_and_on_the_curve(provider: Provider, kem: str) -> None:
    public = provider.kem_derive(kem, b"seed").public
    half = (len(public) - 1) // 2
    compressed = bytes((2 + public[-1] % 2,)) + public[1 : 1 + half]
    hybrid = bytes((6 + public[-1] % 2,)) + public[1:]
    for wrong in (compressed, hybrid, b"\0", public[:-1] + bytes((public[-1] ^ 1,))):
        refused(provider.kem_check, kem, wrong)


def test_both_halves_of_an_xwing_key_are_checked(provider: Provider) -> None:
    public = provider.kem_derive("xwing", b"seed").public
    refused(provider.kem_check, "xwing", b"\xff\xff\xff" + public[3:])  # Not below the modulus.
    refused(provider.kem_check, "xwing", public[:-32] + bytes(32))  # Of low order.


# ---- HPKE ----


@each_suite
def test_what_one_sealed_to_a_key_the_other_opens(
    provider: Provider, other: Provider, hpke: Hpke
) -> None:
    key = other.kem_derive(hpke.kem, os.urandom(32))
    for data in (b"", b"data", bytes(5000)):
        enc, sealed = provider.hpke_seal(hpke, key.public, b"info", data)
        assert other.hpke_open(hpke, key, enc, b"info", sealed) == data


@each_suite
def test_sealing_to_many_is_sealing_to_each(
    provider: Provider, other: Provider, hpke: Hpke
) -> None:
    keys = [other.kem_derive(hpke.kem, bytes((at,))) for at in range(3)]
    texts = [b"one", b"two", b"three"]
    sealed = provider.hpke_seal_many(hpke, [key.public for key in keys], b"info", texts)
    opened = [
        other.hpke_open(hpke, key, enc, b"info", data)
        for key, (enc, data) in zip(keys, sealed, strict=True)
    ]
    assert opened == texts


@each_suite
def test_sealing_twice_never_gives_the_same(provider: Provider, hpke: Hpke) -> None:
    public = provider.kem_derive(hpke.kem, b"seed").public
    one, two = (provider.hpke_seal(hpke, public, b"", b"data") for _ in range(2))
    assert one[0] != two[0]
    assert one[1] != two[1]


@each_suite
def test_only_the_receiver_opens_and_only_as_it_was_sealed(provider: Provider, hpke: Hpke) -> None:
    key = provider.kem_derive(hpke.kem, b"seed")
    enc, sealed = provider.hpke_seal(hpke, key.public, b"info", b"data")
    refused(provider.hpke_open, hpke, provider.kem_derive(hpke.kem, b"2"), enc, b"info", sealed)
    for info in changed(b"info"):
        refused(provider.hpke_open, hpke, key, enc, info, sealed)
    for data in changed(sealed):
        refused(provider.hpke_open, hpke, key, enc, b"info", data)


@each_suite
def test_a_damaged_encapsulation_is_refused_by_one_error(provider: Provider, hpke: Hpke) -> None:
    key = provider.kem_derive(hpke.kem, b"seed")
    enc, sealed = provider.hpke_seal(hpke, key.public, b"info", b"data")
    for wrong in (*changed(enc), enc[32:], enc + enc, b"\xff" * len(enc)):
        refused(provider.hpke_open, hpke, key, wrong, b"info", sealed)


@each_suite
def test_what_one_exported_to_a_key_the_other_finds(
    provider: Provider, other: Provider, hpke: Hpke
) -> None:
    key = other.kem_derive(hpke.kem, b"seed")
    for length in (16, 32, 100):
        enc, secret = provider.hpke_send_export(hpke, key.public, b"info", b"context", length)
        found = other.hpke_receive_export(hpke, key, enc, b"info", b"context", length)
        assert (len(secret), found) == (length, secret)


@each_suite
def test_an_export_is_bound_to_everything_it_was_made_with(provider: Provider, hpke: Hpke) -> None:
    key = provider.kem_derive(hpke.kem, b"seed")
    enc, secret = provider.hpke_send_export(hpke, key.public, b"info", b"context", 32)
    stranger = provider.kem_derive(hpke.kem, b"another seed")
    receive = provider.hpke_receive_export
    others = [
        receive(hpke, stranger, enc, b"info", b"context", 32),
        receive(hpke, key, enc, b"", b"context", 32),
        receive(hpke, key, enc, b"info", b"", 32),
        receive(hpke, key, enc, b"info", b"context", 33)[:32],
    ]
    assert len({secret, *others}) == 5


@each_suite
def test_a_damaged_export_is_refused_or_another_secret(provider: Provider, hpke: Hpke) -> None:
    """ML-KEM answers damage with a secret that nobody else has; the curves may refuse it."""
    key = provider.kem_derive(hpke.kem, b"seed")
    enc, secret = provider.hpke_send_export(hpke, key.public, b"info", b"context", 32)
    for wrong in (enc[:-1], enc + b"\0", b"", enc[32:], enc + enc):
        refused(provider.hpke_receive_export, hpke, key, wrong, b"info", b"context", 32)
    for wrong in (*changed(enc)[3:], b"\xff" * len(enc)):
        try:
            found = provider.hpke_receive_export(hpke, key, wrong, b"info", b"context", 32)
        except CryptoError:
            continue
        assert found != secret


@each_suite
def test_nothing_is_sealed_to_what_is_no_key(provider: Provider, hpke: Hpke) -> None:
    public = provider.kem_derive(hpke.kem, b"seed").public
    for wrong in (b"", public[:-1], public + b"\0", bytes(len(public))):
        refused(provider.hpke_seal, hpke, wrong, b"", b"data")
        refused(provider.hpke_seal_many, hpke, [public, wrong], b"", [b"data"] * 2)
        refused(provider.hpke_send_export, hpke, wrong, b"", b"context", 32)


# ---- Signatures ----

SIGNATURES = [
    # RFC 8032, sections 7.1 and 7.4; RFC 6979, appendices A.2.5, A.2.6 and A.2.7.
    (
        "ed25519",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        b"",
        """
        e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970
        1cf9b46bd25bf5f0595bbe24655141438e7a100b
        """,
    ),
    (
        "ed448",
        """
        6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b
        94492f8f032e7549a20098f95b
        """,
        b"",
        """
        533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22
        ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cd
        da8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600
        """,
    ),
    (
        "p256",
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        b"sample",
        """
        3046
        022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
        022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8
        """,
    ),
    (
        "p384",
        """
        6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea
        60d2edf5
        """,
        b"sample",
        """
        3066
        02310094edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e
        36dd1e80fabe46
        02310099ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b
        82c71a38628ac8
        """,
    ),
    (
        "p521",
        """
        00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836
        a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538
        """,
        b"sample",
        """
        308187
        024200c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450
        606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa
        0241617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8
        b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a
        """,
    ),
]


@pytest.mark.parametrize(("scheme", "private", "data", "signature"), SIGNATURES)
def test_a_standards_signature_is_accepted(
    provider: Provider, scheme: str, private: str, data: bytes, signature: str
) -> None:
    public = provider.signing_key(scheme, unhex(private)).public
    provider.verify(scheme, public, data, unhex(signature))


@each_scheme
def test_what_one_signed_the_other_accepts(
    provider: Provider, other: Provider, scheme: str
) -> None:
    key = provider.signing_derive(scheme, os.urandom(64))
    for data in (b"", b"data", bytes(5000)):
        other.verify(scheme, key.public, data, provider.sign(scheme, key, data))


@each_scheme
def test_a_seed_always_gives_the_same_signing_key(
    provider: Provider, other: Provider, scheme: str
) -> None:
    one, same = (each.signing_derive(scheme, bytes(64)) for each in (provider, other))
    assert (one.private, one.public) == (same.private, same.public)
    assert provider.signing_derive(scheme, b"\1" * 64).public != one.public


@each_scheme
def test_a_signing_key_is_its_bytes(provider: Provider, other: Provider, scheme: str) -> None:
    key = provider.signing_derive(scheme, bytes(64))
    parsed = other.signing_key(scheme, key.private)
    assert (parsed.private, parsed.public) == (key.private, key.public)


@each_scheme
def test_a_signature_counts_for_its_data_and_key_alone(provider: Provider, scheme: str) -> None:
    key = provider.signing_derive(scheme, bytes(64))
    signature = provider.sign(scheme, key, b"data")
    stranger = provider.signing_derive(scheme, b"\1" * 64)
    refused(provider.verify, scheme, stranger.public, b"data", signature)
    for data in changed(b"data"):
        refused(provider.verify, scheme, key.public, data, signature)
    for wrong in changed(signature):
        refused(provider.verify, scheme, key.public, b"data", wrong)
    for wrong in changed(key.public):
        refused(provider.verify, scheme, wrong, b"data", signature)


@each_scheme
def test_what_is_no_signing_key_is_refused(provider: Provider, scheme: str) -> None:
    length = len(provider.signing_derive(scheme, bytes(64)).private)
    refused(provider.signing_key, scheme, b"")
    refused(provider.signing_key, scheme, b"\xff" * (length + 1))


def test_a_key_shows_no_secret(provider: Provider) -> None:
    kem, signing = provider.kem_derive("x25519", b"1"), provider.signing_derive("p256", b"2")
    assert isinstance(kem, KemKey)
    assert isinstance(signing, SigningKey)
    for key in (kem, signing):
        shown = repr(key) + str(key)
        assert key.private.hex() not in shown
        assert repr(key.private) not in shown


# ---- Certificates ----

PrivateKey = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey
MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


def certificate(
    public: x25519.X25519PublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | ec.EllipticCurvePublicKey,
) -> bytes:
    """Return a certificate over a public key, as DER."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    beginning = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(beginning)
        .not_valid_after(beginning + dt.timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


@each_scheme
def test_a_certificates_key_has_the_form_that_leaves_carry(provider: Provider, scheme: str) -> None:
    key = MAKERS[scheme]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        private = key.private_numbers().private_value.to_bytes(KEMS[scheme].private_bytes, "big")
    else:
        private = key.private_bytes_raw()
    expected = provider.signing_key(scheme, private).public
    assert provider.certificate_key(scheme, certificate(key.public_key())) == expected


def test_a_certificate_over_a_key_that_cannot_sign_is_refused(provider: Provider) -> None:
    agreement = x25519.X25519PrivateKey.generate().public_key()
    refused(provider.certificate_key, "ed25519", certificate(agreement))


def test_what_is_no_certificate_is_refused(provider: Provider) -> None:
    der = certificate(ed25519.Ed25519PrivateKey.generate().public_key())
    for wrong in (b"", b"garbage", der[:-1], der + b"\0", der[:40]):
        refused(provider.certificate_key, "ed25519", wrong)


# ---- Suites over a provider ----


def test_every_suite_of_the_table_stands_on_the_provider(provider: Provider) -> None:
    suites = suites_on(provider)
    assert {number: suite.id for number, suite in suites.items()} == dict(
        zip(ALGORITHMS, ALGORITHMS, strict=True)
    )
    assert all(suite.crypto is provider for suite in suites.values())


def test_the_standard_suites_are_made_once() -> None:
    assert standard_suites() is standard_suites()
    assert sorted(standard_suites()) == [1, 2, 3, 4, 5, 6, 7, DEFAULT_SUITE]


@pytest.fixture(params=sorted(ALGORITHMS))
def suite(request: pytest.FixtureRequest, provider: Provider) -> Suite:
    return Suite(request.param, ALGORITHMS[request.param], provider)


def test_a_suite_says_its_number(suite: Suite) -> None:
    assert repr(suite) == f"Suite(0x{suite.id:04x})"


def test_a_suites_lengths_follow_from_its_algorithms(suite: Suite) -> None:
    row = ALGORITHMS[suite.id]
    assert (suite.secret_bytes, suite.zero) == (HASH_BYTES[row.hash], bytes(HASH_BYTES[row.hash]))
    assert suite.key_bytes == AEAD_KEY_BYTES[row.aead]


def test_a_suite_may_have_another_hash_inside_hkdf(provider: Provider) -> None:
    row = Algorithms("x25519", "aes128gcm", "sha256", "ed25519", kdf="sha512")
    mixed = Suite(0xF000, row, provider)
    assert (len(mixed.hash(b"")), len(mixed.mac(b"", b"")), mixed.secret_bytes) == (32, 32, 64)
    assert len(mixed.extract(b"", b"")) == len(mixed.derive(b"secret", b"label")) == 64
    assert mixed.hpke == Hpke("x25519", "sha512", "aes128gcm")


def test_deriving_is_expanding_with_no_context(suite: Suite) -> None:
    secret = bytes(range(suite.secret_bytes))
    for _ in range(2):  # The second time from what is remembered of the label.
        derived = suite.derive(secret, b"label")
        assert derived == suite.expand_label(secret, b"label", b"", suite.secret_bytes)


def test_a_suite_remembers_no_more_labels_than_it_needs(suite: Suite) -> None:
    secret = bytes(suite.secret_bytes)
    derived = [suite.derive(secret, b"label %d" % at) for at in range(100)]
    assert len(suite.derive_info) == 64
    assert derived[99] == suite.derive(secret, b"label 99")


def test_a_reference_hashes_label_and_value(suite: Suite) -> None:
    assert suite.reference(b"label", b"value") == suite.hash(opaque(b"label") + opaque(b"value"))


def test_a_signature_is_bound_to_its_label(suite: Suite) -> None:
    key = suite.new_signing_key(bytes(64))
    signature = suite.sign(key, b"label", b"content")
    again = suite.signing_key(key.private)
    suite.verify(again.public, b"label", b"content", signature)
    refused(suite.verify, key.public, b"labe", b"lcontent", signature)


def test_what_is_sealed_to_a_key_is_bound_to_label_and_context(suite: Suite) -> None:
    key = suite.kem_derive(b"seed")
    sealed = suite.seal(key.public, b"label", b"context", b"data")
    again = suite.kem_key(key.private)
    assert suite.open(again, b"label", b"context", *sealed) == b"data"
    refused(suite.open, key, b"labe", b"context", *sealed)
    refused(suite.open, key, b"label", b"contex", *sealed)


def test_a_suite_seals_to_many_under_one_label(suite: Suite) -> None:
    keys = [suite.kem_derive(bytes((at,))) for at in range(3)]
    texts = [b"one", b"two", b"three"]
    sealed = suite.seal_many([key.public for key in keys], b"label", b"context", texts)
    opened = [
        suite.open(key, b"label", b"context", *both) for key, both in zip(keys, sealed, strict=True)
    ]
    assert opened == texts


def test_a_suite_seals_with_its_aead(suite: Suite) -> None:
    key, nonce = bytes(suite.key_bytes), bytes(12)
    sealed = suite.aead_seal(key, nonce, b"data", b"aad")
    assert suite.aead_open(key, nonce, sealed, b"aad") == b"data"
    refused(suite.aead_open, key, nonce, sealed, b"")
