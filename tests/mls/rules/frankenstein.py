"""Sews messages that no honest member would send: one rule broken, everything else in order.

    room()              members of one group, all in the same epoch
    re_leaf, re_package     … with some fields changed, signed again by the right key
    signed              any content, framed and signed as a member, or as who one pretends to be
    in_public, in_private   … sealed with this epoch's keys: membership tag, AEAD, sender data
    committed           any commit on any next tree, with the confirmation tag that belongs to it
    re_info             a GroupInfo on any tree, signed again
    refused             what a test expects: exactly this rule, and nothing changed

What a test changes is the one argument that it passes; the kit never checks anything.  So a message
made here is accepted if the one rule it breaks is not looked at, and `removal` tries just that.
`surgery` goes on from here: paths, welcomes, whole groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from cryptography import x509 as certificates
from cryptography.hazmat.primitives.serialization import Encoding

from alcove.mls import (
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Entropy,
    Extension,
    Group,
    GroupInfo,
    KeyPackage,
    KeyPackageBundle,
    LeafNode,
    Lifetime,
    PeerError,
    Policy,
    Proposal,
    Saved,
    Sender,
    StagedCommit,
    Suite,
    accept_any_credential,
    basic,
    create_group,
    join_group,
    new_key_package,
    save_group,
    standard_suites,
)
from alcove.mls import schedule as key_schedule
from alcove.mls import tree_math as math
from alcove.mls.codec import opaque, u8, u16, u32, u64, vector
from alcove.mls.commit import Commit, UpdatePath
from alcove.mls.context import new_context, sign_group_info
from alcove.mls.extensions import RATCHET_TREE, Extensions, encode_extensions
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    MEMBER,
    PRIVATE_MESSAGE,
    PROPOSAL,
    PUBLIC_MESSAGE,
    Content,
    encode_public,
    frame,
)
from alcove.mls.high_water import HighWater
from alcove.mls.leaf import FROM_COMMIT, FROM_KEY_PACKAGE, FROM_UPDATE
from alcove.mls.paths import make_path, seal_path
from alcove.mls.private import seal_private
from alcove.mls.provider import KemKey, SigningKey
from alcove.mls.secret_tree import HANDSHAKE, MESSAGE, MessageKey
from alcove.mls.tree import Node, ParentNode, RatchetTree, TreeEdit

SUITE: Final[Suite] = standard_suites()[1]
LENIENT: Final = Policy(
    credential=accept_any_credential,
    external_sender=lambda _credential, _key: None,
    proposal=lambda _public, _proposal, _sender: None,
)
LONG: Final = Lifetime(0, 2**40)


def lenient(**changes: Any) -> Policy:
    """Return a policy that believes everybody, with other limits."""
    return replace(LENIENT, **changes)


# What a test expects.


class Accepted(AssertionError):
    """The message was taken: the rule is not enforced."""


class OtherRule(AssertionError):
    """The message was refused by another rule than the one it was made to break."""


class Caught:
    """What `refused` has seen."""

    error: PeerError


@contextmanager
def refused(rule: str, *receivers: Group) -> Iterator[Caught]:
    """Expect a refusal by exactly this rule, after which the receivers are what they were."""
    before = [state(group) for group in receivers]
    caught = Caught()
    try:
        yield caught
    except PeerError as error:
        caught.error = error
    else:
        raise Accepted(f"accepted, although it breaks {rule}")
    if caught.error.rule != rule:
        raise OtherRule(f"refused by {caught.error.rule} and not by {rule}")
    assert [state(group) for group in receivers] == before


def state(group: Group) -> Saved:
    """Return all that a group value holds."""
    return save_group(group)


def goes_on(sender: Group, receiver: Group) -> bool:
    """Say whether a legal message still passes from one to the other."""
    fresh = replace(sender, high_water=HighWater())  # So that it can be asked twice.
    sealed = fresh.seal(b"still here", dice("still here"))
    opened = receiver.receive(sealed.message)
    return isinstance(opened, ApplicationMessage) and opened.data == b"still here"


def following(member: Group, message: bytes) -> Group:
    """Return a member's group after a legal commit of somebody else."""
    staged = member.receive(message)
    assert isinstance(staged, StagedCommit)
    return staged.merge()


def refuses(receiver: Group, sender: Group, message: bytes, rule: str) -> None:
    """Expect that one member refuses a message, and then takes a legal one."""
    with refused(rule, receiver):
        receiver.receive(message)
    assert goes_on(sender, receiver)


