"""Rooms, as a program meets them: who is there, what was said, and saying something."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from alcove.client import chats, outbox, profiles, restored, timeline
from alcove.client.errors import UsageError
from alcove.client.io.images import avatar
from alcove.client.io.messages import ALL, Message, checked, checked_text, names_in
from alcove.client.io.news import SENTENCES
from alcove.client.io.people import Person, moment
from alcove.client.io.reading import Read
from alcove.client.rooms import acting, healing, linking, public, successors
from alcove.client.rooms.extension import RoomState, state_of
from alcove.client.rooms.linking import Made
from alcove.client.rooms.members import members, role_of
from alcove.client.rooms.state import public_of
from alcove.client.tx import Tx
from alcove.wire.blobs import Expiry
from alcove.wire.content import Content, Mute, Poll, Text, shown_name

if TYPE_CHECKING:
    from alcove.client.io.carrying import Progress
    from alcove.client.io.client import Client

TITLE_NAMES_MAX = 4
"""A room without a name is called after so many of its people."""


class Member(NamedTuple):
    """Somebody who is in a room."""

    person: Person
    role: str
    """owner, admin or member."""
    devices: int


class Banned(NamedTuple):
    """Somebody who is shut out of a room."""

    id: str
    """The hash of their identity, which the room's signed state names."""
    person: Person | None
    """None where nobody is known here who has it."""


