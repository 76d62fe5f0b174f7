"""Small pictures as half blocks, and sounds as waves: what any terminal can show."""

from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from textual.content import Content

PIXELS_MAX: Final = 512 * 512
"""A thumbnail has no more; what claims more is not drawn."""
WAVES: Final = "▁▂▃▄▅▆▇█"


@lru_cache(maxsize=256)
def blocks(data: bytes, width: int, height: int) -> tuple[Content, ...]:
    """Return a picture in at most so many cells, two pixels in each; nothing for what is none."""
    from PIL import Image  # noqa: PLC0415 - Most logs have no picture.

    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > PIXELS_MAX:
                return ()
            scale = min(width / picture.width, height * 2 / picture.height)
            columns = max(1, round(picture.width * scale))
            rows = max(2, round(picture.height * scale) // 2 * 2)
            small = picture.convert("RGB").resize((columns, rows))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ()
    pixel = small.load()
    assert pixel is not None, "it was just made"
    return tuple(
        Content.assemble(*(
            ("▀", f"{_hex(pixel[x, y])} on {_hex(pixel[x, y + 1])}") for x in range(columns)
        ))
        for y in range(0, rows, 2)
    )  # fmt: skip


def _hex(colour: Any) -> str:
    return "#" + bytes(colour).hex()


def waves(levels: bytes, width: int) -> str:
    """Return how loud a sound is, from its beginning to its end."""
    count = min(width, len(levels)) or 1
    spans = [
        levels[i * len(levels) // count : (i + 1) * len(levels) // count] for i in range(count)
    ]
    return "".join(WAVES[max(span, default=0) * len(WAVES) // 256] for span in spans)
