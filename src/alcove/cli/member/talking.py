"""`alcove send`, `listen` and `search`: for people in a hurry, and for scripts."""

import asyncio
import functools
import heapq
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.ending import NO_LINE, Failed
from alcove.cli.member.opening import (
    LINE_S,
    Given,
    examples,
    fresh,
    full_disk,
    json_option,
    line,
    member_options,
    offline_option,
    run,
    stored_only,
)
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Message, Room

STDIN_BYTES_MAX: Final = 1024 * 1024
"""What `alcove send TO -` reads at most; a message is shorter, and says so itself."""
EVERYONE: Final = ("everyone", "commons")
"""The room of everybody on the server, by these names."""


async def room_of(client: "Client", to: str) -> "Room":
    """Return where something is to be said: `@name`, a room, or everyone."""
    if to.lower() in EVERYONE:
        for room in client.rooms():
            if room.kind == "commons":
                return room
        raise Failed(
            "The room of everybody on this server is not here: the host has turned it off, or it"
            " comes in a moment."
        )
    from alcove.client import OfflineError  # noqa: PLC0415

    if to.startswith("@"):
        await _accepted(client, to[1:])
    try:
        return await client.to(to)
    except OfflineError:  # Whom this machine does not know, the server may.
        await line(client)
        return await client.to(to)


async def _accepted(client: "Client", name: str) -> None:
    """Accept the request of somebody to whom an answer goes."""
    for one in client.requests():
        if one.kind == "direct" and one.person.name.lower() == name.lower():
            await one.accept()
            await client.until(functools.partial(_is_active, client, one.id), LINE_S)


def _is_active(client: "Client", room: str) -> bool:
    return any(one.id == room and one.state == "active" for one in client.rooms())


@click.command(
    epilog=examples(
        "alcove send @bob 'see you at eight'",
        "make 2>&1 | tail -20 | alcove send builds -",
        "alcove send @bob --file report.pdf 'the figures'",
    )
)
@click.argument("to")
@click.argument("text", required=False)
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send a file with it; may be said several times.",
)
@click.option(
    "--expiry",
    type=click.Choice(["never", "day", "week"]),
    default="never",
    show_default=True,
    help="How long the server keeps the files.",
)
@click.option("--topic", metavar="TEXT", default="", help="The thread of talk within the room.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=15.0,
    show_default=True,
    help="How long to wait until the server has it.",
)
@member_options
@json_option
def send(
    given: Given,
    to: str,
    text: str | None,
    files: tuple[Path, ...],
    expiry: Any,
    topic: str,
    wait: float,
    *,
    as_json: bool,
) -> None:
    """Say something to somebody, or in a room.

    TO is `@name`, the name or id of a room, or `everyone`.  TEXT is what to say; - reads it from
    standard input.  It is stored here before it leaves.  The exit status is 0 when the server has
    it, 3 when it waits here for a line.
    """
    said = _text(text, has_files=bool(files))
    _ask_about(files)

    async def story(client: "Client") -> None:
        from alcove.cli.member.files import bar  # noqa: PLC0415
        from alcove.client import DiskFullError, OfflineError, UsageError  # noqa: PLC0415

        await _when_known(client, to)
        room = await room_of(client, to)
        if files:
            message = await room.send_file(
                *files, text=said, expiry=expiry, progress=bar("sending")
            )
        else:
            try:
                message = await room.send(said, topic=topic)
            except UsageError:  # As far as this machine knew: perhaps it is otherwise by now.
                await fresh(client)
                message = await room.send(said, topic=topic)
        try:
            message = await message.sent(0 if saying.look_first(message.room) else wait)
        except OfflineError:
            if as_json:
                saying.emit(saying.message_shape(message.refreshed()))
            waits = saying.look_first(message.room)
            if waits:
                raise Failed(waits, NO_LINE) from None
            raise stored_only("What you said", is_online=client.is_online) from None
        except DiskFullError:  # It was stored before.
            raise full_disk("What you said") from None
        if as_json:
            asked = [saying.person_shape(one) for one in room.asked]
            saying.emit(saying.message_shape(message) | {"not_accepted": asked})
        elif room.asked:
            say(saying.not_accepted(room), err=True)

    run(given, story)


def _ask_about(files: tuple[Path, ...]) -> None:
    """Ask once, where somebody can answer, before files of an unusual kind go."""
    from alcove.client import is_unusual  # noqa: PLC0415

    unusual = [path.name for path in files if is_unusual(path)]
    if unusual and sys.stdin.isatty():
        said = shown_name(", ".join(unusual))
        click.confirm(f"Of an unusual kind, and not all can open it: {said}.  Send it?", abort=True)


async def _when_known(client: "Client", to: str) -> None:
    """Let a room come that is not known here yet, or a request of somebody."""
    if to.startswith("@"):
        to = to[1:]
    if any(room.title.casefold() == to.casefold() or room.id == to for room in client.rooms()):
        return
    from alcove.client import OfflineError, caught_up  # noqa: PLC0415

    with suppress(OfflineError):
        await caught_up(client, 5)


