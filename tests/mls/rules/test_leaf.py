"""Rules about leaves: what each says of itself, and how it fits into its group."""

from __future__ import annotations

import pytest

from alcove.mls import (
    APPLICATION_ID,
    BASIC,
    X509,
    Add,
    Capabilities,
    CommitOptions,
    Credential,
    Extension,
    LeafTemplate,
    Lifetime,
    Remove,
    RequiredCapabilities,
    Update,
    basic,
    check_lifetime,
    new_key_package,
    standard_suites,
    x509,
)
from alcove.mls.commit import Commit
from alcove.mls.leaf import FROM_COMMIT, FROM_KEY_PACKAGE, FROM_UPDATE
from tests.mls.rules.doors import (
    ALL,
    COMMITS,
    IN_GROUP,
    PROPOSALS,
    Door,
    Home,
    by_committed_add,
    by_committed_update,
    by_path,
    by_tree,
    by_update,
)
from tests.mls.rules.frankenstein import (
    LONG,
    SUITE,
    certificate,
    committed,
    device,
    dice,
    following,
    kem_pair,
    lawless_path,
    leaf_of,
    new_leaf,
    place_of,
    proposed,
    re_leaf,
    re_package,
    refused,
    refuses,
    room,
    signer,
)

OURS = 0xF042
"""A type of extension, proposal or credential that only our own program knows."""
THEIRS = 0xF043
"""One that it does not know."""

KNOWS_OURS = Capabilities(
    suites=(1,), extensions=(OURS,), proposals=(OURS,), credentials=(BASIC, X509, OURS)
)
PLAIN = Capabilities(suites=(1,), credentials=(BASIC,))
AT_HOME = Home(KNOWS_OURS)


# What a leaf says of itself.


@pytest.mark.rule("leaf-source-known")
def test_leaf_source_known() -> None:
    by_tree("leaf-source-known", source=4)


@pytest.mark.rule("leaf-source-known")
@pytest.mark.parametrize("source", [0, 4, 255])
def test_leaf_source_known_in_a_proposal(source: int) -> None:
    by_update("leaf-source-known", source=source)


@pytest.mark.rule("leaf-extensions-supported")
@pytest.mark.parametrize("door", ALL)
def test_leaf_extensions_supported(door: Door) -> None:
    door("leaf-extensions-supported", extensions=(Extension(THEIRS, b""),))


@pytest.mark.rule("leaf-credential-own-capability")
@pytest.mark.parametrize("door", ALL)
def test_leaf_credential_own_capability(door: Door) -> None:
    unlisted = KNOWS_OURS._replace(credentials=(BASIC, X509))
    credential = Credential(OURS, b"carol")
    door("leaf-credential-own-capability", AT_HOME, capabilities=unlisted, credential=credential)


@pytest.mark.rule("leaf-version-supported")
@pytest.mark.parametrize("door", ALL)
def test_leaf_version_supported(door: Door) -> None:
    door("leaf-version-supported", capabilities=PLAIN._replace(versions=(2,)))


@pytest.mark.rule("leaf-encryption-key-valid")
@pytest.mark.parametrize("length", [31, 32, 33])
@pytest.mark.parametrize("door", [*PROPOSALS, *COMMITS])
def test_leaf_encryption_key_valid(door: Door, length: int) -> None:
    nobody_can_encrypt_to_this = bytes(length)
    door("leaf-encryption-key-valid", encryption_key=nobody_can_encrypt_to_this)


@pytest.mark.rule("leaf-signature")
@pytest.mark.parametrize("door", ALL)
def test_leaf_signature(door: Door) -> None:
    door("leaf-signature", signature=bytes(64))


@pytest.mark.rule("leaf-signature")
@pytest.mark.parametrize("place", [(b"the room", 1), (b"another room", 2)])
def test_leaf_signature_for_another_place(place: tuple[bytes, int]) -> None:
    by_update("leaf-signature", place=place)


@pytest.mark.rule("leaf-signature", "leaf-signature-scheme", "leaf-signature-key-valid")
@pytest.mark.parametrize("number", [2, 4])
def test_leaf_signature_scheme(number: int) -> None:
    other = standard_suites()[number]
    key = other.new_signing_key(dice("other scheme")(64))
    _, bob, carol = room()
    leaf = new_leaf(carol, key=key, suite=other, signature_key=key.public)
    refuses(bob, carol, proposed(carol, Update(leaf)), "leaf-signature")


@pytest.mark.rule("cred-x509-key-match")
@pytest.mark.parametrize("door", ALL)
def test_cred_x509_key_match(door: Door) -> None:
    credential = x509([certificate(signer("mallory"))])
    door("cred-x509-key-match", AT_HOME, capabilities=KNOWS_OURS, credential=credential)


