"""A member who does harm: with all that its device knows, and the server's rules to get past.

What it posts is made with the product's own parts and then spoilt: garbage where a commit should
be, commits that some can follow and some cannot, a GroupInfo that lies, messages that do not agree
with themselves.  Nobody else may lose anything by it but time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from alcove.client.keys.sealing import Place, seal_kept
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import planning, wishes
from alcove.client.rooms.changes import Plan
from alcove.client.rooms.committing import commit
from alcove.client.rooms.handshakes import Body
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.note import Note, header
from alcove.client.rooms.state import get_room, group_of
from alcove.client.tx import Tx
from alcove.mls import Group
from alcove.mls.pyca import Pyca
from alcove.wire.codec import encode
from alcove.wire.content import Said, Text, encode_said
from alcove.wire.entries import Append, MessageHeader, NewEntry
from sim.devices import Device
from sim.faults import HARM, Faults
from sim.world import World

BEGIN_MS: Final = 8_000
"""A crook is an ordinary member first."""
NOT_SAID: Final = "nobody may ever read this"
"""What is sealed so that nobody may show it."""


class Crook:
    """A member's device in the wrong hands."""

    def __init__(self, world: World, faults: Faults, device: Device) -> None:
        self.world, self.faults, self.device = world, faults, device
        world.later(BEGIN_MS, self._second)

    def _second(self) -> None:
        if self.world.is_calm:
            return
        self.world.later(1_000, self._second)
        for name in HARM:
            if self.faults.levels[name] == "off" or not self.device.is_free:
                continue
            room = self._room()
            if room is not None and self.faults.strikes(name):
                self.device.tell(f"{name.removeprefix('a member ')} in {self.world.name(room)}")
                self.device.do(DEEDS[name], room, self.world)

    def _room(self) -> bytes | None:
        if not self.device.is_in:
            return None
        rooms = [
            room
            for (room,) in self.device.disk.all(
                """
                SELECT room FROM room WHERE state = 'active' AND is_lost = 0 AND seq >= head
                    AND room IN (SELECT room FROM group_epoch) AND kind != 'mailbox' ORDER BY room
                """
            )
        ]
        return self.world.dice.choice(rooms) if rooms else None


def _post(tx: Tx, room: bytes, *entries: NewEntry) -> None:
    """Have the server store something, past all that the engine would do with the answer."""
    tx.ask(Append(room=room, entries=entries), "owner")


# ---- Handshakes ----


def _post_garbage(tx: Tx, room: bytes, world: World) -> None:
    """Put something where a commit should be: it counts for nobody."""
    here = get_room(tx, room)
    note = Note(renews=world.chance(0.5))
    body = encode(Body(world.dice.randbytes(200), world.dice.randbytes(100)))
    if world.chance(0.3):
        body = world.dice.randbytes(50)
    _post(tx, room, NewEntry(encode(header(note, tx.me.device, here.handshake)), body))


def _commit(tx: Tx, room: bytes) -> None:
    """Make a commit that changes nothing but one's own keys, and send it as the engine does."""
    here = get_room(tx, room)
    group = group_of(tx, room)
    if group is None or tx.one("SELECT 1 FROM pending WHERE room = ?", room):
        return
    planned = Plan(planning.plan(group.public, group.me))
    wishes.send(tx, here, [], commit(tx, here, group, planned.what), planned)


def _lose_others(tx: Tx, room: bytes, world: World) -> None:
    """Make a commit that counts, and that some of the others cannot follow."""
    with _spoilt_paths(world):
        _commit(tx, room)


def _commit_fast(tx: Tx, room: bytes, _: World) -> None:
    """Make a commit as often as the server takes one."""
    _commit(tx, room)


def _lie_to_joiners(tx: Tx, room: bytes, world: World) -> None:
    """Make a commit whose GroupInfo would lock out who joins by it."""
    wrong = SUITE.kem_derive(world.dice.randbytes(SUITE.secret_bytes))
    right = Group.external_key
    cast("Any", Group).external_key = lambda _: wrong
    try:
        _commit(tx, room)
    finally:
        cast("Any", Group).external_key = right


@contextmanager
def _spoilt_paths(world: World) -> Iterator[None]:
    """Spoil some of what is sealed to others while this lasts."""
    seal = Pyca.hpke_seal

    def hpke_seal(crypto: Pyca, *args: Any) -> tuple[bytes, bytes]:
        enc, sealed = seal(crypto, *args)
        if world.chance(0.6):
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        return enc, sealed

    cast("Any", Pyca).hpke_seal = hpke_seal
    try:
        yield
    finally:
        cast("Any", Pyca).hpke_seal = seal


# ---- Messages ----


def _seal_badly(tx: Tx, room: bytes, world: World) -> None:
    """Say something that does not agree with itself, in one of many ways."""
    here, me = get_room(tx, room), tx.me
    key = None if here.room_key is None else key_of(tx, room, here.room_key)
    if key is None or here.room_key is None:
        return
    content = world.dice.randbytes(16)
    place = Place(room, me.account, me.device, me.key.public, content, here.room_key)
    said = Said(Text(NOT_SAID), here.seq, here.chain, here.incarnation, tx.now)
    head = MessageHeader(me.device, content, "kept", here.room_key)
    body = seal_kept(key, place, me.key, encode_said(said), world.dice.randbytes(32))
    way = world.dice.choice(WAYS)
    if way == "another id":
        head = MessageHeader(me.device, world.dice.randbytes(16), "kept", here.room_key)
    elif way == "another form":
        head = MessageHeader(me.device, content, "live", here.room_key)
    elif way == "a broken body":
        body = body[:-1] + bytes([body[-1] ^ 1])
    elif way == "no body":
        body = b""
    elif way == "not a content":
        body = seal_kept(key, place, me.key, b"\xc1" * 20, world.dice.randbytes(32))
    elif way == "a broken signature":
        sign = Pyca.sign
        cast("Any", Pyca).sign = lambda *_: world.dice.randbytes(64)
        try:
            body = seal_kept(key, place, me.key, encode_said(said), world.dice.randbytes(32))
        finally:
            cast("Any", Pyca).sign = sign
    elif way == "an id twice":
        line = tx.one(
            """
            SELECT content FROM line WHERE room = ? AND device = ? AND kind = 'text'
                AND state = 'stored' ORDER BY seq DESC
            """,
            room, me.device,
        )  # fmt: skip
        if line is None or here.history != "open":
            return  # Who cannot read the first one cannot know that this is the second.
        head = MessageHeader(me.device, line[0], "kept", here.room_key)
        body = seal_kept(
            key, place._replace(content=line[0]), me.key, encode_said(said),
            world.dice.randbytes(32),
        )  # fmt: skip
    _post(tx, room, NewEntry(encode(head), body))


WAYS: Final = (
    "another id", "another form", "a broken body", "no body", "not a content",
    "a broken signature", "an id twice",
)  # fmt: skip

DEEDS: Final[dict[str, Callable[[Tx, bytes, World], None]]] = {
    "a member posts garbage": _post_garbage,
    "a member loses others": _lose_others,
    "a member commits fast": _commit_fast,
    "a member lies to joiners": _lie_to_joiners,
    "a member seals badly": _seal_badly,
}
