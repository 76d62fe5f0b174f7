"""A whole server in memory, but for its database, which is a PostgreSQL's."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from alcove.server.settings import Settings
from alcove.server.store.opening import bring_up_to_date, database_at, found
from fuzz.frames import RATES
from tests import postgres
from tests.server.house import START_MS, House


class PostgresHouse(House):
    """A house on an empty database."""

    def __init__(self, url: str, seed: int = 1, **settings: Any) -> None:
        self.dice = random.Random(seed)
        self.now = START_MS
        self.settings = msgspec.structs.replace(Settings(requests="off"), **settings)
        self.database = database_at(url, "")
        bring_up_to_date(self.database, self.now)
        connection = self.database.writer()
        self.secret, self.incarnation = found(connection, self.now, self.random(32))
        connection.close()
        self.told = []
        self.number = 0
        self.start()


@contextmanager
def postgres_houses() -> Iterator[Callable[[Path], House]]:
    """Give a function that makes a house on a database of its own, as the fuzzers want one."""
    with ExitStack() as databases:

        def make(_: Path) -> House:
            databases.close()  # The one of before is not used any more.
            url = databases.enter_context(postgres.fresh_database())
            return PostgresHouse(url, requests="strangers", **RATES)

        yield make
