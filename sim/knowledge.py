"""What devices know besides what they show: it must be what can be worked out from the log anew.

Whoever came late has worked it out from a snapshot and the log; whoever was there has kept it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from alcove.client.errors import ClientError
from alcove.client.receipts import read_place
from alcove.client.receipts import unread as shown_as_unread
from alcove.client.timeline.results import poll, reactions
from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, MessageHeader
from alcove.wire.ids import entry_name
from sim.devices import Device

if TYPE_CHECKING:
    from sim.checks import Checks
    from sim.places import Place, Shown

ALARMS: Final = ("fork", "another-log", "own-log-differs", "keys-forked")
"""Warnings that say that somebody lies: where nobody does, nobody is accused."""
EXPLAINED: Final = ("before-you-joined", "deleted", "twice")
"""Causes for which an entry may stay closed where nobody does harm."""
FAULTS_OF_MEMORY: Final = ("server is restored", "device's disk is rolled back")
"""Where these have struck, logs have truly been told in two ways, and entries are void."""


class Knowledge:
    """Looks at what devices know of their rooms."""

    def __init__(self, checks: "Checks") -> None:
        self._checks = checks
        self.people, self.house, self.name = checks.people, checks.house, checks.name
        counts = checks.people.faults.counts
        self.is_remembered = not any(counts[name] for name in FAULTS_OF_MEMORY)
        self.is_honest = not (checks.people.liars or checks.house.lies.is_on)
        self._liars = [one.id for one in self.people.devices if one not in checks.devices]

    def all(self) -> Iterator[str]:
        """Yield what is not as it must be."""
        for room, log in self._checks.logs.items():
            chains = self._chains(room)
            for device in self._checks.inside(room):
                where = f"{device.name} in {self.name(room)}"
                for wrong in (
                    *self._handshakes(room, log, device),
                    *self._running_hash(room, chains, device),
                    *self._who_is_there(room, log, device),
                    *self._roles(room, device),
                    *self._causes(room, log, device),
                    *self._reactions_and_unread(room, device),
                ):
                    yield f"{where}: {wrong}"
            yield from self._read_on_all_devices(room)
            yield from self._newcomers_read_nothing_of_before(room)
        if self.is_honest and self.is_remembered:
            yield from self._nobody_is_accused()
        for (who, room), since in self.house.lies.deceived.items():
            for device in self._checks.devices:
                if device.id == who:
                    yield from self._deceived(device, room, since)

    # ---- The log ----

    def _chains(self, room: bytes) -> dict[int, bytes]:
        return dict(
            self.house.look(
                """
                SELECT e.seq, e.chain FROM entry e JOIN room r ON r.number = e.room
                WHERE r.room = ?
                """,
                room,
            )
        )

    def _running_hash(self, room: bytes, chains: dict[int, bytes], device: Device) -> Iterator[str]:
        """The running hash that a device has come to is the log's."""
        line = device.disk.one("SELECT seq, chain FROM room WHERE room = ?", room)
        if line is not None and line[1] is not None and chains.get(line[0]) != line[1]:
            yield f"its running hash at {line[0]} is not the log's"

    def _handshakes(self, room: bytes, log: list["Place"], device: Device) -> Iterator[str]:
        """Handshakes are named as they stand in the log."""
        known = {
            seq: (name, renews, closes)
            for seq, name, renews, closes in device.disk.all(
                "SELECT seq, name, renews, closes FROM handshake WHERE room = ? AND seq < ?",
                room, 2**52,
            )
        }  # fmt: skip
        first = min(known, default=0)
        for place in log:
            header = place.header
            if not isinstance(header, HandshakeHeader) or place.seq < first:
                continue
            name = entry_name(room, encode(header), place.body or b"")
            want = (name, int(header.renews), int(header.closes))
            if known.pop(place.seq, None) != want:
                yield f"knows another handshake at {place.seq}, or none"
        for seq in known:
            yield f"knows a handshake at {seq}, where the log has none"

    # ---- Who is there ----

    def _who_is_there(self, room: bytes, log: list["Place"], device: Device) -> Iterator[str]:
        """Those who stand in the room are those whom the log has brought and not taken away."""
        want: dict[bytes, None] = {}
        for place in log:
            if not isinstance(place.header, HandshakeHeader):
                continue
            routing = place.header.routing
            for gone in routing.removes:
                want.pop(gone.device, None)
            want |= {one.device: None for one in routing.adds}
        known = [
            one
            for (one,) in device.disk.all(
                "SELECT device FROM stay WHERE room = ? AND until IS NULL ORDER BY device", room
            )
        ]
        for one in sorted({*want} ^ {*known}):
            there = "does not know that" if one in want else "believes that"
            yield f"{there} {self.name(one)} is there"

    def _roles(self, room: bytes, device: Device) -> Iterator[str]:
        """Roles are those that the server routes by, which it has from the commits' headers."""
        there = dict(
            self.house.look(
                """
                SELECT a.account, a.role FROM room_account a JOIN room r ON r.number = a.room
                WHERE r.room = ? AND a.state = 'active'
                """,
                room,
            )
        )
        known: dict[bytes, str] = dict(
            device.disk.all("SELECT account, role FROM rank WHERE room = ? ORDER BY since", room)
        )
        kind = device.disk.one("SELECT kind FROM room WHERE room = ?", room)
        if kind == ("direct",):
            return  # Both are owners from the start, whatever the server routes.
        for account, role in there.items():
            if known.get(account, "member") != role:
                yield f"believes that {self.name(account)} is {known.get(account)}, not {role}"

    # ---- What could not be opened ----

    def _causes(self, room: bytes, log: list["Place"], device: Device) -> Iterator[str]:
        """Whatever stays closed has a cause; and where nobody does harm, a good one."""
        if not self.is_remembered:
            return
        known: dict[int, str | None] = dict(
            device.disk.all("SELECT seq, cause FROM entry WHERE room = ?", room)
        )
        line = device.disk.one("SELECT joined_seq, history FROM room WHERE room = ?", room)
        joined, history = line or (0, "none")
        if history == "none":  # Who was out for a while has nothing of that time.
            joined = max([joined, *self._checks.arrivals(log, device)])
        # Of a time in which it was out it reads what was said, and follows handshakes in public.
        came = max([joined, *self._checks.arrivals(log, device)])
        for place in log:
            is_said = isinstance(place.header, MessageHeader) and place.header.form == "kept"
            if place.seq > (joined if is_said else came) and place.seq not in known:
                yield f"nothing is known of place {place.seq}"
            cause = known.get(place.seq)
            if cause is None or cause in EXPLAINED:
                continue
            if self._liars and cause == "while-lost":
                continue  # Who was made to lose the room missed what it does not keep.
            if place.header.sender not in self._liars:
                what = "message" if isinstance(place.header, MessageHeader) else "handshake"
                yield f"the {what} at {place.seq} of {self.name(place.header.sender)}: {cause}"

    def _nobody_is_accused(self) -> Iterator[str]:
        """Where nobody lies and nothing was set back, nobody is warned of lies."""
        for who, code, _ in self.people.warned:
            if code in ALARMS or code.startswith("restored"):
                yield f"{who} was warned without a reason: {code}"

    def _deceived(self, device: Device, room: bytes, since: int) -> Iterator[str]:
        """Whoever was told another log shows nothing that nobody said there, and finds it out."""
        where = f"{device.name} was lied to in {self.name(room)} from {since} on"
        record = self.people.record
        said = [one.text for one in record.said if one.room == room]
        # What was said in a direct room of which there was one already has moved there.
        said += [
            record.by_content[key].text
            for place in self._checks.logs_of_all[room]
            if isinstance(place.header, MessageHeader)
            and (key := (self._checks.accounts[place.header.sender], place.header.content))
            in record.by_content
        ]
        for text, _ in self._checks.shown(device, room).values():
            if text and text not in said:
                yield f"{where}, and shows {text!r}"
        line = device.disk.one("SELECT seq, chain, state FROM room WHERE room = ?", room)
        if line is None or line[2] != "active" or line[1] is None:
            return
        if self._chains(room).get(line[0]) == line[1]:
            return  # It has not believed it.
        later = [
            place
            for place in self._checks.logs_of_all[room]
            if place.seq > since
            and isinstance(place.header, MessageHeader)
            and place.header.form != "notice"
        ]
        is_caught = any(code in ALARMS and about == room for _, code, about in self.people.warned)
        if len(later) > 1 and not is_caught:
            yield f"{where}, and nobody was warned"

    # ---- What people see beside the lines ----

    def _reactions_and_unread(self, room: bytes, device: Device) -> Iterator[str]:
        want = self._checks.want(room, device)
        shown: dict[int, int] = dict(
            device.disk.all(
                """
                SELECT seq, number FROM line
                WHERE room = ? AND is_shown AND kind IN ('text', 'poll', 'gone') AND seq < ?
                """,
                room, 2**52,
            )
        )  # fmt: skip
        there = {seq: one for seq, one in want.items() if seq in shown}
        if any(one.is_doubtful for one in there.values()):
            return
        for seq, one in there.items():
            if one.is_deleted or not one.is_readable or one.is_doubtful:
                continue
            got = {
                (account, reaction.emoji)
                for reaction in reactions(device.disk, shown[seq])
                for account in reaction.accounts
            }
            if got != one.reactions:
                yield f"{len(got)} reactions at {seq}, not {len(one.reactions)}"
            results = poll(device.disk, shown[seq])
            counts = [list(one.votes.values()).count(str((choice,))) for choice in (0, 1)]
            if results is not None and [len(o.accounts) for o in results.options] != counts:
                yield f"other answers than {counts} to what was asked at {seq}: {results}"
        yield from self._unread(room, device, there)

    def _unread(self, room: bytes, device: Device, there: dict[int, "Shown"]) -> Iterator[str]:
        """The counter of what is unread is what the log has behind the place that was read."""
        account = self._checks.accounts[device.id]
        read = read_place(device.disk, room)
        writers = {
            place.seq: self._checks.accounts[place.header.sender]
            for place in self._checks.logs[room]
        }
        blocked = [one for (one,) in device.disk.all("SELECT account FROM block")]
        want = sum(
            seq > read
            and not one.is_deleted
            and writers[seq] != account
            and writers[seq] not in blocked
            for seq, one in there.items()
        )
        try:
            got = shown_as_unread(device.disk, room).lines
        except ClientError as error:
            yield f"cannot tell what is unread: {error}"
            return
        if got != want:
            yield f"{got} lines are unread behind {read}, not {want}"

    def _read_on_all_devices(self, room: bytes) -> Iterator[str]:
        """What was read on one device is read on all."""
        if not self.is_remembered:
            return
        for person in self.people.people:
            places = {
                device.name: read_place(device.disk, room)
                for device in self._checks.inside(room)
                if device in person.devices
            }
            # Who was revoked, or is out, may not have had the time to tell.
            least = max((person.read.get((name, room), 0) for name in places), default=0)
            for name, place in places.items():
                if place < least:
                    yield f"{name} has read {self.name(room)} to {place}, its owner to {least}"

    def _said_since(self, room: bytes, first: int) -> dict[tuple[bytes, bytes], None]:
        """Return what stands in a log from a place on: the accounts, and the contents' ids."""
        return {
            (self._checks.accounts[place.header.sender], place.header.content): None
            for place in self._checks.logs[room]
            if place.seq >= first and isinstance(place.header, MessageHeader)
        }

    def _newcomers_read_nothing_of_before(self, room: bytes) -> Iterator[str]:
        """Where newcomers read nothing of before, it is not on their disks.

        What a disk that was set back says once more, they may read.
        """
        histories = self.house.look("SELECT history FROM room WHERE room = ?", room)
        if histories == [("open",)] or self._checks.was_opened(room):
            return
        for device in self._checks.inside(room):
            times = self._checks.time_there(room, device)
            first = min((since for since, _ in times), default=0)
            before = [  # What a disk that was set back has said again counts from there on.
                said
                for seq, said in self._checks.said(room, first.__le__)
                if seq < first and said.kind in {"text", "edit"}
                and said.account != self._checks.accounts[device.id]
                and (said.account, said.content) not in self._said_since(room, first)
            ]  # fmt: skip
            if not before:
                continue
            image = device.disk.image()
            for said in before:
                if said.text.encode() in image:
                    yield f"{device.name} has read {said.text!r} of before it came"
                    break