def _text(text: str | None, *, has_files: bool) -> str:
    if text is None and has_files:
        return ""
    if text is None and sys.stdin.isatty():
        raise click.UsageError("TEXT is missing: what is to be said?")
    if text is None or text == "-":
        return sys.stdin.read(STDIN_BYTES_MAX).rstrip("\n")
    return text


@click.command(
    epilog=examples(
        "alcove listen",
        "alcove listen builds --json | jq -r .text",
        "alcove listen @bob --count 1 --for 60",
    )
)
@click.argument("room", required=False)
@click.option(
    "--count", "-c", metavar="NUMBER", type=click.IntRange(1), help="End after so many messages."
)
@click.option(
    "--for", "for_s", metavar="SECONDS", type=click.FloatRange(0), help="End after so long."
)
@click.option(
    "--last",
    metavar="NUMBER",
    type=click.IntRange(0, 1000),
    default=0,
    help="Begin with so many of the newest messages.",
)
@click.option("--all", "whole", is_flag=True, help="Also what you say yourself, and notes.")
@member_options
@json_option
def listen(
    given: Given,
    room: str | None,
    count: int | None,
    for_s: float | None,
    last: int,
    *,
    whole: bool,
    as_json: bool,
) -> None:
    """Show what is said, as it comes.

    ROOM is a room or `@name`; without it, all rooms.  What is shown on a terminal counts as read;
    what goes to a file or a program does not.  With --json each message is one line, for programs.
    Ctrl-C ends it, with status 0; so do --count and --for.
    """
    is_read = sys.stdout.isatty() and not as_json

    async def story(client: "Client") -> int:
        there = None if room is None else await room_of(client, room)
        if last:
            await fresh(client)  # The newest of this machine may not be the newest.
        for message in _last(client, there, last):
            await _told(message, as_json=as_json, with_room=there is None, is_read=is_read)
        heard: list[Message] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                async with aclosing(_coming(client, there, whole=whole)) as coming:
                    async for message in coming:
                        heard.append(message)
                        await _told(
                            message, as_json=as_json, with_room=there is None, is_read=is_read
                        )
                        if len(heard) == count:
                            break
                return len(heard)
        trouble = client.line.trouble
        if not last and not heard and not client.is_online and trouble is not None:
            raise trouble.again()
        return len(heard)

    heard = run(given, story)
    if count is not None and heard < count and for_s is not None:
        raise SystemExit(1)


def _last(client: "Client", room: "Room | None", last: int) -> "list[Message]":
    if not last:
        return []
    rooms = [room] if room else client.rooms()
    found = heapq.merge(*(one.history(last) for one in rooms), key=lambda message: message.number)
    return list(found)[-last:]


async def _coming(
    client: "Client", room: "Room | None", *, whole: bool
) -> "AsyncGenerator[Message, None]":
    """Give what comes, until somebody ends it."""
    from alcove.client import (  # noqa: PLC0415
        MessageReceived,
        MessageSent,
        OfflineError,
        RoomNote,
        TurnedAway,
    )

    kinds = (MessageReceived, MessageSent, RoomNote) if whole else (MessageReceived,)
    events = client.events()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows ends programs in its own way.
            loop.add_signal_handler(number, events.close)
    async for news in events:
        if isinstance(news, TurnedAway):
            raise OfflineError(news.why, news.code)
        if isinstance(news, kinds) and (room is None or news.message.room == room):
            yield news.message


async def _told(message: "Message", *, as_json: bool, with_room: bool, is_read: bool) -> None:
    """Show a message, and note that it was read where somebody has seen it."""
    _show(message, as_json=as_json, with_room=with_room)
    if is_read and not message.is_mine and message.kind not in ("note", "gap"):
        await message.read()


def _show(message: "Message", *, as_json: bool, with_room: bool) -> None:
    if as_json:
        saying.emit(saying.message_shape(message))
    else:
        click.echo(saying.line(message, with_room=with_room))
    sys.stdout.flush()


@click.command(
    epilog=examples(
        "alcove search invoice march",
        "alcove search --room @bob '\"see you at eight\"'",
    )
)
@click.argument("words", nargs=-1, required=True)
@click.option("--room", "-r", metavar="ROOM", help="Only in this room, or with `@name`.")
@click.option(
    "--limit",
    metavar="NUMBER",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="At most so many.",
)
@offline_option
@member_options
@json_option
def search(
    given: Given,
    words: tuple[str, ...],
    room: str | None,
    limit: int,
    *,
    offline: bool,
    as_json: bool,
) -> None:
    """Find messages that hold all these words, newest first.

    Only this machine is searched: the server cannot read what was said.  A word may be a part of a
    longer one.  The exit status is 1 when nothing was found.
    """

    async def story(client: "Client") -> bool:
        await fresh(client, offline=offline)
        there = None if room is None else await room_of(client, room)
        found = client.search(" ".join(words), limit=limit, room=there)
        for message in found:
            _show(message, as_json=as_json, with_room=there is None)
        return bool(found)

    if not run(given, story):
        if not as_json:
            say("Nothing was found on this machine.", err=True)
        raise SystemExit(1)
