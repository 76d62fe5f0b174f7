"""Paints the cells of a screen as a picture, each on its grid, as terminals draw them."""

from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from textual.strip import Strip

WIDE, HIGH = 11, 22
FONTS: Final = Path("/usr/share/fonts/truetype/dejavu")
EIGHTHS: Final = "▁▂▃▄▅▆▇█"
LINES: Final = {
    "─": "lr", "│": "ud", "━": "LR", "┃": "UD", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu",
    "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "╺": "R", "╸": "L",
}  # fmt: skip


def _shape(draw: Any, sign: str, x: int, y: int, ink: str) -> bool:
    """Draw what fills its cell; whether it was such a sign."""
    middle, half = x + WIDE // 2, y + HIGH // 2
    boxes = {
        "▀": (x, y, x + WIDE - 1, half - 1), "▌": (x, y, x + WIDE // 2 - 1, y + HIGH - 1),
        "▎": (x, y, x + 2, y + HIGH - 1), "▏": (x, y, x + 1, y + HIGH - 1),
        "▕": (x + WIDE - 2, y, x + WIDE - 1, y + HIGH - 1),
        "▐": (x + WIDE // 2, y, x + WIDE - 1, y + HIGH - 1), "▔": (x, y, x + WIDE - 1, y + 2),
    }  # fmt: skip
    if sign in EIGHTHS:
        high = HIGH * (EIGHTHS.index(sign) + 1) // 8
        draw.rectangle((x, y + HIGH - high, x + WIDE - 1, y + HIGH - 1), fill=ink)
    elif sign in boxes:
        draw.rectangle(boxes[sign], fill=ink)
    elif sign in LINES:
        for way in LINES[sign]:
            wide = 3 if way.isupper() else 1
            ends = {
                "l": (x, half, middle, half), "r": (middle, half, x + WIDE - 1, half),
                "u": (middle, y, middle, half), "d": (middle, half, middle, y + HIGH - 1),
            }[way.lower()]  # fmt: skip
            draw.line(ends, fill=ink, width=wide)
    else:
        return False
    return True


def paint(strips: list[Strip], size: tuple[int, int], ink: str, paper: str) -> Image.Image:
    """Return a picture of a screen."""
    picture = Image.new("RGB", (size[0] * WIDE, size[1] * HIGH), paper)
    draw = ImageDraw.Draw(picture)
    fonts = {
        is_bold: ImageFont.truetype(
            str(FONTS / f"DejaVuSansMono{'-Bold' if is_bold else ''}.ttf"), 17
        )
        for is_bold in (False, True)
    }
    for row, strip in enumerate(strips):
        column = 0
        for segment in strip:
            style = segment.style
            fore, back = ink, paper
            if style is not None:
                fore = style.color.triplet.hex if style.color and style.color.triplet else ink
                back = (
                    style.bgcolor.triplet.hex if style.bgcolor and style.bgcolor.triplet else back
                )
                if style.reverse:
                    fore, back = back, fore
            cells, y = cell_len(segment.text), row * HIGH
            if not cells:
                continue
            start = column * WIDE
            draw.rectangle((start, y, start + cells * WIDE - 1, y + HIGH - 1), fill=back)
            for sign in segment.text:
                x = column * WIDE
                if sign != " " and not _shape(draw, sign, x, y, fore):
                    font = fonts[bool(style and style.bold)]
                    draw.text((x, y + 1), sign, fill=fore, font=font)
                column += cell_len(sign)
            if style is not None and style.underline:
                draw.line((start, y + HIGH - 3, start + cells * WIDE, y + HIGH - 3), fill=fore)
    return picture
