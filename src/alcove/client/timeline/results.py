"""What people have done to lines: reactions, pins, votes, mutes."""

from typing import NamedTuple

from alcove.client.store.database import Database
from alcove.client.store.database import Line as Values
from alcove.client.timeline.reading import COLUMNS, Line, shown
from alcove.client.timeline.rows import NOT_BLOCKED, WAITING
from alcove.wire.content import Poll, Vote, decode_content, shown_text

REACTIONS_MAX = 50
"""Different emoji that are shown under one line; the first that were used."""
PINS_MAX = 200
"""Pinned lines that are shown; the newest."""


class Reaction(NamedTuple):
    """One emoji under a line."""

    emoji: str
    accounts: tuple[bytes, ...]
    """Who put it there, in that order."""


class Option(NamedTuple):
    """One answer of a poll."""

    text: str
    accounts: tuple[bytes, ...]


class Results(NamedTuple):
    """A poll, as it stands."""

    question: str
    options: tuple[Option, ...]
    voters: int
    is_multiple: bool
    closes_at: int | None
    is_over: bool
    """Somebody has ended it.  One that closes by itself is over at `closes_at`."""


def _about(
    db: Database, number: int, kinds: str
) -> list[tuple[int, str, int, int, bytes, str, bytes]]:
    """Return what counts of what was said about a line, in the order of the log."""
    return db.all(
        f"""
        SELECT act.seq, act.kind, act.is_on, act.at, act.account, act.word, act.body
        FROM line JOIN line AS act
            ON act.target = line.content AND act.room = line.room
            AND act.target_account = line.account
        WHERE line.number = ? AND line.is_shown = 1 AND line.deleted_by = x''
            AND act.kind IN ({kinds}) AND act.counts = 1 AND act.is_muted = 0
            AND act.state != 'failed'
        ORDER BY act.seq
        """,  # noqa: S608  # Names of ours.
        number,
    )


def reactions(db: Database, number: int) -> list[Reaction]:
    """Return the reactions under a line."""
    found: dict[str, dict[bytes, None]] = {}
    for _seq, _kind, is_on, _at, account, emoji, _body in _about(db, number, "'react'"):
        accounts = found.setdefault(shown_text(emoji), {})
        if is_on:
            accounts.setdefault(account)
        else:
            accounts.pop(account, None)
    filled = [Reaction(emoji, tuple(accounts)) for emoji, accounts in found.items() if accounts]
    return filled[:REACTIONS_MAX]


def poll(db: Database, number: int) -> Results | None:
    """Return how a poll stands; None for what is no poll."""
    row = db.one(
        "SELECT body FROM line WHERE number = ? AND kind = 'poll' AND deleted_by = x''", number
    )
    asked = None if row is None else decode_content(row[0])
    if not isinstance(asked, Poll):
        return None
    votes: dict[bytes, tuple[int, ...]] = {}
    is_over = False
    for _seq, kind, _on, at, account, _word, body in _about(db, number, "'vote', 'end_poll'"):
        vote = decode_content(body)
        if kind == "end_poll":
            is_over = True
        elif (
            not is_over
            and isinstance(vote, Vote)
            and (asked.closes_at is None or at <= asked.closes_at)
        ):
            votes[account] = _choices(asked, vote)
    options = tuple(
        Option(shown_text(text), tuple(who for who, chosen in votes.items() if choice in chosen))
        for choice, text in enumerate(asked.options)
    )
    return Results(
        shown_text(asked.question), options, sum(1 for chosen in votes.values() if chosen),
        asked.is_multiple, asked.closes_at, is_over,
    )  # fmt: skip


def _choices(asked: Poll, vote: Vote) -> tuple[int, ...]:
    """Return what of a vote the poll has room for."""
    chosen = tuple(sorted({choice for choice in vote.options if choice < len(asked.options)}))
    return chosen if asked.is_multiple else chosen[:1]


def pins(db: Database, room: bytes) -> list[Line]:
    """Return the lines that are pinned in a room, the newest pin in front."""
    newest: dict[tuple[bytes, bytes], int] = {}
    for target, account, is_on in db.all(
        """
        SELECT target, target_account, is_on FROM line
        WHERE kind = 'pin' AND room = ? AND counts = 1 AND is_muted = 0 AND state != 'failed'
        ORDER BY seq
        """,
        room,
    ):
        newest.pop((target, account), None)
        newest[target, account] = is_on
    pinned = [key for key, is_on in newest.items() if is_on][::-1][:PINS_MAX]
    rows: list[Values] = []
    for target, account in pinned:
        rows += db.all(
            f"""
            SELECT {COLUMNS} FROM line
            WHERE content = ? AND room = ? AND account = ? AND is_shown = 1 AND deleted_by = x''
                AND kind IN ('text', 'poll', 'unknown') AND {NOT_BLOCKED}
            """,  # noqa: S608
            target, room, account,
        )  # fmt: skip
    return shown(db, rows)


def muted(db: Database, room: bytes) -> list[bytes]:
    """Return the accounts that are muted in a room now."""
    words = db.all(
        """
        SELECT target_account, is_on FROM line
        WHERE kind = 'mute' AND room = ? AND counts = 1 AND seq < ? ORDER BY seq
        """,
        room, WAITING,
    )  # fmt: skip
    newest: dict[bytes, int] = dict(words)
    return sorted(account for account, is_on in newest.items() if is_on)
