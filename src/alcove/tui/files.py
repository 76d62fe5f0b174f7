"""The third place: files on their way, and all that were sent or received."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from alcove.desk import files, messages, shown
from alcove.desk.news import News, TransfersChanged
from alcove.tui import look
from alcove.tui.look import bar, spread, styled
from alcove.tui.place import Place
from alcove.tui.shell import Box, Field, Form, Question, app_of, main_of

KINDS: Final = ("all", "images", "documents", "mine", "from others")
ORDERS: Final = ("newest", "largest", "name")
PAGE: Final = 200
METER: Final = 20


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
    ]

    def compose(self) -> ComposeResult:
        """Make both lists."""
        with Vertical(classes="place"):
            yield Box(
                "On their way",
                OptionList(classes="rows", id="moving"),
                keys=(("x", "cancel"), ("p", "pause, go on")),
                id="way",
            )
            with Box(
                "Files",
                keys=(
                    ("s", "save"),
                    ("g", "show its message"),
                    ("d", "delete"),
                    ("f", "filter"),
                    ("o", "sort"),
                ),
                id="all",
                classes="fill",
            ):
                yield Static(id="head", classes="soft")
                yield OptionList(classes="rows", id="files")

    def on_mount(self) -> None:
        """Nothing is known yet."""
        self._lines: tuple[shown.Line, ...] = ()
        self._rows: list[tuple[shown.Line, shown.Attached]] = []
        self._moving: dict[int, shown.Transfer] = {}
        self._kind = self._sort = 0

    def entered(self) -> None:
        """Look again."""
        self.query_one("#files").focus()
        self._look()

    def told(self, news: News) -> None:
        """Draw how far files have come."""
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

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        app = app_of(self)
        self._moving = {one.number: one for one in await app.ask(files.GetTransfers())}
        self._lines = await app.ask(files.GetFiles(limit=PAGE))
        self._draw_moving()
        self._draw()

    def _draw_moving(self) -> None:
        options = self.query_one("#moving", OptionList)
        picked, width = options.highlighted, max(30, options.size.width - 1)
        options.clear_options()
        for one in self._moving.values():
            sign = "↑" if one.is_upload else "↓"
            done = one.done / one.size if one.size else 0.0
            word = {"paused": "paused", "failed": f"▲ {one.why}"}.get(
                one.state, f"{look.size(one.done)} of {look.size(one.size)}"
            )
            left = styled(
                (f" {sign} ", "$accent"),
                (one.name, "bold"),
                "  ",
                (word, "$bad" if one.state == "failed" else "$soft"),
            )
            options.add_option(
                Option(
                    spread(left, styled(bar(done, METER), f" {done:4.0%}"), width),
                    id=str(one.number),
                )
            )
        if self._moving:
            options.highlighted = min(picked or 0, len(self._moving) - 1)
        self.query_one("#way").display = bool(self._moving)
        self.query_one("#way", Box).name_it(f"On their way {len(self._moving)}")

    def _draw(self) -> None:
        options = self.query_one("#files", OptionList)
        picked, width, app = options.highlighted, max(30, options.size.width - 1), app_of(self)
        rows = [
            (line, file) for line in self._lines for file in line.files if self._fits(line, file)
        ]
        keys = {
            "newest": lambda one: -one[0].at, "largest": lambda one: -one[1].size,
            "name": lambda one: one[1].name.casefold(),
        }  # fmt: skip
        rows.sort(key=keys[ORDERS[self._sort]])
        self._rows = rows
        options.clear_options()
        for line, file in rows:
            chat = app.chats.get(line.room)
            sign = (
                look.IMAGE
                if file.type.startswith("image/")
                else look.SOUND
                if file.length_ms
                else look.FILE
            )
            by = "" if line.author is None else look.called(line.author)
            ends = (
                ""
                if line.expires_at is None
                else f"  {look.EXPIRES} {look.lasting(line.expires_at - app.now())} left"
            )
            left = styled(
                (f" {sign} ", "$soft"),
                (file.name, "bold"),
                (f"  {by} in ", "$soft"),
                ("" if chat is None else chat.title, "$link"),
                (ends, "$accent"),
            )
            options.add_option(
                Option(
                    spread(
                        left,
                        styled(
                            (
                                f"{look.size(file.size):>9}  {look.short(line.at, app.now()):>6}",
                                "$soft",
                            )
                        ),
                        width,
                    )
                )
            )
        if rows:
            options.highlighted = min(picked or 0, len(rows) - 1)
        total = sum(file.size for _, file in rows)
        self.query_one("#head", Static).update(
            f"{len(rows)} files, {look.size(total)} · "
            f"showing {KINDS[self._kind]}, {ORDERS[self._sort]} first"
        )

    def _fits(self, line: shown.Line, file: shown.Attached) -> bool:
        kind = KINDS[self._kind]
        return {
            "all": True,
            "images": file.type.startswith("image/"),
            "documents": not file.type.startswith("image/"),
            "mine": line.is_mine,
            "from others": not line.is_mine,
        }[kind]

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done with what is picked."""
        focus = self.screen.focused
        if focus is not None and focus.id == "moving":
            return (("x", "cancel"), ("p", "pause, go on"))
        return (
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
        picked, app = self._picked(), app_of(self)
        if picked is None:
            return
        line, file = picked
        downloads = Path.home() / "Downloads"
        start = str(downloads if downloads.is_dir() else Path.home())
        asked = await app.push_screen_wait(
            Form(f"Save {file.name}", [Field("Folder", value=start, id="folder")], "save")
        )
        if asked is not None:
            path = await app.tried(
                files.Save(line=line.number, place=file.place, folder=asked["folder"])
            )
            if path is not None:
                app.tell(f"Saved as {path}; its hash was checked.", is_bad=False)

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

    async def action_show(self) -> None:
        """Show the message that a file came with."""
        from alcove.tui.chats import Chats  # noqa: PLC0415

        picked = self._picked()
        if picked is not None:
            main_of(self).go(0)
            await self.screen.query_one(Chats).open(picked[0].room, line=picked[0].number)
