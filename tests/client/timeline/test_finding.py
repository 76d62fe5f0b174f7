"""The search, files and topics; marks; what ends; what a restored server lost."""

import pytest

from alcove.client import timeline
from alcove.client.events import LineChanged
from alcove.client.timeline import finding, rows
from alcove.client.tx import Tx
from alcove.wire.content import Delete, File, Mute, React, SealedBlob, Text
from tests.client.timeline.rooms import (
    ADA,
    ADAM,
    MAX,
    MIA,
    NOW,
    OTHER_ROOM,
    RIGHTS,
    ROOM,
    Device,
    about,
    edit,
    entry,
    heard,
    identity,
)

FILE = File("Plan.pdf", "application/pdf", SealedBlob(b"b" * 16, bytes(32), bytes(32), 5))


@pytest.fixture(
    params=[(0, 1), (1000, 1), (0, 64)], ids=["by the index", "by reading", "not indexed yet"]
)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Device:
    small_room_lines, tail_lines = request.param
    monkeypatch.setattr(finding, "SMALL_ROOM_LINES", small_room_lines)
    monkeypatch.setattr(rows, "TAIL_LINES", tail_lines)
    device = heard(
        [
            entry(2, MAX, "Blue whales sing"),
            entry(3, ADA, "blue skies"),
            entry(1, MAX, 'say "whale song" at 5%'),
            entry(4, MAX, "ÜBER die Brücke"),
        ]
    )
    device.hears(entry(2, MAX, "whales elsewhere", "other"), OTHER_ROOM)
    return device


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("blue", ["blue skies", "Blue whales sing"]),
        ("WHALE", ["whales elsewhere", "Blue whales sing", 'say "whale song" at 5%']),
        ("sing blue", ["Blue whales sing"]),
        ("blue si", ["Blue whales sing"]),
        ('"whale song"', ['say "whale song" at 5%']),
        ('"whale song', ['say "whale song" at 5%']),
        ("song whale", ['say "whale song" at 5%']),
        ("5%", ['say "whale song" at 5%']),
        ("%%%", []),
        ("ki", ["blue skies"]),
        ("über brücke", ["ÜBER die Brücke"]),
        ("bl AND whale", []),
        ("", []),
        ('" "', []),
        ("\x00", []),
        ("(", []),
        ("text:blue*", []),
    ],
)
def test_every_word_is_found_newest_first(device: Device, words: str, found: list[str]) -> None:
    assert device.finds(words) == found
    here = [text for text in found if "elsewhere" not in text]
    assert device.finds(words, room=ROOM) == here


def test_the_search_goes_on_where_a_page_ended(device: Device) -> None:
    for room in (None, ROOM):
        first = timeline.search(device.db, "blue", room=room, limit=1)
        after = timeline.search(device.db, "blue", room=room, before=first[0].number)
        assert [line.text for line in first + after] == ["blue skies", "Blue whales sing"]


def test_the_search_knows_what_was_edited_and_hidden(device: Device) -> None:
    device.hears(entry(5, MAX, edit(2, "red squid")))
    device.hears(entry(6, ADA, Delete(about(ADA, 3))))
    device.hears(entry(7, ADAM, Mute(MAX)))
    device.hears(entry(8, MAX, "blue noise"))
    assert device.finds("blue") == device.finds("blue", room=ROOM) == []
    assert device.finds("squid") == ["red squid"]


def test_a_room_is_found_without_touching_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "TAIL_LINES", 1)
    device = Device()
    for seq in range(1, 4):
        device.hears(entry(seq, MAX, "tea", f"a{seq}"), OTHER_ROOM)
    device.hears(entry(1, MAX, "tea here"))
    found = device.db.all(
        "SELECT rowid FROM search WHERE search MATCH ?",
        f'room : "{timeline.rows.room_tag(ROOM)}" AND text : "tea"',
    )
    assert len(found) == 1


def test_the_newest_lines_are_found_before_and_after_they_are_indexed() -> None:
    device = Device()
    last = rows.TAIL_LINES - 2
    for seq in range(1, last + 1):
        device.hears(entry(seq, MAX, f"tea {seq}."))
    assert indexed(device, "tea") == 0
    assert device.finds("tea 61.") == ["tea 61."]
    device.hears(entry(last + 1, MAX, edit(2, "coffee 2.")))
    device.hears(entry(last + 2, MAX, Delete(about(MAX, 3))))
    device.hears(entry(last + 3, MAX, "tea at last"))
    assert indexed(device, "tea") == 0
    device.hears(entry(last + 4, MAX, "tea again"))
    assert indexed(device, "tea") == last
    assert device.finds("tea", limit=3) == ["tea again", "tea at last", f"tea {last}."]
    assert "tea 3." not in device.finds("tea 3.")
    assert device.finds("coffee") == ["coffee 2."]


