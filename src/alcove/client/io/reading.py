"""What was said in a room, and how far it was read: the half of a `Room` that looks."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from alcove.client import receipts, signals, timeline
from alcove.client.errors import UsageError
from alcove.client.io.messages import Message
from alcove.client.receipts import Choice, Level
from alcove.client.timeline import Found, Topic, Unread

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.rooms import Room


_TOLD: Final = """
SELECT 1 FROM alarm WHERE kind = 'receipts.slot' AND about = ?1
UNION ALL SELECT 1 FROM request WHERE answered_by = 'receipts.stored' AND note = ?1 LIMIT 1
"""


class Read:
    """A room, as it is read."""

    client: "Client"
    room: bytes

    def _line(self, columns: str) -> Any:
        line = self.client.db.one(
            f"SELECT {columns} FROM room WHERE room = ?",  # noqa: S608 - Our words.
            self.room,
        )
        if line is None:
            raise UsageError("This room is not there any more: look at the list of rooms.")
        return line

    # ---- What was said ----

    def history(
        self, limit: int = 50, before: Message | None = None, topic: str = ""
    ) -> list[Message]:
        """Return its newest messages, or those before one, in the order in which they were said."""
        place = None if before is None else before.number
        return [
            Message(self.client, line)
            for line in timeline.lines(self.client.db, self.room, place, limit, topic)
        ]

    def history_from(self, first: Message, limit: int = 50) -> list[Message]:
        """Return a message and those after it, in the order in which they were said."""
        found = timeline.lines_from(self.client.db, self.room, first.number, limit)
        return [Message(self.client, line) for line in found]

    def message_at(self, at: datetime) -> Message | None:
        """Return the first message that was not said before a moment; None for none."""
        number = timeline.line_at(self.client.db, self.room, int(at.timestamp() * 1000))
        return None if number is None else self.client.message_of(number)

    def search(self, words: str, limit: int = 50, before: Message | None = None) -> list[Message]:
        """Return messages of this room that hold all these words, newest first."""
        return self.client.search(words, limit=limit, before=before, room=cast("Room", self))

    def pins(self) -> list[Message]:
        """Return the messages that are pinned, the newest pin in front."""
        return [Message(self.client, line) for line in timeline.pins(self.client.db, self.room)]

    def files(self, limit: int = 50, before: int | None = None) -> list[Found]:
        """Return files that were sent here, newest first."""
        return timeline.files(self.client.db, self.room, before, limit)

    def topics(self) -> list[Topic]:
        """Return its threads of talk."""
        return timeline.topics(self.client.db, self.room)

    # ---- Reading ----

    @property
    def unread(self) -> Unread:
        """How many messages were not read yet on any device, and how many of them call you."""
        return receipts.unread(self.client.db, self.room)

    @property
    def read_place(self) -> int:
        """Up to which place of the log it was read, on any device."""
        return receipts.read_place(self.client.db, self.room)

    def unread_messages(self, limit: int = 1000) -> list[Message]:
        """Return what others have said that was not read yet, oldest first."""
        place = receipts.read_place(self.client.db, self.room)
        return [
            message
            for message in self.history(limit)
            if message.line.seq is not None
            and message.line.seq > place
            and not message.is_mine
            and message.kind in ("text", "poll", "unknown")
        ]

    async def read(self, upto: Message | None = None) -> None:
        """Note that everything was read, or everything up to a message.  It never goes back."""
        place = self._line("seq")[0] if upto is None else upto.refreshed().line.seq
        if place is not None:
            self.client.do(receipts.read, self.room, place)

    @property
    def is_read_told(self) -> bool:
        """Whether your other devices, and who may, can see how far you have read it."""
        return self.client.db.one(_TOLD, self.room) is None

    async def mark_unread(self) -> None:
        """Show it as unread on this device, until it is read again."""
        self.client.do(receipts.mark_unread, self.room)

    @property
    def choice(self) -> Choice:
        """What was chosen for it on this device: notifications, pinned, archived."""
        return receipts.choice(self.client.db, self.room)

    async def keep_draft(self, text: str) -> None:
        """Keep what was begun here, until it is said; see `choice.draft`."""
        self.client.do(receipts.keep_draft, self.room, text)

    async def choose(
        self,
        *,
        level: Level | None = None,
        is_pinned: bool | None = None,
        is_archived: bool | None = None,
    ) -> None:
        """Choose what of it is notified on this device, and where it stands."""
        self.client.do(
            receipts.choose, self.room, level=level, is_pinned=is_pinned, is_archived=is_archived
        )

    async def typing(self, *, on: bool = True) -> None:
        """Tell who is there that you are typing, as often as you like, or have stopped."""
        self.client.do(signals.typing, self.room, on=on)
