"""Rules about key packages."""

from __future__ import annotations

import os

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    Extension,
    basic,
    check_key_package,
    decode_key_package,
    new_key_package,
)
from alcove.mls.codec import u16
from alcove.mls.commit import Commit
from alcove.mls.extensions import GREASE
from alcove.mls.key_package import KeyPackage
from tests.mls.rules.frankenstein import (
    LONG,
    SUITE,
    committed,
    device,
    dice,
    following,
    proposed,
    re_package,
    refused,
    refuses,
    room,
    signer,
)

UNKNOWN = Extension(0xF043, b"what is it?")


def group_refuses(package: KeyPackage, rule: str) -> None:
    """Expect that a group takes a key package neither in a proposal nor in a commit."""
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, Add(package)), rule)
    edit = alice.public.tree.edit()
    edit.add(package.leaf)
    refuses(bob, alice, committed(alice, Commit((Add(package),), None), edit), rule)


@pytest.mark.rule("kp-init-key-valid")
@pytest.mark.parametrize("length", [31, 32, 33])
def test_kp_init_key_valid(length: int) -> None:
    group_refuses(re_package(device("dora"), init_key=bytes(length)), "kp-init-key-valid")


@pytest.mark.rule("kp-init-key-distinct")
def test_kp_init_key_distinct() -> None:
    dora = device("dora")
    package = re_package(dora, init_key=dora.package.leaf.encryption_key)
    group_refuses(package, "kp-init-key-distinct")


@pytest.mark.rule("kp-signature")
def test_kp_signature() -> None:
    group_refuses(re_package(device("dora"), key=signer("mallory")), "kp-signature")


@pytest.mark.rule("kp-suite-matches-group")
def test_kp_suite_matches_group() -> None:
    group_refuses(re_package(device("dora"), suite_id=3), "kp-suite-matches-group")


@pytest.mark.rule("kp-version")
def test_kp_version() -> None:
    group_refuses(re_package(device("dora"), version=2), "kp-version")


@pytest.mark.rule("kp-message-version")
def test_kp_message_version() -> None:
    message = device("dora").message()
    with refused("kp-message-version"):
        decode_key_package(u16(2) + message[2:])
    check_key_package(decode_key_package(message), SUITE)


@pytest.mark.rule("kp-extensions-unknown")
def test_kp_extensions_unknown() -> None:
    alice, bob, _ = room()
    package = re_package(device("dora"), extensions=(UNKNOWN,))
    made = alice.commit([Add(package)], entropy=dice("commit"))
    assert following(bob, made.message).epoch_authenticator == made.merge().epoch_authenticator


# What we publish.


@pytest.mark.rule("kp-init-key-unique")
def test_kp_init_key_unique() -> None:
    made = [
        new_key_package(SUITE, basic(b"dora"), signer("dora"), LONG, os.urandom).package.init_key
        for _ in range(8)
    ]
    assert len(set(made)) == len(made)


@pytest.mark.rule("kp-extensions-supported")
def test_kp_extensions_supported() -> None:
    made = new_key_package(
        SUITE,
        basic(b"dora"),
        signer("dora"),
        LONG,
        dice("dora"),
        extensions=(UNKNOWN,),
        last_resort=True,
    )
    carried = {extension.type for extension in made.package.extensions}.difference(GREASE)
    assert carried == {UNKNOWN.type, 0x0A}
    assert carried.issubset(made.package.leaf.capabilities.extensions)


@pytest.mark.rule("kp-advertised-supported")
def test_kp_advertised_supported() -> None:
    made = new_key_package(SUITE, basic(b"dora"), signer("dora"), LONG, dice("dora"), grease=False)
    assert made.package.leaf.capabilities == Capabilities((1,), (1,), (), (), (1,))
