"""Kill a process at every step of something, one after the other, and look at what it left.

A program of its own, because it forks: `python -m tests.client.store.killed FOLDER`.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from alcove.client.io import vault
from alcove.client.io.profiles import Profiles, held, make_database, open_database
from alcove.client.store.database import Database
from alcove.client.store.opening import check, create_file, open_file, set_aside

KEY = bytes(range(32))
Steps = tuple[tuple[Any, str], ...]
STEPS: Steps = ((os, "open"), (os, "fsync"), (os, "rename"), (os, "replace"), (os, "unlink"))
QUESTIONS: Steps = (
    (Database, "one"), (Database, "run"), (Database, "script"), (Database, "close"),
)  # fmt: skip


def arm(point: int, steps: Steps) -> None:
    """Have this process killed just before it does the one of these steps with this number."""
    numbers = count(1)

    def deadly(step: Callable[..., Any]) -> Callable[..., Any]:
        def carry_out(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*args, **kwargs)

        return carry_out

    for owner, name in steps:
        setattr(owner, name, deadly(getattr(owner, name)))


def at_every_step(
    act: Callable[[], None], look: Callable[[int], None], steps: Steps = (*STEPS, *QUESTIONS)
) -> int:
    """Return how many times `act` was killed; `look` is called after each, and after the last."""
    for point in count(1):
        process = os.fork()
        if process == 0:
            arm(point, steps)
            act()
            os._exit(0)
        _, status = os.waitpid(process, 0)
        look(point)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return point - 1
    raise AssertionError("there is no last step")


def make_at_every_step(folder: Path) -> int:
    """Kill the making of a database."""
    path = folder / "alcove.db"

    def make() -> None:
        create_file(path, KEY).close()

    def look(point: int) -> None:
        database = open_file(path, KEY) if path.exists() else create_file(path, KEY)
        assert check(database) == (), point
        assert database.one("SELECT COUNT(*) FROM me") == (0,), point
        database.close()
        assert [file.name for file in folder.iterdir()] == ["alcove.db"], point
        path.unlink()

    return at_every_step(make, look)


def move_at_every_step(folder: Path) -> int:
    """Kill the moving of a database that another process has left with its WAL."""
    path, aside = folder / "alcove.db", folder / "alcove.db.damaged-1"

    def leave() -> None:
        process = os.fork()
        if process == 0:
            database = create_file(path, KEY)
            database.run("INSERT INTO alarm (kind, about, at) VALUES ('a', x'', 1)")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(process, 0)

    def move() -> None:
        set_aside(path)

    def look(point: int) -> None:
        if path.exists():
            set_aside(path)
        create_file(path, KEY).close()
        moved = open_file(aside, KEY)
        assert moved.one("SELECT kind FROM alarm") == ("a",), point
        moved.close()
        path.unlink()
        aside.unlink()
        leave()

    leave()
    return at_every_step(move, look)


def begin_at_every_step(home: Path) -> int:
    """Kill the making of a whole profile: its folder, its key, its database."""
    vault._argon2 = lambda *_: bytes(32)  # It takes long, and nothing happens meanwhile.
    profiles = Profiles(home)

    def begin() -> None:
        profile = profiles.create("work", "https://chat.example.org")
        with held(profile):
            make_database(profile, lambda: "words").close()

    def look(point: int) -> None:
        if not (profiles.names() and profiles.profile("work").is_finished):
            begin()
        profile = profiles.profile("work")
        assert profiles.default() == "work", point
        with held(profile):
            database = open_database(profile, lambda: "words")
            assert check(database) == (), point
            database.close()
        profiles.remove("work")
        (home / "default").unlink()

    return at_every_step(begin, look, STEPS)


if __name__ == "__main__":
    top = Path(sys.argv[1])
    print(
        make_at_every_step(top),
        move_at_every_step(top),
        begin_at_every_step(top / "home"),
    )
