"""Stories of the terminal app fail by what its users are spared: parts that are not there."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_is_missed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Look that no part of the screen was looked for that was not there."""
    yield
    said = caplog.get_records("call")
    missed = [one.getMessage() for one in said if one.name == "alcove.tui"]
    assert not missed, "\n".join(missed)
