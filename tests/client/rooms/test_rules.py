"""Each rule is broken by a commit of a real group, and exactly it; beside it stands what may be."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from alcove import mls
from alcove.client.keys.certificates import NewDevice, certify, make_list
from alcove.client.rooms import rules
from alcove.client.rooms.extension import (
    PLAIN_BANS_MAX,
    Ban,
    LeastVersion,
    LinkKey,
    Ranked,
    RoomState,
    extension,
)
from alcove.client.rooms.links import link_hash, link_key, prove
from alcove.client.rooms.note import Note, decode_note
from alcove.wire.codec import encode
from alcove.wire.entries import Member, Routing
from tests.client.rooms.people import ARCHIVE, ROOM, Person, Room, lax

ADA, BOB, CATO, DORA, EVE = (Person(name) for name in ("ada", "bob", "cato", "dora", "eve"))
SECRET = bytes(range(32))


def ranks(**roles: str) -> Any:
    """Return what gives people these roles, and takes all others."""
    people = {one.name: one.hash for one in (ADA, BOB, CATO, DORA, EVE)}
    ranked: Any = tuple(Ranked(people[name], rank) for name, rank in roles.items())  # type: ignore[arg-type]
    return lambda state: replace(state, roles=ranked)


def but(**fields: Any) -> Any:
    """Return what sets fields of a state or note."""
    return lambda value: replace(value, **fields)


@pytest.fixture
def room() -> Room:
    """Ada owns it, Bob is an admin, Cato and Dora are members."""
    made = Room("group", ADA, BOB, CATO, DORA)
    made.go(ADA, settle=ranks(ada="owner", bob="admin"))
    return made


# ---- What no commit of a room is like ----


def test_a_room_of_another_suite_is_none(room: Room) -> None:
    suite = mls.standard_suites()[1]
    key = suite.new_signing_key(bytes(64))
    state = extension(room.state)
    able = mls.Capabilities(suites=(1,), extensions=(state.type,), credentials=(mls.BASIC,))
    credential = ADA.device().credential
    bundle = mls.new_key_package(
        suite, credential, key, mls.Lifetime(0, 2**40), room.dice, capabilities=able
    )
    group = mls.create_group(bundle, ROOM, lax(), room.dice, extensions=(state,))
    assert rules.check(group.public, group.commit(entropy=room.dice).public) == "room-suite"


def test_proposals_come_by_value_only() -> None:
    room = Room("group", ADA, BOB)
    asked = room.group(BOB).propose(mls.Remove(room.leaf(BOB)), room.dice)
    received = room.group(ADA).receive(asked.message)
    room.groups[ADA.device().id] = received.group
    assert room.judge(ADA) == "room-by-value"


def test_no_proposal_but_the_four_is_known(room: Room) -> None:
    psk = room.group(ADA).psk(mls.ExternalPsk(b"word"), room.dice)
    group = room.group(ADA)
    options = mls.CommitOptions(psks=lambda _: b"secret")
    commit = group.commit([psk], entropy=room.dice, options=options)
    assert rules.check(group.public, commit.public) == "room-proposal-kind"


def test_the_room_extension_stands_alone_and_always(room: Room) -> None:
    state = extension(room.state)
    other = mls.RequiredCapabilities(extensions=(state.type,)).extension()
    both = mls.GroupContextExtensions((state, other))
    assert room.judge(ADA, extra=[both]) == "room-extension-alone"
    assert room.judge(ADA, extra=[mls.GroupContextExtensions(())]) == "room-extension-alone"
    assert room.judge(ADA, extra=[mls.GroupContextExtensions((other,))]) == "room-state-missing"
    bad = mls.GroupContextExtensions((mls.Extension(state.type, b"\x90"),))
    assert room.judge(ADA, extra=[bad]) == "room-state-form"


def test_a_commit_without_a_note_is_none(room: Room) -> None:
    assert room.judge(ADA, note=b"") == "note-form"
    assert room.judge(ADA) is None


# ---- What the note says ----


def test_a_commit_that_changes_anything_renews(room: Room) -> None:
    what: Any = {"adds": [EVE.device()]}
    assert room.judge(ADA, **what, say=but(renews=False)) == "room-renews"
    assert room.judge(ADA, **what) is None
    assert room.judge(ADA, renews=True) is None
    assert room.judge(ADA) is None


def test_a_commit_closes_when_it_removes_or_settles_something(room: Room) -> None:
    away: Any = {"removes": [room.leaf(CATO)]}
    assert room.judge(ADA, **away, say=but(closes=False)) == "room-closes"
    assert room.judge(ADA, settle=but(may_pin="admins"), say=but(closes=False)) == "room-closes"
    assert room.judge(ADA, say=but(closes=True)) == "room-closes"
    assert room.judge(ADA, adds=[EVE.device()], say=but(closes=True)) == "room-closes"
    assert room.judge(ADA, **away) is None
    assert room.judge(ADA, settle=but(may_pin="admins")) is None


def test_adding_a_removed_device_again_does_not_close(room: Room) -> None:
    lost = room.notice(CATO, "lost")
    what: Any = {"removes": [room.leaf(CATO)], "adds": [CATO.device()], "notices": [lost]}
    assert room.judge(DORA, **what, say=but(closes=True)) == "room-closes"
    assert room.judge(DORA, **what) is None


@pytest.mark.parametrize(
    "wrong",
    [
        Routing(),
        Routing(adds=(Member(EVE.account, CATO.device().id),)),
        Routing(adds=(Member(CATO.account, EVE.device().id),)),
        Routing(adds=(Member(EVE.account, EVE.device().id),) * 2),
        Routing(
            adds=(Member(EVE.account, EVE.device().id),),
            removes=(Member(CATO.account, CATO.device().id),),
        ),
        Routing(adds=(Member(EVE.account, EVE.device().id),), history="none"),
        Routing(adds=(Member(EVE.account, EVE.device().id),), keep_ms=1),
        Routing(adds=(Member(EVE.account, EVE.device().id),), roles=((EVE.account, "owner"),)),
    ],
)
def test_routing_says_exactly_what_the_proposals_do(room: Room, wrong: Routing) -> None:
    what: Any = {"adds": [EVE.device()]}
    assert room.judge(ADA, **what, say=but(routing=wrong)) == "room-routing"
    assert room.judge(ADA, **what) is None


def test_routing_names_new_roles_and_settings(room: Room) -> None:
    def change(state: RoomState) -> RoomState:
        ranked: RoomState = ranks(ada="owner", cato="admin")(state)
        return replace(ranked, history="closed", keep_ms=5)

    commit = room.commit(ADA, settle=change)
    said = decode_note(commit.authenticated_data).routing
    assert said.roles == tuple(sorted([(CATO.account, "admin"), (BOB.account, "member")]))
    assert (said.history, said.keep_ms) == ("closed", 5)
    for wrong in (
        replace(said, roles=()),
        replace(said, roles=said.roles[::-1]),
        replace(said, history=None),
        replace(said, keep_ms=None),
    ):
        assert room.judge(ADA, settle=change, say=but(routing=wrong)) == "room-routing"
    assert room.judge(ADA, settle=change) is None


def test_members_do_not_join(room: Room) -> None:
    assert room.judge(ADA, say=but(joins="resync")) == "room-joins"
    assert room.judge(ADA, say=but(link=bytes(32))) == "room-link-named"


# ---- Who comes in by a commit of his own ----


def test_a_group_info_alone_lets_nobody_in(room: Room) -> None:
    device = EVE.device()
    assert room.judge_entering(device, "sibling") == "room-join-sibling"
    assert room.judge_entering(device, "resync", say=_adds_only(device)) == "room-join-resync"
    assert room.judge_entering(device, "sibling", say=but(joins=None)) == "room-joins"
    assert room.judge_entering(ADA.device(2), "sibling") is None


def _adds_only(device: Any) -> Any:
    me = Member(device.person.account, device.id)
    return but(routing=Routing(adds=(me,)))


def test_a_resync_removes_the_leaf_of_the_same_device(room: Room) -> None:
    other = but(
        routing=Routing(
            adds=(Member(CATO.account, CATO.device(2).id),),
            removes=(Member(DORA.account, DORA.device().id),),
        ),
        closes=True,
    )
    what: Any = {"replaces": room.leaf(DORA), "say": other}
    assert room.judge_entering(CATO.device(2), "resync", **what) == "room-join-resync"
    assert room.judge_entering(CATO.device(2), "sibling", **what) == "room-join-removes"
    mine = room.leaf(CATO)
    assert room.judge_entering(CATO.device(), "resync", replaces=mine) is None


def link(maker: Person) -> Any:
    """Return what puts a link of somebody into the state."""
    entry = LinkKey(link_key(SECRET).public, maker.hash)
    return lambda state: replace(state, links=(entry,))


def with_link(room: Room, person: Person = EVE, epoch: int | None = None) -> dict[str, Any]:
    """Return what shows that a device has the link."""
    device = person.device()
    at = room.public.epoch if epoch is None else epoch
    proof = prove(SECRET, ROOM, at, device.key.public, device.credential.data)
    return {"link": link_hash(SECRET), "proof": proof}


def test_a_link_lets_in_who_signs_with_its_key(room: Room) -> None:
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) == "room-join-link"
    room.go(DORA, settle=link(DORA))
    assert room.judge_entering(EVE.device(), "link", **with_link(room, BOB)) == "room-join-link"
    assert room.judge_entering(EVE.device(), "link", **with_link(room, epoch=0)) == "room-join-link"
    assert room.judge_entering(EVE.device(), "link") == "room-link-named"
    assert room.judge_entering(EVE.device(), "sibling", **with_link(room)) == "room-link-named"
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) is None
    room.let_in(EVE.device(), "link", **with_link(room))
    assert "eve" in room.people()


def test_a_link_works_while_its_maker_is_here_and_may_invite(room: Room) -> None:
    room.go(DORA, settle=link(DORA))
    room.go(ADA, settle=but(may_invite="admins"))
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) == "room-join-link"
    room.go(ADA, settle=but(may_invite="everyone"))
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) is None
    room.go(ADA, removes=[room.leaf(DORA)], notices=[room.notice(DORA, "leave")])
    assert room.state.links
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) == "room-join-link"


# ---- Identities ----


def test_a_device_that_comes_back_stays_its_accounts(room: Room) -> None:
    thief = EVE.device()
    thief.key = CATO.device().key  # A device of Cato's, certified by Eve.
    signed = certify(EVE.identity, EVE.owner, NewDevice(thief.key.public), 1)
    thief.credential = mls.basic(encode(signed))
    what: Any = {"removes": [room.leaf(CATO)], "notices": [room.notice(CATO, "lost")]}
    assert room.judge(ADA, adds=[thief], **what) == "room-leaf-account"
    assert room.judge(ADA, adds=[CATO.device()], **what) is None


def test_an_identity_changes_only_with_the_old_ones_consent(room: Room) -> None:
    (first,) = CATO.lists([1])
    new, second = CATO.rotated(first, 1)
    swap: Any = {"template": new.device(version=2).template}
    assert room.judge(CATO, **swap) == "room-leaf-identity"
    taken = new.lists([1], before=first)
    assert room.judge(CATO, **swap, lists=taken) == "room-rotation-agreed"
    forged = replace(second, old_signature=bytes(64))
    assert room.judge(CATO, **swap, lists=[forged]) == "room-rotation-agreed"
    assert room.judge(CATO, **swap, lists=[second]) is None


def test_a_device_does_not_come_back_with_an_older_certificate() -> None:
    room = Room("group", ADA, BOB)
    room.go(ADA, adds=[CATO.device(version=3)])
    what: Any = {"removes": [room.leaf(CATO)], "notices": [room.notice(CATO, "lost")]}
    assert room.judge(BOB, adds=[CATO.device(version=2)], **what) == "room-leaf-older"
    assert room.judge(BOB, adds=[CATO.device(version=3)], **what) is None


def rotated_room() -> tuple[Room, Person]:
    """Return a room where Cato's first device has taken on a new identity, and his second not."""
    room = Room("group", ADA, BOB, CATO)
    room.go(CATO, adds=[CATO.device(2)])
    room.go(ADA, settle=ranks(ada="owner", cato="admin"))
    new, second = CATO.rotated(CATO.lists([1, 2])[0], 1, 2)
    room.go(CATO, settle=link(CATO))
    other = LinkKey(link_key(bytes(32)).public, BOB.hash)
    room.go(BOB, settle=lambda state: replace(state, links=(*state.links, other)))
    room.go(CATO, lists=[second], template=new.device(version=2).template)
    return room, new


