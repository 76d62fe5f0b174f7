"""What is refused, written to the audit log: seldom enough that nobody can flood it.

The doors tell what they refuse, and the works what handlers refuse: both by `refused`.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from alcove.server.caller import Caller
from alcove.server.io.works import Works
from alcove.server.limits import Buckets, Pauses, network
from alcove.server.openapi import tag_of
from alcove.server.settings import Rate
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused

KINDS: Final[dict[Code, str]] = {
    Code.TOO_MANY: "limit_hit",
    Code.TOO_LARGE: "limit_hit",
    Code.LIMIT: "limit_hit",
    Code.HOST_ONLY: "host_only_refused",
    Code.FULL: "server_full",
    Code.REUSED: "device_restored",
}
"""The refusals that are events, and of which kind: not TOO_OLD, which is a device far behind."""
PAUSE_MS: Final = 60_000
"""How often there is an event of one kind about one account or address."""
REMEMBERED_MAX: Final = 10_000
"""Devices and addresses whose refusals were noted a moment ago."""
EVENTS: Final = Rate(60, 60, 60)
"""How many events of one kind there are, about whomever: somebody may have many addresses."""


class Noticing:
    """Writes down refusals that the host wants to know of."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self.codes = dict.fromkeys(Code, 0)
        """How many requests were refused since the start, by code."""
        self._pauses = Pauses(REMEMBERED_MAX)
        self._events = Buckets(len(KINDS))
        self._writing: set[asyncio.Task[None]] = set()

    def refused(self, code: Code, caller: Caller, now: int, request: type | None = None) -> None:
        """Notice that a request was refused, if why it was is an event.

        There is none when there was one of this kind about the same account or address just now.
        """
        self.codes[code] += 1
        kind = KINDS.get(code)
        if kind is None:
            return
        who = caller.account or network(caller.address)
        if self._pauses.once((kind, who), PAUSE_MS, now) or self._events.take(kind, EVENTS, now):
            return
        detail = {"code": str(code)} | ({"request": tag_of(request)} if request else {})
        task = asyncio.get_running_loop().create_task(self._write(kind, caller, detail))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, kind: str, caller: Caller, detail: dict[str, Any]) -> None:
        def audit(tx: Tx) -> None:
            tx.audit(kind, caller.account or None, **detail)

        with suppress(Refused):  # A full disk, say: the refusal itself was said.
            await self._works.do(audit, caller)
