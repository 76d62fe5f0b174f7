"""Restoring a backup: all of it or nothing, into either kind of database.

A restored server has forgotten what came after the backup, and says so: it begins a new
incarnation, so that every device notices.  What must not be used twice is thrown away: bearer
tokens, the key packages that may have been handed out meanwhile, and links of the server, which
may have been used or withdrawn meanwhile.

    SQLite       a new file is filled beside the old one and takes its place in one step
    PostgreSQL   the old tables go and the new ones come in one transaction
"""

import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from msgspec import Struct

from alcove.server.audit import Audit
from alcove.server.io.backup import (
    FILE_BYTES_MAX,
    PART_BYTES_MAX,
    SPARE_BYTES,
    BackupError,
    Manifest,
    automatic_backup,
    blob_of,
    columns_of,
    file_of,
    lines_of,
    opened,
    table_of,
    verify,
)
from alcove.server.io.bundle import BundleError, Member, members
from alcove.server.io.places import Places, blob_path, connect, held, open_private
from alcove.server.settings import Settings
from alcove.server.store.database import (
    Column,
    Connection,
    ConstraintError,
    Database,
    StorageError,
)
from alcove.server.store.migrations import known, take, version
from alcove.server.store.opening import CHANCE, begin_incarnation
from alcove.server.store.sqlite import SqliteDatabase

INSERT_LINES: Final = 1024
STAGE: Final = ".restoring"
INTEGERS: Final = 2**63
_TYPES: Final[dict[str, type]] = {"INTEGER": int, "TEXT": str, "BLOB": bytes}


class Restored(Struct, frozen=True):
    """What was restored."""

    manifest: Manifest
    incarnation: int
    kept: Path | None
    """Where that is which was there before."""
    withdrawn: int = 0
    """How many links of the server (invites, owner, bot, reset and page links) worked then."""


def restore(
    backup: Path, settings: Settings, now: int, software: str, *, replaces: bool = False
) -> Restored:
    """Restore a backup where these settings say; a server that has accounts only if told so."""
    with held(settings) as places:
        stage = places.blobs / STAGE
        try:
            manifest = verify(backup)
            _check_schema(backup, manifest)
            _check_space(backup, places)
            job = _Restore(backup, manifest, places, stage, now)
            if settings.database_url:
                return _into_postgres(job, settings, software, replaces=replaces)
            return _into_file(job, replaces=replaces)
        except OSError as error:
            where = error.filename or backup
            raise BackupError(f"{where} could not be read or written: {error.strerror}.") from error
        except StorageError as error:
            raise BackupError(f"The backup could not be restored: {error}.") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _check_schema(backup: Path, manifest: Manifest) -> None:
    steps = known()
    if len(manifest.schema) > len(steps):
        raise BackupError(f"{backup} was made by a newer Alcove: install that one first.")
    for step, said in zip(steps, manifest.schema, strict=False):
        if (step.number, step.hash.hex()) != (said.number, said.sha256):
            raise BackupError(
                f"{backup} has tables that this Alcove does not know: install the one that made it,"
                f" {manifest.made_by}."
            )


def _check_space(backup: Path, places: Places) -> None:
    needed = 2 * backup.stat().st_size + SPARE_BYTES
    free = shutil.disk_usage(places.data).free
    if free < needed:
        raise BackupError(
            f"To restore {backup} may need {needed // 2**20} MiB, and {places.data} has"
            f" {free // 2**20} MiB free: make room first."
        )


# ---- The two kinds of places ----


def _into_file(job: "_Restore", *, replaces: bool) -> Restored:
    path = job.places.database
    kept = _set_aside(path, job.now)
    part = path.with_name(f"{path.name}{STAGE}")
    is_done = is_empty = False
    try:
        is_empty = kept is None or _is_empty_file(path)
        _refuse_unless(is_empty or replaces, str(path))
        _remove(part)
        open_private(part).close()
        connection = SqliteDatabase(str(part)).writer()
        try:
            incarnation = job.fill(connection, ())
        finally:
            connection.close()
        _sync(part)
        _remove(path, but_not="")
        part.replace(path)
        _sync(path.parent)
        is_done = True
    finally:
        _remove(part)
        if kept is not None and (is_empty or not is_done):
            _remove(kept)
    return Restored(job.manifest, incarnation, None if is_empty else kept, job.withdrawn)


