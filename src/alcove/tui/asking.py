"""Who wants to chat, and who is there to chat with."""

from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import people, profile, shown
from alcove.desk.news import AskingChanged, ConnectionChanged, News, PeopleChanged
from alcove.tui import look
from alcove.tui.lines import Lines, column, hanging, row, stacked
from alcove.tui.look import spread, styled
from alcove.tui.shell import Box, Field, Keys, Question, Rows, TopBar, Window, app_of

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
ROOMS_NAMED: Final = 3
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
            return stacked(head, *_said(one, width))
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
            return stacked(head, *_said(one, width))
        return spread(
            styled(*parts, column(trust, 12), (one.status, "$soft")), styled(chat, " "), width
        )

    return Lines(draw)


def _said(one: shown.Person, width: int) -> list[Content]:
    parts = [f"“{one.status}”"] if one.status else []
    said = "   " + " · ".join([*parts, *([", ".join(one.rooms)] if one.rooms else [])])
    return [styled((said, "$soft")).truncate(width, ellipsis=True)] if said.strip() else []


def _met(one: shown.Person) -> str:
    """Return where one meets somebody who asks."""
    return f"also in {', '.join(one.rooms[:ROOMS_NAMED])}" if one.rooms else "you share no room"


def _sent(chat: shown.Chat, now: int) -> Lines:
    """Return a request of one's own that nobody has answered yet."""
    who = ", ".join(f"@{one}" for one in chat.waits_for)
    since = f"{look.STATES['waiting']} since {look.short(chat.last_at, now)}"
    name = styled(" ", (chat.title, f"{look.colour(chat.title)} bold"), (f" {who}", "$soft"))
    return row(name, styled((since if chat.last_at else "", "$soft"), " "))


class Asking(Window[str | None]):
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
        Binding("tab", "take", show=False, priority=True),
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
                yield Box("Sent by you", Rows(classes="rows", id="sent"), id="asked")
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
        yield Keys(has_palette=False)

    def on_mount(self) -> None:
        """Look who asks and who is there."""
        self._asks: tuple[shown.Asking, ...] = ()
        self._there: tuple[shown.Person, ...] = ()
        self._beginning = ""
        """Whose name begins as was typed."""
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
        self._draw_sent()
        try:
            self._there = await app.ask(people.GetOnline())
        except ClientError:
            self._there = ()
        self._draw_there()

    def _draw_asks(self) -> None:
        if self not in self.app.screen_stack:
            return
        options = self.query_one("#waiting", Rows)
        options.refill([Option("", id=one.room) for one in self._asks], or_none=True)
        self.query_one("#requests", Box).name_it(f"Chat requests {len(self._asks)}")
        options.display = bool(self._asks)
        self.query_one("#note").display = not self._asks
        self._draw_rows()
        self.query_one("#note", Static).update(
            ""
            if self._asks
            else styled(
                ("Nobody waits for an answer. No answer is ever sent unless you give one.", "$soft")
            )
        )

    def _draw_sent(self) -> None:
        if self not in self.app.screen_stack:
            return
        app, options = app_of(self), self.query_one("#sent", OptionList)
        sent = [one for one in app.chats.values() if one.waits_for and one.state != "gone"]
        options.clear_options()
        options.add_options([Option(_sent(one, app.now()), id=one.room) for one in sent])
        self.query_one("#asked").display = bool(sent)
        self.query_one("#asked", Box).name_it(f"Sent by you {len(sent)}")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what can be done with the request that is picked."""
        if event.option_list.id == "waiting":
            self._draw_rows()

    def _draw_rows(self) -> None:
        options = self.query_one("#waiting", OptionList)
        for place, one in enumerate(self._asks):
            if place < options.option_count:
                drawn = self._row(one, is_picked=place == options.highlighted)
                options.replace_option_prompt_at_index(place, drawn)

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
            said = styled(into, (f" · {_met(one.person)}", "$soft"))
            sealed = styled(("what they say is shown when you accept", "$soft"))
            rest = styled(edge, "  ")
            rows = [head, hanging(rest, said, width, rest), hanging(rest, sealed, width, rest)]
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
            try:
                await app.ask(people.Accept(room=one.room))
            except ClientError as error:
                app.tell(str(error))
            else:
                said = f"{one.person.name} is accepted: what was said comes now."
                app.tell(said, is_bad=False)
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
        elif event.option_list.id == "sent":
            self.dismiss(event.option.id)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Begin with who was typed."""
        await self._begin(event.value)

    @work(exclusive=True, group="find")
    async def on_input_changed(self, event: Input.Changed) -> None:
        """Look whose name begins so: tab takes it."""
        typed, self._beginning = event.value.strip().removeprefix("@"), ""
        if typed:
            try:
                found = await app_of(self).ask(people.FindPeople(beginning=typed))
            except ClientError:
                found = ()
            names = [one.name for one in found if not one.is_me]
            self._beginning = names[0] if names else ""
        self.query_one("#who", Field).border_subtitle = (
            styled(look.keyed("tab", f"takes @{self._beginning}")) if self._beginning else ""
        )

    def action_take(self) -> None:
        """Take the name that was found, or go to the next part."""
        field = self.query_one("#who", Field)
        if field.has_focus and self._beginning and field.value != f"@{self._beginning}":
            field.value = f"@{self._beginning}"
            field.cursor_position = len(field.value)
        else:
            self.focus_next()

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
