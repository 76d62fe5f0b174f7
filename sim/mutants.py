"""Sabotages that the simulator must find: what it cannot find it does not check.

    python -m sim.mutants            each of them in a process of its own, until a world fails
    python -m sim.mutants NUMBER     one of them

A world that fails without any mutant finds none: such seeds are passed over.

A mutant is one line of the product made wrong while it is imported; nothing on the disk changes.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

SEEDS: Final = 200
"""In so many worlds each mutant must be found."""
PROCESSES: Final = 2
PRODUCT: Final = Path(__file__).parent.parent / "src" / "alcove"


class Mutant(NamedTuple):
    """One line made wrong."""

    file: str
    """Below `src/alcove`."""
    old: str
    """What stands there exactly once."""
    new: str

    @property
    def module(self) -> str:
        """The module that the file is."""
        return "alcove." + self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """Return the file with the wrong line."""
        text = (PRODUCT / self.file).read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.file} has not exactly once: {self.old}"
        return text.replace(self.old, self.new)


MUTANTS: Final[tuple[Mutant, ...]] = (
    # What is asked, sent and answered.
    Mutant(
        "client/engine.py",
        'tx.run("DELETE FROM request WHERE id = ?", answer.id)',
        "pass",
    ),
    Mutant("client/engine.py", "self._requests += tx.sent", "self._requests += tx.sent[1:]"),
    Mutant(
        "client/engine.py",
        "tx.sent += [_decode_request(body) for (body,) in stored]",
        "pass",
    ),
    Mutant(
        "client/engine.py",
        'tx.run("UPDATE alarm SET at = MAX(at - ?, 0)", by_ms)',
        "pass",
    ),
    # What waits to be said.
    Mutant(
        "client/outbox.py",
        'tx.run("UPDATE outbox SET header = NULL, body = NULL WHERE room = ?", request.room)',
        "pass",
    ),
    Mutant(
        "client/outbox.py",
        'header = MessageHeader(me.device, content, "kept", here.room_key, expires_at)',
        'header = MessageHeader(me.device, tx.random(16), "kept", here.room_key, expires_at)',
    ),
    Mutant(
        "client/outbox.py",
        "seal_kept(key, place, me.key, plain, tx.random(32))",
        "seal_kept(key, place, me.key, plain, bytes(32))",
    ),
    Mutant("client/outbox.py", "keep_group(tx, here.room, sealed.group)", "pass"),
    Mutant(
        "client/rooms/wishes.py",
        'had_commit = tx.run("DELETE FROM pending WHERE room = ?", room)',
        "had_commit = 0",
    ),
    Mutant(
        "client/rooms/wishes.py",
        "outbox.placed(tx, request, answer)",
        'tx.run("UPDATE outbox SET request = NULL WHERE request = ?", request.id)',
    ),
    # The log, entry by entry.
    Mutant("client/rooms/log.py", "if one.seq != walk.seq + 1:", "if one.seq > walk.seq + 2:"),
    Mutant(
        "client/rooms/log.py",
        "if walk.head > walk.seq and not walk.is_over:",
        "if walk.is_over:",
    ),
    Mutant(
        "client/rooms/walk.py",
        "else next_chain(self.chain, seq, name)",
        "else next_chain(self.chain, seq, self.handshake)",
    ),
    Mutant("client/rooms/messages.py", "if count >= RENEWALS:", "if count >= 1:"),
    Mutant("client/rooms/messages.py", "if closing:", "if count:"),
    Mutant(
        "client/rooms/messages.py",
        "walk.remember(header.sender, header.content)\n"
        '    tx.run("DELETE FROM outbox WHERE room = ? AND content = ?", '
        "walk.room, header.content)",
        "walk.remember(header.sender, header.content)",
    ),
    # Handshakes, and what they make of a room.
    Mutant(
        "client/rooms/handshakes.py",
        "return after.with_past_of(newest) if newest is not None and is_next else after",
        "return after",
    ),
    Mutant("client/rooms/handshakes.py", "walk.is_lost = 0", "pass"),
    Mutant(
        "client/rooms/standing.py",
        "if new.get(index) is not leaf and _other(leaf, new.get(index)):",
        "if new.get(index) is leaf:",
    ),
    Mutant(
        "client/rooms/standing.py",
        'if known.get(account, "member") != role:',
        'if known.get(account, "member") != role and role != "member":',
    ),
    Mutant(
        "client/rooms/state.py",
        "past_epochs=PAST_EPOCHS if is_live else 0",
        "past_epochs=0",
    ),
    Mutant(
        "client/rooms/changes.py",
        "draft.removes |= dict.fromkeys(there)",
        "pass",
    ),
    Mutant(
        "client/rooms/committing.py",
        'return new == "open" or not adds',
        "return True",
    ),
    # What was said before.
    Mutant(
        "client/history.py",
        "handshakes.learn_key(tx, room, link.name, link.secret, is_archived=True)",
        "pass",
    ),
    Mutant("client/mending.py", 'rows.append(Row("chain", now.name, body))', "pass"),
    # MLS itself.
    Mutant(
        "mls/secret_tree.py",
        "return key, tree._with_ratchet(leaf, kind, after)",
        "return key, tree",
    ),
    Mutant(
        "mls/commit_following.py",
        "init = _external_init(group, staged.external_init)",
        "pass",
    ),
    Mutant("mls/commit_following.py", "keys = {**keys, **found}", "pass"),
    # The server's handlers.
    Mutant("server/roomstate.py", "if header.before != self.handshake:", "if False:"),
    Mutant("server/roomstate.py", "if seq < self.closing_seq:", "if False:"),
    Mutant(
        "server/handlers/entries.py",
        "state.head, state.chain = seq, chain",
        "state.head = seq",
    ),
    Mutant(
        "server/handlers/entries.py",
        "tx.effects.append(Log(request.room, first, first, caller.device, message))",
        "pass",
    ),
    Mutant(
        "server/batch.py",
        "self._world.answers.add(who, request.id, _fingerprint(request), reply)",
        "pass",
    ),
    Mutant(
        "server/handlers/letters.py",
        "_tell(tx, [device for device in kinds if state.is_active(device)], number)",
        "pass",
    ),
    Mutant("server/handlers/routing.py", "_remove(tx, caller, state, routing)", "pass"),
    Mutant("server/handlers/routing.py", "state.closing_seq = seq", "pass"),
    Mutant(
        "server/handlers/packages.py",
        "AND number > 0 AND claim IS NULL\n        ORDER BY",
        "AND number > 0\n        ORDER BY",
    ),
)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that is to be wrong."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, _path: object = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where the wrong module comes from, and nothing for all others."""
        if fullname != self._mutant.module:
            return None
        path = str(PRODUCT / self._mutant.file)
        return importlib.util.spec_from_loader(fullname, _Loader(fullname, path, self._mutant))


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a file with its one wrong line."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, _fullname: str) -> object:  # type: ignore[override]
        """Return the code of the wrong module; what was compiled before is not looked at."""
        return compile(self._mutant.source(), self.path, "exec")


