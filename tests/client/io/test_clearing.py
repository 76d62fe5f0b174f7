"""What was put out of sight is noted on this machine, and nowhere else."""

from pathlib import Path

import pytest

from alcove.client.io.clearing import FILE_NAME, Cleared
from tests.client.io.live import Town, met


def test_what_was_noted_is_there_again(tmp_path: Path) -> None:
    assert Cleared.of(tmp_path) == Cleared()
    Cleared(number=7, at=1_800_000_000_000, events=3).keep(tmp_path)
    assert Cleared.of(tmp_path) == Cleared(number=7, at=1_800_000_000_000, events=3)
    assert oct((tmp_path / FILE_NAME).stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"number": "all"}', b'{"else": 1}'])
def test_a_damaged_note_hides_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert Cleared.of(tmp_path) == Cleared()


@met()
async def test_events_that_were_cleared_count_once_and_stay_on_the_server(town: Town) -> None:
    ada = await town.newcomer("ada")
    before = await ada.owner.events()
    cleared = await ada.owner.clear_events()
    assert cleared.events >= len(before) > 0
    assert ada.owner.cleared == cleared
    after = await ada.owner.events()
    assert {one.number for one in before} <= {one.number for one in after}
    again = await ada.owner.clear_events()
    assert (again.number, again.at) >= (cleared.number, cleared.at)
