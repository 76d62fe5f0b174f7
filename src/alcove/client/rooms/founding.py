"""How a room begins, and whether a room as one meets it could be one of ours.

What founds a room is no commit, so `rules.check` is not asked about it: its header, with the public
state of epoch 0, is judged here.  Who joins a room that exists has not seen all of its commits, and
checks what can be seen of the state itself.
"""

from typing import Final

from alcove.client.errors import PeerError
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.extension import Ranked, RoomState, in_order, state_of
from alcove.client.rooms.facts import CLOSED_KINDS, Seat, have_one_identity, seat
from alcove.client.rooms.leaves import member_of
from alcove.client.rooms.note import Note, header
from alcove.client.rooms.roles import follow, is_banned, successors
from alcove.mls import PublicGroup
from alcove.wire.entries import HandshakeHeader, Routing
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import Kind

EPOCH_MAX: Final = 2**52
"""No room comes so far: one that says so wants to be too large for somebody's database."""


def new_state(
    kind: Kind, owner: bytes, partner: bytes | None = None, predecessor: bytes | None = None
) -> RoomState:
    """Return the state of a new room, given its owners by identity hash: two for a direct room."""
    assert (partner is not None) == (kind == "direct")
    owners = [owner] if partner is None else [owner, partner]
    return in_order(
        RoomState(
            kind,
            tuple(Ranked(one, "owner") for one in owners),
            may_post="admins" if kind == "channel" else "everyone",
            predecessor=predecessor,
            founder=owner,
        )
    )


def founding_note(public: PublicGroup) -> Note:
    """Return the note of what founds a room, given the state of epoch 0."""
    state = state_of(public)
    leaf = public.tree.leaf(0)
    assert leaf is not None
    routing = Routing(adds=(member_of(leaf),), history=state.history, keep_ms=state.keep_ms)
    return Note(renews=True, routing=routing)


def check_founding(public: PublicGroup, said: HandshakeHeader) -> str | None:
    """Return the id of the rule that a room's first entry breaks, or None."""
    try:
        state, (founder, *others) = _standing(public)
        if public.epoch != 0 or others:
            return "room-founder-alone"
        if state.bans or state.links or state.versions:
            return "room-founding-empty"
        ranks = tuple(one.rank for one in state.roles)
        owners = 2 if state.kind == "direct" else 1
        if ranks != ("owner",) * owners or not _has_role(state, founder):
            return "room-founding-owners"
        if state.predecessor is not None and state.kind != "direct":
            return "room-founding-predecessor"
        if state.founder != founder.identity:
            return "room-founding-founder"
    except PeerError as error:
        return error.cause
    true = header(founding_note(public), member_of(founder.leaf).device, NOTHING_BEFORE)
    return None if said == true else "room-founding-header"


def check_beginning(public: PublicGroup, said: HandshakeHeader, room: bytes) -> None:
    """Raise unless a room may be followed from here on: its founding, or a snapshot of it."""
    if public.group_id != room:
        raise PeerError("group-of-another-room")
    is_founding = said.before == NOTHING_BEFORE
    cause = check_founding(public, said) if is_founding else check_standing(public)
    if cause is not None:
        raise PeerError(cause)


def _has_role(state: RoomState, one: Seat) -> bool:
    return any(ranked.identity == one.identity for ranked in state.roles)


def check_standing(public: PublicGroup) -> str | None:
    """Return the id of the rule that a room breaks as it stands, or None: asked by who joins."""
    try:
        _standing(public)
    except PeerError as error:
        return error.cause
    return None


def _standing(public: PublicGroup) -> tuple[RoomState, list[Seat]]:
    """Return a room's state and who is there, or refuse what commits could not have led to."""
    if public.suite.id != SUITE.id:
        raise PeerError("room-suite")
    if public.epoch > EPOCH_MAX:
        raise PeerError("room-epoch")
    if len(public.context.extensions) != 1:
        raise PeerError("room-extension-alone")
    state = state_of(public)
    seats = [seat(leaf) for _, leaf in public.tree.leaves()]
    followed = successors(state)
    known = frozenset(one.identity for one in state.roles)
    for one in seats:
        identity = follow(followed, one.identity)
        if is_banned(state, identity):
            raise PeerError("room-banned")
        if state.kind in CLOSED_KINDS and identity not in known:
            raise PeerError("room-circle-closed")
    if not have_one_identity(followed, seats):
        raise PeerError("room-one-identity")
    if not any(one.rank == "owner" for one in state.roles):
        raise PeerError("room-owner-needed")
    return state, seats
