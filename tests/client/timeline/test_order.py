"""The timeline is a function of the log: the order in which entries come changes nothing."""

import random
from collections.abc import Callable

import pytest

from alcove.client import timeline
from alcove.client.timeline import Opened, rows
from alcove.client.timeline.rows import WAITING, index
from alcove.wire.content import (
    Content,
    Delete,
    EndPoll,
    Mute,
    Pin,
    Poll,
    React,
    Target,
    Text,
    Vote,
)
from tests.client.timeline.rooms import (
    ADA,
    ADAM,
    MAX,
    MIA,
    OLGA,
    RIGHTS,
    ROOM,
    Device,
    about,
    edit,
    entry,
    heard,
    identity,
)

PEOPLE = [OLGA, ADAM, ADA, MIA, MAX, MAX, MAX]
GAMES = 25
ENTRIES = 30

Move = Callable[[Device], None]


def a_content(dice: random.Random, seq: int) -> Content | str:
    """Draw something to say about something that was said or will be."""
    target = Target(dice.choice(PEOPLE), about(MAX, dice.randint(1, ENTRIES)).content)
    kinds: list[Content | str] = [
        f"word{seq} by somebody",
        f"word{seq} once more",
        Text(f"word{seq} for you", topic="tea", mentions=(MIA,), mentions_all=seq % 2 == 0),
        edit(dice.randint(1, ENTRIES), f"edited{seq} text"),
        edit(dice.randint(1, ENTRIES), f"edited{seq} again"),
        Delete(target, "because"),
        React(target, dice.choice("ab"), dice.random() < 0.7),
        Pin(target, dice.random() < 0.7),
        Poll(f"question{seq}", ("left", "right")),
        Vote(target, (dice.randint(0, 3),)),
        EndPoll(target),
        Mute(dice.choice(PEOPLE), dice.random() < 0.6),
    ]
    return dice.choice(kinds)


def a_game(dice: random.Random) -> list[Opened]:
    """Draw a log.  Now and then a sender uses an id for a second time, which means nothing."""
    log: list[Opened] = []
    for seq in range(1, ENTRIES + 1):
        content = a_content(dice, seq)
        number = seq
        if dice.random() < 0.1 and not isinstance(content, Delete):
            number = dice.randint(1, seq)
            if any(isinstance(e.said and e.said.content, Delete) for e in log[number - 1 : number]):
                number = seq
        bodyless = dice.random() < 0.05
        log.append(entry(seq, dice.choice(PEOPLE), None if bodyless else content, number))
    return log


def others(dice: random.Random, log: list[Opened]) -> list[Move]:
    """Draw what else becomes known: what could not be opened."""

    def notes(seq: int, cause: str) -> Move:
        return lambda device: device.do(timeline.note, ROOM, seq, seq, cause, MAX)

    first = [one for one in log if one.content == identity(one.seq)]
    return [notes(one.seq, dice.choice(["no-key", "fork"])) for one in dice.sample(first, 3)]


def everything(device: Device) -> list[tuple[object, ...]]:
    """Return the whole table but the numbers, which belong to this device alone."""
    return device.db.all(
        """
        SELECT room, is_shown, seq, cause, kind, state, why, CASE cause WHEN '' THEN at END,
            account, device, content, target, target_account, is_on, word, counts, is_muted,
            deleted_by, edited_at, expires_at, names_me, files, text, body, edit
        FROM line ORDER BY seq, cause
        """
    )


def indexed(device: Device) -> list[tuple[object, ...]]:
    """Return every piece of text that the search knows, with its line."""
    device.db.run("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab (main, search, instance)")
    return device.db.all("SELECT doc, term, col, offset FROM vocabulary ORDER BY 1, 2, 3, 4")


def indexed_anew(device: Device) -> list[tuple[object, ...]]:
    """Return what the search would know if it were made from the table of lines now."""
    other = Device()
    other.db.run("UPDATE indexed SET number = ?", WAITING)
    lines = device.db.all(
        """
        SELECT line.number, text, room FROM line, indexed
        WHERE line.number <= indexed.number AND text != '' ORDER BY line.number
        """
    )
    for number, text, room in lines:
        other.do(index, room, number, text)
    return indexed(other)


def takes(one: Opened) -> Move:
    return lambda device: device.hears(one)


def played(moves: list[Move]) -> Device:
    device = Device()
    for move in moves:
        move(device)
    return device


@pytest.mark.parametrize("seed", range(GAMES))
def test_any_order_of_a_log_gives_the_same_timeline(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "TAIL_LINES", 1 + seed % 4)
    dice = random.Random(seed)
    log = a_game(dice)
    moves = [*[takes(one) for one in log], *others(dice, log)]
    first = played(moves)
    expected = everything(first)
    assert indexed(first) == indexed_anew(first) != []
    backwards = played(moves[::-1])
    assert everything(backwards) == expected
    for _ in range(3):
        dice.shuffle(moves)
        device = played([*moves, *dice.sample(moves, 10)])
        assert everything(device) == expected
        assert indexed(device) == indexed_anew(device)


@pytest.mark.parametrize("seed", range(GAMES))
def test_what_this_device_says_itself_ends_as_if_it_had_heard_it(seed: int) -> None:
    dice = random.Random(seed)
    log = [
        one._replace(content=entry(one.seq, one.account, None).content)
        for one in a_game(dice)
        if one.said is not None
    ]
    expected = everything(heard(log))
    own = [one for one in log if one.account == MIA]
    device = Device()
    rest = [one for one in log if one.account != MIA]
    dice.shuffle(rest)
    half = len(rest) // 2
    for one in rest[:half]:
        device.hears(one)
    for one in own:
        device.do(timeline.show_own, ROOM, one.content, one.said, rights=RIGHTS)
    for one in rest[half:]:
        device.hears(one)
    for one in own:
        if dice.random() < 0.3:
            device.do(timeline.failed, ROOM, one.content, "the line is down")
        if dice.random() < 0.2:
            device.hears(one)
        device.do(timeline.stored, ROOM, one.content, one.seq, one.at, RIGHTS)
    assert everything(device) == expected


@pytest.mark.parametrize("seed", range(GAMES))
def test_what_was_cancelled_leaves_no_trace(seed: int) -> None:
    dice = random.Random(seed)
    log = a_game(dice)
    device = heard(log)
    expected = everything(device)
    numbers = range(100, 110)
    for number in numbers:
        content = a_content(dice, number)
        device.says(number, content)
    for number in dice.sample(numbers, len(numbers)):
        device.do(timeline.cancelled, ROOM, entry(number, MIA, None).content)
    assert everything(device) == expected
