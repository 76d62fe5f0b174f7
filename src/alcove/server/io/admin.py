"""The host's own door: a socket in the data folder that only the server's user can open.

alcove admin … ──► admin.sock ──► answer ──► the running server's writer
             └───────────────────► answer ──► the store itself, when no server runs
"""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
from aiohttp import web

from alcove.server import admin, audit_log, policy
from alcove.server.admin import TABLE, Changed, Ground
from alcove.server.admin_messages import (
    Answer,
    Backup,
    Checked,
    CheckLog,
    ClearLog,
    Done,
    Link,
    PageLink,
    Report,
    Request,
    Saved,
    Stats,
    Tell,
)
from alcove.server.auth import make_server_keys
from alcove.server.batch import Chore, Reader, Writer
from alcove.server.caller import Caller
from alcove.server.handlers.invites import address_of
from alcove.server.io.backup import BackupError, make_backup
from alcove.server.io.certificate import known_fingerprint
from alcove.server.io.places import Places, connect, places_of
from alcove.server.io.storage import opened_storage
from alcove.server.io.works import now_ms
from alcove.server.keeping import EVENTS
from alcove.server.pages import Status
from alcove.server.settings import Settings
from alcove.server.store.database import Database, DatabaseRefused, StorageError
from alcove.server.store.opening import SECRET
from alcove.server.tx import Tx, World
from alcove.wire.errors import SENTENCES, Code, Refused

try:
    import pwd
except ImportError:  # pragma: no cover - Windows has no such list of users.
    pwd = None  # type: ignore[assignment]

SOCKET_NAME: Final = "admin.sock"
SOCKET_PATH_MAX: Final = 100
"""Longer paths than about this one no system takes for a socket."""
ROUTE: Final = "/admin"

T = TypeVar("T")

_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode


