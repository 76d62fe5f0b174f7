"""The third place: files on their way, and all that were sent or received."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from alcove.desk import files, messages, shown
from alcove.desk.news import ChatsChanged, News, TransfersChanged
from alcove.tui import look, pictures
from alcove.tui.lines import Lines, column, facts, stacked
from alcove.tui.look import bar, spread, styled
from alcove.tui.place import Place
from alcove.tui.saving import save
from alcove.tui.shell import Box, Question, Rows, app_of, main_of

KINDS: Final = ("all", "personal", "groups", "images", "mine")
ORDERS: Final = ("newest", "largest", "name")
PAGE: Final = 200
METER: Final = 14
TABLE_CELLS, WIDE_CELLS = 64, 86
"""From so many cells on there is a table, and one with who sent it."""
PICTURE_ROWS: Final = 10
LOOK_S: Final = 1.0
"""What comes while one looks is shown so soon."""
SURE_MS: Final = 1_000
"""Before so long nobody knows how fast a file is."""


def _source(chat: shown.Chat | None) -> Content:
    """Return where a file was sent."""
    if chat is None:
        return styled("")
    if chat.person is not None:
        return styled("Personal")
    return styled((f"Group: {chat.title}", "$link"))


def _cells(parts: Sequence[Content], width: int) -> Content:
    """Return a row of the table; who sent it falls away where there is no room."""
    is_wide = width >= WIDE_CELLS
    name, source, by, size, date, count, ends = parts
    room = width - 3 - (50 if is_wide else 30)
    first = room * 5 // 11
    cells: list[Content | str] = [column(name, first), " ", column(source, room - first - 1), " "]
    if is_wide:
        cells += [column(by, 19), " "]
    cells += [column(size, 8, is_right=True), " ", column(date, 7)]
    cells += [column(count, 3, is_right=True), " ", column(ends, 8)]
    return styled(*cells)


def _moving(one: shown.Transfer, chat: shown.Chat | None, left: str) -> Lines:
    """Return a file on its way."""
    done = one.done / one.size if one.size else 0.0
    amount = f"{look.size(one.done)} of {look.size(one.size)}"
    word = f"{amount}  {'paused' if one.state == 'paused' else left}".rstrip()
    sign = ("↑" if one.is_upload else "↓", "$accent bold")

    def draw(width: int) -> Content:
        if one.state == "failed":
            head = styled(" ", ("✕", "$bad bold"), " ", (one.name, "bold"), f"  {one.why}")
            keys = styled(look.keyed("p", "again"), "  ", look.keyed("x", "dismiss"), " ")
            return spread(head, keys, width)
        head = styled(" ", sign, " ", (one.name, "bold"))
        if width >= WIDE_CELLS:
            head = styled(column(head, 22), " ", _source(chat))
        cells = min(METER, max(6, width - 30))
        meter = styled(bar(done, cells), f" {done * 100:3.0f} %")
        if width >= TABLE_CELLS:
            meter = styled(meter, column(styled((word, "$soft")), 27, is_right=True))
        return spread(head, styled(meter, " "), width)

    return Lines(draw)


def _ends(line: shown.Line, file: shown.Attached, now: int) -> Content:
    """Return when a file goes: with its message, or from the server."""
    ends = [one for one in (line.expires_at, file.ends_at) if one is not None]
    if not ends:
        return styled(("never", "$soft"))
    left = min(ends) - now
    if left <= 0:
        return styled(("expired", "$soft"))
    return styled((f"{look.EXPIRES} {look.lasting(left)}", "$accent"))


class Files(Place):
    """What is on its way above, what was sent below."""

    BINDINGS: ClassVar = [
        ("s", "save", "Save"),
        ("d", "delete", "Delete"),
        ("f", "filter", "Filter"),
        ("o", "order", "Sort"),
        ("x", "stop", "Stop"),
        ("p", "rest", "Pause"),
        ("g", "show", "Show"),
        Binding("ctrl+o", "share", "Share a file", priority=True),
    ]

    def compose(self) -> ComposeResult:
        """Make both lists."""
        with Horizontal():
            with Vertical(classes="place"):
                yield Box(
                    "On their way",
                    Rows(classes="rows", id="moving"),
                    keys=(("x", "cancel"), ("p", "pause, go on")),
                    id="way",
                )
                with Box(
                    "Files", keys=(("g", "show its message"), ("d", "delete")), id="all",
                    classes="fill",
                ):  # fmt: skip
                    yield Static(id="head", classes="soft")
                    yield Rows(classes="rows", id="files")
                yield Static(id="space")
            yield Static(id="file")

    def on_mount(self) -> None:
        """Nothing is known yet."""
        self._lines: tuple[shown.Line, ...] = ()
        self._rows: list[tuple[shown.Line, shown.Attached]] = []
        self._moving: dict[int, shown.Transfer] = {}
        self._kind = self._sort = 0
        self._space: shown.Space | None = None
        self._looks_soon = False
        self._begun: dict[int, tuple[int, int]] = {}
        """Of each file on its way: when it was seen first, and how far it was then."""

    def entered(self) -> None:
        """Look again."""
        self.take_focus("#files")
        self._look()

    def told(self, news: News) -> None:
        """Draw how far files have come, and in a moment what has come meanwhile."""
        if isinstance(news, ChatsChanged) and self.is_shown and not self._looks_soon:
            self._looks_soon = True
            self.set_timer(LOOK_S, self._look_again)
        if isinstance(news, TransfersChanged):
            for one in news.transfers:
                if one.state in ("open", "paused", "failed"):
                    self._moving[one.number] = one
                else:
                    self._moving.pop(one.number, None)
                    if self.is_shown:
                        self._look()
            if self.is_shown:
                self._draw_moving()

    def _look_again(self) -> None:
        self._looks_soon = False
        if self.is_shown:
            self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        app = app_of(self)
        self._moving = {one.number: one for one in await app.ask(files.GetTransfers())}
        self._lines = await app.ask(files.GetFiles(limit=PAGE))
        self._draw_moving()
        self._draw()
        if app.me is not None and app.me.connection.state == "online":
            self._space = await app.tried(files.GetSpace())
            self._draw()

    def _draw_moving(self) -> None:
        chats = app_of(self).chats
        self.query_one("#moving", Rows).refill(
            [
                Option(_moving(one, chats.get(one.room), self._left(one)), id=str(one.number))
                for one in self._moving.values()
            ]
        )
        self.query_one("#way").display = bool(self._moving)
        self.query_one("#way", Box).name_it(f"On their way {len(self._moving)}")

    def _left(self, one: shown.Transfer) -> str:
        """Return how long a file will take still, going by how fast it was so far."""
        now = app_of(self).now()
        at, done = self._begun.setdefault(one.number, (now, one.done))
        if one.state != "open" or now - at < SURE_MS or one.done <= done:
            return ""
        return f"{look.lasting((one.size - one.done) * (now - at) // (one.done - done))} left"

    def _draw_space(self, width: int) -> Content:
        """Return how much of what the server gives is used."""
        if self._space is None:
            return styled("")
        used, quota = styled((look.size(self._space.used), "bold")), self._space.quota
        share = styled(bar(self._space.used / quota, METER), "  ") if quota else styled("")
        most = f" of {look.size(quota)}" if quota else ""
        name = "Your files on the server" if width >= TABLE_CELLS else "On the server"
        left = styled((f"{name}  ", "$soft"), share, used, (most, "$soft"))
        end = "it sees sizes, not names or types" if width >= WIDE_CELLS else "names are sealed"
        return spread(left, styled((end if width >= TABLE_CELLS else "", "$soft")), width)

    def _draw(self) -> None:
        app = app_of(self)
        rows = [
            (line, file) for line in self._lines for file in line.files if self._fits(line, file)
        ]
        keys = {
            "newest": lambda one: -one[0].at, "largest": lambda one: -one[1].size,
            "name": lambda one: one[1].name.casefold(),
        }  # fmt: skip
        rows.sort(key=keys[ORDERS[self._sort]])
        self._rows = rows
        self.query_one("#files", Rows).refill(
            [
                Option(
                    self._row(line, file, app.chats.get(line.room)),
                    id=f"{line.number} {file.place}",
                )
                for line, file in rows
            ]
        )
        total = sum(file.size for _, file in rows)
        count = "1 file" if len(rows) == 1 else f"{len(rows)} files"
        self.query_one("#all", Box).name_it(f"{count}, {look.size(total)}")
        self.query_one("#head", Static).update(Lines(self._head))
        self.query_one("#space", Static).update(Lines(self._draw_space))
        self._draw_file()

    def _head(self, width: int) -> Content:
        """Return which kinds are shown, in which order, and what stands in which column."""
        order = styled((f"{ORDERS[self._sort]} first  ", "$soft"), look.keyed("o", "sort"))
        kinds: list[Content | str] = []
        for place, kind in enumerate(KINDS):
            if place == self._kind:
                kinds += [look.chip(kind), " "]
            elif width >= TABLE_CELLS:
                kinds += [styled((f" {kind} ", "$soft")), " "]
        first = spread(styled(*kinds, look.keyed("f", "filter")), order, width)
        if width < TABLE_CELLS:
            return first
        names = ("Name", "Source", "From", "Size", "Date", "↓", "Expires")
        return stacked(
            first, styled("   ", _cells([styled((one, "$soft")) for one in names], width))
        )

    def _row(self, line: shown.Line, file: shown.Attached, chat: shown.Chat | None) -> Lines:
        """Return a file: a row of the table, or two lines where that has no room."""
        now = app_of(self).now()
        by = styled("" if line.author is None else look.called(line.author))
        source = _source(chat)
        size = styled(look.size(file.size))
        date = styled((look.short(line.at, now), "$soft"))
        ends, count = _ends(line, file, now), styled((self._fetched(file), "$soft"))
        sign = styled(f" {look.file_sign(file)} ")

        def draw(width: int) -> Content:
            name = styled((file.name, "bold"))
            if width >= TABLE_CELLS:
                return styled(sign, _cells([name, source, by, size, date, count, ends], width))
            first = spread(styled(sign, name), size, width)
            return stacked(first, spread(styled("   ", source), styled(ends, "  ", date), width))

        return Lines(draw)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what the picked file is."""
        if event.option_list.id == "files":
            self._draw_file()

    def _draw_file(self) -> None:
        """Show all of the picked file, where there is room for it."""
        picked, view = self._picked(), self.query_one("#file", Static)
        if picked is None:
            nothing = styled(("No file is here yet. ", "$soft"), look.keyed("^o", "share one"))
            view.update(Lines(lambda width: stacked(*nothing.wrap(width))))
            return
        line, file = picked
        app = app_of(self)
        by = styled("") if line.author is None else look.named(line.author)
        facts_of: list[tuple[str, Content | str]] = [
            ("Source", _source(app.chats.get(line.room))), ("From", by),
            ("Sent", f"{look.day(line.at, app.now())}, {look.clock(line.at)}"),
            ("Size", look.size(file.size)), ("Kind", file.type),
        ]  # fmt: skip
        if file.width and file.height:
            facts_of.append(("Pixels", f"{file.width} \N{MULTIPLICATION SIGN} {file.height}"))
        if file.length_ms:
            facts_of.append(("Length", look.length(file.length_ms)))
        if self._fetched(file):
            facts_of.append(("Fetched", f"{self._fetched(file)} times"))
        facts_of.append(("Expires", _ends(line, file, app.now())))

        def draw(width: int) -> Content:
            rows = [styled(f"{look.file_sign(file)} ", (file.name, "bold")), styled("")]
            if file.thumbnail:
                rows += [*pictures.blocks(file.thumbnail, width, PICTURE_ROWS), styled("")]
            sealed = styled(("Opened by a key of its own, which only the room has.", "$soft"))
            keys = (
                ("s", "save"), ("g", "show its message"), ("d", "delete"), ("^o", "share another"),
            )  # fmt: skip
            return stacked(
                *rows, facts(facts_of).draw(width), styled(""), *sealed.wrap(width), styled(""),
                *(look.keyed(key, words) for key, words in keys),
            )  # fmt: skip

        view.update(Lines(draw))

    def _fits(self, line: shown.Line, file: shown.Attached) -> bool:
        chat = app_of(self).chats.get(line.room)
        is_personal = chat is not None and chat.person is not None
        return {
            "all": True,
            "personal": is_personal,
            "groups": not is_personal,
            "images": file.type.startswith("image/"),
            "mine": line.is_mine,
        }[KINDS[self._kind]]

    def _fetched(self, file: shown.Attached) -> str:
        """Return how often one's own file was fetched; of others' only their sender is told."""
        count = None if self._space is None else self._space.downloads.get(file.blob)
        return "" if count is None else str(count)

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done with what is picked."""
        focus = self.screen.focused
        if focus is not None and focus.id == "moving":
            return (("x", "cancel"), ("p", "pause, go on"))
        return (
            ("^o", "share a file"),
            ("s", "save"),
            ("g", "show its message"),
            ("d", "delete"),
            ("f", "filter"),
            ("o", "sort"),
        )

    def _picked(self) -> tuple[shown.Line, shown.Attached] | None:
        place = self.query_one("#files", OptionList).highlighted
        return self._rows[place] if place is not None and place < len(self._rows) else None

    def _picked_transfer(self) -> shown.Transfer | None:
        place = self.query_one("#moving", OptionList).highlighted
        moving = list(self._moving.values())
        return moving[place] if place is not None and place < len(moving) else None

    def action_filter(self) -> None:
        """Show other kinds."""
        self._kind = (self._kind + 1) % len(KINDS)
        self._draw()

    def action_order(self) -> None:
        """Sort otherwise."""
        self._sort = (self._sort + 1) % len(ORDERS)
        self._draw()

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Save what is chosen."""
        if event.option_list.id == "files":
            self.action_save()

    @work
    async def action_save(self) -> None:
        """Fetch a file and keep it."""
        picked = self._picked()
        if picked is not None:
            await save(app_of(self), *picked)

    @work
    async def action_delete(self) -> None:
        """Take the file's message away for everyone."""
        picked, app = self._picked(), app_of(self)
        if picked is not None and await app.push_screen_wait(
            Question(f"Take the message with {picked[1].name} away for everyone?", "Delete")
        ):
            await app.tried(messages.Delete(line=picked[0].number))
            self._look()

    @work
    async def action_stop(self) -> None:
        """Give a file up."""
        one = self._picked_transfer()
        if one is not None:
            await app_of(self).tried(files.CancelTransfer(number=one.number))
            self._look()

    @work
    async def action_rest(self) -> None:
        """Let a file rest, or go on."""
        one = self._picked_transfer()
        if one is not None:
            await app_of(self).tried(files.Pause(number=one.number, on=one.state == "open"))
            self._look()

    @work
    async def action_share(self) -> None:
        """Send a file to a group or to somebody."""
        from alcove.tui import attaching  # noqa: PLC0415 - Only when it is asked for.

        app = app_of(self)
        room = await attaching.choose_room(app)
        if room is not None and await attaching.attach(app, room) is not None:
            self._look()

    async def action_show(self) -> None:
        """Show the message that a file came with."""
        picked = self._picked()
        if picked is not None:
            await (await main_of(self).chats()).open(picked[0].room, line=picked[0].number)
