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

    def go_on(self, seq: int, name: bytes) -> None:
        """Step on to the next place."""
        self.seq = seq
        if self.chain is not None:
            self.chain = next_chain(self.chain, seq, name)
        elif seq == self._before.anchor_seq:
            self.chain = self._before.anchor_chain

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
