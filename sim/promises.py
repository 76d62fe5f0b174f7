"""Promises that no screen shows: nothing is put off, said again or told as lost, nor kept open.

They are looked at on each device's disk and in the server's tables, by headers and columns alone.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from alcove.client.rooms.walk import PASSED
from alcove.mls import MlsError
from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, MessageHeader
from alcove.wire.ids import entry_name
from sim.devices import Device

if TYPE_CHECKING:
    from sim.checks import Checks
    from sim.places import Place

SOON: Final = (
    PASSED, "archive.put", "engine.send_again", "log.read_on",
    "receipts.look", "receipts.slot", "room.look_after",
)  # fmt: skip
"""Alarms for what is to be done within seconds."""
SOON_MS: Final = 45_000
"""They are never set for later than this, where the server is not busy."""
FAULTS_OF_MEMORY: Final = ("server is restored", "device's disk is rolled back")
"""Where these have struck, things are said again on purpose."""


class Promises:
    """Looks at what devices and the server have stored."""

    def __init__(self, checks: "Checks") -> None:
        self._checks = checks
        self.house, self.name = checks.house, checks.name
        counts = checks.people.faults.counts
        self.is_remembered = not any(counts[name] for name in FAULTS_OF_MEMORY)
        self.is_honest = not (checks.people.liars or checks.house.lies.is_on)

    def all(self) -> Iterator[str]:
        """Yield what was promised, and is not so."""
        yield from self.nothing_is_put_off()
        yield from dict.fromkeys(self._checks.people.stuck)
        yield from self.who_was_removed_has_forgotten()
        yield from self.letters_are_fetched()
        for room in self._checks.logs:
            if self.is_remembered:
                yield from self._said_once(room)
                yield from self._not_told_as_lost(room)
            if self.is_honest:
                yield from self._keys_are_chained(room)
            yield from self._opened_once(room)

    def nothing_is_put_off(self) -> Iterator[str]:
        """What is to be done within seconds is due within seconds, however clocks were set."""
        for device in self._checks.devices:
            for kind, at in device.disk.all("SELECT kind, at FROM alarm ORDER BY kind, about"):
                wait_ms = at - device.now
                if device.is_up and kind in SOON and wait_ms > SOON_MS:
                    yield f"{device.name} has put off {kind} for {wait_ms / 1000:.0f} s"

    def who_was_removed_has_forgotten(self) -> Iterator[str]:
        """Who has read that it was removed has no secrets of that group any more."""
        for device in self._checks.devices:
            for (room,) in device.disk.all(
                """
                SELECT room FROM room JOIN group_epoch USING (room)
                WHERE state = 'gone' AND room IN (SELECT room FROM line WHERE cause = ?)
                    AND room NOT IN (SELECT room FROM line WHERE cause = ?)
                ORDER BY room
                """,
                "you-were-removed", "shut-out",
            ):  # fmt: skip
                yield f"{device.name} was removed from {self.name(room)}, and has its secrets"

    def letters_are_fetched(self) -> Iterator[str]:
        """Whoever is there has fetched the letters that it may see.

        Nobody sees a Welcome to a room of which its account was made to go since.
        """
        for device in self._checks.devices:
            letters = self.house.look(
                """
                SELECT i.letter FROM inbox i JOIN letter l ON l.number = i.letter
                LEFT JOIN device d ON d.device = i.device
                LEFT JOIN room r ON r.number = l.room
                LEFT JOIN room_account a ON a.room = r.number AND a.account = d.account
                WHERE i.device = ? AND i.kind != 'hidden'
                    AND (l.kind = 'sealed' OR a.state = 'active')
                """,
                device.id,
            )
            if letters and device.id in self.house.hub.devices:
                yield f"{device.name} has not fetched {len(letters)} letters"

    def _said_once(self, room: bytes) -> Iterator[str]:
        """What was said once stands once in the log: what has an answer is not sent again."""
        found: dict[tuple[bytes, bytes], int] = {}
        for place in self._checks.logs[room]:
            header = place.header
            if isinstance(header, MessageHeader) and header.form != "notice":
                first = found.setdefault((header.sender, header.content), place.seq)
                if first != place.seq and self._is_honest_writer(header.sender):
                    where = f"{self.name(header.sender)} in {self.name(room)}"
                    yield f"{where} has said at {place.seq} once more what it said at {first}"

    def _is_honest_writer(self, sender: bytes) -> bool:
        return any(device.id == sender for device in self._checks.devices)

    def _not_told_as_lost(self, room: bytes) -> Iterator[str]:
        """What stands in the log is told neither as waiting nor as failed to who said it."""
        there = {
            (place.header.sender, place.header.content): place.seq
            for place in self._checks.logs[room]
            if isinstance(place.header, MessageHeader)
        }
        for device in self._checks.devices:
            lines = device.disk.all("SELECT content, failed FROM outbox WHERE room = ?", room)
            for content, failed in lines:
                seq = there.get((device.id, content))
                if failed is None and self._is_revoked(device):
                    continue  # It was taken off its account's list before it heard the answer.
                if seq is not None:
                    where = f"{device.name} in {self.name(room)}"
                    yield f"{where} has in its outbox what stands at {seq}: {failed}"

    def _keys_are_chained(self, room: bytes) -> Iterator[str]:
        """Where all is open, each key leads to the one before it, if anybody holds both.

        The first two begin in one request: under the first of all nothing was ever said.
        """
        policies = self.house.look("SELECT history FROM room WHERE room = ?", room)
        if policies != [("open",)] or self._checks.was_opened(room):
            return
        rows = self.house.look(
            """
            SELECT w.name FROM room_row w JOIN room r ON r.number = w.room
            WHERE r.room = ? AND w.kind = 'chain'
            """,
            room,
        )
        renewals = [
            (place.seq, entry_name(room, encode(place.header), place.body or b""))
            for place in self._checks.logs[room]
            if isinstance(place.header, HandshakeHeader) and place.header.renews
        ]
        for (_, before), (seq, name) in pairwise(renewals[1:]):
            holders = [
                device.name
                for device in self._checks.inside(room)
                if device.disk.one(
                    "SELECT COUNT(*) FROM room_key WHERE room = ? AND name IN (?, ?) AND is_sure",
                    room, before, name,
                )
                == (2,)
            ]  # fmt: skip
            if (name,) not in rows and holders:
                where = f"the key of {seq} in {self.name(room)}"
                yield f"{where} leads to none before it, and {holders[0]} holds both"

    def _is_revoked(self, device: Device) -> bool:
        """Return whether the server tells a device nothing any more."""
        return bool(
            self.house.look(
                "SELECT 1 FROM device WHERE device = ? AND revoked_at IS NOT NULL", device.id
            )
        )

    def _opened_once(self, room: bytes) -> Iterator[str]:
        """What was sealed for one opening, and was opened, is not opened a second time."""
        live = [
            place
            for place in self._checks.logs[room]
            if isinstance(place.header, MessageHeader) and place.header.form == "live"
        ]
        for device in self._checks.inside(room) if live else ():
            yield from self._opened_again(room, device, live)

    def _opened_again(self, room: bytes, device: Device, live: list["Place"]) -> Iterator[str]:
        group = self._checks.group(device, room)
        known = device.disk.all(
            "SELECT seq FROM entry WHERE room = ? AND content NOT NULL AND cause IS NULL", room
        )
        for place in live:
            if group is None or (place.seq,) not in known or place.header.sender == device.id:
                continue
            try:
                group.receive(place.body or b"")
            except MlsError:
                continue
            yield f"{device.name} in {self.name(room)} can still open what it read at {place.seq}"
