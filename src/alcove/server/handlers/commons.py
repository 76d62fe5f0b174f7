"""The commons: the room that everyone may join, because the server hands out its link.

Who joins it knows that everyone here can read it, the host included.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.links import COMMONS_LINK, works
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code
from alcove.wire.rooms import Commons, GetCommons, PutCommons

_ROOM, _KEY = "commons_room", "commons_key"


def put_commons(tx: Tx, caller: Caller, request: PutCommons, _: int) -> Done:
    """By the host: hand out this link from now on."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(state.kind == "commons", Code.NOT_ALLOWED, "This room is not the commons.")
    leads_here = tx.one(
        "SELECT 1 FROM link WHERE hash = ? AND room = ?", request.link, state.number
    )
    refuse_unless(leads_here, Code.UNKNOWN, "Put the link first: it does not lead to this room.")
    for name, value in ((_ROOM, request.room), (_KEY, request.key), (COMMONS_LINK, request.link)):
        tx.run(
            """
            INSERT INTO server (name, value) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
            """,
            name,
            value,
        )
    tx.audit("setting_changed", caller.account, name="commons")
    return Done(id=request.id)


def get_commons(tx: Tx, _: Caller, request: GetCommons, now: int) -> Commons:
    """Return the commons if the host has made one, and its link as long as that works."""
    values: dict[str, bytes] = dict(
        tx.all("SELECT name, value FROM server WHERE name IN (?, ?, ?)", _ROOM, _KEY, COMMONS_LINK)
    )
    room, link = values.get(_ROOM), values.get(COMMONS_LINK)
    if not works(tx, link, now):
        return Commons(id=request.id, room=room)
    return Commons(id=request.id, room=room, key=values[_KEY], link=link)


HANDLERS: dict[type, Handler] = {
    PutCommons: Handler(put_commons, "host", "write"),
    GetCommons: Handler(get_commons, "device", "read", writes=False),
}
