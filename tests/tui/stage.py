"""A stage: the terminal app in front of a desk that says only what stands in a script.

    stage = Stage()        one person without a room; `tests.tui.harbour.stage()` has content
    room = stage.add_room("Bench", 100_000, made_up)         lines are made up by their numbers
    app = stage.app()
    async with app.run_test(size=(140, 40)) as pilot:
        app.enter()                         past the door
        stage.tell(news.LinesChanged(…))    from any thread
        stage.say(room, [line])             the same, with the row in the list of chats

No engine and no server stand behind it, and its time stands still.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from alcove.client import OfflineError, Preferences
from alcove.desk import (
    chats,
    door,
    files,
    messages,
    people,
    preferences,
    profile,
    rooms,
    security,
    shown,
)  # fmt: skip
from alcove.desk import news as news_of
from alcove.desk.calls import Call
from alcove.desk.desk import Tell
from alcove.desk.thread import Asked
from alcove.tui import app as app_module
from alcove.tui.app import Alcove

R = TypeVar("R")
NOW = 1_795_169_160_000
"""Friday 20 November 2026, 10:06, in the world's time."""


class Staged(Alcove):
    """The app, at the time of its stage."""

    CSS_PATH = str(Path(app_module.__file__).with_name("alcove.tcss"))

    def __init__(self, stage: "Stage", **settings: Any) -> None:
        super().__init__(desk=stage.behind, **settings)
        self.stage = stage

    def now(self) -> int:
        return self.stage.now


class Told(NamedTuple):
    """What was said in a room: so many lines, each made from its number."""

    lines: int
    line: Callable[[int], shown.Line]


class Stage:
    """A desk that answers with what it holds, and does nothing with what is asked of it."""

    def __init__(self, *, now: int = NOW, name: str = "mira", called: str = "Mira Okafor") -> None:
        self.now = now
        self.me = shown.Me(
            person=shown.Person(
                account="01", name=name, called=called, is_me=True, presence="online",
                trust="checked",
            ),
            server="https://harbour.example.org", profile="harbour", since=now,
            connection=shown.Connection(state="online", answered_ms=18),
        )  # fmt: skip
        self.rooms: dict[str, shown.Room] = {}
        self.told: dict[str, Told] = {}
        self.extra: dict[str, list[shown.Line]] = {}
        """What was said while the app ran, by room."""
        self.preferences = Preferences()
        self.accounts: tuple[shown.Account, ...] = ()
        self.server = shown.Server(address="harbour.example.org", registration="open")
        self.requests: tuple[shown.Asking, ...] = ()
        self.online: tuple[shown.Person, ...] = ()
        self.safety: dict[str, shown.Safety] = {}
        self.devices: tuple[shown.Device, ...] = ()
        self.reach: tuple[shown.Reach, ...] = ()
        self.events: tuple[shown.Event, ...] = ()
        self.cleared: shown.Cleared | None = None
        self.space = shown.Space(used=0, quota=0, downloads={})
        self.folder = shown.Folder(path="/", entries=())
        self.links: tuple[shown.RoomLink, ...] = ()
        self.transfers: tuple[shown.Transfer, ...] = ()
        self.files: tuple[shown.Line, ...] = ()
        self.public: tuple[shown.PublicRoom, ...] = ()
        self.asked: list[Call[Any]] = []
        """Everything that was asked, in order."""
        self._tell: Tell = lambda _: None

    # ---- Before the app ----

    def app(self, **settings: Any) -> Staged:
        """Return the app in front of this stage."""
        return Staged(self, **settings)

    def behind(self, tell: Tell) -> Asked:
        """Return this as the desk of an app."""
        self._tell = tell
        return self

    def add_room(
        self, title: str, count: int, line: Callable[[int], shown.Line], **facts: Any
    ) -> str:
        """Add a room in which so many lines were said, and return its id."""
        room = str(facts.pop("room", f"{len(self.rooms) + 0xA0:02x}"))
        members: tuple[shown.Member, ...] = facts.pop("members", ())
        settings = {name: facts.pop(name) for name in list(facts) if name in _OF_ROOMS}
        last = line(count - 1) if count else None
        row = shown.Chat(
            room=room, title=title, kind=facts.pop("kind", "group"), state="active",
            last=facts.pop("last", "" if last is None else last.text),
            last_by=facts.pop(
                "last_by", "" if last is None or last.author is None else last.author.name
            ),
            last_at=facts.pop("last_at", None if last is None else last.at), **facts,
        )  # fmt: skip
        self.rooms[room] = shown.Room(
            chat=row, members=members, **{"may": shown.Allowed(post=True)} | settings
        )
        self.told[room] = Told(count, line)
        self.extra[room] = []
        return room

    # ---- While it runs ----

    def tell(self, *news: news_of.News) -> None:
        """Tell the app something, from whatever thread."""
        self._tell(news)

    def say(self, room: str, lines: Sequence[shown.Line]) -> None:
        """Let lines be said, and tell the app of them and of the room's row."""
        self.extra[room] += lines
        newest, row = lines[-1], self.rooms[room].chat
        by = "" if newest.author is None else newest.author.name
        row = replace(row, last=newest.text, last_by=by, last_at=newest.at)
        self.rooms[room] = replace(self.rooms[room], chat=row)
        self.tell(
            news_of.ChatsChanged(chats=(row,)),
            news_of.LinesChanged(room=room, lines=tuple(lines)),
        )

    # ---- A desk ----

    def start(self) -> None:
        """Nothing has to begin."""

    async def close(self) -> None:
        """Nothing has to end."""

    async def ask(self, call: "Call[R]") -> R:
        self.asked.append(call)
        result: R = await _ANSWERS[type(call)](self, call)
        return result

    @property
    def is_online(self) -> bool:
        return self.me.connection.state == "online"

    def lines(self, call: chats.GetLines) -> tuple[shown.Line, ...]:
        """Return a page; the numbers of a room's lines go up from 0."""
        told, extra = self.told[call.room], self.extra[call.room]
        count = told.lines + len(extra)
        if call.since is not None:
            numbers = range(call.since, min(count, call.since + call.limit))
        else:
            end = count if call.before is None else call.before
            numbers = range(max(0, end - call.limit), end)
        return tuple(
            told.line(one) if one < told.lines else extra[one - told.lines] for one in numbers
        )


