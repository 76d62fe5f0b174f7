"""Trust: what is pinned, what raises an alarm, and what a change of keys stops."""

from typing import Any

import msgspec
import pytest

from alcove.client import account, comparing, trust
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.keys.certificates import NewDevice, Owner, certify, make_list, read_list
from alcove.client.keys.suite import SUITE
from alcove.client.tx import Tx
from alcove.mls import SigningKey
from alcove.server.session import Session
from alcove.wire.base import Request
from alcove.wire.codec import encode
from alcove.wire.devices import GetLists, ListChanged, Lists, SignedList
from alcove.wire.errors import Code, Refusal
from tests.client.world import Peer, World


class Somebody:
    """An account that a test makes lists for."""

    def __init__(self, world: World, name: str = "bob", seed: int = 1) -> None:
        self.account = seed.to_bytes(16, "big")
        self.owner = Owner(self.account, name, world.server.key)
        self.seed = seed
        self.identity = self.key(1)
        self.newest: SignedList | None = None

    def key(self, number: int) -> SigningKey:
        return SUITE.new_signing_key(self.seed.to_bytes(32, "big") + number.to_bytes(32, "big"))

    def next(self, *devices: int, old: SigningKey | None = None, keep: bool = True) -> SignedList:
        there = [NewDevice(self.key(100 + number).public) for number in devices or (1,)]
        signed = make_list(self.identity, self.owner, there, self.newest, old, archive=bytes(1216))
        if keep:
            self.newest = signed
        return signed

    def leaf(self, device: int, version: int) -> bytes:
        made = NewDevice(self.key(100 + device).public)
        return encode(certify(self.identity, self.owner, made, version))


def warned(peer: Peer) -> list[tuple[str, bytes]]:
    return [(one.code, one.about) for one in peer.heard(Warned)]


def pin(peer: Peer, account_: bytes) -> trust.Pin:
    found = trust.pin_of(peer.db, account_)
    assert found is not None
    return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ada(world: World) -> Peer:
    ada = world.register("ada")
    ada.heard()
    return ada


@pytest.fixture
def bob(world: World) -> Somebody:
    return Somebody(world)


# ---- Lists ----


def test_the_first_list_is_pinned_as_it_is(world: World, ada: Peer, bob: Somebody) -> None:
    first = bob.next()
    assert ada.do(trust.take_list, first) == "first"
    assert ada.do(trust.take_list, first) == "same"
    known = pin(ada, bob.account)
    assert (known.name, known.identity, known.version) == ("bob", bob.identity.public, 1)
    assert (known.state, known.first_seen, known.list) == ("unchecked", world.now, first)
    assert warned(ada) == []


def test_the_same_identity_goes_on_without_a_word(ada: Peer, bob: Somebody) -> None:
    first, second = bob.next(), bob.next(1, 2)
    ada.do(trust.take_list, first)
    assert ada.do(trust.take_list, second) == "next"
    assert len(trust.devices_pinned(ada.db, bob.account)) == 2
    assert ada.do(trust.take_list, first) == "older"
    assert pin(ada, bob.account).version == 2
    assert warned(ada) == []


def test_other_keys_to_which_the_old_agree_are_shown_and_stop_sending(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next())
    old, bob.identity = bob.identity, bob.key(2)
    assert ada.do(trust.take_list, bob.next(old=old)) == "rotated"
    assert warned(ada) == [("keys-rotated", bob.account)]
    assert pin(ada, bob.account).state == "changed"
    assert not trust.may_send(ada.db, bob.account)
    ada.look(bob.account)
    assert trust.may_send(ada.db, bob.account)
    assert pin(ada, bob.account).state == "unchecked"


def test_once_it_was_looked_at_the_rooms_of_somebody_go_on(ada: Peer, bob: Somebody) -> None:
    ada.db.run(
        """
        INSERT INTO stay (room, device, account, since, leaf, key, certificate)
        VALUES (?, ?, ?, 1, 1, x'', x'')
        """,
        bytes(16), bytes(16), bob.account,
    )  # fmt: skip

    def look(tx: Tx) -> list[bytes]:
        trust.seen(tx, bob.account, bob.identity.public)
        return list(tx.stirred)

    assert ada.do(look) == [bytes(16)]


