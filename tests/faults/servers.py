"""A server in a process of its own: started, killed, starved of disk space, started again.

with Server(folder) as server:
    server.start()
    ...                          its address is `server.url`, and stays the same
    server.kill()                SIGKILL: nothing is said, nothing is closed
    server.start()

Whatever it printed stands in `folder/said.txt`, and its logs in `folder/data/logs`.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

START_S: Final = 60
"""A server that does not listen by then has failed: a busy machine takes its time."""
LOOK_S: Final = 0.01
PROGRAM: Final = "from alcove.cli import main; main(prog_name='alcove')"
"""What the command `alcove` runs."""
LOCKED_TRIES: Final = 50
"""PostgreSQL takes a moment to notice that the server before was killed, and to free its lock."""

EAGER: Final = {
    **{
        f"rate_{kind}": "100000/s burst 100000"
        for kind in ("append", "handshake", "read", "write", "sign_in", "register", "connect")
    },
    "requests": "off",
    "handshake_pause_ms": "0",
    "account_barrier_pause_ms": "0",
    "closing_pause_ms": "0",
    "healing_pause_ms": "0",
}
"""Settings for a load that its limits would slow down, among people who need not ask each other."""


class Failed(Exception):
    """The server ended instead of listening.  The text is what it said."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def url_of(conninfo: str) -> str:
    """Return the address of a PostgreSQL database, as `tests.postgres` says it, as a URL."""
    words = dict(conninfo_to_dict(conninfo))
    user, database = (quote(str(words.pop(name))) for name in ("user", "dbname"))
    return f"postgresql://{user}@/{database}?{urlencode(words)}"


class Server:
    """A server's folder, and its process while there is one."""

    def __init__(self, folder: Path, database_url: str = "", **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        scheme = "https" if settings.get("self_signed") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.settings = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "status_port": "0",
            "data": str(self.data),
            "database_url": database_url and url_of(database_url),
        } | settings
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    # ---- Starting and ending ----

    def begin(self, *, before: tuple[str, ...] = ()) -> None:
        """Start the process, and do not wait; `before` stands before its command."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALCOVE_", "COVERAGE_", "COV_"))
        } | {f"ALCOVE_{name.upper()}": value for name, value in self.settings.items()}
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-c", PROGRAM, "serve"],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def start(self, *, before: tuple[str, ...] = ()) -> None:
        """Start the process and wait until it listens."""
        for _ in range(LOCKED_TRIES):
            self.begin(before=before)
            if self._listens():
                return
            if "Another Alcove server" not in self.words():
                break
            self.said.write_text("", encoding="utf-8")
            time.sleep(LOOK_S)
        raise Failed(self.words())

    def _listens(self) -> bool:
        """Wait until the server listens; return False when it ended instead."""
        assert self.process is not None
        until = time.monotonic() + START_S
        while self.process.poll() is None:
            with socket.socket() as probe:
                is_there = probe.connect_ex(("127.0.0.1", self.port)) == 0
                # Where nobody listens a socket may happen to find itself.
                if is_there and probe.getsockname()[1] != self.port:
                    return True
            if time.monotonic() > until:
                self.kill()
                return False
            time.sleep(LOOK_S)
        return False

    def strike(self) -> None:
        """Kill the process, and do not wait until it is gone."""
        if self.process is not None:
            self.process.kill()

    def kill(self) -> None:
        """End the process at once, as a power cut or a lack of memory would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(self.words())

    # ---- What it says and takes ----

    @property
    def said(self) -> Path:
        """The file of everything that it printed."""
        return self.folder / "said.txt"

    def words(self) -> str:
        """Return everything that it printed."""
        return self.said.read_text(encoding="utf-8", errors="replace")

    def logs(self) -> str:
        """Return everything that it logged."""
        files = sorted((self.data / "logs").glob("*"))
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)

    def limit_files(self, size_bytes: int | None) -> None:
        """Let no file of the server grow beyond this, as a full disk would; None lifts it."""
        assert self.process is not None
        most = resource.RLIM_INFINITY if size_bytes is None else size_bytes
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def memory_bytes(self) -> int:
        """Return how much memory the process holds."""
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()

    def open_sockets(self) -> int:
        """Return how many sockets the process has open."""
        assert self.process is not None
        count = 0
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                count += entry.readlink().name.startswith("socket:")
            except FileNotFoundError:
                continue  # It was closed meanwhile.
        return count
