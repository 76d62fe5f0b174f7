"""What every database promises to the server, whichever one it is."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alcove.server.store.database import (
    Connection,
    ConstraintError,
    Database,
    StorageError,
)
from tests.store.conftest import Place

SETTING = "setting (name, value, changed_at)"
LETTER = "letter (number, kind, room, sender, at, body)"


def letter(number: int, body: bytes = b"sealed") -> tuple[int, str, int, bytes, int, bytes]:
    return number, "welcome", 7, bytes(16), 5, body


def add(connection: Connection, name: str, value: str = "yes") -> None:
    connection.run("INSERT INTO setting (name, value, changed_at) VALUES (?, ?, 5)", name, value)


def names(connection: Connection) -> list[str]:
    return [name for (name,) in connection.all("SELECT name FROM setting ORDER BY name")]


# ---- Transactions ----


def test_what_was_committed_is_seen_by_everyone(writer: Connection, reader: Connection) -> None:
    writer.begin()
    add(writer, "a")
    assert (names(writer), names(reader)) == (["a"], [])
    writer.commit()
    assert names(reader) == ["a"]


def test_what_was_rolled_back_never_was(writer: Connection) -> None:
    writer.begin()
    add(writer, "a")
    writer.rollback()
    assert names(writer) == []


def test_rolling_back_twice_is_harmless(writer: Connection) -> None:
    writer.begin()
    writer.rollback()
    writer.rollback()
    assert names(writer) == []


def test_what_was_not_committed_is_gone_with_its_connection(database: Database) -> None:
    first = database.writer()
    first.begin()
    add(first, "a")
    first.close()
    second = database.writer()
    assert names(second) == []
    second.close()


def test_one_request_is_undone_and_the_others_of_its_batch_stay(writer: Connection) -> None:
    writer.begin()
    add(writer, "before")
    writer.run("SAVEPOINT request")
    add(writer, "undone")
    writer.run("ROLLBACK TO SAVEPOINT request")
    writer.run("RELEASE SAVEPOINT request")
    add(writer, "after")
    writer.commit()
    assert names(writer) == ["after", "before"]


def test_a_broken_promise_undoes_one_request_of_a_batch(writer: Connection) -> None:
    writer.begin()
    add(writer, "a")
    writer.run("SAVEPOINT request")
    with pytest.raises(ConstraintError):
        add(writer, "a")
    writer.run("ROLLBACK TO SAVEPOINT request")
    writer.run("RELEASE SAVEPOINT request")
    add(writer, "b")
    writer.commit()
    assert names(writer) == ["a", "b"]


@pytest.mark.parametrize("lines", [1, 3])
def test_many_lines_with_one_that_breaks_a_promise_add_none(writer: Connection, lines: int) -> None:
    writer.begin()
    add(writer, "a")
    writer.run("SAVEPOINT request")
    with pytest.raises(ConstraintError):
        writer.insert(SETTING, [(name, "", 5) for name in "cba"[-lines:]])
    writer.run("ROLLBACK TO SAVEPOINT request")
    writer.commit()
    assert names(writer) == ["a"]


def test_an_error_names_no_value(writer: Connection) -> None:
    add(writer, "private words")
    with pytest.raises(ConstraintError) as raised:
        add(writer, "private words")
    assert "private" not in str(raised.value)


def test_a_column_that_must_be_there_is_asked_for(writer: Connection) -> None:
    with pytest.raises(ConstraintError):
        writer.run("INSERT INTO setting (name, value) VALUES ('a', 'b')")


def test_a_reader_that_began_sees_one_moment(writer: Connection, reader: Connection) -> None:
    reader.begin_reading()
    assert names(reader) == []
    add(writer, "a")
    assert names(reader) == []
    reader.rollback()
    assert names(reader) == ["a"]


def test_a_reader_cannot_write(reader: Connection) -> None:
    with pytest.raises(StorageError):
        add(reader, "a")


# ---- Values ----

VALUES = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
    st.binary(max_size=200),
)
_numbers = count(1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(lines=st.lists(VALUES, max_size=20))
def test_every_value_comes_back_byte_for_byte(
    writer: Connection, lines: list[tuple[int, str, bytes]]
) -> None:
    written = [(next(_numbers), text, at, body, at, body) for at, text, body in lines]
    writer.insert(LETTER, written)
    first = written[0][0] if written else next(_numbers)
    read = "SELECT number, kind, room, sender, at, body FROM letter WHERE number >= ?"
    assert writer.all(f"{read} ORDER BY number", first) == written
    assert [writer.one(f"{read} ORDER BY number", line[0]) for line in written] == written


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 300])
def test_any_number_of_lines_is_added_at_once(writer: Connection, count: int) -> None:
    writer.begin()
    writer.insert(LETTER, [letter(number) for number in range(count)])
    writer.commit()
    assert writer.one("SELECT COUNT(*) FROM letter") == (count,)


def test_large_bodies_come_back(writer: Connection) -> None:
    body = bytes(range(256)) * 32 * 1024  # 8 MiB
    writer.insert(LETTER, [letter(1, body), letter(2, body[1:])])
    assert writer.all("SELECT body FROM letter ORDER BY number") == [(body,), (body[1:],)]


def test_nothing_is_none_and_not_empty(writer: Connection) -> None:
    columns = "ask (asker, account, asked_at, declined_at)"
    writer.insert(columns, [(b"a", b"", 1, None), (b"b", b"", 1, 0)])
    writer.insert(columns, [(b"c", b"", 1, None)])
    assert writer.all("SELECT declined_at FROM ask ORDER BY asker") == [(None,), (0,), (None,)]


def test_sums_counts_and_comparisons_are_whole_numbers(writer: Connection) -> None:
    writer.insert(LETTER, [letter(number) for number in (1, 2, 4)])
    (line,) = writer.all("SELECT SUM(number), COUNT(*), MAX(number) = ?, 1 = 2 FROM letter", 4)
    assert line == (7, 3, 1, 0)
    assert [type(value) for value in line] == [int] * 4


def test_flags_are_numbers(writer: Connection) -> None:
    writer.insert("blob (blob, account, size, created_at)", [(b"a", b"", True, False)])
    assert writer.one("SELECT size, created_at FROM blob WHERE size = ?", True) == (1, 0)


def test_texts_are_ordered_and_compared_byte_by_byte(writer: Connection) -> None:
    writer.insert(SETTING, [(name, "", 5) for name in ("a-b", "ab", "a_b", "B", "ä", "a.c")])
    assert names(writer) == ["B", "a-b", "a.c", "a_b", "ab", "ä"]
    found = writer.all("SELECT name FROM setting WHERE name >= ? AND name < ?", "a-", "a/")
    assert sorted(found) == [("a-b",), ("a.c",)]


def test_a_percent_sign_is_a_percent_sign(writer: Connection) -> None:
    add(writer, "50%", "100%s")
    assert writer.all("SELECT value FROM setting WHERE name = '50%' AND 7 % 4 = ?", 3) == [
        ("100%s",)
    ]


def test_what_is_there_already_is_changed_instead(writer: Connection) -> None:
    change = """
        INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value
        """
    assert writer.one(change, "a", "old", 1) == ("old",)
    assert writer.one(change, "a", "new", 2) == ("new",)
    assert writer.all("SELECT name, value, changed_at FROM setting") == [("a", "new", 1)]


def test_a_change_says_how_many_lines_it_changed(writer: Connection) -> None:
    writer.insert(SETTING, [(name, "", 5) for name in "abc"])
    assert writer.run("UPDATE setting SET value = 'x' WHERE name > ?", "a") == 2
    assert writer.run("DELETE FROM setting WHERE name = ?", "z") == 0


def test_nothing_found_is_none(writer: Connection) -> None:
    assert writer.one("SELECT name FROM setting") is None
    assert writer.all("SELECT name FROM setting") == []


def test_a_large_result_comes_line_by_line(writer: Connection, reader: Connection) -> None:
    writer.insert(LETTER, [letter(number) for number in range(100)])
    reader.begin_reading()
    lines = reader.each("SELECT number FROM letter WHERE number >= ? ORDER BY number", 10)
    assert next(lines) == (10,)
    assert [number for (number,) in lines] == list(range(11, 100))
    reader.rollback()


def test_a_large_result_that_is_not_there_is_an_error(reader: Connection) -> None:
    reader.begin_reading()
    with pytest.raises(Exception, match="nowhere"):
        list(reader.each("SELECT number FROM nowhere"))
    reader.rollback()


# ---- Failures ----


def test_a_closed_connection_does_nothing_more(writer: Connection) -> None:
    writer.close()
    for use in (writer.begin, lambda: writer.all("SELECT 1"), lambda: add(writer, "a")):
        with pytest.raises(StorageError):
            use()
    writer.rollback()
    writer.close()


def test_a_database_that_was_gone_is_used_again_without_a_restart(
    place: Place, writer: Connection
) -> None:
    add(writer, "before")
    with place.gone():
        for _ in range(3):
            with pytest.raises(StorageError):
                writer.begin()
            writer.rollback()
    writer.begin()
    add(writer, "after")
    writer.commit()
    assert names(writer) == ["after", "before"]


# ---- What it is ----


def test_it_says_how_much_space_it_takes(database: Database) -> None:
    assert database.size_bytes() > 100_000
    database.close()


def test_it_says_what_it_is(place: Place, database: Database) -> None:
    assert database.kind == place.kind
    assert database.is_local == (place.kind == "SQLite")
