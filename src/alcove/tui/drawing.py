"""Draws what was said in a room: each item of its log becomes lines of cells.

A card holds what one author said in a row: the name once, a time for each message, the text beside
it.  Between cards stand days, the place where the unread begins, and what happened.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from textual.content import Content

from alcove.desk import shown
from alcove.tui import look, pictures
from alcove.tui.lines import hanging
from alcove.tui.look import styled
from alcove.tui.wording import drawn

TOGETHER_MS: Final = 10 * look.MINUTE_MS
"""What somebody says within so long stands in one card."""
WIDE, CLASSIC = 84, 46
"""From so many columns on a log has wide margins, and states with their words."""
TIME_CELLS: Final = 7
BAR_CELLS: Final = 14
PICTURE_CELLS: Final = (28, 6)
BESIDE_CELLS: Final = 20
"""From so many cells on, what a picture is stands beside it."""
WAVE_CELLS: Final = 30
ROWS_MAX: Final = 120
"""So many rows of a message stand in the log; all of it is read in a window of its own."""


class Row(NamedTuple):
    """One line of cells, and what it is about."""

    content: Content
    background: str
    number: int | None
    """The message's; None between them."""
    edge: str = ""
    """The colour of the bar at the left; empty for none."""
    left: int = 0
    right: int = 0
    """Blank cells at both sides."""


class Pen(NamedTuple):
    """For whom, and how wide, a log is drawn."""

    width: int
    me: str
    now: int
    members: int = 0
    """How many others are in the room: for *read 6/7*."""

    @property
    def is_wide(self) -> bool:
        """Whether there is room for margins and words."""
        return self.width >= WIDE

    @property
    def is_narrow(self) -> bool:
        """Whether every cell counts."""
        return self.width < CLASSIC


class Drawn(NamedTuple):
    """A line, and what does not change while it stays as it is: its day, and the rows of it."""

    line: shown.Line
    day: date
    rows: list[Row]


def drawn_line(line: shown.Line, pen: Pen) -> Drawn:
    """Draw what one line says, without what its neighbours decide: name, day and marks."""
    if line.kind == "note":
        rows = _note(line, pen)
    elif line.kind == "gap":
        rows = _gap(line, pen)
    else:
        rows = _message(line, pen)
    return Drawn(line, look.local(line.at).date(), rows)


def items(lines: Sequence[Drawn], pen: Pen) -> Iterator[tuple[int, list[Row]]]:
    """Yield the number of each line of a log with its rows, and with the marks before it."""
    before: Drawn | None = None
    has_new = False
    fresh = sum(1 for one in lines if one.line.is_new)
    for one in lines:
        line, rows = one.line, []
        if before is None or before.day != one.day:
            rows += _mark(look.day(line.at, pen.now), pen, thick=False)
        if line.is_new and not has_new:
            has_new = True
            rows += _mark(f"{fresh} new", pen, thick=True)
        if line.kind not in ("note", "gap") and (
            before is None or rows or not _together(before.line, line)
        ):
            rows += [*_blank(rows, before), _head(line, pen)]
        yield line.number, rows + one.rows
        before = one


def _together(before: shown.Line, line: shown.Line) -> bool:
    """Whether a message stands in the card of the one before it."""
    return (
        before.kind not in ("note", "gap")
        and line.kind not in ("note", "gap")
        and before.author is not None
        and line.author is not None
        and before.author.account == line.author.account
        and 0 <= line.at - before.at < TOGETHER_MS
    )


def _blank(rows: list[Row], before: Drawn | None) -> list[Row]:
    return [] if rows or before is None else [Row(styled(""), "$bg", None)]


