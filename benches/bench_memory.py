"""How much memory a group takes, in a process and on disk.

    python -m benches.bench_memory          prints a table

Sketch: a member's leaf is 250 bytes on the wire (1.4 kB with the default suite), kept once as it
came and once taken apart, and a Python object costs 50 bytes before it holds anything: expect 2 to
3 kB a member, and 1.2 kB more for each post-quantum key that is kept apart.  The process grows by
more: OpenSSL's parsed keys are not Python's, and what joining used meanwhile is not given back.

The measuring is done in fresh processes, which get a Welcome and nothing else of the group:

    python -m benches.bench_memory --child objects      bytes held by Python objects (tracemalloc)
    python -m benches.bench_memory --child process      bytes by which the process grew
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

from alcove.mls import KeyPackageBundle, join_group, load_group, save_group
from alcove.mls.codec import Reader, opaque
from alcove.mls.saved import Saved
from benches.groups import POLICY, build, warm
from benches.report import Report, Setting, run_alone, suffix

MEBIBYTE = 1 << 20
MEMBERS = 1000
QUICK_MEMBERS = 100


def process_bytes() -> int:
    """Return how much memory this process has: now where that can be read, else at its peak."""
    now = Path("/proc/self/statm")
    if now.exists():
        import resource  # noqa: PLC0415 - Windows has none.

        return int(now.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    try:
        import resource  # noqa: PLC0415 - Windows has none.
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def child(mode: str) -> None:
    """Take a group from standard input and print how many bytes it costs to hold it.

    Either a bundle and a Welcome, to join by, or the two parts of a saved group, to load.
    """
    reader = Reader(sys.stdin.buffer.read())
    kind, first, second = reader.opaque(), reader.opaque(), reader.opaque()
    joins = kind == b"welcome"
    bundle = KeyPackageBundle.load(first) if joins else None
    gc.collect()
    if mode == "objects":
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] if mode == "objects" else process_bytes()
    group = (
        load_group(Saved(first, second), POLICY)
        if bundle is None
        else join_group(second, bundle, POLICY)
    )
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] if mode == "objects" else process_bytes()
    assert group.epoch > 0
    print(after - before)


def ask(mode: str, kind: bytes, first: bytes, second: bytes) -> float:
    """Run a child and return its answer, in MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "benches.bench_memory", "--child", mode],
        input=opaque(kind) + opaque(first) + opaque(second),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    return int(done.stdout) / MEBIBYTE


def run(report: Report, setting: Setting) -> None:
    """Measure a group as it is joined, and one in which everyone has committed since."""
    size = QUICK_MEMBERS if setting.quick else MEMBERS
    for suite_id, suite in setting.suites:
        end = suffix(size, suite_id)
        built = build(suite, size)
        joining = b"welcome", built.members[size // 2].save(), built.welcome
        report.most(f"memory_mib{end}", ask("objects", *joining), "MiB")
        report.most(f"memory_process_mib{end}", ask("process", *joining), "MiB")
        (group,) = warm(built, (size // 2,))
        epoch, messages = save_group(group)
        report.most(f"memory_warm_mib{end}", ask("objects", b"saved", epoch, messages), "MiB")
        report.most(f"saved_epoch_kib{end}", len(epoch) / 1024, "KiB")
        report.most(f"saved_messages_bytes{end}", len(messages), "B")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        run_alone(run)
