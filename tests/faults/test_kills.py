"""What was acknowledged survives `kill -9`: a few kills here, hundreds in `make soak`."""

from pathlib import Path

from tests.faults.storms import survive

KILLS = 3


def test_every_acknowledged_entry_is_there_once_and_in_order_after_kills(
    tmp_path: Path, database_url: str
) -> None:
    counts = survive(tmp_path, database_url, "a few kills", KILLS)
    assert counts.kills == KILLS
    assert counts.acknowledged > 0
    assert counts.repeated > 0
