"""What a device does when its line comes up: compare what the server knows, and ask what is new."""

from alcove.client import (
    archive,
    chats,
    commons,
    devices,
    history,
    letters,
    pairing,
    profiles,
    receipts,
    restored,
    signals,
)
from alcove.client.rooms import approach, joining, linking, lost, rewinding, walk, withheld
from alcove.client.tx import Tx
from alcove.wire.greeting import SignedIn


def signed_in(tx: Tx, said: SignedIn) -> None:
    """The server has proved itself, and said what it knows of this device."""
    if pairing.waits(tx.db):
        pairing.signed_in(tx, said)
        return
    (incarnation,) = tx.line("SELECT incarnation FROM me")
    restored.counter_told(tx, said.counter)
    if incarnation and incarnation != said.incarnation:
        rewinding.server_was_restored(tx)
        receipts.server_was_restored(tx)
        profiles.server_was_restored(tx)
    tx.change_me("incarnation", said.incarnation)
    devices.signed_in(tx, said)
    approach.list_rooms(tx)
    letters.ask_inbox(tx)
    joining.resume(tx)
    lost.resume(tx)
    tx.wake(withheld.FORGET, b"", tx.now + withheld.DAY_MS)
    for (room,) in tx.all("SELECT room FROM wish UNION SELECT room FROM outbox ORDER BY room"):
        tx.stir(room)
    archive.read(tx, is_ready=devices.has_own_history(tx.db))
    history.resume(tx)
    for kind in (walk.MEND_CHAIN, walk.MEND_PROFILE):
        for (room,) in tx.all("SELECT about FROM alarm WHERE kind = ? ORDER BY about", kind):
            tx.wake(kind, room, tx.now)  # Programs that run for a moment only would never do it.
    chats.signed_in(tx)
    receipts.signed_in(tx)
    signals.signed_in(tx)
    linking.signed_in(tx)
    commons.signed_in(tx)
    profiles.signed_in(tx)
