"""What looks suspicious in the stream of audit events: a table of rules, and who watches them.

A rule counts events about one account, or from one address, within a window of time.  When there
are enough it raises a finding, then keeps quiet for as long as the window: an attack of a thousand
tries is a handful of findings, not a thousand.

Whatever was counted lives in memory, and begins anew with the process.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from alcove.server.limits import Memory, SteadyClock, network

WATCHED_MAX: Final = 10_000
"""So many pairs of a rule and an account or address are watched at a time."""

PARTS_MAX: Final = 32
"""So many moments, or different accounts, are remembered of each.

Up to this count a rule is exact.  A larger one counts by parts of its window, each as if all in it
had happened at its beginning: what is spread over more than 31/32 of the window may be missed, and
nothing is ever raised that took longer than the rule says.
"""

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern.  The docs are made from these."""

    name: str
    kinds: tuple[str, ...]
    """The events that count."""
    per: Literal["account", "address"]
    """What they have in common."""
    count: int
    """How many of them are suspicious."""
    window_ms: int
    """... within this time."""
    sentence: str
    """For people; `{count}` and `{window}` stand for the rule's numbers."""
    after: tuple[str, ...] = ()
    """Only what follows one of these within the window counts."""
    different: bool = False
    """Whether only different accounts count; for rules per address."""
    host_only: bool = False
    """Whether the account itself is not told, as it is not of what happens at an address."""

    @property
    def text(self) -> str:
        """The sentence with the rule's numbers in it."""
        return self.sentence.format(count=f"{self.count:,}", window=_span(self.window_ms))


def _span(window_ms: int) -> str:
    if window_ms % HOUR_MS:
        return f"{window_ms // MINUTE_MS} minutes"
    return "an hour" if window_ms == HOUR_MS else f"{window_ms // HOUR_MS} hours"


