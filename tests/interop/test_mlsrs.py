"""AWS's mls-rs and ours in one group of suite 1, through two wheels that other projects made of it.

`agentvault-mls-rs-uniffi` (0.55.0) adds, removes its own kind, proposes, commits, and sends and
opens messages; `rine-mls` (0.55.2) also joins and comes back by external commits, and takes ours.
Neither shows the epoch authenticator: an exported secret and messages stand for it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alcove.mls import (
    Add,
    GroupContextExtensions,
    LeafTemplate,
    PublicGroup,
    Remove,
    RequiredCapabilities,
    StagedCommit,
    decode_key_package,
    join_by_commit,
)
from tests.mls.world import Person, World

EXPORT = (b"alcove test", b"\x00\xff", 40)
MEMBERS_MAX = 10


class MlsRs:
    """A member made of mls-rs.  What it commits it merges by hearing of it, like everyone."""

    def __init__(self, name: str) -> None:
        reason = "agentvault-mls-rs-uniffi (mls-rs) has no wheel for this machine"
        self.library = pytest.importorskip("mls_rs_uniffi", reason=reason).mls_rs_uniffi
        key = self.library.generate_signature_keypair(self.library.CipherSuite.CURVE25519_AES128)
        config = self.library.client_config_default()
        self.name = name
        self.client: Any = self.library.Client(name.encode(), key, config)
        self.group: Any = None

    def key_package(self) -> bytes:
        return bytes(self.client.generate_key_package_message().to_bytes())

    def found(self, group_id: bytes) -> None:
        self.group = self.client.create_group(group_id)

    def message(self, raw: bytes) -> Any:
        return self.library.Message.from_bytes(raw)

    def join(self, welcome: bytes, tree: bytes | None = None) -> None:
        given = None if tree is None else self.library.RatchetTree(bytes=tree)
        self.group = self.client.join_group(given, self.message(welcome)).group

    def receive(self, message: bytes) -> Any:
        return self.group.process_incoming_message(self.message(message))

    def add(self, packages: Sequence[bytes]) -> tuple[bytes, bytes | None]:
        return made(self.group.add_members([self.message(package) for package in packages]))

    def remove(self, others: Sequence[MlsRs]) -> tuple[bytes, bytes | None]:
        identities = [other.client.signing_identity() for other in others]
        return made(self.group.remove_members(identities))

    def commit(self) -> tuple[bytes, bytes | None]:
        return made(self.group.commit())

    def seal(self, data: bytes) -> bytes:
        return bytes(self.group.encrypt_application_message(data).to_bytes())

    def read(self, message: bytes) -> bytes:
        return bytes(self.receive(message).data)

    def exported(self) -> bytes:
        return bytes(self.group.export_secret(*EXPORT))


def made(output: Any) -> tuple[bytes, bytes | None]:
    """Return a commit and its Welcome as bytes."""
    welcome = output.welcome_message
    return bytes(output.commit_message.to_bytes()), None if welcome is None else welcome.to_bytes()


class Hall:
    """Members of both libraries in one group."""

    def __init__(self, *names: str, seed: int = 0, **policy: Any) -> None:
        self.world = World(seed, past_epochs=2, **policy)
        self.members: list[Person | MlsRs] = []
        first, *others = [self.somebody(name) for name in names]
        if isinstance(first, MlsRs):
            first.found(b"room")
        else:
            self.world.group(first.name)
        self.members = [first]
        if others:
            self.add(first, others)

    def somebody(self, name: str) -> Person | MlsRs:
        """Return somebody new: of mls-rs when the name says so, else of ours."""
        return MlsRs(name) if name.startswith("rust") else self.world.person(name)

    def hear(self, sender: Person | MlsRs, message: bytes) -> None:
        """Hand a handshake to everyone but its sender."""
        for member in self.members:
            if member is not sender:
                member.receive(message)

    def add(
        self, committer: Person | MlsRs, joiners: Sequence[Person | MlsRs], *, apart: bool = False
    ) -> None:
        """Let a member add others by value; the tree comes beside the Welcome if `apart`."""
        packages = [package_of(joiner) for joiner in joiners]
        if isinstance(committer, MlsRs):
            commit, welcome = committer.add(packages)
            committer.receive(commit)
        else:
            adds = [Add(decode_key_package(package)) for package in packages]
            own = committer.commit(*adds, tree_in_welcome=not apart)
            committer.group = own.merge()
            commit, welcome = own.message, own.welcome
        self.hear(committer, commit)
        self.welcome(welcome, joiners, self.tree(committer) if apart else None)

    def tree(self, member: Person | MlsRs) -> bytes | None:
        """Return the tree as a member of ours has it."""
        return None if isinstance(member, MlsRs) else member.group.public.tree.encode()

    def welcome(
        self, welcome: bytes | None, joiners: Sequence[Person | MlsRs], tree: bytes | None = None
    ) -> None:
        """Let people join by a Welcome."""
        assert welcome is not None
        for joiner in joiners:
            if isinstance(joiner, MlsRs):
                joiner.join(welcome, tree)
            else:
                joiner.join(welcome, tree=tree)
        self.members += joiners
        self.agree()

    def commit(self, committer: Person | MlsRs, *proposals: Any, **options: Any) -> bytes | None:
        """Let a member commit what waits, and ours also some proposals; return the Welcome."""
        if isinstance(committer, MlsRs):
            commit, welcome = committer.commit()
            committer.receive(commit)
        else:
            own = committer.commit(*proposals, **options)
            committer.group = own.merge()
            commit, welcome = own.message, own.welcome
        self.hear(committer, commit)
        return welcome

    def agree(self) -> None:
        """Assert that all export the same secret."""
        exported = {
            member.name: member.exported()
            if isinstance(member, MlsRs)
            else member.group.export(*EXPORT)
            for member in self.members
        }
        assert len(set(exported.values())) == 1, exported

    def everyone_reads(self, sender: Person | MlsRs, data: bytes = b"hello") -> None:
        """Assert that one member's message opens for all others."""
        message = sender.seal(data)
        for member in self.members:
            if member is not sender:
                assert member.read(message) == data

    def leaf(self, member: Person | MlsRs) -> int:
        """Return the index of a member's leaf, as one of ours sees it."""
        ours = next(other for other in self.members if isinstance(other, Person))
        leaves = ours.group.public.tree.leaves()
        return next(at for at, leaf in leaves if leaf.credential.data == member.name.encode())


