"""People: who asks, who is there, whose keys were compared."""

from typing import TYPE_CHECKING, Final

from msgspec import structs

from alcove.client import UsageError
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.client import Person, Request
    from alcove.desk.desk import Desk

PEOPLE_MAX: Final = 500
"""So many people are listed; whose keys have changed are among them."""


def person_of(desk: "Desk", account: str) -> "Person":
    """Return somebody by the id of their account."""
    try:
        return desk.client.person_of(bytes.fromhex(account))
    except ValueError:
        raise UsageError("This is nobody: choose a person from a list.") from None


# ---- Requests ----


class GetAsking(Call[tuple[shown.Asking, ...]], frozen=True, kw_only=True):
    """The requests that wait for an answer, oldest first."""


@answers(GetAsking)
async def asking(desk: "Desk", _: GetAsking) -> tuple[shown.Asking, ...]:
    """Return them."""
    return tuple(
        shown.Asking(
            room=one.id,
            person=structs.replace(values.person(one.person), rooms=values.met_in(one.person)),
            kind=one.kind,
            at=values.millis(one.at) or 0,
            is_spam=one.suspicion.is_spam,
            reasons=tuple(one.suspicion.reasons),
        )
        for one in desk.client.requests()
    )


def _request(desk: "Desk", room: str) -> "Request":
    for one in desk.client.requests():
        if one.id == room:
            return one
    raise UsageError("This request was answered already: look at the list again.")


class Accept(Call[None], frozen=True, kw_only=True):
    """Accept a request: the room comes, with what was said in it."""

    room: str


@answers(Accept)
async def accept(desk: "Desk", call: Accept) -> None:
    """Accept it."""
    await _request(desk, call.room).accept()


class Decline(Call[None], frozen=True, kw_only=True):
    """Decline a request: it is gone, and nobody is told."""

    room: str


@answers(Decline)
async def decline(desk: "Desk", call: Decline) -> None:
    """Decline it."""
    await _request(desk, call.room).decline()


class DeclineAll(Call[None], frozen=True, kw_only=True):
    """Decline all that wait."""


@answers(DeclineAll)
async def decline_all(desk: "Desk", _: DeclineAll) -> None:
    """Decline them."""
    await desk.client.decline_all()


# ---- Who is there ----


class GetOnline(Call[tuple[shown.Person, ...]], frozen=True, kw_only=True):
    """Who is online and does not hide it."""


@answers(GetOnline)
async def online(desk: "Desk", _: GetOnline) -> tuple[shown.Person, ...]:
    """Ask the server."""
    return tuple(values.listed(one) for one in await desk.client.who_is_online())


class FindPeople(Call[tuple[shown.Person, ...]], frozen=True, kw_only=True):
    """People by how their names begin."""

    beginning: str


@answers(FindPeople)
async def find(desk: "Desk", call: FindPeople) -> tuple[shown.Person, ...]:
    """Ask the server."""
    return tuple(values.listed(one) for one in await desk.client.find(call.beginning))


class GetPeople(Call[tuple[shown.Person, ...]], frozen=True, kw_only=True):
    """Everybody one shares a room with: whose keys have changed first, who is checked last."""

    limit: int = PEOPLE_MAX


@answers(GetPeople)
async def acquaintances(desk: "Desk", call: GetPeople) -> tuple[shown.Person, ...]:
    """Look here."""
    limit = max(1, min(call.limit, PEOPLE_MAX))
    return tuple(values.person(one) for one in desk.client.acquaintances(limit))


class GetChanged(Call[tuple[str, ...]], frozen=True, kw_only=True):
    """The accounts of people whose keys have changed, until one has looked."""


@answers(GetChanged)
async def changed(desk: "Desk", _: GetChanged) -> tuple[str, ...]:
    """Look here."""
    found = desk.client.acquaintances(PEOPLE_MAX)
    return tuple(one.id for one in found if one.state == "changed")


class GetPerson(Call[shown.Person], frozen=True, kw_only=True):
    """Somebody, as they are now."""

    account: str


@answers(GetPerson)
async def person(desk: "Desk", call: GetPerson) -> shown.Person:
    """Look here."""
    return values.person(person_of(desk, call.account))


class Direct(Call[str], frozen=True, kw_only=True):
    """The room with somebody, by name; the first message there is the request."""

    name: str


@answers(Direct)
async def direct(desk: "Desk", call: Direct) -> str:
    """Return the room's id; it is made where there is none."""
    return (await desk.client.direct(call.name)).id


class Block(Call[None], frozen=True, kw_only=True):
    """Hear nothing more of somebody, or hear them again."""

    account: str
    on: bool = True


@answers(Block)
async def block(desk: "Desk", call: Block) -> None:
    """Take the choice."""
    found = person_of(desk, call.account)
    await (found.block() if call.on else found.unblock())


class GetBlocked(Call[tuple[shown.Person, ...]], frozen=True, kw_only=True):
    """Whom this account has blocked."""


@answers(GetBlocked)
async def blocked(desk: "Desk", _: GetBlocked) -> tuple[shown.Person, ...]:
    """Return them."""
    return tuple(values.person(one) for one in desk.client.blocked())


# ---- Whether keys are theirs ----


class GetSafety(Call[shown.Safety], frozen=True, kw_only=True):
    """The number that two people compare."""

    account: str


@answers(GetSafety)
async def safety(desk: "Desk", call: GetSafety) -> shown.Safety:
    """Return it, as digits and as what a code holds."""
    found = person_of(desk, call.account)
    return shown.Safety(
        person=values.person(found), digits=found.safety_number, code=found.safety_code
    )


class Verify(Call[bool], frozen=True, kw_only=True):
    """They have read out these digits, or this was scanned; false when it is not theirs."""

    account: str
    number: str


@answers(Verify)
async def verify(desk: "Desk", call: Verify) -> bool:
    """Compare, and note it if it is right."""
    return await person_of(desk, call.account).verify(call.number)


class Unverify(Call[None], frozen=True, kw_only=True):
    """They differ, or were never compared."""

    account: str


@answers(Unverify)
async def unverify(desk: "Desk", call: Unverify) -> None:
    """Take back what was noted."""
    await person_of(desk, call.account).unverify()


class AcceptChange(Call[None], frozen=True, kw_only=True):
    """Go on with keys that have changed: I have looked at those to which this number belongs."""

    account: str
    number: str


@answers(AcceptChange)
async def accept_change(desk: "Desk", call: AcceptChange) -> None:
    """Go on."""
    await person_of(desk, call.account).accept_change(call.number)
