"""What is shown of a room, and what people may do to it."""

import pytest

from alcove.client import timeline
from alcove.client.events import LineChanged, LineShown
from alcove.client.rooms import members
from alcove.client.timeline import rows, taking
from alcove.wire.content import (
    Delete,
    Edit,
    EndPoll,
    File,
    Mute,
    Pin,
    Poll,
    React,
    SealedBlob,
    Text,
    Unknown,
    Vote,
)
from tests.client.timeline.rooms import (
    ADA,
    ADAM,
    MAX,
    MIA,
    NOW,
    OLGA,
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

FILE = File("tea.png", "image/png", SealedBlob(b"b" * 16, bytes(32), bytes(32), 5))


def test_lines_stand_in_the_order_of_the_log_and_what_waits_comes_last() -> None:
    device = heard([entry(3, MAX, "three"), entry(1, MAX, "one")])
    device.says("a", "first of mine")
    device.now -= 999_999  # A clock that jumps back changes nothing.
    device.says("b", "second of mine")
    device.hears(entry(2, MAX, "two"))
    assert device.texts() == ["one", "two", "three", "first of mine", "second of mine"]
    assert [line.seq for line in device.lines()] == [1, 2, 3, None, None]
    assert [line.state for line in device.lines()][3:] == ["waiting", "waiting"]


def test_pages_go_back_to_the_beginning_without_a_gap() -> None:
    device = heard([entry(seq, MAX, f"line {seq}") for seq in range(1, 8)])
    device.do(timeline.note, ROOM, 3, NOW, "joined", ADA)
    device.do(timeline.note, ROOM, 3, NOW, "left", ADA)
    found: list[str] = []
    before = None
    while page := device.lines(before=before, limit=2):
        found = [line.cause or line.text for line in page] + found
        before = page[0].number
    assert found == device.texts()
    assert len(found) == 9
    assert device.lines(before=5) == []


def test_what_was_said_gets_its_place() -> None:
    device = heard([entry(1, MAX, "one"), entry(3, MAX, "three")])
    number = device.says("a", "mine")
    device.is_stored("a", 2)
    line = timeline.line(device.db, number)
    assert line is not None
    assert (line.seq, line.state, line.at) == (2, "stored", NOW + 2)
    assert device.texts() == ["one", "mine", "three"]
    assert device.told[-1] == LineChanged(ROOM, number)
    device.is_stored("a", 9)
    assert device.texts() == ["one", "mine", "three"]


def test_a_line_that_failed_says_why_and_can_be_tried_again() -> None:
    device = Device()
    number = device.says("a", "mine")
    device.do(timeline.failed, ROOM, identity("a"), "You may not post here.")
    assert (device.lines()[0].state, device.lines()[0].why) == ("failed", "You may not post here.")
    device.do(timeline.retried, ROOM, identity("a"))
    assert device.lines()[0].state == "waiting"
    device.do(timeline.failed, ROOM, identity("a"), "Once more.")
    assert device.says("a", "mine again") == number
    device.is_stored("a", 1)
    assert (device.lines()[0].state, device.texts()) == ("stored", ["mine again"])


def test_what_is_not_known_changes_nothing() -> None:
    device = heard([entry(1, MAX, "one")])
    for step in (timeline.cancelled, timeline.retried):
        device.do(step, ROOM, identity("a"))
    device.do(timeline.failed, ROOM, identity("a"), "why")
    device.is_stored("a", 5)
    assert device.texts() == ["one"]
    assert timeline.line(device.db, 5) is None
    assert timeline.line_of(device.db, ROOM, MAX, identity("a")) is None


def test_a_line_is_told_once_it_is_there_and_when_it_changes() -> None:
    device = heard([entry(1, MAX, "one"), entry(2, ADA, React(about(MAX, 1), "a"))])
    number = device.lines()[0].number
    assert device.told == [LineShown(ROOM, number), LineChanged(ROOM, number)]


# ---- Edits and removals ----


def test_only_its_writer_edits_a_message() -> None:
    log = [entry(1, MAX, "one"), entry(2, ADAM, edit(1, "two")), entry(3, MAX, edit(1, "three"))]
    device = heard(log)
    (line,) = device.lines()
    assert (line.text, line.edited_at) == ("three", NOW + 3)
    assert line.said == Text("three")
    assert timeline.edits(device.db, line.number) == [(NOW + 1, "one"), (NOW + 3, "three")]
    assert timeline.edits(device.db, 5) == []


def test_an_edit_keeps_the_files_and_changes_who_is_called() -> None:
    device = heard(
        [
            entry(1, MAX, Text("hi", topic="tea", files=(FILE,), mentions=(MIA,))),
            entry(2, MAX, Edit(identity(1), "bye")),
        ]
    )
    (line,) = device.lines()
    assert line.said == Text("bye", topic="tea", files=(FILE,))
    assert not line.names_me
    assert line.text == "bye\ntea.png"


@pytest.mark.parametrize(
    ("by", "whose", "is_gone"),
    [
        (MAX, MAX, True),
        (MAX, MIA, False),
        (ADAM, MAX, True),
        (ADAM, ADA, False),
        (ADAM, OLGA, False),
        (OLGA, ADAM, True),
        (b"?" * 16, MAX, False),
    ],
)
def test_who_stands_above_somebody_takes_their_words_away(
    by: bytes, whose: bytes, is_gone: bool
) -> None:
    device = heard([entry(1, whose, "words"), entry(2, by, Delete(about(whose, 1), "rude"))])
    (line,) = device.lines()
    assert (line.kind == "gone") == is_gone
    assert line.deleted_by == (by if is_gone else None)
    assert device.finds("words") == ([] if is_gone else ["words"])
    kept = device.db.all("SELECT body FROM line WHERE seq = 1")[0][0]
    assert (kept == b"") == is_gone


def test_nothing_of_a_deleted_message_stays_on_the_disk() -> None:
    device = heard(
        [
            entry(1, MAX, "secret one"),
            entry(2, MAX, edit(1, "secret two")),
            entry(3, MAX, Delete(about(MAX, 1))),
            entry(4, MAX, edit(1, "secret three")),
        ]
    )
    kept = device.db.all("SELECT text, body, edit FROM line")
    assert b"secret" not in b"".join(body + edit for _text, body, edit in kept)
    assert [text for text, _body, _edit in kept] == [""] * 4
    assert device.finds("secret") == []
    assert timeline.edits(device.db, device.lines()[0].number) == []


def test_a_removal_that_waits_can_be_taken_back() -> None:
    device = heard([entry(1, MIA, "words")])
    device.says("a", Delete(about(MIA, 1)))
    assert device.lines()[0].kind == "gone"
    device.do(timeline.cancelled, ROOM, identity("a"))
    assert device.texts() == ["words"]
    assert device.finds("words") == ["words"]
    device.says("b", Delete(about(MIA, 1)))
    device.do(timeline.failed, ROOM, identity("b"), "why")
    assert device.texts() == ["words"]
    device.says("c", Delete(about(MIA, 1)))
    device.is_stored("c", 2)
    assert device.lines()[0].kind == "gone"
    assert device.db.one("SELECT body FROM line WHERE seq = 1") == (b"",)


def test_the_first_of_two_removals_counts() -> None:
    removals = [entry(2, MAX, Delete(about(MAX, 1))), entry(3, OLGA, Delete(about(MAX, 1)))]
    for order in (removals, removals[::-1]):
        device = heard([entry(1, MAX, "words"), *order])
        assert [(line.kind, line.deleted_by) for line in device.lines()] == [("gone", MAX)]


def test_a_removal_cannot_be_removed() -> None:
    device = heard(
        [
            entry(1, MAX, "words"),
            entry(2, MAX, Delete(about(MAX, 1))),
            entry(3, MAX, Delete(about(MAX, 2))),
        ]
    )
    device.do(timeline.dropped, ROOM, [2], NOW + 2)
    assert [line.kind for line in device.lines()] == ["gone"]


def test_a_body_that_is_gone_is_shown_only_where_somebody_took_it_away() -> None:
    device = heard([entry(1, MAX, None), entry(2, MAX, None), entry(3, MAX, Delete(about(MAX, 2)))])
    assert [(line.seq, line.kind, line.account) for line in device.lines()] == [(2, "gone", MAX)]


def test_a_dropped_edit_brings_the_first_text_back() -> None:
    device = heard([entry(1, MAX, "one"), entry(2, MAX, edit(1, "two"))])
    device.do(timeline.dropped, ROOM, [2, 2], NOW + 2)
    assert device.texts() == ["one"]
    device.hears(entry(2, MAX, edit(1, "two")))
    assert device.texts() == ["one"]


def test_what_is_dropped_before_it_came_or_before_its_time_stays() -> None:
    device = heard([entry(2, MAX, "two")])
    ((at,),) = device.db.all("SELECT at FROM line")
    device.do(timeline.dropped, ROOM, [1, 2], at - 1)
    device.hears(entry(1, MAX, "one"))
    assert device.texts() == ["one", "two"]
    device.do(timeline.dropped, ROOM, [1, 2], at)
    assert device.texts() == []


def test_a_body_that_the_server_has_no_more_stays_here() -> None:
    device = heard([entry(1, MAX, "one"), entry(1, MAX, None)])
    assert device.texts() == ["one"]


def test_the_first_of_two_entries_with_one_id_counts() -> None:
    for log in ([entry(1, MAX, "one", "x"), entry(2, MAX, "two", "x")],):
        assert heard(log).texts() == heard(log[::-1]).texts() == ["one"]
    both = [entry(1, MAX, "one", "x"), entry(2, ADA, "two", "x")]
    assert heard(both).texts() == ["one", "two"]


# ---- Mutes ----


def test_the_muted_are_hidden_from_there_on_until_they_are_not() -> None:
    device = heard(
        [
            entry(1, MAX, "before"),
            entry(2, ADAM, Mute(MAX)),
            entry(3, MAX, "during"),
            entry(4, MAX, edit(1, "spoilt")),
            entry(5, MAX, React(about(MAX, 1), "a")),
        ]
    )
    assert device.texts() == ["before"]
    assert device.finds("during") == []
    assert timeline.muted(device.db, ROOM) == [MAX]
    assert timeline.reactions(device.db, device.lines()[0].number) == []
    device.hears(entry(6, ADAM, Mute(MAX, on=False)))
    device.hears(entry(7, MAX, "after"))
    assert device.texts() == ["before", "after"]
    assert timeline.muted(device.db, ROOM) == []


@pytest.mark.parametrize(
    ("by", "who", "works"),
    [
        (ADAM, MAX, True),
        (OLGA, ADAM, True),
        (ADAM, ADA, False),
        (MIA, MAX, False),
        (MAX, MAX, False),
    ],
)
def test_who_stands_above_somebody_mutes_them(by: bytes, who: bytes, works: bool) -> None:
    device = heard([entry(1, by, Mute(who)), entry(2, who, "words")])
    assert device.texts() == ([] if works else ["words"])


def test_a_mute_counts_once_the_log_has_it() -> None:
    device = Device(ADAM)
    device.hears(entry(2, MAX, "words"))
    device.says("a", Mute(MAX))
    assert device.texts() == ["words"]
    device.is_stored("a", 1)
    assert device.texts() == []


# ---- Reactions, pins, polls ----


def test_each_puts_each_emoji_once_under_a_line() -> None:
    device = heard(
        [
            entry(1, MAX, "one"),
            entry(2, ADA, React(about(MAX, 1), "👍")),
            entry(3, MIA, React(about(MAX, 1), "👍")),
            entry(4, ADA, React(about(MAX, 1), "👍")),
            entry(5, ADA, React(about(MAX, 1), "❤️")),
            entry(6, ADA, React(about(MAX, 1), "❤️", on=False)),
            entry(7, MIA, React(about(ADA, 1), "a line that is not there")),
        ]
    )
    assert timeline.reactions(device.db, device.lines()[0].number) == [("👍", (ADA, MIA))]


def test_a_reaction_is_shown_at_once_and_gone_when_it_fails() -> None:
    device = heard([entry(1, MAX, "one")])
    number = device.lines()[0].number
    device.says("a", React(about(MAX, 1), "👍"))
    assert timeline.reactions(device.db, number) == [("👍", (MIA,))]
    device.do(timeline.failed, ROOM, identity("a"), "why")
    assert timeline.reactions(device.db, number) == []


def test_admins_pin_and_the_newest_pin_stands_in_front() -> None:
    device = heard(
        [
            entry(1, MAX, "one"),
            entry(2, MAX, "two"),
            entry(3, MAX, "three"),
            entry(4, ADAM, Pin(about(MAX, 1))),
            entry(5, ADAM, Pin(about(MAX, 2))),
            entry(6, MAX, Pin(about(MAX, 3))),
            entry(7, ADAM, Pin(about(MAX, 1))),
            entry(8, ADAM, Pin(about(MAX, 9))),
        ]
    )
    assert [line.text for line in timeline.pins(device.db, ROOM)] == ["one", "two"]
    device.hears(entry(10, OLGA, Pin(about(MAX, 1), on=False)))
    assert [line.text for line in timeline.pins(device.db, ROOM)] == ["two"]


def test_a_poll_counts_the_newest_vote_of_each_until_it_is_over() -> None:
    device = heard(
        [
            entry(1, MAX, Poll("Tea?", ("yes", "no"), closes_at=NOW + 7)),
            entry(2, ADA, Vote(about(MAX, 1), (0, 1))),
            entry(3, MIA, Vote(about(MAX, 1), (0,))),
            entry(4, MIA, Vote(about(MAX, 1), (1, 9))),
            entry(5, OLGA, Vote(about(MAX, 1), ())),
            entry(8, OLGA, Vote(about(MAX, 1), (1,))),
        ]
    )
    number = device.lines()[0].number
    results = timeline.poll(device.db, number)
    assert results is not None
    assert results.options == (("yes", (ADA,)), ("no", (MIA,)))
    assert (results.voters, results.is_over, results.closes_at) == (2, False, NOW + 7)
    assert device.finds("tea") == ["Tea?\nyes\nno"]


@pytest.mark.parametrize(("by", "ends"), [(MAX, True), (ADAM, True), (MIA, False)])
def test_who_asked_ends_a_poll_or_an_admin(by: bytes, ends: bool) -> None:
    device = heard(
        [
            entry(1, MAX, Poll("Tea?", ("yes", "no"), is_multiple=True)),
            entry(2, by, EndPoll(about(MAX, 1))),
            entry(3, ADA, Vote(about(MAX, 1), (0, 1))),
        ]
    )
    results = timeline.poll(device.db, device.lines()[0].number)
    assert results is not None
    assert results.is_over == ends
    assert results.options[1].accounts == (() if ends else (ADA,))
    assert timeline.poll(device.db, 5) is None


# ---- Notes and unread ----


def test_a_note_is_shown_once() -> None:
    device = Device()
    for _ in range(2):
        device.do(timeline.note, ROOM, 4, NOW, "joined", ADA)
    device.do(timeline.note, ROOM, 4, NOW, "renewed", None)
    assert [(line.cause, line.account) for line in device.lines()] == [
        ("joined", ADA),
        ("renewed", None),
    ]


def test_notes_of_one_place_stand_in_the_order_in_which_it_happened() -> None:
    """Behind what was said there, by whichever clock each of them has its time."""
    device = Device()
    for cause, at in (("founded", NOW), ("joined", NOW), ("waits", NOW), ("accepted", NOW - 9)):
        device.do(timeline.note, ROOM, 1, at, cause, ADA)
    device.do(timeline.note, ROOM, 2, NOW - 9, "accepted", None)
    device.hears(entry(2, MAX, "hello"))
    causes = ["founded", "joined", "waits", "accepted", "", "accepted"]
    assert [line.cause for line in device.lines()] == causes
    pages: list[timeline.Line] = []
    while page := timeline.lines(device.db, ROOM, pages[0].number if pages else None, 1):
        pages[:0] = page
    assert [line.cause for line in pages] == causes
    assert timeline.lines_from(device.db, ROOM, pages[2].number) == pages[2:]


def test_what_could_not_be_opened_gives_way_to_what_it_said() -> None:
    device = Device()
    device.do(timeline.note, ROOM, 1, NOW, "no-key", MAX)
    device.do(timeline.note, ROOM, 1, NOW, "another-log", MAX)
    device.hears(entry(1, MAX, "here it is"))
    assert device.texts() == ["here it is", "another-log"]
    device.do(timeline.note, ROOM, 1, NOW, "no-key", MAX)
    assert device.texts() == ["here it is", "another-log"]


def test_unread_is_counted_from_the_log() -> None:
    device = heard(
        [
            entry(1, MAX, Text("one", mentions=(MIA,))),
            entry(2, MAX, Text("two", mentions=(MIA,))),
            entry(3, ADAM, Text("three", mentions_all=True)),
            entry(4, MAX, Text("four", mentions_all=True)),
            entry(5, MIA, "mine"),
            entry(6, MAX, React(about(MAX, 1), "a")),
            entry(7, MAX, "deleted"),
            entry(8, MAX, Delete(about(MAX, 7))),
            entry(9, MAX, Unknown("dance", b"\x81\xa4type\xa5dance")),
        ]
    )
    device.do(timeline.note, ROOM, 10, NOW, "joined", ADA)
    assert timeline.unread(device.db, ROOM, MIA, 0) == (5, 3)
    assert timeline.unread(device.db, ROOM, MIA, 1) == (4, 2)
    assert timeline.unread(device.db, ROOM, MIA, 9) == (0, 0)
    assert device.lines()[-2].said == Unknown("dance", b"\x81\xa4type\xa5dance")


def test_numbers_are_unique_however_many_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "NUMBERS_PER_MS", 2)
    monkeypatch.setattr(taking, "NUMBERS_PER_MS", 2)
    device = Device()
    for seq in range(1, 8):
        device.hears(entry(seq, MAX, f"line {seq}")._replace(at=2**50))
    numbers = [line.number for line in device.lines()]
    assert numbers == sorted(numbers)
    assert len(numbers) == 7
    assert rows.first_number(0) == 0
    monkeypatch.undo()
    assert rows.first_number(2**53) < 2**53


