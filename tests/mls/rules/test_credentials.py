"""X.509 credentials: a chain whose first key is the leaf's, judged by the application."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from alcove.mls import Add, Capabilities, LeafNode, Suite, certificates
from alcove.mls import x509 as x509_credential
from alcove.mls.credentials import MAX_CERTIFICATES, X509
from tests.mls.rules.frankenstein import refused
from tests.mls.world import Person, World

CAPABILITIES = Capabilities(suites=(1, 2, 4), credentials=(1, X509))


def certificate(key: Any) -> bytes:
    """Return a self-signed certificate for a key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    plain = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + dt.timedelta(days=365))
        .sign(key, None if plain else hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def certified(world: World, name: str, *, key: Any = None) -> Person:
    """Return somebody with an X.509 credential, for its own key unless another is given."""
    person = world.person(name)
    chain = [certificate(key or person.signing_key.handle)]
    person.new_key_package(credential=x509_credential(chain), capabilities=CAPABILITIES)
    return person


@pytest.mark.parametrize("suite", [1, 2, 4])
def test_members_with_certificates_form_a_group(suite: int) -> None:
    world = World(suite=suite, capabilities=CAPABILITIES)
    for name in ("alice", "bob"):
        certified(world, name)
    alice, _ = world.group("alice", "bob")
    world.everyone_can_read("alice")
    leaf = alice.group.public.tree.leaf(0)
    assert leaf is not None
    assert len(certificates(leaf.credential)) == 1


@pytest.mark.rule("cred-x509-key-match")
@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
        ec.derive_private_key(7, ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["another key", "another scheme", "no scheme of MLS"],
)
def test_cred_x509_key_match(key: Any) -> None:
    world = World(capabilities=CAPABILITIES)
    alice, _ = world.group("alice", "bob")
    carol = certified(world, "carol", key=key)
    with refused("cred-x509-key-match"):
        alice.group.commit([_add(carol)], entropy=world.entropy)


@pytest.mark.rule("cred-x509-key-match")
@pytest.mark.parametrize("chain", [[], [b"no certificate"]], ids=["empty", "garbage"])
def test_a_chain_without_a_readable_certificate_is_refused(chain: list[bytes]) -> None:
    world = World(capabilities=CAPABILITIES)
    alice, _ = world.group("alice", "bob")
    carol = world.person("carol")
    carol.new_key_package(credential=x509_credential(chain), capabilities=CAPABILITIES)
    with refused("cred-x509-key-match"):
        alice.group.commit([_add(carol)], entropy=world.entropy)


def test_a_chain_longer_than_the_limit_is_refused_unread() -> None:
    world = World(capabilities=CAPABILITIES)
    carol = world.person("carol")
    chain = [b"c"] * (MAX_CERTIFICATES + 1)
    with refused("codec-too-many"):
        carol.new_key_package(credential=x509_credential(chain), capabilities=CAPABILITIES)


def test_the_application_is_asked_about_every_leaf() -> None:
    asked: list[tuple[str, bool]] = []

    def judge(leaf: LeafNode, replaced: LeafNode | None) -> str | None:
        asked.append((leaf.credential.data.decode(), replaced is not None))
        return "cred-valid" if leaf.credential.data == b"mallory" else None

    world = World(credential=judge)
    alice, _ = world.group("alice", "bob")
    assert ("bob", False) in asked
    world.commit("alice", path=True)
    assert ("alice", True) in asked
    with refused("cred-valid"):
        alice.group.commit([_add(world.person("mallory"))], entropy=world.entropy)


def test_suites_differ_in_what_a_certificate_must_hold() -> None:
    suites = World().suites
    key = ec.derive_private_key(7, ec.SECP256R1())
    p256: Suite = suites[2]
    found = p256.crypto.certificate_key(p256.signature, certificate(key))
    assert found == p256.signing_key((7).to_bytes(32, "big")).public


def _add(person: Person) -> Add:
    return Add(person.bundle.package)
