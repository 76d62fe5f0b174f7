"""Random messages of the wire: of the right form, about things that are there more often than not.

    grow(Append, dice, things)      any struct of `alcove.wire`, whatever its fields are
    bent(dice, frame)               the same frame with one value replaced, dropped or doubled

Ids, hashes and names are drawn from `Things`, so that requests reach further than the first check.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, MessageHeader, NewEntry
from alcove.wire.ids import NOTHING_BEFORE

ID_BYTES: Final = 16
HASH_BYTES: Final = 32
ITEMS_MAX: Final = 3
"""How many items a grown list has, but for a few."""
MANY: Final = 40
NUMBERS: Final = (0, 1, 2, 3, 7, 255, 256, 2**31, 2**53 - 1)
TEXTS: Final = ("", "a", "ada", "\0", "a\0b", "é", "\U0001f642", "%", "_", "'", "x" * 200, "../..")
ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**53, 2**63, 2**64 - 1, -(2**63), 0.5, float("nan"), "", "\0", "x" * 1000,
    b"", bytes(16), bytes(32), bytes(5000), [], [[]], {}, {"type": "append"},
    msgspec.msgpack.Ext(1, b""),
)  # fmt: skip


@dataclass
class Things:
    """What there is to talk about."""

    me: bytes = bytes(ID_BYTES)
    """The device that will send what is grown."""
    ids: dict[str, list[bytes]] = field(default_factory=dict)
    """By the name of a field: accounts, devices, rooms."""
    hashes: dict[str, list[bytes]] = field(default_factory=dict)
    """By the name of a field: names of handshakes, hashes of links, logins."""
    names: list[str] = field(default_factory=list)
    incarnation: int = 0
    number: int = 0
    """The newest request id that was used."""


def grow(kind: type, dice: random.Random, things: Things) -> Any:
    """Return a random message of a type."""
    return _grow(_info(kind), dice, things, "")


@lru_cache(maxsize=1000)
def _info(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _grow(info: inspect.Type, dice: random.Random, things: Things, name: str) -> Any:
    match info:
        case inspect.StructType():
            return _struct(info, dice, things)
        case inspect.UnionType():
            return _grow(dice.choice(info.types), dice, things, name)
        case inspect.VarTupleType():
            return _items(info, dice, things, name)
        case inspect.TupleType():
            return tuple(_grow(one, dice, things, name) for one in info.item_types)
        case inspect.BytesType():
            return _bytes(info, dice, things, name)
        case inspect.IntType():
            return _number(info, dice, things)
        case inspect.StrType():
            return _text(info, dice, things)
        case inspect.LiteralType():
            return dice.choice(info.values)
        case inspect.BoolType():
            return dice.random() < 1 / 2
        case inspect.NoneType():
            return None
    raise AssertionError(f"the wire has a new kind of value: {info}")


def _struct(info: inspect.StructType, dice: random.Random, things: Things) -> Any:
    if info.cls is NewEntry:
        return _entry(dice, things)
    values: dict[str, Any] = {}
    for one in info.fields:
        if not one.required and dice.random() < 1 / 2:
            continue
        if one.name == "id":
            things.number += dice.random() < 7 / 8
            values["id"] = things.number
        elif one.name == "sender" and dice.random() < 7 / 8:
            values["sender"] = things.me
        elif one.name == "incarnation" and dice.random() < 7 / 8:
            values["incarnation"] = things.incarnation
        else:
            values[one.encode_name] = _grow(one.type, dice, things, one.name)
    return info.cls(**values)


def _entry(dice: random.Random, things: Things) -> NewEntry:
    """Return an entry whose header can be read, nearly always."""
    kind: type = dice.choice((MessageHeader, HandshakeHeader))
    header = encode(grow(kind, dice, things))
    if dice.random() < 1 / 50:
        header = dice.randbytes(dice.randrange(100))
    return NewEntry(header, dice.randbytes(dice.choice((0, 1, 64, 500))))


def _items(
    info: inspect.VarTupleType, dice: random.Random, things: Things, name: str
) -> tuple[Any, ...]:
    least = info.min_length or 0
    most = ITEMS_MAX if dice.random() < 49 / 50 else MANY
    if info.max_length is not None:
        most = min(most, info.max_length)
    count = dice.randint(least, max(least, most))
    return tuple(_grow(info.item_type, dice, things, name) for _ in range(count))


def _bytes(info: inspect.BytesType, dice: random.Random, things: Things, name: str) -> bytes:
    least, most = info.min_length or 0, info.max_length
    if most == least and dice.random() < 15 / 16:
        known = (things.ids if least == ID_BYTES else things.hashes).get(name)
        if known:
            return dice.choice(known)
    if least == most == HASH_BYTES and dice.random() < 1 / 2:
        return NOTHING_BEFORE
    size = dice.choice((least, least + 1, least + 40, most or 1000))
    return dice.randbytes(min(size, 2000 if most is None else most))


def _number(info: inspect.IntType, dice: random.Random, things: Things) -> int:
    least = info.ge or 0
    most = info.le if info.le is not None else (info.lt or 2**53) - 1
    drawn = dice.choice((*NUMBERS, things.incarnation, dice.randrange(20)))
    return max(least, min(most, drawn))


def _text(info: inspect.StrType, dice: random.Random, things: Things) -> str:
    if info.pattern is None:
        return dice.choice((*TEXTS, *things.names))[: info.max_length or None]
    if "{6}" in info.pattern:
        return f"{dice.randrange(10**6):06}"
    if info.min_length is not None:  # The secret of a link.
        return "secret" * 4
    return dice.choice((*things.names, "nobody"))


# ---- Bending ----


def bent(dice: random.Random, frame: bytes) -> bytes:
    """Return a frame with one of its values replaced by another, dropped, doubled or added."""
    tree = msgspec.msgpack.decode(frame)
    places: list[tuple[Any, Any]] = []
    _collect(tree, places)
    if not places:
        return frame
    parent, key = dice.choice(places)
    match dice.randrange(5):
        case 0 | 1 | 2:
            parent[key] = dice.choice(ODD)
        case 3:
            del parent[key]
        case _ if isinstance(parent, list):
            parent.extend([parent[key]] * dice.choice((1, 2, 300)))
        case _:
            parent[dice.choice(("type", "id", "x", ""))] = parent[key]
    return msgspec.msgpack.encode(tree)


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:
    """Add every place inside a value: (its list or map, its index or key)."""
    inner = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    for key, value in inner:
        places.append((node, key))
        if isinstance(value, dict | list):
            _collect(value, places)
