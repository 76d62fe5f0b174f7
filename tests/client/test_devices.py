"""One's own devices: who comes, who is taken off, and what a lost one could read."""

from typing import Any

import msgspec
import pytest

from alcove.client import account, devices, entering, trust
from alcove.client.errors import UsageError
from alcove.client.events import Answered, Warned
from alcove.client.keys.certificates import NewDevice, Owner, list_hash, make_list, read_list
from alcove.client.keys.suite import SUITE
from alcove.wire.accounts import ChangedBox, GetArchive
from alcove.wire.base import Request
from alcove.wire.devices import GetDevices, GetLists, Lists, PutList, SignedCertificate, SignedList
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import SignedIn
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import room_of, said, say
from tests.client.world import Peer, World

ROOM, OTHER_ROOM = b"r" * 16, b"s" * 16
MINUTE_MS = 60_000


def revoke(peer: Peer, device: bytes) -> int:
    world = peer.world
    opener = world.opener(peer)
    opened = world.open(peer, opener)
    return peer.do(devices.revoke, opened, opener, world.locks(peer), device)


def warned(peer: Peer) -> list[tuple[str, bytes]]:
    return [(one.code, one.about) for one in peer.heard(Warned)]


def stand(peer: Peer, room: bytes, other: Peer, since: int, until: int | None = None) -> None:
    """Let a device believe that another one stands in a room."""
    me = other.me
    peer.db.run(
        """
        INSERT INTO stay (room, device, account, since, until, leaf, key, certificate)
        VALUES (?, ?, ?, ?, ?, 0, ?, ?)
        """,
        room, me.device, me.account, since, until, me.key.public, me.certificate,
    )  # fmt: skip
    for seq in (since, until):
        if seq is not None:
            peer.db.run(
                """
                INSERT OR IGNORE INTO handshake (room, seq, name, at, sender, epoch, renews, closes)
                VALUES (?, ?, ?, ?, x'', 0, 0, 0)
                """,
                room, seq, bytes([seq]) * 32, 1000 * seq,
            )  # fmt: skip


def wishes(peer: Peer) -> list[tuple[bytes, bytes]]:
    return peer.db.all(
        "SELECT room, about FROM wish WHERE kind = 'drop_device' ORDER BY room, about"
    )


def list_of(peer: Peer) -> SignedList:
    pin = trust.pin_of(peer.db, peer.me.account)
    assert pin is not None
    assert pin.list is not None
    return pin.list


def signed_in(peer: Peer, **fields: Any) -> SignedIn:
    """Return what the server would say to this device, or something like it."""
    me, newest = peer.me, list_of(peer)
    given: dict[str, Any] = {
        "account": me.account, "name": me.name, "host": False, "bot": False, "proof": bytes(64),
        "counter": 0, "incarnation": 1, "list_version": read_list(newest).version,
        "list_hash": list_hash(newest), "packages": 4, "inbox": 0,
    }  # fmt: skip
    return SignedIn(**given | fields)


# ---- Taking a device off ----


def test_a_revoked_device_is_sent_away_and_the_others_go_on() -> None:
    world = World()
    ada = world.register("ada")
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    for peer in world.peers:
        peer.heard()
    before = ada.me
    number = revoke(ada, laptop.me.device)
    world.run()
    assert ada.heard(Answered) == [Answered(number, ChangedBox(id=number, version=2))]
    assert laptop.refusal is not None
    assert laptop.refusal.code == Code.REVOKED
    assert laptop.me.state == "revoked"
    assert warned(laptop) == [("revoked", laptop.me.device)]
    refused = laptop.connect()
    assert refused is not None
    assert refused.code == Code.REVOKED
    assert warned(laptop) == []  # It knows.
    assert ("device-removed", laptop.me.device) in warned(tablet)
    assert [one.device for one in devices.own_devices(tablet.db)] == [
        before.device,
        tablet.me.device,
    ]
    assert ada.me.archive_key != before.archive_key
    assert ada.me.identity == before.identity


def test_after_a_revocation_certificates_and_key_packages_are_new() -> None:
    world = World()
    ada = world.register("ada")
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    revoke(ada, laptop.me.device)
    world.run()
    for peer in (ada, tablet):
        certificate = msgspec.msgpack.decode(peer.me.certificate, type=SignedCertificate)
        assert certificate in read_list(list_of(peer)).certificates
        assert read_list(list_of(peer)).version == 4
        there = world.ask(peer, GetDevices()).devices
        assert [one.packages for one in there] == [4, 4]
        bundles = peer.db.all("SELECT bundle FROM package ORDER BY made_at DESC, reference")
        assert sum(peer.me.certificate in bundle for (bundle,) in bundles) == 5


