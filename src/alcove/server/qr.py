"""QR codes, for a terminal and for a page.

Two rows of modules share one line of text, so that an invite fits on a terminal of 80 by 30:

    █▀▀▀▀▀█   ▄▀█     upper and lower dark   █
    █ ███ █  ▀▄ ▀     only the upper         ▀
    █ ▀▀▀ █  █▀▄▄     only the lower         ▄

What you would get wrong: a camera wants dark on light with a light border.  So the colours are set,
whatever the terminal's own are.
"""

from typing import Final

import segno

BORDER_MODULES: Final = 2
"""Light modules around a drawing in a terminal.  The standard asks for four; phones are content
with two, and in a terminal every line counts."""
PAGE_BORDER_MODULES: Final = 4

# Black on white by their numbers in the table of 256, which colour schemes leave alone; the first
# sixteen may be anything.
_DARK_ON_LIGHT: Final = "\x1b[38;5;16;48;5;231m"
_RESET: Final = "\x1b[0m"

_BLOCKS: Final = {
    (False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█",
}  # fmt: skip


def _make(text: str) -> segno.QRCode:
    # The lowest correction makes the smallest code; segno raises it where that costs no module.
    return segno.make_qr(text, error="l", encoding="utf-8")


def terminal_qr(text: str, *, colours: bool = True) -> str:
    """Return a drawing of a QR code, one line for two rows of modules, without a last newline.

    With `colours` it is black on white on any terminal.  Without, for a terminal or a file that
    knows none, the light modules are drawn instead: right for light text on a dark ground.
    Raises ValueError for a text that no QR code holds (2,953 bytes).
    """
    modules = _make(text).matrix_iter(border=BORDER_MODULES)
    rows = [[bool(dark) == colours for dark in row] for row in modules]
    # A code has an odd number of rows: half a line of ground closes it.
    rows.append([False] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ["".join(_BLOCKS[pair] for pair in zip(*two, strict=True)) for two in pairs]
    if not colours:
        return "\n".join(lines)
    return "\n".join(f"{_DARK_ON_LIGHT}{line}{_RESET}" for line in lines)


def svg_qr(text: str) -> str:
    """Return the same code as an SVG for a page: no size of its own, black on white.

    Raises ValueError for a text that no QR code holds (2,953 bytes).
    """
    code = _make(text)
    size = code.symbol_size(border=PAGE_BORDER_MODULES)[0]
    path = "".join(
        f"M{x} {y}h{length}v1h-{length}z"
        for y, row in enumerate(code.matrix_iter(border=PAGE_BORDER_MODULES))
        for x, length in _runs([int(dark) for dark in row])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img"'
        ' aria-label="QR code" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>'
    )


def _runs(row: list[int]) -> list[tuple[int, int]]:
    """Return (start, length) of each run of dark modules."""
    starts = [x for x, dark in enumerate(row) if dark and not (x and row[x - 1])]
    ends = [x + 1 for x, dark in enumerate(row) if dark and not (x + 1 < len(row) and row[x + 1])]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]
