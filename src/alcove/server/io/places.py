"""The data folder: where everything lies, and who holds it.

DATA/alcove.sqlite    the database, unless it is elsewhere or PostgreSQL
     alcove.lock      held by the one server that uses all this
     blobs/ab/ab…     encrypted files
     backups/         what the server keeps before it changes its own tables
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from alcove.server.settings import Settings
from alcove.server.store.database import Database, DatabaseRefused
from alcove.server.store.opening import database_at

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such lock, and is untested as a server.
    fcntl = None  # type: ignore[assignment]
try:
    import pwd
except ImportError:  # pragma: no cover - Windows has no such list of users.
    pwd = None  # type: ignore[assignment]

DATABASE_NAME: Final = "alcove.sqlite"
LOCK_NAME: Final = "alcove.lock"
PID_BYTES_MAX: Final = 20
"""What is read of the number of the process that holds a data folder."""


class Places(Struct, frozen=True):
    """Where the parts of the storage are."""

    data: Path
    database: Path
    """The SQLite file, when there is no PostgreSQL."""
    blobs: Path
    backups: Path


def places_of(settings: Settings) -> Places:
    """Return where these settings put everything."""
    data = Path(settings.data)
    return Places(
        data=data,
        database=Path(settings.database_path) if settings.database_path else data / DATABASE_NAME,
        blobs=Path(settings.blob_folder) if settings.blob_folder else data / "blobs",
        backups=data / "backups",
    )


def blob_path(folder: Path, blob: bytes) -> Path:
    """Return where the bytes of a blob are."""
    name = blob.hex()
    return folder / name[:2] / name


# ---- One server only ----


@contextmanager
def held(settings: Settings) -> Iterator[Places]:
    """Make the folders, and hold them against any other server until the end."""
    places = places_of(settings)
    locks = [places.data / LOCK_NAME]
    if not settings.database_url and places.database.parent != places.data:
        locks.append(places.database.with_name(f"{places.database.name}.lock"))
    with ExitStack() as open_files:
        try:
            for folder in (places.data, places.database.parent, places.blobs, places.backups):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for lock in locks:
                _take(open_files.enter_context(open_private(lock)), lock)
        except OSError as error:
            raise DatabaseRefused(f"{error.filename} cannot be used: {error.strerror}.") from None
        yield places


def keep_to_the_owner(settings: Settings) -> None:
    """Refuse to work on the store of another user, who could not open what we make there.

    The lock and the database tell whose it is, and not the folder: a container's may be anybody's.
    """
    places = places_of(settings)
    for path in (places.data / LOCK_NAME, places.database):
        try:
            owner = path.stat().st_uid
        except OSError:
            continue
        if owner != os.geteuid():
            name = user_name(owner)
            raise DatabaseRefused(
                f"{path} belongs to the user {name}, for whom this would lock the server out: call"
                f" this command as {name}, such as with sudo -u {name} before it."
            )
        return


def user_name(user: int) -> str:
    """Return the name of a user of this machine, or the number of one without."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def is_held(settings: Settings) -> bool:
    """Whether a server, or a command on the store itself, holds this data folder right now.

    A server that starts in the very moment of the look may find the folder held: so nobody looks
    who can ask the server instead.
    """
    try:
        with (places_of(settings).data / LOCK_NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # It is held, or another user's, who may hold it.
    return False


def open_private(path: Path) -> BinaryIO:
    """Open a file for writing, made if need be for this user alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def _take(file: BinaryIO, lock: Path) -> None:
    """Lock a file; the system lets go of it when this process ends, however that comes."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = file.read(PID_BYTES_MAX).decode("ascii", "replace").strip()
        raise DatabaseRefused(
            f"Another Alcove server (process {process}) is using {lock.parent}:"
            " stop it, or give this one another data folder."
        ) from None
    file.truncate()
    file.write(f"{os.getpid()}\n".encode())
    file.flush()


# ---- The database ----


def connect(settings: Settings, places: Places) -> Database:
    """Return the database, whose tables may be old or missing."""
    if settings.database_url:
        return database_at(settings.database_url, "")
    path = places.database
    open_private(path).close()
    first = path.stat()

    def is_there() -> bool:
        try:
            now = path.stat()
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (first.st_dev, first.st_ino)

    return database_at("", str(path), is_there)
