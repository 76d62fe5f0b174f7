"""The door: accounts of this machine, and coming to a server."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from alcove.client import (
    PASSWORD_ENTROPY_BYTES,
    Client,
    Profiles,
    RefusedError,
    find_keyring,
    home_folder,
    kept_by,
    look_at,
    new_password,
    strength,
)
from alcove.desk import shown
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

LINE_S = 30.0


def _profiles(desk: "Desk") -> Profiles:
    return Profiles(desk.home or home_folder(os.environ, sys.platform))


class GetAccounts(Call[tuple[shown.Account, ...]], frozen=True, kw_only=True):
    """The accounts on this machine."""


@answers(GetAccounts)
async def accounts(desk: "Desk", _: GetAccounts) -> tuple[shown.Account, ...]:
    """Return them, the one that is meant by default first."""
    profiles = _profiles(desk)
    default = profiles.default()
    found = [profiles.profile(name) for name in profiles.names()]
    found.sort(key=lambda one: one.name != default)
    return tuple(
        shown.Account(
            profile=one.name,
            name=one.account,
            server=one.server,
            asks_passphrase=kept_by(one.folder) == "passphrase" and not _has_file(),
        )
        for one in found
        if one.account
    )


def _has_file() -> bool:
    return bool(os.environ.get("ALCOVE_PASSPHRASE_FILE"))


class LookAt(Call[shown.Server], frozen=True, kw_only=True):
    """What a server asks of newcomers, by its address or an invite link of it."""

    server: str


@answers(LookAt)
async def look(desk: "Desk", call: LookAt) -> shown.Server:
    """Ask it."""
    del desk
    found = await look_at(call.server)
    return shown.Server(**{name: getattr(found, name) for name in found.__struct_fields__})


class NewPassword(Call[str], frozen=True, kw_only=True):
    """A password of five words, which is strong enough for everything."""


@answers(NewPassword)
async def make_password(desk: "Desk", _: NewPassword) -> str:
    """Make one."""
    del desk
    return new_password(os.urandom(PASSWORD_ENTROPY_BYTES))


class Judge(Call[shown.Strength], frozen=True, kw_only=True):
    """How good a password is that somebody types."""

    password: str
    name: str


@answers(Judge)
async def judge(desk: "Desk", call: Judge) -> shown.Strength:
    """Judge it; that takes a moment."""
    del desk
    found = await asyncio.to_thread(strength, call.password, call.name)
    return shown.Strength(
        guesses_log2=found.guesses_log2,
        is_allowed=found.is_allowed,
        opens_the_box=found.opens_the_box,
        warning=found.warning,
    )


class GetKeeper(Call[str], frozen=True, kw_only=True):
    """What would keep the key of a new account here: file, keyring, or passphrase (to be asked)."""


@answers(GetKeeper)
async def keeper(desk: "Desk", _: GetKeeper) -> str:
    """Look what this machine has."""
    del desk
    if _has_file():
        return "file"
    return "passphrase" if await asyncio.to_thread(find_keyring) is None else "keyring"


# ---- Coming ----


class Register(Call[str], frozen=True, kw_only=True):
    """Make an account; answered with the recovery phrase, once."""

    server: str
    name: str
    password: str
    passphrase: str | None = None
    server_password: str | None = None
    profile: str | None = None


@answers(Register)
async def register(desk: "Desk", call: Register) -> str:
    """Make it, and open it on this desk."""
    client = Client.register(
        call.server, call.name, call.password, where=call.profile, home=desk.home,
        passphrase=call.passphrase, server_password=call.server_password,
    )  # fmt: skip
    await _come(desk, client)
    return client.recovery_phrase


class SignIn(Call[bool], frozen=True, kw_only=True):
    """Make this the next device of an account; false when a code of its app is needed."""

    server: str
    name: str
    password: str
    code: str | None = None
    passphrase: str | None = None
    profile: str | None = None


@answers(SignIn)
async def sign_in(desk: "Desk", call: SignIn) -> bool:
    """Sign in, and open the account on this desk."""
    client = Client.sign_in(
        call.server, call.name, call.password, code=call.code, where=call.profile,
        home=desk.home, passphrase=call.passphrase,
    )  # fmt: skip
    try:
        await _come(desk, client)
    except RefusedError as error:
        if error.code == "code_needed" and call.code is None:
            return False
        raise
    return True


async def _come(desk: "Desk", client: Client) -> None:
    async with AsyncExitStack() as leaving:
        await client.open()
        leaving.push_async_callback(client.close, 0)
        await client.online(LINE_S)
        leaving.pop_all()  # It is there, and stays.
    await desk.take(client)


class Open(Call[None], frozen=True, kw_only=True):
    """Open an account of this machine, with or without a line."""

    profile: str
    passphrase: str | None = None


@answers(Open)
async def open_account(desk: "Desk", call: Open) -> None:
    """Open it; a line is looked for from now on."""
    client = Client(call.profile, passphrase=call.passphrase, home=desk.home)
    await client.open()
    await desk.take(client)


# ---- Going ----


class Lock(Call[None], frozen=True, kw_only=True):
    """Close the account; it stays on this machine."""


@answers(Lock)
async def lock(desk: "Desk", _: Lock) -> None:
    """Close it."""
    await desk.let_go()


class LogOut(Call[None], frozen=True, kw_only=True):
    """End the session, and erase everything of the account from this machine."""


@answers(LogOut)
async def log_out(desk: "Desk", _: LogOut) -> None:
    """Say goodbye to the server if it is there, and erase what is here."""
    profile = desk.client.opened.profile
    if desk.client.is_online:
        await desk.client.settled(LINE_S)
        await desk.client.owner.sign_out()
    await desk.let_go()
    keyring: Any = find_keyring() if kept_by(profile.folder) == "keyring" else None
    await asyncio.to_thread(_profiles(desk).remove, profile.name, keyring)
