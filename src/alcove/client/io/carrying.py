"""Files, as a program meets them: sent with a message, fetched when asked for, and how far."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from alcove.client import attaching, timeline
from alcove.client.attaching import Attached
from alcove.client.errors import ClientError, UsageError
from alcove.client.events import Online, TransferChanged
from alcove.client.files import transfers as steps
from alcove.client.files.kinds import HEAD_BYTES, is_asked_about, mime_type, safe_name, warning
from alcove.client.io.images import looks
from alcove.client.io.news import FileChanged
from alcove.client.io.people import moment
from alcove.wire.blobs import Expiry, GetBlobs
from alcove.wire.content import FILES_MAX, NAME_CHARACTERS_MAX, File, SealedBlob, Text

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from alcove.client.io.client import Client
    from alcove.client.io.messages import Message
    from alcove.client.io.rooms import Room
    from alcove.client.io.transfers import Transfers

Progress = Callable[[int, int], None]
"""Is told how many bytes are through, and how many there are."""
PAGES_MAX: Final = 1_000
"""So much is asked for of the list of all files that this account has uploaded."""
NOTHING: Final = SealedBlob(bytes(16), bytes(32), bytes(32), 0)


class Stored(NamedTuple):
    """What this account has on the server."""

    downloads: dict[bytes, int]
    """How often each of its files was fetched, by its name at the server."""
    used_bytes: int
    quota_bytes: int
    """How much it may take; 0 for no limit."""


class FileError(ClientError):
    """A file cannot be sent or fetched; the text says why."""


class Transfer:
    """One file on its way, as it stood when it was looked up."""

    def __init__(self, carrier: "Carrier", found: steps.Transfer) -> None:
        self._carrier, self.found = carrier, found

    def __repr__(self) -> str:
        return f"<Transfer {self.number} {self.state}>"

    @property
    def number(self) -> int:
        """By which it is known here."""
        return self.found.number

    @property
    def is_upload(self) -> bool:
        """Whether it leaves this device."""
        return self.found.is_upload

    @property
    def message_number(self) -> int | None:
        """The number of the message that it belongs to; None where that is gone."""
        found = self.found
        db = self._carrier.client.db
        line = timeline.line_of(db, found.room, found.account, found.content)
        return None if line is None else line.number

    @property
    def place(self) -> int:
        """Which of its message's files it is."""
        return self.found.place

    @property
    def name(self) -> str:
        """The file's name, as it can be saved."""
        return safe_name(self.found.file.name)

    @property
    def path(self) -> Path:
        """Where it lies, or is to lie, on this device."""
        return Path(self.found.path)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.found.file.sealed.size

    @property
    def done(self) -> int:
        """How many of them are through."""
        return self._carrier.done_of(self.found)

    @property
    def state(self) -> str:
        """open, paused, failed, done or cancelled."""
        return self.found.state

    @property
    def why(self) -> str:
        """Why it waits, or has failed."""
        return self.found.why

    @property
    def at(self) -> datetime:
        """When it began."""
        return moment(self.found.at)

    async def pause(self) -> None:
        """Let it rest."""
        await self._carrier.transfers.pause(self.number)

    async def carry_on(self) -> None:
        """Go on after a rest, or try again after a failure."""
        self._carrier.client.do(steps.carry_on, self.number)
        self._carrier.transfers.wake()

    async def cancel(self) -> None:
        """Give it up."""
        await self._carrier.transfers.cancel(self.number)


