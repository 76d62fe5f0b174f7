"""Targets that read: every structure, saved state and key, from bytes to a value and back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from alcove.mls import (
    ALGORITHMS,
    Credential,
    CryptoError,
    DecodeError,
    KeyPackageBundle,
    MlsError,
    PeerError,
    PublicGroup,
    RatchetTree,
    Saved,
    Suite,
    Welcome,
    certificates,
    check_key_package,
    check_lifetime,
    decode_group_info,
    decode_key_package,
    decode_message,
    load_group,
    save_group,
    standard_suites,
)
from alcove.mls.changes import check_extensions
from alcove.mls.codec import Reader, decode
from alcove.mls.commit import Commit, read_commit, read_path, read_sealed
from alcove.mls.context import read_context, read_group_info
from alcove.mls.extensions import external_pub, read_extensions
from alcove.mls.framing import (
    Content,
    PublicMessage,
    read_authenticated,
    read_private_message,
    read_public_message,
)
from alcove.mls.key_package import read_key_package
from alcove.mls.leaf import check_leaf_alone, read_leaf
from alcove.mls.proposals import PskId, read_proposal, read_psk_id
from alcove.mls.tree import _read_node
from alcove.mls.tree_checks import check_tree
from alcove.mls.welcome import GroupSecrets, read_group_secrets, read_welcome
from fuzz import encode
from fuzz.corpus import Corpus
from fuzz.mutate import Seed, mutated, traced

BATCH = 250
_CUTS = 3
"""How many prefixes of an input that reads are tried; of real ones, all are."""


class Target(NamedTuple):
    """Something to give inputs to."""

    name: str
    weight: int
    seeds: list[Seed]
    feed: Callable[[random.Random, bytes], bool]
    """Take one input: True when it was accepted, False when refused; raises when neither."""
    exact: bool = True
    """Whether no prefix of a valid input is valid."""
    batch: int = BATCH
    """How many inputs at once: fewer where one takes long."""

    def draw(self, dice: random.Random) -> bytes:
        """Return the next input."""
        return mutated(dice, self.seeds)

    def prefixes(self) -> Iterator[bytes]:
        """Return every proper beginning of every real input, as a slow line would deliver them."""
        for seed in self.seeds if self.exact else ():
            yield from (seed.data[:end] for end in range(len(seed.data)))


def _skip_head(read: Callable[[Reader], Any]) -> Callable[[Reader], Any]:
    return lambda reader: (reader.take(4), read(reader))


def _decoder(
    name: str,
    weight: int,
    real: Iterable[bytes],
    read: Callable[[Reader], Any],
    write: Callable[[Any], bytes],
    *,
    check: Callable[[Any], None] | None = None,
    whole: Callable[[bytes], Any] | None = None,
    exact: bool = True,
) -> Target:
    """Return a target for one structure.

    `read` shows where its vectors are; `whole` reads it, when there is a way to read it from bytes;
    `check` goes on with what was read and may raise a `PeerError`.
    """
    take = whole or (lambda data: decode(data, read))

    def feed(dice: random.Random, data: bytes) -> bool:
        try:
            value = take(data)
        except DecodeError:
            return False
        assert write(value) == data, "what was read encodes to other bytes"
        for _ in range(_CUTS if exact else 0):
            try:
                take(data[: dice.randrange(len(data))])
            except DecodeError:
                continue
            raise AssertionError("a part of a structure was read as the whole of one")
        if check is not None:
            try:
                check(value)
            except PeerError:
                return False
        return True

    return Target(name, weight, [traced(data, read) for data in real], feed, exact)


def _read_nodes(reader: Reader) -> None:
    """Read a tree node by node, so that what is inside of each is seen."""
    reader.vector(lambda item: item.optional(_read_node))


def _contents(corpus: Corpus) -> list[Content]:
    decoded = [decode_message(message) for message in corpus.handshakes]
    return [message.content for message in decoded if isinstance(message, PublicMessage)]


def structures(corpus: Corpus) -> list[Target]:
    """Return a target for every structure of the protocol."""
    suite, policy = corpus.alice.suite, corpus.world.policy
    packages = [decode_key_package(message) for message in corpus.packages]
    infos = [decode_group_info(message) for message in corpus.infos]
    contents = _contents(corpus)
    commits = [content.body for content in contents if isinstance(content.body, Commit)]
    paths = [commit.path for commit in commits if commit.path is not None]
    leaves = [package.leaf for package in packages] + [path.leaf for path in paths]
    psks = [PskId(*item.psk) for item in corpus.proposals if hasattr(item, "psk")]
    secrets = [GroupSecrets(bytes(32), path, tuple(psks)) for path in (None, bytes(32))]
    trees = [corpus.alice.public.tree.encode(), corpus.bob.public.tree.only_leaves().encode()]
    lists = [corpus.alice.public.context.extensions, *(info.extensions for info in infos)]
    lists += [package.extensions for package in packages]
    messages = (
        *corpus.handshakes, *corpus.talk, *corpus.welcomes, *corpus.infos, *corpus.packages
    )  # fmt: skip
    welcomes = [decode_message(message) for message in corpus.welcomes]

    def check_package(package: Any) -> None:
        check_key_package(package, suite)
        check_lifetime(package.leaf, 1, 2**41)

    def check_list(extensions: Any) -> None:
        check_extensions(extensions, policy)
        external_pub(extensions)

    extensions = corpus.alice.public.context.extensions

    def check_whole_tree(tree: RatchetTree) -> None:
        check_tree(tree, corpus.alice.group_id, extensions, policy, None)

    def read_tree(data: bytes) -> RatchetTree:
        return RatchetTree.decode(suite, data)

    def row(
        name: str, weight: int, real: Iterable[bytes], read: Any, write: Any, **rest: Any
    ) -> Target:
        return _decoder(name, weight, real, read, write, **rest)

    return [
        _messages(messages),
        row("key-package", 6, [package.raw for package in packages], read_key_package,
            encode.key_package, check=check_package),
        row("group-info", 6, [info.raw for info in infos], read_group_info, encode.group_info),
        row("context", 4, [info.context.raw for info in infos], read_context, encode.context),
        row("leaf", 8, [leaf.raw for leaf in leaves], read_leaf, encode.leaf,
            check=lambda leaf: check_leaf_alone(leaf, suite)),
        row("credential", 4, [leaf.credential.encode() for leaf in leaves], Credential.read,
            encode.credential, check=certificates),
        row("extensions", 5, map(encode.extensions, lists), read_extensions, encode.extensions,
            check=check_list),
        row("proposal", 8, [item.encode() for item in corpus.proposals], read_proposal,
            encode.proposal),
        row("psk-id", 3, [psk.encode() for psk in psks], read_psk_id, PskId.encode),
        row("commit", 8, [commit.encode() for commit in commits], read_commit, encode.commit),
        row("path", 5, [path.encode() for path in paths], read_path, encode.path),
        row("sealed", 2, [paths[0].nodes[0].secrets[0].encode()], read_sealed,
            lambda sealed: sealed.encode()),
        row("welcome", 5, [encode.welcome(welcome) for welcome in welcomes
                           if isinstance(welcome, Welcome)], read_welcome, encode.welcome),
        row("group-secrets", 3, [secret.encode() for secret in secrets], read_group_secrets,
            GroupSecrets.encode),
        row("authenticated", 5, [content.encode() for content in contents], read_authenticated,
            encode.authenticated),
        row("tree", 8, trees, _read_nodes, encode.tree, whole=read_tree, check=check_whole_tree),
    ]  # fmt: skip


def _messages(messages: Iterable[bytes]) -> Target:
    """Return the target for whole messages; each kind shows where its own vectors are."""
    target = _decoder("message", 12, (), Reader.u8, encode.message, whole=decode_message)
    readers: tuple[Callable[[Reader], Any], ...] = (
        _skip_head(read_public_message),
        _skip_head(read_private_message),
        _skip_head(read_welcome),
        _skip_head(read_group_info),
        _skip_head(read_key_package),
    )
    seeds = [traced(message, readers[message[3] - 1]) for message in messages]
    return target._replace(seeds=seeds)


# What is ours and may be damaged, but is nobody's attack: any error of the library's own will do.


def _store(
    name: str, real: Iterable[bytes], load: Callable[[bytes], Any], save: Callable[[Any], Any]
) -> Target:
    def feed(_dice: random.Random, data: bytes) -> bool:
        try:
            value = load(data)
        except MlsError:
            return False
        save(value)
        return True

    return Target(name, 3, [Seed(data) for data in real], feed)


def stores(corpus: Corpus) -> list[Target]:
    """Return targets for all that the library reads from its user's own disk."""
    policy, suites = corpus.world.policy, corpus.world.suites
    saved = [save_group(corpus.alice), save_group(corpus.bob)]

    def load_epoch(data: bytes) -> Any:
        return load_group(Saved(data, saved[0].messages), policy, suites=suites)

    def load_messages(data: bytes) -> Any:
        return load_group(Saved(saved[0].epoch, data), policy, suites=suites)

    def load_public(data: bytes) -> Any:
        return PublicGroup.load(data, policy, suites=suites)

    def load_bundle(data: bytes) -> Any:
        return KeyPackageBundle.load(data, suites)

    return [
        _store("saved-epoch", [item.epoch for item in saved], load_epoch, save_group),
        _store("saved-messages", [item.messages for item in saved], load_messages, save_group),
        _store("snapshot", [corpus.bob.public.save()], load_public, PublicGroup.save),
        _store("bundle", [corpus.joiner.save()], load_bundle, KeyPackageBundle.save),
    ]


