"""Boxes: who gets one, how locks change, codes, and what guessing costs."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.auth import totp_code
from alcove.server.caller import Caller
from alcove.server.effects import ToAccount
from alcove.server.handlers.boxes import GUESS_PAUSE_MOST_MS, HANDLERS
from alcove.wire.accounts import (
    AccountChanged,
    ChangeBox,
    ChangedBox,
    GetSalt,
    OpenBox,
    OpenedBox,
    Sealed,
    SetTotp,
)
from alcove.wire.base import Done
from alcove.wire.codec import decode_answer
from alcove.wire.devices import SignedList
from alcove.wire.errors import Code
from tests.server.house import House
from tests.server.people import Someone, code, kinds, lines

SECRET = b"authenticator secret"
STEP_MS = 30_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ada(house: House) -> Someone:
    return Someone(house, "Ada").come()


def opens(person: Someone, **fields: Any) -> Any:
    given: dict[str, Any] = {
        "name": person.name,
        "lock": "password",
        "login": person.password.login,
    }
    return person.house.ask(person.nobody, OpenBox(**given | fields))


def changes(person: Someone, **fields: Any) -> Any:
    given: dict[str, Any] = {"version": 1, "lock": "password", "login": person.password.login}
    request = ChangeBox(id=person.house.next_id(), **given | fields)
    return person.house.ask(person.phone.caller, request)


def sets_totp(person: Someone, secret: bytes | None, totp: str, **fields: Any) -> Any:
    given: dict[str, Any] = {"lock": "password", "login": person.password.login}
    request = SetTotp(id=person.house.next_id(), secret=secret, code=totp, **given | fields)
    return person.house.ask(person.phone.caller, request)


def with_totp(person: Someone) -> Someone:
    assert sets_totp(person, SECRET, totp_code(SECRET, person.house.now)) == Done(
        id=person.house.number
    )
    person.house.now += STEP_MS
    return person


# ---- Salts ----


def test_a_salt_is_the_same_at_any_time_in_any_case_and_for_names_that_nobody_has(
    house: House,
) -> None:
    nobody = Someone(house, "ada").nobody
    before = house.ask(nobody, GetSalt(name="ada"))
    Someone(house, "ada").come()
    house.start()
    assert house.ask(nobody, GetSalt(name="ADA")) == before
    assert house.ask(nobody, GetSalt(name="bob")) != before


# ---- Opening ----


def test_password_and_phrase_open_a_box_each_their_own(house: House, ada: Someone) -> None:
    reply = opens(ada)
    assert reply == OpenedBox(
        account=ada.account,
        name="Ada",
        box=ada.password.box,
        version=1,
        list=reply.list,
        totp=False,
    )
    phrase = opens(ada, name="aDA", lock="phrase", login=ada.phrase.login)
    assert (phrase.account, phrase.box) == (ada.account, ada.phrase.box)
    assert kinds(house, ada.account)[-2:] == ["box_opened", "box_opened"]


def test_the_newest_list_comes_with_the_box(ada: Someone) -> None:
    ada.publish(ada.phone, ada.gadget())
    assert opens(ada).list == SignedList(
        *lines(ada.house, "SELECT body, signature, old_signature FROM device_list")[-1]
    )


def test_a_wrong_key_and_a_name_that_nobody_has_are_refused_alike(
    house: House, ada: Someone
) -> None:
    wrong = opens(ada, login=bytes(32))
    assert code(wrong) == Code.WRONG_LOGIN
    assert opens(ada, name="nobody", login=bytes(32)) == wrong
    house.now += 1000
    assert opens(ada, login=ada.phrase.login) == wrong
    assert kinds(house, ada.account).count("login_failed") == 2
    assert kinds(house).count("login_unknown") == 1


def test_wrong_guesses_wait_longer_and_longer(house: House, ada: Someone) -> None:
    for name in (ada.name, "nobody"):
        waits = []
        for _ in range(12):
            assert code(opens(ada, name=name, login=bytes(32))) == Code.WRONG_LOGIN
            refusal = opens(ada, name=name)
            assert code(refusal) == Code.TOO_SOON
            waits.append(refusal.retry_after_ms)
            house.now += waits[-1]
        assert waits[:4] == [1000, 2000, 4000, 8000]
        assert waits[-1] == GUESS_PAUSE_MOST_MS
    assert isinstance(opens(ada), OpenedBox)


def test_a_stranger_who_guesses_does_not_lock_the_owner_out(house: House, ada: Someone) -> None:
    stranger = Caller("198.51.100.1")
    guess = OpenBox(name="Ada", lock="password", login=bytes(32))
    assert code(house.ask(stranger, guess)) == Code.WRONG_LOGIN
    assert code(house.ask(stranger, guess)) == Code.TOO_SOON
    assert isinstance(opens(ada), OpenedBox)


def test_a_disabled_account_is_told_so_when_the_key_is_right(house: House, ada: Someone) -> None:
    house.connection.run("UPDATE account SET disabled_at = 1")
    assert code(opens(ada)) == Code.DISABLED
    assert code(opens(ada, login=bytes(32))) == Code.WRONG_LOGIN


def test_no_copy_of_a_box_is_kept_in_an_answer() -> None:
    assert not HANDLERS[OpenBox].is_remembered


# ---- Codes ----


def test_with_an_authenticator_the_box_needs_a_code(house: House, ada: Someone) -> None:
    with_totp(ada)
    assert code(opens(ada)) == Code.CODE_NEEDED
    reply = opens(ada, code=totp_code(SECRET, house.now))
    assert reply.totp
    assert "totp_enabled" in kinds(house, ada.account)


def test_nobody_learns_of_the_authenticator_without_the_key(ada: Someone) -> None:
    with_totp(ada)
    assert code(opens(ada, login=bytes(32))) == Code.WRONG_LOGIN


def test_a_code_works_once(house: House, ada: Someone) -> None:
    with_totp(ada)
    now = totp_code(SECRET, house.now)
    assert isinstance(opens(ada, code=now), OpenedBox)
    assert code(opens(ada, code=now)) == Code.WRONG_CODE
    house.now += STEP_MS
    assert isinstance(opens(ada, code=totp_code(SECRET, house.now)), OpenedBox)


def test_the_code_that_began_it_does_not_open_the_box(house: House, ada: Someone) -> None:
    first = totp_code(SECRET, house.now)
    sets_totp(ada, SECRET, first)
    assert code(opens(ada, code=first)) == Code.WRONG_CODE


def test_wrong_codes_wait_for_the_whole_account(house: House, ada: Someone) -> None:
    with_totp(ada)
    right = totp_code(SECRET, house.now)
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    assert code(opens(ada, code=wrong)) == Code.WRONG_CODE
    request = OpenBox(name="ada", lock="password", login=ada.password.login, code=right)
    refusal = house.ask(Caller("198.51.100.1"), request)
    assert (refusal.code, refusal.retry_after_ms) == (Code.TOO_SOON, 1000)
    assert kinds(house, ada.account)[-1] == "code_failed"
    house.now += 1000
    assert isinstance(opens(ada, code=right), OpenedBox)


def test_an_authenticator_is_shown_to_work_before_it_is_asked_for(
    house: House, ada: Someone
) -> None:
    wrong = f"{(int(totp_code(SECRET, house.now)) + 1) % 1_000_000:06}"
    assert code(sets_totp(ada, SECRET, wrong)) == Code.WRONG_CODE
    assert not opens(ada).totp


def test_an_authenticator_cannot_be_swapped_without_its_code(house: House, ada: Someone) -> None:
    with_totp(ada)
    other = bytes(20)
    assert code(sets_totp(ada, other, totp_code(other, house.now))) == Code.EXISTS
    assert code(sets_totp(ada, None, totp_code(other, house.now))) == Code.WRONG_CODE
    house.now += 1000
    assert sets_totp(ada, None, totp_code(SECRET, house.now)) == Done(id=house.number)
    assert not opens(ada).totp
    assert "totp_disabled" in kinds(house, ada.account)


def test_ending_codes_that_nobody_asks_for_is_harmless(house: House, ada: Someone) -> None:
    assert sets_totp(ada, None, "000000") == Done(id=house.number)
    assert "totp_disabled" not in kinds(house)


def test_codes_are_set_with_the_login_key_only(ada: Someone) -> None:
    right = totp_code(SECRET, ada.house.now)
    assert code(sets_totp(ada, SECRET, right, login=bytes(32))) == Code.WRONG_LOGIN


# ---- Changing ----


def test_locks_change_together_or_one_alone(house: House, ada: Someone) -> None:
    old = ada.password
    password = Sealed(b"1" * 32, b"new box")
    assert changes(ada, password=password) == ChangedBox(id=1, version=2)
    assert code(opens(ada, login=old.login)) == Code.WRONG_LOGIN
    house.now += 1000
    opened = opens(ada, login=password.login)
    assert (opened.box, opened.version) == (b"new box", 2)
    assert opens(ada, lock="phrase", login=ada.phrase.login).box == ada.phrase.box
    phrase = Sealed(b"2" * 32)
    both = changes(ada, version=2, login=password.login, password=old, phrase=phrase)
    assert both == ChangedBox(id=2, version=3)
    assert opens(ada).box == old.box
    assert opens(ada, lock="phrase", login=phrase.login).box is None


def test_the_other_devices_hear_that_the_locks_changed(house: House, ada: Someone) -> None:
    house.told = []
    changes(ada, phrase=ada.sealed())
    pushes = [
        (push.account, push.but, decode_answer(push.message)) for push in house.take_told(ToAccount)
    ]
    assert (ada.account, ada.phone.id, AccountChanged(kind="box")) in pushes
    assert kinds(house, ada.account)[-1] == "locks_changed"


def test_who_changes_a_box_that_was_changed_meanwhile_reads_it_again(ada: Someone) -> None:
    password = ada.sealed()
    assert code(changes(ada, version=2, password=password)) == Code.CHANGED
    changes(ada, phrase=ada.sealed())
    assert code(changes(ada, version=1, password=password)) == Code.CHANGED
    assert opens(ada).box == ada.password.box


def test_a_signed_in_device_alone_cannot_change_the_locks(house: House, ada: Someone) -> None:
    assert code(changes(ada, login=bytes(32), password=ada.sealed())) == Code.WRONG_LOGIN
    assert code(changes(ada, password=ada.sealed())) == Code.TOO_SOON
    house.now += 1000
    with_totp(ada)
    assert code(changes(ada, password=ada.sealed())) == Code.CODE_NEEDED
    right = totp_code(SECRET, house.now)
    assert isinstance(changes(ada, password=ada.sealed(), code=right), ChangedBox)


def test_a_new_list_comes_with_the_new_box_or_neither_does(house: House, ada: Someone) -> None:
    old, ada.identity = ada.identity, ada.key()
    assert code(changes(ada, password=ada.sealed(), list=ada.next_list())) == Code.NOT_SIGNED
    assert opens(ada).version == 1
    reply = changes(ada, password=ada.sealed(), list=ada.next_list(old=old))
    assert isinstance(reply, ChangedBox)
    assert lines(house, "SELECT identity, box_version FROM account") == [(ada.identity.public, 2)]


def test_the_list_must_be_the_accounts_own(house: House, ada: Someone) -> None:
    bob = Someone(house, "bob").come()
    assert code(changes(ada, list=bob.next_list())) == Code.NOT_ALLOWED


def test_a_gone_account_opens_nothing(house: House, ada: Someone) -> None:
    house.connection.run("DELETE FROM account")
    assert code(changes(ada)) == Code.WRONG_LOGIN


@pytest.mark.parametrize("request_type", [ChangeBox, SetTotp])
def test_a_token_cannot_change_the_locks(request_type: type) -> None:
    assert HANDLERS[request_type].access == "socket"
