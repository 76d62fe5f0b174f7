"""ts-mls and ours in one group: everything that both can do, with either in either place.

Each test is played twice, once with ours in the first seat and once with ts-mls there; the seats
alternate, so whoever commits, joins, proposes or is removed is of the one kind the first time and
of the other the second.  The longer walks are in test_tsmls_walks.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from alcove.mls import decode_key_package
from tests.interop.driver import (
    HERE,
    Peer,
    PeerProcess,
    PeerRefusal,
    alcove,
    assert_agree,
    tsmls,
)
from tests.interop.protocol import Changes, Extension, ReInit
from tests.interop.room import Room
from tests.interop.suites import SUITES

TSMLS_SUITES = [1, 2, 3, 4, 5, 6, 7, 83, 84]
PROGRAMS = {"alcove": alcove, "ts-mls": tsmls}
ROOM_EXTENSION = 0xF0A5
ROOM_PROPOSAL = 0xF0B1

pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").is_dir(), reason="ts-mls is not installed: run `make setup`"
)


@pytest.fixture(scope="module")
def ours() -> Iterator[PeerProcess]:
    with alcove() as running:
        yield running


@pytest.fixture(scope="module")
def theirs() -> Iterator[PeerProcess]:
    with tsmls() as running:
        yield running


class Cast:
    """Who plays: peers of both kinds in turn, beginning with the first."""

    def __init__(self, *processes: PeerProcess) -> None:
        self.processes = list(processes)
        self.count = 0

    def person(self, name: str, suite: int = 1) -> Peer:
        """Return the next peer; it knows the application's own proposals."""
        process = self.processes[self.count % 2]
        self.count += 1
        return process.client(name, suite, pathless=[ROOM_PROPOSAL])

    def room(self, *names: str, suite: int = 1) -> tuple[Room, list[Peer]]:
        """Return a room with these people: the first makes it and adds the others at once."""
        room = Room(suite)
        people = [self.person(name, suite) for name in names]
        offers = [knowing(peer) for peer in people]
        room.found(people[0])
        if len(people) > 1:
            room.welcome(people[0], people[1:], Changes(add=offers[1:]))
        return room, people


def knowing(peer: Peer) -> bytes:
    """Return a key package of somebody who knows the application's extension and proposal."""
    fields = {"cap_extensions": [ROOM_EXTENSION], "cap_proposals": [ROOM_PROPOSAL]}
    return peer.key_package(**fields).message


@pytest.fixture(params=["alcove", "ts-mls"])
def cast(request: pytest.FixtureRequest, ours: PeerProcess, theirs: PeerProcess) -> Cast:
    return Cast(ours, theirs) if request.param == "alcove" else Cast(theirs, ours)


# ---- Every suite ----


@pytest.mark.parametrize("suite", TSMLS_SUITES)
def test_a_group_lives_in_every_suite(cast: Cast, suite: int) -> None:
    room, (alice, bob, carol) = cast.room("alice", "bob", "carol", suite=suite)
    for person in (alice, bob):
        room.everyone_hears(person)
        room.commit(person)
        room.commit(person, public=True)
        person.psk(b"shared", b"\x07" * 32)
    carol.psk(b"shared", b"\x07" * 32)
    room.propose(bob, Changes(update=True))
    room.commit(alice, Changes(psk=[b"shared"]))
    room.propose(alice, Changes(update=True), public=True)
    room.commit(bob, Changes(psk=[b"shared"]), public=True)
    room.commit(bob, Changes(remove=[2]))
    dave = cast.person("dave", suite)
    dave.key_package()
    room.join_external(dave, alice)
    room.everyone_hears(dave)
    assert room.members[0].state().epoch == 9


