"""The server that is measured: `alcove serve` in a process of its own, on a core of its own.

It gets an empty folder, no settings but those that a workload names, and nothing from the
environment of whoever runs the bench.  Only processes that were started here are ended here.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from alcove.server.settings_sources import OBSOLETE, OLD_NAMES
from benches.server.link import Address, BenchError

COMMAND: Final = (sys.executable, "-m", "alcove", "serve")
START_S: Final = 30
STOP_S: Final = 30
OUTPUT_CHARACTERS_MAX: Final = 2_000
KIB: Final = 1024

_PROC: Final = Path("/proc")


# ---- Cores ----


_CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
IS_PINNED: Final = len(_CORES) > 1
"""Whether the server and the load generator can each have a core of their own."""
SERVER_CORE: Final = _CORES[0] if IS_PINNED else 0
LOAD_CORE: Final = _CORES[1] if IS_PINNED else 0


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on this core for a while: processes that are started meanwhile stay there."""
    if not IS_PINNED:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_load() -> None:
    """Keep the load generator on its core."""
    if IS_PINNED:
        os.sched_setaffinity(0, {LOAD_CORE})


def core_s() -> float:
    """Return how long the server's core was not free; nan where that is not known."""
    try:
        lines = (_PROC / "stat").read_text().splitlines()
    except OSError:
        return float("nan")
    for line in lines:
        name, *ticks = line.split()
        if name == f"cpu{SERVER_CORE}" and IS_PINNED:
            user, nice, system, _, _, interrupt, soft, stolen = map(int, ticks[:8])
            busy = user + nice + system + interrupt + soft + stolen
            return busy / os.sysconf("SC_CLK_TCK")
    return float("nan")


# ---- Processes ----


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without any setting of a server, and with these."""
    ours = ("ALCOVE_", "SECURE_CHAT_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and name not in OLD_NAMES and name not in OBSOLETE
    }
    return {**kept, **{f"ALCOVE_{name.upper()}": value for name, value in settings.items()}}


class Process:
    """A process that was started here."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        settings: Mapping[str, str],
        *,
        is_apart: bool = True,
    ) -> None:
        self._output = (folder / "output.txt").open("wb")
        with on_core(SERVER_CORE) if is_apart else nullcontext():
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=clean_environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )
        self._folder = folder

    @property
    def pid(self) -> int:
        """The process that is measured."""
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """Return the end of what the process has said."""
        text = (self._folder / "output.txt").read_text(errors="replace")
        return text[-OUTPUT_CHARACTERS_MAX:]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process, at the latest after a while, and return how it ended."""
        if self.is_running():
            os.kill(self.pid, number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BenchError(f"the server did not stop: {self.output()}") from None
        finally:
            self._output.close()
        return self._process.returncode

    # ---- What the system knows of it ----

    def cpu_s(self) -> float:
        """Return how long the process has computed; nan where that is not known."""
        try:
            text = (_PROC / str(self.pid) / "stat").read_text()
        except OSError:
            return float("nan")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, what: str = "VmRSS") -> float:
        """Return its resident memory, or with VmHWM the most that it was; nan if not known."""
        try:
            text = (_PROC / str(self.pid) / "status").read_text()
        except OSError:
            return float("nan")
        found = re.search(rf"^{what}:\s+(\d+) kB$", text, re.MULTILINE)
        return int(found[1]) / KIB if found else float("nan")

    def forget_peak(self) -> None:
        """Begin to watch the most memory anew."""
        try:
            (_PROC / str(self.pid) / "clear_refs").write_text("5")
        except OSError:
            return


class House:
    """A server with a data folder, which outlives its process."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str], *, tls: bool, wrapper: tuple[str, ...]
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._tls = tls
        self._wrapper = wrapper
        """A program that starts the server in its own place, and watches it."""
        self.data = folder / "data"
        self.process: Process | None = None
        self.port = 0

    def start(self, *, is_apart: bool = True) -> Address:
        """Start the server and return where it listens, once it answers.

        It gets a core of its own, unless it shall share all with others as the system sees fit.
        """
        assert self.process is None or not self.process.is_running()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [
            *(*self._wrapper, *COMMAND),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--status-port", str(free_port()), "--data", str(self.data)),
            *(["--self-signed"] if self._tls else []),
        ]
        self.process = Process(command, self._folder, self._settings, is_apart=is_apart)
        self._wait()
        return self.address

    @property
    def address(self) -> Address:
        """Where the server listens."""
        if not self._tls:
            return Address(self.port)
        context = ssl.create_default_context(cafile=str(self.data / "tls" / "certificate.pem"))
        context.check_hostname = False  # It is pinned: that is what the file is.
        return Address(self.port, context)

    def _wait(self) -> None:
        """Wait until the server says that it is well."""
        assert self.process is not None
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at and self.process.is_running():
            if self._is_well():
                return
            time.sleep(0.05)
        output = self.process.output()
        self.process.end()
        raise BenchError(f"the server did not start: {output}")

    def _is_well(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                asking = plain
                if self._tls:
                    context = self.address.tls
                    assert context is not None
                    asking = context.wrap_socket(plain)
                asking.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return asking.recv(100).startswith(b"HTTP/1.1 200")
        except (OSError, ssl.SSLError):
            return False

    @property
    def running(self) -> Process:
        """The process, which has been started."""
        assert self.process is not None
        return self.process

    def stop(self) -> None:
        """Ask the server to stop, and see that it does so of its own accord."""
        code = self.running.end()
        if code != 0:
            raise BenchError(f"the server ended with {code}: {self.running.output()}")

    def kill(self) -> None:
        """End the server as a power cut would, without a word."""
        self.running.end(signal.SIGKILL)

    def close(self) -> None:
        """End the process whatever state it is in, and remove its folder."""
        if self.process is not None and self.process.is_running():
            self.process.end(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def house(
    folder: Path,
    settings: Mapping[str, str],
    *,
    tls: bool = False,
    wrapper: tuple[str, ...] = (),
) -> Iterator[House]:
    """Give a server that runs, and leave nothing of it."""
    made = House(folder, settings, tls=tls, wrapper=wrapper)
    try:
        made.start()
        yield made
    finally:
        made.close()
