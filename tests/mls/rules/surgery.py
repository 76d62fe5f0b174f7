"""Sews commits and Welcomes that no honest member would make: the second half of the kit.

    forge               any proposals, any path, keyed as its evil maker would key it
    forge_join          the same by somebody who is not a member yet
    info_on, welcomed   the GroupInfo and the Welcome that go with a forged commit
    begun               a group that says it continues another
    declines, loses     what a test expects of who receives such a thing

The kit applies proposals in the order of RFC 9420 and computes the key schedule on whatever state
results.  So without the check that forbids it, others would follow a forged commit, and newcomers
would come in by a forged Welcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from alcove.mls import (
    Add,
    Capabilities,
    Extension,
    Extensions,
    ExternalInit,
    Group,
    GroupContext,
    GroupContextExtensions,
    GroupInfo,
    KeyPackageBundle,
    LeafNode,
    LeafTemplate,
    Lost,
    PreSharedKey,
    Proposal,
    PskId,
    Psks,
    PublicGroup,
    ReceivedProposal,
    ReInit,
    Remove,
    ResumptionPsk,
    Sender,
    StagedCommit,
    StagedPublicCommit,
    Suite,
    Update,
    basic,
    create_group,
    join_by_commit,
    join_group,
    new_key_package,
    no_psks,
)
from alcove.mls import schedule as key_schedule
from alcove.mls import tree_math as math
from alcove.mls.changes import Changes, Listed
from alcove.mls.codec import opaque
from alcove.mls.commit import Commit, PathNode, Reference, Sealed, UpdatePath
from alcove.mls.commit_making import seal_group_info
from alcove.mls.context import new_context, sign_group_info
from alcove.mls.extensions import EXTERNAL_PUB, RATCHET_TREE
from alcove.mls.framing import (
    COMMIT,
    MEMBER,
    NEW_MEMBER_COMMIT,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    Content,
)
from alcove.mls.group import new_group
from alcove.mls.key_package import KeyPackage
from alcove.mls.leaf import FROM_COMMIT
from alcove.mls.paths import NewPath, make_path, seal_path
from alcove.mls.proposals import PATHLESS
from alcove.mls.provider import KemKey, SigningKey
from alcove.mls.schedule import EXTERNAL_INIT_LABEL, Joiner
from alcove.mls.welcome import GroupSecrets, SealedSecrets, Welcome
from tests.mls.rules.frankenstein import (
    LENIENT,
    LONG,
    SUITE,
    device,
    dice,
    following,
    goes_on,
    in_private,
    in_public,
    kem_pair,
    leaf_of,
    re_leaf,
    refused,
    room,
    signed,
    signer,
)

T = TypeVar("T")

PathNodes = tuple[PathNode, ...]


def same(value: T) -> T:
    """Change nothing."""
    return value


class Committer(NamedTuple):
    """Who a forged commit is from."""

    sender: Sender
    leaf_index: int
    signing_key: SigningKey
    leaf: LeafNode
    """What the new leaf is made from."""


class Forged(NamedTuple):
    """A commit, and all that its maker knows."""

    message: bytes
    after: Group
    """The maker's own group in the next epoch."""
    changes: Changes
    joiner: Joiner
    path: NewPath | None


def other_package(name: str, suite: Suite = SUITE) -> KeyPackageBundle:
    """Return another key package of a device: the signature key is the same and no other."""
    entropy = dice(f"other package of {name}")
    return new_key_package(suite, basic(name.encode()), signer(name, suite), LONG, entropy)


def mixed_room(capabilities: Capabilities) -> tuple[Group, Group, Group]:
    """Return Alice and Bob, who have these capabilities, and Carol, who has the least."""
    alice, bob = room("alice", "bob", capabilities=capabilities)
    carol = device("carol")
    made = alice.commit([Add(carol.package)], entropy=dice("mixed"))
    assert made.welcome is not None
    return made.merge(), following(bob, made.message), join_group(made.welcome, carol, LENIENT)


def told(message: bytes, *members: Group) -> tuple[tuple[Group, ...], Reference]:
    """Return members' groups after a proposal, and how a commit names it."""
    results = [member.receive(message) for member in members]
    taken = [result for result in results if isinstance(result, ReceivedProposal)]
    assert len(taken) == len(members)
    return tuple(result.group for result in taken), Reference(taken[0].reference)


# Commits.


