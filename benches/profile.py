"""Where the time goes: in cryptography, call by call, or in Python around it.

    python -m benches.profile commit                a table of calls to the provider
    python -m benches.profile join --functions      what cProfile says, function by function
    python -m benches.profile decrypt --members 100 --suite default

A provider that times itself stands between the library and the real one, so the first table is
exact but for half a microsecond a call.  The second costs more than it measures in short functions:
read it for counts and for order, not for times.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alcove.mls import (
    DEFAULT_SUITE,
    CommitOptions,
    Group,
    KeyPackageBundle,
    Provider,
    Suite,
    join_group,
    standard_suites,
    suites_on,
)
from alcove.mls.pyca import PROVIDER
from benches.groups import POLICY, build, forget_public_keys, found, new_member, warm
from benches.timing import MESSAGE

REPEAT = {"encrypt": 300, "decrypt": 300, "commit": 50, "process": 50, "join": 5, "create": 3}


@dataclass
class Stopwatch:
    """A provider that does what another does, and counts calls and seconds."""

    inner: Provider
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        inner = getattr(self.inner, name)

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                took = time.perf_counter() - start
                self.seconds[name] = self.seconds.get(name, 0.0) + took
                self.calls[name] = self.calls.get(name, 0) + 1

        self.__dict__[name] = timed
        return timed

    def clear(self) -> None:
        """Begin again."""
        self.seconds.clear()
        self.calls.clear()


Act = Callable[[], object]


def acts(kind: str, suite: Suite, members: int, count: int) -> Sequence[Act]:
    """Return `count` acts of a kind, ready to run in this order."""
    if kind == "create":
        bundles = [new_member(suite, f"member {index}") for index in range(members)]
        packages = [bundle.message() for bundle in bundles[1:]]
        return [lambda: _create(suite, bundles[0], packages)] * count
    built = build(suite, members)
    if kind == "join":
        me = built.members[members // 2]
        return [lambda: _join(suite, built.welcome, me)] * count
    if kind in ("commit", "process"):
        committer, follower = warm(built, (0, members // 2))
        commit: Act = lambda: committer.commit(  # noqa: E731 - it is returned as it is.
            entropy=os.urandom, options=CommitOptions(path=True)
        )
        if kind == "commit":
            return [commit] * count
        made = [
            committer.commit(entropy=os.urandom, options=CommitOptions(path=True)).message
            for _ in range(count)
        ]
        return [lambda m=m: follower.receive(m) for m in made]  # type: ignore[misc]
    sender, receiver = built.founder, built.join(members - 1)
    sender = sender.seal(MESSAGE, os.urandom).group
    if kind == "encrypt":
        return [_Sealing(sender).next] * count
    messages = []
    for _ in range(count):
        sender, message = sender.seal(MESSAGE, os.urandom)
        messages.append(message)
    opening = _Opening(receiver, messages)
    opening.next()
    return [opening.next] * (count - 1)


class _Sealing:
    def __init__(self, group: Group) -> None:
        self._group = group

    def next(self) -> None:
        self._group = self._group.seal(MESSAGE, os.urandom).group


class _Opening:
    def __init__(self, group: Group, messages: list[bytes]) -> None:
        self._group = group
        self._messages = iter(messages)

    def next(self) -> None:
        self._group = self._group.receive(next(self._messages)).group


def _create(suite: Suite, founder: KeyPackageBundle, packages: Sequence[bytes]) -> None:
    forget_public_keys()
    found(suite, founder, packages)


def _join(suite: Suite, welcome: bytes, me: KeyPackageBundle) -> None:
    forget_public_keys()
    join_group(welcome, me, POLICY, suites={suite.id: suite})


def breakdown(kind: str, suite_id: int, members: int) -> None:
    """Print how the time of one act divides over the provider's functions and the rest."""
    watch = Stopwatch(PROVIDER)
    suite = suites_on(watch)[suite_id]
    ready = acts(kind, suite, members, REPEAT[kind])
    watch.clear()
    start = time.perf_counter()
    for act in ready:
        act()
    total = time.perf_counter() - start
    count = len(ready)
    print(f"{kind}, {members} members, suite {suite_id:#06x}: {total / count * 1e6:,.1f} us")
    rows = sorted(watch.seconds.items(), key=lambda item: -item[1])
    rows.append(("(Python around it)", total - sum(watch.seconds.values())))
    for name, seconds in rows:
        calls = watch.calls.get(name, 0) / count
        each = seconds / count * 1e6
        print(f"  {name:20} {calls:9.1f} calls {each:11,.1f} us {seconds / total:6.1%}")


def functions(kind: str, suite_id: int, members: int, lines: int) -> None:
    """Print what cProfile finds."""
    ready = acts(kind, standard_suites()[suite_id], members, REPEAT[kind])
    profile = cProfile.Profile()
    profile.enable()
    for act in ready:
        act()
    profile.disable()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(lines)


def main() -> None:
    """Profile one kind of act."""
    parser = argparse.ArgumentParser(description="Where the time of one act goes.")
    parser.add_argument("kind", choices=sorted(REPEAT))
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--suite", choices=("1", "default"), default="1")
    parser.add_argument("--functions", action="store_true", help="use cProfile")
    parser.add_argument("--lines", type=int, default=25, help="how many functions to list")
    options = parser.parse_args()
    suite_id = 1 if options.suite == "1" else DEFAULT_SUITE
    if options.functions:
        functions(options.kind, suite_id, options.members, options.lines)
    else:
        breakdown(options.kind, suite_id, options.members)


if __name__ == "__main__":
    main()
