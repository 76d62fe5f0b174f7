"""The client, as a program uses it: one account on one server, on this machine.

    async with Client("work") as me:
        room = await me.direct("@bob")
        await room.send("hello")
        async for event in me.events():
            …

What is looked up here answers at once; what may wait for the server is awaited.  What is said is
stored before anything else happens, so it also works without a line.
"""

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from alcove.client import archive
from alcove.client.engine import PASSING, Engine
from alcove.client.errors import ClientError, OfflineError, RefusedError, UsageError
from alcove.client.invitations import is_link, read_invitation
from alcove.client.io import arriving
from alcove.client.io.around import Around
from alcove.client.io.blocking import Blocking
from alcove.client.io.carrying import Carrier
from alcove.client.io.config import parse_address
from alcove.client.io.device import Device as Line
from alcove.client.io.listening import Listening
from alcove.client.io.logbook import log_event
from alcove.client.io.news import News, news_of
from alcove.client.io.opening import (
    ALONE,
    Opened,
    Passphrase,
    Where,
    find,
    is_empty_profile,
    make_profile,
    open_profile,
    profiles_of,
    remove_profile,
)
from alcove.client.io.owner import Owner
from alcove.client.io.place import Place
from alcove.client.store.database import Database
from alcove.client.tx import Me, Tx
from alcove.wire.base import Request

P = ParamSpec("P")
T = TypeVar("T")

BEGIN_S: Final = 20.0
"""How long a question waits for a line that is only beginning."""
LOOK_S: Final = 0.1
"""A condition that is waited for is looked at this often."""
CLOSE_S: Final = 10.0
"""How long `close` waits for what was said to reach the server, if there is a line."""

Arrive = Callable[["Client"], Any]


