"""What a chat shows of what happens: messages, requests, files, and what became of what was said.

What became of it stands in the prompt, so that nothing scrolls by for it:

[@bob …]                    what you said last here waits for the server
[@bob ✓]                    the server has it
[@bob ✓✓]                   it has reached them
[@bob ✓✓ read]              they have read it
[@bob, report.pdf 43 %]     a file is on its way
[kitchen, @bob ✓]           what you said last was for somebody else than who is here
"""

from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING

from alcove.cli.member import saying
from alcove.cli.member.talking import EVERYONE
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.cli.member.talk import Talk
    from alcove.client import Message, News, Room

FAILED_CHARACTERS = 40
"""So much is shown of what was not sent."""
BELL = "\a"


class Hearing:
    """What comes to a conversation at a terminal."""

    def __init__(self, talk: "Talk") -> None:
        self.talk = talk
        self.is_online = False
        self.shown: set[int] = set()
        """The numbers of messages that were shown: what came in at the start is shown once."""
        self._said: Message | None = None
        """What was said last."""
        self._from: Room | None = None
        """Where its writer was."""
        self._file = ""
        """The file that is on its way, and how much of it is through."""
        self._fault = ""
        """What was said last of the disk."""

    # ---- In the prompt ----

    @property
    def mark(self) -> str:
        """What stands in the prompt behind the name of the room."""
        if self._file:
            return f", {self._file}"
        if self._said is None:
            return ""
        said = self._said.refreshed()
        mark = saying.MARKS[said.state]
        if said.room == self.talk.room:
            return f" {mark}"
        is_near = self.talk.room == self._from and said.room in self.talk.client.rooms()
        return f", {target_of(said.room)} {mark}" if is_near else ""

    def says(self, message: "Message") -> None:
        """Follow what becomes of a message."""
        self._said, self._from = message, self.talk.room
        self.talk.set_prompt()

    def carries(self, name: str) -> Callable[[int, int], None]:
        """Return what takes how far a file is, and shows it."""

        def show(done: int, whole: int) -> None:
            self._file = f"{shown_name(name)} {saying.share(done, whole)} %" if done < whole else ""
            self.talk.set_prompt()

        return show

    def carries_no_more(self) -> None:
        """Show of no file any more how far it is."""
        self._file = ""
        self.talk.set_prompt()

    # ---- As it comes ----

    async def hear(self, events: "AsyncIterable[News]") -> None:
        """Show what happens, as it comes."""
        talk = self.talk
        async for news in events:
            text = self._told(news)
            if text:
                talk.screen.show(text)
            message = getattr(news, "message", None)
            if talk.room is not None and message is not None and message.room == talk.room:
                await talk.room.read()  # It is in front of you.
            self._look_at_the_disk()
            talk.set_prompt()

    def _look_at_the_disk(self) -> None:
        """Say once that nothing more can be stored here."""
        fault = self.talk.client.line.fault
        if fault is not None and str(fault) != self._fault:
            self.talk.screen.show(f"! {fault}")
        self._fault = str(fault or "")

    def _told(self, news: "News") -> str:
        from alcove import client as sdk  # noqa: PLC0415

        match news:
            case sdk.MessageReceived(message=message) | sdk.RoomNote(message=message) if (
                message.number in self.shown
            ):
                return ""
            case sdk.MessageReceived(message=message):
                return self.talk.line(message, with_room=True) + (BELL if _rings(message) else "")
            case sdk.RoomNote(message=message):
                return saying.line(message)
            case sdk.MessageChanged(message=message) if message.state == "failed":
                self._file = ""
                said = " ".join(saying.told(message).split())[:FAILED_CHARACTERS]
                return f"! “{said}” was not sent: {message.why}"
            case sdk.RequestsChanged():
                return self._asking()
        return self._of_the_server(news)

    def _of_the_server(self, news: "News") -> str:
        """Return what is told of the server, and of the line to it."""
        from alcove import client as sdk  # noqa: PLC0415

        match news:
            case sdk.Announcement(text=text):
                lines = shown_text(text).split("\n")  # Set in, so that none looks like a friend's.
                return "· the host says: " + "\n    ".join(lines)
            case sdk.Alert(text=text) | sdk.TurnedAway(why=text):
                return f"! {text}"
            case sdk.Offline():
                self.is_online = False
                return "· the line is down: what you say waits here until it is back"
            case sdk.Online() if not self.is_online:
                self.is_online = True
                return "· connected"
        return ""

    def _asking(self) -> str:
        asking = self.talk.client.requests()
        if not asking:
            return ""
        name, guess = shown_name(asking[-1].person.name), saying.guess(asking[-1])
        asks = f"· {name} asks to chat{f' ({guess})' if guess else ''}"
        return f"{asks}: /accept @{name}, /decline @{name} or /block @{name}{BELL}"


def target_of(room: "Room") -> str:
    """Return what is typed for something to go to a room."""
    if room.kind == "commons":
        return EVERYONE[0]
    return f"@{room.title}" if room.kind == "direct" else room.title


def _rings(message: "Message") -> bool:
    """Whether a message is to be noticed: it calls you, is for you alone, or brings a file."""
    level = message.room.choice.level
    is_for_me = message.room.kind == "direct" or bool(message.files)
    return level != "none" and (message.mentions_me or (level == "all" and is_for_me))
