"""Targets that judge: groups and newcomers, given damaged messages from outside and from inside.

Outside is whoever can change bytes on their way; nearly all of that ends at a signature.  Inside is
a member gone bad: the damage is done first, and then signed, tagged and sealed as it should be.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from alcove.mls import (
    RATCHET_TREE,
    Add,
    CommitOptions,
    DecodeError,
    Group,
    LeafTemplate,
    Lifetime,
    PeerError,
    Proposal,
    PublicGroup,
    RatchetTree,
    StagedCommit,
    Update,
    UsageError,
    decode_group_info,
    decode_message,
    find_extension,
    join_by_commit,
    join_group,
    load_group,
    new_key_package,
    propose_as_outsider,
    save_group,
)
from alcove.mls.codec import Reader, decode, opaque
from alcove.mls.commit import Commit, Sealed, read_commit
from alcove.mls.commit_making import seal_group_info
from alcove.mls.context import GroupInfo, new_context, read_group_info, sign_group_info
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    NEW_MEMBER_COMMIT,
    PROPOSAL,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    PublicMessage,
    Sender,
    encode_public,
    frame,
    read_private_message,
    read_public_message,
)
from alcove.mls.private import seal_private
from alcove.mls.proposals import read_proposal
from alcove.mls.schedule import joiner_from_secret
from alcove.mls.secret_tree import HANDSHAKE, MESSAGE
from alcove.mls.verify import FROM_OUTSIDE
from alcove.mls.welcome import GroupSecrets, SealedSecrets, Welcome, read_group_secrets
from fuzz.corpus import Corpus, find_psk
from fuzz.decoders import Target
from fuzz.mutate import Seed, mutated, traced


class _Watched:
    """A group that must stay what it is, whatever it is given."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.before = save_group(group)

    def take(self, message: bytes) -> bool:
        """Give it a message; return whether it was accepted."""
        try:
            self.group.receive(message, find_psk)
        except PeerError:
            return False
        finally:
            assert save_group(self.group) == self.before, "the group has changed"
        return True


def _headed(read: Callable[[Reader], Any]) -> Callable[[Reader], Any]:
    return lambda reader: (reader.take(4), read(reader))


def _seeds(messages: tuple[bytes, ...]) -> list[Seed]:
    readers = {1: _headed(read_public_message), 2: _headed(read_private_message)}
    return [traced(message, readers[message[3]]) for message in messages]


def outside(corpus: Corpus) -> list[Target]:
    """Return targets for messages that were damaged on their way."""
    bob = _Watched(corpus.bob)
    policy, suites = corpus.world.policy, corpus.world.suites
    public = corpus.bob.public
    snapshot = public.save()

    def receive(_dice: random.Random, data: bytes) -> bool:
        return bob.take(data)

    def follow(_dice: random.Random, data: bytes) -> bool:
        try:
            public.receive(data)
        except PeerError:
            return False
        finally:
            assert public.save() == snapshot, "the group has changed"
        return True

    def join(_dice: random.Random, data: bytes) -> bool:
        try:
            join_group(data, corpus.joiner, policy, psks=find_psk, suites=suites)
        except PeerError:
            return False
        return True

    def begin(_dice: random.Random, data: bytes) -> bool:
        try:
            PublicGroup.from_group_info(data, policy, suites=suites)
        except PeerError:
            return False
        return True

    messages = _seeds((*corpus.handshakes, *corpus.talk))
    handshakes = _seeds(corpus.handshakes)
    return [
        Target("receive", 8, messages, receive, exact=False),
        Target("follow", 6, handshakes, follow, exact=False),
        Target("join", 4, [Seed(welcome) for welcome in corpus.welcomes], join, exact=False),
        Target("begin", 2, [Seed(info) for info in corpus.infos], begin, exact=False),
    ]


