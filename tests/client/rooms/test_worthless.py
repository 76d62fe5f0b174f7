"""Handshakes that count for nobody: what else they say does nothing, also to who comes later."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.events import Warned
from alcove.client.rooms import acting, linking
from alcove.client.rooms.extension import Ranked, RoomState, extension, in_order, state_of
from alcove.client.rooms.handshakes import Body, decode_body
from alcove.client.rooms.leaves import key_hash
from alcove.client.rooms.messages import RENEWALS
from alcove.client.rooms.state import get_room, public_of
from alcove.mls import Extension, decode_group_info, decode_key_package
from alcove.mls.codec import opaque
from alcove.mls.context import new_context, sign_group_info
from alcove.mls.extensions import EXTERNAL_PUB
from alcove.wire.base import Request
from alcove.wire.codec import encode
from alcove.wire.content import Text
from alcove.wire.devices import Claim
from alcove.wire.entries import (
    Appended,
    GetSnapshot,
    HandshakeHeader,
    Member,
    NewEntry,
    Routing,
)
from alcove.wire.entries import Welcome as Welcomed
from alcove.wire.ids import NOTHING_BEFORE, entry_name
from alcove.wire.rooms import CreateRoom
from tests.client.rooms.mischief import Vandal
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    states,
)
from tests.client.rooms.test_lost import renew
from tests.client.world import Peer, World

ADDRESS = "https://alcove.test"
MINUTE_MS = 60_000


def usurped(state: RoomState, peer: Peer) -> RoomState:
    """Return a room's state as somebody would like it: with them as an owner."""
    roles = (*state.roles, Ranked(key_hash(peer.me.identity), "owner"))
    return in_order(structs.replace(state, roles=roles))


def forged_info(vandal: Vandal, room: bytes, **other: Any) -> bytes:
    """Return a GroupInfo, signed by a member, of a state in which the room never was."""
    group = vandal.group(room)
    real = group.public.context
    context = new_context(
        real.suite_id, room, other.get("epoch", real.epoch), real.tree_hash,
        real.confirmed_transcript_hash, (extension(usurped(state_of(group.public), vandal.peer)),),
    )  # fmt: skip
    extensions = (Extension(EXTERNAL_PUB, opaque(group.external_key().public)),)
    tag = group.public.confirmation_tag
    return sign_group_info(
        group.suite, group.signing_key, context, extensions, tag, group.me
    ).message()


def post(world: World, vandal: Vandal, room: bytes, info: bytes, **header: Any) -> None:
    """Post a handshake without a commit, and store a snapshot for it."""
    peer = vandal.peer
    said = HandshakeHeader(sender=peer.me.device, before=newest(world, room), **header)
    entry = NewEntry(encode(said), encode(Body(b"", info)))
    assert isinstance(vandal.post(room, entry), Appended)
    name = entry_name(room, entry.header, entry.body)
    tree = vandal.group(room).public.tree.encode()
    vandal.put_snapshot(room, name, tree)


def newest(world: World, room: bytes) -> bytes:
    """Return the newest handshake of a room, as the one who made it knows it."""
    return world.peers[0].do(get_room, room).handshake


def people(world: World) -> tuple[Peer, Peer, Peer, bytes]:
    """Return Ada and Bob in a group, Cyn who is in none, and that group."""
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(PAUSE_MS)
    return ada, bob, cyn, room


def is_owner(seen_by: Peer, room: bytes, one: Peer) -> bool:
    """Return whether somebody is an owner of a room in the eyes of another."""
    public = seen_by.do(public_of, room)
    assert public is not None
    return Ranked(key_hash(one.me.identity), "owner") in state_of(public).roles


@pytest.mark.parametrize("epoch", [2**52 + 1, 2**63, 2**64 - 1])
def test_an_epoch_that_nobody_has_reached_keeps_no_newcomer_out(epoch: int) -> None:
    world = World()
    ada, bob, cyn, room = people(world)
    vandal = Vandal(bob)
    info = forged_info(vandal, room, epoch=epoch)
    assert decode_group_info(info).context.epoch == epoch
    post(world, vandal, room, info, renews=True)
    world.pass_time(PAUSE_MS)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "welcome")
    assert said(cyn, room) == ["one", "welcome"]