_OF_ROOMS = (
    "topic", "role", "history", "expires_ms", "may_invite", "may_post", "may_pin", "may",
    "is_doubted", "created_by", "created_at", "pins", "topics",
)  # fmt: skip
Answer = Callable[[Stage, Any], Awaitable[Any]]


def _gives(find: Callable[[Stage, Any], Any], *, needs_line: bool = False) -> Answer:
    async def answer(stage: Stage, call: Any) -> Any:
        if needs_line and not stage.is_online:
            raise OfflineError
        return find(stage, call)

    return answer


def _of(name: str, *, needs_line: bool = False) -> Answer:
    return _gives(lambda stage, _: getattr(stage, name), needs_line=needs_line)


def _send(stage: Stage, call: messages.Send) -> shown.Line:
    said = shown.Line(
        number=stage.told[call.room].lines + len(stage.extra[call.room]), room=call.room,
        kind="text", text=call.text, at=stage.now, state="waiting", author=stage.me.person,
        is_mine=True,
    )  # fmt: skip
    stage.extra[call.room].append(said)
    return said


def _line_at(stage: Stage, call: chats.LineAt) -> int | None:
    told = stage.told[call.room]
    return next((one for one in range(told.lines) if told.line(one).at >= call.at), None)


def _search(stage: Stage, call: chats.Search) -> tuple[shown.Line, ...]:
    words = call.words.casefold()
    found = [
        one for room in stage.told if call.room in (None, room)
        for one in stage.lines(chats.GetLines(room=room)) if words in one.text.casefold()
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: -one.at))


def _people(stage: Stage, _: Any) -> tuple[shown.Person, ...]:
    found = {
        one.person.account: one.person for room in stage.rooms.values() for one in room.members
    }
    others = [one for one in found.values() if not one.is_me]
    others.sort(key=lambda one: (one.trust != "changed", one.trust == "checked", one.name))
    return tuple(others)