def _mark(text: str, pen: Pen, *, thick: bool) -> list[Row]:
    """Return a line across the log with a word in it."""
    line, ink, word = ("━", "$accent", "$accent bold") if thick else ("─", "$rule", "$soft")
    count = max(2, pen.width - len(text) - 3)
    content = styled(
        (line * (count // 2), ink), " ", (text, word), " ", (line * (count - count // 2), ink)
    )
    empty = Row(styled(""), "$bg", None)
    return [empty, Row(content, "$bg", None), *([] if thick else [empty])]


def _margins(pen: Pen, *, own: bool) -> tuple[int, int]:
    if pen.is_wide:
        return (6, 1) if own else (0, 7)
    return (2, 1) if own else (0, 3)


def _inner(pen: Pen, *, own: bool) -> int:
    """Return how many cells are within a card."""
    left, right = _margins(pen, own=own)
    return max(10, pen.width - left - right - 3)


def _row(content: Content, line: shown.Line, pen: Pen) -> Row:
    left, right = _margins(pen, own=line.is_mine)
    ink = "$accent" if line.author is None else look.colour(line.author.name)
    return Row(content, "$own" if line.is_mine else "$card", line.number, ink, left, right)


def _head(line: shown.Line, pen: Pen) -> Row:
    author = line.author
    if author is None:
        return _row(styled(("?", "bold")), line, pen)
    parts: list[str | tuple[str, str]] = [(look.called(author), f"{look.colour(author.name)} bold")]
    if author.called and not author.is_me:
        parts += [" ", (f"@{author.name}", "$soft")]
    if not author.is_me:
        parts += [" ", look.trust(author)]
    return _row(styled(*parts), line, pen)


def _message(line: shown.Line, pen: Pen) -> list[Row]:
    """Return the rows of one message: the time, what it says, and what became of it."""
    cells = TIME_CELLS - (1 if pen.is_narrow else 0)
    width = _inner(pen, own=line.is_mine) - cells
    state = _state(line, pen)
    beside = 0 if pen.is_narrow else state.cell_length + (2 if state.cell_length else 0)
    body = _body(line, pen, width, width - beside)
    first = styled((look.clock(line.at), "$soft"), " " * (cells - 5))
    rows = []
    if beside:
        body[0] = look.spread(body[0], state, width)
    for place, content in enumerate(body):
        start = first if place == 0 else styled(" " * cells)
        rows.append(_row(styled(start, content), line, pen))
    if pen.is_narrow and state.cell_length:
        if not line.reactions and body[-1].cell_length + 2 + state.cell_length <= width:
            last = styled(rows.pop().content, "  ", state)
            rows.append(_row(last, line, pen))
        else:
            rows.append(_row(styled(" " * cells, state), line, pen))
    return rows


def _body(line: shown.Line, pen: Pen, width: int, first: int) -> list[Content]:
    """Return what a message says, wrapped; its first line may be shorter."""
    rows: list[Content] = []
    if line.is_forwarded:
        rows.append(styled(("forwarded", "$soft italic")))
    if line.through:
        rows.append(styled((f"through hook {line.through}", "$soft italic")))
    if line.reply is not None:
        by = "You" if line.reply.by == pen.me else line.reply.by
        quote = styled(
            ("│ ", look.colour(line.reply.by)),
            (f"{by}: ", f"{look.colour(line.reply.by)} bold"),
            (line.reply.text, "$soft"),
        )
        rows.append(quote.truncate(first if not rows else width, ellipsis=True))
    if line.kind == "gone":
        rows.append(styled(("This message was taken away.", "$soft italic")))
        return rows
    if line.kind == "unknown":
        rows.append(styled(("A newer app wrote this; update to read it.", "$soft italic")))
        return rows
    rows += _words(line, pen, width, first if not rows else width)
    if line.poll is not None:
        rows += _poll(line.poll, width)
    for file in line.files:
        rows += _file(file, width if rows else first)
    if line.reactions:
        rows += _reactions(line.reactions, width)
    if line.state == "failed":
        rows += styled(
            ("▲ ", "$bad bold"),
            (line.why, "$bad"),
            "  ",
            look.keyed("r", "retry"),
            " ",
            look.keyed("x", "drop"),
        ).wrap(width)
    return rows or [styled("")]


def _words(line: shown.Line, pen: Pen, width: int, first: int) -> list[Content]:
    text = line.text
    for file in line.files:  # Their names stand below.
        text = text.removesuffix(file.name).rstrip("\n")
    if line.poll is not None:
        text = ""
    extra: list[str | tuple[str, str]] = []
    if line.is_edited:
        extra += ["  ", ("edited", "$soft")]
    if line.is_pinned:
        extra += ["  ", ("pinned", "$soft")]
    if line.expires_at is not None:
        left = look.lasting(line.expires_at - pen.now)
        extra += ["  ", (f"{look.EXPIRES} {left}" + ("" if pen.is_narrow else " left"), "$accent")]
    if not text and not extra:
        return []
    start = beginning(text, width)
    content = styled(drawn(start, pen.me), *extra)
    wrapped = content.wrap(max(8, first))
    if len(start) < len(text) or len(wrapped) > ROWS_MAX:
        return [*wrapped[:ROWS_MAX], styled(("… ", "$soft"), look.keyed("enter", "all of it"))]
    if first == width or len(wrapped) <= 1:
        return wrapped
    # Only the first line stands beside the state: what follows has the whole width.
    begun = len(wrapped[0].plain)
    blanks = len(content.plain[begun:]) - len(content.plain[begun:].lstrip(" "))
    rest = content[begun + blanks :]
    return [wrapped[0], *rest.wrap(width)] if rest.plain.strip() else wrapped[:1]


def beginning(text: str, width: int) -> str:
    """Return so much of a text as has room in the log.

    Anybody may send forty thousand empty lines: to lay them out would take seconds for each.
    """
    return "\n".join(text[: ROWS_MAX * width].split("\n", ROWS_MAX)[:ROWS_MAX])


def _state(line: shown.Line, pen: Pen) -> Content:
    if not line.is_mine or line.kind in ("gone", "unknown"):
        return styled("")
    words = look.STATES[line.state]
    if line.state == "read" and line.readers and pen.members > 1:
        words = f"{words} {line.readers}/{pen.members}"
    if pen.is_narrow and line.state != "read":
        words = words.partition(" ")[0]
    return styled(
        (
            words,
            "$accent" if line.state == "read" else "$bad" if line.state == "failed" else "$soft",
        )
    )


def _reactions(reactions: Sequence[shown.Reaction], width: int) -> list[Content]:
    rows, row = [], styled("")
    for one in reactions:
        count = len(one.people)
        words = f" {one.emoji} {count}" + (" with you " if one.is_mine and count > 1 else " ")
        piece = styled((words, "$onchip on $chip bold" if one.is_mine else "$ink on $pick"))
        if row.cell_length and row.cell_length + piece.cell_length + 1 > width:
            rows.append(row)
            row = styled("")
        row = styled(row, " ", piece) if row.cell_length else piece
    return [*rows, row]


def _poll(poll: shown.Poll, width: int) -> list[Content]:
    rows = [*styled((beginning(poll.question, width), "bold")).wrap(width)]
    for number, option in enumerate(poll.options, 1):
        share = len(option.people) / poll.voters if poll.voters else 0.0
        mark = (
            ("[x]" if option.is_mine else "[ ]")
            if poll.is_multiple
            else ("(•)" if option.is_mine else "( )")
        )
        left = styled((mark, "$accent"), f" {number} ", option.text)
        right = styled(look.bar(share, BAR_CELLS), (f" {len(option.people):>3}", "$soft"))
        rows.append(look.spread(left, right, width))
    over = "over" if poll.is_over else "its number votes, when picked"
    rows.append(styled((f"{poll.voters} voted · {over}", "$soft")))
    return rows


def _file(file: shown.Attached, width: int) -> list[Content]:
    """Return a file: its picture or its waves, what it is, and how far it has come."""
    name, facts = _named(file), _facts(file)
    rows: list[Content] = []
    if file.thumbnail:
        drawn = pictures.blocks(file.thumbnail, min(PICTURE_CELLS[0], width), PICTURE_CELLS[1])
        if drawn and width - drawn[0].cell_length >= BESIDE_CELLS:
            room = width - drawn[0].cell_length - 2
            beside = [one.truncate(room, ellipsis=True) for one in (name, *facts)]
            beside.append(look.keyed("s", "save"))
            beside += [styled("")] * (len(drawn) - len(beside))
            rows += [styled(one, "  ", said) for one, said in zip(drawn, beside, strict=False)]
            return [*rows, *_progress(file, width)]
        rows += drawn
    elif file.waveform:
        waves = pictures.waves(file.waveform, min(WAVE_CELLS, width - 2))
        rows.append(styled((f"{look.SOUND} {waves}", "$accent")))
    said = styled(name, "  ", (" · ".join(one.plain for one in facts), "$soft"))
    moving = _progress(file, width)
    if moving and said.cell_length + moving[0].cell_length + 2 <= width:
        return [*rows, styled(said, "  ", moving[0])]
    return [*rows, said.truncate(width, ellipsis=True), *moving]


def _named(file: shown.Attached) -> Content:
    is_image = file.type.startswith("image/")
    sign = look.IMAGE if is_image else look.SOUND if file.length_ms else look.FILE
    return styled((f"{sign} ", "$soft"), (file.name, "bold"))


def _facts(file: shown.Attached) -> list[Content]:
    """Return how large a file is, and how long or wide."""
    found = []
    if file.width and file.height:
        found.append(f"{file.width} \N{MULTIPLICATION SIGN} {file.height}")
    if file.length_ms:
        found.append(look.length(file.length_ms))
    return [styled((one, "$soft")) for one in (*found, look.size(file.size))]


def _progress(file: shown.Attached, width: int) -> list[Content]:
    """Return how far a file has come, while it is on its way or has failed."""
    moving = file.transfer
    if moving is None:
        return []
    if moving.state in ("open", "paused"):
        done = moving.done / moving.size if moving.size else 0.0
        word = "  paused" if moving.state == "paused" else ""
        bar = look.bar(done, min(BAR_CELLS, max(4, width - 8)))
        return [styled(bar, f" {done * 100:.0f} %", (word, "$soft"))]
    if moving.state == "failed":
        return styled(("▲ ", "$bad bold"), (moving.why or "failed", "$bad")).wrap(width)
    is_saved = moving.state == "done" and not moving.is_upload
    return [styled(("✓ saved", "$soft"))] if is_saved else []


def _note(line: shown.Line, pen: Pen) -> list[Row]:
    """Return what happened in the room."""
    words = styled(
        (f"{look.clock(line.at)}  ", "$hint"), (line.text or line.why or line.cause, "$soft")
    )
    return [Row(one, "$bg", line.number, "", 2, 1) for one in words.wrap(pen.width - 4)]


def _gap(line: shown.Line, pen: Pen) -> list[Row]:
    """Return what stands in the place of a message that cannot be opened."""
    who = "" if line.author is None else f" from {line.author.name}"
    words = styled(
        f"A message{who} cannot be opened. ",
        (f"{line.why} " if line.why else "", "$soft"),
        ("Cause ", "$soft"),
        (line.cause, "bold"),
        (" · ", "$soft"),
        look.keyed("i", "why"),
    )
    said = hanging(styled(("▲ ", "$bad bold")), words, pen.width - 4)
    rows = [Row(one, "$panel", line.number, "$bad", 0, 1) for one in said.split("\n")]
    return [Row(styled(""), "$bg", None), *rows]
