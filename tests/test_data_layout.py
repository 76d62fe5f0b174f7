"""docs/design/data-layout.md, held against real databases of both kinds.

`python -m tests.test_data_layout --write` makes its tables anew, from the comments of the schema
and a real database.
"""

import ast
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alcove.server.store.database import Column, Connection, Database
from alcove.server.store.opening import open_sqlite
from tests.store.conftest import KINDS, place_of
from tests.store.plans import SMALL_INDEXES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "design" / "data-layout.md"
SCHEMA = ROOT / "src" / "alcove" / "server" / "store" / "schema"
SERVER = ROOT / "src" / "alcove" / "server"

GROWING = (
    *("answer", "archive", "ask", "blob", "block", "device", "device_list", "entry", "event"),
    *("inbox", "letter", "link", "member", "package", "room", "room_account", "room_row"),
    *("snapshot", "token", "account", "invite"),
)
"""Tables that people fill.  The others have a few lines."""

SCANS = {
    "server/admin.py": "The host asks for all accounts, invites or totals.",
    "server/handlers/blobs.py": "The sum of all files' sizes, where `server_quota_bytes` is set.",
    "server/io/backup.py": "A backup.",
    "server/io/figures.py": "The sum of all files' sizes, twice a minute, in a thread.",
    "server/io/restore.py": "A restore.",
}
"""Where the server may read a whole table, and on what occasion."""


# ---- The schema's comments ----


@dataclass
class Table:
    """A table as the schema tells it."""

    name: str
    about: str
    columns: dict[str, str] = field(default_factory=dict)
    """What the comment behind each says."""
    key: str = ""
    indexes: list[str] = field(default_factory=list)


def told() -> dict[str, Table]:
    """Return what the schema says of its tables, file after file."""
    tables: dict[str, Table] = {}
    for path in sorted(SCHEMA.glob("*.sql")):
        comment: list[str] = []
        table = Table("", "")
        for line in path.read_text("utf-8").splitlines():
            made = re.match(r"CREATE TABLE (\w+)", line)
            column = re.match(r"    ([a-z_]+) [A-Z].*?(?:--\s*(.*))?$", line)
            key = re.match(r"    PRIMARY KEY \((.*)\)", line)
            index = re.match(r"CREATE INDEX (\w+) ON (\w+)", line)
            if line.startswith("--"):
                comment.append(line.removeprefix("--").strip())
            elif made:
                table = tables[made[1]] = Table(made[1], " ".join(comment))
            elif column:
                table.columns[column[1]] = column[2] or ""
                if "PRIMARY KEY" in line:
                    table.key = column[1]
            elif key:
                table.key = key[1]
            elif index:
                tables[index[2]].indexes.append(index[1])
            if not line.startswith("--"):
                comment = []
    return tables


def drawn(columns: list[Column]) -> str:
    """Return the page's part about all tables."""
    lines = []
    for table in told().values():
        lines += [f"### {table.name}", "", table.about, "", "| Column | Type | |", "|---|---|---|"]
        for column in columns:
            if column.table == table.name:
                shown = f"{column.type}" if column.not_null else f"{column.type} or nothing"
                lines.append(f"| `{column.name}` | {shown} | {table.columns[column.name]} |")
        indexes = "".join(f", `{name}`" for name in table.indexes)
        lines += ["", f"Found by: `({table.key})`{indexes}", ""]
    return "\n".join(lines)


def drawn_scans() -> str:
    """Return the page's part about questions that read whole tables."""
    rows = [f"| `{path}` | {why} |" for path, why in SCANS.items()]
    return "\n".join(["| Where | On what occasion |", "|---|---|", *rows, ""])


def between(text: str, name: str) -> str:
    """Return what stands between two marks."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def write(columns: list[Column]) -> None:
    """Make the page's parts anew."""
    text = PAGE.read_text("utf-8")
    for name, part in (("tables", drawn(columns)), ("scans", drawn_scans())):
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- /{name} -->")[2]
        text = f"{before}<!-- {name} -->\n{part}<!-- /{name} -->{after}"
    PAGE.write_text(text, "utf-8")


# ---- The page against real databases ----


def paged() -> list[Column]:
    """Return the columns that the page tells of."""
    columns = []
    for part in between(PAGE.read_text("utf-8"), "tables").split("### ")[1:]:
        table = part.partition("\n")[0]
        rows = re.findall(r"^\| `(\w+)` \| (INTEGER|TEXT|BLOB)( or nothing)? \| .+ \|$", part, re.M)
        columns += [Column(table, name, kind, not empty) for name, kind, empty in rows]
    return columns


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with place_of(request.param, tmp_path) as place:
        yield place.ready()


