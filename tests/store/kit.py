"""A server's storage filled with something in every table, and backups that were tampered with."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from alcove.server.io.backup import (
    FORMAT,
    LENGTH_BYTES,
    MANIFEST,
    SEAL,
    Manifest,
    Step,
    TableSum,
    columns_of,
)
from alcove.server.io.bundle import BundleWriter
from alcove.server.io.places import blob_path
from alcove.server.io.storage import Storage, opened_storage
from alcove.server.settings import Settings
from alcove.server.store.database import Column, Connection, Line
from alcove.server.store.migrations import known
from tests.store.conftest import NOW, Place

SOFTWARE = "alcove test"
BLOB = bytes(range(16))
BLOB_CONTENT = b"sealed file " * 1000


def settings_at(place: Place, folder: str = "data") -> Settings:
    """Return settings with a data folder beside the place, and the place's database."""
    return Settings(data=str(place.path.parent / folder), database_url=place.url)


@contextmanager
def storage_at(settings: Settings, now: int = NOW) -> Iterator[Storage]:
    with opened_storage(settings, now, bytes, SOFTWARE) as storage:
        yield storage


def value(column: Column, number: int) -> int | str | bytes | None:
    """Return something that fits into a column, another for each number."""
    if not column.not_null and number % 2:
        return None
    if column.type == "INTEGER":
        return (1 << 40) + number
    if column.type == "TEXT":
        return f"Text mit Ümlaut {number}"
    return f"{column.name} {number}".encode() + bytes(range(256))


def fill(storage: Storage, lines: int = 3) -> None:
    """Put lines into every table, and one blob into its file."""
    connection = storage.database.writer()
    connection.begin()
    for table, columns in columns_of(connection).items():
        if table not in ("migration", "incarnation", "server"):
            into = f"{table} ({', '.join(column.name for column in columns)})"
            rows = [[value(column, number) for column in columns] for number in range(lines)]
            connection.insert(into, rows)
    connection.run(
        "INSERT INTO blob (blob, account, size, created_at, done_at) VALUES (?, ?, ?, 1, 2)",
        BLOB,
        bytes(16),
        len(BLOB_CONTENT),
    )
    connection.commit()
    connection.close()
    put_blob(storage.places.blobs, BLOB, BLOB_CONTENT)


def put_blob(folder: Path, blob: bytes, content: bytes) -> Path:
    path = blob_path(folder, blob)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def everything(connection: Connection) -> dict[str, list[Line]]:
    """Return all lines of all tables, in an order that both databases agree on."""
    found = {}
    for table, columns in columns_of(connection).items():
        names = ", ".join(column.name for column in columns)
        found[table] = sorted(connection.all(f"SELECT {names} FROM {table}"), key=repr)  # noqa: S608
    return found


def look(storage: Storage) -> dict[str, list[Line]]:
    connection = storage.database.reader()
    try:
        return everything(connection)
    finally:
        connection.close()


# ---- Backups by hand ----


def encoded(lines: Sequence[Sequence[object]]) -> bytes:
    data = [msgspec.msgpack.encode(line) for line in lines]
    return b"".join(len(one).to_bytes(LENGTH_BYTES, "big") + one for one in data)


def manifest_of(tables: Mapping[str, TableSum], **fields: Any) -> Manifest:
    steps = tuple(Step(step.number, step.name, step.hash.hex()) for step in known())
    return msgspec.structs.replace(
        Manifest("alcove backup", FORMAT, NOW, SOFTWARE, "SQLite", steps, dict(tables), None),
        **fields,
    )


def write_backup(
    path: Path, tables: Mapping[str, tuple[Sequence[str], bytes, int]], **fields: Any
) -> Path:
    """Write a backup whose sums are right, whatever it holds: (columns, part, number of lines)."""
    sums = {
        name: TableSum(tuple(columns), lines, hashlib.sha256(part).hexdigest())
        for name, (columns, part, lines) in tables.items()
    }
    members = {f"tables/{name}/000001": part for name, (_, part, lines) in tables.items() if lines}
    return write_members(path, members, msgspec.json.encode(manifest_of(sums, **fields)))


def write_members(path: Path, members: Mapping[str, bytes], manifest: bytes) -> Path:
    with path.open("wb") as file:
        bundle = BundleWriter(file, NOW)
        for name, content in members.items():
            bundle.add(name, content)
        bundle.add(MANIFEST, manifest)
        bundle.add(SEAL, hashlib.sha256(manifest).hexdigest().encode())
        bundle.end()
    return path


def empty_tables(storage: Storage) -> dict[str, tuple[Sequence[str], bytes, int]]:
    """Return every table without lines, as `write_backup` wants them."""
    connection = storage.database.reader()
    tables = columns_of(connection)
    connection.close()
    return {
        name: ([column.name for column in columns], b"", 0)
        for name, columns in tables.items()
        if name != "migration"
    }


def files_below(folder: Path) -> list[str]:
    """Return all files below a folder, as paths within it."""
    return sorted(
        os.path.relpath(Path(path) / name, folder)
        for path, _, names in os.walk(folder)
        for name in names
    )
