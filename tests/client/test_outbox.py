"""The outbox: what was said is sent until it is stored, or its writer is told why it is not."""

from typing import Any

import pytest

from alcove.client import outbox
from alcove.client.errors import UsageError
from alcove.client.rooms import acting, making
from alcove.client.tx import BATCH_ENTRIES, Tx
from alcove.wire.base import Request
from alcove.wire.codec import decode_header
from alcove.wire.content import File, React, SealedBlob, Target, Text
from alcove.wire.entries import Append, Appended, MessageHeader, NewEntries, Nudge, Read
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.rooms import CreateRoom
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    content_of,
    line_of,
    room_of,
    said,
    say,
    states,
)
from tests.client.world import Peer, World

DAY_MS = 24 * 60 * 60 * 1000


def pair(world: World, **fields: str) -> tuple[Peer, Peer, bytes]:
    """Return two people and their room, in which both have healed: no commit is due."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, **fields)
    for peer in (ada, bob):
        say(world, peer, room, f"{peer.name} is here")
        world.pass_time(PAUSE_MS)
    return ada, bob, room


def sent(peer: Peer) -> list[Append]:
    """Return the list in which the messages that a device sends will be found."""
    found: list[Append] = []

    def look(request: Request) -> None:
        if isinstance(request, Append):
            found.append(request)

    peer.answers = look
    return found


def test_what_waits_can_be_taken_back_and_is_never_said() -> None:
    world = World()
    ada, bob, room = pair(world)
    ada.hang_up()
    ada.engine.requests()
    bob.hang_up()
    say(world, ada, room, "kept", "a mistake")
    # What was said first is in a request already, and may be on its way; what waits behind is ours.
    assert not ada.do(outbox.cancel, room, content_of(ada, room, "kept"))
    assert not ada.do(outbox.cancel, room, bytes(16))
    assert ada.do(outbox.cancel, room, content_of(ada, room, "a mistake"))
    assert not ada.do(outbox.cancel, room, bytes(16))
    assert states(ada, room)["kept"] == "waiting"
    for peer in (ada, bob):
        assert peer.connect() is None
    world.run()
    assert "a mistake" not in said(ada, room)
    assert said(bob, room) == said(ada, room)
    assert said(bob, room)[-1] == "kept"
    agree(world, room, ada, bob)


def test_what_the_server_refuses_for_good_is_shown_as_failed_and_can_be_tried_again() -> None:
    world = World()
    ada, bob, room = pair(world)
    ada.answers = refuse(Append, Code.QUOTA)
    say(world, ada, room, "hello")
    line = line_of(ada, room, "hello")
    assert (line.state, line.why) == (
        "failed", "There is no space left for this account or on this server.",
    )  # fmt: skip
    world.pass_time(DAY_MS)
    assert states(ada, room)["hello"] == "failed"
    say(world, ada, room, "later")  # Nothing waits for what has failed.
    ada.do(outbox.retry, room, content_of(ada, room, "hello"))
    assert states(ada, room)["hello"] == "waiting"
    world.run()
    assert said(bob, room)[2:] == said(ada, room)[2:] == ["later", "hello"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("code", [Code.BUSY, Code.TOO_MANY, Code.STORAGE, Code.INTERNAL])
@pytest.mark.parametrize("retry_after_ms", [None, 30_000])
def test_a_refusal_that_passes_costs_time_and_nothing_else(
    code: Code, retry_after_ms: int | None
) -> None:
    world = World()
    ada, bob, room = pair(world)
    asked = sent(ada)
    look, refusing = ada.answers, refuse(Append, code, 2, retry_after_ms=retry_after_ms)
    ada.answers = lambda request: look(request) or refusing(request)
    say(world, ada, room, "hello")
    assert states(ada, room)["hello"] == "waiting"
    world.pass_time(2_500)
    assert (said(bob, room)[-1] == "hello") is (retry_after_ms is None)
    world.pass_time(60_000)
    assert said(bob, room)[-1] == "hello"
    assert len(asked) == 3
    assert len(set(asked)) == 1  # The same request, number and bytes, each time.
    agree(world, room, ada, bob)


def test_what_waits_for_a_busy_server_is_sent_at_the_next_sign_in_if_that_comes_later() -> None:
    world = World()
    ada, bob, room = pair(world)
    ada.answers = refuse(Append, Code.BUSY, retry_after_ms=30_000)
    say(world, ada, room, "hello")
    ada.hang_up()
    world.pass_time(60_000)
    assert said(bob, room)[-1] != "hello"
    assert ada.connect() is None
    world.run()
    assert said(bob, room)[-1] == "hello"
    agree(world, room, ada, bob)


@pytest.mark.parametrize("code", [Code.CLOSED, Code.OLD_KEY])
def test_what_the_log_has_closed_is_sealed_anew_under_the_same_content_id(code: Code) -> None:
    world = World()
    ada, bob, room = pair(world)
    asked = sent(ada)
    look, refusing = ada.answers, refuse(Append, code)
    ada.answers = lambda request: look(request) or refusing(request)
    say(world, ada, room, "hello")
    world.pass_time(PAUSE_MS)
    assert said(bob, room)[-1] == "hello"
    first, second = (request.entries[0] for request in asked)
    assert first.body != second.body
    contents = [decode_header(entry.header) for entry in (first, second)]
    assert all(isinstance(header, MessageHeader) for header in contents)
    assert contents[0] == contents[1]
    agree(world, room, ada, bob)


def test_after_eight_tries_the_writer_is_told() -> None:
    world = World()
    ada, bob, room = pair(world)
    asked = sent(ada)
    look, refusing = ada.answers, refuse(Append, Code.CLOSED, 100)
    ada.answers = lambda request: look(request) or refusing(request)
    say(world, ada, room, "hello")
    world.pass_time(PAUSE_MS)
    line = line_of(ada, room, "hello")
    assert (line.state, line.why) == ("failed", "The room changed faster than this could be sent.")
    assert len(asked) == outbox.TRIES_MAX
    ada.answers = lambda _: None
    ada.do(outbox.retry, room, content_of(ada, room, "hello"))
    world.run()
    assert said(bob, room)[-1] == "hello"
    agree(world, room, ada, bob)


@pytest.mark.parametrize("history", ["open", "none"])
def test_hundreds_of_messages_written_offline_arrive_in_their_order(history: str) -> None:
    world = World()
    ada, bob, room = pair(world, history=history)
    ada.hang_up()
    texts = [f"number {number}" for number in range(150)]
    for text in texts:
        ada.do(acting.say, room, Text(text))
    world.pass_time(3 * DAY_MS)
    ada.restart()
    asked = sent(ada)
    assert ada.connect() is None
    world.run()
    assert said(bob, room)[2:] == said(ada, room)[2:] == texts
    assert max(len(request.entries) for request in asked) <= BATCH_ENTRIES + 1
    assert len(asked) == 4  # The first was on its way alone; then they go together.
    agree(world, room, ada, bob)


def test_large_messages_travel_in_requests_that_the_server_takes() -> None:
    world = World()
    ada, bob, room = pair(world)
    ada.hang_up()
    texts = [character * 39_999 for character in "\U0001f600\U0001f601\U0001f602"]
    for text in ["first", *texts]:
        ada.do(acting.say, room, Text(text))
    asked = sent(ada)
    assert ada.connect() is None
    world.run()
    assert said(bob, room)[2:] == ["first", *texts]
    assert [len(request.entries) for request in asked] == [1, 1, 1, 1]
    agree(world, room, ada, bob)


def thumbnailed(size: int) -> File:
    """Return a file with a picture of so many bytes."""
    sealed = SealedBlob(bytes(16), bytes(32), bytes(32), 5)
    return File("x", "image/png", sealed, thumbnail=bytes(size))


@pytest.mark.parametrize("count", [12, 13])
def test_what_is_too_large_to_be_sealed_is_refused_at_once_and_stops_nothing(count: int) -> None:
    world = World()
    ada, bob, room = pair(world)
    files = tuple(thumbnailed(16_384) for _ in range(count))
    with pytest.raises(UsageError, match="too large"):
        ada.do(acting.say, room, Text("look", files=files))
    with pytest.raises(UsageError, match="nothing"):
        ada.do(acting.say, room, Text(" "))
    say(world, ada, room, "small")
    assert said(ada, room)[-1] == said(bob, room)[-1] == "small"
    agree(world, room, ada, bob)


def test_in_a_room_that_is_gone_nothing_can_be_said() -> None:
    world = World()
    ada, bob, room = pair(world)
    bob.do(acting.leave, room)
    world.run()
    with pytest.raises(UsageError, match="not in this room"):
        bob.do(acting.say, room, Text("one more thing"))
    with pytest.raises(UsageError, match="not in this room"):
        ada.do(acting.say, bytes(16), Text("hello?"))


def test_what_waits_when_its_writer_is_removed_fails_with_the_reason() -> None:
    world = World()
    ada, bob, room = pair(world)
    bob.hang_up()
    bob.do(acting.say, room, Text("wait for me"))
    bob.do(acting.say, room, Text("and me"))
    world.pass_time(PAUSE_MS)
    ada.do(acting.remove, room, bob.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert bob.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert states(bob, room)["wait for me"] == states(bob, room)["and me"] == "failed"
    assert line_of(bob, room, "and me").why == outbox.NOT_HERE
    assert said(ada, room) == ["ada is here", "bob is here"]


def test_what_waits_when_its_writer_leaves_fails_with_the_reason() -> None:
    world = World()
    _, bob, room = pair(world)
    bob.hang_up()
    bob.do(acting.leave, room)
    for text in ("too late", "and this"):
        bob.do(acting.say, room, Text(text))

    def answers(request: Request) -> Refusal | None:
        if not isinstance(request, Append):
            return None
        if b"notice" in request.entries[0].header:
            return None
        return Refusal(request.id, Code.NOT_A_MEMBER, SENTENCES[Code.NOT_A_MEMBER])

    bob.answers = answers
    assert bob.connect() is None
    world.run()
    assert states(bob, room)["too late"] == states(bob, room)["and this"] == "failed"
    assert bob.db.one("SELECT 1 FROM outbox WHERE failed IS NULL") is None


def test_what_was_stored_is_said_though_its_writer_has_left_before_hearing_of_it() -> None:
    world = World()
    ada, bob, room = pair(world)
    bob.hang_up()
    bob.do(acting.say, room, Text("and goodbye"))
    bob.do(acting.leave, room)
    lost: list[Appended] = []

    def hears(one: Any) -> Any:
        if isinstance(one, Appended) and not lost:
            lost.append(one)
            return None
        return one

    bob.hears = hears
    assert bob.connect() is None
    world.run()
    assert len(lost) == 1
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    assert states(bob, room)["and goodbye"] in {"stored", "delivered"}
    assert bob.db.one("SELECT 1 FROM outbox") is None
    assert said(ada, room)[-1] == "and goodbye"


def test_what_was_stored_is_said_though_its_writer_was_shut_out_before_reading_so_far() -> None:
    world = World()
    ada, bob, room = pair(world)
    bob.hears = lambda one: None if isinstance(one, NewEntries | Nudge) else one
    say(world, ada, room, "not heard")
    bob.answers = refuse(Read, Code.NOT_A_MEMBER)

    def say_both(tx: Tx) -> None:
        for text in ("one", "two"):
            acting.say(tx, room, Text(text))

    bob.do(say_both)
    world.run()
    assert said(ada, room)[-2:] == ["one", "two"]
    assert bob.db.one("SELECT state FROM room WHERE room = ?", room) == ("gone",)
    assert states(bob, room)["one"] == states(bob, room)["two"] == "stored"
    assert bob.db.one("SELECT 1 FROM outbox") is None
    places = {
        peer: [line_of(peer, room, text).seq for text in ("one", "two")] for peer in (ada, bob)
    }
    assert places[bob] == places[ada]


def test_who_leaves_before_a_room_is_there_is_told_that_nothing_was_said() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.say, room, Text("hello"))
    ada.do(acting.leave, room)
    assert (line_of(ada, room, "hello").state, line_of(ada, room, "hello").why) == (
        "failed", outbox.NOT_HERE,
    )  # fmt: skip


def test_the_last_one_who_leaves_is_told_what_was_not_said() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    ada.hang_up()
    ada.do(acting.say, room, Text("to nobody"))
    ada.do(acting.leave, room)
    assert line_of(ada, room, "to nobody").state == "failed"


def test_what_was_written_before_only_admins_may_post_fails_with_the_reason() -> None:
    world = World()
    ada, bob, room = pair(world)
    bob.hang_up()
    bob.do(acting.say, room, Text("may I?"))
    bob.do(
        acting.say, room, React(Target(bob.me.account, content_of(bob, room, "bob is here")), "x")
    )
    ada.do(acting.change_settings, room, may_post="admins")
    world.pass_time(PAUSE_MS)
    assert bob.connect() is None
    world.pass_time(PAUSE_MS)
    assert (line_of(bob, room, "may I?").state, line_of(bob, room, "may I?").why) == (
        "failed", outbox.MAY_NOT_POST,
    )  # fmt: skip
    assert said(ada, room) == ["ada is here", "bob is here"]
    ada.do(acting.change_settings, room, may_post="everyone")
    world.pass_time(PAUSE_MS)
    bob.do(outbox.retry, room, content_of(bob, room, "may I?"))
    world.run()
    assert said(ada, room) == ["ada is here", "bob is here", "may I?"]
    assert bob.db.one("SELECT 1 FROM outbox") is None


def test_the_first_messages_of_a_room_that_cannot_be_made_fail_with_the_reason() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    ada.answers = refuse(CreateRoom, Code.LIMIT)
    ada.do(acting.say, room, Text("hello"))
    world.run()
    line = line_of(ada, room, "hello")
    assert (line.state, line.why) == ("failed", "This would go beyond a limit of the server.")


@pytest.mark.parametrize("limits", [{"batch_entries_max": 2}, {"message_bytes_max": 4096}])
def test_a_server_that_takes_little_at_once_gets_little_at_once(limits: dict[str, int]) -> None:
    world = World(**limits)
    ada, bob, room = pair(world)
    ada.hang_up()
    texts = [f"{number} {'x' * 1000}" for number in range(9)]
    for text in texts:
        ada.do(acting.say, room, Text(text))
    assert ada.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(bob, room)[2:] == said(ada, room)[2:] == texts
    agree(world, room, ada, bob)
