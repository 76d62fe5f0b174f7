"""The door: accounts of this machine, and coming to a server."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from alcove import client as sdk
from alcove.client import ClientError, RefusedError
from alcove.desk import shown
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

LINE_S = 30.0


def _profiles(desk: "Desk") -> "sdk.Profiles":
    return sdk.Profiles(desk.home or sdk.home_folder(os.environ, sys.platform))


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
            asks_passphrase=sdk.kept_by(one.folder) == "passphrase" and not _has_file(),
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
    found = await sdk.look_at(call.server)
    return shown.Server(**{name: getattr(found, name) for name in found.__struct_fields__})


class NewPassword(Call[str], frozen=True, kw_only=True):
    """A password of five words, which is strong enough for everything."""


@answers(NewPassword)
async def make_password(desk: "Desk", _: NewPassword) -> str:
    """Make one."""
    del desk
    return sdk.new_password(os.urandom(sdk.PASSWORD_ENTROPY_BYTES))


class Judge(Call[shown.Strength], frozen=True, kw_only=True):
    """How good a password is that somebody types."""

    password: str
    name: str


@answers(Judge)
async def judge(desk: "Desk", call: Judge) -> shown.Strength:
    """Judge it; that takes a moment."""
    del desk
    found = await asyncio.to_thread(sdk.strength, call.password, call.name)
    return shown.Strength(
        guesses_log2=found.guesses_log2,
        is_allowed=found.is_allowed,
        opens_the_box=found.opens_the_box,
        warning=found.warning,
    )


class JudgePassphrase(Call[shown.Held], frozen=True, kw_only=True):
    """How hard it is to guess what shall keep the key of this machine's copy of an account."""

    passphrase: str
    name: str


@answers(JudgePassphrase)
async def judge_passphrase(desk: "Desk", call: JudgePassphrase) -> shown.Held:
    """Judge it; that takes a moment."""
    del desk
    found = await asyncio.to_thread(sdk.passphrase_strength, call.passphrase, call.name)
    return shown.Held(guesses_log2=found.guesses_log2, word=found.word, warning=found.warning)


class GetKeeper(Call[str], frozen=True, kw_only=True):
    """What would keep the key of a new account here: file, keyring, or passphrase (to be asked)."""


@answers(GetKeeper)
async def keeper(desk: "Desk", _: GetKeeper) -> str:
    """Look what this machine has."""
    del desk
    if _has_file():
        return "file"
    return "passphrase" if await asyncio.to_thread(sdk.find_keyring) is None else "keyring"


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
    client = sdk.Client.register(
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
    client = sdk.Client.sign_in(
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


async def _come(desk: "Desk", client: "sdk.Client") -> None:
    async with AsyncExitStack() as leaving:
        await client.open()
        leaving.push_async_callback(client.close, 0)
        await client.online(LINE_S)
        leaving.pop_all()  # It is there, and stays.
    await desk.take(client)


class Prepare(Call[None], frozen=True, kw_only=True):
    """Load what opens an account, while somebody looks at the door."""


@answers(Prepare)
async def prepare(desk: "Desk", _: Prepare) -> None:
    """Load it."""
    del desk
    await asyncio.to_thread(getattr, sdk, "Client")


class Open(Call[None], frozen=True, kw_only=True):
    """Open an account of this machine, with or without a line."""

    profile: str
    passphrase: str | None = None
    connects: bool = True
    """Whether a line is looked for at once; else that begins with `Connect`."""


@answers(Open)
async def open_account(desk: "Desk", call: Open) -> None:
    """Open it, with what is known of it here."""
    client = sdk.Client(
        call.profile, passphrase=call.passphrase, home=desk.home, connect=call.connects
    )
    await client.open()
    await desk.take(client)


class Connect(Call[None], frozen=True, kw_only=True):
    """Look for a line from now on: what an account shows of itself is drawn."""


@answers(Connect)
async def connect(desk: "Desk", _: Connect) -> None:
    """Look for it."""
    desk.client.connect()


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
    client = desk.client
    profile = client.opened.profile
    if client.is_online:
        # A server that does not answer, or a message that waits for something else than a line,
        # must not keep anybody from clearing this machine.
        with suppress(ClientError, TimeoutError):
            await client.keys_kept(LINE_S)
            with suppress(ClientError):
                await client.settled(LINE_S)
            await asyncio.wait_for(client.owner.sign_out(), LINE_S)
    await desk.let_go(0)
    keyring: Any = sdk.find_keyring() if sdk.kept_by(profile.folder) == "keyring" else None
    await asyncio.to_thread(_profiles(desk).remove, profile.name, keyring)
