"""The account: other locks, a leaked password, codes, and the end."""

from typing import Any

import pytest

from alcove.client import account, devices, trust
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import Answered, Warned
from alcove.client.keys.archive import archive_key, open_archived
from alcove.client.keys.lock import Box
from alcove.client.rooms import making
from alcove.server.auth import totp_code
from alcove.wire.accounts import ChangedBox, DeleteAccount, PutProfile
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refusal
from alcove.wire.events import Event, NewEvent
from tests.client.world import PASSWORD, Peer, World

OTHER = "another five words entirely here"
TOTP = bytes(range(20))


def result(peer: Peer, number: int) -> Any:
    """Return what came of a request, when everybody has spoken."""
    peer.world.run()
    (answered,) = peer.heard(Answered)
    assert answered.ticket == number
    return answered.answer


def box_of(peer: Peer, password: str = PASSWORD) -> Box:
    world = peer.world
    opener = world.opener(peer, password)
    return account.unlock(world.open(peer, opener), opener.stretched, world.server.key).box


def rotate(peer: Peer, *codes: str) -> int:
    world = peer.world
    opened = world.open(peer, world.opener(peer, code=codes[0] if codes else None))
    opener = world.opener(peer, code=codes[1] if codes else None)
    return peer.do(account.rotate, opened, opener, world.locks(peer, OTHER), peer.phrase)


def change(peer: Peer, new: str, **fields: Any) -> int:
    world = peer.world
    opener = world.opener(peer)
    locks = world.locks(peer, new, **fields)
    return peer.do(account.change_locks, world.open(peer, opener), opener, locks, peer.phrase)


# ---- Locks ----


def test_a_new_password_opens_what_the_old_one_did() -> None:
    world = World()
    ada = world.register("ada")
    before = box_of(ada)
    number = change(ada, OTHER)
    assert result(ada, number) == ChangedBox(id=number, version=2)
    assert world.open(ada, world.opener(ada)).code == Code.WRONG_LOGIN
    world.now += 60_000
    assert box_of(ada, OTHER) == before


def test_another_device_hears_that_the_locks_were_changed() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.heard()
    result(ada, change(ada, OTHER))
    assert "locks-changed" in [one.code for one in laptop.heard(Warned)]


def test_a_weaker_password_takes_the_box_from_under_it_and_keeps_the_phrase_here() -> None:
    world = World()
    ada = world.register("ada")
    result(ada, change(ada, "weak", is_strong=False))
    assert world.open(ada, world.opener(ada, "weak")).box is None
    assert ada.do(account.show_phrase, world.stretched("ada", "weak")) == ada.phrase
    laptop = world.add_device(ada, words=ada.phrase.hex(), lock="phrase")
    assert laptop.me.account == ada.me.account


def test_a_new_phrase_takes_the_place_of_the_old_one() -> None:
    world = World()
    ada = world.register("ada")
    old = ada.phrase
    ada.phrase = bytes(16)
    result(ada, change(ada, PASSWORD))
    assert box_of(ada).phrase == bytes(16)
    refusal = world.open(ada, world.opener(ada, old.hex(), "phrase"))
    assert refusal.code == Code.WRONG_LOGIN


def test_the_slower_of_two_devices_is_told_and_nothing_changes() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.heard()
    one = change(ada, OTHER)
    other = change(laptop, "something else altogether")
    assert isinstance(result(ada, one), ChangedBox)
    refused = result(laptop, other)
    assert isinstance(refused, Refusal)
    assert refused.code in (Code.CHANGED, Code.WRONG_LOGIN)
    assert world.open(ada, world.opener(ada, OTHER)).version == 2


def test_a_change_that_has_no_answer_is_made_once() -> None:
    world = World()
    ada = world.register("ada")
    number = change(ada, OTHER)
    ada.restart()
    ada.connect()
    assert isinstance(result(ada, number), ChangedBox)
    assert world.open(ada, world.opener(ada, OTHER)).version == 2


def test_the_password_of_another_account_changes_nothing_here() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    opener = world.opener(bob)
    with pytest.raises(UsageError, match="another account"):
        ada.do(account.change_locks, world.open(bob, opener), opener, world.locks(ada), ada.phrase)


# ---- My password leaked ----


def test_after_a_leak_everything_that_the_password_opened_is_new() -> None:
    world = World()
    ada = world.register("ada")
    before, identity = box_of(ada), ada.me.identity
    assert isinstance(result(ada, rotate(ada)), ChangedBox)
    world.now += 60_000
    after = box_of(ada, OTHER)
    assert after.identity != before.identity
    assert after.archives[1:] == before.archives
    assert ada.me.identity != identity
    assert ada.me.archive_key == archive_key(after.archives[0]).public
    pin = trust.pin_of(ada.db, ada.me.account)
    assert pin is not None
    assert (pin.version, pin.identity, pin.change) == (2, ada.me.identity, "")
    assert ada.me.state == "in"


def test_after_a_leak_the_other_devices_go_on_with_the_new_identity() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    result(ada, rotate(ada))
    assert laptop.me.identity == ada.me.identity
    assert laptop.me.state == "in"
    laptop.hang_up()
    assert laptop.connect() is None


