"""What was said before a device came: all of it that it may read, whatever goes wrong."""

from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from alcove.client import archive, history
from alcove.client.errors import UsageError
from alcove.client.keys.archive import seal_archived
from alcove.client.keys.sealing import seal_chain_row
from alcove.client.rooms import acting, handshakes, making
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.state import get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.accounts import GetArchive, PutArchive
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.entries import (
    Append,
    DropBodies,
    Entries,
    GetSnapshot,
    NewEntry,
    PutSnapshot,
    Read,
    Row,
    Snapshot,
)
from alcove.wire.errors import Code
from alcove.wire.ids import Position
from alcove.wire.rooms import GetRows, RoomRows
from tests.client.rooms.mischief import Vandal, breaking, plain_of, refuse
from tests.client.rooms.talk import (
    agree,
    gaps,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    troubles,
)
from tests.client.world import Peer, World

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LAST_DEATH = 12


def past(world: World, **fields: str) -> tuple[Peer, Peer, bytes]:
    """Return two people who have talked under several keys."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, **fields)
    for number in range(3):
        say(world, ada, room, f"ada {number}")
        say(world, bob, room, f"bob {number}")
        world.pass_time(2 * HOUR_MS)
    world.pass_time(2 * MINUTE_MS)
    return ada, bob, room


TEXTS = ["ada 0", "bob 0", "ada 1", "bob 1", "ada 2", "bob 2"]


def coming(world: World, ada: Peer, room: bytes, **hooks: Any) -> Peer:
    """Let somebody be invited whose line is as told; `answers` and `hears` are `Peer`'s."""
    cyn = world.register("cyn")
    for hook, function in hooks.items():
        setattr(cyn, hook, function)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    return cyn


@pytest.mark.parametrize("page_entries_max", [1, 2, 256])
def test_a_newcomer_reads_everything_in_pages_of_any_size(page_entries_max: int) -> None:
    world = World(page_entries_max=page_entries_max)
    ada, bob, room = past(world)
    cyn = coming(world, ada, room)
    assert said(cyn, room) == TEXTS
    assert gaps(cyn, room) == []
    agree(world, room, ada, bob, cyn)


@pytest.mark.parametrize("kind", [GetRows, Read, GetSnapshot])
@pytest.mark.parametrize("times", [1, 3])
def test_what_cannot_be_had_now_is_had_later(kind: type[Request], times: int) -> None:
    world = World()
    ada, _, room = past(world)
    cyn = coming(world, ada, room, answers=refuse(kind, Code.BUSY, times))
    world.pass_time(MINUTE_MS)
    assert said(cyn, room) == TEXTS


def test_a_crash_on_any_page_costs_that_page_alone() -> None:
    world = World(page_entries_max=2)
    ada, _, room = past(world)
    cyn = world.register("cyn")
    deaths = [0]

    def kill(request: Request) -> None:
        if isinstance(request, Read | GetRows | GetSnapshot):
            deaths[0] += 1
            if deaths[0] % 3 == 0 and deaths[0] <= LAST_DEATH:
                cyn.restart()

    cyn.answers = kill
    ada.do(acting.invite, room, cyn.me.account)
    for _ in range(40):
        world.run()
        if not cyn.is_online:
            assert cyn.connect() is None
    world.pass_time(MINUTE_MS)
    assert deaths[0] > LAST_DEATH
    assert said(cyn, room) == TEXTS


def test_whom_the_server_keeps_from_the_past_goes_on_in_the_present() -> None:
    world = World()
    ada, _, room = past(world)
    cyn = coming(world, ada, room, answers=refuse(GetRows, Code.NOT_A_MEMBER, 100))
    say(world, ada, room, "now")
    assert said(cyn, room) == ["now"]


