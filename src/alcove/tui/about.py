"""What more is known of a message: where it stands, who has read it, what it said before."""

from typing import Final

from textual.content import Content

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.lines import Lines, column, hanging, stacked
from alcove.tui.look import styled

EDITS_SHOWN: Final = 20
LABEL_CELLS: Final = 12


def _when(at: int, now: int) -> str:
    return f"{look.day(at, now)}, {look.clock(at)}"


def about(found: shown.About, now: int) -> Lines:
    """Return it, a fact after the other."""
    line = found.line
    by = "" if line.author is None else f"@{line.author.name}"
    facts = [
        ("From", by),
        ("In", found.title),
        ("Said", _when(line.at, now)),
        ("Place", "it waits" if line.seq is None else f"{line.seq} in the log of the room"),
    ]
    if line.is_mine:
        facts.append(("State", look.STATES[line.state]))
    if line.is_mine and found.readers:
        facts.append(("Read by", ", ".join(f"@{one}" for one in found.readers)))
    if line.through:
        facts.append(("Through", f"hook {line.through}"))
    if line.expires_at is not None:
        facts.append(("Disappears", _when(line.expires_at, now)))
    for one in line.files:
        facts.append(("File", f"{one.name}, {look.size(one.size)}, {one.type}"))
        if one.ends_at is not None:
            facts.append(("  kept until", _when(one.ends_at, now)))
    facts += [(one.emoji, ", ".join(f"@{who}" for who in one.people)) for one in line.reactions]
    before = found.edits[-EDITS_SHOWN:-1]

    def draw(width: int) -> Content:
        rows = [
            hanging(column(styled((name, "$soft")), LABEL_CELLS), styled(value), width)
            for name, value in facts
        ]
        if before:
            rows += [styled(""), styled(("What it said before", "bold"))]
        rows += [
            hanging(styled((f"{_when(at, now)}  ", "$soft")), styled(" ".join(text.split())), width)
            for at, text in before
        ]
        return stacked(*rows)

    return Lines(draw)
