"""Devices of this account, and what the server has written down about it."""

from typing import TYPE_CHECKING, Final

from alcove import client as sdk
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

DETAIL_CHARACTERS_MAX: Final = 300
"""So much of what the server has written down about one event is shown."""


class GetDevices(Call[tuple[shown.Device, ...]], frozen=True, kw_only=True):
    """The devices of this account, oldest first."""


@answers(GetDevices)
async def devices(desk: "Desk", _: GetDevices) -> tuple[shown.Device, ...]:
    """Return them, with what the server knows of each."""
    return tuple(
        shown.Device(
            id=one.id, program=sdk.shown_name(one.program) if one.program else "",
            is_this=one.is_this, is_browser=one.is_browser,
            added_at=values.millis(one.added_at) or 0,
            seen_at=values.millis(one.seen_at),
        )
        for one in await desk.client.owner.devices()
    )  # fmt: skip


class GetReach(Call[tuple[shown.Reach, ...]], frozen=True, kw_only=True):
    """What a device could read: rooms, since when and until when."""

    device: str


@answers(GetReach)
async def reach(desk: "Desk", call: GetReach) -> tuple[shown.Reach, ...]:
    """Return it."""
    return tuple(
        shown.Reach(
            title=one.room.title, since=values.millis(one.since), until=values.millis(one.until)
        )
        for one in desk.client.owner.reach(call.device)
    )


class Revoke(Call[None], frozen=True, kw_only=True):
    """Take a device off the account, and out of its rooms."""

    device: str
    password: str
    phrase: str = ""
    code: str | None = None


@answers(Revoke)
async def revoke(desk: "Desk", call: Revoke) -> None:
    """Take it off."""
    await desk.client.owner.revoke(call.device, call.password, phrase=call.phrase, code=call.code)


class GetEvents(Call[tuple[shown.Event, ...]], frozen=True, kw_only=True):
    """What the server has written down about this account lately, newest first."""

    suspicious: bool = False


@answers(GetEvents)
async def events(desk: "Desk", call: GetEvents) -> tuple[shown.Event, ...]:
    """Ask the server; what was put out of sight here stays so."""
    cleared = desk.client.owner.cleared.number
    return tuple(
        shown.Event(
            at=one.at,
            kind=sdk.shown_name(one.kind),
            text=_line(" ".join(f"{name}={value}" for name, value in sorted(one.detail.items()))),
            address=_line(one.address),
            is_suspicious=one.suspicious,
        )
        for one in await desk.client.owner.events(suspicious=call.suspicious)
        if one.number > cleared
    )


def _line(said: str) -> str:
    """Return what the server says on one line of some length, fit to be shown."""
    return " ".join(sdk.shown_text(said[:DETAIL_CHARACTERS_MAX]).split())


class ClearEvents(Call[None], frozen=True, kw_only=True):
    """Show on this machine only what comes after now; the server keeps all of it."""


@answers(ClearEvents)
async def clear_events(desk: "Desk", _: ClearEvents) -> None:
    """Put it out of sight, and write down that this was done."""
    await desk.client.owner.clear_events()


class GetCleared(Call[shown.Cleared | None], frozen=True, kw_only=True):
    """What of the events was put out of sight on this machine; None for nothing."""


@answers(GetCleared)
async def cleared(desk: "Desk", _: GetCleared) -> shown.Cleared | None:
    """Look here."""
    found = desk.client.owner.cleared
    return shown.Cleared(at=found.at, events=found.events) if found.at else None