def test_rows_that_are_false_or_of_no_key_lead_nowhere_and_stop_nothing() -> None:
    world = World()
    ada, bob, room = past(world)

    def forge(message: Any) -> Any:
        if not isinstance(message, RoomRows):
            return message
        rows = tuple(
            false
            for row in message.rows
            for false in (
                Row("chain", bytes(32), row.body),
                Row("chain", row.name, b"garbage"),
                Row("chain", row.name, row.body[:-1] + b"\x00"),
            )
        )
        return structs.replace(message, rows=rows)

    bob.hang_up()
    cyn = coming(world, ada, room, hears=forge)
    assert set(gaps(cyn, room)) <= {"no-key"}
    say(world, ada, room, "now")
    assert said(cyn, room)[-1] == "now"
    cyn.hears = lambda one: one
    world.pass_time(24 * HOUR_MS)  # It looks again, as long as something waits.
    assert said(cyn, room) == [*TEXTS, "now"]
    assert gaps(cyn, room) == []


def test_a_false_key_in_a_true_row_opens_nothing() -> None:
    """A member may write any secret into the chain: messages under it do not open, and say so."""
    world = World()
    ada, bob, room = past(world)
    first, newest = (
        name
        for (name,) in ada.db.all(
            "SELECT h.name FROM handshake h JOIN room_key k USING (room, name) "
            "WHERE room = ? ORDER BY seq LIMIT 2", room,
        )
    )  # fmt: skip

    def write(tx: Tx) -> Row:
        key = key_of(tx, room, newest)
        assert key is not None
        body = seal_chain_row(key, room, newest, tx.me.key, (first, bytes(32)), tx.random(32))
        return Row("chain", newest, body)

    row = bob.do(write)
    cyn = coming(
        world, ada, room,
        hears=lambda one: (
            structs.replace(one, rows=(*one.rows, row)) if isinstance(one, RoomRows) else one
        ),
    )  # fmt: skip
    assert said(cyn, room)[-1] == "bob 2"
    say(world, ada, room, "now")
    assert said(cyn, room)[-1] == "now"


def test_false_keys_that_come_first_are_given_up_and_the_right_ones_are_asked_for() -> None:
    world = World()
    ada, bob, room = past(world)

    def write(tx: Tx) -> list[Row]:
        names = tx.all("SELECT name FROM handshake WHERE room = ? AND renews ORDER BY seq", room)
        rows = []
        for (earlier,), (name,) in pairwise(names):
            key = key_of(tx, room, name)
            assert key is not None
            link = earlier, bytes(32)
            body = seal_chain_row(key, room, name, tx.me.key, link, tx.random(32))
            rows.append(Row("chain", name, body))
        return rows

    false = bob.do(write)[::-1]

    def lie(message: Any) -> Any:
        if not isinstance(message, RoomRows):
            return message
        return structs.replace(message, rows=(*message.rows[:1], *false, *message.rows[1:]))

    cyn = coming(world, ada, room, hears=lie)
    world.pass_time(HOUR_MS)
    assert said(cyn, room) == TEXTS
    assert gaps(cyn, room) == []
    assert "not-sealed" not in notes(cyn, room)


def test_garbage_under_a_key_that_others_have_told_costs_nothing_but_itself() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    mal = Vandal(bob)
    entry = mal.kept(room, plain_of(Text("garbage")))
    mal.post(room, NewEntry(entry.header, bytes(len(entry.body))))
    say(world, ada, room, "one", "two")
    cyn = coming(world, ada, room)
    assert said(cyn, room) == ["one", "two"]
    assert "not-sealed" in notes(cyn, room)
    assert gaps(cyn, room) == []


