"""Each screen in three sizes, as it was looked at and accepted.

    python -m tests.tui.test_snapshots                      says which screens are other than kept
    python -m tests.tui.test_snapshots --write [NAME …]     keeps them as they are now
    python -m tests.tui.test_snapshots --pictures FOLDER [NAME …]     paints them, to be looked at

A kept screen has its characters row by row, and below, for each row, how many cells have which
colours.  A colour of the theme stands there by its name.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from string import ascii_lowercase
from typing import Final

import pytest
from rich.style import Style
from textual.strip import Strip

from alcove.tui.look import COLOURS
from tests.tui.painting import paint
from tests.tui.screens import SCREENS, SIZES, is_light, shown_on

FOLDER: Final = Path(__file__).with_name("snapshots")
ALL: Final = [(name, size) for name in SCREENS for size in SIZES]


def _file(name: str, size: tuple[int, int]) -> Path:
    return FOLDER / f"{name}-{size[0]}x{size[1]}.txt"


def _described(style: Style | None, names: dict[str, str]) -> str:
    """Return colours and attributes in words: `ink on panel bold`."""
    if style is None:
        return "plain"
    pairs = (("", style.color), ("on ", style.bgcolor))
    words = [
        word + names.get(one.triplet.hex, one.triplet.hex)
        for word, one in pairs if one is not None and one.triplet is not None
    ]  # fmt: skip
    marks = ("bold", "italic", "underline", "strike", "reverse", "dim")
    return " ".join([*words, *(one for one in marks if getattr(style, one))])


def _letters(number: int) -> str:
    more, last = divmod(number, len(ascii_lowercase))
    return (_letters(more - 1) if more else "") + ascii_lowercase[last]


def in_words(strips: Sequence[Strip], *, light: bool) -> str:
    """Return a screen as it is kept."""
    names = {pair[int(light)]: name for name, pair in reversed(COLOURS.items())}
    rows = ["".join(one.text for one in strip) for strip in strips]
    keys: dict[str, str] = {}
    colours = []
    for strip in strips:
        runs = [(_described(one.style, names), one.cell_length) for one in strip]
        row = []
        for words, group in groupby(runs, key=lambda one: one[0]):
            key = keys.setdefault(words, _letters(len(keys)))
            row.append(f"{sum(cells for _, cells in group)}{key}")
        colours.append(" ".join(row))
    told = []
    for row_colours, places in groupby(enumerate(colours), key=lambda one: one[1]):
        numbers = [place for place, _ in places]
        span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        told.append(f"{span:>5}  {row_colours}")
    legend = [f"{key:>5}  {words}" for words, key in keys.items()]
    edged = [f"{row}|" for row in rows]
    return "\n".join([*edged, "", *legend, "", *told, ""])


async def _looked_at(name: str, size: tuple[int, int]) -> str:
    async with shown_on(name, size) as app:
        return in_words(app.screen._compositor.render_strips(), light=is_light(app))


@pytest.mark.parametrize(("name", "size"), ALL, ids=[f"{n}-{s[0]}" for n, s in ALL])
def test_a_screen_is_as_it_was_accepted(name: str, size: tuple[int, int]) -> None:
    seen = asyncio.run(_looked_at(name, size))
    assert seen.splitlines() == _file(name, size).read_text("utf-8").splitlines()


def test_no_screen_is_kept_that_is_not_looked_at() -> None:
    kept = sorted(one.name for one in FOLDER.iterdir())
    assert kept == sorted(_file(name, size).name for name, size in ALL)


# ---- By hand ----


async def _painted(name: str, size: tuple[int, int], folder: Path) -> None:
    async with shown_on(name, size) as app:
        place = int(is_light(app))
        strips = app.screen._compositor.render_strips()
        picture = paint(strips, size, COLOURS["ink"][place], COLOURS["bg"][place])
    picture.save(folder / f"{name}-{size[0]}x{size[1]}.png")


def main(words: list[str]) -> int:
    """Write, paint or compare, as the first word says."""
    folder = None
    if words[:1] == ["--pictures"]:
        folder = Path(words[1])
        folder.mkdir(parents=True, exist_ok=True)
    is_written = words[:1] == ["--write"]
    wanted = words[2:] if folder else words[1:] if is_written else words
    other = 0
    for name, size in ALL:
        if wanted and name not in wanted and f"{name}-{size[0]}" not in wanted:
            continue
        if folder is not None:
            asyncio.run(_painted(name, size, folder))
            continue
        seen, file = asyncio.run(_looked_at(name, size)), _file(name, size)
        if file.exists() and file.read_text("utf-8") == seen:
            continue
        other += 1
        print(file.name)
        if is_written:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(seen, "utf-8")
    return int(bool(other and not is_written))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
