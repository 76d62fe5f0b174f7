"""Comparing a safety number: digits and a code, and what the two of you say of them."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from alcove.desk import people, shown
from alcove.tui import look
from alcove.tui.look import styled
from alcove.tui.qr import code
from alcove.tui.shell import Box, Field, app_of

GROUP = 5
GROUPS_A_ROW = 4


class Comparing(ModalScreen[None]):
    """What both people see, if nobody stands between them."""

    BINDINGS: ClassVar = [
        ("escape", "drop", "Back"), ("a", "agree", "They match"), ("x", "differ", "They differ"),
        ("g", "go_on", "Go on"),
    ]  # fmt: skip

    def __init__(self, account: str) -> None:
        super().__init__()
        self._account = account
        self._safety: shown.Safety | None = None

    def compose(self) -> ComposeResult:
        """Make the window."""
        keys = (("a", "they match"), ("x", "they differ"), ("esc", "back"))
        with (
            Box("Safety number", classes="dialog wide", keys=keys, id="safety"),
            Horizontal(classes="auto"),
        ):
            yield Static(id="code")
            with Box("", classes="plain"):
                yield Static(id="digits")
                yield Field("What they read out, or what was scanned", id="theirs")

    def on_mount(self) -> None:
        """Look the number up."""
        self._look()

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
        go_on: tuple[Content | str, ...] = ()
        if person.trust == "changed":
            go_on = (look.keyed("g", "I have looked: go on without comparing"), "\n")
        self.query_one("#digits", Static).update(
            styled(
                (f"{sign} {words}", ink),
                "\n\n",
                ("\n".join(rows), "bold"),
                "\n\n",
                *go_on,
                ("Read them to each other, by voice or side by side.", "$soft"),
            )
        )
        self.query_one("#code", Static).update(code(self._safety.code))
        self.query_one("#code").display = self.app.size.width >= 100
        self.set_focus(None)

    @work
    async def action_agree(self) -> None:
        """They are the same."""
        if self._safety is not None:
            await app_of(self).tried(
                people.Verify(account=self._account, number=self._safety.digits)
            )
            app_of(self).tell(f"{self._safety.person.name} is checked.", is_bad=False)
            self.dismiss(None)

    @work
    async def action_differ(self) -> None:
        """They are not."""
        if self._safety is not None:
            await app_of(self).tried(people.Unverify(account=self._account))
            app_of(self).tell(
                "Somebody may stand between you: say nothing secret here,"
                " and ask them by another way."
            )
            self.dismiss(None)

    @work
    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Compare what was typed."""
        fits = await app_of(self).tried(people.Verify(account=self._account, number=event.value))
        if fits:
            app_of(self).tell("The same: checked.", is_bad=False)
            self.dismiss(None)
        elif fits is False:
            app_of(self).tell(
                "These are other digits than here: look again,"
                " and if they stay so, do not trust this chat."
            )

    def action_drop(self) -> None:
        """Go back; nothing is noted."""
        self.dismiss(None)

    @work
    async def action_go_on(self) -> None:
        """Write to keys that have changed, after having looked, though they were not compared."""
        if self._safety is not None and self._safety.person.trust == "changed":
            await app_of(self).tried(people.AcceptChange(account=self._account))
            self.dismiss(None)
