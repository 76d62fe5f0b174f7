"""QR codes: what is drawn, read back, is the code that was meant."""

import re
from collections.abc import Callable

import pytest
import segno

from alcove.server.qr import BORDER_MODULES, PAGE_BORDER_MODULES, svg_qr, terminal_qr

INVITE = f"https://chat.example.org/i/{'a' * 16}#{'b' * 32}.k{'0123456789abcdef' * 4}"
SELF_SIGNED = INVITE + ".t" + "0123456789abcdef" * 4
TEXTS = ["alcove", INVITE, SELF_SIGNED, "zażółć"]

Modules = list[list[int]]


def meant(text: str, border: int) -> Modules:
    code = segno.make_qr(text, error="l", encoding="utf-8")
    return [list(row) for row in code.matrix_iter(border=border)]


def read_blocks(drawing: str) -> Modules:
    """Return the rows of half blocks, inked ones as 1."""
    rows: Modules = []
    for line in drawing.split("\n"):
        rows.append([int(block in "▀█") for block in line])
        rows.append([int(block in "▄█") for block in line])
    return rows


def read_path(svg: str) -> Modules:
    size = int(re.findall(r'viewBox="0 0 (\d+) \1"', svg)[0])
    rows = [[0] * size for _ in range(size)]
    dark = re.findall(r'fill="#000" d="([^"]*)"', svg)[0]
    pieces = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", dark)
    assert "".join(f"M{x} {y}h{long}v1h-{back}z" for x, y, long, back in pieces) == dark
    for x, y, long, back in pieces:
        assert long == back
        for place in range(int(x), int(x) + int(long)):
            rows[int(y)][place] = 1
    return rows


@pytest.mark.parametrize("text", TEXTS)
def test_a_drawing_in_colours_is_the_code_black_on_white(text: str) -> None:
    lines = terminal_qr(text).split("\n")
    black_on_white, reset = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
    assert [line for line in lines if not line.startswith(black_on_white)] == []
    assert [line for line in lines if not line.endswith(reset)] == []
    bare = [line.removeprefix(black_on_white).removesuffix(reset) for line in lines]
    *rows, last = read_blocks("\n".join(bare))
    assert rows == meant(text, BORDER_MODULES)
    assert not any(last)


@pytest.mark.parametrize("text", TEXTS)
def test_a_drawing_without_colours_inks_the_light_modules(text: str) -> None:
    drawing = terminal_qr(text, colours=False)
    assert "\x1b" not in drawing
    *rows, last = read_blocks(drawing)
    assert [[1 - inked for inked in row] for row in rows] == meant(text, BORDER_MODULES)
    assert not any(last)


def test_the_invite_of_a_self_signed_server_fits_on_a_terminal_of_80_by_30() -> None:
    lines = terminal_qr(SELF_SIGNED, colours=False).split("\n")
    assert len(lines) < 30
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("text", TEXTS)
def test_the_svg_is_the_code_with_the_border_of_the_standard(text: str) -> None:
    assert PAGE_BORDER_MODULES == 4
    assert read_path(svg_qr(text)) == meant(text, PAGE_BORDER_MODULES)


def test_the_svg_needs_no_style_and_holds_no_text() -> None:
    svg = svg_qr("<script>")
    assert "style" not in svg
    assert "script" not in svg
    assert 'role="img" aria-label="QR code"' in svg


@pytest.mark.parametrize("draw", [terminal_qr, svg_qr])
def test_a_text_that_no_code_holds_is_refused(draw: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="too large"):
        draw("x" * 2954)