@pytest.mark.rule("cred-x509-key-match")
@pytest.mark.parametrize("chain", [[], [b"no certificate"]])
def test_cred_x509_key_match_without_a_key(chain: list[bytes]) -> None:
    by_update("cred-x509-key-match", AT_HOME, capabilities=KNOWS_OURS, credential=x509(chain))


def test_a_certificate_for_the_signature_key_is_accepted() -> None:
    _, bob, carol = room(capabilities=KNOWS_OURS)
    leaf = new_leaf(carol, credential=x509([certificate(carol.signing_key)]))
    bob.receive(proposed(carol, Update(leaf)))


# Where a leaf comes from.


@pytest.mark.rule("leaf-source-key-package")
def test_leaf_source_key_package() -> None:
    by_committed_add("leaf-source-key-package", source=FROM_UPDATE, place=(b"the room", 3))


@pytest.mark.rule("leaf-source-update")
@pytest.mark.parametrize("source", [FROM_COMMIT, FROM_KEY_PACKAGE])
def test_leaf_source_update(source: int) -> None:
    by_update("leaf-source-update", source=source, lifetime=LONG)


@pytest.mark.rule("leaf-source-commit")
def test_leaf_source_commit() -> None:
    alice, bob = room("alice", "bob")
    edit = alice.public.tree.edit()
    edit.remove(bob.me)
    edit.truncate()
    # Alone in her tree: there is no parent whose hash her leaf would have to hold.
    made = lawless_path(
        alice,
        edit,
        change=lambda leaf: re_leaf(
            leaf, alice.signing_key, place=place_of(alice), source=FROM_UPDATE
        ),
    )
    message = committed(
        alice, Commit((Remove(bob.me),), made.path), edit, commit_secret=made.commit_secret
    )
    refuses(bob, alice, message, "leaf-source-commit")


@pytest.mark.rule("leaf-source-commit")
@pytest.mark.parametrize("source", [FROM_UPDATE, FROM_KEY_PACKAGE])
def test_leaf_source_commit_among_others(source: int) -> None:
    by_path("leaf-source-commit", source=source, lifetime=LONG)


@pytest.mark.rule("leaf-update-key-fresh")
def test_leaf_update_key_fresh() -> None:
    _, _, carol = room()
    by_update("leaf-update-key-fresh", encryption_key=leaf_of(carol).encryption_key)


# How long it may be used.


@pytest.mark.rule("leaf-lifetime-current")
@pytest.mark.parametrize("now", [99, 201])
def test_leaf_lifetime_current(now: int) -> None:
    leaf = re_leaf(device("dora").package.leaf, signer("dora"), lifetime=Lifetime(100, 200))
    with refused("leaf-lifetime-current"):
        check_lifetime(leaf, now, longest=100)
    check_lifetime(leaf, 150, longest=100)


@pytest.mark.rule("leaf-lifetime-max-total")
def test_leaf_lifetime_max_total() -> None:
    leaf = re_leaf(device("dora").package.leaf, signer("dora"), lifetime=Lifetime(100, 200))
    with refused("leaf-lifetime-max-total"):
        check_lifetime(leaf, 150, longest=99)


def test_a_leaf_that_did_not_come_from_a_key_package_has_no_lifetime() -> None:
    alice, _, _ = room()
    check_lifetime(leaf_of(alice), 2**50, longest=0)


# What the group asks of it.


def requiring(needed: RequiredCapabilities) -> Home:
    """Return a group that requires something of its members."""
    return Home(KNOWS_OURS, (needed.extension(),))


@pytest.mark.rule("leaf-required-extensions")
@pytest.mark.parametrize("door", IN_GROUP)
def test_leaf_required_extensions(door: Door) -> None:
    home = requiring(RequiredCapabilities(extensions=(OURS,)))
    door("leaf-required-extensions", home, capabilities=KNOWS_OURS._replace(extensions=()))


@pytest.mark.rule("leaf-required-proposals")
@pytest.mark.parametrize("door", IN_GROUP)
def test_leaf_required_proposals(door: Door) -> None:
    home = requiring(RequiredCapabilities(proposals=(OURS,)))
    door("leaf-required-proposals", home, capabilities=KNOWS_OURS._replace(proposals=()))


@pytest.mark.rule("leaf-required-credentials")
@pytest.mark.parametrize("door", IN_GROUP)
def test_leaf_required_credentials(door: Door) -> None:
    home = requiring(RequiredCapabilities(credentials=(OURS,)))
    door("leaf-required-credentials", home, capabilities=PLAIN)


@pytest.mark.rule("leaf-group-extensions-supported")
@pytest.mark.parametrize("door", IN_GROUP)
def test_leaf_group_extensions_supported(door: Door) -> None:
    home = Home(KNOWS_OURS, (Extension(OURS, b"for us"),))
    door("leaf-group-extensions-supported", home, capabilities=PLAIN)