def test_the_rooms_own_roles_are_asked() -> None:
    device = Device()
    device.db.run(
        "INSERT INTO rank (room, account, since, role) VALUES (?, ?, 0, 'admin')", ROOM, ADAM
    )
    device.db.run(
        "INSERT INTO posting (room, since, who, pin, call) VALUES (?, 0, 'everyone', 'admins', '')",
        ROOM,
    )
    device.do(timeline.take, ROOM, entry(1, MAX, "one"))
    device.do(timeline.take, ROOM, entry(2, ADAM, Pin(about(MAX, 1))))
    device.do(timeline.take, ROOM, entry(3, MAX, Pin(about(MAX, 1), on=False)))
    assert [line.text for line in timeline.pins(device.db, ROOM)] == ["one"]
    assert taking.ROOM_RIGHTS.role_of is members.role_of
    assert RIGHTS.role_of is not members.role_of
    assert device.lines(OTHER_ROOM) == []


def test_lines_are_read_on_from_any_of_them_and_found_by_the_time() -> None:
    device = heard([entry(seq, MAX, f"text {seq}") for seq in (1, 2, 3, 4)])
    numbers = [line.number for line in device.lines()]
    for place, number in enumerate(numbers):
        shown = timeline.lines_from(device.db, ROOM, number, 2)
        assert [line.number for line in shown] == numbers[place : place + 2]
        assert timeline.line_at(device.db, ROOM, NOW + place + 1) == number
    assert timeline.lines_from(device.db, ROOM, 1) == []
    assert timeline.line_at(device.db, ROOM, NOW + 5) is None


def test_files_of_what_waits_no_more_complete_nothing() -> None:
    device = heard([entry(1, MIA, "said")])
    told = list(device.told)
    device.do(timeline.completed, ROOM, identity(1), Text("other"))
    assert (device.texts(), device.told) == (["said"], told)
