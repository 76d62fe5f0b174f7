"""Handshakes count or do not, for everyone alike; what does not count stops nobody."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from alcove.client.errors import PeerError
from alcove.client.events import Mended
from alcove.client.rooms import acting
from alcove.client.rooms.belief import SUITES, policy
from alcove.client.rooms.committing import Made
from alcove.client.rooms.handshakes import Body, decode_body, staged_by
from alcove.client.rooms.note import Note, encode_note
from alcove.client.rooms.state import get_room
from alcove.mls import CommitOptions, Remove, load_group, save_group
from alcove.mls.context import sign_group_info
from alcove.wire.codec import decode_header, encode
from alcove.wire.content import Text
from alcove.wire.entries import Appended, HandshakeHeader, NewEntry
from alcove.wire.errors import Code
from tests.client.rooms.mischief import Vandal, feed
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
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def trio(world: World, **fields: str) -> tuple[Peer, Peer, Vandal, bytes]:
    """Return two people, one whose program is not ours, and their room; all have healed."""
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal, **fields)
    for peer in (ada, bob, mal):
        say(world, peer, room, f"{peer.name} is here")
        world.pass_time(PAUSE_MS)
    world.pass_time(MINUTE_MS)
    for peer in (ada, bob):
        peer.heard()
    return ada, bob, Vandal(mal), room


def header_of(made: Made, **fields: Any) -> bytes:
    """Return the header of a commit, with other things in it."""
    header = decode_header(made.entry.header)
    assert isinstance(header, HandshakeHeader)
    return encode(structs.replace(header, **fields))


def body_of(made: Made, **fields: Any) -> bytes:
    """Return the body of a commit, with other things in it."""
    return encode(structs.replace(decode_body(made.entry.body), **fields))


# ---- What a member can bring into the log, past every server ----

Bad = Callable[[Vandal, bytes, Made], NewEntry]


def header_not_note(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """The header says that the room key is renewed; the commit does not."""
    return NewEntry(header_of(made, renews=True), made.entry.body)


def no_body(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """Bytes of no form at all."""
    return NewEntry(made.entry.header, b"\xc1")


def empty_body(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """Nothing."""
    return NewEntry(made.entry.header, b"")


def no_commit(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """A GroupInfo behind something that is no commit."""
    return NewEntry(made.entry.header, body_of(made, commit=b"garbage"))


def cut_commit(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """A commit without its end."""
    commit = decode_body(made.entry.body).commit
    return NewEntry(made.entry.header, body_of(made, commit=commit[:-1]))


def message_for_commit(mal: Vandal, room: bytes, made: Made) -> NewEntry:
    """A live message in a commit's place."""
    sealed = mal.group(room).seal(b"hello", mal.peer.random).message
    return NewEntry(made.entry.header, body_of(made, commit=sealed))


