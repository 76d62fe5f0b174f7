"""What can be typed in a chat, and what is shown there."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from alcove.cli.member import saying
from alcove.cli.member.ending import failed
from alcove.cli.member.screen import Screen
from alcove.cli.member.talking import EVERYONE, room_of
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.client import Client, News, Person, Request, Room

LAST: Final = 8
"""So many messages are shown when a room is opened."""
PEOPLE_MAX: Final = 200
NOBODY: Final = "nobody"
ENTER: Final = "Enter message: "
ENCRYPTION: Final = "Encrypted end to end: MLS (RFC 9420), X25519 with ML-KEM-768, AES-256-GCM."
"""The suite in use; a test compares it."""

HELP = """\
text               says it where the prompt names: [everyone], [@name] or [room]
@name text         says it to one person alone; a name that is not known is refused
@name              from now on it goes to them
/to ROOM           from now on it goes there; /to everyone is all on the server
/groups            your rooms                /who [NAME]       who is online, or is called so
/new NAME @a @b    makes a group             /members          who is in this room
/add @name         adds somebody             /remove @name     removes somebody
/leave             leaves this room          /history [N]      what was said here
/file PATH         sends a file              /get NUMBER       fetches the file of a message
/search WORDS      looks for words           /verify @name     your safety number
/requests          who asks to chat          /accept @name, /decline @name, /block @name
//text             says a text that begins with /
exit               ends"""


class Order(NamedTuple):
    """A command of the chat."""

    do: Callable[["Talk", str], Awaitable[None]]
    needs: str = ""
    """What is said when it has to be followed by something, and is not."""


class Talk:
    """One conversation at a terminal."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.screen = Screen()
        self.room: Room | None = None
        self.has_said = False
        """Whether something was said that may still wait to leave."""
        self._is_online = False
        self._shown: set[int] = set()
        """The numbers of messages that were shown: what came in at the start is shown once."""

    # ---- Beginning ----

    async def begin(self, to: str | None) -> None:
        """Say who this is and where, and what was said last."""
        client = self.client
        asking = len(client.requests())
        self.screen.show(
            f"You are {client.name} on {client.server}. {ENCRYPTION}\n"
            "/help lists what can be typed; exit ends."
        )
        self._is_online = client.is_online
        if not client.is_online:
            self.screen.show("· no line to the server: what you say waits here until there is one")
        if asking:
            self.screen.show(f"· {asking} ask to chat with you: /requests")
        if to is not None:
            await self._go(await room_of(client, to))
            return
        for room in client.rooms():
            if room.kind == "commons":
                await self._go(room)
                return
        self._set_prompt()

    async def _go(self, room: "Room") -> None:
        self.room = room
        for message in room.history(LAST):
            self._shown.add(message.number)
            self.screen.show(saying.line(message, with_room=False))
        self._set_prompt()

    def _set_prompt(self) -> None:
        self.screen.prompt = f"[{self.target}] {ENTER}"

    @property
    def target(self) -> str:
        """Where what is typed goes."""
        if self.room is None:
            return NOBODY
        if self.room.kind == "commons":
            return EVERYONE[0]
        return f"@{self.room.title}" if self.room.kind == "direct" else self.room.title

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
            self.has_said = True
            await room.send(text.strip())
        else:
            await self._go(room)

    async def _say(self, text: str) -> None:
        if self.room is None:
            self.screen.show(
                "! Nothing was sent: there is no room of everyone here.  Type @name and a text, or"
                " /to ROOM first."
            )
            return
        self.has_said = True
        await self.room.send(text)

    def _here(self) -> "Room":
        from alcove.client import UsageError  # noqa: PLC0415

        if self.room is None:
            raise UsageError("You are in no room yet: go to one with /to ROOM, or @name.")
        return self.room

    # ---- What comes in ----

    async def hear(self, events: object) -> None:
        """Show what happens, as it comes."""
        async for news in events:  # type: ignore[attr-defined]
            text = self._told(news)
            if text:
                self.screen.show(text)

    def _told(self, news: "News") -> str:
        from alcove import client as sdk  # noqa: PLC0415

        match news:
            case sdk.MessageReceived(message=message) | sdk.RoomNote(message=message) if (
                message.number in self._shown
            ):
                return ""
            case sdk.MessageReceived(message=message):
                return saying.line(message) + ("\a" if message.mentions_me else "")
            case sdk.RoomNote(message=message):
                return saying.line(message)
            case sdk.MessageChanged(message=message) if message.is_mine and message.why:
                return f"! “{message.text[:40]}” was not sent: {message.why}"
            case sdk.Announcement(text=text):
                return f"· the host says: {shown_text(text)}"
            case sdk.Alert(text=text):
                return f"! {text}"
            case sdk.TurnedAway(why=why):
                return f"! {why}"
            case sdk.Offline():
                self._is_online = False
                return "· the line is down: what you say waits here until it is back"
            case sdk.Online() if not self._is_online:
                self._is_online = True
                return "· connected"
            case sdk.RequestsChanged():
                return self._asking()
        return ""

    def _asking(self) -> str:
        asking = self.client.requests()
        if not asking:
            return ""
        newest = shown_name(asking[-1].person.name)
        return f"· {newest} asks to chat: /accept @{newest}, /decline @{newest} or /block @{newest}"

    # ---- Orders ----

    async def help(self, rest: str) -> None:
        """Show what can be typed."""
        del rest
        self.screen.show(HELP)

    async def to(self, rest: str) -> None:
        """Go to another room."""
        await self._go(await room_of(self.client, rest))

    async def groups(self, rest: str) -> None:
        """List the rooms."""
        del rest
        rooms = self.client.rooms()
        lines = [f"{room.title}  ({room.kind})" for room in rooms]
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
            for one in self._here().members()
        ]
        self.screen.show("\n".join(lines))

    async def new(self, rest: str) -> None:
        """Make a group, and go there."""
        words = rest.split()
        names: list[Person | str] = [word for word in words if word.startswith("@")]
        name = " ".join(word for word in words if not word.startswith("@"))
        room = await self.client.create_group(name, names)
        self.has_said = True
        await self._go(room)

    async def add(self, rest: str) -> None:
        """Add somebody to this room."""
        await self._here().invite(rest)

    async def remove(self, rest: str) -> None:
        """Remove somebody from this room."""
        await self._here().remove(rest)

    async def leave(self, rest: str) -> None:
        """Leave this room."""
        del rest
        await self._here().leave()
        self.room = None
        self._set_prompt()

    async def history(self, rest: str) -> None:
        """Show what was said here."""
        count = int(rest) if rest.isdigit() else 20
        for message in self._here().history(min(count, 1000)):
            self.screen.show(saying.line(message, with_room=False))

    async def search(self, rest: str) -> None:
        """Look for words in all rooms."""
        found = self.client.search(rest, limit=20)
        for message in found:
            self.screen.show(saying.line(message))
        if not found:
            self.screen.show("· nothing was found on this machine")

    async def verify(self, rest: str) -> None:
        """Show a safety number, or compare one."""
        name, _, number = rest.partition(" ")
        person = await self.client.person(name)
        if number:
            is_right = await person.verify(number)
            words = "it is the same: checked" if is_right else "! it is NOT the same: be careful"
            self.screen.show(f"· {words}")
        else:
            self.screen.show(
                f"{person.safety_number}\n· {person.state}; compare it by another way, then"
                f" /verify @{shown_name(person.name)} NUMBER"
            )

    async def requests(self, rest: str) -> None:
        """List who asks to chat."""
        del rest
        lines = [
            f"{shown_name(one.person.name)}  since {saying.moment(one.at)}"
            for one in self.client.requests()
        ]
        self.screen.show("\n".join(lines) or "· nobody asks")

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

    def _asking_of(self, rest: str) -> list["Request"]:
        from alcove.client import UsageError  # noqa: PLC0415

        bare = rest.removeprefix("@").lower()
        found = [one for one in self.client.requests() if one.person.name.lower() == bare]
        if not found:
            raise UsageError("No such request waits: /requests lists them.")
        return found

    async def file(self, rest: str) -> None:
        """Send a file to this room."""
        self.has_said = True
        path = os.path.expanduser(rest)  # noqa: PTH111, ASYNC240 - It asks nobody.
        await self._here().send_file(path)

    async def get(self, rest: str) -> None:
        """Fetch the files of a message."""
        message = self.client.message_of(int(rest) if rest.isdigit() else 0)
        for place in range(len(message.files)):
            path = await message.save_file(Path(), place)
            self.screen.show(f"· {path}")


_NAME = "Say who is meant, such as @bob."
ORDERS: Final[dict[str, Order]] = {
    "help": Order(Talk.help),
    "to": Order(Talk.to, "Say where to: a room, @name or everyone."),
    "groups": Order(Talk.groups),
    "rooms": Order(Talk.groups),
    "who": Order(Talk.who),
    "members": Order(Talk.members),
    "new": Order(Talk.new, "Say what it is called, and with whom: /new kitchen @bob"),
    "add": Order(Talk.add, _NAME),
    "remove": Order(Talk.remove, _NAME),
    "leave": Order(Talk.leave),
    "history": Order(Talk.history),
    "search": Order(Talk.search, "Say which words to look for."),
    "verify": Order(Talk.verify, _NAME),
    "requests": Order(Talk.requests),
    "accept": Order(Talk.accept, _NAME),
    "decline": Order(Talk.decline, _NAME),
    "block": Order(Talk.block, _NAME),
    "file": Order(Talk.file, "Say which file: /file PATH"),
    "get": Order(Talk.get, "Say of which message, by its number: /get NUMBER"),
}
