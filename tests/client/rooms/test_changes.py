"""Wishes come true one commit at a time, or end with a word that says why they cannot."""

import pytest

from alcove.client import outbox
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.rooms import acting, changes, healing, making
from alcove.client.rooms.claims import Package
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import leaf_hash
from alcove.client.rooms.state import change, get_room, group_of
from alcove.client.rooms.wish import add_wish
from alcove.client.tx import Tx
from alcove.wire.base import Request
from alcove.wire.codec import decode_header, encode
from alcove.wire.devices import Claim
from alcove.wire.entries import Append, HandshakeHeader
from alcove.wire.errors import Code, Refusal
from alcove.wire.signed import device_id
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    content_of,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    states,
)
from tests.client.world import Peer, World

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def three(world: World) -> tuple[Peer, Peer, Peer, bytes]:
    """Return a group's owner and two members; all have healed."""
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    for peer in (ada, bob, cyn):
        say(world, peer, room, f"{peer.name} is here")
        world.pass_time(PAUSE_MS)
    return ada, bob, cyn, room


def test_who_is_removed_or_leaves_is_given_no_role_by_the_commit_that_does_it() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.hang_up()
    ada.do(acting.set_role, room, bob.me.account, "admin")
    ada.do(acting.remove, room, bob.me.account)
    ada.do(acting.set_role, room, cyn.me.account, "admin")
    cyn.do(acting.leave, room)
    world.pass_time(PAUSE_MS)
    ada.heard()
    assert ada.connect() is None
    world.run()
    world.pass_time(2 * PAUSE_MS)
    assert ada.heard(Warned) == []
    assert names(world, ada, room) == ["ada"]
    assert ada.db.all("SELECT 1 FROM wish UNION ALL SELECT 1 FROM notice") == []


def test_a_wish_that_cannot_be_holds_nobody_up_who_leaves() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    bob.hang_up()

    def wish(tx: Tx) -> None:
        change(tx, room, commit_at=world.now + PAUSE_MS)
        add_wish(tx, room, "settings", b"", changes.settings({"kind": "direct"}))

    ada.do(wish)
    cyn.do(acting.leave, room)
    world.pass_time(3 * PAUSE_MS)
    assert [one.code.split(":")[0] for one in ada.heard(Warned)] == ["not-possible"]
    assert names(world, ada, room) == ["ada", "bob"]


def test_a_wish_that_cannot_be_takes_no_other_along() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan = world.register("dan")
    ada.answers = refuse(Claim, Code.BUSY, 9, retry_after_ms=MINUTE_MS)
    ada.hang_up()
    a, b, d = (peer.me.account for peer in (ada, bob, dan))

    def wish(tx: Tx) -> None:
        add_wish(tx, room, "add", d)  # It waits for a key package.
        add_wish(tx, room, "role", a, b"member")  # Not before there is another owner.
        add_wish(tx, room, "settings", b"", changes.settings({"kind": "direct"}))
        add_wish(tx, room, "role", b, b"owner")

    ada.do(wish)
    cyn.do(acting.leave, room)
    ada.heard()
    assert ada.connect() is None
    world.run()
    world.pass_time(MINUTE_MS)
    warned = [one.code for one in ada.heard(Warned)]
    assert [one.split(":")[:2] for one in warned] == [["not-possible", " settings"]]
    world.pass_time(10 * MINUTE_MS)
    assert names(world, bob, room) == ["ada", "bob", "dan"]
    group = ada.do(group_of, room)
    assert group is not None
    assert [one.rank for one in state_of(group.public).roles] == ["owner"]
    assert ada.db.all("SELECT * FROM wish") == []
    agree(world, room, ada, bob, dan)


def test_a_wish_that_the_room_does_not_allow_any_more_ends_with_a_word() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    world.run()
    world.pass_time(PAUSE_MS)
    bob.hang_up()
    bob.do(acting.remove, room, cyn.me.account)
    ada.do(acting.set_role, room, bob.me.account, "member")
    world.run()
    world.pass_time(PAUSE_MS)
    bob.heard()
    assert bob.connect() is None
    world.run()
    world.pass_time(MINUTE_MS)
    warned = [one.code for one in bob.heard(Warned)]
    assert [code.split(":")[:2] for code in warned] == [["not-possible", " drop"]]
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    say(world, bob, room, "we go on")
    agree(world, room, ada, bob, cyn)


def test_a_wish_for_more_than_a_server_takes_is_wished_until_it_does() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.answers = refuse(Append, Code.LIMIT, 2)
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert names(world, bob, room) == ["ada", "bob"]
    assert state(cyn, room) == "gone"
    agree(world, room, ada, bob)


@pytest.mark.parametrize(
    ("code", "retry_after_ms"),
    [(Code.TOO_SOON, 20_000), (Code.CONFLICT, None), (Code.NOT_A_MEMBER, None)],
)
def test_a_commit_that_was_refused_is_made_again_on_what_the_room_has_become(
    code: Code, retry_after_ms: int | None
) -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan = world.register("dan")
    ada.answers = refuse(Append, code, retry_after_ms=retry_after_ms)
    ada.do(acting.invite, room, dan.me.account)
    world.run()
    bob.do(acting.leave, room)
    world.run()
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "who is here?")
    world.pass_time(MINUTE_MS)
    assert names(world, cyn, room) == ["ada", "cyn", "dan"]
    agree(world, room, ada, cyn, dan)


