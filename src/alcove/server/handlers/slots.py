"""Slots: one sealed read position for each account of a room, overwritten and never kept.

In a large room read positions are nobody's business but one's own: there they are neither told nor
shown to others.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Slotted
from alcove.server.handlers.access import Handler
from alcove.server.handlers.reads import reading
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code
from alcove.wire.rooms import GetSlots, PutSlot, Slot, Slots, SlotsChanged

SHOWN_ACCOUNTS_MAX = 32
"""In rooms of more accounts each sees only its own slot."""


def put_slot(tx: Tx, caller: Caller, request: PutSlot, _: int) -> Done:
    """Overwrite this account's slot in a room, and tell the others in a small one."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    tx.run(
        "UPDATE room_account SET slot = ? WHERE room = ? AND account = ?",
        request.body,
        state.number,
        caller.account,
    )
    if len(state.accounts) <= SHOWN_ACCOUNTS_MAX:
        tx.effects.append(Slotted(request.room, caller.account, request.body))
    else:
        changed = SlotsChanged(room=request.room, slots=(Slot(caller.account, request.body),))
        tx.push_account(caller.account, changed, but=caller.device)
    return Done(id=request.id)


def get_slots(tx: Tx, caller: Caller, request: GetSlots, _: int) -> Slots:
    """Return the slots of a small room, or one's own in a large one."""
    number = reading(tx, caller, request.room)
    (accounts,) = tx.one("SELECT COUNT(*) FROM room_account WHERE room = ?", number) or (0,)
    is_small = accounts <= SHOWN_ACCOUNTS_MAX
    lines = tx.all(
        f"""
        SELECT account, slot FROM room_account
        WHERE room = ? AND slot IS NOT NULL {"" if is_small else "AND account = ?"}
        ORDER BY account
        """,  # noqa: S608 - Our words.
        number,
        *(() if is_small else (caller.account,)),
    )
    return Slots(id=request.id, slots=tuple(Slot(account, slot) for account, slot in lines))


HANDLERS: dict[type, Handler] = {
    PutSlot: Handler(put_slot, "device", "write"),
    GetSlots: Handler(get_slots, "device", "read", writes=False),
}
