"""Sending a file: which one, with which words, and how long the server keeps it."""

from typing import TYPE_CHECKING, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from alcove.desk import files, messages, people, shown
from alcove.tui import look
from alcove.tui.choosing import Choice, Chooser
from alcove.tui.lines import row
from alcove.tui.look import styled
from alcove.tui.shell import Box, Dialog, Field, Form, OneOf, Question, Rows, app_of

if TYPE_CHECKING:
    from alcove.tui.app import Alcove

KEPT: Final = {"never": "always", "day": "24 hours", "week": "1 week"}
"""How long the server keeps a file."""


def _entry(one: shown.Entry) -> Content:
    name = f"{one.name}/" if one.is_folder else one.name
    return styled(" ", (name, "bold" if one.is_folder else "" if one.is_usual else "$soft"))


class Browsing(Dialog[str | None]):
    """A file of this machine: its path is typed, or picked from what begins so."""

    BINDINGS = [  # noqa: RUF012 - So it is in Textual.
        ("escape", "drop", "Leave it"), ("down", "move(1)", ""), ("up", "move(-1)", ""),
        Binding("tab", "complete", "complete", priority=True, show=False),
    ]  # fmt: skip
    KEYS = (
        ("↑ ↓", "pick"), ("enter", "take, open"), ("tab", "complete"), ("^u", "empty it"),
        ("esc", "leave it"),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._folder = shown.Folder(path="", entries=())
        self._looked_at = ""

    def compose(self) -> ComposeResult:
        """Show a field, and what begins so."""
        keys = (("enter", "take, open"), ("tab", "complete"), ("esc", "leave it"))
        with Box("Which file", classes="dialog wide", keys=keys):
            yield Field("Path", value="~/", id="path")
            yield Rows(classes="rows found -picks")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look with each letter."""
        event.stop()
        self._look(event.value)

    @work(exclusive=True, group="look")
    async def _look(self, typed: str) -> None:
        await self._fetch(typed)

    async def _fetch(self, typed: str) -> None:
        self._folder = await app_of(self).ask(files.GetFolder(path=typed.strip()))
        self._looked_at = typed
        options = self.query_one(OptionList)
        options.clear_options()
        for one in self._folder.entries:
            size = "" if one.is_folder else look.size(one.size)
            options.add_option(Option(row(_entry(one), styled((f"{size} ", "$soft")))))
        options.highlighted = 0 if self._folder.entries else None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what is picked."""
        event.stop()
        self._take()

    def on_option_list_option_selected(self) -> None:
        """Take what is clicked."""
        self._take()

    @work(exclusive=True, group="take")
    async def _take(self) -> None:
        typed = self.query_one("#path", Field).value
        if self._looked_at != typed:  # Whoever types fast means what stands there now.
            await self._fetch(typed)
        one = self._picked()
        if one is None:
            self.dismiss(typed.strip())  # It is said what is wrong with it.
        elif one.is_folder:
            self.action_complete()
        else:
            self.dismiss(self._path(one))

    def _picked(self) -> shown.Entry | None:
        place, entries = self.query_one(OptionList).highlighted, self._folder.entries
        return entries[place] if place is not None and place < len(entries) else None

    def _path(self, one: shown.Entry) -> str:
        return f"{self._folder.path.rstrip('/')}/{one.name}"

    def action_complete(self) -> None:
        """Put what is picked into the field; of a folder, what is in it is shown then."""
        one = self._picked()
        if one is not None:
            field = self.query_one("#path", Field)
            field.value = self._path(one) + ("/" if one.is_folder else "")
            field.cursor_position = len(field.value)
            field.focus()

    def action_move(self, step: int) -> None:
        """Move in the list while typing."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if step > 0 else options.action_cursor_up)()

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)


async def attach(app: "Alcove", room: str, path: str = "") -> shown.Line | None:
    """Send a file to a room, after a look at it; return the line that shows it."""
    name: str | None = path
    if not path:
        name = await app.push_screen_wait(Browsing())
    if not name:
        return None
    warning = await app.tried(files.Look(path=name))
    if warning is None:
        return None
    if warning and not await app.push_screen_wait(Question(warning, "Send it")):
        return None
    title = f"Send {name.rpartition('/')[2]}"
    kept = OneOf("Kept by the server", KEPT, id="kept")
    fields: list[Field | OneOf] = [Field("Words beside it", id="text"), kept]
    asked = await app.push_screen_wait(Form(title, fields, "send"))
    if asked is None:
        return None
    call = messages.SendFiles(room=room, paths=(name,), text=asked["text"], expiry=asked["kept"])
    return await app.tried(call)


async def choose_room(app: "Alcove") -> str | None:
    """Let somebody choose with whom to share: a group, somebody, or somebody for the first time."""
    chats = app.newest_chats()
    choices = [
        Choice(one.room, one.title, "personal" if one.person is not None else "group")
        for one in chats if one.state == "active"
    ]  # fmt: skip
    met = {one.person.account for one in chats if one.person is not None}
    choices += [
        Choice(f"@{one.name}", one.name, "personal, a request goes along")
        for one in await app.tried(people.GetPeople()) or () if one.account not in met
    ]  # fmt: skip
    chosen = await app.push_screen_wait(Chooser("Share a file with", choices))
    if chosen is not None and chosen.startswith("@"):
        return await app.tried(people.Direct(name=chosen))
    return chosen
