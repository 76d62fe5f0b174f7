"""Who wants to chat, and who is there to chat with."""

from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import people, profile, shown
from alcove.desk.news import AskingChanged, ConnectionChanged, News, PeopleChanged
from alcove.tui import look
from alcove.tui.lines import Lines, column, hanging, stacked
from alcove.tui.look import spread, styled
from alcove.tui.shell import Box, Field, Keys, Question, Rows, TopBar, app_of

REASONS = {
    "only-a-link": "only a link",
    "many-links": "many links",
    "hidden-characters": "hidden characters",
    "same-words": "the same words from others",
    "flood": "many strangers at once",
    "shouting": "shouting",
    "runs": "one sign again and again",
}


WIDE: Final = 110
ROW_CELLS: Final = 60
"""From so many cells on, all that is known of somebody stands in one line."""


def _buttons(width: int) -> Content:
    """Return what a request can be answered with."""
    blank = "  " if width >= ROW_CELLS // 2 else " "
    parts: list[str | tuple[str, str]] = []
    for words, key, style in (
        ("Accept", "a", "$onchip on $chip bold"), ("Decline", "x", "$ink on $rule bold"),
        ("Block", "b", "$ink on $rule bold"),
    ):  # fmt: skip
        parts += [(f" {words} ", style), " ", (key, "$accent bold"), blank]
    return styled(*parts).rstrip()


def _there(one: shown.Person, *, is_wide: bool) -> Lines:
    """Return somebody who is there: two lines on a wide screen, else one where it fits."""
    sign, ink = look.trust(one)
    bot = " bot" if one.is_bot else ""
    called = styled((one.called or one.name, f"{look.colour(one.name)} bold"))
    handle, trust = styled((f"@{one.name}{bot}", "$soft")), styled((f"{sign} {one.trust}", ink))
    chat = ("Chat", "underline")

    def draw(width: int) -> Content:
        if width < ROW_CELLS:
            head = spread(styled(" ", look.dot(one), " ", called, " ", handle), trust, width)
            return stacked(head, *_said(one, width)) if one.status else head
        parts: list[str | tuple[str, str] | Content] = [
            " ",
            look.dot(one),
            " ",
            column(called, 19),
            " ",
            column(handle, 9),
            " ",
        ]
        if is_wide:
            head = spread(
                styled(*parts, trust), styled((" Chat ", "$ink on $rule bold"), " "), width
            )
            return stacked(head, *_said(one, width), styled((" " * width, "on $bg")))
        return spread(
            styled(*parts, column(trust, 12), (one.status, "$soft")), styled(chat, " "), width
        )

    return Lines(draw)


def _said(one: shown.Person, width: int) -> list[Content]:
    quoted = f"   “{one.status}”" if one.status else ""
    return [styled((quoted, "$soft")).truncate(width, ellipsis=True)]


