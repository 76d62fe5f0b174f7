"""What commands that change a room or a message have in common."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.member import saying
from alcove.cli.member.ending import NO_LINE, Failed
from alcove.cli.member.opening import Given, fresh, line, run
from alcove.cli.member.talking import room_of
from alcove.cli.wrapping import for_stream

if TYPE_CHECKING:
    from alcove.client import Client, Room

WAIT_S: Final = 40.0
"""How long it may take until a room is as it was wished: the server makes commits wait."""
CLOSE_S: Final = 5.0


def change_room(
    given: Given,
    name: str,
    change: Callable[["Room"], Awaitable[str]],
    *,
    as_json: bool,
) -> None:
    """Change a room, wait until that has come true, and tell it in the sentence of the change."""

    async def story(client: "Client") -> None:
        room = await there(client, name)
        async with carried(room):
            sentence = await change(room)
        told(sentence, saying.room_details(room), as_json=as_json)

    run(given, story, patience_s=CLOSE_S)


@asynccontextmanager
async def carried(room: "Room", *about: bytes) -> AsyncIterator[None]:
    """Wait at the end until all that was wished for and said in a room has come true."""
    from alcove.client import OfflineError, carried_out  # noqa: PLC0415 - With it comes everything.

    try:
        async with carried_out(room, WAIT_S, *about):
            yield
    except OfflineError as error:
        if not room.client.is_online:
            raise
        raise Failed(LATER, NO_LINE) from error


LATER: Final = (
    "That has not happened yet.  It is stored here, and goes on when a program of this account next"
    " runs, such as `alcove rooms`."
)


async def there(client: "Client", name: str) -> "Room":
    """Return a room as it is now, with a line to the server."""
    await fresh(client)
    await line(client)
    return await room_of(client, name)


def told(sentence: str, shape: Any, *, as_json: bool) -> None:
    """Tell what was done: a sentence for people, or JSON for programs."""
    if as_json:
        saying.emit(shape)
    else:
        click.echo(for_stream(sentence, sys.stdout))
