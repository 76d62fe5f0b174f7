"""Everyone who is connected, and what they are told after a commit.

Work here follows who is online in a room, never how many rooms or accounts there are.  What is
said may be lost with its connection: everything that matters can be read again.
"""

from collections.abc import Iterable, Mapping, Sequence

from alcove.server.batch import Outcome
from alcove.server.effects import (
    Arrived,
    BlobGone,
    Effect,
    Ended,
    Following,
    Log,
    Moved,
    Present,
    Routed,
    Slotted,
    ToAccount,
    ToDevices,
    ToEveryone,
    ToMany,
    ToRoom,
)
from alcove.server.presence import Presence, Shown
from alcove.server.session import Session
from alcove.server.settings import Settings
from alcove.server.space import DAY_MS
from alcove.wire.codec import encode
from alcove.wire.directory import PresenceChanged
from alcove.wire.entries import Delivered
from alcove.wire.errors import Code
from alcove.wire.rooms import Slot, SlotsChanged

PEOPLE_MAX = 256
"""How many comings and goings one push tells."""
GATHERED_BYTES_MAX = 4 * 1024 * 1024
"""So much is gathered of places and slots: when it is more, it is told before its time."""
PLACE_BYTES = 64
"""What a place that somebody has passed counts as: two ids and a number."""


