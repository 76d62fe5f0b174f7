"""A member's view of a group: the public state and the secrets that go with it.

A `Group` is an immutable value.  Every operation returns a new one, so a failure changes nothing
and a store can write the new value before anything leaves the machine:

    sealed = group.seal(b"hello", os.urandom)
    store.save(sealed.group)        first, with compare-and-set on the version
    send(sealed.message)            then

The one thing that values share is a high-water mark, in memory: a key that any value of this group
has sealed with is never used again by an older one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from alcove.mls import schedule
from alcove.mls.codec import opaque, u8, u64
from alcove.mls.commit import Commit
from alcove.mls.commit_following import follow
from alcove.mls.commit_making import CommitOptions, make_commit, waiting_proposals
from alcove.mls.context import sign_group_info
from alcove.mls.errors import Lost, RuleBroken, UsageError
from alcove.mls.extensions import EXTERNAL_PUB, RATCHET_TREE, Extension, Extensions, check_no_twins
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    ENVELOPE_BYTES,
    MEMBER,
    PRIVATE_HEAD,
    PRIVATE_MESSAGE,
    PROPOSAL,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    Message,
    PrivateMessage,
    Sender,
    Verified,
    decode_message,
    encode_public,
    frame,
    only_public,
)
from alcove.mls.high_water import HighWater
from alcove.mls.key_package import Entropy, draw
from alcove.mls.leaf import LeafNode, LeafTemplate
from alcove.mls.paths import PrivateKeys
from alcove.mls.private import GUARD_BYTES, Epoch, open_private, seal_private
from alcove.mls.proposals import (
    ExternalPsk,
    PreSharedKey,
    Proposal,
    PskId,
    ResumptionPsk,
    Update,
    check_sendable,
)
from alcove.mls.provider import KemKey, SigningKey
from alcove.mls.public_group import PublicGroup, PublicProposal
from alcove.mls.results import (
    ApplicationMessage,
    OwnCommit,
    Proposed,
    ReceivedProposal,
    Sealed,
    StagedCommit,
)
from alcove.mls.schedule import EpochSecrets, Psks, no_psks
from alcove.mls.secret_tree import HANDSHAKE, MESSAGE, SecretTree
from alcove.mls.suites import Suite
from alcove.mls.tree import RatchetTree
from alcove.mls.verify import verify_content

_MEMBER: Final = u8(MEMBER)
_SIGNED_HEAD: Final = opaque(b"MLS 1.0 FramedContentTBS")


class PendingUpdate(NamedTuple):
    """The private keys of an Update that was proposed and not yet committed."""

    leaf_key: KemKey
    signing_key: SigningKey


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One member's group in one epoch.  Made by `create_group` and the `join` functions."""

    public: PublicGroup
    me: int
    """The index of our leaf."""
    signing_key: SigningKey = field(repr=False)
    keys: PrivateKeys = field(repr=False)
    secrets: EpochSecrets = field(repr=False)
    current: Epoch = field(repr=False)
    past: tuple[Epoch, ...] = field(repr=False, default=())
    """Past epochs whose messages can still be opened, newest first."""
    resumptions: Mapping[int, bytes] = field(repr=False, default_factory=dict)
    """Resumption keys of past epochs, by epoch."""
    updates: Mapping[bytes, PendingUpdate] = field(repr=False, default_factory=dict)
    """By the public encryption key that was proposed."""
    high_water: HighWater = field(repr=False, default_factory=HighWater)

    # Looking.

    @property
    def suite(self) -> Suite:
        """The cipher suite."""
        return self.public.suite

    @property
    def epoch(self) -> int:
        """The epoch's number."""
        return self.public.context.epoch

    @property
    def group_id(self) -> bytes:
        """The group's name."""
        return self.public.context.group_id

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for all who are in the same state (section 8.7)."""
        return self.secrets.authenticator

    @property
    def leaf(self) -> LeafNode:
        """Our own leaf."""
        leaf = self.public.tree.leaf(self.me)
        assert leaf is not None
        return leaf

    def members(self) -> tuple[tuple[int, LeafNode], ...]:
        """Return every member's leaf index and leaf, from left to right."""
        return tuple(self.public.tree.leaves())

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Return a secret of this epoch for use outside of MLS (section 8.5)."""
        return schedule.export(self.suite, self.secrets.exporter, label, context, length)

    def external_key(self) -> KemKey:
        """Return the key pair that external commits are sealed to."""
        return self.suite.kem_derive(self.secrets.external)

    def group_info(
        self, *, with_tree: bool = True, with_external_pub: bool = True, extensions: Extensions = ()
    ) -> bytes:
        """Return a signed statement of this epoch, as an MLSMessage, for who wants to join."""
        if with_external_pub:
            public = opaque(self.external_key().public)
            extensions = (*extensions, Extension(EXTERNAL_PUB, public))
        if with_tree:
            extensions = (*extensions, Extension(RATCHET_TREE, self.public.tree.encode()))
        check_no_twins(extensions)
        return sign_group_info(
            self.suite,
            self.signing_key,
            self.public.context,
            extensions,
            self.public.confirmation_tag,
            self.me,
        ).message()

    # Sending.

    def seal(self, data: bytes, entropy: Entropy, *, authenticated_data: bytes = b"") -> Sealed:
        """Seal application data for the group's members.

        Section 12.4: who has seen a proposal commits before sending data, so that a removal that
        was asked for takes effect first.
        """
        self._may_send()
        if self.public.proposals and waiting_proposals(self, CommitOptions()):
            raise UsageError("proposals are waiting: commit them before sending data")
        body = opaque(data)
        framed = (
            self._framed_head() + opaque(authenticated_data) + APPLICATION.to_bytes(1, "big") + body
        )
        signature = self._sign(PRIVATE_HEAD + framed)
        return self._seal(APPLICATION, authenticated_data, body + opaque(signature), entropy)

    def propose(
        self,
        proposal: Proposal,
        entropy: Entropy,
        *,
        authenticated_data: bytes = b"",
        private: bool | None = None,
    ) -> Proposed:
        """Send a proposal for anyone to commit.  An Update is made by `propose_update`."""
        if isinstance(proposal, Update) and proposal.leaf.encryption_key not in self.updates:
            raise UsageError("the keys of this Update are not here: use propose_update")
        check_sendable(proposal)
        content = self.sign_content(PROPOSAL, proposal, authenticated_data, private=private)
        remembered = self.public.handle(Verified(content, self.public.context.raw))
        assert isinstance(remembered, PublicProposal)
        after = replace(self, public=remembered.group)
        sealed = after.send(content, entropy)
        return Proposed(sealed.group, sealed.message, remembered.reference)

    def propose_update(
        self,
        entropy: Entropy,
        *,
        signing_key: SigningKey | None = None,
        template: LeafTemplate | None = None,
        private: bool | None = None,
    ) -> Proposed:
        """Propose a new leaf for ourselves: a new encryption key, and what else should change."""
        signer = signing_key or self.signing_key
        leaf_key = self.suite.kem_derive(draw(entropy, self.suite.secret_bytes))
        leaf = self.template(signer, template).for_update(
            self.suite, signer, leaf_key.public, self.group_id, self.me
        )
        updates = {**self.updates, leaf.encryption_key: PendingUpdate(leaf_key, signer)}
        after = replace(self, updates=updates)
        return after.propose(Update(leaf), entropy, private=private)

    def commit(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        entropy: Entropy,
        options: CommitOptions | None = None,
    ) -> OwnCommit:
        """Make a commit of these proposals and of those that wait.  This group stays as it is."""
        self._may_send()
        return make_commit(self, proposals, entropy, options or CommitOptions())

    def psk(self, key: ExternalPsk | ResumptionPsk, entropy: Entropy) -> PreSharedKey:
        """Return a proposal that mixes a pre-shared key in, with the fresh nonce it needs."""
        return PreSharedKey(PskId(key, draw(entropy, self.suite.secret_bytes)))

    def template(self, signer: SigningKey, wanted: LeafTemplate | None) -> LeafTemplate:
        """Return what our next leaf says: as it does now unless something is wanted."""
        return (wanted or LeafTemplate.of(self.leaf))._replace(signature_key=signer.public)

    def _may_send(self) -> None:
        if self.public.reinit is not None:
            raise UsageError("this group has ended: its members go on in the one that follows it")

    def _framed_head(self) -> bytes:
        return self.current.head + _MEMBER + self.me.to_bytes(4, "big")

    def _sign(self, message: bytes) -> bytes:
        """SignWithLabel over FramedContentTBS: the message and the GroupContext."""
        content = _SIGNED_HEAD + opaque(message + self.public.context.raw)
        return self.suite.crypto.sign(self.suite.signature, self.signing_key, content)

    def sign_content(
        self,
        kind: int,
        body: Proposal | Commit,
        authenticated_data: bytes,
        *,
        private: bool | None = None,
    ) -> Content:
        """Frame and sign a handshake."""
        self._may_send()
        hidden = self.public.policy.private_handshakes if private is None else private
        sender = Sender(MEMBER, self.me)
        framed = frame(self.group_id, self.epoch, sender, authenticated_data, kind, body.encode())
        signature = self._sign((PRIVATE_HEAD if hidden else PUBLIC_HEAD) + framed)
        return Content(
            PRIVATE_MESSAGE if hidden else PUBLIC_MESSAGE,
            self.group_id,
            self.epoch,
            sender,
            authenticated_data,
            kind,
            body,
            framed,
            signature,
            None,
        )

    def send(self, content: Content, entropy: Entropy) -> Sealed:
        """Put a signed handshake into its envelope."""
        if content.wire_format == PUBLIC_MESSAGE:
            return Sealed(self, encode_public(content, self._membership_tag(content)))
        assert not isinstance(content.body, bytes)
        plain = content.body.encode() + content.authentication()
        return self._seal(content.content_type, content.authenticated_data, plain, entropy)

    def _seal(
        self, content_type: int, authenticated_data: bytes, plain: bytes, entropy: Entropy
    ) -> Sealed:
        policy = self.public.policy
        missing = policy.padding(len(plain)) - len(plain)
        padded = plain + bytes(max(missing, 0))
        if len(padded) + len(authenticated_data) > policy.max_message_bytes - ENVELOPE_BYTES:
            raise UsageError("this message is larger than the group's members accept")
        guard = draw(entropy, GUARD_BYTES)
        kind = MESSAGE if content_type == APPLICATION else HANDSHAKE
        message_key, secrets = self.current.secrets.next_key(self.me, kind)
        # Nothing may fail after this but by a fault of ours: the key counts as used.
        self.high_water.spend(
            self.public.confirmation_tag, self.epoch, kind, message_key.generation
        )
        message = seal_private(
            self.current, self.me, message_key, content_type, authenticated_data, padded, guard
        )
        return Sealed(self._with_current(secrets), message)

    def _membership_tag(self, content: Content) -> bytes:
        """Section 6.2: proof that a public message comes from a member."""
        signed = content.signed_bytes(self.public.context.raw)
        return self.suite.mac(self.secrets.membership, signed + content.authentication())

    # Receiving.

    def receive(
        self, message: bytes | Message, psks: Psks = no_psks
    ) -> ApplicationMessage | ReceivedProposal | StagedCommit:
        """Check and open a message: raises and nothing has changed, or returns what comes next."""
        if isinstance(message, bytes | bytearray):
            message = decode_message(bytes(message), self.public.policy.max_message_bytes)
        if isinstance(message, PrivateMessage):
            return self._receive_private(message, psks)
        message = only_public(message)
        content = message.content
        verified = self.public.verify(content)
        genuine = content.sender.type != MEMBER or hmac.compare_digest(
            self._membership_tag(content), message.membership_tag or b""
        )
        if content.content_type == COMMIT:
            return self._receive_commit(verified, psks, genuine=genuine)
        if not genuine:
            raise RuleBroken("frame-membership-tag")
        return self._receive_proposal(verified)

    def _receive_private(
        self, message: PrivateMessage, psks: Psks
    ) -> ApplicationMessage | ReceivedProposal | StagedCommit:
        if message.group_id != self.group_id:
            raise RuleBroken("frame-group-id")
        if message.epoch != self.epoch:
            if message.content_type != APPLICATION:
                raise RuleBroken("frame-epoch")
            return self._receive_late(message)
        content, secrets = open_private(self.current, message, self.public.policy)
        verified = verify_content(content, self.current.context, self.current.tree)
        after = self._with_current(secrets)
        if content.content_type == APPLICATION:
            return _opened(after, verified, self.current.tree)
        if content.content_type == PROPOSAL:
            return after._receive_proposal(verified)
        return after._receive_commit(verified, psks, genuine=True)

    def _receive_late(self, message: PrivateMessage) -> ApplicationMessage:
        """Open a message of a past epoch, if its keys are still here."""
        for at, epoch in enumerate(self.past):
            if epoch.context.epoch == message.epoch:
                content, secrets = open_private(epoch, message, self.public.policy)
                verified = verify_content(content, epoch.context, epoch.tree)
                kept = epoch._replace(secrets=secrets)
                past = (*self.past[:at], kept, *self.past[at + 1 :])
                return _opened(replace(self, past=past), verified, epoch.tree)
        raise RuleBroken("private-epoch-kept")

    def _receive_proposal(self, verified: Verified) -> ReceivedProposal:
        result = self.public.handle(verified)
        assert isinstance(result, PublicProposal)
        after = replace(self, public=result.group)
        return ReceivedProposal(after, result.proposal, result.sender, result.reference)

    def _receive_commit(self, verified: Verified, psks: Psks, *, genuine: bool) -> StagedCommit:
        """Judge a commit in public first, then follow it with our secrets."""
        staged = self.public.stage(verified)
        if self.me in staged.removed:
            return StagedCommit(self, staged, None)
        from_us = staged.sender == Sender(MEMBER, self.me)
        if from_us and self.high_water.is_ours(staged.group.context.confirmed_transcript_hash):
            raise UsageError("this commit is our own: merge what `commit` returned")
        try:
            if not genuine:
                raise RuleBroken("frame-membership-tag")
            if from_us:
                raise RuleBroken("commit-from-own-leaf")
            return StagedCommit(self, staged, follow(self, staged, psks))
        except RuleBroken as broken:
            raise Lost(broken.rule, staged.group) from None

    def find_psks(self, wanted: Sequence[PskId], psks: Psks) -> list[tuple[PskId, bytes]]:
        """Look up the pre-shared keys that a commit or a Welcome names."""
        found = []
        for psk in wanted:
            value = self.find_psk(psk.key, psks)
            if value is None:
                raise RuleBroken("psk-available")
            found.append((psk, value))
        return found

    def find_psk(self, key: ExternalPsk | ResumptionPsk, psks: Psks) -> bytes | None:
        """Look up one: our own epochs' keys are here, all others are the application's."""
        if isinstance(key, ResumptionPsk) and key.group_id == self.group_id:
            if key.epoch == self.epoch:
                return self.secrets.resumption
            if key.epoch in self.resumptions:
                return self.resumptions[key.epoch]
        return psks(key)

    # The next epoch.

    def enter(
        self,
        public: PublicGroup,
        secrets: EpochSecrets,
        keys: PrivateKeys,
        signing_key: SigningKey,
    ) -> Group:
        """Return this member's group in the next epoch.  Used keys and secrets stay behind."""
        policy = public.policy
        nodes = public.tree.nodes
        kept = {}
        for at, key in keys.items():
            node = nodes[at] if at < len(nodes) else None
            if node is not None and node.encryption_key == key.public:
                kept[at] = key
        resumptions = {**self.resumptions, self.epoch: self.secrets.resumption}
        oldest = public.epoch - policy.past_resumptions
        return replace(
            new_group(public, self.me, signing_key, kept, secrets),
            past=self._as_past(),
            resumptions={at: key for at, key in resumptions.items() if at >= oldest},
            high_water=self.high_water,
        )

    def with_past_of(self, newest: Group) -> Group:
        """Return the group with the past that `newest`, a value of the epoch before, has by now.

        A commit that waits to be accepted was made in an earlier state of that epoch: the keys of
        messages opened since would come back with it, and let those be opened again.
        """
        if (newest.group_id, newest.epoch + 1) != (self.group_id, self.epoch):
            raise UsageError("the past of a group is in a value of its epoch before")
        return replace(self, past=newest._as_past())

    def _as_past(self) -> tuple[Epoch, ...]:
        """Return this epoch and those before it, as the next one remembers them."""
        kept = self.public.policy.past_epochs
        if not kept:
            return ()
        leaves = self.current.tree.only_leaves()
        return (self.current._replace(tree=leaves), *self.past)[:kept]

    def _with_current(self, secrets: SecretTree) -> Group:
        """Return the group with other message secrets; written out, for it runs per message."""
        head, context, tree, sender_data, _ = self.current
        return Group(
            self.public,
            self.me,
            self.signing_key,
            self.keys,
            self.secrets,
            Epoch(head, context, tree, sender_data, secrets),
            self.past,
            self.resumptions,
            self.updates,
            self.high_water,
        )


def _opened(after: Group, verified: Verified, tree: RatchetTree) -> ApplicationMessage:
    content = verified.content
    leaf = tree.leaf(content.sender.index)
    assert isinstance(content.body, bytes)
    assert leaf is not None
    return ApplicationMessage(
        after,
        content.sender.index,
        content.epoch,
        content.body,
        content.authenticated_data,
        leaf,
    )


def new_group(
    public: PublicGroup,
    me: int,
    signing_key: SigningKey,
    keys: PrivateKeys,
    secrets: EpochSecrets,
) -> Group:
    """Return a member's group at the beginning of an epoch."""
    current = Epoch(
        opaque(public.group_id) + u64(public.epoch),
        public.context,
        public.tree,
        secrets.sender_data,
        SecretTree.new(public.suite, secrets.encryption, public.tree.width),
    )
    # The root of the secret tree stays in the tree alone, which forgets it at the first use.
    return Group(public, me, signing_key, keys, secrets._replace(encryption=b""), current)
