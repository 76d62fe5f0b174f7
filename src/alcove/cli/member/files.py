"""`alcove files`: what was sent, and how to fetch it."""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    Given,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    offline_option,
    run,
)
from alcove.cli.member.talking import room_of
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Message, Room
    from alcove.wire.content import File


class Sent(NamedTuple):
    """One file of one message."""

    message: "Message"
    place: int
    file: "File"

    @property
    def handle(self) -> str:
        """By what it is named here: its message's number, and its place there from 1."""
        return f"{self.message.number}.{self.place + 1}"

    @property
    def ends_at(self) -> datetime | None:
        """When the server drops it; None for never."""
        from alcove.client import moment  # noqa: PLC0415 - It brings the whole client along.

        ends_at = self.file.expires_at
        return None if ends_at is None else moment(ends_at)

    @property
    def is_saved(self) -> bool:
        """Whether it was fetched to this machine."""
        return any(
            one.state == "done" and not one.is_upload and one.place == self.place
            for one in self.message.transfers
        )


@click.command(
    epilog=examples(
        "alcove files",
        "alcove files kitchen --json",
        "alcove files --personal",
        "alcove files --get 14551209836544.1 --to Downloads/",
    )
)
@click.argument("room", required=False)
@click.option("--personal", "kind", flag_value="personal", help="Only those between two.")
@click.option("--groups", "kind", flag_value="group", help="Only those of groups.")
@click.option("--get", metavar="FILE", help="Fetch one, by what stands in the first column.")
@click.option(
    "--to",
    "target",
    metavar="PATH",
    type=click.Path(),
    default=".",
    help="Where to: a folder (one that ends with / is made), or a new file; else where you are.",
)
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
def files(
    given: Given,
    room: str | None,
    kind: str | None,
    get: str | None,
    target: str,
    limit: int,
    *,
    offline: bool,
    as_json: bool,
) -> None:
    """List the files that were sent, newest first; fetch one.

    A file is checked after it was fetched, and is never opened by this program.  Of your own files
    the server counts how often they were fetched; of others you see whether this machine has.
    """

    async def story(client: "Client") -> None:
        if get is not None:
            await line(client)
            path = await _fetch(client, get, target)
            if as_json:
                saying.emit({"path": str(path), "size": path.stat().st_size})
            else:
                click.echo(str(path))
            warning = warn(path)
            if warning:
                say(f"! {warning}", err=True)
            return
        is_fresh = await fresh(client, offline=offline)
        rooms = [await room_of(client, room)] if room else client.rooms(gone=True)
        found = _newest([one for one in rooms if kind in (None, _kind(one))], limit)
        counts = await client.files.downloads() if is_fresh and found else {}
        _list(found, counts, as_json=as_json)

    run(given, story)


def _kind(room: "Room") -> str:
    """Return whether files of a room are personal, or a group's."""
    return "personal" if room.kind == "direct" or room.is_mine_alone else "group"


def _newest(rooms: "list[Room]", limit: int) -> list[Sent]:
    numbers = sorted({one.number for room in rooms for one in room.files(limit)}, reverse=True)
    found: list[Sent] = []
    for number in numbers:
        message = rooms[0].client.message_of(number)
        found += [Sent(message, place, file) for place, file in enumerate(message.files)]
    return found[:limit]


def _list(found: list[Sent], counts: dict[bytes, int], *, as_json: bool) -> None:
    if as_json:
        saying.emit([_shape(one, counts) for one in found])
    elif found:
        saying.columns([_row(one, counts) for one in found], HEADS)
    else:
        click.echo("No files were sent.")


HEADS = ("FILE", "NAME", "SIZE", "FROM", "KIND", "ROOM", "WHEN", "ENDS", "FETCHED")


def _row(one: Sent, counts: dict[bytes, int]) -> tuple[str, ...]:
    message, ends_at = one.message, one.ends_at
    count = counts.get(one.file.sealed.blob)
    if count is None:
        fetched = "here" if one.is_saved else ""
    else:
        fetched = {0: "not yet", 1: "once"}.get(count, f"{count} times")
    return (
        one.handle,
        shown_name(one.file.name),
        saying.size(one.file.sealed.size),
        saying.who(message),
        _kind(message.room),
        message.room.title,
        saying.moment(message.at),
        "never" if ends_at is None else saying.moment(ends_at),
        fetched,
    )


def _shape(one: Sent, counts: dict[bytes, int]) -> dict[str, Any]:
    return {
        "file": one.handle,
        "name": shown_name(one.file.name),
        "media": one.file.media,
        "size": one.file.sealed.size,
        "sha256": one.file.sealed.sha256.hex(),
        "author": saying.person_shape(one.message.author),
        "room": one.message.room.id,
        "title": one.message.room.title,
        "kind": _kind(one.message.room),
        "at": saying.stamp(one.message.at),
        "ends_at": saying.stamp(one.ends_at),
        "downloads": counts.get(one.file.sealed.blob),
        "saved": one.is_saved,
    }


async def _fetch(client: "Client", handle: str, target: str) -> Path:
    number, _, place = handle.partition(".")
    if not number.isdigit() or not (place or "1").isdigit():
        raise click.UsageError("FILE is what stands in the first column of `alcove files`.")
    message = client.message_of(int(number))
    return await save(message, int(place or "1") - 1, target, progress=bar("fetching"))


async def save(
    message: "Message", place: int, typed: str, *, progress: Callable[[int, int], None] | None
) -> Path:
    """Fetch a file to where somebody has typed that it shall go, and return where it lies."""
    names = [one.name for one in message.files[place : place + 1]] if place >= 0 else []
    return await message.save_file(_target(typed, *names), place, progress=progress)


def _target(typed: str, name: str = "") -> Path:
    """Return what somebody means who types where a file of a name shall go.

    With a slash behind it that is a folder, which is made.  Else what does not exist is a new file;
    but where the file has an ending and what was typed has none, a folder was meant that is not
    there.
    """
    path = Path(typed).expanduser()
    end = Path(shown_name(name)).suffix
    if typed.endswith(("/", os.sep)):
        path.mkdir(parents=True, exist_ok=True)
    elif end and not path.suffix and not path.exists():
        raise Failed(
            f"There is no folder {typed}: with {typed}/ it is made, and with {typed}{end} the file"
            " is called so."
        )
    return path


def warn(path: Path) -> str:
    """Return what to think about before a file is opened; empty when it seems harmless."""
    from alcove.client import warning_of  # noqa: PLC0415 - It brings the whole client along.

    return warning_of(path) or ""


def bar(word: str) -> Callable[[int, int], None] | None:
    """Return what shows how far a file is, where somebody sees it; None where nobody does."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, whole: int) -> None:
        click.echo(f"\r{word} {saying.share(done, whole):3d} %", nl=done >= whole, err=True)

    return show
