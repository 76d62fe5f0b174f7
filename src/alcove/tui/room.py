"""A room, open: its head, its log, who writes, and where one writes oneself."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from alcove.desk import chats, messages, shown
from alcove.desk.news import ChatsChanged, ConnectionChanged, LinesChanged, News
from alcove.tui import acts, heading, look
from alcove.tui.composer import Composer, with_emoji
from alcove.tui.lines import Lines, stacked
from alcove.tui.log import Log
from alcove.tui.look import keyed, padded, styled
from alcove.tui.shell import app_of, main_of

DRAFT_S: Final = 0.5
"""What is written is kept so long after the last key."""
TYPING_MS: Final = 4_000
"""Others are told that often that one writes."""
NARROW: Final = 40
"""Where the border has no room for all of its words."""


def _plain(line: shown.Line) -> str:
    """Return what a message says, on one line."""
    return " ".join(line.text.split())


class RoomView(Vertical):
    """One room."""

    BINDINGS: ClassVar = [
        Binding("ctrl+r", "reply", show=False, priority=True),
        Binding("ctrl+o", "attach", show=False, priority=True),
        Binding("ctrl+t", "date", show=False, priority=True),
        Binding("r", "act('reply')", show=False),
        Binding("plus", "act('react')", show=False),
        Binding("e", "act('edit')", show=False),
        Binding("d", "act('delete')", show=False),
        Binding("y", "act('copy')", show=False),
        Binding("s", "act('save')", show=False),
        Binding("space", "act('play')", show=False),
        Binding("p", "act('pin')", show=False),
        Binding("f", "act('forward')", show=False),
        Binding("i", "act('why')", show=False),
        Binding("x", "act('drop')", show=False),
        Binding("g", "act('origin')", show=False),
        Binding("v", "act('compare')", show=False),
        Binding("enter", "act('open')", show=False),
        Binding("escape", "back", show=False),
        *(Binding(str(number), f"vote({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name.
        super().__init__(id=id)
        self.room: shown.Room | None = None
        self.reply: shown.Line | None = None
        self.edited: shown.Line | None = None
        self._typed_at = 0
        self._head: tuple[shown.Room, int] | None = None
        self._below = styled("")
        """What stands in the head and above where one writes: it is drawn when it is other."""
        self._drafts = 0

    def compose(self) -> ComposeResult:
        """Make the parts, from top to bottom."""
        yield Static(id="title")
        yield Log(id="log")
        yield Static(id="below")
        yield Static(id="complete")
        yield Composer()

    def on_mount(self) -> None:
        """Show nothing before a room is opened."""
        self._show_parts(is_open=False)

    def _show_parts(self, *, is_open: bool) -> None:
        for name in ("#log", "#below", "#compose"):
            self.query_one(name).display = is_open
        if not is_open:
            words = styled(
                "\n",
                ("  Pick a chat with ↑ ↓ and enter, or begin one with ", "$soft"),
                keyed("^n", ""),
            )
            self.query_one("#title", Static).update(words)

    @property
    def talk(self) -> Log:
        """What was said."""
        return self.query_one(Log)

    @property
    def text(self) -> Composer:
        """Where one writes."""
        return self.query_one(Composer)

    def focus_text(self) -> None:
        """Write."""
        self.text.focus()

    # ---- Opening ----

    async def open(self, room: str, line: int | None = None) -> None:
        """Show a room, at its end or at a line."""
        app = app_of(self)
        if self.room is not None and self.room.chat.room != room:
            await self._keep_draft()
            await app.ask(chats.CloseRoom(room=self.room.chat.room))
        found = await app.ask(chats.OpenRoom(room=room))
        is_other = self.room is None or self.room.chat.room != room
        self.room = found
        assert app.me is not None, "somebody is here"
        self.talk.me = app.me.person.name
        self.talk.members = max(0, len(found.members) - 1)
        self._show_parts(is_open=True)
        self._draw_head()
        if line is None:
            lines = await app.ask(chats.GetLines(room=room))
            self.talk.show(list(lines), app.now(), has_older=len(lines) >= chats.PAGE_LINES)
        else:
            await self._show_at(line)
        if is_other:
            self.reply = self.edited = None
            self.text.names = [one.person.name for one in found.members if not one.person.is_me]
            self.text.text = found.chat.draft
            self.text.move_cursor(self.text.document.end)
        self._draw_below()
        self._draw_border()
        self.focus_text()
        if line is None:
            await self._read(marked=True)

    async def look_again(self) -> None:
        """Take members, settings and name anew."""
        if self.room is not None:
            self.room = await app_of(self).ask(chats.OpenRoom(room=self.room.chat.room))
            self.text.names = [one.person.name for one in self.room.members if not one.person.is_me]
            self._draw_head()
            self._draw_below()

    async def _show_at(self, line: int) -> None:
        assert self.room is not None, "a room is open"
        app, room = app_of(self), self.room.chat.room
        before = await app.ask(chats.GetLines(room=room, before=line))
        after = await app.ask(chats.GetLines(room=room, since=line))
        self.talk.show(
            [*before, *after], app.now(), has_older=len(before) >= chats.PAGE_LINES,
            has_newer=len(after) >= chats.PAGE_LINES, at=line,
        )  # fmt: skip

    @work(exclusive=True, group="goto")
    async def go_to(self, line: int) -> None:
        """Bring a line to the screen."""
        await self._show_at(line)
        self.talk.focus()

    async def on_log_wanted(self, event: Log.Wanted) -> None:
        """Fetch a page more."""
        event.stop()
        self._fetch(older=event.older)

    @work(exclusive=True, group="page")
    async def _fetch(self, *, older: bool) -> None:
        if self.room is None or not self.talk.lines:
            return
        room = self.room.chat.room
        if older:
            call = chats.GetLines(room=room, before=self.talk.lines[0].number)
        else:
            call = chats.GetLines(room=room, since=self.talk.lines[-1].number)
        lines = await app_of(self).ask(call)
        if self.is_open(room):
            self.talk.add(list(lines), older=older, more=len(lines) >= chats.PAGE_LINES)

    def is_open(self, room: str) -> bool:
        """Whether this room is the one that is shown."""
        return self.room is not None and self.room.chat.room == room

    # ---- Reading ----

    async def on_log_seen(self, event: Log.Seen) -> None:
        """What is new was on the screen: it is read."""
        event.stop()
        await self._read()

    async def _read(self, *, marked: bool = False) -> None:
        if self.room is not None and self._is_to_be_read(marked=marked):
            await app_of(self).tried(chats.Read(room=self.room.chat.room))

    def _is_to_be_read(self, *, marked: bool = False) -> bool:
        chat = None if self.room is None else app_of(self).chats.get(self.room.chat.room)
        return bool(
            chat is not None
            and (chat.unread or (marked and chat.is_marked))
            and self.is_looked_at
            and self.talk.is_at_end
        )

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody sees this room now."""
        return self.app.app_focus and self.display and self.is_on_screen

    # ---- Drawing ----

    def _draw_head(self) -> None:
        if self.room is not None:
            room, columns = self.room, app_of(self).size.width
            if (room, columns) != self._head:
                self._head = room, columns
                self.query_one("#title", Static).update(
                    Lines(lambda width: heading.head(room, columns, width))
                )

    def _draw_below(self) -> None:
        """Say the most urgent thing above where one writes."""
        app = app_of(self)
        if self.room is not None and app.me is not None:
            chat = app.chats.get(self.room.chat.room, self.room.chat)
            line, now = app.me.connection, app.now()
            waiting = sum(1 for one in self.talk.lines if one.state == "waiting")
            said = heading.below(self.room, chat, line, now, waiting)
            if not said.is_same(self._below):
                self._below = said
                self.query_one("#below", Static).update(
                    Lines(lambda width: said.truncate(width, ellipsis=True))
                )

    def _draw_border(self) -> None:
        text = self.text
        if self.edited is not None:
            text.border_title = styled(("✎ Edit  ", "$accent bold"), keyed("esc", "drop"))
        elif self.reply is not None:
            text.border_title = self._answered(self.reply)
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

    def _answered(self, line: shown.Line) -> Content:
        """Return whom a reply answers, with so much of it as there is room for."""
        width, end = self.size.width - 8, styled("  ", keyed("esc", "drop"))
        by = "" if line.author is None else look.called(line.author)
        ink = "$accent" if line.author is None else look.colour(line.author.name)
        to = by if width < NARROW else f"Reply to {by}"
        quote = styled((f"{look.REPLY} {to}", f"{ink} bold"), (f": {_plain(line)}", "$soft"))
        room = max(8, width - end.cell_length)
        return styled(
            quote.truncate(room, ellipsis=True) if quote.cell_length > room else quote, end
        )

    def on_resize(self) -> None:
        """Cut what stands in the border anew."""
        self._draw_border()

    def tick(self) -> None:
        """Draw anew what shows a time."""
        if self.room is not None:
            self._draw_below()

    # ---- Hearing ----

    def told(self, news: News) -> None:
        """Take what is other."""
        if self.room is None:
            return
        here = self.room.chat.room
        match news:
            case LinesChanged(room=room, lines=lines, gone=gone) if room == here:
                self.talk.change(list(lines), list(gone), app_of(self).now())
                self._draw_below()
            case ChatsChanged() | ConnectionChanged():
                self._draw_below()
                self._draw_head()
                if self._is_to_be_read():
                    self._note_read()

    @work(exclusive=True, group="read")
    async def _note_read(self) -> None:
        await self._read()

    # ---- Writing ----

    async def on_composer_sent(self, event: Composer.Sent) -> None:
        """Say it: it stands in the log at once."""
        event.stop()
        if self.room is None:
            return
        app, room, text = app_of(self), self.room.chat.room, with_emoji(event.text)
        if self.edited is not None:
            line, self.edited = self.edited, None
            self._clear()
            await app.tried(messages.Edit(line=line.number, text=text))
            return
        reply, self.reply = self.reply, None
        self._clear()
        answered = None if reply is None else reply.number
        said = await app.tried(messages.Send(room=room, text=text, reply_to=answered))
        if said is None:  # It was not taken: nothing is lost.
            self.text.text = event.text
            self.reply = reply
            self._draw_border()
            return
        if self.talk.has_newer:
            await self.open(room)
        else:
            self.talk.change([said], [], app.now())
            self.talk.action_newest()

    def _clear(self) -> None:
        self.text.text = ""
        self._draw_border()

    def on_text_area_changed(self) -> None:
        """Keep the draft in a moment, and let others know that one writes."""
        self._drafts += 1
        count = self._drafts
        self.set_timer(DRAFT_S, lambda: self._keep_soon(count))
        now = app_of(self).now()
        if self.text.text and now - self._typed_at > TYPING_MS and self.room is not None:
            self._typed_at = now
            self._type()

    @work(group="typing")
    async def _type(self) -> None:
        if self.room is not None:
            await app_of(self).tried(chats.Type(room=self.room.chat.room))

    def _keep_soon(self, count: int) -> None:
        if count == self._drafts:
            self._keep()

    @work(group="draft")
    async def _keep(self) -> None:
        await self._keep_draft()

    async def _keep_draft(self) -> None:
        if self.room is not None and self.edited is None:
            chat = app_of(self).chats.get(self.room.chat.room)
            if chat is not None and chat.draft != self.text.text:
                await app_of(self).tried(chats.KeepDraft(room=chat.room, text=self.text.text))

    def on_composer_choices(self, event: Composer.Choices) -> None:
        """Show what completes the word."""
        event.stop()
        shelf = self.query_one("#complete", Static)
        shelf.set_class(bool(event.choices), "-some")
        rows = [self._choice(words, place) for place, (_, words) in enumerate(event.choices)]
        shelf.update(Lines(lambda width: stacked(*(one(width) for one in rows))))
        self._draw_border()

    def _choice(self, words: str, place: int) -> Callable[[int], Content]:
        """Return what draws a completion: an emoji, or somebody of this room."""
        is_picked = place == self.text.picked
        sign = (f" {look.PICK} " if is_picked else "   ", "$accent bold")
        members = () if self.room is None else self.room.members
        person = next((one.person for one in members if f"@{one.person.name}" == words), None)
        said = styled(sign, (words, "bold"))
        if person is not None:
            called = person.called or person.name
            is_narrow = app_of(self).size.width < heading.CLASSIC
            trust = "" if is_narrow else f"{look.TRUST[person.trust]} {person.trust}"
            said = styled(
                sign, look.dot(person), " ", (f"{called:<18}", "bold"), (f"{words:<12}", "$soft"),
                (trust, "$soft"),
            )  # fmt: skip
        back = "on $pick" if is_picked else "on $card"
        return lambda width: padded(said, width).stylize_before(back)

    async def on_composer_pasted(self, event: Composer.Pasted) -> None:
        """Ask whether a file whose path was pasted is to be sent."""
        event.stop()
        acts.attach(self, event.path)

    def on_composer_upwards(self, event: Composer.Upwards) -> None:
        """Go from an empty text to the last message."""
        event.stop()
        self.talk.focus()
        self.talk.pick(None)
        self.talk.action_pick(-1)

    def on_composer_dropped(self, event: Composer.Dropped) -> None:
        """Drop the reply or the edit; with none, read."""
        event.stop()
        if self.reply is not None or self.edited is not None:
            if self.edited is not None:
                self.text.text = ""
            self.reply = self.edited = None
            self._draw_border()
        else:
            self.talk.focus()

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done here now."""
        if self.room is None:
            return ()
        if self.screen.focused is self.talk:
            return acts.keys(self)
        return (
            ("enter", "send"),
            ("^k", "chats"),
            ("^o", "attach"),
            ("^f", "search"),
            ("^g", "members"),
            ("^r", "reply"),
            ("^t", "jump to date"),
            ("esc", "read mode"),
        )

    def action_back(self) -> None:
        """One step back: from the picked message, then from the log to the list."""
        if self.talk.picked is not None:
            self.talk.pick(None)
            self.focus_text()
            return
        from alcove.tui.chats import Chats  # noqa: PLC0415 - It holds this.

        self.query_ancestor(Chats).back()

    def on_log_picked(self, event: Log.Picked) -> None:
        """Other keys do something now."""
        event.stop()
        show = getattr(self.screen, "show_keys", None)
        if show is not None:
            show()

    def action_act(self, name: str) -> None:
        """Do something with the message that is picked."""
        acts.act(self, name)

    def action_reply(self) -> None:
        """Answer the picked message, or the last one of another."""
        if self.talk.line is None:
            others = [
                one for one in self.talk.lines if not one.is_mine and one.kind in ("text", "poll")
            ]
            if not others:
                return
            self.talk.pick(others[-1].number)
        acts.act(self, "reply")

    def action_vote(self, number: int) -> None:
        """Answer a poll, or go to a place."""
        line = self.talk.line
        if line is not None and line.poll is not None:
            acts.vote(self, number - 1)
        elif number <= 5:
            main_of(self).go(number - 1)

    def action_attach(self) -> None:
        """Send files."""
        acts.attach(self, "")

    def action_date(self) -> None:
        """Jump to a day."""
        acts.jump(self)

    def action_poll(self) -> None:
        """Ask a question with a few answers."""
        acts.poll(self)

    @work(group="act")
    async def action_overlook(self) -> None:
        """Go on though others see another version: one has asked them."""
        if self.room is not None and self.room.is_doubted:
            await app_of(self).tried(chats.Overlook(room=self.room.chat.room))
            await self.look_again()

    def search(self) -> None:
        """Find what was said here, or anywhere."""
        acts.search(self)
