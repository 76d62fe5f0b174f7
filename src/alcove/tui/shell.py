"""What every screen shares: the bar at the top, the keys at the bottom, boxes and questions."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast

from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.visual import Visual, VisualType
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.guard import Steady
from alcove.tui.lines import Lines, stacked
from alcove.tui.look import keyed, styled

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from alcove.tui.app import Alcove
    from alcove.tui.main import Main

R = TypeVar("R")

PLACES = ("Chats", "Groups", "Files", "Security", "Profile")


def app_of(widget: Any) -> "Alcove":
    """Return our app, with its own type."""
    return cast("Alcove", widget.app)


def main_of(widget: Any) -> "Main":
    """Return the screen behind the door, with its own type."""
    return cast("Main", widget.screen)


def connection(one: shown.Connection, now: int) -> tuple[str, str, str]:
    """Return sign, words and colour of how the line stands."""
    if one.state == "online":
        return look.CONNECTED, "connected", "$good"
    if one.state == "offline" and one.again_at is not None:
        seconds = max(1, (one.again_at - now + 999) // 1000)
        return look.AGAIN, f"again in {seconds} s", "$accent"
    if one.state == "connecting":
        return look.AGAIN, "connecting", "$accent"
    return look.BROKEN, "offline", "$bad"


class TopBar(Static):
    """Brand, the five places, and how the line stands."""

    def __init__(self) -> None:
        super().__init__(id="top")
        self.place: int | None = None

    def render(self) -> Content:
        """Return one line."""
        app, width = app_of(self), self.size.width
        is_narrow, is_wide = width < 70, width >= 110
        right = styled("")
        if app.me is not None:
            sign, words, colour = connection(app.me.connection, app.now())
            host = app.me.server.partition("://")[2] if is_wide else ""
            right = styled(
                (f"{host}   " if host else "", "$soft"),
                (sign if is_narrow else f"{sign} {words}", colour),
                " ",
            )
        left = styled(" ", (look.BRAND, "$accent bold"), " ")
        if is_wide or self.place is None:
            left = styled(left, ("Alcove", "bold"), "   ")
        if self.place is not None:
            left = styled(left if not is_narrow else "", *self._places(is_narrow))
        if is_narrow:
            right = right.rstrip()
        return look.spread(left, right, width)

    def _places(self, is_narrow: bool) -> list[Content]:  # noqa: FBT001 - Ours alone.
        app = app_of(self)
        marks = {
            "Chats": look.chip(str(app.unread)) if app.unread else styled(""),
            "Security": styled(
                ("▲" if is_narrow else f"▲{app.to_look_at}", "$bad bold") if app.to_look_at else ""
            ),
        }
        parts = []
        for number, name in enumerate(PLACES):
            mark = marks.get(name, styled(""))
            if is_narrow:
                parts.append(self._narrow(name, mark, is_here=number == self.place))
                continue
            said = f"{number + 1} {name}"
            after = styled(" ", mark, " ") if mark.cell_length else styled(" ")
            if number == self.place:
                parts.append(
                    styled(
                        (look.EDGE, "$accent on $bg"),
                        (said, "$ink on $bg bold"),
                        styled(" ", mark, (" ", "on $bg"))
                        if mark.cell_length
                        else styled((" ", "on $bg")),
                    )
                )
            else:
                parts.append(styled(" ", (said, "$soft"), after))
        return parts

    def _narrow(self, name: str, mark: Content, *, is_here: bool) -> Content:
        """Return a place where every cell counts."""
        said = styled(name, " ", mark) if mark.cell_length else styled(name)
        if is_here:
            return styled((look.EDGE, "$accent"), said.stylize_before("$ink bold")).stylize_before(
                "on $bg"
            )
        return styled(" ", said.stylize_before("$soft"))

    async def on_click(self, event: Any) -> None:
        """Go to the place that is clicked."""
        plain = self.render().plain
        for number, name in enumerate(PLACES):
            start = plain.find(name)
            if self.place is not None and start <= event.x <= start + len(name) and start >= 0:
                await cast("Any", self.screen).go(number)


class Keys(Static):
    """The keys that do something here, the most useful first; none is ever cut."""

    def __init__(self, keys: Sequence[tuple[str, str]] = (), *, has_palette: bool = True) -> None:
        super().__init__(id="keys")
        self.keys = keys
        self._has_palette = has_palette

    def render(self) -> Content:
        """Return one line."""
        width = self.size.width
        last = keyed("F1", "keys")
        if width >= 70 and self._has_palette:
            last = styled(last, "  ", keyed("^p", "all"))
        left = styled("")
        for key, label in self.keys:
            more = styled(" ", keyed(key, label), " ")
            if left.cell_length + more.cell_length + last.cell_length + 2 > width:
                break
            left = styled(left, more)
        return look.spread(left, styled(last, " "), width)

    def tell(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show other keys."""
        self.keys = keys
        self.refresh()


