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


def free_number(tx: Tx, at: int, after: int = 0) -> int:
    """Return a number that no line has, behind another one and as near to its time as can be."""
    first = max(first_number(at), after - after % NUMBERS_PER_MS)
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

TAIL_LINES = 64
"""So many of the newest lines are read by a search themselves: a line alone costs the index more
than all the rest of a message, and so many together hardly anything."""


def room_tag(room: bytes) -> str:
    """Return the three characters by which the search knows a room."""
    return "".join(chr(TAG_FIRST + int.from_bytes(room[at : at + 2], "big")) for at in (0, 2, 4))


def index(tx: Tx, room: bytes, number: int, text: str) -> None:
    """Let the search find a line: at once if it is among the newest, else once this step ends."""
    if number > _edge(tx):
        tx.memory.search_tail += 1
    else:
        tx.unindexed[number] = text, room_tag(room)


def unindex(tx: Tx, room: bytes, number: int, text: str) -> None:
    """Let the search forget a line; the index has to be told what it knew."""
    if number > _edge(tx):
        tx.memory.search_tail -= 1
        return
    if tx.unindexed.pop(number, None) is not None:
        return
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


def settle_index(tx: Tx) -> None:
    """Write what the index has to know, at the end of a step; lines that go up cost it least."""
    if tx.unindexed:
        tx.many(_INDEX, [(number, *said) for number, said in sorted(tx.unindexed.items())])
        tx.unindexed.clear()
    if tx.memory.search_edge is None or tx.memory.search_tail < TAIL_LINES:
        return
    tail = tx.all(
        "SELECT number, text, room FROM line WHERE number > ? AND text != '' ORDER BY number",
        tx.memory.search_edge,
    )
    tx.many(_INDEX, [(number, text, room_tag(room)) for number, text, room in tail])
    if tail:
        tx.run("UPDATE indexed SET number = ? WHERE one = 1", tail[-1][0])
    tx.memory.search_edge = None


_INDEX = "INSERT INTO search (rowid, text, room) VALUES (?, ?, ?)"


def _edge(tx: Tx) -> int:
    """Return the number of the newest line that the index knows."""
    if tx.memory.search_edge is None:
        (tx.memory.search_edge,) = tx.line("SELECT number FROM indexed")
        (tx.memory.search_tail,) = tx.line(
            "SELECT COUNT(*) FROM line WHERE number > ? AND text != ''", tx.memory.search_edge
        )
    edge: int = tx.memory.search_edge
    return edge
