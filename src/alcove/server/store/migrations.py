"""Numbered steps from an empty database to today's tables, each taken once and in one transaction.

    schema/0001_first.sql          the table `migration` remembers which were taken, when, and the
    schema/0002_something.sql      hash of what they said: neither a step that was edited afterwards
    ...                            nor a database from a newer program goes unnoticed

A file that was ever published is never edited, but for its comments: the hash is without them.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from alcove.server.store.database import Connection, DatabaseRefused

_FILE: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    number: int
    name: str
    statements: tuple[str, ...]
    """Without comments."""

    @property
    def hash(self) -> bytes:
        """SHA-256 of what it does, however that is laid out."""
        words = "\n".join(" ".join(statement.split()) for statement in self.statements)
        return hashlib.sha256(words.encode()).digest()

    @property
    def title(self) -> str:
        """What people call it: the name of its file."""
        return f"{self.number:04}_{self.name}"


@cache
def known() -> tuple[Migration, ...]:
    """Return every step that this program knows, in order."""
    folder = resources.files("alcove.server.store") / "schema"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(read_migration(name, (folder / name).read_text("utf-8")) for name in files)


def read_migration(file_name: str, sql: str) -> Migration:
    """Return the step that a file holds."""
    match = _FILE.fullmatch(file_name)
    assert match is not None, f"{file_name} is not called like 0001_first.sql"
    return Migration(int(match[1]), match[2], statements(sql))


def statements(sql: str) -> tuple[str, ...]:
    """Return the statements of a script, one by one and without their comments."""
    bare = "\n".join(line.partition("--")[0].rstrip() for line in sql.splitlines())
    return tuple(part.strip() for part in bare.split(";") if part.strip())


def pending(
    connection: Connection, migrations: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """Return the steps that a database still needs; raise for one that is not ours to change."""
    migrations = known() if migrations is None else migrations
    assert [step.number for step in migrations] == list(range(1, len(migrations) + 1))
    taken = version(connection)
    if taken > len(migrations):
        raise DatabaseRefused(
            f"The database is of schema {taken} and this program knows only {len(migrations)}:"
            " it was last used by a newer Alcove, so install that one or restore an older backup."
        )
    if taken:
        lines = connection.all("SELECT number, hash FROM migration ORDER BY number")
        for step, (_, hashed) in zip(migrations, lines, strict=False):
            if hashed != step.hash:
                raise DatabaseRefused(
                    f"The database was made by another {step.title} than the one in this program:"
                    " one of them was changed by hand, so install the program again."
                )
    return tuple(migrations[taken:])


def version(connection: Connection) -> int:
    """Return the number of the last step that was taken; 0 for an empty database."""
    tables = {column.table: None for column in connection.columns()}
    if not tables:
        return 0
    if "migration" not in tables:
        raise DatabaseRefused(
            "The database holds tables that are not Alcove's: give Alcove one of its own."
        )
    (number,) = connection.one("SELECT MAX(number) FROM migration") or (None,)
    return int(number or 0)


def migrate(
    connection: Connection, now: int, migrations: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """Take every step that is missing and return which those were.

    A step that fails leaves no trace: the database is as the one before has left it.
    """
    steps = pending(connection, migrations)
    for step in steps:
        connection.begin()
        try:
            take(connection, step, now)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
    return steps


def take(connection: Connection, step: Migration, now: int) -> None:
    """Take one step, inside the transaction that is open."""
    for statement in step.statements:
        connection.define(statement)
    connection.run(
        "INSERT INTO migration (number, name, at, hash) VALUES (?, ?, ?, ?)",
        step.number,
        step.name,
        now,
        step.hash,
    )
