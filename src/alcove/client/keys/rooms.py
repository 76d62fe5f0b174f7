"""Room keys: one secret of MLS, and the keys that follow from it.

A room key is what the group exports in a renewing epoch.  Everything that a room keeps is sealed
under a key that follows from it, each under one of its own:

    exported secret ─┬─ message    what is said
                     ├─ profile    the room's name, topic and picture
                     ├─ position   how far each account has read
                     ├─ chain      the room key before
                     └─ letter     from one device to another
"""

from typing import Final, NamedTuple

from alcove.client.keys.suite import SUITE

EXPORT_LABEL: Final = b"alcove room key 1"
"""A room key is `group.export(EXPORT_LABEL, b"", SECRET_BYTES)` of a renewing epoch."""
SIGNAL_LABEL: Final = b"alcove signal key 1"
"""The key of an epoch's signals is `group.export(SIGNAL_LABEL, b"", SECRET_BYTES)`."""
SECRET_BYTES: Final = 32


class RoomKey(NamedTuple):
    """A room key, and what follows from it."""

    secret: bytes
    """As MLS exported it: what is stored, chained and archived."""
    message: bytes
    profile: bytes
    position: bytes
    chain: bytes
    letter: bytes

    def __repr__(self) -> str:
        return "<RoomKey>"


def room_key(secret: bytes) -> RoomKey:
    """Return the keys that follow from an exported secret."""
    assert len(secret) == SECRET_BYTES

    def derived(purpose: bytes) -> bytes:
        return SUITE.expand_label(secret, b"alcove " + purpose + b" key 1", b"", SECRET_BYTES)

    return RoomKey(
        secret,
        message=derived(b"message"),
        profile=derived(b"profile"),
        position=derived(b"position"),
        chain=derived(b"chain"),
        letter=derived(b"letter"),
    )
