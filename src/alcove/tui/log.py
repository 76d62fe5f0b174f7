"""The log of a room: as long as it goes back, while only what is near the screen is held.

Lines are asked for a page at a time, above and below; what is far away is dropped again.  Nothing
here is a widget for each message: a message is a few strips of cells, drawn once and kept.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from msgspec.structs import replace
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from alcove.desk import shown
from alcove.tui import drawing
from alcove.tui.drawing import Drawn, Pen, Row
from alcove.tui.look import EDGE, padded, styled

HELD_LINES_MAX: Final = 600
"""So many lines are held; those farthest from the screen go first."""
BURST_LINES: Final = 40
"""When more come at once, those before the newest are only asked for when somebody scrolls."""
NEAR_ROWS: Final = 40
"""A page more is asked for when its end is so near."""
STRIPS_MAX: Final = 2_000
"""So many drawn lines of cells are kept before they are drawn anew."""


def _place(line: shown.Line) -> tuple[bool, int, bool, int]:
    """Return what the order of the log goes by, as its pages do: what waits comes last."""
    return line.seq is None, line.seq or 0, line.kind in ("note", "gap"), line.number


class Log(ScrollView, can_focus=True):
    """What was said in a room."""

    DEFAULT_CSS = """
    Log {
        background: $bg; scrollbar-size-vertical: 1; scrollbar-color: $rule;
        overflow-x: hidden; overflow-y: scroll;
        scrollbar-background: $bg;
    }
    """
    BINDINGS: ClassVar = [
        Binding("up", "pick(-1)", "Up", show=False),
        Binding("down", "pick(1)", "Down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home", "oldest", show=False),
        Binding("end", "newest", show=False),
    ]

    class Wanted(Message):
        """More lines are wanted, before the first or after the last that is held."""

        def __init__(self, *, older: bool) -> None:
            super().__init__()
            self.older = older

    class Picked(Message):
        """Another message is picked, or none."""

    class Seen(Message):
        """The newest lines are on the screen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name.
        super().__init__(id=id)
        self.me, self.members = "", 0
        self.lines: list[shown.Line] = []
        self.has_older = self.has_newer = False
        self.picked: int | None = None
        """The number of the message that keys act on."""
        self._pen: Pen | None = None
        self._drawn: dict[int, Drawn] = {}
        """Each line that is held, as it was drawn."""
        self._rows: list[Row] = []
        self._strips: dict[int, tuple[Row, Strip]] = {}
        """Cells by the identity of their row."""
        self._first: dict[int, int] = {}
        """Where each message begins."""
        self._is_asking = False
        self._follows = True
        """Whether its end was on the screen, before the screen became another."""
        self._now = 0

    # ---- What it holds ----

    def show(
        self,
        lines: list[shown.Line],
        now: int,
        *,
        has_older: bool,
        has_newer: bool = False,
        at: int | None = None,
    ) -> None:
        """Show other lines: from their end, or from one of them on."""
        self.lines, self._now = list(lines), now
        self.has_older, self.has_newer, self.picked = has_older, has_newer, at
        self._is_asking, self._follows = False, at is None
        self._draw()
        if at is None:
            self.scroll_end(animate=False, immediate=True)
            self.call_after_refresh(self._settle)
        else:
            self.call_after_refresh(self._bring, at)
            self.post_message(self.Picked())

    def add(self, lines: list[shown.Line], *, older: bool, more: bool) -> None:
        """Add a page at one end, without moving what is on the screen."""
        self._is_asking = False
        known = {one.number for one in self.lines}
        fresh = [one for one in lines if one.number not in known]
        if older:
            self.has_older = more
            anchor = self._anchor()
            self.lines = [*fresh, *self.lines]
            if len(self.lines) > HELD_LINES_MAX:
                del self.lines[HELD_LINES_MAX:]
                self.has_newer = True
        else:
            self.has_newer = more
            anchor = self._anchor()
            self.lines = [*self.lines, *fresh]
            if len(self.lines) > HELD_LINES_MAX:
                del self.lines[: len(self.lines) - HELD_LINES_MAX]
                self.has_older = True
        self._draw()
        self._hold(anchor)

    def change(self, lines: list[shown.Line], gone: list[int], now: int) -> None:
        """Take lines that are new or other; who looks at the end goes on seeing the end."""
        self._now = now
        was_at_end = self.is_at_end
        places = {one.number: place for place, one in enumerate(self.lines)}
        came = False
        for line in lines:
            if line.number in places:
                self.lines[places[line.number]] = line
            elif self._is_near(line):
                came = True
                self.lines.append(line)
        if gone:
            away = set(gone)
            self.lines = [one for one in self.lines if one.number not in away]
        if came:
            self.lines.sort(key=_place)
        most = BURST_LINES if len(lines) > BURST_LINES else HELD_LINES_MAX
        if was_at_end and len(self.lines) > most:
            del self.lines[: len(self.lines) - most]
            self.has_older = True
        anchor = self._anchor()
        self._draw()
        if was_at_end:
            self.scroll_end(animate=False, immediate=True)
            self.post_message(self.Seen())
        else:
            self._hold(anchor)

    def carry(self, moved: Sequence[shown.Transfer], now: int) -> None:
        """Show how far the files of messages have come."""
        found = {(one.line, one.place): one for one in moved}
        lines = [
            replace(line, files=tuple(
                replace(file, transfer=found.get((line.number, file.place), file.transfer))
                for file in line.files
            ))
            for line in self.lines
            if any((line.number, file.place) in found for file in line.files)
        ]  # fmt: skip
        if lines:
            self.change(lines, [], now)

    def _is_near(self, line: shown.Line) -> bool:
        """Whether a line belongs between those that are held, or right behind them.

        What is farther away, as when somebody reacts to something old, comes with its page: here it
        would stand beside lines that it is none of, and hide all between.
        """
        if self.has_newer:
            return False
        return not self.has_older or not self.lines or _place(line) > _place(self.lines[0])

    def rest(self) -> None:
        """Ask again when somebody scrolls: the page that was asked for does not come."""
        self._is_asking = False

    @property
    def is_at_end(self) -> bool:
        """Whether the newest line is on the screen."""
        return not self.has_newer and self.scroll_offset.y >= self.max_scroll_y - 1

    @property
    def line(self) -> shown.Line | None:
        """The message that is picked."""
        return next((one for one in self.lines if one.number == self.picked), None)

    # ---- Drawing ----

    def _draw(self) -> None:
        """Put the rows together; only lines that are new or other are drawn."""
        width = max(20, self.scrollable_content_region.width or self.size.width)
        pen = Pen(width, self.me, self._now, self.members)
        if self._pen is None or pen != self._pen._replace(now=self._now):
            self._drawn.clear()
        self._pen = pen
        drawn = self._drawn
        self._drawn = {one.number: self._of(one, drawn.get(one.number)) for one in self.lines}
        self._rows, self._first = [], {}
        for number, rows in drawing.items(list(self._drawn.values()), pen):
            self._first[number] = len(self._rows) + next(
                (place for place, row in enumerate(rows) if row.number == number), 0
            )
            self._rows += rows
        if len(self._strips) > STRIPS_MAX:
            self._strips.clear()
        self.virtual_size = Size(width, len(self._rows))
        self.refresh()

    def _of(self, line: shown.Line, before: Drawn | None) -> Drawn:
        """Return a line as it is drawn; what expires shows how long it still stands."""
        assert self._pen is not None, "there is something to draw with"
        if before is not None and before.line is line and line.expires_at is None:
            return before
        return drawing.drawn_line(line, self._pen)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        place = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if not 0 <= place < len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[place]
        kept = self._strips.get(id(row))
        if kept is None or kept[0] is not row or kept[1].cell_length != width:
            kept = self._strips[id(row)] = row, self._strip(row, width)
        return kept[1]

    def _strip(self, row: Row, width: int) -> Strip:
        is_picked = row.number is not None and row.number == self.picked
        if not row.edge:
            content = styled(" " * row.left, row.content)
            back = "$pick" if is_picked else row.background
            line = padded(content, width).stylize_before(f"on {back}")
        else:
            inner = max(0, width - row.left - row.right - 2)
            back = "$pick" if is_picked else row.background
            card = padded(row.content, inner).stylize_before(f"$ink on {back}")
            edge = (EDGE, f"{'$accent' if is_picked else row.edge} on {back}")
            line = styled(
                (" " * row.left, "on $bg"),
                edge,
                (" ", f"on {back}"),
                card,
                (" " * row.right, "on $bg"),
            )
        strips = Visual.to_strips(self, line, width, 1, Style())
        return strips[0].adjust_cell_length(width) if strips else Strip.blank(width)

    def on_resize(self) -> None:
        """Wrap everything anew, around what is on the screen."""
        anchor = self._anchor()
        self._draw()
        if self._follows or self.is_at_end:
            self._end()
        else:
            self._hold(anchor)

    def _settle(self) -> None:
        """Show the end now that all is laid out, unless somebody has scrolled away by now."""
        if self._follows:
            self._end()

    def _end(self) -> None:
        """Show the end, which is seen then, also where nothing had to be moved for it."""
        self.scroll_end(animate=False, immediate=True)
        self._follows = True
        self.post_message(self.Seen())

    # ---- Staying where it is ----

    def _anchor(self) -> tuple[int, int] | None:
        """Return the first message on the screen, and how far above the edge it begins."""
        top = self.scroll_offset.y
        for number, first in self._first.items():
            if first >= top:
                return number, first - top
        return None

    def _hold(self, anchor: tuple[int, int] | None) -> None:
        if anchor is not None and anchor[0] in self._first:
            self.scroll_to(y=self._first[anchor[0]] - anchor[1], animate=False, immediate=True)

    def _bring(self, number: int) -> None:
        if number in self._first:
            self.scroll_to(
                y=max(0, self._first[number] - self.size.height // 3), animate=False, immediate=True
            )

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for more when an end comes near."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = self.is_at_end
        self._look_ahead()
        if self.is_at_end and new_value != old_value:
            self.post_message(self.Seen())

    def _look_ahead(self) -> None:
        if self._is_asking or not self.lines:
            return
        if self.has_older and self.scroll_offset.y < NEAR_ROWS:
            self._is_asking = True
            self.post_message(self.Wanted(older=True))
        elif self.has_newer and self.scroll_offset.y > self.max_scroll_y - NEAR_ROWS:
            self._is_asking = True
            self.post_message(self.Wanted(older=False))

    # ---- Picking ----

    def action_pick(self, step: int) -> None:
        """Pick the message before or after the one that is picked."""
        numbers = [one.number for one in self.lines]
        if not numbers:
            return
        if self.picked in numbers:
            place = min(len(numbers) - 1, max(0, numbers.index(self.picked) + step))
        else:
            place = len(numbers) - 1
        self.pick(numbers[place])

    def pick(self, number: int | None) -> None:
        """Let keys act on a message."""
        self.picked = number
        self._strips.clear()
        self.refresh()
        if number is not None and number in self._first:
            height = sum(
                1 for row in self._rows[self._first[number] :][:50] if row.number == number
            )
            self.scroll_to_region(Region(0, self._first[number], 1, max(1, height)), animate=False)
        self.post_message(self.Picked())

    def on_click(self, event: object) -> None:
        """Pick what is clicked."""
        y = getattr(event, "y", 0) + self.scroll_offset.y
        if 0 <= y < len(self._rows) and self._rows[y].number is not None:
            self.pick(self._rows[y].number)

    def action_oldest(self) -> None:
        """Go to the first line that is held."""
        self.scroll_home(animate=False)

    def action_newest(self) -> None:
        """Go to the end."""
        self.pick(None)
        if self.has_newer:
            self.post_message(self.Wanted(older=False))
        self.scroll_end(animate=False, immediate=True)
