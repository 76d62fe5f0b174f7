"""How others do: Megolm in Rust (`vodozemac`), and MLS in Python (`rfc9420`), in the same run.

    python -m benches.bench_others          prints a table

Sketch: vodozemac signs, too, but with a Rust library that is faster at it, and has a ratchet of
four hashes and no sender data to hide: expect half of our time, most of it because one signature
costs less there.  `rfc9420` does the same work as we do with the same signatures below, so the
difference is the code around them.

Whoever is not installed is left out: `make bench` installs both.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from typing import Any

from alcove.mls import KeyPackageBundle, standard_suites
from benches.groups import new_member
from benches.report import SUITE_1, Report, Setting, run_alone
from benches.timing import MESSAGE, Series, rounds

MEMBERS = 50


def _found(name: str) -> Any:
    """Return a module, or say that it is missing and return None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed, so it is left out; `make bench` has it.", file=sys.stderr)
        return None


def _measure_both(
    report: Report,
    setting: Setting,
    name: str,
    seal: Callable[[], object],
    open_next: Callable[[], object],
) -> None:
    """Time sealing and opening.  What is sealed has to be opened in the same order."""
    count = 20 if setting.quick else 100
    sealing, opening = Series(setting.baseline), Series(setting.baseline)
    for _ in rounds(setting.rounds, sealing, opening):
        sealing.time(seal, count)
        opening.time(open_next, count)
    report.duration(f"{name}_encrypt_us", "us", sealing.median(), "sign")
    report.duration(f"{name}_decrypt_us", "us", opening.median(), "verify")


def megolm(report: Report, setting: Setting) -> None:
    """Measure vodozemac's Megolm, from bytes to bytes."""
    vodozemac = _found("vodozemac")
    if vodozemac is None:
        return
    sender = vodozemac.GroupSession()
    receiver = vodozemac.InboundGroupSession(sender.session_key)
    sealed: list[bytes] = []
    read = vodozemac.MegolmMessage.from_bytes
    assert receiver.decrypt(sender.encrypt(MESSAGE)).plaintext == MESSAGE
    _measure_both(
        report,
        setting,
        "vodozemac",
        lambda: sealed.append(sender.encrypt(MESSAGE).to_bytes()),
        lambda: receiver.decrypt(read(sealed.pop(0))),
    )


class _Theirs:
    """A group of `rfc9420`'s, on key packages of ours: both read the same bytes."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._packages = importlib.import_module("rfc9420.messages.key_packages")
        self._protocol = importlib.import_module("rfc9420.group.mls_group.processing")
        self._crypto = library.DefaultCryptoProvider()
        self._config = library.GroupConfig(
            crypto_provider=self._crypto, storage_provider=library.MemoryStorageProvider()
        )

    def create(self, members: list[KeyPackageBundle]) -> tuple[Any, Any]:
        """Return the founder's group and the Welcome, after everyone was added by one commit."""
        key = members[0].signing_key.private
        group = self._library.MLSGroup.create(self._config, b"a room", self._read(members[0]))
        for member in members[1:]:
            group.process_proposal(group.add(self._read(member), key), 0)
        staged = group.create_commit(key)
        asyncio.run(staged.merge(self._config.storage_provider))
        group.apply_staged_commit(staged)
        return group, staged.welcomes[0]

    def join(self, welcome: Any, member: KeyPackageBundle) -> Any:
        """Return the group of a newcomer."""
        return self._library.MLSGroup.join_from_welcome(
            self._config, welcome, member.init_key.private, self._read(member)
        )

    def _read(self, member: KeyPackageBundle) -> Any:
        return self._packages.KeyPackage.deserialize(member.package.raw)


def python_mls(report: Report, setting: Setting) -> None:
    """Measure the other Python implementation."""
    library = _found("rfc9420")
    if library is None:
        return
    theirs = _Theirs(library)
    suite = standard_suites()[SUITE_1]
    members = [new_member(suite, f"member {index}") for index in range(MEMBERS)]
    creating, joining = Series(setting.baseline), Series(setting.baseline)
    for _ in rounds(1 if setting.quick else 3, creating, joining):
        ((_, welcome),) = creating.time(lambda: theirs.create(members))
        joining.time(lambda w=welcome: theirs.join(w, members[-1]))  # type: ignore[misc]
    report.duration(f"rfc9420_create_ms_{MEMBERS}", "ms", creating.median(), "sign")
    report.duration(f"rfc9420_join_ms_{MEMBERS}", "ms", joining.median(), "verify")
    group, welcome = theirs.create(members[:2])
    session = importlib.import_module("rfc9420.api.session").MLSGroupSession
    sender, receiver = session(group), session(theirs.join(welcome, members[1]))
    sealed: list[bytes] = []
    key = members[0].signing_key.private
    _measure_both(
        report,
        setting,
        "rfc9420",
        lambda: sealed.append(sender.protect_application(MESSAGE, signing_key=key)),
        lambda: receiver.unprotect_application(sealed.pop(0)),
    )


def run(report: Report, setting: Setting) -> None:
    """Measure who is there."""
    megolm(report, setting)
    python_mls(report, setting)


if __name__ == "__main__":
    run_alone(run)
