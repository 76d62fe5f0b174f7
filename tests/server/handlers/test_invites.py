"""Invites: who makes links, what is in them, who sees them and how they end."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.handlers.invites import (
    HANDLERS,
    address_of,
    look_at_invite,
    make_invite,
    owner_link,
    page_link,
    use_page_link,
)
from alcove.server.settings import Settings
from alcove.wire.accounts import Registered
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.invites import DropInvite, GetInvites, Invite, NewInvite
from tests.server.house import House
from tests.server.people import Someone, code, kinds, lines, where, writing

DAY_MS = 24 * 3_600_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, registration="invite", public_url="https://chat.example.org")


def first(house: House, name: str = "ada") -> Someone:
    """Return the host, who came by the owner link."""
    with writing(house) as tx:
        link = owner_link(tx, house.now)
    assert link is not None
    return Someone(house, name).come(invite=secret_of(link))


def member(house: House, host: Someone, name: str = "bob") -> Someone:
    link = house.ask(host.phone.caller, NewInvite(id=house.next_id())).link
    return Someone(house, name).come(invite=secret_of(link))


def secret_of(link: str) -> str:
    return link.partition("#")[2].split(".")[0]


# ---- Making ----


def test_an_invite_is_a_link_that_carries_the_servers_key(house: House) -> None:
    ada = first(house)
    reply = house.ask(ada.phone.caller, NewInvite(id=1, uses=2, days=3))
    invite = reply.invite
    assert invite == Invite(
        invite=invite.invite,
        kind="invite",
        made_by=ada.account,
        made_at=house.now,
        expires_at=house.now + 3 * DAY_MS,
        uses=2,
        used=0,
    )
    secret = secret_of(reply.link)
    key = house.world.keys.public.hex()
    assert reply.link == f"https://chat.example.org/i/{invite.invite}#{secret}.k{key}"
    assert len(secret) == 32
    for name in ("bob", "eve"):
        Someone(house, name).come(invite=secret)
    assert "invite_created" in kinds(house, ada.account)


def test_a_self_signed_certificate_travels_in_the_link(house: House) -> None:
    with writing(house) as tx:
        _, link = make_invite(
            tx, "bot", None, uses=1, days=1, now=house.now, certificate=b"\xab" * 32
        )
    assert link.endswith(".t" + "ab" * 32)


def test_no_secret_of_a_link_can_be_read_in_the_database(house: House) -> None:
    ada = first(house)
    link = house.ask(ada.phone.caller, NewInvite(id=1)).link
    assert where(house, secret_of(link).encode()) == []
    assert where(house, link.partition("#")[0].rpartition("/")[2].encode()) != []


def test_the_same_request_again_gets_the_same_link_and_makes_no_second_one(house: House) -> None:
    ada = first(house)
    reply = house.ask(ada.phone.caller, NewInvite(id=5))
    house.start()
    assert house.ask(ada.phone.caller, NewInvite(id=5)) == reply
    assert code(house.ask(ada.phone.caller, NewInvite(id=5, uses=2))) == Code.REUSED
    assert len(house.ask(ada.phone.caller, GetInvites()).invites) == 2
    house.ask(ada.phone.caller, DropInvite(id=6, invite=reply.invite.invite))
    assert house.ask(ada.phone.caller, NewInvite(id=5)) == reply
    assert len(house.ask(ada.phone.caller, GetInvites()).invites) == 1
    other = house.ask(ada.phone.caller, NewInvite(id=7))
    assert secret_of(other.link) != secret_of(reply.link)
    Someone(house, "bob").come(invite=secret_of(other.link))


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"public_url": "https://chat.example.org"}, "https://chat.example.org"),
        ({"public_url": "https://chat.example.org/"}, "https://chat.example.org"),
        ({}, "http://127.0.0.1:8888"),
        ({"host": "::1", "port": 12345}, "http://[::1]:12345"),
        ({"host": "chat.lan", "self_signed": True}, "https://chat.lan:8888"),
    ],
)
def test_links_begin_with_the_servers_address(fields: dict[str, Any], address: str) -> None:
    assert address_of(Settings(**fields)) == address


def test_members_invite_or_only_the_host_does(tmp_path: Path, house: House) -> None:
    bob = member(house, first(house))
    assert house.ask(bob.phone.caller, NewInvite(id=1)).invite.made_by == bob.account
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other", invites_by="host", registration="invite")
    ada = first(other)
    eve = member(other, ada, "eve")
    assert code(other.ask(eve.phone.caller, NewInvite(id=1))) == Code.HOST_ONLY


def test_an_account_has_so_many_invites_that_work(tmp_path: Path) -> None:
    house = House(tmp_path, registration="invite", account_invites_max=2)
    ada = first(house)
    bob = member(house, ada)
    one, _ = [house.ask(bob.phone.caller, NewInvite(id=number)) for number in (1, 2)]
    assert code(house.ask(bob.phone.caller, NewInvite(id=3))) == Code.LIMIT
    Someone(house, "eve").come(invite=secret_of(one.link))
    assert code(house.ask(bob.phone.caller, NewInvite(id=4))) is None
    assert code(house.ask(bob.phone.caller, NewInvite(id=5))) == Code.LIMIT
    house.now += 7 * DAY_MS
    assert code(house.ask(bob.phone.caller, NewInvite(id=6))) is None
    for number in range(7, 11):
        assert code(house.ask(ada.phone.caller, NewInvite(id=number))) is None


# ---- The owner link ----


def test_the_owner_link_makes_the_host_once(house: House) -> None:
    with writing(house) as tx:
        link = owner_link(tx, house.now)
    assert link is not None
    ada = Someone(house, "ada")
    reply = house.ask(ada.nobody, ada.register(invite=secret_of(link)))
    assert reply == Registered(account=ada.account, host=True, bot=False)
    eve = Someone(house, "eve")
    again = house.ask(eve.nobody, eve.register(invite=secret_of(link)))
    assert code(again) == Code.LINK_ENDED
    with writing(house) as tx:
        assert owner_link(tx, house.now) is None


def test_only_the_last_owner_link_that_was_printed_works(house: House) -> None:
    with writing(house) as tx:
        old, new = owner_link(tx, house.now), owner_link(tx, house.now)
    assert old is not None
    assert new is not None
    eve = Someone(house, "eve")
    refusal = house.ask(eve.nobody, eve.register(invite=secret_of(old)))
    assert code(refusal) == Code.LINK_ENDED
    assert Someone(house, "ada").come(invite=secret_of(new)).phone.caller.is_host


# ---- Looking, withdrawing ----


def test_an_account_sees_its_own_invites_and_the_host_all_links(house: House) -> None:
    ada = first(house)
    house.now += 1
    bob = member(house, ada)
    house.now += 1
    mine = house.ask(bob.phone.caller, NewInvite(id=1)).invite
    assert house.ask(bob.phone.caller, GetInvites()).invites == (mine,)
    seen = house.ask(ada.phone.caller, GetInvites()).invites
    assert [(one.kind, one.made_by, one.used) for one in seen] == [
        ("invite", bob.account, 0),
        ("invite", ada.account, 1),
        ("owner", None, 1),
    ]


def test_an_invite_is_withdrawn_by_who_made_it_or_by_the_host(house: House) -> None:
    ada = first(house)
    bob, eve = member(house, ada), member(house, ada, "eve")
    links = [house.ask(bob.phone.caller, NewInvite(id=number)) for number in (1, 2)]
    ids = [link.invite.invite for link in links]
    drop = DropInvite(id=1, invite=ids[0])
    assert code(house.ask(eve.phone.caller, drop)) == Code.UNKNOWN
    assert code(house.ask(eve.phone.caller, DropInvite(id=1, invite="none"))) == Code.UNKNOWN
    assert house.ask(bob.phone.caller, DropInvite(id=3, invite=ids[0])) == Done(id=3)
    assert house.ask(ada.phone.caller, DropInvite(id=4, invite=ids[1])) == Done(id=4)
    for link in links:
        dan = Someone(house, "dan")
        refusal = house.ask(dan.nobody, dan.register(invite=secret_of(link.link)))
        assert code(refusal) == Code.LINK_ENDED
    assert kinds(house).count("invite_withdrawn") == 2


def test_the_invite_page_knows_who_invites_but_not_the_secret(house: House) -> None:
    ada = first(house)
    made = house.ask(ada.phone.caller, NewInvite(id=1))
    assert look_at_invite(house.tx(), made.invite.invite) == (made.invite, "ada")
    (owner,) = lines(house, "SELECT invite FROM invite WHERE kind = 'owner'")
    found = look_at_invite(house.tx(), owner)
    assert found is not None
    assert (found[0].kind, found[1]) == ("owner", None)


def test_links_that_are_nobodys_business_have_no_page(house: House) -> None:
    for name in ("none", "", "\0", "\ud800", "é" * 3):
        assert look_at_invite(house.tx(), name) is None
    with writing(house) as tx:
        for kind in ("reset", "page"):
            invite, _ = make_invite(
                tx, kind, None, uses=1, days=1, now=house.now, account=bytes(16)
            )
            assert look_at_invite(tx, invite.invite) is None
    assert kinds(house, bytes(16)) == ["reset_link_created", "page_link_created"]


# ---- The link to the admin page ----


def test_the_link_to_the_admin_page_carries_its_secret_and_nothing_else(house: House) -> None:
    with writing(house) as tx:
        invite, link = page_link(tx, house.now)
    assert (invite.kind, invite.uses, invite.expires_at) == ("page", 1, house.now + 600_000)
    address, _, secret = link.partition("#")
    assert address == "https://chat.example.org/admin"
    assert len(secret) == 32
    assert where(house, secret.encode()) == []


def test_the_link_to_the_admin_page_works_once_and_until_the_next_is_made(house: House) -> None:
    with writing(house) as tx:
        (_, first), (_, last) = page_link(tx, house.now), page_link(tx, house.now)
        with pytest.raises(Refused):
            use_page_link(tx, secret_of(first), house.now)
        use_page_link(tx, secret_of(last), house.now)
        with pytest.raises(Refused):
            use_page_link(tx, secret_of(last), house.now)
    assert lines(house, "SELECT used FROM invite WHERE kind = 'page'") == [1]
    written = lines(house, "SELECT kind FROM event ORDER BY number")
    assert written == [
        "page_link_created", "page_link_created", "link_refused", "page_link_used", "link_refused",
    ]  # fmt: skip


def test_the_link_to_the_admin_page_ends_and_opens_nothing_else(house: House) -> None:
    ada = first(house)
    invited = house.ask(ada.phone.caller, NewInvite(id=1)).link
    with writing(house) as tx:
        _, link = page_link(tx, house.now)
        for secret, now in ((secret_of(link), house.now + 600_000), (secret_of(invited), 1)):
            with pytest.raises(Refused):
                use_page_link(tx, secret, now)
    bob = Someone(house, "bob")
    refused = house.ask(bob.nobody, bob.register(invite=secret_of(link)))
    assert isinstance(refused, Refusal), refused


def test_invites_that_expired_long_ago_are_forgotten(house: House) -> None:
    ada = first(house)
    house.ask(ada.phone.caller, NewInvite(id=1))
    house.now += 70 * DAY_MS
    house.ask(ada.phone.caller, NewInvite(id=2))
    assert lines(house, "SELECT COUNT(*) FROM invite") == [1]


def test_a_token_cannot_make_invites() -> None:
    assert HANDLERS[NewInvite].access == "socket"
