"""What a commit may do in a room: one pure function that names the broken rule.

    public state before ─┐
    the commit's bytes  ─┴─►  facts  ─►  each rule of the table  ─►  an id, or None

Every member asks it about every commit, one's own included, and all come to the same answer: there
is no clock here, no pin, no block list, and nothing that a server says.  The ids are the API; they
are listed in docs/protocol/groups.md, and a test compares.
"""

from collections.abc import Callable

from msgspec import structs

from alcove.client.errors import PeerError
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.bookkeeping import (
    closes,
    kept_up,
    persons_after,
    routing_of,
)
from alcove.client.rooms.extension import PLAIN_BANS_MAX, RoomState, state_of
from alcove.client.rooms.facts import CLOSED_KINDS, Facts, Seat, have_one_identity, seat
from alcove.client.rooms.links import lets_in
from alcove.client.rooms.note import decode_note
from alcove.client.rooms.roles import follow, is_banned, may, may_remove, settled, successors
from alcove.mls import (
    NEW_MEMBER_COMMIT,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PublicGroup,
    Remove,
    StagedPublicCommit,
)

ALLOWED = (Add, Remove, GroupContextExtensions, ExternalInit)
"""The proposals that rooms know."""


def check(old: PublicGroup, commit: StagedPublicCommit) -> str | None:
    """Return the id of the rule that a commit breaks, or None."""
    try:
        facts = read(old, commit)
        after = state_of(commit.group)
        expected = kept_up(facts)
        for rule in RULES:
            broken = rule(facts, expected, after)
            if broken is not None:
                return broken
    except PeerError as error:
        return error.cause
    return None


def read(old: PublicGroup, commit: StagedPublicCommit) -> Facts:
    """Return what a commit is about; what no commit of a room may be like is refused."""
    if old.suite.id != SUITE.id:
        raise PeerError("room-suite")
    if any(sender != commit.sender for sender in commit.proposers):
        raise PeerError("room-by-value")
    if not all(isinstance(proposal, ALLOWED) for proposal in commit.proposals):
        raise PeerError("room-proposal-kind")
    if len(commit.group.context.extensions) != 1:
        raise PeerError("room-extension-alone")
    is_external = commit.sender.type == NEW_MEMBER_COMMIT
    return Facts(
        old=old,
        note=decode_note(commit.authenticated_data),
        mover_index=None if is_external else commit.committer,
        path=None if commit.path is None else seat(commit.path.leaf),
        added=tuple(seat(package.leaf) for _, package in commit.added),
        removed=commit.removed,
        is_barrier=bool(commit.proposals),
    )


# ---- What the note says ----


