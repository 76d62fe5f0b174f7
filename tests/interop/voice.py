"""Two MLS libraries behind the sessions of a voice protocol, and ours as a third member.

`davey` (OpenMLS) and `dave.py` (mlspp) are made for Discord's DAVE: people in a voice channel are
one MLS group in suite 2, and whoever comes or goes is proposed by the voice server, an external
sender.  Everyone in the call answers the server's proposals with a commit; the server takes one
and everyone follows it.  That is enough for a group of three implementations in which each commits:

    call = Call()
    call.found(OpenMls(1001, call.server))
    call.welcome(Ours(1002, call.server))
    call.welcome(Mlspp(1003, call.server), committer=call.members[1])

Here `Call` plays the voice server.  Key packages and Welcomes go bare, without the head of an
MLSMessage; proposals and commits are PublicMessages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from alcove.mls import (
    BASIC,
    Add,
    Capabilities,
    CommitOptions,
    Extension,
    ExternalSender,
    Group,
    KeyPackageBundle,
    Lifetime,
    OwnCommit,
    Policy,
    Proposal,
    Remove,
    StagedCommit,
    accept_any_credential,
    basic,
    create_group,
    decode_key_package,
    external_senders,
    join_group,
    new_key_package,
    propose_as_outsider,
    standard_suites,
)
from alcove.mls.codec import Reader, opaque, vector
from alcove.mls.framing import read_public_message
from tests.interop.client import believe_external_senders

SUITE: Final = standard_suites()[2]
CHANNEL: Final = 927310423890473011
GROUP_ID: Final = CHANNEL.to_bytes(8, "big")
ALWAYS: Final = Lifetime(0, 2**64 - 1)
PROTOCOL_VERSION: Final = 1
USERS: Final = frozenset(str(user) for user in range(1001, 1100))
HEAD_BYTES: Final = 4
KEY_PACKAGE_HEAD: Final = bytes.fromhex("00010005")
WELCOME_HEAD: Final = bytes.fromhex("00010003")
GREASED: Final = Capabilities(
    suites=(SUITE.id, 0x0A0A),
    extensions=(0x1A1A,),
    proposals=(0x2A2A,),
    credentials=(BASIC, 0x3A3A),
)
POLICY: Final = Policy(
    credential=accept_any_credential, external_sender=believe_external_senders, past_resumptions=1
)


class Made(NamedTuple):
    """A commit, and the Welcome for whom it adds."""

    commit: bytes
    welcome: bytes | None


class VoiceServer:
    """The external sender of a call: proposes, and is no member."""

    def __init__(self) -> None:
        self.key = SUITE.new_signing_key(os.urandom(64))
        self.sender = ExternalSender(self.key.public, basic(bytes(8)))
        self.extension: Extension = external_senders([self.sender])

    def propose(self, epoch: int, proposal: Proposal) -> bytes:
        """Return a proposal for this epoch of the call."""
        return propose_as_outsider(SUITE, GROUP_ID, epoch, 0, self.key, proposal)


class Seat(Protocol):
    """A member of a call, whatever library it is made of."""

    user: int

    def key_package(self) -> bytes:
        """Return a key package, bare."""
        ...

    def found(self) -> None:
        """Begin the group."""
        ...

    def answer(self, proposals: Sequence[bytes]) -> Made | None:
        """Take the server's proposals; return the commit of them that one would make."""
        ...

    def follow(self, commit: bytes) -> None:
        """Take the commit that the server has chosen, one's own or another's."""
        ...

    def join(self, welcome: bytes) -> None:
        """Join by a Welcome, bare."""
        ...

    def authenticator(self) -> bytes:
        """Return the epoch authenticator."""
        ...


class OpenMls:
    """OpenMLS, through davey.  A session stands alone in a group of its own until it joins one."""

    def __init__(self, user: int, server: VoiceServer) -> None:
        self.library = pytest.importorskip(
            "davey", reason="davey has no wheel for this machine", exc_type=ImportError
        )
        self.user = user
        self.session: Any = self.library.DaveSession(PROTOCOL_VERSION, user, CHANNEL)
        self.session.set_external_sender(server.sender.encode())

    def key_package(self) -> bytes:
        return bytes(self.session.get_serialized_key_package())

    def found(self) -> None:
        assert self.session.epoch == 0

    def answer(self, proposals: Sequence[bytes]) -> Made | None:
        return self._process("append", vector(proposals))

    def revoke(self, references: Sequence[bytes]) -> Made | None:
        """Take back proposals, by their references."""
        return self._process("revoke", vector(map(opaque, references)))

    def _process(self, kind: str, listed: bytes) -> Made | None:
        operation = getattr(self.library.ProposalsOperationType, kind)
        made = self.session.process_proposals(operation, listed, None)
        return None if made is None else Made(made.commit, made.welcome)

    def follow(self, commit: bytes) -> None:
        self.session.process_commit(commit)

    def join(self, welcome: bytes) -> None:
        self.session.process_welcome(welcome)

    def authenticator(self) -> bytes:
        return bytes(self.session.get_epoch_authenticator())

    def frame(self, sound: bytes) -> bytes:
        """Return an audio frame under a key that this member exports."""
        return bytes(self.session.encrypt_opus(sound))