class Room(Read):
    """A conversation."""

    def __init__(self, client: "Client", room: bytes) -> None:
        self.client, self.room = client, room

    def __repr__(self) -> str:
        return f"<Room {self.title}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Room) and other.room == self.room

    def __hash__(self) -> int:
        return hash(self.room)

    # ---- What it is ----

    @property
    def id(self) -> str:
        """The room's id, which no other room ever has."""
        return self.room.hex()

    @property
    def kind(self) -> str:
        """direct, group, channel, commons or mailbox."""
        kind: str = self._line("kind")[0]
        return kind

    @property
    def state(self) -> str:
        """making, founded, joining, active, outside or gone."""
        state: str = self._line("state")[0]
        return state

    @property
    def is_here(self) -> bool:
        """Whether this account is in it, or on its way in."""
        return self.state != "gone"

    @property
    def title(self) -> str:
        """What it is called: its name, or the names of its people."""
        (partner,) = self._line("partner")
        name = self.name
        if name:
            return name
        if self.kind == "commons":
            return "everyone"
        if partner is not None:
            name = self.client.person_of(partner).name
            return name if self.successor is None else f"{name} (old keys)"
        people = [one.person.name for one in self.members() if not one.person.is_me]
        if not people:
            return "Notes" if self.kind == "group" else self.kind
        more = len(people) - TITLE_NAMES_MAX
        return ", ".join(people[:TITLE_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")

    @property
    def name(self) -> str:
        """The name that it was given; empty for none."""
        return profiles.room_profile(self.client.db, self.room).name

    @property
    def is_mine_alone(self) -> bool:
        """Whether nobody else is in it, nor asked to come."""
        others = self.client.db.one(
            """
            SELECT 1 FROM stay WHERE room = ?1 AND until IS NULL AND account != ?2
            UNION ALL SELECT 1 FROM wish WHERE room = ?1 AND kind = 'add' AND about != ?2
            """,
            self.room, self.client.account,
        )  # fmt: skip
        return others is None

    @property
    def is_read_by_everyone(self) -> bool:
        """Whether everyone on the server can read it: the commons."""
        return self.kind == "commons"

    @property
    def topic(self) -> str:
        """What it is about, as its people have written; empty for nothing."""
        return profiles.room_profile(self.client.db, self.room).topic

    @property
    def partner(self) -> Person | None:
        """Of a direct room: the other one."""
        partner = self._line("partner")[0]
        return None if partner is None else self.client.person_of(partner)

    @property
    def successor(self) -> "Room | None":
        """Of a direct room that ended with somebody's old keys: where the two have gone on."""
        found = successors.successor(self.client.db, self.room)
        return None if found is None else Room(self.client, found)

    @property
    def predecessor(self) -> "Room | None":
        """Of a direct room after a reset: the one before, if this device was in it."""
        (found,) = self._line("predecessor")
        return None if found is None else Room(self.client, found)

    @property
    def settings(self) -> RoomState:
        """What the room allows: see `change_settings`."""
        return self.client.do(_settings, self.room)

    @property
    def created_by(self) -> Person | None:
        """Who made it; None where nobody is known here who has that identity."""
        account = self.client.do(acting.founded, self.room).account
        return None if account is None else self.client.person_of(account)

    @property
    def created_at(self) -> datetime:
        """When it was made, as the clock of who made it said."""
        return moment(self.client.do(acting.founded, self.room).at)

    def members(self) -> list[Member]:
        """Return who is in it now."""
        return [
            Member(self.client.person_of(account), role, devices)
            for account, role, devices in self.client.do(_members, self.room)
        ]

    @property
    def asked(self) -> list[Person]:
        """Whom this device has asked here who have not accepted yet; who declines is not told."""
        found = chats.not_answered(self.client.db, self.room)
        return [self.client.person_of(account) for account in found]

    # ---- Saying something ----

    async def send(
        self,
        text: str,
        *,
        reply_to: Message | None = None,
        mentions: Iterable[Person] | None = None,
        topic: str = "",
        expires_at: datetime | None = None,
    ) -> Message:
        """Say something.  It is stored here when this returns, and sent as soon as that can be.

        Members who are named with an `@` are called; `mentions` chooses others.
        """
        called, calls_all = self.called(text)
        if mentions is not None:
            called = tuple(person.account for person in mentions)
        content = Text(
            checked_text(text),
            topic=topic,
            reply_to=None if reply_to is None else reply_to.target,
            mentions=called,
            mentions_all=calls_all,
        )
        expires_ms = None if expires_at is None else int(expires_at.timestamp() * 1000)
        return self.say(content, expires_ms)

    async def send_file(
        self,
        *paths: str | Path,
        text: str = "",
        expiry: Expiry = "never",
        progress: "Progress | None" = None,
    ) -> Message:
        """Send files, with a text beside them.  The message goes when all are on the server.

        `expiry` says how long the server keeps them: never ends, a day, a week.
        """
        called, calls_all = self.called(text)
        content = Text(text, mentions=called, mentions_all=calls_all)
        return await self.client.files.send(
            self, [Path(path) for path in paths], content, expiry, progress
        )

    async def post(self, text: str, *, topic: str = "", through: str) -> Message:
        """Say what a program has brought, marked with the hook that it came through."""
        return self.say(Text(checked_text(text), topic=topic, through=through))

    async def poll(
        self,
        question: str,
        *options: str,
        is_multiple: bool = False,
        closes_at: datetime | None = None,
    ) -> Message:
        """Ask a question with a few answers."""
        closes_ms = None if closes_at is None else int(closes_at.timestamp() * 1000)
        return self.say(Poll(question, options, is_multiple, closes_ms))

    def say(self, content: Content, expires_ms: int | None = None) -> Message:
        """Say any content.  An edit or a reaction shows no line: its target is returned."""
        if self.client.who.state == "revoked":
            raise UsageError(SENTENCES["revoked"])
        number = self.client.do(acting.say, self.room, checked(content), expires_ms)
        return self.client.message_of(number)

    def called(self, text: str) -> tuple[tuple[bytes, ...], bool]:
        """Return the members that a text calls, and whether it calls all."""
        names = names_in(text)
        if not names:
            return (), False
        asked = self.client.db.all(
            "SELECT about FROM wish WHERE room = ? AND kind = 'add' ORDER BY number", self.room
        )
        people = [one.person for one in self.members()]
        people += [self.client.person_of(account) for (account,) in asked]
        there = {person.name.lower(): person.account for person in people}
        return tuple(there[name] for name in names if name in there), ALL in names

    # ---- Changing it ----

    async def invite(self, person: Person | str) -> None:
        """Add somebody."""
        found = await self.client.person(person)
        self.client.do(acting.invite, self.room, found.account)

    async def remove(self, person: Person | str) -> None:
        """Remove somebody: what is said from then on they cannot read."""
        self.client.do(acting.remove, self.room, self.member(person).person.account)

    async def ban(self, person: Person | str) -> None:
        """Remove somebody, and let them in no more; also who has left already."""
        found = await self.client.person(person)
        self.client.do(acting.ban, self.room, found.account)

    async def unban(self, person: Person | str) -> None:
        """Let somebody in again; it adds nobody.  `person` is a name, or the id in `banned`."""
        for one in self.banned():
            if one.id == person or (one.person is not None and one.person.is_called(person)):
                self.client.do(acting.unban, self.room, bytes.fromhex(one.id))
                return
        raise UsageError(f"{shown_name(str(person))} is not shut out of this room.")

    def banned(self) -> list[Banned]:
        """Return who is shut out."""
        return [
            Banned(
                one.identity.hex(),
                None if one.account is None else self.client.person_of(one.account),
            )
            for one in self.client.do(acting.banned, self.room)
        ]

    async def mute(self, person: Person | str, *, on: bool = True, reason: str = "") -> None:
        """Have every device hide what somebody says here from now on, or no longer."""
        found = self.member(person).person
        self.client.do(acting.say, self.room, checked(Mute(found.account, on, reason)))

    def muted(self) -> list[Person]:
        """Return who is muted now."""
        found = timeline.muted(self.client.db, self.room)
        return [self.client.person_of(account) for account in found]

    async def leave(self) -> None:
        """Leave; what was said stays readable here."""
        self.client.do(acting.leave, self.room)

    async def set_role(self, person: Person | str, role: str) -> None:
        """Make somebody owner, admin or member."""
        if role not in ("owner", "admin", "member"):
            raise UsageError("A role is owner, admin or member.")
        self.client.do(acting.set_role, self.room, self.member(person).person.account, role)

    async def change_settings(self, **settings: Any) -> None:
        """Change what the room allows: `may_invite`, `may_post`, `history`, `expires_ms`, …."""
        self.client.do(_change_settings, self.room, settings)

    async def change_profile(
        self,
        *,
        name: str | None = None,
        topic: str | None = None,
        picture: bytes | Path | None = None,
    ) -> None:
        """Call it otherwise, as its owner or admin; None leaves what it is.

        A picture is a small JPEG, or the path of one that is made small.
        """
        if isinstance(picture, Path):
            picture = await asyncio.to_thread(avatar, str(picture))
        self.client.do(profiles.set_profile, self.room, name=name, topic=topic, picture=picture)

    async def link(self, *, days: int | None = None, uses: int | None = None) -> str:
        """Return a new link by which whoever has it can join; it works within moments."""
        profile = self.client.opened.profile
        return self.client.do(
            linking.make_link, self.room, profile.server,
            certificate=bytes.fromhex(profile.certificate) or None, days=days, uses=uses,
        )  # fmt: skip

    def links(self) -> list[Made]:
        """Return the links that were made on this device and still let people in."""
        return self.client.do(linking.made, self.room)

    async def end_link(self, made: Made) -> None:
        """Let nobody in by a link any more."""
        self.client.do(linking.drop_link, self.room, made.hash)

    async def publish(self, alias: str, description: str = "", *, joinable: bool = True) -> None:
        """Let it be found by a public name, by everyone on the server."""
        self.client.do(public.put_alias, self.room, alias, description, joinable=joinable)

    async def unpublish(self) -> None:
        """Let it be found no longer."""
        self.client.do(public.drop_alias, self.room)

    def member(self, person: Person | str) -> Member:
        """Return somebody who is in this room, by name."""
        name = person.name if isinstance(person, Person) else person.removeprefix("@")
        for one in self.members():
            if one.person.is_called(person):
                return one
        raise UsageError(f"{shown_name(name)} is not in this room: look at its members.")

    # ---- Troubles ----

    @property
    def is_doubted(self) -> bool:
        """Whether nothing is said here before you have looked: its log is told in two ways."""
        return restored.is_doubted(self.client.db, self.room)

    async def overlook(self) -> None:
        """Go on here although its log is told in two ways: you have asked the others."""
        self.client.do(restored.overlook, self.room)

    @property
    def is_held(self) -> bool:
        """Whether nothing is said here, by your choice, until your keys can be renewed."""
        return healing.is_held(self.client.db, self.room)

    async def hold(self) -> None:
        """Say nothing here until the server lets this device renew its keys again."""
        self.client.do(healing.hold, self.room)

    async def let_go(self) -> None:
        """Say what waits here all the same."""
        self.client.do(healing.let_go, self.room)

    async def retry_all(self) -> None:
        """Try to send again whatever has failed here."""
        for (content,) in self.client.db.all(
            "SELECT content FROM outbox WHERE room = ? AND failed IS NOT NULL ORDER BY number",
            self.room,
        ):
            self.client.do(outbox.retry, self.room, content)


def _change_settings(tx: Tx, room: bytes, settings: dict[str, Any]) -> None:
    acting.change_settings(tx, room, **settings)


def _settings(tx: Tx, room: bytes) -> RoomState:
    public = public_of(tx, room)
    if public is None:
        raise UsageError("This room is not there yet: wait until it is, then look again.")
    return state_of(public)


def _members(tx: Tx, room: bytes) -> list[tuple[bytes, str, int]]:
    """Return account, role and number of devices of everybody who is in a room."""
    here = tx.one("SELECT seq FROM room WHERE room = ?", room)
    if here is None:
        return []  # This device is on its way there.
    (seq,) = here
    return [
        (account, role_of(tx, room, account, seq + 1) or "member", len(devices))
        for account, devices in members(tx.db, room)
    ]
