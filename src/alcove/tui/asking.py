"""Who wants to chat, and who is there to chat with."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import people, profile, shown
from alcove.desk.news import AskingChanged, ConnectionChanged, News, PeopleChanged
from alcove.tui import look
from alcove.tui.look import spread, styled
from alcove.tui.shell import Box, Field, Keys, Question, TopBar, app_of

REASONS = {
    "only-a-link": "only a link",
    "many-links": "many links",
    "hidden-characters": "hidden characters",
    "same-words": "the same words from others",
    "flood": "many strangers at once",
    "shouting": "shouting",
    "runs": "one sign again and again",
}


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
        with Horizontal(classes="place"):
            with Vertical(classes="half"):
                yield Field("Start a chat: user name", id="who")
                with Box(
                    "Chat requests", keys=(("X", "decline all"),), id="requests", classes="fill"
                ):
                    yield OptionList(classes="rows", id="waiting")
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
                yield OptionList(classes="rows", id="there")
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
        app, options = app_of(self), self.query_one("#waiting", OptionList)
        picked = options.highlighted
        options.clear_options()
        width = max(20, options.size.width - 2)
        for one in self._asks:
            into = "wants to chat" if one.kind == "direct" else f"invites you to a {one.kind}"
            head = spread(
                styled(
                    ("→ ", "$accent bold"),
                    (one.person.name, f"{look.colour(one.person.name)} bold"),
                ),
                styled((look.ago(one.at, app.now()), "$soft")),
                width,
            )
            why = ", ".join(REASONS.get(reason, reason) for reason in one.reasons)
            spam = (
                styled(("\n  ▲ ", "$bad bold"), (f"looks like spam: {why}", "$bad"))
                if one.is_spam
                else styled("")
            )
            second = styled("\n  ", into, (" · what they say is shown when you accept", "$soft"))
            options.add_option(Option(styled(head, second, spam, "\n"), id=one.room))
        self.query_one("#requests", Box).name_it(f"Chat requests {len(self._asks)}")
        if self._asks:
            options.highlighted = min(picked or 0, len(self._asks) - 1)
        self.query_one("#note", Static).update(
            ""
            if self._asks
            else styled(
                ("Nobody waits for an answer. No answer is ever sent unless you give one.", "$soft")
            )
        )

    def _draw_there(self) -> None:
        if self not in self.app.screen_stack:
            return  # It was closed while the server was asked.
        options = self.query_one("#there", OptionList)
        options.clear_options()
        width = max(20, options.size.width - 2)
        others = [one for one in self._there if not one.is_me]
        for one in others:
            sign, ink = look.trust(one)
            bot = " bot" if one.is_bot else ""
            head = spread(
                styled(
                    look.dot(one),
                    " ",
                    (one.called or one.name, f"{look.colour(one.name)} bold"),
                    (f"  @{one.name}{bot}", "$soft"),
                ),
                styled((f"{sign} {one.trust}", ink)),
                width,
            )
            options.add_option(Option(styled(head, "\n  ", (one.status, "$soft")), id=one.name))
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