class Client(Around):
    """One account, alive.  It is opened by `async with`, or by `await`, and then `close`."""

    def __init__(
        self,
        where: Where = None,
        *,
        passphrase: Passphrase = None,
        home: Path | None = None,
        connect: bool = True,
    ) -> None:
        self.client = self
        self._where, self._home, self._passphrase = where, home, passphrase
        self._connects = connect
        self._is_new = False
        self._arrive: Arrive | None = None
        self._server = self._name = self._own_name = ""
        self._account: bytes | None = None
        self._opened: Opened | None = None
        self._line: Line | None = None
        self._listeners: list[Callable[[News], None]] = []
        self._changed = asyncio.Event()
        self.names: dict[bytes, str] = {}
        """What the server has called people whose certificates were not seen yet."""
        self.owner = Owner(self)
        """The account itself: devices, password, recovery phrase, invites."""
        self.files = Carrier(self)
        """Its files on their way."""
        self.answered_ms: int | None = None
        """How long the server has taken for the last question."""
        self.recovery_phrase = ""
        """After `register` and `reset`: the words to write down, which are shown this once."""

    # ---- Coming ----

    @classmethod
    def register(
        cls,
        server: str,
        name: str,
        password: str,
        *,
        where: Where = None,
        passphrase: Passphrase = None,
        home: Path | None = None,
        server_password: str | None = None,
    ) -> Self:
        """Make an account, on a server's address or by a link of it; `await` does it.

        The phrase in `recovery_phrase` opens the account when the password is forgotten.
        """
        client = cls._coming(server, name, where, passphrase, home)
        secret = read_invitation(server).secret if is_link(server) else None

        async def arrive(client: Client) -> None:
            client.recovery_phrase = await arriving.register(
                client.line, name, password, invite=secret, server_password=server_password
            )

        client._arrive = arrive
        return client

    @classmethod
    def sign_in(
        cls,
        server: str,
        name: str,
        password: str,
        *,
        code: str | None = None,
        where: Where = None,
        passphrase: Passphrase = None,
        home: Path | None = None,
    ) -> Self:
        """Make this the next device of an account, by its password or its recovery phrase.

        `code` is of the authenticator app, where the account has one.
        """
        client = cls._coming(server, name, where, passphrase, home)

        async def arrive(client: Client) -> None:
            await arriving.sign_in(client.line, name, password, code)

        client._arrive = arrive
        return client

    @classmethod
    def reset(
        cls,
        link: str,
        name: str,
        password: str,
        *,
        where: Where = None,
        passphrase: Passphrase = None,
        home: Path | None = None,
    ) -> Self:
        """Come back to an account whose password and phrase are lost, by a link of the host.

        All its other devices end, what only they could read is gone, and everybody who knows the
        account is shown that its keys have changed.  `recovery_phrase` has the new words.
        """
        secret = read_invitation(link).secret
        client = cls._coming(link, name, where, passphrase, home)

        async def arrive(client: Client) -> None:
            client.recovery_phrase = await arriving.reset(client.line, secret, name, password)

        client._arrive = arrive
        return client

    @classmethod
    def pair(
        cls,
        server: str,
        show: Callable[[str], object],
        *,
        where: Where = None,
        passphrase: Passphrase = None,
        home: Path | None = None,
    ) -> Self:
        """Make this a device of whoever scans its code on an installed one: `owner.certify`.

        `show` gets the text of a QR code, which is good once and for ten minutes.  Whoever sees it
        could take this device for an account of theirs: show it to nobody else.
        """
        client = cls(where, passphrase=passphrase, home=home)
        client._server = server

        async def arrive(client: Client) -> None:
            await arriving.pair(client.line, client.db, show)

        client._arrive = arrive
        return client

    @classmethod
    def blocking(
        cls, where: Where = None, *, passphrase: Passphrase = None, home: Path | None = None
    ) -> Blocking:
        """Return the same for scripts that do not await: `with Client.blocking() as me:`."""
        return Blocking(lambda: cls(where, passphrase=passphrase, home=home))

    @classmethod
    def _coming(
        cls, server: str, name: str, where: Where, passphrase: Passphrase, home: Path | None
    ) -> Self:
        if not arriving.is_name(name):
            raise UsageError(arriving.NAME_RULE)
        client = cls(where, passphrase=passphrase, home=home)
        client._server, client._name = server, name
        return client

    async def open(self) -> Self:
        """Open the profile, and hold a line to the server from now on; wait for nobody."""
        if self._opened is not None:
            raise UsageError("This client is open already.")
        pinned: bytes | None = None
        if self._arrive is None:
            profiles, profile = find(self._where, self._home)
            opened = await self._meanwhile(open_profile, profiles, profile, self._passphrase)
        else:
            opened, pinned = await self._meanwhile(self._make)
        try:
            await self._start(opened, pinned)
        except BaseException:
            is_empty = self._is_new and is_empty_profile(opened)
            await self.close(patience_s=0)
            if is_empty:  # A wrong password, or no such account: nothing of it stays here.
                await asyncio.to_thread(remove_profile, opened.profiles, opened.profile)
            raise
        return self

    async def _meanwhile(self, function: Callable[..., T], *args: Any) -> T:
        """Compute in a thread, and load meanwhile what the line needs: a command is in a hurry."""
        computing = asyncio.ensure_future(asyncio.to_thread(function, *args))
        await asyncio.sleep(0)  # Now it has begun.
        if self._connects or self._arrive is not None:
            import_module("alcove.client.io.line")
        return await computing

    def _make(self) -> tuple[Opened, bytes | None]:
        """Make the profile of an account that is about to be here."""
        invitation = read_invitation(self._server) if is_link(self._server) else None
        said = parse_address(invitation.address if invitation else self._server)
        address = str(said.by_number)
        certificate = (invitation and invitation.certificate) or b""
        profiles = profiles_of(self._where, self._home)
        if isinstance(self._where, str):
            name = self._where
        else:
            name = ALONE if self._where else self._name.lower().lstrip("._-") or ALONE
        self._is_new = name not in profiles.names()
        is_begun = not self._is_new and not profiles.profile(name).account
        if is_begun:  # Its making was cut short: it goes on, with what was said now.
            profile = profiles.profile(name)
            profile = profiles.change(profile, server=address, certificate=certificate.hex())
        else:
            profile = profiles.create(name, address, certificate.hex())
        opened = make_profile(profiles, profile, self._passphrase)
        return opened, invitation.server if invitation else None

    async def _start(self, opened: Opened, pinned: bytes | None) -> None:
        self._opened = opened
        profile = opened.profile
        certificate = bytes.fromhex(profile.certificate) or None
        engine = Engine(opened.db, os.urandom)
        self._line = Line(engine, Place(profile.server, certificate), pinned)
        self._line.listen(self._heard)
        if await self._finish(self._line, opened.db):
            pass
        elif self._arrive is not None:
            await self._arrive(self)
        elif opened.db.one("SELECT 1 FROM me WHERE state != 'new'") is None:
            raise UsageError(
                f"The profile “{profile.name}” has no account yet: register or sign in with it."
            )
        elif self._connects:
            self._line.connect()
        if profile.account != self.name:
            opened.change(account=self.name)
        self.note_phrase()

    async def _finish(self, line: Line, db: Database) -> bool:
        """Go on with a coming that was cut short, unless it was another one or was refused."""
        begun = db.one("SELECT name FROM me WHERE state = 'new'")
        if begun is None or self._name.lower() not in ("", begun[0].lower()):
            return False
        try:
            return await arriving.finish(line, db)
        except RefusedError as error:
            if error.code in PASSING:
                raise
            return False

    def connect(self) -> None:
        """Hold a line to the server from now on, where `open` was told not to."""
        if not self._connects:
            self._connects = True
            self.line.connect()

    async def close(self, patience_s: float = CLOSE_S) -> None:
        """Wait a moment for what was said to reach the server, and let everything go."""
        line, opened = self._line, self._opened
        if line is not None:
            if patience_s and line.turned_away is None:
                with suppress(ClientError):
                    self.do(archive.put, b"")  # Whoever is here for a moment leaves keys too.
                    await self.settled(patience_s)
            await self.files.stop()
            await line.close()
        if opened is not None:
            opened.close()
        self._line = self._opened = None
        self._tell_changed()

    async def __aenter__(self) -> Self:
        return self if self._opened is not None else await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(CLOSE_S if error is None else 0)

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    def note_phrase(self) -> None:
        """Write down for programs without the passphrase whether the phrase is to be saved."""
        must_save = self.owner.must_save_phrase
        if self.opened.profile.must_save_phrase != must_save:
            self.opened.change(must_save_phrase=must_save)

    # ---- What this is made of ----

    @property
    def line(self) -> Line:
        """The device with its line: for what this class does not offer."""
        if self._line is None:
            raise UsageError("This client is not open: use it inside `async with`.")
        return self._line

    @property
    def opened(self) -> Opened:
        """The profile, which this process has for itself."""
        if self._opened is None:
            raise UsageError("This client is not open: use it inside `async with`.")
        return self._opened

    @property
    def db(self) -> Database:
        """This account's database, for looking."""
        return self.opened.db

    def do(self, step: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out one step of the engine."""
        return self.line.do(step, *args, **kwargs)

    async def ask(self, request: Request) -> Any:
        """Return what the server answers; raise `RefusedError` when it says no.

        A line that is only beginning is waited for a moment.
        """
        if not self.line.is_online:
            await self.line.online(BEGIN_S)
        now_s = asyncio.get_running_loop().time
        begun_s = now_s()
        answer = await self.line.ask(request)
        self.answered_ms = round((now_s() - begun_s) * 1000)
        return answer

    # ---- Who this is ----

    @property
    def who(self) -> Me:
        """This device, its account and its server, with their keys."""
        return self.do(_me)

    @property
    def account(self) -> bytes:
        """The id of this account."""
        if self._account is None:
            self._account = self.who.account  # It never changes, and everything asks for it.
        return self._account

    @property
    def name(self) -> str:
        """The name of this account."""
        if not self._own_name:
            self._own_name = self.who.name
        return self._own_name

    @property
    def is_host(self) -> bool:
        """Whether it is the host of its server."""
        return self.db.one("SELECT 1 FROM me WHERE is_host") is not None

    @property
    def server(self) -> str:
        """The address of the server."""
        return self.opened.profile.server

    @property
    def profile(self) -> str:
        """What this profile is called on this machine."""
        return self.opened.profile.name

    @property
    def is_online(self) -> bool:
        """Whether the server knows this device, and answers."""
        return self._line is not None and self._line.is_online

    async def online(self, patience_s: float | None = None) -> None:
        """Wait until there is a line; raise what is wrong when there cannot be one."""
        await self.line.online(patience_s)

    # ---- Hearing ----

    def listen(self, listener: Callable[[News], None]) -> Callable[[], None]:
        """Call a function with all news from now on; returns what ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def events(self) -> Listening:
        """Return all news from now on, as an asynchronous iterator."""
        return Listening(self.listen)

    def _heard(self, event: object) -> None:
        self._tell_changed()
        log_event(event)
        self.files.heard(event)
        if self._listeners:
            news = news_of(self, event)
            if news is not None:
                self.tell(news)

    def tell(self, news: News) -> None:
        """Let whoever listens hear something."""
        for listener in list(self._listeners):
            listener(news)

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool], patience_s: float | None = None) -> None:
        """Wait until something is so; raise what is wrong when nothing can change any more."""
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    changed = self._changed
                    turned = self.line.turned_away
                    if turned is not None and turned.is_final:
                        raise OfflineError(turned.why, turned.code)
                    if self.line.fault is not None:
                        raise self.line.fault
                    with suppress(TimeoutError):  # Not all that changes is told as an event.
                        await asyncio.wait_for(changed.wait(), LOOK_S)
        except TimeoutError:
            raise (self.line.trouble or OfflineError(_NOT_YET)) from None

    async def keys_kept(self, patience_s: float) -> None:
        """Put the keys of rooms that were learnt into the archive, and wait until they are there.

        From it a new device reads what was said, with no other one online.
        """
        self.do(archive.put, b"")
        await self.until(lambda: self.db.one(_PUTTING) is None, patience_s)

    async def settled(self, patience_s: float | None = None) -> None:
        """Wait until all that was said has reached the server, or cannot."""
        await self.until(lambda: self.db.one(_WAITING) is None, patience_s)


_NOT_YET: Final = "That has not happened yet: wait a little longer, or look again later."
_PUTTING: Final = "SELECT 1 FROM request WHERE answered_by = 'archive.stored' LIMIT 1"
_WAITING: Final = """
SELECT 1 FROM outbox WHERE failed IS NULL
UNION ALL SELECT 1 FROM request WHERE answered_by = 'archive.stored' LIMIT 1
"""
"""What should have reached the server: what was said, and the keys by which it is read later."""


def _me(tx: Tx) -> Me:
    return tx.me