class Plain:
    """Something in whose border words stand as they are: what people wrote is never markup."""

    def render_str(self, text_content: str | Content) -> Content:
        """Return words as they are."""
        return text_content if isinstance(text_content, Content) else Content(text_content)


class Box(Plain, Vertical):
    """A box with a title, and keys at its lower edge."""

    def __init__(
        self,
        title: str,
        *children: Widget,
        keys: Sequence[tuple[str, str]] = (),
        id: str | None = None,  # noqa: A002 - Textual's name.
        classes: str = "",
    ) -> None:
        super().__init__(*children, id=id, classes=f"box {classes}".strip())
        self.name_it(title)
        if keys:
            self.border_subtitle = Content("  ").join(keyed(key, label) for key, label in keys)

    def name_it(self, title: str) -> None:
        """Give it another title."""
        self.border_title = styled((title, "bold $ink"))


NEXT_FIELD: Final = (
    Binding("tab", "app.focus_next", show=False, priority=True),
    Binding("shift+tab", "app.focus_previous", show=False, priority=True),
)
"""For screens with fields: what comes right behind a tab, as programs type, is the next field's."""


class Field(Plain, Input):
    """A line to type into, with its name in its border."""

    def __init__(
        self,
        label: str,
        *,
        note: str = "",
        is_secret: bool = False,
        value: str = "",
        hint: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name.
    ) -> None:
        super().__init__(
            value=value, password=is_secret, placeholder=hint, id=id, classes="field",
            select_on_focus=False,
        )  # fmt: skip
        self.label = label
        self.border_title = label
        self.border_subtitle = note

    def on_focus(self) -> None:
        """Show by a sign, not by a colour alone, where one types."""
        self.border_title = f"{look.PICK} {self.label}"

    def on_blur(self) -> None:
        """Take the sign away."""
        self.border_title = self.label


class OneOf(Plain, Static, can_focus=True):
    """One of a few, side by side or one below the other, with its name in its border."""

    BINDINGS: ClassVar = [
        ("left,up", "move(-1)", ""), ("right,down,space", "move(1)", ""), ("enter", "submit", ""),
    ]  # fmt: skip

    class Submitted(Message):
        """Enter was pressed on it."""

        def __init__(self, one: "OneOf") -> None:
            super().__init__()
            self.one = one

    def __init__(
        self,
        label: str,
        options: Mapping[str, str],
        *,
        value: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name.
    ) -> None:
        super().__init__(id=id, classes="field oneof")
        self.label, self._options = label, dict(options)
        self.border_title = label
        self.value = value or next(iter(options))

    def on_mount(self) -> None:
        """Draw what can be chosen."""
        self.update(Lines(self._drawn))

    def _drawn(self, width: int) -> Content:
        parts = [
            styled(("(•) " if key == self.value else "( ) ", "$accent bold"), words)
            for key, words in self._options.items()
        ]
        beside = Content("  ").join(parts)
        return beside if beside.cell_length <= width else stacked(*parts)

    def action_move(self, step: int) -> None:
        """Choose the one before or after."""
        keys = list(self._options)
        self.value = keys[(keys.index(self.value) + step) % len(keys)]
        self.update(Lines(self._drawn))

    def action_submit(self) -> None:
        """Go on."""
        self.post_message(self.Submitted(self))

    def on_click(self, event: Click) -> None:
        """Choose what is clicked."""
        place, at = event.get_content_offset(self), 0
        if place is None:
            return
        is_tall = self.content_size.height > 1
        for row, (key, words) in enumerate(self._options.items()):
            end = at + len(words) + 4
            if (row == place.y) if is_tall else (at <= place.x < end):
                self.value = key
            at = end + 2
        self.update(Lines(self._drawn))

    def on_focus(self) -> None:
        """Show by a sign, not by a colour alone, where one chooses."""
        self.border_title = f"{look.PICK} {self.label}"

    def on_blur(self) -> None:
        """Take the sign away."""
        self.border_title = self.label


class Rows(OptionList):
    """Rows to pick from; the one that keys act on has an edge, and not only another colour."""

    def add_options(self, new_options: "Iterable[Option | VisualType | None]") -> Self:
        """Add rows; of two with one name, as a server that lies may tell, the second has none."""
        known = {one.id for one in self.options}
        rows: list[Option | VisualType | None] = []
        for one in new_options:
            if isinstance(one, Option) and one.id is not None:
                rows.append(Option(one.prompt) if one.id in known else one)
                known.add(one.id)
            else:
                rows.append(one)
        return super().add_options(rows)

    def action_page_down(self) -> None:
        """Move down a page; rows that nobody has laid out yet have none."""
        with suppress(KeyError):
            super().action_page_down()  # type: ignore[no-untyped-call]

    def action_page_up(self) -> None:
        """Move up a page; rows that nobody has laid out yet have none."""
        with suppress(KeyError):
            super().action_page_up()  # type: ignore[no-untyped-call]

    def refill(self, options: Sequence[Option], *, or_none: bool = False) -> None:
        """Show other rows.  The one that was picked stays so, wherever it stands now.

        Where it is gone, its neighbour is picked; or none, so that a key that was meant for it does
        nothing to somebody else.
        """
        place, was = self.highlighted, None
        if place is not None and place < self.option_count:
            was = self.get_option_at_index(place).id
        self.clear_options()
        self.add_options(options)
        ids = [one.id for one in self.options]
        if was is not None and was in ids:
            self.highlighted = ids.index(was)
        elif ids and not (or_none and was is not None):
            self.highlighted = min(place or 0, len(ids) - 1)

    def render_line(self, y: int) -> Strip:
        """Return a line of a row."""
        strip = super().render_line(y)
        place = self.scroll_offset.y + y
        is_picked = place < len(self._lines) and self._lines[place][0] == self.highlighted
        if not is_picked or not (self.has_focus or self.has_class("-picks")):
            return strip
        if strip.text[:1] != " " or not strip.text.strip():
            return strip
        style = self.get_visual_style("option-list--option-highlighted")
        edge = Visual.to_strips(self, styled((look.EDGE, "$accent")), 1, 1, style)
        return Strip.join([edge[0], strip.crop(1)])


