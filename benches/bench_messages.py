"""What a message costs beyond its signature: 200 bytes, in groups of 2 and of 100.

    python -m benches.bench_messages        prints a table

Sketch: sealing is one signature, four HMACs for the key, three for the sender's data and two AEAD
calls, each about a microsecond; the rest is Python putting bytes together.  So expect 1.6 to 1.9
times a signature to seal, 1.3 to 1.4 times a verification to open, and no difference between 2 and
100 members, since only the ratchet of the sender is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from alcove.mls import ApplicationMessage, Group, Suite
from benches.groups import build
from benches.report import Report, Setting, run_alone, suffix
from benches.timing import MESSAGE, Series, Timed, rounds

SIZES = (2, 100)
BATCH = 100
ENCRYPT_TARGET = 1.9
DECRYPT_TARGET = 1.4


class Sending:
    """A group that seals the same message again and again."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def seal(self) -> bytes:
        """Seal from the group that the message before left."""
        self.group, message = self.group.seal(MESSAGE, os.urandom)
        return message


class Receiving:
    """A group that opens messages in turn."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.waiting: Iterator[bytes] = iter(())

    def open_next(self) -> None:
        """Open the next of the messages that wait."""
        opened = self.group.receive(next(self.waiting))
        assert isinstance(opened, ApplicationMessage)
        self.group = opened.group


def measure(setting: Setting, suite: Suite, size: int) -> tuple[Timed, Timed]:
    """Return how long it takes to seal a message, and to open it."""
    built = build(suite, size)
    sending, receiving = Sending(built.founder), Receiving(built.join(size - 1))
    # The first message of an epoch derives the way down to the sender's ratchets.
    receiving.waiting = iter([sending.seal()])
    receiving.open_next()
    sealing, opening = Series(setting.baseline), Series(setting.baseline)
    for _ in rounds(setting.rounds, sealing, opening):
        receiving.waiting = iter(sealing.time(sending.seal, BATCH))
        opening.time(receiving.open_next, BATCH)
    return sealing.median(), opening.median()


def measure_all_sending(setting: Setting, suite: Suite, size: int) -> Timed:
    """Return how long it takes to open a message where every other member has sent some."""
    built = build(suite, size)
    receiving = Receiving(built.join(size - 1))
    senders = [Sending(built.founder), *(Sending(built.join(at)) for at in range(1, size - 1))]
    # The first message of each derives the way down to its ratchets.
    receiving.waiting = iter([sender.seal() for sender in senders])
    for _ in senders:
        receiving.open_next()
    opening = Series(setting.baseline)
    for _ in rounds(setting.rounds, opening):
        receiving.waiting = iter([sender.seal() for sender in senders])
        opening.time(receiving.open_next, len(senders))
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
