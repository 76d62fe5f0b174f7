"""Asking others for room keys that nothing else brings: siblings first, then the room.

    something waits for a key ──► a letter: these keys, sealed to this key of mine, please
    who holds them            ──► may the asker have them?  an answer that only the asker opens

A sibling gets everything.  Another account gets the keys of the time in which it had a device in
the room, under the identity that it has now; in a room that is open to newcomers, all of them.
"""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from alcove.client.errors import PeerError
from alcove.client.keys.archive import archive_key, open_answer, seal_answer
from alcove.client.keys.envelope import HASH_BYTES
from alcove.client.keys.sealing import Address, named_key, open_letter, seal_letter
from alcove.client.rooms import handshakes, messages
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import key_hash, whose
from alcove.client.rooms.roles import settled
from alcove.client.rooms.state import Room, find_room, public_of
from alcove.client.rooms.walk import mend_rows
from alcove.client.tx import Tx
from alcove.wire.base import Done
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.errors import Refusal
from alcove.wire.ids import Hash
from alcove.wire.rooms import Letter, SendLetter

NAMES_MAX = 64
"""So many keys are asked for, and answered, in one letter."""
ASKED_MAX = 4
"""So many devices are asked together."""
PAUSE_MS = 60_000
"""A device is answered once in so long, and asks no more often."""


class Question(Struct, frozen=True, array_like=True, tag=True):
    """Which keys somebody lacks."""

    names: tuple[Hash, ...]
    public: bytes
    """An HPKE key of the asker, drawn for this question."""


class Reply(Struct, frozen=True, array_like=True, tag=True):
    """An answer, sealed to the asker alone."""

    sealed: bytes


class Keys(Struct, frozen=True, array_like=True):
    """Room keys by their names."""

    keys: tuple[tuple[Hash, Hash], ...]


class Sender(NamedTuple):
    """Who has written a letter."""

    device: bytes
    account: bytes
    key: bytes
    identity: bytes
    """The hash of the account's identity, as the device's certificate says."""


_decode_letter: Any = msgspec.msgpack.Decoder(Question | Reply).decode
_decode_keys: Any = msgspec.msgpack.Decoder(Keys).decode


# ---- Asking ----