def package_of(somebody: Person | MlsRs) -> bytes:
    """Return somebody's next key package."""
    if isinstance(somebody, MlsRs):
        return somebody.key_package()
    return somebody.new_key_package().message()


BOTH_ORDERS = [("alice", "rust bob", "carol", "rust dave"), ("rust bob", "alice", "rust dave")]


@pytest.mark.parametrize("names", BOTH_ORDERS)
def test_mlsrs_and_ours_read_each_other(names: tuple[str, ...]) -> None:
    hall = Hall(*names)
    for member in hall.members:
        hall.everyone_reads(member, member.name.encode())


@pytest.mark.parametrize("names", BOTH_ORDERS)
@pytest.mark.parametrize("private", [False, True])
def test_mlsrs_and_ours_heal_in_turn(names: tuple[str, ...], private: bool) -> None:
    hall = Hall(*names, private_handshakes=private)
    for member in [*hall.members, *hall.members]:
        hall.commit(member)
        hall.agree()
        hall.everyone_reads(member)


def test_messages_between_mlsrs_and_ours_arrive_in_any_order_but_once() -> None:
    hall = Hall("alice", "rust bob")
    alice, bob = hall.members
    for sender, reader in ((alice, bob), (bob, alice)):
        sealed = [sender.seal(b"%d" % number) for number in range(5)]
        assert [reader.read(sealed[at]) for at in (4, 0, 2, 1, 3)] == [
            b"4", b"0", b"2", b"1", b"3",
        ]  # fmt: skip
        for message in (sealed[0], sealed[4]):
            with pytest.raises(Exception, match=r"(?i)reused|key|refused"):
                reader.read(message)


def test_mlsrs_joins_with_the_tree_beside_the_welcome() -> None:
    hall = Hall("alice")
    hall.add(hall.members[0], [hall.somebody("rust bob")], apart=True)
    hall.add(hall.members[0], [hall.somebody("carol")], apart=True)
    hall.everyone_reads(hall.members[1])


def test_a_proposal_of_mlsrs_is_committed_by_ours() -> None:
    hall = Hall("alice", "rust bob", "carol")
    alice, bob, _ = hall.members
    assert isinstance(bob, MlsRs)
    dave = MlsRs("rust dave")
    (message,) = bob.group.propose_add_members([bob.message(dave.key_package())])
    hall.hear(bob, message.to_bytes())
    hall.welcome(hall.commit(alice), [dave])
    (message,) = bob.group.propose_remove_members([dave.client.signing_identity()])
    hall.hear(bob, message.to_bytes())
    hall.members.remove(dave)
    hall.commit(alice)
    hall.agree()


