"""Waiting until a device knows what its server knows: for programs that look once and end."""

import asyncio
from typing import TYPE_CHECKING, Final

from alcove.client.errors import OfflineError

if TYPE_CHECKING:
    from alcove.client.io.client import Client

REFUSED_S: Final = 2.0
"""So long a refusal is waited out: a server that only starts anew is back by then."""
LOOK_S: Final = 0.02
"""Nothing tells when nothing more comes: it is looked at this often."""

_BEHIND: Final = """
SELECT 1 FROM room
WHERE (state = 'active' AND seq < head) OR state = 'joining' OR (
    state = 'making' AND NOT EXISTS (
        SELECT 1 FROM wish JOIN pin ON pin.account = wish.about
        WHERE wish.room = room.room AND wish.kind = 'add' AND pin.change != ''
    )
)
UNION ALL SELECT 1 FROM welcome LIMIT 1
"""
"""A room that is made with somebody whose keys have changed waits for its owner's look alone."""
_PAST: Final = """
SELECT 1 FROM past WHERE is_done = 0 UNION ALL SELECT 1 FROM room WHERE state = 'outside' LIMIT 1
"""
_LOOKS: Final = "SELECT 1 FROM alarm WHERE kind = 'receipts.look' LIMIT 1"
_NOT_YET: Final = (
    "There is more to come than this program has waited for: do it again, and it goes on from here."
)


async def reached(client: "Client", patience_s: float) -> None:
    """Wait for the line, and not for long where it is known by then that nothing answers.

    Raises `OfflineError`, which says what is wrong.
    """
    try:
        await client.online(min(patience_s, REFUSED_S))
    except OfflineError:
        if client.line.trouble is not None or patience_s <= REFUSED_S:
            raise
        await client.online(patience_s - REFUSED_S)


async def caught_up(
    client: "Client", patience_s: float, *, whole: bool = False, marks: bool = False
) -> None:
    """Wait until everything that the server has is here; with `whole` also what was before.

    With `marks` it is also known what others, and other devices of this account, have read, and
    how people show themselves: a device looks at that a second after it came.

    Raises `OfflineError` when that takes longer than `patience_s`.
    """
    try:
        async with asyncio.timeout(patience_s):
            await reached(client, patience_s)
            while not _is_level(client, whole=whole, marks=marks):  # noqa: ASYNC110 - Nothing tells of it.
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise client.line.trouble or OfflineError(_NOT_YET, "behind") from None


def _is_level(client: "Client", *, whole: bool, marks: bool) -> bool:
    if client.line.trouble is not None or not client.line.link.is_quiet:
        return False
    wanted = (_BEHIND, *((_PAST,) if whole else ()), *((_LOOKS,) if marks else ()))
    return all(client.db.one(one) is None for one in wanted)
