"""The figures of a running server: for the status page, for Prometheus, and for the host."""

import asyncio
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import alcove
from alcove.server.audit import Audit
from alcove.server.door import Door
from alcove.server.io.gate import Gate
from alcove.server.io.measures import cpu_seconds, memory_bytes
from alcove.server.io.noticing import Noticing
from alcove.server.io.sockets import Sockets
from alcove.server.io.works import Works, now_ms
from alcove.server.pages import SAMPLES_MAX, Outside, Status
from alcove.server.settings_together import registration
from alcove.server.store.database import Database, StorageError

SAMPLE_S = 60
"""How long one point of the status page's curves is."""
RATE_S = 5
"""Over how long the current rate of messages is averaged."""
SIZES_S = 30
"""How often sizes are asked of the database."""
FREE_S = 5
"""How often the disk is asked what is free: as often as new things may begin to be refused."""


@dataclass(frozen=True)
class Counters:
    """Who counts what was refused and found."""

    door: Door
    noticing: Noticing
    audit: Audit
    gate: Gate


class Figures(Collector):
    """What is counted, sampled by `tick` once a second."""

    def __init__(
        self, works: Works, sockets: Sockets, database: Database, blobs: Path, counters: Counters
    ) -> None:
        self._works, self._sockets = works, sockets
        self._database, self._blobs = database, blobs
        self._door, self._counters = counters.door, counters
        self.started_at = now_ms()
        self._entries: deque[int] = deque([0], maxlen=RATE_S + 1)
        self._rates: deque[float] = deque(maxlen=SAMPLES_MAX)
        self._connected: deque[float] = deque(maxlen=SAMPLES_MAX)
        self._sampled_entries = 0
        self._seconds = self._measure_at = self._look_at = 0
        self._peak = 0.0
        self._sizes = (0, 0)
        self._free: int | None = None

    @property
    def rate(self) -> float:
        """Messages a second, over the last few seconds."""
        seconds = max(1, len(self._entries) - 1)
        return (self._entries[-1] - self._entries[0]) / seconds

    def tick(self) -> None:
        """Take a sample; to be called once a second."""
        self._seconds += 1
        entries = self._works.hub.entries
        self._entries.append(entries)
        self._peak = max(self._peak, self.rate)
        if self._seconds % SAMPLE_S == 0:
            self._rates.append((entries - self._sampled_entries) / SAMPLE_S)
            self._connected.append(float(len(self._sockets)))
            self._sampled_entries = entries

    async def measure(self) -> None:
        """Ask for sizes now and then, in a thread; to be called once a second."""
        if self._seconds >= self._look_at:
            self._look_at = self._seconds + FREE_S
            self._free = await asyncio.to_thread(_free_bytes, self._blobs)
        if self._seconds >= self._measure_at:
            self._measure_at = self._seconds + SIZES_S
            with suppress(StorageError):  # Then the last ones stand.
                self._sizes = await asyncio.to_thread(_sizes_of, self._database)

    def status(self) -> Status:
        """Return what may be known on this machine."""
        (rooms, files), free = self._sizes, self._free
        settings = self._door.settings
        return Status(
            version=alcove.__version__,
            now=now_ms(),
            started_at=self.started_at,
            connected=len(self._sockets),
            connected_limit=settings.max_clients,
            online=self._works.hub.presence.count(),
            message_rate=round(self.rate, 1),
            message_rate_peak=round(self._peak, 1),
            refused=self._door.refused,
            room_bytes=rooms,
            file_bytes=files,
            free_bytes=free,
            database="SQLite" if self._database.is_local else "PostgreSQL",
            registration=registration(settings),
            sample_seconds=SAMPLE_S,
            connected_samples=tuple(self._connected),
            message_rate_samples=tuple(self._rates),
            server=self._door.server.hex(),
        )

    def outside(self) -> Outside:
        """Return what anybody may know."""
        return Outside(
            version=alcove.__version__,
            registration=registration(self._door.settings),
            server=self._door.server.hex(),
        )

    def collect(self) -> Iterator[Metric]:
        """Return the figures as Prometheus reads them."""
        (rooms, files), free = self._sizes, self._free
        hub, works = self._works.hub, self._works
        gauges: list[tuple[str, str, float]] = [
            ("alcove_connected_devices", "Connections now.", len(self._sockets)),
            ("alcove_online_accounts", "Accounts that are online and show it.",
             hub.presence.count()),
            ("alcove_messages_rate", "Entries a second, over the last seconds.", self.rate),
            ("alcove_database_bytes", "What the database takes.", rooms),
            ("alcove_blob_bytes", "What the stored files take.", files),
            ("alcove_disk_free_bytes", "What is free for the data folder.", free or 0),
            ("alcove_outgoing_bytes", "What waits for slow readers.",
             self._sockets.backlog.waiting_bytes),
            ("alcove_memory_bytes", "What the process takes of the machine's memory.",
             memory_bytes()),
            ("alcove_batch_largest", "Requests in the largest batch since the start.",
             works.commits.largest),
            ("alcove_started_seconds", "When the server was started.", self.started_at / 1000),
        ]  # fmt: skip
        counters: list[tuple[str, str, float]] = [
            ("alcove_entries", "Entries accepted and told to somebody.", hub.entries),
            ("alcove_pushes", "How often one of them was told.", hub.pushed),
            ("alcove_requests", "Requests carried out.", works.requests),
            ("alcove_batches", "Transactions and reads that carried them.", works.batches),
            (
                "alcove_cut_off",
                "Connections cut off because too much waited or came, or nothing was taken.",
                self._sockets.backlog.cut_off
                + self._sockets.incoming.cut_off
                + self._counters.gate.cut_off,
            ),
            ("alcove_refused_by_limits", "Requests that a limit refused.", self._door.refused),
            (
                "alcove_written",
                "Requests, and chores of the server, in batches that may write.",
                works.commits.jobs,
            ),
            ("alcove_failures", "Failures that nobody foresaw: the log has them.", works.failures),
            (
                "alcove_suspicious_events",
                "Patterns that a rule of the audit log has found.",
                self._counters.audit.suspicious,
            ),
            ("alcove_cpu_seconds", "How long processors have worked for it.", cpu_seconds()),
        ]
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
        for name, text, value in counters:
            yield CounterMetricFamily(name, text, value=value)
        text = "Requests and connections that were refused, by the refusal's code."
        refused = CounterMetricFamily("alcove_refused", text, labels=["code"])
        for code, count in self._counters.noticing.codes.items():
            refused.add_metric([code], count)
        yield refused
        yield HistogramMetricFamily(
            "alcove_commit_seconds",
            "How long a batch took to be on the disk; with PostgreSQL, to be carried out too.",
            buckets=list(works.commits.groups()),
            sum_value=works.commits.seconds,
        )


def _free_bytes(blobs: Path) -> int:
    """Return what is free where files are stored, or will be."""
    return shutil.disk_usage(blobs if blobs.exists() else Path()).free


def _sizes_of(database: Database) -> tuple[int, int]:
    """Return the sizes of the database and of all files, as announced."""
    connection = database.reader()
    try:
        (files,) = connection.one("SELECT COALESCE(SUM(size), 0) FROM blob") or (0,)
    finally:
        connection.close()
    return database.size_bytes(), int(files)
