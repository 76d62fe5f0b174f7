"""Codes that are scanned, as half blocks: dark on light whatever the theme, with a quiet edge."""

import segno
from textual.content import Content

EDGE = 2


def code(text: str) -> Content:
    """Return a code of a text."""
    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=EDGE)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    style = "#000000 on #ffffff"
    signs = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    lines = [
        "".join(signs[upper, lower] for upper, lower in zip(rows[at], rows[at + 1], strict=True))
        for at in range(0, len(rows), 2)
    ]
    return Content("\n").join(Content.styled(line, style) for line in lines)