class Refused(Exception):
    """Mlspp says no, in a word."""


class Mlspp:
    """Cisco's mlspp, through libdave and dave.py."""

    def __init__(self, user: int, server: VoiceServer) -> None:
        self.library = pytest.importorskip(
            "dave", reason="dave.py has no wheel for this machine", exc_type=ImportError
        )
        self.user = user
        self.session: Any = self.library.Session(lambda _source, _reason: None)
        key = self.library.SignatureKeyPair.generate(PROTOCOL_VERSION)
        self.session.init(PROTOCOL_VERSION, CHANNEL, str(user), key)
        self.session.set_external_sender(server.sender.encode())
        self._package = bytes(self.session.get_marshalled_key_package())

    def key_package(self) -> bytes:
        return self._package

    def found(self) -> None:
        assert not self.session.has_established_group()

    def answer(self, proposals: Sequence[bytes]) -> Made | None:
        made = self.session.process_proposals(b"\x00" + vector(proposals), USERS)
        if not made:
            return None
        # Commit and Welcome come in one piece, without a boundary.
        reader = Reader(made)
        reader.take(HEAD_BYTES)
        read_public_message(reader)
        return Made(made[: reader.at], made[reader.at :] or None)

    def follow(self, commit: bytes) -> None:
        result = self.session.process_commit(commit)
        if isinstance(result, self.library.RejectType):
            raise Refused(result.name)

    def join(self, welcome: bytes) -> None:
        if self.session.process_welcome(welcome, USERS) is None:
            raise Refused("welcome")

    def authenticator(self) -> bytes:
        return bytes(self.session.get_last_epoch_authenticator())

    def frame(self, sound: bytes) -> bytes:
        """Return an audio frame under a key that this member exports."""
        encryptor = self.library.Encryptor()
        encryptor.set_key_ratchet(self.session.get_key_ratchet(str(self.user)))
        encryptor.assign_ssrc_to_codec(7, self.library.Codec.opus)
        return bytes(encryptor.encrypt(self.library.MediaType.audio, 7, sound))


class Ours:
    """A member made of `alcove.mls`."""

    def __init__(self, user: int, server: VoiceServer) -> None:
        self.user = user
        self.server = server
        self.key = SUITE.new_signing_key(os.urandom(64))
        self.bundle = self.new_bundle()
        self._group: Group | None = None
        self.pending: OwnCommit | None = None

    @property
    def group(self) -> Group:
        """The newest value of the group."""
        assert self._group is not None, "not in the call"
        return self._group

    @group.setter
    def group(self, group: Group) -> None:
        self._group = group

    def new_bundle(self, *, grease: bool = False) -> KeyPackageBundle:
        """Make a key package as this protocol wants it.

        Values without meaning are in every list either way; with `grease` there is also such an
        extension, over which OpenMLS stumbles.
        """
        name = basic(self.user.to_bytes(8, "big"))
        extensions = (Extension(0x1A1A, b"?"),) if grease else ()
        return new_key_package(
            SUITE,
            name,
            self.key,
            ALWAYS,
            os.urandom,
            capabilities=GREASED,
            extensions=extensions,
            grease=False,
        )

    def key_package(self) -> bytes:
        return self.bundle.package.raw

    def found(self) -> None:
        extensions = (self.server.extension,)
        self.group = create_group(self.bundle, GROUP_ID, POLICY, os.urandom, extensions=extensions)

    def answer(self, proposals: Sequence[bytes]) -> Made | None:
        for proposal in proposals:
            result = self.group.receive(proposal)
            assert not isinstance(result, StagedCommit)
            self.group = result.group
        return self.commit()

    def commit(self, *proposals: Proposal, **options: Any) -> Made:
        """Make a commit of what waits and of these proposals; it is pending until followed."""
        self.pending = self.group.commit(
            proposals, entropy=os.urandom, options=CommitOptions(**options)
        )
        welcome = self.pending.welcome
        return Made(self.pending.message, None if welcome is None else welcome[HEAD_BYTES:])

    def follow(self, commit: bytes) -> None:
        staged: Any = self.pending
        if staged is None or staged.message != commit:
            staged = self.group.receive(commit)
        assert isinstance(staged, StagedCommit)
        self.pending = None
        self.group = staged.merge()

    def join(self, welcome: bytes) -> None:
        self.group = join_group(WELCOME_HEAD + welcome, self.bundle, POLICY)

    def authenticator(self) -> bytes:
        return self.group.epoch_authenticator


