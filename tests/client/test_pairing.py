"""A new device shows a code, an installed one scans it: it is that account's, and no other."""

from typing import Any

import pytest
from msgspec.structs import replace

from alcove.client import devices, entering, pairing
from alcove.client.errors import UsageError
from alcove.client.events import Answered, Warned
from alcove.client.rooms import making
from alcove.wire.accounts import Archive, GetArchive, PutArchive
from alcove.wire.base import Done
from alcove.wire.devices import GetLists, Lists
from alcove.wire.errors import Code, Refusal
from tests.client.rooms.talk import said, say
from tests.client.world import PASSWORD, Peer, World

MINUTE_MS = 60_000


def shown(world: World) -> tuple[Peer, str]:
    """Return a new device, and the code that it shows."""
    browser = world.add_peer("new")
    return browser, browser.do(pairing.offer, world.server.key)


def certify(peer: Peer, code: str, **fields: Any) -> int:
    world = peer.world
    opener = world.opener(peer)
    return peer.do(pairing.certify, world.open(peer, opener), opener, code, **fields)


def answer(peer: Peer, number: int) -> Any:
    peer.world.run()
    (answered,) = peer.heard(Answered)
    assert answered.ticket == number
    return answered.answer


def test_a_device_that_shows_a_code_comes_in_without_the_password_and_reads_everything() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,))
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "hello")
    world.pass_time(MINUTE_MS)
    browser, code = shown(world)
    refused = browser.connect()
    assert refused is not None
    assert refused.code == Code.REVOKED  # It is nobody's yet,
    assert browser.me.state == "new"  # and that is all.
    assert isinstance(answer(ada, certify(ada, code)), Done)
    assert browser.connect() is None
    world.pass_time(MINUTE_MS)
    assert (browser.me.account, browser.me.name, browser.me.state) == (ada.me.account, "ada", "in")
    assert browser.me.identity == ada.me.identity
    assert not pairing.waits(browser.db)
    assert entering.archive_seeds(browser.db) == ()  # They were used, and forgotten.
    own = {one.device: one.is_browser for one in devices.own_devices(ada.db)}
    assert own == {ada.me.device: False, browser.me.device: True}
    assert said(browser, room) == ["hello"]
    say(world, browser, room, "from the browser")
    assert said(bob, room) == ["hello", "from the browser"]


def test_a_code_is_good_once_and_for_minutes() -> None:
    world = World()
    ada = world.register("ada")
    browser, code = shown(world)
    assert isinstance(answer(ada, certify(ada, code, is_browser=False)), Done)
    with pytest.raises(UsageError, match="used already"):
        certify(ada, code)
    assert not browser.do(pairing.has_ended)
    _, late = shown(world)
    world.now += pairing.ENDS_MS
    assert browser.do(pairing.has_ended)
    with pytest.raises(UsageError, match="has ended"):
        certify(ada, late)
    assert len(devices.own_devices(ada.db)) == 2


def test_the_password_must_be_that_of_this_device() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    _, code = shown(world)
    opener = world.opener(bob)
    with pytest.raises(UsageError, match="another account"):
        ada.do(pairing.certify, world.open(bob, opener), opener, code)


def test_who_answers_to_a_code_without_having_seen_it_gets_no_device() -> None:
    world = World()
    ada, eve = world.register("ada"), world.register("eve")
    browser, _ = shown(world)
    other, code = shown(world)
    certify(eve, code)
    world.run()
    row = world.ask(eve, GetArchive(room=pairing.PLACE))
    browser.do(pairing.row, GetArchive(), Archive(rows=row.rows, next=None), b"")
    assert [one.code for one in browser.heard(Warned)] == ["pairing-false"]
    assert browser.me.state == "new"
    assert not pairing.waits(browser.db)
    browser.do(pairing.row, GetArchive(), Archive(rows=row.rows, next=None), b"")  # And no more.
    assert pairing.waits(other.db)
    assert ada.me.state == "in"