class Tick(Checkbox):
    """Something that is so or not, as a sign and not as a colour."""

    @property
    def _button(self) -> Content:
        return styled((f"[{'x' if self.value else ' '}]", "$accent bold"))


# ---- Questions ----


class Window(Steady, Screen[R]):
    """Something over a screen that is left again."""

    _leaves: tuple[R | None] | None = None
    """With what it is left as soon as nothing lies over it."""

    def dismiss(self, result: R | None = None) -> AwaitComplete:
        """Leave it, once: Textual would take whatever lies on top away, and more for each key."""
        if self.app.screen is self:
            return super().dismiss(result)
        if self in self.app.screen_stack:
            self._leaves = (result,)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """Leave it now, if it was to be left before."""
        if self._leaves is not None:
            self.dismiss(self._leaves[0])


class Dialog(ModalScreen[R], Window[R]):
    """A window over a screen; the last line has its own keys, and not those of what is below."""

    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("esc", "leave it"),)

    def on_mount(self) -> None:
        """Lay our keys over the others."""
        self.mount(Keys(self.KEYS, has_palette=False))


class Question(Dialog[bool]):
    """Something that is asked before it is done."""

    KEYS = (("y", "yes"), ("esc", "leave it"))
    BINDINGS = [("escape", "no", "No"), ("y", "yes", "Yes"), ("n", "no", "No")]  # noqa: RUF012

    def __init__(self, text: str, yes: str) -> None:
        super().__init__()
        self._text, self._yes = text, yes

    def compose(self) -> "ComposeResult":
        """Show the question."""
        with Vertical(classes="dialog asks"):
            yield Static(Content(self._text))
            with Horizontal(classes="buttons"):
                yield Button(self._yes, id="yes", variant="error")
                yield Static(styled(("y", "$accent bold")), classes="key")
                yield Button("Leave it", id="no")
                yield Static(styled(("esc", "$accent bold")), classes="key")

    def on_mount(self) -> None:
        """Let enter do what changes nothing."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(result=True)

    def action_no(self) -> None:
        """Leave it."""
        self.dismiss(result=False)


class Form(Dialog[dict[str, str] | None]):
    """A few fields that are filled in together."""

    BINDINGS = [("escape", "drop", "Leave it"), *NEXT_FIELD]  # noqa: RUF012
    KEYS = (
        ("enter", "next, do it"), ("tab", "next field"), ("^u", "empty it"), ("esc", "leave it")
    )  # fmt: skip

    def __init__(
        self,
        title: str,
        fields: Sequence[Field | OneOf],
        do: str,
        about: str = "",
        *,
        why: str = "",
    ) -> None:
        super().__init__()
        self._title, self._fields, self._do, self._about = title, fields, do, about
        self._why = why
        """Why it could not be done when it was filled in before."""

    def compose(self) -> "ComposeResult":
        """Show the fields."""
        with Box(self._title, classes="dialog", keys=(("enter", self._do), ("esc", "leave it"))):
            if self._about:
                yield Static(Content(self._about), classes="soft")
            yield from self._fields
            if self._why:
                yield Static(styled(("▲ ", "$bad bold"), (self._why, "$bad")), id="why")
            yield Button(self._do[:1].upper() + self._do[1:], id="do")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field, or take them all."""
        event.stop()
        self._go_on(cast("Field", event.input))

    def on_one_of_submitted(self, event: OneOf.Submitted) -> None:
        """Go to the next field, or take them all."""
        event.stop()
        self._go_on(event.one)

    def on_button_pressed(self) -> None:
        """Take them all."""
        self._take()

    def _go_on(self, one: Field | OneOf) -> None:
        place = self._fields.index(one)
        if place + 1 < len(self._fields):
            self._fields[place + 1].focus()
        else:
            self._take()

    def _take(self) -> None:
        self.dismiss({one.id or one.label: one.value for one in self._fields})

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)