def test_a_new_identity_takes_over_role_and_links() -> None:
    room, new = rotated_room()
    assert Ranked(new.hash, "admin") in room.state.roles
    assert room.state.bans == (Ban(CATO.hash, new.hash),)
    makers = {one.key: one.made_by for one in room.state.links}
    assert makers == {
        link_key(SECRET).public: new.hash,
        link_key(bytes(32)).public: BOB.hash,
    }
    assert room.state.versions == (LeastVersion(new.hash, 2),)


def test_a_leaf_of_a_followed_identity_only_swaps() -> None:
    room, new = rotated_room()
    left = CATO.device(2)
    swap: Any = {"template": new.device(2, version=2).template}
    assert room.judge(left) == "room-leaf-identity"
    assert room.judge(left, adds=[DORA.device()], path=False) == "room-swap-only"
    assert room.judge(left, adds=[DORA.device()], **swap) == "room-swap-only"
    assert room.judge(left, **swap) is None


def test_a_leaf_of_a_followed_identity_may_be_removed_by_anyone() -> None:
    room, new = rotated_room()
    assert room.judge(BOB, removes=[room.leaf(CATO)]) == "room-remove-not-allowed"
    assert room.judge(BOB, removes=[room.leaf(CATO.device(2))]) is None
    assert room.judge(new.device(), removes=[room.leaf(CATO.device(2))]) is None


