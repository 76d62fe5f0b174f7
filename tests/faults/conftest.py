"""What the tests of faults share: a database of each kind, and a server that runs."""

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.store.conftest import KINDS


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Give the address of an empty PostgreSQL database."""
    try:
        postgres.server_url()
    except postgres.Unavailable as reason:
        pytest.skip(str(reason))
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """Give the address of an empty PostgreSQL database, or none for a file."""
    return "" if request.param == "SQLite" else str(request.getfixturevalue("postgres_url"))
