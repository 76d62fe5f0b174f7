"""docs/what-the-server-sees.md leaves nothing out: every real column, every field that is sent.

The page's tables name columns as `table.column` and fields as `Struct.field`, each of them once.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from msgspec import Struct
from msgspec.structs import fields

from alcove import wire
from alcove.server.store.database import Database
from alcove.wire.devices import Certificate, DeviceList
from alcove.wire.entries import HandshakeHeader, MessageHeader
from tests.store.conftest import KINDS, place_of
from tests.test_data_layout import told

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "what-the-server-sees.md"

READERS = ("server", "people here", "members", "owner", "recipients", "nobody", "passing")
SEALED = ("members", "owner", "recipients")
HIDDEN_IN_BYTES = (MessageHeader, HandshakeHeader, DeviceList, Certificate)
"""What travels as bytes inside other messages, and is decoded by the server."""
WHY_CHARACTERS_MIN = 10


class Row(NamedTuple):
    """One line of the page's tables."""

    names: tuple[str, ...]
    readers: tuple[str, ...]
    why: str


def rows(text: str) -> list[Row]:
    """Return the lines of all tables whose first cell names columns or fields."""
    found = []
    name = r"`\w+\.\w+`"
    pattern = rf"^\| ({name}(?:, {name})*) \| ([^|]+) \| ([^|]+) \|$"
    for cells in re.findall(pattern, text, re.MULTILINE):
        names = tuple(name.strip("`") for name in cells[0].split(", "))
        found.append(Row(names, tuple(cells[1].split(", ")), cells[2]))
    return found


def differences(named: Iterable[str], real: Iterable[str]) -> list[str]:
    """Return what the page forgot, invented or said twice."""
    named, real = sorted(named), sorted(real)
    return [
        *(f"forgotten: {name}" for name in real if name not in named),
        *(f"not there: {name}" for name in named if name not in real),
        *(f"said twice: {name}" for name in dict.fromkeys(named) if named.count(name) > 1),
    ]


def faults(row: Row) -> Iterator[str]:
    """Yield what is wrong with one line by itself."""
    for reader in row.readers:
        if reader not in READERS:
            yield f"{row.names[0]}: nobody is called {reader}"
    if len(row.why) < WHY_CHARACTERS_MIN or not row.why.endswith("."):
        yield f"{row.names[0]}: no reason is given"


def sent(kinds: Iterable[type[Struct]]) -> list[str]:
    """Return every field of these structs and of those inside them, by where it was defined."""
    seen: dict[type, None] = {}
    waiting: list[Any] = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, Struct):
            if kind not in seen:
                seen[kind] = None
                waiting += [field.type for field in fields(kind)]
        else:
            waiting += get_args(kind)
    owners = {base: None for kind in seen for base in kind.__mro__ if base is not Struct}
    return sorted(
        f"{owner.__name__}.{name}"
        for owner in owners
        if issubclass(owner, Struct)
        for name in vars(owner).get("__annotations__", {})
    )


@pytest.fixture
def page() -> list[Row]:
    return rows(PAGE.read_text("utf-8"))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with place_of(request.param, tmp_path) as place:
        yield place.ready()


def is_column(name: str) -> bool:
    return name[0].islower()


def test_every_column_of_a_real_database_is_told_once(page: list[Row], database: Database) -> None:
    connection = database.reader()
    real = [f"{column.table}.{column.name}" for column in connection.columns()]
    connection.close()
    named = [name for row in page for name in row.names if is_column(name)]
    assert differences(named, real) == []


def test_every_field_that_is_sent_to_the_server_is_told_once(page: list[Row]) -> None:
    real = sent((*wire.REQUESTS, *HIDDEN_IN_BYTES))
    named = [name for row in page for name in row.names if not is_column(name)]
    assert len(real) > 150
    assert differences(named, real) == []


def test_every_line_says_who_can_read_it_and_why(page: list[Row]) -> None:
    assert [fault for row in page for fault in faults(row)] == []


def test_the_page_explains_the_words_that_it_uses(page: list[Row]) -> None:
    text = PAGE.read_text("utf-8")
    assert [word for word in READERS if f"| **{word}** |" not in text] == []
    assert [word for word in READERS if not any(word in row.readers for row in page)] == []


def test_what_the_schema_calls_sealed_is_sealed_here_too(page: list[Row]) -> None:
    readers = {name: row.readers for row in page for name in row.names}
    for table in told().values():
        for column, about in table.columns.items():
            name = f"{table.name}.{column}"
            is_sealed = any(reader in SEALED for reader in readers[name])
            assert is_sealed == (about.startswith("Sealed") or name == "blob.blob"), name


def test_every_table_of_the_page_is_read(page: list[Row]) -> None:
    """A line that the pattern does not fit would be passed over."""
    text = PAGE.read_text("utf-8")
    lines = [line for line in text.splitlines() if re.match(r"\|.*`\w+\.\w+`.*\|", line)]
    assert len(lines) == len(page)


# ---- The checks can fail ----


class Inner(Struct):
    deep: int


class Outer(wire.Request, frozen=True, tag="outer"):
    things: tuple[Inner, ...] | None = None


def test_fields_are_found_at_any_depth() -> None:
    assert sent([Outer]) == ["Inner.deep", "Outer.things", "Request.id"]


def test_what_the_page_forgot_or_invented_is_found() -> None:
    assert differences(["a.b", "a.c", "a.c"], ["a.b", "a.d"]) == [
        "forgotten: a.d",
        "not there: a.c",
        "not there: a.c",
        "said twice: a.c",
    ]


def test_a_line_without_a_reader_or_a_reason_is_found() -> None:
    (row,) = rows("| `a.b`, `A.c` | server, aliens | Why not |")
    assert row.names == ("a.b", "A.c")
    assert list(faults(row)) == ["a.b: nobody is called aliens", "a.b: no reason is given"]
