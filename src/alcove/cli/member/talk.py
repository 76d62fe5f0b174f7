"""What can be typed in a chat, and what is shown there."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alcove.cli.advice import advised
from alcove.cli.member import files, orders_rooms, orders_said, saying
from alcove.cli.member.ending import failed
from alcove.cli.member.hearing import Hearing, target_of
from alcove.cli.member.messages import NUMBER_DIGITS_MIN, newest
from alcove.cli.member.orders import Order, help_of
from alcove.cli.member.talking import room_of
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.cli.member.screen import Screen
    from alcove.client import Client, Message, Person, Request, Room

MADE_S: Final = 10.0
"""So long a new room is waited for."""
LAST: Final = 8
"""So many messages are shown when a room is opened."""
PEOPLE_MAX: Final = 200
NOBODY: Final = "nobody"
EXPIRIES: Final = ("never", "day", "week")
ENTER: Final = "Enter message: "
NOWHERE: Final = "there is no room of everyone here.  Type @name and a text, or /to ROOM first"
HOST_CAN: Final = "; `alcove room commons` makes one, and it comes to all within a minute."
ENCRYPTION: Final = "Encrypted end to end: MLS (RFC 9420), X25519 with ML-KEM-768, AES-256-GCM."
"""The suite in use; a test compares it."""


class Talk:
    """One conversation at a terminal."""

    screen: "Screen"
    """Where it is seen; the screen completes names by this conversation, so it is chosen after."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.room: Room | None = None
        self.has_said = False
        """Whether something was said that may still wait to leave."""
        self.hearing = Hearing(self)
        self._asked_about = ""
        """The file of an unusual kind of which was asked whether it is meant."""
        self._warned: set[bytes] = set()
        """The rooms of which was said who has not accepted yet."""
        self._looked: dict[bytes, str] = {}
        """The safety numbers that were shown, by account."""
        self._numbers: dict[int, int] = {}
        """The short numbers of messages."""

    # ---- Beginning ----

    def greet(self) -> None:
        """Say who this is and where; from now on one can type."""
        client = self.client
        self.screen.show(
            f"You are {client.name} on {client.server}. {ENCRYPTION}\n"
            "/help lists what can be typed; exit ends."
        )
        if client.owner.must_save_phrase:
            self.screen.show(advised(f"· {saying.PHRASE_WAITS}"))
        self.screen.prompt = ENTER
        self.screen.ask()

    async def begin(self, to: str | None) -> None:
        """Go where it shall go first, and show what was said there last."""
        client = self.client
        asking = len(client.requests())
        self.hearing.is_online = client.is_online
        if not client.is_online:
            self.screen.show("· no line to the server: what you say waits here until there is one")
        if asking:
            self.screen.show(f"· {asking} ask to chat with you: /requests")
        if to is not None:
            await self.go(await room_of(client, to))
            return
        for room in client.rooms():
            if room.kind == "commons":
                await self.go(room)
                return
        self.screen.show(advised(f"· {self._nowhere}"))
        self.set_prompt()

    @property
    def _nowhere(self) -> str:
        """That nobody is named to whom something could go, and what helps; more only its host."""
        return NOWHERE + (HOST_CAN if self.client.is_host else ".")

    async def go(self, room: "Room") -> None:
        """Go to a room, and show what was said there last."""
        self.room = room
        for message in room.history(LAST):
            self.hearing.shown.add(message.number)
            self.screen.show(self.line(message))
        if room.asked:
            self._warned.add(room.room)
            self.screen.show(f"· {saying.not_accepted(room)}")
        waits = saying.look_first(room, "/verify", "seen")
        if waits:
            self.screen.show(f"! {waits}")
        await room.read()
        self.set_prompt()

    def set_prompt(self) -> None:
        """Name in the prompt where what is typed goes, and what became of what went last."""
        prompt = f"[{self.target}{self.hearing.mark}] {ENTER}"
        if prompt != self.screen.prompt:
            self.screen.change_prompt(prompt)

    @property
    def target(self) -> str:
        """Where what is typed goes."""
        return NOBODY if self.room is None else target_of(self.room)

    def complete(self, word: str) -> list[str]:
        """Return how the beginning of a name or an order may go on."""
        if word.startswith("/"):
            return [f"/{name}" for name in ORDERS if name.startswith(word[1:])]
        if word.startswith("@"):
            names = {
                shown_name(one.person.name)
                for room in self.client.rooms()[:PEOPLE_MAX]
                for one in room.members()
                if not one.person.is_me
            }
            return sorted(f"@{name}" for name in names if name.lower().startswith(word[1:].lower()))
        return []

    # ---- Messages, by short numbers ----

    def line(self, message: "Message", *, with_room: bool = False) -> str:
        """Return a message as it is shown here: with a short number, if one can do something."""
        told = saying.line(message, with_room=with_room)
        return told if message.kind in ("note", "gap") else f"#{self.short(message)} {told}"

    def short(self, message: "Message") -> int:
        """Return the number by which a message is named in this chat, as long as it runs."""
        return self._numbers.setdefault(message.number, len(self._numbers) + 1)

    def pick(
        self, rest: str, fits: "Callable[[Message], bool]", what: str = "message"
    ) -> "tuple[Message, str]":
        """Return the message that an order is about, and what else the order says."""
        first, _, more = rest.partition(" ")
        if not first.startswith("#") or not first[1:].isdigit():
            return newest(self.here(), fits, what), rest
        return self.named(int(first[1:])), more.strip()

    def named(self, short: int) -> "Message":
        """Return a message by its short number."""
        from alcove.client import UsageError  # noqa: PLC0415

        for number, known in self._numbers.items():
            if known == short:
                return self.client.message_of(number)
        raise UsageError(f"No message here has the number #{short}: /history shows them.")

    # ---- What is typed ----

    async def take(self, line: str) -> bool:
        """Do what a line says; return whether to go on."""
        line = line.strip()
        if line.lower() in ("exit", "/exit", "/quit"):
            return False
        try:
            if line.startswith("/") and not line.startswith("//"):
                await self._order(line[1:])
            elif line.startswith("@"):
                await self._to_one(line)
            elif line:
                await self._say(line.removeprefix("/") if line.startswith("//") else line)
        except Exception as error:  # noqa: BLE001 - Told in a sentence; the chat goes on.
            self.screen.show(f"! {failed(error).format_message()}")
        return True

    async def _order(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        order = ORDERS.get(word.lower())
        if order is None:
            self.screen.show(
                f"! There is no /{shown_name(word)}, and nothing was sent: /help lists what there"
                f" is.  To send a text that begins with /, type it twice: //{shown_name(word)}"
            )
        elif order.needs and not rest.strip():
            self.screen.show(f"! {order.needs}")
        else:
            await order.do(self, rest.strip())

    async def _to_one(self, line: str) -> None:
        """Say something to one person: never to anybody else, whatever goes wrong."""
        name, _, text = line.partition(" ")
        person = await self.client.person(name.rstrip(",:;"))
        room = await self.client.direct(person)
        if text.strip():
            self.says(await room.send(text.strip()))
        else:
            await self.go(room)

    async def _say(self, text: str) -> None:
        if self.room is None:
            self.screen.show(advised(f"! Nothing was sent: {self._nowhere}"))
            return
        self.says(await self.room.send(text))

    def says(self, message: "Message") -> None:
        """Follow what was said; say once of each room that somebody there has not accepted yet."""
        room, self.has_said = message.room, True
        self.hearing.says(message)
        if room.asked and room.room not in self._warned:
            self._warned.add(room.room)
            self.screen.show(f"· {saying.not_accepted(room)}")
        waits = saying.look_first(room, "/verify", "seen")
        if waits:
            self.screen.show(f"! {waits}")

    def here(self) -> "Room":
        """Return the room where what is typed goes."""
        from alcove.client import UsageError  # noqa: PLC0415

        if self.room is None:
            raise UsageError("You are in no room yet: go to one with /to ROOM, or @name.")
        return self.room

    # ---- Orders ----

    async def help(self, rest: str) -> None:
        """Show what can be typed."""
        self.screen.show(help_of(ORDERS, rest))

    async def to(self, rest: str) -> None:
        """Go to another room."""
        await self.go(await room_of(self.client, rest))

    async def groups(self, rest: str) -> None:
        """List the rooms."""
        del rest
        rooms = [room for room in self.client.rooms() if not room.choice.is_archived]
        lines = [f"{room.title}  ({room.kind}){_unread(room)}" for room in rooms]
        self.screen.show("\n".join(lines) or "· you are in no room yet: @name hello begins one")

    async def who(self, rest: str) -> None:
        """List who is online, or whose name begins so."""
        found = await (self.client.find(rest) if rest else self.client.who_is_online())
        lines = [f"{shown_name(one.person.name)}  {one.presence}" for one in found[:PEOPLE_MAX]]
        self.screen.show("\n".join(lines) or "· nobody is to be seen")

    async def members(self, rest: str) -> None:
        """List who is in this room."""
        del rest
        lines = [
            f"{shown_name(one.person.name)}  {one.role}, keys {one.person.state}"
            for one in self.here().members()
        ]
        self.screen.show("\n".join(lines))

    async def new(self, rest: str) -> None:
        """Make a group, and go there."""
        from alcove.client import OfflineError  # noqa: PLC0415

        words = rest.split()
        names: list[Person | str] = [word for word in words if word.startswith("@")]
        name = " ".join(word for word in words if not word.startswith("@"))
        room = await self.client.create_group(name, names)
        self.has_said = True
        self.room = room  # What happens there is told as it comes, so nothing is shown twice.
        self._warned.add(room.room)  # Who has not accepted yet, too.
        self.set_prompt()
        with suppress(OfflineError):  # Without a line it is made later, and takes what is said.
            if self.client.is_online:
                await self.client.until(lambda: room.state == "active", MADE_S)
        self.set_prompt()

    async def add(self, rest: str) -> None:
        """Add somebody to this room."""
        await self.here().invite(rest)

    async def remove(self, rest: str) -> None:
        """Remove somebody from this room."""
        await self.here().remove(rest)

    async def leave(self, rest: str) -> None:
        """Leave this room."""
        from alcove.client import UsageError  # noqa: PLC0415

        if rest:
            raise UsageError(f"/leave leaves {self.target}, where you are: go elsewhere by /to.")
        await self.here().leave()
        self.room = None
        self.set_prompt()

    async def history(self, rest: str) -> None:
        """Show what was said here."""
        count = int(rest) if rest.isdigit() else 20
        for message in self.here().history(min(count, 1000)):
            self.screen.show(self.line(message))

    async def search(self, rest: str) -> None:
        """Look for words in all rooms."""
        found = self.client.search(rest, limit=20)
        for message in found:
            self.screen.show(self.line(message, with_room=True))
        if not found:
            self.screen.show("· nothing was found on this machine")

    async def verify(self, rest: str) -> None:
        """Show a safety number, or compare one."""
        name, _, number = rest.partition(" ")
        person = await self.client.person(name)
        looked = self._looked.pop(person.account, "") if number == "seen" else ""
        if looked:
            await person.accept_change(looked)
            self.screen.show(f"· you go on with the new keys of {shown_name(person.name)}")
        elif number and number != "seen":
            is_right = await person.verify(number)
            words = "it is the same: checked" if is_right else "! it is NOT the same: be careful"
            self.screen.show(f"· {words}")
        else:
            self._looked[person.account] = person.safety_number
            name = shown_name(person.name)
            seen = f"; /verify @{name} seen goes on without" if person.state == "changed" else ""
            self.screen.show(
                f"{person.safety_number}\n· {person.state}; compare it by another way, then"
                f" /verify @{name} NUMBER{seen}"
            )

    async def requests(self, rest: str) -> None:
        """List who asks to chat."""
        del rest
        lines = [
            f"{shown_name(one.person.name)}  since {saying.moment(one.at)}  {saying.guess(one)}"
            for one in self.client.requests()
        ]
        self.screen.show("\n".join(line.rstrip() for line in lines) or "· nobody asks")

    async def accept(self, rest: str) -> None:
        """Accept a request to chat."""
        for one in self._asking_of(rest):
            await one.accept()
            self.screen.show(f"· you talk with {shown_name(one.person.name)}: session established")

    async def decline(self, rest: str) -> None:
        """Decline a request to chat."""
        for one in self._asking_of(rest):
            await one.decline()
            self.screen.show("· declined; nobody is told")

    async def block(self, rest: str) -> None:
        """Hear nothing more of somebody."""
        person = await self.client.person(rest)
        await person.block()
        self.screen.show(f"· you hear nothing more of {shown_name(person.name)}")

    async def unblock(self, rest: str) -> None:
        """Hear somebody again."""
        person = await self.client.person(rest)
        await person.unblock()
        self.screen.show(f"· you hear {shown_name(person.name)} again")

    def _asking_of(self, rest: str) -> list["Request"]:
        from alcove.client import UsageError  # noqa: PLC0415

        bare = rest.removeprefix("@").lower()
        found = [one for one in self.client.requests() if one.person.name.lower() == bare]
        if not found:
            raise UsageError("No such request waits: /requests lists them.")
        return found

    async def file(self, rest: str) -> None:
        """Send a file to this room."""
        from alcove.client import is_unusual  # noqa: PLC0415

        first, _, more = rest.partition(" ")
        expiry, typed = (first, more.strip()) if first in EXPIRIES and more else ("never", rest)
        path = _path(typed)
        if is_unusual(path) and self._asked_about != typed:
            self._asked_about = typed
            self.screen.show(
                f"· {shown_name(path.name)} is of an unusual kind, and not all can open it: type"
                " the same again to send it"
            )
            return
        chosen: Any = expiry
        self.says(
            await self.here().send_file(
                path, expiry=chosen, progress=self.hearing.carries(path.name)
            )
        )

    async def get(self, rest: str) -> None:
        """Fetch the files of a message."""
        if rest.isdigit() and len(rest) >= NUMBER_DIGITS_MIN:
            message, target = self.client.message_of(int(rest)), ""
        else:
            words = f"#{rest}" if rest.isdigit() else rest
            message, target = self.pick(words, lambda one: bool(one.files), "message with a file")
        try:
            for place, file in enumerate(message.files):
                progress = self.hearing.carries(file.name)
                path = await files.save(message, place, target, progress=progress)
                self.screen.show(f"· {path}")
                warning = files.warn(path)
                if warning:
                    self.screen.show(f"! {warning}")
        finally:
            self.hearing.carries_no_more()


def _path(typed: str) -> Path:
    """Return what somebody means by a path that they have typed."""
    return Path(os.path.expanduser(typed))  # noqa: PTH111 - It asks nobody.


def _unread(room: "Room") -> str:
    count = room.unread.lines
    return f"  {count} unread" if count else "  unread" if room.choice.is_marked else ""


_NAME = "Say who is meant, such as @bob."
WHERE: Final = "Where, and with whom"
PEOPLE: Final = "People"
ORDERS: Final[dict[str, Order]] = {
    "help": Order(Talk.help, WHERE, "/help [NAME]", "what can be typed", "/help poll"),
    "to": Order(
        Talk.to, WHERE, "/to ROOM", "from now on it goes there; /to everyone is all on the server",
        "/to kitchen", "Say where to: a room, @name or everyone.",
    ),
    "groups": Order(Talk.groups, WHERE, "/groups", "your rooms"),
    "rooms": Order(Talk.groups, "", "/rooms", "your rooms"),
    "history": Order(Talk.history, WHERE, "/history [N]", "what was said here"),
    "search": Order(
        Talk.search, WHERE, "/search WORDS", "looks for words in all rooms", "",
        "Say which words to look for.",
    ),
    "new": Order(
        Talk.new, WHERE, "/new NAME @a @b", "makes a group", "/new kitchen @bob @eva",
        "Say what it is called, and with whom: /new kitchen @bob",
    ),
    "members": Order(Talk.members, WHERE, "/members", "who is in this room"),
    "add": Order(Talk.add, WHERE, "/add @name", "adds somebody", "", _NAME),
    "remove": Order(Talk.remove, WHERE, "/remove @name", "removes somebody", "", _NAME),
    "leave": Order(Talk.leave, WHERE, "/leave", "leaves this room"),
    "file": Order(
        Talk.file, WHERE, "/file [TIME] PATH",
        "sends a file, which the server keeps for ever, a day or a week", "/file week report.pdf",
        "Say which file: /file PATH",
    ),
    "get": Order(
        Talk.get, WHERE, "/get [#7] [FOLDER]",
        "fetches the files of a message to a folder, or to where you are", "/get #7 ~/Downloads",
    ),
    "who": Order(Talk.who, PEOPLE, "/who [NAME]", "who is online, or is called so"),
    "requests": Order(Talk.requests, PEOPLE, "/requests", "who asks to chat"),
    "accept": Order(Talk.accept, PEOPLE, "/accept @name", "accepts a request", "", _NAME),
    "decline": Order(
        Talk.decline, PEOPLE, "/decline @name", "declines it; nobody is told", "", _NAME
    ),
    "block": Order(Talk.block, PEOPLE, "/block @name", "you hear nothing more of them", "", _NAME),
    "unblock": Order(Talk.unblock, PEOPLE, "/unblock @name", "you hear them again", "", _NAME),
    "verify": Order(
        Talk.verify, PEOPLE, "/verify @name [NUMBER|seen]", "your safety number, or compares it",
        "", _NAME,
    ),
    **orders_said.ORDERS,
    **orders_rooms.ORDERS,
}  # fmt: skip
"""All that can be typed behind a `/`, in the order of the help."""
