"""The real program in a real terminal: from the first start to a file in a group.

tmux holds the terminal, so that it can be looked at, made smaller, and lost.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.people import Street, Terminal, street_of

PATIENCE_S = 60
LOOK_S = 0.1
pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="there is no tmux here: install it to try this"
)


class Screen:
    """A terminal that tmux holds, and the app in it."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *words: str, **variables: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", os.devnull, *words]
        # UTF-8, or else tmux draws underscores; no server of somebody else.
        around = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self._socket.parent)}
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", env=around | variables, timeout=60,
            check=True,
        )  # fmt: skip
        return done.stdout

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "app")

    @property
    def colours(self) -> str:
        return self.tmux("capture-pane", "-p", "-e", "-t", "app")

    def sees(self, *texts: str) -> None:
        """Wait until all of this stands on the screen."""
        end = time.monotonic() + PATIENCE_S
        while not all(text in self.text for text in texts):
            assert time.monotonic() < end, f"{texts} are not all to be seen in:\n{self.text}"
            time.sleep(LOOK_S)

    def press(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them; each shows somehow."""
        for key in keys:
            before = self.colours
            self.tmux("send-keys", "-t", "app", key)
            end = time.monotonic() + PATIENCE_S
            while self.colours == before:
                assert time.monotonic() < end, f"{key} has changed nothing in:\n{self.text}"
                time.sleep(LOOK_S)

    def type(self, text: str) -> None:
        """Type a text."""
        self.tmux("send-keys", "-t", "app", "-l", text)

    def fill(self, text: str) -> None:
        """Type a text, and go on to the next field."""
        self.type(text)
        self.sees(text[-20:])
        self.press("Enter")


@contextmanager
def opened(terminal: Terminal, *words: str) -> Iterator[Screen]:
    """Open the app in a terminal of its own, as long as the block lasts."""
    command, variables = terminal.command(*words)
    screen = Screen(terminal.folder / "tmux")
    wanted = {name: variables[name] for name in terminal.variables} | {
        "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "tmux-256color",
    }  # fmt: skip
    sets = [word for name, value in wanted.items() for word in ("-e", f"{name}={value}")]
    screen.tmux("new-session", "-d", "-s", "app", "-x", "100", "-y", "30", *sets, *command)
    try:
        yield screen
    finally:
        with suppress(subprocess.CalledProcessError):  # With its last terminal tmux ends itself.
            screen.tmux("kill-server")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with street_of(tmp_path) as found:
        yield found


def test_from_registering_to_a_file_in_a_group(street: Street, tmp_path: Path) -> None:
    bob, ada = street.newcomer("bob"), street.terminal()
    plan = tmp_path / "plan.txt"
    plan.write_text("boats at nine\n", encoding="utf-8")
    with opened(ada, "tui", street.address) as screen:
        screen.sees("Create account", "very strong", "Anyone may register here.")
        screen.fill("ada")
        screen.press("Enter", "Space", "Tab", "Enter")  # The five words stay as they are.
        screen.sees("Quick actions", "@ada", "connected")

        screen.press("2")
        screen.sees("You are in no group yet", "^n new")
        screen.press("C-n")
        screen.sees("New group")
        screen.fill("Harbour")
        screen.fill("boats")
        screen.press("Enter", "Enter")
        screen.sees("Harbour", "encrypted")
        screen.tmux("resize-window", "-t", "app", "-x", "80", "-y", "24")
        screen.press("M-2")
        screen.sees("You are", "owner")
        screen.press("+")
        screen.sees("Add to Harbour")
        screen.fill("bob")
        bob.say("listen", "--for", "2", "--json")
        bob.say("accept", "@ada")
        screen.sees("Members 2")

        screen.press("1")
        screen.sees("encrypted")
        screen.press("C-o")
        screen.sees("Which file")
        screen.press("C-u")
        screen.fill(str(plan))
        screen.sees("Send plan.txt")
        screen.press("Enter", "Enter")
        screen.sees("plan.txt", "stored")
        screen.type("a draft that stays")
        screen.sees("✎ Draft")  # It is kept: the list of chats says so.
        screen.tmux("kill-pane", "-t", "app")  # The ssh line is cut.
    bob.say("listen", "--for", "3", "--json")
    (file,) = bob.json("files")
    bob.say("files", "--get", str(file["file"]), "--to", str(tmp_path / "bobs.txt"))
    assert (tmp_path / "bobs.txt").read_text() == "boats at nine\n"

    with opened(ada) as screen:
        screen.sees("Welcome back", "ada")
        screen.press("Enter")
        screen.sees("Quick actions")
        screen.press("1", "/")
        screen.fill("Harbour")
        screen.sees("plan.txt", "a draft that stays")
