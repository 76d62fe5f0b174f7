"""The server as `alcove serve` runs it, without the command line: settings come from the environment."""

import sys
from pathlib import Path

from alcove.server.io.config import load_settings
from alcove.server.io.serve import Start, run


class Voice:
    """Tells everything on the standard output."""

    def check(self, name: str, text: str) -> None:
        print(f"{name}: {text}", flush=True)

    def notice(self, text: str) -> None:
        print(f"notice: {text}", flush=True)

    def started(self, lines: list[tuple[str, str]]) -> None:
        print(f"started: {lines}", flush=True)

    def owner_link(self, link: str | None) -> None:
        print("there is no host yet", link is None, flush=True)


if __name__ == "__main__":
    settings = load_settings({}, folder=Path(sys.argv[1])).settings
    run(Start(settings, (), (), Voice(), shows_link=False, verbose=settings.debug))
