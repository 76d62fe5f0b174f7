"""Files: on their way, sent, received, saved."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from alcove.client import UsageError, warning_of
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers
from alcove.desk.chats import PAGE_LINES, PAGE_LINES_MAX, line_of, room_of

if TYPE_CHECKING:
    from alcove.client import Transfer
    from alcove.desk.desk import Desk


class GetTransfers(Call[tuple[shown.Transfer, ...]], frozen=True, kw_only=True):
    """Everything that is on its way, oldest first."""


@answers(GetTransfers)
async def transfers(desk: "Desk", _: GetTransfers) -> tuple[shown.Transfer, ...]:
    """Return it."""
    return tuple(values.transfer(one) for one in desk.client.files.all())


class GetFiles(Call[tuple[shown.Line, ...]], frozen=True, kw_only=True):
    """Messages with files, newest first: of one room, or of all."""

    room: str | None = None
    before: int | None = None
    limit: int = PAGE_LINES


@answers(GetFiles)
async def files(desk: "Desk", call: GetFiles) -> tuple[shown.Line, ...]:
    """Return a page of them."""
    limit = max(1, min(call.limit, PAGE_LINES_MAX))
    if call.room is None:
        found = desk.client.files_sent(limit, call.before)
    else:
        found = room_of(desk, call.room).files(limit, call.before)
    numbers = dict.fromkeys(one.number for one in found)
    return tuple(values.line(line_of(desk, number)) for number in numbers)


class Save(Call[str], frozen=True, kw_only=True):
    """Fetch a file of a message and keep it in a folder; answered when it lies there."""

    line: int
    place: int
    folder: str


@answers(Save)
async def save(desk: "Desk", call: Save) -> str:
    """Fetch it, check it, and return where it lies."""
    folder = await asyncio.to_thread(_folder, call.folder)
    return str(await line_of(desk, call.line).save_file(folder, call.place))


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}: make it, or name another one.")
    return folder


def _transfer(desk: "Desk", number: int) -> "Transfer":
    found = desk.client.files.transfer(number)
    if found is None:
        raise UsageError("This file is not on its way any more.")
    return found


class Pause(Call[None], frozen=True, kw_only=True):
    """Let a file rest on its way, or let it go on."""

    number: int
    on: bool = True


@answers(Pause)
async def pause(desk: "Desk", call: Pause) -> None:
    """Let it be so."""
    found = _transfer(desk, call.number)
    await (found.pause() if call.on else found.carry_on())


class CancelTransfer(Call[None], frozen=True, kw_only=True):
    """Give a file up."""

    number: int


@answers(CancelTransfer)
async def cancel(desk: "Desk", call: CancelTransfer) -> None:
    """Give it up."""
    await _transfer(desk, call.number).cancel()


class Look(Call[str], frozen=True, kw_only=True):
    """What to think about before a file is sent; empty when it seems harmless."""

    path: str


@answers(Look)
async def look(desk: "Desk", call: Look) -> str:
    """Look at its name and its first bytes."""
    del desk
    return await asyncio.to_thread(_warning, call.path)


def _warning(name: str) -> str:
    path = Path(name).expanduser()
    if not path.is_file():
        raise UsageError(f"There is no file {path}: look at its name and its folder.")
    return warning_of(path) or ""