# Who is there.


def dice(seed: str) -> Entropy:
    """Return a source of bytes that is the same in every run."""
    count = 0

    def roll(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(length)

    return roll


def signer(name: str, suite: Suite = SUITE) -> SigningKey:
    """Return a signature key that belongs to a name."""
    return suite.new_signing_key(dice(f"signature key of {name}")(64))


def kem_pair(name: str, suite: Suite = SUITE) -> KemKey:
    """Return an encryption key pair that belongs to a name."""
    return suite.kem_derive(dice(f"encryption key of {name}")(suite.secret_bytes))


@lru_cache(maxsize=256)
def device(
    name: str,
    suite: Suite = SUITE,
    capabilities: Capabilities | None = None,
    leaf_extensions: Extensions = (),
    last_resort: bool = False,
) -> KeyPackageBundle:
    """Return a device's key package with its private keys."""
    return new_key_package(
        suite,
        basic(name.encode()),
        signer(name, suite),
        LONG,
        dice(f"device of {name}"),
        capabilities=capabilities,
        leaf_extensions=leaf_extensions,
        last_resort=last_resort,
    )


def room(
    *names: str,
    policy: Policy = LENIENT,
    extensions: Extensions = (),
    suite: Suite = SUITE,
    capabilities: Capabilities | None = None,
    paths: bool = True,
) -> tuple[Group, ...]:
    """Return the members of one group, each at the leaf of its place in the list.

    Every member has committed once, so that no parent is blank and no leaf unmerged; without
    `paths` nobody has.
    """
    members = _room(names or ("alice", "bob", "carol"), policy, extensions, suite, capabilities)
    if paths:
        members = _healed(members)
    # Groups are values, but for one thing that they share: each test gets its own.
    return tuple(replace(member, high_water=HighWater()) for member in members)


@lru_cache(maxsize=64)
def _room(
    names: tuple[str, ...],
    policy: Policy,
    extensions: Extensions,
    suite: Suite,
    capabilities: Capabilities | None,
) -> tuple[Group, ...]:
    first, *others = [device(name, suite, capabilities) for name in names]
    group = create_group(first, b"the room", policy, dice("room"), extensions=extensions)
    if not others:
        return (group,)
    made = group.commit([Add(other.package) for other in others], entropy=dice("commit"))
    assert made.welcome is not None
    return (made.merge(), *(join_group(made.welcome, other, policy) for other in others))


@lru_cache(maxsize=64)
def _healed(members: tuple[Group, ...]) -> tuple[Group, ...]:
    for at in range(len(members)):
        made = members[at].commit(
            entropy=dice(f"heals {at}"), options=CommitOptions(path=True, pending=False)
        )
        members = tuple(
            made.merge() if member is members[at] else following(member, made.message)
            for member in members
        )
    return members


def leaf_of(member: Group) -> LeafNode:
    """Return a member's own leaf."""
    leaf = member.public.tree.leaf(member.me)
    assert leaf is not None
    return leaf


def with_policy(member: Group, policy: Policy) -> Group:
    """Return a member whose application decides otherwise."""
    return replace(member, public=replace(member.public, policy=policy))


# Leaves and key packages.


def leaf_content(leaf: LeafNode) -> bytes:
    """Return a leaf's bytes in front of its signature, whatever its fields say."""
    origin = u8(leaf.source)
    if leaf.source == FROM_KEY_PACKAGE:
        origin += b"".join(map(u64, leaf.lifetime or LONG))
    elif leaf.source == FROM_COMMIT:
        origin += opaque(leaf.parent_hash)
    return (
        opaque(leaf.encryption_key)
        + opaque(leaf.signature_key)
        + leaf.credential.encode()
        + leaf.capabilities.encode()
        + origin
        + encode_extensions(leaf.extensions)
    )


def re_leaf(
    leaf: LeafNode,
    key: SigningKey,
    *,
    place: tuple[bytes, int] | None = None,
    suite: Suite = SUITE,
    **changes: Any,
) -> LeafNode:
    """Return a leaf with other fields, signed by `key`.

    `place` is the group and the index that a leaf is signed for unless it is from a key package;
    a `signature` among the changes is taken as it is.
    """
    leaf = replace(leaf, **changes)
    content = leaf_content(leaf)
    signed = content
    if leaf.source != FROM_KEY_PACKAGE and place is not None:
        signed += opaque(place[0]) + u32(place[1])
    signature = leaf.signature
    if "signature" not in changes:
        signature = suite.sign(key, b"LeafNodeTBS", signed)
    raw = content + opaque(signature)
    return replace(leaf, signature=signature, raw=raw, signed_bytes=len(content))


def place_of(member: Group) -> tuple[bytes, int]:
    """Return what a member's leaf is signed for."""
    return member.group_id, member.me


def new_leaf(member: Group, **changes: Any) -> LeafNode:
    """Return a new leaf for a member, as an Update brings it, with some fields changed."""
    fields: dict[str, Any] = {
        "source": FROM_UPDATE,
        "encryption_key": kem_pair(f"new at {member.me}", member.suite).public,
        "lifetime": None,
        "parent_hash": b"",
        "place": place_of(member),
        "suite": member.suite,
    }
    key = changes.pop("key", member.signing_key)
    return re_leaf(leaf_of(member), key, **fields | changes)


def re_package(
    bundle: KeyPackageBundle,
    *,
    key: SigningKey | None = None,
    version: int = 1,
    suite: Suite = SUITE,
    **changes: Any,
) -> KeyPackage:
    """Return a key package with other fields, signed by its own key unless another is given."""
    package = replace(bundle.package, **changes)
    content = (
        u16(version)
        + u16(package.suite_id)
        + opaque(package.init_key)
        + package.leaf.raw
        + encode_extensions(package.extensions)
    )
    signature = package.signature
    if "signature" not in changes:
        signature = suite.sign(key or bundle.signing_key, b"KeyPackageTBS", content)
    raw = content + opaque(signature)
    return replace(package, signature=signature, raw=raw, signed_bytes=len(content))


def package_with_leaf(
    bundle: KeyPackageBundle, *, suite: Suite = SUITE, **fields: Any
) -> KeyPackage:
    """Return a key package whose leaf has other fields; both signatures are good."""
    leaf = re_leaf(bundle.package.leaf, bundle.signing_key, suite=suite, **fields)
    return re_package(bundle, suite=suite, leaf=leaf)


# Framed content.


def body_bytes(body: bytes | Proposal | Commit, kind: int) -> bytes:
    """Return a body as it stands in a frame; bytes that are no application data stand as given."""
    if isinstance(body, bytes):
        return opaque(body) if kind == APPLICATION else body
    return body.encode()


def signed(
    member: Group,
    kind: int,
    body: bytes | Proposal | Commit,
    *,
    wire_format: int = PUBLIC_MESSAGE,
    sender: Sender | None = None,
    key: SigningKey | None = None,
    group_id: bytes | None = None,
    epoch: int | None = None,
    authenticated_data: bytes = b"",
    context: bytes | None = None,
    signature: bytes | None = None,
) -> Content:
    """Return any content, signed by the member; `key` and `sender` let it pose as somebody else."""
    posed = Sender(MEMBER, member.me) if sender is None else sender
    group = member.group_id if group_id is None else group_id
    number = member.epoch if epoch is None else epoch
    framed = frame(group, number, posed, authenticated_data, kind, body_bytes(body, kind))
    content = Content(
        wire_format,
        group,
        number,
        posed,
        authenticated_data,
        kind,
        body,  # Raw bytes stand here too: nothing made by this kit reads them.
        framed,
        b"",
        None,
    )
    if signature is None:
        bound = member.public.context.raw if context is None else context
        signature = member.suite.sign(
            key or member.signing_key, b"FramedContentTBS", content.signed_bytes(bound)
        )
    return replace(content, signature=signature)


def in_public(member: Group, content: Content, *, tag: bytes | None = None) -> bytes:
    """Return content as a PublicMessage, with the membership tag when a member seems to send it."""
    if tag is None and content.sender.type == MEMBER:
        tag = member._membership_tag(content)
    return encode_public(content, tag)


def in_private(
    member: Group,
    content: Content,
    *,
    plain: bytes | None = None,
    padding: bytes = b"",
    leaf: int | None = None,
    generation: int | None = None,
    key: MessageKey | None = None,
    content_type: int | None = None,
    head: bytes | None = None,
) -> bytes:
    """Return content as a PrivateMessage of this epoch, from the sender's next key.

    `leaf` and `generation` are what the sender data says instead of the truth; `head` is what the
    message says of its group and epoch.
    """
    kind = content.content_type if content_type is None else content_type
    if key is None:
        chain = MESSAGE if kind == APPLICATION else HANDSHAKE
        key, _ = member.current.secrets.next_key(content.sender.index, chain)
    if generation is not None:
        key = key._replace(generation=generation)
    if plain is None:
        plain = body_bytes(content.body, content.content_type) + content.authentication()
    return seal_private(
        member.current if head is None else member.current._replace(head=head),
        content.sender.index if leaf is None else leaf,
        key,
        kind,
        content.authenticated_data,
        plain + padding,
        b"wary",
    )


def sent(
    member: Group,
    kind: int,
    body: bytes | Proposal | Commit,
    *,
    wire_format: int = PUBLIC_MESSAGE,
    **fields: Any,
) -> bytes:
    """Return any content as a message: signed, then sealed, all in order."""
    content = signed(member, kind, body, wire_format=wire_format, **fields)
    seal = in_private if wire_format == PRIVATE_MESSAGE else in_public
    return seal(member, content)


def from_outside(member: Group, sender: Sender, key: SigningKey, body: Proposal | Commit) -> bytes:
    """Return a message to a member's group by somebody who poses as any sender.

    A commit's confirmation tag is not that of any state.
    """
    kind = COMMIT if isinstance(body, Commit) else PROPOSAL
    content = signed(member, kind, body, sender=sender, key=key)
    tag = b"no matter" if kind == COMMIT else None
    return in_public(member, replace(content, confirmation_tag=tag))


def proposed(member: Group, proposal: Proposal | bytes, **fields: Any) -> bytes:
    """Return a proposal as a message, checked by nobody."""
    return sent(member, PROPOSAL, proposal, **fields)


# Commits.


class LawlessPath(NamedTuple):
    """A path, merged into the tree that it was made for."""

    path: UpdatePath
    commit_secret: bytes
    keys: dict[int, KemKey]


def lawless_path(
    member: Group,
    edit: TreeEdit,
    *,
    index: int | None = None,
    newcomers: Sequence[int] = (),
    extensions: Extensions | None = None,
    key: SigningKey | None = None,
    change: Callable[[LeafNode], LeafNode] = lambda leaf: leaf,
    seed: str = "path",
) -> LawlessPath:
    """Make new keys from a leaf to the root and merge them into `edit`; nothing is checked.

    `change` gets the new leaf, signed, and returns the one to use; `newcomers` are the leaves of
    those who join by the same commit.
    """
    suite, at = member.suite, member.me if index is None else index
    signing = key or member.signing_key
    steps = edit.filtered_path(at)
    made = make_path(suite, steps, dice(seed)(suite.secret_bytes))
    pair = kem_pair(f"{seed}, leaf", suite)
    parent_hash = edit.merge_path(at, steps, [made.keys[step.node].public for step in steps])
    leaf = re_leaf(
        leaf_of(member),
        signing,
        suite=suite,
        place=(member.group_id, at),
        source=FROM_COMMIT,
        lifetime=None,
        parent_hash=parent_hash,
        encryption_key=pair.public,
        signature_key=signing.public,
    )
    leaf = change(leaf)
    edit.put_leaf(at, leaf)
    wanted = member.public.context.extensions if extensions is None else extensions
    context = member.public.provisional_context(edit.tree_hash(), wanted)
    nodes = seal_path(edit, steps, made, frozenset(2 * new for new in newcomers), context)
    return LawlessPath(UpdatePath(leaf, nodes), made.commit_secret, {**made.keys, 2 * at: pair})


def committed(
    member: Group,
    commit: Commit | bytes,
    tree: RatchetTree,
    *,
    extensions: Extensions | None = None,
    commit_secret: bytes | None = None,
    psk_secret: bytes | None = None,
    init: bytes | None = None,
    confirmation_tag: bytes | None = None,
    membership_tag: bytes | None = None,
    wire_format: int = PUBLIC_MESSAGE,
    **fields: Any,
) -> bytes:
    """Return a commit that leads to `tree`, whatever it is, with the tags that belong to it."""
    suite, public = member.suite, member.public
    content = signed(member, COMMIT, commit, wire_format=wire_format, **fields)
    context = new_context(
        suite.id,
        public.group_id,
        public.epoch + 1,
        tree.tree_hash(),
        key_schedule.confirmed_transcript_hash(
            suite, public.interim_transcript_hash(), content.transcript_bytes()
        ),
        public.context.extensions if extensions is None else extensions,
    )
    joiner = key_schedule.joiner_from_commit(
        suite,
        member.secrets.init if init is None else init,
        suite.zero if commit_secret is None else commit_secret,
        suite.zero if psk_secret is None else psk_secret,
        context.raw,
    )
    secrets = key_schedule.epoch_secrets(suite, joiner, context.raw)
    tag = confirmation_tag
    if tag is None:
        tag = suite.mac(secrets.confirmation, context.confirmed_transcript_hash)
    content = replace(content, confirmation_tag=tag)
    if wire_format == PRIVATE_MESSAGE:
        return in_private(member, content)
    return in_public(member, content, tag=membership_tag)


# Trees and GroupInfos.


def tree_bytes(nodes: Sequence[Node | None]) -> bytes:
    """Return nodes as a ratchet_tree carries them, trailing blanks and all."""
    return vector(
        b"\x00"
        if node is None
        else b"\x01\x01" + node.raw
        if isinstance(node, LeafNode)
        else b"\x01\x02" + node.encode()
        for node in nodes
    )


def tree_of(nodes: Sequence[Node | None], suite: Suite = SUITE) -> RatchetTree:
    """Return a tree of any nodes; blanks fill it up to a full one."""
    width = 1
    while width < len(nodes):
        width = 2 * width + 1
    return RatchetTree._from_nodes(suite, [*nodes, *[None] * (width - len(nodes))])


def parent_at(tree: RatchetTree, node: int) -> ParentNode:
    """Return a parent that is not blank."""
    parent = tree.nodes[node]
    assert isinstance(parent, ParentNode)
    return parent


def relinked(
    nodes: Sequence[Node | None], index: int, key: SigningKey, group_id: bytes
) -> RatchetTree:
    """Return a tree whose parent hashes fit, from the root down to one leaf, signed again.

    That leaf's owner can have made it, if it made the keys above itself.
    """
    tree = tree_of(nodes)
    made, above, below = list(tree.nodes), b"", 2 * index
    path = [2 * index, *math.direct_path(2 * index, tree.width)]
    for at in reversed(range(1, len(path))):
        parent, below = made[path[at]], path[at - 1]
        if isinstance(parent, ParentNode):
            parent = made[path[at]] = parent._replace(parent_hash=above)
            sibling = tree.tree_hash_without(math.sibling(below), frozenset(parent.unmerged))
            above = tree.parent_hash(parent, sibling)
    leaf = made[2 * index]
    assert isinstance(leaf, LeafNode)
    made[2 * index] = re_leaf(leaf, key, place=(group_id, index), parent_hash=above)
    return tree_of(made)


def re_info(
    member: Group,
    *,
    tree: RatchetTree | None = None,
    carried: bytes | None = None,
    with_tree: bool = True,
    info_extensions: Extensions = (),
    key: SigningKey | None = None,
    signer_index: int | None = None,
    confirmation_tag: bytes | None = None,
    **context: Any,
) -> GroupInfo:
    """Return a GroupInfo on any tree, signed by the member.

    The context's tree hash is that of `tree` unless given; `carried` are other bytes to send as the
    tree; other fields of the context by name.
    """
    public = member.public
    nodes = public.tree if tree is None else tree
    fields = {
        "suite_id": public.context.suite_id,
        "group_id": public.group_id,
        "epoch": public.epoch,
        "tree_hash": nodes.tree_hash(),
        "confirmed_transcript_hash": public.context.confirmed_transcript_hash,
        "extensions": public.context.extensions,
        **context,
    }
    if with_tree:
        data = tree_bytes(_without_end(nodes)) if carried is None else carried
        info_extensions = (*info_extensions, Extension(RATCHET_TREE, data))
    return sign_group_info(
        member.suite,
        key or member.signing_key,
        new_context(**fields),
        info_extensions,
        public.confirmation_tag if confirmation_tag is None else confirmation_tag,
        member.me if signer_index is None else signer_index,
    )


def _without_end(tree: RatchetTree) -> list[Node | None]:
    last = max(at for at, node in enumerate(tree.nodes) if node is not None)
    return tree.nodes[: last + 1]


# Certificates.


@cache
def certificate(key: SigningKey) -> bytes:
    """Return a certificate, in DER, that says nothing but whose key it holds."""
    name = certificates.Name([])
    maker = certificates.CertificateBuilder(
        name,
        name,
        key.handle.public_key(),
        1,
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2120, 1, 1, tzinfo=UTC),
    )
    return maker.sign(key.handle, None).public_bytes(Encoding.DER)