def forge(
    member: Group,
    items: Sequence[Proposal | Reference] = (),
    *,
    path: bool | None = None,
    seed: str = "",
    leaf: Callable[[LeafNode], LeafNode] = same,
    keys: Callable[[list[bytes]], list[bytes]] = same,
    nodes: Callable[[PathNodes], PathNodes] = same,
    encode: Callable[[Commit], bytes] = Commit.encode,
    psks: Psks = no_psks,
    init: bytes | None = None,
    tag: bytes | None = None,
    private: bool = False,
    outsider: KeyPackageBundle | None = None,
    signing_key: SigningKey | None = None,
) -> Forged:
    """Return a commit of any proposals, checked by nobody.

    It has a path if it needs one, or as `path` says.  `leaf` gets the path's leaf, `keys` the
    public keys above it, `nodes` what is sealed to the others, `encode` the whole; each returns
    what to use instead.  With `outsider` it is a commit by who is not in yet, and `init` is the
    secret shared with those who are.
    """
    changes = lawless_changes(member.public, _listed(member, items, outsider))
    who = _committer(member, changes, outsider)
    attached = None
    if changes.path_required if path is None else path:
        drawn = seed or f"forged by {who.leaf_index} in {member.epoch}"
        attached = _attach(member, who, changes, drawn, leaf, keys, nodes)
    content = signed(
        member,
        COMMIT,
        encode(Commit(tuple(items), None if attached is None else attached.path)),
        wire_format=PRIVATE_MESSAGE if private else PUBLIC_MESSAGE,
        sender=who.sender,
        key=signing_key or who.signing_key,
    )
    context = _next_context(member, changes, content)
    joiner = key_schedule.joiner_from_commit(
        member.suite,
        member.secrets.init if init is None else init,
        member.suite.zero if attached is None else attached.made.commit_secret,
        key_schedule.psk_secret(member.suite, member.find_psks(changes.psks, psks)),
        context.raw,
    )
    secrets = key_schedule.epoch_secrets(member.suite, joiner, context.raw)
    if tag is None:
        tag = member.suite.mac(secrets.confirmation, context.confirmed_transcript_hash)
    content = replace(content, confirmation_tag=tag)
    seal = in_private if private else in_public
    message = seal(member, content)
    tree = changes.edit.done()
    public = PublicGroup(
        member.suite, member.public.policy, context, tree, tag, reinit=changes.reinit
    )
    fresh = {} if attached is None else attached.keys
    after = (
        member.enter(public, secrets, {**member.keys, **fresh}, member.signing_key)
        if outsider is None
        else new_group(public, who.leaf_index, who.signing_key, fresh, secrets)
    )
    return Forged(message, after, changes, joiner, None if attached is None else attached.made)


def _next_context(member: Group, changes: Changes, content: Content) -> GroupContext:
    suite, public = member.suite, member.public
    interim = public.interim_transcript_hash()
    return new_context(
        suite.id,
        public.group_id,
        public.epoch + 1,
        changes.edit.tree_hash(),
        key_schedule.confirmed_transcript_hash(suite, interim, content.transcript_bytes()),
        changes.extensions,
    )


def forge_join(
    member: Group,
    outsider: KeyPackageBundle,
    items: Sequence[Proposal | Reference] = (),
    *,
    init: bytes | None = None,
    **wrong: Any,
) -> Forged:
    """Return an external commit onto a member's group; an ExternalInit stands first in it.

    `init` is another secret to go on with than the one that stands there.
    """
    first, secret = external_init(member)
    return forge(member, (first, *items), outsider=outsider, init=init or secret, **wrong)


def external_init(member: Group) -> tuple[ExternalInit, bytes]:
    """Return a proposal for an external commit and the init secret that goes with it."""
    suite = member.suite
    kem_output, init = suite.crypto.hpke_send_export(
        suite.hpke, member.external_key().public, b"", EXTERNAL_INIT_LABEL, suite.secret_bytes
    )
    return ExternalInit(kem_output), init


def _listed(
    member: Group, items: Sequence[Proposal | Reference], outsider: KeyPackageBundle | None
) -> list[Listed]:
    sender = Sender(MEMBER, member.me) if outsider is None else Sender(NEW_MEMBER_COMMIT)
    listed = []
    for item in items:
        if not isinstance(item, Reference):
            listed.append(Listed(item, sender))
        elif item.hash in member.public.proposals:
            listed.append(member.public.proposals[item.hash])
    return listed


def _committer(member: Group, changes: Changes, outsider: KeyPackageBundle | None) -> Committer:
    if outsider is None:
        return Committer(Sender(MEMBER, member.me), member.me, member.signing_key, leaf_of(member))
    index = changes.edit.first_blank()
    return Committer(Sender(NEW_MEMBER_COMMIT), index, outsider.signing_key, outsider.package.leaf)