def test_who_revokes_takes_the_device_out_of_every_room_at_once() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    stand(ada, ROOM, laptop, 3)
    stand(ada, OTHER_ROOM, laptop, 4, 9)
    stand(ada, ROOM, ada, 1)
    revoke(ada, laptop.me.device)
    world.run()
    assert wishes(ada) == [(ROOM, laptop.me.device)]
    (detail,) = ada.db.one("SELECT detail FROM wish") or ()
    assert msgspec.msgpack.decode(detail, type=SignedList) == list_of(ada)
    ada.do(devices.sweep, b"")
    assert len(wishes(ada)) == 1


def test_the_others_take_it_out_when_that_one_does_not() -> None:
    world = World()
    ada = world.register("ada")
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    stand(tablet, ROOM, laptop, 3)
    revoke(ada, laptop.me.device)
    world.run()
    assert wishes(tablet) == []
    world.pass_time(2 * devices.SWEEP_MS + 1_000)
    assert wishes(tablet) == [(ROOM, laptop.me.device)]


def test_a_device_revokes_neither_itself_nor_what_is_gone() -> None:
    world = World()
    ada = world.register("ada")
    with pytest.raises(UsageError, match="cannot revoke itself"):
        revoke(ada, ada.me.device)
    with pytest.raises(UsageError, match="not on the account's list"):
        revoke(ada, bytes(16))


def test_a_refused_revocation_changes_nothing_here() -> None:
    world = World()
    ada = world.register("ada")
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    tablet.heard()
    first, second = revoke(ada, laptop.me.device), revoke(tablet, laptop.me.device)
    world.run()
    archive_key = tablet.me.archive_key
    assert [one.ticket for one in ada.heard(Answered)] == [first]
    (answered,) = tablet.heard(Answered)
    assert (answered.ticket, answered.answer.code) == (second, Code.CHANGED)
    assert tablet.me.archive_key == archive_key
    assert tablet.me.state == "in"


def test_what_a_lost_device_could_read_and_since_when_is_told() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    stand(ada, ROOM, laptop, 3)
    stand(ada, OTHER_ROOM, laptop, 4, 9)
    ada.db.run("DELETE FROM handshake WHERE seq = 3")
    assert devices.reach(ada.db, laptop.me.device) == [
        devices.Reach(ROOM, 3, None, None, None),
        devices.Reach(OTHER_ROOM, 4, 4_000, 9, 9_000),
    ]
    assert devices.reach(ada.db, bytes(16)) == []


def test_a_device_that_was_revoked_takes_nobody_out_of_rooms() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    stand(laptop, ROOM, laptop, 3)
    laptop.hang_up()
    revoke(ada, laptop.me.device)
    world.run()
    laptop.do(trust.take_list, list_of(ada))
    world.run()
    laptop.do(devices.sweep, b"")
    assert wishes(laptop) == []


# ---- Seeing it ----


def test_what_happened_while_a_device_was_away_is_told_when_it_comes_back() -> None:
    world = World()
    ada = world.register("ada")
    ada.hang_up()
    laptop = world.add_device(ada)
    tablet = world.add_device(ada)
    ada.heard()
    ada.connect()
    world.run()
    assert warned(ada) == [
        ("device-added", device) for device in (laptop.me.device, tablet.me.device)
    ]
    assert ada.db.all("SELECT version FROM own_list ORDER BY version") == [(1,), (2,), (3,)]
    me = [one for one in devices.own_devices(ada.db) if one.is_me]
    assert [(one.device, one.is_browser) for one in me] == [(ada.me.device, False)]


def test_a_new_device_is_wished_into_the_rooms_where_the_others_are() -> None:
    world = World()
    ada = world.register("ada")
    ada.db.run(
        "INSERT INTO room (room, kind, history, state, handshake) VALUES (?, ?, ?, ?, ?)",
        ROOM, "group", "open", "active", bytes(32),
    )  # fmt: skip
    stand(ada, ROOM, ada, 1)
    laptop = world.add_device(ada)
    assert ada.db.all("SELECT room, kind, about FROM wish") == [
        (ROOM, "add_device", laptop.me.device)
    ]


