"""The bare limits of this machine at this moment: sockets without a store, a store without sockets.

bare_forward_rate   the frames of W1 through `forwarder`, which passes them on and keeps nothing
bare_relay_…        the frames of W2 through the same
bare_store_rate     SQLite alone: the same table and settings, rows of the same size, 100 a commit
bare_commit_ms      the same with one row a commit
bare_file_mbps      a plain file, written and flushed

The same load generator sends the same frames with the same windows, and the same core computes.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alcove.server.store.opening import open_sqlite
from alcove.server.store.sqlite import SqliteDatabase
from alcove.server.tx import ENTRIES
from alcove.wire.codec import decode_requests
from alcove.wire.entries import Append, Stored
from alcove.wire.greeting import SignedIn
from benches.server import forwarder
from benches.server.crowd import (
    MEMBERS,
    SENDERS,
    Crowd,
    Listener,
    Read,
    SendingListener,
    last_milliseconds,
)
from benches.server.flow import Party, Receiver, Run, Sender, clock, measure
from benches.server.house import SERVER_CORE, Process, free_port, on_core
from benches.server.lines import Lines
from benches.server.link import ID_BASE, Address, BenchError, Device, connect
from benches.server.pairs import PAIRS, WINDOW
from benches.server.people import Person
from benches.server.plan import Plan
from benches.server.rooms import Messages, Room

START_S: Final = 10
STORE_ROOMS: Final = 100
BATCH: Final = 100
FILE_BYTES: Final = 1024 * 1024 * 1024
QUICK_FILE_BYTES: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024


def run(plan: Plan) -> None:
    """Measure all bare limits."""
    forward(plan)
    with on_core(SERVER_CORE):
        store(plan)
        file(plan)


# ---- Sockets without a store ----


class BareSender(Sender):
    """A sender whose answers are the first bytes of its own frames."""

    def _answered(self, frame: bytes) -> int:
        return list_size(frame, 1) if frame.startswith(forwarder.ANSWERS) else 0


class BareReceiver(Receiver):
    """A receiver who gets frames as they were sent."""

    def on_frame(self, frame: bytes) -> None:
        if frame.startswith(forwarder.ANSWERS):
            return
        now = clock()
        is_on = self._run.is_on(now)
        for request in decode_requests(frame):
            assert isinstance(request, Append)
            log = self._logs[request.room]
            (entry,) = request.entries
            self._take(
                request.room,
                [Stored(log.next_seq, 0, entry.header, entry.body)],
                now,
                is_on=is_on,
            )


class BareSendingListener(SendingListener):
    """A member of a bare room who sends, and gets what the others send."""

    def on_frame(self, frame: bytes) -> None:
        if frame.startswith(forwarder.ANSWERS):
            Sender.on_frame(self, frame)
        else:
            self._listener.on_frame(frame)

    def _answered(self, frame: bytes) -> int:
        return list_size(frame, 1)


def list_size(frame: bytes, at: int) -> int:
    """Return how many things the msgpack list at this place holds."""
    first = frame[at]
    return first & 0xF if first & 0xF0 == 0x90 else int.from_bytes(frame[at + 1 : at + 3], "big")


@contextmanager
def forwarding(folder: Path) -> Iterator[tuple[Address, Process]]:
    """Give a forwarder that runs on the server's core."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    process = Process([sys.executable, str(Path(forwarder.__file__)), str(port)], folder, {})
    try:
        give_up_at = time.monotonic() + START_S
        while process.is_running():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > give_up_at:
                    raise BenchError(f"the forwarder did not start: {process.output()}") from None
                time.sleep(0.05)
        yield Address(port), process
    finally:
        process.end()
        shutil.rmtree(folder, ignore_errors=True)


async def _stranger(address: Address, path: str) -> Device:
    """Return a device that nobody asked who it is."""
    person = Person("nobody")
    signed_in = SignedIn(
        account=person.account, name=person.name, host=False, bot=False, proof=bytes(64),
        counter=ID_BASE, incarnation=1, list_version=1, list_hash=bytes(32), packages=0, inbox=0,
    )  # fmt: skip
    return Device(person, await connect(address, path), bytes(32), signed_in)


def forward(plan: Plan) -> None:
    """Measure what sockets alone allow."""
    figures = plan.figures
    for name, window, is_single in (
        ("bare_forward_rate", WINDOW, False),
        ("bare_forward_1_rate", 1, False),
        ("bare_forward_single_rate", WINDOW, True),
    ):
        with forwarding(plan.folder / "forwarder") as (address, process):
            rate = plan.play(
                _forward_pairs(plan, address, process, name, window, is_single=is_single)
            )
        figures.add(name, rate, "/s")
    for name, senders in (("bare_relay_deliveries", SENDERS), ("bare_relay_1_deliveries", 1)):
        with forwarding(plan.folder / "forwarder") as (address, process):
            rate, last_ms = plan.play(_relay(plan, address, process, name, senders))
        figures.add(name, rate, "/s")
        if senders == 1:
            figures.add("bare_relay_last_p50_ms", last_ms, "ms")