class Call:
    """Everyone in the voice channel, and the server that proposes and chooses."""

    def __init__(self) -> None:
        self.server = VoiceServer()
        self.members: list[Seat] = []
        self.epoch = 0

    def found(self, seat: Seat) -> None:
        """Let somebody be the first in the channel."""
        seat.found()
        self.members = [seat]

    def step(
        self, committer: Seat, proposals: Sequence[Proposal], joiners: Sequence[Seat] = ()
    ) -> Made:
        """Let everyone answer the server's proposals, and take the answer of one."""
        messages = [self.server.propose(self.epoch, proposal) for proposal in proposals]
        answers = [(member, member.answer(messages)) for member in self.members]
        made = next(answer for member, answer in answers if member is committer)
        assert made is not None
        return self.deliver(made, joiners)

    def deliver(self, made: Made, joiners: Sequence[Seat] = ()) -> Made:
        """Let everyone follow a commit, and newcomers join by its Welcome."""
        for member in self.members:
            member.follow(made.commit)
        for joiner in joiners:
            assert made.welcome is not None
            joiner.join(made.welcome)
        self.members += joiners
        self.epoch += 1
        self.agree()
        return made

    def welcome(self, *joiners: Seat, committer: Seat | None = None) -> Made:
        """Let people in, all in one commit, by default the first member's."""
        return self.step(committer or self.members[0], self.adds(*joiners), joiners)

    def adds(self, *joiners: Seat) -> list[Proposal]:
        """Return the proposals that add these people."""
        packages = [KEY_PACKAGE_HEAD + joiner.key_package() for joiner in joiners]
        return [Add(decode_key_package(package)) for package in packages]

    def dismiss(self, *leaves: int, committer: Seat) -> Made:
        """Take members out, by the indices of their leaves; whoever leaves hears nothing of it."""
        gone = {self.leaf_user(leaf) for leaf in leaves}
        self.members = [member for member in self.members if member.user not in gone]
        return self.step(committer, [Remove(leaf) for leaf in leaves])

    def ours(self) -> Ours:
        """Return a member of ours: it can be asked about the tree."""
        return next(member for member in self.members if isinstance(member, Ours))

    def leaf_user(self, leaf: int) -> int:
        """Return who is at a leaf."""
        node = self.ours().group.public.tree.leaf(leaf)
        assert node is not None
        return int.from_bytes(node.credential.data, "big")

    def leaf_of(self, seat: Seat) -> int:
        """Return the index of a member's leaf."""
        leaves = self.ours().group.public.tree.leaves()
        return next(
            index
            for index, leaf in leaves
            if int.from_bytes(leaf.credential.data, "big") == seat.user
        )

    def agree(self) -> None:
        """Assert that everyone has the same epoch authenticator: the whole key schedule."""
        secrets = {member.user: member.authenticator() for member in self.members}
        assert len(set(secrets.values())) == 1, secrets


def open_frame(group: Group, user: int, frame: bytes) -> bytes:
    """Open an audio frame, whose key is exported from the group: so the exporters agree.

    A frame is ciphertext, 8 bytes of tag, a nonce as ULEB128, the length of all after the
    ciphertext, and FA FA.  Of the tag only a half is sent, so it is not checked.
    """
    assert frame[-2:] == b"\xfa\xfa"
    trailer = frame[-frame[-3] :]
    nonce = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(trailer[8:-3]))
    base = group.export(b"Discord Secure Frames v0", user.to_bytes(8, "little"), 16)
    key = SUITE.expand_label(base, b"key", (nonce >> 24).to_bytes(4, "big"), 16)
    start = bytes(8) + nonce.to_bytes(4, "little") + (2).to_bytes(4, "big")
    stream = Cipher(algorithms.AES(key), modes.CTR(start)).decryptor()
    return stream.update(frame[: -len(trailer)])
