"""Secrets: the key schedule, pre-shared keys, transcript hashes and the keys of messages."""

from __future__ import annotations

from alcove.mls import ExternalPsk, PskId, Suite
from alcove.mls import schedule as ours
from alcove.mls.codec import decode
from alcove.mls.context import new_context
from alcove.mls.framing import COMMIT, read_authenticated
from alcove.mls.private import _sender_data_key
from alcove.mls.secret_tree import HANDSHAKE, MESSAGE, MessageKey, SecretTree
from alcove.mls.tree_math import width_for
from tests.vectors.fields import Fields, same

_FAR = 2**32


def key_schedule(vector: Fields) -> None:
    """Follow a group's secrets from epoch to epoch, as a member and as a newcomer."""
    suite = vector.suite()
    group_id = vector.hex("group_id")
    init = vector.hex("initial_init_secret")
    for number, epoch in enumerate(vector.parts("epochs")):
        hashes = epoch.hex("tree_hash"), epoch.hex("confirmed_transcript_hash")
        context = new_context(suite.id, group_id, number, *hashes, ()).raw
        epoch.expect("group_context", context)
        psk = epoch.hex("psk_secret")
        joiner = ours.joiner_from_commit(suite, init, epoch.hex("commit_secret"), psk, context)
        epoch.expect("joiner_secret", joiner.secret)
        epoch.expect("welcome_secret", joiner.welcome)
        same("what a newcomer derives", ours.joiner_from_secret(suite, joiner.secret, psk), joiner)
        secrets = ours.epoch_secrets(suite, joiner, context)
        _epoch(epoch, suite, secrets)
        init = secrets.init


def _epoch(epoch: Fields, suite: Suite, secrets: ours.EpochSecrets) -> None:
    epoch.expect("sender_data_secret", secrets.sender_data)
    epoch.expect("encryption_secret", secrets.encryption)
    epoch.expect("exporter_secret", secrets.exporter)
    epoch.expect("external_secret", secrets.external)
    epoch.expect("confirmation_key", secrets.confirmation)
    epoch.expect("membership_key", secrets.membership)
    epoch.expect("resumption_psk", secrets.resumption)
    epoch.expect("epoch_authenticator", secrets.authenticator)
    epoch.expect("init_secret", secrets.init)
    epoch.expect("external_pub", suite.kem_derive(secrets.external).public)
    part = epoch.part("exporter")
    label, context, length = part.text("label"), part.hex("context"), part.number("length")
    part.expect("secret", ours.export(suite, secrets.exporter, label, context, length))


def psk_secret(vector: Fields) -> None:
    """Chain external pre-shared keys."""
    suite = vector.suite()
    psks = [
        (PskId(ExternalPsk(part.hex("psk_id")), part.hex("psk_nonce")), part.hex("psk"))
        for part in vector.parts("psks")
    ]
    vector.expect("psk_secret", ours.psk_secret(suite, psks))


def transcript_hashes(vector: Fields) -> None:
    """Add one commit to the transcript, and make its confirmation tag."""
    suite = vector.suite()
    content = decode(vector.hex("authenticated_content"), read_authenticated)
    vector.expect("authenticated_content", content.encode())
    same("the content's type", content.content_type, COMMIT)
    before = vector.hex("interim_transcript_hash_before")
    confirmed = ours.confirmed_transcript_hash(suite, before, content.transcript_bytes())
    vector.expect("confirmed_transcript_hash_after", confirmed)
    tag = suite.mac(vector.hex("confirmation_key"), confirmed)
    same("confirmation tag", content.confirmation_tag, tag)
    vector.expect(
        "interim_transcript_hash_after", ours.interim_transcript_hash(suite, confirmed, tag)
    )


def secret_tree(vector: Fields) -> None:
    """Take every listed key: as a receiver in order, as one to whom all came late, as a sender."""
    suite = vector.suite()
    part = vector.part("sender_data")
    key, nonce = _sender_data_key(suite, part.hex("sender_data_secret"), part.hex("ciphertext"))
    part.expect("key", key)
    part.expect("nonce", nonce)
    leaves = vector.part_lists("leaves")
    whole = SecretTree.new(suite, vector.hex("encryption_secret"), width_for(len(leaves)))
    listed = [
        (leaf, entry, entry.number("generation"))
        for leaf, entries in enumerate(leaves)
        for entry in entries
    ]
    for order in (listed, listed[::-1]):
        tree = whole
        for leaf, entry, generation in order:
            key_of, tree = tree.key_for(leaf, HANDSHAKE, generation, _FAR, _FAR)
            _message_key(entry, "handshake", key_of)
            key_of, tree = tree.key_for(leaf, MESSAGE, generation, _FAR, _FAR)
            _message_key(entry, "application", key_of)
    for leaf, entries in enumerate(leaves):
        _send(whole, leaf, entries)


def _message_key(entry: Fields, kind: str, found: MessageKey) -> None:
    same("generation", found.generation, entry.number("generation"))
    entry.expect(f"{kind}_key", found.key)
    entry.expect(f"{kind}_nonce", found.nonce)


def _send(tree: SecretTree, leaf: int, entries: list[Fields]) -> None:
    """Seal with one key after the other until all listed generations came by."""
    wanted = {entry.number("generation"): entry for entry in entries}
    for generation in range(max(wanted, default=-1) + 1):
        handshake, tree = tree.next_key(leaf, HANDSHAKE)
        message, tree = tree.next_key(leaf, MESSAGE)
        entry = wanted.get(generation)
        if entry is not None:
            _message_key(entry, "handshake", handshake)
            _message_key(entry, "application", message)
