"""Saving a file of a message where somebody wants to have it."""

from pathlib import Path
from typing import TYPE_CHECKING

from alcove.desk import files, shown
from alcove.tui.shell import Field, Form

if TYPE_CHECKING:
    from alcove.tui.app import Alcove


async def save(app: "Alcove", line: shown.Line, file: shown.Attached) -> None:
    """Ask for a folder, fetch a file into it, and say where it lies then."""
    downloads = Path.home() / "Downloads"
    start = str(downloads if downloads.is_dir() else Path.home())
    form = Form(f"Save {file.name}", [Field("Folder", value=start, id="folder")], "save")
    asked = await app.push_screen_wait(form)
    if asked is None:
        return
    call = files.Save(line=line.number, place=file.place, folder=asked["folder"])
    path = await app.tried(call)
    if path is not None:
        app.tell(f"Saved as {path}; its hash was checked.", is_bad=False)
