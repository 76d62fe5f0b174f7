"""While the server's tests run, every statement that it sends must find its lines by an index."""

from collections.abc import Iterator

import pytest

from tests.store import plans

_seen = plans.Seen()


@pytest.fixture(autouse=True)
def no_table_is_read_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = len(_seen.scans)
    with plans.watch(monkeypatch, _seen):
        yield
    assert _seen.scans[before:] == []
