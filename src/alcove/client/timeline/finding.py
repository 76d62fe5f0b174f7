"""The local search, and the lists of a room's files and topics."""

from itertools import islice
from typing import NamedTuple

from alcove.client.store.database import Database
from alcove.client.timeline.reading import COLUMNS, PAGE_LINES_MAX, Line, shown
from alcove.client.timeline.rows import NOT_BLOCKED, room_tag
from alcove.wire.content import File, Text

WORDS_MAX = 8
"""So many words of a search are looked for."""
SEARCH_CHARACTERS_MAX = 200
"""So much of a search is read."""
LOOKED_AT_LINES = 5_000
"""So many of the newest lines are read where the index cannot help: words of two characters."""
SMALL_ROOM_LINES = 2_000
"""A room of no more is read, however long the words are."""
PIECE_CHARACTERS = 3
"""The index holds all pieces of this length."""


class Found(NamedTuple):
    """A file, and the line that it belongs to."""

    number: int
    room: bytes
    account: bytes
    at: int
    file: File


class Topic(NamedTuple):
    """A thread of talk within a room."""

    name: str
    lines: int
    newest: int
    """The number of its newest line."""


def search(
    db: Database, words: str, room: bytes | None = None, before: int | None = None, limit: int = 50
) -> list[Line]:
    """Return lines that hold every one of these words, newest first, without ranking.

    Case does not matter, and a word may be a part of a longer one.  What stands in quotation marks
    is one word.  `before` is the number of the last line of the page before.
    """
    wanted = _wanted(words[:SEARCH_CHARACTERS_MAX])
    limit = min(limit, PAGE_LINES_MAX)
    behind = 2**62 if before is None else before
    if not wanted:
        return []
    long = [word for word in wanted if len(word) >= PIECE_CHARACTERS]
    if not long or (room is not None and _is_small(db, room)):
        numbers = _read_through(db, wanted, room, behind, limit)
    else:
        short = [word for word in wanted if len(word) < PIECE_CHARACTERS]
        numbers = _newest(db, wanted, room, behind, limit)
        if len(numbers) < limit:
            numbers += _look_up(db, long, short, room, behind, limit - len(numbers))
    rows = [
        db.all(f"SELECT {COLUMNS} FROM line WHERE number = ?", number)[0]  # noqa: S608
        for number in numbers
    ]
    return shown(db, rows)


def _is_small(db: Database, room: bytes) -> bool:
    """Return whether reading all of a room is quicker than looking at the whole index."""
    row = db.one(
        """
        SELECT COUNT(*) FROM
            (SELECT 1 FROM line WHERE room = ? AND is_shown = 1 LIMIT ?)
        """,
        room, SMALL_ROOM_LINES + 1,
    )  # fmt: skip
    return row is not None and row[0] <= SMALL_ROOM_LINES


def _newest(
    db: Database, wanted: list[str], room: bytes | None, behind: int, limit: int
) -> list[int]:
    """Read the newest lines, which the index does not know yet."""
    rows = db.each(
        f"""
        SELECT number, text FROM line
        WHERE number > (SELECT number FROM indexed) AND number < ? AND (? OR room = ?)
            AND text != '' AND {NOT_BLOCKED}
        ORDER BY number DESC
        """,  # noqa: S608  # Words of ours.
        behind, room is None, room,
    )  # fmt: skip
    return list(islice((number for number, text in rows if _holds(text, wanted)), limit))


def _look_up(
    db: Database, long: list[str], short: list[str], room: bytes | None, behind: int, limit: int
) -> list[int]:
    """Ask the index; words that are too short for it are looked for in what it finds."""
    terms = [f"text : {_quoted(word)}" for word in long]
    if room is not None:
        terms.append(f"room : {_quoted(room_tag(room))}")
    rows = db.each(
        f"""
        SELECT line.number, line.text FROM search CROSS JOIN line ON number = search.rowid
        WHERE search MATCH ? AND search.rowid < ? AND (? OR line.room = ?) AND {NOT_BLOCKED}
        ORDER BY search.rowid DESC LIMIT ?
        """,  # noqa: S608
        " AND ".join(terms), behind, room is None, room, LOOKED_AT_LINES if short else limit,
    )  # fmt: skip
    return list(islice((number for number, text in rows if _holds(text, short)), limit))


def _read_through(
    db: Database, wanted: list[str], room: bytes | None, behind: int, limit: int
) -> list[int]:
    """Read the newest lines themselves."""
    where = "room = ? AND is_shown = 1 AND" if room is not None else ""
    rows = db.each(
        f"""
        SELECT number, text FROM line
        WHERE {where} number < ? AND text != '' AND {NOT_BLOCKED}
        ORDER BY number DESC LIMIT ?
        """,  # noqa: S608  # Words of ours.
        *([] if room is None else [room]), behind, LOOKED_AT_LINES,
    )  # fmt: skip
    return list(islice((number for number, text in rows if _holds(text, wanted)), limit))


def _holds(text: str, wanted: list[str]) -> bool:
    """Return whether a text has all these words, whatever their case."""
    folded = text.casefold()
    return all(word.casefold() in folded for word in wanted)


def _wanted(text: str) -> list[str]:
    """Return the words of a search; every second part between quotation marks is one."""
    found: list[str] = []
    for at, part in enumerate(text.replace("\x00", " ").split('"')):
        if at % 2:
            found.append(part.strip())
        else:
            found.extend(part.split())
    return [word for word in found if word][:WORDS_MAX]


def _quoted(word: str) -> str:
    """Return a word as the index's own language has it; there is no quotation mark in it."""
    return f'"{word}"'


def files(
    db: Database, room: bytes | None = None, before: int | None = None, limit: int = 50
) -> list[Found]:
    """Return files that were sent, newest first; `before` is the number of the last line seen."""
    rows = db.all(
        f"""
        SELECT {COLUMNS} FROM line
        WHERE files > 0 AND is_shown = 1 AND deleted_by = x'' AND number < ? AND (? OR room = ?)
            AND {NOT_BLOCKED}
        ORDER BY number DESC LIMIT ?
        """,  # noqa: S608
        2**62 if before is None else before, room is None, room, min(limit, PAGE_LINES_MAX),
    )  # fmt: skip
    return [
        Found(line.number, line.room, line.account or b"", line.at, file)
        for line in shown(db, rows)
        if isinstance(line.said, Text)
        for file in line.said.files
    ]


def topics(db: Database, room: bytes) -> list[Topic]:
    """Return the topics of a room, the one that was spoken of last in front."""
    return [
        Topic(*row)
        for row in db.all(
            """
            SELECT word, COUNT(*), MAX(number) FROM line
            WHERE kind = 'text' AND word != '' AND room = ? AND is_shown = 1
                AND deleted_by = x''
            GROUP BY word ORDER BY MAX(number) DESC
            """,
            room,
        )
    ]