def indexes_of(connection: Connection, kind: str) -> list[str]:
    """Return the indexes that the schema makes by name."""
    if kind == "SQLite":
        sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    else:
        sql = """
            SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema() AND NOT i.indisunique
            """
    return sorted(name for (name,) in connection.all(sql))


def answered() -> dict[str, str]:
    """Return the page's indexes, each with its example."""
    part = PAGE.read_text("utf-8").partition("## Which index answers what")[2]
    return dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \|$", part, re.M))


def test_the_page_tells_of_every_column_as_it_really_is(database: Database) -> None:
    connection = database.reader()
    assert sorted(paged()) == sorted(connection.columns())
    connection.close()


def test_the_page_tells_of_every_index(database: Database) -> None:
    connection = database.reader()
    assert sorted(answered()) == indexes_of(connection, database.kind)
    connection.close()


def test_the_page_repeats_what_the_schema_says(tmp_path: Path) -> None:
    connection = open_sqlite(str(tmp_path / "a.sqlite"), 1).reader()
    text = PAGE.read_text("utf-8")
    assert between(text, "tables") == drawn(connection.columns())
    assert between(text, "scans") == drawn_scans()
    connection.close()


def test_every_table_and_column_is_explained() -> None:
    for table in told().values():
        assert table.about.endswith("."), table.name
        assert table.key, table.name
        for name, about in table.columns.items():
            assert about.endswith("."), f"{table.name}.{name}"


# ---- How questions are answered ----


@pytest.fixture
def planner(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = str(tmp_path / "a.sqlite")
    open_sqlite(path, 1)
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def plan(planner: sqlite3.Connection, sql: str) -> list[str]:
    """Return how SQLite would answer, step by step."""
    lines = planner.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))
    return [line[3] for line in lines]


def statements(text: str) -> Iterator[str]:
    """Yield every whole statement that stands in a module."""
    tree = ast.parse(text)
    pieces = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in pieces
            and re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\s", node.value)
        ):
            yield node.value


def scanned(planner: sqlite3.Connection, sql: str) -> list[str]:
    """Return the growing tables of which a statement may read everything.

    A table that is read in the order of its key, up to a limit, is not read whole.
    """
    named = dict(re.findall(r"\b(?:FROM|JOIN) (\w+)(?: AS)? ([a-z]\w*)", sql))
    aliases = {alias: table for table, alias in named.items()}
    found = []
    for step in plan(planner, sql):
        match = re.match(r"SCAN (\w+)", step)
        if match and step.endswith(tuple(f" INDEX {name}" for name in SMALL_INDEXES)):
            continue
        table = aliases.get(match[1], match[1]) if match else ""
        if table in GROWING and not re.search(r"ORDER BY number( DESC)? LIMIT (1|\?)\s*$", sql):
            found.append(table)
    return found


@pytest.mark.parametrize("index", sorted(answered()))
def test_an_index_answers_what_the_page_says(planner: sqlite3.Connection, index: str) -> None:
    steps = plan(planner, answered()[index])
    assert [step for step in steps if re.search(rf"\b{index}\b", step)], steps


def test_no_question_that_people_ask_reads_a_whole_table(planner: sqlite3.Connection) -> None:
    seen, found = 0, {}
    for path in sorted(SERVER.rglob("*.py")):
        if path.parent.name == "store":
            continue
        for sql in statements(path.read_text("utf-8")):
            seen += 1
            if tables := scanned(planner, sql):
                found[f"server/{path.relative_to(SERVER).as_posix()}"] = tables
    assert seen > 150
    assert sorted(found) == sorted(SCANS)


def test_a_question_that_reads_a_whole_table_is_found(planner: sqlite3.Connection) -> None:
    assert scanned(planner, "SELECT e.seq FROM entry e WHERE e.at > ?") == ["entry"]
    assert scanned(planner, "SELECT chain FROM event WHERE at > ?") == ["event"]
    assert scanned(planner, "SELECT chain FROM event ORDER BY number DESC LIMIT 1") == []
    assert scanned(planner, "SELECT chain FROM event WHERE number = ?") == []


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], "usage: python -m tests.test_data_layout --write"
    with tempfile.TemporaryDirectory() as folder:
        reader = open_sqlite(f"{folder}/a.sqlite", 1).reader()
        write(reader.columns())
        reader.close()
