"""The storage of a server that starts: held, brought up to date, and founded the first time."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from alcove.server.auth import SECRET_BYTES
from alcove.server.io.places import Places, connect, held
from alcove.server.io.upgrade import Upgraded, bring_up
from alcove.server.settings import Settings
from alcove.server.store.database import Database, DatabaseRefused, StorageError
from alcove.server.store.opening import found


@dataclass(frozen=True)
class Storage:
    """Everything that a server keeps."""

    places: Places
    database: Database
    secret: bytes = field(repr=False)
    incarnation: int
    upgraded: Upgraded
    """What was done to the tables at this start."""


@contextmanager
def opened_storage(
    settings: Settings, now: int, random: Callable[[int], bytes], software: str
) -> Iterator[Storage]:
    """Open the storage of a server, and hold it against any other one until the end.

    Raises `DatabaseRefused`, with a sentence for the host.
    """
    with held(settings) as places:
        database = connect(settings, places)
        upgraded = bring_up(database, settings, places, now, software)
        secret, incarnation = _found(database, settings, now, random)
        try:
            yield Storage(places, database, secret, incarnation, upgraded)
        finally:
            database.close()


def _found(
    database: Database, settings: Settings, now: int, random: Callable[[int], bytes]
) -> tuple[bytes, int]:
    key = settings.secret_key
    secret = secret_from(key) if key else random(SECRET_BYTES)
    try:
        connection = database.writer()
        try:
            return found(connection, now, secret, is_chosen=bool(key))
        finally:
            connection.close()
    except StorageError as error:
        raise DatabaseRefused(f"The {database.kind} database failed: {error}.") from error


def secret_from(secret_key: str) -> bytes:
    """Return the secret that follows from the setting `secret_key`.

    Slowly: the server's public key follows from it too, and whoever has that could try words.
    """
    return hashlib.scrypt(
        secret_key.encode(),
        salt=b"alcove secret key 1",
        n=2**15,
        r=8,
        p=1,
        maxmem=2**26,
        dklen=SECRET_BYTES,
    )
