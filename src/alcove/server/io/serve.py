"""A server's life: everything is checked, then it serves, then it stops and loses nothing.

    folder, lock ─► database ─► port ─► TLS ─► listeners ─► ready
    ready ─► a signal ─► no new requests ─► answers ─► goodbyes ─► counts written ─► closed

What keeps it from starting is one sentence with its cure.  A second signal ends it at once, which
is no harm: what was answered is on the disk.
"""

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from alcove.server import policy
from alcove.server.admin import Ground, totals
from alcove.server.handlers.invites import address_of, owner_link
from alcove.server.io.admin import SOCKET_NAME, SOCKET_PATH_MAX, AdminDoor, Desk
from alcove.server.io.app import SOFTWARE, House, build
from alcove.server.io.certificate import Certificate, own_certificate, tls_context, today
from alcove.server.io.gate import GatedRunner, GatedSite
from alcove.server.io.keeping import Keeper
from alcove.server.io.logs import begin_logging, end_logging, places, watch_loop
from alcove.server.io.machine import (
    SPARE_FILES,
    CannotStart,
    Listener,
    listen_at,
    loop_factory,
    own_address,
    raise_file_limit,
)
from alcove.server.io.reload import changed_code, checkout, snapshot
from alcove.server.io.space import Surveyor
from alcove.server.io.storage import Storage, opened_storage
from alcove.server.io.works import now_ms
from alcove.server.settings import Settings, SettingsError
from alcove.server.settings_together import check_exposure, exposure, has_tls
from alcove.server.store.database import DatabaseRefused, StorageError
from alcove.server.store.migrations import known
from alcove.server.tx import Tx
from alcove.wire.errors import Refused

ENCRYPTION: Final = (
    "MLS (RFC 9420), MLKEM768-X25519 + AES-256-GCM + SHA-384 + Ed25519;"
    " sealed on the members' devices"
)
SWITCH_S: Final = 0.0005
"""How long the loop keeps the interpreter when the writer comes back from the disk."""
GC_THRESHOLDS: Final = (20_000, 50, 100)
"""A batch makes thousands of things and drops them: looking for cycles in it every 700 of them
cost an eighth of the time."""
AGAIN_S: Final = 1.0
"""After this a task that failed is started again."""
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - These are looked for, not listened on.
STATUS_HOST: Final = "127.0.0.1"

_log = logging.getLogger("alcove.server")


class Voice(Protocol):
    """Who tells the host what is going on."""

    def check(self, name: str, text: str) -> None:
        """Tell what was found out about one thing, and that it is fine."""
        ...

    def notice(self, text: str) -> None:
        """Tell something that the host should know."""
        ...

    def started(self, lines: list[tuple[str, str]]) -> None:
        """Tell that the server serves, and where."""
        ...

    def stopping(self) -> None:
        """Tell that a stop was asked for."""
        ...

    def stopped(self) -> None:
        """Tell that everything is closed."""
        ...

    def owner_link(self, link: str | None) -> None:
        """Show the owner link; or say how to get it, where others may read along."""
        ...


