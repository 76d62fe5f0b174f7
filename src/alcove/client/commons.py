"""The commons: the one room that everyone on a server may join, its host included.

    host     make ──► a room, a link, and the server hands it out
    others   asked at sign-in ──► a random moment later ──► joined by that link

It is joined once: who has left it stays out until they say so.  It is never the target of a message
to an unknown name: people reach it by going there.
"""

from typing import Final

from alcove.client.errors import UsageError
from alcove.client.keys.envelope import HASH_BYTES
from alcove.client.rooms import linking, making
from alcove.client.rooms.links import link_hash
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.wire.errors import Refusal
from alcove.wire.rooms import Commons, GetCommons

EVERYONE_READS: Final = "Everyone on this server, its host included, can read this."
"""What a face says wherever the commons is shown, and before something is said there."""
JOIN: Final = "commons.join"
"""The alarm that joins the commons."""
JITTER_MS: Final = 20_000
"""Newcomers wait up to so long, because each makes a commit of its own."""


def room_of(db: Database) -> bytes | None:
    """Return the commons, if this device is in it or was."""
    line = db.one("SELECT room FROM room WHERE kind = 'commons' ORDER BY state, room LIMIT 1")
    return None if line is None else line[0]


def is_read_by_everyone(db: Database, room: bytes) -> bool:
    """Return whether everyone on the server can read a room, as in the commons."""
    line = db.one("SELECT kind FROM room WHERE room = ?", room)
    return line is not None and line[0] == "commons"


# ---- Making it ----


def make(tx: Tx) -> bytes:
    """Make the commons; only the host may, and once."""
    there = room_of(tx.db)
    if there is not None:
        return there
    return making.create(tx, "commons")


def made(tx: Tx, room: bytes) -> None:
    """The commons is there: make its link, which is published once the server has it."""
    linking.new_link(tx, room, "commons")


def open_again(tx: Tx) -> None:
    """As the host, make a new link: the one before has ended, for removals end all links."""
    room = room_of(tx.db)
    if room is None:
        raise UsageError("There is no commons on this server yet; make it first.")
    made(tx, room)


# ---- Joining it ----


def signed_in(tx: Tx) -> None:
    """Ask for the commons, unless this device knows it: who has left is not asked again."""
    if room_of(tx.db) is None:
        tx.ask(GetCommons(), "commons.there")


def there(tx: Tx, _request: GetCommons, answer: Commons | Refusal, note: bytes) -> None:
    """Hear of the commons, and join it a random moment later; at once if the owner has said so."""
    if isinstance(answer, Refusal) or answer.room is None or answer.key is None:
        return
    if len(answer.key) != HASH_BYTES or link_hash(answer.key) != answer.link:
        return
    jitter_ms = 0 if note else int.from_bytes(tx.random(4), "big") % JITTER_MS
    tx.wake(JOIN, answer.room + answer.key, tx.now + jitter_ms)


def join(tx: Tx, about: bytes) -> None:
    """Join the commons by the link that the server has handed out."""
    room, secret = about[:-HASH_BYTES], about[-HASH_BYTES:]
    linking.begin(tx, room, secret)


def go_back(tx: Tx) -> None:
    """Join the commons again after leaving it, or at once."""
    tx.ask(GetCommons(), "commons.there", b"now")