def no_info(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """A commit without its GroupInfo."""
    return NewEntry(made.entry.header, body_of(made, info=b""))


def old_info(mal: Vandal, room: bytes, made: Made) -> NewEntry:
    """A GroupInfo of the epoch before."""
    info = mal.group(room).group_info(with_tree=False)
    return NewEntry(made.entry.header, body_of(made, info=info))


def forged_info(_mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """A GroupInfo with another signature."""
    info = decode_body(made.entry.body).info
    return NewEntry(made.entry.header, body_of(made, info=info[:-1] + bytes([info[-1] ^ 1])))


def info_of_another(mal: Vandal, _room: bytes, made: Made) -> NewEntry:
    """A GroupInfo that another member has signed, who agreed to the lie."""
    (_, bob, *_) = mal.world.peers
    public = made.after.public
    (signer,) = [
        index for index, leaf in public.tree.leaves() if leaf.signature_key == bob.me.key.public
    ]
    info = sign_group_info(
        public.suite, bob.me.key, public.context, (), public.confirmation_tag, signer
    )
    return NewEntry(made.entry.header, body_of(made, info=info.message()))


def noteless(mal: Vandal, room: bytes, _made: Made) -> NewEntry:
    """A commit that says nothing about itself."""
    return bare(mal, room, b"")


def strange_note(mal: Vandal, room: bytes, _made: Made) -> NewEntry:
    """A commit whose note is longer than its encoding."""
    return bare(mal, room, encode_note(Note()) + b"\x00")


def bare(mal: Vandal, room: bytes, said: bytes) -> NewEntry:
    """Return a commit with any authenticated data, made past the rules of the room."""
    believing = replace(policy(mal.peer.me.server), rule=lambda *_: None)
    group = load_group(save_group(mal.group(room)), believing, suites=SUITES)
    options = CommitOptions(path=True, authenticated_data=said)
    made = group.commit((), entropy=mal.peer.random, options=options)
    header = HandshakeHeader(mal.peer.me.device, mal.here(room).handshake)
    body = Body(made.message, made.merge().group_info(with_tree=False))
    return NewEntry(encode(header), encode(body))


def of_another(mal: Vandal, room: bytes, _made: Made) -> NewEntry:
    """The commit of another member."""
    (_, bob, *_) = mal.world.peers
    made = Vandal.made_by(bob, room)
    return NewEntry(header_of(made, sender=mal.peer.me.device), made.entry.body)


BAD: list[tuple[Bad, str]] = [
    (header_not_note, "note-not-header"),
    (no_body, "handshake-body"),
    (empty_body, "handshake-body"),
    (no_commit, "frame-version"),
    (cut_commit, "codec-truncated"),
    (message_for_commit, "not-a-commit"),
    (no_info, "codec-truncated"),
    (old_info, "group-info-context"),
    (forged_info, "group-info-signature"),
    (info_of_another, "group-info-signer"),
    (noteless, "note-form"),
    (strange_note, "note-form"),
    (of_another, "not-its-writer"),
]


@pytest.mark.parametrize(("bad", "cause"), BAD, ids=[bad.__name__ for bad, _ in BAD])
def test_a_bad_commit_changes_nothing_for_anybody(bad: Bad, cause: str) -> None:
    """Not for those who are here, nor for a device that comes later, with nobody else online."""
    world = World()
    ada, bob, mal, room = trio(world)
    before = ada.do(get_room, room)
    answer = mal.post(room, bad(mal, room, mal.commit(room)))
    assert isinstance(answer, Appended), answer
    assert [one.cause for one in ada.heard(Mended)] == [cause]
    assert len(bob.heard(Mended)) == 1
    after = ada.do(get_room, room)
    assert (after.seq, after.room_key) == (before.seq + 1, before.room_key)
    say(world, bob, room, "we go on")
    dan, cyn = world.register("dan"), world.register("cyn")
    for peer in (dan, cyn):
        ada.do(acting.invite, room, peer.me.account)
        world.run()
        world.pass_time(MINUTE_MS * 2)
        say(world, peer, room, f"{peer.name} is here")
    agree(world, room, ada, bob, cyn, dan)
    for peer in (ada, bob, cyn, dan):
        peer.hang_up()
    laptop = world.add_device(bob)
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == said(bob, room) == said(cyn, room)
    assert names(world, laptop, room) == ["ada", "bob", "cyn", "dan", "mal"]
    assert laptop.db.one("SELECT 1 FROM unopened") is None


# ---- What only a server could do ----


def test_a_handshake_that_does_not_follow_the_newest_is_refused_and_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    made = mal.commit(room)
    stale = NewEntry(header_of(made, before=bytes(32)), made.entry.body)
    assert mal.post(room, stale).code == Code.CONFLICT
    feed(bob, room, stale)
    assert [one.cause for one in bob.heard(Mended)] == ["handshake-order"]
    assert ada.do(get_room, room).room_key == bob.do(get_room, room).room_key


def test_a_commit_that_comes_twice_counts_once() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    made = mal.commit(room)
    mal.post(room, made.entry)
    epochs = [epoch(peer, room) for peer in (ada, bob)]
    assert epochs[0] == epochs[1]
    feed(bob, room, made.entry)
    assert [one.cause for one in bob.heard(Mended)] == ["handshake-order"]
    assert epoch(bob, room) == epochs[1]


def epoch(peer: Peer, room: bytes) -> int:
    """Return the newest epoch that somebody knows of."""
    (found,) = peer.db.all("SELECT MAX(epoch) FROM handshake WHERE room = ?", room)[0]
    number: int = found
    return number


def test_who_is_removed_learns_from_the_log_by_whom_where_the_server_shows_it() -> None:
    world = World()
    ada, bob, _, room = trio(world)
    made = Vandal.made_by(ada, room, removes=(leaf(ada, bob, room),))
    bob.do(acting.say, room, Text("wait for me"))
    feed(bob, room, made.entry)
    assert state(bob, room) == "gone"
    assert "you-were-removed" in notes(bob, room)
    assert states(bob, room)["wait for me"] == "failed"


def leaf(peer: Peer, other: Peer, room: bytes) -> int:
    """Return where a device stands."""
    line = peer.db.one(
        "SELECT leaf FROM stay WHERE room = ? AND device = ? AND until IS NULL",
        room,
        other.me.device,
    )
    assert line is not None
    number: int = line[0]
    return number


def test_a_proposal_is_no_commit_even_where_the_rules_would_let_it_by() -> None:
    _, _, mal, room = trio(World())
    lax = replace(policy(mal.peer.me.server), rule=lambda *_: None, proposal=lambda *_: None)
    group = load_group(save_group(mal.group(room)), lax, suites=SUITES)
    proposal = group.propose(Remove(0), mal.peer.random, private=False).message
    with pytest.raises(PeerError, match="not-a-commit"):
        staged_by(group.public, proposal)