def test_a_key_of_one_s_own_group_is_never_what_others_have_told_before() -> None:
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal)
    bob.hang_up()
    ada.do(acting.remove, room, mal.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    newest = ada.do(get_room, room).room_key
    known = bob.do(get_room, room).room_key
    assert newest is not None
    assert known is not None

    def write(tx: Tx) -> Row:
        key = key_of(tx, room, known)
        assert key is not None
        link = newest, bytes(32)
        body = seal_chain_row(key, room, known, tx.me.key, link, tx.random(32))
        return Row("chain", known, body)

    rows = RoomRows(rows=(mal.do(write),), next=None)
    bob.do(lambda tx: tx.run("UPDATE past SET is_done = 0 WHERE room = ?", room))
    bob.do(history.chain, GetRows(room=room, kind="chain"), rows, b"")
    assert bob.db.one("SELECT secret FROM room_key WHERE name = ?", newest) == (bytes(32),)
    assert bob.connect() is None
    world.run()
    say(world, bob, room, "only for ada")
    assert said(ada, room) == ["only for ada"]


def test_what_was_dropped_and_what_was_garbage_is_passed_in_the_past_too() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one", "a mistake")
    here = ada.do(get_room, room)
    ada.engine.ask(DropBodies(room=room, seqs=(here.seq,), incarnation=here.incarnation), world.now)
    world.run()
    mal = Vandal(bob)
    mal.post(room, mal.kept(room, b"\xc1"))
    entry = mal.kept(room, plain_of(Text("mine")))
    mal.post(room, entry)
    mal.post(room, entry)
    cyn = coming(world, ada, room)
    assert said(cyn, room) == ["one", "mine"]
    assert said(ada, room)[-1] == "mine"
    assert len(notes(cyn, room)) >= 2
    assert gaps(cyn, room) == []
    assert cyn.db.one("SELECT cause FROM entry WHERE seq = ?", here.seq) == ("deleted",)


@pytest.mark.parametrize("lie", ["header", "body"])
def test_old_handshakes_that_are_false_leave_the_past_closed_and_nothing_else(lie: str) -> None:
    world = World()
    ada, _, room = past(world)

    def spoil(message: Any) -> Any:
        if not isinstance(message, Entries) or state(world.peers[-1], room) != "active":
            return message  # Who is shown them while coming in does not come in.
        spoilt = tuple(
            structs.replace(one, **{lie: b"\xc1"}) if one.seq < 3 else one
            for one in message.entries
        )
        return structs.replace(message, entries=spoilt)

    cyn = coming(world, ada, room, hears=spoil)
    say(world, ada, room, "now")
    assert said(cyn, room)[-1] == "now"


def test_a_snapshot_lets_the_past_be_followed_from_the_middle() -> None:
    world = World()
    ada, bob, room = past(world)
    name, seq, tree = ada.do(_tree, room)
    request = PutSnapshot(room=room, name=name, body=tree)
    ada.engine.ask(request, world.now)
    world.run()
    dan = world.register("dan")
    ada.do(acting.invite, room, dan.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    say(world, dan, room, "dan is here")
    cyn = coming(world, ada, room)
    assert said(cyn, room) == [*TEXTS, "dan is here"]
    assert names(world, cyn, room) == ["ada", "bob", "cyn", "dan"]
    assert seq > 1
    for peer in (ada, bob, dan, cyn):
        peer.hang_up()
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == said(cyn, room)


def _tree(tx: Tx, room: bytes) -> tuple[bytes, int, bytes]:
    public = public_of(tx, room)
    assert public is not None
    (name, seq) = tx.line(
        "SELECT name, seq FROM handshake WHERE room = ? ORDER BY seq DESC LIMIT 1", room
    )
    return name, seq, public.tree.encode()


def test_a_live_room_has_no_past() -> None:
    world = World()
    ada, _, room = past(world, history="none")
    cyn = coming(world, ada, room)
    assert said(cyn, room) == []
    say(world, ada, room, "now")
    assert said(cyn, room) == ["now"]


def test_a_closed_room_settles_what_its_newcomer_may_not_read() -> None:
    world = World()
    ada, _, room = past(world, history="closed")
    cyn = coming(world, ada, room)
    world.pass_time(HOUR_MS)
    assert said(cyn, room) == []
    assert gaps(cyn, room) == []
    assert set(notes(cyn, room)) >= {"before-you-joined"}


def test_what_was_sealed_while_an_open_room_was_closed_stays_so_for_newcomers() -> None:
    world = World()
    ada, _, room = past(world, history="closed")
    ada.do(acting.change_settings, room, history="open")
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "in the open")
    cyn = coming(world, ada, room)
    world.pass_time(HOUR_MS)
    assert (said(cyn, room), gaps(cyn, room)) == (["in the open"], [])
    assert "before-you-joined" in notes(cyn, room)


def test_what_was_sealed_before_a_newcomer_to_a_closed_room_stays_closed_wherever_it_stands() -> (
    None
):
    world = World()
    ada, bob, room = past(world, history="closed")
    bob.answers = breaking(bob, Append)
    say(world, bob, room, "sealed too early")
    cyn = coming(world, ada, room)
    assert bob.connect() is None
    world.run()
    assert said(ada, room)[-1] == "sealed too early"
    assert said(cyn, room) == []
    assert notes(cyn, room)[-1] == "before-you-joined"
    assert gaps(cyn, room) == []


def test_who_is_added_again_to_a_live_room_is_told_what_was_sealed_before_that() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn, history="none")
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    bob.answers = breaking(bob, Append)
    say(world, bob, room, "sealed while you were out")
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert bob.connect() is None
    world.run()
    assert said(ada, room) == ["sealed while you were out"]
    assert said(cyn, room) == []
    assert notes(cyn, room)[-1] == "before-you-joined"
    assert "private-epoch-kept" not in troubles(cyn)