class _Insider:
    """Alice, who signs and seals whatever she is told to."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.group = corpus.alice
        self.bob = _Watched(corpus.bob)
        self.saved = save_group(corpus.alice)

    def unspent(self) -> Group:
        """Return Alice's group as it was before it sealed anything."""
        world = self.corpus.world
        return load_group(self.saved, world.policy, suites=world.suites)

    def handshake(self, dice: random.Random, kind: int, body: Proposal | Commit) -> bytes:
        """Return a proposal or commit with everything about it in order but its content."""
        private = dice.random() < 0.3
        group = self.unspent() if private else self.group
        content = group.sign_content(kind, body, b"", private=private)
        if kind == COMMIT:
            content = replace(content, confirmation_tag=dice.randbytes(32))
        return group.send(content, dice.randbytes).message

    def proposal(self, dice: random.Random, data: bytes) -> bool:
        """Give Bob a proposal that means something else than it should."""
        try:
            proposal = decode(data, read_proposal)
        except DecodeError:
            return False
        return self.bob.take(self.handshake(dice, PROPOSAL, proposal))

    def commit(self, dice: random.Random, data: bytes) -> bool:
        """Give Bob a commit that does something else than it should."""
        try:
            commit = decode(data, read_commit)
        except DecodeError:
            return False
        return self.bob.take(self.handshake(dice, COMMIT, commit))

    def external_commit(self, _dice: random.Random, data: bytes) -> bool:
        """Give Bob a commit from outside that does something else than it should."""
        try:
            commit = decode(data, read_commit)
        except DecodeError:
            return False
        public, sender = self.group.public, Sender(NEW_MEMBER_COMMIT)
        framed = frame(public.group_id, public.epoch, sender, b"", COMMIT, commit.encode())
        signature = public.suite.sign(
            self.corpus.world.person("ivan").signing_key,
            b"FramedContentTBS",
            PUBLIC_HEAD + framed + public.context.raw,
        )
        content = Content(
            PUBLIC_MESSAGE, public.group_id, public.epoch, sender, b"", COMMIT, commit, framed,
            signature, bytes(32),
        )  # fmt: skip
        return self.bob.take(encode_public(content, None))

    def plain(self, dice: random.Random, data: bytes) -> bool:
        """Give Bob a private message whose inside is damaged."""
        content_type = dice.choice((APPLICATION, PROPOSAL, COMMIT))
        kind = MESSAGE if content_type == APPLICATION else HANDSHAKE
        epoch = self.group.current
        key, _ = epoch.secrets.next_key(self.group.me, kind)
        guard = dice.randbytes(4)
        message = seal_private(epoch, self.group.me, key, content_type, b"", data, guard)
        return self.bob.take(message)


def inside(corpus: Corpus) -> list[Target]:
    """Return targets for what a bad member can send."""
    alice = _Insider(corpus)
    contents = [
        message.content
        for message in map(decode_message, corpus.handshakes)
        if isinstance(message, PublicMessage)
    ]
    commits = [content for content in contents if isinstance(content.body, Commit)]
    bodies: dict[bool, list[Seed]] = {True: [], False: []}
    for content in commits:
        assert isinstance(content.body, Commit)
        external = content.sender.type == NEW_MEMBER_COMMIT
        bodies[external].append(traced(content.body.encode(), read_commit))
    proposals = [traced(item.encode(), read_proposal) for item in corpus.proposals]
    updates = [content.body for content in contents if isinstance(content.body, Update)]
    blocks = proposals + [traced(update.encode(), read_proposal) for update in updates]
    plain = [Seed(seed.data + opaque(bytes(64)) + bytes(9)) for seed in proposals]
    plain += [Seed(opaque(b"hello") + opaque(bytes(64)) + bytes(3))]
    return [
        Target("bad-proposal", 6, proposals, alice.proposal),
        Target("bad-commit", 8, bodies[False], alice.commit),
        Target("bad-external-commit", 5, bodies[True], alice.external_commit),
        Target("bad-content", 5, plain, alice.plain, exact=False),
        Target("blockade", 2, blocks, _Blockade(corpus, blocks).feed, exact=False, batch=25),
    ]


class _Blockade:
    """Alice and the server, who propose nonsense so that nobody else can commit any more."""

    def __init__(self, corpus: Corpus, seeds: list[Seed]) -> None:
        self.corpus = corpus
        self.seeds = seeds
        self.members = (corpus.frank, corpus.grace)
        self.before = [save_group(member) for member in self.members]

    def signed(self, dice: random.Random, proposal: Proposal) -> Proposal:
        """Return the proposal with the leaf inside, if any, signed again."""
        alice = self.corpus.alice
        if isinstance(proposal, Update):
            template = LeafTemplate.of(proposal.leaf)
            template = template._replace(signature_key=alice.signing_key.public)
            where = (alice.group_id, alice.me)
            key = proposal.leaf.encryption_key
            return Update(template.for_update(alice.suite, alice.signing_key, key, *where))
        if isinstance(proposal, Add):
            leaf = proposal.key_package.leaf
            bundle = new_key_package(
                alice.suite,
                leaf.credential,
                self.corpus.joiner.signing_key,
                Lifetime(0, 2**40),
                dice.randbytes,
                capabilities=leaf.capabilities,
                leaf_extensions=leaf.extensions,
                extensions=proposal.key_package.extensions,
                grease=False,
            )
            return Add(bundle.package)
        return proposal

    def message(self, dice: random.Random, proposal: Proposal) -> bytes:
        """Return the proposal as Alice or the server sends it."""
        alice = self.corpus.alice
        if dice.random() < 0.8:
            proposal = self.signed(dice, proposal)
        if dice.random() < 0.3 and proposal.type in FROM_OUTSIDE:
            server = self.corpus.world.person("server").signing_key
            return propose_as_outsider(
                alice.suite, alice.group_id, alice.epoch, 0, server, proposal
            )
        content = alice.sign_content(PROPOSAL, proposal, b"")
        return alice.send(content, dice.randbytes).message

    def feed(self, dice: random.Random, data: bytes) -> bool:
        """Let Frank and Grace take several proposals: they agree on each, and can commit."""
        members = list(self.members)
        taken = 0
        for each in (data, *(mutated(dice, self.seeds) for _ in range(dice.randrange(6)))):
            try:
                message = self.message(dice, decode(each, read_proposal))
            except (DecodeError, UsageError):
                continue
            answers = [_answer(member, message) for member in members]
            if all(isinstance(answer, Group) for answer in answers):
                members = [answer for answer in answers if isinstance(answer, Group)]
                taken += 1
            else:
                assert answers[0] == answers[1], "two members do not agree on a proposal"
        frank, grace = members
        commit = frank.commit(entropy=dice.randbytes, options=CommitOptions(psks=find_psk))
        staged = grace.receive(commit.message, find_psk)
        assert isinstance(staged, StagedCommit)
        if not staged.removes_me:
            assert staged.merge().epoch_authenticator == commit.merge().epoch_authenticator
        assert self.before == [save_group(member) for member in self.members]
        return taken > 0


