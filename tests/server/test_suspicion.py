"""Suspicious patterns: each rule finds what it says, nothing else, and not a thousand times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.server.audit_kinds import HOST_ONLY, KINDS
from alcove.server.suspicion import PARTS_MAX, RULES, Finding, Rule, Suspicion

NOW = 1_700_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ANNA = b"anna............"
HERE = "192.0.2.7"

BY_NAME = {rule.name: rule for rule in RULES}


def see_evenly(watcher: Suspicion, rule: Rule, count: int, within_ms: int) -> list[Finding]:
    """Show a rule so many of its events, spread over a time; what must come before comes first."""
    found = [finding for kind in rule.after for finding in watcher.see(kind, ANNA, HERE, NOW)]
    for number in range(count):
        account = number.to_bytes(16, "big") if rule.different else ANNA
        now = NOW + within_ms * number // max(count - 1, 1)
        found += watcher.see(rule.kinds[number % len(rule.kinds)], account, HERE, now)
    return [finding for finding in found if finding.rule == rule.name]


# ---- The tables ----


def test_rules_and_the_host_only_list_speak_of_kinds_that_exist() -> None:
    spoken_of = [kind for rule in RULES for kind in rule.kinds + rule.after]
    assert [kind for kind in (*spoken_of, *HOST_ONLY) if kind not in KINDS] == []


def test_every_rule_has_a_name_of_its_own_and_a_sentence_with_its_numbers() -> None:
    assert len(BY_NAME) == len(RULES)
    for rule in RULES:
        assert rule.text.endswith(".")
        assert "{" not in rule.text
        assert rule.count == 1 or f"{rule.count:,}" in rule.text
    assert BY_NAME["many_claims"].text == (
        "One account claimed key packages 1,000 times within an hour."
    )
    assert BY_NAME["password_guessing"].text.endswith("within 10 minutes.")
    assert BY_NAME["unwanted_requests"].text.endswith("within 24 hours.")


def test_every_kind_has_a_sentence_for_people() -> None:
    for kind, sentence in KINDS.items():
        assert kind == kind.lower()
        assert kind.replace("_", "").isalpha()
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert len(set(KINDS.values())) == len(KINDS)


# ---- Each rule ----


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_its_pattern(rule: Rule) -> None:
    within = rule.window_ms if rule.count <= PARTS_MAX else rule.window_ms * 31 // 32
    found = see_evenly(Suspicion(), rule, rule.count, within)
    told = ANNA if rule.per == "account" and not rule.host_only else None
    assert found == [Finding(rule.name, told, HERE, rule.count, rule.text)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_nothing_in_one_event_less(rule: Rule) -> None:
    assert see_evenly(Suspicion(), rule, rule.count - 1, 0) == []


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.count > 1], ids=lambda rule: rule.name
)
def test_a_rule_finds_nothing_in_what_took_longer_than_its_window(rule: Rule) -> None:
    within = rule.window_ms + rule.window_ms // (rule.count - 1) + rule.count
    assert see_evenly(Suspicion(), rule, rule.count, within) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_goes_on_is_found_once_in_a_window(rule: Rule) -> None:
    watcher = Suspicion()
    assert len(see_evenly(watcher, rule, 5 * rule.count, rule.window_ms - 1)) == 1


def test_what_still_goes_on_after_the_window_is_found_again() -> None:
    watcher = Suspicion()
    minutes = [
        minute
        for minute in range(60)
        if watcher.see("login_failed", ANNA, HERE, NOW + minute * MINUTE_MS)
    ]
    assert minutes == [4, 18, 32, 46]


@pytest.mark.parametrize("different", [False, True])
def test_what_was_found_is_not_counted_again(different: bool) -> None:
    watcher = Suspicion([Rule("rule", ("kind",), "address", 2, 1000, ".", different=different)])
    assert watcher.see("kind", b"a", HERE, NOW) == []
    assert len(watcher.see("kind", b"b", HERE, NOW)) == 1
    assert watcher.see("kind", b"c", HERE, NOW + 1000) == []
    assert len(watcher.see("kind", b"d", HERE, NOW + 1000)) == 1


def test_accounts_and_addresses_are_counted_apart() -> None:
    watcher = Suspicion()
    for number in range(4 * 9):
        account = (number % 9).to_bytes(16, "big")
        assert watcher.see("login_failed", account, f"198.51.100.{number}", NOW) == []


def test_addresses_of_one_network_are_counted_together() -> None:
    watcher = Suspicion()
    found = [
        finding.rule
        for number in range(20)
        for finding in watcher.see("login_unknown", None, f"2001:db8::{number:x}", NOW)
    ]
    assert found == ["name_guessing"]


def test_the_same_account_failing_again_is_not_another_account() -> None:
    watcher, rule = Suspicion(), BY_NAME["password_spraying"]
    found = [
        finding
        for number in range(500)
        for finding in watcher.see("login_failed", bytes([number % 9]) * 16, HERE, NOW)
    ]
    assert rule.name not in [finding.rule for finding in found]
    found = watcher.see("login_failed", b"9" * 16, HERE, NOW)
    assert [finding.rule for finding in found] == [rule.name]


@pytest.mark.parametrize(
    ("passed_ms", "is_found"), [(0, True), (10 * MINUTE_MS, True), (10 * MINUTE_MS + 1, False)]
)
def test_a_box_handed_out_soon_after_a_new_device_is_found(passed_ms: int, is_found: bool) -> None:
    watcher = Suspicion()
    assert watcher.see("device_added", ANNA, HERE, NOW) == []
    assert bool(watcher.see("box_opened", ANNA, HERE, NOW + passed_ms)) == is_found


def test_a_box_handed_out_before_a_new_device_is_the_usual_way() -> None:
    watcher = Suspicion()
    assert watcher.see("box_opened", ANNA, HERE, NOW) == []
    assert watcher._watches.items == {}
    assert watcher.see("device_added", ANNA, HERE, NOW + 1000) == []
    assert watcher.see("box_opened", b"b" * 16, HERE, NOW + 2000) == []


@pytest.mark.parametrize("account", [None, b""])
def test_events_of_nobody_and_from_nowhere_are_not_counted(account: bytes | None) -> None:
    watcher = Suspicion()
    for kind in KINDS:
        for _ in range(50):
            assert watcher.see(kind, account, "", NOW) == []
    assert watcher._watches.items == {}


def test_nobody_is_told_that_his_requests_were_declined() -> None:
    found = see_evenly(Suspicion(), BY_NAME["unwanted_requests"], 10, HOUR_MS)
    assert [finding.account for finding in found] == [None]


# ---- Any rule, any stream ----

events = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), max_size=120)


@given(st.integers(1, PARTS_MAX), st.integers(1, 3000), events)
def test_a_small_count_is_exact(count: int, window_ms: int, stream: list[tuple[int, int]]) -> None:
    rule = Rule("rule", ("kind",), "account", count, window_ms, ".")
    watcher, now = Suspicion([rule]), NOW
    counted: dict[int, list[int]] = {}
    quiet: dict[int, int] = {}
    for passed_ms, who in stream:
        now += passed_ms
        is_found = False
        if now >= quiet.get(who, 0):
            times = [at for at in counted.get(who, []) if at >= now - window_ms] + [now]
            is_found = len(times) == count
            counted[who] = [] if is_found else times
            quiet[who] = now + window_ms if is_found else 0
        assert bool(watcher.see("kind", bytes([who + 1]), HERE, now)) == is_found


@given(st.integers(1, PARTS_MAX), st.integers(1, 3000), events)
def test_different_accounts_are_counted_exactly(
    count: int, window_ms: int, stream: list[tuple[int, int]]
) -> None:
    rule = Rule("rule", ("kind",), "address", count, window_ms, ".", different=True)
    watcher, now, quiet_until = Suspicion([rule]), NOW, 0
    last: dict[int, int] = {}
    for passed_ms, who in stream:
        now += passed_ms
        is_found = False
        if now >= quiet_until:
            last[who] = now
            is_found = len([at for at in last.values() if at >= now - window_ms]) >= count
            if is_found:
                last, quiet_until = {}, now + window_ms
        assert bool(watcher.see("kind", bytes([who + 1]), HERE, now)) == is_found


@given(st.integers(33, 60), st.integers(33, 3000), events)
def test_a_large_count_is_never_too_high_and_hardly_too_low(
    count: int, window_ms: int, stream: list[tuple[int, int]]
) -> None:
    rule = Rule("rule", ("kind",), "account", count, window_ms, ".")
    watcher, now, quiet_until = Suspicion([rule]), NOW, 0
    times: list[int] = []
    for passed_ms, _ in stream:
        now += passed_ms // 8
        is_found = bool(watcher.see("kind", ANNA, HERE, now))
        if now < quiet_until:
            assert not is_found
            continue
        times.append(now)
        in_all = len([at for at in times if at >= now - window_ms])
        in_most = len([at for at in times if at >= now - (window_ms - window_ms // PARTS_MAX)])
        assert in_all >= count or not is_found
        assert in_most < count or is_found
        if is_found:
            times, quiet_until = [], now + window_ms


@given(st.lists(st.integers(0, 10**13), max_size=60))
def test_no_clock_makes_a_rule_find_one_thing_twice_in_a_window(readings: list[int]) -> None:
    watcher = Suspicion([Rule("rule", ("kind",), "account", 2, 10**15, ".")])
    found = [finding for now in readings for finding in watcher.see("kind", ANNA, HERE, now)]
    assert len(found) <= 1


# ---- Memory ----


def test_memory_is_bounded_and_a_flood_does_not_hide_who_still_matters() -> None:
    slow = Rule("slow", ("login_failed",), "account", 5, 24 * HOUR_MS, ".")
    fast = Rule("fast", ("code_failed",), "account", 2, 1000, ".")
    watcher = Suspicion([slow, fast], max_watched=100)
    for _ in range(4):
        assert watcher.see("login_failed", ANNA, HERE, NOW) == []
    for number in range(5000):
        # Each of the others matters for a second: ten of them at any time.
        watcher.see("code_failed", number.to_bytes(16, "big"), HERE, NOW + number * 100)
    assert len(watcher._watches.items) == 100
    assert len(watcher.see("login_failed", ANNA, HERE, NOW + HOUR_MS)) == 1


@pytest.mark.parametrize("count", [1, PARTS_MAX, PARTS_MAX + 1, 1000])
def test_what_one_rule_remembers_of_one_account_is_bounded(count: int) -> None:
    watcher = Suspicion([Rule("rule", ("kind",), "account", count, 5000, ".")])
    for number in range(500):
        watcher.see("kind", ANNA, HERE, NOW + number * 7)
        (watch,) = watcher._watches.items.values()
        assert len(watch.parts) <= PARTS_MAX + 2


@pytest.mark.parametrize(
    "rule",
    [
        Rule("rule", ("kind",), "address", PARTS_MAX + 1, 1000, ".", different=True),
        Rule("rule", ("kind",), "account", 2, 1000, ".", different=True),
    ],
)
def test_a_rule_that_cannot_be_watched_is_our_own_mistake(rule: Rule) -> None:
    with pytest.raises(AssertionError):
        Suspicion([rule])
