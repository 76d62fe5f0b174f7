"""What every screen shares: the bar at the top, the keys at the bottom, boxes and questions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, OptionList, Static

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.look import keyed, styled

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from alcove.tui.app import Alcove
    from alcove.tui.main import Main

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
                ("▲" if is_narrow else f"▲{len(app.alerts)}", "$bad bold") if app.alerts else ""
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

    def on_click(self, event: Any) -> None:
        """Go to the place that is clicked."""
        plain = self.render().plain
        for number, name in enumerate(PLACES):
            start = plain.find(name)
            if self.place is not None and start <= event.x <= start + len(name) and start >= 0:
                cast("Any", self.screen).go(number)


class Keys(Static):
    """The keys that do something here, the most useful first; none is ever cut."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.keys: Sequence[tuple[str, str]] = ()

    def render(self) -> Content:
        """Return one line."""
        width = self.size.width
        last = keyed("F1", "keys")
        if width >= 70:
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


class Box(Vertical):
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


class Field(Input):
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


class Rows(OptionList):
    """Rows to pick from; the one that keys act on has an edge, and not only another colour."""

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


class Question(ModalScreen[bool]):
    """Something that is asked before it is done."""

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


class Form(ModalScreen[dict[str, str] | None]):
    """A few fields that are filled in together."""

    BINDINGS = [("escape", "drop", "Leave it"), *NEXT_FIELD]  # noqa: RUF012

    def __init__(self, title: str, fields: Sequence[Field], do: str, about: str = "") -> None:
        super().__init__()
        self._title, self._fields, self._do, self._about = title, fields, do, about

    def compose(self) -> "ComposeResult":
        """Show the fields."""
        with Box(self._title, classes="dialog", keys=(("enter", self._do), ("esc", "leave it"))):
            if self._about:
                yield Static(Content(self._about), classes="soft")
            yield from self._fields

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field that is empty, or take them all."""
        fields = list(self._fields)
        place = fields.index(cast("Field", event.input))
        if place + 1 < len(fields):
            fields[place + 1].focus()
            return
        self.dismiss({one.id or one.label: one.value for one in fields})

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)