@pytest.mark.parametrize("lie", ["another", "none of it", "without me"])
def test_a_list_of_somebody_else_is_not_taken(lie: str) -> None:
    world = World()
    ada, eve = world.register("ada"), world.register("eve")
    browser, code = shown(world)
    before = world.ask(ada, GetLists(accounts=(ada.me.account,))).lists
    certify(ada, code)
    world.run()
    theirs = world.ask(eve, GetLists(accounts=(eve.me.account,))).lists
    lies = {
        "another": theirs, "none of it": (replace(theirs[0], signature=bytes(64)),),
        "without me": before,
    }  # fmt: skip

    def lying(request: Any) -> Any:
        return Lists(id=request.id, lists=lies[lie]) if isinstance(request, GetLists) else None

    browser.answers = lying
    assert browser.connect() is None
    world.run()
    assert "pairing-false" in [one.code for one in browser.heard(Warned)]
    assert browser.me.state == "new"


def test_what_is_not_told_yet_is_asked_for_again_also_after_a_restart() -> None:
    world = World()
    ada = world.register("ada")
    browser, code = shown(world)
    certify(ada, code)
    world.run()
    refusals = [Refusal(0, Code.INTERNAL, ""), Refusal(0, Code.INTERNAL, "")]

    def refusing(request: Any) -> Any:
        if isinstance(request, GetArchive | GetLists) and refusals:
            return replace(refusals.pop(), id=request.id)
        return None

    browser.answers = refusing
    browser.connect()
    world.run()
    browser.restart()
    browser.do(pairing.look)  # Without a line there is nobody to ask.
    browser.connect()
    world.pass_time(3 * pairing.LOOK_MS)
    assert browser.me.state == "in"


def test_a_list_that_is_not_told_yet_is_asked_for_again() -> None:
    world = World()
    ada = world.register("ada")
    browser, code = shown(world)
    certify(ada, code)
    world.run()
    empty = [()]

    def hiding(request: Any) -> Any:
        if isinstance(request, GetLists) and empty:
            return Lists(id=request.id, lists=empty.pop())
        return None

    browser.answers = hiding
    browser.connect()
    world.pass_time(2 * pairing.LOOK_MS)
    assert browser.me.state == "in"


def test_an_archive_that_is_full_lets_no_device_in_and_says_so() -> None:
    world = World()
    ada = world.register("ada")
    _, code = shown(world)

    def full(request: Any) -> Any:
        return Refusal(request.id, Code.LIMIT, "") if isinstance(request, PutArchive) else None

    ada.answers = full
    refused = answer(ada, certify(ada, code))
    assert refused.code == Code.LIMIT
    assert len(devices.own_devices(ada.db)) == 1


def test_a_faster_device_makes_the_list_stale_and_it_is_done_again() -> None:
    world = World()
    ada = world.register("ada")
    opener = world.opener(ada)
    opened = world.open(ada, opener)
    browser, code = shown(world)
    ada.hang_up()
    number = ada.do(pairing.certify, opened, opener, code)
    world.add_device(ada, words=PASSWORD)
    ada.connect()
    assert answer(ada, number).code == Code.STALE_LIST
    with pytest.raises(UsageError, match="have changed at this moment"):
        ada.do(pairing.certify, opened, opener, code)
    assert isinstance(answer(ada, certify(ada, code)), Done)
    assert browser.connect() is None


def test_an_older_list_that_the_server_shows_brings_nobody_back() -> None:
    world = World()
    ada = world.register("ada")
    stolen = world.add_device(ada)
    opener = world.opener(ada)
    before = world.open(ada, opener)
    ada.do(devices.revoke, world.open(ada, opener), opener, world.locks(ada), stolen.me.device)
    world.run()
    _, code = shown(world)
    with pytest.raises(UsageError, match="shows an older list"):
        ada.do(pairing.certify, before, opener, code)
    # Nor does the box of before, beside the list of now: its archive is one that the thief opens.
    now = world.open(ada, opener)
    with pytest.raises(UsageError, match="older than your list of devices"):
        ada.do(pairing.certify, replace(now, box=before.box), opener, code)


def test_who_has_not_heard_of_all_lists_signs_none() -> None:
    world = World()
    ada = world.register("ada")
    ada.hang_up()
    for _ in range(2):
        world.add_device(ada)
    _, code = shown(world)
    opener = world.opener(ada)
    with pytest.raises(UsageError, match="not heard of all changes"):
        ada.do(pairing.certify, world.open(ada, opener), opener, code)
    ada.connect()
    world.run()
    assert isinstance(answer(ada, certify(ada, code)), Done)