def test_a_room_of_nonsense_is_looked_at_more_and_more_rarely_and_told_of_once() -> None:
    world = World()
    ada, bob, _, _ = people(world)
    vandal = Vandal(bob)
    nowhere, before, entries = bytes(16), NOTHING_BEFORE, []
    for peer in (bob, ada):
        routing = Routing(adds=(Member(peer.me.account, peer.me.device),))
        if peer is bob:
            routing = structs.replace(routing, history="open")
        header = HandshakeHeader(bob.me.device, before=before, renews=True, routing=routing)
        entries.append(NewEntry(encode(header), b"nonsense"))
        before = entry_name(nowhere, entries[-1].header, entries[-1].body)
    made = CreateRoom(id=2**40, room=nowhere, kind="group", entries=tuple(entries))
    assert isinstance(vandal.ask(made), Appended)
    asked: list[Request] = []
    ada.answers = asked.append
    world.pass_time(60 * MINUTE_MS)
    assert state(ada, nowhere) == "outside"
    assert [one.code for one in ada.heard(Warned)] == ["handshake-body"]
    assert len([one for one in asked if isinstance(one, GetSnapshot)]) < 60


@pytest.mark.parametrize("epoch", [None, 2**64 - 1])
@pytest.mark.parametrize("way", ["link", "sibling", "welcome"])
def test_nobody_begins_with_a_state_that_its_maker_alone_vouches_for(
    way: str, epoch: int | None
) -> None:
    world = World()
    ada, bob, cyn, room = people(world)
    link = ada.do(linking.make_link, room, ADDRESS)
    world.run()
    world.pass_time(PAUSE_MS)
    vandal = Vandal(bob)
    info = forged_info(vandal, room, **({} if epoch is None else {"epoch": epoch}))
    post(world, vandal, room, info, renews=True)
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "two")
    ada.do(renew, room)
    world.pass_time(MINUTE_MS)
    if way == "sibling":
        ada.hang_up()
        new = world.add_device(ada)
        world.pass_time(2 * MINUTE_MS)
        assert ada.connect() is None
    elif way == "link":
        new = cyn
        cyn.do(linking.join_by_link, link)
    else:
        new = cyn
        ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(2 * MINUTE_MS)
    say(world, new, room, "who hears me?")
    world.pass_time(MINUTE_MS)
    assert said(ada, room) == ["one", "two", "who hears me?"] == said(new, room)
    assert not is_owner(new, room, bob)


def test_a_welcome_leads_nobody_into_a_copy_of_the_room() -> None:
    """Who invites posts all that belongs to an Add, but for the commit that would count."""
    world = World()
    ada, bob, cyn, room = people(world)
    package = world.ask(bob, Claim(id=1, account=cyn.me.account)).packages[0].package
    vandal = Vandal(bob)
    made = vandal.made_by(bob, room, adds=[decode_key_package(package)])
    false = NewEntry(made.entry.header, encode(Body(b"", decode_body(made.entry.body).info)))
    assert made.welcome is not None
    vandal.post(room, false, welcomes=(Welcomed((cyn.me.device,), made.welcome),))
    world.pass_time(MINUTE_MS)
    ada.do(renew, room)
    world.pass_time(MINUTE_MS)
    assert state(cyn, room) == "outside"
    assert "you-joined" not in notes(cyn, room)
    cyn.do(acting.say, room, Text("who hears me?"))
    world.pass_time(MINUTE_MS)
    assert states(cyn, room) == {"who hears me?": "waiting"}
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(2 * MINUTE_MS)
    assert said(ada, room)[-1] == "who hears me?"
    assert names(world, cyn, room) == ["ada", "bob", "cyn"]


# ---- Flags ----


