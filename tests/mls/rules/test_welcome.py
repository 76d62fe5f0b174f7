"""Rules about coming in: GroupInfos and Welcomes (sections 12.4.3 and 12.4.3.1 of RFC 9420)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    CommitOptions,
    Extension,
    LeafTemplate,
    PublicGroup,
    Welcome,
    decode_message,
    join_by_commit,
    join_group,
    propose_to_join,
    standard_suites,
)
from alcove.mls.codec import u16
from alcove.mls.commit import Sealed
from alcove.mls.welcome import GroupSecrets
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    goes_on,
    re_info,
    refused,
    room,
    signer,
)
from tests.mls.rules.surgery import (
    Forged,
    changed_context,
    forge,
    info_on,
    other_package,
    told,
    welcomed,
)

OURS = 0xF042
"""A type of extension that only our own program knows."""
KNOWS_OURS = Capabilities(suites=(1,), extensions=(OURS,), credentials=(1,))
UNKNOWN = Extension(0xF00D, b"from the future")


def added(*names: str, path: bool = True, **options: Any) -> Forged:
    """Return a commit by which Alice adds Dora to her group."""
    alice, *_ = room(*names, **options)
    return forge(alice, [Add(device("dora").package)], path=path)


def turned_away(rule: str, made: Forged, welcome: bytes, **options: Any) -> None:
    """Expect that Dora refuses a Welcome, and comes in by the right one."""
    dora = device("dora")
    with refused(rule):
        join_group(welcome, dora, LENIENT, **options)
    assert goes_on(made.after, join_group(welcomed(made), dora, LENIENT))


# Who signed.


@pytest.mark.rule("join-signer-leaf")
@pytest.mark.parametrize("leaf", [3, 4])
def test_join_signer_leaf(leaf: int) -> None:
    made = added("alice", "bob")
    info = re_info(made.after, signer_index=leaf)
    turned_away("join-signer-leaf", made, welcomed(made, info))


@pytest.mark.rule("join-signer-leaf")
def test_join_signer_leaf_for_followers() -> None:
    alice, bob, _ = room()
    info = re_info(alice, signer_index=3).message()
    with refused("join-signer-leaf"):
        PublicGroup.from_group_info(info, LENIENT)
    with refused("join-signer-leaf", bob):
        bob.public.check_group_info(info)


@pytest.mark.rule("group-info-signature")
def test_group_info_signature() -> None:
    made = added()
    info = re_info(made.after, key=signer("mallory"))
    turned_away("group-info-signature", made, welcomed(made, info))


@pytest.mark.rule("group-info-signature")
def test_group_info_signature_of_another_member() -> None:
    made = added()
    info = re_info(made.after, signer_index=1)
    turned_away("group-info-signature", made, welcomed(made, info))


@pytest.mark.rule("group-info-signature")
def test_group_info_signature_for_who_begins_to_follow() -> None:
    alice, _, _ = room()
    with refused("group-info-signature"):
        PublicGroup.from_group_info(re_info(alice, key=signer("mallory")).message(), LENIENT)


@pytest.mark.rule("group-info-signature")
def test_group_info_signature_for_who_follows() -> None:
    alice, bob, _ = room()
    with refused("group-info-signature", bob):
        bob.public.check_group_info(re_info(alice, key=signer("mallory")).message())


# What it says.


@pytest.mark.rule("context-version")
@pytest.mark.parametrize("version", [0, 2])
def test_context_version(version: int) -> None:
    made = added()
    context = made.after.public.context
    info = info_on(made, replace(context, raw=u16(version) + context.raw[2:]))
    turned_away("context-version", made, welcomed(made, info))


@pytest.mark.rule("group-info-context")
@pytest.mark.parametrize("field", [{"epoch": 9}, {"extensions": (UNKNOWN,)}])
def test_group_info_context(field: dict[str, Any]) -> None:
    alice, bob, _ = room()
    with refused("group-info-context", bob):
        bob.public.check_group_info(re_info(alice, **field).message())
    assert bob.public.check_group_info(alice.group_info()).external_pub is not None


@pytest.mark.rule("group-info-tag")
def test_group_info_tag() -> None:
    alice, bob, _ = room()
    with refused("group-info-tag", bob):
        bob.public.check_group_info(re_info(alice, confirmation_tag=bytes(32)).message())
    assert bob.public.check_group_info(alice.group_info()).external_pub is not None


@pytest.mark.rule("join-confirmation-tag")
def test_join_confirmation_tag() -> None:
    made = added()
    info = re_info(made.after, confirmation_tag=bytes(32))
    turned_away("join-confirmation-tag", made, welcomed(made, info))


@pytest.mark.rule("join-info-extensions-unknown")
def test_join_info_extensions_unknown() -> None:
    alice, bob, _ = room()
    info = alice.group_info(extensions=(UNKNOWN,))
    assert PublicGroup.from_group_info(info, LENIENT).context == alice.public.context
    assert bob.public.check_group_info(info).context == alice.public.context


@pytest.mark.rule("join-info-extensions-unknown")
def test_join_info_extensions_unknown_in_a_welcome() -> None:
    alice, _, _ = room()
    options = CommitOptions(group_info_extensions=(UNKNOWN,))
    adds = [Add(device("dora").package)]
    made = alice.commit(adds, entropy=dice("commit"), options=options)
    assert made.welcome is not None
    assert goes_on(made.merge(), join_group(made.welcome, device("dora"), LENIENT))


# The tree.


@pytest.mark.rule("join-tree-missing")
def test_join_tree_missing() -> None:
    made = added()
    info = re_info(made.after, with_tree=False)
    turned_away("join-tree-missing", made, welcomed(made, info))


@pytest.mark.rule("join-tree-missing")
def test_join_tree_missing_for_who_begins_to_follow() -> None:
    alice, _, _ = room()
    info = alice.group_info(with_tree=False)
    with refused("join-tree-missing"):
        PublicGroup.from_group_info(info, LENIENT)
    tree = alice.public.tree.encode()
    assert PublicGroup.from_group_info(info, LENIENT, tree=tree).context == alice.public.context


@pytest.mark.rule("join-tree-hash")
def test_join_tree_hash() -> None:
    made = added()
    info = info_on(made, changed_context(made.after.public.context, tree_hash=bytes(32)))
    turned_away("join-tree-hash", made, welcomed(made, info))


@pytest.mark.rule("join-tree-hash")
def test_join_tree_hash_of_a_tree_from_elsewhere() -> None:
    made = added(path=False, paths=False)
    without_carol = made.after.public.tree.edit()
    without_carol.put_leaf(2, None)
    welcome = welcomed(made, re_info(made.after, with_tree=False))
    turned_away("join-tree-hash", made, welcome, tree=without_carol.encode())


@pytest.mark.rule("join-tree-hash")
def test_join_tree_hash_for_who_begins_to_follow() -> None:
    alice, _, _ = room()
    with refused("join-tree-hash"):
        PublicGroup.from_group_info(re_info(alice, tree_hash=bytes(32)).message(), LENIENT)


# The group's extensions.


@pytest.mark.rule("join-extensions-supported")
def test_join_extensions_supported() -> None:
    made = added(capabilities=KNOWS_OURS, extensions=(Extension(OURS, b""),))
    with refused("join-extensions-supported"):
        join_group(welcomed(made), device("dora"), LENIENT)


@pytest.mark.rule("join-extensions-supported")
def test_join_extensions_supported_by_who_joins_alone() -> None:
    alice, _, _ = room(capabilities=KNOWS_OURS, extensions=(Extension(OURS, b""),))
    public = PublicGroup.from_group_info(alice.group_info(), LENIENT)
    dora = device("dora")
    with refused("join-extensions-supported"):
        join_by_commit(public, dora.signing_key, LeafTemplate.of(dora.package.leaf), dice("join"))


# The Welcome.


@pytest.mark.rule("welcome-recipient")
def test_welcome_recipient() -> None:
    made = added()
    with refused("welcome-recipient"):
        join_group(welcomed(made), device("erin"), LENIENT)


@pytest.mark.rule("welcome-recipient")
def test_welcome_recipient_by_another_key_package() -> None:
    made = added()
    with refused("welcome-recipient"):
        join_group(welcomed(made), other_package("dora"), LENIENT)


@pytest.mark.rule("welcome-suite")
def test_welcome_suite() -> None:
    # Suites 1 and 3 differ in their cipher only: all keys and hashes of Dora's fit both.
    made = added(suite=standard_suites()[3])
    with refused("welcome-suite"):
        join_group(welcomed(made), device("dora"), LENIENT)


@pytest.mark.rule("welcome-info-suite")
def test_welcome_info_suite() -> None:
    made = added()
    info = info_on(made, changed_context(made.after.public.context, suite_id=3))
    turned_away("welcome-info-suite", made, welcomed(made, info))


@pytest.mark.rule("welcome-decrypt")
def test_welcome_decrypt() -> None:
    made = added()

    def spoiled(sealed: Sealed) -> Sealed:
        return sealed._replace(ciphertext=bytes(len(sealed.ciphertext)))

    turned_away("welcome-decrypt", made, welcomed(made, seal=spoiled))


@pytest.mark.rule("welcome-info-decrypt")
def test_welcome_info_decrypt() -> None:
    made = added()
    turned_away("welcome-info-decrypt", made, welcomed(made, info_secret=bytes(32)))


@pytest.mark.rule("welcome-leaf")
def test_welcome_leaf() -> None:
    alice, _, _ = room()
    made = forge(alice, [Add(other_package("dora").package)])
    with refused("welcome-leaf"):
        join_group(welcomed(made, packages=[(3, device("dora").package)]), device("dora"), LENIENT)
    assert goes_on(made.after, join_group(welcomed(made), other_package("dora"), LENIENT))


@pytest.mark.rule("welcome-path-key")
def test_welcome_path_key() -> None:
    made = added()

    def other_secret(secrets: GroupSecrets) -> GroupSecrets:
        return secrets._replace(path_secret=bytes(32))

    turned_away("welcome-path-key", made, welcomed(made, secrets=other_secret))


@pytest.mark.rule("welcome-covers-all")
@pytest.mark.parametrize("path", [False, True])
def test_welcome_covers_all(path: bool) -> None:
    alice, _, _ = room()
    newcomers = [device(name) for name in ("dora", "erin", "frank")]
    asked = propose_to_join(SUITE, alice.group_id, alice.epoch, newcomers[0])
    (alice,), _ = told(asked, alice)

    made = alice.commit(
        [Add(other.package) for other in newcomers[1:]],
        entropy=dice("commit"),
        options=CommitOptions(path=path),
    )

    assert made.welcome is not None
    welcome = decode_message(made.welcome)
    assert isinstance(welcome, Welcome)
    named = [entry.new_member for entry in welcome.secrets]
    assert named == [other.package.reference(SUITE) for other in newcomers]
    joined = [join_group(made.welcome, other, LENIENT) for other in newcomers]
    assert all(goes_on(made.merge(), other) for other in joined)
