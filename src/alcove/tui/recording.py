"""Records a voice note with a recorder of this machine: enter sends it, esc drops it."""

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual import work
from textual.app import ComposeResult
from textual.widgets import Static

from alcove.client import UsageError
from alcove.desk import messages, shown, voice
from alcove.tui import look
from alcove.tui.look import styled
from alcove.tui.shell import Box, Dialog

if TYPE_CHECKING:
    from alcove.tui.app import Alcove

LENGTH_S_MAX: Final = 300
"""A voice note ends by itself then."""
RECORDERS: Final = (
    ("arecord", "-q", "-f", "S16_LE", "-r", "16000", "-c", "1", "-t", "wav",
     "-d", str(LENGTH_S_MAX)),
    ("parecord", "--file-format=wav", "--format=s16le", "--rate=16000", "--channels=1"),
    ("rec", "-q", "-b", "16", "-r", "16000", "-c", "1"),
)  # fmt: skip
"""Programs that write what they hear into a WAV file until they are interrupted."""
END_S: Final = 3.0
"""So long a recorder may take to end its file."""


def recorder() -> tuple[str, ...]:
    """Return the recorder that this machine has."""
    found = next((one for one in RECORDERS if shutil.which(one[0])), None)
    if found is None:
        names = ", ".join(one[0] for one in RECORDERS)
        raise UsageError(f"There is no recorder here: install one of {names}, or send a file.")
    return found


class Recording(Dialog[bool]):
    """What is said goes into a file while this is open."""

    BINDINGS = [  # noqa: RUF012 - So it is in Textual.
        ("enter", "end(True)", "Send"), ("escape", "end(False)", "Drop it"),
    ]  # fmt: skip
    KEYS = (("enter", "end and send"), ("esc", "drop it"))

    def __init__(self, command: tuple[str, ...], path: Path) -> None:
        super().__init__()
        self._command, self._path, self._seconds = command, path, 0
        self._recorder: asyncio.subprocess.Process | None = None

    def compose(self) -> ComposeResult:
        """Show how long it is already."""
        with Box("Voice note", classes="dialog", keys=self.KEYS):
            yield Static(id="length")

    def on_mount(self) -> None:
        """Begin at once."""
        self._draw()
        self.set_interval(1.0, self._tick)
        self._record()

    def part(self) -> None:
        """Listen no more: the app ends, or is locked."""
        self.workers.cancel_node(self)

    def _tick(self) -> None:
        self._seconds += 1
        self._draw()
        if self._seconds >= LENGTH_S_MAX:
            self.action_end(is_sent=True)

    def _draw(self) -> None:
        length, most = look.length(self._seconds * 1000), look.length(LENGTH_S_MAX * 1000)
        said = styled(("● ", "$bad bold"), (length, "bold"), (f" of at most {most}", "$soft"))
        self.query_one("#length", Static).update(said)

    @work(exclusive=True, group="record")
    async def _record(self) -> None:
        nothing = asyncio.subprocess.DEVNULL
        self._recorder = await asyncio.create_subprocess_exec(
            *self._command, str(self._path), stdin=nothing, stdout=nothing, stderr=nothing,
        )  # fmt: skip
        try:
            await self._recorder.wait()
        finally:
            if self._recorder.returncode is None:
                self._recorder.kill()

    @work(exclusive=True, group="end")
    async def action_end(self, is_sent: bool) -> None:  # noqa: FBT001 - A binding says it.
        """End the file, and send it or drop it."""
        if self._recorder is not None and self._recorder.returncode is None:
            self._recorder.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._recorder.wait(), END_S)
        self.dismiss(is_sent)


async def record(app: "Alcove", room: str) -> shown.Line | None:
    """Record a voice note and send it; return the line that shows it."""
    try:
        command = recorder()
    except UsageError as error:
        app.tell(str(error))
        return None
    name = await app.tried(voice.NewVoice())
    if name is None:
        return None
    path = Path(name)
    is_sent = await app.push_screen_wait(Recording(command, path))
    if is_sent and await asyncio.to_thread(path.is_file):
        return await app.tried(messages.SendFiles(room=room, paths=(name,)))
    if is_sent:
        app.tell(f"{command[0]} has recorded nothing: look whether it hears your microphone.")
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return None