def test_a_device_that_finds_itself_off_the_list_says_so_once_and_keeps_what_it_has() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.hang_up()
    laptop.heard()
    revoke(ada, laptop.me.device)
    world.run()
    laptop.do(trust.take_list, list_of(ada))
    world.run()
    assert warned(laptop) == [("revoked", laptop.me.device)]
    assert laptop.me.state == "revoked"
    assert trust.pin_of(laptop.db, ada.me.account) is not None


def test_a_device_that_has_not_come_in_looks_at_nothing() -> None:
    world = World()
    ada = world.add_peer("ada")
    ada.do(entering.begin_registering, world.coming(ada))
    world.run()
    assert ada.db.all("SELECT * FROM own_device") == []


def test_other_reasons_to_be_sent_away_do_not_make_a_device_revoked() -> None:
    ada = World().register("ada")
    ada.do(devices.turned_away, "stopping")
    assert ada.me.state == "in"


# ---- A server that knows less, or something else ----


def test_a_server_that_was_restored_gets_newer_lists_back() -> None:
    world = World()
    ada = world.register("ada")
    first = list_of(ada)
    laptop = world.add_device(ada)
    connection = world.server.connection
    ada.hang_up()
    laptop.hang_up()
    connection.run("DELETE FROM device_list WHERE version = 2")
    connection.run("DELETE FROM device WHERE device = ?", laptop.me.device)
    connection.run("UPDATE account SET list_version = 1, list_hash = ?", list_hash(first))
    ada.heard()
    ada.connect()
    world.run()
    assert warned(ada) == [("lists-lost", ada.me.account)]
    assert connection.one("SELECT list_version FROM account") == (2,)
    assert laptop.connect() is None


def test_a_device_that_a_restored_server_does_not_know_brings_its_own_list() -> None:
    world = World()
    ada = world.register("ada")
    first = list_of(ada)
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    connection = world.server.connection
    for one in (ada, laptop, tablet):
        one.hang_up()
    connection.run("DELETE FROM device_list WHERE version > 1")
    connection.run("DELETE FROM device WHERE device != ?", ada.me.device)
    connection.run("UPDATE account SET list_version = 1, list_hash = ?", list_hash(first))
    assert tablet.connect() is None  # It has both newer lists, and the laptop is on them.
    assert tablet.me.state == "in"
    assert laptop.connect() is None
    world.run()
    assert connection.one("SELECT list_version FROM account") == (3,)


def test_who_has_just_come_waits_for_the_lists_that_only_others_can_give_back() -> None:
    world = World()
    ada = world.register("ada")
    first = list_of(ada)
    world.add_device(ada).hang_up()
    tablet = world.add_peer("ada")
    tablet.phrase = ada.phrase
    world.try_to_enter(tablet)  # The list of before is not here yet.
    world.run()
    ada.hang_up()
    connection = world.server.connection
    connection.run("DELETE FROM device_list WHERE version > 1")
    connection.run("DELETE FROM device WHERE device != ?", ada.me.device)
    connection.run("UPDATE account SET list_version = 1, list_hash = ?", list_hash(first))
    for _ in range(devices.OFFERS_MAX - 1):
        (offer,) = tablet.do(devices.turned_away, Code.REVOKED)
        assert isinstance(world.exchange(world.greeted(), offer), Refusal)
    assert tablet.me.state == "in"
    assert ada.connect() is None
    world.run()
    assert tablet.connect() is None
    world.run()
    assert connection.one("SELECT list_version FROM account") == (3,)


def test_who_has_just_come_and_is_on_no_list_is_revoked_in_the_end() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    world.try_to_enter(laptop)
    world.run()
    revoke(ada, laptop.me.device)
    world.run()
    assert laptop.connect() is not None
    assert laptop.me.state == "revoked"


def test_a_device_that_was_revoked_while_it_was_away_brings_nothing_back() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.hang_up()
    revoke(ada, laptop.me.device)
    world.run()
    refused = laptop.connect()
    assert refused is not None
    assert refused.code == Code.REVOKED
    assert laptop.me.state == "revoked"
    assert len(devices.own_devices(ada.db)) == 1


def test_a_device_that_a_server_knows_again_is_in_again() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.hang_up()
    laptop.do(devices.revoked)  # By the word of a server that had lost its list.
    assert laptop.connect() is None
    assert laptop.me.state == "in"


def test_a_list_that_cannot_be_given_back_is_compared_with_what_is_there() -> None:
    ada = World().register("ada")
    request = PutList(id=1, list=list_of(ada))
    ada.do(devices.put_back, request, Refusal(1, Code.DISABLED, ""), b"")
    assert ada.db.one("SELECT 1 FROM wanted_list") is None
    ada.do(devices.put_back, request, Refusal(1, Code.STALE_LIST, ""), b"")
    assert ada.db.one("SELECT account FROM wanted_list") == (ada.me.account,)


