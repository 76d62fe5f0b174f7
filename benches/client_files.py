"""Files: how fast one core seals a file, and how fast one goes up to a server on this machine.

`seal_file_mbps` counts reading, hashing and sealing of every byte as an upload does it; the look
that comes before is `look_at_file_mbps`.  `upload_mbps` counts both, and the server's last word.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import ClientSession

from alcove.client.engine import Engine
from alcove.client.files import transfers as steps
from alcove.client.files.stream import KEY_BYTES, shape
from alcove.client.io import disk
from alcove.client.io.transfers import Transfers
from alcove.client.store.database import open_memory
from alcove.wire.content import File, SealedBlob
from alcove.wire.greeting import NewToken, Token
from benches.server.house import LOAD_CORE, SERVER_CORE, House, on_core
from benches.server.link import arrive
from benches.server.people import Person
from tests.client.files.people import settle

MIB: Final = 1024 * 1024
FILE_BYTES: Final = 512 * MIB
QUICK_FILE_BYTES: Final = 64 * MIB


@contextmanager
def a_file(size: int) -> Iterator[Path]:
    """Give a file of so many bytes, none like the other."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with path.open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
        yield path


def seal_file(size: int = FILE_BYTES) -> dict[str, float]:
    """Return how many MB a second are looked at, and sealed, on one core."""
    with a_file(size) as path, on_core(LOAD_CORE):
        begin = time.perf_counter()
        _, first_look = disk.look_at(str(path))
        looked = time.perf_counter()
        sealed = SealedBlob(bytes(16), os.urandom(KEY_BYTES), first_look.digest(), size)
        source = disk.Source(str(path), sealed, first_look, 0)
        for _ in range(shape(size).runs):
            source.next()
        end = time.perf_counter()
        source.close()
    return {
        "look_at_file_mbps": size / (looked - begin) / 1e6,
        "seal_file_mbps": size / (end - looked) / 1e6,
    }


def upload(folder: Path, size: int = FILE_BYTES) -> dict[str, float]:
    """Return how many MB of a file a second are on the disk of a server in another process."""
    settings = {"blob_bytes_max": str(4 * FILE_BYTES), "account_quota_bytes": "0"}
    house = House(folder, settings, tls=False, wrapper=())
    with on_core(SERVER_CORE):
        address = house.start()
    try:
        with a_file(size) as path, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            up_s, down_s, peak_mib = runner.run(
                _carry(f"http://{address.host}:{address.port}", address, path)
            )
    finally:
        house.stop()
    return {
        "upload_mbps": size / up_s / 1e6,
        "download_mbps": size / down_s / 1e6,
        "file_memory_mib": peak_mib,
    }


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop of our programs: uvloop, but for Windows."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415  # It does not exist everywhere.

    return uvloop.new_event_loop


async def _carry(url: str, address: Any, path: Path) -> tuple[float, float, float]:
    """Send a file, fetch it again, and return how long each took, and the growth in memory."""
    device = await arrive(address, Person("carrier"), is_new=True)
    answer = await device.do(NewToken(id=device.next_id()))
    assert isinstance(answer, Token)
    db = open_memory()
    settle(db, bytes(16), bytes(16))
    engine = Engine(db, os.urandom)

    def do(step: Callable[..., Any], *values: Any) -> Any:
        return engine.do(step, time.time_ns() // 1_000_000, *values)

    async def token(*, is_stale: bool) -> str:
        del is_stale
        return answer.token

    size = path.stat().st_size  # noqa: ASYNC240  # Before anything is measured.
    blank = SealedBlob(bytes(16), bytes(KEY_BYTES), bytes(32), size)
    file = File(path.name, "video/mp4", blank)
    where = (bytes(16), bytes(16), 0, str(path), file, "never")
    async with ClientSession() as session:
        files = Transfers(do, db, session, url, token)
        before = _peak_mib()
        up_s, sent = await _through(files, do, db, steps.begin_upload, *where)
        target = str(path.with_name("back.mp4"))
        values = (bytes(16), bytes(16), bytes(16), 0, target, sent.file)
        down_s, _ = await _through(files, do, db, steps.begin_download, *values)
        peak = _peak_mib()
    device.link.close()
    await asyncio.sleep(0)
    return up_s, down_s, peak - before


async def _through(
    files: Transfers, do: Callable[..., Any], db: Any, step: Callable[..., Any], *values: Any
) -> tuple[float, steps.Transfer]:
    begin = time.perf_counter()
    number = do(step, *values)
    files.wake()
    await files.idle()
    took_s = time.perf_counter() - begin
    done = steps.transfer(db, number)
    assert done is not None
    assert done.state == steps.DONE, msgspec.structs.asdict(done.file) | {"why": done.why}
    return took_s, done


def _peak_mib() -> float:
    """Return the most memory that this process ever had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")
