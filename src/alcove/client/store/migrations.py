"""From an empty database to today's tables: the first ones, then numbered changes.

    schema/*.sql                       the tables of version 1, one file for each noun
    schema/changes/0002_something.sql  what made version 2 of it, and so on

A database remembers its version in `user_version`.  Each step is one transaction, so a power cut
leaves the version before or the one after.  A change that was ever published is never edited.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, NamedTuple

from alcove.client.store.failures import NewerError

if TYPE_CHECKING:  # The database makes its own tables when it is in memory.
    from alcove.client.store.database import Database

SCHEMA: Final = "alcove.client.store.schema"
_CHANGE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class Step(NamedTuple):
    """What leads to one version."""

    version: int
    sql: str


@cache
def known() -> tuple[Step, ...]:
    """Return every step that this program knows, in order."""
    folder = resources.files(SCHEMA)
    tables = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    first = "\n".join((folder / name).read_text("utf-8") for name in tables)
    changes = folder / "changes"
    named = sorted(file.name for file in changes.iterdir()) if changes.is_dir() else []
    return (Step(1, first), *(read_change(name, (changes / name).read_text()) for name in named))


def read_change(file_name: str, sql: str) -> Step:
    """Return the step that a file holds."""
    match = _CHANGE.fullmatch(file_name)
    assert match is not None, f"{file_name} is not called like 0002_something.sql"
    return Step(int(match[1]), sql)


def version(database: "Database") -> int:
    """Return the version of the tables; 0 for an empty database."""
    line = database.one("PRAGMA user_version")
    assert line is not None
    return int(line[0])


def migrate(database: "Database", steps: Sequence[Step] | None = None) -> tuple[int, ...]:
    """Take every step that is missing, and return which versions those led to."""
    steps = known() if steps is None else steps
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    there = version(database)
    if there > len(steps):
        raise NewerError(
            f"The local database was last used by a newer Alcove (its tables are version {there},"
            f" and this program knows {len(steps)}), so nothing was changed: install the newer one."
        )
    missing = steps[there:]
    for step in missing:
        _take(database, step)
    return tuple(step.version for step in missing)


def _take(database: "Database", step: Step) -> None:
    """Take one step: all of it, or nothing."""
    try:
        database.script(f"BEGIN IMMEDIATE;\n{step.sql}\n;")
        assert database.raw.in_transaction, "a change may not end its transaction"
        stray = database.all("PRAGMA foreign_key_check")
        assert not stray, f"version {step.version} leaves lines that point nowhere"
        database.run(f"PRAGMA user_version = {step.version}")
        database.commit()
    except BaseException:
        database.rollback()
        raise