def test_who_comes_back_by_itself_links_its_key_or_others_do() -> None:
    """A sibling that comes in alone cannot always write the row of the chain: others mend it."""
    world = World()
    ada, bob, room = past(world)
    bob.answers = refuse(GetRows, Code.BUSY)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    say(world, laptop, room, "me too")
    cyn = coming(world, ada, room)
    assert said(cyn, room) == [*TEXTS, "me too"]
    assert state(laptop, room) == "active"


# ---- The archive ----


def test_keys_that_could_not_be_archived_are_archived_later() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.answers = refuse(PutArchive, Code.QUOTA)
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    world.pass_time(2 * MINUTE_MS)
    assert "archive: quota" in troubles(ada)
    assert ada.db.all("SELECT 1 FROM room_key WHERE is_archived = 0")
    world.pass_time(2 * HOUR_MS)
    assert ada.db.all("SELECT 1 FROM room_key WHERE is_archived = 0") == []


def test_keys_are_archived_by_one_request_at_a_time() -> None:
    world = World()
    ada = world.register("ada")
    ada.do(making.create, "group")
    world.run()
    for _ in range(2):
        ada.do(archive.put, b"")
    asked = [one for one in ada.engine.requests() if isinstance(one, PutArchive)]
    assert len(asked) == 1


@pytest.mark.parametrize("more", [{"retry_after_ms": 20_000}, {}])
def test_an_archive_that_a_busy_server_refuses_is_read_later(more: dict[str, int]) -> None:
    world = World()
    ada, bob, room = past(world)
    for peer in (ada, bob):
        peer.hang_up()
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    laptop.answers = refuse(GetArchive, Code.TOO_MANY, **more)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS if more else 2 * HOUR_MS)
    assert said(laptop, room) == TEXTS


@pytest.mark.parametrize("lie", ["busy", "forged", "of another", "in pages"])
def test_an_archive_that_a_server_spoils_brings_no_false_key(lie: str) -> None:
    world = World()
    ada, bob, room = past(world)
    for peer in (ada, bob):
        peer.hang_up()
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    asked: list[Request] = []

    def hears(message: Any) -> Any:
        if type(message).__name__ != "Archive" or lie == "busy":
            return message
        if lie == "in pages":
            asked.append(message)
            return structs.replace(message, next=1) if len(asked) == 1 else message
        if lie == "of another":
            me = ada.me
            bodies = [
                seal_archived(me.archive_key, me.account, row.room, row.name, bob.me.key, bytes(32))
                for row in message.rows
            ]
        else:
            bodies = [row.body[:-1] + b"x" for row in message.rows]
        rows = tuple(
            structs.replace(row, body=body) for row, body in zip(message.rows, bodies, strict=True)
        )
        return structs.replace(message, rows=rows)

    laptop.hears = hears
    if lie == "busy":
        laptop.answers = refuse(GetArchive, Code.BUSY)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS)
    if lie in {"forged", "of another"}:
        keys = laptop.db.all("SELECT secret FROM room_key")
        assert (bytes(32),) not in keys
        assert set(said(laptop, room)) <= set(TEXTS)
        return
    laptop.hang_up()
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == TEXTS


def test_snapshots_that_lead_nowhere_are_no_reason_to_stop() -> None:
    world = World()
    ada, _, room = past(world)
    cyn = coming(
        world, ada, room,
        hears=lambda one: (
            structs.replace(one, body=b"garbage") if isinstance(one, Snapshot) else one
        ),
    )  # fmt: skip
    say(world, ada, room, "now")
    assert said(cyn, room) == [*TEXTS, "now"]


