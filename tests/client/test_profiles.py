"""Names and pictures: chosen by who may, shown to who is there, and taken from nobody else."""

from typing import Any

import pytest

from alcove.client import profiles
from alcove.client.errors import UsageError
from alcove.client.events import PeopleChanged, RoomChanged
from alcove.client.keys.envelope import sign
from alcove.client.keys.sealing import seal_profile, seal_profile_row
from alcove.client.profiles import AccountProfile, RoomProfile, Statement, person, room_profile
from alcove.client.rooms import acting, linking, making
from alcove.client.rooms.messages import key_of
from alcove.client.tx import Tx
from alcove.wire.accounts import GetProfile, Profile
from alcove.wire.codec import encode
from alcove.wire.entries import Row
from alcove.wire.errors import Code
from alcove.wire.rooms import GetRows, PutRows, RoomRows
from tests.client.refusing import answer, refuse
from tests.client.rooms.talk import PAUSE_MS, room_of, say
from tests.client.world import Peer, World


def settle(world: World) -> None:
    """Let all that was begun come to its end."""
    world.run()
    world.pass_time(PAUSE_MS * 2)


def house() -> tuple[World, Peer, Peer, bytes]:
    """Return a group that Ada has made, with Bob."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    return world, ada, bob, room_of(world, ada, bob)


# ---- Rooms ----


def claim(tx: Tx, room: bytes, name: str, number: int) -> None:
    """Name a room under a number of one's own choice."""
    body = encode(RoomProfile(name))
    signature = sign(tx.me.key, profiles._stated(room, body, number, tx.me.key.public))
    said = Statement(body, number, tx.me.key.public, signature)
    tx.run("UPDATE room SET profile = ? WHERE room = ?", encode(said), room)
    profiles.put(tx, room)


def test_nobody_has_the_last_word_on_a_rooms_name_by_counting_to_the_end() -> None:
    world, ada, bob, room = house()
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    bob.do(claim, room, "mine for ever", profiles.FIRST_MAX + 1)
    settle(world)
    assert room_profile(ada.db, room).name == ""
    ada.do(profiles.set_profile, room, name="ours")
    settle(world)
    bob.do(claim, room, "mine for ever", profiles.LEAP_MAX + 2)
    settle(world)
    assert room_profile(ada.db, room).name == "ours"
    bob.do(claim, room, "bob's", profiles.LEAP_MAX + 1)
    settle(world)
    assert room_profile(ada.db, room).name == "bob's"
    ada.do(profiles.set_profile, room, name="ours again")
    settle(world)
    assert room_profile(bob.db, room).name == "ours again"


def test_a_room_is_called_as_its_owner_says_on_all_devices() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(profiles.set_profile, room, name="Chess", topic="Mondays\u202e at eight")
    assert room_profile(ada.db, room) == RoomProfile("Chess", "Mondays at eight")
    settle(world)
    assert room_profile(bob.db, room) == RoomProfile("Chess", "Mondays at eight")
    ada.do(profiles.set_profile, room, name="Chess club", picture=b"png")
    settle(world)
    expected = RoomProfile("Chess club", "Mondays at eight", b"png")
    assert room_profile(bob.db, room) == room_profile(ada.db, room) == expected
    assert RoomChanged(room) in bob.heard(RoomChanged)


def test_a_room_of_one_is_called_by_its_name_on_the_next_device() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    ada.do(profiles.set_profile, room, name="Notes")
    settle(world)
    tablet = world.add_device(ada)
    settle(world)
    assert room_profile(tablet.db, room).name == "Notes"


def test_who_was_away_sees_the_new_name() -> None:
    world, ada, bob, room = house()
    bob.hang_up()
    ada.do(profiles.set_profile, room, name="Chess")
    settle(world)
    bob.restart()
    assert bob.connect() is None
    settle(world)
    assert room_profile(bob.db, room).name == "Chess"


def test_a_name_that_is_given_offline_is_there_later() -> None:
    world, ada, bob, room = house()
    ada.hang_up()
    ada.do(profiles.set_profile, room, name="Chess")
    ada.restart()
    assert ada.connect() is None
    settle(world)
    assert room_profile(bob.db, room).name == "Chess"