class Carrier:
    """The files of a client."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self._session: ClientSession | None = None
        self._transfers: Transfers | None = None
        self._done: dict[int, int] = {}
        self._listeners: dict[int, list[Progress]] = {}

    # ---- Living with the client ----

    @property
    def transfers(self) -> "Transfers":
        """What carries them, begun when it is first needed."""
        if self._transfers is None:
            from alcove.client.io.line import web_session  # noqa: PLC0415  # See Client.open.
            from alcove.client.io.transfers import Transfers  # noqa: PLC0415

            line = self.client.line
            self._session = web_session(line.place)
            greeting = line.link.greeting
            self._transfers = Transfers(
                self.client.do,
                self.client.db,
                self._session,
                line.place.url,
                line.token,
                progress=self._progressed,
                blob_bytes_max=None if greeting is None else greeting.blob_bytes_max,
            )
        return self._transfers

    def heard(self, event: object) -> None:
        """Go on with what waits, when there is a line."""
        if isinstance(event, Online) and steps.to_do(self.client.db):
            self.transfers.wake()
        elif isinstance(event, TransferChanged):
            found = steps.transfer(self.client.db, event.number)
            if found is None or found.state != steps.OPEN:
                self._done.pop(event.number, None)
            if found is not None and found.state == steps.CANCELLED:
                self.transfers.drop(event.number)

    async def stop(self) -> None:
        """End what is under way; it goes on the next time."""
        if self._transfers is not None:
            await self._transfers.stop()
        if self._session is not None:
            await self._session.close()

    def all(self) -> list[Transfer]:
        """Return everything that is on its way, rests or has failed, oldest first."""
        return [Transfer(self, found) for found in steps.unfinished(self.client.db)]

    def transfer(self, number: int) -> Transfer | None:
        """Return one by its number, also one that is through."""
        found = steps.transfer(self.client.db, number)
        return None if found is None else Transfer(self, found)

    def of(self, message: "Message") -> list[Transfer]:
        """Return the transfers of one message."""
        target = message.target
        found = steps.of_content(self.client.db, message.line.room, target.content)
        return [Transfer(self, one) for one in found]

    def done_of(self, found: steps.Transfer) -> int:
        """Return how many bytes of a file are through."""
        return self._done.get(found.number, found.done)

    def _progressed(self, number: int, done: int) -> None:
        self._done[number] = done
        found = steps.transfer(self.client.db, number)
        for listener in self._listeners.get(number, ()):
            listener(done, 0 if found is None else found.file.sealed.size)
        self.client.tell(FileChanged(number))

    async def downloads(self) -> dict[bytes, int]:
        """Return how often each file of this account was fetched, by its name at the server."""
        return (await self.stored()).downloads

    async def stored(self) -> Stored:
        """Return what of this account the server keeps, and how much space it gives."""
        found = Stored({}, 0, 0)
        before: int | None = None
        for _ in range(PAGES_MAX):
            page = await self.client.ask(GetBlobs(before=before))
            counts = {one.blob: one.downloads for one in page.blobs}
            found = Stored(found.downloads | counts, page.used_bytes, page.quota_bytes)
            before = page.next
            if before is None:
                break
        return found

    # ---- Sending and fetching ----

    async def send(
        self, room: "Room", paths: Sequence[Path], text: Text, expiry: Expiry,
        progress: Progress | None,
    ) -> "Message":  # fmt: skip
        """Say something with files; the message goes when all of them are on the server."""
        if not 0 < len(paths) <= FILES_MAX:
            raise UsageError(
                f"A message takes up to {FILES_MAX} files: send the rest with another."
            )
        files = [await asyncio.to_thread(attached, path, expiry) for path in paths]
        number = self.client.do(attaching.say, room.room, text, files)
        message = self.client.message_of(number)
        if progress is not None:
            for one in self.of(message):
                self._listeners[one.number] = [progress]
        self.transfers.wake()
        return message

    async def save(
        self, message: "Message", place: int, target: Path, progress: Progress | None
    ) -> Path:
        """Fetch one file of a message, check it, and return where it lies now."""
        if not 0 <= place < len(message.files):
            raise UsageError("This message has no such file: look at its list of files.")
        file = message.files[place]
        if file.sealed.blob == NOTHING.blob:
            raise UsageError("This file is not on the server yet: wait until its message is sent.")
        is_folder = await asyncio.to_thread(target.is_dir)
        path = target / safe_name(file.name) if is_folder else target
        named = message.target
        number = self.client.do(
            steps.begin_download, message.line.room, named.account, named.content, place,
            str(path.absolute()), file,
        )  # fmt: skip
        if progress is not None:
            self._listeners[number] = [progress]
        self.transfers.wake()
        await self.client.until(lambda: self._state(number) != steps.OPEN)
        found = steps.transfer(self.client.db, number)
        self._listeners.pop(number, None)
        if found is None or found.state != steps.DONE:
            raise FileError(found.why if found and found.why else "The file was not fetched.")
        return Path(found.path)

    def _state(self, number: int) -> str:
        found = steps.transfer(self.client.db, number)
        return steps.CANCELLED if found is None else found.state


def attached(path: Path, expiry: Expiry = "never") -> Attached:
    """Return what is said of a file before it is sent; it is looked at, so not in the loop."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError(f"{path.name} is no file: choose one, or pack the folder first.")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): look where it is.") from None
    name = safe_name(path.name)[:NAME_CHARACTERS_MAX]
    shown = looks(str(path))
    file = File(
        name,
        mime_type(name),
        SealedBlob(NOTHING.blob, NOTHING.key, NOTHING.sha256, size),
        thumbnail=shown.thumbnail,
        width=shown.width,
        height=shown.height,
        length_ms=shown.length_ms,
        waveform=shown.waveform,
    )
    return Attached(str(path.absolute()), file, expiry)


def warning_of(path: Path) -> str | None:
    """Return what to think about before a file is sent or opened; None when it seems harmless."""
    with path.open("rb") as file:
        return warning(path.name, file.read(HEAD_BYTES))


def is_unusual(path: Path) -> bool:
    """Say whether the owner should be asked once before a file of this kind is sent."""
    return is_asked_about(path.name)
