"""The rule for query plans that all tests of the server keep: what it finds, and what it lets pass.

The statements themselves are looked at where they are sent: see `tests/server/conftest.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alcove.server.store.database import Connection
from alcove.server.store.migrations import pending
from alcove.server.store.opening import open_sqlite
from tests.store import plans

BAD = [
    ("SELECT body FROM entry WHERE at > ?", "entry"),
    ("SELECT COUNT(*) FROM answer", "answer"),
    ("SELECT at FROM event WHERE kind = ? ORDER BY number LIMIT 5", "event"),
    ("SELECT number FROM letter ORDER BY at, body LIMIT 5", "letter"),
    ("DELETE FROM package WHERE used > ?", "package"),
    ("UPDATE member SET passed = 0 WHERE account = ?", "member"),
    ("SELECT 1 FROM room r JOIN inbox AS i ON i.room = r.number WHERE r.kind = ?", "inbox"),
    ("DELETE FROM blob WHERE blob IN (SELECT blob FROM blob WHERE size > ? LIMIT 5)", "blob"),
]

FINE = [
    "SELECT body FROM entry WHERE room = ? AND seq > ? ORDER BY seq LIMIT 5",
    "SELECT MAX(number) FROM letter",
    "SELECT number FROM event ORDER BY number DESC LIMIT 5",
    "SELECT at FROM event WHERE suspicious = 1 ORDER BY number DESC LIMIT 5",
    "SELECT name FROM setting",
    "UPDATE member SET passed = 0 WHERE room = ? AND device = ?",
    "INSERT INTO setting (name, value, changed_at) VALUES ('a', 'b', 1)",
    "SELECT COALESCE(SUM(size), 0) FROM blob",
]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    connection = open_sqlite(str(tmp_path / "alcove.sqlite"), 0).writer()
    yield connection
    connection.close()


def look(connection: Connection, sql: str) -> list[str]:
    seen = plans.Seen()
    values = (None,) * sql.count("?")
    for _ in range(2):
        plans.judge(seen, connection._db, sql, values)  # type: ignore[attr-defined]
    return seen.scans


@pytest.mark.parametrize(("sql", "table"), BAD)
def test_a_statement_that_reads_a_whole_table_is_found(
    connection: Connection, sql: str, table: str
) -> None:
    assert look(connection, sql) == [f"{table}: {plans.plain(sql)}"]


@pytest.mark.parametrize("sql", FINE)
def test_a_statement_that_finds_its_lines_is_left_alone(connection: Connection, sql: str) -> None:
    assert look(connection, sql) == []


def test_what_the_server_asks_is_looked_at_and_what_a_test_asks_is_not(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = plans.Seen()
    with plans.watch(monkeypatch, seen):
        connection.all("SELECT COUNT(*) FROM entry")
        pending(connection)
    assert "SELECT MAX(number) FROM migration" in seen.statements
    assert seen.scans == []


def test_every_statement_that_may_read_a_whole_table_says_why() -> None:
    assert all(reason.endswith(".") for reason in plans.MAY_SCAN.values())
