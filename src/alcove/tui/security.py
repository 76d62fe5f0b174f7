"""The fourth place: devices, whose keys were compared, and what the server has written down."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import people, profile, security, shown
from alcove.desk.news import Alert, News, PeopleChanged
from alcove.desk.paths import path_of
from alcove.tui import look, noted
from alcove.tui.choosing import ShowText
from alcove.tui.comparing import Comparing
from alcove.tui.lines import Lines, column, hanging, row, stacked
from alcove.tui.look import spread, styled
from alcove.tui.place import Place
from alcove.tui.shell import Box, Field, Form, Question, Rows, app_of, main_of

EVENTS_SHOWN: Final = 200
ALERTS_SHOWN: Final = 3
WORDS_CELLS: Final = 60
"""From so many cells on, suspicious things have the word beside the sign."""


def _write(path: str, rows: list[dict[str, object]]) -> None:
    new = os.open(path_of(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(new, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)


def _device(one: shown.Device, now: int) -> Lines:
    """Return a device: what it is, and when it was there."""
    used = "" if one.seen_at is None else f"used {look.ago(one.seen_at, now)}"
    right = styled(("this one", "$good")) if one.is_this else styled((used, "$soft"))
    kind = ", in a browser" if one.is_browser else ""

    def draw(width: int) -> Content:
        head = spread(
            styled((f" {one.id[:8]}", "bold"), (f"  {one.program}", "$soft")),
            styled(right, " "), width,
        )  # fmt: skip
        added = styled((f"   added {look.day(one.added_at, now)}{kind}", "$soft"))
        return stacked(head, added.truncate(width, ellipsis=True))

    return Lines(draw)


def _event(one: shown.Event, now: int) -> Lines:
    """Return what the server has written down: when, what, and from where."""
    when = column(styled((look.short(one.at, now), "$soft")), 7)
    mark = styled(("▲ ", "$bad bold")) if one.is_suspicious else styled("  ")
    words, more = noted.in_words(one)
    said = styled(" ", when, mark, (words, "bold" if one.is_suspicious else ""))
    if more:
        said = styled(said, (f"  {more}", "$soft"))
    right = styled(("▲ suspicious ", "$bad bold")) if one.is_suspicious else styled("")

    def draw(width: int) -> Content:
        return spread(said, right if width >= WORDS_CELLS else styled(""), width)

    return Lines(draw)


def _record(one: shown.Cleared, now: int) -> Lines:
    """Return the line that stays when the view was cleared."""
    when = column(styled((look.short(one.at, now), "$soft")), 7)
    count = "1 event" if one.events == 1 else f"{one.events} events"
    said = styled(" ", when, "  ", "Cleared by you on this machine", (f"  {count}", "$soft"))
    return Lines(lambda width: said.truncate(width, ellipsis=True))


class Security(Place):
    """What keeps the account one's own."""

    BINDINGS: ClassVar = [
        ("v", "compare", "Compare"),
        ("d", "end", "Revoke, clear"),
        ("i", "reach", "What it could read"),
        ("f", "filter", "Only suspicious"),
        ("s", "export", "Export"),
        ("x", "dismiss", "Dismiss alerts"),
        ("ctrl+e", "phrase", "Recovery phrase"),
    ]

    def compose(self) -> ComposeResult:
        """Make the three lists."""
        with Vertical(classes="place"):
            yield Static(id="alerts")
            with Container(classes="sides auto"):
                yield Box(
                    "Your devices",
                    Rows(classes="rows", id="devices"),
                    keys=(("i", "what it could read"), ("d", "revoke")),
                    classes="half first",
                    id="devices_box",
                )
                yield Box(
                    "People",
                    Rows(classes="rows", id="pinned"),
                    keys=(("v", "compare"),),
                    classes="half",
                    id="people_of",
                )
            with Box(
                "What happened",
                keys=(("f", "only suspicious"), ("s", "export"), ("d", "clear my view")),
                classes="fill",
                id="events_box",
            ):
                yield Rows(classes="rows", id="events")

    def on_mount(self) -> None:
        """Nothing is known yet."""
        self._devices: tuple[shown.Device, ...] = ()
        self._people: tuple[shown.Person, ...] = ()
        self._cleared: shown.Cleared | None = None
        self._events: tuple[shown.Event, ...] = ()
        self._only_suspicious = False

    def entered(self) -> None:
        """Look again."""
        self.take_focus("#devices")
        self._look()

    def told(self, news: News) -> None:
        """Draw what is other."""
        if isinstance(news, Alert | PeopleChanged) and self.is_shown:
            self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        app = app_of(self)
        self._devices = await app.tried(security.GetDevices()) or ()
        self._people = await app.tried(people.GetPeople()) or ()
        self._cleared = await app.tried(security.GetCleared())
        self._draw()
        if app.me is not None and app.me.connection.state == "online":
            found = await app.tried(security.GetEvents(suspicious=self._only_suspicious))
            self._events = found or ()
            self._draw_events()

    def _draw(self) -> None:
        app = app_of(self)
        alerts = self.query_one("#alerts", Static)
        alerts.display = bool(app.alerts)
        told = app.alerts[-ALERTS_SHOWN:]

        def draw(width: int) -> Content:
            rows = [hanging(styled(("▲ ", "$bad bold")), styled(one.text), width) for one in told]
            return stacked(*rows, look.keyed("x", "I have looked"))

        alerts.update(Lines(draw))
        self.query_one("#devices", Rows).refill(
            [Option(_device(one, app.now()), id=one.id) for one in self._devices]
        )
        self.query_one("#devices_box", Box).name_it(f"Your devices {len(self._devices)}")
        pinned = []
        for person in self._people:
            sign, ink = look.trust(person)
            words = f"{sign} {'changed: look' if person.trust == 'changed' else person.trust}"
            who = styled(" ", look.dot(person), " ", look.named(person))
            pinned.append(Option(row(who, styled((words, ink), " ")), id=person.account))
        self.query_one("#pinned", Rows).refill(pinned)
        self.query_one("#people_of", Box).name_it(f"People {len(self._people)}")

    def _draw_events(self) -> None:
        events, now = self.query_one("#events", OptionList), app_of(self).now()
        events.clear_options()
        events.add_options([Option(_event(one, now)) for one in self._events[:EVENTS_SHOWN]])
        if self._cleared is not None:
            events.add_option(Option(_record(self._cleared, now)))
        suspicious = sum(1 for one in self._events if one.is_suspicious)
        self.query_one("#events_box", Box).name_it(
            f"What happened {len(self._events)}, {suspicious} suspicious"
        )

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done with what is picked."""
        focus = "" if self.screen.focused is None else self.screen.focused.id
        mine = {
            "devices": (("i", "what it could read"), ("d", "revoke")),
            "pinned": (("v", "compare safety numbers"),),
            "events": (("f", "only suspicious"), ("s", "export"), ("d", "clear my view")),
        }.get(focus or "", ())
        return (*mine, ("^e", "recovery phrase"), ("x", "dismiss alerts"))

    def _picked(self) -> shown.Device | None:
        place = self.query_one("#devices", OptionList).highlighted
        return self._devices[place] if place is not None and place < len(self._devices) else None

    @work
    async def action_compare(self) -> None:
        """Compare the safety number with who is picked."""
        options = self.query_one("#pinned", OptionList)
        if options.highlighted is not None:
            await app_of(self).push_screen_wait(
                Comparing(options.get_option_at_index(options.highlighted).id or "")
            )
            self._look()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do the first thing that can be done with it."""
        if event.option_list.id == "pinned":
            self.action_compare()
        elif event.option_list.id == "devices":
            self.action_reach()

    @work
    async def action_reach(self) -> None:
        """Show what a device could read, and since when."""
        one, app = self._picked(), app_of(self)
        if one is None:
            return
        found = await app.tried(security.GetReach(device=one.id))
        if found is not None:
            rows = [
                f"{place.title}: since "
                + ("the beginning" if place.since is None else look.day(place.since, app.now()))
                + ("" if place.until is None else f", until {look.day(place.until, app.now())}")
                for place in found
            ]
            await app.push_screen_wait(
                ShowText(
                    f"What {one.id[:8]} could read", styled("\n".join(rows) or "No room at all.")
                )
            )

    def action_end(self) -> None:
        """Clear the events that are shown, or take a device off: whichever is picked."""
        focus = self.screen.focused
        if focus is not None and focus.id == "events":
            self.clear()
        else:
            self._revoke()

    @work
    async def clear(self) -> None:
        """Show only what comes after now."""
        words = (
            "Clear what is shown here? Only on this machine: the server keeps its log, and a line"
            " stays that says when you did it."
        )
        if await app_of(self).push_screen_wait(Question(words, "Clear")):
            await app_of(self).tried(security.ClearEvents())
            self._look()

    @work
    async def _revoke(self) -> None:
        """Take a device off the account."""
        one, app = self._picked(), app_of(self)
        if one is None:
            return
        if one.is_this:
            app.tell("This is the device that you use: log out instead, in Profile.")
            return
        asked = await app.push_screen_wait(
            Form(
                f"Revoke {one.id[:8]}",
                [
                    Field("Your password", is_secret=True, id="password"),
                    Field("Recovery phrase, if the password is weak", is_secret=True, id="phrase"),
                ],
                "revoke it",
                "It is taken out of all rooms and reads nothing new. What it has read, it has.",
            )
        )
        if asked is not None and await self._done(
            security.Revoke(device=one.id, password=asked["password"], phrase=asked["phrase"])
        ):
            app.tell(f"{one.id[:8]} is revoked; it leaves your rooms now.", is_bad=False)
            self._look()

    async def _done(self, call: security.Revoke) -> bool:
        try:
            await app_of(self).ask(call)
        except ClientError as error:
            app_of(self).tell(str(error))
            return False
        return True

    def action_filter(self) -> None:
        """Show only what is suspicious, or everything."""
        self._only_suspicious = not self._only_suspicious
        self._look()

    def action_dismiss(self) -> None:
        """Put the alerts away: one has looked.  Who has other keys stays until one compares."""
        app_of(self).alerts.clear()
        self._draw()
        main_of(self).told_counts()

    @work
    async def action_export(self) -> None:
        """Write the events into a file."""
        asked = await app_of(self).push_screen_wait(
            Form(
                "Export what the server has written down",
                [
                    Field("File", value=str(Path.home() / "alcove-events.json"), id="path"),
                ],
                "write",
            )
        )
        if asked is None:
            return
        rows = [
            {name: getattr(one, name) for name in one.__struct_fields__} for one in self._events
        ]
        try:
            await asyncio.to_thread(_write, asked["path"], rows)
        except OSError as error:
            app_of(self).tell(f"{asked['path']}: {error.strerror}.")
        else:
            app_of(self).tell(f"{len(rows)} events are in {asked['path']}.", is_bad=False)

    @work
    async def action_phrase(self) -> None:
        """Show the recovery phrase."""
        app = app_of(self)
        asked = await app.push_screen_wait(
            Form(
                "Your recovery phrase",
                [Field("Your password", is_secret=True, id="password")],
                "show it",
            )
        )
        if asked is None:
            return
        phrase = await app.tried(profile.SeePhrase(password=asked["password"]))
        if phrase is not None:
            await app.push_screen_wait(
                ShowText(
                    "Your recovery phrase",
                    styled(
                        (phrase, "bold"),
                        (
                            (
                                "\n\nWrite it on paper, and keep it where nobody else looks."
                                " Closing this notes that you have."
                            ),
                            "$soft",
                        ),
                    ),
                )
            )
            await app.tried(profile.PhraseSaved())
            app.me = await app.ask(profile.GetMe())
