"""How a room begins, and what a room looks like that could be one of ours."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from alcove import mls
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.belief import SUITES
from alcove.client.rooms.extension import Ban, LeastVersion, LinkKey, Ranked, RoomState, extension
from alcove.client.rooms.founding import (
    EPOCH_MAX,
    check_founding,
    check_standing,
    founding_note,
    new_state,
)
from alcove.client.rooms.note import header
from alcove.wire.entries import HandshakeHeader
from alcove.wire.ids import NOTHING_BEFORE
from tests.client.rooms.people import ROOM, Person, Room, lax

ADA, BOB, CATO = (Person(name) for name in ("ada", "bob", "cato"))


def founded(kind: Any, partner: Person | None = None, **fields: Any) -> mls.PublicGroup:
    """Return a new room of Ada's, with something changed in its state."""
    known = None if partner is None else partner.hash
    state = replace(new_state(kind, ADA.hash, known), **fields)
    return mls.create_group(
        ADA.device().bundle(), ROOM, lax(), bytes, extensions=(extension(state),), suites=SUITES
    ).public


def said(public: mls.PublicGroup) -> HandshakeHeader:
    """Return the header that founds a room."""
    return header(founding_note(public), ADA.device().id, NOTHING_BEFORE)


@pytest.mark.parametrize("kind", ["group", "channel", "commons", "mailbox"])
def test_a_room_begins_with_its_owner_alone(kind: Any) -> None:
    public = founded(kind, history="closed", keep_ms=5)
    assert check_founding(public, said(public)) is None
    assert said(public).routing.history == "closed"
    assert said(public).routing.keep_ms == 5


def test_a_direct_room_begins_with_two_owners() -> None:
    public = founded("direct", BOB, predecessor=bytes(16))
    assert check_founding(public, said(public)) is None
    alone = founded("direct", BOB, roles=(Ranked(ADA.hash, "owner"),))
    assert check_founding(alone, said(alone)) == "room-founding-owners"


def test_in_a_channel_only_admins_post_at_first() -> None:
    assert new_state("channel", ADA.hash).may_post == "admins"
    assert new_state("group", ADA.hash).may_post == "everyone"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"bans": (Ban(BOB.hash),)}, "room-founding-empty"),
        ({"links": (LinkKey(bytes(32), ADA.hash),)}, "room-founding-empty"),
        ({"versions": (LeastVersion(ADA.hash, 1),)}, "room-founding-empty"),
        ({"roles": (Ranked(BOB.hash, "owner"),)}, "room-founding-owners"),
        ({"roles": (Ranked(ADA.hash, "admin"),)}, "room-owner-needed"),
        ({"roles": (Ranked(ADA.hash, "owner"), Ranked(BOB.hash, "admin"))}, "room-founding-owners"),
        ({"predecessor": bytes(16)}, "room-founding-predecessor"),
        ({"founder": BOB.hash}, "room-founding-founder"),
        ({"founder": None}, "room-founding-founder"),
        ({"bans": (Ban(ADA.hash),)}, "room-banned"),
    ],
)
def test_nothing_else_founds_a_room(fields: dict[str, Any], rule: str) -> None:
    public = founded("group", **fields)
    assert check_founding(public, said(public)) == rule


def test_the_founding_header_says_what_the_state_says() -> None:
    public = founded("group")
    true = said(public)
    for wrong in (
        replace(true, renews=False),
        replace(true, closes=True),
        replace(true, sender=bytes(16)),
        replace(true, before=bytes([1] * 32)),
        replace(true, routing=replace(true.routing, history=None)),
        replace(true, routing=replace(true.routing, adds=())),
    ):
        assert check_founding(public, wrong) == "room-founding-header"


def test_a_room_that_goes_on_is_not_being_founded() -> None:
    room = Room("group", ADA, BOB)
    assert check_founding(room.public, said(room.public)) == "room-founder-alone"
    room = Room("group", ADA)
    room.go(ADA)
    assert check_founding(room.public, said(room.public)) == "room-founder-alone"


# ---- As it stands ----


def unruly(state: RoomState, *people: Person, **more: Any) -> str | None:
    """Return what is wrong with a room that some people have made without asking for the rules."""
    extensions = more.get("extensions", (extension(state),))
    group = mls.create_group(
        ADA.device().bundle(), ROOM, lax(), bytes, extensions=extensions, suites=SUITES
    )
    if people:
        adds = [mls.Add(one.device().package) for one in people]
        group = group.commit(adds, entropy=bytes).merge()
    return check_standing(group.public)


def test_who_joins_looks_at_the_room_as_it_stands() -> None:
    state = new_state("group", ADA.hash)
    assert unruly(state) is None
    assert unruly(state, BOB, CATO) is None
    assert unruly(replace(state, bans=(Ban(BOB.hash),)), BOB) == "room-banned"
    assert unruly(replace(state, bans=(Ban(BOB.hash, CATO.hash),)), BOB) is None
    assert unruly(replace(state, roles=()), BOB) == "room-owner-needed"
    assert unruly(state, Person("bob", 2, ADA.account)) == "room-one-identity"
    assert unruly(new_state("direct", ADA.hash, BOB.hash), BOB) is None
    assert unruly(new_state("direct", ADA.hash, BOB.hash), CATO) == "room-circle-closed"
    assert unruly(new_state("mailbox", ADA.hash), BOB) == "room-circle-closed"
    assert unruly(state, extensions=()) == "room-extension-alone"
    required = mls.RequiredCapabilities().extension()
    assert unruly(state, extensions=(extension(state), required)) == "room-extension-alone"
    assert unruly(state, extensions=(required,)) == "room-state-missing"


def test_a_room_in_an_epoch_that_none_reaches_is_not_joined() -> None:
    class Late:
        suite, epoch = SUITE, EPOCH_MAX + 1

    assert check_standing(cast("mls.PublicGroup", Late)) == "room-epoch"


def test_a_room_of_another_suite_is_not_joined() -> None:
    suite = mls.standard_suites()[1]
    key = suite.new_signing_key(bytes(64))
    bundle = mls.new_key_package(suite, mls.basic(b""), key, mls.Lifetime(0, 1), bytes)
    public = mls.create_group(bundle, ROOM, lax(), bytes).public
    assert check_standing(public) == "room-suite"
