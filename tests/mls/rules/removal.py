"""Removes one check after the other, and sees its test turn red.

    python -m tests.mls.rules.removal [RULE…] [--some N] [--calls] [--workers N]

For every rule that the library raises, a forked process takes that one check out of the running
code (`sites` says how) and runs the tests marked with the rule.  A line says what became of it:

    3/3 accepted    three tests of three are red: the altered library took the message, which broke
                    this rule and no other
    … then RULE     … refused it later by another rule
    … then ERROR    … stumbled over it
    GREEN           the tests did not notice, or there are none: the program ends with 1

A rule that stands in several places is removed from all of them at once, then from each by itself;
`ELSEWHERE` lists the rules without which a message cannot be accepted, each with the reason.

All tests of a rule must turn red, and one at least must see a message accepted.  Rows of the page
that are *raised as* others are tried too, with the others' checks removed; some of their tests show
what is still allowed, so not all of these are red.  Last, every call of a check is left out, one at
a time, and any test of a rule that the check knows must turn red: a rule that is enforced in one
place may have been forgotten in another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from alcove.mls import PeerError
from tests.mls.rules.frankenstein import Accepted, OtherRule
from tests.mls.rules.sites import ASKED, Site, by_rule, calls, remove
from tests.mls.rules.table import PAGE, marked, raised_as, rows

SECONDS_MAX: Final = 60
"""How long one altered library may compute: without the check of a limit it may not end."""

# Rules without which a message still cannot be accepted, and why not.
ELSEWHERE: Final[dict[str, str]] = {
    "codec-varint-reserved": "the reader has no table for a form that does not exist",
    "commit-proposal-or-reference": "what is neither changes nothing that could be applied",
    "commit-unknown-reference": "an unknown proposal has nothing that could be applied",
    "external-init-decap": "what does not open holds no secret",
    "external-path": "without a path there is no key to verify with",
    "external-pub-missing": "nothing can be sealed to a key that is not there",
    "external-pub-valid": "nothing can be sealed to a key that is none",
    "frame-external-content": "a commit has no type to look up",
    "frame-external-index": "an entry that is not there has no key to verify with",
    "frame-new-commit-content": "a proposal has no path, so no key to verify with",
    "frame-new-proposal-add": "another proposal holds no key package, so no key to verify with",
    "frame-new-proposal-content": "what is no proposal is no Add either",
    "frame-sender-leaf": "a blank leaf has no key to verify with",
    "frame-sender-type-known": "what follows in the frame depends on the type",
    "join-extensions-supported": "the newcomer's leaf stands in the tree and is refused there",
    "join-signer-leaf": "a blank leaf has no key to verify with",
    "join-tree-missing": "without a tree there is nothing to join",
    "limit-epoch": "an epoch's number has eight bytes",
    "path-decrypt": "what does not open holds no secret",
    "path-key-fresh": "a key in use stands in the tree, and a path may hold none of those",
    "path-node-count": "path and tree are gone through side by side, and must end together",
    "private-decrypt": "what does not open has no content",
    "private-generation-reused": "the key is gone, so the message no longer opens",
    "private-sender-data": "what does not open has no content",
    "private-sender-data-length": "three fields of fixed length are not read out of more or less",
    "private-sender-leaf": "a blank leaf has no key to verify with",
    "psk-available": "no secret can be computed without the key",
    "psk-type-known": "what follows in the name of a key depends on the type",
    "reinit-committed": "there is no ReInit to compare with",
    "suite-known": "nothing can be computed in a suite that is not there",
    "tree-node-kind-by-place": "a tree's hash has no form for such a node",
    "update-key-missing": "a member without its own key has no next state",
    "welcome-decrypt": "what does not open holds no secrets",
    "welcome-info-decrypt": "what does not open has no content",
    "welcome-leaf": "without a leaf of its own a newcomer has no place in the tree",
    "welcome-recipient": "an entry that is not there holds no secrets",
}


class Trial(NamedTuple):
    """One alteration of the library."""

    rule: str
    """The rule; for a call the name of the check that is not called."""
    gone: tuple[Site, ...]
    alone: bool
    """Whether this is one place out of several."""
    shown_by: frozenset[str]
    """The rules whose tests have to notice."""

    @property
    def name(self) -> str:
        return f"{self.rule}@{self.gone[0]}" if self.alone else self.rule

    @property
    def by_others(self) -> bool:
        """Whether the rule is enforced under the names of others."""
        return self.rule not in [site.rule for site in self.gone]

    @property
    def excuse(self) -> str:
        """Why this trial may end otherwise than others, if so."""
        return "" if self.alone else ELSEWHERE.get(self.rule, "")


class Verdict(NamedTuple):
    """What the tests of a rule said of the library without it."""

    trial: Trial
    detail: str
    red: int
    """How many of the tests failed."""
    tests: int

    @property
    def accepted(self) -> bool:
        return self.detail == "accepted"

    @property
    def good(self) -> bool:
        """Whether this is what it has to be: of one place, that anyone notices that it is gone."""
        if self.trial.alone:
            return bool(self.red) != bool(self.trial.excuse)
        needed = 1 if self.trial.by_others else self.tests
        return self.red >= max(needed, 1) and self.accepted != bool(self.trial.excuse)


def trials(rules: list[str]) -> list[Trial]:
    """Return what has to be tried for these rules."""
    made = []
    for rule in rules:
        found, shown_by = by_rule().get(rule, []), frozenset({rule})
        made.append(Trial(rule, tuple(found), alone=False, shown_by=shown_by))
        if len(found) > 1 and rule not in ASKED:
            made += [Trial(rule, (site,), alone=True, shown_by=shown_by) for site in found]
    return made


def trials_of_rows() -> list[Trial]:
    """Return one for each row of the page whose offenders are refused by another row's id."""
    made = []
    for row in rows(PAGE.read_text(encoding="utf-8")):
        gone = tuple(site for rule in raised_as(row) for site in by_rule()[rule])
        if gone and row.rule in marked() and row.rule not in by_rule():
            made.append(Trial(row.rule, gone, alone=False, shown_by=frozenset({row.rule})))
    return made