def test_who_comes_later_sees_the_name_however_they_come() -> None:
    world, ada, bob, room = house()
    cyn, dan = world.register("cyn"), world.register("dan")
    ada.do(profiles.set_profile, room, name="Chess")
    settle(world)
    bob.do(acting.invite, room, cyn.me.account)
    settle(world)
    assert room_profile(cyn.db, room).name == "Chess"
    text = ada.do(linking.make_link, room, "https://alcove.test")
    settle(world)
    dan.do(linking.join_by_link, text)
    settle(world)
    assert room_profile(dan.db, room).name == "Chess"


def test_members_hand_on_what_an_admin_said_and_cannot_change_it() -> None:
    world, ada, bob, room = house()
    ada.do(profiles.set_profile, room, name="Chess")
    settle(world)
    with pytest.raises(UsageError, match="Only owners and admins"):
        bob.do(profiles.set_profile, room, name="Mine")
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    bob.do(profiles.set_profile, room, name="Ours")
    settle(world)
    assert room_profile(ada.db, room).name == "Ours"
    with pytest.raises(UsageError, match="not in this room"):
        bob.do(profiles.set_profile, b"?" * 16, name="x")
    with pytest.raises(UsageError, match="make it shorter"):
        bob.do(profiles.set_profile, room, name="x" * 81)
    assert room_profile(bob.db, b"?" * 16) == RoomProfile()


def row(tx: Tx, room: bytes, plain: Any, name: bytes | None = None) -> Row:
    """Return a row that a device seals, whatever it says."""
    newest = tx.line("SELECT room_key FROM room WHERE room = ?", room)[0]
    key = key_of(tx, room, newest)
    assert key is not None
    body = seal_profile_row(key, room, newest, tx.me.key, encode(plain), tx.random(32))
    return Row("profile", name or newest, body)


def stated(tx: Tx, room: bytes, body: bytes, number: int = 9) -> Statement:
    """Return a statement of a device, whether it may make it or not."""
    public = tx.me.key.public
    signature = sign(tx.me.key, profiles._stated(room, body, number, public))
    return Statement(body, number, public, signature)


def test_a_name_counts_only_from_who_may_give_it() -> None:
    world, ada, bob, room = house()
    eve = world.register("eve")
    other = room_of(world, ada, bob)
    ada.do(profiles.set_profile, room, name="Chess")
    settle(world)
    good, bad = encode(RoomProfile("Good")), encode(RoomProfile("Bad"))
    by_ada = ada.do(stated, room, good)
    rows = [
        bob.do(row, room, bob.do(stated, room, bad)),  # A member.
        bob.do(row, room, eve.do(stated, room, bad)),  # A stranger.
        bob.do(row, room, ada.do(stated, other, bad)),  # Of another room.
        bob.do(row, room, Statement(bad, 9, by_ada.author, by_ada.signature)),
        bob.do(row, room, ada.do(stated, room, b"nonsense")),
        bob.do(row, room, "nonsense"),
        bob.do(row, room, by_ada, name=b"?" * 32),
        bob.do(row, room, ada.do(stated, room, bad, 0)),  # An older one.
        Row("profile", bob.do(row, room, by_ada).name, b"?" * 300),
    ]

    def tell(told: list[Row]) -> None:
        number = bob.do(lambda tx: tx.ask(GetRows(room=room, kind="profile"), "profiles.rows"))
        answer(bob, RoomRows(id=number, rows=tuple(told), next=None))

    tell(rows)
    assert room_profile(bob.db, room).name == "Chess"
    tell([bob.do(row, room, by_ada)])
    assert room_profile(bob.db, room).name == "Good"
    ada.db.run("UPDATE room SET profile = NULL WHERE room = ?", room)
    bob.do(acting.leave, room)
    settle(world)
    stale = bob.do(lambda tx: row(tx, room, by_ada))
    number = ada.do(lambda tx: tx.ask(GetRows(room=room, kind="profile"), "profiles.rows"))
    answer(ada, RoomRows(id=number, rows=(stale,), next=None))  # Its writer has left.
    assert room_profile(ada.db, room).name == ""


