"""How many a second: messages sealed and opened, key packages made.

    python -m benches.bench_rates           prints a table

Sketch: a message is sealed in two signatures' time and opened in one and a half verifications', so
expect tens of thousands sealed and some thousands opened.  A key package is two key pairs and two
signatures: five thousand a second, and a third of that when the keys are post-quantum.
"""

from __future__ import annotations

from alcove.mls import Suite
from benches import bench_messages
from benches.groups import new_member
from benches.report import Report, Setting, run_alone, suffix
from benches.timing import Series, rounds

SEALED_TARGET = 10_000
THROUGHPUT_TARGET = 1_000
KEY_PACKAGES_TARGET = 100


def run(report: Report, setting: Setting) -> None:
    """Measure rates, whatever this machine's signatures cost."""
    for suite_id, suite in setting.suites:
        end = suffix(None, suite_id)
        sealing, both, making = measure(setting, suite)
        report.least(f"encrypts_per_second{end}", 1 / sealing, "/s", SEALED_TARGET)
        report.least(f"messages_per_second{end}", 1 / both, "/s", THROUGHPUT_TARGET)
        report.least(f"key_packages_per_second{end}", 1 / making, "/s", KEY_PACKAGES_TARGET)


def measure(setting: Setting, suite: Suite) -> tuple[float, float, float]:
    """Return the seconds to seal, to seal and open, and to make a key package with its keys."""
    sealing, opening = bench_messages.measure(setting, suite, 2)
    making = Series(setting.baseline)
    for _ in rounds(setting.rounds, making):
        making.time(lambda: new_member(suite, "a device"), 50)
    return sealing.seconds, sealing.seconds + opening.seconds, making.median().seconds


if __name__ == "__main__":
    run_alone(run)
