"""One request of the peers' protocol: its fields, taken out under the types that README.md gives.

What a test asks wrongly is the test's mistake and not the library's: it has an error of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from alcove.mls import Extension
from tests.interop.protocol import Json

D = TypeVar("D")


class RequestError(Exception):
    """The test asked for something that makes no sense."""


class Request:
    """The fields of a request.  One that is missing or null has its default, or is an error."""

    def __init__(self, fields: Mapping[str, Json]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def _required(self, name: str) -> Json:
        if name not in self:
            raise RequestError(f"{name} is missing")
        return self._fields[name]

    def text(self, name: str) -> str:
        value = self._required(name)
        if not isinstance(value, str):
            raise RequestError(f"{name} is not text")
        return value

    def text_or(self, name: str, default: str) -> str:
        return self.text(name) if name in self else default

    def data(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            raise RequestError("not hex") from None

    def data_or(self, name: str, default: D) -> bytes | D:
        return self.data(name) if name in self else default

    def number(self, name: str) -> int:
        value = self._required(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise RequestError(f"{name} is not a number")
        return value

    def number_or(self, name: str, default: D) -> int | D:
        return self.number(name) if name in self else default

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self._required(name) if name in self else default
        if not isinstance(value, bool):
            raise RequestError(f"{name} is neither true nor false")
        return value

    def _items(self, name: str) -> list[Json]:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, list):
            raise RequestError(f"{name} is not a list")
        return value or []

    def numbers(self, name: str) -> list[int]:
        return [Request({name: item}).number(name) for item in self._items(name)]

    def data_list(self, name: str) -> list[bytes]:
        return [Request({name: item}).data(name) for item in self._items(name)]

    def inner(self, name: str) -> Request:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise RequestError(f"{name} is not an object")
        return Request(value or {})

    def extensions(self, name: str) -> tuple[Extension, ...]:
        rows = [Request({name: item}).inner(name) for item in self._items(name)]
        return tuple(Extension(row.number("type"), row.data("data")) for row in rows)