def test_a_past_that_does_not_lead_to_the_present_is_not_believed() -> None:
    """The server leaves out how somebody was removed, so that they might have said more."""
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal)
    say(world, mal, room, "while mal was there")
    world.pass_time(MINUTE_MS)
    ada.do(acting.remove, room, mal.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    removed = ada.do(get_room, room).seq
    asked: set[int] = set()

    def watches(request: Request) -> None:
        if (
            isinstance(request, Read)
            and request.lane == "handshake"
            and state(cyn, room) == "active"
        ):
            asked.add(request.id)

    def cut(message: Any) -> Any:
        if not isinstance(message, Entries) or message.id not in asked:
            return message
        kept = tuple(one for one in message.entries if one.seq < removed)
        return structs.replace(message, entries=kept, more=False)

    cyn = world.register("cyn")
    cyn.answers, cyn.hears = watches, cut
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert asked
    assert cyn.db.all("SELECT 1 FROM stay WHERE device = ?", mal.me.device) == []
    assert said(cyn, room) == []
    say(world, ada, room, "now")
    assert said(cyn, room) == ["now"]


def test_what_everybody_is_now_is_not_what_they_were_before() -> None:
    world = World()
    ada, bob, room = past(world)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    world.run()
    world.pass_time(MINUTE_MS)
    ada.do(acting.set_role, room, bob.me.account, "member")
    world.run()
    world.pass_time(MINUTE_MS)
    cyn = coming(world, ada, room)
    ranks = cyn.db.all(
        "SELECT account, role FROM rank WHERE room = ? AND since = ? ORDER BY role, account",
        room, cyn.do(get_room, room).joined_seq,
    )  # fmt: skip
    members = sorted([bob.me.account, cyn.me.account])
    assert ranks == [*((one, "member") for one in members), (ada.me.account, "owner")]
    assert said(cyn, room) == TEXTS


def test_answers_about_a_past_that_nobody_fetches_any_more_are_dropped() -> None:
    world = World()
    ada, _, room = past(world)
    before = ada.db.all("SELECT * FROM stay"), said(ada, room)
    request = Read(room=room, since=Position(1, 0), entries_max=4)
    answer = Entries(room=room, incarnation=1, entries=(), head=9, more=False)
    ada.do(lambda tx: tx.run("DELETE FROM past"))
    ada.do(history.page, request, answer, b"")
    ada.do(history.handshakes_read, request, answer, b"")
    assert (ada.db.all("SELECT * FROM stay"), said(ada, room)) == before


def test_what_the_owner_cannot_do_meanwhile_does_not_stop_the_walk_through_the_past() -> None:
    world, refused = World(), list[Any]()
    ada, _, room = past(world)

    def hears(message: Any) -> Any:
        if room in cyn.engine._memory.walks:
            with pytest.raises(UsageError):
                cyn.do(acting.invite, room, ada.me.account)
            refused.append(message)
        return message

    cyn = world.register("cyn")
    cyn.hears = hears
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    assert (said(cyn, room), bool(refused)) == (TEXTS, True)


def test_what_waits_for_its_key_of_somebody_who_was_never_there_ends() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    mal = Vandal(ada)
    key = ada.do(get_room, room).room_key
    entry = mal.kept(room, plain_of(Text("who said that?")), sender=bytes(16), key=b"k" * 32)

    def wait(tx: Tx) -> None:
        tx.run(
            "INSERT INTO unopened (room, seq, key, at, header, body) VALUES (?, 9, ?, 0, ?, ?)",
            room, key, entry.header, entry.body,
        )  # fmt: skip
        tx.run("INSERT INTO entry (room, seq, device, cause) VALUES (?, 9, x'', 'no-key')", room)
        assert key is not None
        handshakes.learn_key(tx, room, key, bytes(32))

    bob.do(wait)
    assert bob.db.all("SELECT seq FROM unopened") == []
    assert bob.db.one("SELECT cause FROM entry WHERE seq = 9") == ("not-a-member",)