@pytest.mark.rule("leaf-credential-supported-by-all")
@pytest.mark.parametrize("door", COMMITS)
def test_leaf_credential_supported_by_all(door: Door) -> None:
    knows_more = PLAIN._replace(credentials=(BASIC, THEIRS))
    credential = Credential(THEIRS, b"carol")
    door("leaf-credential-supported-by-all", capabilities=knows_more, credential=credential)


@pytest.mark.rule("leaf-supports-credentials")
@pytest.mark.parametrize("door", IN_GROUP)
def test_leaf_supports_credentials(door: Door) -> None:
    knows_less = KNOWS_OURS._replace(credentials=(OURS,))
    credential = Credential(OURS, b"carol")
    door("leaf-supports-credentials", AT_HOME, capabilities=knows_less, credential=credential)


@pytest.mark.rule("leaf-signature-key-unique")
@pytest.mark.parametrize("door", [by_committed_update, by_path, by_tree])
def test_leaf_signature_key_unique(door: Door) -> None:
    bob = signer("bob")
    door("leaf-signature-key-unique", signature_key=bob.public, key=bob)


@pytest.mark.rule("leaf-signature-key-unique")
def test_leaf_signature_key_unique_when_added() -> None:
    alice, bob, _ = room()
    dora = device("dora")
    leaf = re_leaf(dora.package.leaf, bob.signing_key, signature_key=bob.signing_key.public)
    package = re_package(dora, key=bob.signing_key, leaf=leaf)
    edit = alice.public.tree.edit()
    edit.add(leaf)
    message = committed(alice, Commit((Add(package),), None), edit)
    refuses(bob, alice, message, "leaf-signature-key-unique")


@pytest.mark.rule("leaf-encryption-key-unique")
@pytest.mark.parametrize("door", [by_committed_update, by_committed_add])
def test_leaf_encryption_key_unique(door: Door) -> None:
    _, bob, _ = room()
    door("leaf-encryption-key-unique", encryption_key=leaf_of(bob).encryption_key)


@pytest.mark.rule("leaf-encryption-key-unique")
def test_leaf_encryption_key_unique_in_a_tree() -> None:
    _, bob, _ = room(paths=False)
    by_tree("leaf-encryption-key-unique", encryption_key=leaf_of(bob).encryption_key)


# What we say of ourselves.


@pytest.mark.rule("leaf-capabilities-default-proposals")
def test_leaf_capabilities_default_proposals() -> None:
    listed = device("dora").package.leaf.capabilities.proposals
    assert not set(listed).intersection(range(1, 8))


@pytest.mark.rule("leaf-capabilities-default-extensions")
def test_leaf_capabilities_default_extensions() -> None:
    carrying = device("dora", leaf_extensions=(Extension(APPLICATION_ID, b"dora"),))
    listed = carrying.package.leaf.capabilities.extensions
    assert not set(listed).intersection(range(1, 6))


@pytest.mark.rule("leaf-capabilities-complete")
def test_leaf_capabilities_complete() -> None:
    made = new_key_package(
        SUITE,
        basic(b"dora"),
        signer("dora"),
        LONG,
        dice("dora"),
        leaf_extensions=(Extension(OURS, b""),),
        last_resort=True,
        grease=False,
    )
    assert made.package.leaf.capabilities == Capabilities((1,), (1,), (0x0A, OURS), (), (BASIC,))


@pytest.mark.rule("leaf-capabilities-unknown")
def test_leaf_capabilities_unknown() -> None:
    alice, bob, _ = room()
    known = Capabilities((1, THEIRS), (1, THEIRS), (THEIRS,), (THEIRS,), (BASIC, THEIRS))
    template = LeafTemplate.of(leaf_of(alice))._replace(capabilities=known)
    made = alice.commit(entropy=dice("commit"), options=CommitOptions(template=template))
    assert following(bob, made.message).epoch_authenticator == made.merge().epoch_authenticator


@pytest.mark.rule("leaf-extensions-unknown")
def test_leaf_extensions_unknown() -> None:
    alice, bob, _ = room()
    carrying = device("dora", leaf_extensions=(Extension(THEIRS, b"what is it?"),))
    made = alice.commit([Add(carrying.package)], entropy=dice("commit"))
    assert following(bob, made.message).epoch_authenticator == made.merge().epoch_authenticator


@pytest.mark.parametrize("door", PROPOSALS)
def test_a_leaf_with_a_key_of_its_own_is_no_offence(door: Door) -> None:
    with pytest.raises(AssertionError, match="accepted"):
        door("no rule", encryption_key=kem_pair("own").public)
