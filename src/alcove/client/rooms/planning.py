"""From what a commit shall do to its proposals and note, with all that it must not leave out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import structs

from alcove.client.rooms.bookkeeping import closes, kept_up, routing_of
from alcove.client.rooms.extension import RoomState, extension, in_order
from alcove.client.rooms.facts import Facts, seat
from alcove.client.rooms.leaves import whose
from alcove.client.rooms.note import LinkProof, Note
from alcove.mls import (
    Add,
    GroupContextExtensions,
    KeyPackage,
    Proposal,
    PublicGroup,
    Remove,
)
from alcove.wire.entries import Joining, Member, Routing
from alcove.wire.signed import device_id


class Plan(NamedTuple):
    """A commit that is yet to be made."""

    proposals: tuple[Proposal, ...]
    """For `Group.commit`, in this order."""
    note: Note
    """For its `authenticated_data`."""
    state: RoomState
    """The room's state after it."""


def unchanged(state: RoomState) -> RoomState:
    """Wish for nothing."""
    return state


def plan(
    old: PublicGroup,
    me: int,
    *,
    adds: Sequence[KeyPackage] = (),
    removes: Sequence[int] = (),
    lists: Sequence[bytes] = (),
    notices: Sequence[bytes] = (),
    settle: Callable[[RoomState], RoomState] = unchanged,
    renews: bool = False,
) -> Plan:
    """Return a member's commit, given its leaf.

    `settle` makes what is wished for of the state that follows by itself.  `renews` matters for a
    commit that changes nothing but its maker's keys; others always renew.  Whether the commit may
    be made, MLS asks `rules.check` when it is; lists and notices that prove nothing are refused at
    once.
    """
    note = Note(lists=tuple(lists), notices=tuple(notices))
    facts = Facts(
        old=old,
        note=note,
        mover_index=me,
        path=None,
        added=tuple(seat(package.leaf) for package in adds),
        removed=tuple(removes),
        is_barrier=False,
    )
    _ = facts.notices  # Refused here, and not only by everyone else.
    after = in_order(settle(kept_up(facts)))
    proposals: list[Proposal] = [Remove(index) for index in removes]
    proposals += [Add(package) for package in adds]
    if after != facts.before:
        proposals.append(GroupContextExtensions((extension(after),)))
    note = structs.replace(
        note,
        renews=renews or bool(proposals),
        closes=closes(facts, after),
        routing=routing_of(facts, after),
    )
    return Plan(tuple(proposals), note, after)


def joining_note(
    credential: bytes,
    joins: Joining,
    *,
    link: bytes | None = None,
    proof: LinkProof | None = None,
) -> Note:
    """Return the note of an external commit, given the credential of the leaf that it brings."""
    said = whose(credential).said
    me = Member(said.account, device_id(said.device))
    removes = (me,) if joins == "resync" else ()
    routing = Routing(adds=(me,), removes=removes)
    return Note(renews=True, joins=joins, link=link, proof=proof, routing=routing)