def test_the_same_wish_twice_is_one_wish() -> None:
    world = World()
    ada, _, _, room = three(world)
    ada.hang_up()
    for _ in range(2):
        ada.do(add_wish, room, "add", bytes(16))
    assert ada.db.all("SELECT COUNT(*) FROM wish") == [(1,)]


def test_a_lost_device_that_cannot_be_added_again_stops_no_wish() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan = world.register("dan")

    def notice(tx: Tx) -> None:
        group = group_of(tx, room)
        assert group is not None
        (leaf,) = [
            leaf for _, leaf in group.members() if device_id(leaf.signature_key) == cyn.me.device
        ]
        tx.run(
            """
            INSERT INTO notice (room, device, seq, kind, leaf, package, body, ready_at)
            VALUES (?, ?, 1, 'lost', ?, x'00', x'00', 0)
            """,
            room, cyn.me.device, leaf_hash(leaf),
        )  # fmt: skip

    ada.do(notice)
    ada.do(acting.invite, room, dan.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert names(world, bob, room) == ["ada", "bob", "cyn", "dan"]
    agree(world, room, ada, bob, cyn, dan)


def test_a_wish_with_keys_that_are_none_ends_with_a_word() -> None:
    world = World()
    ada, bob, _, room = three(world)
    ada.heard()
    keys = encode([Package(bytes(16), bytes(16), bytes(32), b"\x00")])
    ada.do(add_wish, room, "add", bytes(16), keys)
    world.run()
    (warned,) = ada.heard(Warned)
    assert warned.code.startswith("not-possible: add")
    say(world, ada, room, "we go on")
    assert said(bob, room)[-1] == "we go on"


def test_healing_that_is_refused_for_two_days_is_told() -> None:
    world = World()
    ada, bob, _, room = three(world)

    def refuses(request: Request) -> Refusal | None:
        if not isinstance(request, Append):
            return None
        headers = [decode_header(one.header) for one in request.entries]
        if not any(isinstance(one, HandshakeHeader) for one in headers):
            return None
        return Refusal(request.id, Code.TOO_SOON, "Too soon.", retry_after_ms=1_000)

    ada.answers = refuses
    warned = []
    for day in range(7):
        world.pass_time(DAY_MS)
        ada.heard()
        say(world, ada, room, f"day {day}")
        warned.append([one.code for one in ada.heard(Warned)])
        world.pass_time(PAUSE_MS)
        assert said(bob, room)[-1] == f"day {day}"
    assert [day for day, codes in enumerate(warned) if codes == ["not-healed"]] in (
        [2, 4, 6],
        [3, 5],
    )
    assert notes(ada, room).count("not-healed") >= 2
    ada.answers = lambda _: None
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "at last")
    assert ada.db.one("SELECT refused_at FROM room WHERE room = ?", room) == (0,)


def test_who_chooses_so_says_nothing_until_healing_is_taken_again() -> None:
    world = World()
    ada, bob, _, room = three(world)
    with pytest.raises(UsageError, match="nothing to wait for"):
        ada.do(healing.hold, room)

    def refuses(request: Request) -> Refusal | None:
        if not isinstance(request, Append) or not any(map(making.is_handshake, request.entries)):
            return None
        return Refusal(request.id, Code.TOO_SOON, "Too soon.", retry_after_ms=1_000)

    ada.answers = refuses
    world.pass_time(2 * DAY_MS)
    say(world, ada, room, "not healed")
    ada.do(healing.hold, room)
    say(world, ada, room, "secret")
    world.pass_time(DAY_MS)
    assert said(bob, room)[-1] == "not healed"
    assert healing.is_held(ada.db, room)
    ada.answers = lambda _: None
    world.pass_time(2 * healing.PAUSE_MS)
    assert said(bob, room)[-1] == "secret"
    assert not healing.is_held(ada.db, room)


def test_what_is_held_goes_all_the_same_when_its_owner_says_so() -> None:
    world = World()
    ada, bob, _, room = three(world)
    ada.db.run("UPDATE room SET refused_at = 1, is_held = 1 WHERE room = ?", room)
    ada.answers = lambda request: (
        Refusal(request.id, Code.TOO_SOON, "Too soon.", retry_after_ms=1_000)
        if isinstance(request, Append) and any(map(making.is_handshake, request.entries))
        else None
    )
    say(world, ada, room, "all the same")
    assert "all the same" not in said(bob, room)
    for _ in range(2):
        ada.do(healing.let_go, room)
    world.run()
    assert said(bob, room)[-1] == "all the same"


def test_no_refusal_of_any_kind_loses_a_message_or_stops_the_room() -> None:
    world = World()
    ada, bob, _, room = three(world)
    for code in Code:
        ada.answers = refuse(Append, code, retry_after_ms=500)
        say(world, ada, room, code)
        world.pass_time(PAUSE_MS)
        if states(ada, room)[code] == "failed":
            ada.do(outbox.retry, room, content_of(ada, room, code))
            world.run()
        assert states(ada, room)[code] in {"stored", "delivered"}, code
        assert said(bob, room)[-1] == code
    agree(world, room, ada, bob)


def test_healing_that_has_to_wait_keeps_nothing_back() -> None:
    world = World()
    ada, bob, _, room = three(world)
    before = ada.do(get_room, room).handshake
    ada.db.run("UPDATE room SET healed_at = 0 WHERE room = ?", room)
    ada.do(healing.postpone, room, world.now + DAY_MS)
    say(world, ada, room, "meanwhile")
    assert said(bob, room)[-1] == "meanwhile"
    assert ada.do(get_room, room).handshake == before
