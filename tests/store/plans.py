"""How SQLite would carry statements out: which tables it would read from end to end.

`watch` looks at every statement that the server sends while tests run, once each.  A table that
grows with its server must be entered by an index, or read in its order up to a limit; the few
statements that may read one whole stand in `MAY_SCAN`, each with its reason.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alcove.server.store.sqlite import SqliteConnection
from alcove.server.store.sqlite import __file__ as driver

SOURCE = str(Path(driver).parents[1])
"""The server's own code: what tests ask is nobody's business."""
WHOLE = tuple(str(Path(SOURCE, "io", name)) for name in ("backup.py", "restore.py"))
"""Modules that copy whole tables: that is what they are for."""
SMALL = ("migration", "server", "incarnation", "setting", "leftover", "alias", "sqlite_schema")
"""Tables that hold little, whatever happens."""
SMALL_INDEXES = (
    "account_host", "event_suspicious_all", "event_cleared", "invite_owner", "link_used_up",
)  # fmt: skip
"""Indexes of which the same is true, though their tables are large."""

MAY_SCAN = {
    "SELECT (SELECT COUNT(*) FROM account),":
        "The host's figures count everything, by the smallest index of each table.",
    "SELECT COALESCE(SUM(size), 0) FROM blob":
        "Only where the host limits all files together; it reads one small index.",
}  # fmt: skip
"""How statements begin that read a table from end to end, and why each of them may."""

_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+AS)?(?:\s+(\w+))?", re.IGNORECASE)
_SCAN = re.compile(r"^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_WORDS = ("WHERE", "SET", "ORDER", "ON", "JOIN", "CROSS", "LEFT", "GROUP", "LIMIT", "VALUES")
_ASKED = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")


@dataclass
class Seen:
    """Statements that were looked at, and what was found."""

    statements: set[str] = field(default_factory=set)
    scans: list[str] = field(default_factory=list)
    """Statements that read a whole table, each with the table."""


def plain(sql: str) -> str:
    """Return a statement on one line, with one mark where it has a list of them."""
    return re.sub(r"\?(, \?)+", "?, ?", " ".join(sql.split()))


def scanned(sql: str, plan: list[str]) -> list[str]:
    """Return the tables that a plan reads from end to end and that may be large."""
    if (
        re.search(r"\bLIMIT\b", sql)
        and "WHERE" not in sql
        and not any("TEMP" in step for step in plan)
    ):
        return []  # It reads the first lines in their order, and no more.
    names = {}
    for table, alias in _TABLE.findall(sql):
        names[table] = table
        if alias and alias.upper() not in _WORDS:
            names[alias] = table
    scans = [match for step in plan if (match := _SCAN.match(step))]
    found = [scan[1] for scan in scans if scan[2] not in SMALL_INDEXES]
    tables = [names[name] for name in found if name in names]
    return [table for table in tables if table not in SMALL]


def judge(seen: Seen, connection: Any, sql: str, values: tuple[Any, ...]) -> None:
    """Look at a statement that was not seen before."""
    statement = plain(sql)
    if statement in seen.statements or not statement.startswith(_ASKED):
        return
    seen.statements.add(statement)
    plan = [line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    if not statement.startswith(tuple(MAY_SCAN)):
        seen.scans += [f"{table}: {statement}" for table in scanned(sql, plan)]


def is_ours() -> bool:
    """Return whether it is the server that asks, for less than all that there is."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename in _BETWEEN and frame.f_back is not None:
        frame = frame.f_back
    asker = frame.f_code.co_filename
    return asker.startswith(SOURCE) and asker not in WHOLE


_BETWEEN = (__file__, driver, str(Path(SOURCE, "tx.py")))


@contextmanager
def watch(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> Iterator[Seen]:
    """Look at all statements of the server's meanwhile."""

    def wrap(name: str) -> None:
        ask = getattr(SqliteConnection, name)

        def asked(self: SqliteConnection, sql: str, *values: Any) -> Any:
            if is_ours():
                judge(seen, self._db, sql, values)
            return ask(self, sql, *values)

        monkeypatch.setattr(SqliteConnection, name, asked)

    for name in ("all", "each", "one", "run"):
        wrap(name)
    yield seen
