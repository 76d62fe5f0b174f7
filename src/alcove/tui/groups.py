"""The second place: groups that one is in, their members and settings, and others to join."""

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from alcove.desk import people, rooms, shown
from alcove.desk.news import ChatsChanged, News, PeopleChanged, RoomChanged
from alcove.tui import look, ways
from alcove.tui.choosing import Choice, Chooser
from alcove.tui.comparing import Comparing
from alcove.tui.lines import Lines, column, facts, row, stacked
from alcove.tui.look import spread, styled
from alcove.tui.place import Place
from alcove.tui.shell import Box, Field, Form, Question, Rows, app_of, main_of

HISTORY = {
    "open": "newcomers read what came before",
    "closed": "newcomers read nothing from before",
    "none": "nothing is kept: full forward secrecy",
}
DEVICES_CELLS = 50
"""From so many cells on, members are shown with how many devices they have."""
WHO = {"everyone": "everyone", "admins": "admins", "owners": "owners"}
DAY_MS = 24 * 60 * 60 * 1000
SPANS = {
    "never": 0,
    "an hour": DAY_MS // 24,
    "a day": DAY_MS,
    "a week": 7 * DAY_MS,
    "four weeks": 28 * DAY_MS,
}


def _made(room: shown.Room, now: int) -> str:
    """Return who made a group, and when."""
    if room.created_at is None:
        return ""
    by = f"by @{room.created_by}, " if room.created_by else ""
    return f"{by}{look.date(room.created_at, now)}"


def _setting(room: str, name: str, value: str) -> rooms.ChangeSettings:
    match name:
        case "may_invite":
            return rooms.ChangeSettings(room=room, may_invite=value)
        case "may_post":
            return rooms.ChangeSettings(room=room, may_post=value)
        case "may_pin":
            return rooms.ChangeSettings(room=room, may_pin=value)
        case _:
            return rooms.ChangeSettings(room=room, history=value)


def _member(one: shown.Member) -> Lines:
    """Return a member: who it is, what they may do, and whether their keys were compared."""
    sign, ink = ("you", "$soft") if one.person.is_me else look.trust(one.person)
    count = "1 device" if one.devices == 1 else f"{one.devices} devices"
    name = (one.person.called or one.person.name, look.colour(one.person.name))
    role = styled((one.role, "$soft" if one.role == "member" else "bold"))

    def draw(width: int) -> Content:
        devices = (f"  {count}", "$soft") if width >= DEVICES_CELLS else ""
        right = styled(role, column(styled((sign, ink)), 4, is_right=True), " ")
        return spread(styled(" ", look.dot(one.person), " ", name, devices), right, width)

    return Lines(draw)


