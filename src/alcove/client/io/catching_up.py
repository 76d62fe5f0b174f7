"""Waiting until a device knows what its server knows: for programs that look once and end."""

import asyncio
from typing import TYPE_CHECKING, Final

from alcove.client.errors import OfflineError

if TYPE_CHECKING:
    from alcove.client.io.client import Client

LOOK_S: Final = 0.02
"""Nothing tells when nothing more comes: it is looked at this often."""

_BEHIND: Final = """
SELECT 1 FROM room WHERE (state = 'active' AND seq < head) OR state IN ('joining', 'making')
UNION ALL SELECT 1 FROM welcome LIMIT 1
"""
_PAST: Final = "SELECT 1 FROM past WHERE is_done = 0 LIMIT 1"
_NOT_YET: Final = (
    "There is more to come than this program has waited for: do it again, and it goes on from here."
)


async def caught_up(client: "Client", patience_s: float, *, whole: bool = False) -> None:
    """Wait until everything that the server has is here; with `whole` also what was before.

    Raises `OfflineError` when that takes longer than `patience_s`.
    """
    try:
        async with asyncio.timeout(patience_s):
            await client.online()
            while not _is_level(client, whole=whole):  # noqa: ASYNC110 - Nothing tells of it.
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise client.line.trouble or OfflineError(_NOT_YET, "behind") from None


def _is_level(client: "Client", *, whole: bool) -> bool:
    if client.line.trouble is not None or not client.line.link.is_quiet:
        return False
    return client.db.one(_BEHIND) is None and (not whole or client.db.one(_PAST) is None)
