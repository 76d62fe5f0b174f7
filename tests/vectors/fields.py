"""One vector's JSON, read by name and type, with an account of what was read.

Reading a field marks it; what nobody has read when a check ends was not checked, and then the
vector does not pass.  So a check cannot forget half of its format.
"""

from __future__ import annotations

from collections.abc import Iterator

from alcove.mls import KemKey, Suite, standard_suites
from alcove.mls.hpke import KEMS


class Failed(Exception):
    """The vector does not hold.  The message names the assertion that broke."""


class UnknownSuite(Failed):
    """The vector is about a cipher suite that is not here: skipped, and so not passed."""


def same(what: str, ours: object, theirs: object) -> None:
    """Raise unless two values are equal."""
    if ours != theirs:
        raise Failed(f"{what} differs")


def ensure(what: str, holds: bool) -> None:
    """Raise unless `what`, a sentence, is true."""
    if not holds:
        raise Failed(f"not true: {what}")


class Fields:
    """A JSON object.  Every method raises `Failed` when a field is missing or of another type."""

    def __init__(self, data: object, path: str = "") -> None:
        if not isinstance(data, dict):
            raise Failed(f"{path or 'the vector'} is not an object")
        self._data: dict[str, object] = data
        self._path = path
        self._read: set[str] = set()
        self._parts: list[Fields] = []
        self.last = ""
        """The field read last: where to look when the library refuses something."""

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _take(self, name: str) -> object:
        self._read.add(name)
        self.last = self._name(name)
        if name not in self._data:
            raise Failed(f"{self.last} is missing")
        return self._data[name]

    def _list(self, name: str) -> list[object]:
        value = self._take(name)
        if not isinstance(value, list):
            raise Failed(f"{self._name(name)} is not a list")
        return value

    def number(self, name: str) -> int:
        """Return an unsigned integer."""
        return _number(self._take(name), self._name(name))

    def text(self, name: str) -> bytes:
        """Return a string, encoded: labels are bytes in MLS."""
        value = self._take(name)
        if not isinstance(value, str):
            raise Failed(f"{self._name(name)} is not a string")
        return value.encode()

    def hex(self, name: str) -> bytes:
        """Return bytes that are written in hex."""
        return _hex(self._take(name), self._name(name))

    def optional_hex(self, name: str) -> bytes | None:
        """Return bytes, or None where the field is null or left out."""
        if self._data.get(name) is None:
            self._read.add(name)
            return None
        return self.hex(name)

    def hexes(self, name: str) -> list[bytes]:
        """Return a list of bytes."""
        return [_hex(item, self._name(name)) for item in self._list(name)]

    def optional_hexes(self, name: str) -> list[bytes | None]:
        """Return a list in which entries may be null."""
        return [None if item is None else _hex(item, self._name(name)) for item in self._list(name)]

    def optional_numbers(self, name: str) -> list[int | None]:
        """Return a list of numbers in which entries may be null."""
        return [
            None if item is None else _number(item, self._name(name)) for item in self._list(name)
        ]

    def number_lists(self, name: str) -> list[list[int]]:
        """Return a list of lists of numbers."""
        where = self._name(name)
        lists = []
        for item in self._list(name):
            if not isinstance(item, list):
                raise Failed(f"{where} is not a list of lists")
            lists.append([_number(entry, where) for entry in item])
        return lists

    def part(self, name: str) -> Fields:
        """Return an object inside this one."""
        return self._keep(Fields(self._take(name), self._name(name)))

    def parts(self, name: str) -> list[Fields]:
        """Return a list of objects."""
        where = self._name(name)
        return [
            self._keep(Fields(item, f"{where}[{at}]")) for at, item in enumerate(self._list(name))
        ]

    def part_lists(self, name: str) -> list[list[Fields]]:
        """Return a list of lists of objects."""
        where = self._name(name)
        lists = []
        for at, item in enumerate(self._list(name)):
            if not isinstance(item, list):
                raise Failed(f"{where} is not a list of lists")
            lists.append(
                [
                    self._keep(Fields(entry, f"{where}[{at}][{place}]"))
                    for place, entry in enumerate(item)
                ]
            )
        return lists

    def _keep(self, part: Fields) -> Fields:
        self._parts.append(part)
        return part

    def suite(self) -> Suite:
        """Return the cipher suite that the vector is about."""
        number = self.number("cipher_suite")
        suite = standard_suites().get(number)
        if suite is None:
            raise UnknownSuite(f"skipped: cipher suite {number:#06x} is not known here")
        return suite

    def kem_key(self, name: str, suite: Suite) -> KemKey:
        """Return a private key for HPKE.

        The files leave out the leading zeros of P-521 keys, which RFC 9180 writes: put them back.
        """
        private, spec = self.hex(name), KEMS[suite.kem]
        return suite.kem_key(private.rjust(spec.private_bytes, b"\0") if spec.order else private)

    def expect(self, name: str, ours: bytes | int) -> None:
        """Raise unless the field has the value that we computed."""
        theirs = self.hex(name) if isinstance(ours, bytes) else self.number(name)
        same(self._name(name), ours, theirs)

    def unread(self) -> Iterator[str]:
        """Return the fields, here and inside, that nobody has read."""
        for name in sorted(self._data):
            if name not in self._read:
                yield self._name(name)
        for part in self._parts:
            yield from part.unread()


def _hex(value: object, where: str) -> bytes:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise Failed(f"{where} is not hex")


def _number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Failed(f"{where} is not an unsigned integer")
    return value