def test_what_came_late_is_indexed_with_the_step_that_brought_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "TAIL_LINES", 1)
    device = heard([entry(9, MAX, "tea at nine")])

    def three(tx: Tx) -> None:
        for seq in (5, 4, 6):
            timeline.take(tx, ROOM, entry(seq, MAX, f"tea {seq}"), RIGHTS)
        timeline.take(tx, ROOM, entry(7, MAX, edit(4, "coffee 4")), RIGHTS)
        timeline.take(tx, ROOM, entry(8, MAX, Delete(about(MAX, 5))), RIGHTS)

    device.do(three)
    assert device.finds("tea") == ["tea at nine", "tea 6"]
    assert device.finds("coffee") == ["coffee 4"]
    assert indexed(device, "tea") == 2


def test_a_step_that_failed_leaves_the_search_as_it_was() -> None:
    device = Device()

    def fails(tx: Tx) -> None:
        for seq in range(rows.TAIL_LINES):
            timeline.take(tx, ROOM, entry(seq + 1, MAX, "tea"), RIGHTS)
        timeline.settle_index(tx)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        device.do(fails)
    device.memory.forget(frozenset())
    device.hears(entry(1, MAX, "tea"))
    assert device.finds("tea") == ["tea"]
    assert indexed(device, "tea") == 0


def indexed(device: Device, word: str) -> int:
    """Return how many lines with a word the index knows."""
    return len(device.db.all("SELECT rowid FROM search WHERE search MATCH ?", f'text : "{word}"'))


def test_files_are_listed_and_found_by_name() -> None:
    device = heard(
        [
            entry(1, MAX, Text("", files=(FILE, FILE))),
            entry(2, MAX, "no file"),
            entry(3, MAX, Text("see", files=(FILE,))),
            entry(4, MAX, Delete(about(MAX, 3))),
        ]
    )
    found = timeline.files(device.db)
    assert [(one.file.name, one.account) for one in found] == [("Plan.pdf", MAX)] * 2
    assert timeline.files(device.db, ROOM) == found
    assert timeline.files(device.db, OTHER_ROOM) == []
    assert timeline.files(device.db, before=found[0].number) == []
    assert device.finds("plan.pdf") == ["\nPlan.pdf\nPlan.pdf"]


def test_topics_are_listed_and_can_be_read_alone() -> None:
    device = heard(
        [
            entry(1, MAX, Text("one", topic="tea")),
            entry(2, MAX, Text("two", topic="milk")),
            entry(3, MAX, "three"),
            entry(4, MAX, Text("four", topic="te\u200ba")),
        ]
    )
    topics = timeline.topics(device.db, ROOM)
    assert [(topic.name, topic.lines) for topic in topics] == [("tea", 2), ("milk", 1)]
    assert [line.text for line in device.lines(topic="tea")] == ["one", "four"]


# ---- Marks ----


def test_a_line_is_stored_then_delivered_then_read() -> None:
    device = heard([entry(1, MAX, "one")])
    number = device.says("a", "mine")
    device.is_stored("a", 2)
    device.told.clear()

    def state() -> str:
        return device.lines()[-1].state

    assert state() == "stored"
    device.do(timeline.delivered, ROOM, [(b"d" * 16, 1)])
    assert state() == "stored"
    assert device.told == []
    device.do(timeline.delivered, ROOM, ((b"d" * 16, 2),))
    assert state() == "delivered"
    device.do(timeline.delivered, ROOM, [(b"d" * 16, 1)])
    assert state() == "delivered"
    device.do(timeline.read_by, ROOM, MIA, 9)
    assert state() == "delivered"
    device.do(timeline.read_by, ROOM, MAX, 2)
    device.do(timeline.read_by, ROOM, MAX, 1)
    assert state() == "read"
    assert device.told == [LineChanged(ROOM, number)] * 2
    assert device.lines()[0].state == "stored"
    assert timeline.readers(device.db, ROOM, 2) == [MIA, MAX]


