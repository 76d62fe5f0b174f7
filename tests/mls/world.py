"""A small world for tests: named people, a seeded dice, and the log of what was sent.

    world = World()
    alice, bob = world.group("alice", "bob")
    world.commit("alice", add=["carol"], remove=["bob"])
    world.everyone_agrees()
    world.everyone_can_read("carol", b"hello")

A `Person` holds the newest value of its group; the methods of `World` play the server: they put
what is sent into the log and hand it to everyone else at once.  A test that is about order, loss
or forgery takes the message from a person and delivers it by hand:

    sealed = alice.seal(b"hello")
    bob.receive(sealed)

What people do by themselves (`Person.commit`, `Person.seal`) is in nobody's log until it is sent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import pytest

from alcove.mls import (
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Credential,
    Extension,
    Group,
    KeyPackageBundle,
    LeafTemplate,
    Lifetime,
    OwnCommit,
    PeerError,
    Policy,
    Proposal,
    Psks,
    PublicGroup,
    ReceivedProposal,
    Remove,
    Sender,
    SigningKey,
    StagedCommit,
    Suite,
    Suites,
    accept_any_credential,
    basic,
    create_group,
    join_by_commit,
    join_group,
    load_group,
    new_key_package,
    no_psks,
    save_group,
    standard_suites,
)

ALWAYS = Lifetime(0, 2**40)
ROOM = b"room"

R = TypeVar("R", ApplicationMessage, ReceivedProposal, StagedCommit)


class Entry(NamedTuple):
    """One line of the log: who sent what."""

    sender: str
    message: bytes


def believe_external_senders(_credential: Credential, _signature_key: bytes) -> None:
    """Let anyone whom the group lists propose from outside."""


def let_anybody_propose(_public: PublicGroup, _proposal: Proposal, _sender: Sender) -> None:
    """Let also those propose who are not in yet."""


def open_policy(**changes: Any) -> Policy:
    """Return a policy that believes everyone, otherwise as the library has it by default."""
    return replace(
        Policy(
            credential=accept_any_credential,
            external_sender=believe_external_senders,
            proposal=let_anybody_propose,
        ),
        **changes,
    )


class Person:
    """Somebody with a signature key, a key package, and perhaps a group."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.signing_key: SigningKey = world.suite.new_signing_key(world.entropy(64))
        self.bundle: KeyPackageBundle = self.new_key_package()
        self._group: Group | None = None

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def group(self) -> Group:
        """The newest value of this person's group."""
        assert self._group is not None, f"{self.name} is in no group"
        return self._group

    @group.setter
    def group(self, group: Group | None) -> None:
        self._group = group

    @property
    def is_in(self) -> bool:
        """Whether this person has a group."""
        return self._group is not None

    @property
    def leaf(self) -> int:
        """The index of this person's leaf."""
        return self.group.me

    @property
    def template(self) -> LeafTemplate:
        """What this person's leaf says in every group."""
        return LeafTemplate.of(self.bundle.package.leaf)

    def new_key_package(self, **options: Any) -> KeyPackageBundle:
        """Publish another key package; the next Welcome is opened with it."""
        world = self.world
        credential = options.pop("credential", basic(self.name.encode()))
        lifetime = options.pop("lifetime", ALWAYS)
        options.setdefault("capabilities", world.capabilities)
        self.bundle = new_key_package(
            world.suite, credential, self.signing_key, lifetime, world.entropy, **options
        )
        return self.bundle

    # Acting.  Each takes the person's group on to the next value.

    def seal(self, data: bytes, authenticated_data: bytes = b"") -> bytes:
        """Seal a message for the group; return it without sending it."""
        sealed = self.group.seal(data, self.world.entropy, authenticated_data=authenticated_data)
        self.group = sealed.group
        return sealed.message

    def propose(self, proposal: Proposal, **options: Any) -> bytes:
        """Make a proposal; return it without sending it."""
        proposed = self.group.propose(proposal, self.world.entropy, **options)
        self.group = proposed.group
        return proposed.message

    def propose_update(self, **options: Any) -> bytes:
        """Propose a new leaf for this person; return the message without sending it."""
        proposed = self.group.propose_update(self.world.entropy, **options)
        self.group = proposed.group
        return proposed.message

    def commit(self, *proposals: Proposal, **options: Any) -> OwnCommit:
        """Make a commit, neither sent nor merged: the person goes on with the old epoch."""
        commit = self.group.commit(
            proposals, entropy=self.world.entropy, options=CommitOptions(**options)
        )
        self.group = commit.group
        return commit

    def receive(
        self, message: bytes, psks: Psks = no_psks
    ) -> ApplicationMessage | ReceivedProposal | StagedCommit:
        """Take a message from the server; commits are merged, and a removal ends the group."""
        result = self.group.receive(message, psks)
        if not isinstance(result, StagedCommit):
            self.group = result.group
        else:
            self.group = None if result.removes_me else result.merge()
        return result

    def read(self, message: bytes) -> bytes:
        """Open an application message and return what it says."""
        result = self.receive(message)
        assert isinstance(result, ApplicationMessage)
        return result.data

    def join(self, welcome: bytes, **options: Any) -> Group:
        """Join by a Welcome."""
        options.setdefault("suites", self.world.suites)
        self.group = join_group(welcome, self.bundle, self.world.policy, **options)
        return self.group

    def restart(self) -> Group:
        """Save the group, forget it, and load it again, as a program does that is restarted."""
        saved = save_group(self.group)
        self.group = load_group(saved, self.world.policy, suites=self.world.suites)
        return self.group


