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
from tests.tui.screens import SCREENS, SIZES, TOURS, is_light, toured

FOLDER: Final = Path(__file__).with_name("snapshots")


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


async def _seen(tour: str, size: tuple[int, int], wanted: Sequence[str] = ()) -> dict[str, str]:
    """Return the screens of a tour as they are kept, by their names."""
    found = {}
    async for name, app in toured(tour, size, wanted):
        strips = app.screen._compositor.render_strips()
        found[name] = in_words(strips, light=is_light(app))
    return found


@pytest.mark.parametrize("size", SIZES, ids=[f"{wide}x{high}" for wide, high in SIZES])
@pytest.mark.parametrize("tour", TOURS)
def test_screens_are_as_they_were_accepted(tour: str, size: tuple[int, int]) -> None:
    for name, seen in asyncio.run(_seen(tour, size)).items():
        kept = _file(name, size).read_text("utf-8")
        assert (name, seen.splitlines()) == (name, kept.splitlines())


def test_no_screen_is_kept_that_is_not_looked_at() -> None:
    kept = sorted(one.name for one in FOLDER.iterdir())
    assert kept == sorted(_file(name, size).name for name in SCREENS for size in SIZES)


# ---- By hand ----


async def _paint(tour: str, size: tuple[int, int], folder: Path, wanted: Sequence[str]) -> None:
    async for name, app in toured(tour, size, wanted):
        place = int(is_light(app))
        strips = app.screen._compositor.render_strips()
        picture = paint(strips, size, COLOURS["ink"][place], COLOURS["bg"][place])
        picture.save(folder / f"{name}-{size[0]}x{size[1]}.png")


def _compare(found: dict[str, str], size: tuple[int, int], *, is_written: bool) -> int:
    """Say which screens are other than kept, and return how many."""
    other = 0
    for name, seen in found.items():
        file = _file(name, size)
        if file.exists() and file.read_text("utf-8") == seen:
            continue
        other += 1
        print(file.name)
        if is_written:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(seen, "utf-8")
    return other


def main(words: list[str]) -> int:
    """Write, paint or compare, as the first word says."""
    folder = Path(words[1]) if words[:1] == ["--pictures"] else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    is_written = words[:1] == ["--write"]
    wanted = words[2:] if folder else words[1:] if is_written else words
    other = 0
    for name, tour in TOURS.items():
        if wanted and not any(one in wanted for one in tour.stops):
            continue
        for size in SIZES:
            if folder is not None:
                asyncio.run(_paint(name, size, folder, wanted))
            else:
                found = asyncio.run(_seen(name, size, wanted))
                other += _compare(found, size, is_written=is_written)
    return int(bool(other and not is_written))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