def lawless_changes(public: PublicGroup, listed: Sequence[Listed]) -> Changes:
    """Apply any proposals in the order of RFC 9420, whatever comes of it."""
    changes = Changes(public.tree.edit(), public.context.extensions)
    changes.path_required = not listed or any(item.proposal.type not in PATHLESS for item in listed)
    edit = changes.edit
    for proposal, sender in listed:
        if isinstance(proposal, GroupContextExtensions):
            changes.extensions = proposal.extensions
        elif isinstance(proposal, PreSharedKey):
            changes.psks.append(proposal.psk)
        elif isinstance(proposal, ReInit):
            changes.reinit = proposal
        elif isinstance(proposal, Update):
            edit.update(sender.index, proposal.leaf)
    for proposal, _ in listed:
        if isinstance(proposal, Remove):
            changes.removed.append(proposal.removed)
            edit.remove(proposal.removed)
    if changes.removed:
        edit.truncate()
    for proposal, _ in listed:
        if isinstance(proposal, Add):
            package = proposal.key_package
            changes.added.append((edit.add(package.leaf), package))
    return changes


class Attached(NamedTuple):
    """A path that stands in the tree, and its secrets."""

    path: UpdatePath
    made: NewPath
    keys: dict[int, KemKey]


def _attach(
    member: Group,
    who: Committer,
    changes: Changes,
    seed: str,
    change_leaf: Callable[[LeafNode], LeafNode],
    change_keys: Callable[[list[bytes]], list[bytes]],
    change_nodes: Callable[[PathNodes], PathNodes],
) -> Attached:
    """Make new keys from the committer's leaf to the root, and put those to use into the tree."""
    suite, edit = member.suite, changes.edit
    steps = edit.filtered_path(who.leaf_index)
    made = make_path(suite, steps, dice(seed)(suite.secret_bytes))
    keys = change_keys([made.keys[step.node].public for step in steps])
    parent_hash = edit.merge_path(who.leaf_index, steps, keys)
    pair = kem_pair(f"leaf, {seed}", suite)
    leaf = change_leaf(
        re_leaf(
            who.leaf,
            who.signing_key,
            suite=suite,
            place=(member.group_id, who.leaf_index),
            source=FROM_COMMIT,
            lifetime=None,
            parent_hash=parent_hash,
            encryption_key=pair.public,
        )
    )
    edit.put_leaf(who.leaf_index, leaf)
    context = member.public.provisional_context(edit.tree_hash(), changes.extensions)
    newcomers = frozenset(2 * index for index, _ in changes.added)
    sealed = seal_path(edit, steps, made, newcomers, context)
    nodes = tuple(node._replace(encryption_key=key) for node, key in zip(sealed, keys, strict=True))
    path = UpdatePath(leaf, change_nodes(nodes))
    return Attached(path, made, {**made.keys, 2 * who.leaf_index: pair})


def re_sign(member: Group, **changes: Any) -> Callable[[LeafNode], LeafNode]:
    """Return a change to the leaf of a member's path: other fields, signed as they should be."""

    def change(leaf: LeafNode) -> LeafNode:
        place = (member.group_id, member.me)
        return re_leaf(leaf, member.signing_key, suite=member.suite, place=place, **changes)

    return change


# Welcomes.


def changed_context(context: GroupContext, **changes: Any) -> GroupContext:
    """Return a context with other fields."""
    fields: dict[str, Any] = {
        "suite_id": context.suite_id,
        "group_id": context.group_id,
        "epoch": context.epoch,
        "tree_hash": context.tree_hash,
        "confirmed_transcript_hash": context.confirmed_transcript_hash,
        "extensions": context.extensions,
    }
    return new_context(**fields | changes)


def info_on(made: Forged, context: GroupContext) -> GroupInfo:
    """Return a GroupInfo on any context, with the confirmation tag that belongs to it."""
    group = made.after
    secrets = key_schedule.epoch_secrets(group.suite, made.joiner, context.raw)
    tag = group.suite.mac(secrets.confirmation, context.confirmed_transcript_hash)
    tree = Extension(RATCHET_TREE, group.public.tree.encode())
    return sign_group_info(group.suite, group.signing_key, context, (tree,), tag, group.me)


