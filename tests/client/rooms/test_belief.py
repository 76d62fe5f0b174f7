"""A leaf is believed when its certificate says so, and when it stays the device that it was."""

from typing import Any

import pytest
from msgspec.structs import replace

from alcove import mls
from alcove.client.keys.certificates import NewDevice, Owner, certify
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.belief import (
    SUITES,
    certificate_of,
    credential_check,
    identity_hash,
    leaf_hash,
    member_of,
    padded,
    policy,
)
from alcove.client.rooms.extension import CAPABILITIES, extension
from alcove.client.rooms.leaves import whose
from alcove.wire.codec import encode
from alcove.wire.devices import SignedCertificate
from alcove.wire.entries import Member
from tests.client.rooms.people import LIFETIME, ROOM, SERVER, Dice, Person, Room, strict

ADA, BOB = Person("ada"), Person("bob")
check = credential_check(SERVER)


def leaf(credential: mls.Credential, key: mls.SigningKey | None = None) -> mls.LeafNode:
    """Return a leaf that says this."""
    able = CAPABILITIES._replace(credentials=(credential.type,))
    bundle = mls.new_key_package(
        SUITE, credential, key or ADA.device().key, LIFETIME, Dice("leaf"), capabilities=able
    )
    return bundle.package.leaf


def certified(**more: Any) -> mls.Credential:
    """Return a credential of Ada's first device, with something else in it."""
    owner = Owner(more.get("account", ADA.account), "ada", more.get("server", SERVER))
    device = NewDevice(more.get("key", ADA.device().key.public))
    signed = certify(ADA.identity, owner, device, more.get("version", 1))
    return mls.basic(encode(replace(signed, **more.get("spoil", {}))))


def test_a_leaf_shows_the_certificate_of_its_device() -> None:
    good = leaf(certified())
    assert check(good, None) is None
    said = certificate_of(good)
    assert (said.account, said.device) == (ADA.account, ADA.device().key.public)
    assert member_of(good) == Member(ADA.account, ADA.device().id)
    assert identity_hash(said) == ADA.hash
    assert leaf_hash(good) != leaf_hash(leaf(certified(version=2)))


@pytest.mark.parametrize(
    ("credential", "rule"),
    [
        (mls.Credential(0xF0F0, b"x"), "leaf-certificate-type"),
        (mls.basic(b"\xc1"), "leaf-certificate-bad-certificate"),
        (mls.basic(bytes(4096)), "leaf-certificate-bad-certificate"),
        (certified(server=bytes(32)), "leaf-certificate-wrong-server"),
        (certified(key=BOB.device().key.public), "leaf-certificate-device"),
        (certified(spoil={"signature": bytes(64)}), "leaf-certificate-not-signed"),
        (certified(spoil={"body": b"\xc1"}), "leaf-certificate-bad-certificate"),
    ],
)
def test_a_leaf_with_another_certificate_is_refused(credential: Any, rule: str) -> None:
    assert check(leaf(credential), None) == rule


def test_a_leaf_follows_one_of_the_same_device() -> None:
    old = leaf(certified(version=2))
    assert check(leaf(certified(version=2)), old) is None
    assert check(leaf(certified(version=3)), old) is None
    assert check(leaf(certified(version=1)), old) == "leaf-certificate-older"
    assert check(leaf(certified(account=bytes(16))), old) == "leaf-certificate-replaces"
    second = ADA.device(2)
    assert check(leaf(second.credential, second.key), old) == "leaf-certificate-replaces"


def test_what_is_no_certificate_is_not_read_as_one() -> None:
    bad = encode(SignedCertificate(b"\xc1", bytes(64)))
    with pytest.raises(Exception, match="bad-certificate"):
        whose(bad)


def test_short_messages_are_of_one_length() -> None:
    assert padded(0) == padded(1) == padded(256) == 256
    assert padded(257) > 257


def test_the_products_policy_asks_all_of_it() -> None:
    room = Room("group", ADA, BOB, policy=policy(SERVER))
    alice, bob = room.group(ADA), room.group(BOB)
    with pytest.raises(mls.RuleBroken, match="room-remove-not-allowed"):
        room.commit(BOB, removes=[room.leaf(ADA)])
    with pytest.raises(mls.RuleBroken, match="room-by-value"):
        bob.propose(mls.Remove(bob.me), room.dice)
    other, state = policy(bytes(32)), (extension(room.state),)
    bundle = ADA.device().bundle()
    with pytest.raises(mls.RuleBroken, match="leaf-certificate-wrong-server"):
        mls.create_group(bundle, ROOM, other, room.dice, extensions=state, suites=SUITES)
    short = alice.seal(b"x", room.dice)
    longer = short.group.seal(b"x" * 100, room.dice)
    assert len(short.message) == len(longer.message)


def test_under_the_products_policy_people_come_back_and_change_identity() -> None:
    room = Room("group", ADA, BOB, policy=policy(SERVER))
    room.let_in(BOB.device(), "resync", replaces=room.leaf(BOB))
    room.let_in(BOB.device(2), "sibling")
    new, second = BOB.rotated(BOB.lists([1, 2])[0], 1, 2)
    room.go(BOB, lists=[second], template=new.device(version=2).template)
    with pytest.raises(mls.RuleBroken, match="room-leaf-identity"):
        room.commit(BOB.device(2))
    room.go(BOB.device(2), template=new.device(2, version=2).template)
    assert [certificate_of(leaf).identity for _, leaf in room.public.tree.leaves()] == [
        ADA.identity.public,
        new.identity.public,
        new.identity.public,
    ]


def test_no_other_suite_is_taken() -> None:
    suite = mls.standard_suites()[1]
    key = suite.new_signing_key(bytes(64))
    bundle = mls.new_key_package(suite, ADA.device().credential, key, LIFETIME, Dice("old"))
    with pytest.raises(mls.RuleBroken, match="suite-known"):
        mls.create_group(bundle, ROOM, strict(), Dice("old"), suites=SUITES)
