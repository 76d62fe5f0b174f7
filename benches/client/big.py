"""An account with 200 rooms and a million messages: opened, and searched.

Its lines are written straight into the tables, by the same functions that say what a line's columns
are; one that came the usual way is compared with one that was made, column by column.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alcove.client import Client, profiles
from alcove.client.io.opening import make_profile, profiles_of
from alcove.client.store.database import Database
from alcove.client.timeline import Opened as Entry
from alcove.client.timeline import take
from alcove.client.timeline.rows import facts, first_number, room_tag
from alcove.client.tx import Memory, Tx
from alcove.wire.content import Content, Said, Text, encode_content
from alcove.wire.ids import NOTHING_BEFORE, Millis
from benches.client.town import PASSPHRASE
from benches.server.figures import percentile
from benches.server.plan import Plan

ROOMS: Final = 200
MESSAGES: Final = 1_000_000
QUICK_MESSAGES: Final = 20_000
BUSIEST_ROOMS: Final = 60
"""Among so many of the rooms most of the talk goes on."""
AT_ONCE: Final = 10_000
OPENINGS: Final = 7
SEARCHES: Final = 300
QUICK_SEARCHES: Final = 60
BEGIN_MS: Final = 1_700_000_000_000
STEP_MS: Final = 60_000
"""A message a minute."""
SYLLABLES: Final = (
    "ba", "be", "co", "da", "el", "fi", "ga", "ha", "in", "ka", "lo", "mu", "no", "or", "pe", "qui",
    "ra", "so", "tu", "ve", "wi", "xa", "yo", "zu", "ster", "ment", "ling", "ton", "berg", "wick",
)  # fmt: skip
WORDS: Final = 5_000
"""Different words; the first ones are said most, as in any language."""
WORDS_MAX: Final = 14
"""In one message."""
ME: Final = b"\1" * 16


def run(plan: Plan) -> None:
    """Make the account, open it, and search in it."""
    count = QUICK_MESSAGES if plan.is_quick else MESSAGES
    folder = plan.folder / "big"
    dice = random.Random(1)
    words = make_words(dice)
    begin_s = time.perf_counter()
    make(folder, dice, words, count)
    plan.figures.add("made_in_s", time.perf_counter() - begin_s, "s")
    plan.play(_look(plan, folder, dice, words))


# ---- Making it ----


def make_words(dice: random.Random) -> list[str]:
    """Return a language."""
    found = {"".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))): None for _ in range(WORDS * 2)}
    return list(found)[:WORDS]


def _texts(dice: random.Random, words: list[str], count: int) -> Iterator[str]:
    """Yield what is said; how often a word comes falls with its number (Zipf)."""
    weights = [1 / number for number in range(1, len(words) + 1)]
    pool = dice.choices(words, weights, k=200_003)
    for number in range(count):
        at = dice.randrange(len(pool) - WORDS_MAX)
        yield " ".join((*pool[at : at + dice.randint(1, WORDS_MAX)], str(number)))


def make(folder: Path, dice: random.Random, words: list[str], count: int) -> None:
    """Make an account in which so much was said."""
    folder.mkdir(parents=True)
    disk = profiles_of(folder)
    profile = disk.create("account", "http://localhost:1", "")
    disk.change(profile, account="ada")
    opened = make_profile(disk, disk.profile("account"), PASSPHRASE)
    try:
        _fill(opened.db, dice, words, count)
    finally:
        opened.close()


def _fill(db: Database, dice: random.Random, words: list[str], count: int) -> None:
    db.begin()
    db.run(
        """
        INSERT INTO me (one, account, name, device, server, signing_key, identity, certificate,
            archive_key, state)
        VALUES (1, ?, 'ada', ?, ?, ?, ?, x'', x'', 'in')
        """,
        ME, ME, bytes(32), dice.randbytes(32), bytes(32),
    )  # fmt: skip
    rooms = [dice.randbytes(16) for _ in range(ROOMS)]
    people = [dice.randbytes(16) for _ in range(ROOMS)]
    tx = Tx(db, Memory(), dice.randbytes, BEGIN_MS)
    for number, room in enumerate(rooms):
        db.run(
            """
            INSERT INTO room (room, kind, history, state, handshake)
            VALUES (?, 'group', 'open', 'making', ?)
            """,
            room, NOTHING_BEFORE,
        )  # fmt: skip
        profiles.set_profile(tx, room, name=f"room {number}")
    db.run("UPDATE room SET state = 'active'")
    db.commit()
    _compare(db, rooms[0], people[0])
    at, batch = BEGIN_MS, []
    for number, text in enumerate(_texts(dice, words, count)):
        at += STEP_MS
        place = min(int(dice.expovariate(1 / BUSIEST_ROOMS)), ROOMS - 1)
        content_id = dice.randbytes(16)
        batch.append((number + 2, at, rooms[place], people[place], content_id, Text(text)))
        if len(batch) == AT_ONCE:
            _write(db, batch)
            batch = []
    _write(db, batch)


def _write(db: Database, batch: list[tuple[int, Millis, bytes, bytes, bytes, Text]]) -> None:
    """Write lines, in one transaction."""
    db.begin()
    lines = [_row(*one) for one in batch]
    db.many(_LINE, lines)
    db.many(
        "INSERT INTO search (rowid, text, room) VALUES (?, ?, ?)",
        [(line[0], line[-2], room_tag(line[1])) for line in lines],
    )
    if lines:
        db.run("UPDATE indexed SET number = ?", lines[-1][0])
    db.commit()


_LINE: Final = """
INSERT INTO line (number, room, is_shown, seq, kind, state, at, account, device, content, target,
    target_account, is_on, word, counts, is_muted, expires_at, names_me, files, text, body)
