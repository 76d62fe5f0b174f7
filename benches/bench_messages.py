"""What a message costs beyond its signature: 200 bytes, in groups of 2 and of 100.

    python -m benches.bench_messages        prints a table

Sketch: sealing is one signature, four HMACs for the key, three for the sender's data and two AEAD
calls, each about a microsecond; the rest is Python putting bytes together.  So expect 1.6 to 1.9
times a signature to seal, 1.3 to 1.4 times a verification to open, and no difference between 2 and
100 members, since only the ratchet of the sender is touched.
"""

from __future__ import annotations

import os

from alcove.mls import ApplicationMessage, Group
from benches.groups import build
from benches.report import Report, Setting, run_alone, suffix
from benches.timing import MESSAGE, Series

SIZES = (2, 100)
ENCRYPT_TARGET = 1.9
DECRYPT_TARGET = 1.4


def seal_many(group: Group, count: int) -> tuple[Group, list[bytes]]:
    """Seal the same message again and again, each from the group that the one before left."""
    messages = []
    for _ in range(count):
        group, message = group.seal(MESSAGE, os.urandom)
        messages.append(message)
    return group, messages


def open_many(group: Group, messages: list[bytes]) -> Group:
    """Open messages in turn."""
    for message in messages:
        opened = group.receive(message)
        assert isinstance(opened, ApplicationMessage)
        group = opened.group
    return group


def run(report: Report, setting: Setting) -> None:
    """Measure sealing and opening."""
    count = 50 if setting.quick else 200
    for suite_id, suite in setting.suites:
        for size in SIZES:
            built = build(suite, size)
            sender, receiver = built.founder, built.join(size - 1)
            sealing, opening = Series(setting.baseline), Series(setting.baseline)
            sender, messages = seal_many(sender, 10)
            receiver = open_many(receiver, messages)
            for _ in range(setting.rounds):
                start, goes_on = sender, receiver
                sender, messages = sealing.time(lambda g=start: seal_many(g, count), count)
                receiver = opening.time(lambda g=goes_on, m=messages: open_many(g, m), count)
            end = suffix(None if size == SIZES[0] else size, suite_id)
            report.ratio(f"encrypt_over_sign{end}", sealing.median(), "sign", ENCRYPT_TARGET)
            report.ratio(f"decrypt_over_verify{end}", opening.median(), "verify", DECRYPT_TARGET)


if __name__ == "__main__":
    run_alone(run)