@pytest.mark.parametrize("private", [False, True])
def test_proposals_of_ours_are_committed_by_mlsrs(private: bool) -> None:
    hall = Hall("alice", "rust bob", "carol", private_handshakes=private)
    alice, bob, carol = hall.members
    assert isinstance(alice, Person)
    assert isinstance(carol, Person)
    dave, erin = hall.somebody("rust dave"), hall.somebody("erin")
    for joiner in (dave, erin):
        hall.hear(alice, alice.propose(Add(decode_key_package(package_of(joiner)))))
    hall.welcome(hall.commit(bob), [dave, erin])
    hall.hear(carol, carol.propose_update())
    hall.commit(bob)
    hall.agree()
    hall.hear(alice, alice.propose(Remove(hall.leaf(dave))))
    hall.members.remove(dave)
    hall.commit(bob)
    hall.agree()


def test_who_is_removed_hears_that_from_the_other_library() -> None:
    hall = Hall("alice", "rust bob", "rust carol", "dave")
    alice, bob, carol, dave = hall.members
    assert isinstance(alice, Person)
    assert isinstance(bob, MlsRs)
    assert isinstance(carol, MlsRs)
    commit = alice.commit(Remove(hall.leaf(carol)))
    assert carol.receive(commit.message).effect.is_removed()
    hall.members.remove(carol)
    hall.hear(alice, commit.message)
    alice.group = commit.merge()
    removal = alice.propose(Remove(hall.leaf(dave)))
    hall.hear(alice, removal)
    by_bob, _ = bob.commit()
    heard = dave.receive(by_bob)
    assert isinstance(heard, StagedCommit)
    assert heard.removes_me
    hall.members.remove(dave)
    bob.receive(by_bob)
    hall.hear(bob, by_bob)
    hall.agree()


def test_mlsrs_sees_ours_come_in_by_an_external_commit() -> None:
    hall = Hall("rust bob", "alice", "rust carol")
    public = hall.world.public("alice")
    erin = hall.world.person("erin")
    for replaces in (None, 3):
        hall.members = [member for member in hall.members if member is not erin]
        commit = join_by_commit(
            public, erin.signing_key, erin.template, hall.world.entropy, replaces=replaces
        )
        hall.hear(erin, commit.message)
        erin.group = commit.merge()
        hall.members.append(erin)
        hall.agree()
        public = hall.world.public("alice")


def test_mlsrs_follows_new_extensions_that_come_with_a_path() -> None:
    hall = Hall("alice", "rust bob")
    wanted = RequiredCapabilities((), (), (1,)).extension()
    for extensions in ((wanted,), ()):
        hall.commit(hall.members[0], GroupContextExtensions(extensions))
        hall.agree()


def test_the_first_of_two_commits_wins_in_both_libraries() -> None:
    hall = Hall("alice", "rust bob", "rust carol")
    alice, bob, carol = hall.members
    assert isinstance(alice, Person)
    assert isinstance(bob, MlsRs)
    losing, winning = alice.commit(), bob.commit()[0]
    bob.receive(winning)
    hall.hear(bob, winning)
    hall.agree()
    with pytest.raises(Exception, match=r"(?i)epoch"):
        carol.receive(losing.message)


def test_a_group_of_mlsrs_goes_on_from_its_store() -> None:
    hall = Hall("alice", "rust bob")
    bob = hall.members[1]
    assert isinstance(bob, MlsRs)
    bob.group.write_to_storage()
    bob.group = bob.client.load_group(b"room")
    hall.agree()
    hall.commit(bob)
    hall.everyone_reads(bob)


def test_mlsrs_agrees_when_the_left_half_of_the_tree_is_empty() -> None:
    hall = Hall("alice", "bob", "carol", "dave", "rust erin", "frank", "rust grace")
    *_, erin, frank, grace = hall.members
    assert isinstance(frank, Person)
    hall.members = [erin, frank, grace]
    hall.commit(frank, *map(Remove, range(4)))
    for member in (erin, grace, frank):
        hall.commit(member)
        hall.agree()


def test_mlsrs_follows_where_it_is_not_merged_below_a_node() -> None:
    hall = Hall(*(f"member {number}" for number in range(8)))
    first, seventh = hall.members[0], hall.members[6]
    del hall.members[4]
    hall.commit(seventh, Remove(4))
    hall.add(first, [hall.somebody("rust newcomer")])
    hall.commit(first)
    hall.agree()


