"""How long the command line takes, from an empty process to its end."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from alcove.client import Client
from benches.client.town import PASSPHRASE, PASSWORD, PATIENCE_S, living, serving
from benches.server.house import clean_environment
from benches.server.plan import Plan

TIMES: Final = 15
QUICK_TIMES: Final = 3


def run(plan: Plan) -> None:
    """Measure `alcove --help` and `alcove send`, cold but for what the system has cached."""
    times = QUICK_TIMES if plan.is_quick else TIMES
    folder = plan.folder / "commands"
    with serving(plan, "commands") as address:
        plan.play(_settle(address, folder))
        passphrase = folder / "passphrase"
        passphrase.write_text(PASSPHRASE + "\n")
        passphrase.chmod(0o600)
        settings = {"home": str(folder / "home"), "passphrase_file": str(passphrase)}
        help_s = [_took_s(settings, folder, "--help") for _ in range(times)]
        send_s = [_took_s(settings, folder, "send", "@bob", "hello") for _ in range(times)]
    plan.figures.add("cli_help_s", statistics.median(help_s), "s")
    plan.figures.add("cli_send_s", statistics.median(send_s), "s")


async def _settle(address: str, folder: Path) -> None:
    """Make an account where the command line looks for it, and somebody to write to."""
    async with living(address, folder) as town:
        bob = await town.newcomer("bob")
        ada = Client.register(address, "ada", PASSWORD, home=folder / "home", passphrase=PASSPHRASE)
        await town.met(await town.online(ada), bob)
        await ada.settled(PATIENCE_S)
        await ada.close()


def _took_s(settings: dict[str, str], folder: Path, *words: str) -> float:
    environment = clean_environment(settings)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # What is installed has its bytecode.
    # On both cores, as on anybody's machine: while one opens the database the other loads the rest.
    begin_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "alcove", *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    took_s = time.perf_counter() - begin_s
    if done.returncode != 0:
        raise OSError(f"alcove {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return took_s