# Keys, signatures and ciphertexts: the provider raises CryptoError, whatever is below it.


def _primitives(suite: Suite) -> list[tuple[bytes, Callable[[bytes], Any]]]:
    crypto = suite.crypto
    pair, signer = suite.kem_derive(bytes(suite.secret_bytes)), suite.new_signing_key(bytes(64))
    enc, sealed = suite.seal(pair.public, b"label", b"context", b"data")
    signature = suite.sign(signer, b"label", b"content")
    return [
        (pair.public, lambda data: crypto.kem_check(suite.kem, data)),
        (pair.public, lambda data: suite.seal(data, b"label", b"context", b"data")),
        (
            pair.public,
            lambda data: crypto.hpke_send_export(suite.hpke, data, b"", b"context", 32),
        ),
        (enc, lambda data: suite.open(pair, b"label", b"context", data, sealed)),
        (enc, lambda data: crypto.hpke_receive_export(suite.hpke, pair, data, b"", b"", 32)),
        (sealed, lambda data: suite.open(pair, b"label", b"context", enc, data)),
        (signature, lambda data: suite.verify(signer.public, b"label", b"content", data)),
        (signer.public, lambda data: suite.verify(data, b"label", b"content", signature)),
        (pair.private, suite.kem_key),
        (signer.private, suite.signing_key),
    ]


def primitives(corpus: Corpus) -> Target:
    """Return the target for what goes straight into the provider, of all suites."""
    uses: list[tuple[bytes, Callable[[bytes], Any]]] = []
    for number in sorted(ALGORITHMS):
        uses += _primitives(standard_suites()[number])
    suite = corpus.alice.suite
    uses.append(
        (corpus.certificate, lambda data: suite.crypto.certificate_key(suite.signature, data))
    )

    def feed(_dice: random.Random, data: bytes) -> bool:
        try:
            if data:
                uses[data[0] % len(uses)][1](data[1:])
        except CryptoError:
            return False
        return True

    seeds = [Seed(bytes((at,)) + data) for at, (data, _) in enumerate(uses)]
    return Target("primitives", 8, seeds, feed, exact=False)
