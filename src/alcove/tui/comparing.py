"""Comparing a safety number: digits and a code, and what the two of you say of them."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from alcove.desk import people, shown
from alcove.tui import look
from alcove.tui.lines import Lines, hanging, stacked
from alcove.tui.look import styled
from alcove.tui.qr import code
from alcove.tui.shell import Box, Dialog, Field, app_of

GROUP = 5
GROUPS_A_ROW = 4
BOTH = (76, 24)
"""On a screen of this size the code and the digits stand side by side."""


class Comparing(Dialog[None]):
    """What both people see, if nobody stands between them."""

    KEYS = (
        ("a", "they match"), ("x", "they differ"), ("tab", "type theirs"), ("l", "code, digits"),
        ("esc", "back"),
    )  # fmt: skip

    AUTO_FOCUS = ""
    BINDINGS: ClassVar = [
        ("escape", "drop", "Back"), ("a", "agree", "They match"), ("x", "differ", "They differ"),
        ("g", "go_on", "Go on"), ("l", "large", "The code alone"),
    ]  # fmt: skip

    def __init__(self, account: str) -> None:
        super().__init__()
        self._account = account
        self._safety: shown.Safety | None = None

    def compose(self) -> ComposeResult:
        """Make the window."""
        keys = (("l", "code, digits"), ("esc", "back"))
        with (
            Box("Safety number", classes="dialog wide -tight", keys=keys, id="safety"),
            Horizontal(classes="auto"),
        ):
            yield Static(id="code")
            with Vertical(id="compared"):
                yield Static(id="digits")
                yield Field("What they read out", hint="or what was scanned", id="theirs")
                with Horizontal(classes="buttons"):
                    yield Button("They match", id="agree")
                    yield Static(styled(("a", "$accent bold")), classes="key")
                    yield Button("They differ", id="differ", variant="error")
                    yield Static(styled(("x", "$accent bold")), classes="key")

    def on_mount(self) -> None:
        """Look the number up."""
        self._look()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Note what was clicked."""
        (self.action_agree if event.button.id == "agree" else self.action_differ)()

    def action_large(self) -> None:
        """Show the code alone, or the digits again."""
        code_view, compared = self.query_one("#code"), self.query_one("#compared")
        if self._has_both:
            compared.display = not compared.display
        else:
            code_view.display, compared.display = compared.display, code_view.display

    @property
    def _has_both(self) -> bool:
        size = self.app.size
        return size.width >= BOTH[0] and size.height >= BOTH[1]

    @work
    async def _look(self) -> None:
        self._safety = await app_of(self).tried(people.GetSafety(account=self._account))
        if self._safety is None:
            self.dismiss(None)
            return
        person = self._safety.person
        groups = [
            self._safety.digits.replace(" ", "")[at : at + GROUP] for at in range(0, 60, GROUP)
        ]
        rows = [
            "  ".join(groups[at : at + GROUPS_A_ROW]) for at in range(0, len(groups), GROUPS_A_ROW)
        ]
        sign, ink = look.trust(person)
        words = {
            "checked": "compared, and the same",
            "unchecked": "not compared yet",
            "changed": "changed: look before you write",
        }[person.trust]
        self.query_one("#safety", Box).name_it(f"Safety number with {person.name}")
        go_on = look.keyed("g", "I have looked: go on without comparing")

        def draw(width: int) -> Content:
            said = styled(("Read these aloud; both see the same:", "$soft"))
            parts = [
                hanging(styled((f"{sign} ", f"{ink} bold")), styled((words, ink)), width),
                styled(""), *said.wrap(width), styled(""),
                *(styled((one, "bold")) for one in rows), styled(""),
            ]  # fmt: skip
            return stacked(*parts, *(go_on.wrap(width) if person.trust == "changed" else []))

        self.query_one("#digits", Static).update(Lines(draw))
        self.query_one("#code", Static).update(code(self._safety.code))
        self.query_one("#code").display = self._has_both

    @work
    async def action_agree(self) -> None:
        """They are the same."""
        if self._safety is None:
            return
        number, app = self._safety.digits, app_of(self)
        fits = await app.tried(people.Verify(account=self._account, number=number))
        if fits:
            app.tell(f"{self._safety.person.name} is checked.", is_bad=False)
            self._noted()
        elif fits is False:
            app.tell("The keys have changed while you compared: compare them again.")
            self._look()

    @work
    async def action_differ(self) -> None:
        """They are not."""
        if self._safety is not None:
            await app_of(self).tried(people.Unverify(account=self._account))
            app_of(self).tell(
                "Somebody may stand between you: say nothing secret here,"
                " and ask them by another way."
            )
            self._noted()

    @work
    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Compare what was typed."""
        fits = await app_of(self).tried(people.Verify(account=self._account, number=event.value))
        if fits:
            app_of(self).tell("The same: checked.", is_bad=False)
            self._noted()
        elif fits is False:
            app_of(self).tell(
                "These are other digits than here: look again,"
                " and if they stay so, do not trust this chat."
            )

    def action_drop(self) -> None:
        """Go back; nothing is noted."""
        self.dismiss(None)

    def _noted(self) -> None:
        """Close: what one has said of somebody's keys is shown everywhere."""
        app_of(self).look_at_people(is_noted=True)
        self.dismiss(None)

    @work
    async def action_go_on(self) -> None:
        """Write to keys that have changed, after having looked, though they were not compared."""
        if self._safety is not None and self._safety.person.trust == "changed":
            await app_of(self).tried(
                people.AcceptChange(account=self._account, number=self._safety.digits)
            )
            self._noted()