def test_nobody_loses_the_last_leaf_for_a_new_identity() -> None:
    room = Room("group", ADA, BOB, CATO)
    _, second = CATO.rotated(CATO.lists([1])[0], 1)
    what: Any = {"lists": [second], "removes": [room.leaf(CATO)]}
    assert room.judge(BOB, **what) == "room-remove-not-allowed"
    assert room.judge(BOB, lists=[second]) is None


def test_the_first_new_identity_in_the_log_wins() -> None:
    room, new = rotated_room()
    third = Person("cato", 3, CATO.account)
    (first,) = CATO.lists([1, 2])
    keys = [NewDevice(CATO.device(2).key.public)]
    rival = make_list(third.identity, third.owner, keys, first, CATO.identity, archive=ARCHIVE)
    swap: Any = {"template": third.device(2, version=2).template}
    assert room.judge(CATO.device(2), lists=[rival], **swap) == "room-rotation-agreed"
    assert new.hash in [one.identity for one in room.state.roles]


def test_an_identity_that_is_taken_replaces_none() -> None:
    room = Room("group", ADA, BOB, CATO)
    (first,) = CATO.lists([1])
    keys = [NewDevice(CATO.device().key.public)]
    rival = make_list(DORA.identity, CATO.owner, keys, first, CATO.identity, archive=ARCHIVE)
    room.go(ADA, adds=[DORA.device()])
    assert room.judge(CATO, lists=[rival]) == "room-rotation-taken"


