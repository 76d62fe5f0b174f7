"""What must have come to an end when everything has healed: nobody is away, behind, or waits."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from alcove.client.outbox import MAY_NOT_POST
from alcove.wire.devices import SignedList
from sim.devices import Device
from sim.promises import Promises

if TYPE_CHECKING:
    from sim.checks import Checks

WAITING: Final = {
    "request": "answered_by, not_before",
    "pending": "room",
    "wish": "room, kind, about",
    "notice": "room, device, kind",
    "unopened": "room, seq",
}
"""Tables that hold what waits for something, and what of them is told."""

_decode_signed = msgspec.msgpack.Decoder(SignedList).decode


def within(seq: int, times: list[tuple[int, int]]) -> bool:
    """Return whether a place lies between two others of a list."""
    return any(since < seq < until for since, until in times)


class Endings:
    """Looks at what devices still wait for."""

    def __init__(self, checks: "Checks") -> None:
        self._checks = checks
        self.people, self.house, self.name = checks.people, checks.house, checks.name
        self.devices, self.logs, self.logs_of_all = checks.devices, checks.logs, checks.logs_of_all

    def all(self) -> Iterator[str]:
        """Yield what is not at its end."""
        yield from self.everybody_is_connected()
        yield from self.logs_are_read_to_their_ends()
        yield from self.nobody_waits()
        yield from self.who_is_out_knows_it()
        yield from Promises(self._checks).all()

    def _revoked(self) -> list[bytes]:
        """Return the devices that are on no list any more: taken off, or lost with a restore.

        An account that a restored server has lost has to be made anew; and where somebody was
        faster to put another device on the list of before, that list counts.
        """
        revoked = [
            one
            for (one,) in self.house.look(
                "SELECT device FROM device WHERE revoked_at IS NOT NULL ORDER BY device"
            )
        ]
        if self.people.faults.counts["server is restored"]:
            revoked += [one.id for one in self.devices if one.id and self._is_stranger(one)]
        return revoked

    def _is_stranger(self, device: Device) -> bool:
        """Return whether the server does not know a device, nor the list that it stands on."""
        if self.house.look("SELECT 1 FROM device WHERE device = ?", device.id):
            return False
        ((account,),) = device.disk.all("SELECT account FROM me")
        lists = [
            _decode_signed(body).body
            for (body,) in device.disk.all("SELECT signed FROM own_list ORDER BY version")
        ]
        newest = self.house.look(
            """
            SELECT l.body FROM device_list l JOIN account a USING (account)
            WHERE a.account = ? AND l.version = a.list_version
            """,
            account,
        )
        return not any(body in lists for (body,) in newest)

    def _cannot_come_in(self, device: Device) -> bool:
        """Return whether a device is new on an account that a restored server has lost."""
        (account,) = [one.id for one in self.people.people if device in one.devices]
        return not device.is_in and not self.house.look(
            "SELECT 1 FROM account WHERE account = ?", account
        )

    def everybody_is_connected(self) -> Iterator[str]:
        """Every device is there, and signed in; one that was revoked knows it."""
        revoked = self._revoked()
        for device in self.devices:
            if self.people.faults.counts["server is restored"] and self._cannot_come_in(device):
                continue
            if device.id in revoked:
                state = device.disk.one("SELECT state FROM me")
                if device.is_up and state != ("revoked",):
                    yield f"{device.name} was revoked, and believes to be {state}"
                continue
            if not device.is_up:
                yield f"{device.name} is still down"
            elif device.turned_away and self._was_revoked_before_a_restore(device):
                continue  # It was told so for good, and asks no more whether that was lost.
            elif device.turned_away:
                yield f"{device.name} was turned away: {device.turned_away}"
            elif device.id not in self.house.hub.devices:
                yield f"{device.name} is not connected"

    def _was_revoked_before_a_restore(self, device: Device) -> bool:
        """Return whether a device knows of a revocation that a restored server may have lost."""
        was_restored = bool(self.people.faults.counts["server is restored"])
        knows_it = device.disk.one("SELECT state FROM me") == ("revoked",)
        return was_restored and knows_it and device.id in self.people.record.revoked

    def who_is_out_knows_it(self) -> Iterator[str]:
        """Nobody believes to be in a room who is not."""
        revoked = self._revoked()
        for room in self.logs:
            inside = frozenset(self._checks.members(room))
            for device in self.devices:
                line = device.disk.one("SELECT state FROM room WHERE room = ?", room)
                if device.id in revoked:
                    continue  # It has been told of everything at once.
                if line is not None and line[0] != "gone" and device.id not in inside:
                    yield f"{device.name} is not in {self.name(room)}, and believes to be {line[0]}"

    def logs_are_read_to_their_ends(self) -> Iterator[str]:
        """Every device in a room has read its log to the end."""
        for room, log in self.logs.items():
            for device in self._checks.inside(room):
                line = device.disk.one("SELECT state, seq, is_lost FROM room WHERE room = ?", room)
                want = ("active", log[-1].seq, 0)
                if line != want:
                    yield (
                        f"{device.name} in {self.name(room)}: (state, seq, is_lost) is {line},"
                        f" not {want}"
                    )

    def nobody_waits(self) -> Iterator[str]:
        """Nothing is left to be sent, asked or wished."""
        inside = {room: frozenset(self._checks.members(room)) for room in self.logs}
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
                if failed == MAY_NOT_POST and room in self.people.record.restricted:
                    continue
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
                if table == "unopened" and not within(line[1], self._checks.times(room, device)):
                    continue  # It was said before this device's time.
                if table == "unopened" and self._checks.is_withheld(room, line[1]):
                    continue  # Nobody else has that key.
                if table == "unopened" and self._is_nonsense(room, line[1]):
                    continue  # Under a key that has opened nothing yet it may still be the key.
                shown = ", ".join(
                    self.name(one) if isinstance(one, bytes) else str(one) for one in line
                )
                yield f"{device.name} still has in {table}: {shown}"

    def _is_nonsense(self, room: bytes, seq: int) -> bool:
        """Return whether a liar has put something there that is no message, so never opens."""
        (sender,) = [one.header.sender for one in self.logs[room] if one.seq == seq]
        said = [one for place, one in self._checks.said(room) if place == seq]
        return not said and sender not in [one.id for one in self.devices]
