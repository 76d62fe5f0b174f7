"""Paths that somebody types: what cannot be used is said, and ends nothing."""

import asyncio
from pathlib import Path

import pytest

from alcove.client import ClientError
from alcove.desk import files
from alcove.desk.calls import Call
from alcove.desk.desk import Desk


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (files.Look(path="~nobody-here/plan.txt"), "no folder of ~nobody-here"),
        (files.Look(path="/" + "x" * 5_000), "File name too long"),
        (files.Look(path="/no\0where"), "There is no file"),
        (files.Look(path="/nowhere/at/all"), "There is no file"),
    ],
)
def test_a_path_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, call: Call[str], said: str
) -> None:
    desk = Desk(lambda _: None, home=tmp_path)
    with pytest.raises(ClientError, match=said):
        asyncio.run(desk.ask(call))
