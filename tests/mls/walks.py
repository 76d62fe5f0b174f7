"""The random walk of a group: everything that members can do, in any order, with a model beside it.

The server's log is a total order of handshakes.  Whoever is awake takes each of them at once; whoever
sleeps finds them in its mail, in order.  Application messages wait until a rule delivers them, in
any order, late, or twice, and the model says whether each may still be opened.

What must be true after every step stands in the `@invariant` methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alcove.mls import (
    APPLICATION_ID,
    DEFAULT_SUITE,
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Custom,
    Extension,
    ExternalPsk,
    ExternalSender,
    Group,
    GroupContextExtensions,
    OwnCommit,
    PeerError,
    Proposal,
    PublicGroup,
    PublicProposal,
    ReInit,
    Remove,
    RequiredCapabilities,
    ResumptionPsk,
    StagedCommit,
    StagedPublicCommit,
    UsageError,
    basic,
    branch_group,
    external_senders,
    join_group,
    padme,
    propose_as_outsider,
    propose_to_join,
    reinit_group,
    save_group,
    suites_on,
)
from alcove.mls import tree_math as math
from alcove.mls.proposals import FOR_APPLICATION
from alcove.mls.tree import ParentNode
from tests.mls.recording import RecordingProvider
from tests.mls.world import Person, World, refusal

MOST_MEMBERS = 30
OUR_EXTENSION = 0xF000
OUR_PROPOSAL = 0xF001

anyone = st.integers(0, MOST_MEMBERS - 1)
"""Somebody: an index into whatever list of people the rule chooses from, modulo its length."""
coin = st.booleans()


class Letter(NamedTuple):
    """An application message on its way, and what the model knows of it."""

    message: bytes
    data: bytes
    group_id: bytes
    epoch: int
    leaf: int
    generation: int


class Ratchet(NamedTuple):
    """What a receiver still has of one sender's keys in one epoch."""

    generation: int = 0
    skipped: tuple[int, ...] = ()