def test_each_further_reader_is_told() -> None:
    device = Device()
    number = device.says("a", "mine")
    device.is_stored("a", 1)
    device.do(timeline.read_by, ROOM, MAX, 1)
    device.told.clear()
    device.do(timeline.read_by, ROOM, ADA, 1)
    assert device.told == [LineChanged(ROOM, number)]
    device.do(timeline.read_by, ROOM, ADA, 1)
    assert device.told == [LineChanged(ROOM, number)]
    assert timeline.readers(device.db, ROOM, 1) == [ADA, MAX]


def test_ones_own_other_devices_deliver_nothing() -> None:
    device = Device()
    device.says("a", "mine")
    device.is_stored("a", 1)
    device.db.run(
        """
        INSERT INTO stay (room, device, account, since, leaf, key, certificate)
        VALUES (?, ?, ?, 0, 0, x'', x'')
        """,
        ROOM, b"d" * 16, MIA,
    )  # fmt: skip
    device.do(timeline.delivered, ROOM, [(b"d" * 16, 1)])
    assert device.lines()[0].state == "stored"


# ---- Ending ----


def test_a_line_vanishes_at_its_time_with_all_that_was_said_about_it() -> None:
    device = heard(
        [
            entry(1, MAX, "secret", expires_at=NOW + 100),
            entry(2, ADA, React(about(MAX, 1), "a")),
            entry(3, MAX, "stays"),
            entry(4, MAX, edit(3, "was edited"), expires_at=NOW + 200),
            entry(5, MAX, Delete(about(MAX, 9)), expires_at=NOW + 100),
        ]
    )
    assert device.lines()[0].expires_at == NOW + 100
    assert device.db.one("SELECT at FROM alarm WHERE kind = 'expire'") == (NOW + 100,)
    device.db.run("DELETE FROM alarm")
    device.now = NOW + 100
    device.do(timeline.expire_due, b"")
    assert device.texts() == ["was edited"]
    assert device.finds("secret") == []
    assert device.db.one("SELECT at FROM alarm WHERE kind = 'expire'") == (NOW + 200,)
    device.do(timeline.expire, NOW + 200)
    assert device.texts() == ["stays"]
    assert device.db.all("SELECT seq FROM line ORDER BY seq") == [(3,), (5,)]


def test_a_message_and_its_edit_end_together() -> None:
    device = heard(
        [
            entry(1, MAX, "secret", expires_at=NOW + 100),
            entry(2, MAX, edit(1, "more secret"), expires_at=NOW + 100),
        ]
    )
    device.do(timeline.expire, NOW + 100)
    assert device.db.all("SELECT * FROM line") == []


def test_what_comes_after_its_time_is_not_shown() -> None:
    device = heard([entry(1, MAX, "secret", expires_at=NOW)])
    assert device.db.all("SELECT * FROM line") == []


def test_ones_own_line_ends_too() -> None:
    device = Device()
    device.says("a", "secret", expires_at=NOW + 5)
    device.is_stored("a", 1)
    device.do(timeline.expire, NOW + 5)
    assert device.texts() == []


# ---- A restored server ----


def test_what_a_restored_server_lost_waits_to_be_said_again() -> None:
    log = [
        entry(1, MAX, "one"),
        entry(2, MAX, "two"),
        entry(3, MIA, "mine"),
        entry(4, ADAM, Mute(ADA)),
        entry(5, ADA, "muted"),
        entry(6, MAX, edit(1, "ONE")),
        entry(7, MIA, "deleted"),
        entry(8, MIA, Delete(about(MIA, 7))),
    ]
    device = heard(log)
    device.says("a", "waits")
    device.do(timeline.note, ROOM, 1, NOW, "founded", MAX)
    device.do(timeline.note, ROOM, 4, NOW, "joined", MAX)
    again = device.do(timeline.rewound, ROOM, 1)
    assert [(one.content_id, one.content) for one in again] == [
        (identity(3), Text("mine")),
        (identity(8), Delete(about(MIA, 7))),
    ]
    # What was taken away nobody has any more, to say it again.
    assert device.texts() == ["ONE", "founded", "waits", "two", "mine", "muted"]
    for seq, one in enumerate(log[1:][::-1], start=2):
        if one.account == MIA:
            device.do(timeline.stored, ROOM, one.content, seq, NOW, RIGHTS)
        else:
            device.hears(one._replace(seq=seq))
    assert device.texts() == ["ONE", "founded", "muted", "mine", "two", "waits"]
    assert device.do(timeline.rewound, ROOM, 9) == []
