"""One epoch's messages, opened and made, in public and in private."""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

from alcove.mls import (
    MEMBER,
    ApplicationMessage,
    Capabilities,
    Group,
    LeafNode,
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
    accept_any_credential,
    basic,
    decode_message,
)
from alcove.mls.codec import decode, opaque
from alcove.mls.commit import read_commit
from alcove.mls.context import new_context
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    PROPOSAL,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    encode_public,
    frame,
)
from alcove.mls.group import new_group
from alcove.mls.private import open_private
from alcove.mls.proposals import read_proposal
from alcove.mls.schedule import EpochSecrets
from alcove.mls.verify import verify_content
from tests.vectors.fields import Failed, Fields, ensure, same

_ALICE = 0
_BOB = 1
"""The sender of every message in the vectors."""
_TAG_IS_RIGHT = "the membership tag is right"


def message_protection(vector: Fields) -> None:
    """Open the vector's messages as Alice; make the same as Bob, and open those."""
    epoch = _Epoch(vector)
    _handshake(vector, epoch, "proposal", PROPOSAL)
    _handshake(vector, epoch, "commit", COMMIT)
    data = vector.hex("application")
    epoch.open_data(vector.hex("application_priv"), data)
    made = epoch.member(_BOB).seal(data, os.urandom).message
    epoch.open_data(made, data)
    epoch.refuse_damaged_private(made)
    epoch.refuse_public_data(data)


def _handshake(vector: Fields, epoch: _Epoch, name: str, kind: int) -> None:
    body = vector.hex(name)
    content = epoch.open_public(vector.hex(f"{name}_pub"), kind, body)
    vector.expect(f"{name}_pub", encode_public(content, epoch.tag(content)))
    epoch.open_private(vector.hex(f"{name}_priv"), kind, body)
    # The format hands out no confirmation tag of its own: a commit of ours takes the one just read.
    made = epoch.make(kind, body, content.confirmation_tag, private=False)
    epoch.open_public(made, kind, body)
    epoch.refuse_damaged_public(made, kind, body)
    made = epoch.make(kind, body, content.confirmation_tag, private=True)
    epoch.open_private(made, kind, body)
    epoch.refuse_damaged_private(made)


class _Epoch:
    """Two members who share the vector's secrets."""

    def __init__(self, vector: Fields) -> None:
        self.suite = suite = vector.suite()
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
        policy = Policy(credential=accept_any_credential)
        self.public = PublicGroup(suite, policy, context, edit.done(), b"")
        self.secrets = EpochSecrets(*[suite.zero] * len(EpochSecrets._fields))._replace(
            sender_data=vector.hex("sender_data_secret"),
            encryption=vector.hex("encryption_secret"),
            membership=vector.hex("membership_key"),
        )

    def member(self, index: int) -> Group:
        """Return a member's group at the beginning of the epoch, with no key spent."""
        return new_group(self.public, index, self.signer, {}, self.secrets)

    def tag(self, content: Content) -> bytes:
        """Return the membership tag that a public message must carry."""
        return self.member(_ALICE)._membership_tag(content)

    def make(self, kind: int, body: bytes, tag: bytes | None, *, private: bool) -> bytes:
        """Protect a handshake as Bob."""
        bob = self.member(_BOB)
        value = decode(body, read_proposal) if kind == PROPOSAL else decode(body, read_commit)
        content = bob.sign_content(kind, value, b"", private=private)
        return bob.send(replace(content, confirmation_tag=tag), os.urandom).message

    def open_public(self, message: bytes, kind: int, body: bytes) -> Content:
        """Verify signature and membership tag of a public handshake."""
        decoded = decode_message(message)
        if not isinstance(decoded, PublicMessage):
            raise Failed("not a PublicMessage")
        content = self.public.verify(decoded.content).content
        genuine = hmac.compare_digest(self.tag(content), decoded.membership_tag or b"")
        ensure(_TAG_IS_RIGHT, genuine)
        _compare(content, kind, body)
        return content

    def open_private(self, message: bytes, kind: int, body: bytes) -> None:
        """Open a private handshake and verify its signature."""
        decoded = decode_message(message)
        if not isinstance(decoded, PrivateMessage):
            raise Failed("not a PrivateMessage")
        epoch = self.member(_ALICE).current
        content, _ = open_private(epoch, decoded, self.public.policy)
        _compare(verify_content(content, epoch.context, epoch.tree).content, kind, body)

    def open_data(self, message: bytes, data: bytes) -> None:
        """Receive an application message."""
        opened = self.member(_ALICE).receive(message)
        if not isinstance(opened, ApplicationMessage):
            raise Failed("not an application message")
        same("the sender", opened.sender, _BOB)
        same("the application data", opened.data, data)

    def refuse_damaged_public(self, message: bytes, kind: int, body: bytes) -> None:
        """A public handshake ends in its membership tag."""
        try:
            self.open_public(_damaged(message), kind, body)
        except Failed as broken:
            same("why a damaged tag is refused", str(broken), f"not true: {_TAG_IS_RIGHT}")
        else:
            raise Failed("a damaged membership tag is taken")

    def refuse_damaged_private(self, message: bytes) -> None:
        """A private message ends in the tag of the AEAD."""
        self._refuse(_damaged(message), "private-decrypt")

    def refuse_public_data(self, data: bytes) -> None:
        """Application data never counts in public, however well it is signed."""
        head = self.public.group_id, self.public.epoch, Sender(MEMBER, _BOB), b"", APPLICATION
        framed = frame(*head, opaque(data))
        signature = self.member(_BOB)._sign(PUBLIC_HEAD + framed)
        content = Content(PUBLIC_MESSAGE, *head, data, framed, signature, None)
        self._refuse(encode_public(content, self.tag(content)), "frame-application-encrypted")

    def _refuse(self, message: bytes, rule: str) -> None:
        try:
            self.member(_ALICE).receive(message)
        except RuleBroken as broken:
            same("the rule broken", broken.rule, rule)
        else:
            raise Failed(f"not refused by rule {rule}")


def _compare(content: Content, kind: int, body: bytes) -> None:
    same("the sender", content.sender, Sender(MEMBER, _BOB))
    same("the content's type", content.content_type, kind)
    if isinstance(content.body, bytes):
        raise Failed("not a handshake")
    same("the content", content.body.encode(), body)


def _damaged(message: bytes) -> bytes:
    return message[:-1] + bytes((message[-1] ^ 1,))


def _leaf(suite: Suite, key: SigningKey) -> LeafNode:
    capabilities = Capabilities(suites=(suite.id,), credentials=(1,))
    template = LeafTemplate(key.public, basic(b"member"), capabilities)
    pair = suite.kem_derive(os.urandom(suite.secret_bytes))
    return template.for_key_package(suite, key, pair.public, Lifetime(0, 2**32))
