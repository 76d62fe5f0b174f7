"""What a message costs beyond its signature: 200 bytes, in groups of 2 and of 100.

    python -m benches.bench_messages        prints a table

Sketch: sealing is one signature, four HMACs for the key, three for the sender's data and two AEAD
calls, each about a microsecond; the rest is Python putting bytes together.  So expect 1.6 to 1.9
times a signature to seal, 1.3 to 1.4 times a verification to open, and no difference between 2 and
100 members, since only the ratchet of the sender is touched.
"""

from __future__ import annotations

import os

from alcove.mls import ApplicationMessage, Group, Suite
from benches.groups import build
from benches.report import Report, Setting, run_alone, suffix
from benches.timing import MESSAGE, Series, Timed

SIZES = (2, 100)
SAMPLES_PER_ROUND = 8
"""Short samples, and many: a busy neighbour slows Python down more than it does a signature."""
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


def measure(setting: Setting, suite: Suite, size: int) -> tuple[Timed, Timed]:
    """Return how long it takes to seal a message, and to open it."""
    count = 25
    built = build(suite, size)
    # The first message of an epoch derives the way down to the sender's ratchets.
    sender, messages = seal_many(built.founder, 1)
    receiver = open_many(built.join(size - 1), messages)
    sealing, opening = Series(setting.baseline), Series(setting.baseline)

    def seal() -> tuple[Group, list[bytes]]:
        return seal_many(sender, count)

    def open_them() -> Group:
        return open_many(receiver, messages)

    for _ in range(SAMPLES_PER_ROUND * setting.rounds):
        sender, messages = sealing.time(seal, count)
        receiver = opening.time(open_them, count)
    return sealing.median(), opening.median()


def measure_all_sending(setting: Setting, suite: Suite, size: int) -> Timed:
    """Return how long it takes to open a message where every other member has sent some."""
    built = build(suite, size)
    receiver = built.join(size - 1)
    senders = [built.founder, *(built.join(index) for index in range(1, size - 1))]
    opening = Series(setting.baseline)
    messages: list[bytes] = []

    def open_them() -> Group:
        return open_many(receiver, messages)

    for at in range(3 if setting.quick else setting.rounds):
        sealed = [sender.seal(MESSAGE, os.urandom) for sender in senders]
        senders = [each.group for each in sealed]
        messages = [each.message for each in sealed]
        # The first message of each derives the way down to its ratchets; it is not counted.
        receiver = opening.time(open_them, len(messages)) if at else open_them()
    return opening.median()


def run(report: Report, setting: Setting) -> None:
    """Measure sealing and opening."""
    for suite_id, suite in setting.suites:
        for size in SIZES:
            sealing, opening = measure(setting, suite, size)
            end = suffix(None if size == SIZES[0] else size, suite_id)
            report.ratio(f"encrypt_over_sign{end}", sealing, "sign", ENCRYPT_TARGET)
            report.ratio(f"decrypt_over_verify{end}", opening, "verify", DECRYPT_TARGET)
        all_sending = measure_all_sending(setting, suite, SIZES[-1])
        name = f"decrypt_over_verify{suffix(SIZES[-1], suite_id)}_all_send"
        report.ratio(name, all_sending, "verify", DECRYPT_TARGET)


if __name__ == "__main__":
    run_alone(run)