class Asking(Screen[str | None]):
    """Requests on the left, people online on the right."""

    BINDINGS: ClassVar = [
        ("escape", "drop", "Back"),
        ("a", "answer('accept')", "Accept"),
        ("x", "answer('decline')", "Decline"),
        ("b", "answer('block')", "Block"),
        ("X", "decline_all", "Decline all"),
        ("c", "chat", "Chat"),
        ("h", "hide", "Hide me"),
        ("slash", "find", "Find"),
    ]

    def compose(self) -> ComposeResult:
        """Make both halves."""
        yield TopBar()
        with Container(classes="place sides", id="asking"):
            with Vertical(classes="half first"):
                yield Field("Start a chat: user name", id="who", hint="@")
                with Box("Chat requests", keys=(("X", "decline all"),), id="requests"):
                    yield Rows(classes="rows -picks", id="waiting")
                    yield Static(id="note")
            with (
                Vertical(classes="half"),
                Box(
                    "People online",
                    keys=(("c", "start a chat"), ("/", "find")),
                    id="online",
                    classes="fill",
                ),
            ):
                yield Rows(classes="rows", id="there")
                yield Static(id="hidden", classes="soft")
        yield Keys()

    def on_mount(self) -> None:
        """Look who asks and who is there."""
        self._asks: tuple[shown.Asking, ...] = ()
        self._there: tuple[shown.Person, ...] = ()
        bar = self.query_one(TopBar)
        bar.place = 0
        self.query_one(Keys).tell(
            (
                ("a", "accept"),
                ("x", "decline"),
                ("b", "block"),
                ("c", "chat"),
                ("/", "find"),
                ("h", "hide me"),
                ("X", "decline all"),
                ("esc", "back"),
            )
        )
        self.query_one("#waiting").focus()
        self._look()

    def told(self, news: News) -> None:
        """Look again at what is other."""
        self.query_one(TopBar).refresh()
        if isinstance(news, AskingChanged | PeopleChanged | ConnectionChanged):
            self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        app = app_of(self)
        self._asks = await app.ask(people.GetAsking())
        app.asking = len(self._asks)
        self._draw_asks()
        try:
            self._there = await app.ask(people.GetOnline())
        except ClientError:
            self._there = ()
        self._draw_there()

    def _draw_asks(self) -> None:
        if self not in self.app.screen_stack:
            return
        options = self.query_one("#waiting", OptionList)
        picked = options.highlighted
        options.clear_options()
        options.add_options([Option("", id=one.room) for one in self._asks])
        self.query_one("#requests", Box).name_it(f"Chat requests {len(self._asks)}")
        options.display = bool(self._asks)
        self.query_one("#note").display = not self._asks
        if self._asks:
            options.highlighted = min(picked or 0, len(self._asks) - 1)
        self._draw_rows()
        self.query_one("#note", Static).update(
            ""
            if self._asks
            else styled(
                ("Nobody waits for an answer. No answer is ever sent unless you give one.", "$soft")
            )
        )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what can be done with the request that is picked."""
        if event.option_list.id == "waiting":
            self._draw_rows()

    def _draw_rows(self) -> None:
        options = self.query_one("#waiting", OptionList)
        for place, one in enumerate(self._asks):
            if place < options.option_count:
                row = self._row(one, is_picked=place == options.highlighted)
                options.replace_option_prompt_at_index(place, row)

    def _row(self, one: shown.Asking, *, is_picked: bool) -> Lines:
        """Return a request, and what it can be answered with."""
        app = app_of(self)
        is_wide = app.size.width >= WIDE
        into = "wants to chat" if one.kind == "direct" else f"invites you to a {one.kind}"
        edge = (look.EDGE, "$accent") if is_picked else " "
        why = ", ".join(REASONS.get(reason, reason) for reason in one.reasons)

        def draw(width: int) -> Content:
            head = spread(
                styled(edge, ("→ ", "$accent bold"), look.named(one.person)),
                styled((look.ago(one.at, app.now()), "$soft"), " "),
                width,
            )
            said = styled(into, (" · what they say is shown when you accept", "$soft"))
            rest = styled(edge, "  ")
            rows = [head, hanging(rest, said, width, rest)]
            if one.is_spam:
                spam = styled((f"looks like spam: {why}", "$bad"))
                lead = styled(edge, ("  ▲ ", "$bad bold"))
                rows.append(hanging(lead, spam, width, styled(rest, "  ")))
            if is_picked:
                rows.append(styled(edge, "  ", _buttons(width - 4)))
            return stacked(*rows, *([styled((" " * width, "on $bg"))] if is_wide else []))

        return Lines(draw)

    def _draw_there(self) -> None:
        if self not in self.app.screen_stack:
            return  # It was closed while the server was asked.
        options = self.query_one("#there", OptionList)
        options.clear_options()
        others = [one for one in self._there if not one.is_me]
        is_wide = app_of(self).size.width >= WIDE
        options.add_options([Option(_there(one, is_wide=is_wide), id=one.name) for one in others])
        is_seen = any(one.is_me for one in self._there)
        self.query_one("#online", Box).name_it(
            f"People online {len(self._there)}" + (", you among them" if is_seen else "")
        )
        words = (
            "You are shown online to people on this server."
            if is_seen
            else "Nobody is shown that you are online."
        )
        if app_of(self).me is not None and app_of(self).me.connection.state != "online":  # type: ignore[union-attr]
            words = "Without a connection nobody knows who is there."
        self.query_one("#hidden", Static).update(words)

    # ---- Keys ----

    def _asked(self) -> shown.Asking | None:
        place = self.query_one("#waiting", OptionList).highlighted
        return self._asks[place] if place is not None and place < len(self._asks) else None

    @work
    async def action_answer(self, answer: str) -> None:
        """Accept, decline or block who is picked."""
        app, one = app_of(self), self._asked()
        if one is None:
            return
        if answer == "accept":
            await app.tried(people.Accept(room=one.room))
            app.tell(f"{one.person.name} is accepted: what was said comes now.", is_bad=False)
            self.dismiss(one.room)
        elif answer == "decline":
            await app.tried(people.Decline(room=one.room))
        elif await app.push_screen_wait(
            Question(f"Hear nothing more of {one.person.name}?", "Block")
        ):
            await app.tried(people.Decline(room=one.room))
            await app.tried(people.Block(account=one.person.account))
        self._look()

    @work
    async def action_decline_all(self) -> None:
        """Decline everyone who waits."""
        if not self._asks:
            return
        question = Question(f"Decline all {len(self._asks)} requests?", "Decline all")
        if await self.app.push_screen_wait(question):
            await app_of(self).tried(people.DeclineAll())
            self._look()

    async def action_chat(self) -> None:
        """Begin with who is picked among those online."""
        options = self.query_one("#there", OptionList)
        if options.highlighted is not None and options.option_count:
            await self._begin(options.get_option_at_index(options.highlighted).id or "")

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Begin with who is clicked; a request is accepted by its own key only."""
        if event.option_list.id == "there":
            await self._begin(event.option.id or "")

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Begin with who was typed."""
        await self._begin(event.value)

    async def _begin(self, name: str) -> None:
        room = await app_of(self).tried(people.Direct(name=name.strip()))
        if room is not None:
            self.dismiss(room)

    async def action_hide(self) -> None:
        """Show that one is online, or not."""
        is_seen = any(one.is_me for one in self._there)
        await app_of(self).tried(profile.SetVisibility(online=not is_seen))
        self._look()

    def action_find(self) -> None:
        """Type who it is with."""
        self.query_one("#who").focus()

    def action_drop(self) -> None:
        """Go back."""
        self.dismiss(None)