@pytest.mark.parametrize("suite", TSMLS_SUITES)
def test_both_have_the_same_public_key_encryption(theirs: PeerProcess, suite: int) -> None:
    peer = theirs.client("probe", suite)
    mine = SUITES[suite]
    reply = peer.ask("derive_key_pair", ikm="2a" * mine.secret_bytes)
    key = mine.kem_derive(b"\x2a" * mine.secret_bytes)
    assert (reply.data("public"), reply.data("private")) == (key.public, key.private)
    info, text = b"info".hex(), b"secret"
    sealed = peer.ask("hpke_seal", public=key.public.hex(), plaintext=text.hex(), info=info, aad="")
    opened = mine.crypto.hpke_open(mine.hpke, key, sealed.data("enc"), b"info", sealed.data("ct"))
    enc, ct = mine.crypto.hpke_seal(mine.hpke, key.public, b"info", text)
    fields = {"private": key.private.hex(), "info": info, "aad": ""}
    assert peer.ask("hpke_open", **fields, enc=enc.hex(), ct=ct.hex()).data("plaintext") == text
    assert opened == text
    sent = peer.ask("hpke_export", public=key.public.hex(), context="63", length=40, info=info)
    assert sent.data("secret") == mine.crypto.hpke_receive_export(
        mine.hpke, key, sent.data("enc"), b"info", b"c", 40
    )


@pytest.mark.parametrize("suite", TSMLS_SUITES)
def test_key_packages_have_the_same_reference(cast: Cast, suite: int) -> None:
    made = cast.person("alice", suite).key_package()
    package = decode_key_package(made.message)
    assert package.reference(SUITES[suite]) == made.ref


# ---- Coming, going, coming back ----


def test_twenty_come_at_once_and_one_by_one(cast: Cast) -> None:
    room, people = cast.room(*(f"member {number}" for number in range(18)))
    for name in ("nineteen", "twenty"):
        newcomer = cast.person(name)
        room.settle([newcomer])
        room.welcome(people[0 if name == "nineteen" else 1], [newcomer])
    for committer in people[:4]:
        room.commit(committer)
    room.everyone_hears(room.members[-1])
    assert len(room.members) == 20


def test_proposals_travel_by_reference(cast: Cast) -> None:
    room, (alice, bob, carol) = cast.room("alice", "bob", "carol")
    dave = cast.person("dave")
    room.propose(bob, Changes(add=[knowing(dave)]), public=True)
    room.welcome(carol, [dave], Changes())
    room.propose(alice, Changes(update=True), public=True)
    room.propose(bob, Changes(remove=[2]))
    room.commit(dave)
    assert room.members == [alice, bob, dave]
    before = alice.full_state().members[0]
    room.propose(alice, Changes(update=True))
    room.commit(bob, public=True)
    after = bob.full_state().members[0]
    assert after.encryption_key != before.encryption_key
    assert after.source == "update"


