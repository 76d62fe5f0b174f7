"""Coming to a server: what leaves, what stays here, and what a crash in between costs."""

import msgspec
import pytest

from alcove.client import account, devices, entering
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import Warned
from alcove.client.keys.archive import archive_key
from alcove.client.keys.lock import Box
from alcove.client.store.database import Database
from alcove.server.auth import totp_code
from alcove.wire.accounts import OpenedBox, OpenReset, Register, Registered
from alcove.wire.base import Done
from alcove.wire.devices import GetDevices, PutList
from alcove.wire.errors import Code
from tests.client.world import PASSWORD, Peer, World

TOTP = bytes(range(20))


def everything(db: Database) -> bytes:
    """Return all that stands in a database."""
    tables = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%fts5%'")
    found = b""
    for (table,) in tables:
        for line in db.all(f"SELECT * FROM {table}"):  # noqa: S608 - Our own tables.
            for value in line:
                found += value if isinstance(value, bytes) else str(value).encode()
    return found


def box_of(world: World, peer: Peer) -> Box:
    opener = world.opener(peer)
    opened = world.open(peer, opener)
    return account.unlock(opened, opener.stretched, world.server.key).box


# ---- A new account ----


def test_who_registers_is_known_to_the_server_and_can_sign_in() -> None:
    world = World()
    ada = world.register("ada")
    assert (ada.me.name, ada.me.state, ada.is_online) == ("ada", "in", True)
    assert ada.me.server == world.server.key
    (device,) = world.ask(ada, GetDevices()).devices
    assert device.device == ada.me.device


def test_identity_key_and_archive_key_lie_on_no_device() -> None:
    world = World()
    ada = world.register("ada")
    box, here = box_of(world, ada), everything(ada.db)
    assert ada.me.key.private in here  # So the search finds what is there.
    assert box.identity not in here
    assert box.archives[0] not in here
    assert box.phrase == ada.phrase
    assert box.phrase not in here
    assert archive_key(box.archives[0]).public == ada.me.archive_key


def test_all_that_is_needed_is_stored_before_the_request_leaves() -> None:
    world = World()
    ada = world.add_peer("ada")
    request = ada.do(entering.begin_registering, world.coming(ada))
    ada.restart()
    assert entering.waiting(ada.db) == request
    assert ada.me.state == "new"
    assert ada.db.one("SELECT COUNT(*) FROM package WHERE is_last_resort = 1") == (1,)


def test_a_lost_answer_costs_nothing() -> None:
    world = World()
    ada = world.add_peer("ada")
    request = ada.do(entering.begin_registering, world.coming(ada))
    lost = world.exchange(world.greeted(), request)
    ada.restart()
    again = entering.waiting(ada.db)
    assert isinstance(again, Register)
    reply = world.exchange(world.greeted(), again)
    assert reply == lost
    assert ada.do(entering.registered, reply)
    assert ada.connect() is None
    assert entering.waiting(ada.db) is None


def test_whose_name_is_taken_takes_another() -> None:
    world = World()
    world.register("ada")
    other = world.add_peer("Ada")
    reply = world.try_to_register(other)
    assert reply.code == Code.NAME_TAKEN
    assert other.me.state == "new"
    other.name = "ada.l"
    assert isinstance(world.try_to_register(other), Registered)
    assert (other.me.name, other.me.state) == ("ada.l", "in")
    assert other.db.one("SELECT COUNT(*) FROM pin") == (1,)


def test_a_profile_with_an_account_is_never_overwritten() -> None:
    world = World()
    ada = world.register("ada")
    before = everything(ada.db)
    with pytest.raises(UsageError, match="another profile"):
        world.try_to_register(ada)
    assert everything(ada.db) == before


def test_a_bot_comes_by_its_enrolment() -> None:
    world = World(registration="closed")
    bot = world.register("teabot", invite=world.secret("bot"))
    assert bot.db.one("SELECT is_bot, is_host FROM me") == (1, 0)


def test_who_comes_by_the_owner_link_is_the_host() -> None:
    world = World(registration="invite")
    host = world.register("hanna", invite=world.secret("owner"))
    assert host.db.one("SELECT is_bot, is_host FROM me") == (0, 1)


def test_a_server_with_a_password_lets_in_who_knows_it() -> None:
    world = World(registration="password", server_password="open sesame")
    ada = world.add_peer("ada")
    assert world.try_to_register(ada).code == Code.NOT_INVITED
    assert isinstance(world.try_to_register(ada, server_password="open sesame"), Registered)


def test_what_somebody_brings_along_is_not_printed() -> None:
    world = World()
    ada = world.add_peer("ada")
    coming = world.coming(ada)
    assert repr(coming) == "<Coming>"
    assert repr(coming.locks) == "<Locks>"
    assert repr(world.opener(ada)) == "<Opener>"
    world.register("bob")
    bob, opener = world.peers[1], world.opener(world.peers[1])
    unlocked = account.unlock(world.open(bob, opener), opener.stretched, world.server.key)
    assert repr(unlocked) == "<Unlocked>"


# ---- The phrase ----


def test_a_weak_password_opens_no_box_and_the_phrase_stays_until_it_is_saved() -> None:
    world = World()
    ada = world.register("ada", is_strong=False)
    assert ada.do(account.must_save_phrase)
    assert ada.phrase not in everything(ada.db)
    shown = ada.do(account.show_phrase, world.stretched("ada", PASSWORD))
    assert shown == ada.phrase
    with pytest.raises(PeerError):
        ada.do(account.show_phrase, world.stretched("ada", "another"))
    with pytest.raises(UsageError, match="recovery phrase"):
        world.try_to_enter(world.add_peer("ada"))
    ada.do(account.phrase_saved)
    assert not ada.do(account.must_save_phrase)
    assert ada.do(account.show_phrase, world.stretched("ada", PASSWORD)) is None
    laptop = world.add_device(ada, words=ada.phrase.hex(), lock="phrase")
    assert laptop.me.account == ada.me.account