def test_other_keys_to_which_nobody_agrees_are_a_reset(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    assert ada.do(trust.take_list, bob.next()) == "reset"
    assert warned(ada) == [("keys-reset", bob.account)]
    assert not trust.may_send(ada.db, bob.account)


def test_two_lists_of_one_version_are_an_alarm(ada: Peer, bob: Somebody) -> None:
    first = bob.next(1)
    ada.do(trust.take_list, first)
    bob.newest = None
    fork = bob.next(9)
    assert ada.do(trust.take_list, fork) == "forked"
    assert pin(ada, bob.account).list == first
    assert warned(ada) == [("keys-forked", bob.account)]
    assert ada.do(trust.take_list, fork) == "forked"
    assert warned(ada) == []  # Once is enough, until it was looked at.


def test_a_list_after_another_one_than_is_known_is_an_alarm(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    bob.newest = make_list(
        bob.identity, bob.owner, [NewDevice(bob.key(7).public)], None, archive=bytes(1216)
    )
    assert ada.do(trust.take_list, bob.next(9)) == "forked"


def test_another_list_of_a_version_of_before_is_an_alarm(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    ada.do(trust.take_list, bob.next(1, 2))
    other = make_list(
        bob.identity, bob.owner, [NewDevice(bob.key(7).public)], None, archive=bytes(1216)
    )
    assert ada.do(trust.take_list, other) == "forked"
    assert pin(ada, bob.account).version == 2


def test_what_is_no_list_changes_nothing(world: World, ada: Peer, bob: Somebody) -> None:
    first = bob.next()
    assert ada.do(trust.take_list, msgspec.structs.replace(first, signature=bytes(64))) == "bad"
    assert ada.do(trust.take_list, SignedList(b"\xc1", bytes(64))) == "bad"
    assert trust.pin_of(ada.db, bob.account) is None
    ada.do(trust.take_list, first)
    renamed = Somebody(world, "rob")
    renamed.newest = first
    assert ada.do(trust.take_list, renamed.next()) == "bad"
    assert warned(ada) == []


def test_a_gap_within_one_identity_is_no_trouble(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.next()
    assert ada.do(trust.take_list, bob.next()) == "next"


# ---- Asking for lists ----


def ask(peer: Peer) -> GetLists:
    """Let a device ask for what it wants, and return the question, which nobody hears."""
    peer.do(trust.ask_wanted, b"")
    (request,) = peer.engine.requests()
    assert isinstance(request, GetLists)
    return request


def answer(peer: Peer, request: GetLists, *lists: SignedList, next_: int | None = None) -> None:
    peer.engine.receive(Lists(id=request.id, lists=lists, next=next_), peer.world.now)


def refuse(peer: Peer, request: GetLists, code: Code, after_ms: int | None = None) -> None:
    refusal: Any = Refusal(request.id, code, "", retry_after_ms=after_ms)
    peer.engine.receive(refusal, peer.world.now)


def test_a_rotation_that_was_missed_is_seen_where_it_happened(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    old, bob.identity = bob.identity, bob.key(2)
    second, third = bob.next(old=old), bob.next(1, 2)
    assert ada.do(trust.take_list, third) == "missing"
    assert pin(ada, bob.account).version == 1
    request = ask(ada)
    assert (request.accounts, request.since) == ((bob.account,), 1)
    answer(ada, request, second, third)
    assert warned(ada) == [("keys-rotated", bob.account)]
    assert pin(ada, bob.account).version == 3
    assert ada.db.one("SELECT 1 FROM wanted_list") is None


def test_a_chain_that_nobody_tells_counts_as_a_reset(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    bob.next()
    third = bob.next()
    ada.do(trust.take_list, third)
    answer(ada, ask(ada))
    assert warned(ada) == [("keys-reset", bob.account)]
    assert pin(ada, bob.account).list == third


def test_a_long_chain_is_walked_page_by_page(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    lists = [bob.next() for _ in range(3)]
    ada.do(trust.take_list, lists[2])
    answer(ada, ask(ada), lists[0], next_=2)
    (request,) = ada.engine.requests()
    assert isinstance(request, GetLists)
    assert request.since == 2
    answer(ada, request, lists[1], lists[2])
    assert pin(ada, bob.account).version == 4


def test_a_server_that_pages_for_ever_is_not_followed(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    lists = [bob.next() for _ in range(2)]
    ada.do(trust.take_list, lists[1])
    answer(ada, ask(ada), lists[0], next_=1)
    assert ada.engine.requests() == []
    assert pin(ada, bob.account).version == 3


def test_a_push_makes_a_device_ask_once(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    for version in (1, 2, 2, 0):
        ada.engine.receive(ListChanged(account=bob.account, version=version), ada.world.now)
    assert ada.db.all("SELECT account FROM wanted_list") == [(bob.account,)]
    request = ask(ada)
    assert (request.accounts, request.since) == ((bob.account,), None)
    ada.do(trust.ask_wanted, b"")
    assert ada.engine.requests() == []
    answer(ada, request, bob.next())
    assert pin(ada, bob.account).version == 2


def test_lists_that_nobody_asked_for_pin_nobody(world: World, ada: Peer, bob: Somebody) -> None:
    eve = Somebody(world, "eve", 2)
    ada.do(trust.want, bob.account)
    answer(ada, ask(ada), eve.next(), SignedList(b"\xc1", bytes(64)), bob.next())
    assert trust.pin_of(ada.db, eve.account) is None
    assert pin(ada, bob.account).version == 1


def test_what_does_not_fit_on_a_page_is_asked_for_again(
    world: World, ada: Peer, bob: Somebody
) -> None:
    eve = Somebody(world, "eve", 2)
    for one in (bob, eve):
        ada.do(trust.want, one.account)
    request = ask(ada)
    assert request.accounts == (bob.account, eve.account)
    answer(ada, request, bob.next(), next_=1)
    assert ask(ada).accounts == (eve.account,)


def test_a_refusal_is_no_answer_and_is_asked_again(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.want, bob.account)
    for _ in range(2):
        refuse(ada, ask(ada), Code.TOO_MANY, 5_000)
        assert ada.db.one("SELECT 1 FROM wanted_list") == (1,)
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    bob.next()
    ada.do(trust.take_list, bob.next())
    refuse(ada, ask(ada), Code.INTERNAL)
    assert ada.engine.deadline() is not None
    assert ask(ada).since == 1


def test_a_question_that_the_line_broke_on_is_asked_again(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.want, bob.account)
    ask(ada)
    ada.hang_up()
    ada.do(trust.ask_wanted, b"")
    assert ada.engine.requests() == []
    ada.connect()
    ada.world.run()
    assert ada.db.one("SELECT 1 FROM wanted_list") is None


def test_who_wants_nothing_asks_nothing(ada: Peer) -> None:
    ada.do(trust.ask_wanted, b"")
    assert ada.engine.requests() == []


def test_a_walk_that_nobody_waits_for_any_more_ends(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    bob.next()
    ada.do(trust.take_list, bob.next())
    request = ask(ada)
    ada.db.run("DELETE FROM wanted_list")
    answer(ada, request)
    assert pin(ada, bob.account).version == 1


def test_everybodys_lists_are_read_again_once_a_day(
    monkeypatch: pytest.MonkeyPatch, ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next())
    ada.world.run()
    asked: list[Any] = []
    take = ada.world.server.take

    def watched(session: Session, request: Request, now: int) -> None:
        asked.append(request)
        take(session, request, now)

    monkeypatch.setattr(ada.world.server, "take", watched)
    ada.world.pass_time(trust.REFRESH_MS + 1_000)
    (request,) = [one for one in asked if isinstance(one, GetLists)]
    assert set(request.accounts) == {bob.account, ada.me.account}


# ---- Leaves ----


def test_a_leaf_that_is_on_the_list_is_fine(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    assert ada.do(trust.check_leaf, bob.leaf(1, 1)) is None


def test_who_is_first_seen_in_a_room_is_pinned_there(ada: Peer, bob: Somebody) -> None:
    first = bob.next(1)
    assert ada.do(trust.check_leaf, bob.leaf(1, 1)) is None
    known = pin(ada, bob.account)
    assert (known.identity, known.version, known.list) == (bob.identity.public, 1, None)
    assert trust.devices_pinned(ada.db, bob.account) == {}
    answer(ada, ask(ada), first)
    assert pin(ada, bob.account).list == first
    assert warned(ada) == []


def test_a_list_that_belies_the_leaf_that_was_seen_is_an_alarm(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.check_leaf, bob.leaf(1, 1))
    bob.identity = bob.key(2)
    assert ada.do(trust.take_list, bob.next()) == "forked"
    assert not trust.may_send(ada.db, bob.account)


def test_lists_before_the_leaf_that_was_seen_say_nothing(ada: Peer, bob: Somebody) -> None:
    first = bob.next()
    ada.do(trust.check_leaf, bob.leaf(1, 2))
    assert ada.do(trust.take_list, first) == "older"


def test_keys_that_changed_after_the_leaf_that_was_seen_are_walked_to(
    ada: Peer, bob: Somebody
) -> None:
    first = bob.next()
    ada.do(trust.check_leaf, bob.leaf(1, 1))
    old, bob.identity = bob.identity, bob.key(2)
    second = bob.next(old=old)
    assert ada.do(trust.take_list, second) == "missing"
    request = ask(ada)
    assert request.since == 0
    answer(ada, request, first, second)
    assert warned(ada) == [("keys-rotated", bob.account)]


def test_a_name_that_belies_the_leaf_that_was_seen_is_refused(
    world: World, ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.check_leaf, bob.leaf(1, 1))
    assert ada.do(trust.take_list, Somebody(world, "rob").next()) == "bad"


def test_a_leaf_newer_than_the_list_is_asked_about(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    assert ada.do(trust.check_leaf, bob.leaf(2, 2)) is None
    assert ask(ada).accounts == (bob.account,)


def test_a_leaf_of_a_revoked_device_is_known(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1, 2))
    ada.do(trust.take_list, bob.next(1))
    assert ada.do(trust.check_leaf, bob.leaf(2, 1)) == "device-revoked"
    assert warned(ada) == []


def test_a_leaf_of_the_newest_version_that_is_not_on_its_list_is_an_alarm(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next(1))
    assert ada.do(trust.check_leaf, bob.leaf(2, 1)) == "keys-forked"
    assert warned(ada) == [("keys-forked", bob.account)]


def test_a_leaf_of_another_identity_is_told_and_asked_about(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    before = bob.leaf(1, 1)
    old, bob.identity = bob.identity, bob.key(2)
    assert ada.do(trust.check_leaf, bob.leaf(1, 2)) == "keys-other"
    answer(ada, ask(ada), bob.next(old=old))
    assert ada.do(trust.check_leaf, bob.leaf(1, 2)) is None
    assert ada.do(trust.check_leaf, before) == "keys-old"


def test_a_leaf_that_is_no_certificate_has_a_cause(ada: Peer) -> None:
    assert ada.do(trust.check_leaf, b"\xc1") == "bad-certificate"


def test_the_device_of_a_certificate_has_its_id(bob: Somebody) -> None:
    (certificate,) = read_list(bob.next()).certificates
    assert len(trust.device_of(certificate)) == 16


# ---- Comparing ----


def test_two_people_see_the_same_number_and_what_was_compared_is_checked(world: World) -> None:
    ada, bob = world.register("ada"), world.register("bob")
    meet(ada, bob)
    hers, his = (
        comparing.safety(one.db, other.me.account) for one, other in ((ada, bob), (bob, ada))
    )
    assert hers is not None
    assert his is not None
    assert (hers.digits, hers.code) == (his.digits, his.code)
    assert ada.do(comparing.compared, bob.me.account, his.digits)
    assert bob.do(comparing.compared, ada.me.account, hers.code)
    assert pin(ada, bob.me.account).state == "checked"
    ada.do(trust.unchecked, bob.me.account)
    assert pin(ada, bob.me.account).state == "unchecked"


def meet(*peers: Peer) -> None:
    """Let everybody see everybody's list."""
    for one in peers:
        for other in peers:
            known = pin(other, other.me.account).list
            assert known is not None
            one.do(trust.take_list, known)


def test_another_number_checks_nobody(world: World) -> None:
    ada, bob, eve = (world.register(name) for name in ("ada", "bob", "eve"))
    meet(ada, bob, eve)
    other = comparing.safety(ada.db, eve.me.account)
    assert other is not None
    assert not ada.do(comparing.compared, bob.me.account, other.digits)
    assert pin(ada, bob.me.account).state == "unchecked"
    assert not ada.do(comparing.compared, bytes(16), other.digits)
    assert comparing.safety(ada.db, bytes(16)) is None
    with pytest.raises(UsageError, match="not a safety number"):
        ada.do(comparing.compared, bob.me.account, "12345")


def test_keys_that_changed_while_the_number_was_shown_are_not_checked(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next())
    shown = comparing.safety(ada.db, bob.account)
    assert shown is not None
    old, bob.identity = bob.identity, bob.key(2)
    ada.do(trust.take_list, bob.next(old=old))
    assert not ada.do(trust.checked, bob.account, shown.identity)
    assert pin(ada, bob.account).state == "changed"


def test_keys_that_changed_once_more_while_they_were_looked_at_have_not_been_seen(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next())
    bob.identity = bob.key(2)
    assert ada.do(trust.take_list, bob.next(), is_walked=True) == "reset"
    shown = comparing.safety(ada.db, bob.account)
    assert shown is not None
    bob.identity = bob.key(3)
    assert ada.do(trust.take_list, bob.next(), is_walked=True) == "reset"
    assert [code for code, _ in warned(ada)] == ["keys-reset"]  # Which is told once.
    assert not ada.do(trust.seen, bob.account, shown.identity)
    assert not ada.do(comparing.looked, bob.account, shown.digits)
    assert not trust.may_send(ada.db, bob.account)
    now = comparing.safety(ada.db, bob.account)
    assert now is not None
    assert ada.do(comparing.looked, bob.account, now.digits[:17])  # Three of its groups.
    assert pin(ada, bob.account).state == "unchecked"


def test_of_which_keys_somebody_speaks_their_number_says(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    for shown in ("", "seen", "12345 67890", "1" * 61):
        with pytest.raises(UsageError, match="which keys you have looked at"):
            ada.do(comparing.looked, bob.account, shown)
    assert not ada.do(comparing.looked, bytes(16), "1" * 15)


def test_checked_keys_that_change_are_checked_no_more(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next())
    assert ada.do(trust.checked, bob.account, bob.identity.public)
    old, bob.identity = bob.identity, bob.key(2)
    ada.do(trust.take_list, bob.next(old=old))
    ada.look(bob.account)
    assert pin(ada, bob.account).state == "unchecked"


def test_who_was_never_seen_may_be_written_to(ada: Peer) -> None:
    assert trust.may_send(ada.db, bytes(16))


# ---- Through the server ----


def share_a_room(world: World, *peers: Peer) -> None:
    """Let the server tell these accounts of each other."""
    connection = world.server.connection
    connection.run(
        """
        INSERT INTO room (number, room, kind, created_at, recent, paused)
        VALUES (7, ?, 'group', 0, x'90', x'90')
        """,
        bytes(16),
    )
    for peer in peers:
        connection.run("INSERT INTO room_account (room, account) VALUES (7, ?)", peer.me.account)


def test_a_rotation_of_somebody_reaches_who_knows_them(world: World) -> None:
    ada, bob = world.register("ada"), world.register("bob")
    share_a_room(world, ada, bob)
    meet(ada, bob)
    ada.heard()
    opener = world.opener(bob)
    bob.do(
        account.rotate, world.open(bob, opener), opener, world.locks(bob, "another one"), bob.phrase
    )
    world.run()
    ada.engine.receive(ListChanged(account=bob.me.account, version=2), world.now)
    world.run()
    assert warned(ada) == [("keys-rotated", bob.me.account)]
    assert pin(ada, bob.me.account).identity == bob.me.identity


# ---- What is worse stays, and leaves are compared again ----


def test_a_change_is_never_told_as_something_smaller_until_it_was_looked_at(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next())
    for what, told in (("rotated", 1), ("reset", 1), ("rotated", 0), ("forked", 1), ("reset", 0)):
        ada.do(trust.change, bob.account, what)
        assert len(warned(ada)) == told
    assert pin(ada, bob.account).change == "forked"
    ada.look(bob.account)
    ada.do(trust.change, bob.account, "rotated")
    assert warned(ada) == [("keys-rotated", bob.account)]


def test_of_who_is_not_known_no_change_is_told(ada: Peer) -> None:
    ada.do(trust.change, bytes(16), "reset")
    assert warned(ada) == []


def test_a_refusal_to_tell_lists_holds_no_message_up_for_ever(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    assert not ada.do(trust.is_compared, bob.account)
    ada.do(trust.newest, GetLists(accounts=(bob.account,)), Refusal(0, Code.BUSY, ""), b"")
    assert ada.do(trust.is_compared, bob.account)
    ada.hang_up()
    assert not ada.do(trust.is_compared, bob.account)


def test_another_identity_under_a_known_account_is_a_reset_at_once(
    ada: Peer, bob: Somebody
) -> None:
    ada.do(trust.take_list, bob.next(1))
    bob.identity = bob.key(2)
    assert ada.do(trust.check_leaf, bob.leaf(1, 1)) == "keys-other"
    assert warned(ada) == [("keys-reset", bob.account)]
    assert not trust.may_send(ada.db, bob.account)


def test_a_list_that_the_server_hides_when_asked_for_it_is_an_alarm(
    ada: Peer, bob: Somebody
) -> None:
    first = bob.next(1)
    ada.do(trust.take_list, first)
    ada.do(trust.ask_at_least, bob.account, 2)
    answer(ada, ask(ada), first)
    assert warned(ada) == [("keys-forked", bob.account)]


def test_a_list_that_the_server_tells_when_asked_for_it_is_none(ada: Peer, bob: Somebody) -> None:
    ada.do(trust.take_list, bob.next(1))
    ada.do(trust.ask_at_least, bob.account, 2)
    answer(ada, ask(ada), bob.next(1, 2))
    assert warned(ada) == []
    ada.do(trust.ask_at_least, bytes(16), 1)
    answer(ada, ask(ada))  # Of somebody who is not known there is nothing to say.
    assert warned(ada) == []
    ada.hang_up()
    ada.do(trust.ask_at_least, bob.account, 3)
    assert ada.engine.requests() == []  # It is asked when it is compared the next time.
