"""A room as one device sees it: its MLS group, and its log, of which nothing is believed unchecked.

Each entry is judged at its place: no place is missing, the running hash is right, the header names
what sealed the body, and header, signature and group agree who wrote it.  Contents are a simple
form for this story; the real one comes with the client, which is planned.

A real client stores the next group *before* a message leaves or is shown.  This one has no store.
"""

import os
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from alcove.cli.demo.telling import must
from alcove.mls import (
    DEFAULT_SUITE,
    ApplicationMessage,
    CommitOptions,
    Group,
    LeafNode,
    OwnCommit,
    Policy,
    Proposal,
    PublicGroup,
    StagedCommit,
    StagedPublicCommit,
    decode_group_info,
    padme,
    standard_suites,
)
from alcove.server.auth import verify
from alcove.wire.codec import decode_header, encode
from alcove.wire.devices import Certificate, SignedCertificate
from alcove.wire.entries import (
    Appended,
    HandshakeHeader,
    Member,
    MessageHeader,
    NewEntry,
    Routing,
    Stored,
)
from alcove.wire.ids import NOTHING_BEFORE, entry_name, next_chain
from alcove.wire.signed import certificate_bytes, device_id

SUITE = standard_suites()[DEFAULT_SUITE]
LEAST_BYTES = 256


class Text(Struct, frozen=True, tag="text"):
    """Something that was said."""

    text: str


class File(Struct, frozen=True, tag="file"):
    """Where a file is, and what opens it."""

    name: str
    blob: str
    key: bytes
    size: int
    hash: bytes


class Body(Struct, frozen=True, array_like=True):
    """The body of a handshake."""

    commit: bytes
    """Empty in the entry that founds a room."""
    info: bytes
    """The GroupInfo of the epoch that begins."""


class Said(NamedTuple):
    """A message that was opened, or sent."""

    seq: int
    name: str
    content: Text | File


_decode_content = msgspec.msgpack.Decoder(Text | File).decode
_decode_body = msgspec.msgpack.Decoder(Body).decode
_decode_signed = msgspec.msgpack.Decoder(SignedCertificate).decode
_decode_certificate = msgspec.msgpack.Decoder(Certificate).decode


# ---- What everyone in a room checks of everyone ----


def certificate_of(leaf: LeafNode | None) -> Certificate:
    """Return what a leaf's credential says, which the policy has checked."""
    assert leaf is not None
    return _decode_certificate(_decode_signed(leaf.credential.data).body)


def policy_of(server: bytes) -> Policy:
    """Return what decides who is believed, the same for all members."""

    def check(leaf: LeafNode, replaced: LeafNode | None) -> str | None:
        signed, said = _decode_signed(leaf.credential.data), certificate_of(leaf)
        statement = certificate_bytes(signed.body)
        fits = (said.device, said.server) == (leaf.signature_key, server)
        stays = replaced is None or certificate_of(replaced).identity == said.identity
        is_signed = verify(said.identity, statement, signed.signature)
        return None if fits and stays and is_signed else "demo-certified"

    return Policy(credential=check, rule=check_routing, padding=at_least_256)


def check_routing(old: PublicGroup, commit: StagedPublicCommit) -> str | None:
    """Say no when a commit tells the server another change of members than it makes."""
    adds = tuple(_member(package.leaf) for _, package in commit.added)
    removes = tuple(_member(old.tree.leaf(index)) for index in commit.removed)
    says = encode(Routing(adds=adds, removes=removes))
    return None if commit.authenticated_data == says else "demo-routing"


def _member(leaf: LeafNode | None) -> Member:
    assert leaf is not None
    return Member(certificate_of(leaf).account, device_id(leaf.signature_key))


def at_least_256(length: int) -> int:
    """Hide how long short messages are."""
    return padme(max(length, LEAST_BYTES))


# ---- A room ----


