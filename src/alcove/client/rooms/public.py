"""Groups that can be found by a public name, and the commons' link: published, found and joined.

What is published is public by the owner's choice, to everyone on the server: the alias, what the
owner says about the group, and, where anyone may join, the secret of a link.
"""

from typing import Final

import msgspec

from alcove.client import owner
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.keys.envelope import HASH_BYTES
from alcove.client.rooms import acting, linking
from alcove.client.rooms.leaves import key_hash
from alcove.client.rooms.links import link_hash
from alcove.client.rooms.roles import role
from alcove.client.tx import Tx
from alcove.wire.directory import Alias, Description, FindRooms, PublicRoom, PutAlias
from alcove.wire.errors import Refusal
from alcove.wire.rooms import PutCommons

NAMED_KINDS: Final = ("group", "channel")
NOT_AN_ALIAS: Final = (
    "A public name has 3 to 40 small letters, digits and hyphens, and begins with no hyphen."
)


def put_alias(tx: Tx, room: bytes, alias: str, description: str = "", *, joinable: bool) -> None:
    """Let a group be found by a public name; anyone may join it if it is `joinable`.

    When the name is somebody else's already, or is refused, `Warned` says so.
    """
    here, _, state = acting.here_and_state(tx, room)
    try:
        msgspec.convert(alias, Alias)
        msgspec.convert(description, Description)
    except msgspec.ValidationError:
        raise UsageError(NOT_AN_ALIAS) from None
    if here.kind not in NAMED_KINDS:
        raise UsageError("Only groups and channels have public names.")
    if role(state, key_hash(tx.me.identity)) != "owner":
        raise UsageError("Only an owner gives a room a public name; ask one.")
    if joinable:
        linking.new_link(tx, room, "alias", alias=alias, description=description)
    else:
        tx.order(PutAlias(room=room, alias=alias, description=description), "public.put")


def drop_alias(tx: Tx, room: bytes) -> None:
    """Let a group be found no longer; links that people have been given still work."""
    acting.here_and_state(tx, room)
    tx.order(PutAlias(room=room, alias=None), "public.put")
    for (named,) in tx.all(
        "SELECT hash FROM room_link WHERE room = ? AND purpose = 'alias' ORDER BY hash", room
    ):
        linking.drop_link(tx, room, named)


def publish(tx: Tx, room: bytes, named: bytes) -> None:
    """The server has a link that is to be public: publish it."""
    purpose, secret, alias, description = tx.line(
        "SELECT purpose, secret, alias, description FROM room_link WHERE hash = ?", named
    )
    if purpose == "commons":
        tx.order(PutCommons(room=room, key=secret, link=named), "public.put")
    else:
        tx.order(
            PutAlias(room=room, alias=alias, description=description, key=secret, link=named),
            "public.put",
        )


def put(tx: Tx, request: PutAlias | PutCommons, answer: object, _: bytes) -> None:
    """The server shows a room to everyone now, or will not."""
    if not isinstance(answer, Refusal):
        return
    tx.tell(Warned(f"not-published: {answer.code}", request.room, tx.now))
    if request.link is not None and tx.one("SELECT 1 FROM room_link WHERE hash = ?", request.link):
        linking.drop_link(tx, request.room, request.link)


def find(tx: Tx, beginning: str) -> int:
    """Look for public groups by how their alias begins; `Answered` with this number brings them."""
    return owner.ask(tx, FindRooms(alias=beginning))


def join(tx: Tx, found: PublicRoom) -> bytes:
    """Join a group that was found; returns the room, which comes soon.

    Whom the group belongs to is the server's word: a public group is for who trusts nobody yet.
    """
    if found.key is None or len(found.key) != HASH_BYTES or link_hash(found.key) != found.link:
        raise UsageError("Nobody can join this group by itself now; ask one of its members.")
    linking.begin(tx, found.room, found.key)
    return found.room
