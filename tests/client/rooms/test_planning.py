"""Who plans a commit writes into it all that follows, and finds out at once what cannot be."""

import pytest
from msgspec.structs import replace

from alcove import mls
from alcove.client.errors import PeerError
from alcove.client.keys.certificates import NewDevice, make_list
from alcove.client.rooms import bookkeeping
from alcove.client.rooms.extension import LeastVersion, Ranked
from alcove.client.rooms.note import Note
from alcove.client.rooms.planning import joining_note, plan
from alcove.wire.codec import encode
from alcove.wire.entries import Member, Routing
from tests.client.rooms.people import ARCHIVE, Person, Room

ADA, BOB, CATO = (Person(name) for name in ("ada", "bob", "cato"))


def test_a_healing_commit_changes_and_says_nothing() -> None:
    room = Room("group", ADA, BOB)
    healing = plan(room.public, room.leaf(BOB))
    assert (healing.proposals, healing.note, healing.state) == ((), Note(), room.state)
    assert plan(room.public, 0, renews=True).note == Note(renews=True)


def test_a_plan_says_all_that_it_changes() -> None:
    room = Room("group", ADA, BOB)
    wish = (Ranked(ADA.hash, "owner"), Ranked(CATO.hash, "admin"))
    planned = plan(
        room.public,
        room.leaf(ADA),
        adds=[CATO.device().package],
        removes=[room.leaf(BOB)],
        settle=lambda state: replace(state, roles=wish, history="none", keep_ms=9),
    )
    remove, add, change = planned.proposals
    assert remove == mls.Remove(room.leaf(BOB))
    assert isinstance(add, mls.Add)
    assert isinstance(change, mls.GroupContextExtensions)
    assert planned.note == Note(
        renews=True,
        closes=True,
        routing=Routing(
            adds=(Member(CATO.account, CATO.device().id),),
            removes=(Member(BOB.account, BOB.device().id),),
            roles=((CATO.account, "admin"),),
            history="none",
            keep_ms=9,
        ),
    )


def test_what_cannot_be_proved_is_not_planned() -> None:
    room = Room("group", ADA, BOB)
    with pytest.raises(PeerError, match="room-list-useless"):
        plan(room.public, 0, lists=[encode(CATO.lists([1])[0])])
    with pytest.raises(PeerError, match="room-notice-useless"):
        plan(room.public, 0, notices=[room.notice(BOB, "leave")])


def test_who_joins_names_himself() -> None:
    device = CATO.device()
    me = Member(CATO.account, device.id)
    data = device.credential.data
    assert joining_note(data, "sibling").routing == Routing(adds=(me,))
    assert joining_note(data, "resync").routing == Routing(adds=(me,), removes=(me,))
    assert joining_note(data, "resync") == Note(
        renews=True, joins="resync", routing=Routing(adds=(me,), removes=(me,))
    )


def test_when_least_versions_are_full_those_of_who_is_gone_give_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bookkeeping, "VERSIONS_MAX", 2)
    room = Room("group", ADA, BOB, CATO)
    room.go(ADA, lists=[*BOB.lists([1]), *CATO.lists([1])])
    assert [one.identity for one in room.state.versions] == sorted([BOB.hash, CATO.hash])
    room.go(BOB, removes=[room.leaf(CATO)], notices=[room.notice(CATO, "leave")])
    assert len(room.state.versions) == 2
    room.go(BOB, lists=ADA.lists([1]))
    left = (LeastVersion(ADA.hash, 1), LeastVersion(BOB.hash, 1))
    assert sorted(room.state.versions, key=lambda one: one.identity) == sorted(
        left, key=lambda one: one.identity
    )


def test_an_identity_may_have_been_followed_twice() -> None:
    room = Room("group", ADA, BOB)
    (first,) = BOB.lists([1])
    new, second = BOB.rotated(first, 1)
    newest = Person("bob", 3, BOB.account)
    keys = [NewDevice(BOB.device().key.public)]
    third = make_list(newest.identity, newest.owner, keys, second, new.identity, archive=ARCHIVE)
    assert room.judge(BOB, lists=[third]) == "room-rotation-agreed"
    room.go(BOB, lists=[second, third], template=newest.device(version=3).template)
    assert room.state.versions == (LeastVersion(newest.hash, 3),)
    assert len(room.state.bans) == 2