def hunt(number: int, seeds: int, since: int = 0) -> tuple[int, str] | None:
    """Live through worlds with one mutant; return the seed that found it, and how."""
    sys.meta_path.insert(0, _Finder(MUTANTS[number]))
    # They import the product, which is wrong from here on.
    from sim.faults import LEFT_OUT  # noqa: PLC0415
    from sim.swarm import live, what_failed  # noqa: PLC0415

    for seed in range(since, seeds):
        result = live(seed, without=tuple(LEFT_OUT))
        if result.failure:
            return seed, what_failed(result.failure)
    return None


class Found(NamedTuple):
    """What became of one mutant."""

    seed: int | None
    """The world that found it."""
    how: str
    seconds: float


class Hunters:
    """Hunts many mutants, some at a time, each in a process of its own."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._red: dict[int, bool] = {}
        """Worlds in which something is wrong without any mutant: they find nothing."""

    def hunt(self, number: int) -> Found:
        """Hunt one mutant until a world has found it that is well without it."""
        began = time.monotonic()
        since = 0
        while True:
            done = _python(
                "sim.mutants", str(number), "--seeds", str(self._seeds), "--since", str(since)
            )
            last = ((done.stdout or done.stderr).strip().splitlines() or [""])[-1]
            match = re.fullmatch(r"found by seed (\d+): (.*)", last)
            if match is None:
                return Found(None, last, time.monotonic() - began)
            seed = int(match[1])
            if not self._is_red(seed):
                return Found(seed, match[2], time.monotonic() - began)
            since = seed + 1  # It was well in all worlds before.

    def _is_red(self, seed: int) -> bool:
        if seed not in self._red:
            self._red[seed] = _python("sim", str(seed), "--green").returncode != 0
        return self._red[seed]


def _python(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False
    )


def main() -> int:
    """Hunt one mutant in this process, or each in its own."""
    parser = argparse.ArgumentParser(prog="python -m sim.mutants", description=__doc__)
    parser.add_argument("number", nargs="?", type=int)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="in so many worlds")
    parser.add_argument("--since", type=int, default=0, help="beginning at this one")
    parser.add_argument("--from", type=int, default=0, dest="first", help="all from this one on")
    args = parser.parse_args()
    if args.number is not None:
        found = hunt(args.number, args.seeds, args.since)
        print("not found" if found is None else f"found by seed {found[0]}: {found[1]}")
        return 0 if found else 1
    missed = 0
    numbers = range(args.first, len(MUTANTS))
    hunt_one = Hunters(args.seeds).hunt
    with ThreadPoolExecutor(PROCESSES) as pool:
        hunted = {pool.submit(hunt_one, number): number for number in numbers}
        for done in as_completed(hunted):
            number, one = hunted[done], done.result()
            missed += one.seed is None
            where = "-" if one.seed is None else one.seed
            file, how = MUTANTS[number].file, one.how[:90]
            print(f"{number:3} {file:30} {where:>4} {one.seconds:6.1f} s  {how}", flush=True)
    print(f"{len(numbers) - missed} of {len(numbers)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
