"""What is around an account: its rooms, the people on its server, and who asks to chat."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from alcove.client import chats, commons, profiles, timeline
from alcove.client.errors import UsageError
from alcove.client.io.arriving import is_name
from alcove.client.io.messages import Message
from alcove.client.io.people import Person, Presence, Request, moment
from alcove.client.io.rooms import Room
from alcove.client.io.watching import watching
from alcove.client.rooms import linking, making, public
from alcove.client.rooms.links import read_link
from alcove.client.tx import Tx
from alcove.wire.content import shown_name
from alcove.wire.directory import Find, FindRooms, GetOnline, PublicRoom
from alcove.wire.entries import History
from alcove.wire.rooms import GetCommons

if TYPE_CHECKING:
    from alcove.client.io.client import Client

JOIN_S: Final = 30.0
"""How long it may take to come into a room by a link."""
NOTES: Final = "Notes"
"""What the room of a note to oneself is called."""
PEOPLE_MAX: Final = 5_000
"""So many people are listed as online."""


class Around:
    """The half of a client that finds rooms and people."""

    client: "Client"
    """The whole of it."""

    # ---- Rooms ----

    def rooms(self, *, gone: bool = False) -> list[Room]:
        """Return the rooms of this account, the one with the newest message first."""
        lines = self.client.db.all(
            """
            SELECT room FROM room WHERE kind != 'mailbox' AND (? OR state != 'gone')
            ORDER BY (SELECT MAX(number) FROM line WHERE line.room = room.room) DESC, room
            """,
            gone,
        )
        return [Room(self.client, room) for (room,) in lines]

    def room(self, name: str) -> Room:
        """Return a room by its name or its id; `@name` is the direct room with somebody."""
        rooms = self.rooms(gone=True)
        for room in rooms:
            if room.id == name.lower():
                return room
        wanted = name.removeprefix("#").strip().casefold()
        if name.startswith("@"):
            wanted = name[1:].casefold()
            rooms = [room for room in rooms if room.kind == "direct"]
        found = [room for room in rooms if room.is_here and room.title.casefold() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(room.id for room in found)
            raise UsageError(
                f"Several rooms are called “{shown_name(name)}”: name one by its id: {ids}."
            )
        raise UsageError(f"There is no room “{shown_name(name)}” here: look at the list of rooms.")

    async def direct(self, person: Person | str) -> Room:
        """Return the room with somebody; it is made with the first message if it is not there."""
        found = await self.person(person)
        if found.is_me:
            raise UsageError("That is you: write to yourself in your notes.")
        return Room(self.client, self.client.do(making.create, "direct", (found.account,)))

    async def create_group(
        self, name: str, members: "list[Person | str] | tuple[Person | str, ...]" = (),
        *, topic: str = "", history: History = "open",
    ) -> Room:  # fmt: skip
        """Make a group.  Everybody in `members` must be known here: else nothing is made."""
        people = [await self.person(one) for one in members]
        accounts = tuple(dict.fromkeys(one.account for one in people if not one.is_me))
        room = self.client.do(_create_group, accounts, history, name, topic)
        return Room(self.client, room)

    async def to(self, name: str) -> Room:
        """Return where `@name`, or the name or id of a room, leads."""
        return await self.direct(name) if name.startswith("@") else self.room(name)

    async def note_to_self(self) -> Room:
        """Return the room in which nobody is but this account, on all its devices."""
        mine = [
            room for room in self.rooms()
            if room.kind == "group" and room.name in ("", NOTES) and room.is_mine_alone
        ]  # fmt: skip
        if mine:
            return min(mine, key=lambda room: room.id)  # The same one on every device.
        return await self.create_group(NOTES)

    # ---- Rooms that are open to more people ----

    def commons(self) -> Room | None:
        """Return the room that everyone on this server may join; None while there is none here."""
        room = commons.room_of(self.client.db)
        return None if room is None else Room(self.client, room)

    async def make_commons(self) -> Room:
        """Make the commons: only the host may."""
        if self.client.db.one("SELECT 1 FROM me WHERE is_host") is None:
            raise UsageError("Only the host of this server makes its commons: ask them to do it.")
        return await self._there(self.client.do(commons.make))

    async def join_commons(self) -> Room:
        """Go to the commons now, also after having left it."""
        there = await self.client.ask(GetCommons())
        if there.room is None or there.key is None:
            raise UsageError("Nobody can join a commons on this server now: ask its host.")
        self.client.do(commons.go_back)
        return await self._there(there.room)

    async def join(self, link: str, *, patience_s: float = JOIN_S) -> Room:
        """Join a room by a link that somebody has given you."""
        room = read_link(link).room
        return await self._come(
            room, lambda: self.client.do(linking.join_by_link, link), patience_s
        )

    async def find_groups(self, beginning: str = "") -> list[PublicRoom]:
        """Return groups whose owners let them be found, by how their public names begin."""
        return list((await self.client.ask(FindRooms(alias=beginning[:40]))).rooms)

    async def join_group(self, found: PublicRoom, *, patience_s: float = JOIN_S) -> Room:
        """Join a group that was found."""
        return await self._come(found.room, lambda: self.client.do(public.join, found), patience_s)

    async def _come(self, room: bytes, begin: Callable[[], Any], patience_s: float) -> Room:
        """Come into a room by oneself; raise why that cannot be."""
        async with watching(self.client, room) as watch:
            begin()
            await watch.until(lambda: self._is_in(room), patience_s)
        return Room(self.client, room)

    async def _there(self, room: bytes, patience_s: float = JOIN_S) -> Room:
        """Wait until this account is in a room."""
        await self.client.until(lambda: self._is_in(room), patience_s)
        return Room(self.client, room)

    def _is_in(self, room: bytes) -> bool:
        there = self.client.db.one("SELECT 1 FROM room WHERE room = ? AND state = 'active'", room)
        return there is not None

    def room_of(self, room: bytes) -> Room:
        """Return the room with this id."""
        return Room(self.client, room)

    def message_of(self, number: int) -> Message:
        """Return the message of a line; of one that is not shown, the one that it is about."""
        found = timeline.line(self.client.db, number)
        if found is None:
            target = self.client.db.one(
                "SELECT room, target_account, target FROM line WHERE number = ?", number
            )
            found = timeline.line_of(self.client.db, *target) if target and target[2] else None
        if found is None:
            raise UsageError("There is nothing to be seen of this here.")
        return Message(self.client, found)

    @property
    def waiting(self) -> int:
        """How much of what was said has not reached the server yet."""
        found = self.client.db.one("SELECT COUNT(*) FROM outbox WHERE failed IS NULL")
        return 0 if found is None else int(found[0])

    def files_sent(self, limit: int = 50, before: int | None = None) -> list[timeline.Found]:
        """Return files of all rooms, newest first."""
        return timeline.files(self.client.db, None, before, limit)

    def search(
        self, words: str, *, limit: int = 50, before: Message | None = None,
        room: Room | None = None,
    ) -> list[Message]:  # fmt: skip
        """Return messages that hold all these words, newest first, from this device alone."""
        place = None if before is None else before.number
        where = None if room is None else room.room
        return [
            Message(self.client, line)
            for line in timeline.search(self.client.db, words, where, place, limit)
        ]

    # ---- People ----

    def person_of(self, account: bytes) -> Person:
        """Return the person of an account."""
        return Person(self.client, account)

    def acquaintances(self, limit: int = PEOPLE_MAX) -> list[Person]:
        """Return whom this account shares a room with: whose keys have changed first, then by name.

        Whoever was asked to chat counts too, and whose keys were compared comes last.
        """
        lines = self.client.db.all(
            """
            SELECT other.account FROM (
                SELECT account FROM stay JOIN room USING (room)
                WHERE until IS NULL AND state != 'gone'
                UNION SELECT partner FROM room WHERE partner IS NOT NULL AND state != 'gone'
            ) AS other LEFT JOIN pin USING (account)
            WHERE other.account NOT IN (SELECT account FROM me)
            ORDER BY coalesce(change, '') = '', coalesce(checked = identity, 0),
                name IS NULL, lower(name), other.account
            LIMIT ?
            """,
            limit,
        )
        return [Person(self.client, account) for (account,) in lines]

    def shared_rooms(self, person: Person) -> list[Room]:
        """Return the rooms of more than two that somebody and this account are in."""
        lines = self.client.db.all(
            """
            SELECT DISTINCT room FROM stay JOIN room USING (room)
            WHERE account = ? AND until IS NULL AND state = 'active'
                AND kind IN ('group', 'channel', 'commons')
            ORDER BY room
            """,
            person.account,
        )
        return [Room(self.client, room) for (room,) in lines]

    async def person(self, name: Person | str) -> Person:
        """Return somebody by name.  Whom nobody knows here is refused, never written to."""
        if isinstance(name, Person):
            return name
        bare = name.strip().removeprefix("@")
        if bare.lower() == self.client.name.lower():
            return Person(self.client, self.client.account)
        if not is_name(bare):
            raise UsageError(f"“{shown_name(bare)}” is no name of a person: nothing was sent.")
        known = self.client.db.all(
            "SELECT account FROM pin WHERE lower(name) = lower(?) ORDER BY first_seen DESC", bare
        )
        if len(known) == 1:
            return Person(self.client, known[0][0])
        for one in (await self.client.ask(Find(name=bare))).people:
            if one.name.lower() == bare.lower():
                return Person(self.client, one.account, one.name)
        raise UsageError(f"Nobody on this server is called @{bare}, so nothing was sent.")

    async def find(self, beginning: str) -> list[Presence]:
        """Find people by how their names begin: who is online, and who lets themselves be found.

        Somebody else is found by their whole name.
        """
        bare = beginning.strip().removeprefix("@").lower()
        if not bare:
            raise UsageError("Write how the name begins.")
        asked = [
            Find(name=bare[:30], beginning=True),
            *([Find(name=bare)] if is_name(bare) else ()),
        ]
        found = [
            one for ask in asked for one in self._presences((await self.client.ask(ask)).people)
        ]
        found += await self.who_is_online()
        fitting = {
            one.person.account: one for one in found if one.person.name.lower().startswith(bare)
        }
        return sorted(fitting.values(), key=lambda one: one.person.name.lower())

    async def who_is_online(self) -> list[Presence]:
        """Return who is online and does not hide it."""
        found: list[Presence] = []
        after = ""
        while len(found) < PEOPLE_MAX:
            answer = await self.client.ask(GetOnline(after=after))
            found += self._presences(answer.people)
            if not answer.more or not answer.people:
                break
            after = answer.people[-1].name
        return found

    def _presences(self, people: Any) -> list[Presence]:
        return [
            Presence(
                Person(self.client, one.account, one.name), one.presence, one.bot,
                None if one.seen_at is None else moment(one.seen_at),
            )
            for one in people
        ]  # fmt: skip

    # ---- Requests to chat ----

    def requests(self) -> list[Request]:
        """Return the requests that wait for an answer, oldest first."""
        return [Request(self.client, waiting) for waiting in chats.asks(self.client.db)]

    async def decline_all(self) -> None:
        """Decline every request that waits."""
        self.client.do(chats.decline_all)

    def blocked(self) -> list[Person]:
        """Return whom this account has blocked, by name."""
        return [Person(self.client, one.account, one.name) for one in chats.blocked(self.client.db)]


def _create_group(
    tx: Tx, accounts: tuple[bytes, ...], history: History, name: str, topic: str
) -> bytes:
    """Make a group that has its name from the start."""
    room = making.create(tx, "group", accounts, history=history)
    profiles.set_profile(tx, room, name=name, topic=topic)
    return room
