"""What the host may do from the server's own machine."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server import admin
from alcove.server.admin import TABLE, Changed, Ground
from alcove.server.admin_messages import (
    AccountPage,
    Accounts,
    BotLink,
    Disable,
    Done,
    EventPage,
    Events,
    Export,
    InviteLink,
    InviteList,
    Invites,
    Limit,
    LimitList,
    Limits,
    Link,
    OwnerLink,
    Policy,
    Quota,
    Request,
    ResetLink,
    Tell,
    Uninvite,
)
from alcove.server.batch import Chore
from alcove.server.caller import Caller
from alcove.server.effects import Ended, ToEveryone
from alcove.server.handlers import blobs
from alcove.server.handlers.invites import find_invite
from alcove.server.io.admin import SPECIAL
from alcove.server.settings import SETTINGS
from alcove.wire.codec import decode_answer
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import ANNOUNCEMENT_CHARACTERS_MAX, Announcement, NewToken
from alcove.wire.invites import NewInvite
from tests.server.house import House
from tests.server.test_pages import STATUS

ROOT_USER = Caller(address="unix:root", door="admin")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def ask(house: House, request: Any) -> Any:
    """Carry a request of the host out, and return its answer or the refusal."""
    ground = Ground(house.settings)
    act = TABLE[type(request)]
    if not act.writes:
        try:
            return act.function(house.tx(), ground, request)
        except Refused as refused:
            return refused
    chore = Chore(lambda tx: act.function(tx, ground, request), ROOT_USER)
    (outcome, *rest) = house.writer.run([chore], house.now)
    assert house.writer.unexpected == []
    for one in (outcome, *rest):
        house.told += one.effects
    return outcome.result


def events(house: House) -> list[Any]:
    return house.connection.all("SELECT kind, account, address FROM event ORDER BY number")


def secret_of(link: Link) -> str:
    return link.link.partition("#")[2].partition(".")[0]


# ---- Accounts ----


def test_accounts_are_listed_by_name_with_what_the_server_knows(house: House) -> None:
    bob, ada = house.add_person("Bob", 2), house.add_person("ada", is_host=True)
    house.create(ada.phone, bob.phone)
    tx_blob = Chore(lambda tx: blobs.announce(tx, bob.account, 10, "never", tx.now))
    house.writer.run([tx_blob], house.now)
    page = ask(house, Accounts())
    assert isinstance(page, AccountPage)
    assert page.next is None
    first, second = page.accounts
    assert (first.name, first.host, first.devices, first.rooms) == ("ada", True, 1, 1)
    assert (second.name, second.host, second.devices, second.files_bytes) == ("Bob", False, 2, 10)
    assert second.account == bob.account.hex()
    assert second.quota_bytes == house.settings.account_quota_bytes


def test_accounts_come_in_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "ACCOUNTS_PAGE", 2)
    for name in ("ada", "Bob", "eve"):
        house.add_person(name)
    page = ask(house, Accounts())
    assert ([one.name for one in page.accounts], page.next) == (["ada", "Bob"], "bob")
    page = ask(house, Accounts(page.next))
    assert ([one.name for one in page.accounts], page.next) == (["eve"], None)


def test_a_disabled_account_loses_its_connections_and_tokens_at_once(house: House) -> None:
    ada = house.add_person("Ada", 2)
    house.ask(ada.phone, NewToken())
    house.told = []
    found = ask(house, Disable("@aDA"))
    assert (found.name, found.disabled_at) == ("Ada", house.now)
    (ended,) = house.take_told(Ended)
    assert sorted(ended.devices) == sorted(one.device for one in ada.devices)
    assert ended.why == Code.DISABLED
    assert house.connection.all("SELECT hash FROM token") == []
    assert events(house)[-1] == ("account_disabled", ada.account, "unix:root")


def test_disabling_twice_is_the_same_as_once_and_can_be_undone(house: House) -> None:
    ada = house.add_person("ada")
    ask(house, Disable("ada"))
    house.now += 1
    assert ask(house, Disable("ada")).disabled_at == house.now - 1
    assert ask(house, Disable("ada", disabled=False)).disabled_at is None
    assert [kind for kind, *_ in events(house)] == ["account_disabled", "account_enabled"]
    assert house.take_told(Ended)[0].devices == (ada.phone.device,)


def test_an_account_may_have_more_space_than_others(house: House) -> None:
    house.add_person("ada")
    assert ask(house, Quota("ada", 5)).quota_bytes == 5
    assert ask(house, Quota("ada", 0)).quota_bytes == 0
    usual = ask(house, Quota("ada", None)).quota_bytes
    assert usual == house.settings.account_quota_bytes
    details = house.connection.all("SELECT detail FROM event ORDER BY number")
    assert details == [('{"quota":5}',), ('{"quota":0}',), ('{"quota":"as everyone"}',)]
    assert [kind for kind, *_ in events(house)] == ["quota_changed"] * 3


@pytest.mark.parametrize("request_", [Disable("eve"), Quota("eve", 1), ResetLink("eve")])
def test_a_name_that_nobody_has_is_refused(house: House, request_: Any) -> None:
    refused = ask(house, request_)
    assert refused.code == Code.UNKNOWN
    assert "Nobody here has that name" in refused.why


# ---- Links ----


def test_an_invite_of_the_server_lets_people_in_and_names_its_certificate(house: House) -> None:
    house.world.certificate = b"\xab" * 32
    link = ask(house, InviteLink(uses=3, days=2))
    assert (link.kind, link.uses) == ("invite", 3)
    assert link.expires_at == house.now + 2 * 86_400_000
    assert link.link.endswith(".t" + "ab" * 32)
    assert find_invite(house.tx(), secret_of(link), ("invite",), house.now).made_by is None


def test_of_reset_links_for_one_account_only_the_last_works(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    first, other, last = (ask(house, ResetLink(name)) for name in ("ada", "eve", "@Ada"))
    assert find_invite(house.tx(), secret_of(last), ("reset",), house.now).account == ada.account
    assert find_invite(house.tx(), secret_of(other), ("reset",), house.now).account == eve.account
    with pytest.raises(Refused):
        find_invite(house.tx(), secret_of(first), ("reset",), house.now)


def test_a_bot_is_enrolled_under_a_name_that_is_free(house: House) -> None:
    house.add_person("ada")
    link = ask(house, BotLink("@helper"))
    assert (link.kind, link.uses) == ("bot", 1)
    assert ask(house, BotLink("ADA")).code == Code.NAME_TAKEN
    for name in ("ab", "a" * 31, "no spaces", "ümlaut", ""):
        assert ask(house, BotLink(name)).code == Code.MALFORMED


def test_the_owner_link_is_made_as_long_as_there_is_no_host(house: House) -> None:
    first, last = ask(house, OwnerLink()), ask(house, OwnerLink())
    assert (last.kind, last.uses) == ("owner", 1)
    assert find_invite(house.tx(), secret_of(last), ("owner",), house.now).invite == last.invite
    with pytest.raises(Refused):
        find_invite(house.tx(), secret_of(first), ("owner",), house.now)
    house.add_person("ada", is_host=True)
    assert ask(house, OwnerLink()).code == Code.EXISTS


def test_of_a_reset_link_the_list_says_for_whom_it_is(house: House) -> None:
    made = {}
    for name in ("ada", "bob"):
        house.add_person(name)
        made[ask(house, ResetLink(name)).invite] = name
    assert {one.invite: one.account for one in ask(house, Invites()).invites} == made


def test_links_are_listed_and_withdrawn(house: House) -> None:
    ada = house.add_person("ada")
    house.ask(ada.phone, NewInvite(uses=2))
    house.now += 1
    link = ask(house, InviteLink())
    found = ask(house, Invites())
    assert isinstance(found, InviteList)
    mine, hers = found.invites
    assert (mine.invite, mine.made_by, mine.uses, mine.used) == (link.invite, "", 1, 0)
    assert (hers.made_by, hers.uses, hers.account) == ("ada", 2, "")
    assert "no more" in ask(house, Uninvite(hers.invite)).text
    assert events(house)[-1] == ("invite_withdrawn", ada.account, "unix:root")
    assert [one.invite for one in ask(house, Invites()).invites] == [link.invite]
    assert ask(house, Uninvite(hers.invite)).code == Code.UNKNOWN


# ---- The admin page ----


def test_the_admin_page_shows_what_the_commands_show(house: House) -> None:
    house.add_person("ada", is_host=True)
    ask(house, InviteLink())
    found = admin.overview(house.tx(), STATUS, 5)
    assert found.report.status is STATUS
    assert found.report.totals == admin.totals(house.tx())
    assert found.report.address == "http://127.0.0.1:8888"
    assert found.accounts == ask(house, Accounts())
    assert found.events == ask(house, Events())
    assert found.ends_at == 5


def test_the_link_to_the_admin_page_is_made_for_who_runs_the_server(house: House) -> None:
    chore = Chore(admin.page, ROOT_USER)
    link = house.writer.run([chore], house.now)[0].result
    assert isinstance(link, Link)
    assert (link.kind, link.uses, link.expires_at) == ("page", 1, house.now + 600_000)
    assert events(house) == [("page_link_created", None, "unix:root")]
    assert [one.invite for one in ask(house, Invites()).invites] == [link.invite]


# ---- Settings ----


def test_what_may_change_while_the_server_runs_is_shown_and_changed(house: House) -> None:
    found = ask(house, Policy())
    assert isinstance(found, LimitList)
    assert [one.name for one in found.limits][:2] == ["registration", "requests"]
    assert not any(one.changed for one in found.limits)
    changed = ask(house, Policy("max_clients", "17"))
    assert isinstance(changed, Changed)
    assert changed.settings.max_clients == 17
    (limit,) = changed.reply.limits
    assert (limit.value, limit.default, limit.changed) == ("17", "5000", True)
    house.world.settings = changed.settings
    assert ask(house, Policy("max_clients")).limits == (limit,)
    back = ask(house, Policy("max_clients", "default"))
    assert (back.settings.max_clients, back.reply.limits[0].changed) == (5000, False)


def test_a_setting_that_there_is_not_or_may_not_change_is_refused(house: House) -> None:
    assert ask(house, Policy("colour")).code == Code.UNKNOWN
    assert ask(house, Policy("server_password")).code == Code.UNKNOWN
    for name, value in (("colour", "red"), ("port", "1"), ("max_clients", "0")):
        assert ask(house, Policy(name, value)).code == Code.NOT_ALLOWED
    assert ask(house, Policy("port")).limits[0].value == "8888"


def test_every_limit_is_shown_and_no_secret(house: House) -> None:
    found = {one.name: one for one in ask(house, Limits()).limits}
    assert isinstance(found["rate_append"], Limit)
    assert found["rate_append"].value == "20/s burst 200"
    assert found["blob_bytes_max"].changeable
    assert not found["room_devices_max"].changeable
    limits = [one.name for one in SETTINGS if "max" in one.name or one.name.startswith("rate_")]
    elsewhere = ["commit_batch_max", "log_file_bytes_max"]
    assert [name for name in limits if name not in found] == elsewhere
    assert "server_password" not in found


# ---- Figures and the audit log ----


def test_what_is_in_the_database_is_counted(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob", 2)
    talk, _ = house.create(ada.phone, bob.phone)
    house.say(ada.phone, talk)
    house.create(ada.phone)
    ask(house, InviteLink())
    ask(house, Disable("bob"))
    totals = admin.totals(house.tx())
    assert (totals.accounts, totals.disabled, totals.bots, totals.devices) == (2, 1, 0, 3)
    assert (totals.rooms, totals.entries, totals.files, totals.files_bytes) == (2, 4, 0, 0)
    assert (totals.open_invites, totals.suspicious) == (1, 0)
    assert totals.events == len(events(house))


def test_events_are_shown_and_an_export_is_written_down_once(house: House) -> None:
    ask(house, InviteLink())
    ask(house, InviteLink())
    page = ask(house, Events(1))
    assert isinstance(page, EventPage)
    assert [one.number for one in page.events] == [2]
    page = ask(house, Export())
    assert [one.number for one in page.events] == [1, 2]
    assert [one.kind for one in ask(house, Export(2)).events] == ["log_exported"]
    assert [kind for kind, *_ in events(house)].count("log_exported") == 1
    assert ask(house, Export(suspicious=True)).events == ()
    assert ask(house, Events(suspicious=True)).events == ()


# ---- Telling ----


def told(house: House, text: str) -> Any:
    chore = Chore(lambda tx: admin.tell(tx, Tell(text)), ROOT_USER)
    (outcome, *_) = house.writer.run([chore], house.now)
    assert house.writer.unexpected == []
    house.told += outcome.effects
    return outcome.result


def test_everyone_is_told_in_plain_text_and_the_log_has_only_its_length(house: House) -> None:
    assert isinstance(told(house, " Back at 20:10.\nBring tea.\n"), Done)
    (effect,) = house.take_told(ToEveryone)
    text = "Back at 20:10.\nBring tea."
    assert decode_answer(effect.message) == Announcement(text=text, at=house.now)
    (line,) = house.connection.all("SELECT kind, account, address, detail FROM event")
    assert line == ("host_told", None, "unix:root", '{"characters":25}')


@pytest.mark.parametrize(
    "text", ["", " \n", "x" * 501, "\x1b[2Jgone", "bell\a", "right\u202eleft", "a\rb"]
)
def test_nothing_long_empty_or_that_a_terminal_obeys_is_told(house: House, text: str) -> None:
    assert isinstance(told(house, text), Refused)
    assert (house.take_told(ToEveryone), events(house)) == ([], [])


def test_what_is_just_short_enough_is_told(house: House) -> None:
    assert isinstance(told(house, "x" * ANNOUNCEMENT_CHARACTERS_MAX), Done)


# ---- All of them ----


def test_every_request_is_carried_out_by_somebody() -> None:
    known = {*TABLE, *SPECIAL}
    assert known == set(Request.__args__)


CHANGES = {
    Disable: Disable("ada"),
    Quota: Quota("ada", 1),
    ResetLink: ResetLink("ada"),
    BotLink: BotLink("helper"),
    InviteLink: InviteLink(),
    OwnerLink: OwnerLink(),
    Uninvite: Uninvite("withdrawn"),
    Policy: Policy("registration", "closed"),
    Export: Export(),
}


def test_every_request_that_may_change_something_is_among_the_changes() -> None:
    assert set(CHANGES) == {kind for kind, act in TABLE.items() if act.writes}


@pytest.mark.parametrize("request_", CHANGES.values(), ids=lambda one: type(one).__name__)
def test_whoever_changes_something_is_named_in_the_log(house: House, request_: Any) -> None:
    house.add_person("ada")
    house.connection.run(
        """
        INSERT INTO invite (invite, secret_hash, kind, made_at, expires_at, uses)
        VALUES ('withdrawn', ?, 'invite', ?, ?, 1)
        """,
        bytes(32), house.now, house.now + 1,
    )  # fmt: skip
    answer = ask(house, request_)
    assert not isinstance(answer, Refused), answer.why
    assert [address for _, _, address in events(house)] == ["unix:root"]


def test_requests_and_answers_survive_their_way_as_json(house: House) -> None:
    for request in (Accounts("a"), Policy("name", None), Quota("ada", None), InviteLink()):
        assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request
    house.add_person("ada")
    page = ask(house, Accounts())
    assert msgspec.json.decode(msgspec.json.encode(page), type=AccountPage) == page
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"invite","uses":0}', type=Request)
