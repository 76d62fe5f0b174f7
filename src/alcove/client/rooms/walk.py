"""One walk over entries of a log: where it stands, written down once at its end."""

from alcove.client.events import Mended
from alcove.client.rooms.state import Room, change
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.wire.entries import Stored
from alcove.wire.ids import next_chain

PASSED = "receipts.passed"
"""The alarm that tells the server how far this device has stored its logs."""
PASSED_MS = 2_000
"""What is stored within so long is told together."""
MEND_PROFILE = "profiles.mend"
"""The alarm that seals a room's profile anew, where who has renewed the key could not."""
MEND_CHAIN = "mending.mend"
"""The alarm that adds a row to the chain of keys that its maker could not write."""
MEND_MS = 8_000
"""Whoever can waits up to so long, so that one does it."""


class Walk:
    """A device on its way through a room's log, within one step of the engine."""

    def __init__(self, tx: Tx, here: Room) -> None:
        self._tx, self._before = tx, here
        self.room, self.kind, self.state = here.room, here.kind, here.state
        self.seq, self.head, self.chain = here.seq, here.head, here.chain
        self.handshake, self.room_key = here.handshake, here.room_key
        self.renewed_at = here.renewed_at
        self.is_lost = here.is_lost
        self.is_over = False
        """Whether this device was removed on the way."""
        self.is_off = False
        """Whether the log up to here is not what the server's list of rooms says."""

    def go_on(self, seq: int, name: bytes) -> None:
        """Step on to the next place."""
        told = self._before.anchor_chain if seq == self._before.anchor_seq else None
        self.seq = seq
        self.chain = told if self.chain is None else next_chain(self.chain, seq, name)
        self.is_off = told not in {None, self.chain}

    def remember(self, device: bytes, content: bytes | None, cause: str | None = None) -> None:
        """Write down what became of the entry here."""
        self._tx.run(
            """
            INSERT INTO entry (room, seq, chain, device, content, cause) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (room, seq) DO NOTHING
            """,
            self.room, self.seq, self.chain, device, content, cause,
        )  # fmt: skip

    def pass_over(self, stored: Stored, device: bytes, account: bytes | None, cause: str) -> None:
        """Leave a bad entry behind, with a line that says why."""
        self.remember(device, None, cause)
        note(self._tx, self.room, stored.seq, stored.at, cause, account)
        self._tx.tell(Mended(self.room, cause, stored.seq, account))

    def finish(self) -> None:
        """Write down how far this walk came."""
        if self.is_over:
            return
        change(
            self._tx,
            self.room,
            seq=self.seq,
            head=max(self.head, self.seq),
            chain=self.chain,
            handshake=self.handshake,
            room_key=self.room_key,
            renewed_at=self.renewed_at,
            is_lost=self.is_lost,
        )
        if self.seq != self._before.seq:
            self._tx.wake(PASSED, b"", self._tx.now + PASSED_MS)


def mend_rows(tx: Tx, room: bytes) -> None:
    """Have the rows looked at that belong to a new room key: they may not be there."""
    for kind in (MEND_CHAIN, MEND_PROFILE):
        jitter_ms = int.from_bytes(tx.random(4), "big") % MEND_MS
        tx.wake(kind, room, tx.now + jitter_ms)


def looked_at(tx: Tx, room: bytes, kind: str) -> None:
    """Note that such rows were looked at: what was to be done if there were no answer is not."""
    tx.run(
        "DELETE FROM alarm WHERE kind = ? AND about = ? AND at > ?", kind, room, tx.now + MEND_MS
    )