class World:
    """Everyone, the server between them, and one seed for all that is drawn."""

    def __init__(
        self,
        seed: int = 0,
        *,
        suite: int = 1,
        suites: Suites | None = None,
        capabilities: Capabilities | None = None,
        **policy: Any,
    ) -> None:
        self.entropy = random.Random(seed).randbytes
        self.suites: Suites = standard_suites() if suites is None else suites
        self.suite: Suite = self.suites[suite]
        self.capabilities = capabilities
        """What everyone's program supports, when it is more than the least."""
        self.policy = open_policy(**policy)
        self.people: dict[str, Person] = {}
        self.log: list[Entry] = []

    def person(self, name: str) -> Person:
        """Return the person of that name, who is made when first asked for."""
        if name not in self.people:
            self.people[name] = Person(self, name)
        return self.people[name]

    def members(self, names: Sequence[str] = ()) -> list[Person]:
        """Return these people, or without names everyone who has a group."""
        if names:
            return [self.people[name] for name in names]
        return [person for person in self.people.values() if person.is_in]

    def group(
        self, *names: str, group_id: bytes = ROOM, extensions: tuple[Extension, ...] = ()
    ) -> tuple[Person, ...]:
        """Make a group of these people: the first creates it and adds the others in one commit."""
        people = tuple(map(self.person, names))
        founder = people[0]
        founder.group = create_group(
            founder.bundle,
            group_id,
            self.policy,
            self.entropy,
            extensions=extensions,
            suites=self.suites,
        )
        if len(people) > 1:
            self.commit(founder.name, add=names[1:])
        return people

    # The server: into the log, and to everyone else at once.

    def send(self, name: str, message: bytes, psks: Psks = no_psks) -> None:
        """Put a message into the log and hand it to all other members."""
        self.log.append(Entry(name, message))
        for person in self.members():
            if person.name != name:
                person.receive(message, psks)

    def commit(
        self,
        name: str,
        *proposals: Proposal,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        **options: Any,
    ) -> OwnCommit:
        """Let one member commit; everyone else follows, and newcomers are welcomed."""
        committer = self.person(name)
        newcomers = [self.person(other) for other in add]
        adds = [Add(person.bundle.package) for person in newcomers]
        removes = [Remove(self.person(other).leaf) for other in remove]
        commit = committer.commit(*removes, *adds, *proposals, **options)
        self.send(name, commit.message, options.get("psks", no_psks))
        committer.group = commit.merge()
        for person in newcomers:
            assert commit.welcome is not None
            person.join(commit.welcome, psks=options.get("psks", no_psks))
        return commit

    def propose(self, name: str, proposal: Proposal, **options: Any) -> bytes:
        """Let one member propose something to all others."""
        message = self.person(name).propose(proposal, **options)
        self.send(name, message)
        return message

    def public(self, name: str) -> PublicGroup:
        """Return the group as somebody sees it who has only a GroupInfo of this member's."""
        info = self.person(name).group.group_info()
        return PublicGroup.from_group_info(info, self.policy, suites=self.suites)

    def join_by_commit(self, name: str, public: PublicGroup, **options: Any) -> OwnCommit:
        """Let somebody commit itself into the group that `public` shows; everyone follows."""
        person = self.person(name)
        commit = join_by_commit(
            public, person.signing_key, person.template, self.entropy, **options
        )
        person.group = None
        self.send(name, commit.message, options.get("psks", no_psks))
        person.group = commit.merge()
        return commit

    # What should be true.

    def everyone_agrees(self, *names: str) -> None:
        """Assert that these people, or all members, are in the same state of the same epoch."""
        people = self.members(names)
        first = people[0].group
        for person in people:
            group = person.group
            assert (group.epoch, person) == (first.epoch, person)
            assert group.public.context.raw == first.public.context.raw, person
            assert group.public.tree.tree_hash() == first.public.tree.tree_hash(), person
            assert group.epoch_authenticator == first.epoch_authenticator, person
            assert group.export(b"x", b"y", 16) == first.export(b"x", b"y", 16), person

    def everyone_can_read(self, sender: str, data: bytes = b"hello", *names: str) -> bytes:
        """Assert that one member's message opens for these people, or for all members."""
        message = self.person(sender).seal(data)
        self.log.append(Entry(sender, message))
        for person in self.members(names):
            if person.name != sender:
                assert person.read(message) == data, person
        return message


def refusal(group: Group, message: bytes, psks: Psks = no_psks) -> str:
    """Return the rule by which a group refuses a message, having changed nothing."""
    before = save_group(group)
    with pytest.raises(PeerError) as refused:
        group.receive(message, psks)
    assert save_group(group) == before
    return refused.value.rule


def received(group: Group, message: bytes, kind: type[R]) -> R:
    """Return what a group makes of a message, which must be of that kind."""
    result = group.receive(message)
    assert isinstance(result, kind)
    return result
