"""Devices of this account, and what the server has written down about it."""

from typing import TYPE_CHECKING

from alcove.client import shown_name
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk


class GetDevices(Call[tuple[shown.Device, ...]], frozen=True, kw_only=True):
    """The devices of this account, oldest first."""


@answers(GetDevices)
async def devices(desk: "Desk", _: GetDevices) -> tuple[shown.Device, ...]:
    """Return them, with what the server knows of each."""
    return tuple(
        shown.Device(
            id=one.id, program=shown_name(one.program) if one.program else "", is_this=one.is_this,
            is_browser=one.is_browser, added_at=values.millis(one.added_at) or 0,
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
    """Ask the server."""
    return tuple(
        shown.Event(
            at=one.at,
            kind=one.kind,
            text=" ".join(f"{name}={value}" for name, value in sorted(one.detail.items())),
            address=one.address,
            is_suspicious=one.suspicious,
        )
        for one in await desk.client.owner.events(suspicious=call.suspicious)
    )
