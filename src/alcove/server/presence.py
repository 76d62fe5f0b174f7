"""Presence: who is connected, how they say they are there, and what others may know of it.

    a device      arrives and leaves with its connection; it is online, away or invisible
    an account    is online if any of its devices is, else away if any is, else offline
    others        see it as offline when it hides itself, and hear of changes once in a while

All of this lives in memory, and begins anew with the process.  One thread notes what happens;
others may ask meanwhile who is there, and see each account as it was just before or just after.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from alcove.wire.directory import People, Person

Shown = Literal["online", "away", "offline"]
"""How an account looks to others."""

SHOWN = "shown"
HIDDEN = "hidden"
"""What an account, rather than a device, says: whether the online list shows it."""
LAST_ACCOUNT = b"\xff" * 17
"""Sorts after every account."""
SIGHTS_MAX = 100_000
"""How many devices' last visits wait to be written down."""


class Sight(Struct, frozen=True):
    """A device was there."""

    account: bytes
    device: bytes
    at: int
    client: str | None
    """Its program, if it said so since the last one was written down."""
    is_hidden: bool
    """Whether others must not learn that somebody of the account was there."""


class _Account:
    __slots__ = ("devices", "is_bot", "is_shown", "name", "seems", "told")

    def __init__(self, name: str, *, is_shown: bool, is_bot: bool) -> None:
        self.name = name
        self.is_shown = is_shown
        self.is_bot = is_bot
        self.devices: dict[bytes, str] = {}
        self.seems: Shown = "offline"
        self.told: Shown = "offline"
        """What the others were told last."""

    def look(self) -> Shown:
        """Return how the account looks to others now."""
        said = self.devices.values() if self.is_shown else ()
        if "online" in said:
            return "online"
        return "away" if "away" in said else "offline"


class Presence:
    """Who is there, and which changes nobody was told of yet."""

    def __init__(self, pause_ms: int = 0) -> None:
        self._pause_ms = pause_ms
        self._accounts: dict[bytes, _Account] = {}
        self._names: list[tuple[str, bytes]] = []
        """Names without case and accounts of all that are shown, sorted.

        A name may stand here twice for a moment: its account was deleted and another has it."""
        self._sights: dict[bytes, Sight] = {}
        """When devices were there last, until housekeeping writes it down."""
        self._changed: dict[bytes, None] = {}
        self._due: int | None = None

    # ---- What happens ----

    def arrive(
        self,
        account: bytes,
        device: bytes,
        name: str,
        now: int,
        *,
        is_shown: bool,
        is_bot: bool = False,
    ) -> None:
        """Note that a device is connected: it is online until it says something else."""
        known = self._accounts.get(account)
        if known is None:
            known = self._accounts[account] = _Account(name, is_shown=is_shown, is_bot=is_bot)
        known.is_shown = is_shown
        known.devices[device] = "online"
        self._look(account, known, now)

    def leave(self, account: bytes, device: bytes, now: int) -> None:
        """Note that a device is not connected any more."""
        known = self._accounts.get(account)
        if known is not None and device in known.devices:
            self.see(account, device, now)
            del known.devices[device]
            self._look(account, known, now)

    def see(self, account: bytes, device: bytes, now: int, client: str | None = None) -> None:
        """Note that a device was there just now, and with which program, if it said so."""
        before = self._sights.get(device)
        if before is None and len(self._sights) >= SIGHTS_MAX:
            return
        if client is None and before is not None:
            client = before.client
        is_hidden = self._is_hidden(account, device)
        self._sights[device] = Sight(account, device, now, client, is_hidden)

    def take_sights(self, most: int) -> list[Sight]:
        """Drain when devices were there, so many at a time."""
        sights: list[Sight] = []
        while self._sights and len(sights) < most:
            _, sight = self._sights.popitem()
            if not sight.is_hidden and self._is_hidden(sight.account, sight.device):
                sight = replace(sight, is_hidden=True)
            sights.append(sight)
        return sights

    def _is_hidden(self, account: bytes, device: bytes) -> bool:
        known = self._accounts.get(account)
        return known is not None and known.devices.get(device) == "invisible"

    def set(self, account: bytes, device: bytes, presence: str, now: int) -> None:
        """Note how a device says it is there; or, for no device, whether its account is shown."""
        known = self._accounts.get(account)
        if known is None:
            return
        if presence in (SHOWN, HIDDEN):
            known.is_shown = presence == SHOWN
        elif device in known.devices:
            known.devices[device] = presence
        self._look(account, known, now)

    def _look(self, account: bytes, known: _Account, now: int) -> None:
        """Put an account where it belongs now."""
        before, known.seems = known.seems, known.look()
        folded = known.name.lower()
        if before == "offline" != known.seems:
            insort(self._names, (folded, account))
        elif before != "offline" == known.seems:
            del self._names[bisect_left(self._names, (folded, account))]
        if before != known.seems:
            self._changed[account] = None
            if self._due is None:
                self._due = now + self._pause_ms
        elif not known.devices and account not in self._changed:
            del self._accounts[account]

    # ---- What others may know ----

    def count(self) -> int:
        """Return how many are online or away and do not hide it."""
        return len(self._names)

    def of(self, account: bytes) -> Shown:
        """Return how an account looks to others."""
        known = self._accounts.get(account)
        return "offline" if known is None else known.seems

    def online(self, after: str, limit: int, request_id: int = 0) -> People:
        """Return who is online or away and does not hide it, by name, after a name."""
        start = bisect_right(self._names, (after.lower(), LAST_ACCOUNT))
        people = []
        for _, account in self._names[start : start + limit]:
            known = self._accounts.get(account)
            if known is not None:  # Who comes or goes at this moment may be missing.
                people.append(Person(account, known.name, known.is_bot, known.seems, None))
        more = start + limit < len(self._names)
        return People(id=request_id, people=tuple(people), more=more)

    def fill(self, people: People) -> People:
        """Return what a search has found, with everybody's presence."""
        found = tuple(replace(one, presence=self.of(one.account)) for one in people.people)
        return replace(people, people=found)

    def take_changes(self, now: int) -> list[tuple[bytes, Shown]]:
        """Return who came and went since the last time, once the pause is over."""
        if self._due is None or 0 < self._due - now <= self._pause_ms:
            return []  # More to wait than the pause means that the clock was set back.
        changes: list[tuple[bytes, Shown]] = []
        for account in self._changed:
            known = self._accounts[account]
            if known.seems != known.told:
                known.told = known.seems
                changes.append((account, known.seems))
            if not known.devices:
                del self._accounts[account]
        self._changed = {}
        self._due = None
        return changes

    def deadline(self) -> int | None:
        """Return when `take_changes` has something to say; None while nothing has changed."""
        return self._due
