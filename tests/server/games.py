"""A game of everything that handlers do, played on a house and on a model of it.

Hypothesis plays accounts, device lists, rooms, appends, cursors, requests to chat, files and
restarts.  Requests run alone or many in one batch.  After each step:

    what was refused has changed nothing       what the server has in memory is what it has stored
    logs have no gap, and the chains fit       everyone sees what the model says they see
"""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alcove.server.batch import Job
from alcove.server.caller import Caller
from alcove.server.handlers import blobs
from alcove.server.handlers.chats import forget_asks
from alcove.server.roomstate import RoomState, load_room
from alcove.server.tx import digest
from alcove.wire.base import Done, Request
from alcove.wire.blobs import DropBlob, GetBlobs
from alcove.wire.chats import Answer, AsksLeft, Block, GetAsks
from alcove.wire.codec import decode_answer
from alcove.wire.devices import PutList
from alcove.wire.entries import (
    Append,
    Appended,
    DropBodies,
    Entries,
    Member,
    NewEntry,
    Passed,
    Read,
)
from alcove.wire.errors import Refusal, Refused
from alcove.wire.greeting import SignedIn
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.rooms import CreateRoom, GetMembers, GetRooms
from tests.server.house import House, Talk, member
from tests.server.model import DAY_MS, Blob, Codes, Model, Room
from tests.server.people import Gadget, Someone, writing

NAMES = ("ada", "bob", "eve", "kim")
GADGETS_MAX = 3
TOGETHER_MAX = 6
MOSTLY = 8
"""One number in so many leads to anybody, also to who may not do it."""
ROOMS_MAX = 4
QUOTA_BYTES = 1000
PAUSES = ("handshake_pause_ms", "account_barrier_pause_ms", "closing_pause_ms", "healing_pause_ms")
NOT_COMPARED = ("event", "answer")
"""Tables that may change with a refusal: what was tried is written down."""

picks = st.integers(0, 1000)
ages = st.sampled_from((0, 0, 0, 0, 1, 6, 7, 8))
kinds = st.sampled_from(("group", "direct", "channel", "mailbox"))


def picked(number: int, things: Any) -> Any:
    """Return one of some things; the same number, the same one."""
    lot = list(things)
    return lot[number % len(lot)]


def mostly(number: int) -> bool:
    """Say whether a number, however small it was made, means the usual thing."""
    return number % MOSTLY < MOSTLY - 1


class Asked:
    """A request that waits to be carried out, and what the model says will come of it."""

    def __init__(self, caller: Caller, request: Request, codes: Codes, expected: Any) -> None:
        self.caller = caller
        self.request = request
        self.codes = codes
        self.expected = expected
        """The whole reply, where the model knows it."""