def test_codes_are_asked_for_at_each_step_of_a_rotation() -> None:
    world = World()
    ada = world.register("ada")
    ticket = ada.do(account.set_totp, world.opener(ada), TOTP, totp_code(TOTP, world.now))
    assert result(ada, ticket) == Done(id=ticket)
    world.now += 60_000
    first = totp_code(TOTP, world.now)
    second = totp_code(TOTP, world.now + 30_000)
    assert isinstance(result(ada, rotate(ada, first, second)), ChangedBox)


# ---- The archive's key ----


def archive_of(world: World) -> list[tuple[bytes, ...]]:
    """Return what lies in archives on the server."""
    return world.server.connection.all("SELECT room, name, body FROM archive ORDER BY room, name")


def opens(row: tuple[bytes, ...], peer: Peer, seed: bytes) -> bool:
    room, name, body = row
    try:
        open_archived(archive_key(seed), peer.me.account, room, name, body)
    except PeerError:
        return False
    return True


def test_the_other_devices_seal_the_archive_to_the_new_key_as_soon_as_they_hear_of_it() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    result(ada, rotate(ada))
    assert laptop.me.archive_key == ada.me.archive_key
    assert laptop.me.archive_key == archive_key(box_of(ada, OTHER).archives[0]).public


def test_what_was_archived_before_is_sealed_again_to_the_new_key() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    ada.do(making.create, "group")
    world.pass_time(60_000)
    old = box_of(ada).archives[0]
    before = archive_of(world)
    assert [opens(row, ada, old) for row in before] == [True] * len(before) != []
    for one in (ada, laptop):
        one.heard()
    result(ada, rotate(ada))
    world.pass_time(60_000)
    new = box_of(ada, OTHER).archives
    rows = archive_of(world)
    assert {row[:2] for row in before} <= {row[:2] for row in rows}
    assert [opens(row, ada, new[0]) for row in rows] == [True] * len(rows)
    assert [opens(row, ada, old) for row in rows] == [False] * len(rows)


def test_a_row_on_its_way_to_the_old_key_is_sealed_again_too() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    ada.do(making.create, "group")
    world.run()
    ada.hang_up()
    world.pass_time(60_000)
    assert ada.db.one("SELECT 1 FROM request WHERE answered_by = 'archive.stored'")
    for one in (ada, laptop):
        one.heard()
    result(laptop, rotate(laptop))
    ada.connect()
    world.pass_time(60_000)
    seed = box_of(ada, OTHER).archives[0]
    rows = archive_of(world)
    assert [opens(row, ada, seed) for row in rows] == [True] * len(rows) != []


# ---- Codes, and the end ----


def test_codes_end_with_a_code() -> None:
    world = World()
    ada = world.register("ada")
    opener = world.opener(ada)
    ada.do(account.set_totp, opener, TOTP, totp_code(TOTP, world.now))
    world.run()
    ada.heard()
    assert world.open(ada, opener).code == Code.CODE_NEEDED
    world.now += 60_000
    ticket = ada.do(account.set_totp, opener, None, totp_code(TOTP, world.now))
    assert result(ada, ticket) == Done(id=ticket)
    assert world.open(ada, opener).totp is False


def test_a_deleted_account_is_gone_and_what_is_here_can_still_be_read() -> None:
    world = World()
    ada = world.register("ada")
    ada.do(account.delete, world.opener(ada))
    world.run()
    assert ada.me.state == "revoked"
    assert world.open(ada, world.opener(ada)).code == Code.WRONG_LOGIN


def test_a_deletion_is_told_where_the_line_holds_so_long() -> None:
    ada = World().register("ada")
    ada.heard()
    ada.do(account.deleted, DeleteAccount(id=7, lock="password", login=bytes(32)), Done(id=7), b"")
    assert ada.me.state == "revoked"
    assert ada.heard() == [Answered(7, Done(id=7))]


def test_an_older_list_that_the_server_shows_is_never_gone_on_from() -> None:
    world = World()
    ada = world.register("ada")
    stolen, opener = world.add_device(ada), world.opener(ada)
    before = world.open(ada, opener)
    ada.do(devices.revoke, world.open(ada, opener), opener, world.locks(ada), stolen.me.device)
    world.run()
    locks = world.locks(ada, OTHER)
    for step in (account.rotate, account.change_locks):
        with pytest.raises(UsageError, match="shows an older list"):
            ada.do(step, before, opener, locks, ada.phrase)
    with pytest.raises(UsageError, match="shows an older list"):
        ada.do(devices.revoke, before, opener, locks, ada.me.device)


def test_a_deletion_with_a_wrong_password_is_refused() -> None:
    world = World()
    ada = world.register("ada")
    ticket = ada.do(account.delete, world.opener(ada, "wrong"))
    assert result(ada, ticket).code == Code.WRONG_LOGIN
    assert ada.me.state == "in"


def test_the_owner_hears_of_what_the_server_finds_suspicious_and_of_nothing_else() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    for suspicious in (False, True):
        event = Event(
            number=1, at=1, kind="x", account=None, device=None, address="", detail={},
            suspicious=suspicious, chain=b"",
        )  # fmt: skip
        ada.engine.receive(NewEvent(event=event), world.now)
    assert [one.code for one in ada.heard(Warned)] == ["suspicious"]


def test_a_new_profile_is_not_a_change_of_locks() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    laptop.heard()
    world.ask(ada, PutProfile(id=999, body=b"sealed"))
    world.run()
    assert laptop.heard(Warned) == []
