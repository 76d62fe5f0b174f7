"""Random walks: two implementations in one group, doing everything that both can, from one seed.

    walk = Walk([ours, theirs], seed=7, suite=1, members_max=20)
    walk.run(200)
    walk.done                     how often each kind of step was taken

Each step is one act of somebody: a commit, proposals and a commit, messages, a way out or in.
After each one all members agree on the epoch, its authenticator and an exported secret.  A member
is of a random implementation, and so is whoever adds, commits or gives a GroupInfo.  What fails
names the step and the seed, so it can be walked again; only the keys differ then.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from alcove.mls import RequiredCapabilities
from tests.interop.driver import Peer, PeerProcess, PeerRefusal, assert_agree
from tests.interop.protocol import Changes, Extension, KeyPackage, ReInit
from tests.interop.room import Room

EPOCHS_KEPT = 4
"""For how many epochs both implementations keep message keys and resumption keys."""
ROOM_EXTENSION = 0xF0A5
ROOM_PROPOSAL = 0xF0B1
SHARED_PSK = b"shared"


class Walk:
    """A room, who is in it and who was, and the dice."""

    def __init__(
        self, processes: Sequence[PeerProcess], *, seed: int, suite: int, members_max: int
    ) -> None:
        self.processes = list(processes)
        self.seed = seed
        self.suite = suite
        self.members_max = members_max
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.made = 0
        self.groups = 1
        self.gone: list[Peer] = []
        """Who was in the room; they come back with the signature key that they had."""
        self.joined: dict[str, int] = {}
        """By name, the epoch since when a member has the resumption keys."""
        self.room = Room(suite, b"walk %d" % seed)
        founder = self.newcomer()
        self.room.found(founder)
        self.joined[founder.name] = 0
        self.steps: dict[str, tuple[int, Callable[[], None]]] = {
            "add": (5, self.add),
            "remove": (3, self.remove),
            "heal": (3, self.heal),
            "update": (3, self.update),
            "propose": (3, self.propose),
            "ask to join": (1, self.ask_to_join),
            "external": (3, self.external),
            "resync": (1, self.resync),
            "psk": (2, self.psk),
            "resumption": (2, self.resumption),
            "extensions": (1, self.extensions),
            "custom": (1, self.custom),
            "race": (2, self.race),
            "messages": (3, self.messages),
            "late": (1, self.late),
            "restart": (1, self.restart),
            "branch": (1, self.branch),
            "reinit": (1, self.reinit),
        }

    def run(self, steps: int) -> None:
        """Walk; when something is wrong, say where."""
        names = list(self.steps)
        weights = [weight for weight, _ in self.steps.values()]
        for number in range(steps):
            name = self.dice.choices(names, weights)[0]
            size = len(self.members)
            if size < 3:
                name = "add"
            elif size >= self.members_max and name in ("add", "external", "ask to join"):
                name = "remove"
            try:
                self.steps[name][1]()
                assert_agree(self.members)
            except (AssertionError, PeerRefusal) as error:
                where = f"seed {self.seed}, step {number} ({name}), {size} members"
                raise AssertionError(f"{where}: {error}") from error
            self.done[name] += 1

    # Who there is.

    @property
    def members(self) -> list[Peer]:
        return self.room.members

    def some(self, most: int, besides: Sequence[Peer] = ()) -> list[Peer]:
        """Return up to `most` members, at least one."""
        others = self.room.others(*besides)
        return self.dice.sample(others, min(len(others), self.dice.randint(1, most)))

    def one(self, *besides: Peer) -> Peer:
        return self.dice.choice(self.room.others(*besides))

    def coin(self) -> bool:
        return self.dice.random() < 0.5

    def newcomer(self) -> Peer:
        """Make somebody new, who holds the shared key and a key package."""
        self.made += 1
        process = self.dice.choice(self.processes)
        peer = process.client(f"{process.name} {self.made}", self.suite, pathless=[ROOM_PROPOSAL])
        self.package(peer)
        peer.psk(SHARED_PSK, b"\x07" * 32)
        return peer

    def outsiders(self, count: int) -> list[Peer]:
        """Return people who are not in the room: some were, and the rest is new."""
        self.dice.shuffle(self.gone)
        back = [self.gone.pop() for _ in range(count) if self.gone and self.coin()]
        return back + [self.newcomer() for _ in range(count - len(back))]

    def package(self, peer: Peer) -> KeyPackage:
        """Make a key package; somebody's signature key is always the same."""
        fields = {"cap_extensions": [ROOM_EXTENSION], "cap_proposals": [ROOM_PROPOSAL]}
        if peer.name in self.joined:
            return peer.key_package(**fields, reuse_signature_key=0)
        self.joined[peer.name] = -1
        return peer.key_package(**fields)

    def note(self, *joiners: Peer) -> None:
        """Remember since when somebody is here."""
        for joiner in joiners:
            self.joined[joiner.name] = joiner.state().epoch

    # Coming and going.

    def add(self) -> None:
        joiners = self.outsiders(self.dice.randint(1, 3))
        fitting = self.room.settle(joiners)
        self.gone += joiners[fitting:]
        del joiners[fitting:]
        changes = Changes(add=[self.package(joiner).message for joiner in joiners])
        self.room.welcome(self.one(), joiners, changes, public=self.coin(), tree_inside=self.coin())
        self.note(*joiners)

    def remove(self) -> None:
        committer = self.one()
        leaving = self.leaving(committer, min(2, len(self.members) - 2))
        leaves = [self.room.leaf(peer) for peer in leaving]
        self.room.commit(committer, Changes(remove=leaves), public=self.coin())
        assert not set(leaving).intersection(self.members)
        self.gone += leaving
        message = committer.send(b"they are gone")
        for peer in leaving:
            with pytest.raises(PeerRefusal):
                peer.receive(message)

    def leaving(self, committer: Peer, most: int) -> list[Peer]:
        """Choose whom to remove, so that ts-mls can go on without them."""
        chosen = self.some(most, [committer])
        choices = [chosen, *([peer] for peer in self.room.others(committer))]
        for peers in choices:
            if self.room.may_remove([self.room.leaf(peer) for peer in peers]):
                return peers
        return []

    def ask_to_join(self) -> None:
        """Somebody proposes itself from outside, and a member commits that."""
        (joiner,) = self.outsiders(1)
        self.room.settle([joiner])
        package = self.package(joiner)
        message = joiner.propose_add_external(self.one().group_info(), package.index)
        self.room.hear(joiner, message)
        self.room.welcome(self.one(), [joiner], Changes(), public=self.coin())
        self.note(joiner)

    def external(self) -> None:
        (joiner,) = self.outsiders(1)
        self.room.settle([joiner], commits_itself=True)
        package = self.package(joiner)
        self.room.join_external(joiner, self.one(), package=package.index, tree_inside=self.coin())
        self.note(joiner)

    def resync(self) -> None:
        lost = self.one()
        self.room.settle([lost], commits_itself=True)
        package = self.package(lost)
        self.room.join_external(lost, self.one(lost), resync=True, package=package.index)
        self.note(lost)

    # Commits of everything else.

    def heal(self) -> None:
        self.room.commit(self.one(), public=self.coin())

    def update(self) -> None:
        for peer in self.some(2):
            self.room.propose(peer, Changes(update=True), public=self.coin())
        self.room.commit(self.one(), public=self.coin())

    def propose(self) -> None:
        """Add and remove by proposals that somebody else commits."""
        committer = self.one()
        leaving = self.leaving(committer, 1) if self.coin() else []
        proposer = self.one(committer, *leaving)
        leaves = [self.room.leaf(peer) for peer in leaving]
        if leaving:
            self.room.propose(proposer, Changes(remove=leaves), public=self.coin())
            self.room.commit(committer, public=self.coin())
            self.gone += leaving
            return
        joiners = self.outsiders(1)
        self.room.settle(joiners)
        packages = [self.package(joiner).message for joiner in joiners]
        self.room.propose(proposer, Changes(add=packages), public=self.coin())
        self.room.welcome(committer, joiners, Changes(), public=self.coin())
        self.note(*joiners)

    def psk(self) -> None:
        """Mix the shared key in: by value, by reference, or into a Welcome."""
        changes = Changes(psk=[SHARED_PSK])
        if self.coin() and len(self.members) < self.members_max:
            joiners = self.outsiders(1)
            self.room.settle(joiners)
            add = [self.package(joiner).message for joiner in joiners]
            self.room.welcome(self.one(), joiners, Changes(add=add, psk=[SHARED_PSK]))
            self.note(*joiners)
        elif self.coin():
            self.room.propose(self.one(), changes, public=self.coin())
            self.room.commit(self.one(), public=self.coin())
        else:
            self.room.commit(self.one(), changes, public=self.coin())

    def resumption(self) -> None:
        """Mix in the resumption key of an epoch that everybody has seen."""
        now = self.members[0].state().epoch
        first = max(now - EPOCHS_KEPT + 1, *(self.joined[peer.name] for peer in self.members))
        epoch = self.dice.randint(first, now)
        self.room.commit(self.one(), Changes(resumption_psk=[epoch]), public=self.coin())

    def extensions(self) -> None:
        """Let one of ours change the group's extensions: ts-mls makes no valid such commit."""
        ours = [peer for peer in self.members if peer.process.name == "alcove"]
        if not ours:
            return self.heal()
        kind, data = RequiredCapabilities((ROOM_EXTENSION,), (ROOM_PROPOSAL,), (1,)).extension()
        changed = [Extension(kind, data), Extension(ROOM_EXTENSION, self.dice.randbytes(8))]
        changes = Changes(group_context_extensions=changed)
        self.room.commit(self.dice.choice(ours), changes, public=self.coin())
        return None

    def custom(self) -> None:
        changes = Changes(custom=[Extension(ROOM_PROPOSAL, self.dice.randbytes(5))])
        if self.coin():
            self.room.propose(self.one(), changes, public=self.coin())
            changes = Changes()
        self.room.commit(self.one(), changes, public=self.coin())

    def race(self) -> None:
        """Two commit at once; the server takes the first, and the second is refused."""
        winner = self.one()
        loser = self.one(winner)
        first, second = (peer.commit(public=self.coin(), merge=False) for peer in (winner, loser))
        winner.merge()
        loser.discard()
        self.room.deliver(winner, first.commit)
        for member in self.room.others(loser):
            with pytest.raises(PeerRefusal):
                member.receive(second.commit)

    # Messages and restarts.

    def messages(self) -> None:
        """Somebody writes several; each member gets them in an order of its own, and once."""
        sender = self.one()
        sent = [(b"message %d" % number, self.coin()) for number in range(4)]
        sealed = [(sender.send(data, b"aad" if aad else b""), data) for data, aad in sent]
        for member in self.room.others(sender):
            self.dice.shuffle(sealed)
            for message, data in sealed:
                assert member.receive(message).data == data
            with pytest.raises(PeerRefusal):
                member.receive(sealed[0][0])

    def late(self) -> None:
        """A message is still readable after the next commit."""
        sender = self.one()
        message = sender.send(b"from before")
        self.room.commit(self.one(), public=self.coin())
        for member in self.room.others(sender):
            assert member.receive(message).data == b"from before"

    def restart(self) -> None:
        for peer in self.some(2):
            peer.load(peer.save())
        self.room.everyone_hears(self.one())

    # Groups out of the group.

    def branch(self) -> None:
        """Some make a group of their own, and come back to this one."""
        people = self.some(4)
        if len(people) < 2:
            return self.heal()
        first, *others = people
        saved = [peer.save() for peer in people]
        offers = [self.package(peer) for peer in others]
        package = self.package(first).index
        self.groups += 1
        begun = first.branch(
            b"branch %d" % self.groups, [offer.message for offer in offers], package=package
        )
        assert begun.welcome is not None
        for peer in others:
            peer.join(begun.welcome)
        assert assert_agree(people).epoch == 1
        for peer, state in zip(people, saved, strict=True):
            peer.load(state)
        return None

    def reinit(self) -> None:
        """The group ends and goes on under another name, begun by any of its members."""
        self.groups += 1
        wanted = ReInit(b"walk %d, group %d" % (self.seed, self.groups))
        committer = self.one()
        made = committer.commit(Changes(reinit=wanted), public=self.coin())
        for member in self.room.others(committer):
            assert member.receive(made.commit).snapshot.active == "suspendedPendingReinit"
        founder = self.one()
        package = self.package(founder).index
        others = self.room.others(founder)
        begun = founder.reinit([self.package(peer).message for peer in others], package=package)
        assert begun.welcome is not None
        for peer in others:
            peer.join(begun.welcome)
        assert assert_agree(self.members).group_id == wanted.group_id
        self.note(*self.members)
