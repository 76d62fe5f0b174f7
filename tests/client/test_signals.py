"""Typing and presence: told to who is there, stored nowhere, and believed only where signed."""

import pytest

from alcove.client import chats, signals
from alcove.client.events import Answered, PeopleChanged, Signalled
from alcove.client.keys.rooms import SIGNAL_LABEL
from alcove.client.keys.sealing import Caller, seal_signal
from alcove.client.rooms import acting
from alcove.client.rooms.state import group_of
from alcove.client.tx import Tx
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.directory import GetOnline, PresenceChanged, SetPresence, Signal
from alcove.wire.directory import Signalled as Heard
from alcove.wire.errors import Code
from tests.client.refusing import answer, refuse, watch
from tests.client.rooms.talk import PAUSE_MS, room_of, say
from tests.client.world import Peer, World


def pair() -> tuple[World, Peer, Peer, bytes]:
    """Return two people in a room."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    return world, ada, bob, room_of(world, ada, bob)


def test_who_is_online_sees_that_somebody_types_and_stops() -> None:
    world, ada, bob, room = pair()
    tablet = world.add_device(ada)
    world.pass_time(PAUSE_MS)
    bob.heard()
    tablet.heard()
    ada.do(signals.typing, room, on=False)  # Nobody has begun.
    ada.do(signals.typing, room)
    world.run()
    assert bob.heard(Signalled) == [Signalled(room, ada.me.account, "typing")]
    ada.do(signals.typing, room, on=False)
    world.run()
    assert bob.heard(Signalled) == [Signalled(room, ada.me.account, "resting")]
    assert tablet.heard(Signalled) == []


def test_typing_is_told_once_in_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world, ada, bob, room = pair()
    asked = watch(monkeypatch)
    for _ in range(10):
        ada.do(signals.typing, room)
        world.run()
    assert len([one for one in asked if isinstance(one, Signal)]) == 1
    world.pass_time(signals.TYPING_MS)
    ada.do(signals.typing, room)
    world.run()
    assert len(bob.heard(Signalled)) == 2


def test_a_new_epoch_has_another_key() -> None:
    world, ada, bob, room = pair()
    ada.do(signals.typing, room)
    world.run()
    assert len(bob.heard(Signalled)) == 1
    say(world, ada, room, "one")  # Heals, so the epoch is another.
    world.pass_time(PAUSE_MS)
    ada.do(signals.typing, room)
    world.run()
    assert len(bob.heard(Signalled)) == 1


def test_nothing_is_signalled_where_nobody_could_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world, ada, bob, room = pair()
    asked = watch(monkeypatch)
    ada.do(signals.typing, b"?" * 16)
    ada.hang_up()
    ada.do(signals.typing, room)
    ada.do(signals.look, room)
    assert ada.connect() is None
    monkeypatch.setattr(signals, "TYPING_ACCOUNTS_MAX", 1)
    ada.do(signals.typing, room)
    bob.do(acting.leave, room)
    world.run()
    bob.do(signals.typing, room)
    world.run()
    assert [one for one in asked if isinstance(one, Signal)] == []


def signal(tx: Tx, room: bytes, epoch: int | None, plain: object) -> bytes:
    """Return a signal of a device that says something of its own."""
    group = group_of(tx, room)
    assert group is not None
    secret = group.export(SIGNAL_LABEL, b"", 32)
    caller = Caller(room, tx.me.account, tx.me.key.public)
    number = group.epoch if epoch is None else epoch
    return seal_signal(secret, number, caller, tx.me.key, encode(plain), tx.random(32))


def test_a_signal_counts_only_if_its_device_made_it_in_this_epoch() -> None:
    world, ada, bob, room = pair()
    good = bob.do(signal, room, None, {"type": "typing"})
    cases = [
        (room, bob.me.device, bob.do(signal, room, 77, {"type": "typing"})),
        (room, bob.me.device, bob.do(signal, room, None, {"type": "dancing"})),
        (room, bob.me.device, bob.do(signal, room, None, ["typing"])),
        (room, bob.me.device, good[:-1]),
        (room, bob.me.device, b""),
        (room, bob.me.device, b"?" * 2000),
        (room, b"?" * 16, good),
        (room, ada.me.device, good),
        (b"?" * 16, bob.me.device, good),
    ]
    for where, device, body in cases:
        answer(ada, Heard(room=where, device=device, body=body))
    assert ada.heard(Signalled) == []
    answer(ada, Heard(room=room, device=bob.me.device, body=good))
    assert ada.heard(Signalled) == [Signalled(room, bob.me.account, "typing")]
    ada.do(chats.block, bob.me.account)
    answer(ada, Heard(room=room, device=bob.me.device, body=good))
    assert ada.heard(Signalled) == []
    world.run()


def test_who_comes_and_goes_is_seen_by_who_shares_a_room() -> None:
    world, ada, bob, _ = pair()
    assert ada.do(signals.presences)[bob.me.account] == "online"
    bob.hang_up()
    world.pass_time(5_000)
    assert bob.me.account not in ada.do(signals.presences)
    assert ada.heard(PeopleChanged)[-1] == PeopleChanged((bob.me.account,))
    assert bob.connect() is None
    bob.do(signals.set_presence, "away")
    world.pass_time(5_000)
    assert ada.do(signals.presences)[bob.me.account] == "away"
    ada.hang_up()
    assert ada.do(signals.presences) == {}


def test_who_comes_to_share_a_room_sees_who_was_online_before() -> None:
    """Nobody hears of a stranger who comes online: what was missed is told with the room."""
    world = World()
    ada = world.register("ada")
    bob, cyn = world.register("bob"), world.register("cyn")
    world.pass_time(60_000)
    assert bob.me.account not in ada.do(signals.presences)
    room = room_of(world, ada, bob, cyn)
    cyn.do(signals.set_presence, "away")
    world.pass_time(60_000)
    assert ada.do(signals.presences)[bob.me.account] == "online"
    dan = world.register("dan")
    world.pass_time(60_000)
    ada.heard()
    ada.do(acting.invite, room, dan.me.account)
    world.pass_time(60_000)
    assert ada.do(signals.presences)[dan.me.account] == "online"
    assert ada.heard(PeopleChanged) == [PeopleChanged((dan.me.account,))]
    assert dan.do(signals.presences)[cyn.me.account] == "away"


def test_who_is_invisible_stays_so_after_a_restart() -> None:
    world, ada, bob, _ = pair()
    bob.hang_up()
    bob.do(signals.set_presence, "invisible")
    bob.restart()
    world.pass_time(5_000)
    ada.heard()
    assert bob.connect() is None
    world.pass_time(5_000)
    assert bob.me.account not in ada.do(signals.presences)
    bob.do(signals.set_presence, "online")
    world.pass_time(5_000)
    assert ada.do(signals.presences)[bob.me.account] == "online"


def test_one_switch_hides() -> None:
    world, ada, bob, _ = pair()
    number = bob.do(signals.set_visibility, online=False, seen=False, findable="exact")
    world.pass_time(5_000)
    assert bob.heard(Answered) == [Answered(number, Done(id=number))]
    ada.hang_up()
    assert ada.connect() is None
    world.run()
    assert bob.me.account not in ada.do(signals.presences)


def test_only_so_much_of_who_is_online_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alcove.server.handlers.directory.ONLINE_PAGE", 1)
    monkeypatch.setattr(signals, "PAGES_MAX", 2)
    world = World()
    people = [world.register(name) for name in ("ada", "bob", "cyn")]
    ada = people[0]
    ada.hang_up()
    assert ada.connect() is None
    asked = watch(monkeypatch)
    world.run()
    assert len([one for one in asked if isinstance(one, GetOnline)]) == 2
    assert len(ada.do(signals.presences)) == 2
    monkeypatch.setattr(signals, "KNOWN_MAX", 2)
    people_ = (b"1" * 16, b"2" * 16, b"3" * 16)
    answer(ada, PresenceChanged(people=tuple((one, "online") for one in people_)))
    assert len(ada.do(signals.presences)) == 2


def test_without_an_answer_whoever_comes_and_goes_is_told() -> None:
    world, ada, bob, room = pair()
    ada.hang_up()
    assert ada.connect() is None
    assert refuse(ada, GetOnline, Code.TOO_MANY) == 1
    ada.do(signals.set_presence, "away")
    assert refuse(ada, SetPresence, Code.TOO_MANY) == 1
    world.run()
    ada.do(signals.typing, room)
    assert refuse(ada, Signal, Code.TOO_MANY) == 1
    assert ada.do(signals.presences) == {}
    answer(ada, PresenceChanged(people=((bob.me.account, "online"),)))
    ada.heard()
    answer(ada, PresenceChanged(people=((bob.me.account, "online"),)))
    assert ada.heard(PeopleChanged) == []
