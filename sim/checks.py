"""What must be true when everything has healed: written anew, beside the product.

The truth is what people did (`sim.record`), and the order is the server's log, of which only the
headers are read.  From these two alone it is worked out what every device must show, and then
every device is looked at.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from alcove.client.rooms.belief import policy
from alcove.mls import Group, Saved, load_group
from alcove.wire.codec import encode
from alcove.wire.content import Edit, Poll, Text, decode_content
from alcove.wire.entries import HandshakeHeader, Header, MessageHeader
from alcove.wire.ids import entry_name
from sim.devices import Device
from sim.house import House
from sim.knowledge import Knowledge
from sim.people import MARKS, People
from sim.record import Utterance
from sim.sealings import Sealings
from sim.world import World

NO_PLACE: Final = 2**52
"""Places of lines from here on are not of the log."""
DETAILS_MAX: Final = 12
"""So many broken promises are told."""

_decode_header: Any = msgspec.msgpack.Decoder(Header).decode


class Broken(AssertionError):
    """Promises that were not kept."""


class Place(NamedTuple):
    """One entry of a log."""

    seq: int
    header: MessageHeader | HandshakeHeader
    body: bytes | None


class Shown(NamedTuple):
    """What must be shown of something that was said."""

    text: str
    is_deleted: bool
    reactions: frozenset[tuple[bytes, str]]
    is_readable: bool
    """Whether it must be shown: the device was there then, or all is open to it."""
    is_doubtful: bool
    """Whether something was done to it of which this device may know or not."""
    votes: dict[bytes, str]
    """For what was asked: who has answered what."""


def _within(seq: int, times: list[tuple[int, int]]) -> bool:
    """Return whether a place lies between two others of a list."""
    return any(since < seq < until for since, until in times)


def _is_readable(seq: int, keys: dict[int, int], times: list[tuple[int, int]]) -> bool:
    """Return whether a message lies in a device's time, and so does the key that sealed it."""
    return any(since < seq < until and since <= keys[seq] < until for since, until in times)


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
            *self.everybody_is_connected(),
            *self.nothing_is_lost_or_doubled(),
            *self.logs_are_read_to_their_ends(),
            *self.groups_agree(),
            *self.timelines_equal_the_log(),
            *self.nobody_waits(),
            *self.who_is_out_knows_it(),
            *self.who_is_out_reads_nothing(),
            *self.server_reads_nothing(),
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
            Place(seq, _decode_header(header), body)
            for seq, header, body in self.house.look(
                """
                SELECT e.seq, e.header, e.body FROM entry e JOIN room r ON r.number = e.room
                WHERE r.room = ? ORDER BY e.seq
                """,
                room,
            )
        ]

    def said(self, room: bytes) -> list[tuple[int, Utterance]]:
        """Return what was said in a room, in its order; what stands there twice counts once."""
        found: dict[tuple[bytes, bytes], tuple[int, Utterance]] = {}
        for place in self.logs[room]:
            if not isinstance(place.header, MessageHeader) or place.header.form == "notice":
                continue
            key = (self.accounts[place.header.sender], place.header.content)
            said = self.people.record.by_content.get(key)
            if said is not None:
                found.setdefault(key, (place.seq, said))
        return list(found.values())

    def _members(self, room: bytes) -> list[bytes]:
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
        there = frozenset(self._members(room))
        return [device for device in self.devices if device.id in there]

    def told(self) -> str:
        """Return all logs in words, for who looks for what went wrong."""
        lines = []
        for room, log in self.logs_of_all.items():
            lines.append(f"{self.name(room)}: {room.hex()[:8]}")
            lines += [
                f"{place.seq:6} {self.name(place.header.sender):14} {self._words(place)}"
                for place in log
            ]
        return "\n".join(lines)

    def _words(self, place: Place) -> str:
        header = place.header
        if isinstance(header, MessageHeader):
            said = self.people.record.by_content.get((self.accounts[header.sender], header.content))
            what = header.notice or (f"{said.kind} {said.text}" if said else "?")
            return f"{header.form} {what}{'' if place.body else ' (dropped)'}"
        routing, words = header.routing, ["handshake"]
        words += [f"+{self.name(one.device)}" for one in routing.adds]
        words += [f"-{self.name(one.device)}" for one in routing.removes]
        words += [f"{self.name(one)} is {role}" for one, role in routing.roles]
        words += [f"history {routing.history}"] if routing.history else []
        words += ["renews"] if header.renews else []
        words += ["closes"] if header.closes else []
        return " ".join([*words, f"joins by {header.joins}" if header.joins else ""]).rstrip()

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
                group = self._group(device, room)
                if group is None:
                    yield f"{device.name} has no group in {self.name(room)}"
                else:
                    found.setdefault((group.epoch, group.epoch_authenticator), []).append(
                        f"{device.name} (epoch {group.epoch})"
                    )
            if len(found) > 1:
                yield f"{self.name(room)} has split: {' | '.join(map(str, found.values()))}"

    def _group(self, device: Device, room: bytes) -> Group | None:
        line = device.disk.one("SELECT epoch_part, message_part FROM room WHERE room = ?", room)
        if line is None or line[0] is None:
            return None
        return load_group(Saved(*line), policy(self.house.memory.keys.public))

    def who_is_out_reads_nothing(self) -> Iterator[str]:
        """Who is not in a room any more has nothing on the disk of what was said after that."""
        for room in self.logs:
            inside = frozenset(self._members(room))
            for device in self.devices:
                if device.id in inside:
                    continue
                since = self._out_since(room, device)
                image = device.disk.image() if since is not None else b""
                for seq, said in self.said(room):
                    if (
                        since is not None
                        and seq > since
                        and said.kind in {"text", "edit"}
                        and said.device != device.id
                        and said.text.encode() in image
                    ):
                        yield (
                            f"{device.name} is out of {self.name(room)} since {since}"
                            f" and has read {said.text!r} at {seq}"
                        )
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
        stored = {id(said) for room in self.logs for _, said in self.said(room)}
        liars = [one.id for one in self.people.devices if one not in self.devices]
        inside = {room: frozenset(self._members(room)) for room in self.logs}
        for one in self.people.record.said:
            if not one.is_certain or id(one) in stored or one.device in liars:
                continue
            if one.room not in self.logs:
                continue
            if one.device in inside.get(one.room, frozenset()):
                yield f"lost: {one.text!r} ({one.kind}) in {self.name(one.room)}"

    def timelines_equal_the_log(self) -> Iterator[str]:
        """Every device shows what the log says, in its order, and nothing else."""
        for room in self.logs:
            for device in self.inside(room):
                yield from self._compare(device, room)

    def want(self, room: bytes, device: Device) -> dict[int, Shown]:
        """Work out what a device is to show, from what was said and the order of the log.

        What it could not read, because it was not there then, may be shown or not; an edit that it
        could not read changes nothing for it.
        """
        said = self.said(room)
        times = self.times(room, device)
        keys = self._sealed_at(room)
        place = {id(one): seq for seq, one in said}
        texts = {id(one): one.text for _, one in said if one.kind in {"text", "poll"}}
        gone: set[int] = set()
        doubtful: set[int] = set()
        votes: dict[int, dict[bytes, str]] = {}
        reactions: dict[int, dict[tuple[bytes, str], bool]] = {}
        for seq, one in said:
            if one.target is None or id(one.target) not in texts:
                continue
            if not _is_readable(seq, keys, times):
                if self.was_opened(room) or self.people.liars:  # It may have been read, or not.
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
                _is_readable(place[one], keys, times),
                one in doubtful,
                votes.get(one, {}),
            )
            for one in texts
        }

    def _compare(self, device: Device, room: bytes) -> Iterator[str]:
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

        Where all is kept and open, everything.  Where newcomers read nothing of before, since its
        account came; where nothing is kept, since itself came.
        """
        ((history,),) = self.house.look("SELECT history FROM room WHERE room = ?", room)
        if history == "none" and self.people.liars:
            return []  # Who was lost has not read what was said meanwhile, and never will.
        if self.was_opened(room):
            history = "none"  # What was before a change need not be readable, nor hidden.
        if history == "open":
            return [(0, NO_PLACE)]
        account = self.accounts[device.id]
        there: dict[bytes, int] = {}
        times: list[tuple[int, int]] = []
        since = 0
        for place in self.logs[room]:
            if not isinstance(place.header, HandshakeHeader):
                continue
            was_there = bool(there)
            routing = place.header.routing
            for one in (*routing.removes, *routing.adds):
                if one.account == account and (history == "closed" or one.device == device.id):
                    there.pop(one.device, None)
            for one in routing.adds:
                if one.account == account and (history == "closed" or one.device == device.id):
                    there[one.device] = place.seq
            came_anew = history == "none" and place.seq in there.values()
            if was_there and (came_anew or not there):
                times.append((since, place.seq))
            if there and (came_anew or not was_there):
                since = place.seq
        return [*times, (since, NO_PLACE)] if there else times

    def was_opened(self, room: bytes) -> bool:
        """Return whether a room's history was changed at some time."""
        policies = [
            place.header.routing.history
            for place in self.logs[room]
            if isinstance(place.header, HandshakeHeader) and place.header.routing.history
        ]
        return len(policies) > 1

    # ---- Ends ----

    def _revoked(self) -> list[bytes]:
        return [
            one
            for (one,) in self.house.look(
                "SELECT device FROM device WHERE revoked_at IS NOT NULL ORDER BY device"
            )
        ]

    def everybody_is_connected(self) -> Iterator[str]:
        """Every device is there, and signed in; one that was revoked knows it."""
        revoked = self._revoked()
        for device in self.devices:
            if device.id in revoked:
                state = device.disk.one("SELECT state FROM me")
                if device.is_up and state != ("revoked",):
                    yield f"{device.name} was revoked, and believes to be {state}"
                continue
            if not device.is_up:
                yield f"{device.name} is still down"
            elif device.turned_away:
                yield f"{device.name} was turned away: {device.turned_away}"
            elif device.id not in self.house.hub.devices:
                yield f"{device.name} is not connected"

    def who_is_out_knows_it(self) -> Iterator[str]:
        """Nobody believes to be in a room who is not."""
        revoked = self._revoked()
        for room in self.logs:
            inside = frozenset(self._members(room))
            for device in self.devices:
                line = device.disk.one("SELECT state FROM room WHERE room = ?", room)
                if device.id in revoked:
                    continue  # It has been told of everything at once.
                if line is not None and line[0] != "gone" and device.id not in inside:
                    yield f"{device.name} is not in {self.name(room)}, and believes to be {line[0]}"

    def logs_are_read_to_their_ends(self) -> Iterator[str]:
        """Every device in a room has read its log to the end."""
        for room, log in self.logs.items():
            for device in self.inside(room):
                line = device.disk.one("SELECT state, seq, is_lost FROM room WHERE room = ?", room)
                want = ("active", log[-1].seq, 0)
                if line != want:
                    yield (
                        f"{device.name} in {self.name(room)}: (state, seq, is_lost) is {line},"
                        f" not {want}"
                    )

    def nobody_waits(self) -> Iterator[str]:
        """Nothing is left to be sent, asked or wished."""
        inside = {room: frozenset(self._members(room)) for room in self.logs}
        revoked = self._revoked()
        for device in self.devices:
            if device.id in revoked:
                continue
            for room, tries, request, seq, failed in device.disk.all(
                "SELECT room, tries, request, seq, failed FROM outbox"
            ):
                if room not in self.logs:
                    continue
                # What was waiting when its writer had to leave cannot be said any more.
                if failed is None or device.id in inside.get(room, frozenset()):
                    yield (
                        f"{device.name} still has in its outbox for {self.name(room)}:"
                        f" {tries} tries, request {request}, place {seq}, failed: {failed}"
                    )
            yield from self._left_over(device, inside)

    def _left_over(self, device: Device, inside: dict[bytes, frozenset[bytes]]) -> Iterator[str]:
        for table, columns in WAITING.items():
            for line in device.disk.all(f"SELECT {columns} FROM {table}"):  # noqa: S608
                room = line[0] if isinstance(line[0], bytes) else b""
                if room in self.logs_of_all and room not in self.logs:
                    continue
                if room and device.id not in inside.get(room, frozenset()):
                    continue  # Who is out of a room waits for nothing there.
                if table == "unopened" and not _within(line[1], self.times(room, device)):
                    continue  # It was said before this device's time.
                shown = ", ".join(
                    self.name(one) if isinstance(one, bytes) else str(one) for one in line
                )
                yield f"{device.name} still has in {table}: {shown}"


WAITING: Final = {
    "request": "answered_by, not_before",
    "pending": "room",
    "wish": "room, kind, about",
    "notice": "room, device, kind",
    "unopened": "room, seq",
}
"""Tables that hold what waits for something, and what of them is told."""