def test_what_is_refused_is_looked_for_again_at_the_next_sign_in() -> None:
    world, ada, bob, room = house()
    ada.do(profiles.set_profile, room, name="Chess")
    world.run()
    bob.do(profiles.look, room)
    assert refuse(bob, GetRows, Code.TOO_MANY) == 1
    ada.do(profiles.put, room)
    assert refuse(ada, PutRows, Code.NOT_ALLOWED) == 1
    bob.hang_up()
    bob.do(profiles.look, room)
    bob.do(profiles.mend, room)
    assert bob.connect() is None
    settle(world)
    assert room_profile(bob.db, room).name == "Chess"
    bob.do(profiles.mend, room)  # It is sealed already, and stays so.
    world.run()
    bob.do(profiles.put, b"?" * 16)
    bob.do(profiles.mend, b"?" * 16)
    assert bob.engine.requests() == []


# ---- People ----


def test_people_are_shown_as_they_like_to_who_shares_a_room() -> None:
    world, ada, bob, _ = house()
    tablet = world.add_device(ada)
    settle(world)
    ada.do(profiles.set_mine, AccountProfile("Ada L.", "writes\u202e programs", b"png"))
    settle(world)
    expected = AccountProfile("Ada L.", "writes programs", b"png")
    for peer in (ada, bob, tablet):
        assert person(peer.db, ada.me.account) == expected
        assert PeopleChanged((ada.me.account,)) in peer.heard(PeopleChanged)
    cyn = world.register("cyn")
    room = room_of(world, cyn, ada)
    settle(world)
    assert person(cyn.db, ada.me.account) == expected
    ada.do(profiles.set_mine, AccountProfile())
    settle(world)
    assert person(bob.db, ada.me.account) == AccountProfile()
    assert person(bob.db, cyn.me.account) == AccountProfile()
    with pytest.raises(UsageError, match="make it shorter"):
        ada.do(profiles.set_mine, AccountProfile(picture=bytes(9000)))
    say(world, ada, room, "well")


def test_who_was_away_sees_how_somebody_shows_themselves() -> None:
    world, ada, bob, _ = house()
    ada.hang_up()
    ada.do(profiles.set_mine, AccountProfile("Ada L."))
    ada.restart()
    bob.hang_up()
    assert ada.connect() is None
    settle(world)
    assert bob.connect() is None
    settle(world)
    assert person(bob.db, ada.me.account).name == "Ada L."


def test_a_profile_counts_only_if_a_device_of_that_account_wrote_it() -> None:
    world, ada, bob, _ = house()
    who, secret = ada.me.account, b"k" * 32
    body = encode(AccountProfile("Ada"))

    def sealed(tx: Tx, plain: bytes, key: bytes = secret) -> bytes:
        return seal_profile(key, who, tx.me.key, plain, tx.random(32))

    bob.do(profiles.key_told, who, secret)
    bob.do(profiles.key_told, who, secret)
    bob.do(profiles.key_told, who, b"short")
    assert refuse(bob, GetProfile, Code.UNKNOWN) == 1
    bob.hang_up()
    assert bob.connect() is None
    assert refuse(bob, GetProfile, Code.UNKNOWN) == 1
    for told in (
        None,
        b"?" * 300,
        bob.do(sealed, body),
        ada.do(sealed, b"nonsense"),
        ada.do(sealed, body, b"?" * 32),
    ):
        number = bob.do(lambda tx: tx.ask(GetProfile(account=who), "profiles.person"))
        answer(bob, Profile(id=number, body=told))
    assert person(bob.db, who) == AccountProfile()
    number = bob.do(lambda tx: tx.ask(GetProfile(account=who), "profiles.person"))
    answer(bob, Profile(id=number, body=ada.do(sealed, body)))
    assert person(bob.db, who).name == "Ada"
    bob.engine.requests()
    bob.db.run("DELETE FROM person")
    number = bob.do(lambda tx: tx.ask(GetProfile(account=who), "profiles.person"))
    answer(bob, Profile(id=number, body=ada.do(sealed, body)))
    assert person(bob.db, who) == AccountProfile()
    world.run()
