"""Signing in: a device is believed by its signature alone, and a token can do less and ends."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server import keeping, presence
from alcove.server.auth import verify
from alcove.server.batch import Chore
from alcove.server.caller import Caller
from alcove.server.effects import Arrived, Ended, ToAccount
from alcove.server.handlers.signing_in import (
    CHALLENGE_MS,
    CHALLENGES_MAX,
    HANDLERS,
    MINUTE_MS,
    Bearer,
    caller_of_token,
    touch_token,
)
from alcove.server.keeping import Turn, write_sights
from alcove.wire.accounts import PutProfile
from alcove.wire.base import Done
from alcove.wire.chats import Answer, Block
from alcove.wire.devices import GetDevices, PutPackages
from alcove.wire.entries import Welcome
from alcove.wire.errors import Code
from alcove.wire.greeting import (
    VERSION,
    Challenge,
    GetChallenge,
    NewToken,
    SignedIn,
    SignOut,
)
from alcove.wire.signed import proof_bytes
from tests.server.house import House, member
from tests.server.people import ADDRESS, Someone, code, kinds, lines, where, writing

CHALLENGE = b"c" * 32


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ada(house: House) -> Someone:
    return Someone(house, "ada").come()


def by_socket(person: Someone, **fields: Any) -> Any:
    """Sign in as the session has it: with its own challenge in the request."""
    caller = Caller(ADDRESS, client="test 1")
    return person.house.ask(caller, person.sign_in(person.phone, CHALLENGE, **fields))


def by_http(person: Someone, **fields: Any) -> Any:
    caller = Caller(ADDRESS, "http")
    challenge = person.house.ask(caller, GetChallenge()).challenge
    return person.house.ask(caller, person.sign_in(person.phone, challenge, **fields))


def bearer(house: House, token: str) -> Bearer | None:
    return caller_of_token(house.tx(), token, "192.0.2.1", house.now)


# ---- Signing in ----


@pytest.mark.parametrize("by", [by_socket, by_http])
def test_people_are_told_when_the_host_wants_their_app_to_lock_and_bots_are_not(
    house: House, ada: Someone, by: Any
) -> None:
    assert by(ada).lock_after_ms == 0
    house.world.settings = msgspec.structs.replace(house.settings, lock_after_s=300)
    assert by(ada).lock_after_ms == 300_000
    house.connection.run("UPDATE account SET is_bot = 1")
    assert by(ada).lock_after_ms == 0


def test_who_signs_the_challenge_is_signed_in_and_gets_the_servers_proof(
    house: House, ada: Someone
) -> None:
    request = ada.sign_in(ada.phone, CHALLENGE)
    house.told = []
    reply = house.ask(Caller(ADDRESS), request)
    keys = house.world.keys
    assert reply == SignedIn(
        account=ada.account,
        name="ada",
        host=False,
        bot=False,
        proof=reply.proof,
        counter=0,
        incarnation=house.incarnation,
        list_version=1,
        list_hash=ada.newest,
        packages=0,
        inbox=0,
    )
    proof = proof_bytes(keys.public, request.nonce, CHALLENGE, ada.phone.id, VERSION)
    assert verify(keys.public, proof, reply.proof)
    (arrived,) = house.take_told(Arrived)
    assert arrived == Arrived(ada.account, ada.phone.id, "ada", False, True, ())
    assert kinds(house, ada.account)[-1] == "signed_in"


def test_both_sides_sign_the_version_on_which_they_agreed(house: House, ada: Someone) -> None:
    later = Caller(ADDRESS, version=VERSION + 1)
    assert code(house.ask(later, ada.sign_in(ada.phone, CHALLENGE))) == Code.NOT_SIGNED
    request = ada.sign_in(ada.phone, CHALLENGE, version=later.version)
    assert code(house.ask(Caller(ADDRESS), request)) == Code.NOT_SIGNED
    reply = house.ask(later, request)
    public = house.world.keys.public
    proof = proof_bytes(public, request.nonce, CHALLENGE, ada.phone.id, later.version)
    assert verify(public, proof, reply.proof)


def test_a_device_learns_what_waits_and_how_far_it_had_counted(house: House, ada: Someone) -> None:
    bob = Someone(house, "bob").come()
    house.ask(ada.phone.caller, PutPackages(id=40, packages=(b"1", b"2"), last_resort=b"3"))
    house.ask(ada.phone.caller, PutProfile(id=39, body=None))
    talk, _ = house.create(bob.phone.caller)
    house.now += 60_000
    commit = house.handshake(bob.phone.caller, talk, adds=(member(ada.phone.caller),))
    house.append(bob.phone.caller, talk, commit, welcomes=(Welcome((ada.phone.id,), b"hello"),))
    reply = by_socket(ada)
    assert (reply.counter, reply.packages) == (40, 2)
    assert reply.inbox == lines(house, "SELECT MAX(letter) FROM inbox")[0]
    assert house.take_told(Arrived)[0].rooms == (talk.room,)


def test_the_counter_outlives_the_answers(house: House, ada: Someone) -> None:
    house.connection.insert("counter (device, last, line)", [(ada.phone.id, 77, 1)])
    house.start()
    assert by_socket(ada).counter == 77


def test_the_highest_counter_is_found_among_answers_that_came_out_of_order(
    house: House, ada: Someone
) -> None:
    for number in (1, 9, 5, 2):
        house.ask(ada.phone.caller, PutProfile(id=number, body=None))
    house.start()
    assert by_socket(ada).counter == 9


def test_what_an_account_has_not_accepted_is_neither_followed_nor_shown(tmp_path: Path) -> None:
    house = House(tmp_path, requests="everyone")
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob").come()
    talk, _ = house.create(bob.phone.caller)
    house.now += 60_000
    commit = house.handshake(bob.phone.caller, talk, adds=(member(ada.phone.caller),))
    house.append(bob.phone.caller, talk, commit, welcomes=(Welcome((ada.phone.id,), b"hello"),))
    house.told = []
    assert by_socket(ada).inbox == 0
    assert house.take_told(Arrived)[0].rooms == ()
    house.ask(ada.phone.caller, Answer(id=1, rooms=None, accept=True))
    house.told = []
    assert by_socket(ada).inbox > 0
    assert house.take_told(Arrived)[0].rooms == (talk.room,)


def test_direct_rooms_with_who_is_blocked_are_not_followed(house: House, ada: Someone) -> None:
    bob, eve = Someone(house, "bob").come(), Someone(house, "eve").come()
    rooms = []
    for partner in (bob, eve):
        talk, _ = house.create(
            ada.phone.caller, partner.phone.caller, kind="direct", partner=partner.account
        )
        rooms.append(talk.room)
    group, _ = house.create(ada.phone.caller, bob.phone.caller)
    house.ask(ada.phone.caller, Block(id=house.next_id(), account=bob.account, blocked=True))
    house.told = []
    by_socket(ada)
    assert house.take_told(Arrived)[0].rooms == (rooms[1], group.room)
    by_socket(bob)
    assert house.take_told(Arrived)[0].rooms == (rooms[0], group.room)


def test_a_wrong_signature_is_refused(house: House, ada: Someone) -> None:
    bob = Someone(house, "bob").come()
    for wrong in (
        {"signature": bytes(64)},
        {"challenge": b"d" * 32},
        {"device": bob.phone.id},
    ):
        assert code(by_socket(ada, **wrong)) == Code.NOT_SIGNED
    assert house.take_told(Arrived) == []
    assert kinds(house, ada.account)[-1] == "sign_in_failed"


def test_an_unknown_device_is_told_that_it_is_on_no_list(house: House) -> None:
    assert code(by_socket(Someone(house, "ada"))) == Code.REVOKED
    assert kinds(house) == ["sign_in_failed"]


def test_a_removed_device_is_told_so_and_only_if_it_is_that_device(
    house: House, ada: Someone
) -> None:
    laptop, phone = ada.gadget(), ada.phone
    ada.publish(phone, laptop)
    ada.publish(laptop)
    ada.gadgets = [phone]
    assert code(by_socket(ada, signature=bytes(64))) == Code.NOT_SIGNED
    assert code(by_socket(ada)) == Code.REVOKED
    assert "sign_in_revoked" in kinds(house, ada.account)


def test_a_disabled_account_cannot_sign_in(house: House, ada: Someone) -> None:
    house.connection.run("UPDATE account SET disabled_at = 1")
    assert code(by_socket(ada)) == Code.DISABLED
    assert kinds(house, ada.account)[-1] == "sign_in_disabled"


def test_strangers_cannot_fill_the_log_with_failures(house: House, ada: Someone) -> None:
    for _ in range(5):
        by_socket(ada, signature=bytes(64))
    assert kinds(house).count("sign_in_failed") == 1
    house.now += MINUTE_MS
    by_socket(ada, signature=bytes(64))
    assert kinds(house).count("sign_in_failed") == 2


def signs(house: House, kind: str) -> list[tuple[bytes | None, str]]:
    """Return which devices events of a kind name: as who did it, and in their detail."""
    return lines(house, "SELECT device, detail FROM event WHERE kind = ? ORDER BY number", kind)


@pytest.mark.parametrize(("by", "door"), [(by_socket, "socket"), (by_http, "http")])
def test_a_sign_in_and_its_token_name_the_device_which_is_not_told_of_itself(
    house: House, ada: Someone, by: Any, door: str
) -> None:
    house.told = []
    by(ada, token=True)
    assert signs(house, "signed_in") == [(ada.phone.id, f'{{"door":"{door}"}}')]
    assert signs(house, "token_created") == [(ada.phone.id, "{}")]
    told = [(effect.account, effect.but) for effect in house.take_told(ToAccount)]
    assert told == [(ada.account, ada.phone.id)] * 2


def test_a_device_that_knocks_in_vain_is_named(house: House, ada: Someone) -> None:
    phone, laptop, tablet = ada.phone, ada.gadget(), ada.gadget()
    ada.publish(phone, laptop, tablet)
    ada.publish(phone)
    for gadget in (laptop, tablet, laptop):
        ada.gadgets = [gadget]
        assert code(by_socket(ada)) == Code.REVOKED
    assert signs(house, "sign_in_revoked") == [(laptop.id, "{}"), (tablet.id, "{}")]
    ada.gadgets = [phone]
    house.connection.run("UPDATE account SET disabled_at = 1")
    by_socket(ada)
    assert signs(house, "sign_in_disabled") == [(phone.id, "{}")]


def test_which_device_a_stranger_claims_to_be_is_told_as_a_claim(
    house: House, ada: Someone
) -> None:
    house.told = []
    by_socket(ada, signature=bytes(64))
    assert signs(house, "sign_in_failed") == [(None, f'{{"device":"{ada.phone.id.hex()}"}}')]
    assert [effect.but for effect in house.take_told(ToAccount)] == [b""]


def visit(house: House) -> list[tuple[int | None, int | None, str]]:
    """Return when devices and accounts were there last, and by what, as housekeeping writes it."""
    with writing(house) as tx:
        write_sights(tx, 0)
    return lines(
        house, "SELECT d.seen_at, a.seen_at, d.client FROM device d JOIN account a USING (account)"
    )


def test_the_server_knows_when_a_device_was_there_last_and_with_what(
    house: House, ada: Someone
) -> None:
    assert visit(house) == [(None, None, "")]
    by_socket(ada)
    assert visit(house) == [(house.now, house.now, "test 1")]
    known, device = house.world.presence, ada.phone.id
    known.arrive(ada.account, device, "ada", house.now, is_shown=True)
    house.now += MINUTE_MS
    known.leave(ada.account, device, house.now)
    assert visit(house) == [(house.now, house.now, "test 1")]
    house.now += MINUTE_MS
    house.ask(Caller(ADDRESS, client="test 2"), ada.sign_in(ada.phone, CHALLENGE))
    house.now += MINUTE_MS
    known.see(ada.account, device, house.now)
    assert visit(house) == [(house.now, house.now, "test 2")]
    house.now -= MINUTE_MS
    known.see(ada.account, device, house.now)
    assert visit(house) == [(house.now, house.now + MINUTE_MS, "test 2")]


def test_who_was_there_is_written_down_bit_by_bit_and_not_without_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "SIGHTS_MAX", 3)
    monkeypatch.setattr(keeping, "LINES", 2)
    for number in range(5):
        house.world.presence.see(b"a", b"%d" % number, house.now)
    with writing(house) as tx:
        assert write_sights(tx, 0) == Turn(0, 1)
        assert write_sights(tx, 0) == Turn(0, None)


def test_what_a_program_calls_itself_is_stored_without_what_cannot_be_shown(
    house: House, ada: Someone
) -> None:
    house.ask(
        Caller(ADDRESS, client="a\0b\x1b[1m\ud800 \u202ec"), ada.sign_in(ada.phone, CHALLENGE)
    )
    assert visit(house)[0][2] == "ab[1m c"


def test_who_comes_and_hides_is_seen_there_when_it_was_before(house: House, ada: Someone) -> None:
    first = house.now
    by_socket(ada)
    assert visit(house) == [(first, first, "test 1")]
    house.now += MINUTE_MS
    by_socket(ada)
    known, device = house.world.presence, ada.phone.id
    known.arrive(ada.account, device, "ada", house.now, is_shown=True)
    known.set(ada.account, device, "invisible", house.now)
    assert visit(house) == [(house.now, first, "test 1")]
    house.now += MINUTE_MS
    known.leave(ada.account, device, house.now)
    assert visit(house) == [(house.now, first, "test 1")]


def test_a_request_far_ahead_is_not_carried_out_twice(house: House, ada: Someone) -> None:
    far = PutPackages(id=10**6, packages=(b"far",))
    house.run((ada.phone.caller, PutPackages(id=2, packages=(b"two",))), (ada.phone.caller, far))
    for number in range(3, 400):
        house.ask(ada.phone.caller, PutPackages(id=number))
    house.start()
    assert by_socket(ada).counter == 10**6
    assert house.ask(ada.phone.caller, far).count == 2
    assert lines(house, "SELECT COUNT(*) FROM package") == [2]


def test_a_host_and_a_bot_are_told_what_they_are(house: House, ada: Someone) -> None:
    house.connection.run("UPDATE account SET is_host = 1, is_bot = 1, shows_online = 0")
    reply = by_socket(ada)
    assert (reply.host, reply.bot) == (True, True)
    (arrived,) = house.take_told(Arrived)
    assert (arrived.is_host, arrived.shows_online) == (True, False)


# ---- Over HTTP ----


def test_over_http_a_challenge_works_once_and_for_a_minute(house: House, ada: Someone) -> None:
    caller = Caller(ADDRESS, "http")
    given = house.ask(caller, GetChallenge())
    assert given == Challenge(
        server=house.world.keys.public, challenge=given.challenge, version=VERSION
    )
    request = ada.sign_in(ada.phone, given.challenge)
    assert isinstance(house.ask(caller, request), SignedIn)
    assert code(house.ask(caller, request)) == Code.NOT_SIGNED
    late = ada.sign_in(ada.phone, house.ask(caller, GetChallenge()).challenge)
    house.now += CHALLENGE_MS
    assert code(house.ask(caller, late)) == Code.NOT_SIGNED


def test_over_http_nobody_brings_his_own_challenge(house: House, ada: Someone) -> None:
    caller = Caller(ADDRESS, "http")
    assert code(house.ask(caller, ada.sign_in(ada.phone, CHALLENGE))) == Code.NOT_SIGNED
    none = ada.sign_in(ada.phone, b"", challenge=None)
    assert code(house.ask(caller, none)) == Code.NOT_SIGNED


def test_a_failed_try_uses_a_challenge_up(house: House, ada: Someone) -> None:
    caller = Caller(ADDRESS, "http")
    challenge = house.ask(caller, GetChallenge()).challenge
    wrong = ada.sign_in(ada.phone, challenge, signature=bytes(64))
    assert code(house.ask(caller, wrong)) == Code.NOT_SIGNED
    assert code(house.ask(caller, ada.sign_in(ada.phone, challenge))) == Code.NOT_SIGNED
    assert house.world.challenges == {}


def test_signing_in_over_http_connects_nobody(house: House, ada: Someone) -> None:
    house.told = []
    assert isinstance(by_http(ada), SignedIn)
    assert house.take_told(Arrived) == []


def test_challenges_do_not_pile_up(house: House) -> None:
    caller, challenges = Caller(ADDRESS, "http"), house.world.challenges
    old = house.ask(caller, GetChallenge()).challenge
    house.now += CHALLENGE_MS
    new = house.ask(caller, GetChallenge()).challenge
    assert list(challenges) == [new]
    assert old != new
    for number in range(CHALLENGES_MAX):
        challenges[b"%d" % number] = house.now + CHALLENGE_MS
    newest = house.ask(caller, GetChallenge()).challenge
    assert len(challenges) == CHALLENGES_MAX
    assert (new in challenges, newest in challenges) == (False, True)


# ---- Tokens ----


def test_a_token_says_whose_request_it_is(house: House, ada: Someone) -> None:
    over_http = by_http(ada, token=True)
    assert over_http.idle_ms == 3_600_000
    over_socket = house.ask(ada.phone.caller, NewToken(id=1))
    assert over_socket.idle_ms == 3_600_000
    caller = Caller("192.0.2.1", "http", ada.account, ada.phone.id, "ada", client="")
    for token in (over_http.token, over_socket.token):
        found = bearer(house, token)
        assert found is not None
        assert found.caller == msgspec.structs.replace(caller, token=found.hash)
        assert not found.is_due
    assert kinds(house, ada.account).count("token_created") == 2


def test_a_token_is_given_only_to_who_asks(ada: Someone) -> None:
    reply = by_http(ada)
    assert (reply.token, reply.idle_ms) == (None, None)


def test_no_token_can_be_read_in_the_database(house: House, ada: Someone) -> None:
    token = by_http(ada, token=True).token
    new = house.ask(ada.phone.caller, NewToken(id=5)).token
    assert where(house, token.encode(), new.encode()) == []
    assert where(house, b"token_created") != []


def test_what_came_with_a_token_is_not_done_after_it_has_ended(house: House, ada: Someone) -> None:
    found = bearer(house, by_http(ada, token=True).token)
    assert found is not None
    put = PutProfile(id=5, body=None)
    assert house.ask(found.caller, put) == Done(id=5)
    house.connection.run("UPDATE device SET revoked_at = ?", house.now)
    assert code(house.ask(found.caller, put)) == "sign_in_first"
    assert code(house.ask(found.caller, GetDevices())) == "sign_in_first"
    chore = Chore(lambda tx: tx.now, found.caller)
    (outcome,) = house.writer.run([chore], house.now)
    assert outcome.result.code == "sign_in_first"
    house.connection.run("UPDATE device SET revoked_at = NULL")
    assert house.ask(found.caller, put) == Done(id=5)


def test_a_token_ends_when_it_is_not_used(house: House, ada: Someone) -> None:
    token = by_http(ada, token=True).token
    house.now += house.settings.session_timeout_s * 1000
    found = bearer(house, token)
    assert found is not None
    assert found.is_due
    with writing(house) as tx:
        touch_token(tx, found, house.now)
    house.now += house.settings.session_timeout_s * 1000
    assert bearer(house, token) is not None
    house.now += 1
    assert bearer(house, token) is None


def test_the_time_of_use_is_due_once_a_minute(house: House, ada: Someone) -> None:
    token = by_http(ada, token=True).token
    for passed, is_due in ((MINUTE_MS - 1, False), (1, True)):
        house.now += passed
        found = bearer(house, token)
        assert found is not None
        assert found.is_due is is_due


def test_what_is_no_token_is_nobodys(house: House, ada: Someone) -> None:
    by_http(ada, token=True)
    for wrong in ("", "x" * 32, "\ud800"):
        assert bearer(house, wrong) is None


def test_a_device_has_so_many_tokens(house: House, ada: Someone) -> None:
    tokens, most = [], house.settings.device_tokens_max
    for number in range(most + 2):
        house.now += 1
        tokens.append(house.ask(ada.phone.caller, NewToken(id=number)).token)
    assert [bearer(house, token) is not None for token in tokens] == [False] * 2 + [True] * most
    house.now += house.settings.session_timeout_s * 1000 + 1
    house.ask(ada.phone.caller, NewToken(id=99))
    assert lines(house, "SELECT COUNT(*) FROM token") == [1]


def test_tokens_end_with_their_device_and_while_the_account_is_disabled(
    house: House, ada: Someone
) -> None:
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    token = house.ask(laptop.caller, NewToken(id=1)).token
    house.connection.run("UPDATE account SET disabled_at = 1")
    assert bearer(house, token) is None
    house.connection.run("UPDATE account SET disabled_at = NULL")
    assert bearer(house, token) is not None
    ada.publish(ada.phone)
    assert bearer(house, token) is None


def test_signing_out_ends_tokens_and_connections(house: House, ada: Someone) -> None:
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    mine = house.ask(ada.phone.caller, NewToken(id=1)).token
    other = house.ask(laptop.caller, NewToken(id=1)).token
    house.told = []
    assert house.ask(ada.phone.caller, SignOut(id=2)) == Done(id=2)
    assert house.take_told(Ended) == [Ended((ada.phone.id,), "sign_in_first")]
    assert bearer(house, mine) is None
    assert bearer(house, other) is not None
    assert kinds(house, ada.account)[-1] == "signed_out"


def test_a_token_cannot_make_another_and_its_answer_is_not_kept() -> None:
    assert HANDLERS[NewToken].access == "socket"
    assert not HANDLERS[NewToken].is_remembered
