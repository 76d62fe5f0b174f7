"""The encrypted file in which a device keeps everything: made, opened, looked over, set aside.

    alcove.db        SQLCipher, opened with a raw key of 32 bytes (no derivation: `io/vault.py`)
    alcove.db-wal    what was committed and not yet moved into it: the two belong together
    alcove.db.new    one that is being made; it gets its name when it is whole

The salt that SQLCipher writes at the front of the file is a hash of the key.  So a wrong key and a
damaged page, which look the same to SQLCipher, are told apart by the first 16 bytes.
"""

import hashlib
import os
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlcipher3 import dbapi2

from alcove.client.errors import StoreError
from alcove.client.store.database import Database
from alcove.client.store.disk import FILE_MODE, refused, sync_file, sync_folder
from alcove.client.store.failures import DAMAGED, WRONG_KEY, DamagedError, WrongKeyError
from alcove.client.store.migrations import migrate

STATEMENTS_KEPT = 1_000
"""More than there are: one that was pushed out is prepared anew, which costs more than itself."""
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
BUSY_MS: Final = 5_000
"""How long another connection, such as a backup's, may keep the file to itself."""
CACHE_KIB: Final = 16 * 1024
"""Pages that are kept decrypted, at most: memory for speed."""
CHECKPOINT_PAGES: Final = 1_000
"""After so many pages (4 MB) the WAL is moved into the file."""
FINDINGS_MAX: Final = 100
"""How many lines `check` returns about a damaged database."""

_TUNING: Final = (
    "PRAGMA journal_mode = WAL",
    # A commit that is lost in a power cut would be a key that is used twice: see docs/mls.md.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cell_size_check = ON",
    # Nothing that is sorted or joined is ever written to a file in plain.
    "PRAGMA temp_store = MEMORY",
    # What was deleted is overwritten, wherever its page is written anyway.
    "PRAGMA secure_delete = FAST",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
)

_BESIDE: Final = ("-wal", "-shm")


class Aside(NamedTuple):
    """Where a database was moved, and the sentence that says so."""

    path: Path
    said: str


def create_file(path: Path, key: bytes) -> Database:
    """Make a database and open it.  Whoever is killed in here has made none, or a whole one."""
    if path.exists():
        raise StoreError(f"There is a database at {path} already, and it is not overwritten.")
    _finish_moving(path)
    new = path.with_name(f"{path.name}.new")
    try:
        for suffix in ("", *_BESIDE):  # Of a process that was killed here: nobody has used it.
            new.with_name(new.name + suffix).unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
        database = _connect(new, key)
        try:
            migrate(database)
        finally:
            database.close()
        sync_file(new)
        new.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(error, path) from error
    return open_file(path, key)


def open_file(path: Path, key: bytes) -> Database:
    """Open a database, and bring its tables up to date."""
    try:
        with path.open("rb") as file:
            front = file.read(SALT_BYTES)
    except FileNotFoundError:
        raise StoreError(
            f"There is no database at {path}: it was moved, or this profile was never finished."
        ) from None
    except OSError as error:
        raise refused(error, path) from error
    if len(front) < SALT_BYTES:
        raise DamagedError(DAMAGED)  # SQLite would take it for a new one.
    try:
        database = _connect(path, key)
    except DamagedError:
        if front != _salt(key):
            raise WrongKeyError(WRONG_KEY) from None
        raise
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def check(database: Database) -> tuple[str, ...]:
    """Read the whole database and return what is wrong with it: nothing, or some lines."""
    findings: list[str] = []
    for question in ("PRAGMA cipher_integrity_check", f"PRAGMA quick_check({FINDINGS_MAX})"):
        try:
            findings += [str(line[0]) for line in database.all(question)]
        except StoreError as error:
            findings.append(str(error))
    return tuple(finding for finding in findings if finding != "ok")[:FINDINGS_MAX]


def set_aside(path: Path) -> Aside:
    """Give a damaged database another name, so that a new one can be made.  Nothing is deleted."""
    aside = next(place for place in _asides(path) if not place.exists())
    try:
        path.rename(aside)
    except OSError as error:
        raise refused(error, path) from error
    _finish_moving(path)
    return Aside(
        aside,
        f"The damaged database is now {aside}, and nothing in it was deleted: keep it until"
        " everything is back.",
    )


def _asides(path: Path) -> Iterator[Path]:
    """Yield the names that damaged databases get, one after the other."""
    return (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))


def _finish_moving(path: Path) -> None:
    """Move what stood beside a database that was set aside last after it.

    The database goes first: without it nobody opens what is left, should we be killed in between.
    """
    there = list(takewhile(Path.exists, _asides(path)))
    try:
        for suffix in _BESIDE:
            left = path.with_name(path.name + suffix)
            place = there[-1].with_name(there[-1].name + suffix) if there else left
            if left.exists() and not place.exists():
                left.rename(place)
            if left.exists():
                raise StoreError(
                    f"{left} is of a database that is not there: move it to that one, or away."
                )
        sync_folder(path.parent)
    except OSError as error:
        raise refused(error, path) from error


def _salt(key: bytes) -> bytes:
    """Return what stands at the front of a database with this key.

    The key is 32 random bytes, so its hash tells nothing about it.
    """
    return hashlib.sha256(b"alcove database 1\0" + key).digest()[:SALT_BYTES]


def _connect(path: Path, key: bytes) -> Database:
    """Open a file that is there, with its key; damage on its first page is found here."""
    assert len(key) == KEY_BYTES, "a database's key has 32 bytes"
    address = f"{path.absolute().as_uri()}?mode=rw"
    try:
        raw: Any = dbapi2.connect(
            address, uri=True, check_same_thread=False, cached_statements=STATEMENTS_KEPT
        )
    except dbapi2.Error as error:
        raise StoreError(f"{path} cannot be opened ({error}): look at who may use it.") from error
    database = Database(raw, path)
    try:
        # SQLCipher would write to our standard error what we are about to say in a sentence.
        database.one("PRAGMA cipher_log_level = NONE")
        database.one(f"PRAGMA key = \"x'{(key + _salt(key)).hex()}'\"")
        for pragma in _TUNING:
            database.one(pragma)
        database.one("SELECT COUNT(*) FROM sqlite_schema")
    except BaseException:
        database.close()
        raise
    return database
