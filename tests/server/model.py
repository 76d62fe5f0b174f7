"""What rooms, requests to chat and files are, said once more and as simply as possible.

Written from docs/protocol/, not from the server: every request is judged here too, and the two must
agree.  `judge` returns the codes of all rules that a request breaks (the server names one of
them), `apply` does what it asks for.  Nothing is fast, nothing is stored.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

from alcove.wire.codec import decode_header
from alcove.wire.entries import Append, HandshakeHeader, MessageHeader, NewEntry, Routing
from alcove.wire.ids import NOTHING_BEFORE, entry_name, next_chain
from alcove.wire.rooms import CreateRoom

NEWEST: Final = 8
DAY_MS: Final = 24 * 60 * 60 * 1000
DECLINED_MS: Final = 30 * DAY_MS

Codes = set[str]
"""The rules that a request breaks; the server names one of them."""


@dataclass
class Entry:
    """A line of a log."""

    seq: int
    at: int
    header: bytes
    body: bytes | None
    sender: bytes
    is_handshake: bool


@dataclass
class Handshake:
    """What a handshake in a log is good for."""

    seq: int
    name: bytes
    renews: bool


@dataclass
class Guest:
    """An account in a room."""

    role: str
    is_active: bool
    asked_by: bytes = b""
    declined_at: int | None = None
    """To everybody else it looks as if the request still waited."""


@dataclass
class Room:
    """A room: its log, and who gets it."""

    room: bytes
    kind: str
    history: str = "open"
    log: list[Entry] = field(default_factory=list)
    chain: bytes = NOTHING_BEFORE
    handshakes: list[Handshake] = field(default_factory=list)
    closing: int = 0
    members: dict[bytes, bytes] = field(default_factory=dict)
    """Device to account."""
    guests: dict[bytes, Guest] = field(default_factory=dict)
    left: list[bytes] = field(default_factory=list)
    """Devices that have said that they leave."""
    passed: dict[bytes, int] = field(default_factory=dict)

    @property
    def newest(self) -> bytes:
        return self.handshakes[-1].name if self.handshakes else NOTHING_BEFORE

    def is_active(self, device: bytes) -> bool:
        account = self.members.get(device)
        return account is not None and self.guests[account].is_active and device not in self.left


@dataclass
class Blob:
    """A file that is being uploaded, or is there."""

    account: bytes
    size: int
    created_at: int
    is_done: bool = False


@dataclass
class Model:
    """Everything at once."""

    policy: str
    quota: int
    now: int = 0
    devices: dict[bytes, bytes] = field(default_factory=dict)
    """Devices that stand on a list, and their accounts."""
    owners: dict[bytes, bytes] = field(default_factory=dict)
    """All devices that ever were, and their accounts."""
    revoked: list[bytes] = field(default_factory=list)
    rooms: dict[bytes, Room] = field(default_factory=dict)
    pairs: dict[frozenset[bytes], bytes] = field(default_factory=dict)
    """Direct rooms and mailboxes, by their accounts."""
    asks: dict[tuple[bytes, bytes], tuple[int, int | None]] = field(default_factory=dict)
    """Asker and account: when it was asked, and when declined."""
    blocks: set[tuple[bytes, bytes]] = field(default_factory=set)
    """Who blocks whom."""
    blobs: dict[bytes, Blob] = field(default_factory=dict)

    # ---- Appending ----

    def append(self, account: bytes, device: bytes, request: Append) -> Codes:
        """Judge a request that appends, and apply it when it breaks no rule."""
        room = self.rooms.get(request.room)
        if room is None:
            return {"unknown"}
        first = decode_header(request.entries[0].header)
        joins = isinstance(first, HandshakeHeader) and first.joins is not None
        if not joins and not room.is_active(device):
            return {"not_a_member"}
        return self._all_or_none(room, account, device, request.entries)

    def _all_or_none(
        self, room: Room, account: bytes, device: bytes, entries: tuple[NewEntry, ...]
    ) -> Codes:
        before, asks = deepcopy(room), dict(self.asks)
        for entry in entries:
            codes = self._entry(room, account, device, entry)
            if codes:
                self.rooms[room.room], self.asks = before, asks
                return codes
        return set()

    def _entry(self, room: Room, account: bytes, device: bytes, entry: NewEntry) -> Codes:
        header = decode_header(entry.header)
        if header.sender != device:
            return {"bad_header"}
        if isinstance(header, MessageHeader):
            if not room.is_active(device):  # An entry before it in the batch has changed that.
                return {"not_a_member"}
            codes = self._judge_message(room, header)
            if not codes:
                self._add(room, entry, header)
                if header.notice == "leave":
                    room.left.append(device)
            return codes
        codes = self._judge_handshake(room, account, device, header)
        return codes or self._follow(room, account, entry, header)

    def _judge_message(self, room: Room, header: MessageHeader) -> Codes:
        if header.form == "notice":
            return set()
        known = [one for one in room.handshakes if one.renews or header.form == "live"][-NEWEST:]
        named = [one.seq for one in known if one.name == header.key]
        if not named:
            return {"old_key"}
        return {"closed"} if named[0] < room.closing else set()

    def _judge_handshake(
        self, room: Room, account: bytes, device: bytes, header: HandshakeHeader
    ) -> Codes:
        codes: Codes = set()
        if header.before != room.newest:
            codes.add("conflict")
        routing = header.routing
        if header.joins is not None:
            codes |= self._judge_joining(room, account, device, header)
        elif not room.is_active(device):
            return codes | {"not_a_member"}
        else:
            codes |= self._judge_removes(room, account, routing)
        guest = room.guests.get(account)
        if (routing.roles or routing.history is not None) and (
            guest is None or guest.role != "owner"
        ):
            codes.add("not_allowed")
        for who, _ in routing.roles:
            if who not in room.guests and who not in [one.account for one in routing.adds]:
                codes.add("bad_header")
        codes |= self._judge_adds(room, routing)
        again = [one.device for one in routing.adds]
        others = [one for one in routing.removes if one.device not in again]
        if (routing.roles or routing.history is not None or others) and not header.closes:
            codes.add("bad_header")
        if (routing.adds or routing.removes or header.closes) and not header.renews:
            codes.add("bad_header")
        return codes

    def _judge_joining(
        self, room: Room, account: bytes, device: bytes, header: HandshakeHeader
    ) -> Codes:
        routing = header.routing
        codes: Codes = set()
        is_there = room.members.get(device) == account
        if [one.device for one in routing.adds] != [device] or routing.roles:
            codes.add("bad_header")
        if [one.device for one in routing.removes] not in ([], [device]):
            codes.add("bad_header")
        if routing.removes and not is_there:
            codes.add("bad_header")
        if header.joins == "resync" and not (is_there and routing.removes):
            codes.add("not_a_member")
        guest = room.guests.get(account)
        if header.joins == "sibling" and (guest is None or not guest.is_active):
            codes.add("not_a_member")
        return codes

    def _judge_removes(self, room: Room, account: bytes, routing: Routing) -> Codes:
        codes: Codes = set()
        mine = room.guests[account].role
        again = [one.device for one in routing.adds]
        for one in routing.removes:
            if room.members.get(one.device) != one.account:
                codes.add("bad_header")
                continue
            theirs = room.guests[one.account].role
            may = (
                one.account == account
                or one.device in again
                or one.device in room.left
                or one.device in self.revoked
                or mine == "owner"
                or (mine == "admin" and theirs != "owner")
            )
            if not may:
                codes.add("not_allowed")
        return codes

    def _judge_adds(self, room: Room, routing: Routing) -> Codes:
        codes: Codes = set()
        new = [one for one in routing.adds if one.device not in room.members]
        if len({one.device for one in routing.adds}) < len(routing.adds):
            codes.add("bad_header")
        if any(self.devices.get(one.device) != one.account for one in routing.adds):
            codes.add("revoked")
        if room.kind == "mailbox" and any(one.account not in room.guests for one in new):
            codes.add("not_allowed")
        if room.kind == "direct" and len({*room.guests, *(one.account for one in new)}) > 2:
            codes.add("not_allowed")
        return codes

    # ---- What an entry does ----

    def _add(self, room: Room, entry: NewEntry, header: MessageHeader | HandshakeHeader) -> None:
        seq = len(room.log) + 1
        name = entry_name(room.room, entry.header, entry.body)
        room.chain = next_chain(room.chain, seq, name)
        is_handshake = isinstance(header, HandshakeHeader)
        room.log.append(Entry(seq, self.now, entry.header, entry.body, header.sender, is_handshake))
        if isinstance(header, HandshakeHeader):
            room.handshakes.append(Handshake(seq, name, header.renews))
            if header.closes:
                room.closing = seq

    def _follow(
        self, room: Room, account: bytes, entry: NewEntry, header: HandshakeHeader
    ) -> Codes:
        """Store a handshake and do what it says; whoever must be asked may forbid it after all."""
        self._add(room, entry, header)
        routing = header.routing
        again = [one.device for one in routing.adds]
        for gone in routing.removes:
            if gone.device not in again:
                room.members.pop(gone.device, None)
                room.passed.pop(gone.device, None)
                room.left = [one for one in room.left if one != gone.device]
        still = {*room.members.values(), *(one.account for one in routing.adds)}
        for who in [one.account for one in routing.removes]:
            if who not in still:
                room.guests.pop(who, None)
        for new in routing.adds:
            if new.account not in room.guests:
                codes = self._invite(room, account, new.account)
                if codes:
                    return codes
            room.members[new.device] = new.account
            room.left = [one for one in room.left if one != new.device]
            room.passed.setdefault(new.device, len(room.log))
        for who, role in routing.roles:
            if who in room.guests:
                room.guests[who].role = role
        room.history = routing.history or room.history
        return set()

    def _invite(self, room: Room, asker: bytes, account: bytes) -> Codes:
        """Bring an account in: at once, or as somebody who is asked first."""
        role = "owner" if room.kind == "direct" else "member"
        asks = account != asker and self._asks_first(room, asker, account)
        if asks and not self._may_ask(asker, account):
            return {"too_soon"}
        guest = room.guests[account] = Guest(role, not asks, asker if asks else b"")
        if asks:
            _, declined_at = self.asks.get((asker, account), (0, None))
            if declined_at is not None and declined_at <= self.now - DECLINED_MS:
                declined_at = None
            guest.declined_at = declined_at
            self.asks[asker, account] = (self.now, declined_at)
        return set()

    def _asks_first(self, room: Room, asker: bytes, account: bytes) -> bool:
        if room.kind == "mailbox":
            return False
        if (account, asker) in self.blocks:
            return True
        if self.policy == "off":
            return False
        return not any(
            account in one.guests
            and asker in one.guests
            and one.guests[account].is_active
            and one.guests[asker].is_active
            for one in self.rooms.values()
            if self.policy == "strangers" or one.kind == "direct"
        )

    def _may_ask(self, asker: bytes, account: bytes) -> bool:
        waits = any(
            account in one.guests
            and not one.guests[account].is_active
            and one.guests[account].asked_by == asker
            for one in self.rooms.values()
        )
        asked_at, _ = self.asks.get((asker, account), (0, None))
        return not waits and asked_at <= self.now - DAY_MS

    # ---- Rooms ----

    def create(self, account: bytes, device: bytes, request: CreateRoom) -> Codes:
        """Judge a request that makes a room, and apply it when it breaks no rule."""
        if request.room in self.rooms:
            return {"exists"}
        pair: frozenset[bytes] | None = None
        if request.kind == "direct":
            pair = frozenset([account, request.partner or b""])
        elif request.kind == "mailbox":
            pair = frozenset([account])
        there = self.pairs.get(pair or frozenset())
        if there is not None:
            guest = self.rooms[there].guests.get(account)
            if guest is None or guest.declined_at is None:  # Who was removed is not free again.
                return {"exists"}
        asks = dict(self.asks)
        room = self.rooms[request.room] = Room(request.room, request.kind)
        room.guests[account] = Guest("owner", is_active=True)
        founding, *others = request.entries
        header = decode_header(founding.header)
        assert isinstance(header, HandshakeHeader)
        self._follow(room, account, founding, header)
        codes = self._all_or_none(room, account, device, tuple(others))
        if not codes and request.kind == "direct" and request.partner not in room.guests:
            codes = {"bad_header"}
        if codes:
            del self.rooms[request.room]
            self.asks = asks
        elif pair is not None:
            self.pairs[pair] = request.room
        return codes

    def waiting(self, account: bytes) -> list[bytes]:
        """Return the rooms that an account is asked to join, but for those of who is blocked."""
        return [
            room.room
            for room in self.rooms.values()
            if (guest := room.guests.get(account)) is not None
            and not guest.is_active
            and guest.declined_at is None
            and (account, guest.asked_by) not in self.blocks
        ]

    def answer(self, account: bytes, rooms: list[bytes] | None, *, accept: bool) -> Codes:
        """Accept or decline."""
        waiting = self.waiting(account)
        if any(room not in waiting for room in rooms or []):
            return {"unknown"}
        for name in waiting if rooms is None else rooms:
            if accept:
                self._accept(self.rooms[name], account)
            else:
                self._decline(self.rooms[name], account)
        return set()

    def _accept(self, room: Room, account: bytes) -> None:
        guest = room.guests[account]
        guest.is_active = True
        self.asks.pop((guest.asked_by, account), None)

    def _decline(self, room: Room, account: bytes) -> None:
        guest = room.guests[account]
        guest.declined_at = self.now
        asked_at, _ = self.asks.get((guest.asked_by, account), (self.now, None))
        self.asks[guest.asked_by, account] = (asked_at, self.now)

    def forget(self) -> None:
        """Do what the server does now and then: old requests that were declined go."""
        for room in self.rooms.values():
            for account, guest in list(room.guests.items()):
                if guest.declined_at is not None and guest.declined_at < self.now - DECLINED_MS:
                    del room.guests[account]
                    for device in [one for one, who in room.members.items() if who == account]:
                        del room.members[device]
                        del room.passed[device]
                    if room.kind == "direct":
                        self.pairs = {p: one for p, one in self.pairs.items() if one != room.room}
        self.asks = {
            pair: (asked_at, declined_at)
            for pair, (asked_at, declined_at) in self.asks.items()
            if asked_at >= self.now - DAY_MS or (declined_at or 0) >= self.now - DECLINED_MS
        }

    def block(self, account: bytes, other: bytes, *, blocked: bool) -> None:
        """Block somebody, and decline what that one has asked; or lift it."""
        if not blocked:
            self.blocks.discard((account, other))
            return
        for name in self.waiting(account):
            if self.rooms[name].guests[account].asked_by == other:
                self._decline(self.rooms[name], account)
        self.blocks.add((account, other))

    def drop_bodies(self, account: bytes, device: bytes, name: bytes, seqs: list[int]) -> Codes:
        """Leave tombstones."""
        room = self.rooms[name]
        if not room.is_active(device):
            return {"not_a_member"}
        entries = []
        for seq in seqs:
            entry = room.log[seq - 1] if 0 < seq <= len(room.log) else None
            if entry is None or entry.is_handshake:
                return {"unknown"}
            if self.owners[entry.sender] != account and room.guests[account].role == "member":
                return {"not_allowed"}
            entries.append(entry)
        for entry in entries:
            entry.body = None
        return set()

    # ---- Devices and files ----

    def publish(self, account: bytes, devices: list[bytes]) -> None:
        """Let these devices stand on an account's list, and no others."""
        for device in [one for one, whose in self.devices.items() if whose == account]:
            if device not in devices:
                del self.devices[device]
                self.revoked.append(device)
        for device in devices:
            self.devices[device] = self.owners[device] = account

    def announce(self, account: bytes, size: int) -> Codes:
        """Judge an upload."""
        used = sum(blob.size for blob in self.blobs.values() if blob.account == account)
        return {"quota"} if used + size > self.quota else set()