def test_a_banned_identity_does_not_come_in(room: Room) -> None:
    room.go(BOB, removes=[room.leaf(DORA)], settle=but(bans=(Ban(DORA.hash),)))
    assert room.judge(ADA, adds=[DORA.device()]) == "room-banned"
    assert room.judge(ADA, adds=[DORA.device()], settle=but(bans=())) is None


def test_nobody_claims_an_account_that_is_here(room: Room) -> None:
    claims = Person("dora", 2, DORA.account)
    assert room.judge(ADA, adds=[claims.device(2)]) == "room-one-identity"
    doubles = Person("dora", account=EVE.account)
    assert room.judge(ADA, adds=[doubles.device(2)]) == "room-one-identity"
    assert room.judge(ADA, adds=[DORA.device(2)]) is None


def test_certificates_older_than_the_newest_list_add_no_leaves(room: Room) -> None:
    room.go(CATO, lists=CATO.lists([1, 2], [1])[1:])
    assert room.state.versions == (LeastVersion(CATO.hash, 2),)
    assert room.judge(CATO, adds=[CATO.device(2)]) == "room-certificate-old"
    assert room.judge_entering(CATO.device(2), "sibling") == "room-certificate-old"
    again = room.judge_entering(CATO.device(), "resync", replaces=room.leaf(CATO))
    assert again == "room-certificate-old"
    assert room.judge(CATO, adds=[CATO.device(3, version=2)]) is None
    assert room.judge_entering(CATO.device(3, version=2), "sibling") is None
    assert room.judge(CATO) is None  # A leaf that is there stays as it is.


# ---- Who adds and removes ----


def test_a_direct_room_is_for_two_and_a_mailbox_for_one() -> None:
    direct = Room("direct", ADA, BOB)
    assert direct.judge(ADA, adds=[CATO.device()]) == "room-circle-closed"
    assert direct.judge(ADA, adds=[BOB.device(2)]) is None
    mailbox = Room("mailbox", ADA)
    assert mailbox.judge(ADA, adds=[BOB.device()]) == "room-circle-closed"
    assert mailbox.judge(ADA, adds=[ADA.device(2)]) is None