class Handlers(RuleBasedStateMachine):
    """A house beside a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="alcove-model-")
        self.people: list[Someone] = []
        self.waiting: list[Asked] = []
        self.is_gathering = False
        self.done: list[tuple[Caller, Any, Any]] = []
        """What was carried out: (caller, request, reply)."""

    @initialize(
        policy=st.sampled_from(("off", "off", "strangers", "everyone")), gathers=st.booleans()
    )
    def build(self, policy: str, gathers: bool) -> None:
        self.is_gathering = gathers
        pauses = dict.fromkeys(PAUSES, 0)
        self.house = House(
            Path(self.folder.name), requests=policy, account_quota_bytes=QUOTA_BYTES, **pauses
        )
        if self.house.database.is_local:
            self.house.connection.run("PRAGMA synchronous = OFF")
        self.model = Model(policy, QUOTA_BYTES, self.house.now)
        for name in NAMES[:2]:
            self._come(name)
        self.a_room_is_made(who=0, kind="group", others=[1], partner=0, old=0)
        self.a_room_is_made(who=1, kind="direct", others=[1], partner=0, old=0)

    def teardown(self) -> None:
        try:
            if self.people:
                self.everyone_sees_what_the_model_says()
        finally:
            if self.people:
                self.house.close()
            self.folder.cleanup()

    # ---- Asking ----

    def ask(self, caller: Caller, request: Any, codes: Codes, expected: Any = None) -> None:
        """Ask now, or with others in one batch; the model has done its part already."""
        self.waiting.append(Asked(caller, request, codes, expected))
        if not self.is_gathering or len(self.waiting) == TOGETHER_MAX:
            self.carry_out()

    def carry_out(self) -> None:
        """Carry out everything that waits as one batch, and compare the replies."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        house = self.house
        all_refused = all(one.codes for one in waiting)
        before = self.dump() if all_refused else None
        outcomes = house.writer.run([Job(one.caller, one.request) for one in waiting], house.now)
        assert house.writer.unexpected == []
        for one, outcome in zip(waiting, outcomes, strict=False):
            reply: Any = decode_answer(outcome.reply)
            if one.codes:
                assert isinstance(reply, Refusal), (one.request, reply, one.codes)
                assert reply.code in one.codes, (one.request, reply, one.codes)
                assert not outcome.effects, "a refused request tells nobody anything"
                continue
            assert not isinstance(reply, Refusal), (one.request, reply)
            if one.expected is not None:
                assert reply == one.expected
            self.done.append((one.caller, one.request, outcome.reply))
        if before is not None:
            assert self.dump() == before, "a refused request has changed something"

    def dump(self) -> dict[str, list[Any]]:
        """Return everything that is stored."""
        connection = self.house.database.reader()
        tables = sorted({column.table for column in connection.columns()})
        dumped = {
            table: connection.all(f"SELECT * FROM {table}")  # noqa: S608 - Names of our own tables.
            for table in tables
            if table not in NOT_COMPARED
        }
        connection.close()
        return {table: sorted(lines, key=repr) for table, lines in dumped.items()}

    # ---- Accounts and devices ----

    def _come(self, name: str) -> None:
        person = Someone(self.house, name).come()
        self.people.append(person)
        self.model.publish(person.account, [person.phone.id])

    @precondition(lambda self: len(self.people) < len(NAMES))
    @rule()
    def somebody_comes(self) -> None:
        self.carry_out()
        self._come(NAMES[len(self.people)])

    @rule(who=picks, which=picks, adds=st.booleans())
    def a_device_list_is_published(self, who: int, which: int, adds: bool) -> None:
        person = picked(who, self.people)
        gadgets = list(person.gadgets)
        if adds and len(gadgets) < GADGETS_MAX:
            gadgets.append(person.gadget())
        elif len(gadgets) > 1:
            gadgets.remove(picked(which, gadgets))
        self.carry_out()
        assert person.publish(*gadgets) == Done()
        self.model.publish(person.account, [one.id for one in gadgets])

    @rule(who=picks, wrong=st.sampled_from(("", "", "stale_list", "not_signed", "bad_list")))
    def a_wrong_device_list_is_refused(self, who: int, wrong: str) -> None:
        if not wrong:
            return
        person = picked(who, self.people)
        if wrong == "stale_list":
            signed = person.next_list(version=person.version + 2)
        elif wrong == "not_signed":
            signed = person.next_list(signer=person.key())
        else:
            signed = person.next_list(name="mallory")
        self.ask(person.phone.caller, PutList(id=self.house.next_id(), list=signed), {wrong})

    @rule(who=picks, which=picks, challenge=st.binary(min_size=32, max_size=32))
    def only_devices_on_the_list_sign_in(self, who: int, which: int, challenge: bytes) -> None:
        self.carry_out()
        person = picked(who, self.people)
        gadget = picked(which, person.gadgets)
        reply = self.house.ask(person.nobody, person.sign_in(gadget, challenge))
        assert isinstance(reply, SignedIn)
        assert (reply.list_version, reply.account) == (person.version, person.account)

    # ---- Rooms ----

    def _room(self, number: int) -> Room:
        room: Room = picked(number, self.model.rooms.values())
        return room

    def _device(self, number: int) -> tuple[Someone, Gadget]:
        devices = [(one, gadget) for one in self.people for gadget in one.gadgets]
        return devices[number % len(devices)]

    def _actor(self, number: int, room: Room) -> tuple[Someone, Gadget]:
        """Return a device, mostly one that may act in a room."""
        devices = [(one, gadget) for one in self.people for gadget in one.gadgets]
        active = [one for one in devices if room.is_active(one[1].id)]
        lot = active if active and mostly(number) else devices
        return lot[number % len(lot)]

    def _newcomers(self, numbers: list[int], there: Collection[bytes]) -> list[Member]:
        """Return devices to add, mostly such as are not there yet."""
        devices = [gadget for one in self.people for gadget in one.gadgets]
        new = [one for one in devices if one.id not in there]
        lots = [new if new and mostly(number) else devices for number in numbers]
        drawn = [picked(number, lot) for number, lot in zip(numbers, lots, strict=True)]
        unique = list(dict.fromkeys(drawn)) if mostly(sum(numbers)) else drawn
        return [member(gadget.caller) for gadget in unique]

    def _removed(self, room: Room, numbers: list[int], but: bytes) -> tuple[Member, ...]:
        """Return devices to remove, mostly others than the one that does it."""
        there = list(room.members.items())
        others = [one for one in there if one[0] != but]
        lots = [others if mostly(number) else there for number in numbers]
        drawn = [picked(number, lot) for number, lot in zip(numbers, lots, strict=True) if lot]
        return tuple(Member(account, device) for device, account in dict.fromkeys(drawn))

    def _talk(self, room: Room) -> Talk:
        return Talk(room.room, room.newest)

    @precondition(lambda self: len(self.model.rooms) < ROOMS_MAX)
    @rule(who=picks, kind=kinds, others=st.lists(picks, max_size=3), partner=picks, old=picks)
    def a_room_is_made(
        self, who: int, kind: Any, others: list[int], partner: int, old: int
    ) -> None:
        person, gadget = self._device(who)
        name = self.house.random(16)
        if self.model.rooms and not mostly(old):
            name = self._room(old).room
        talk = Talk(name, NOTHING_BEFORE)
        entries = [self.house.handshake(gadget.caller, talk, adds=(member(gadget.caller),))]
        adds = self._newcomers(others, [gadget.id])
        theirs = [one for one in self.people if one.account == self._partner(person, partner)]
        if (kind == "direct" and mostly(old)) or len(self.model.rooms) == 1:
            adds = [member(one.phone.caller) for one in theirs]
        if adds:
            entries.append(self.house.handshake(gadget.caller, talk, adds=tuple(adds)))
        request = CreateRoom(
            id=self.house.next_id(), room=name, kind=kind, entries=tuple(entries),
            partner=self._partner(person, partner) if kind == "direct" else None,
        )  # fmt: skip
        codes = self.model.create(person.account, gadget.id, request)
        self.ask(gadget.caller, request, codes)

    def _partner(self, person: Someone, number: int) -> bytes:
        return bytes(picked(number, [one for one in self.people if one is not person]).account)

    def _append(self, number: int, room: Room, *entries: NewEntry) -> None:
        """Append something, and expect what the model says."""
        person, gadget = self._actor(number, room)
        request = Append(id=self.house.next_id(), room=room.room, entries=entries)
        codes = self.model.append(person.account, gadget.id, request)
        expected = None
        if not codes:
            room = self.model.rooms[room.room]
            added = len(entries)
            pending = tuple(
                account for account, guest in room.guests.items() if not guest.is_active
            )
            expected = Appended(
                id=request.id, first=len(room.log) - added + 1, at=self.house.now, chain=room.chain
            )
            if any(isinstance(one, NewEntry) for one in entries) and pending:
                expected = None  # Which of them are asked now is compared with their lists.
        self.ask(gadget.caller, request, codes, expected)

    def _key(self, room: Room, age: int, *, live: bool) -> bytes:
        """Return the name of a handshake: 0 is the newest that may be named, 7 the oldest."""
        fitting = [one.name for one in room.handshakes[::-1] if live or one.renews]
        return fitting[age] if age < len(fitting) else bytes(32)

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, keys=st.lists(ages, min_size=1, max_size=4), live=st.booleans())
    def messages_are_appended(self, who: int, where: int, keys: list[int], live: bool) -> None:
        room = self._room(where)
        caller = self._actor(who, room)[1].caller
        form = "live" if live else "kept"
        entries = [
            self.house.message(
                caller, self._talk(room), key=self._key(room, key, live=live), form=form
            )
            for key in keys
        ]
        self._append(who, room, *entries)

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, sender=picks, rarely=st.integers(0, 3))
    def somebody_else_s_name_is_not_taken(
        self, who: int, where: int, sender: int, rarely: int
    ) -> None:
        if rarely:
            return
        room = self._room(where)
        caller = self._actor(sender, room)[1].caller
        self._append(who, room, self.house.message(caller, self._talk(room)))

    @precondition(lambda self: self.model.rooms)
    @rule(
        who=picks,
        where=picks,
        adds=st.lists(picks, max_size=2),
        removes=st.one_of(st.just([]), st.lists(picks, min_size=1, max_size=2)),
        more=st.sampled_from(("", "", "", "role", "history", "stale", "says", "says", "unmarked")),
    )
    def a_commit_is_appended(
        self, who: int, where: int, adds: list[int], removes: list[int], more: str
    ) -> None:
        room = self._room(where)
        caller = self._actor(who, room)[1].caller
        talk = self._talk(room)
        if more == "stale":
            talk.handshake = self._key(room, 1, live=True)
        routing: dict[str, Any] = {
            "adds": tuple(self._newcomers(adds, room.members)),
            "removes": self._removed(room, removes, caller.device),
        }
        if more == "role":
            account = picked(who + where, room.guests or [caller.account])
            role = picked(where, ("owner", "admin", "member"))
            routing["roles"] = ((account, role),)
        if more == "history":
            routing["history"] = picked(who, ("open", "closed", "none"))
        closes = bool(routing["removes"] or "roles" in routing or "history" in routing)
        if more == "unmarked":
            closes = False
        entries = [self.house.handshake(caller, talk, closes=closes, **routing)]
        if more == "says":
            entries.append(self.house.message(caller, talk))
        self._append(who, room, *entries)

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, renews=st.lists(st.booleans(), min_size=1, max_size=5))
    def a_room_is_healed(self, who: int, where: int, renews: list[bool]) -> None:
        room = self._room(where)
        caller, talk = self._actor(who, room)[1].caller, self._talk(room)
        entries = [self.house.handshake(caller, talk, renews=one) for one in renews]
        self._append(who, room, *entries)

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks)
    def a_sibling_joins(self, who: int, where: int) -> None:
        room = self._room(where)
        caller = self._actor(who, room)[1].caller
        entry = self.house.handshake(
            caller, self._talk(room), joins="sibling", adds=(member(caller),)
        )
        self._append(who, room, entry)

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, rarely=st.integers(0, 3))
    def a_device_says_that_it_leaves(self, who: int, where: int, rarely: int) -> None:
        if rarely:
            return
        room = self._room(where)
        caller = self._actor(who, room)[1].caller
        entry = self.house.message(
            caller, self._talk(room), form="notice", notice="leave", key=None
        )
        self._append(who, room, entry)

    @rule(who=picks, rarely=st.integers(0, 9))
    def an_unknown_room_is_unknown(self, who: int, rarely: int) -> None:
        if rarely:
            return
        room = Room(self.house.random(16), "group")
        caller = self._actor(who, room)[1].caller
        self._append(who, room, self.house.message(caller, self._talk(room)))

    # ---- Cursors and bodies ----

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, seq=st.integers(0, 60))
    def a_cursor_moves_forward_only(self, who: int, where: int, seq: int) -> None:
        room = self._room(where)
        gadget = self._actor(who, room)[1]
        if not room.is_active(gadget.id):
            return
        seq = min(seq, len(room.log))
        request = Passed(
            id=self.house.next_id(), rooms=((room.room, Position(self.house.incarnation, seq)),)
        )
        room.passed[gadget.id] = max(room.passed[gadget.id], seq)
        self.ask(gadget.caller, request, set(), Done(id=request.id))

    @precondition(lambda self: self.model.rooms)
    @rule(who=picks, where=picks, seqs=st.lists(st.integers(1, 30), min_size=1, max_size=3))
    def bodies_are_dropped(self, who: int, where: int, seqs: list[int]) -> None:
        room = self._room(where)
        person, gadget = self._actor(who, room)
        messages = [one.seq for one in room.log if not one.is_handshake]
        if messages and mostly(who):
            seqs = [picked(seq, messages) for seq in seqs]
        request = DropBodies(
            id=self.house.next_id(), room=room.room, seqs=tuple(seqs),
            incarnation=self.house.incarnation,
        )  # fmt: skip
        codes = self.model.drop_bodies(person.account, gadget.id, room.room, seqs)
        self.ask(gadget.caller, request, codes, Done(id=request.id))

    # ---- Requests to chat ----

    @rule(who=picks, accept=st.booleans(), which=st.one_of(st.none(), picks))
    def requests_are_answered(self, who: int, accept: bool, which: int | None) -> None:
        asked = [one for one in self.people if self.model.waiting(one.account)]
        person = picked(who, asked) if asked and mostly(who) else self._device(who)[0]
        gadget = person.phone
        rooms = None
        if which is not None:
            rooms = [
                picked(which, [*self.model.waiting(person.account), *self.model.rooms, bytes(16)])
            ]
        request = Answer(
            id=self.house.next_id(), rooms=None if rooms is None else tuple(rooms), accept=accept
        )
        codes = self.model.answer(person.account, rooms, accept=accept)
        left = len(self.model.waiting(person.account))
        self.ask(gadget.caller, request, codes, AsksLeft(id=request.id, left=left))

    @rule(who=picks, whom=picks, blocked=st.booleans())
    def somebody_is_blocked_or_not_any_more(self, who: int, whom: int, blocked: bool) -> None:
        person, gadget = self._device(who)
        other = self._partner(person, whom)
        self.model.block(person.account, other, blocked=blocked)
        request = Block(id=self.house.next_id(), account=other, blocked=blocked)
        self.ask(gadget.caller, request, set(), Done(id=request.id))

    # ---- Files ----

    @rule(who=picks, size=st.integers(1, QUOTA_BYTES))
    def a_file_is_announced(self, who: int, size: int) -> None:
        self.carry_out()
        person, gadget = self._device(who)
        codes = self.model.announce(person.account, size)
        told: Codes = set()
        try:
            with writing(self.house, gadget.caller) as tx:
                blob = blobs.announce(tx, person.account, size, "never", self.house.now)
                newest = [
                    b.created_at for b in self.model.blobs.values() if b.account == person.account
                ]
                created_at = max([self.house.now, *(at + 1 for at in newest)])
                self.model.blobs[blob] = Blob(person.account, size, created_at)
        except Refused as refused:
            told = {str(refused.code)}
            self.house.connection.rollback()
        assert told == codes

    @precondition(lambda self: self.model.blobs)
    @rule(which=picks)
    def a_file_is_finished(self, which: int) -> None:
        self.carry_out()
        blob, known = picked(which, self.model.blobs.items())
        with writing(self.house) as tx:
            blobs.finish(tx, known.account, blob, self.house.now)
        known.is_done = True

    @precondition(lambda self: self.model.blobs)
    @rule(who=picks, which=picks)
    def a_file_is_dropped(self, who: int, which: int) -> None:
        person, gadget = self._device(who)
        blob, known = picked(which, self.model.blobs.items())
        codes = set() if known.account == person.account else {"unknown"}
        if not codes:
            del self.model.blobs[blob]
        request = DropBlob(id=self.house.next_id(), blob=blob)
        self.ask(gadget.caller, request, codes, Done(id=request.id))

    # ---- Again, together, later, anew ----

    def _may_still_ask(self, caller: Caller) -> bool:
        return caller.device in self.model.devices

    @precondition(lambda self: self.done)
    @rule(which=picks, changes=st.booleans())
    def a_request_is_repeated(self, which: int, changes: bool) -> None:
        self.carry_out()
        caller, request, reply = picked(which, self.done)
        if not self._may_still_ask(caller) or isinstance(request, Passed):
            return
        before = self.dump()
        if changes:
            request = GetReused.of(request)
        (outcome, *_) = self.house.writer.run([Job(caller, request)], self.house.now)
        if changes:
            told = decode_answer(outcome.reply)
            assert isinstance(told, Refusal)
            assert told.code == "reused"
        else:
            assert outcome.reply == reply, "byte for byte"
        assert not outcome.effects
        assert self.dump() == before

    @rule(gathers=st.booleans())
    def requests_are_gathered_or_not(self, gathers: bool) -> None:
        self.carry_out()
        self.is_gathering = gathers

    @rule(days=st.sampled_from((0, 1, 31)), minutes=st.integers(0, 100))
    def time_passes(self, days: int, minutes: int) -> None:
        self.carry_out()
        self.house.now += days * DAY_MS + minutes * 60_000
        self.model.now = self.house.now

    @rule()
    def the_server_forgets_old_requests(self) -> None:
        self.carry_out()
        with writing(self.house) as tx:
            forget_asks(tx, self.house.now)
        self.model.forget()

    @rule()
    def the_server_starts_again(self) -> None:
        self.carry_out()
        self.house.close()
        self.house.start()

    # ---- What is always true ----

    @invariant()
    def memory_is_what_is_stored(self) -> None:
        if not self.people or self.waiting:
            return
        tx = self.house.tx()
        for name in self.model.rooms:
            cached = self.house.world.rooms.get(name)
            if cached is not None:
                stored = load_room(tx, name)
                assert stored is not None
                for part in RoomState.__slots__:
                    assert getattr(cached, part) == getattr(stored, part), part

    @rule()
    def everyone_sees_what_the_model_says(self) -> None:
        self.carry_out()
        for person in self.people:
            for gadget in person.gadgets:
                self._check_rooms(person, gadget.caller)
                for room in self.model.rooms.values():
                    self._check_reading(gadget.caller, room)
            self._check_asks(person)
            self._check_blobs(person)

    def _check_rooms(self, person: Someone, caller: Caller) -> None:
        seen = {room.room: room for room in self.house.ask(caller, GetRooms()).rooms}
        routed = {
            name: room
            for name, room in self.model.rooms.items()
            if caller.device in room.members
            and caller.device not in room.left
            and room.guests[person.account].declined_at is None
        }
        assert set(seen) == set(routed)
        for name, room in routed.items():
            told = seen[name]
            state = "active" if room.guests[person.account].is_active else "pending"
            assert (told.kind, told.state, told.history) == (room.kind, state, room.history)
            assert (told.head, told.chain) == (len(room.log), room.chain)
            assert (told.handshake, told.passed) == (room.newest, room.passed[caller.device])

    def _check_reading(self, caller: Caller, room: Room) -> None:
        since = Position(self.house.incarnation, 0)
        page = self.house.ask(caller, Read(room=room.room, since=since, entries_max=4096))
        members = self.house.ask(caller, GetMembers(room=room.room))
        if not room.is_active(caller.device):
            assert (page.code, members.code) == ("not_a_member", "not_a_member")
            return
        assert isinstance(page, Entries)
        assert [one.seq for one in page.entries] == list(range(1, len(room.log) + 1))
        for told, entry in zip(page.entries, room.log, strict=True):
            assert (told.at, told.header, told.body) == (entry.at, entry.header, entry.body)
        assert {one.account: one.role for one in members.members} == {
            account: guest.role for account, guest in room.guests.items()
        }
        routed = {device for one in members.members for device in one.devices}
        assert routed == set(room.members)

    def _check_asks(self, person: Someone) -> None:
        asks = self.house.ask(person.phone.caller, GetAsks()).asks
        waiting = self.model.waiting(person.account)
        assert sorted(ask.room for ask in asks) == sorted(waiting)
        for ask in asks:
            assert ask.account == self.model.rooms[ask.room].guests[person.account].asked_by

    def _check_blobs(self, person: Someone) -> None:
        told = self.house.ask(person.phone.caller, GetBlobs())
        mine = {
            name: blob for name, blob in self.model.blobs.items() if blob.account == person.account
        }
        assert told.used_bytes == sum(blob.size for blob in mine.values())
        newest_first = sorted(mine, key=lambda name: -mine[name].created_at)
        assert [one.blob for one in told.blobs] == newest_first
        assert [one.offset == one.size for one in told.blobs] == [
            mine[name].is_done for name in newest_first
        ]


class GetReused:
    """Makes another request with the same number."""

    @staticmethod
    def of(request: Any) -> Request:
        return DropBlob(id=request.id, blob=digest(repr(request).encode())[:16])


def play(games: int, steps: int, *, drawn_from: int | None = None) -> None:
    """Play so many games of so many steps: always the same ones, or those of a seed."""
    chosen = settings(
        max_examples=games,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=drawn_from is None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    machine = (
        Handlers if drawn_from is None else seed(drawn_from)(type("Handlers", (Handlers,), {}))
    )
    run_state_machine_as_test(machine, settings=chosen)
