"""Backups: one file that holds everything, made while the server runs, from either database.

    tables/NAME/000001    lines, each a msgpack list behind its length (4 bytes, big-endian)
    blobs/ID              encrypted files, as they lie in the blob folder
    files/tls/...         the server's own certificate, which devices have pinned
    manifest.json         what all this is, with counts and SHA-256
    manifest.sha256       that file's own, at the end: without it, the backup is not complete

The tables are read in one transaction, so that they belong to one moment; a blob never changes once
it is complete.  A backup of one kind of database can be restored into the other.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

from alcove.server.io.bundle import BundleError, BundleWriter, Member, members
from alcove.server.io.places import blob_path
from alcove.server.store.database import Column, Connection, Database, Line, StorageError

FORMAT: Final = 1
PART_BYTES: Final = 4 * 1024 * 1024
"""Lines are gathered up to this size before they are written."""
PART_BYTES_MAX: Final = 128 * 1024 * 1024
"""The largest part that is read: no line is nearly as large."""
MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"
MANIFEST_BYTES_MAX: Final = 1024 * 1024
"""The list of contents of a backup, which is read whole."""
SEAL_BYTES: Final = 64
LENGTH_BYTES: Final = 4
SPARE_BYTES: Final = 64 * 1024 * 1024
"""So much of the disk stays free: a full disk would stop the server."""
AUTOMATIC: Final = "automatic-"
FILES: Final = ("tls/key.pem", "tls/certificate.pem")
"""Small files of the data folder without which a restored server would be another one."""
FILE_BYTES_MAX: Final = 64 * 1024
"""A small file of the data folder in a backup."""
NOT_KEPT: Final = "migration"
"""The one table that is made anew: it says what was done to this database, not what is in it."""


class BackupError(Exception):
    """A backup cannot be made or used.  The text is one sentence for the host."""


class Step(Struct, frozen=True):
    """A migration that the tables had been through."""

    number: int
    name: str
    sha256: str


class TableSum(Struct, frozen=True):
    """What one table holds."""

    columns: tuple[str, ...]
    """In the order in which each line has them."""
    lines: int
    sha256: str
    """Of all its parts, one after another."""


class BlobSum(Struct, frozen=True):
    """What the blobs are together."""

    count: int
    bytes: int
    sha256: str
    """Of the SHA-256 of each, one after another."""


NO_BLOBS: Final = BlobSum(0, 0, hashlib.sha256().hexdigest())


class Manifest(Struct, frozen=True):
    """What stands in a backup."""

    kind: Literal["alcove backup"]
    format: int
    made_at: int
    made_by: str
    """The program's version."""
    database: str
    """From which kind it was made."""
    schema: tuple[Step, ...]
    tables: dict[str, TableSum]
    blobs: BlobSum | None
    """None for a backup of the database alone."""
    files: dict[str, str] = {}
    """SHA-256 of each small file of the data folder."""


# ---- Making one ----