class Groups(Place):
    """Groups on the left, the picked one on the right."""

    BINDINGS: ClassVar = [
        ("ctrl+n", "new", "New group"),
        ("slash", "find", "Find a group"),
        ("j", "join", "Join by link"),
        ("plus", "invite", "Add somebody"),
        ("e", "edit", "Edit"),
        ("l", "link", "Link"),
        ("L", "end_link", "End a link"),
        ("c", "chat", "Chat"),
        ("d", "leave", "Leave or remove"),
        ("v", "compare", "Compare"),
        ("o", "publish", "Publish"),
    ]

    def compose(self) -> ComposeResult:
        """Make both halves."""
        with Container(classes="place sides"):
            with (
                Vertical(classes="half first"),
                Box(
                    "Groups",
                    keys=(("^n", "new"), ("/", "find"), ("j", "join by link")),
                    classes="fill",
                    id="mine",
                ),
            ):
                yield Rows(classes="rows -picks", id="groups")
            with Vertical(classes="half"):
                yield Box(
                    "",
                    Static(id="facts"),
                    id="group",
                    keys=(("enter", "talk"), ("e", "edit"), ("l", "link")),
                )
                yield Box(
                    "Members",
                    Rows(classes="rows", id="members"),
                    keys=(("+", "add"), ("e", "role"), ("d", "remove")),
                    id="people_box",
                    classes="fill",
                )

    def on_mount(self) -> None:
        """Draw the list."""
        self._room: shown.Room | None = None
        self._links = 0
        self._rows: list[shown.Chat] = []
        self._draw()

    def entered(self) -> None:
        """Look again."""
        self._draw()
        self.take_focus("#groups")

    def told(self, news: News) -> None:
        """Draw what is other."""
        if not self.is_shown:
            return
        if isinstance(news, ChatsChanged):
            self._draw()
        if isinstance(news, ChatsChanged | RoomChanged | PeopleChanged):
            self._look()

    def _draw(self) -> None:
        self._rows = sorted(
            (
                one
                for one in app_of(self).chats.values()
                if one.kind in ("group", "channel", "commons") and one.state != "gone"
            ),
            key=lambda one: one.title.casefold(),
        )
        options = []
        for one in self._rows:
            sign = look.COMMONS if one.kind == "commons" else look.GROUP
            kind = {"commons": "everyone here", "channel": "channel"}.get(one.kind, "")
            said = styled(
                " ", (sign, look.colour(one.title)), " ", (one.title, "bold"),
                (f"  {kind}", "$soft"),
            )  # fmt: skip
            count = one.unread if one.level != "none" else 0
            right = styled(look.chip(str(count)), " ") if count else styled("")
            options.append(Option(row(said, right), id=one.room))
        self.query_one("#groups", Rows).refill(options)
        self.query_one("#mine", Box).name_it(f"My groups {len(self._rows)}")
        if not self._rows:
            self.query_one("#facts", Static).update(
                styled(
                    ("You are in no group yet: ", "$soft"),
                    look.keyed("^n", "make one"),
                    "  ",
                    look.keyed("/", "find one"),
                    "  ",
                    look.keyed("j", "join by a link"),
                )
            )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show who is in the group that is picked."""
        if event.option_list.id == "groups":
            self._look()

    @property
    def picked(self) -> shown.Chat | None:
        """The group that is picked."""
        place = self.query_one("#groups", OptionList).highlighted
        return self._rows[place] if place is not None and place < len(self._rows) else None

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        chat = self.picked
        if chat is None:
            return
        self._room = room = await app_of(self).ask(rooms.GetRoom(room=chat.room))
        links = await app_of(self).ask(rooms.GetLinks(room=chat.room))
        self._links = len(links)
        said: list[tuple[str, Content | str]] = [
            ("You are", styled((room.role, "bold"))),
            ("Newcomers", HISTORY.get(room.history, "").removeprefix("newcomers ")),
            (
                "Messages",
                f"go after {look.lasting(room.expires_ms)}"
                if room.expires_ms
                else "do not disappear",
            ),
            ("Who may invite", room.may_invite),
            ("Who may write", room.may_post),
            ("Who may pin", room.may_pin),
            ("Made", _made(room, app_of(self).now())),
            ("Links that let people in", "" if self._links == 0 else str(self._links)),
        ]
        table = facts([(name, value) for name, value in said if value])

        def draw(width: int) -> Content:
            about = styled((room.topic, "$soft")).wrap(width) if room.topic else []
            return stacked(*about, table.draw(width))

        self.query_one("#facts", Static).update(Lines(draw))
        self.query_one("#group", Box).name_it(chat.title)
        rows = [Option(_member(one), id=one.person.account) for one in room.members]
        self.query_one("#members", Rows).refill(rows)
        self.query_one("#people_box", Box).name_it(f"Members {len(room.members)}")

    def _member(self) -> shown.Member | None:
        options = self.query_one("#members", OptionList)
        if self.screen.focused is not options or self._room is None or options.highlighted is None:
            return None
        if self.picked is None or self.picked.room != self._room.chat.room:
            return None  # Those of another group are still shown.
        return self._room.members[options.highlighted]

    # ---- Keys ----

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done with what is picked."""
        if self.screen.focused is not None and self.screen.focused.id == "members":
            return (
                ("+", "add"),
                ("e", "role"),
                ("c", "chat"),
                ("v", "compare"),
                ("d", "remove"),
                ("tab", "groups"),
            )
        return (
            ("enter", "talk"),
            ("^n", "new"),
            ("/", "find"),
            ("j", "join by link"),
            ("e", "edit"),
            ("l", "link"),
            ("L", "end a link"),
            ("o", "publish"),
            ("d", "leave"),
            ("tab", "members"),
        )

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Talk there."""
        if event.option_list.id == "groups" and event.option.id:
            await (await main_of(self).chats()).open(event.option.id)

    @work
    async def action_new(self) -> None:
        """Make a group."""
        await self._talk(await ways.new_group(app_of(self)))

    @work
    async def action_find(self) -> None:
        """Find a group that its owner lets be found."""
        await self._talk(await ways.find_group(app_of(self)))

    @work
    async def action_join(self) -> None:
        """Join by a link."""
        await self._talk(await ways.join(app_of(self)))

    async def _talk(self, room: str | None) -> None:
        if room is None:
            return
        await app_of(self).look_at_chats()
        await (await main_of(self).chats()).open(room)

    @work
    async def action_commons(self) -> None:
        """Go to the room of everyone on this server."""
        room = await app_of(self).tried(rooms.JoinCommons())
        if room is not None:
            await self._talk(room)

    @work
    async def action_notes(self) -> None:
        """Open the room in which only I am."""
        room = await app_of(self).tried(rooms.GetNotes())
        if room is not None:
            await self._talk(room)

    @work
    async def action_invite(self) -> None:
        """Add somebody to the group."""
        chat = self.picked
        if chat is None:
            return
        asked = await app_of(self).push_screen_wait(
            Form(f"Add to {chat.title}", [Field("User name", id="name")], "add")
        )
        if asked is not None and asked["name"].strip():
            await app_of(self).tried(rooms.Invite(room=chat.room, name=asked["name"].strip()))

    @work
    async def action_edit(self) -> None:
        """Change the role of a member, or the group."""
        chat, member, app = self.picked, self._member(), app_of(self)
        if chat is None or self._room is None:
            return
        if member is not None:
            roles = [Choice(one, one) for one in ("member", "admin", "owner")]
            role = await app.push_screen_wait(Chooser(f"{member.person.name} becomes", roles))
            if role is not None:
                await app.tried(rooms.SetRole(room=chat.room, name=member.person.name, role=role))
            return
        what = await app.push_screen_wait(
            Chooser(
                "Change",
                [
                    Choice("profile", "name and topic"),
                    Choice("may_invite", "who may invite"),
                    Choice("may_post", "who may write"),
                    Choice("may_pin", "who may pin"),
                    Choice("history", "what newcomers read"),
                    Choice("expires_ms", "when messages go"),
                ],
            )
        )
        if what == "profile":
            await self._rename(chat)
        elif what == "expires_ms":
            span = await app.push_screen_wait(
                Chooser("Messages go after", [Choice(one, one) for one in SPANS])
            )
            if span is not None:
                await app.tried(rooms.ChangeSettings(room=chat.room, expires_ms=SPANS[span]))
        elif what is not None:
            options = HISTORY if what == "history" else WHO
            value = await app.push_screen_wait(
                Chooser("From now on", [Choice(one, words) for one, words in options.items()])
            )
            if value is not None:
                await app.tried(_setting(chat.room, what, value))

    async def _rename(self, chat: shown.Chat) -> None:
        topic = "" if self._room is None else self._room.topic
        asked = await app_of(self).push_screen_wait(
            Form(
                "The group",
                [
                    Field("Name", value=chat.title, id="name"),
                    Field("What it is about", value=topic, id="topic"),
                ],
                "save",
            )
        )
        if asked is not None:
            await app_of(self).tried(
                rooms.ChangeProfile(room=chat.room, name=asked["name"], topic=asked["topic"])
            )

    @work
    async def action_link(self) -> None:
        """Make a link by which whoever has it can join."""
        if self.picked is not None:
            await ways.make_link(app_of(self), self.picked)
            self._look()

    @work
    async def action_end_link(self) -> None:
        """Let nobody in any more by a link that was made here."""
        if self.picked is not None:
            await ways.end_link(app_of(self), self.picked)
            self._look()

    @work
    async def action_chat(self) -> None:
        """Chat with the member who is picked."""
        member = self._member()
        if member is not None and not member.person.is_me:
            room = await app_of(self).tried(people.Direct(name=f"@{member.person.name}"))
            if room is not None:
                await self._talk(room)

    @work
    async def action_publish(self) -> None:
        """Let the group be found by a public name, or no longer."""
        if self.picked is not None:
            await ways.publish(app_of(self), self.picked)

    @work
    async def action_leave(self) -> None:
        """Remove the picked member, or leave the group."""
        chat, member, app = self.picked, self._member(), app_of(self)
        if chat is None:
            return
        if member is not None and not member.person.is_me:
            if await app.push_screen_wait(
                Question(
                    f"Remove {member.person.name} from {chat.title}? They read nothing new.",
                    "Remove",
                )
            ):
                await app.tried(rooms.Remove(room=chat.room, name=member.person.name))
        elif await app.push_screen_wait(
            Question(f"Leave {chat.title}? What was said stays readable here.", "Leave")
        ):
            await app.tried(rooms.Leave(room=chat.room))

    @work
    async def action_compare(self) -> None:
        """Compare the safety number with a member."""
        member = self._member()
        if member is not None and not member.person.is_me:
            await app_of(self).push_screen_wait(Comparing(member.person.account))
            self._look()
