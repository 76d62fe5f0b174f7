"""Accounts: who may come, what one visit leaves behind, and how somebody comes back."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.effects import Ended, ToMany
from alcove.server.handlers.invites import make_invite
from alcove.wire.accounts import ArchiveRow, OpenReset, PutArchive, PutProfile, Registered
from alcove.wire.codec import decode_answer
from alcove.wire.devices import Claim, Claimed, ListChanged
from alcove.wire.errors import Code
from tests.server.house import House
from tests.server.people import Someone, code, kinds, lines, writing


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def invite(house: House, kind: Any = "invite", **fields: Any) -> str:
    """Return the secret of a new link."""
    with writing(house) as tx:
        given: dict[str, Any] = {"uses": 1, "days": 7, "now": house.now} | fields
        _, link = make_invite(tx, kind, given.pop("made_by", None), **given)
    return link.partition("#")[2].partition(".")[0]


# ---- Registering ----


def test_who_registers_has_an_account_with_one_device(house: House) -> None:
    ada = Someone(house, "Ada")
    request = ada.register(packages=ada.packages(2), last_resort=b"last")
    reply = house.ask(ada.nobody, request)
    assert reply == Registered(account=ada.account, host=False, bot=False)
    assert lines(house, "SELECT name, folded, list_version, is_host, is_bot FROM account") == [
        ("Ada", "ada", 1, 0, 0)
    ]
    assert lines(house, "SELECT device, account, public_key FROM device") == [
        (ada.phone.id, ada.account, ada.phone.key.public)
    ]
    assert lines(house, "SELECT number, body FROM package ORDER BY number") == [
        (0, b"last"),
        (1, request.packages[0]),
        (2, request.packages[1]),
    ]
    assert kinds(house, ada.account) == ["account_created"]


def test_login_keys_are_stored_as_hashes_only(house: House) -> None:
    ada = Someone(house, "ada").come()
    (stored,) = lines(house, "SELECT password_login, phrase_login FROM account")
    assert ada.password.login not in stored
    assert ada.phrase.login not in stored
    assert len(set(stored)) == 2


def test_the_same_registration_again_is_answered_in_the_same_way(house: House) -> None:
    house.settings = house.world.settings
    secret = invite(house, uses=2)
    ada = Someone(house, "ada")
    request = ada.register(invite=secret)
    replies = [house.ask(ada.nobody, request) for _ in range(3)]
    assert replies == [Registered(account=ada.account, host=False, bot=False)] * 3
    assert lines(house, "SELECT used FROM invite") == [1]
    assert lines(house, "SELECT COUNT(*) FROM account") == [1]


def test_an_account_id_is_taken_once(house: House) -> None:
    ada, eve = Someone(house, "ada").come(), Someone(house, "eve")
    eve.account = ada.account
    assert code(house.ask(eve.nobody, eve.register())) == Code.EXISTS
    again = ada.register(list=ada.next_list(version=1), password=eve.password)
    assert code(house.ask(ada.nobody, again)) == Code.EXISTS


def test_a_name_is_taken_in_any_case(house: House) -> None:
    Someone(house, "Ada").come()
    other = Someone(house, "aDA")
    assert code(house.ask(other.nobody, other.register())) == Code.NAME_TAKEN
    assert lines(house, "SELECT name FROM account") == ["Ada"]


@pytest.mark.parametrize(
    ("policy", "shown", "refused"),
    [
        ("open", None, None),
        ("password", "the server's password", None),
        ("password", "another password", Code.NOT_INVITED),
        ("password", None, Code.NOT_INVITED),
        ("invite", None, Code.NOT_INVITED),
        ("invite", "the server's password", Code.NOT_INVITED),
        ("closed", None, Code.NOT_INVITED),
    ],
)
def test_the_policy_says_who_may_register(
    tmp_path: Path, policy: str, shown: str | None, refused: Code | None
) -> None:
    house = House(tmp_path, registration=policy, server_password="the server's password")
    ada = Someone(house, "ada")
    assert code(house.ask(ada.nobody, ada.register(server_password=shown))) == refused
    assert ("registration_refused" in kinds(house)) is (refused is not None)


@pytest.mark.parametrize("policy", ["open", "password", "invite", "closed"])
@pytest.mark.parametrize(
    ("kind", "host", "bot", "event"),
    [
        ("invite", False, False, "account_created"),
        ("owner", True, False, "owner_link_used"),
        ("bot", False, True, "bot_enrolled"),
    ],
)
def test_an_invite_opens_the_door_under_any_policy(
    tmp_path: Path, policy: str, kind: str, host: bool, bot: bool, event: str
) -> None:
    house = House(tmp_path, registration=policy, server_password="the server's password")
    ada = Someone(house, "ada")
    reply = house.ask(ada.nobody, ada.register(invite=invite(house, kind)))
    assert (reply.host, reply.bot) == (host, bot)
    assert event in kinds(house, ada.account)


def test_who_invited_is_told_that_somebody_came_but_not_from_where(house: House) -> None:
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob")
    reply = house.ask(bob.nobody, bob.register(invite=invite(house, made_by=ada.account)))
    assert reply.invited_by == ada.account
    events = lines(house, "SELECT account, device, address FROM event WHERE kind = 'invite_used'")
    assert events == [(ada.account, None, "")]


def test_an_invite_ends_when_it_is_used_up_expired_withdrawn_or_of_another_kind(
    house: House,
) -> None:
    used, expired, other = invite(house), invite(house), invite(house, "reset")
    Someone(house, "ada").come(invite=used)
    bob = Someone(house, "bob")
    assert code(house.ask(bob.nobody, bob.register(invite=used))) == Code.LINK_ENDED
    assert code(house.ask(bob.nobody, bob.register(invite=other))) == Code.LINK_ENDED
    assert code(house.ask(bob.nobody, bob.register(invite="x" * 32))) == Code.LINK_ENDED
    house.now += 7 * 24 * 3_600_000
    assert code(house.ask(bob.nobody, bob.register(invite=expired))) == Code.LINK_ENDED
    assert kinds(house).count("link_refused") == 4
    assert lines(house, "SELECT name FROM account") == ["ada"]


def test_an_invite_of_a_disabled_account_lets_nobody_in(house: House) -> None:
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob")
    secret = invite(house, made_by=ada.account)
    house.connection.run("UPDATE account SET disabled_at = 1")
    assert code(house.ask(bob.nobody, bob.register(invite=secret))) == Code.LINK_ENDED


def test_a_refused_registration_does_not_use_an_invite_up(house: House) -> None:
    Someone(house, "ada").come()
    secret, other = invite(house), Someone(house, "ada")
    assert code(house.ask(other.nobody, other.register(invite=secret))) == Code.NAME_TAKEN
    assert lines(house, "SELECT used FROM invite") == [0]


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"version": 2}, Code.BAD_LIST),
        ({"before": b"1" * 32}, Code.BAD_LIST),
        ({"account": b"1" * 16}, Code.BAD_LIST),
        ({"name": "somebody"}, Code.BAD_LIST),
        ({"server": b"1" * 32}, Code.BAD_LIST),
        ({"certificates": ()}, Code.BAD_LIST),
        ({"certificate": {"version": 2}}, Code.BAD_LIST),
    ],
)
def test_the_first_list_must_fit_the_registration(
    house: House, wrong: dict[str, Any], refused: Code
) -> None:
    ada = Someone(house, "ada")
    signed = ada.next_list(**wrong)
    assert code(house.ask(ada.nobody, ada.register(list=signed))) == refused
    assert lines(house, "SELECT COUNT(*) FROM account") == [0]


def test_an_account_begins_with_one_device(house: House) -> None:
    ada = Someone(house, "ada")
    ada.gadgets.append(ada.gadget())
    assert code(house.ask(ada.nobody, ada.register())) == Code.BAD_LIST


def test_an_account_begins_with_as_many_packages_as_a_device_may_keep(tmp_path: Path) -> None:
    house = House(tmp_path, account_packages_max=3)
    ada = Someone(house, "ada")
    assert code(house.ask(ada.nobody, ada.register(packages=ada.packages(4)))) == Code.LIMIT
    ada.come(packages=ada.packages(3))


def test_a_device_of_another_account_cannot_be_registered(house: House) -> None:
    ada, eve = Someone(house, "ada").come(), Someone(house, "eve")
    eve.gadgets = [ada.phone]
    assert code(house.ask(eve.nobody, eve.register())) == Code.BAD_LIST


# ---- Coming back ----


def reset_link(house: House, person: Someone) -> str:
    return invite(house, "reset", account=person.account)


def test_a_reset_link_brings_an_account_back_with_one_new_device(house: House) -> None:
    ada = Someone(house, "ada").come(packages=(b"old",))
    old, before = ada.phone, ada.identity.public
    house.ask(old.caller, PutProfile(id=1, body=b"profile"))
    house.ask(old.caller, PutArchive(id=2, rows=(ArchiveRow(bytes(16), bytes(32), b"row"),)))
    request = ada.reset(reset_link(house, ada), packages=(b"new",), last_resort=b"last")
    house.told = []
    reply = house.ask(ada.nobody, request)
    assert reply == Registered(account=ada.account, host=False, bot=False)
    assert house.take_told(Ended) == [Ended((old.id,), "revoked")]
    (account,) = lines(
        house,
        "SELECT identity, list_version, totp_secret, profile, reset_at, box_version FROM account",
    )
    assert account == (ada.identity.public, 2, None, None, house.now, 2)
    assert before != ada.identity.public
    assert lines(house, "SELECT device FROM device WHERE revoked_at IS NULL") == [ada.phone.id]
    assert lines(house, "SELECT body FROM package ORDER BY number") == [b"last", b"new"]
    assert lines(house, "SELECT COUNT(*) FROM archive") == [0]
    assert kinds(house, ada.account)[-4:] == [
        "account_reset",
        "list_published",
        "device_added",
        "device_revoked",
    ]


def test_everyone_who_shares_a_room_hears_of_a_reset(house: House) -> None:
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob").come()
    talk, _ = house.create(ada.phone.caller, bob.phone.caller)
    house.told = []
    house.ask(ada.nobody, ada.reset(reset_link(house, ada)))
    (told,) = house.take_told(ToMany)
    assert (told.rooms, told.accounts) == ((talk.room,), (ada.account,))
    assert decode_answer(told.message) == ListChanged(account=ada.account, version=2)


def test_the_same_reset_again_is_answered_in_the_same_way(house: House) -> None:
    ada = Someone(house, "ada").come()
    request = ada.reset(reset_link(house, ada))
    first = house.ask(ada.nobody, request)
    house.told = []
    assert house.ask(ada.nobody, request) == first
    assert house.told == []
    other = ada.sealed()
    wrong = type(request)(
        secret=request.secret, name="ada", list=request.list, password=other, phrase=other
    )
    assert code(house.ask(ada.nobody, wrong)) == Code.LINK_ENDED


def test_a_reset_link_is_for_one_account(house: House) -> None:
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob").come()
    secret = reset_link(house, bob)
    assert code(house.ask(ada.nobody, ada.reset(secret))) == Code.LINK_ENDED
    nobody = Someone(house, "nobody")
    assert code(house.ask(nobody.nobody, nobody.reset(secret))) == Code.LINK_ENDED
    assert code(house.ask(bob.nobody, bob.reset(invite(house)))) == Code.LINK_ENDED


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"version": 3}, Code.STALE_LIST),
        ({"before": bytes(32)}, Code.STALE_LIST),
        ({"account": b"1" * 16}, Code.BAD_LIST),
        ({"name": "ADA"}, Code.BAD_LIST),
        ({"certificates": ()}, Code.BAD_LIST),
    ],
)
def test_the_list_of_a_reset_must_follow_the_old_one(
    house: House, wrong: dict[str, Any], refused: Code
) -> None:
    ada = Someone(house, "ada").come()
    request = ada.reset(reset_link(house, ada))
    signed = ada.next_list(**wrong)
    reply = house.ask(ada.nobody, ada_with(request, list=signed))
    assert code(reply) == refused
    assert lines(house, "SELECT list_version FROM account") == [1]
    assert lines(house, "SELECT used FROM invite") == [0]


def ada_with(request: Any, **fields: Any) -> Any:
    given: dict[str, Any] = {name: getattr(request, name) for name in request.__struct_fields__}
    return type(request)(**given | fields)


def test_who_has_a_reset_link_is_shown_the_list_that_a_reset_follows(house: House) -> None:
    ada = Someone(house, "ada").come()
    ada.publish(ada.phone, ada.gadget())
    secret = reset_link(house, ada)
    (newest,) = lines(house, "SELECT body FROM device_list WHERE version = 2")
    for _ in range(2):  # It is not used up.
        opened = house.ask(ada.nobody, OpenReset(secret=secret, name="ADA"))
        assert (opened.account, opened.name, opened.list.body) == (ada.account, "ada", newest)
    assert lines(house, "SELECT used FROM invite") == [0]


def test_without_a_link_that_works_nothing_is_told_of_an_account(house: House) -> None:
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob").come()
    secret = reset_link(house, ada)
    tries = [(invite(house), "ada"), (secret, "bob"), (secret, "nobody"), ("x" * 32, "ada")]
    house.ask(ada.nobody, ada.reset(secret))
    tries += [(secret, "ada")]  # It was used.
    replies = [house.ask(bob.nobody, OpenReset(secret=one, name=name)) for one, name in tries]
    assert [code(reply) for reply in replies] == [Code.LINK_ENDED] * len(tries)


def test_a_reset_brings_a_new_identity_and_a_new_device(house: House) -> None:
    ada = Someone(house, "ada").come()
    old, identity = ada.phone, ada.identity
    request = ada.reset(reset_link(house, ada))
    same_device = ada_with(request, list=ada.next_list([old]))
    assert code(house.ask(ada.nobody, same_device)) == Code.BAD_LIST
    ada.identity = identity
    same_identity = ada_with(request, list=ada.next_list())
    assert code(house.ask(ada.nobody, same_identity)) == Code.BAD_LIST


def test_somebody_who_came_can_be_added_to_rooms(house: House) -> None:
    ada, bob = Someone(house, "ada").come(packages=(b"package",)), Someone(house, "bob").come()
    reply = house.ask(bob.phone.caller, Claim(id=1, account=ada.account))
    assert isinstance(reply, Claimed)
    assert [package.package for package in reply.packages] == [b"package"]
