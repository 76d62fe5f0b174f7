"""What the doors refuse, written to the audit log: seldom enough that nobody can flood it."""

import asyncio
from contextlib import suppress
from typing import Final

from alcove.server.caller import Caller
from alcove.server.io.works import Works
from alcove.server.limits import Buckets, Pauses, network
from alcove.server.settings import Rate
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused

KINDS: Final[dict[Code, str]] = {
    Code.TOO_MANY: "limit_hit",
    Code.HOST_ONLY: "host_only_refused",
    Code.FULL: "server_full",
}
"""The refusals that are events, and of which kind."""
PAUSE_MS: Final = 60_000
"""How often there is an event of one kind about one account or address."""
REMEMBERED_MAX: Final = 10_000
EVENTS: Final = Rate(60, 60, 60)
"""How many events of one kind there are, whoever they are about: somebody may have many addresses.
"""


class Noticing:
    """Writes down refusals of the doors; the handlers write down their own."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._pauses = Pauses(REMEMBERED_MAX)
        self._events = Buckets(len(KINDS))
        self._writing: set[asyncio.Task[None]] = set()

    def refused(self, code: Code, caller: Caller, now: int) -> None:
        """Notice a refusal, if it is of a kind that the host wants to know."""
        kind = KINDS.get(code)
        if kind is not None:
            self.notice(kind, caller, now)

    def notice(self, kind: str, caller: Caller, now: int) -> None:
        """Write an event, unless there was one of this kind about the same just now."""
        who = caller.account or network(caller.address)
        if self._pauses.once((kind, who), PAUSE_MS, now) or self._events.take(kind, EVENTS, now):
            return
        task = asyncio.get_running_loop().create_task(self._write(kind, caller))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, kind: str, caller: Caller) -> None:
        def audit(tx: Tx) -> None:
            tx.audit(kind, caller.account or None)

        with suppress(Refused):  # A full disk, say: the refusal itself was said.
            await self._works.do(audit, caller)
