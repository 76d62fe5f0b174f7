"""Lines that are laid out when they are drawn, for whatever width there is then.

What stands left and right in a row depends on how wide the row is, which nobody knows before the
screen was laid out, and which changes with the terminal.
"""

from collections.abc import Callable, Sequence

from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from alcove.tui.look import padded, spread, styled


class Lines(Visual):
    """What is drawn by a function of the width; none of its lines is wider."""

    def __init__(self, draw: Callable[[int], Content]) -> None:
        self.draw = draw

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        """Draw it."""
        return self.draw(width).render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:  # noqa: ARG002
        """Take what there is."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:  # noqa: ARG002 - Textual's.
        """Return how many lines it has."""
        return self.draw(max(1, width)).plain.count("\n") + 1


def stacked(*lines: Content) -> Content:
    """Return lines, one below the other."""
    return Content("\n").join(lines)


def row(left: Content, right: Content) -> Lines:
    """Return a line with something at both ends."""
    return Lines(lambda width: spread(left, right, width))


def hanging(lead: Content, text: Content, width: int, rest: Content | None = None) -> Content:
    """Return a text behind a sign, with its further lines under its first."""
    after = styled(" " * lead.cell_length) if rest is None else rest
    wrapped = text.wrap(max(8, width - lead.cell_length))
    return stacked(
        *(styled(lead if place == 0 else after, one) for place, one in enumerate(wrapped))
    )


def facts(pairs: Sequence[tuple[str, Content | str]]) -> Lines:
    """Return names and values, at both ends; a value that has no room stands below its name."""

    def draw(width: int) -> Content:
        rows = []
        for name, value in pairs:
            label, said = styled((name, "$soft")), styled(value)
            if label.cell_length + said.cell_length + 1 > width:
                rows += [label] if name else []
                rows.append(spread(styled(""), padded(said, min(said.cell_length, width)), width))
            else:
                rows.append(spread(label, said, width))
        return stacked(*rows)

    return Lines(draw)


def column(content: Content, width: int, *, is_right: bool = False) -> Content:
    """Return a cell of a table: exactly so wide, and cut where it is longer."""
    if content.cell_length > width:
        return content.truncate(width, ellipsis=True)
    blank = " " * (width - content.cell_length)
    return styled(blank, content) if is_right else styled(content, blank)
