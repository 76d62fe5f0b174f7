"""Our own peer keeps to the protocol: what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from alcove.mls import DEFAULT_SUITE
from tests.interop.driver import ROOT, Peer, PeerProcess, PeerRefusal, alcove, assert_agree
from tests.interop.peer import VERBS
from tests.interop.peer import Peer as Program
from tests.interop.protocol import Changes, Extension
from tests.interop.room import Room


@pytest.fixture(scope="module")
def process() -> Iterator[PeerProcess]:
    with alcove() as running:
        yield running


def room_of(process: PeerProcess, *names: str, suite: int = 1) -> tuple[Room, list[Peer]]:
    """Return a room of our own clients."""
    room = Room(suite)
    first, *others = people = [process.client(name, suite) for name in names]
    first.key_package()
    room.found(first)
    if others:
        room.welcome(first, others)
    return room, people


def test_the_peer_speaks_the_default_suite(process: PeerProcess) -> None:
    room, (alice, bob) = room_of(process, "alice", "bob", suite=DEFAULT_SUITE)
    for member in (alice, bob):
        room.commit(member)
        room.everyone_hears(member)
    carol = process.client("carol", DEFAULT_SUITE)
    carol.key_package()
    room.join_external(carol, bob)
    assert assert_agree(room.members).epoch == 4


def test_what_the_test_does_wrong_has_an_error_of_its_own(process: PeerProcess) -> None:
    peer = process.client("somebody", 1)
    with pytest.raises(PeerRefusal, match="RequestError: not in a group"):
        peer.send(b"hello")
    with pytest.raises(PeerRefusal, match="RequestError: unknown cmd fly"):
        peer.ask("fly")
    with pytest.raises(PeerRefusal, match="RequestError: not hex"):
        peer.ask("psk", psk_id="6b", psk="xyz")
    with pytest.raises(PeerRefusal, match="RequestError: psk is missing"):
        peer.ask("psk", psk_id="6b")
    with pytest.raises(PeerRefusal, match="RequestError: no such key package"):
        peer.create_group(b"room")
    with pytest.raises(PeerRefusal, match="RequestError: unknown suite 9"):
        process.client("nobody", 9)
    with pytest.raises(PeerRefusal, match="RequestError: init comes first"):
        process.ask("never seen", "state", {})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"commit": 1}, "cmd is missing"),
        ({"cmd": "init", "suite": "1"}, "suite is not a number"),
        ({"cmd": "init", "suite": 1, "identity": 2}, "identity is not text"),
        ({"cmd": "init", "suite": 1, "validate_lifetime": 1}, "neither true nor false"),
        ({"cmd": "init", "suite": 1, "retention": []}, "retention is not an object"),
        ({"cmd": "init", "suite": 1, "pathless": 7}, "pathless is not a list"),
    ],
)
def test_a_field_of_the_wrong_type_is_told(fields: dict[str, object], told: str) -> None:
    reply, is_last = Program().reply(json.dumps({"id": 5, **fields}))
    assert (reply["id"], reply["ok"], is_last) == (5, False, False)
    assert told in str(reply["error"])


def test_what_the_library_refuses_changes_nothing(process: PeerProcess) -> None:
    _, (alice, bob) = room_of(process, "alice", "bob")
    before = bob.save()
    made = alice.commit(Changes(), public=True)
    forged = made.commit[:-1] + bytes([made.commit[-1] ^ 1])
    with pytest.raises(PeerRefusal, match="Lost: refused by rule frame-membership-tag"):
        bob.receive(forged)
    with pytest.raises(PeerRefusal, match="DecodeError"):
        bob.receive(made.commit + b"\x00")
    with pytest.raises(PeerRefusal, match="commit-proposal-supported"):
        bob.commit(Changes(custom=[Extension(0xF0B1, b"unknown here")]))
    assert bob.save() == before
    bob.receive(made.commit)
    assert assert_agree([alice, bob]).epoch == 2


def test_a_key_package_that_is_too_old_is_not_added(process: PeerProcess) -> None:
    alice = process.client("alice", 1, validate_lifetime=True)
    bob = process.client("bob", 1)
    alice.key_package()
    alice.create_group(b"room")
    old = bob.key_package(not_before=1, not_after=2)
    with pytest.raises(PeerRefusal, match="leaf-lifetime-current"):
        alice.commit(Changes(add=[old.message]))


def test_the_program_ends_when_asked_and_when_its_input_ends() -> None:
    command = [sys.executable, "-m", "tests.interop.peer"]
    lines = '{"id": 1, "cmd": "suites"}\nnonsense\n{"id": 2, "cmd": "quit"}\n{"id": 3}\n'
    for given, count in ((lines, 3), ("", 0)):
        ended = subprocess.run(
            command, input=given, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
        )
        replies = [json.loads(line) for line in ended.stdout.splitlines()]
        assert [reply["ok"] for reply in replies] == [True, False, True][:count]


def test_readme_has_every_verb() -> None:
    text = (ROOT / "tests" / "interop" / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`{verb}`" not in text] == []
