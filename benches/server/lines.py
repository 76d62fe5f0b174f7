"""Lines of the table `entry`, written without a server: by the bare limits, and to fill a table."""

from __future__ import annotations

import os
from typing import Final

from alcove.server.roomstate import KEPT
from alcove.server.store.database import Value
from alcove.server.tx import ENTRIES
from alcove.wire.codec import encode
from alcove.wire.entries import MessageHeader
from benches.server.rooms import BODY_BYTES

_COLUMNS: Final = [name.strip() for name in ENTRIES.partition("(")[2].rstrip(") ").split(",")]
_ROOM, _SEQ = _COLUMNS.index("room"), _COLUMNS.index("seq")


class Lines:
    """Lines as the server would write them for messages, all with the same random bytes."""

    def __init__(self) -> None:
        header = MessageHeader(os.urandom(16), os.urandom(16), "kept", key=os.urandom(32))
        values: dict[str, Value] = {
            "at": 0,
            "form": KEPT,
            "header": encode(header),
            "body": os.urandom(BODY_BYTES),
            "chain": os.urandom(32),
        }
        self._line = [values.get(name) for name in _COLUMNS]

    def line(self, room: int, seq: int) -> tuple[Value, ...]:
        """Return the line of one message."""
        line = self._line
        line[_ROOM], line[_SEQ] = room, seq
        return tuple(line)
