"""Direct rooms that ended with somebody's old keys, and the ones that follow them.

A reset brings an identity that the old one has not signed, so its account comes into no room where
the old one stood.  What the two say to each other goes on in another room; that one names the room
before, as far as its maker knew it.
"""

from typing import Final

from alcove.client import trust
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import certificate_of, key_hash
from alcove.client.rooms.looking import is_known
from alcove.client.rooms.state import Room, public_of
from alcove.client.store.database import Database
from alcove.client.tx import Tx

OVER: Final = (
    "They have come back with new keys, and this room ended with the old ones; look at their safety"
    " number, and write to them anew."
)
"""Why nothing can be said any more to somebody who was reset."""


def is_over(tx: Tx, here: Room) -> bool:
    """Return whether a direct room has ended: neither its rights nor any leaf are the partner's."""
    pin = None if here.partner is None else trust.pin_of(tx.db, here.partner)
    if pin is None or not pin.signed or here.state != "active":
        return False
    public = public_of(tx, here.room)
    if public is None or any(
        one.identity == key_hash(pin.identity) for one in state_of(public).roles
    ):
        return False
    leaves = [leaf for _, leaf in public.tree.leaves()]
    theirs = [leaf for leaf in leaves if certificate_of(leaf).account == here.partner]
    return not any(is_known(tx.db, leaf) for leaf in theirs)


def with_partner(db: Database, partner: bytes) -> list[bytes]:
    """Return the direct rooms with somebody that are there, those that follow another in front."""
    return [
        room
        for (room,) in db.all(
            """
            SELECT room FROM room WHERE kind = 'direct' AND partner = ? AND state != 'gone'
            ORDER BY predecessor IS NULL, room
            """,
            partner,
        )
    ]


def successor(db: Database, room: bytes) -> bytes | None:
    """Return the room in which two people have gone on, if there is one."""
    line = db.one("SELECT room FROM room WHERE predecessor = ? AND state != 'gone'", room)
    return None if line is None else line[0]


def before(tx: Tx, room: bytes, partner: bytes, named: bytes | None) -> bytes | None:
    """Return which room another one follows: what it says itself, or what is known here."""
    others = [one for one in with_partner(tx.db, partner) if one != room]
    if named in others:
        return named
    return next((one for one in others if successor(tx.db, one) is None), None)