def note_is_true(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """Header and note tell the server what the commit does, and nothing else."""
    note = facts.note
    if facts.is_barrier and not note.renews:
        return "room-renews"
    if note.closes != closes(facts, after):
        return "room-closes"
    if note.routing != routing_of(facts, after):
        return "room-routing"
    if (note.joins is None) != (facts.mover_index is not None):
        return "room-joins"
    return None


# ---- Who comes in by a commit of his own ----


def joins_by_right(facts: Facts, _: RoomState, __: RoomState) -> str | None:
    """An external commit is a resync, of a sibling, or by a link: a GroupInfo grants nothing."""
    note = facts.note
    is_link = note.joins == "link"
    if is_link != (note.link is not None) or is_link != (note.proof is not None):
        return "room-link-named"
    if facts.mover_index is not None:
        return None
    comer = facts.mover
    if note.joins == "resync":
        return None if comer.device in facts.again else "room-join-resync"
    if facts.gone:
        return "room-join-removes"
    if note.joins == "sibling":
        there = _persons_before(facts)
        return None if comer.identity in there else "room-join-sibling"
    assert note.proof is not None  # Joins by a link, and names it.
    place = facts.old.group_id, facts.old.epoch, comer.device, comer.leaf.credential.data
    there = _persons_before(facts)
    return None if lets_in(facts.before, there, note.proof, place) else "room-join-link"


def _persons_before(facts: Facts) -> frozenset[bytes]:
    followed = successors(facts.before)
    return frozenset(follow(followed, one.identity) for one in facts.seats.values())


# ---- Identities ----


def leaves_stay_whose_they_are(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """A device whose leaf is replaced stays its account's, under the identity that this has now."""
    pairs = [*facts.again.values()]
    if facts.mover_index is not None and facts.path is not None:
        pairs.append((facts.mover, facts.path))
    for old, new in pairs:
        if new.said.account != old.said.account:
            return "room-leaf-account"
        if new.identity != settled(after, old.identity):
            return "room-leaf-identity"
        if new.said.version < old.said.version:
            return "room-leaf-older"
    return None


def followed_identities_only_swap(facts: Facts, _: RoomState, __: RoomState) -> str | None:
    """A leaf whose identity was followed by another one may take that one on, and nothing else."""
    if facts.mover_index is None or not is_banned(facts.before, facts.mover.identity):
        return None
    return "room-swap-only" if facts.is_barrier else None


def accounts_have_one_identity(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """Who comes is not shut out, and claims neither an account nor an identity of somebody else."""
    newcomers = _newcomers(facts)
    if any(is_banned(after, new.identity) for new in newcomers):
        return "room-banned"
    if not newcomers:
        return None
    followed = successors(after)
    has_one = have_one_identity(followed, facts.seats_after)
    return None if has_one else "room-one-identity"


def certificates_are_new_enough(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """Certificates older than the newest list that the room has seen add no leaves."""
    newcomers = _newcomers(facts)
    least = {one.identity: one.version for one in after.versions} if newcomers else {}
    if any(new.said.version < least.get(new.identity, 0) for new in newcomers):
        return "room-certificate-old"
    return None


def _newcomers(facts: Facts) -> tuple[Seat, ...]:
    """Return the leaves that a commit adds, that of an external committer too."""
    return facts.added if facts.mover_index is not None else (facts.mover,)


# ---- Who adds and removes ----


def circle_is_closed(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """A direct room is for its two identities, a mailbox for one."""
    if after.kind not in CLOSED_KINDS:
        return None
    known = tuple(one.identity for one in after.roles)
    is_closed = all(new.identity in known for new in _newcomers(facts))
    return None if is_closed else "room-circle-closed"


def adds_by_right(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """Devices of accounts that are here may come; who brings somebody new may invite."""
    if not facts.added or may(facts.before, facts.mover.identity, "invite"):
        return None
    followed = successors(after)
    here = frozenset(follow(followed, one.identity) for one in facts.seats.values())
    are_here = all(new.identity in here for new in facts.added)
    return None if are_here else "room-invite-not-allowed"


def removes_by_right(facts: Facts, expected: RoomState, _: RoomState) -> str | None:
    """Each leaf that is removed is removed for one of the reasons that there are."""
    notices = facts.notices  # Read even if nobody goes: one that is useless is refused.
    if facts.mover_index is None or not facts.gone:
        return None  # What an external commit may remove, `joins_by_right` has said.
    there = frozenset(one.identity for one in facts.seats_after)
    followed = successors(expected)
    mine = follow(followed, facts.mover.identity)
    for index, one in facts.gone.items():
        theirs = follow(followed, one.identity)
        asked = "lost" if one.device in facts.again else "leave"
        if notices.get(index, asked) != asked:
            return "room-notice-useless"
        is_allowed = (
            theirs == mine
            or index in notices
            or _is_revoked(facts, one, theirs)
            or (theirs != one.identity and theirs in there)
            or may_remove(facts.before, facts.mover.identity, settled(facts.before, one.identity))
        )
        if not is_allowed:
            return "room-remove-not-allowed"
    return None


def _is_revoked(facts: Facts, one: Seat, identity: bytes) -> bool:
    """Return whether a list of the note, newer than a leaf's certificate, omits its device."""
    return any(
        listed.identity == identity
        and listed.said.account == one.said.account
        and listed.said.version > one.said.version
        and one.device not in listed.devices
        for listed in facts.lists
    )


# ---- The room's state ----


def _lasting(state: RoomState) -> tuple[object, ...]:
    """Return what of a room never changes."""
    return state.kind, state.predecessor, state.founder, state.founded_at


def kind_stays(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """What a room is does not change, and some kinds know neither links nor bans."""
    before = facts.before
    if _lasting(after) != _lasting(before):
        return "room-kind-stays"
    has_bans = any(one.successor is None for one in after.bans)
    if after.kind in CLOSED_KINDS and (after.links or has_bans):
        return "room-kind-circle"
    return None


def policy_is_the_owners(facts: Facts, _: RoomState, after: RoomState) -> str | None:
    """Only owners change who may do what, and what becomes of history."""
    before = facts.before
    changed = structs.replace(
        after, roles=before.roles, bans=before.bans, links=before.links, versions=before.versions
    )
    if changed != before and not may(before, facts.mover.identity, "settings"):
        return "room-policy-by-owners"
    return None


def roles_are_the_owners(facts: Facts, expected: RoomState, after: RoomState) -> str | None:
    """Only owners change roles; a role ends with its account's last leaf; an owner stays."""
    if after.roles != expected.roles:
        if after.kind in CLOSED_KINDS:
            return "room-roles-fixed"
        if not may(facts.before, facts.mover.identity, "settings"):
            return "room-roles-by-owners"
        there = persons_after(facts, after)
        if any(one.identity not in there for one in after.roles):
            return "room-role-without-leaf"
    has_owner = any(one.rank == "owner" for one in after.roles)
    return None if has_owner else "room-owner-needed"


def bans_are_the_admins(facts: Facts, expected: RoomState, after: RoomState) -> str | None:
    """Admins shut out and let in again; that an identity was followed by another one stays."""
    if after.bans == expected.bans:
        return None
    if successors(after) != successors(expected):
        return "room-bans-of-rotations"
    if not may(facts.before, facts.mover.identity, "remove"):
        return "room-bans-by-admins"
    there = persons_after(facts, after)
    plain = [one.identity for one in after.bans if one.successor is None]
    if len(plain) > PLAIN_BANS_MAX:
        return "room-bans-many"
    if any(one in there for one in plain):
        return "room-banned-stays"
    return None


def links_are_the_inviters(facts: Facts, expected: RoomState, after: RoomState) -> str | None:
    """Who may invite makes links, in his own name; he and admins take them away."""
    if after.links == expected.links:
        return None
    mine = settled(after, facts.mover.identity)
    for link in after.links:
        if link in expected.links:
            continue
        if any(link.key == one.key for one in facts.before.links):
            return "room-links-dropped"
        if link.made_by != mine or not may(facts.before, facts.mover.identity, "invite"):
            return "room-links-by-inviters"
    is_admin = may(facts.before, facts.mover.identity, "remove")
    for link in expected.links:
        if link not in after.links and link.made_by != mine and not is_admin:
            return "room-links-taken-away"
    return None


def versions_are_recorded(_: Facts, expected: RoomState, after: RoomState) -> str | None:
    """The least versions are those of the lists that commits carried."""
    return None if after.versions == expected.versions else "room-versions"


RULES: tuple[Callable[[Facts, RoomState, RoomState], str | None], ...] = (
    kind_stays,
    note_is_true,
    joins_by_right,
    leaves_stay_whose_they_are,
    followed_identities_only_swap,
    accounts_have_one_identity,
    certificates_are_new_enough,
    circle_is_closed,
    adds_by_right,
    removes_by_right,
    policy_is_the_owners,
    roles_are_the_owners,
    bans_are_the_admins,
    links_are_the_inviters,
    versions_are_recorded,
)
"""Every rule, asked in this order: f(facts, the state that follows by itself, the state after)."""
