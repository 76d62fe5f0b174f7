"""The values of settings: how they are written, and which of them are allowed."""

import re
from typing import Final, TypeAlias

from msgspec import Meta, Struct

KIB: Final = 1024
MIB: Final = 1024 * KIB
GB: Final = 10**9
NUMBER_DIGITS_MAX: Final = 16
"""Digits of a number in a setting."""

_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_RATE: Final = re.compile(r"([1-9]\d{0,6}) ?/ ?(s|min|h|day)(?: burst ([1-9]\d{0,6}))?", re.ASCII)
_SIZE: Final = re.compile(rf"(\d{{1,{NUMBER_DIGITS_MAX}}}) ?([A-Za-z]*)", re.ASCII)
_UNITS: Final = {
    "": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_TEXTS: Final = {
    "host": (r"[\w.:%-]{1,255}", "an address or a host name, such as 127.0.0.1"),
    "public_url": (
        r"https?://(\[[\da-fA-F:.]+\]|[\w.-]{1,255})(:\d{1,5})?",
        "an address such as https://chat.example.org, with nothing after the host and port",
    ),
    "name": (r".{1,60}", "at most 60 characters long"),
    "database_url": (
        r"postgres(ql)?://\S{1,1000}",
        "an address that begins with postgresql:// (SQLite needs none)",
    ),
    "server_password": (r".{12,256}", "12 to 256 characters long"),
    "secret_key": (r"\S{32,1024}", "32 to 1024 characters long, without spaces"),
}
_PATH: Final = (r".{1,1024}", "a path of at most 1024 characters")

SECRETS: Final = ("database_url", "server_password", "secret_key")
"""Settings whose values are never shown and never taken from the command line."""


class Rate(Struct, frozen=True):
    """How often something may happen: `count` times in `per_s` seconds, `burst` times at once."""

    count: int
    per_s: int
    burst: int

    def __str__(self) -> str:
        unit = {seconds: unit for unit, seconds in _SECONDS.items()}[self.per_s]
        return f"{self.count}/{unit} burst {self.burst}"


Value: TypeAlias = bool | int | str | Rate


def parse_rate(text: str) -> Rate | None:
    """Return what a text such as `20/s burst 200` means; without a burst, it is the count."""
    match = _RATE.fullmatch(" ".join(text.split()))
    if match is None:
        return None
    count, unit, burst = match.groups()
    return Rate(int(count), _SECONDS[unit], int(burst or count))


def parse_size(text: str) -> int | None:
    """Return the bytes that a text such as `50 MB` or `256 KiB` means."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    units = {unit.casefold(): size for unit, size in _UNITS.items()}
    unit = units.get(match[2].casefold())
    return None if unit is None else int(match[1]) * unit


def size_text(size: int) -> str:
    """Return a number of bytes, written in the unit that makes it shortest."""
    count, unit = min((size // one, unit) for unit, one in _UNITS.items() if size % one == 0)
    return f"{count} {unit}" if unit and count else str(count)


def parse_number(text: str) -> int | None:
    """Return a whole number, which may be grouped as in `10_000`."""
    digits = text.strip().replace("_", "")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= NUMBER_DIGITS_MAX
    return int(digits) if plain else None


def about(description: str, least: int | None = None, most: int | None = None) -> Meta:
    """Say what a setting is for, and of a number between which others it must be."""
    return Meta(description=description, ge=least, le=most)


class Setting(Struct, frozen=True):
    """What is known about one setting."""

    name: str
    section: str
    description: str
    default: Value
    choices: tuple[str, ...]
    least: int
    most: int

    @property
    def environment(self) -> str:
        """The name of its environment variable."""
        return f"ALCOVE_{self.name.upper()}"

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return self.name in SECRETS

    @property
    def is_size(self) -> bool:
        """Whether its value is a number of bytes, which may be written with a unit."""
        return "_bytes" in self.name

    @property
    def allowed(self) -> str:
        """Which values are allowed, in words that follow "must be"."""
        if self.choices:
            return f"one of {', '.join(choice for choice in self.choices if choice)}"
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, Rate):
            return "a rate such as 20/s burst 200"
        if isinstance(self.default, str):
            return _TEXTS.get(self.name, _PATH)[1]
        if self.is_size:
            return f"a size from {size_text(self.least)} to {size_text(self.most)}"
        return f"a whole number from {self.least:,} to {self.most:,}"

    def read(self, text: str) -> Value | None:
        """Return the value that a text stands for, or None when it is not allowed."""
        word = text.strip().lower()
        if self.choices:
            return word if word in self.choices else None
        if isinstance(self.default, bool):
            return _FLAGS.get(word)
        if isinstance(self.default, Rate):
            return parse_rate(text)
        if isinstance(self.default, str):
            shape, _ = _TEXTS.get(self.name, _PATH)
            fits = text.isprintable() and re.fullmatch(shape, text, re.ASCII)
            return text if fits else None
        number = parse_size(text) if self.is_size else parse_number(text)
        return number if number is not None and self.least <= number <= self.most else None

    def show(self, value: Value) -> str:
        """Return a value as it is written in alcove.toml, but for a text's quotes."""
        if isinstance(value, bool):
            return str(value).lower()
        return size_text(value) if isinstance(value, int) and self.is_size else str(value)
