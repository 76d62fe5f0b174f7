"""For who works on the server: notices when its code changes, so that it can start again."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import alcove

POLL_S: Final = 0.5
KINDS: Final = (".py", ".sql", ".html", ".css", ".js", ".svg")

_log = logging.getLogger("alcove.server")


def checkout() -> Path | None:
    """Return the folder of our code if this is a checkout, and not an installed package."""
    package = Path(alcove.__file__).parent
    source = package.parent
    is_ours = source.name == "src" and (source.parent / "pyproject.toml").is_file()
    return package if is_ours else None


def snapshot(folder: Path) -> dict[Path, int]:
    """Return when each file of code was changed last."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in KINDS:
            try:
                found[path] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
    return found


def is_broken(path: Path) -> bool:
    """Whether a file of Python cannot even be compiled: nothing would start with it."""
    if path.suffix != ".py" or not path.exists():
        return False
    try:
        compile(path.read_bytes(), str(path), "exec")
    except (SyntaxError, ValueError):
        return True
    return False


async def changed_code(folder: Path, before: Mapping[Path, int]) -> None:
    """Return when a file is not as it was before, and all that has changed can be compiled."""
    seen = before
    while True:
        await asyncio.sleep(POLL_S)
        now = await asyncio.to_thread(snapshot, folder)
        if now == seen:
            continue
        seen = now
        changed = [path for path in {**before, **now} if before.get(path) != now.get(path)]
        broken = [path for path in changed if is_broken(path)]
        if not broken:
            return
        _log.warning("%s does not compile: waiting until it does", broken[0].name)
