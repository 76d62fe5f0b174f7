"""Files: on their way, sent, received, saved."""

import asyncio
import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alcove import client as sdk
from alcove.client import UsageError
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers
from alcove.desk.chats import PAGE_LINES, PAGE_LINES_MAX, line_of, room_of
from alcove.desk.paths import path_of

if TYPE_CHECKING:
    from alcove.client import Transfer
    from alcove.desk.desk import Desk

ENTRIES_MAX: Final = 200
"""So many files and folders are offered."""
ENTRIES_LOOKED_AT: Final = 20_000


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
    folder = path_of(name)
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


class GetSpace(Call[shown.Space], frozen=True, kw_only=True):
    """What of this account's files the server keeps, and how often each was fetched."""


@answers(GetSpace)
async def space(desk: "Desk", _: GetSpace) -> shown.Space:
    """Ask the server."""
    found = await desk.client.files.stored()
    return shown.Space(
        used=found.used_bytes, quota=found.quota_bytes,
        downloads={blob.hex(): count for blob, count in found.downloads.items()},
    )  # fmt: skip


class GetFolder(Call[shown.Folder], frozen=True, kw_only=True):
    """What on this machine begins as a path does: to choose a file that is to be sent."""

    path: str


@answers(GetFolder)
async def folder(desk: "Desk", call: GetFolder) -> shown.Folder:
    """Look into the folder; what cannot be read is as good as empty."""
    del desk
    return await asyncio.to_thread(_looked_into, call.path)


def _looked_into(name: str) -> shown.Folder:
    try:
        path = path_of(name or "~/")
    except UsageError:
        return shown.Folder(path="", entries=())  # Its name is only half typed.
    where, begins = (path, "") if not name or name.endswith("/") else (path.parent, path.name)
    found = []
    with suppress(OSError), os.scandir(where) as entries:
        for entry in islice(entries, ENTRIES_LOOKED_AT):
            if not entry.name.casefold().startswith(begins.casefold()):
                continue
            if entry.name.startswith(".") and not begins.startswith("."):
                continue
            with suppress(OSError):  # It was taken away in the meantime.
                found.append(_entry(entry))
    found.sort(key=lambda one: (not one.is_folder, one.name.casefold()))
    return shown.Folder(path=str(where), entries=tuple(found[:ENTRIES_MAX]))


def _entry(entry: "os.DirEntry[str]") -> shown.Entry:
    is_folder = entry.is_dir()
    return shown.Entry(
        name=entry.name, is_folder=is_folder, size=0 if is_folder else entry.stat().st_size,
        is_usual=is_folder or not sdk.is_unusual(Path(entry.name)),
    )  # fmt: skip


class Look(Call[str], frozen=True, kw_only=True):
    """What to think about before a file is sent; empty when it seems harmless."""

    path: str


@answers(Look)
async def look(desk: "Desk", call: Look) -> str:
    """Look at its name and its first bytes."""
    del desk
    return await asyncio.to_thread(_warning, call.path)


def _warning(name: str) -> str:
    path = path_of(name)
    if not path.is_file():
        raise UsageError(f"There is no file {path}: look at its name and its folder.")
    warning = sdk.warning_of(path)
    if warning:
        return f"Whoever gets it is told: {warning} Send it?"
    if sdk.is_unusual(path):
        return f"{path.name} is of no usual kind, and others may not be able to open it. Send it?"
    return ""