RULES: Final = (
    Rule(
        "password_guessing", ("login_failed",), "account", 5, 10 * MINUTE_MS,
        "{count} wrong passwords or phrases for one account within {window}.",
    ),
    Rule(
        "code_guessing", ("code_failed",), "account", 5, 10 * MINUTE_MS,
        "{count} wrong authenticator codes for one account within {window}: "
        "somebody knows its password.",
    ),
    Rule(
        "password_spraying", ("login_failed", "code_failed"), "address", 10, HOUR_MS,
        "Wrong passwords for {count} different accounts from one address within {window}.",
        different=True,
    ),
    Rule(
        "name_guessing", ("login_unknown",), "address", 20, 10 * MINUTE_MS,
        "{count} tries of names that nobody has here from one address within {window}.",
    ),
    Rule(
        "link_guessing", ("link_refused", "registration_refused"), "address", 10, 10 * MINUTE_MS,
        "{count} tries of links or server passwords that do not work from one address "
        "within {window}.",
    ),
    Rule(
        "device_forging", ("sign_in_failed",), "account", 5, 10 * MINUTE_MS,
        "{count} sign-ins with a wrong signature for one account within {window}.",
    ),
    Rule(
        "revoked_device", ("sign_in_revoked",), "account", 1, HOUR_MS,
        "A device that was removed from its account tried to sign in.",
    ),
    Rule(
        "box_after_new_device", ("box_opened",), "account", 1, 10 * MINUTE_MS,
        "The sealed box was handed out within {window} after a new device was added.",
        after=("device_added",),
    ),
    Rule(
        "many_devices", ("device_added",), "account", 4, HOUR_MS,
        "{count} devices were added to one account within {window}.",
    ),
    Rule(
        "many_accounts", ("account_created",), "address", 20, HOUR_MS,
        "{count} accounts were made from one address within {window}.",
    ),
    Rule(
        "many_claims", ("packages_claimed",), "account", 1000, HOUR_MS,
        "One account claimed key packages {count} times within {window}.",
    ),
    Rule(
        "unwanted_requests", ("request_unwanted",), "account", 10, 24 * HOUR_MS,
        "{count} requests to chat of one account were declined within {window}.",
        host_only=True,
    ),
    Rule(
        "limits_hit", ("limit_hit",), "account", 30, HOUR_MS,  # There is one event a minute.
        "One account went over limits in {count} different minutes within {window}.",
    ),
    Rule(
        "many_downloads", ("blob_downloaded",), "account", 1000, HOUR_MS,
        "One account downloaded {count} files within {window}.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule found."""

    rule: str
    account: bytes | None
    """Whom it is about and who may know; None when only the host is told."""
    address: str
    """Where the last event came from."""
    count: int
    sentence: str


class _Watch:
    """What one rule remembers of one account or address."""

    __slots__ = ("accounts", "armed_at", "matters_until", "parts", "quiet_until")

    def __init__(self) -> None:
        self.armed_at = 0
        self.matters_until = 0
        self.quiet_until = 0
        self.parts: dict[int, int] = {}
        """How many events there were, by when."""
        self.accounts: dict[bytes | None, int] = {}
        """When there was one last, by account."""


def _until_forgotten(watch: _Watch, now: int) -> int:
    return watch.matters_until - now


class Suspicion:
    """Watches the stream of events and says what the rules find in it."""

    def __init__(self, rules: Sequence[Rule] = RULES, max_watched: int = WATCHED_MAX) -> None:
        self._clock = SteadyClock()
        self._watches: Memory[_Watch] = Memory(max_watched, _until_forgotten)
        self._by_kind: dict[str, list[Rule]] = {}
        for rule in rules:
            assert rule.count <= PARTS_MAX or not rule.different, "too many to remember"
            assert rule.per == "address" or not rule.different, "an account is one account"
            for kind in dict.fromkeys(rule.after + rule.kinds):
                self._by_kind.setdefault(kind, []).append(rule)

    def see(self, kind: str, account: bytes | None, address: str, now: int) -> list[Finding]:
        """Take notice of an event, and return what the rules find, mostly nothing."""
        rules = self._by_kind.get(kind)
        if rules is None:
            return []
        now = self._clock.read(now)
        found = []
        for rule in rules:
            is_account = rule.per == "account"
            who = account if is_account else network(address)
            count = self._count(rule, who, account, kind, now) if who else 0
            if count >= rule.count:
                told = account if is_account and not rule.host_only else None
                found.append(Finding(rule.name, told, address, count, rule.text))
        return found

    def _count(self, rule: Rule, who: Hashable, account: bytes | None, kind: str, now: int) -> int:
        """Return how many events stand in the window with this one; 0 when it does not count."""
        watch = self._watches.items.get((rule.name, who))
        if watch is None:
            if rule.after and kind not in rule.after:
                return 0
            watch = _Watch()
            self._watches.add((rule.name, who), watch, now)
        if kind in rule.after:
            watch.armed_at = now
            watch.matters_until = now + rule.window_ms
            return 0
        if now < watch.quiet_until:
            return 0
        if rule.after and now - watch.armed_at > rule.window_ms:
            return 0
        count = _different(rule, watch, account, now) if rule.different else _all(rule, watch, now)
        watch.matters_until = now + rule.window_ms
        if count >= rule.count:
            watch.quiet_until = watch.matters_until
            watch.parts.clear()
            watch.accounts.clear()
        return count


def _all(rule: Rule, watch: _Watch, now: int) -> int:
    """Note an event, drop what has left the window, and return how many are in it."""
    part_ms = 1 if rule.count <= PARTS_MAX else rule.window_ms // PARTS_MAX
    part = now - now % part_ms
    watch.parts[part] = watch.parts.get(part, 0) + 1
    for old in [at for at in watch.parts if at < now - rule.window_ms]:
        del watch.parts[old]
    return sum(watch.parts.values())


def _different(rule: Rule, watch: _Watch, account: bytes | None, now: int) -> int:
    """Do the same for different accounts."""
    watch.accounts[account] = now
    for old in [known for known, at in watch.accounts.items() if at < now - rule.window_ms]:
        del watch.accounts[old]
    return len(watch.accounts)