def test_who_brings_somebody_new_may_invite(room: Room) -> None:
    assert room.judge(DORA, adds=[EVE.device()]) is None
    room.go(ADA, settle=but(may_invite="admins"))
    assert room.judge(DORA, adds=[EVE.device()]) == "room-invite-not-allowed"
    assert room.judge(DORA, adds=[DORA.device(2)]) is None
    assert room.judge(DORA, adds=[CATO.device(2)]) is None
    assert room.judge(BOB, adds=[EVE.device()]) is None


def test_admins_remove_others_but_owners(room: Room) -> None:
    assert room.judge(CATO, removes=[room.leaf(DORA)]) == "room-remove-not-allowed"
    assert room.judge(BOB, removes=[room.leaf(ADA)]) == "room-remove-not-allowed"
    assert room.judge(BOB, removes=[room.leaf(DORA)]) is None
    room.go(ADA, settle=ranks(ada="owner", bob="admin", cato="owner", dora="admin"))
    assert room.judge(BOB, removes=[room.leaf(DORA)]) is None
    assert room.judge(CATO, removes=[room.leaf(ADA)]) is None


def test_in_a_direct_room_nobody_makes_the_other_go() -> None:
    room = Room("direct", ADA, BOB)
    assert room.judge(ADA, removes=[room.leaf(BOB)]) == "room-remove-not-allowed"
    left: Any = {"removes": [room.leaf(BOB)], "notices": [room.notice(BOB, "leave")]}
    assert room.judge(ADA, **left) is None
    room.go(ADA, **left)
    assert len(room.state.roles) == 2
    assert room.judge(ADA, adds=[BOB.device()]) is None


def test_devices_of_ones_own_account_may_be_removed(room: Room) -> None:
    room.go(DORA, adds=[DORA.device(2)])
    assert room.judge(DORA, removes=[room.leaf(DORA.device(2))]) is None
    assert room.judge(CATO, removes=[room.leaf(DORA.device(2))]) == "room-remove-not-allowed"


def test_who_says_that_he_leaves_is_removed_by_anyone(room: Room) -> None:
    leave, lost = room.notice(DORA, "leave"), room.notice(DORA, "lost")
    away: Any = {"removes": [room.leaf(DORA)]}
    assert room.judge(CATO, **away, notices=[lost]) == "room-notice-useless"
    assert room.judge(CATO, **away, notices=[leave]) is None
    back: Any = {**away, "adds": [DORA.device()]}
    assert room.judge(CATO, **back, notices=[leave]) == "room-notice-useless"
    assert room.judge(CATO, **back) == "room-remove-not-allowed"
    assert room.judge(CATO, **back, notices=[lost]) is None


def test_a_notice_counts_while_its_leaf_stands(room: Room) -> None:
    old = room.notice(DORA, "leave")
    room.go(DORA)  # A new path, a new leaf.
    away: Any = {"removes": [room.leaf(DORA)]}
    assert room.judge(CATO, **away, notices=[old]) == "room-notice-useless"
    new = room.notice(DORA, "leave")
    assert room.judge(CATO, **away, notices=[new, new]) == "room-notice-useless"
    assert room.judge(CATO, notices=[new]) == "room-notice-useless"
    assert room.judge(CATO, **away, notices=[new]) is None


def test_a_notice_that_somebody_else_wrote_does_not_count(room: Room) -> None:
    true = room.notice(DORA, "leave")
    forged = true[:-1] + bytes([true[-1] ^ 1])
    away: Any = {"removes": [room.leaf(DORA)]}
    assert room.judge(CATO, **away, notices=[forged]) == "room-notice-form"
    assert room.judge(CATO, **away, notices=[b"\xc1"]) == "room-notice-form"


def test_a_device_that_a_newer_list_omits_is_removed_by_anyone(room: Room) -> None:
    room.go(DORA, adds=[DORA.device(2)])
    lists = DORA.lists([1, 2], [1])
    away: Any = {"removes": [room.leaf(DORA.device(2))]}
    assert room.judge(CATO, **away, lists=lists[:1]) == "room-remove-not-allowed"
    assert room.judge(CATO, **away, lists=lists[1:]) is None
    still: Any = {"removes": [room.leaf(DORA)]}
    assert room.judge(CATO, **still, lists=lists[1:]) == "room-remove-not-allowed"


