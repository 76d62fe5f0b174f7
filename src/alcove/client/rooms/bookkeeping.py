"""What a commit must write down besides what it is made for, and what it must say of itself.

Some of the room's state follows from other things: the role of who is gone ends, a newer device
list raises the least version, a new identity takes the place of the old one, links end when
somebody is made to go.  Anyone who commits such a thing writes it into the extension; nobody needs
a right for it, and nobody may leave it out.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from alcove.client.errors import PeerError
from alcove.client.keys.envelope import verify
from alcove.client.rooms.extension import (
    VERSIONS_MAX,
    Ban,
    LeastVersion,
    LinkKey,
    Ranked,
    RoomState,
    in_order,
)
from alcove.client.rooms.facts import CLOSED_KINDS, Facts, Listed, Seat
from alcove.client.rooms.leaves import member_of
from alcove.client.rooms.roles import follow, settled, successors
from alcove.wire.entries import Role, Routing
from alcove.wire.signed import list_bytes

NOT_SETTINGS: Final = ("links", "versions")
"""What may change without closing the room to what was sealed before."""


def persons_after(facts: Facts, state: RoomState) -> frozenset[bytes]:
    """Return the identities of the accounts that are there after a commit."""
    followed = successors(state)
    return frozenset(follow(followed, one.identity) for one in facts.seats_after)


def kept_up(facts: Facts) -> RoomState:
    """Return the state that follows from a commit by itself, before anybody's wishes."""
    state = facts.before
    keys = {one.identity: one.said.identity for one in facts.seats.values()} if facts.lists else {}
    for listed in facts.lists:
        keys[listed.identity] = listed.said.identity
        state = _with_list(facts, state, listed, keys)
    if facts.gone:
        state = _without_gone(facts, state)
    return state if state is facts.before else in_order(state)


def _with_list(
    facts: Facts, state: RoomState, listed: Listed, keys: dict[bytes, bytes]
) -> RoomState:
    """Write down the version of a list, and the identity that it brings."""
    said = listed.said
    name = listed.identity
    current = next(
        (
            settled(state, one.identity)
            for one in facts.seats.values()
            if one.said.account == said.account
        ),
        None,
    )
    if current is None:
        raise PeerError("room-list-useless")
    if current != name:
        state = _rotated(facts, state, listed, current, keys)
    known = {one.identity: one.version for one in state.versions}
    if said.version < known.get(name, 0):
        raise PeerError("room-list-older")
    known[name] = said.version
    excess = len(known) - VERSIONS_MAX
    if excess > 0:
        there = persons_after(facts, state)
        for one in [one for one in sorted(known) if one not in there][:excess]:
            del known[one]
    versions = tuple(LeastVersion(*one) for one in sorted(known.items()))
    return structs.replace(state, versions=versions)


def _rotated(
    facts: Facts, state: RoomState, listed: Listed, old: bytes, keys: dict[bytes, bytes]
) -> RoomState:
    """Put an account's new identity where the old one was, if the old one agreed."""
    new = listed.identity
    taken = (
        *(one.identity for one in facts.seats.values()),
        *(one.identity for one in state.roles),
        *(one.identity for one in state.bans),
    )
    if new in taken:
        raise PeerError("room-rotation-taken")
    if listed.signed.old_signature is None or old not in keys:
        raise PeerError("room-rotation-agreed")
    try:
        verify(keys[old], list_bytes(listed.signed.body), listed.signed.old_signature)
    except PeerError:
        raise PeerError("room-rotation-agreed") from None
    return structs.replace(
        state,
        roles=tuple(Ranked(new, one.rank) if one.identity == old else one for one in state.roles),
        links=tuple(LinkKey(one.key, new) if one.made_by == old else one for one in state.links),
        versions=tuple(one for one in state.versions if one.identity != old),
        bans=(*state.bans, Ban(old, new)),
    )


def _without_gone(facts: Facts, state: RoomState) -> RoomState:
    """End the roles of accounts that are gone, and all links when somebody was made to go."""
    roles = state.roles
    if state.kind not in CLOSED_KINDS:
        there = persons_after(facts, state)
        roles = tuple(one for one in roles if one.identity in there)
    links = () if state.links and _made_to_go(facts, state) else state.links
    return structs.replace(state, roles=roles, links=links)


def _made_to_go(facts: Facts, state: RoomState) -> bool:
    """Return whether a device of another account goes that has not asked for it."""
    mine = settled(state, facts.mover.identity)
    return any(
        settled(state, one.identity) != mine
        and one.device not in facts.again
        and facts.notices.get(index) != "leave"
        for index, one in facts.gone.items()
    )


# ---- What a commit says of itself ----


def closes(facts: Facts, after: RoomState) -> bool:
    """Return whether a commit removes somebody for good, or changes settings."""
    if any(one.device not in facts.again for one in facts.gone.values()):
        return True
    before = facts.before
    return any(
        getattr(before, field) != getattr(after, field)
        for field in RoomState.__struct_fields__
        if field not in NOT_SETTINGS
    )


def routing_of(facts: Facts, after: RoomState) -> Routing:
    """Return what a commit changes for the server: there is one way to say it."""
    before = facts.before
    adds = [member_of(one.leaf) for one in facts.added]
    if facts.mover_index is None:
        adds.append(member_of(facts.mover.leaf))
    return Routing(
        adds=tuple(adds),
        removes=tuple(member_of(one.leaf) for one in facts.gone.values()),
        roles=_changed_roles(facts, after),
        history=None if after.history == before.history else after.history,
        keep_ms=None if after.keep_ms == before.keep_ms else after.keep_ms,
    )


def _changed_roles(facts: Facts, after: RoomState) -> tuple[tuple[bytes, Role], ...]:
    """Return the accounts whose role is another one after a commit, in the order of their ids.

    To the server, who comes is a member.
    """
    before = facts.before
    if before.roles == after.roles or after.kind in CLOSED_KINDS:
        return ()
    old = _roles_of(before, facts.seats.values())
    new = _roles_of(after, facts.seats_after)
    return tuple(
        (account, one) for account, one in sorted(new.items()) if one != old.get(account, "member")
    )


def _roles_of(state: RoomState, seats: Iterable[Seat]) -> dict[bytes, Role]:
    """Return the role of each account that has a seat."""
    ranks: dict[bytes, Role] = {one.identity: one.rank for one in state.roles}
    followed = successors(state)
    return {one.said.account: ranks.get(follow(followed, one.identity), "member") for one in seats}