def test_another_list_of_my_own_of_the_same_version_is_an_alarm() -> None:
    ada = World().register("ada")
    ada.heard()
    ada.engine.do(devices.signed_in, ada.world.now, signed_in(ada, list_hash=bytes(32)))
    assert warned(ada) == [("keys-forked", ada.me.account)]


def test_a_reset_that_names_a_device_of_before_is_not_followed_by_it() -> None:
    ada = World().register("ada")
    ada.heard()
    before, me = list_of(ada), ada.me
    forger = SUITE.new_signing_key(bytes(64))
    owner = Owner(me.account, me.name, me.server)
    forged = make_list(forger, owner, [NewDevice(me.key.public)], before, archive=bytes(1216))
    assert ada.do(trust.take_list, forged) == "reset"
    ada.world.run()
    assert warned(ada) == [("keys-reset", me.account)]
    assert ada.me == me
    assert list_of(ada) == before


def test_who_came_too_late_for_the_archive_reads_it_once_the_password_is_typed() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    phone = world.add_peer("ada")
    phone.phrase = ada.phrase
    world.try_to_enter(phone)
    revoke(ada, laptop.me.device)
    world.run()
    world.pass_time(60_000)
    for peer in (ada, bob):
        peer.hang_up()
    assert phone.connect() is None
    world.run()
    assert ("archive-closed", ada.me.account) in warned(phone)
    assert entering.archive_seeds(phone.db) == ()
    opener = world.opener(phone)
    for count in (1, 0):
        locks, opened = world.locks(phone), world.open(phone, opener)
        phone.do(account.change_locks, opened, opener, locks, phone.phrase)
        assert len(entering.archive_seeds(phone.db)) == 2 * count  # The second time for nothing.
        world.pass_time(60_000)
        assert said(phone, room) == ["one"]
        assert entering.archive_seeds(phone.db) == ()
    assert "archive-closed" not in dict(warned(phone))


def test_an_archive_key_of_before_is_taken_and_said() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    opener = world.opener(ada)
    old = world.open(ada, opener)  # As a server that was set back would show it.
    first = ada.me.archive_key
    revoke(ada, laptop.me.device)
    world.run()
    assert ada.me.archive_key != first
    ada.heard()
    tablet = world.add_peer("ada")
    opened = msgspec.structs.replace(world.open(ada, opener), box=old.box)
    request = tablet.do(entering.begin_entering, opened, opener.stretched, world.server.key)
    assert request is not None
    tablet.do(entering.entered, world.exchange(world.greeted(), request))
    world.run()
    assert ada.me.archive_key == first
    assert ("archive-of-before", ada.me.account) in warned(ada)


def test_few_packages_left_are_noticed_at_sign_in() -> None:
    ada = World().register("ada")
    ada.engine.do(devices.signed_in, ada.world.now, signed_in(ada, packages=0))
    assert ada.db.one("SELECT answered_by FROM request") == ("packages.put",)


# ---- All devices that there ever were ----


def test_a_new_device_learns_of_all_devices_that_there_ever_were() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    key = laptop.me.key.public
    revoke(ada, laptop.me.device)
    world.run()
    tablet = world.add_device(ada)
    assert devices.has_own_history(tablet.db)
    assert tablet.do(devices.was_mine, key)
    assert not tablet.do(devices.was_mine, bytes(32))


def grown(lists: int) -> tuple[Peer, Peer, list[SignedList]]:
    """Return a device, another that has come after so many lists, without any of those before."""
    world = World()
    ada = world.register("ada")
    for _ in range(lists - 1):
        world.try_to_enter(world.add_peer("ada"))
        world.now += 60_000
    tablet = world.add_peer("ada")
    world.try_to_enter(tablet)
    tablet.connect()
    world.run()
    bodies = tablet.db.all("SELECT signed FROM own_list ORDER BY version")
    found = [msgspec.msgpack.decode(body, type=SignedList) for (body,) in bodies]
    tablet.db.run("DELETE FROM own_list WHERE version <= ?", lists)
    tablet.db.run("DELETE FROM archive_seeds")
    return ada, tablet, found


def earlier(peer: Peer, *lists: SignedList) -> None:
    request = GetLists(accounts=(peer.me.account,), since=0)
    peer.do(devices.earlier, request, Lists(id=0, lists=lists), b"")