def _answer(member: Group, message: bytes) -> Group | str:
    """Return the group that has taken a message, or the rule by which it was refused."""
    try:
        return member.receive(message).group
    except PeerError as refused:
        return refused.rule


class _Inviter:
    """Alice, who makes a Welcome of whatever she is told to put inside."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.secret = bytes(32)
        suite = corpus.alice.suite
        self.joiner = joiner_from_secret(suite, self.secret, suite.zero)

    def welcome(self, secrets: bytes, info: bytes) -> bytes:
        """Seal secrets and a GroupInfo as a Welcome should."""
        suite, package = self.corpus.alice.suite, self.corpus.joiner.package
        sealed_info = seal_group_info(suite, self.joiner.welcome, info)
        sealed = Sealed(*suite.seal(package.init_key, b"Welcome", sealed_info, secrets))
        entry = SealedSecrets(package.reference(suite), sealed)
        return Welcome(suite.id, (entry,), sealed_info).message()

    def accepted(self, welcome: bytes) -> bool:
        """Return whether the newcomer joins."""
        world = self.corpus.world
        try:
            join_group(
                welcome, self.corpus.joiner, world.policy, psks=find_psk, suites=world.suites
            )
        except PeerError:
            return False
        return True

    def signed(self, dice: random.Random, data: bytes) -> GroupInfo | None:
        """Return a damaged GroupInfo with Alice's signature on it, if it can be read.

        Mostly the hash of its tree is put right, too.
        """
        alice = self.corpus.alice
        try:
            info = decode(data, read_group_info)
            context = info.context
            tree = find_extension(info.extensions, RATCHET_TREE)
            if tree is not None and dice.random() < 0.8:
                tree_hash = RatchetTree.decode(alice.suite, tree).tree_hash()
                context = new_context(
                    context.suite_id,
                    context.group_id,
                    context.epoch,
                    tree_hash,
                    context.confirmed_transcript_hash,
                    context.extensions,
                )
        except DecodeError:
            return None
        return sign_group_info(
            alice.suite,
            alice.signing_key,
            context,
            info.extensions,
            info.confirmation_tag,
            info.signer,
        )

    def info(self, dice: random.Random, data: bytes) -> bool:
        """Welcome the newcomer into a group that is not quite what it should be."""
        info = self.signed(dice, data)
        secrets = GroupSecrets(self.secret, None, ()).encode()
        return info is not None and self.accepted(self.welcome(secrets, info.raw))

    def group_secrets(self, _dice: random.Random, data: bytes) -> bool:
        """Welcome the newcomer with secrets that are not quite what they should be."""
        info = decode_group_info(self.corpus.next_info)
        return self.accepted(self.welcome(data, info.raw))

    def outsider(self, dice: random.Random, data: bytes) -> bool:
        """Show somebody outside a group that is not quite what it should be."""
        info = self.signed(dice, data)
        world = self.corpus.world
        ivan = world.person("ivan")
        if info is None:
            return False
        try:
            public = PublicGroup.from_group_info(info.message(), world.policy, suites=world.suites)
            join_by_commit(public, ivan.signing_key, ivan.template, dice.randbytes)
        except PeerError:
            return False
        return True


def invitations(corpus: Corpus) -> list[Target]:
    """Return targets for what a bad member can show to who wants in."""
    alice = _Inviter(corpus)
    shown = (corpus.next_info, *corpus.infos)
    infos = [traced(decode_group_info(info).raw, read_group_info) for info in shown]
    real = [GroupSecrets(alice.secret, path, ()).encode() for path in (None, bytes(32))]
    secrets = [traced(data, read_group_secrets) for data in real]
    return [
        Target("bad-info", 3, infos, alice.info, exact=False),
        Target("bad-secrets", 3, secrets, alice.group_secrets, exact=False),
        Target("bad-state", 3, infos, alice.outsider, exact=False),
    ]
