"""Buckets and pauses: never more and never longer than was said, whatever the clock does."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.server.limits import CLOCK_SLACK_MS, QUIET_MS, Buckets, Memory, Pauses, SteadyClock
from alcove.server.limits import network as network_of
from alcove.server.settings import Rate

NOW = 1_700_000_000_000
DAY_MS = 86_400_000
KEY = ("message", b"d" * 16)

rates = st.builds(
    Rate, st.integers(1, 1000), st.sampled_from([1, 60, 3600, 86_400]), st.integers(1, 300)
)


@dataclass(frozen=True)
class Move:
    """Time passes, then somebody sets the clock, then something is asked for."""

    passed_ms: int
    set_ms: int
    cost: int


def moves(least_set_ms: int, most_set_ms: int) -> st.SearchStrategy[list[Move]]:
    passed = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 100_000))
    sets = st.one_of(st.just(0), st.just(0), st.integers(least_set_ms, most_set_ms))
    return st.lists(st.builds(Move, passed, sets, st.integers(1, 300)), max_size=40)


# ---- The clock ----


@given(st.lists(st.integers(0, 10**13)))
def test_a_steady_clock_never_goes_back(readings: list[int]) -> None:
    clock = SteadyClock()
    steady = [clock.read(reading) for reading in readings]
    assert steady == sorted(steady)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, CLOCK_SLACK_MS))))
def test_readers_that_differ_a_little_do_not_make_a_clock_fast(
    readings: list[tuple[int, int]],
) -> None:
    clock, true = SteadyClock(), NOW
    for passed_ms, late_ms in readings:
        true += passed_ms
        assert true - CLOCK_SLACK_MS <= clock.read(true - late_ms) <= true


@given(st.integers(CLOCK_SLACK_MS + 1, 10**12), st.integers(0, 10**6))
def test_a_clock_that_was_set_back_far_goes_on(set_ms: int, passed_ms: int) -> None:
    clock = SteadyClock()
    clock.read(NOW)
    clock.read(NOW - set_ms)
    assert clock.read(NOW - set_ms + passed_ms) == NOW + passed_ms


# ---- Buckets ----


def test_a_burst_is_allowed_at_once_and_the_next_after_its_time() -> None:
    buckets, rate = Buckets(10), Rate(2, 1, 5)
    assert [buckets.take(KEY, rate, NOW) for _ in range(6)] == [0, 0, 0, 0, 0, 500]
    assert buckets.take(KEY, rate, NOW + 499) == 1
    assert buckets.take(KEY, rate, NOW + 500) == 0
    assert buckets.take(KEY, rate, NOW + 500) == 500


def test_a_part_of_a_millisecond_is_waited_for_whole() -> None:
    buckets, rate = Buckets(10), Rate(3, 1, 1)
    assert [buckets.take(KEY, rate, NOW + at) for at in (0, 0, 333, 334)] == [0, 334, 1, 0]


@pytest.mark.parametrize("passed_ms", [2500, 2501, DAY_MS])
def test_a_bucket_never_holds_more_than_its_burst(passed_ms: int) -> None:
    buckets, rate = Buckets(10), Rate(2, 1, 5)
    assert buckets.take(KEY, rate, NOW, 5) == 0
    assert buckets.take(KEY, rate, NOW + passed_ms, 5) == 0
    assert buckets.take(KEY, rate, NOW + passed_ms) == 500


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets, rate = Buckets(10), Rate(1, 60, 1)
    assert buckets.take(("message", b"a"), rate, NOW) == 0
    assert buckets.take(("message", b"b"), rate, NOW) == 0
    assert buckets.take(("claim", b"a"), rate, NOW) == 0
    assert buckets.take(("message", b"a"), rate, NOW) == 60_000


@given(rates, moves(-DAY_MS, DAY_MS))
def test_no_window_sees_more_than_the_burst_and_the_rate(rate: Rate, walk: list[Move]) -> None:
    buckets, shown, advanced = Buckets(10), NOW, 0
    allowed: list[tuple[int, int]] = []
    for move in walk:
        shown += move.passed_ms + move.set_ms
        # What a clock set forward skips has passed, as far as anybody here can know.
        advanced += move.passed_ms + max(move.set_ms, 0)
        cost = min(move.cost, rate.burst)
        if buckets.take(KEY, rate, shown, cost) == 0:
            allowed.append((advanced, cost))
    for start, (began, _) in enumerate(allowed):
        taken = 0
        for at, cost in allowed[start:]:
            taken += cost
            assert (taken - rate.burst) * rate.per_s * 1000 <= rate.count * (at - began)


@given(rates, moves(0, 0), st.integers(1, 300))
def test_whoever_waits_as_told_is_let_in_and_not_a_moment_earlier(
    rate: Rate, walk: list[Move], cost: int
) -> None:
    buckets, now, cost = Buckets(10), NOW, min(cost, rate.burst)
    for move in walk:
        now += move.passed_ms
        buckets.take(KEY, rate, now, move.cost)
    wait = buckets.take(KEY, rate, now, cost)
    if wait:
        assert buckets.take(KEY, rate, now + wait - 1, cost) == 1
        assert buckets.take(KEY, rate, now + wait, cost) == 0


@given(rates, moves(-DAY_MS, DAY_MS), st.integers(-10 * DAY_MS, 10 * DAY_MS))
def test_a_clock_that_is_set_makes_nobody_wait_much_longer_than_told(
    rate: Rate, walk: list[Move], set_ms: int
) -> None:
    buckets, shown = Buckets(10), NOW
    for move in walk:
        shown += move.passed_ms + move.set_ms
        buckets.take(KEY, rate, shown)
    wait = next(filter(None, (buckets.take(KEY, rate, shown) for _ in range(rate.burst + 1))))
    assert wait <= -(-rate.per_s * 1000 // rate.count)
    buckets.take(("other", b""), rate, shown + set_ms)
    assert buckets.take(KEY, rate, shown + set_ms + wait + CLOCK_SLACK_MS) == 0


def test_a_clock_set_back_hands_out_nothing() -> None:
    buckets, rate = Buckets(10), Rate(1, 1, 3)
    assert [buckets.take(KEY, rate, NOW) for _ in range(3)] == [0, 0, 0]
    assert buckets.take(KEY, rate, NOW - DAY_MS) == 1000
    assert buckets.take(KEY, rate, NOW - DAY_MS + 1000) == 0
    assert buckets.take(KEY, rate, NOW - DAY_MS + 1000) == 1000


@pytest.mark.parametrize("cost", [6, 20])
def test_what_costs_more_than_a_burst_waits_for_a_full_bucket_and_is_paid_off(cost: int) -> None:
    buckets, rate = Buckets(10), Rate(1, 1, 5)
    assert buckets.take(KEY, rate, NOW) == 0
    assert buckets.take(KEY, rate, NOW, cost) == 1000
    assert buckets.take(KEY, rate, NOW + 1000, cost) == 0
    assert buckets.take(KEY, rate, NOW + 1000) == (cost - 4) * 1000
    assert buckets.take(KEY, rate, NOW + 1000, cost) == cost * 1000


def test_a_new_setting_counts_at_once() -> None:
    buckets = Buckets(10)
    assert buckets.take(KEY, Rate(1, 86_400, 1), NOW) == 0
    assert buckets.take(KEY, Rate(1, 86_400, 1), NOW) == DAY_MS
    assert buckets.take(KEY, Rate(1, 1, 2), NOW) == 0
    assert buckets.take(KEY, Rate(1, 1, 2), NOW) == 0
    assert buckets.take(KEY, Rate(1, 1, 2), NOW) == 1000


# ---- Forgetting ----


def test_a_flood_of_others_does_not_refill_a_bucket() -> None:
    buckets = Buckets(100)
    assert buckets.take(KEY, Rate(1, 86_400, 1), NOW) == 0
    for number in range(10_000):
        # Ten of the others are in use at any time; the bucket of each is full a second later.
        assert buckets.take(("message", number), Rate(1, 1, 1), NOW + number * 100) == 0
    assert buckets.take(KEY, Rate(1, 86_400, 1), NOW + 1_000_000) == DAY_MS - 1_000_000
    assert len(buckets._items) == 100


def test_when_every_bucket_is_in_use_the_one_soonest_full_is_forgotten() -> None:
    buckets, slow, fast = Buckets(3), Rate(1, 3600, 1), Rate(1, 60, 1)
    for who, rate in ((b"a", slow), (b"b", fast), (b"c", slow), (b"d", slow)):
        assert buckets.take(("x", who), rate, NOW) == 0
    assert list(buckets._items) == [("x", b"a"), ("x", b"c"), ("x", b"d")]


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 3)), max_size=80),
)
def test_what_matters_is_forgotten_only_when_there_is_nothing_better(
    max_keys: int, steps: list[tuple[int, int, int]]
) -> None:
    memory: Memory[int] = Memory(max_keys, lambda until, now: until - now)
    now = 0
    for key, matters_ms, passed_ms in steps:
        now += passed_ms
        if key in memory.items:
            continue
        before = dict(memory.items)
        memory.add(key, now + matters_ms, now)
        assert memory.items[key] == now + matters_ms
        assert len(memory.items) <= max_keys
        gone = [until for old, until in before.items() if old not in memory.items]
        assert len(gone) == (len(before) == max_keys)
        if gone and max_keys <= 8:
            assert gone[0] <= now or gone[0] == min(before.values())


def test_a_memory_for_nothing_and_two_items_of_one_key_are_our_own_mistakes() -> None:
    with pytest.raises(AssertionError):
        Buckets(0)
    memory: Memory[int] = Memory(2, lambda until, now: until - now)
    memory.add("a", 1, 0)
    with pytest.raises(AssertionError):
        memory.add("a", 2, 0)


# ---- Pauses ----


def test_once_in_a_while_is_once_in_a_while() -> None:
    pauses = Pauses(10)
    assert pauses.once(KEY, 2000, NOW) == 0
    assert pauses.once(KEY, 2000, NOW) == 2000
    assert pauses.once(KEY, 2000, NOW + 1999) == 1
    assert pauses.once(("other", b""), 2000, NOW + 1999) == 0
    assert pauses.once(KEY, 2000, NOW + 2000) == 0
    assert pauses.once(KEY, 2000, NOW + 2000) == 2000


def test_asking_how_long_to_wait_begins_no_pause() -> None:
    pauses = Pauses(10)
    assert pauses.wait(KEY, NOW) == 0
    assert pauses.once(KEY, 2000, NOW) == 0
    assert pauses.wait(KEY, NOW + 500) == 1500
    assert pauses.wait(KEY, NOW + 5000) == 0
    assert pauses.once(KEY, 2000, NOW + 5000) == 0


def test_a_pause_doubles_up_to_a_day() -> None:
    pauses, now, waits = Pauses(10), NOW, []
    for _ in range(14):
        assert pauses.doubling(KEY, 60_000, DAY_MS, now) == 0
        waits.append(pauses.doubling(KEY, 60_000, DAY_MS, now))
        now += waits[-1]
    assert waits == [min(60_000 * 2**number, DAY_MS) for number in range(14)]


def test_trying_too_early_makes_a_pause_no_longer() -> None:
    pauses = Pauses(10)
    assert pauses.doubling(KEY, 60_000, DAY_MS, NOW) == 0
    for passed_ms in range(0, 60_000, 1000):
        assert pauses.doubling(KEY, 60_000, DAY_MS, NOW + passed_ms) == 60_000 - passed_ms
    assert pauses.doubling(KEY, 60_000, DAY_MS, NOW + 60_000) == 0
    assert pauses.wait(KEY, NOW + 60_000) == 120_000


@pytest.mark.parametrize(("quiet_ms", "wait_ms"), [(QUIET_MS - 1, 120_000), (QUIET_MS, 60_000)])
def test_a_quiet_day_after_its_end_makes_a_pause_short_again(quiet_ms: int, wait_ms: int) -> None:
    pauses = Pauses(10)
    assert pauses.doubling(KEY, 60_000, DAY_MS, NOW) == 0
    later = NOW + 60_000 + quiet_ms
    assert pauses.doubling(KEY, 60_000, DAY_MS, later) == 0
    assert pauses.wait(KEY, later) == wait_ms


@given(
    st.integers(0, 10**6), st.integers(0, 10**7), moves(-DAY_MS, DAY_MS), st.integers(-DAY_MS, 0)
)
def test_a_pause_lasts_no_longer_than_it_said_whatever_the_clock_does(
    first_ms: int, most_ms: int, walk: list[Move], set_ms: int
) -> None:
    pauses, shown = Pauses(10), NOW
    for move in walk:
        shown += move.passed_ms + move.set_ms
        pauses.doubling(KEY, first_ms, most_ms, shown)
    pauses.doubling(KEY, first_ms, most_ms, shown)
    wait = pauses.wait(KEY, shown)
    assert wait <= most_ms
    pauses.wait(KEY, shown + set_ms)
    assert pauses.doubling(KEY, first_ms, most_ms, shown + set_ms + wait + CLOCK_SLACK_MS) == 0


@given(st.integers(1, 10**6), moves(-DAY_MS, DAY_MS))
def test_two_times_are_never_closer_than_the_pause(every_ms: int, walk: list[Move]) -> None:
    pauses, shown, advanced, last = Pauses(10), NOW, 0, -(10**9)
    for move in walk:
        shown += move.passed_ms + move.set_ms
        advanced += move.passed_ms + max(move.set_ms, 0)
        if pauses.once(KEY, every_ms, shown) == 0:
            assert advanced - last >= every_ms
            last = advanced


def test_a_clock_that_is_set_back_takes_no_more_than_what_went_since_time_was_heard() -> None:
    pauses = Pauses(10)
    assert pauses.once(KEY, 60_000, NOW) == 0
    pauses.hear(NOW + 50_000)
    assert pauses.wait(KEY, NOW + 1_000 - DAY_MS) == 10_000
    assert pauses.wait(KEY, NOW + 11_000 - DAY_MS) == 0


def test_a_flood_of_others_does_not_end_a_pause() -> None:
    pauses = Pauses(100)
    assert pauses.doubling(KEY, DAY_MS, DAY_MS, NOW) == 0
    for number in range(5000):
        assert pauses.once(("commit", number), 1000, NOW + number * 100) == 0
    assert pauses.wait(KEY, NOW + 500_000) == DAY_MS - 500_000
    assert len(pauses._items) == 100


# ---- Whose address ----


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_addresses_of_one_person_share_their_limits(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.text())
def test_whatever_stands_for_an_address_has_a_network(address: str) -> None:
    assert isinstance(network_of(address), str)
