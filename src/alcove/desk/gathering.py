"""Gathers what the client tells for a moment, and makes the least news of it."""

from typing import TYPE_CHECKING, Any

from alcove import client as sdk
from alcove.client import UsageError
from alcove.desk import news, values

if TYPE_CHECKING:
    from alcove.client import Client, Message
    from alcove.desk.desk import Desk


class Gathered:
    """What is other since the last look."""

    def __init__(self) -> None:
        self.chats: dict[bytes, None] = {}
        """Rooms of which the row in the list is other."""
        self._rooms: dict[bytes, None] = {}
        self._lines: dict[bytes, dict[int, None]] = {}
        self._called: dict[int, None] = {}
        self._accounts: dict[bytes, None] = {}
        self._transfers: dict[int, None] = {}
        self._typing: dict[bytes, dict[str, bool]] = {}
        self._has_line_moved = False
        self._are_requests_other = False
        self._said: list[news.News] = []

    def take(self, one: Any) -> None:
        """Note one thing that the client tells."""
        match one:
            case (
                sdk.MessageReceived(message=message)
                | sdk.MessageSent(message=message)
                | sdk.MessageChanged(message=message)
                | sdk.OlderMessage(message=message)
                | sdk.RoomNote(message=message)
            ):
                self._line(message, calls=isinstance(one, sdk.MessageReceived))
            case sdk.RoomChanged(room=room):
                self.chats[room.room] = self._rooms[room.room] = None
            case sdk.Typing(room=room, person=person, on=on):
                self.chats[room.room] = None
                self._typing.setdefault(room.room, {})[person.name] = on
            case sdk.FileChanged(number=number):
                self._transfers[number] = None
            case sdk.RequestsChanged():
                self._are_requests_other = True
            case sdk.PresenceChanged(people=people):
                self._accounts.update(dict.fromkeys(person.account for person in people))
            case _:
                self._take_of_server(one)

    def _take_of_server(self, one: Any) -> None:
        match one:
            case sdk.Online() | sdk.Offline():
                self._has_line_moved = True
            case sdk.TurnedAway(code=code, why=why):
                self._has_line_moved = True
                self._said.append(news.Ended(code=code, why=why))
            case sdk.Alert(code=code, text=text, about=about):
                self._said.append(news.Alert(code=code, text=text, about=about.hex()))
            case sdk.Announcement(text=text):
                self._said.append(news.Announced(text=text))

    def _line(self, message: "Message", *, calls: bool) -> None:
        self.chats[message.line.room] = None
        if calls and message.author is not None:  # What they wrote has come.
            self._typing.setdefault(message.line.room, {})[message.author.name] = False
        if calls and (message.mentions_me or message.room.kind == "direct"):
            self._called[message.number] = None
        self._lines.setdefault(message.line.room, {})[message.number] = None

    def all(self, desk: "Desk") -> tuple[news.News, ...]:
        """Return what a face should hear of it, as things stand now."""
        client = desk.client
        told: list[news.News] = []
        if self._has_line_moved:
            connection = values.connection(client, desk.now())
            told.append(news.ConnectionChanged(connection=connection))
        for room, people in self._typing.items():
            desk.type(room, people)
        told += self._of_rooms(desk)
        if self._are_requests_other:
            told.append(news.AskingChanged(count=len(client.requests())))
        if self._accounts:
            accounts = tuple(account.hex() for account in self._accounts)
            told.append(news.PeopleChanged(accounts=accounts))
        moved = [client.files.transfer(number) for number in self._transfers]
        transfers = tuple(values.transfer(one) for one in moved if one is not None)
        if transfers:
            told.append(news.TransfersChanged(transfers=transfers))
        return (*told, *self._said)

    def _of_rooms(self, desk: "Desk") -> list[news.News]:
        client = desk.client
        told: list[news.News] = []
        chats = [values.chat(client.room_of(room), desk.typing(room)) for room in self.chats]
        if chats:
            told.append(news.ChatsChanged(chats=tuple(chats)))
        told += [news.RoomChanged(room=room.hex()) for room in self._rooms if room in desk.watched]
        for room, numbers in self._lines.items():
            if room in desk.watched:
                told.append(self._of_lines(desk, room, list(numbers)))
        for number in self._called:
            message = _message(client, number)
            if message is not None:
                line = values.line(message)
                told.append(news.Called(line=line, title=message.room.title))
        return told

    def _of_lines(self, desk: "Desk", room: bytes, numbers: list[int]) -> news.LinesChanged:
        found = {number: _message(desk.client, number) for number in numbers}
        pinned = frozenset(one.number for one in desk.client.room_of(room).pins())
        unread = desk.unread.get(room, values.NOTHING)
        return news.LinesChanged(
            room=room.hex(),
            lines=tuple(values.line(one, pinned, unread) for one in found.values() if one),
            gone=tuple(number for number, one in found.items() if one is None),
        )


def _message(client: "Client", number: int) -> "Message | None":
    try:
        return client.message_of(number)
    except UsageError:
        return None  # It was taken away in the meantime.
