"""What may still be stored: by the space on the disk, and by what an account has sent today.

    enough  everything
    short   nothing that only adds.  Commits, keys, and all that removes or replaces something pass
    last    commits and keys neither: what is left is for those who make space

No request looks at the disk: somebody else does every few seconds.  On a short disk a commit that
comes with messages passes with them.  Who has used up the day may commit, but says nothing beside
it; and who has used up twice the day may not do that either.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from alcove.server.caller import Caller
from alcove.wire.accounts import PutArchive, Register
from alcove.wire.codec import decode_header
from alcove.wire.devices import PutPackages
from alcove.wire.entries import Append, HandshakeHeader, OfferHandshakes, PutSnapshot
from alcove.wire.errors import Code, Refused
from alcove.wire.rooms import CreateRoom, PutRows, SendLetter

Level = Literal["enough", "short", "last"]

LAST_PART: Final = 4
"""Below this part of the least free space there is only the last of it."""
AGAIN_PART: Final = 8
"""So much more than the least must be free before there is enough again: it would go to and fro."""
RETRY_MS: Final = 60_000
"""When to try again: a host needs a while to make space."""
DAY_MS: Final = 24 * 60 * 60 * 1000
KEEPING_UP_PART: Final = 2
"""So many times the day's bytes may be used by what keeps rooms and devices going."""

ADDING: Final = (CreateRoom, Register, SendLetter)
"""What only adds.  So do messages, and uploads."""
KEEPING_UP: Final = (OfferHandshakes, PutArchive, PutPackages, PutRows, PutSnapshot)
"""What rooms and devices need to go on.  So do commits, with what comes along with them."""

FULL: Final = (
    "The server's disk is nearly full, so it stores nothing new until its host makes space."
)
SPENT: Final = "This account has sent as much today as it may; it can go on tomorrow."


class Space:
    """What is refused at the moment, for lack of space."""

    __slots__ = ("_day_left_ms", "_day_most_bytes", "_full", "_is_scarce", "level")

    def __init__(self) -> None:
        self.level: Level = "enough"
        self._is_scarce = False
        self._full: Mapping[bytes, int] = {}
        self._day_most_bytes = 0
        self._day_left_ms = 0

    def see_disk(self, free_bytes: int, least_bytes: int) -> bool:
        """Take notice of how much space is free; return whether that changes anything."""
        before = self.level
        enough = least_bytes if before == "enough" else least_bytes + least_bytes // AGAIN_PART
        if free_bytes >= enough:
            self.level = "enough"
        else:
            self.level = "last" if free_bytes < least_bytes // LAST_PART else "short"
        self._weigh()
        return self.level != before

    def see_accounts(self, sent: Mapping[bytes, int], most_bytes: int, now: int) -> None:
        """Take notice of how much accounts have sent today; 0 stands for no limit."""
        full = {account: size for account, size in sent.items() if size > most_bytes}
        self._full = full if most_bytes else {}
        self._day_most_bytes = most_bytes
        self._day_left_ms = DAY_MS - now % DAY_MS
        self._weigh()

    def _weigh(self) -> None:
        self._is_scarce = self.level != "enough" or bool(self._full)

    def check(self, caller: Caller, request: Any) -> None:
        """Refuse a request for which there is no space."""
        if not self._is_scarce:
            return
        adds, keeps_up = isinstance(request, ADDING), isinstance(request, KEEPING_UP)
        if isinstance(request, Append):
            keeping_up = _count_keeping_up(request)
            keeps_up = keeping_up > 0
            adds = not keeps_up
            if keeping_up < len(request.entries):
                self._check_day(caller.account)
        if adds:
            self.check_addition(caller.account)
        elif keeps_up:
            if self.level == "last":
                raise Refused(Code.STORAGE, FULL, retry_after_ms=RETRY_MS)
            self._check_day(caller.account, KEEPING_UP_PART)

    def check_addition(self, account: bytes) -> None:
        """Refuse to store what only adds."""
        if self.level != "enough":
            raise Refused(Code.STORAGE, FULL, retry_after_ms=RETRY_MS)
        self._check_day(account)

    def _check_day(self, account: bytes, part: int = 1) -> None:
        """Refuse who has sent more today than so many times what an account may."""
        if self._full.get(account, 0) > part * self._day_most_bytes:
            raise Refused(Code.QUOTA, SPENT, retry_after_ms=self._day_left_ms)


def _count_keeping_up(request: Append) -> int:
    """Return how many commits and notices there are among these entries."""
    headers = [decode_header(entry.header) for entry in request.entries]
    return sum(isinstance(one, HandshakeHeader) or one.notice is not None for one in headers)
