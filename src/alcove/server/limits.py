"""How often somebody may do something: token buckets, pauses, and the little memory they need.

A bucket holds `burst` tokens and gets `count` new ones in `per_s` seconds.  It is kept as one
number, the moment at which it will be full again:

    now                full_at              A take moves full_at on by the time in which its tokens
     ├── tokens spent ────┤                 come back.  It is refused when that would be further
     ├──────── burst, as time ────────┤     ahead than a whole burst; the rest is how long to wait.

So a bucket with full_at in the past is full: it says nothing that a new one would not say.

All of this lives in the memory of one process and begins anew with it.  Nothing here is shared
between threads.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from alcove.server.settings import Rate

CLOCK_SLACK_MS: Final = 1000
"""A clock set back by less than this is waited for: two readers of one clock differ a little."""

LOOKS_MAX: Final = 8
"""So many items are looked at to find one that may be forgotten."""

QUIET_MS: Final = 24 * 3_600_000
"""A pause that doubles is forgotten when nothing came for so long after its end."""

IPV6_NETWORK_BITS: Final = 64

Item = TypeVar("Item")


class SteadyClock:
    """A clock that never goes back, made from one that may be set.

    Set back a little, it stands still until the other one has caught up.  Set back far, it goes on
    from where it was.  So nothing is ever handed out twice, and what was to come in a minute comes
    in a minute, or `CLOCK_SLACK_MS` later.
    """

    __slots__ = ("_ahead_ms", "_now")

    def __init__(self) -> None:
        self._now = 0
        self._ahead_ms = 0

    def read(self, now_ms: int) -> int:
        """Return the steady time, in milliseconds, for a time that was read elsewhere."""
        now = now_ms + self._ahead_ms
        if now >= self._now:
            self._now = now
        elif self._now - now > CLOCK_SLACK_MS:
            self._ahead_ms += self._now - now
        return self._now


class Memory(Generic[Item]):
    """At most `max_keys` items.  When it is full, what no longer matters is forgotten first.

    `left_ms(item, now)` says how long an item still matters: how long until a bucket is full, say.
    A hand goes round the keys and takes the first item that does not matter any more, or else,
    after `LOOKS_MAX` of them, the one that would have been the soonest.

    Can somebody make us forget how much he has used?  Only with `max_keys` other keys that all
    matter at that time.  Each is a device, an account or a network (see `network`) that is his, and
    each has a whole burst to offer: he gains one burst for thousands that he had to spend.  Keys
    that anybody can invent, such as names, must be asked for only behind a limit per network.
    """

    __slots__ = ("_hand", "_keys", "_left_ms", "_max_keys", "items")

    def __init__(self, max_keys: int, left_ms: Callable[[Item, int], int]) -> None:
        assert max_keys > 0, "a memory holds something"
        self.items: dict[Hashable, Item] = {}
        """To look things up in.  Only `add` adds to it."""
        self._keys: list[Hashable] = []
        self._hand = 0
        self._max_keys = max_keys
        self._left_ms = left_ms

    def add(self, key: Hashable, item: Item, now: int) -> None:
        """Remember a new item, and forget another one when there is no place left."""
        assert key not in self.items, "a key has one item"
        if len(self._keys) < self._max_keys:
            self._keys.append(key)
        else:
            place = self._place(now)
            del self.items[self._keys[place]]
            self._keys[place] = key
        self.items[key] = item

    def _place(self, now: int) -> int:
        """Return the place of the item to forget."""
        found, least = 0, 0
        for look in range(LOOKS_MAX):
            place = self._hand
            self._hand = (place + 1) % self._max_keys
            left = self._left_ms(self.items[self._keys[place]], now)
            if look == 0 or left < least:
                found, least = place, left
            if left <= 0:
                break
        return found


# ---- Buckets ----


class _Bucket:
    """When a bucket will be full, and its rate in the same unit.

    The unit is a millisecond divided by `rate.count`, so that a token is a whole number of them and
    nothing is rounded.
    """

    __slots__ = ("burst", "count", "full_at", "rate", "token")

    def __init__(self, rate: Rate, now: int) -> None:
        self.begin(rate, now)

    def begin(self, rate: Rate, now: int) -> None:
        """Be full now, and follow this rate."""
        self.rate = rate
        self.count = rate.count
        self.token = rate.per_s * 1000
        self.burst = rate.burst * self.token
        self.full_at = now * rate.count


def _until_full(bucket: _Bucket, now: int) -> int:
    return -(-bucket.full_at // bucket.count) - now


class Buckets:
    """A bucket for each key; a key is a tuple such as (kind, who)."""

    __slots__ = ("_clock", "_items", "_memory")

    def __init__(self, max_keys: int) -> None:
        self._memory: Memory[_Bucket] = Memory(max_keys, _until_full)
        self._items = self._memory.items
        self._clock = SteadyClock()

    def take(self, key: Hashable, rate: Rate, now_ms: int, cost: int = 1) -> int:
        """Take tokens and return 0, or take none and return how many milliseconds to wait.

        What costs more than the bucket holds is allowed when the bucket is full, and paid off
        afterwards: large batches are not forbidden, and not cheaper than small ones.
        """
        now = self._clock.read(now_ms)
        bucket = self._items.get(key)
        if bucket is None or bucket.rate is not rate:
            bucket = self._bucket(key, rate, now)
        now *= bucket.count
        missing = bucket.full_at - now if bucket.full_at > now else 0
        after = missing + cost * bucket.token
        if after > bucket.burst:
            too_much = after - bucket.burst if cost <= rate.burst else missing
            if too_much:
                return -(-too_much // bucket.count)
        bucket.full_at = now + after
        return 0

    def _bucket(self, key: Hashable, rate: Rate, now: int) -> _Bucket:
        """Return the bucket of a key that is new, or whose rate is another object than before."""
        bucket = self._items.get(key)
        if bucket is None:
            bucket = _Bucket(rate, now)
            self._memory.add(key, bucket, now)
        elif bucket.rate == rate:
            bucket.rate = rate
        else:
            # The host changed a setting, which nobody else can do.
            bucket.begin(rate, now)
        return bucket


# ---- Pauses ----


class _Pause:
    __slots__ = ("over_at", "pause_ms", "quiet_at")

    def __init__(self) -> None:
        self.over_at = 0
        self.pause_ms = 0
        self.quiet_at = 0
        """From then on it is as if nothing had ever been."""


def _until_quiet(pause: _Pause, now: int) -> int:
    return pause.quiet_at - now


class Pauses:
    """Things that may be done once in a while, by key; a key is a tuple such as (kind, who)."""

    __slots__ = ("_clock", "_items", "_memory")

    def __init__(self, max_keys: int) -> None:
        self._memory: Memory[_Pause] = Memory(max_keys, _until_quiet)
        self._items = self._memory.items
        self._clock = SteadyClock()

    def wait(self, key: Hashable, now_ms: int) -> int:
        """Return how many milliseconds are left of a key's pause, and begin none.

        Whoever has several pauses to keep asks for all of them before beginning any.
        """
        now = self._clock.read(now_ms)
        pause = self._items.get(key)
        return max(pause.over_at - now, 0) if pause is not None else 0

    def hear(self, now_ms: int) -> None:
        """Hear what time it is: set back later, the clock takes no more than what went since."""
        self._clock.read(now_ms)

    def once(self, key: Hashable, every_ms: int, now_ms: int) -> int:
        """Begin a pause and return 0, or return how many milliseconds are left of the last one."""
        return self._begin(key, every_ms, every_ms, 0, now_ms)

    def doubling(self, key: Hashable, first_ms: int, most_ms: int, now_ms: int) -> int:
        """Do the same with a pause that is twice as long each time, up to a longest one.

        It is short again when nothing was allowed for a day after its end.
        """
        return self._begin(key, first_ms, most_ms, QUIET_MS, now_ms)

    def _begin(self, key: Hashable, first_ms: int, most_ms: int, quiet_ms: int, now_ms: int) -> int:
        now = self._clock.read(now_ms)
        pause = self._items.get(key)
        if pause is None:
            pause = _Pause()
            self._memory.add(key, pause, now)
        if now < pause.over_at:
            return pause.over_at - now
        goes_on = now < pause.quiet_at
        pause.pause_ms = min(2 * pause.pause_ms if goes_on else first_ms, most_ms)
        pause.over_at = now + pause.pause_ms
        pause.quiet_at = pause.over_at + quiet_ms
        return 0


# ---- Keys ----


def network(address: str) -> str:
    """Return whose address it is, as far as limits care.

    Whoever has one IPv6 address has 2^64 of them, so they share their limits.  What is no address,
    such as that of a Unix socket, stays as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    host_bits = 128 - IPV6_NETWORK_BITS
    return str(ipaddress.IPv6Network((int(parsed) >> host_bits << host_bits, IPV6_NETWORK_BITS)))
