"""What a program hears: the engine's events, made into what happened to people and rooms.

async for event in me.events():
    match event:
        case MessageReceived(message=message): …
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from alcove.client import events, pairing, timeline, trust
from alcove.client.io.messages import Message
from alcove.client.io.people import Person
from alcove.client.link_events import TurnedAway as SentAway
from alcove.wire.greeting import Announcement as Announced

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.rooms import Room


class News(Struct, frozen=True):
    """Something happened."""


class MessageReceived(News, frozen=True):
    """Somebody else said something, in a room where this account was already."""

    message: Message


class MessageSent(News, frozen=True):
    """This account said something, here or on another device; its `state` goes on changing."""

    message: Message


class OlderMessage(News, frozen=True):
    """Something was found that was said before this device came to the room."""

    message: Message


class MessageChanged(News, frozen=True):
    """A message is other than before: stored, delivered, read, edited, deleted, reacted to."""

    message: Message


class RoomNote(News, frozen=True):
    """Something happened in a room, and a line there tells it: `message.cause` says what."""

    message: Message


class RoomChanged(News, frozen=True):
    """A room is new, or other than before: members, name, settings, or whether you are in it."""

    room: "Room"


class RequestsChanged(News, frozen=True):
    """Somebody asks to chat, or what waited was answered: look at `requests`."""


class FileChanged(News, frozen=True):
    """A file on its way came further, is through, waits, or has failed."""

    number: int
    """The transfer's."""


class Typing(News, frozen=True):
    """Somebody types in a room, or has stopped."""

    room: "Room"
    person: Person
    on: bool


class PresenceChanged(News, frozen=True):
    """People came or went, or show themselves in another way."""

    people: tuple[Person, ...]


class Online(News, frozen=True):
    """The server knows this device, and answers."""


class Offline(News, frozen=True):
    """The line is down.  What you say waits, and is sent when the line is back."""


class TurnedAway(News, frozen=True):
    """The server does not want this device any more; nothing is tried until you say so."""

    code: str
    why: str


class Alert(News, frozen=True):
    """Something that you have to look at."""

    code: str
    """For programs."""
    text: str
    """A sentence for people."""
    about: bytes
    """The account, device or room that it is about."""


class Announcement(News, frozen=True):
    """The host of the server tells everyone something.  It is no message of a person."""

    text: str


SENTENCES = {
    "device-added": "A new device of yours was added. If that was not you, revoke it and change"
    " your password.",
    "device-removed": "A device of yours was removed.",
    "revoked": "This device was removed from your account. What is here stays readable; sign in"
    " again to go on.",
    "locks-changed": "Your password or phrase was changed on another device. If that was not you,"
    " ask the host for a reset link at once.",
    "suspicious": "The server noticed something unusual about your account: look at its events.",
    "archive-of-before": "A new device of yours was shown an older box by the server: unless it was"
    " set back to a backup, it may be lying. Revoking any device begins a new archive key.",
    "not-healed": "For two days the server has not let this device renew its keys in a room: who"
    " may have copied the old ones can still read. `alcove room hold` keeps what you write back"
    " until that ends.",
    "pairing-false": pairing.FALSE,
    "archive-closed": "Another device was revoked before this one had read the keys of your rooms:"
    " change the password here, or set the same again, or wait until another device of yours is"
    " online.",
    "box-older": "The server came back with an older copy of what your password opens: change the"
    " password, or set the same again, so that new devices can read everything.",
    "lists-lost": "The server had lost news of your devices, and got them back from this one.",
    "restored": "This device was set back to an older state, and has begun a new life: what it"
    " missed is read again.",
    "server-restored": "The server was set back to an older state; what is known here is given"
    " back to it. If you changed your password lately, the one before may count again.",
    "link-ended": "The link has ended, was used up or was withdrawn: ask for a new one.",
    "link-elsewhere": "The server leads the link to another room than it names: ask who gave it to"
    " you.",
    "link-older-state": "The server showed the room as it was before the link was made: ask who"
    " gave it to you.",
    "link-other-inviter": "The link stands in the room in another name than it says: ask who gave"
    " it to you.",
    "link-refused": "The server did not take a link, so it lets nobody in: make another one.",
    "no-right-to-join": "Nobody of the room lets you in by yourself: ask one of them to add you.",
    "room-banned": "Its admins have shut you out of this room: ask one of them.",
    "not-joined": "The room does not let you in; ask who is in it.",
    "not-published": "The server did not take the public name: somebody has it, or its host gives"
    " none. Choose another one, or ask the host.",
    "not-added": "{who} could not be added: they have not answered yet, or let nobody add them.",
    "not-possible": "What you wished for in a room is not allowed there (any more): look at its"
    " members and settings.",
    "block-refused": "{who} could not be blocked: try again.",
    "room-refused": "A room could not be made: look there for what became of your messages.",
    "another-log": "Others see another version of a room than you: the server may be lying. Tell"
    " its members by another way; nothing is sent there until `alcove room overlook`.",
    "keys-rotated": "The keys of {who} have changed, and the old ones agreed: compare your"
    " safety number again.",
    "keys-reset": "The keys of {who} are new: make sure that it is still them before you write.",
    "keys-forked": "The server shows two different lists of the devices of {who}: it may be lying.",
}
"""What people are told, by the code of a warning."""
SOMETHING = "Something went wrong, and was put right as far as possible ({code})."


def sentence(code: str, who: str = "somebody") -> str:
    """Return what people are told of a warning: by its code, or by what stands before its colon."""
    for one in (code, code.partition(":")[0]):
        if one in SENTENCES:
            said = SENTENCES[one].format(who=who)
            said = said[0].upper() + said[1:]
            return said if one == code else f"{said} ({code})"
    return SOMETHING.format(code=code)


def news_of(client: "Client", event: object) -> News | None:
    """Return what an event of the engine means for people; None for nothing."""
    match event:
        case events.Online():
            return Online()
        case events.Offline():
            return Offline()
        case SentAway(code=code, why=why, is_final=True):
            return TurnedAway(code, why)
        case events.Warned(code=code, about=about):
            pin = trust.pin_of(client.db, about)
            who = "somebody" if pin is None else f"@{pin.name}"
            return Alert(code, sentence(code, who), about)
        case events.Pushed(push=Announced(text=text)):
            return Announcement(text)
    return _around(client, event)


def _around(client: "Client", event: object) -> News | None:
    """Return the same for what happens in rooms and to people."""
    match event:
        case events.LineShown(number=number):
            return _shown(client, number)
        case events.LineChanged(number=number):
            found = timeline.line(client.db, number)
            return None if found is None else MessageChanged(Message(client, found))
        case events.RoomChanged(room=room):
            return RoomChanged(client.room_of(room))
        case events.TransferChanged(number=number):
            return FileChanged(number)
        case events.AsksChanged():
            return RequestsChanged()
        case events.Signalled(room=room, account=account, kind=kind):
            return Typing(client.room_of(room), client.person_of(account), kind == "typing")
        case events.PeopleChanged(accounts=accounts):
            return PresenceChanged(tuple(client.person_of(one) for one in accounts))
    return None


def _shown(client: "Client", number: int) -> News | None:
    found = timeline.line(client.db, number)
    if found is None:
        return None
    message = Message(client, found)
    if found.kind in ("note", "gap"):
        return RoomNote(message)
    if message.is_mine:
        return MessageSent(message)
    line = client.db.one("SELECT joined_seq FROM room WHERE room = ?", found.room)
    is_older = line is not None and found.seq is not None and found.seq <= line[0]
    return OlderMessage(message) if is_older else MessageReceived(message)
