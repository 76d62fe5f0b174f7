"""Messages: every structure read and written, and one epoch's messages opened and made."""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

from alcove.mls import (
    ApplicationMessage,
    Capabilities,
    Group,
    KeyPackage,
    LeafTemplate,
    Lifetime,
    Policy,
    PrivateMessage,
    PublicGroup,
    PublicMessage,
    RatchetTree,
    RuleBroken,
    Sender,
    SigningKey,
    Suite,
    Welcome,
    accept_any_credential,
    basic,
    decode_message,
    standard_suites,
)
from alcove.mls.codec import decode, opaque, u16
from alcove.mls.commit import Commit, read_commit
from alcove.mls.context import GroupInfo, new_context
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    MEMBER,
    PROPOSAL,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    Message,
    encode_public,
    frame,
)
from alcove.mls.group import new_group
from alcove.mls.private import open_private
from alcove.mls.proposals import Proposal, read_proposal
from alcove.mls.provider import KemKey
from alcove.mls.schedule import EpochSecrets
from alcove.mls.verify import verify_content
from alcove.mls.welcome import read_group_secrets
from tests.vectors import encode
from tests.vectors.fields import Fields, ensure, same

_MESSAGES: dict[str, type[Message]] = {
    "mls_welcome": Welcome,
    "mls_group_info": GroupInfo,
    "mls_key_package": KeyPackage,
    "public_message_application": PublicMessage,
    "public_message_proposal": PublicMessage,
    "public_message_commit": PublicMessage,
    "private_message": PrivateMessage,
}
_CONTENT_TYPES = {
    "public_message_application": APPLICATION,
    "public_message_proposal": PROPOSAL,
    "public_message_commit": COMMIT,
}
_PROPOSALS = (
    "add_proposal",
    "update_proposal",
    "remove_proposal",
    "pre_shared_key_proposal",
    "re_init_proposal",
    "external_init_proposal",
    "group_context_extensions_proposal",
)
_ALICE, _BOB = 0, 1


def messages(vector: Fields) -> None:
    """Read every structure, and write the same bytes again from its fields."""
    for name, kind in _MESSAGES.items():
        decoded = decode_message(vector.hex(name))
        ensure(f"{name} is a {kind.__name__}", isinstance(decoded, kind))
        if isinstance(decoded, PublicMessage):
            same(f"{name}'s content", decoded.content.content_type, _CONTENT_TYPES[name])
        vector.expect(name, encode.message(decoded))
    for number, name in enumerate(_PROPOSALS, start=1):
        proposal = decode(u16(number) + vector.hex(name), read_proposal)
        vector.expect(name, encode.proposal(proposal)[2:])
    vector.expect("commit", encode.commit(decode(vector.hex("commit"), read_commit)))
    secrets = decode(vector.hex("group_secrets"), read_group_secrets)
    vector.expect("group_secrets", secrets.encode())
    # The tree names no suite, and reading it takes none: any will do.
    tree = RatchetTree.decode(standard_suites()[1], vector.hex("ratchet_tree"))
    vector.expect("ratchet_tree", encode.ratchet_tree(tree))
    vector.expect("ratchet_tree", tree.encode())


def message_protection(vector: Fields) -> None:
    """Open an epoch's messages, in public and in private, and make the same again."""
    epoch = _Epoch(vector)
    proposal = decode(vector.hex("proposal"), read_proposal)
    commit = decode(vector.hex("commit"), read_commit)
    data = vector.hex("application")
    content = epoch.open_public(vector.hex("proposal_pub"), PROPOSAL, vector.hex("proposal"))
    same("proposal_pub, made again", encode_public(content, epoch.tag(content)),
         vector.hex("proposal_pub"))  # fmt: skip
    content = epoch.open_public(vector.hex("commit_pub"), COMMIT, vector.hex("commit"))
    same("commit_pub, made again", encode_public(content, epoch.tag(content)),
         vector.hex("commit_pub"))  # fmt: skip
    tag = content.confirmation_tag
    epoch.open_private(vector.hex("proposal_priv"), PROPOSAL, vector.hex("proposal"))
    epoch.open_private(vector.hex("commit_priv"), COMMIT, vector.hex("commit"))
    epoch.open_data(vector.hex("application_priv"), data)
    epoch.open_public(epoch.make(proposal, None, private=False), PROPOSAL, vector.hex("proposal"))
    epoch.open_private(epoch.make(proposal, None, private=True), PROPOSAL, vector.hex("proposal"))
    epoch.open_public(epoch.make(commit, tag, private=False), COMMIT, vector.hex("commit"))
    epoch.open_private(epoch.make(commit, tag, private=True), COMMIT, vector.hex("commit"))
    epoch.open_data(epoch.member(_BOB).seal(data, os.urandom).message, data)
    epoch.refuse_public_data(data)