def make_backup(
    database: Database,
    blobs: Path | None,
    target: Path,
    now: int,
    software: str,
    *,
    data: Path | None = None,
) -> Manifest:
    """Write a backup and read it back; only then does the file have its name.

    `blobs` and `data` are folders; without them, it is of the database alone.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: choose another name.")
    _check_space(database, blobs, target.parent)
    connection = _reader(database)
    try:
        with _written(target) as part:
            with part.open("r+b") as file:
                maker = _Maker(connection, BundleWriter(file, now))
                maker.write(database.kind, blobs, data, now, software)
                file.flush()
                os.fsync(file.fileno())
            return verify(part)
    except BundleError as error:
        raise BackupError(f"{target} {error}.") from error
    except OSError as error:
        raise BackupError(f"{target} could not be written: {error.strerror}.") from error
    except StorageError as error:
        raise BackupError(f"The database could not be read: {error}.") from error
    finally:
        connection.close()


def automatic_backup(
    database: Database, folder: Path, keep: int, now: int, software: str, why: str
) -> Path:
    """Back up the database into a folder of such backups, of which the newest few stay."""
    moment = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    target = folder / f"{AUTOMATIC}{moment}-{why}.tar"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_backup(database, None, target, now, software)
    for old in sorted(folder.glob(f"{AUTOMATIC}*.tar"))[:-keep]:
        old.unlink()
    return target


def _reader(database: Database) -> Connection:
    try:
        return database.reader()
    except StorageError as error:
        raise BackupError(f"The database could not be opened: {error}.") from error


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """Give a file to write, which gets its real name only when all went well."""
    part = target.with_name(f".{target.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield part
        part.rename(target)
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        part.unlink(missing_ok=True)


def _check_space(database: Database, blobs: Path | None, folder: Path) -> None:
    try:
        needed = database.size_bytes() + (folder_bytes(blobs) if blobs else 0) + SPARE_BYTES
        free = shutil.disk_usage(folder).free
    except FileNotFoundError:
        raise BackupError(f"{folder} is not there: make it, or choose another place.") from None
    except StorageError as error:
        raise BackupError(f"The database could not be read: {error}.") from error
    if free < needed:
        raise BackupError(
            f"A backup may need {needed // 2**20} MiB and {folder} has {free // 2**20} MiB free:"
            " make room, or choose another place."
        )


def folder_bytes(folder: Path) -> int:
    """Return how much space the files below a folder take."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(path) / name).stat().st_size
    return total


def columns_of(connection: Connection) -> dict[str, list[Column]]:
    """Return the columns of each table, by its name."""
    tables: dict[str, list[Column]] = {}
    for column in connection.columns():
        tables.setdefault(column.table, []).append(column)
    return tables


class _Maker:
    """Writes the members of one backup."""

    def __init__(self, connection: Connection, bundle: BundleWriter) -> None:
        self._connection = connection
        self._bundle = bundle
        self._encode = msgspec.msgpack.Encoder().encode

    def write(
        self, kind: str, blobs: Path | None, data: Path | None, now: int, software: str
    ) -> None:
        """Write all members, from one moment of the database."""
        connection = self._connection
        connection.begin_reading()
        schema = tuple(
            Step(number, name, hashed.hex())
            for number, name, hashed in connection.all(
                "SELECT number, name, hash FROM migration ORDER BY number"
            )
        )
        tables = {
            table: self._write_table(table, tuple(column.name for column in columns))
            for table, columns in columns_of(connection).items()
            if table != NOT_KEPT
        }
        blob_sum = self._write_blobs(blobs) if blobs else None
        connection.rollback()
        files = self._write_files(data) if data else {}
        manifest = msgspec.json.encode(
            Manifest("alcove backup", FORMAT, now, software, kind, schema, tables, blob_sum, files)
        )
        manifest = msgspec.json.format(manifest, indent=1)
        self._bundle.add(MANIFEST, manifest)
        self._bundle.add(SEAL, hashlib.sha256(manifest).hexdigest().encode())
        self._bundle.end()

    def _write_table(self, table: str, columns: tuple[str, ...]) -> TableSum:
        hashed = hashlib.sha256()
        part = bytearray()
        lines = parts = 0

        def flush() -> None:
            nonlocal parts
            parts += 1
            hashed.update(part)
            self._bundle.add(f"tables/{table}/{parts:06}", bytes(part))
            part.clear()

        sql = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - Our words.
        for line in self._connection.each(sql):
            encoded = self._encode(line)
            part += len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded
            lines += 1
            if len(part) >= PART_BYTES:
                flush()
        if part:
            flush()
        return TableSum(columns, lines, hashed.hexdigest())

    def _write_blobs(self, folder: Path) -> BlobSum:
        """Add every complete blob; one whose file is deleted meanwhile is not missed."""
        hashed = hashlib.sha256()
        count = total = 0
        sql = "SELECT blob, size FROM blob WHERE done_at IS NOT NULL"
        for blob, size in self._connection.each(sql):
            try:
                file = blob_path(folder, blob).open("rb")
            except FileNotFoundError:
                continue
            with file:
                hashed.update(self._bundle.add_file(f"blobs/{blob.hex()}", file, size))
            count += 1
            total += size
        return BlobSum(count, total, hashed.hexdigest())

    def _write_files(self, folder: Path) -> dict[str, str]:
        sums = {}
        for name in FILES:
            path = folder / name
            if path.is_file():
                content = path.read_bytes()
                self._bundle.add(f"files/{name}", content)
                sums[name] = hashlib.sha256(content).hexdigest()
        return sums