VALUES (?, ?, 1, ?, 'text', 'stored', ?, ?, ?, ?, NULL, NULL, 0, '', 1, 0, 0, 0, 0, ?, ?)
"""


def _row(
    seq: int, at: Millis, room: bytes, account: bytes, content_id: bytes, content: Content
) -> tuple[Any, ...]:
    """Return what a line has in its columns."""
    known = facts(content, account)
    return (
        first_number(at), room, seq, at, account, account, content_id, known.text,
        encode_content(content),
    )  # fmt: skip


def _compare(db: Database, room: bytes, account: bytes) -> None:
    """See that what is written here is what a device writes."""
    content, content_id = Text("a message like any other"), b"\2" * 16
    said = Said(content, 0, bytes(32), 0, BEGIN_MS)
    db.begin()
    tx = Tx(db, Memory(), random.Random(1).randbytes, BEGIN_MS)
    take(tx, room, Entry(1, BEGIN_MS, account, account, content_id, said, None))
    usual = db.all("SELECT * FROM line")
    db.rollback()
    db.begin()
    db.many(_LINE, [_row(1, BEGIN_MS, room, account, content_id, content)])
    made = db.all("SELECT * FROM line")
    db.rollback()
    assert usual == made, "lines have other columns by now: let _row write them too"


# ---- Looking at it ----


async def _look(plan: Plan, folder: Path, dice: random.Random, words: list[str]) -> None:
    open_s = [await _opened_s(folder) for _ in range(OPENINGS)]
    plan.figures.add("open_big_s", statistics.median(open_s), "s")
    plan.figures.add("open_big_most_s", max(open_s), "s")
    client = await Client(folder, passphrase=PASSPHRASE, connect=False).open()
    count = QUICK_SEARCHES if plan.is_quick else SEARCHES
    try:
        rooms = client.rooms()
        asked = [_asked(dice, words) for _ in range(count)]
        everywhere = [_search_ms(client, words) for words in asked]
        inside = [_search_ms(client, words, dice.choice(rooms)) for words in asked]
    finally:
        await client.close(0)
    for name, took_ms in (("search", everywhere), ("search_room", inside)):
        took_ms.sort()
        plan.figures.add(f"{name}_p50_ms", percentile(took_ms, 50), "ms")
        plan.figures.add(f"{name}_p95_ms", percentile(took_ms, 95), "ms")


async def _opened_s(folder: Path) -> float:
    """Open the account, and look at every room's name and newest message, as a list shows them."""
    begin_s = time.perf_counter()
    client = await Client(folder, passphrase=PASSPHRASE, connect=False).open()
    seen = [(room.title, room.history(1)) for room in client.rooms()]
    took_s = time.perf_counter() - begin_s
    assert len(seen) == ROOMS
    await client.close(0)
    return took_s


def _asked(dice: random.Random, words: list[str]) -> str:
    """Return what somebody looks for: one word or two, often said or hardly ever."""
    long = [word for word in words if len(word) > 2]
    first = long[min(int(dice.expovariate(1 / 300)), len(long) - 1)]
    return first if dice.random() < 0.6 else f"{first} {dice.choice(long[:50])}"


def _search_ms(client: Client, words: str, room: Any = None) -> float:
    begin_s = time.perf_counter()
    client.search(words, room=room)
    return (time.perf_counter() - begin_s) * 1000