async def _forward_pairs(
    plan: Plan, address: Address, process: Process, name: str, window: int, *, is_single: bool
) -> float:
    run = Run(name, plan.figures)
    senders, receivers = [], []
    for pair in range(PAIRS):
        sender = await _stranger(address, f"/{pair}")
        receiver = await _stranger(address, f"/{pair}")
        stream = Messages(sender, Room(os.urandom(16), os.urandom(32), 0))
        senders.append(BareSender(run, sender, [stream], window, is_single=is_single))
        receivers.append(BareReceiver(run, receiver, [(stream, 0)]))
    measured = await measure(
        run, [*receivers, *senders], plan.seconds, warm_s=plan.warm_s, cpu_s=process.cpu_s
    )
    return measured.delivered


async def _relay(
    plan: Plan, address: Address, process: Process, name: str, senders: int
) -> tuple[float, float]:
    run = Run(name, plan.figures)
    room = Room(os.urandom(16), os.urandom(32), 0)
    devices = [await _stranger(address, "/all") for _ in range(MEMBERS)]
    streams = [Messages(device, room) for device in devices[:senders]]
    crowd = Crowd(run, streams, MEMBERS, _Reader(run, streams))
    listeners = [
        Listener(crowd, device, number if number < senders else None)
        for number, device in enumerate(devices)
    ]
    talking = [
        BareSendingListener(run, device, stream, listener)
        for device, stream, listener in zip(devices, streams, listeners, strict=False)
    ]
    parties: list[Party] = [*listeners[senders:], *talking]
    measured = await measure(run, parties, plan.seconds, warm_s=plan.warm_s, cpu_s=process.cpu_s)
    return measured.delivered, last_milliseconds(crowd)[0]


class _Reader:
    """Reads frames as they were sent; their order is the order in which they come."""

    def __init__(self, run: Run, streams: Sequence[Messages]) -> None:
        self._run = run
        self._streams = streams

    def __call__(self, frame: bytes) -> Read:
        found: Read = []
        for request in decode_requests(frame):
            assert isinstance(request, Append)
            (entry,) = request.entries
            stored = Stored(0, 0, entry.header, entry.body)
            for sender, stream in enumerate(self._streams):
                number = stream.number_of(stored)
                if number is not None:
                    found.append((0, sender, number))
                    break
            else:
                self._run.problem("a frame is not what was sent")
        return found


# ---- A store without sockets ----


def store(plan: Plan) -> None:
    """Measure what SQLite alone allows: the table, the settings and the rows of a server."""
    folder = plan.folder / "store"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        database = open_sqlite(str(folder / "bare.sqlite"), 0)
        rate, _ = _commits(database, BATCH, plan.seconds, 0)
        plan.figures.add("bare_store_rate", rate, "/s")
        _, commit_s = _commits(database, 1, plan.seconds / 2, STORE_ROOMS)
        plan.figures.add("bare_commit_ms", commit_s * 1000, "ms")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _commits(
    database: SqliteDatabase, batch: int, seconds: float, first_room: int
) -> tuple[float, float]:
    """Return how many rows a second are stored in batches, and the median time of a batch."""
    make = Lines()
    connection = database.writer()
    heads = [0] * STORE_ROOMS
    took: list[float] = []
    turn = 0
    begin = clock()
    while clock() - begin < seconds:
        lines = []
        for _ in range(batch):
            turn = (turn + 1) % STORE_ROOMS
            heads[turn] += 1
            room = first_room + turn + 1
            lines.append(make.line(room, heads[turn]))
        before = clock()
        connection.begin()
        connection.insert(ENTRIES, lines)
        connection.commit()
        took.append(clock() - before)
    rate = len(took) * batch / (clock() - begin)
    connection.close()
    return rate, statistics.median(took)


def file(plan: Plan) -> None:
    """Measure how fast a plain file is written and flushed."""
    size = QUICK_FILE_BYTES if plan.is_quick else FILE_BYTES
    path = plan.folder / "bare.file"
    chunk = os.urandom(CHUNK_BYTES)
    begin = clock()
    with path.open("wb", buffering=0) as out:
        for _ in range(size // CHUNK_BYTES):
            out.write(chunk)
        os.fdatasync(out.fileno())
    took = clock() - begin
    path.unlink()
    plan.figures.add("bare_file_mbps", size / took / 1e6, "MB/s")
