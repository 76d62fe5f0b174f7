"""What tests of handlers share: a house with a few rooms, and what a reply or an effect says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from alcove.server.caller import Caller
from alcove.server.effects import Effect, ToAccount, ToDevices, ToRoom
from alcove.server.tx import Tx
from alcove.wire.codec import decode_answer
from alcove.wire.entries import Appended
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.rooms import Kind
from tests.server.house import House, Person, Talk

Result = TypeVar("Result")

DAY_MS = 24 * 60 * 60 * 1000


def open_house(folder: Path, **settings: Any) -> House:
    """Return a server where nobody is asked before a chat, unless the test wants that."""
    return House(folder, **{"requests": "off"} | settings)


def code(reply: Any) -> Code | None:
    """Return why a request was refused; None when it was not."""
    return reply.code if isinstance(reply, Refusal) else None


def room_of(house: House, *people: Person, kind: Kind = "group") -> Talk:
    """Return a room that the first of these people made with the others; nothing is told yet."""
    first, *others = people
    partner = {"partner": others[0].account} if kind == "direct" else {}
    devices = [person.phone for person in others]
    talk, created = house.create(first.phone, *devices, kind=kind, **partner)
    assert isinstance(created, Appended), created
    house.now += 60_000
    house.told = []
    return talk


def told(house: House) -> list[tuple[Effect, Any]]:
    """Return what was pushed since the last look but events: (the effect, the push)."""
    effects, house.told = house.told, []
    pushes = [
        (effect, decode_answer(effect.message))
        for effect in effects
        if isinstance(effect, ToDevices | ToAccount | ToRoom)
    ]
    return [(effect, push) for effect, push in pushes if type(push).__name__ != "NewEvent"]


def within(house: House, caller: Caller, act: Callable[[Tx], Result]) -> Result:
    """Act inside a transaction of the writer, as part of a request of this caller."""
    house.connection.begin()
    tx = Tx(house.connection, house.world, house.now)
    tx.begin_request(caller)
    try:
        result = act(tx)
        house.told += tx.end_request()
    except Refused:
        tx.undo_request()
        raise
    finally:
        tx.finish()
        house.connection.commit()
    return result


def why_not(house: House, caller: Caller, act: Callable[[Tx], object]) -> Code | None:
    """Return why an act inside a transaction was refused."""
    try:
        within(house, caller, act)
    except Refused as refused:
        return refused.code
    return None


def events(house: House, account: bytes) -> list[str]:
    """Return the kinds of an account's audit events, but what everybody does."""
    lines = house.tx().all("SELECT kind FROM event WHERE account = ? ORDER BY number", account)
    return [kind for (kind,) in lines if kind not in ("room_created", "signed_in")]
