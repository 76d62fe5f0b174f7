"""Waiting until a room has become what was wished, or until it is known why it cannot.

async with carried_out(room, 15):
    await room.ban("@mallory")
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from alcove.client.errors import UsageError
from alcove.client.io.news import Alert, News

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.rooms import Room

REFUSED: Final = ("not-", "link-", "no-right-", "room-refused", "room-banned")
"""How the codes begin of warnings that something will not be."""


class Watch:
    """What is said of a few rooms and people since this was made: whether something failed."""

    def __init__(self, client: "Client", *about: bytes) -> None:
        self._client, self._about = client, about
        self.why = ""
        """Why something will not be; empty while nothing is wrong."""
        self.stop: Callable[[], None] = client.listen(self._heard)
        """Ends the watch."""

    def _heard(self, news: News) -> None:
        if not isinstance(news, Alert) or self.why:
            return
        if news.about in self._about and news.code.startswith(REFUSED):
            self.why = news.text

    async def until(self, condition: Callable[[], bool], patience_s: float | None) -> None:
        """Wait until something is so; raise why it will not be."""
        await self._client.until(lambda: bool(self.why) or condition(), patience_s)
        if self.why and not condition():
            raise UsageError(self.why)


@asynccontextmanager
async def watching(client: "Client", *about: bytes) -> AsyncIterator[Watch]:
    """Watch what is said of rooms and people."""
    watch = Watch(client, *about)
    try:
        yield watch
    finally:
        watch.stop()


@asynccontextmanager
async def carried_out(
    room: "Room", patience_s: float | None, *about: bytes
) -> AsyncIterator[Watch]:
    """Wait at the end until all that was wished for and said in a room meanwhile has come true.

    What cannot is raised, with the reason; `about` are accounts that it is about.
    """
    client = room.client
    newest = client.db.one("SELECT MAX(number) FROM outbox")
    before = newest[0] if newest and newest[0] is not None else 0
    async with watching(client, room.room, *about) as watch:
        yield watch
        await watch.until(lambda: client.db.one(_WAITING, room.room) is None, patience_s)
        if watch.why:
            raise UsageError(watch.why)
    failed = client.db.one(
        "SELECT failed FROM outbox WHERE room = ? AND failed IS NOT NULL AND number > ?",
        room.room, before,
    )  # fmt: skip
    if failed is not None:
        raise UsageError(failed[0])


_WAITING: Final = """
SELECT 1 FROM outbox WHERE room = ?1 AND failed IS NULL
UNION ALL SELECT 1 FROM wish WHERE room = ?1
    AND kind IN ('add', 'drop', 'settings', 'role', 'link', 'unlink', 'ban', 'unban')
UNION ALL SELECT 1 FROM request
    WHERE answered_by IN ('linking.put', 'linking.dropped', 'public.put', 'profiles.put') LIMIT 1
"""
"""What was said, what was wished, and what the server has not been told of it."""