# ---- Reading one ----


def verify(path: Path) -> Manifest:
    """Read a backup from beginning to end, and return what it says it is, if that is true."""
    tables: dict[str, tuple[int, hashlib._Hash]] = {}
    files: dict[str, str] = {}
    blobs, count, total = hashlib.sha256(), 0, 0
    manifest = seal = b""
    with opened(path) as file:
        for member in members(file):
            table, blob = table_of(member), blob_of(member)
            if seal or (manifest and member.name != SEAL):
                raise BundleError("holds something after its end")
            if table:
                lines, hashed = tables.setdefault(table, (0, hashlib.sha256()))
                data = member.read(PART_BYTES_MAX)
                hashed.update(data)
                tables[table] = (lines + sum(1 for _ in lines_of(data)), hashed)
            elif blob:
                one = hashlib.sha256()
                for piece in member.pieces():
                    one.update(piece)
                blobs.update(one.digest())
                count, total = count + 1, total + member.size
            elif small := file_of(member):
                files[small] = hashlib.sha256(member.read(FILE_BYTES_MAX)).hexdigest()
            elif member.name == MANIFEST:
                manifest = member.read(MANIFEST_BYTES_MAX)
            elif member.name == SEAL and manifest:
                seal = member.read(SEAL_BYTES)
            else:
                raise BundleError("holds something that is not of a backup")
        if not seal:
            raise BundleError("is not complete")
        found = {name: (lines, hashed.hexdigest()) for name, (lines, hashed) in tables.items()}
        return _judged(manifest, seal, found, BlobSum(count, total, blobs.hexdigest()), files)


def _judged(
    data: bytes,
    seal: bytes,
    tables: dict[str, tuple[int, str]],
    blobs: BlobSum,
    files: dict[str, str],
) -> Manifest:
    """Return the manifest, if it fits to what was found."""
    if hashlib.sha256(data).hexdigest().encode() != seal:
        raise BundleError("is damaged: the sum of its manifest does not fit")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError("is not a backup of this Alcove") from error
    if manifest.format != FORMAT:
        raise BundleError("was made by another Alcove, in a form that this one does not know")
    said = {name: (one.lines, one.sha256) for name, one in manifest.tables.items() if one.lines}
    if (tables, blobs, files) != (said, manifest.blobs or NO_BLOBS, manifest.files):
        raise BundleError("is damaged: its sums do not fit")
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a backup for reading, and say what is wrong with it in one sentence."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupError(f"{path} could not be read: {error.strerror}.") from error
    with file:
        try:
            yield file
        except BundleError as error:
            raise BackupError(f"{path} {error}.") from error


def table_of(member: Member) -> str:
    """Return of which table a member is a part; nothing for others."""
    top, _, rest = member.name.partition("/")
    table, _, part = rest.partition("/")
    fits = top == "tables" and table.isidentifier() and len(part) == 6 and part.isdigit()
    return table if fits else ""


def blob_of(member: Member) -> bytes:
    """Return which blob a member is; nothing for others."""
    top, _, name = member.name.partition("/")
    if top != "blobs" or len(name) != 32:
        return b""
    try:
        blob = bytes.fromhex(name)
    except ValueError:
        return b""
    return blob if blob.hex() == name else b""


def file_of(member: Member) -> str:
    """Return which small file of the data folder a member is; nothing for others."""
    name = member.name.removeprefix("files/")
    return name if name in FILES and member.name != name else ""


def lines_of(part: bytes) -> Iterator[Line]:
    """Yield the lines of a part."""
    decode = msgspec.msgpack.Decoder(list).decode
    at = 0
    while at < len(part):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(part[at:start], "big")
        if at > len(part):
            raise BundleError("is damaged: a line is not complete")
        try:
            yield tuple(decode(part[start:at]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleError("is damaged: a line cannot be read") from error