@pytest.mark.parametrize("history", ["open", "none"])
@pytest.mark.parametrize(("count", "closes"), [(1, True), (RENEWALS, False)])
def test_handshakes_that_count_for_nobody_silence_nobody(
    count: int, closes: bool, history: str
) -> None:
    """They end the newest key and begin none: so whoever has something to say renews it."""
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn, history=history)
    for peer in (ada, cyn):  # Who has just come renews the key anyway.
        say(world, peer, room, "one")
        world.pass_time(MINUTE_MS)
    vandal = Vandal(bob)
    for number in range(count):
        before = newest(world, room)
        flags = HandshakeHeader(bob.me.device, before=before, renews=True, closes=closes)
        vandal.post(room, NewEntry(encode(flags), encode(Body(b"", bytes([number])))))
        world.pass_time(PAUSE_MS)
    say(world, ada, room, "two")
    world.pass_time(PAUSE_MS)
    say(world, cyn, room, "three")
    world.pass_time(PAUSE_MS)
    for peer in (ada, cyn):
        assert said(peer, room)[-2:] == ["two", "three"]
        assert "failed" not in states(peer, room).values()
    agree(world, room, ada, cyn)


def test_who_was_refused_for_a_key_that_is_shut_waits_until_a_commit_may_come() -> None:
    world = World()
    ada, bob, _, room = people(world)
    say(world, bob, room, "here")
    world.pass_time(MINUTE_MS)
    vandal = Vandal(bob)
    flags = HandshakeHeader(bob.me.device, before=newest(world, room), renews=True, closes=True)
    vandal.post(room, NewEntry(encode(flags), encode(Body(b"", b""))))
    say(world, ada, room, "two")  # At once: the server takes no commit so soon after another.
    assert states(ada, room)["two"] == "waiting"
    ada.do(acting.say, room, Text("three"))
    world.pass_time(PAUSE_MS)
    assert states(ada, room)["two"] == states(ada, room)["three"] == "stored"


def flags_of(kind: str, ada: Member, bob: Member, eve: Member) -> dict[str, Any]:
    """Return what the header of a handshake says beside that it renews."""
    if kind == "resync":
        return {"joins": "resync", "routing": Routing(adds=(bob,), removes=(bob,))}
    if kind == "again":
        return {"closes": True, "routing": Routing(adds=(ada,), removes=(ada,))}
    return {"closes": True, "routing": Routing(adds=(eve,))}


@pytest.mark.parametrize("kind", ["stranger", "again", "resync"])
def test_a_worthless_handshake_with_every_flag_stops_nobody(kind: str) -> None:
    """After it everyone speaks, and comes in: by Welcome, by link, and as a new device."""
    world = World()
    ada, bob, cyn, room = people(world)
    dan, eve = world.register("dan"), world.register("eve")
    link = ada.do(linking.make_link, room, ADDRESS)
    world.run()
    world.pass_time(2 * MINUTE_MS)
    vandal = Vandal(bob)
    members = [Member(one.me.account, one.me.device) for one in (ada, bob, eve)]
    info = forged_info(vandal, room, epoch=2**64 - 1)
    post(world, vandal, room, info, renews=True, **flags_of(kind, *members))
    say(world, ada, room, "two")
    world.pass_time(MINUTE_MS)
    cyn.do(linking.join_by_link, link)
    world.pass_time(MINUTE_MS)
    for one in (dan, eve):
        ada.do(acting.invite, room, one.me.account)
        world.pass_time(MINUTE_MS)
    ada.hang_up()
    laptop = world.add_device(ada)
    world.pass_time(2 * MINUTE_MS)
    assert ada.connect() is None
    world.pass_time(2 * MINUTE_MS)
    everyone = (ada, cyn, dan, eve, laptop)
    for number, one in enumerate(everyone):
        say(world, one, room, str(number))
        world.pass_time(MINUTE_MS)
    for one in everyone:
        assert said(one, room) == ["one", "two", "0", "1", "2", "3", "4"]
        assert names(world, one, room) == ["ada", "bob", "cyn", "dan", "eve"]
    agree(world, room, *everyone)