def _about(stage: Stage, call: messages.GetAbout) -> shown.About:
    room = next(room for room, one in stage.rooms.items() if one.chat.kind == "group")
    line = stage.lines(chats.GetLines(room=room, since=call.line, limit=1))[0]
    edits = ((line.at, "I pushed the new wording."), (line.at, line.text))
    return shown.About(
        line=line,
        title=stage.rooms[room].chat.title,
        readers=("aiko", "jonas", "lena", "noor", "priya", "tomas")[: line.readers],
        edits=edits if line.is_edited else (),
    )


_NOTHING = _gives(lambda _stage, _call: None)
_ANSWERS: dict[type, Answer] = {
    preferences.GetPreferences: _of("preferences"),
    door.GetAccounts: _of("accounts"),
    door.GetKeeper: _gives(lambda _stage, _call: "passphrase"),
    door.NewPassword: _gives(lambda _stage, _call: "copper-lantern-drizzle-mosaic-tundra"),
    door.LookAt: _of("server"),
    door.Judge: _gives(
        lambda _, call: shown.Strength(
            guesses_log2=min(64.0, 3.0 * len(call.password)),
            is_allowed=len(call.password) > 9,
            opens_the_box=len(call.password) > 20,
            warning="" if len(call.password) > 20 else "A longer one is better: some words.",
        )
    ),
    door.JudgePassphrase: _gives(
        lambda _, call: shown.Held(guesses_log2=3.0 * len(call.passphrase), word="fair")
    ),
    door.Prepare: _NOTHING,
    door.Open: _NOTHING,
    door.Connect: _NOTHING,
    door.Lock: _NOTHING,
    door.LogOut: _NOTHING,
    chats.GetChats: _gives(lambda stage, _: tuple(one.chat for one in stage.rooms.values())),
    chats.OpenRoom: _gives(lambda stage, call: stage.rooms[call.room]),
    rooms.GetRoom: _gives(lambda stage, call: stage.rooms[call.room]),
    chats.CloseRoom: _NOTHING,
    chats.GetLines: _gives(Stage.lines),
    chats.LineAt: _gives(_line_at),
    chats.Search: _gives(_search),
    chats.Read: _NOTHING,
    chats.Type: _NOTHING,
    chats.KeepDraft: _NOTHING,
    chats.Choose: _NOTHING,
    chats.MarkUnread: _NOTHING,
    messages.Send: _gives(_send),
    people.GetAsking: _of("requests"),
    people.GetOnline: _of("online", needs_line=True),
    people.GetPeople: _gives(_people),
    people.GetChanged: _gives(
        lambda stage, _: tuple(one.account for one in _people(stage, _) if one.trust == "changed")
    ),
    people.FindPeople: _gives(
        lambda stage, call: tuple(
            one for one in stage.online if one.name.startswith(call.beginning)
        )
    ),
    people.GetSafety: _gives(lambda stage, call: stage.safety[call.account]),
    profile.GetMe: _of("me"),
    profile.AmISeen: _gives(lambda _stage, _call: True, needs_line=True),
    profile.MakeInvite: _gives(
        lambda _stage, _call: "https://harbour.example.org/i/Kq7x-29Fd-mW", needs_line=True
    ),
    security.GetDevices: _of("devices"),
    security.GetReach: _of("reach"),
    security.GetCleared: _of("cleared"),
    security.GetEvents: _of("events", needs_line=True),
    files.GetTransfers: _of("transfers"),
    files.GetFiles: _gives(
        lambda stage, call: tuple(one for one in stage.files if call.room in (None, one.room))
    ),
    files.GetSpace: _of("space", needs_line=True),
    files.GetFolder: _of("folder"),
    files.Look: _gives(lambda _stage, _call: ""),
    messages.GetAbout: _gives(_about),
    rooms.GetLinks: _of("links"),
    rooms.FindGroups: _of("public", needs_line=True),
    rooms.MakeLink: _gives(
        lambda _stage, _call: "https://harbour.example.org/i/Kq7x-29Fd-mW", needs_line=True
    ),
}
