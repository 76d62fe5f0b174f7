"""People and their times, as the SDK shows them."""

from datetime import UTC, datetime

from alcove.client import moment
from alcove.tui import look


def test_a_time_that_nobody_can_show_is_shown_as_the_last_one_that_can_be() -> None:
    assert moment(1_790_000_000_123) == datetime.fromtimestamp(1_790_000_000.123, UTC)
    for claimed in (2**53 - 1, 253_402_300_800_000):
        assert moment(claimed).year == 9999
        assert moment(claimed).astimezone().year == 9999
        assert look.local(claimed).year == 9999
