"""A room, open: its head, its log, who writes, and where one writes oneself."""

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from alcove.client import ClientError
from alcove.desk import chats, messages, shown
from alcove.desk.news import ChatsChanged, ConnectionChanged, LinesChanged, News
from alcove.tui import acts, heading
from alcove.tui.composer import Composer, with_emoji
from alcove.tui.lines import Lines
from alcove.tui.log import Log
from alcove.tui.look import keyed, styled
from alcove.tui.shell import app_of, main_of
from alcove.tui.writing import Writing


class RoomView(Writing):
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
        Binding("i", "act('about')", show=False),
        Binding("x", "act('drop')", show=False),
        Binding("g", "act('origin')", show=False),
        Binding("v", "act('compare')", show=False),
        Binding("enter", "act('open')", show=False),
        Binding("escape", "back", show=False),
        *(Binding(str(number), f"vote({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name.
        super().__init__(id=id)
        self._head: tuple[shown.Room, int] | None = None
        self._below = styled("")
        """What stands in the head and above where one writes: it is drawn when it is other."""

    def compose(self) -> ComposeResult:
        """Make the parts, from top to bottom."""
        yield Static(id="title")
        yield Log(id="log")
        yield Static(id="below")
        yield Static(id="complete")
        yield Composer(self.aim)

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

    # ---- Opening ----

    async def open(self, room: str, line: int | None = None) -> None:
        """Show a room, at its end or at a line."""
        async with self.opening:
            await self._open(room, line)

    async def _open(self, room: str, line: int | None) -> None:
        app = app_of(self)
        if not self.is_open(room):
            await self._change_to(room)
        else:
            self.room = await app.ask(chats.OpenRoom(room=room))
        found = self.room
        assert found is not None, "it was just found"
        if app.me is None:
            return  # It was locked meanwhile.
        self.talk.me = app.me.person.name
        self.talk.members = max(0, len(found.members) - 1)
        self._show_parts(is_open=True)
        self._draw_head()
        if line is None:
            lines = await app.ask(chats.GetLines(room=room))
            self.talk.show(list(lines), app.now(), has_older=len(lines) >= chats.PAGE_LINES)
        else:
            await self._show_at(line)
        self._draw_below()
        self._draw_border()
        self.focus_text()
        if line is None:
            await self._read(marked=True)

    async def _change_to(self, room: str) -> None:
        """Let what is typed from now on be for another room, also before that one is here."""
        app, before, draft = app_of(self), self.room, self.draft
        self._show_parts(is_open=True)
        self.coming = room
        self.reply = self.edited = None
        self.text.write("")
        self.text.read_only = False
        self.focus_text()
        try:
            found = await app.ask(chats.OpenRoom(room=room))
        except ClientError:
            self.text.write(draft)
            self._show_parts(is_open=before is not None)
            raise
        finally:
            self.coming = ""
        self.room = found
        self.text.names = [one.person.name for one in found.members if not one.person.is_me]
        self.text.write(found.chat.draft + self.text.text)
        if before is not None:
            await self.keep_for(before.chat.room, draft)
            await app.ask(chats.CloseRoom(room=before.chat.room))

    async def look_again(self) -> None:
        """Take members, settings and name anew."""
        async with self.opening:
            await self._look_again()

    async def _look_again(self) -> None:
        if self.room is not None:
            self.room = await app_of(self).ask(chats.OpenRoom(room=self.room.chat.room))
            self.talk.members = max(0, len(self.room.members) - 1)
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
        async with self.opening:
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
        try:
            lines = await app_of(self).ask(call)
        except ClientError as error:
            app_of(self).tell(str(error))
            self.talk.rest()
            return
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
            # While a room is being opened, the log has the lines of the one before.
            and any(one.room == chat.room for one in self.talk.lines[-1:])
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
        app, text, aim = app_of(self), with_emoji(event.text), event.aim
        if self.edited is aim.edited:
            self.end_edit()
        if self.reply is aim.reply:
            self.reply = None
        self._draw_border()
        try:
            if aim.edited is not None:
                await app.ask(messages.Edit(line=aim.edited.number, text=text))
                return
            answered = None if aim.reply is None else aim.reply.number
            said = await app.ask(messages.Send(room=aim.room, text=text, reply_to=answered))
        except ClientError as error:
            app.tell(str(error))
            await self._take_back(event)
        else:
            await self.show_said(said)

    async def _take_back(self, event: Composer.Sent) -> None:
        """Let what was not taken stand where one writes again, also beside what was typed since."""
        aim = event.aim
        if not self.is_open(aim.room):  # Another one is by now: its words must not go there.
            if aim.edited is None:
                await app_of(self).tried(chats.KeepDraft(room=aim.room, text=event.text))
            return
        if aim.edited is not None:
            self.edit(aim.edited)
            self.text.write(event.text)
            return
        self.reply = aim.reply
        self.text.write(event.text + self.text.text)
        self._draw_border()

    async def show_said(self, line: shown.Line) -> None:
        """Show what I have said at the end of the log, if its room is still the one here."""
        if not self.is_open(line.room):
            return
        if self.talk.has_newer:
            await self.open(line.room)
        else:
            self.talk.change([line], [], app_of(self).now())
            self.talk.action_newest()

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
        if self.edited is not None:
            self.text.text = ""
            self.end_edit()
        elif self.reply is not None:
            self.reply = None
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

    async def action_vote(self, number: int) -> None:
        """Answer a poll, or go to a place."""
        line = self.talk.line
        if line is not None and line.poll is not None:
            acts.vote(self, number - 1)
        elif number <= 5:
            await main_of(self).go(number - 1)

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
