"""Where one writes in a room: the draft that is kept, what is edited, and what completes a word."""

import asyncio
from typing import Final

from textual import work
from textual.containers import Vertical
from textual.widgets import Static

from alcove.desk import chats, shown
from alcove.tui import heading
from alcove.tui.composer import Aim, Composer
from alcove.tui.guard import Steady
from alcove.tui.lines import Lines, stacked
from alcove.tui.look import keyed, styled
from alcove.tui.shell import app_of

DRAFT_S: Final = 0.5
"""What is written is kept at the latest so long after a key."""
TYPING_MS: Final = 4_000
"""Others are told that often that one writes."""


class Writing(Steady, Vertical):
    """The lower half of a room."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name.
        super().__init__(id=id)
        self.room: shown.Room | None = None
        self.reply: shown.Line | None = None
        self.edited: shown.Line | None = None
        self.opening = asyncio.Lock()
        """Held while another room is opened: nothing that is written may go to the wrong one."""
        self.coming = ""
        """The room that is being opened; what is typed meanwhile is said there."""
        self._aside = ""
        """The draft, while a message is edited where one writes."""
        self._is_keeping = False
        self._typed_at = 0

    @property
    def text(self) -> Composer:
        """Where one writes."""
        return self.query_one(Composer)

    def aim(self) -> Aim:
        """Return what is written to now."""
        room = self.coming or ("" if self.room is None else self.room.chat.room)
        return Aim(room, self.reply, self.edited)

    def focus_text(self) -> None:
        """Write."""
        self.screen.set_focus(self.text)

    # ---- Drafts ----

    def on_text_area_changed(self) -> None:
        """Keep the draft in a moment, and let others know that one writes."""
        if not self._is_keeping:  # Who writes without a rest has it kept just as often.
            self._is_keeping = True
            self.set_timer(DRAFT_S, self._keep_soon)
        now = app_of(self).now()
        if self.text.text and now - self._typed_at > TYPING_MS and self.room is not None:
            self._typed_at = now
            self._type()

    @work(group="typing")
    async def _type(self) -> None:
        if self.room is not None:
            await app_of(self).tried(chats.Type(room=self.room.chat.room))

    def _keep_soon(self) -> None:
        self._is_keeping = False
        self._keep()

    @work(group="draft")
    async def _keep(self) -> None:
        await self.keep_draft()

    async def keep_draft(self) -> None:
        """Keep what stands where one writes."""
        if self.room is not None and not self.opening.locked():
            await self.keep_for(self.room.chat.room, self.draft)

    @property
    def draft(self) -> str:
        """What was begun, and is not said yet."""
        return self.text.text if self.edited is None else self._aside

    async def keep_for(self, room: str, text: str) -> None:
        """Keep what was begun in a room."""
        chat = app_of(self).chats.get(room)
        if chat is not None and chat.draft != text:
            await app_of(self).tried(chats.KeepDraft(room=room, text=text))

    def edit(self, line: shown.Line) -> None:
        """Let what I have said be said otherwise; what was begun is set aside."""
        if self.edited is None:
            self._aside = self.text.text
        self.edited, self.reply = line, None
        self.text.write(line.text)
        self._draw_border()

    def end_edit(self) -> None:
        """Go on with what was begun before."""
        if self.edited is None:
            return
        self.edited = None
        self.text.write(self._aside + self.text.text)
        self._draw_border()

    # ---- What stands around it ----

    def on_composer_choices(self, event: Composer.Choices) -> None:
        """Show what completes the word."""
        event.stop()
        shelf = self.query_one("#complete", Static)
        shelf.set_class(bool(event.choices), "-some")
        people = {} if self.room is None else {
            f"@{one.person.name}": one.person for one in self.room.members
        }  # fmt: skip
        columns = app_of(self).size.width
        rows = [
            heading.choice(words, people.get(words), columns, is_picked=place == self.text.picked)
            for place, (_, words) in enumerate(event.choices)
        ]
        shelf.update(Lines(lambda width: stacked(*(one(width) for one in rows))))
        self._draw_border()

    def _draw_border(self) -> None:
        text = self.text
        if self.edited is not None:
            text.border_title = styled(("✎ Edit  ", "$accent bold"), keyed("esc", "drop"))
        elif self.reply is not None:
            text.border_title = heading.answered(self.reply, self.size.width - 8)
        else:
            text.border_title = ""
        hint = (
            styled(keyed("tab", "take it"), "  ", keyed("^j", "new line"))
            if text.choices
            else keyed("^j", "new line")
        )
        text.border_subtitle = hint
        can = self.room is None or self.room.may.post or self.room.chat.state != "active"
        text.read_only = not can
        if not can:
            text.border_title = styled(("Only some may write here.", "$soft"))

    def on_resize(self) -> None:
        """Cut what stands in the border anew."""
        self._draw_border()