class _Epoch:
    """Two members who share the vector's secrets; Bob, at leaf 1, sends."""

    def __init__(self, vector: Fields) -> None:
        self.suite = suite = vector.suite()
        policy = Policy(credential=accept_any_credential)
        context = new_context(
            suite.id,
            vector.hex("group_id"),
            vector.number("epoch"),
            vector.hex("tree_hash"),
            vector.hex("confirmed_transcript_hash"),
            (),
        )
        self.signer = suite.signing_key(vector.hex("signature_priv"))
        vector.expect("signature_pub", self.signer.public)
        edit = RatchetTree.of_one(suite, _leaf(suite, suite.new_signing_key(bytes(64)))).edit()
        same("Bob's leaf", edit.add(_leaf(suite, self.signer)), _BOB)
        self.public = PublicGroup(suite, policy, context, edit.done(), b"")
        self.secrets = EpochSecrets(*[suite.zero] * len(EpochSecrets._fields))._replace(
            sender_data=vector.hex("sender_data_secret"),
            encryption=vector.hex("encryption_secret"),
            membership=vector.hex("membership_key"),
        )

    def member(self, index: int) -> Group:
        """Return a member's group at the epoch's beginning, with no key spent."""
        return new_group(self.public, index, self.signer, {}, self.secrets)

    def tag(self, content: Content) -> bytes:
        """Return the membership tag that belongs to a public message."""
        return self.member(_BOB)._membership_tag(content)

    def make(self, body: Proposal | Commit, tag: bytes | None, *, private: bool) -> bytes:
        """Protect a handshake as Bob."""
        bob = self.member(_BOB)
        kind = COMMIT if isinstance(body, Commit) else PROPOSAL
        content = bob.sign_content(kind, body, b"", private=private)
        sealed = bob.send(replace(content, confirmation_tag=tag), os.urandom).message
        self._refuse_damaged(sealed)
        return sealed

    def open_public(self, message: bytes, kind: int, body: bytes) -> Content:
        """Verify a public handshake's signature and tag."""
        decoded = decode_message(message)
        assert isinstance(decoded, PublicMessage)
        content = self.public.verify(decoded.content).content
        ensure(
            "the membership tag is right",
            hmac.compare_digest(self.tag(content), decoded.membership_tag or b""),
        )
        self._compare(content, kind, body)
        return content

    def open_private(self, message: bytes, kind: int, body: bytes) -> None:
        """Open a private handshake and verify its signature."""
        decoded = decode_message(message)
        assert isinstance(decoded, PrivateMessage)
        epoch = self.member(_ALICE).current
        content, _ = open_private(epoch, decoded, self.public.policy)
        verified = verify_content(content, epoch.context, epoch.tree)
        self._compare(verified.content, kind, body)

    def open_data(self, message: bytes, data: bytes) -> None:
        """Receive an application message."""
        opened = self.member(_ALICE).receive(message)
        assert isinstance(opened, ApplicationMessage)
        same("the sender", opened.sender, _BOB)
        same("the application data", opened.data, data)

    def refuse_public_data(self, data: bytes) -> None:
        """See to it that application data never counts in public, however well it is signed."""
        framed = frame(
            self.public.group_id,
            self.public.epoch,
            Sender(MEMBER, _BOB),
            b"",
            APPLICATION,
            opaque(data),
        )
        signature = self.member(_BOB)._sign(PUBLIC_HEAD + framed)
        content = Content(PUBLIC_MESSAGE, self.public.group_id, self.public.epoch,
                          Sender(MEMBER, _BOB), b"", APPLICATION, data, framed, signature,
                          None)  # fmt: skip
        self._refuse(encode_public(content, self.tag(content)), "frame-application-encrypted")

    def _refuse_damaged(self, message: bytes) -> None:
        """The last byte belongs to a tag, of the member or of the AEAD."""
        damaged = message[:-1] + bytes((message[-1] ^ 1,))
        decoded = decode_message(damaged)
        if isinstance(decoded, PublicMessage):
            same("the signature of a message with a damaged tag",
                 self.public.verify(decoded.content).content, decoded.content)  # fmt: skip
            ensure(
                "a damaged membership tag is refused",
                not hmac.compare_digest(self.tag(decoded.content), decoded.membership_tag or b""),
            )
            return
        self._refuse(damaged, "private-decrypt")

    def _refuse(self, message: bytes, rule: str) -> None:
        try:
            self.member(_ALICE).receive(message)
        except RuleBroken as broken:
            # A damaged ciphertext also spoils the sample that the sender data's key comes from.
            ensure(f"refused by {rule}", broken.rule in (rule, "private-sender-data"))
        else:
            ensure(f"refused by {rule}", False)

    def _compare(self, content: Content, kind: int, body: bytes) -> None:
        assert not isinstance(content.body, bytes)
        same("the sender", content.sender, Sender(MEMBER, _BOB))
        same("the content's type", content.content_type, kind)
        same("the content", content.body.encode(), body)


def _leaf(suite: Suite, key: SigningKey) -> LeafNode:
    capabilities = Capabilities(suites=(suite.id,), credentials=(1,))
    template = LeafTemplate(key.public, basic(b"bob"), capabilities)
    pair: KemKey = suite.kem_derive(os.urandom(suite.secret_bytes))
    return template.for_key_package(suite, key, pair.public, Lifetime(0, 2**32))