def test_with_a_strong_password_no_phrase_has_to_be_saved() -> None:
    world = World()
    ada = world.register("ada")
    assert not ada.do(account.must_save_phrase)


# ---- Another device ----


def test_another_device_puts_itself_on_the_list_and_the_others_hear_of_it() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    assert laptop.me.identity == ada.me.identity
    assert laptop.me.archive_key == ada.me.archive_key
    assert [one.device for one in devices.own_devices(ada.db)] == [ada.me.device, laptop.me.device]
    heard = [(one.code, one.about) for one in ada.heard(Warned)]
    assert heard == [("device-added", laptop.me.device)]


def test_a_wrong_password_opens_nothing() -> None:
    world = World()
    world.register("ada")
    reply = world.try_to_enter(world.add_peer("ada"), words="wrong")
    assert reply.code == Code.WRONG_LOGIN


def test_an_account_with_an_authenticator_app_asks_for_its_code() -> None:
    world = World()
    ada = world.register("ada")
    ada.do(account.set_totp, world.opener(ada), TOTP, totp_code(TOTP, world.now))
    world.run()
    laptop = world.add_peer("ada")
    assert world.try_to_enter(laptop).code == Code.CODE_NEEDED
    world.now += 60_000
    code = totp_code(TOTP, world.now)
    assert world.try_to_enter(laptop, code=code) == Done(id=0)
    assert laptop.me.state == "in"


def opened_for(world: World, peer: Peer) -> tuple[OpenedBox, bytes]:
    opener = world.opener(peer)
    return world.open(peer, opener), opener.stretched


def test_two_devices_that_come_at_once_are_both_let_in() -> None:
    world = World()
    ada = world.register("ada")
    laptop, tablet = world.add_peer("ada"), world.add_peer("ada")
    box = opened_for(world, laptop)
    one = laptop.do(entering.begin_entering, *box, world.server.key)
    other = tablet.do(entering.begin_entering, *box, world.server.key)
    assert one is not None
    assert other is not None
    assert laptop.do(entering.entered, world.exchange(world.greeted(), one))
    refused = world.exchange(world.greeted(), other)
    assert refused.code == Code.STALE_LIST
    assert not tablet.do(entering.entered, refused)
    key = tablet.me.key.public
    again = tablet.do(entering.begin_entering, *opened_for(world, tablet), world.server.key)
    assert again is not None
    assert tablet.do(entering.entered, world.exchange(world.greeted(), again))
    assert tablet.me.key.public == key
    assert (laptop.connect(), tablet.connect()) == (None, None)
    world.run()
    assert len(devices.own_devices(ada.db)) == 3


def test_a_device_that_does_not_know_whether_it_is_on_the_list_finds_out() -> None:
    world = World()
    world.register("ada")
    laptop = world.add_peer("ada")
    box = opened_for(world, laptop)
    request = laptop.do(entering.begin_entering, *box, world.server.key)
    assert isinstance(request, PutList)
    world.exchange(world.greeted(), request)  # The answer is lost.
    laptop.restart()
    assert entering.waiting(laptop.db) == request
    assert world.try_to_enter(laptop) == Done()
    assert laptop.me.state == "in"
    assert entering.waiting(laptop.db) is None
    assert laptop.connect() is None


def test_a_new_device_can_open_the_archive_until_it_has_read_it() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_peer("ada")
    world.try_to_enter(laptop)
    box = box_of(world, ada)
    assert entering.archive_seeds(laptop.db) == box.archives
    laptop.do(entering.archive_read)
    assert entering.archive_seeds(laptop.db) == ()
    assert box.archives[0] not in everything(laptop.db)


def test_a_box_that_belongs_to_another_list_is_refused() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    box, stretched = opened_for(world, ada)
    theirs, _ = opened_for(world, bob)
    wrong = msgspec.structs.replace(box, list=theirs.list)
    with pytest.raises(PeerError, match="list-of-another"):
        account.unlock(wrong, stretched, world.server.key)
    with pytest.raises(PeerError, match="wrong-server"):
        account.unlock(box, stretched, bytes(32))
    with pytest.raises(PeerError, match="not-sealed"):
        account.unlock(box, bytes(32), world.server.key)


# ---- Coming back ----


def test_a_list_of_somebody_else_is_followed_by_no_reset() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    opened = {}
    for peer in (ada, bob):
        secret = world.secret("reset", peer.me.account)
        request = OpenReset(secret=secret, name=peer.name)
        opened[peer.name] = world.exchange(world.greeted(), request)
    phone = world.add_peer("ada")
    for wrong in (opened["bob"], msgspec.structs.replace(opened["bob"], account=ada.me.account)):
        with pytest.raises(PeerError, match="list-of-another"):
            phone.do(entering.begin_reset, world.coming(phone), "s" * 32, wrong)


def test_who_has_lost_everything_comes_back_by_a_link_and_all_else_ends() -> None:
    world = World()
    ada = world.register("ada")
    phone = world.come_back(ada)
    assert phone.me.account == ada.me.account
    assert phone.me.identity != ada.me.identity
    assert ada.refusal is not None
    assert ada.refusal.code == Code.REVOKED