def test_a_list_may_be_shown_again(room: Room) -> None:
    room.go(DORA, adds=[DORA.device(2), DORA.device(3)])
    (_, newest) = DORA.lists([1, 2, 3], [1])
    room.go(CATO, removes=[room.leaf(DORA.device(2))], lists=[newest])
    assert room.judge(CATO, removes=[room.leaf(DORA.device(3))], lists=[newest]) is None


def test_a_list_of_before_a_device_does_not_speak_of_it(room: Room) -> None:
    room.go(DORA, adds=[DORA.device(2, version=3)])
    lists = DORA.lists([1], [1], [1, 2], [1])
    away: Any = {"removes": [room.leaf(DORA.device(2))]}
    assert room.judge(CATO, **away, lists=lists[1:2]) == "room-remove-not-allowed"
    assert room.judge(CATO, **away, lists=lists[3:]) is None


def test_lists_are_whole_and_of_somebody_here(room: Room) -> None:
    (first,) = DORA.lists([1])
    assert room.judge(CATO, lists=[first]) is None
    assert room.judge(CATO, lists=EVE.lists([1])) == "room-list-useless"
    assert room.judge(CATO, lists=[replace(first, signature=bytes(64))]) == "room-list-form"
    room.go(CATO, lists=DORA.lists([1], [1])[1:])
    assert room.judge(CATO, lists=[first]) == "room-list-older"
    longer = encode({"more": 1, **msgspec.to_builtins(first, builtin_types=(bytes,))})
    for bad in (b"\xc1", encode(first) + b"\xc0", encode([1]), longer):
        note = Note(renews=True, lists=(bad,))
        assert room.judge(CATO, note=encode(note)) == "room-list-form"


# ---- The room's state ----


def test_what_a_room_is_does_not_change(room: Room) -> None:
    assert room.judge(ADA, settle=but(kind="channel")) == "room-kind-stays"
    assert room.judge(ADA, settle=but(predecessor=bytes(16))) == "room-kind-stays"
    assert room.judge(ADA, settle=but(founder=BOB.hash)) == "room-kind-stays"
    assert room.judge(ADA, settle=but(founded_at=1)) == "room-kind-stays"


def test_a_direct_room_knows_neither_links_nor_bans() -> None:
    room = Room("direct", ADA, BOB)
    assert room.judge(ADA, settle=link(ADA)) == "room-kind-circle"
    assert room.judge(ADA, settle=but(bans=(Ban(EVE.hash),))) == "room-kind-circle"
    assert room.judge(ADA, settle=but(history="none")) is None


@pytest.mark.parametrize(
    "policy",
    [
        {"may_invite": "owners"},
        {"may_post": "admins"},
        {"may_pin": "admins"},
        {"may_mention_all": "admins"},
        {"history": "none"},
        {"keep_ms": 1},
        {"expires_ms": 1},
    ],
)
def test_only_owners_change_policy(room: Room, policy: dict[str, Any]) -> None:
    assert room.judge(BOB, settle=but(**policy)) == "room-policy-by-owners"
    assert room.judge(ADA, settle=but(**policy)) is None


def test_only_owners_change_roles(room: Room) -> None:
    up = ranks(ada="owner", bob="admin", cato="admin")
    assert room.judge(BOB, settle=up) == "room-roles-by-owners"
    assert room.judge(ADA, settle=up) is None


def test_in_direct_rooms_roles_are_fixed() -> None:
    room = Room("direct", ADA, BOB)
    assert room.judge(ADA, settle=ranks(ada="owner", bob="admin")) == "room-roles-fixed"


def test_a_role_ends_with_the_last_leaf_of_its_account(room: Room) -> None:
    away: Any = {"removes": [room.leaf(BOB)]}
    assert room.judge(ADA, **away, write=lambda state: state) == "room-role-without-leaf"
    assert room.judge(ADA, settle=ranks(ada="owner", eve="admin")) == "room-role-without-leaf"
    leave: Any = {**away, "notices": [room.notice(BOB, "leave")]}
    assert room.judge(CATO, **leave, write=lambda state: state) == "room-roles-by-owners"
    assert room.judge(CATO, **leave) is None
    room.go(BOB, adds=[BOB.device(2)])
    assert room.judge(BOB.device(2), removes=[room.leaf(BOB)]) is None