def ask(tx: Tx, room: bytes) -> None:
    """Ask for the keys that messages of a room wait for."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or here.is_lost or here.room_key is None:
        return
    names = tuple(
        name
        for (name,) in tx.all(
            """
            SELECT DISTINCT u.key FROM unopened u
            LEFT JOIN room_key k ON k.room = u.room AND k.name = u.key
            WHERE u.room = ? AND k.name IS NULL ORDER BY u.seq DESC LIMIT ?
            """,
            room, NAMES_MAX,
        )
    )  # fmt: skip
    asked = _whom(tx, room)
    key = messages.key_of(tx, room, here.room_key)
    if not names or not asked or key is None:
        return
    line = tx.one("SELECT seed, at FROM question WHERE room = ?", room)
    if line is not None and line[1] + PAUSE_MS > tx.now >= line[1]:
        return
    seed = tx.random(32) if line is None else line[0]
    tx.run(
        """
        INSERT INTO question (room, seed, names, at) VALUES (?, ?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET names = excluded.names, at = excluded.at
        """,
        room, seed, b"".join(names), tx.now,
    )  # fmt: skip
    plain = encode(Question(names, archive_key(seed).public))
    for device in asked:
        _send(tx, here, device, plain)


def _whom(tx: Tx, room: bytes) -> list[bytes]:
    """Return whom to ask: this account's other devices, or else others of the room."""
    lines = tx.all(
        """
        SELECT device FROM stay WHERE room = ? AND until IS NULL AND device != ?
        ORDER BY account != ?, leaf LIMIT ?
        """,
        room, tx.me.device, tx.me.account, ASKED_MAX,
    )  # fmt: skip
    return [device for (device,) in lines]


def _send(tx: Tx, here: Room, device: bytes, plain: bytes) -> None:
    """Send a letter to one device of a room."""
    assert here.room_key is not None
    key = messages.key_of(tx, here.room, here.room_key)
    assert key is not None, "who follows a room holds its newest key"
    address = Address(here.room, tx.me.key.public, device)
    body = seal_letter(key, address, here.room_key, tx.me.key, plain, tx.random(32))
    tx.order(SendLetter(room=here.room, devices=(device,), body=body), "asking.sent")


def sent(tx: Tx, request: SendLetter, answer: Done | Refusal, _: bytes) -> None:
    """A letter is on its way, or could not be taken: it is asked again later."""


# ---- Letters ----


def take(tx: Tx, letter: Letter) -> None:
    """Take a letter of another device: a question, or an answer."""
    here = find_room(tx, letter.room)
    line = tx.one(
        """
        SELECT device, account, key, certificate FROM stay
        WHERE room = ? AND device = ? AND until IS NULL
        """,
        letter.room, letter.sender,
    )  # fmt: skip
    if here is None or here.state != "active" or line is None:
        return
    device, account, public, certificate = line
    sender = Sender(device, account, public, whose(certificate).identity)
    try:
        key = messages.key_of(tx, letter.room, named_key(letter.body))
        if key is None:
            return
        address = Address(letter.room, sender.key, tx.me.device)
        said = _decode_letter(open_letter(key, address, letter.body))
        if isinstance(said, Question):
            _answer(tx, here, sender, said)
        else:
            _learn(tx, here, sender, said)
    except (PeerError, *MALFORMED):
        return  # Whoever writes nonsense is not answered.


def _answer(tx: Tx, here: Room, sender: Sender, question: Question) -> None:
    """Answer with the keys that the asker may have."""
    told = tx.one("SELECT at FROM answered WHERE room = ? AND device = ?", here.room, sender.device)
    if told is not None and told[0] + PAUSE_MS > tx.now >= told[0]:
        return
    keys = []
    for name in question.names[:NAMES_MAX]:
        line = tx.one(
            """
            SELECT k.secret, h.seq FROM room_key k
            JOIN handshake h ON h.room = k.room AND h.name = k.name
            WHERE k.room = ? AND k.name = ?
            """,
            here.room, name,
        )  # fmt: skip
        if line is not None and _may_have(tx, here, sender, line[1]):
            keys.append((name, line[0]))
    if not keys:
        return
    tx.run(
        """
        INSERT INTO answered (room, device, at) VALUES (?, ?, ?)
        ON CONFLICT (room, device) DO UPDATE SET at = excluded.at
        """,
        here.room, sender.device, tx.now,
    )  # fmt: skip
    sealed = seal_answer(
        question.public, here.room, sender.device, tx.me.key, encode(Keys(tuple(keys)))
    )
    _send(tx, here, sender.device, encode(Reply(sealed)))


def _may_have(tx: Tx, here: Room, asker: Sender, seq: int) -> bool:
    """Return whether somebody may have the room key that began at a place.

    It goes by identity: an account's name and id are the server's to give away.
    """
    (opened,) = tx.line("SELECT opened_seq FROM room WHERE room = ?", here.room)
    if here.history == "open" and seq >= opened:
        return True
    public = public_of(tx, here.room)
    assert public is not None, "the room is active"
    state = state_of(public)
    if asker.account == tx.me.account and asker.identity == key_hash(tx.me.identity):
        return True
    there = tx.all(
        """
        SELECT certificate FROM stay
        WHERE room = ?1 AND account = ?2 AND since <= ?3 AND (until IS NULL OR until > ?3)
        """,
        here.room, asker.account, seq,
    )  # fmt: skip
    return any(settled(state, whose(one).identity) == asker.identity for (one,) in there)


def _learn(tx: Tx, here: Room, sender: Sender, reply: Reply) -> None:
    """Take the keys of an answer."""
    line = tx.one("SELECT seed, names FROM question WHERE room = ?", here.room)
    if line is None:
        return
    seed, names = line
    asked = {names[at : at + HASH_BYTES] for at in range(0, len(names), HASH_BYTES)}
    opened = open_answer(archive_key(seed), here.room, tx.me.device, sender.key, reply.sealed)
    has_more = False
    for name, secret in _decode_keys(opened).keys:
        if name in asked:
            has_more = has_more or messages.key_of(tx, here.room, name) is None
            handshakes.learn_key(tx, here.room, name, secret)
    if has_more:
        mend_rows(tx, here.room)  # No row led to that key: some may be missing.
    if not tx.one("SELECT 1 FROM unopened WHERE room = ?", here.room):
        tx.run("DELETE FROM question WHERE room = ?", here.room)