class Hub:
    """The sessions, by device and by room, and what is gathered for them."""

    def __init__(self, settings: Settings, presence: Presence) -> None:
        self._settings = settings
        self.devices: dict[bytes, Session] = {}
        self.accounts: dict[bytes, dict[bytes, Session]] = {}
        self._rooms: dict[bytes, dict[Session, None]] = {}
        self._moved: dict[bytes, dict[bytes, int]] = {}
        """How far devices have passed, by room, until the others are told."""
        self._slots: dict[bytes, dict[bytes, bytes]] = {}
        """Slots that were overwritten, by room and account, until the others are told."""
        self._met: dict[bytes, dict[bytes, None]] = {}
        """The accounts that came into a room, until they and the others there are told."""
        self._gathered_bytes = 0
        self._left: dict[bytes, tuple[bytes, ...]] = {}
        """The rooms of accounts whose last device has gone, until the others are told."""
        self._tell_at: int | None = None
        self.presence = presence
        self.dirty: dict[Session, None] = {}
        """Sessions that have something to send."""
        self.blobs_gone: list[bytes] = []
        """Blobs whose files may go."""
        self.stored: dict[bytes, int] = {}
        """How many entries each device had stored; housekeeping writes it down."""
        self._received: dict[bytes, int] = {}
        """How many bytes accounts have sent today, as far as it was counted."""
        self._received_day = 0
        self.unexpected: list[BaseException] = []
        """Failures that nobody foresaw, for the owner to log and clear."""
        self.entries = 0
        """How many entries were passed on since the start, for the statistics."""
        self.pushed = 0
        """How many times one of them was."""

    def deliver(self, outcomes: Sequence[tuple[Session | None, bool, Outcome]], now: int) -> None:
        """Answer and tell what came of a batch: (session, whether it only read, outcome)."""
        for session, reads, outcome in outcomes:
            for effect in outcome.effects:
                try:
                    self._tell(effect, session, now)
                except Exception as error:  # noqa: BLE001 - A bug in one must not silence the rest.
                    self.unexpected.append(error)
            if session is not None:
                session.answer(outcome.reply, reads=reads)
                self.dirty[session] = None

    def leave(self, session: Session, now: int) -> None:
        """Forget a connection that has ended."""
        self.dirty.pop(session, None)
        session.has_left = True
        device, account = session.caller.device, session.caller.account
        self._count_received(session)
        if self.devices.get(device) is not session:
            return
        del self.devices[device]
        others = self.accounts[account]
        del others[device]
        if not others:
            del self.accounts[account]
            self._left[account] = tuple(session.follows)
        for room in session.follows:
            self._leave_room(session, room)
        self.presence.leave(account, device, now)
        self._soon(now)

    def tick(self, now: int) -> None:
        """Tell what was gathered: who came and went, who met, and how far others have passed."""
        if self._tell_at is None or 0 < self._tell_at - now <= self._settings.presence_pause_ms:
            return  # More to wait than the pause means that the clock was set back.
        self._tell_at = None
        self._tell_gathered()
        self._tell_presence(now)

    def deadline(self) -> int | None:
        """Return when `tick` should be called at the latest."""
        return self._tell_at

    def receive(self, account: bytes, size: int) -> None:
        """Count bytes that an account has sent in another way than on a connection."""
        if account and size:
            self._received[account] = self._received.get(account, 0) + size

    def received_today(self, now: int) -> Mapping[bytes, int]:
        """Return how many bytes accounts have sent today, since the start."""
        if now // DAY_MS != self._received_day:
            self._received, self._received_day = {}, now // DAY_MS
        for session in self.devices.values():
            self._count_received(session)
        return self._received

    def _count_received(self, session: Session) -> None:
        size, session.received_bytes = session.received_bytes, 0
        self.receive(session.caller.account, size)

    # ---- Effects ----

    def _tell(self, effect: Effect, session: Session | None, now: int) -> None:
        """Do what one effect says."""
        match effect:
            case Log():
                self._grow(effect, session)
            case ToDevices():
                for device in effect.devices:
                    self._push(self.devices.get(device), effect.message)
            case ToAccount():
                for device, one in self.accounts.get(effect.account, {}).items():
                    if device != effect.but:
                        self._push(one, effect.message)
            case ToRoom():
                self._push_room(effect.room, effect.message, effect.but)
            case Following():
                self._follow(effect, session)
            case Arrived():
                self._arrive(effect, session, now)
            case Routed():
                self._route(effect, now)
            case Moved():
                self._moved.setdefault(effect.room, {})[effect.device] = effect.seq
                self._gather(PLACE_BYTES, now)
            case _:
                self._tell_rarely(effect, now)

    def _tell_rarely(
        self, effect: ToMany | ToEveryone | Slotted | Ended | Present | BlobGone, now: int
    ) -> None:
        match effect:
            case ToEveryone():
                for session in self.devices.values():
                    self._push(session, effect.message)
            case ToMany():
                self._push_many(effect)
            case Slotted():
                self._slots.setdefault(effect.room, {})[effect.account] = effect.body
                self._gather(PLACE_BYTES + len(effect.body), now)
            case Ended():
                for device in effect.devices:
                    ended = self.devices.get(device)
                    if ended is not None:
                        ended.end(Code(effect.why))
                        self.leave(ended, now)
                        self.dirty[ended] = None
            case Present():
                self.presence.set(effect.account, effect.device, effect.presence, now)
                self._soon(now)
            case _:
                self.blobs_gone.append(effect.blob)

    def _grow(self, log: Log, asker: Session | None) -> None:
        self.stored[log.sender] = self.stored.get(log.sender, 0) + log.last - log.first + 1
        sessions = self._rooms.get(log.room)
        if sessions is None:
            return
        room, first, last, message, dirty = log.room, log.first, log.last, log.message, self.dirty
        for session in sessions:
            if session is asker:  # It has its answer.
                if first == 1 or session.follows.get(room) == first - 1:
                    session.follows[room] = last
                continue
            session.grow(room, first, last, message)
            dirty[session] = None
        self.entries += last - first + 1
        self.pushed += len(sessions)

    def _push(self, session: Session | None, message: bytes) -> None:
        if session is not None:
            session.push(message)
            self.dirty[session] = None

    def _push_room(self, room: bytes, message: bytes, but: bytes = b"") -> None:
        for session in self._rooms.get(room, {}):
            if session.caller.device != but:
                self._push(session, message)

    def _push_many(self, effect: ToMany) -> None:
        told: dict[Session, None] = {}
        for account in effect.accounts:
            told.update(dict.fromkeys(self.accounts.get(account, {}).values()))
        for room in effect.rooms:
            told.update(self._rooms.get(room, {}))
            if len(told) == len(self.devices):
                break  # Nobody is left who could be in the other rooms.
        for session in told:
            if session.caller.device != effect.but:
                self._push(session, effect.message)

    def _follow(self, effect: Following, session: Session | None) -> None:
        if session is not None and effect.room in session.follows:
            session.follow(effect.room, effect.seq)
            self.dirty[session] = None

    def _arrive(self, arrived: Arrived, session: Session | None, now: int) -> None:
        if session is None or session.has_left or session.goodbye is not None:
            return  # It broke while the sign-in was being carried out.
        before = self.devices.get(arrived.device)
        if before is not None and before.number > session.number:
            # Its device has opened another one since: this one was heard late, or is dead already.
            session.end(Code.CHANGED)
            self.dirty[session] = None
            return
        if before is not None and before is not session:
            self.leave(before, now)
            before.end(Code.CHANGED)
            self.dirty[before] = None
        session.sign_in(arrived)
        self.devices[arrived.device] = session
        self.accounts.setdefault(arrived.account, {})[arrived.device] = session
        for room in arrived.rooms:
            self._rooms.setdefault(room, {})[session] = None
        self.presence.arrive(
            arrived.account,
            arrived.device,
            arrived.name,
            now,
            is_shown=arrived.shows_online,
            is_bot=arrived.is_bot,
        )
        self._soon(now)

    def _route(self, routed: Routed, now: int) -> None:
        for device in routed.devices:
            session = self.devices.get(device)
            if session is None:
                continue
            if routed.is_member:
                if routed.room not in session.follows:
                    self._met.setdefault(routed.room, {})[session.caller.account] = None
                    self._gather(PLACE_BYTES, now)
                session.follows.setdefault(routed.room, -1)
                self._rooms.setdefault(routed.room, {})[session] = None
            else:
                session.follows.pop(routed.room, None)
                session.known.pop(routed.room, None)
                self._leave_room(session, routed.room)

    def _leave_room(self, session: Session, room: bytes) -> None:
        sessions = self._rooms.get(room)
        if sessions is not None:
            sessions.pop(session, None)
            if not sessions:
                del self._rooms[room]

    def _gather(self, size: int, now: int) -> None:
        """Tell soon what was gathered; at once when it has become much."""
        self._gathered_bytes += size
        if self._gathered_bytes >= GATHERED_BYTES_MAX:
            self._tell_gathered()
        else:
            self._soon(now)

    def _tell_gathered(self) -> None:
        """Tell each room once how far its devices are, which slots are new, and who has met."""
        for room, devices in self._moved.items():
            self._push_room(room, encode(Delivered(room=room, devices=tuple(devices.items()))))
        for room, bodies in self._slots.items():
            slots = tuple(Slot(account, body) for account, body in bodies.items())
            self._push_room(room, encode(SlotsChanged(room=room, slots=slots)))
        for room, accounts in self._met.items():
            self._introduce(room, accounts)
        self._moved, self._slots, self._met, self._gathered_bytes = {}, {}, {}, 0

    def _introduce(self, room: bytes, met: Mapping[bytes, None]) -> None:
        """Tell who came into a room who is there, and those who are there of who came.

        Changes alone do not tell it: who was online already when a room came to be shared may
        stay so for a day.
        """
        sessions = list(self._rooms.get(room, {}))
        there = dict.fromkeys(session.caller.account for session in sessions)
        news, everyone = self._seen(met), self._seen(there)
        for session in sessions:
            for message in everyone if session.caller.account in met else news:
                self._push(session, message)

    def _seen(self, accounts: Iterable[bytes]) -> list[bytes]:
        """Return the messages that tell how accounts are there."""
        return _in_messages([(account, self.presence.of(account)) for account in accounts])

    def _tell_presence(self, now: int) -> None:
        """Tell each room once who of it came or went."""
        changes: dict[bytes, list[tuple[bytes, Shown]]] = {}
        for account, presence in self.presence.take_changes(now):
            rooms = dict.fromkeys(self._left.get(account, ()))
            for session in self.accounts.get(account, {}).values():
                rooms.update(dict.fromkeys(session.follows))
            for room in rooms:
                changes.setdefault(room, []).append((account, presence))
        for room, people in changes.items():
            for message in _in_messages(people):
                self._push_room(room, message)
        self._left = {}

    def end_all(self, code: Code) -> None:
        """End all connections."""
        for session in list(self.devices.values()):
            session.end(code)
            self.dirty[session] = None

    def _soon(self, now: int) -> None:
        if self._tell_at is None:
            self._tell_at = now + self._settings.presence_pause_ms


def _in_messages(people: Sequence[tuple[bytes, Shown]]) -> list[bytes]:
    """Return the messages that tell how people are there, so many in each."""
    return [
        encode(PresenceChanged(people=tuple(people[start : start + PEOPLE_MAX])))
        for start in range(0, len(people), PEOPLE_MAX)
    ]