def test_the_last_owner_names_a_successor_before_he_goes(room: Room) -> None:
    assert room.judge(ADA, settle=ranks(bob="admin")) == "room-owner-needed"
    away: Any = {"removes": [room.leaf(ADA)], "notices": [room.notice(ADA, "leave")]}
    assert room.judge(CATO, **away) == "room-owner-needed"
    room.go(ADA, settle=ranks(ada="owner", bob="owner"))
    away["notices"] = [room.notice(ADA, "leave")]
    assert room.judge(CATO, **away) is None


def test_only_admins_ban_and_let_in_again(room: Room) -> None:
    ban = but(bans=(Ban(EVE.hash),))
    assert room.judge(CATO, settle=ban) == "room-bans-by-admins"
    assert room.judge(BOB, settle=ban) is None
    assert room.judge(BOB, settle=but(bans=(Ban(DORA.hash),))) == "room-banned-stays"
    room.go(BOB, settle=ban)
    assert room.judge(CATO, settle=but(bans=())) == "room-bans-by-admins"


def test_bans_leave_room_for_who_changes_their_keys(room: Room) -> None:
    bans = tuple(Ban(number.to_bytes(32, "big")) for number in range(PLAIN_BANS_MAX + 1))
    assert room.judge(BOB, settle=but(bans=bans)) == "room-bans-many"
    assert room.judge(BOB, settle=but(bans=bans[1:])) is None


def test_that_an_identity_was_followed_is_not_forgotten() -> None:
    room, _ = rotated_room()
    assert room.judge(ADA, settle=but(bans=())) == "room-bans-of-rotations"
    more = but(bans=(*room.state.bans, Ban(DORA.hash, EVE.hash)))
    assert room.judge(ADA, settle=more) == "room-bans-of-rotations"
    assert room.judge(ADA, settle=but(bans=(*room.state.bans, Ban(EVE.hash)))) is None


def test_who_may_invite_makes_links_in_his_own_name(room: Room) -> None:
    assert room.judge(CATO, settle=link(CATO)) is None
    assert room.judge(CATO, settle=link(DORA)) == "room-links-by-inviters"
    room.go(ADA, settle=but(may_invite="admins"))
    assert room.judge(CATO, settle=link(CATO)) == "room-links-by-inviters"
    assert room.judge(BOB, settle=link(BOB)) is None


def test_links_of_several_people_stand_side_by_side(room: Room) -> None:
    room.go(CATO, settle=link(CATO))
    other = LinkKey(link_key(bytes(32)).public, DORA.hash)
    room.go(DORA, settle=lambda state: replace(state, links=(*state.links, other)))
    assert room.judge_entering(EVE.device(), "link", **with_link(room)) is None
    assert room.judge(CATO, settle=but(links=(other,))) is None
    assert room.judge(DORA, settle=but(links=(other,))) == "room-links-taken-away"


def test_links_are_taken_away_by_their_makers_and_by_admins(room: Room) -> None:
    room.go(CATO, settle=link(CATO))
    assert room.judge(DORA, settle=but(links=())) == "room-links-taken-away"
    assert room.judge(CATO, settle=but(links=())) is None
    assert room.judge(BOB, settle=but(links=())) is None


def test_removing_somebody_by_force_ends_all_links(room: Room) -> None:
    room.go(CATO, settle=link(CATO))
    away: Any = {"removes": [room.leaf(DORA)]}
    assert room.judge(BOB, **away, write=lambda state: state) == "room-links-dropped"
    assert room.judge(BOB, **away) is None
    room.go(CATO, adds=[CATO.device(2)])
    room.go(CATO, removes=[room.leaf(CATO.device(2))])
    assert room.state.links
    room.go(DORA, removes=[room.leaf(CATO)], notices=[room.notice(CATO, "leave")])
    assert room.state.links
    room.go(ADA, **away)
    assert not room.state.links


def test_the_least_version_is_that_of_the_lists(room: Room) -> None:
    lists: Any = {"lists": CATO.lists([1])}
    assert room.judge(BOB, **lists, settle=but(versions=())) == "room-versions"
    more = but(versions=(LeastVersion(CATO.hash, 9),))
    assert room.judge(BOB, **lists, settle=more) == "room-versions"
    assert room.judge(ADA, settle=more) == "room-versions"
    assert room.judge(BOB, **lists) is None