class Hands(Protocol):
    """Who carries functions out on the database."""

    async def do(self, function: Callable[[Tx], T], caller: Caller) -> T:
        """Carry out a function that may write."""
        ...

    async def look(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that only reads finds."""
        ...

    async def count(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that reads much finds, while others are served."""
        ...


@dataclass(frozen=True)
class Desk:
    """Everything that the host's requests need."""

    hands: Hands
    ground: Ground
    database: Database
    places: Places
    software: str
    settings: Callable[[], Settings]
    """What counts now."""
    apply: Callable[[Settings], None]
    """Let other settings count."""
    status: Callable[[], Status | None]
    """The figures of the running server."""


# ---- Carrying out ----


async def answer(desk: Desk, request: Any, caller: Caller) -> Any:
    """Carry out one request and return its answer; raise `Refused` with a sentence for the host."""
    act = TABLE.get(type(request))
    if act is not None:

        def function(tx: Tx) -> Any:
            return act.function(tx, desk.ground, request)

        if not act.writes:
            return await desk.hands.look(function)
        reply = await desk.hands.do(function, caller)
        if isinstance(reply, Changed):
            desk.apply(reply.settings)
            return reply.reply
        return reply
    return await SPECIAL[type(request)](desk, request, caller)


async def _stats(desk: Desk, _: Stats, __: Caller) -> Report:
    totals = await desk.hands.count(admin.totals)
    return Report(desk.status(), address_of(desk.settings()), totals)


async def _page(desk: Desk, _: PageLink, caller: Caller) -> Link:
    if desk.status() is None:
        why = "The admin page comes from a running server: start it first, with `alcove serve`."
        raise Refused(Code.NOT_ALLOWED, why)
    return await desk.hands.do(admin.page, caller)


async def _tell(desk: Desk, request: Tell, caller: Caller) -> Done:
    if desk.status() is None:
        why = "Nobody is connected, because the server does not run: start it with `alcove serve`."
        raise Refused(Code.NOT_ALLOWED, why)
    return await desk.hands.do(lambda tx: admin.tell(tx, request), caller)


async def _check_log(desk: Desk, _: CheckLog, __: Caller) -> Checked:
    walk = await desk.hands.look(audit_log.begin_walk)
    while not walk.is_over:
        walk = await desk.hands.look(_walking(walk))
        await asyncio.sleep(0)  # Requests come between the pages.
    return Checked(not walk.problem, walk.count, walk.erased, walk.problem)


def _walking(walk: audit_log.Walk) -> Callable[[Tx], audit_log.Walk]:
    return lambda tx: audit_log.walk(tx, walk)


async def _clear_log(desk: Desk, _: ClearLog, caller: Caller) -> Done:
    until = await desk.hands.do(audit_log.announce_clearing, caller)
    count = 0
    while dropped := await desk.hands.do(
        lambda tx: audit_log.drop_events(tx, until, EVENTS), caller
    ):
        count += dropped
    return Done(f"{count} events are gone.  One was added, which says who did this and when.")


async def _backup(desk: Desk, request: Backup, caller: Caller) -> Saved:
    try:
        saved = await asyncio.to_thread(_save, desk, Path(request.file))
    except BackupError as error:
        raise Refused(Code.STORAGE, str(error)) from error
    await desk.hands.do(lambda tx: tx.audit("backup_created", None), caller)
    return saved


def _save(desk: Desk, target: Path) -> Saved:
    places = desk.places
    manifest = make_backup(
        desk.database, places.blobs, target, now_ms(), desk.software, data=places.data
    )
    return Saved(
        str(target),
        target.stat().st_size,
        len(manifest.tables),
        sum(table.lines for table in manifest.tables.values()),
        manifest.blobs.count if manifest.blobs else 0,
    )


SPECIAL: Final[dict[type, Callable[[Desk, Any, Caller], Awaitable[Any]]]] = {
    Stats: _stats,
    PageLink: _page,
    CheckLog: _check_log,
    ClearLog: _clear_log,
    Tell: _tell,
    Backup: _backup,
}
"""What takes several transactions, or needs more than the database."""


# ---- The socket ----


class AdminDoor:
    """Answers on the socket in the data folder."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.app = web.Application()
        self.app.router.add_post(ROUTE, self.serve)

    async def serve(self, request: web.Request) -> web.Response:
        """Carry out one request of `alcove admin`."""
        try:
            asked = _decode(await request.read())
            made = Answer(msgspec.Raw(_encode(await answer(self._desk, asked, _caller(request)))))
        except Refused as refused:
            made = Answer(error=refused.why)
        except StorageError:
            made = Answer(error=SENTENCES[Code.STORAGE])
        except msgspec.DecodeError:
            made = Answer(error="The server does not know this command: is it of another version?")
        return web.Response(body=_encode(made), content_type="application/json")


def _caller(request: web.Request) -> Caller:
    """Return who asks: the user of this machine at the other end of the socket."""
    user = os.getuid()
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is not None and sys.platform == "linux":
        size = struct.calcsize("3i")
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        _, user, _ = struct.unpack("3i", credentials)
    return caller_of(user)  # Elsewhere it is not told, but nobody else can open the folder.


def caller_of(user: int) -> Caller:
    """Return a user of this machine as one who asks."""
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    return Caller(address=f"unix:{name}", door="admin")


# ---- Without a server ----


class _Alone:
    """Carries functions out one by one, on a database that nobody else uses."""

    def __init__(self, database: Database, world: World) -> None:
        self._world = world
        self._connection = database.writer()
        self._reading = database.reader()
        self._writer = Writer(self._connection, world)
        self._reader = Reader(self._reading, world)

    async def do(self, function: Callable[[Tx], T], caller: Caller) -> T:
        """Carry out a function that may write."""
        outcome = self._writer.run([Chore(function, caller)], now_ms())[0]
        if self._writer.unexpected:
            raise self._writer.unexpected[0]
        if isinstance(outcome.result, Refused):
            raise outcome.result
        result: T = outcome.result
        return result

    async def look(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that only reads finds."""
        return self._reader.look(function, now_ms())

    async def count(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that reads much finds: nobody else is to be served here."""
        return await self.look(function)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        self._reading.close()


def known_key(settings: Settings) -> bytes | None:
    """Return the public key of the server whose store this is; None where there is none.

    It only reads, so a server may be running.
    """
    try:
        places = places_of(settings)
        if not settings.database_url and not places.database.exists():
            return None
        database = connect(settings, places)
        try:
            reader = database.reader()
            try:
                line = reader.one("SELECT value FROM server WHERE name = ?", SECRET)
            finally:
                reader.close()
        finally:
            database.close()
    except (OSError, StorageError, DatabaseRefused):
        return None
    return make_server_keys(bytes(line[0])).public if line else None


@contextmanager
def desk_alone(
    settings: Settings, software: str, origins: Mapping[str, str] | None = None
) -> Iterator[Desk]:
    """Give a desk on the store itself, which is held against any server until the end.

    `origins` tell where each setting that is no default was set.
    Raises `DatabaseRefused` when a server runs, or when the database is not to be used.
    """
    with opened_storage(settings, now_ms(), os.urandom, software) as storage:
        keys = make_server_keys(storage.secret)
        world = World(settings, keys, os.urandom, storage.incarnation)
        world.certificate = known_fingerprint(storage.places.data, settings)
        alone = _Alone(storage.database, world)
        try:

            def apply(changed: Settings) -> None:
                world.settings = changed

            texts = asyncio.run(alone.look(policy.changes))
            apply(policy.still_fitting(settings, texts)[0])
            yield Desk(
                hands=alone,
                ground=Ground(settings, origins or {}),
                database=storage.database,
                places=storage.places,
                software=software,
                settings=lambda: world.settings,
                apply=apply,
                status=lambda: None,
            )
        finally:
            alone.close()
