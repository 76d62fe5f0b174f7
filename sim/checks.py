"""What must be true when everything has healed: written anew, beside the product.

The truth is what people did (`sim.record`), and the order is the server's log, of which only the
headers are read.  From these two alone it is worked out what every device must show, and then
every device is looked at.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec

from alcove.client.outbox import MAY_NOT_POST
from alcove.client.rooms.belief import policy
from alcove.mls import Group, Saved, load_group
from alcove.wire.codec import encode
from alcove.wire.content import Edit, Poll, Text, decode_content
from alcove.wire.entries import HandshakeHeader, Header, MessageHeader
from alcove.wire.ids import entry_name
from sim.devices import Device
from sim.endings import Endings
from sim.house import House
from sim.knowledge import Knowledge
from sim.people import MARKS, People
from sim.places import NO_PLACE, Place, Shown, is_readable, stays, without
from sim.record import Utterance
from sim.sealings import Sealings
from sim.world import World

DETAILS_MAX: Final = 12
"""So many broken promises are told."""

_decode_header: Any = msgspec.msgpack.Decoder(Header).decode


class Broken(AssertionError):
    """Promises that were not kept."""


class Checks:
    """Looks at a world that has come to rest."""

    def __init__(self, world: World, house: House, people: People, sealings: Sealings) -> None:
        self.world, self.house, self.people, self.sealings = world, house, people, sealings
        self.name = world.name
        self.devices = [one for one in people.devices if one.name not in people.liars]
        """Those of which anything can be expected."""
        self.accounts = dict(house.look("SELECT device, account FROM device"))
        self.logs_of_all = {room: self._log(room) for room in self._rooms()}
        lied_about = [room for _, room in house.lies.deceived]
        self.logs = {room: log for room, log in self.logs_of_all.items() if room not in lied_about}
        """Where somebody was told another log, nobody need agree: see `Knowledge`."""

    def all(self) -> None:
        """Raise `Broken` with all that is not as it must be."""
        found = [
            *self.server_is_sound(),
            *self.keys_are_used_once(),
            *self.nothing_is_lost_or_doubled(),
            *self.groups_agree(),
            *self.timelines_equal_the_log(),
            *self.who_is_out_reads_nothing(),
            *self.server_reads_nothing(),
            *Endings(self).all(),
            *Knowledge(self).all(),
        ]
        if found:
            more = f"\n... and {len(found) - DETAILS_MAX} more" if len(found) > DETAILS_MAX else ""
            raise Broken("\n".join(found[:DETAILS_MAX]) + more)

    # ---- The log, by its headers ----

    def _rooms(self) -> list[bytes]:
        return [room for (room,) in self.house.look("SELECT room FROM room ORDER BY number")]

    def _log(self, room: bytes) -> list[Place]:
        return [
            Place(seq, _decode_header(header), body, header in self.house.lost)
            for seq, header, body in self.house.look(
                """
                SELECT e.seq, e.header, e.body FROM entry e JOIN room r ON r.number = e.room
                WHERE r.room = ? ORDER BY e.seq
                """,
                room,
            )
        ]

    def said(
        self, room: bytes, can_open: Callable[[int], bool] = lambda _: True
    ) -> list[tuple[int, Utterance]]:
        """Return what was said in a room, in its order; what stands there twice counts once.

        That is at its first place, or at the first that somebody can open: a disk that was set back
        says again what it does not know to be said, and of its first place nobody may have the key.
        """
        found: dict[tuple[bytes, bytes], tuple[int, Utterance]] = {}
        for place in self.logs[room]:
            if not isinstance(place.header, MessageHeader) or place.header.form == "notice":
                continue
            key = (self.accounts[place.header.sender], place.header.content)
            said = self.people.record.by_content.get(key)
            before = found.get(key)
            if said is not None and (
                before is None or (not can_open(before[0]) and can_open(place.seq))
            ):
                found[key] = place.seq, said
        return sorted(found.values(), key=lambda one: one[0])

    def members(self, room: bytes) -> list[bytes]:
        """Return the devices that are in a room, as the server routes it."""
        return [
            device
            for (device,) in self.house.look(
                """
                SELECT m.device FROM member m JOIN room r ON r.number = m.room
                JOIN room_account a ON a.room = m.room AND a.account = m.account
                JOIN device d ON d.device = m.device
                WHERE r.room = ? AND m.left_at IS NULL AND a.state = 'active'
                    AND d.revoked_at IS NULL
                ORDER BY m.device
                """,
                room,
            )
        ]

    def inside(self, room: bytes) -> list[Device]:
        """Return the devices that are in a room."""
        there = frozenset(self.members(room))
        return [device for device in self.devices if device.id in there]

    # ---- The server ----

    def server_is_sound(self) -> Iterator[str]:
        """Nothing failed in the server that nobody foresaw."""
        for error in self.house.unexpected:
            yield f"the server failed: {type(error).__name__}: {error}"

    def server_reads_nothing(self) -> Iterator[str]:
        """No text that anybody said stands anywhere in the server's database."""
        image = self.house.backup()
        for mark in MARKS:
            if mark in image:
                yield f"the server has read {mark!r}"

    # ---- Secrets ----

    def keys_are_used_once(self) -> Iterator[str]:
        """No key and nonce have sealed two things."""
        for who in dict.fromkeys(self.sealings.reused):
            yield f"{who} has sealed two things under one key and nonce"

    def groups_agree(self) -> Iterator[str]:
        """All devices in a room are in one epoch, with one authenticator."""
        for room in self.logs:
            found: dict[tuple[int, bytes], list[str]] = {}
            for device in self.inside(room):
                group = self.group(device, room)
                if group is None:
                    yield f"{device.name} has no group in {self.name(room)}"
                else:
                    found.setdefault((group.epoch, group.epoch_authenticator), []).append(
                        f"{device.name} (epoch {group.epoch})"
                    )
            if len(found) > 1:
                yield f"{self.name(room)} has split: {' | '.join(map(str, found.values()))}"

    def group(self, device: Device, room: bytes) -> Group | None:
        """Return a device's group in a room, as it stands on its disk."""
        line = device.disk.one(
            """
            SELECT group_epoch.body, group_messages.body FROM group_epoch JOIN group_messages
            USING (room) WHERE room = ?
            """,
            room,
        )
        if line is None:
            return None
        return load_group(Saved(*line), policy(self.house.memory.keys.public))

    def who_is_out_reads_nothing(self) -> Iterator[str]:
        """Who is not in a room any more has nothing on the disk of what was said after that."""
        for room in self.logs:
            inside = frozenset(self.members(room))
            for device in self.devices:
                if device.id in inside:
                    continue
                since = self._out_since(room, device)
                image = device.disk.image() if since is not None else b""
                for seq, said in self.said(room):
                    if (
                        since is not None
                        and seq > since
                        and said.number > self.people.record.lost_until
                        and said.kind in {"text", "edit"}
                        and said.device != device.id
                        and said.text.encode() in image
                    ):
                        where = f"{device.name} is out of {self.name(room)} since {since}"
                        yield f"{where} and has read {said.text!r} at {seq}"
                        break

    def _out_since(self, room: bytes, device: Device) -> int | None:
        """Return the place after which a device was no longer routed; None when it never was in."""
        since: int | None = None
        for place in self.logs[room]:
            if isinstance(place.header, HandshakeHeader):
                routing = place.header.routing
                if any(one.device == device.id for one in routing.removes):
                    since = place.seq
                if any(one.device == device.id for one in routing.adds):
                    since = None
        return since

    # ---- Messages ----

    def nothing_is_lost_or_doubled(self) -> Iterator[str]:
        """What a device said was stored stands in its room's log."""
        there = [said for room in self.logs for _, said in self.said(room)]
        stored = {id(said) for said in there} | self.people.record.not_needed(there)
        liars = [one.id for one in self.people.devices if one not in self.devices]
        inside = {room: frozenset(self.members(room)) for room in self.logs}
        stored |= self.people.record.taken_away()
        for one in self.people.record.said:
            if not one.is_certain or id(one) in stored or one.device in liars:
                continue
            if one.room not in self.logs:
                continue
            if one.device in inside.get(one.room, frozenset()) and not self._was_told(one):
                yield f"lost: {one.text!r} ({one.kind}) in {self.name(one.room)}"

    def _was_told(self, one: Utterance) -> bool:
        """Return whether its writer was told that the room does not let them say this any more."""
        (device,) = [device for device in self.people.devices if device.id == one.device]
        line = device.disk.one("SELECT failed FROM outbox WHERE content = ?", one.content)
        return line == (MAY_NOT_POST,) and one.room in self.people.record.restricted

    def timelines_equal_the_log(self) -> Iterator[str]:
        """Every device shows what the log says, in its order, and nothing else."""
        for room in self.logs:
            for device in self.inside(room):
                yield from self.compare(device, room)

    def want(self, room: bytes, device: Device) -> dict[int, Shown]:
        """Work out what a device is to show, from what was said and the order of the log.

        What it could not read, because it was not there then, may be shown or not; an edit that it
        could not read changes nothing for it.
        """
        times = self.times(room, device)
        keys = self._sealed_at(room)
        got = self.shown(device, room)
        said = self.said(room, lambda seq: seq in got or is_readable(seq, keys, times))
        place = {id(one): seq for seq, one in said}
        texts = {id(one): one.text for _, one in said if one.kind in {"text", "poll"}}
        gone: set[int] = set()
        hidden: set[int] = set()
        doubtful = self.people.record.changed_in_vain([one for _, one in said])
        votes: dict[int, dict[bytes, str]] = {}
        reactions: dict[int, dict[tuple[bytes, str], bool]] = {}
        for seq, one in said:
            if one.target is None or id(one.target) not in texts:
                continue
            if not is_readable(seq, keys, times) or self.is_withheld(room, seq, keys):
                if one.kind == "delete":
                    hidden.add(id(one.target))  # Without its body nobody knows what it was.
                # It may have been read.
                may = self.was_opened(room) or self.people.liars or self._forgotten(room, device)
                may = may or self._not_given(room, device)
                if may or one.number <= self.people.record.lost_until:
                    doubtful.add(id(one.target))
                continue
            target = id(one.target)
            if one.kind == "edit":
                texts[target] = one.text
            elif one.kind == "delete":
                gone.add(target)
            elif one.kind == "vote":
                votes.setdefault(target, {})[one.account] = one.text
            else:
                reactions.setdefault(target, {})[one.account, one.text] = one.is_on
        return {
            place[one]: Shown(
                texts[one],
                one in gone,
                frozenset(who for who, is_on in reactions.get(one, {}).items() if is_on),
                is_readable(place[one], keys, times)
                and not self.is_withheld(room, place[one], keys)
                and one not in hidden,
                one in doubtful or one in hidden,
                votes.get(one, {}),
            )
            for one in texts
        }

    def compare(self, device: Device, room: bytes) -> Iterator[str]:
        """Yield where a device does not show in a room what it must."""
        where = f"{device.name} in {self.name(room)}"
        got = self.shown(device, room)
        for seq, shown in self.want(room, device).items():
            there = got.pop(seq, None)
            if there is None:
                if shown.is_readable:
                    yield f"{where} does not show {shown.text!r} at {seq}"
            elif shown.is_doubtful:
                continue
            elif there[1] != shown.is_deleted:
                yield f"{where}: {shown.text!r} at {seq}: deleted is {there[1]}"
            elif not shown.is_deleted and there[0] != shown.text:
                yield f"{where} shows {there[0]!r} at {seq}, not {shown.text!r}"
        for seq, (text, _) in got.items():
            yield f"{where} shows {text!r} at {seq}, where the log has something else"

    def shown(self, device: Device, room: bytes) -> dict[int, tuple[str, bool]]:
        """Return what a device shows of the log: place, text, and whether it was deleted."""
        found: dict[int, tuple[str, bool]] = {}
        for seq, deleted_by, body, edit in device.disk.all(
            """
            SELECT seq, deleted_by, body, edit FROM line
            WHERE room = ? AND is_shown AND kind IN ('text', 'poll', 'gone') AND seq < ?
            """,
            room, NO_PLACE,
        ):  # fmt: skip
            newest = decode_content(edit or body) if edit or body else Text()
            assert isinstance(newest, Text | Edit | Poll)
            text = newest.question if isinstance(newest, Poll) else newest.text
            found[seq] = (text, deleted_by != b"")
        return found

    def _sealed_at(self, room: bytes) -> dict[int, int]:
        """Return for each message the place of the handshake under whose key it was sealed."""
        names: dict[bytes, int] = {}
        found: dict[int, int] = {}
        for place in self.logs[room]:
            if isinstance(place.header, HandshakeHeader):
                name = entry_name(room, encode(place.header), place.body or b"")
                names[name] = place.seq
            elif place.header.key is not None:
                found[place.seq] = names.get(place.header.key, 0)
        return found

    def times(self, room: bytes, device: Device) -> list[tuple[int, int]]:
        """Return from where to where a device must be able to read a room's log.

        That is its time there, but for what it knew before its disk was set back, and for what it
        was not given in time where nothing is kept.
        """
        gaps = self._forgotten(room, device) + self._not_given(room, device)
        return without(self.time_there(room, device), gaps)

    def _not_given(self, room: bytes, device: Device) -> list[tuple[int, int]]:
        """Return from where to where a device may have nothing of a room that keeps nothing.

        Who is removed is given nothing any more, not even what was said before that; where a
        server hands key packages out twice, a Welcome opens nothing.  A commit that a restored
        server is given back comes without its Welcomes; and who has followed one that is lost for
        good cannot go back to before it, and comes in by itself.
        """
        policies = self.house.look("SELECT history FROM room WHERE room = ?", room)
        if policies != [("none",)]:
            return []
        is_injected = bool(self.people.faults.counts["the server injects devices"])
        arrivals = self.arrivals(self.logs[room], device)
        joins = {
            place.seq: isinstance(place.header, HandshakeHeader) and place.header.joins is not None
            for place in self.logs[room]
        }
        given_back = [one.seq for one in self.logs[room] if one.was_lost]
        is_void = len(given_back) < list(self.house.lost.values()).count(room)
        return [
            (since, until)
            for since, until in self.time_there(room, device)
            if until < NO_PLACE
            and (
                until not in arrivals
                or (joins[until] and (is_injected or is_void or since in given_back))
            )
        ]

    def time_there(self, room: bytes, device: Device) -> list[tuple[int, int]]:
        """Return from where to where a room's log is meant for a device.

        Where all is kept and open, everything.  Where newcomers read nothing of before, since its
        account came; where nothing is kept, since itself came.
        """
        ((kept,),) = self.house.look("SELECT history FROM room WHERE room = ?", room)
        changes = self._changes(room)
        # What was before a change need not be readable, nor hidden.
        history = "none" if len(changes) > 1 else kept
        log, account = self.logs[room], self.accounts[device.id]
        if history == "none" and self.people.liars:
            # Who was lost has not read what was said meanwhile, and never will, unless it is kept.
            before = [(-1, changes[-1])]
            return [] if kept == "none" else without(stays(log, device.id, account, kept), before)
        return stays(log, device.id, account, history)

    def arrivals(self, log: list[Place], device: Device) -> list[int]:
        """Return the places at which a device came, as the headers say."""
        return [
            place.seq
            for place in log
            if isinstance(place.header, HandshakeHeader)
            and any(one.device == device.id for one in place.header.routing.adds)
        ]

    def _forgotten(self, room: bytes, device: Device) -> list[tuple[int, int]]:
        """Return from where to where a device need not know a log, because its disk was set back.

        It reads on where the old disk ends, and comes in anew.  What was said between is sealed
        for the device that it was, or under keys that only the others hold who were there.  Who
        comes later has no more of that than they.
        """
        gaps = self._gaps(room, device)
        policies = self.house.look("SELECT history FROM room WHERE room = ?", room)
        if policies == [("none",)] or self.was_opened(room):
            return gaps
        inside = self.inside(room)
        came = min(self.arrivals(self.logs[room], device), default=0)
        gaps += [gap for one in inside for gap in self._gaps(room, one) if gap[1] <= came]
        return [gap for gap in gaps if not any(self._knows(room, one, gap) for one in inside)]

    def _gaps(self, room: bytes, device: Device) -> list[tuple[int, int]]:
        log = self.logs[room]
        arrivals = self.arrivals(log, device)
        forgotten = [one for one in self.people.record.forgotten if one.device == device.id]
        here = [one for one in forgotten if one.room == room]
        gaps = [
            (one.since, min((seq for seq in arrivals if seq > one.head), default=one.head + 1))
            for one in here
        ]
        # It has thrown away what opens a Welcome of that time, and has come in by itself later.
        heads = [one.head for one in here] + [0] * (len(here) < device.rollbacks)
        by_itself = [
            one.seq
            for one in log
            if isinstance(one.header, HandshakeHeader) and one.header.joins is not None
        ]
        return gaps + [
            (came, again)
            for came, again in pairwise(arrivals)
            if again in by_itself and any(came > head for head in heads)
        ]

    def _knows(self, room: bytes, device: Device, gap: tuple[int, int]) -> bool:
        """Return whether a device has been in a room since before something, and remembers it."""
        since = NO_PLACE
        for place in self.logs[room]:
            if not isinstance(place.header, HandshakeHeader):
                continue
            routing = place.header.routing
            if any(one.device == device.id for one in routing.adds):
                since = min(since, place.seq)
            elif any(one.device == device.id for one in routing.removes):
                since = NO_PLACE
        own = self._gaps(room, device)
        return since <= gap[0] and not any(gap[0] < end and start < gap[1] for start, end in own)

    def was_opened(self, room: bytes) -> bool:
        """Return whether a room's history was changed at some time."""
        return len(self._changes(room)) > 1

    def _changes(self, room: bytes) -> list[int]:
        """Return the places at which it was said what is kept of a room."""
        return [
            place.seq
            for place in self.logs[room]
            if isinstance(place.header, HandshakeHeader) and place.header.routing.history
        ]

    def is_withheld(self, room: bytes, seq: int, keys: dict[int, int] | None = None) -> bool:
        """Return whether a liar has said something under a key that liars alone may have.

        Whoever commits what nobody can follow is alone with the key until the others are back.
        """
        writers = {one.seq: one.header.sender for one in self.logs[room]}
        places = (seq, (keys or self._sealed_at(room)).get(seq, 0))
        return not any(one.id == writers.get(place) for one in self.devices for place in places)