@dataclass(frozen=True)
class Start:
    """How a server is to be started."""

    settings: Settings
    sources: tuple[str, ...]
    notices: tuple[str, ...]
    voice: Voice
    shows_link: bool
    """Whether the owner link may be shown: nobody reads along, and nothing keeps it."""
    verbose: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that is no default was set."""


def run(start: Start) -> bool:
    """Run a server until it is stopped; return whether it is to be started again.

    Raises `CannotStart` with a sentence for the host.
    """
    settings, voice = start.settings, start.voice
    os.umask(0o077)
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        warnings = [notice.text for notice in check_exposure(settings)]
        voice.check("config", ", ".join(start.sources) or "nothing is set, all defaults")
        for text in (*start.notices, *warnings):
            voice.notice(text)
        _check_files(settings, voice)
        with opened_storage(settings, now_ms(), os.urandom, SOFTWARE) as storage:
            _begin_logging(start)
            try:
                return _run(start, storage)
            finally:
                end_logging()
    except (DatabaseRefused, SettingsError) as error:
        raise CannotStart(str(error)) from error
    except StorageError as error:
        raise CannotStart(f"The database failed: {error}.") from error


def _begin_logging(start: Start) -> None:
    try:
        begin_logging(start.settings, sys.stderr, verbose=start.verbose)
    except OSError as error:
        raise CannotStart(
            f"The log file {error.filename} cannot be written: {error.strerror}."
        ) from error


def _check_files(settings: Settings, voice: Voice) -> None:
    files = raise_file_limit(settings.max_clients)
    if files is not None and files < settings.max_clients + SPARE_FILES:
        most = max(0, files - SPARE_FILES)
        voice.notice(
            f"The system lets this process have {files} files open, which is enough for about"
            f" {most} connections: raise that limit (ulimit -n), or lower max_clients."
        )


def _run(start: Start, storage: Storage) -> bool:
    listener = listen_at(start.settings.host, start.settings.port)
    try:
        settings = _reachable(start.settings, listener.port, start.voice)
        certificate = _certificate(settings, storage.places.data)
        context = _context(certificate)
        _, factory = loop_factory()
        with asyncio.Runner(loop_factory=factory) as runner:
            server = _Server(start, settings, storage, listener, certificate, context)
            return runner.run(server.live())
    finally:
        for one in listener.sockets:
            one.close()


def _reachable(settings: Settings, port: int, voice: Voice) -> Settings:
    """Return the settings with the port that it is, and an address that others can use."""
    settings = msgspec.structs.replace(settings, port=port)
    if settings.public_url:
        return settings
    if settings.host in EVERYWHERE:
        scheme = "https" if has_tls(settings) else "http"
        url = f"{scheme}://{own_address()}:{port}"
        settings = msgspec.structs.replace(settings, public_url=url)
    if settings.behind_proxy or settings.host in EVERYWHERE:
        voice.notice(
            f"public_url is empty, so links begin with {address_of(settings)}: set it to the"
            " address that people use."
        )
    return settings


def _certificate(settings: Settings, data: Path) -> Certificate | None:
    if settings.self_signed:
        host = urlsplit(settings.public_url).hostname or ""
        names = [settings.host, host, "localhost", STATUS_HOST, "::1"]
        fitting = [name for name in dict.fromkeys(names) if name and name not in EVERYWHERE]
        try:
            return own_certificate(data, fitting, today())
        except (OSError, ValueError) as error:
            raise CannotStart(
                f"The certificate in {data / 'tls'} cannot be made or read"
                f" ({type(error).__name__}): look at that folder."
            ) from error
    if settings.tls_cert:
        return Certificate(Path(settings.tls_cert), Path(settings.tls_key), None)
    return None


def _context(certificate: Certificate | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    try:
        return tls_context(certificate)
    except ssl.SSLError:
        raise CannotStart(
            f"{certificate.certificate} and {certificate.key} are not a certificate and its key in"
            " PEM without a password: check tls_cert and tls_key."
        ) from None
    except OSError as error:
        raise CannotStart(
            f"{error.filename or certificate.certificate} cannot be read: {error.strerror}."
        ) from None


@dataclass
class _Server:
    """One run of a server."""

    start: Start
    settings: Settings
    storage: Storage
    listener: Listener
    certificate: Certificate | None
    context: ssl.SSLContext | None
    runners: list[web.AppRunner] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    shows_status: bool = False
    """Whether the status page has its own port."""
    restarts: bool = False

    async def live(self) -> bool:
        """Serve until a signal comes; return whether to start again."""
        loop = asyncio.get_running_loop()
        watch_loop(loop)
        stop = asyncio.Event()
        self._heed_signals(loop, stop)
        code = checkout() if self.settings.debug else None
        before = snapshot(code) if code is not None else {}
        house = self._build()
        keeper = Keeper(house.works, self.storage.places.blobs, lambda: house.settings, now_ms())
        try:
            await self._begin(house)
            self._background("space", self._surveyor(house).run)
            self._background("keeping", keeper.run)
            self._background("figures", house.tick)
            self._background("sockets", house.sockets.tick)
            if code is not None:
                self.tasks.append(loop.create_task(self._reload(code, before, stop)))
            await self._listen(house)
            await self._tell(house)
            await stop.wait()
        finally:
            await self._end(house, keeper)
        return self.restarts

    def _surveyor(self, house: House) -> Surveyor:
        places = self.storage.places
        folders = (places.data, places.database.parent, places.blobs)
        return Surveyor(house.works, house.world.space, folders, lambda: house.settings)

    def _heed_signals(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        def heed() -> None:
            if stop.is_set():
                os._exit(1)  # Asked twice: at once.  What was answered is on the disk.
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows: Ctrl-C cancels the main task instead.
                loop.add_signal_handler(number, heed)

    def _build(self) -> House:
        storage = self.storage
        parts = urlsplit(address_of(self.settings))
        house = build(
            self.settings, storage.database, storage.secret, storage.incarnation, parts.netloc
        )
        house.world.certificate = self.certificate.sha256 if self.certificate else None
        return house

    # ---- Starting ----

    async def _begin(self, house: House) -> None:
        """Let the host's changes count, and say what was found."""
        voice, storage = self.start.voice, self.storage
        texts = await house.works.look(policy.changes)
        settings, ignored = policy.still_fitting(self.settings, texts)
        house.apply(settings)
        for sentence in ignored:
            voice.notice(sentence)
        counted = await house.works.look(totals)
        where = "" if storage.database.kind != "SQLite" else f" in {storage.places.database}"
        voice.check(
            "database",
            f"{storage.database.kind}{where}: {counted.accounts} accounts, {counted.rooms} rooms",
        )
        voice.check("schema", self._schema())
        voice.check("keys", f"server key {house.world.keys.public.hex()[:16]}…")
        voice.check("encryption", ENCRYPTION)
        voice.check("transport", self._transport())
        changed = [name for name in texts if name in policy.CHANGEABLE]
        if changed:
            voice.check("policy", f"changed by alcove admin policy: {', '.join(changed)}")
        try:
            await house.works.do(_auditing("server_started"))
        except Refused as refused:  # A full disk, say: what is there can still be read.
            voice.notice(refused.why)

    def _schema(self) -> str:
        upgraded, newest = self.storage.upgraded, len(known())
        if not upgraded.steps:
            return f"version {newest}, up to date"
        if upgraded.backup is None:
            return f"version {newest}, made"
        return f"version {newest}, brought up to date; before, a backup: {upgraded.backup}"

    def _transport(self) -> str:
        if self.certificate is not None and self.certificate.sha256 is not None:
            return f"TLS 1.3, own certificate, SHA-256 {self.certificate.sha256.hex()}"
        if self.certificate is not None:
            return f"TLS 1.3, certificate {self.certificate.certificate}"
        if self.settings.behind_proxy:
            return "plain; the proxy in front does TLS"
        is_alone = exposure(self.settings) == "loopback"
        return f"plain; {'only this machine gets in' if is_alone else 'others may read along'}"

    async def _listen(self, house: House) -> None:
        main = GatedRunner(house.app, house.gate)
        await main.setup()
        self.runners.append(main)
        for one in self.listener.sockets:
            await GatedSite(main, one, self.context).start()
        await self._listen_for_status(house)
        await self._listen_for_admin(house)

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=self.settings.drain_timeout_s,
        )
        await runner.setup()
        self.runners.append(runner)
        return runner

    async def _listen_for_status(self, house: House) -> None:
        """Serve the status page on its own port, if that is free."""
        port = self.settings.status_port
        if not port:
            return
        runner = await self._runner(house.status_app)
        try:
            await web.TCPSite(runner, STATUS_HOST, port).start()
            self.shows_status = True
        except OSError:
            self.start.voice.notice(
                f"Another program has port {port}, so the status page is only at"
                f" {address_of(self.settings)}/status: --status-port moves it, 0 turns this off."
            )

    async def _listen_for_admin(self, house: House) -> None:
        """Answer `alcove admin` on a socket in the data folder."""
        path = self.storage.places.data / SOCKET_NAME
        if len(bytes(path)) > SOCKET_PATH_MAX:
            self.start.voice.notice(
                f"{path} is too long a path for a socket, so alcove admin works only while the"
                " server does not run: choose a data folder with a shorter path."
            )
            return
        desk = Desk(
            hands=house.works,
            ground=Ground(self.settings, self.start.origins),
            database=self.storage.database,
            places=self.storage.places,
            software=SOFTWARE,
            settings=lambda: house.settings,
            apply=house.apply,
            status=house.figures.status,
        )
        runner = await self._runner(AdminDoor(desk).app)
        try:
            path.unlink(missing_ok=True)  # A server that was killed leaves it behind.
            await web.UnixSite(runner, str(path)).start()
        except OSError as error:  # Some shared folders hold no sockets.
            self.start.voice.notice(
                f"{path} cannot be made ({error.strerror}), so alcove admin works only while the"
                " server does not run: choose a data folder on a disk of this machine."
            )

    async def _tell(self, house: House) -> None:
        """Say that it serves, where, and how somebody becomes the host."""
        voice = self.start.voice
        gc.freeze()  # What there is by now stays: nobody need look at it again.
        voice.check("ready", f"{loop_factory()[0]}, up to {house.settings.max_clients} connections")
        lines = [("Server address", address_of(self.settings))]
        if self.shows_status:
            lines.append(("Status", f"http://{STATUS_HOST}:{self.settings.status_port}/status"))
        voice.started(lines)
        _log.info("serving at %s", address_of(self.settings))
        if await house.works.look(_has_host):
            return
        link = None
        if self.start.shows_link:
            with suppress(Refused):
                link = await house.works.do(lambda tx: owner_link(tx, tx.now, tx.certificate))
        voice.owner_link(link)

    # ---- While it serves ----

    def _background(self, name: str, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(_again(name, function)))

    async def _reload(self, code: Path, before: dict[Path, int], stop: asyncio.Event) -> None:
        await changed_code(code, before)
        _log.info("the code has changed: starting again")
        self.restarts = True
        stop.set()

    # ---- Stopping ----

    async def _end(self, house: House, keeper: Keeper) -> None:
        """Answer what was asked, say goodbye, and close everything."""
        _log.info("stopping")
        with suppress(OSError):  # Whoever listened may have gone, and the stop goes on.
            self.start.voice.stopping()
        until = asyncio.get_running_loop().time() + self.settings.drain_timeout_s
        house.door.is_stopping = True
        try:
            await self._say_goodbye(house, until)
            with suppress(Refused):
                await keeper.finish()
                await house.works.do(_auditing("server_stopped"))
        finally:
            await house.works.stop()  # Whatever happens: its threads would go on for ever.
        _log.info("stopped")
        with suppress(OSError):
            self.start.voice.stopped()

    async def _say_goodbye(self, house: House, until: float) -> None:
        """Take nothing new, let what was begun end, and close all connections."""
        loop = asyncio.get_running_loop()
        for runner in self.runners:
            for site in list(runner.sites):
                await site.stop()
        while house.works.is_busy and loop.time() < until:  # noqa: ASYNC110 - Seldom, and short.
            await asyncio.sleep(0.01)
        await house.sockets.stop(max(0.0, until - loop.time()))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for runner in self.runners:
            await runner.cleanup()
        with suppress(OSError):
            (self.storage.places.data / SOCKET_NAME).unlink(missing_ok=True)


async def _again(name: str, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run something that never ends; when it fails, say so and run it again."""
    while True:
        try:
            await function()
        except Exception as error:  # noqa: BLE001 - Whatever it is, the server goes on.
            kind, where = type(error).__name__, places(error.__traceback__)
            _log.error("unexpected %s in %s at %s", kind, name, where)
            await asyncio.sleep(AGAIN_S)


def _auditing(kind: str) -> Callable[[Tx], None]:
    return lambda tx: tx.audit(kind, None, software=SOFTWARE)


def _has_host(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM account WHERE is_host = 1") is not None
