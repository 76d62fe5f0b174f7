"""ts-mls with itself: the foreign half of the interop tests, and the driver, work.

What ts-mls cannot do is tested here, too.  Where it and RFC 9420 part, the tests
with ours must know (README.md, "What ts-mls does otherwise"), and a new version
of it should tell us by a red test when something there has been mended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.interop.driver import HERE, Peer, PeerProcess, PeerRefusal, assert_agree, tsmls
from tests.interop.protocol import Changes, Extension, PeerFault, ReInit
from tests.interop.room import Room

SUITES = [1, 2, 3, 4, 5, 6, 7, 83, 84]

pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").is_dir(), reason="ts-mls is not installed: run `make setup`"
)


@pytest.fixture(scope="module")
def process() -> Iterator[PeerProcess]:
    with tsmls() as running:
        yield running


class Crowd(Room):
    """A room in which everybody is a client of one ts-mls process."""

    def __init__(self, process: PeerProcess, suite: int = 1) -> None:
        super().__init__(suite)
        self.process = process

    def peer(self, name: str) -> Peer:
        return self.process.client(name, self.suite)

    def start(self, *names: str, extensions: list[Extension] | None = None) -> list[Peer]:
        first, *others = [self.peer(name) for name in names]
        first.key_package()
        self.found(first, extensions or [])
        if others:
            self.welcome(first, others)
        return [first, *others]


@pytest.mark.parametrize("suite", SUITES)
def test_a_group_lives_in_every_suite(process: PeerProcess, suite: int) -> None:
    room = Crowd(process, suite)
    alice, bob = room.start("alice", "bob")
    assert bob.receive(alice.send(b"hello", aad=b"seen")).data == b"hello"
    room.commit(bob)
    room.commit(alice, public=True)
    erin = room.peer("erin")
    erin.key_package()
    room.hear(erin, erin.join_external(bob.group_info()).commit)
    room.members.append(erin)
    assert assert_agree(room.members).epoch == 4


def test_messages_arrive_in_any_order_but_once(process: PeerProcess) -> None:
    alice, bob = Crowd(process).start("alice", "bob")
    messages = [alice.send(b"%d" % number) for number in range(5)]
    assert [bob.receive(messages[number]).data for number in (4, 0, 2, 1, 3)] == [
        b"4", b"0", b"2", b"1", b"3",
    ]  # fmt: skip
    with pytest.raises(PeerRefusal, match="past"):
        bob.receive(messages[0])


def test_proposals_travel_by_reference(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob, carol = room.start("alice", "bob", "carol")
    dave, erin = room.peer("dave"), room.peer("erin")
    for message in bob.propose(Changes(add=[dave.key_package().message]), public=True):
        room.hear(bob, message)
    erin.key_package()
    room.hear(erin, erin.propose_add_external(carol.group_info()))
    room.welcome(alice, [dave, erin], Changes())
    assert [member.leaf_index for member in alice.full_state().members] == [0, 1, 2, 3, 4]


def test_an_update_is_committed_by_another_member(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob, _ = room.start("alice", "bob", "carol")
    before = bob.full_state().members[1]
    for public in (False, True):
        for message in bob.propose(Changes(update=True), public=public):
            room.hear(bob, message)
        room.commit(alice, public=public)
        after = bob.full_state().members[1]
        assert after.encryption_key != before.encryption_key
        assert after.source == "update"
        before = after
    room.commit(bob)


def test_who_commits_leaves_the_own_update_out(process: PeerProcess) -> None:
    room = Crowd(process)
    _, bob, _ = room.start("alice", "bob", "carol")
    for message in bob.propose(Changes(update=True)):
        room.hear(bob, message)
    room.commit(bob)


def test_a_removed_member_hears_of_it_and_comes_back(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob, carol = room.start("alice", "bob", "carol")
    made = alice.commit(Changes(remove=[1]))
    assert bob.receive(made.commit).snapshot.active == "removedFromGroup"
    carol.receive(made.commit)
    room.members = [alice, carol]
    bob.key_package()
    room.hear(bob, bob.join_external(carol.group_info()).commit)
    room.members.append(bob)
    assert_agree(room.members)


def test_a_member_resyncs_onto_a_new_leaf(process: PeerProcess) -> None:
    room = Crowd(process)
    _, bob, _ = room.start("alice", "bob", "carol")
    package = bob.key_package(reuse_signature_key=0)
    made = bob.join_external(room.members[0].group_info(), resync=True, package=package.index)
    room.hear(bob, made.commit)
    assert_agree(room.members)
    assert len(bob.full_state().members) == 3


def test_psks_of_both_kinds(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob")
    for member in room.members:
        member.psk(b"shared", b"\x07" * 32)
    room.commit(alice, Changes(psk=[b"shared"]))
    room.commit(bob, Changes(resumption_psk=[1]))
    with pytest.raises(PeerRefusal, match="pskId"):
        alice.commit(Changes(psk=[b"unknown"]))


def test_the_first_of_two_commits_wins(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob, carol = room.start("alice", "bob", "carol")
    first, second = alice.commit(merge=False), bob.commit(merge=False)
    assert first.snapshot is None
    alice.merge()
    bob.discard()
    for member in (bob, carol):
        member.receive(first.commit)
    assert assert_agree(room.members).epoch == 2
    with pytest.raises(PeerRefusal):
        carol.receive(second.commit)
    with pytest.raises(PeerRefusal, match="no pending commit"):
        bob.merge()


def test_a_saved_group_goes_on(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob")
    saved = alice.save()
    again = process.client("alice", 1)
    again.load(saved)
    assert bob.receive(again.send(b"after")).data == b"after"
    room.members = [again, bob]
    room.commit(bob)


def test_the_tree_can_come_beside_the_welcome(process: PeerProcess) -> None:
    room = Crowd(process)
    (alice,) = room.start("alice")
    bob, carol = room.peer("bob"), room.peer("carol")
    made = alice.commit(Changes(add=[bob.key_package().message]), ratchet_tree=False)
    assert made.welcome is not None
    with pytest.raises(PeerRefusal, match="RatchetTree"):
        bob.join(made.welcome)
    bob.join(made.welcome, made.tree)
    tree = bob.full_state().ratchet_tree
    assert tree == made.tree
    carol.key_package()
    room.members.append(bob)
    info = alice.group_info(ratchet_tree=False)
    room.hear(carol, carol.join_external(info, ratchet_tree=tree).commit)
    assert_agree([*room.members, carol])


@pytest.mark.parametrize("suite", [1, 3])
def test_a_group_is_reinitialised(process: PeerProcess, suite: int) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob")
    room_now = Extension(0xF0A5, b"new")
    alice_package, bob_package = (
        peer.key_package(suite=suite, cap_extensions=[0xF0A5]) for peer in (alice, bob)
    )
    made = alice.commit(Changes(reinit=ReInit(b"second", suite, [room_now])))
    assert bob.receive(made.commit).snapshot.active == "suspendedPendingReinit"
    for peer in (alice, bob):
        with pytest.raises(PeerRefusal, match="reinit"):
            peer.commit()
    # Either member may make the new group.
    begun = bob.reinit([alice_package.message], package=bob_package.index)
    assert begun.welcome is not None
    alice.join(begun.welcome)
    assert assert_agree([alice, bob]).group_id == b"second"


def test_a_branch_is_made_of_some_members(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob, carol = room.start("alice", "bob", "carol")
    old = alice.save()
    alice.key_package()
    begun = alice.branch(b"two of us", [bob.key_package().message])
    assert begun.welcome is not None
    bob.join(begun.welcome)
    assert assert_agree([alice, bob]).epoch == 1
    alice.load(old)
    assert carol.receive(alice.send(b"still here")).data == b"still here"


def test_a_branch_is_closed_to_who_was_not_in_the_group(process: PeerProcess) -> None:
    alice, _ = Crowd(process).start("alice", "bob")
    eve = Crowd(process).peer("eve")
    alice.key_package()
    begun = alice.branch(b"branch", [eve.key_package().message])
    assert begun.welcome is not None
    with pytest.raises(PeerRefusal, match="pskId"):
        eve.join(begun.welcome)


# ---- What ts-mls does otherwise ----


def test_tsmls_puts_custom_proposals_in_a_vector_and_wants_no_path(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob")
    made = alice.commit(Changes(custom=[Extension(0xF0B1, b"do it")]), public=True)
    assert b"\xf0\xb1\x05do it" in made.commit
    assert len(made.commit) < 250  # No room for a path.
    assert bob.receive(made.commit).proposals == [0xF0B1]


def test_tsmls_commits_new_extensions_without_the_path_they_need(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob")
    # Required capabilities that everybody has, since they require nothing.
    changes = Changes(group_context_extensions=[Extension(3, b"\0\0\0")])
    made = alice.commit(changes, public=True)
    assert len(made.commit) < 250
    assert bob.receive(made.commit).proposals == ["group_context_extensions"]


def test_tsmls_does_not_clear_the_extensions(process: PeerProcess) -> None:
    room = Crowd(process)
    alice, bob = room.start("alice", "bob", extensions=[Extension(3, b"\0\0\0")])
    before = bob.full_state().group_context
    room.commit(alice, Changes(group_context_extensions=[]))
    after = bob.full_state().group_context
    assert before.endswith(b"\x06\x00\x03\x03\x00\x00\x00")
    assert after.endswith(b"\x06\x00\x03\x03\x00\x00\x00")


def test_tsmls_puts_the_bare_key_into_external_pub(process: PeerProcess) -> None:
    alice, bob = Crowd(process).start("alice", "bob")
    as_in_the_rfc = alice.group_info(ratchet_tree=False)
    as_in_tsmls = alice.ask("group_info", ratchet_tree=False, bare_external_pub=True)
    key = as_in_tsmls.data("group_info").partition(b"\x00\x04\x20")[2][:32]
    assert len(key) == 32
    assert b"\x00\x04\x21\x20" + key in as_in_the_rfc
    bob.key_package()
    tree = alice.full_state().ratchet_tree
    with pytest.raises(PeerRefusal):
        bob.join_external(as_in_tsmls.data("group_info"), ratchet_tree=tree)


def test_tsmls_wants_one_external_sender_where_the_rfc_has_a_list(process: PeerProcess) -> None:
    alice = Crowd(process).peer("alice")
    alice.key_package()
    sender = b"\x20" + b"\x01" * 32 + b"\x00\x01\x04host"
    alice.create_group(b"theirs", [Extension(5, sender)])
    as_in_the_rfc = bytes([len(sender)]) + sender
    with pytest.raises(PeerRefusal, match="Could not decode external_senders"):
        alice.create_group(b"the RFC's", [Extension(5, as_in_the_rfc)])


def test_tsmls_refuses_a_valid_tree_in_which_a_leaf_is_merged_only_above(
    process: PeerProcess,
) -> None:
    room = Crowd(process)
    alice, _, carol, dave, erin = room.start("alice", "bob", "carol", "dave", "erin")
    room.members = [alice, carol, dave, erin]
    room.commit(alice, Changes(remove=[1]))
    # Frank on leaf 1 is unmerged in every node above; then erin's path renews the root alone.
    frank, grace = room.peer("frank"), room.peer("grace")
    room.welcome(alice, [frank], Changes(add=[frank.key_package().message]))
    room.commit(erin)
    made = alice.commit(Changes(add=[grace.key_package().message]))
    assert made.welcome is not None
    room.hear(alice, made.commit)
    with pytest.raises(PeerRefusal, match="must list leaf node in its unmerged_leaves"):
        grace.join(made.welcome)
    # The way around: each such leaf commits before ts-mls is to join.
    room.commit(frank)
    room.commit(alice, Changes(remove=[5]))
    room.welcome(alice, [grace], Changes(add=[grace.key_package().message]))


# ---- What it stands on ----


def test_the_lock_file_names_no_host() -> None:
    text = (HERE / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = json.loads(text)["packages"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in row for path, row in packages.items() if path)


# ---- The driver ----

ECHO = "import sys, json\nfor line in sys.stdin:\n    request = json.loads(line)\n    "


def program(stack: ExitStack, body: str, reply_limit_s: float = 20.0) -> PeerProcess:
    command = [sys.executable, "-u", "-c", ECHO + body]
    return stack.enter_context(PeerProcess(command, "mock", reply_limit_s=reply_limit_s))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit('out of ideas')", "(?s)ended in the middle of init.*out of ideas"),
        ("print('hello')", "not JSON"),
        ("print('[]')", "not an object"),
        ('print(\'{"id": 0, "ok": true}\')', "another request's reply"),
        ("print(json.dumps({'id': request['id'], 'ok': True}))", "kdf_nh is not a number"),
    ],
)
def test_the_driver_tells_what_a_broken_peer_did(body: str, told: str) -> None:
    with ExitStack() as stack:
        broken = program(stack, body)
        with pytest.raises(PeerFault, match=told):
            broken.client("mallory", 1)


def test_the_driver_does_not_wait_for_ever() -> None:
    with ExitStack() as stack:
        mute = program(stack, "pass", reply_limit_s=0.3)
        with pytest.raises(PeerFault, match=r"silent for 0\.3 s after init"):
            mute.client("mallory", 1)
        with pytest.raises(PeerFault, match="gone"):
            mute.client("mallory", 1)


def test_the_driver_does_not_take_a_refusal_for_a_fault(process: PeerProcess) -> None:
    numbers = count()
    peer = process.client(f"peer {next(numbers)}", 1)
    with pytest.raises(PeerRefusal, match="RequestError: not in a group"):
        peer.send(b"hello")
    with pytest.raises(PeerRefusal, match="RequestError: unknown cmd fly"):
        peer.ask("fly")
    with pytest.raises(PeerRefusal, match="RequestError: not hex"):
        peer.ask("psk", psk_id="6b", psk="xyz")
    with pytest.raises(PeerRefusal, match="RequestError: unknown suite 9"):
        process.client("nobody", 9)
    assert peer.hash_size == 32
