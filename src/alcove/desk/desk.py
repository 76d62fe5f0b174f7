"""The desk: one account of this machine, open, answering calls and telling what is new.

    desk = Desk(tell, home=None)
    await desk.ask(door.Open(profile="work", passphrase="…"))
    await desk.ask(chats.GetChats())
    await desk.close()

All of it runs in one loop, the engine's own; `thread` brings it to faces that have another.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from alcove import client as sdk
from alcove.client import ClientError, UsageError
from alcove.desk import gathering, voice
from alcove.desk.calls import TABLE, Call
from alcove.desk.news import Alert, News

R = TypeVar("R")

NEWS_S: Final = 0.03
"""News is gathered for so long: a face draws no more often anyway."""
CLOSE_S: Final = 10.0
"""So long what was said may take to leave, when an account is closed."""
TYPING_MS: Final = 8_000
"""Who writes says so again before this is over."""

Tell = Callable[[tuple[News, ...]], None]


class Desk:
    """What a face speaks with."""

    def __init__(self, tell: Tell, *, home: Path | None = None) -> None:
        self.home = home
        """Where the profiles are; None for this user's own place."""
        self.watched: set[bytes] = set()
        """The rooms that the face has open: their lines are told, too."""
        self.unread: dict[bytes, range] = {}
        """What of these was not read when they were opened: places in their logs."""
        self.opened_at = 0
        self.recorded: Path | None = None
        """Where a voice note is recorded to."""
        self._sweeping: asyncio.Future[None] | None = None
        self._typing: dict[bytes, dict[str, int]] = {}
        self._tell = tell
        self._client: sdk.Client | None = None
        self._gathered = gathering.Gathered()
        self._flushing: asyncio.TimerHandle | None = None
        self._stop_listening: Callable[[], None] | None = None

    @property
    def client(self) -> "sdk.Client":
        """The account that is open."""
        if self._client is None:
            raise UsageError("No account is open: sign in, or choose one of this machine.")
        return self._client

    @property
    def is_open(self) -> bool:
        """Whether an account is open."""
        return self._client is not None

    async def ask(self, call: "Call[R]") -> R:
        """Answer a call; what cannot be done raises a `ClientError` that says why."""
        try:
            result: R = await TABLE[type(call)](self, call)
        except OSError as error:  # A path that somebody typed, a folder that is not to be read.
            what = error.filename or "The system says"
            raise UsageError(f"{what}: {error.strerror or type(error).__name__}.") from error
        return result

    # ---- Accounts come and go ----

    async def take(self, client: "sdk.Client") -> None:
        """Let an account that is open be the one of this desk, in place of another."""
        await self.let_go()
        self._client, self.opened_at = client, self.now()
        self._stop_listening = client.listen(self._heard)
        await voice.clear(client)

    async def let_go(self, patience_s: float = CLOSE_S) -> None:
        """Close the account; what was said and has not left goes on the next time."""
        client, self._client = self._client, None
        if self._stop_listening is not None:
            self._stop_listening()
        if self._flushing is not None:
            self._flushing.cancel()
        self._flushing, self._gathered = None, gathering.Gathered()
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._sweeping = self.recorded = None
        self.watched.clear()
        self.unread.clear()
        self._typing.clear()
        if client is not None:
            await voice.clear(client)
            await client.close(patience_s)

    async def close(self) -> None:
        """Let everything go."""
        await self.let_go()

    # ---- News ----

    def now(self) -> int:
        """Return the time of this machine, in milliseconds."""
        return time.time_ns() // 1_000_000

    def _heard(self, news: Any) -> None:
        self._gathered.take(news)
        self.stir()
        if voice.is_through(self, news):
            self._sweeping = asyncio.ensure_future(voice.sweep(self.client, self.recorded))

    def type(self, room: bytes, people: dict[str, bool]) -> None:
        """Note who writes in a room, or has stopped; who says nothing more has stopped too."""
        until = {name: self.now() + TYPING_MS for name, on in people.items() if on}
        there = self._typing.pop(room, {})
        self._typing[room] = {
            name: at for name, at in (there | until).items() if people.get(name, True)
        }
        asyncio.get_running_loop().call_later(TYPING_MS / 1000 + NEWS_S, self.chat_changed, room)

    def typing(self, room: bytes) -> tuple[str, ...]:
        """Return who writes in a room at the moment."""
        now = self.now()
        return tuple(name for name, until in self._typing.get(room, {}).items() if until > now)

    def chat_changed(self, room: bytes) -> None:
        """Tell of a row of the list of chats that the face itself has changed."""
        if self._client is not None:
            self._gathered.chats[room] = None
            self.stir()

    def stir(self) -> None:
        """Tell what is gathered, in a moment."""
        if self._flushing is None and self._client is not None:
            self._flushing = asyncio.get_running_loop().call_later(NEWS_S, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        gathered, self._gathered = self._gathered, gathering.Gathered()
        try:
            news = gathered.all(self)
        except ClientError as error:  # A disk that is full, or gone.
            news = (Alert(code="store", text=str(error)),)
        if news:
            self._tell(news)