def welcomed(
    made: Forged,
    info: GroupInfo | None = None,
    *,
    packages: Sequence[tuple[int, KeyPackage]] | None = None,
    secrets: Callable[[GroupSecrets], GroupSecrets] = same,
    seal: Callable[[Sealed], Sealed] = same,
    info_secret: bytes | None = None,
) -> bytes:
    """Return the Welcome for all whom a commit adds, sealed as it has to be.

    `info` is the GroupInfo inside; `secrets` gets what is sealed to each newcomer and `seal` the
    ciphertext; `packages` are other newcomers, `info_secret` another secret to seal the info with.
    """
    group, suite = made.after, made.after.suite
    inside = info_on(made, group.public.context) if info is None else info
    hidden = seal_group_info(suite, info_secret or made.joiner.welcome, inside.raw)
    entries = []
    for index, package in made.changes.added if packages is None else packages:
        path_secret = None
        if made.path is not None:
            path_secret = made.path.secrets[math.common_ancestor(2 * index, 2 * group.me)]
        told = GroupSecrets(made.joiner.secret, path_secret, tuple(made.changes.psks))
        plain = secrets(told).encode()
        sealed = Sealed(*suite.seal(package.init_key, b"Welcome", hidden, plain))
        entries.append(SealedSecrets(package.reference(suite), seal(sealed)))
    return Welcome(suite.id, tuple(entries), hidden).message()


def begun(
    old: Group,
    usage: int,
    *names: str,
    group_id: bytes = b"second",
    extensions: Extensions = (),
    suite: Suite = SUITE,
    commits: int = 0,
    psks: Sequence[PskId] | None = None,
    secret: bytes | None = None,
) -> Forged:
    """Return the commit that begins a group which says that it continues `old`.

    `names` are its members, its founder first, who has made some `commits` before; `psks` are other
    names for the key that proves it, and `secret` is another key.
    """
    founder, *others = [other_package(name, suite) for name in names]
    group = create_group(founder, group_id, LENIENT, dice("founder"), extensions=extensions)
    for _ in range(commits):
        group = forge(group).after
    if psks is None:
        nonce = dice("nonce")(suite.secret_bytes)
        psks = [PskId(ResumptionPsk(usage, old.group_id, old.epoch), nonce)]
    adds = [Add(other.package) for other in others]
    return forge(
        group,
        [*adds, *map(PreSharedKey, psks)],
        psks=lambda _key: old.secrets.resumption if secret is None else secret,
    )


def external_info(member: Group, key: bytes) -> GroupInfo:
    """Return a member's GroupInfo that names any external key."""
    extensions = (
        Extension(EXTERNAL_PUB, opaque(key)),
        Extension(RATCHET_TREE, member.public.tree.encode()),
    )
    public = member.public
    return sign_group_info(
        member.suite,
        member.signing_key,
        public.context,
        extensions,
        public.confirmation_tag,
        member.me,
    )


# What a test expects.


def declines(
    rule: str, receiver: Group, sender: Group, message: bytes, psks: Psks = no_psks
) -> None:
    """Expect that a member refuses a commit, and then follows a legal one of the same sender."""
    with refused(rule, receiver):
        receiver.receive(message, psks)
    legal = sender.commit([], entropy=dice("legal"))
    assert goes_on(legal.merge(), following(receiver, legal.message))


def loses(rule: str, receiver: Group, message: bytes, other: Group, psks: Psks = no_psks) -> Group:
    """Expect that a commit counts and cannot be followed; return the group after a comeback.

    `other` is somebody else in the next epoch.  What the member is left with is the public state
    that anyone reaches, and an external commit onto it brings the member back.
    """
    with refused(rule, receiver) as caught:
        receiver.receive(message, psks)
    assert isinstance(caught.error, Lost)
    left = caught.error.public
    assert left.context == other.public.context
    assert left.tree.encode() == other.public.tree.encode()
    assert left.confirmation_tag == other.public.confirmation_tag
    public = left.check_group_info(other.group_info())
    template = LeafTemplate.of(leaf_of(receiver))
    back = join_by_commit(
        public, receiver.signing_key, template, dice("back"), replaces=receiver.me
    )
    assert goes_on(following(other, back.message), back.merge())
    return back.merge()


def observed(observer: PublicGroup, message: bytes) -> PublicGroup:
    """Return the next epoch as somebody sees it who follows the group without its secrets."""
    staged = observer.receive(message)
    assert isinstance(staged, StagedPublicCommit)
    return staged.group


def accepts(receiver: Group, message: bytes, psks: Psks = no_psks) -> Group:
    """Return a member's group after a commit that it follows."""
    staged = receiver.receive(message, psks)
    assert isinstance(staged, StagedCommit)
    return staged.merge()