class Walk(RuleBasedStateMachine):
    """A group, its members, its server and a follower without secrets."""

    # Beginning.

    @initialize(
        seed=st.integers(0, 2**32),
        size=st.sampled_from([2, 3, 5, 9, MOST_MEMBERS]),
        suite=st.sampled_from([1, 1, 1, 3, DEFAULT_SUITE]),
        past_epochs=st.integers(0, 2),
        past_resumptions=st.integers(0, 3),
        out_of_order=st.sampled_from([0, 2, 32]),
        forward=st.sampled_from([3, 1024]),
        padded=coin,
    )
    def begin(
        self,
        seed: int,
        size: int,
        suite: int,
        past_epochs: int,
        past_resumptions: int,
        out_of_order: int,
        forward: int,
        padded: bool,
    ) -> None:
        self.recorder = RecordingProvider()
        suites = suites_on(self.recorder)
        limits = {
            "past_epochs": past_epochs,
            "past_resumptions": past_resumptions,
            "out_of_order": out_of_order,
            "forward": forward,
        }
        if padded:
            limits["padding"] = padme
        self.world = World(
            seed,
            suite=suite,
            suites=suites,
            capabilities=Capabilities(
                suites=(suite,), extensions=(OUR_EXTENSION,), proposals=(OUR_PROPOSAL,),
                credentials=(1,),
            ),
            **limits,
        )
        self.names = 0
        self.present: list[str] = []
        """Who is in the group as the log has it, in the order of joining."""
        self.asleep: list[str] = []
        self.mail: dict[str, list[bytes]] = {}
        """Handshakes that a sleeper has not seen."""
        self.letters: dict[str, list[Letter]] = {}
        """Application messages that have not been delivered."""
        self.opened: list[tuple[str, Letter]] = []
        self.ghosts: list[Group] = []
        """The last values of those who were removed."""
        self.since: dict[str, int] = {}
        self.sent: dict[tuple[str, int], int] = {}
        """How many messages somebody has sealed in an epoch."""
        self.windows: dict[str, dict[tuple[int, int], Ratchet]] = {}
        """By receiver: what it has of each (epoch, leaf)."""
        self.states: dict[int, bytes] = {}
        """By epoch: what its members agree on."""
        self.psk_values: dict[bytes, bytes] = {}
        self.resumptions: dict[int, bytes] = {}
        self.touched: set[str] = set()
        """Whom a waiting proposal adds, updates or removes."""
        self.waiting_extensions = False
        self.follower: PublicGroup | None = None
        self.server = self.world.suite.new_signing_key(self.world.entropy(64))
        self.sender = external_senders([ExternalSender(self.server.public, basic(b"server"))])
        founder = self.newcomer()
        self.world.group(founder.name, group_id=b"room 0", extensions=(self.sender,))
        self.arrive(founder.name, 0)
        self.epoch_begins(founder)
        self.commit(founder, adds=[self.newcomer() for _ in range(size - 1)])

    def newcomer(self) -> Person:
        self.names += 1
        return self.world.person(f"person {self.names}")

    def arrive(self, name: str, epoch: int) -> None:
        """Somebody is in, from this epoch on, and knows nothing of what was before."""
        self.present.append(name)
        self.since[name] = epoch
        self.windows[name] = {}
        self.mail[name] = []
        self.letters[name] = []

    # Choosing.

    @property
    def awake(self) -> list[Person]:
        return [self.world.people[name] for name in self.present if name not in self.asleep]

    def member(self, index: int) -> Person:
        return self.awake[index % len(self.awake)]

    def some(self, indexes: Sequence[int], names: Sequence[str]) -> list[Person]:
        """Choose different people from a list of names."""
        chosen = {names[index % len(names)]: None for index in indexes} if names else {}
        return [self.world.people[name] for name in chosen]

    def leaf_of(self, name: str) -> int:
        """Where somebody sits, asleep or not."""
        tree = self.awake[0].group.public.tree
        return next(at for at, leaf in tree.leaves() if leaf.credential.data == name.encode())

    def find_psk(self, key: ExternalPsk | ResumptionPsk) -> bytes | None:
        """Answer as the application does: resumption keys it knows only in place of newcomers."""
        return self.psk_values.get(key.name) if isinstance(key, ExternalPsk) else None

    def find_any_psk(self, key: ExternalPsk | ResumptionPsk) -> bytes | None:
        return self.resumptions.get(key.epoch) if isinstance(key, ResumptionPsk) else self.find_psk(key)

    # The server.

    def take(self, person: Person, message: bytes) -> None:
        """Let one member take a handshake."""
        before = person.group
        result = person.receive(message, self.find_psk)
        if isinstance(result, StagedCommit) and result.removes_me:
            assert not any(key.public in result.after.tree.keys for key in before.keys.values())
            self.ghosts = [*self.ghosts[-2:], before]

    def hand_round(self, sender: str, message: bytes) -> None:
        """Give a handshake to all who are awake, and put it into the sleepers' mail."""
        for name in self.mail:
            if name == sender:
                continue
            if name in self.asleep:
                self.mail[name].append(message)
            elif self.world.people[name].is_in:
                self.take(self.world.people[name], message)
        for ghost in self.ghosts[-2:]:
            if ghost.epoch < self.head:
                refusal(ghost, message, self.find_any_psk)
        if self.follower is not None:
            self.follower = self.follow(self.follower, message)

    def follow(self, follower: PublicGroup, message: bytes) -> PublicGroup | None:
        """Let the follower take a handshake; a private one it cannot read, and loses track."""
        if message[3] == 2:
            return None
        result = follower.receive(message)
        assert isinstance(result, PublicProposal | StagedPublicCommit)
        return result.group

    def wake(self, name: str) -> None:
        """Somebody comes back and reads its mail."""
        self.asleep.remove(name)
        person = self.world.people[name]
        for message in self.mail[name]:
            if person.is_in:
                self.take(person, message)
        self.mail[name] = []

    def epoch_begins(self, first: Person) -> None:
        """Note what everyone in the new epoch must have."""
        group = first.group
        self.head = group.epoch
        self.states[group.epoch] = _state(group)
        self.resumptions[group.epoch] = group.secrets.resumption
        self.touched.clear()
        self.waiting_extensions = False
        if self.follower is not None:
            assert self.follower.context.raw == group.public.context.raw

    def leave(self, names: Sequence[str]) -> None:
        for name in names:
            self.present.remove(name)

    def commit(
        self,
        committer: Person,
        *proposals: Proposal,
        adds: Sequence[Person] = (),
        removes: Sequence[Person] = (),
        **options: object,
    ) -> None:
        """Make a commit, of what waits too, hand it round, and welcome whom it adds."""
        listed = [Remove(self.leaf_of(person.name)) for person in removes]
        listed += [Add(person.bundle.package) for person in adds]
        made = committer.commit(*listed, *proposals, psks=self.find_psk, **options)
        self.settle(committer, made, tree_inside=bool(options.get("tree_in_welcome", True)))

    def settle(self, committer: Person, made: OwnCommit, *, tree_inside: bool = True) -> None:
        """The server has accepted a commit: everyone goes on to the next epoch."""
        before = [_name(leaf.credential.data) for _, leaf in committer.group.public.tree.leaves()]
        after = [_name(leaf.credential.data) for _, leaf in made.after.tree.leaves()]
        self.leave([name for name in before if name not in after])
        self.hand_round(committer.name, made.message)
        committer.group = made.merge()
        for name in after:
            if name in before:
                continue
            if name in self.asleep:  # Removed in its sleep, and now added again.
                self.wake(name)
            person = self.world.people[name]
            assert made.welcome is not None
            tree = None if tree_inside else made.after.tree.encode()
            person.join(made.welcome, tree=tree, psks=self.find_any_psk)
            self.arrive(name, made.after.epoch)
        self.epoch_begins(committer)