def test_somebody_asks_to_join_from_outside(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    for name, helper, committer in (("carol", alice, bob), ("dave", bob, alice)):
        newcomer = cast.person(name)
        knowing(newcomer)
        room.hear(newcomer, newcomer.propose_add_external(helper.group_info()))
        room.settle([newcomer])
        room.welcome(committer, [newcomer], Changes())
    assert [member.leaf_index for member in alice.full_state().members] == [0, 1, 2, 3]


def test_who_commits_leaves_the_own_update_out(cast: Cast) -> None:
    room, (_, bob, _) = cast.room("alice", "bob", "carol")
    room.propose(bob, Changes(update=True))
    made = room.commit(bob)
    assert made.welcome is None
    room.everyone_hears(bob)


def test_a_removed_member_hears_of_it_reads_no_more_and_comes_back(cast: Cast) -> None:
    room, (alice, bob, carol) = cast.room("alice", "bob", "carol")
    room.commit(alice, Changes(remove=[1]))
    with pytest.raises(PeerRefusal):
        bob.receive(carol.send(b"without bob"))
    with pytest.raises(PeerRefusal):
        bob.commit()
    knowing(bob)
    room.join_external(bob, carol)
    room.everyone_hears(bob)
    assert room.members == [alice, carol, bob]


def test_members_come_in_and_resync_by_external_commits(cast: Cast) -> None:
    room, (alice, bob, carol) = cast.room("alice", "bob", "carol")
    for name, helper in (("dave", alice), ("erin", bob)):
        newcomer = cast.person(name)
        knowing(newcomer)
        room.settle([newcomer], commits_itself=True)
        room.join_external(newcomer, helper, tree_inside=name == "dave")
    for lost, helper in ((bob, carol), (carol, bob)):
        package = lost.key_package(reuse_signature_key=0, cap_extensions=[ROOM_EXTENSION])
        room.settle([lost], commits_itself=True)
        room.join_external(lost, helper, resync=True, package=package.index)
    assert len(alice.full_state().members) == 5


def test_the_tree_can_come_beside_the_welcome(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    for name, committer in (("carol", alice), ("dave", bob)):
        newcomer = cast.person(name)
        room.settle([newcomer])
        made = committer.commit(Changes(add=[knowing(newcomer)]), ratchet_tree=False)
        assert made.welcome is not None
        room.hear(committer, made.commit)
        with pytest.raises(PeerRefusal, match=r"(?i)tree"):
            newcomer.join(made.welcome)
        newcomer.join(made.welcome, made.tree)
        room.members.append(newcomer)
        assert newcomer.full_state().ratchet_tree == made.tree
    assert_agree(room.members)


# ---- Keys, messages, races ----


def test_psks_of_both_kinds(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    for member in room.members:
        member.psk(b"shared", b"\x07" * 32)
    for committer in (alice, bob):
        room.commit(committer, Changes(psk=[b"shared"]))
        room.commit(committer, Changes(resumption_psk=[1, 2]), public=True)
    with pytest.raises(PeerRefusal, match=r"pskId|psk-available"):
        alice.commit(Changes(psk=[b"unknown"]))


def test_a_welcome_can_want_a_psk(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    people = [cast.person("carol"), cast.person("dave")]
    for member in [*room.members, *people]:
        member.psk(b"shared", b"\x07" * 32)
    for committer, newcomer in zip((alice, bob), people, strict=True):
        room.settle([newcomer])
        changes = Changes(add=[knowing(newcomer)], psk=[b"shared"])
        room.welcome(committer, [newcomer], changes)
    stranger = cast.person("eve")
    made = bob.commit(Changes(add=[knowing(stranger)], psk=[b"shared"]), merge=False)
    assert made.welcome is not None
    with pytest.raises(PeerRefusal, match=r"pskId|psk-available"):
        stranger.join(made.welcome)


def test_an_external_commit_of_ours_can_bring_a_psk(ours: PeerProcess, theirs: PeerProcess) -> None:
    _, (alice, bob) = Cast(theirs, ours).room("alice", "bob")
    carol = ours.client("carol", 1)
    for member in (alice, bob, carol):
        member.psk(b"shared", b"\x07" * 32)
    knowing(carol)
    made = carol.ask(
        "join_external", group_info=alice.group_info().hex(), psk=[b"shared".hex()]
    ).data("commit")
    for member in (alice, bob):
        assert member.receive(made).proposals == ["external_init", "psk"]
    assert assert_agree([alice, bob, carol]).epoch == 2


def test_messages_arrive_in_any_order_but_once(cast: Cast) -> None:
    _, (alice, bob) = cast.room("alice", "bob")
    for sender, reader in ((alice, bob), (bob, alice)):
        messages = [sender.send(b"%d" % number, aad=b"seen") for number in range(5)]
        assert [reader.receive(messages[number]).data for number in (4, 0, 2, 1, 3)] == [
            b"4", b"0", b"2", b"1", b"3",
        ]  # fmt: skip
        for message in messages:
            with pytest.raises(PeerRefusal):
                reader.receive(message)


def test_messages_arrive_after_the_next_commits_and_not_for_ever(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    early = [[sender.send(b"%d" % number) for number in range(2)] for sender in (alice, bob)]
    for _ in range(4):
        room.commit(alice)
    for (first, _), reader in zip(early, (bob, alice), strict=True):
        assert reader.receive(first).data == b"0"
    room.commit(bob)
    for (_, second), reader in zip(early, (bob, alice), strict=True):
        with pytest.raises(PeerRefusal):
            reader.receive(second)


def test_the_first_of_two_commits_wins(cast: Cast) -> None:
    room, (alice, bob, carol, _) = cast.room("alice", "bob", "carol", "dave")
    for public in (False, True):
        first, second = alice.commit(merge=False, public=public), bob.commit(merge=False)
        assert first.snapshot is None
        alice.merge()
        bob.discard()
        room.deliver(alice, first.commit)
        for member in room.others(bob):
            with pytest.raises(PeerRefusal):
                member.receive(second.commit)
        with pytest.raises(PeerRefusal, match="no pending commit"):
            bob.merge()
    assert carol.state().epoch == 3


def test_a_commit_can_be_looked_at_and_left(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    for committer, reader in ((alice, bob), (bob, alice)):
        made = committer.commit(merge=False, public=True)
        seen = reader.receive(made.commit, reject=True)
        assert (seen.kind, seen.snapshot.epoch) == ("commit", 1)
        committer.discard()
    room.commit(alice)
    assert bob.state().epoch == 2


@pytest.mark.parametrize("pad", [0, 300])
def test_padding_of_any_length_is_taken_off(
    ours: PeerProcess, theirs: PeerProcess, pad: int
) -> None:
    room = Room()
    alice, bob = (process.client(f"padded {pad}", 1, pad=pad) for process in (ours, theirs))
    alice.key_package()
    room.found(alice)
    room.welcome(alice, [bob])
    for sender in (alice, bob):
        room.everyone_hears(sender, b"x" * 100)
        room.commit(sender)
    assert (len(bob.send(b"short")) > 300) == (pad == 300)


# ---- The application's own ----


def test_application_defined_proposals_are_understood(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    wish = Changes(custom=[Extension(ROOM_PROPOSAL, b"do it")])
    made = alice.commit(wish)
    assert bob.receive(made.commit).proposals == [ROOM_PROPOSAL]
    room.propose(alice, wish, public=True)
    room.propose(bob, wish)
    room.commit(bob, public=True)
    assert assert_agree(room.members).epoch == 3


def test_new_extensions_of_ours_are_followed(ours: PeerProcess, theirs: PeerProcess) -> None:
    room, (alice, bob, carol) = Cast(theirs, ours).room("alice", "bob", "carol")
    wanted = [Extension(ROOM_EXTENSION, b"a room")]
    room.commit(bob, Changes(group_context_extensions=wanted))
    room.propose(bob, Changes(group_context_extensions=[Extension(ROOM_EXTENSION, b"renamed")]))
    room.commit(bob)
    assert alice.full_state().group_context.endswith(b"renamed")
    newcomer = theirs.client("dave", 1)
    room.settle([newcomer])
    room.welcome(carol, [newcomer], Changes(add=[knowing(newcomer)]))


def test_certificates_serve_as_credentials(cast: Cast) -> None:
    room, people = Room(), [cast.person("alice"), cast.person("bob")]
    offers = [with_certificate(peer) for peer in people]
    room.found(people[0])
    room.welcome(people[0], people[1:], Changes(add=offers[1:]))
    room.commit(people[1])
    assert [member.identity for member in people[0].full_state().members] == [None, None]


def with_certificate(peer: Peer) -> bytes:
    """Return a key package whose credential is a certificate for its signature key."""
    leaf = decode_key_package(peer.key_package().message).leaf
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, peer.name)])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(ed25519.Ed25519PublicKey.from_public_bytes(leaf.signature_key))
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + dt.timedelta(days=3650))
        .sign(ed25519.Ed25519PrivateKey.generate(), None)
    )
    chain = [certificate.public_bytes(serialization.Encoding.DER).hex()]
    return peer.key_package(certificates=chain, reuse_signature_key=0).message


# ---- Stores and successors ----


def test_a_saved_group_goes_on_in_another_process(cast: Cast) -> None:
    room, (alice, bob) = cast.room("alice", "bob")
    with PROGRAMS[alice.process.name]() as process:
        again = process.client("alice", 1)
        again.load(alice.save())
        room.members = [again, bob]
        room.everyone_hears(again)
        room.commit(again)
        room.commit(bob)


@pytest.mark.parametrize("suite", [1, 3, 7])
@pytest.mark.parametrize("begins", [0, 1])
def test_a_group_is_reinitialised(cast: Cast, suite: int, begins: int) -> None:
    room, people = cast.room("alice", "bob", "carol")
    packages = [peer.key_package(suite=suite, cap_extensions=[ROOM_EXTENSION]) for peer in people]
    wanted = ReInit(b"second", suite, [Extension(ROOM_EXTENSION, b"new")])
    made = people[0].commit(Changes(reinit=wanted))
    for person in people[1:]:
        assert person.receive(made.commit).snapshot.active == "suspendedPendingReinit"
    for person in people:
        with pytest.raises(PeerRefusal):
            person.commit()
    # Any member may make the new group.
    founder = people[begins]
    others = [peer for peer in people if peer is not founder]
    offers = [packages[people.index(peer)].message for peer in others]
    begun = founder.reinit(offers, package=packages[begins].index)
    assert begun.welcome is not None
    for peer in others:
        peer.join(begun.welcome)
    assert assert_agree(people).group_id == b"second"
    assert room.members == people


def test_a_branch_is_made_of_some_members_and_of_nobody_else(cast: Cast) -> None:
    room, (alice, bob, carol) = cast.room("alice", "bob", "carol")
    saved = {peer.name: peer.save() for peer in room.members}
    for founder, other in ((alice, bob), (bob, alice)):
        package = founder.key_package(reuse_signature_key=0).index
        offer = other.key_package(reuse_signature_key=0).message
        begun = founder.branch(b"two of us", [offer], package=package)
        assert begun.welcome is not None
        other.join(begun.welcome)
        assert assert_agree([founder, other]).epoch == 1
        for peer in (founder, other):
            peer.load(saved[peer.name])
    room.commit(carol)
    with pytest.raises(PeerRefusal):
        branch_with(bob, cast.person("eve"))


def branch_with(founder: Peer, other: Peer) -> None:
    """Make a branch of two.  With a stranger, ours refuses to make it and ts-mls to join it."""
    package = founder.key_package(reuse_signature_key=0).index
    begun = founder.branch(b"a branch", [other.key_package().message], package=package)
    assert begun.welcome is not None
    other.join(begun.welcome)


# ---- What ts-mls does otherwise ----


def test_ours_refuses_new_extensions_that_come_without_a_path(
    ours: PeerProcess, theirs: PeerProcess
) -> None:
    _, (alice, bob) = Cast(theirs, ours).room("alice", "bob")
    changed = Changes(group_context_extensions=[Extension(ROOM_EXTENSION, b"a room")])
    made = alice.commit(changed)
    with pytest.raises(PeerRefusal, match="commit-path-required"):
        bob.receive(made.commit)


def test_ours_refuses_a_compressed_signature_key(ours: PeerProcess, theirs: PeerProcess) -> None:
    alice, bob = ours.client("alice", 2), theirs.client("bob", 2)
    alice.key_package()
    alice.create_group(b"room")
    compressed = bob.key_package(compressed_signature_key=True)
    with pytest.raises(PeerRefusal, match="kp-signature"):
        alice.commit(Changes(add=[compressed.message]))


def test_tsmls_goes_a_step_too_far_when_the_left_half_of_the_tree_is_empty(
    ours: PeerProcess, theirs: PeerProcess
) -> None:
    room, people = Cast(theirs, ours).room("alice", "bob", "carol", "dave")
    assert not room.may_remove([0, 1])
    made = people[2].commit(Changes(remove=[0, 1]))
    with pytest.raises(PeerRefusal, match="commit-confirmation-tag"):
        people[3].receive(made.commit)
