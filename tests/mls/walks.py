"""The model of a random walk: a group, its people, the server between them, what each must know.

The server's log is a total order of handshakes.  Whoever is awake takes each of them at once;
whoever sleeps finds them in its mail, in order.  Application messages wait until somebody delivers
them, in any order, late, or twice, and the model says whether each may still be opened.

`tests.mls.test_walks` has the rules that take the walk a step further.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from alcove.mls import (
    DEFAULT_SUITE,
    Add,
    ApplicationMessage,
    Capabilities,
    ExternalPsk,
    ExternalSender,
    Group,
    OwnCommit,
    Proposal,
    PublicGroup,
    RatchetTree,
    Remove,
    ResumptionPsk,
    StagedCommit,
    basic,
    external_senders,
    save_group,
    suites_on,
)
from alcove.mls import tree_math as math
from alcove.mls.tree import ParentNode
from tests.mls.recording import RecordingProvider
from tests.mls.world import Person, World, refusal

MOST_MEMBERS = 30
OUR_EXTENSION = 0xF000
OUR_PROPOSAL = 0xF001
PRIVATE = 2


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


def wire_format(message: bytes) -> int:
    """Return the kind of an MLSMessage."""
    return int.from_bytes(message[2:4], "big")


def damaged(message: bytes, position: int, bit: int) -> bytes:
    """Return the message with one bit changed."""
    at = position % len(message)
    return message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1 :]


def state_of(group: Group) -> bytes:
    """Return everything that members of one epoch must agree on."""
    public = group.public
    return public.context.raw + group.epoch_authenticator + group.export(b"walk", b"", 16)


def check_keys(group: Group) -> None:
    """Assert that a member has every private key that the tree says it has, and no other."""
    tree = group.public.tree
    for node, key in group.keys.items():
        value = tree.nodes[node]
        assert value is not None
        assert value.encryption_key == key.public
    for node in math.direct_path(2 * group.me, tree.width):
        value = tree.nodes[node]
        known = isinstance(value, ParentNode) and group.me not in value.unmerged
        assert known == (node in group.keys)


class Room:
    """One group with all its people: acting, and knowing what must come of it."""

    def open(self, seed: int, size: int, suite: int, **limits: Any) -> None:
        """Begin a group of `size` people."""
        self.recorder = RecordingProvider()
        self.world = World(
            seed,
            suite=suite,
            suites=suites_on(self.recorder),
            capabilities=Capabilities(
                suites=(1, 3, DEFAULT_SUITE),
                extensions=(OUR_EXTENSION,),
                proposals=(OUR_PROPOSAL,),
                credentials=(1,),
            ),
            **limits,
        )
        self.dice = random.Random(seed)
        self.policy = self.world.policy
        self.entropy = self.world.entropy
        self.names = 0
        self.rooms = 0
        self.asleep: list[str] = []
        self.unseen = 0
        """Private handshakes of this epoch that were made and dropped."""
        self.damage: tuple[int, int] | None = None
        """What the server will do to the next handshake, for the first who gets it."""
        self.ghosts: list[Group] = []
        """The last values of some of those who were removed."""
        self.psk_values: dict[bytes, bytes] = {}
        self.touched: set[str] = set()
        """Whom a waiting proposal adds, updates or removes."""
        self.waiting = 0
        """How many proposals wait for a commit."""
        self.server = self.world.suite.new_signing_key(self.entropy(64))
        self.sender = external_senders([ExternalSender(self.server.public, basic(b"server"))])
        self._forget()
        founder = self.newcomer()
        self.world.group(founder.name, group_id=b"room 0", extensions=(self.sender,))
        self.arrive(founder.name, 0)
        self.epoch_begins(founder)
        self.commit(founder, adds=[self.newcomer() for _ in range(size - 1)])

    def _forget(self) -> None:
        """Another group begins: nothing of the old one counts in it."""
        self.head = 0
        """The epoch that the log has reached."""
        self.group_id = b""
        self.present: list[str] = []
        """Who is in the group as the log has it, in the order of coming."""
        self.since: dict[str, int] = {}
        """By name: the first epoch that somebody has the secrets of."""
        self.mail: dict[str, list[bytes]] = {}
        """Handshakes that a sleeper has not seen."""
        self.letters: dict[str, list[Letter]] = {}
        """Application messages that were not delivered yet."""
        self.opened: list[tuple[str, Letter]] = []
        self.sent: dict[tuple[str, int], int] = {}
        """How many messages somebody has sealed in an epoch."""
        self.windows: dict[str, dict[tuple[int, int], Ratchet]] = {}
        """By receiver: what it has left of each epoch and leaf."""
        self.states: dict[int, bytes] = {}
        """By epoch: what its members agree on."""
        self.resumptions: dict[int, bytes] = {}
        self.follower: PublicGroup | None = None

    def newcomer(self) -> Person:
        """Return somebody who was never here."""
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
        """Members who have seen the whole log."""
        return [self.world.people[name] for name in self.present if name not in self.asleep]

    @property
    def outside(self) -> list[str]:
        """Who was in once and is not now, nor about to be."""
        return [
            name
            for name in self.world.people
            if name not in self.present and name not in self.touched
        ]

    def member(self, index: int) -> Person:
        """Return one of those who are awake."""
        return self.awake[index % len(self.awake)]

    def some(self, indexes: Sequence[int], names: Sequence[str]) -> list[Person]:
        """Return different people from a list of names."""
        chosen = {names[index % len(names)]: None for index in indexes} if names else {}
        return [self.world.people[name] for name in chosen]

    def candidates(self, count: int, *, returning: bool) -> list[Person]:
        """Return people with fresh key packages who may be added, as far as there is room."""
        count = min(count, MOST_MEMBERS - len(self.present) - len(self.touched))
        known = self.outside[:count] if returning else []
        people = [self.world.people[name] for name in known]
        people += [self.newcomer() for _ in range(count - len(people))]
        for person in people:
            person.new_key_package()
        return people

    def leaf_of(self, name: str) -> int:
        """Return where somebody sits, asleep or not."""
        tree = self.awake[0].group.public.tree
        return next(at for at, leaf in tree.leaves() if leaf.credential.data == name.encode())

    def find_psk(self, key: ExternalPsk | ResumptionPsk) -> bytes | None:
        """Answer as an application does for its members."""
        return self.psk_values.get(key.name) if isinstance(key, ExternalPsk) else None

    def find_any_psk(self, key: ExternalPsk | ResumptionPsk) -> bytes | None:
        """Answer for who joins: the keys of epochs that it was not in must come from elsewhere."""
        if isinstance(key, ResumptionPsk):
            return self.resumptions.get(key.epoch)
        return self.find_psk(key)

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
        for name, mail in self.mail.items():
            person = self.world.people[name]
            if name == sender:
                continue
            if name in self.asleep:
                mail.append(message)
            elif person.is_in:
                if self.damage is not None:
                    self.refuse_damaged(person, message, *self.damage)
                    self.damage = None
                self.take(person, message)
        for ghost in self.ghosts:
            if (ghost.group_id, ghost.epoch) != (self.group_id, self.head):
                refusal(ghost, message, self.find_any_psk)
        if self.follower is not None:
            readable = wire_format(message) != PRIVATE
            self.follower = self.follower.receive(message).group if readable else None

    def refuse_damaged(self, person: Person, message: bytes, position: int, bit: int) -> None:
        """Damage a handshake on its way to a member, who must refuse it, or is removed by it.

        The tags of a commit that removes somebody are beyond its checking: nobody out can.
        """
        result = person.group.receive(message, self.find_psk)
        if not (isinstance(result, StagedCommit) and result.removes_me):
            refusal(person.group, damaged(message, position, bit), self.find_psk)

    def wake(self, name: str) -> None:
        """Somebody comes back and reads its mail."""
        self.asleep.remove(name)
        person = self.world.people[name]
        for message in self.mail[name]:
            if person.is_in:
                self.take(person, message)
        self.mail[name].clear()

    def propose(self, sender: str, message: bytes, touches: str | None = None) -> None:
        """Hand a proposal round."""
        self.hand_round(sender, message)
        self.waiting += 1
        if touches is not None:
            self.touched.add(touches)

    def commit(
        self,
        committer: Person,
        *proposals: Proposal,
        adds: Sequence[Person] = (),
        removes: Sequence[Person] = (),
        **options: Any,
    ) -> None:
        """Make a commit, of what waits too, hand it round, and welcome whom it adds."""
        made = self.make(committer, *proposals, adds=adds, removes=removes, **options)
        self.meanwhile(committer)
        self.settle(committer, made, tree_inside=options.get("tree_in_welcome", True))

    def make(
        self,
        committer: Person,
        *proposals: Proposal,
        adds: Sequence[Person] = (),
        removes: Sequence[Person] = (),
        **options: Any,
    ) -> OwnCommit:
        """Make a commit, of what waits too, and keep it for now."""
        listed: list[Proposal] = [Remove(self.leaf_of(person.name)) for person in removes]
        listed += [Add(person.bundle.package) for person in adds]
        return committer.commit(*listed, *proposals, psks=self.find_psk, **options)

    def meanwhile(self, committer: Person) -> None:
        """Let a committer talk and read while its commit is on its way."""
        if not self.waiting:
            self.say(committer, b"meanwhile")
        self.read(committer, [self.dice.randrange(3) for _ in range(3)])

    def settle(self, committer: Person, made: OwnCommit, *, tree_inside: bool = True) -> None:
        """The server has accepted a commit: everyone goes on to the next epoch."""
        after = [leaf.credential.data.decode() for _, leaf in made.after.tree.leaves()]
        stayed = [name for name in self.present if name in after and name != committer.name]
        joined = [name for name in after if name not in self.present]
        self.hand_round(committer.name, made.message)
        came_by_itself = made.public.external_init is not None
        merged = made.merge()
        committer.group = merged if came_by_itself else merged.with_past_of(committer.group)
        if came_by_itself:
            self.present = stayed
            self.asleep = [name for name in self.asleep if name != committer.name]
            self.arrive(committer.name, made.after.epoch)
        else:
            self.present = [name for name in self.present if name in after]
        for name in joined:
            if name == committer.name:
                continue
            if name in self.asleep:  # Removed in its sleep, and added again.
                self.wake(name)
            assert made.welcome is not None
            tree = None if tree_inside else made.after.tree.encode()
            self.world.people[name].join(made.welcome, tree=tree, psks=self.find_any_psk)
            self.arrive(name, made.after.epoch)
        self.epoch_begins(committer)
        for name, letter in self.opened:
            if name == committer.name:
                refusal(committer.group, letter.message)
        if made.after.reinit is None:
            self.chatter()

    def epoch_begins(self, first: Person) -> None:
        """Note what everyone in the new epoch must have."""
        group = first.group
        self.head = group.epoch
        self.group_id = group.group_id
        self.states[group.epoch] = state_of(group)
        self.resumptions[group.epoch] = group.secrets.resumption
        self.touched.clear()
        self.waiting = 0
        self.unseen = 0
        tree = RatchetTree.decode(group.suite, group.public.tree.encode())
        assert tree.tree_hash() == group.public.context.tree_hash
        if self.follower is not None:
            assert self.follower.context.raw == group.public.context.raw
        for person in self.awake:
            check_keys(person.group)

    # Messages.

    def say(self, sender: Person, data: bytes) -> None:
        """Seal a message and leave it with the server for everyone."""
        group = sender.group
        message = sender.seal(data)
        count = self.sent.get((sender.name, group.epoch), 0)
        self.sent[sender.name, group.epoch] = count + 1
        letter = Letter(message, data, group.group_id, group.epoch, group.me, count)
        for name in self.present:
            if name != sender.name:
                self.letters[name].append(letter)
        for ghost in self.ghosts:
            refusal(ghost, message)

    def what_is_left(self, person: Person, letter: Letter) -> Ratchet | None:
        """Return what the receiver will have left after opening; None when it cannot open."""
        age = person.group.epoch - letter.epoch
        kept = letter.epoch >= self.since[person.name] and 0 <= age <= self.policy.past_epochs
        if letter.group_id != person.group.group_id or not kept:
            return None
        ratchet = self.windows[person.name].get((letter.epoch, letter.leaf), Ratchet())
        if letter.generation < ratchet.generation:
            if letter.generation not in ratchet.skipped:
                return None
            left = tuple(at for at in ratchet.skipped if at != letter.generation)
            return Ratchet(ratchet.generation, left)
        if letter.generation - ratchet.generation > self.policy.forward:
            return None
        skipped = (*ratchet.skipped, *range(ratchet.generation, letter.generation))
        window = self.policy.out_of_order
        return Ratchet(letter.generation + 1, skipped[-window:] if window else ())

    def deliver(self, person: Person, letter: Letter) -> bool:
        """Hand a message to a member and compare with the model; return whether it opened."""
        left = self.what_is_left(person, letter)
        if left is None:
            refusal(person.group, letter.message)
            return False
        result = person.receive(letter.message)
        assert isinstance(result, ApplicationMessage)
        assert (result.data, result.sender, result.epoch) == (
            letter.data,
            letter.leaf,
            letter.epoch,
        )
        self.windows[person.name][letter.epoch, letter.leaf] = left
        refusal(person.group, letter.message)
        return True

    def read(self, person: Person, order: Sequence[int]) -> None:
        """Let a member open some of its letters, the newest first where `order` says 0."""
        letters = self.letters[person.name]
        for choice in order:
            if letters:
                letter = letters[-1 - choice % len(letters)]
                if self.deliver(person, letter):
                    self.opened = [*self.opened[-9:], (person.name, letter)]
                if letter.epoch <= person.group.epoch:  # It opened now, or it never will.
                    letters.remove(letter)

    def chatter(self) -> None:
        """Let some members talk and some read, so that messages cross with everything else."""
        dice = self.dice
        for _ in range(dice.randrange(3)):
            self.say(dice.choice(self.awake), dice.randbytes(dice.randrange(40)))
        for name in dice.choices(self.present, k=4):
            self.read(self.world.people[name], [dice.randrange(10) for _ in range(3)])

    def begin_again(self, founder: Person, made: OwnCommit, people: Sequence[Person]) -> None:
        """The group goes on as another one, which these people have joined."""
        self._forget()
        founder.group = made.merge()
        for person in (founder, *people):
            self.arrive(person.name, founder.group.epoch)
        self.epoch_begins(founder)

    def check_everyone(self) -> None:
        """Assert that everyone is in the state that its epoch has for all."""
        for name in self.present:
            group = self.world.people[name].group
            if name not in self.asleep:
                assert group.epoch == self.head
            assert state_of(group) == self.states[group.epoch]

    def check_unchanged_by_saving(self, person: Person) -> None:
        """Restart a member, and assert that it comes back as it was."""
        before = save_group(person.group)
        person.restart()
        assert save_group(person.group) == before