def versions(peer: Peer) -> list[int]:
    return [one for (one,) in peer.db.all("SELECT version FROM own_list ORDER BY version")]


def test_lists_of_before_count_as_far_as_their_hashes_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "EARLIER_AT_ONCE", 1)
    _, tablet, lists = grown(3)
    assert versions(tablet) == [4]
    earlier(tablet, SignedList(b"\xc1", bytes(64)), lists[0], lists[1])
    assert versions(tablet) == [4]
    other = msgspec.msgpack.encode(
        msgspec.structs.replace(read_list(lists[2]), name="somebody-else")
    )
    earlier(tablet, msgspec.structs.replace(lists[2], body=other))
    assert versions(tablet) == [4]
    earlier(tablet, lists[2])
    assert versions(tablet) == [3, 4]
    (request,) = tablet.engine.requests()
    assert isinstance(request, GetLists)
    assert request.since == 1
    earlier(tablet, lists[0], lists[1])
    assert versions(tablet) == [1, 2, 3, 4]
    assert devices.has_own_history(tablet.db)


def test_the_archive_is_read_at_last_when_nobody_tells_the_lists_of_before() -> None:
    _, tablet, _ = grown(1)
    request = GetLists(accounts=(tablet.me.account,), since=0)
    refusal = Refusal(0, Code.INTERNAL, "")
    tablet.do(devices.earlier, request, Lists(id=0, lists=()), b"")
    assert tablet.db.one("SELECT 1 FROM alarm WHERE kind = ?", account.ARCHIVE) is None
    tablet.db.run("INSERT INTO archive_seeds (one, seeds) VALUES (1, x'90')")
    for _ in range(devices.EARLIER_TRIES):
        tablet.do(devices.earlier, request, refusal, b"")
        assert tablet.db.one("SELECT 1 FROM alarm WHERE kind = ?", account.ARCHIVE) is None
    tablet.do(devices.earlier, request, refusal, b"")
    assert tablet.db.one("SELECT 1 FROM alarm WHERE kind = ?", account.ARCHIVE) == (1,)


@pytest.mark.parametrize("has_lost_its_line", [False, True])
def test_the_archive_is_read_by_who_knows_all_devices_that_there_ever_were(
    *, has_lost_its_line: bool
) -> None:
    world = World()
    ada = world.register("ada")
    revoke(ada, world.add_device(ada).me.device)
    world.run()
    tablet = world.add_peer("ada")
    world.try_to_enter(tablet)
    busy = refuse(GetLists, Code.TOO_MANY, 3, retry_after_ms=10 * MINUTE_MS)
    knew_all: list[bool] = []

    def watched(request: Request) -> Refusal | None:
        if isinstance(request, GetArchive):
            knew_all.append(devices.has_own_history(tablet.db))
        refused: Refusal | None = busy(request)
        return refused

    tablet.answers = watched
    assert tablet.connect() is None
    world.run()
    if has_lost_its_line:
        tablet.hang_up()
        world.pass_time(MINUTE_MS)
        assert tablet.connect() is None
        world.run()
        for _ in range(2):
            tablet.do(devices.ask_earlier)  # The second time it is being asked.
    world.pass_time(5 * MINUTE_MS)
    assert knew_all == [True]
    assert entering.archive_seeds(tablet.db) == ()
    tablet.do(devices.ask_earlier)  # There is nothing to ask.
    assert tablet.engine.requests() == []


@pytest.mark.parametrize(("history", "since"), [("open", None), ("closed", 2_000), ("none", 7_000)])
def test_a_lost_device_could_read_what_its_account_could_but_where_nothing_is_kept(
    history: str, since: int | None
) -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    ada.db.run(
        """
        INSERT INTO room (room, kind, history, state, chain, handshake)
        VALUES (?, 'group', ?, 'active', zeroblob(32), zeroblob(32))
        """,
        ROOM, history,
    )  # fmt: skip
    stand(ada, ROOM, ada, 2)
    stand(ada, ROOM, laptop, 7)
    assert devices.reach(ada.db, laptop.me.device) == [
        devices.Reach(ROOM, 7, since, None, None),
    ]


def test_a_renewed_certificate_does_not_make_two_stays_of_one() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    stand(ada, ROOM, laptop, 3, 5)
    stand(ada, ROOM, laptop, 5, 8)
    stand(ada, ROOM, laptop, 9)
    found = devices.reach(ada.db, laptop.me.device)
    assert [(one.room, one.since, one.until) for one in found] == [(ROOM, 3, 8), (ROOM, 9, None)]
