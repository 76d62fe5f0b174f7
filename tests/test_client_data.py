"""docs/design/client-data.md, held against a real database of a client and the schema's comments.

`python -m tests.test_client_data --write` makes its tables anew.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from alcove.client.store.database import Database, open_memory
from tests.test_data_layout import between

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "design" / "client-data.md"
SCHEMA = ROOT / "src" / "alcove" / "client" / "store" / "schema"

WORDS = {
    "one": "always 1: there is one line",
    "room": "its id",
    "account": "its id",
    "device": "its id",
    "seq": "the place in the room's log",
    "since": "from this place on",
}
"""Columns that mean the same wherever nothing else is said."""


@dataclass
class Table:
    """A table as the schema tells it."""

    name: str
    chapter: str
    """What the first line of its file says."""
    about: str
    columns: dict[str, str] = field(default_factory=dict)
    """What the comment behind each says, and those above and below it."""
    key: str = ""
    indexes: list[str] = field(default_factory=list)


def told() -> dict[str, Table]:
    """Return what the schema says of its tables, file after file."""
    tables: dict[str, Table] = {}
    for path in sorted(SCHEMA.glob("*.sql")):
        tables |= told_by(path.read_text("utf-8"), tables)
    return tables


def told_by(text: str, before: dict[str, Table] | None = None) -> dict[str, Table]:
    """Return what one file says."""
    tables = dict(before or {})
    chapter = text.partition("\n")[0].removeprefix("--").strip()
    comment: list[str] = []
    table, column = Table("", "", ""), ""
    for line in text.splitlines():
        made = re.match(r"CREATE (?:VIRTUAL )?TABLE (\w+)", line)
        index = re.match(r"CREATE (?:UNIQUE )?INDEX (\w+) ON (\w+)", line)
        found = re.match(r"    ([a-z_]+) [A-Z].*?(?:--\s*(.*))?$", line)
        key = re.match(r"    PRIMARY KEY \((.*)\)", line)
        said = re.match(r"\s*--\s*(.*)$", line)
        if said and line.startswith("     " + " " * 10):
            table.columns[column] += f" {said[1]}"  # It goes on behind the column above.
            continue
        if said:
            comment.append(said[1])
            continue
        if made:
            table = tables[made[1]] = Table(made[1], chapter, " ".join(comment))
        elif index:
            tables[index[2]].indexes.append(index[1])
        elif key:
            table.key = key[1]
        elif found:
            column = found[1]
            behind = [found[2]] if found[2] else []
            table.columns[column] = " ".join([*comment, *behind]) or WORDS.get(column, "")
            if "PRIMARY KEY" in line:
                table.key = column
        comment = []
    return tables


@dataclass(frozen=True)
class Column:
    """A column as a real database has it."""

    name: str
    type: str
    is_empty_allowed: bool


def real(database: Database) -> dict[str, list[Column]]:
    """Return the tables of a database; those that SQLite's search makes for itself are not ours."""
    names = [
        name
        for (name,) in database.all(
            """
            SELECT name FROM sqlite_schema
            WHERE type = 'table' AND name NOT LIKE 'search\\_%' ESCAPE '\\'
                AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
            """
        )
    ]
    return {
        name: [
            Column(column, kind, not (not_null or in_key))
            for _, column, kind, not_null, _, in_key in database.all(f"PRAGMA table_info({name})")
        ]
        for name in names
    }


def drawn(columns: dict[str, list[Column]]) -> str:
    """Return the page's part about all tables."""
    lines: list[str] = []
    chapter = ""
    for table in told().values():
        if table.chapter != chapter:
            chapter = table.chapter
            lines += [f"## {chapter.rstrip('.')}", ""]
        lines += [f"### {table.name}", "", *([table.about, ""] if table.about else [])]
        if table.columns:
            lines += ["| Column | Type | |", "|---|---|---|"]
            for column in columns[table.name]:
                kind = column.type + (" or nothing" if column.is_empty_allowed else "")
                lines.append(f"| `{column.name}` | {kind} | {table.columns[column.name]} |")
            lines.append("")
        indexes = ", ".join(f"`{name}`" for name in table.indexes)
        found = f"`({table.key})`" if table.key else ""
        if found or indexes:
            lines += [f"Found by: {', '.join(part for part in (found, indexes) if part)}", ""]
    return "\n".join(lines)


def written(text: str, part: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = text.partition("<!-- tables -->\n")
    after = rest.partition("<!-- /tables -->")[2]
    return f"{before}<!-- tables -->\n{part}<!-- /tables -->{after}"


def test_the_page_repeats_what_the_schema_says() -> None:
    database = open_memory()
    assert between(PAGE.read_text("utf-8"), "tables") == drawn(real(database))
    database.close()


def test_every_table_and_column_of_a_real_database_is_explained() -> None:
    database = open_memory()
    tables = told()
    for name, columns in real(database).items():
        about = tables[name]
        assert (about.about or about.chapter).endswith("."), name
        if about.columns:
            assert [column.name for column in columns] == list(about.columns), name
        assert [column for column, said in about.columns.items() if not said] == [], name
    assert sorted(tables) == sorted(real(database))
    database.close()


def test_what_a_schema_says_is_read() -> None:
    tables = told_by(
        "-- A chapter.\n\n-- A table\n-- of two lines.\nCREATE TABLE a (\n"
        "    room BLOB PRIMARY KEY,\n"
        "    -- Above\n    b TEXT NOT NULL, -- and behind\n"
        "                     --   and below\n    c TEXT\n) STRICT;\nCREATE INDEX d ON a (b);\n"
    )
    assert tables == {
        "a": Table(
            "a",
            "A chapter.",
            "A table of two lines.",
            {"room": "its id", "b": "Above and behind and below", "c": ""},
            "room",
            ["d"],
        )
    }


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], "usage: python -m tests.test_client_data --write"
    memory = open_memory()
    PAGE.write_text(written(PAGE.read_text("utf-8"), drawn(real(memory))), "utf-8")
    memory.close()
