"""This account: how it shows itself, its password and phrase, and its session here."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alcove.client import UsageError
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers
from alcove.desk.paths import path_of

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

SERVER_KEY_DIGITS: Final = 12


class GetMe(Call[shown.Me], frozen=True, kw_only=True):
    """This account, on this device."""


@answers(GetMe)
async def me(desk: "Desk", _: GetMe) -> shown.Me:
    """Return who is here, and how the line stands."""
    client, signed_in = desk.client, desk.client.line.signed_in
    return shown.Me(
        person=values.person(client.person_of(client.account)),
        server=client.server,
        profile=client.profile,
        is_host=client.is_host,
        since=desk.opened_at,
        must_save_phrase=client.owner.must_save_phrase,
        picture=client.person_of(client.account).picture,
        waiting=client.waiting,
        server_key=client.who.server.hex()[:SERVER_KEY_DIGITS],
        lock_after_ms=0 if signed_in is None else signed_in.lock_after_ms,
        connection=values.connection(client, desk.now()),
    )


class ShowMe(Call[None], frozen=True, kw_only=True):
    """Show me so to those who share a room with me."""

    name: str = ""
    status: str = ""
    picture: str | None = None
    """The path of a picture on this machine, which is made small; empty for none any more."""


@answers(ShowMe)
async def show_me(desk: "Desk", call: ShowMe) -> None:
    """Tell them."""
    path = None if not call.picture else await asyncio.to_thread(_picture, call.picture)
    await desk.client.owner.show_me(
        name=call.name, status=call.status, picture=b"" if call.picture == "" else path
    )


def _picture(name: str) -> Path:
    path = path_of(name)
    if not path.is_file():
        raise UsageError(f"There is no picture {path}: look at its name and its folder.")
    return path


class AmISeen(Call[bool], frozen=True, kw_only=True):
    """Whether others are shown that I am online."""


@answers(AmISeen)
async def am_i_seen(desk: "Desk", _: AmISeen) -> bool:
    """Look whether the directory has me."""
    return any(one.person.is_me for one in await desk.client.who_is_online())


class SetVisibility(Call[None], frozen=True, kw_only=True):
    """Choose what others may see of me; None leaves a choice as it is."""

    online: bool | None = None
    seen: bool | None = None
    findable: bool | None = None


@answers(SetVisibility)
async def set_visibility(desk: "Desk", call: SetVisibility) -> None:
    """Let it be so."""
    await desk.client.owner.set_visibility(
        online=call.online, seen=call.seen, findable=call.findable
    )


class SeePhrase(Call[str], frozen=True, kw_only=True):
    """The words that open the account when the password is forgotten."""

    password: str
    code: str | None = None


@answers(SeePhrase)
async def see_phrase(desk: "Desk", call: SeePhrase) -> str:
    """Return them."""
    return await desk.client.owner.recovery_phrase(call.password, code=call.code)


class PhraseSaved(Call[None], frozen=True, kw_only=True):
    """I have written the words down."""


@answers(PhraseSaved)
async def phrase_saved(desk: "Desk", _: PhraseSaved) -> None:
    """Forget them here."""
    await desk.client.owner.phrase_saved()


class ChangePassword(Call[None], frozen=True, kw_only=True):
    """Take another password."""

    password: str
    new: str
    phrase: str = ""
    code: str | None = None


@answers(ChangePassword)
async def change_password(desk: "Desk", call: ChangePassword) -> None:
    """Take it."""
    await desk.client.owner.change_password(
        call.password, call.new, phrase=call.phrase, code=call.code
    )


class MakeInvite(Call[str], frozen=True, kw_only=True):
    """A link by which people can register on this server."""

    uses: int = 1
    days: int = 7


@answers(MakeInvite)
async def make_invite(desk: "Desk", call: MakeInvite) -> str:
    """Make it."""
    return await desk.client.owner.invite(uses=call.uses, days=call.days)
