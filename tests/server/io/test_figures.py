"""The figures of a running server: asked for beside the requests, never in their way."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alcove.server.handlers import blobs
from alcove.server.handlers import signing_in as handlers
from alcove.server.io.figures import FREE_S, SIZES_S
from alcove.server.io.gate import Line as GatedLine
from alcove.server.io.measures import BOUNDS_S, Commits, cpu_seconds, memory_bytes
from alcove.server.store.database import StorageError
from alcove.wire.accounts import PutProfile
from alcove.wire.events import GetEvents
from alcove.wire.greeting import NewToken
from alcove.wire.rooms import GetRooms
from tests.server.io.live import Line, Live, served


async def announce(live: Live, line: Line, size: int) -> None:
    await live.running.works.do(lambda tx: blobs.announce(tx, line.account, size, "never", tx.now))


@served()
async def test_sizes_are_asked_for_now_and_then(live: Live) -> None:
    figures, ada = live.running.figures, await live.newcomer("ada")
    await announce(live, ada, 1000)
    await figures.measure()
    status = figures.status()
    assert (status.file_bytes, status.room_bytes > 0, (status.free_bytes or 0) > 0) == (
        1000, True, True,
    )  # fmt: skip
    await announce(live, ada, 500)
    for _ in range(SIZES_S - 1):
        figures.tick()
    await figures.measure()
    assert figures.status().file_bytes == 1000
    figures.tick()
    await figures.measure()
    assert figures.status().file_bytes == 1500


@served()
async def test_the_free_space_is_looked_at_more_often_than_the_sizes(live: Live) -> None:
    figures = live.running.figures
    await figures.measure()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alcove.server.io.figures._free_bytes", lambda _: 7)
        await figures.measure()
        assert figures.status().free_bytes != 7
        for _ in range(FREE_S):
            figures.tick()
        await figures.measure()
    assert figures.status().free_bytes == 7


@served()
async def test_sizes_stand_while_the_database_does_not_answer(
    live: Live,
) -> None:
    figures, ada = live.running.figures, await live.newcomer("ada")
    await announce(live, ada, 1000)
    await figures.measure()

    def fail() -> int:
        raise StorageError

    for _ in range(SIZES_S):
        figures.tick()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures._database, "size_bytes", fail)
        await figures.measure()
    assert figures.status().file_bytes == 1000


# ---- Figures for Prometheus ----


def measured(live: Live) -> dict[str, float]:
    """Return every figure by its name, with its labels' values behind it."""
    registry = CollectorRegistry()
    registry.register(live.running.figures)
    text = generate_latest(registry).decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@served()
async def test_each_batch_is_counted_with_what_it_held_and_how_long_its_commit_took(
    live: Live,
) -> None:
    ada = await live.newcomer("ada")
    before = measured(live)
    for number in range(3):
        await ada.ask(PutProfile(body=bytes([number])))
    await ada.ask(GetRooms())
    after = measured(live)

    def more(name: str) -> float:
        return after[name] - before[name]

    assert (more("alcove_commit_seconds_count"), more("alcove_written_total")) == (3, 3)
    assert more("alcove_requests_total") == 4
    assert more("alcove_commit_seconds_bucket +Inf") == 3
    assert more("alcove_commit_seconds_sum") > 0
    assert after["alcove_batch_largest"] >= 1


def test_commits_are_grouped_by_how_long_they_took() -> None:
    commits = Commits()
    for seconds, jobs in ((0.0005, 1), (0.001, 7), (0.0011, 2), (60.0, 1)):
        commits.add(seconds, jobs)
    groups = dict(commits.groups())
    assert [groups[name] for name in ("0.001", "0.002", "5.0", "+Inf")] == [2, 3, 3, 4]
    assert (commits.count, commits.jobs, commits.largest) == (4, 11, 7)
    assert commits.seconds == pytest.approx(60.0026)
    assert len(groups) == len(BOUNDS_S) + 1


@served()
async def test_refusals_are_counted_by_code(live: Live) -> None:
    ada = await live.newcomer("ada")
    before = measured(live)
    assert (await ada.ask(GetEvents(everyone=True))).code == "host_only"
    await live.web.post(f"{live.address}/v1/find", json={"name": "ada"})
    after = measured(live)
    grown = {name: after[name] - before[name] for name in after if "alcove_refused" in name}
    assert {name: more for name, more in grown.items() if more} == {
        "alcove_refused_total host_only": 1,
        "alcove_refused_total sign_in_first": 1,
    }


class Untaken:
    """A transport in which bytes wait that nobody takes."""

    def get_write_buffer_size(self) -> int:
        return 1_000_000

    def abort(self) -> None:
        pass


@served(outgoing_total_bytes_max=1_048_576)
async def test_all_who_are_cut_off_are_counted(live: Live) -> None:
    running = live.running
    running.sockets.backlog.cut_off, running.sockets.incoming.cut_off = 10, 100
    manager: Any = SimpleNamespace(request_handler=None, request_factory=None)
    lines = [GatedLine(manager, loop=asyncio.get_running_loop()) for _ in range(2)]
    for line in lines:
        line.transport = cast("asyncio.Transport", Untaken())
        running.gate.add(line, "192.0.2.1")
    for line in lines:
        running.gate.hold(line)
    await asyncio.sleep(0)
    assert measured(live)["alcove_cut_off_total"] == 112
    for now_s in (0, 5):
        lines[0].be_stuck(now_s, 5)
    assert measured(live)["alcove_cut_off_total"] == 113
    for line in lines:
        running.gate.drop(line)


@served()
async def test_failures_that_nobody_foresaw_are_counted(live: Live) -> None:
    ada = await live.newcomer("ada")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handlers, "_make_token", None)
        assert (await ada.ask(NewToken())).code == "internal"
    assert measured(live)["alcove_failures_total"] == 1


@served()
async def test_what_is_suspicious_is_counted(live: Live) -> None:
    def many(kind: str) -> None:
        for _ in range(100):
            live.world.audit.add(live.now, kind, b"a" * 16, b"", "192.0.2.1", {}, False)

    many("signed_out")
    assert measured(live)["alcove_suspicious_events_total"] == 0
    many("login_failed")
    assert measured(live)["alcove_suspicious_events_total"] > 0


@served()
async def test_the_machine_is_measured_too(live: Live) -> None:
    began = cpu_seconds()
    found = measured(live)
    assert found["alcove_cpu_seconds_total"] >= began > 0
    assert found["alcove_memory_bytes"] == 0 or found["alcove_memory_bytes"] > 10_000_000


@pytest.mark.parametrize("text", [None, "", "12", "12 many"])
def test_memory_that_the_system_does_not_tell_is_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "statm"
    if text is not None:
        file.write_text(text)
    assert memory_bytes(file) == 0