def trials_of_calls() -> list[Trial]:
    """Return one for each place that calls a check."""
    also = {row.rule: raised_as(row) for row in rows(PAGE.read_text(encoding="utf-8"))}
    made = []
    for site, rules in calls():
        shown_by = rules.union(row for row, others in also.items() if rules.intersection(others))
        made.append(Trial(site.rule, (site,), alone=True, shown_by=shown_by))
    return made


def fixed_slice(count: int) -> list[str]:
    """Return some rules, always the same: those whose hashes are smallest."""
    return sorted(by_rule(), key=lambda rule: hashlib.sha256(rule.encode()).digest())[:count]


class Plugin:
    """Collects the tests once, then forks for every trial."""

    def __init__(self, wanted: list[Trial], workers: int) -> None:
        self.wanted = wanted
        self.workers = workers
        self.verdicts: list[Verdict] = []
        self.failures: list[str] = []
        self.uncollected: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.uncollected.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        if call.excinfo is not None:
            self.failures.append(_told(call.excinfo.value))
        return (yield)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.uncollected:
            return True
        waiting = list(reversed(self.wanted))
        running: dict[int, tuple[Trial, int, int]] = {}
        while waiting or running:
            while waiting and len(running) < self.workers:
                trial = waiting.pop()
                items = [item for item in session.items if _shows(item, trial)]
                pid, pipe = self._start(trial, items)
                running[pid] = trial, len(items), pipe
            pid, status = os.wait()
            if pid in running:
                self.verdicts.append(_verdict(*running.pop(pid), status))
        return True

    def _start(self, trial: Trial, items: list[pytest.Item]) -> tuple[int, int]:
        """Try one alteration in a process of its own; it writes what failed into a pipe."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return pid, reading
        signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
        try:
            remove(list(trial.gone))
            for at, item in enumerate(items):
                following = items[at + 1] if at + 1 < len(items) else None
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            os.write(writing, json.dumps(self.failures).encode()[:60_000])
        finally:
            os._exit(0)


def _shows(item: pytest.Item, trial: Trial) -> bool:
    """Say whether a test has to notice."""
    rules = [rule for mark in item.iter_markers("rule") for rule in mark.args]
    return not trial.shown_by.isdisjoint(rules)


def _told(error: BaseException) -> str:
    """Say how a test failed."""
    if isinstance(error, Accepted):
        return "accepted"
    if isinstance(error, OtherRule):
        return f"then {error.args[0].split()[2]}"
    if isinstance(error, PeerError):
        return f"then {error.rule}"
    return f"then {type(error).__name__}"


def _verdict(trial: Trial, tests: int, pipe: int, status: int) -> Verdict:
    with os.fdopen(pipe, "rb") as stream:
        written = stream.read()
    if os.WIFSIGNALED(status):
        return Verdict(trial, "then no end", tests, tests)
    failures: list[str] = json.loads(written or b"[]")
    if not failures:
        why = "" if tests else ": there is no test"
        return Verdict(trial, f"GREEN{why}" if written else "cannot be tried", 0, tests)
    best = "accepted" if "accepted" in failures else failures[0]
    return Verdict(trial, best, len(failures), tests)


def run(wanted: list[Trial], workers: int) -> list[Verdict]:
    """Try everything that is wanted; return what came of it, in the same order.

    The library as it is comes first: a test that fails anyway would prove nothing.
    """
    everything = frozenset[str]().union(*(trial.shown_by for trial in wanted))
    untouched = Trial("the library as it is", (), alone=False, shown_by=everything)
    wanted = [untouched, *wanted]
    plugin = Plugin(wanted, workers)
    folder = str(Path(__file__).parent)
    quiet = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist"]
    pytest.main([folder, *quiet], plugins=[plugin])
    if len(plugin.verdicts) != len(wanted):
        raise SystemExit(f"the tests cannot be collected: {', '.join(plugin.uncollected)}")
    before, *verdicts = sorted(plugin.verdicts, key=lambda verdict: wanted.index(verdict.trial))
    if before.red:
        raise SystemExit(f"{before.red} of {before.tests} tests fail already, {before.detail}")
    return verdicts


def main(arguments: list[str]) -> int:
    """Try the rules that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="removal", description=__doc__.partition("\n")[0])
    parser.add_argument("rules", nargs="*", metavar="RULE")
    parser.add_argument("--some", type=int, metavar="N", help="a fixed choice of N rules")
    parser.add_argument("--calls", action="store_true", help="the calls of checks, and no rules")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    chosen = parser.parse_args(arguments)
    unknown = [rule for rule in chosen.rules if rule not in by_rule()]
    if unknown:
        parser.error(f"the library raises no {', '.join(unknown)}")
    if chosen.calls:
        wanted = trials_of_calls()
    elif chosen.rules or chosen.some:
        wanted = trials(chosen.rules or fixed_slice(chosen.some))
    else:
        wanted = trials(list(by_rule())) + trials_of_rows() + trials_of_calls()
    verdicts = run(wanted, chosen.workers)
    for verdict in verdicts:
        why = f" ({verdict.trial.excuse})" if verdict.trial.excuse else ""
        state = "ok " if verdict.good else "BAD"
        count = f"{verdict.red}/{verdict.tests}"
        print(f"{state} {verdict.trial.name}: {count} {verdict.detail}{why}")
    whole = [verdict for verdict in verdicts if not verdict.trial.alone]
    bad = [verdict for verdict in verdicts if not verdict.good]
    print(
        f"{len(whole)} rules, {sum(v.red > 0 for v in whole)} red, "
        f"{sum(v.accepted for v in whole)} accepted without their check; "
        f"{len(verdicts) - len(whole)} single places and calls; {len(bad)} not as they should be"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
