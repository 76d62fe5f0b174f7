"""`alcove serve` in a process of its own, as a host starts it.

with Served(tmp_path) as server:          started, and listening
    server.alcove("admin", "stats")       another command on the same data folder
    server.stop()                         SIGTERM; its exit status
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

READY = "Waiting for connections"
PATIENCE_S = 60
"""Nothing waits for so long unless something hangs."""


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a command: ours, without any setting of Alcove's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALCOVE_")}
    places = {"ALCOVE_DATA": str(folder / "data"), "ALCOVE_HOME": str(folder / "home")}
    return {**kept, **places, **variables}


def alcove(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, and return what came of it."""
    return subprocess.run(
        [sys.executable, "-m", "alcove", *words],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


class Served:
    """A server that listens on a free port, until it is stopped."""

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        self.folder = folder
        self.words = words
        self.variables = variables
        self.lines: list[str] = []
        """What it has said so far."""
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.process.poll() is None and error is None:
            self.stop()
        else:
            self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        words = ("serve", "--port", "0", "--status-port", "0", *self.words)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alcove", *words],
            cwd=self.folder,
            env=environment(self.folder, **self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # So that nobody listens for ever to a server that says nothing more.
        self.guard = threading.Timer(PATIENCE_S, self.process.kill)
        self.guard.start()
        self.hear(READY)
        (line,) = [line for line in self.lines if line.startswith("Server address: ")][-1:]
        self.address = line.removeprefix("Server address: ")

    def hear(self, words: str) -> str:
        """Wait until it says something, and return that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return line
        raise AssertionError("it ended and said:\n" + "\n".join(self.lines))

    def said(self) -> str:
        """Return all that it has said so far."""
        return "\n".join(self.lines)

    def alcove(self, *words: str) -> str:
        """Run another command on the same data folder; it must succeed."""
        done = alcove(self.folder, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it, and return its exit status."""
        self.guard.cancel()
        self.signal()
        status = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        """End it without a word, if it has not ended."""
        self.guard.cancel()
        self.process.kill()
        self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def log(self) -> str:
        """Return its log files."""
        files = sorted((self.folder / "data" / "logs").iterdir())
        return "".join(file.read_text(encoding="utf-8") for file in files)
