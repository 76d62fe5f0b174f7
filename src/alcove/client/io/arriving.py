"""Coming to a server over a line: registering, signing in, coming back, each in one call.

What the steps of `entering` decide is said here, and said again with the same bytes as long as the
line breaks before the answer.  A program that was killed in between calls `finish` at its next
start.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from alcove.client import entering, pairing
from alcove.client.account import Locks, Opener, open_request
from alcove.client.errors import OfflineError, RefusedError, UsageError
from alcove.client.io.device import Device
from alcove.client.io.vault import stretch
from alcove.client.keys.lock import PHRASE_BYTES, salt_of
from alcove.client.keys.phrase import read_phrase, write_phrase
from alcove.client.keys.strength import strength
from alcove.client.store.database import Database
from alcove.wire.accounts import GetSalt, Lock, OpenedBox, OpenReset, Register, Reset
from alcove.wire.base import Reply, Request
from alcove.wire.devices import PutList
from alcove.wire.errors import Code, Refusal

TRIES_MAX: Final = 4
"""So often the same request is sent when the line breaks before its answer,"""
PATIENCE_S: Final = 30.0
"""and so long each try waits for a line."""
BUSY: Final = "Another device of this account is signing in at this moment: try again."
PAIRING_S: Final = 4.0
"""How often a new device looks whether its code was scanned: what the server takes for ever."""
PAUSE_MS_MAX: Final = 5_000
"""A pause that the server wants is waited for, if it is shorter than this."""
NAME_RULE: Final = (
    "A name has 3 to 30 letters of English, digits, dots, hyphens and underscores: choose one such"
    " as ada or j.smith."
)


# ---- Passwords and phrases ----


async def salt_for(device: Device, name: str) -> bytes:
    """Return the salt with which a name's password is stretched."""
    if not is_name(name):
        raise UsageError(NAME_RULE)
    greeting = await device.greeted(PATIENCE_S)
    answer = await device.ask(GetSalt(name=name))
    return salt_of(greeting.server, name, answer.salt)


def is_name(name: str) -> bool:
    """Say whether an account may have a name."""
    return 3 <= len(name) <= 30 and all(
        sign.isascii() and (sign.isalnum() or sign in "._-") for sign in name
    )


async def locks_of(salt: bytes, name: str, password: str, phrase: bytes) -> Locks:
    """Return both ways into an account, stretched; a password that may not be is refused."""
    judged = strength(password, name)
    if not judged.is_allowed:
        raise UsageError(judged.warning)
    return Locks(await stretch(password, salt), await stretch(phrase, salt), judged.opens_the_box)


async def opener_of(salt: bytes, lock: Lock, typed: str, code: str | None) -> Opener:
    """Return what the owner has typed, stretched."""
    secret: str | bytes = typed if lock == "password" else read_phrase(typed)
    return Opener(lock, await stretch(secret, salt), code)


def lock_of(typed: str) -> Lock:
    """Guess whether somebody has typed a recovery phrase or a password."""
    try:
        read_phrase(typed)
    except UsageError:
        return "password"
    return "phrase"


# ---- Coming ----


async def register(
    device: Device, name: str, password: str, *, invite: str | None, server_password: str | None
) -> str:
    """Make an account with this device, sign in, and return the recovery phrase."""
    salt = await salt_for(device, name)
    phrase = os.urandom(PHRASE_BYTES)
    coming = entering.Coming(
        name=name,
        server=(await device.greeted()).server,
        locks=await locks_of(salt, name, password, phrase),
        phrase=phrase,
        invite=invite,
        server_password=server_password,
    )
    await _come(device, device.do(entering.begin_registering, coming))
    return write_phrase(phrase)


async def reset(device: Device, secret: str, name: str, password: str) -> str:
    """Come back to an account by a link of the host, and return its new recovery phrase."""
    salt = await salt_for(device, name)
    phrase = os.urandom(PHRASE_BYTES)
    coming = entering.Coming(
        name=name,
        server=(await device.greeted()).server,
        locks=await locks_of(salt, name, password, phrase),
        phrase=phrase,
    )
    for _ in range(TRIES_MAX):
        opened = await patiently(lambda: device.ask(OpenReset(secret=secret, name=name)))
        request = device.do(entering.begin_reset, coming, secret, opened)
        try:
            await _come(device, request)
        except RefusedError as error:
            if error.code != Code.STALE_LIST:
                raise
        else:
            return write_phrase(phrase)
    raise UsageError(BUSY)


async def sign_in(device: Device, name: str, typed: str, code: str | None) -> None:
    """Make this the next device of an account, by its password or its recovery phrase."""
    salt = await salt_for(device, name)
    opener = await opener_of(salt, lock_of(typed), typed, code)
    server = (await device.greeted()).server
    for _ in range(TRIES_MAX):
        opened = await opened_box(device, name, opener)
        request = device.do(entering.begin_entering, opened, opener.stretched, server)
        try:
            if request is None:
                await device.sign_in(PATIENCE_S)
            else:
                await _come(device, request)
        except RefusedError as error:
            if error.code != Code.STALE_LIST:
                raise
        else:
            return
    raise UsageError(BUSY)


async def pair(device: Device, db: Database, show: Callable[[str], object]) -> None:
    """Show a code, and wait until an installed device has certified this one by it."""
    server = (await device.greeted(PATIENCE_S)).server
    show(device.do(pairing.offer, server))
    while pairing.waits(db):
        if device.do(pairing.has_ended):
            raise UsageError(pairing.ENDED)
        try:
            await device.sign_in(PATIENCE_S)
        except OfflineError:
            pass
        except RefusedError as error:
            if error.code != Code.REVOKED:  # Until it is certified it is on nobody's list.
                raise
        await asyncio.sleep(PAIRING_S)
    if db.one("SELECT 1 FROM me WHERE state = 'in'") is None:
        raise UsageError(pairing.FALSE)


async def opened_box(device: Device, name: str, opener: Opener) -> OpenedBox:
    """Return an account's box."""
    opened: OpenedBox = await after_pause(lambda: device.ask(open_request(name, opener)))
    return opened


async def after_pause(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask, and once more after the short pause that follows a wrong guess."""
    try:
        return await ask()
    except RefusedError as error:
        pause_ms = error.retry_after_ms or PAUSE_MS_MAX
        if error.code != Code.TOO_SOON or pause_ms >= PAUSE_MS_MAX:
            raise
        await asyncio.sleep(pause_ms / 1000)
        return await ask()


async def finish(device: Device, db: Database) -> bool:
    """Go on with a coming that was cut short; False when there was none."""
    request = entering.waiting(db)
    if request is None:
        return False
    await _come(device, request)
    return True


async def _come(device: Device, request: Register | Reset | PutList) -> None:
    """Say the request until it is answered, and sign in."""
    taken = entering.entered if isinstance(request, PutList) else entering.registered
    answer = await patiently(lambda: answer_to(device, request))
    device.do(taken, answer)
    if isinstance(answer, Refusal):
        raise RefusedError(answer.code, answer.why, answer.retry_after_ms)
    await device.sign_in(PATIENCE_S)


async def answer_to(device: Device, request: Request) -> Reply | Refusal:
    """Return what the server answers, a refusal too."""
    try:
        reply: Reply = await device.ask(request)
    except RefusedError as error:
        return Refusal(0, Code(error.code), str(error), error.retry_after_ms)
    return reply


async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again when the line breaks before the answer: for what may be asked again."""
    for tries in range(TRIES_MAX):
        try:
            return await ask()
        except OfflineError:
            if tries + 1 == TRIES_MAX:
                raise
    raise AssertionError  # pragma: no cover