def _set_aside(path: Path, now: int) -> Path | None:
    """Give the old database a second name, under which it stays; None when there is none."""
    if not path.exists():
        return None
    kept = path.with_name(f"{path.name}.replaced-{now}")
    for suffix in ("", "-wal"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            os.link(old, kept.with_name(kept.name + suffix))
    return kept


def _is_empty_file(path: Path) -> bool:
    """Say whether nobody would miss what is there, without opening what was not closed.

    SQLite tidies up when it opens a file: of a damaged one, it may throw the newest part away.
    """
    log = path.with_name(f"{path.name}-wal")
    return not (log.exists() and log.stat().st_size) and _is_empty(SqliteDatabase(str(path)))


def _remove(path: Path, but_not: str | None = None) -> None:
    """Remove a database, or only what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        if suffix != but_not:
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _into_postgres(
    job: "_Restore", settings: Settings, software: str, *, replaces: bool
) -> Restored:
    database = connect(settings, job.places)
    kept = None
    if not _is_empty(database):
        _refuse_unless(replaces, "The PostgreSQL database")
        kept = automatic_backup(
            database, job.places.backups, settings.backup_keep, job.now, software, "replaced"
        )
    connection = database.writer()
    try:
        version(connection)  # Raises when the tables are somebody else's.
        incarnation = job.fill(connection, tuple(columns_of(connection)))
        return Restored(job.manifest, incarnation, kept, job.withdrawn)
    finally:
        connection.close()


def _is_empty(database: Database) -> bool:
    """Say whether nobody would miss what is there."""
    try:
        connection = database.reader()
        try:
            return version(connection) == 0 or connection.one("SELECT 1 FROM account") is None
        finally:
            connection.close()
    except StorageError:
        return False  # It cannot be read: that is for the host to judge.


def _refuse_unless(may: bool, what: str) -> None:  # noqa: FBT001
    if not may:
        raise BackupError(
            f"{what} belongs to a server that has accounts: say --replace to put the backup in its"
            " place."
        )


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


# ---- Filling ----


class _Restore:
    """One backup on its way into an empty database."""

    def __init__(
        self, backup: Path, manifest: Manifest, places: Places, stage: Path, now: int
    ) -> None:
        self.manifest = manifest
        self.places = places
        self.stage = stage
        self.now = now
        self.withdrawn = 0
        self._backup = backup
        self._counts = dict.fromkeys(manifest.tables, 0)
        self._files: dict[str, bytes] = {}

    def fill(self, connection: Connection, old_tables: tuple[str, ...]) -> int:
        """Fill the database in one transaction, and return its new incarnation."""
        steps = known()
        before = len(self.manifest.schema)
        shutil.rmtree(self.stage, ignore_errors=True)
        connection.begin()
        try:
            for table in old_tables:
                connection.define(f"DROP TABLE {table}")
            for step in steps[:before]:
                take(connection, step, self.now)
            self._pour(connection)
            for step in steps[before:]:
                take(connection, step, self.now)
            incarnation = self._begin_anew(connection)
            self._publish_blobs()
            self._put_files()
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return incarnation

    def _pour(self, connection: Connection) -> None:
        """Put every member where it belongs."""
        columns = self._check_columns(columns_of(connection))
        with opened(self._backup) as file:
            for member in members(file):
                table, blob = table_of(member), blob_of(member)
                if table:
                    self._add_lines(connection, table, columns, member)
                elif blob:
                    self._stage_blob(blob, member)
                elif small := file_of(member):
                    self._files[small] = member.read(FILE_BYTES_MAX)
        if self._counts != {name: table.lines for name, table in self.manifest.tables.items()}:
            raise BackupError(f"{self._backup} was changed while it was being restored.")

    def _check_columns(self, real: dict[str, list[Column]]) -> dict[str, list[Column]]:
        """Return each table's columns in the order in which the backup has them."""
        ordered = {}
        for name, table in self.manifest.tables.items():
            by_name = {column.name: column for column in real.get(name, ())}
            if sorted(by_name) != sorted(table.columns):
                raise BackupError(f"{self._backup} has other columns in {name} than it should.")
            ordered[name] = [by_name[column] for column in table.columns]
        return ordered

    def _add_lines(
        self, connection: Connection, table: str, columns: dict[str, list[Column]], member: Member
    ) -> None:
        if table not in columns:
            raise BundleError("holds a table that it does not name")
        into = f"{table} ({', '.join(column.name for column in columns[table])})"
        lines = list(lines_of(member.read(PART_BYTES_MAX)))
        if not all(_fits(line, columns[table]) for line in lines):
            raise BundleError(f"has a line that does not fit into {table}")
        try:
            for start in range(0, len(lines), INSERT_LINES):
                connection.insert(into, lines[start : start + INSERT_LINES])
        except ConstraintError as error:
            raise BundleError(f"has a line that does not fit into {table}") from error
        self._counts[table] += len(lines)

    def _stage_blob(self, blob: bytes, member: Member) -> None:
        path = blob_path(self.stage, blob)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_private(path) as file:
            for piece in member.pieces():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def _publish_blobs(self) -> None:
        """Move the files to where the server looks for them."""
        for folder in sorted(self.stage.iterdir()) if self.stage.exists() else []:
            target = self.places.blobs / folder.name
            target.mkdir(mode=0o700, exist_ok=True)
            for file in sorted(folder.iterdir()):
                file.replace(target / file.name)
            _sync(target)

    def _put_files(self) -> None:
        """Put the certificate back where there is none: a new machine gets the old one."""
        paths = {self.places.data / name: content for name, content in self._files.items()}
        if not any(path.exists() for path in paths):
            for path, content in paths.items():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with open_private(path) as file:
                    file.write(content)

    def _begin_anew(self, connection: Connection) -> int:
        """Make of yesterday's server one that knows that it is."""
        connection.run("DELETE FROM token")
        # Who took one since would not mind, but its device could not open a second Welcome with it.
        connection.run("DELETE FROM package WHERE number > 0")
        # A link may have been used up or withdrawn since: that it works again nobody would notice.
        self.withdrawn = connection.run(
            "DELETE FROM invite WHERE used < uses AND expires_at > ?", self.now
        )
        lost = [
            blob
            for (blob,) in connection.all("SELECT blob FROM blob WHERE done_at IS NOT NULL")
            if not blob_path(self.stage, blob).exists()
            and not blob_path(self.places.blobs, blob).exists()
        ]
        for blob in lost:
            connection.run("DELETE FROM blob WHERE blob = ?", blob)
        incarnation = begin_incarnation(connection, self.now, secrets.randbelow(CHANCE))
        detail: dict[str, str | int] = {
            "made_at": self.manifest.made_at,
            "made_by": self.manifest.made_by,
            "incarnation": incarnation,
            "lost_blobs": len(lost),
            "withdrawn_links": self.withdrawn,
        }
        audit = Audit()
        audit.add(self.now, "server_restored", None, b"", "", detail, False)  # noqa: FBT003
        audit.write(connection)
        return incarnation


def _fits(line: tuple[object, ...], columns: list[Column]) -> bool:
    """Say whether a line's values are of the kinds that its columns take."""
    return len(line) == len(columns) and all(
        not column.not_null
        if value is None
        else type(value) is _TYPES[column.type]
        and not (isinstance(value, int) and not -INTEGERS <= value < INTEGERS)
        for value, column in zip(line, columns, strict=True)
    )
