"""A bot: an account like any other, enrolled by the host, that runs by itself.

    bot = Bot("echo", "echo-bot", link="https://chat.example.org/i/…#…")

    @bot.on_message
    async def answer(message): …

    bot.run()

Everything that it keeps lies in its folder.  The link of the host works once, at the first start;
later starts do not look at it.  What it has read is what it has answered: after a break it goes on
there.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from alcove.client.errors import ClientError, UsageError
from alcove.client.io.client import Client
from alcove.client.io.keyfile import PASSPHRASE_VARIABLE
from alcove.client.io.logbook import log_mistake
from alcove.client.io.messages import Message
from alcove.client.io.news import MessageReceived, News, Online, RequestsChanged, TurnedAway
from alcove.client.io.opening import ALONE, Passphrase
from alcove.client.io.people import Person
from alcove.client.io.profiles import Profiles
from alcove.client.io.vault import read_passphrase_file
from alcove.client.keys.phrase import PASSWORD_ENTROPY_BYTES, new_password
from alcove.client.store.disk import make_private_folder, write_private

LINK_VARIABLE: Final = "ALCOVE_BOT_LINK"
"""Where a bot looks for its enrolment when its program does not say it."""
KEY_NAME: Final = "passphrase"
"""The file in a bot's folder that opens it, unless somebody gave a passphrase."""
KEY_BYTES: Final = 24
ONLINE_S: Final = 30.0
"""How long the first start waits for the server."""


Handler = TypeVar("Handler", bound=Callable[..., Awaitable[object]])


def everyone(_person: Person) -> bool:
    """Accept a request to chat, whoever asks."""
    return True


class Bot:
    """A program that talks."""

    def __init__(
        self,
        name: str,
        folder: str | Path,
        *,
        link: str = "",
        passphrase: Passphrase = None,
        accepts: Callable[[Person], bool] = everyone,
    ) -> None:
        self.name, self.folder = name, Path(folder)
        self._accepts = accepts
        self._link = link or os.environ.get(LINK_VARIABLE, "")
        self._passphrase = passphrase
        self._handlers: list[tuple[type[News], Callable[[Any], Awaitable[object]]]] = []
        self._client: Client | None = None
        self._stop = asyncio.Event()
        self._answered: set[int] = set()
        """Messages that were answered at the start, and are heard of once more."""
        self.failures = 0
        """How many times a handler has failed since the start; each is logged."""

    # ---- What it does ----

    def on_message(self, handler: Handler) -> Handler:
        """Call this with every message that somebody else sends: one after another, in order."""

        async def take(news: MessageReceived) -> None:
            await handler(news.message)

        self._handlers.append((MessageReceived, take))
        return handler

    def on(self, kind: type[News]) -> Callable[[Handler], Handler]:
        """Call what follows with every news of a kind, such as `RoomChanged`."""

        def add(handler: Handler) -> Handler:
            self._handlers.append((kind, handler))
            return handler

        return add

    @property
    def client(self) -> Client:
        """The bot's account, while it runs: its rooms, people and all the rest."""
        if self._client is None:
            raise UsageError("The bot does not run yet: its account is there inside its handlers.")
        return self._client

    async def send(self, to: str, text: str) -> Message:
        """Say something to `@name`, or in a room."""
        return await (await self.client.to(to)).send(text)

    # ---- Running ----

    def run(self) -> None:
        """Run until the program is told to end, by SIGTERM or Ctrl+C; what is begun is finished.

        What makes it impossible ends the program with one sentence.
        """
        try:
            asyncio.run(self._run())
        except ClientError as error:
            raise SystemExit(f"The bot {self.name} has ended: {error}") from error

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows ends programs in its own way.
                loop.add_signal_handler(number, self.stop)
        await self.serve()

    def stop(self) -> None:
        """Let `serve` end after what is under way."""
        self._stop.set()

    async def serve(self) -> None:
        """Enrol if that was not done yet, and answer until `stop`."""
        client = await asyncio.to_thread(self._account)
        events = client.events()  # Before it is opened, so that nothing is missed.
        async with client:
            self._client = client
            stopping = asyncio.create_task(self._stop.wait())
            try:
                await self._catch_up()
                while not self._stop.is_set():
                    coming = asyncio.ensure_future(anext(events))
                    await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        coming.cancel()
                        break
                    await self._handle(coming.result())
            finally:
                stopping.cancel()
                events.close()
                self._client = None

    async def _catch_up(self) -> None:
        """Answer what has come and was not answered before the bot ended, however it did."""
        for room in self.client.rooms():
            for message in room.unread_messages():
                if not self._stop.is_set():
                    self._answered.add(message.number)
                    await self._answer(message)

    async def _answer(self, message: Message) -> None:
        """Let the handlers have a message; that it was read is noted when they are through.

        So a message is handled once, or again when the bot was killed in the middle of it.
        """
        await self._call(MessageReceived(message))
        await message.read()

    async def _handle(self, news: News) -> None:
        """Do what follows from news."""
        if isinstance(news, TurnedAway):
            raise ClientError(news.why)
        if isinstance(news, MessageReceived):
            if news.message.number not in self._answered:
                await self._answer(news.message)
            return
        if isinstance(news, RequestsChanged | Online):
            for request in self.client.requests():
                await (request.accept if self._accepts(request.person) else request.decline)()
        await self._call(news)

    async def _call(self, news: News) -> None:
        """Call all who wait for this; what one of them does wrong stops nobody else."""
        for kind, handler in self._handlers:
            if isinstance(news, kind):
                try:
                    await handler(news)
                except Exception as error:  # noqa: BLE001 - The bot goes on.
                    self.failures += 1
                    log_mistake(error, "a handler of the bot")

    def _account(self) -> Client:
        """Return the bot's account, which is made at the first start."""
        passphrase = self._passphrase
        if passphrase is None and not os.environ.get(PASSPHRASE_VARIABLE):
            passphrase = own_passphrase(self.folder)
        profiles = Profiles(self.folder)
        if ALONE in profiles.names() and profiles.profile(ALONE).account:
            return Client(self.folder, passphrase=passphrase)
        if not self._link:
            raise UsageError(
                f"The bot has no account yet: let the host make a link (`alcove admin bot"
                f" {self.name}`), and start the bot once with it in {LINK_VARIABLE}."
            )
        # Nobody will ever type it: who loses the folder enrols the bot anew.
        password = new_password(os.urandom(PASSWORD_ENTROPY_BYTES))
        return Client.register(
            self._link, self.name, password, where=self.folder, passphrase=passphrase
        )


def own_passphrase(folder: Path) -> str:
    """Return what opens a bot's folder, from a file in it that only this user can read."""
    path = folder / KEY_NAME
    if not path.exists():
        make_private_folder(folder)
        write_private(path, f"{secrets.token_urlsafe(KEY_BYTES)}\n".encode("ascii"))
    return read_passphrase_file(path)
