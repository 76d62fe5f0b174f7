"""Lines as the table has them: their columns, their numbers, and what the search knows of them."""

from typing import NamedTuple

from alcove.client.tx import Tx
from alcove.wire.content import (
    Content,
    Delete,
    Edit,
    EndPoll,
    Mute,
    Pin,
    Poll,
    React,
    Text,
    Vote,
    shown_name,
    shown_text,
)

WAITING = 2**52
"""Places from here on are no places of the log: what waits stands there, in its order."""
SHOWN = ("text", "poll", "unknown")
"""Kinds that are lines of their own."""

NUMBERS_SINCE_MS = 1_577_836_800_000
"""Numbers of lines count from the year 2020 on, and stay below 2^53 until 2054."""
NUMBERS_PER_MS = 8192
_LATEST_MS = 2**40 - 1

NOT_BLOCKED = """
    (content IS NULL OR NOT EXISTS (
        SELECT 1 FROM block WHERE block.account = line.account AND block.is_ended = 0
            AND (line.at >= block.at
                OR line.room NOT IN (SELECT room FROM room WHERE kind = 'direct'))
    ))
"""
"""What people say who are blocked is not shown; alone with them, what they said before is."""

TAG_FIRST = 0xF0000
"""The search knows a room by three characters of a plane that no text uses."""


class Facts(NamedTuple):
    """What the table keeps of a content, in columns."""

    kind: str
    target: bytes | None = None
    target_account: bytes | None = None
    is_on: bool = True
    word: str = ""
    text: str = ""
    """What the search may find."""
    files: int = 0
    mentions: tuple[bytes, ...] = ()
    mentions_all: bool = False


def facts(content: Content, account: bytes) -> Facts:
    """Return what a content says, for the columns of its line."""
    match content:
        case Text():
            return Facts(
                "text",
                word=shown_name(content.topic) if content.topic else "",
                text=words(content),
                files=len(content.files),
                mentions=content.mentions,
                mentions_all=content.mentions_all,
            )
        case Edit():
            return Facts("edit", content.target, account)
        case Delete():
            return Facts("delete", content.target.content, content.target.account)
        case React():
            target = content.target
            return Facts("react", target.content, target.account, content.on, content.emoji)
        case Pin():
            return Facts("pin", content.target.content, content.target.account, content.on)
        case Poll():
            return Facts("poll", text=shown_text("\n".join((content.question, *content.options))))
        case Vote():
            return Facts("vote", content.target.content, content.target.account)
        case EndPoll():
            return Facts("end_poll", content.target.content, content.target.account)
        case Mute():
            return Facts("mute", None, content.account, content.on)
        case _:
            return Facts("unknown")


def words(content: Text) -> str:
    """Return everything of a message that the search may find."""
    if not content.files:
        return shown_text(content.text)
    names = [shown_name(file.name) for file in content.files]
    return "\n".join([shown_text(content.text), *names])


# ---- Numbers ----


def first_number(at: int) -> int:
    """Return the first number for a line of this time."""
    return max(0, min(at - NUMBERS_SINCE_MS, _LATEST_MS)) * NUMBERS_PER_MS


def free_number(tx: Tx, at: int) -> int:
    """Return a number that no line has, as near to its time as can be."""
    first = first_number(at)
    while True:
        (highest,) = tx.line(
            "SELECT MAX(number) FROM line WHERE number >= ? AND number < ?",
            first, first + NUMBERS_PER_MS,
        )  # fmt: skip
        if highest is None:
            return first
        if highest + 1 < first + NUMBERS_PER_MS:
            return int(highest) + 1
        first += NUMBERS_PER_MS


# ---- The search ----


def room_tag(room: bytes) -> str:
    """Return the three characters by which the search knows a room."""
    return "".join(chr(TAG_FIRST + int.from_bytes(room[at : at + 2], "big")) for at in (0, 2, 4))


def index(tx: Tx, room: bytes, number: int, text: str) -> None:
    """Let the search find a line."""
    tx.run("INSERT INTO search (rowid, text, room) VALUES (?, ?, ?)", number, text, room_tag(room))


def unindex(tx: Tx, room: bytes, number: int, text: str) -> None:
    """Let the search forget a line; it has to be told what it knew."""
    tx.run(
        "INSERT INTO search (search, rowid, text, room) VALUES ('delete', ?, ?, ?)",
        number, text, room_tag(room),
    )  # fmt: skip


def reindex(tx: Tx, room: bytes, number: int, before: str, after: str) -> None:
    """Let the search know what a line says now."""
    if before != after:
        if before:
            unindex(tx, room, number, before)
        if after:
            index(tx, room, number, after)
