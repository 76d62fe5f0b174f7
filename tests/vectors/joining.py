"""Joining by a Welcome, and following the group from there."""

from __future__ import annotations

import os

from alcove.mls import (
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Credential,
    ExternalPsk,
    Group,
    KeyPackageBundle,
    Lifetime,
    Policy,
    Proposal,
    ReceivedProposal,
    ResumptionPsk,
    StagedCommit,
    Suite,
    Welcome,
    accept_any_credential,
    check_key_package,
    create_group,
    decode_key_package,
    decode_message,
    join_group,
    new_key_package,
)
from alcove.mls.commit import Sealed
from alcove.mls.commit_making import seal_group_info
from alcove.mls.joining import _open_info, _open_secrets
from alcove.mls.schedule import Psks, epoch_secrets, joiner_from_secret
from alcove.mls.welcome import SealedSecrets
from tests.vectors import encode
from tests.vectors.fields import Failed, Fields, same

_POLICY = Policy(credential=accept_any_credential, past_resumptions=2**16)


def welcome(vector: Fields) -> None:
    """Open a Welcome down to the confirmation tag; seal the same secrets in one of our own."""
    suite = vector.suite()
    package = decode_key_package(vector.hex("key_package"))
    check_key_package(package, suite)
    package.leaf.check_signature(suite, b"", 0)
    init = vector.kem_key("init_priv", suite)
    same("init_priv", init.public, package.init_key)
    # The vector has one private key of the three, and opening a Welcome takes no other.
    bundle = KeyPackageBundle(package, init, init, suite.new_signing_key(bytes(64)))
    theirs = _welcome(vector.hex("welcome"))
    vector.expect("welcome", theirs.message())
    secrets = _open_secrets(theirs, bundle, suite)
    same("the Welcome's pre-shared keys", secrets.psks, ())
    joiner = joiner_from_secret(suite, secrets.joiner_secret, suite.zero)
    info = _open_info(theirs, joiner, suite)
    info.check_signature(suite, vector.hex("signer_pub"))
    epoch = epoch_secrets(suite, joiner, info.context.raw)
    tag = suite.mac(epoch.confirmation, info.context.confirmed_transcript_hash)
    same("the confirmation tag", tag, info.confirmation_tag)
    sealed_info = seal_group_info(suite, joiner.welcome, encode.group_info(info))
    sealed = suite.seal(package.init_key, b"Welcome", sealed_info, secrets.encode())
    entry = SealedSecrets(package.reference(suite), Sealed(*sealed))
    ours = _welcome(Welcome(suite.id, (entry,), sealed_info).message())
    same("the secrets in our Welcome", _open_secrets(ours, bundle, suite), secrets)
    same("the GroupInfo in our Welcome", _open_info(ours, joiner, suite), info)


def _welcome(message: bytes) -> Welcome:
    decoded = decode_message(message)
    if not isinstance(decoded, Welcome):
        raise Failed("not a Welcome")
    return decoded


def passive_client(vector: Fields) -> None:
    """Join, and follow every proposal and commit; then be welcomed to a group of our own."""
    suite = vector.suite()
    bundle = _bundle(vector, suite)
    known = {part.hex("psk_id"): part.hex("psk") for part in vector.parts("external_psks")}

    def psks(key: ExternalPsk | ResumptionPsk) -> bytes | None:
        return known.get(key.name) if isinstance(key, ExternalPsk) else None

    tree = vector.optional_hex("ratchet_tree")
    group = join_group(vector.hex("welcome"), bundle, _POLICY, tree=tree, psks=psks)
    vector.expect("initial_epoch_authenticator", group.epoch_authenticator)
    for epoch in vector.parts("epochs"):
        for proposal in epoch.hexes("proposals"):
            received = group.receive(proposal)
            if not isinstance(received, ReceivedProposal):
                raise Failed("not a proposal")
            group = received.group
        group = _merged(group, epoch.hex("commit"), psks)
        epoch.expect("epoch_authenticator", group.epoch_authenticator)
    names = tuple(ExternalPsk(name) for name in sorted(known))
    _welcome_by_us(suite, bundle, names, psks, tree_inside=tree is None)


def _bundle(vector: Fields, suite: Suite) -> KeyPackageBundle:
    """Return the vector's key package with its private keys, each compared with its public one."""
    package = decode_key_package(vector.hex("key_package"))
    vector.expect("key_package", encode.message(package))
    check_key_package(package, suite)
    package.leaf.check_signature(suite, b"", 0)
    bundle = KeyPackageBundle(
        package,
        vector.kem_key("init_priv", suite),
        vector.kem_key("encryption_priv", suite),
        suite.signing_key(vector.hex("signature_priv")),
    )
    same("init_priv", bundle.init_key.public, package.init_key)
    same("encryption_priv", bundle.leaf_key.public, package.leaf.encryption_key)
    same("signature_priv", bundle.signing_key.public, package.leaf.signature_key)
    return bundle


def _merged(group: Group, commit: bytes, psks: Psks) -> Group:
    staged = group.receive(commit, psks)
    if not isinstance(staged, StagedCommit):
        raise Failed("not a commit")
    return staged.merge()


def _welcome_by_us(
    suite: Suite,
    bundle: KeyPackageBundle,
    names: tuple[ExternalPsk, ...],
    psks: Psks,
    *,
    tree_inside: bool,
) -> None:
    """Make what was read: a Welcome to the vector's key package, a commit, a message back."""
    kind = bundle.package.leaf.credential.type
    alice = new_key_package(
        suite,
        Credential(kind, b"alice"),
        suite.new_signing_key(os.urandom(64)),
        Lifetime(0, 2**32),
        os.urandom,
        capabilities=Capabilities(suites=(suite.id,), credentials=(kind,)),
        grease=False,
    )
    group = create_group(alice, b"a group of ours", _POLICY, os.urandom)
    proposals: list[Proposal] = [Add(bundle.package)]
    proposals += [group.psk(name, os.urandom) for name in names]
    options = CommitOptions(path=True, tree_in_welcome=tree_inside, psks=psks)
    commit = group.commit(proposals, entropy=os.urandom, options=options)
    group = commit.merge()
    if commit.welcome is None:
        raise Failed("our commit made no Welcome")
    tree = None if tree_inside else group.public.tree.encode()
    bob = join_group(commit.welcome, bundle, _POLICY, tree=tree, psks=psks)
    same("who we welcomed", bob.epoch_authenticator, group.epoch_authenticator)
    second = group.commit(entropy=os.urandom)
    group, bob = second.merge(), _merged(bob, second.message, psks)
    same("who follows us", bob.epoch_authenticator, group.epoch_authenticator)
    opened = group.receive(bob.seal(b"hello", os.urandom).message)
    if not isinstance(opened, ApplicationMessage):
        raise Failed("not an application message")
    same("the message back", opened.data, b"hello")