class HallWalk:
    """Members of both libraries come, go, heal and write, in an order drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.hall = Hall("keeper", seed=seed)
        self.made = 0

    def step(self) -> None:
        """Take one step, and see that everybody agrees and can read."""
        size = len(self.hall.members)
        steps = [self.add, self.remove, self.heal, self.update]
        step = self.dice.choice(steps)
        if size < 3 or (step == self.add and size >= MEMBERS_MAX):
            step = self.add if size < 3 else self.remove
        step()
        self.hall.agree()
        self.hall.everyone_reads(self.dice.choice(self.hall.members))

    def add(self) -> None:
        kinds = self.dice.choices(["rust", "ours"], k=self.dice.randint(1, 3))
        joiners = []
        for kind in kinds:
            self.made += 1
            joiners.append(self.hall.somebody(f"{kind} {self.made}"))
        self.hall.add(self.dice.choice(self.hall.members), joiners)

    def remove(self) -> None:
        """Mls-rs can only name its own kind; ours can remove anyone, one of ours always stays."""
        committer = self.dice.choice(self.hall.members)
        others = [member for member in self.hall.members[1:] if member is not committer]
        if isinstance(committer, MlsRs):
            leaving: list[Any] = [member for member in others if isinstance(member, MlsRs)][:1]
            if not leaving:
                self.hall.commit(committer)
                return
            commit, _ = committer.remove(leaving)
            self.hall.members.remove(leaving[0])
            committer.receive(commit)
            self.hall.hear(committer, commit)
            return
        leaving = self.dice.sample(others, min(2, len(others)))
        leaves = [self.hall.leaf(member) for member in leaving]
        self.hall.members = [member for member in self.hall.members if member not in leaving]
        self.hall.commit(committer, *map(Remove, leaves), private=self.dice.random() < 0.5)

    def heal(self) -> None:
        self.hall.commit(self.dice.choice(self.hall.members))

    def update(self) -> None:
        """One of ours proposes a new leaf, and somebody else commits it."""
        ours = [member for member in self.hall.members if isinstance(member, Person)]
        proposer = self.dice.choice(ours)
        self.hall.hear(proposer, proposer.propose_update())
        others = [member for member in self.hall.members if member is not proposer]
        self.hall.commit(self.dice.choice(others))


@pytest.mark.parametrize("seed", [1, 2])
def test_mlsrs_and_ours_agree_on_a_walk(seed: int) -> None:
    walk = HallWalk(seed)
    for _ in range(20):
        walk.step()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_mlsrs_and_ours_agree_on_a_long_walk(seed: int) -> None:
    walk = HallWalk(seed)
    for _ in range(200):
        walk.step()


# ---- External commits, which the other wheel has ----


def rine(folder: Path) -> Any:
    """Return a client of rine-mls, which keeps its groups in a folder."""
    library = pytest.importorskip(
        "rine_mls", reason="rine-mls (mls-rs) has no wheel for this machine"
    )
    return library.MlsClient(str(folder), os.urandom(32), library.CIPHER_SUITE_CLASSICAL)


def test_mlsrs_comes_in_and_comes_back_by_external_commits(tmp_path: Path) -> None:
    world = World()
    (alice,) = world.group("alice")
    first = rine(tmp_path / "first").join_by_external_commit(alice.group.group_info())
    alice.receive(first.last_commit().commit)
    second = rine(tmp_path / "second")
    commits = []
    group = second.join_by_external_commit(alice.group.group_info())
    for _ in range(2):
        commits.append(group.last_commit().commit)
        alice.receive(commits[-1])
        first.apply_commit(commits[-1])
        assert first.epoch() == group.epoch() == alice.group.epoch
        assert alice.read(first.encrypt_application_message(b"hello")[1:]) == b"hello"
        stale = group.current_member_index()
        group = second.resync_by_external_commit(alice.group.group_info(), stale)
    assert [at for at, _ in alice.group.public.tree.leaves()] == [0, 1, 2]


def test_ours_comes_into_a_group_that_mlsrs_describes(tmp_path: Path) -> None:
    world = World()
    alice = world.person("alice")
    founder = rine(tmp_path / "founder").create_group(b"theirs")
    public = PublicGroup.from_group_info(founder.group_info(), world.policy)
    commit = join_by_commit(
        public, alice.signing_key, LeafTemplate.of(alice.bundle.package.leaf), world.entropy
    )
    founder.apply_commit(commit.message)
    alice.group = commit.merge()
    assert alice.read(founder.encrypt_application_message(b"hello")[1:]) == b"hello"
    heard = founder.decrypt_application_message(b"\x04" + alice.seal(b"hello too"))
    assert heard.envelope == b"hello too"
    removal = founder.remove_member(alice.leaf)
    staged = alice.receive(removal.commit)
    assert isinstance(staged, StagedCommit)
    assert staged.removes_me
