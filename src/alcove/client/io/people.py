"""People, as a program meets them: names, safety numbers, and this account's own devices."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from alcove.client import chats, comparing, profiles, signals, trust
from alcove.client.chats import Waiting
from alcove.client.errors import UsageError
from alcove.client.rooms.leaves import whose
from alcove.client.timeline.spam import Suspicion
from alcove.client.trust import State

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.rooms import Room

NOBODY = "somebody"
"""What is shown for an account whose certificate was never seen here."""


LAST_MS: Final = 253_370_764_800_000
"""The first day of the year 9999: what others call later is shown as this."""


def moment(at: int) -> datetime:
    """Return a time as Python has times; a member, or the server, may claim any."""
    return datetime.fromtimestamp(min(at, LAST_MS) / 1000, UTC)


class Person:
    """An account on this server: a person or a bot."""

    def __init__(self, client: "Client", account: bytes, name: str | None = None) -> None:
        self.client, self.account = client, account
        if name is not None:
            client.names[account] = name

    def __repr__(self) -> str:
        return f"<Person {self.name}>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Person) and other.account == self.account

    def __hash__(self) -> int:
        return hash(self.account)

    @property
    def id(self) -> str:
        """The account's id, which no other account ever has."""
        return self.account.hex()

    @property
    def name(self) -> str:
        """The name by which people know the account, as its certificate has it."""
        if self.is_me:
            return self.client.name
        pin = trust.pin_of(self.client.db, self.account)
        if pin is not None:
            return pin.name
        line = self.client.db.one(
            "SELECT certificate FROM stay WHERE account = ? ORDER BY since DESC LIMIT 1",
            self.account,
        )
        if line is not None:
            return whose(line[0]).said.name
        return self.client.names.get(self.account, NOBODY)

    def is_called(self, name: "Person | str") -> bool:
        """Return whether a name, with or without an `@`, is theirs."""
        if isinstance(name, Person):
            return name == self
        return self.name.lower() == name.strip().removeprefix("@").lower()

    @property
    def display_name(self) -> str:
        """As they want to be called; it proves nothing, so show `name` beside it.  May be empty."""
        return profiles.person(self.client.db, self.account).name

    @property
    def status(self) -> str:
        """What they say of themselves in a line; empty for nothing."""
        return profiles.person(self.client.db, self.account).status

    @property
    def picture(self) -> bytes:
        """A small picture that they show of themselves, as JPEG; empty for none."""
        return profiles.person(self.client.db, self.account).picture

    @property
    def is_me(self) -> bool:
        """Whether it is this account."""
        return self.account == self.client.account

    # ---- Whether the keys are theirs ----

    @property
    def state(self) -> State:
        """What is known of their keys: checked, unchecked, or changed: look before you write."""
        pin = trust.pin_of(self.client.db, self.account)
        return pin.state if pin else "unchecked"

    @property
    def safety_number(self) -> str:
        """The 60 digits that both of you see, if nobody stands between you."""
        return self._safety().digits

    @property
    def safety_code(self) -> str:
        """The same as the text of a code that is scanned."""
        return self._safety().code

    def _safety(self) -> comparing.Safety:
        if self.is_me:
            raise UsageError("A safety number is for two: ask for somebody else's.")
        found = comparing.safety(self.client.db, self.account)
        if found is None:
            raise UsageError(
                f"Nothing is known of {self.name}'s keys yet: write to them first, then compare."
            )
        return found

    async def verify(self, number: str) -> bool:
        """Compare what they have read out, or what was scanned, and note it if it is right."""
        self._safety()
        return self.client.do(comparing.compared, self.account, number)

    async def unverify(self) -> None:
        """Take back that the safety number was compared."""
        self.client.do(trust.unchecked, self.account)

    async def accept_change(self, shown: str) -> None:
        """Go on with keys that have changed, after having looked at them.

        `shown` is the safety number that was shown of them, or its first 15 digits: where they have
        changed once more since, nothing goes on.
        """
        self._safety()
        if not self.client.do(comparing.looked, self.account, shown):
            raise UsageError(
                f"The keys of {self.name} are others than those: look at their safety number again."
            )

    # ---- Talking ----

    @property
    def presence(self) -> str:
        """online, away or offline, as the server says."""
        return self.client.do(signals.presences).get(self.account, "offline")

    @property
    def is_blocked(self) -> bool:
        """Whether nothing of them is shown."""
        return chats.is_blocked(self.client.db, self.account)

    async def block(self) -> None:
        """Hear nothing more of them."""
        self.client.do(chats.block, self.account)

    async def unblock(self) -> None:
        """Hear them again."""
        self.client.do(chats.unblock, self.account)

    async def direct(self) -> "Room":
        """Return the room of the two of you."""
        return await self.client.direct(self)


class Presence(NamedTuple):
    """Somebody whom the directory shows."""

    person: Person
    presence: str
    """online, away, invisible or offline, as others may see it."""
    is_bot: bool
    seen_at: datetime | None
    """When they were there last; None when they hide it."""


class Request:
    """Somebody asks to chat, or invites to a group; what they say is shown when you accept."""

    def __init__(self, client: "Client", waiting: Waiting) -> None:
        self.client, self.waiting = client, waiting

    def __repr__(self) -> str:
        return f"<Request of {self.person.name}>"

    @property
    def id(self) -> str:
        """The id of the room that it is about."""
        return self.waiting.room.hex()

    @property
    def person(self) -> Person:
        """Who asks."""
        return Person(self.client, self.waiting.account, self.waiting.name)

    @property
    def kind(self) -> str:
        """What they ask into: direct, group or channel."""
        return self.waiting.kind

    @property
    def at(self) -> datetime:
        """When it came."""
        return moment(self.waiting.at)

    @property
    def suspicion(self) -> Suspicion:
        """A guess whether it is spam, made on this device alone."""
        return self.waiting.suspicion

    async def accept(self) -> None:
        """Accept: the room comes, with what was said in it."""
        self.client.do(chats.accept, self.waiting.room)

    async def decline(self) -> None:
        """Decline: it is gone, and nobody is told."""
        self.client.do(chats.decline, self.waiting.room)

    async def block(self) -> None:
        """Decline, and hear nothing more of them."""
        await self.person.block()


class Device(NamedTuple):
    """One device of this account."""

    id: str
    is_this: bool
    is_browser: bool
    added_at: datetime
    seen_at: datetime | None
    """When the server saw it last; None while that is not known."""
    program: str
    """What it said of itself to the server; empty while that is not known."""


class Reach(NamedTuple):
    """What a device could read: a room, from when until when."""

    room: "Room"
    since: datetime | None
    until: datetime | None
    """None while it stands there."""