class Room:
    """What one device knows of a room."""

    def __init__(self, me: bytes, group: Group) -> None:
        self.me = me
        self.group = group
        self.id = group.group_id
        self.position = 0
        self.chain = NOTHING_BEFORE
        """The running hash of the log up to here."""
        self.handshake = NOTHING_BEFORE
        """The name of the newest handshake."""
        self.said: list[Said] = []
        self.bodies: dict[int, bytes] = {}
        """Messages as they stood in the log, by place."""
        self._epochs: dict[bytes, int] = {}
        self._mine: dict[bytes, Text | File] = {}
        self._places: dict[bytes, int] = {}
        self._pending: dict[bytes, OwnCommit] = {}
        self._contents: set[bytes] = set()

    def where(self, entry: NewEntry) -> int | None:
        """Return the place of an entry of one's own, or None when the log has it not."""
        return self._places.get(entry_name(self.id, entry.header, entry.body))

    def leaf_of(self, name: str) -> int:
        """Return somebody's place in the group's tree."""
        leaves = self.group.public.tree.leaves()
        return next(index for index, leaf in leaves if certificate_of(leaf).name == name)

    # ---- Writing ----

    def seal(self, content: Text | File, content_id: bytes) -> NewEntry:
        """Seal a message.  Another try of the same one has the same content id."""
        sealed = self.group.seal(
            encode(content), os.urandom, authenticated_data=self.me + content_id
        )
        self.group = sealed.group
        header = encode(MessageHeader(self.me, content_id, "live", self.handshake))
        entry = NewEntry(header, sealed.message)
        self._mine[entry_name(self.id, entry.header, entry.body)] = content
        return entry

    def found(self, account: bytes) -> NewEntry:
        """Return the entry that founds this room."""
        routing = Routing(adds=(Member(account, self.me),), history="none")
        header = HandshakeHeader(self.me, self.handshake, renews=True, routing=routing)
        return NewEntry(encode(header), encode(Body(b"", self.group.group_info(with_tree=False))))

    def commit(
        self, proposals: list[Proposal], routing: Routing, before: bytes
    ) -> tuple[NewEntry, bytes | None]:
        """Return the entry of a commit, and its Welcome.  It counts once it stands in the log."""
        options = CommitOptions(authenticated_data=encode(routing))
        commit = self.group.commit(proposals, entropy=os.urandom, options=options)
        info = commit.merge().group_info(with_tree=False)
        closes = bool(routing.removes)
        header = HandshakeHeader(self.me, before, renews=True, closes=closes, routing=routing)
        entry = NewEntry(encode(header), encode(Body(commit.message, info)))
        self._pending[entry_name(self.id, entry.header, entry.body)] = commit
        return entry, commit.welcome

    # ---- Reading ----

    def place(self, entries: tuple[NewEntry, ...], appended: Appended) -> None:
        """Take entries of one's own that the server has just stored."""
        for seq, entry in enumerate(entries, start=appended.first):
            self.take(Stored(seq, appended.at, entry.header, entry.body))
        must(self.chain == appended.chain, "The server's running hash is another than ours.")

    def take(self, stored: Stored) -> None:
        """Judge the next entry of the log, and open it."""
        must(stored.seq == self.position + 1, "An entry of the log is missing, or came twice.")
        assert stored.body is not None
        name = entry_name(self.id, stored.header, stored.body)
        self.position, self.chain = stored.seq, next_chain(self.chain, stored.seq, name)
        header = decode_header(stored.header)
        if isinstance(header, HandshakeHeader):
            self._follow(header, _decode_body(stored.body), name)
        else:
            self._open(header, stored.seq, stored.body, name)

    def _follow(self, header: HandshakeHeader, body: Body, name: bytes) -> None:
        """Go into the next epoch, unless it is one of before this device came."""
        must(header.before == self.handshake, "A handshake does not follow the one before it.")
        info = decode_group_info(body.info)
        mine = self._pending.pop(name, None)
        if mine is not None:
            self.group = mine.merge()
        elif info.context.epoch > self.group.epoch:
            staged = self.group.receive(body.commit)
            assert isinstance(staged, StagedCommit)
            says = encode(header.routing)
            must(staged.authenticated_data == says, "A commit and its header do not agree.")
            self.group = staged.merge()
        if info.context.epoch == self.group.epoch:
            ours = self.group.public.context
            must(info.context.raw == ours.raw, "A commit and its GroupInfo do not agree.")
        self.handshake = name
        self._epochs[name] = info.context.epoch

    def _open(self, header: MessageHeader, seq: int, body: bytes, name: bytes) -> None:
        """Open a message, and check that everything about it agrees who wrote it."""
        content: Any = self._mine.get(name)
        if content is None:
            must(header.sender != self.me, "There is a message of ours that we did not write.")
            received = self.group.receive(body)
            assert isinstance(received, ApplicationMessage)
            writer = (device_id(received.leaf.signature_key), received.authenticated_data)
            claimed = (header.sender, header.sender + header.content)
            must(writer == claimed, "A message is not by whom its header says.")
            epoch = self._epochs.get(header.key or b"")
            must(received.epoch == epoch, "A message is of another epoch than its header says.")
            self.group = received.group
            leaf, content = received.leaf, _decode_content(received.data)
        else:
            leaf = self.group.leaf
            self._places[name] = seq
        must(header.content not in self._contents, "A message stands in the log twice.")
        self._contents.add(header.content)
        self.bodies[seq] = body
        self.said.append(Said(seq, certificate_of(leaf).name, content))
