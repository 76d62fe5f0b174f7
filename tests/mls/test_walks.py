"""Random walks of a group: every operation, in any order, and what must be true after each step.

    ALCOVE_WALKS=500 pytest -m slow tests/mls/test_walks.py      a long walk; `make soak` does this

The model that knows what to expect is in `tests.mls.walks`.  A failing walk is printed as the calls
that lead to it; `make test` takes the same few walks every time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alcove.mls import (
    APPLICATION_ID,
    DEFAULT_SUITE,
    Add,
    Custom,
    Extension,
    ExternalPsk,
    GroupContextExtensions,
    Lost,
    PreSharedKey,
    Proposal,
    PskId,
    PublicGroup,
    ReInit,
    Remove,
    RequiredCapabilities,
    ResumptionPsk,
    StagedCommit,
    UsageError,
    branch_group,
    join_by_commit,
    join_group,
    no_padding,
    padme,
    propose_as_outsider,
    propose_to_join,
    reinit_group,
)
from alcove.mls.proposals import FOR_APPLICATION
from tests.mls.walks import MOST_MEMBERS, OUR_EXTENSION, OUR_PROPOSAL, Room, damaged
from tests.mls.world import refusal

SHORT_WALKS = 25
LONG_WALKS = int(os.environ.get("ALCOVE_WALKS", "200"))

anyone = st.integers(0, MOST_MEMBERS - 1)
"""Somebody: an index into whatever list of people a rule chooses from, modulo its length."""
few = st.lists(anyone, max_size=3)
coin = st.booleans()
order = st.lists(st.integers(0, 100), min_size=1, max_size=6)


class Walk(Room, RuleBasedStateMachine):
    """The steps that a walk can take."""

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
        self.open(
            seed,
            size,
            suite,
            past_epochs=past_epochs,
            past_resumptions=past_resumptions,
            out_of_order=out_of_order,
            forward=forward,
            padding=padme if padded else no_padding,
        )

    # Commits.

    @rule(who=anyone, adds=st.integers(0, 4), returning=coin, inside=coin, path=coin, private=coin)
    def adds_people(
        self, who: int, adds: int, returning: bool, inside: bool, path: bool, private: bool
    ) -> None:
        self.commit(
            self.member(who),
            adds=self.candidates(adds, returning=returning),
            tree_in_welcome=inside,
            path=path,
            private=private,
        )

    @rule(who=anyone, whom=few, adds=st.integers(0, 2), private=coin)
    def removes_people(self, who: int, whom: Sequence[int], adds: int, private: bool) -> None:
        committer = self.member(who)
        removable = [
            name for name in self.present if name != committer.name and name not in self.touched
        ]
        self.commit(
            committer,
            removes=self.some(whom, removable),
            adds=self.candidates(adds, returning=False),
            private=private,
        )

    @rule(who=anyone, private=coin, rotate=coin, says=coin)
    def commits_nothing_new(self, who: int, private: bool, rotate: bool, says: bool) -> None:
        committer = self.member(who)
        key = self.world.suite.new_signing_key(self.entropy(64)) if rotate else None
        template = committer.group.template(key or committer.group.signing_key, None)
        if says:
            extension = Extension(APPLICATION_ID, self.entropy(8))
            template = template._replace(extensions=(extension,))
        self.commit(committer, path=True, private=private, signing_key=key, template=template)

    @rule(who=anyone, name=st.binary(max_size=3), age=st.integers(0, 3), adds=st.integers(0, 1))
    def mixes_in_keys(self, who: int, name: bytes, age: int, adds: int) -> None:
        committer = self.member(who)
        group = committer.group
        self.psk_values.setdefault(name, self.entropy(16))
        proposals: list[Proposal] = [group.psk(ExternalPsk(name), self.entropy)]
        if self.everyone_was_there(self.head - age):
            key = ResumptionPsk(FOR_APPLICATION, group.group_id, self.head - age)
            proposals.append(group.psk(key, self.entropy))
        self.commit(committer, *proposals, adds=self.candidates(adds, returning=True))

    def everyone_was_there(self, epoch: int) -> bool:
        oldest = max(self.since[name] for name in self.present)
        return oldest <= epoch and epoch >= self.head - self.policy.past_resumptions

    @rule(who=anyone, required=coin, mine=coin, private=coin, custom=coin)
    def changes_extensions(
        self, who: int, required: bool, mine: bool, private: bool, custom: bool
    ) -> None:
        proposals: list[Proposal] = [self.new_extensions(required=required, mine=mine)]
        if custom:
            proposals.append(Custom(OUR_PROPOSAL, self.entropy(5)))
        self.commit(self.member(who), *proposals, private=private, pending=False)

    def new_extensions(self, *, required: bool, mine: bool) -> GroupContextExtensions:
        extensions = [self.sender]
        if required:
            wanted = RequiredCapabilities((OUR_EXTENSION,), (OUR_PROPOSAL,), (1,))
            extensions.append(wanted.extension())
        if mine:
            extensions.append(Extension(OUR_EXTENSION, self.entropy(3)))
        return GroupContextExtensions(tuple(extensions))

    @rule(first=anyone, second=anyone, privates=st.tuples(coin, coin), staged=coin)
    def two_commit_at_once(
        self, first: int, second: int, privates: tuple[bool, bool], staged: bool
    ) -> None:
        winner, loser = self.member(first), self.member(second)
        if winner is loser or self.unseen >= 3:
            return
        lost = self.make(loser, path=True, private=privates[1])
        made = self.make(winner, path=True, private=privates[0])
        for person in self.awake if staged else ():
            if person is not loser:  # Sees the loser's commit first, looks at it, and drops it.
                result = person.group.receive(lost.message, self.find_psk)
                assert isinstance(result, StagedCommit)
                person.group = result.group
        self.settle(winner, made)

    @rule(who=anyone, adds=st.integers(0, 2), path=coin)
    def drops_its_own_commit(self, who: int, adds: int, path: bool) -> None:
        private = self.unseen < 3
        self.unseen += private
        people = self.candidates(adds, returning=False)
        self.make(self.member(who), adds=people, path=path, private=private)

    # Proposals by reference.

    @rule(who=anyone, private=coin, rotate=coin)
    def proposes_an_update(self, who: int, private: bool, rotate: bool) -> None:
        person = self.member(who)
        key = self.world.suite.new_signing_key(self.entropy(64)) if rotate else None
        self.propose(
            person.name, person.propose_update(signing_key=key, private=private), person.name
        )

    @rule(who=anyone, whom=anyone, private=coin)
    def proposes_a_removal(self, who: int, whom: int, private: bool) -> None:
        person = self.member(who)
        (other,) = self.some([whom], self.present)
        removal = Remove(self.leaf_of(other.name))
        self.propose(person.name, person.propose(removal, private=private), other.name)

    @rule(who=anyone, private=coin)
    def proposes_somebody(self, who: int, private: bool) -> None:
        person = self.member(who)
        for other in self.candidates(1, returning=False):
            add = Add(other.bundle.package)
            self.propose(person.name, person.propose(add, private=private), other.name)

    @rule(who=anyone, name=st.binary(max_size=3), private=coin)
    def proposes_other_things(self, who: int, name: bytes, private: bool) -> None:
        person = self.member(who)
        self.psk_values.setdefault(name, self.entropy(16))
        psk = person.group.psk(ExternalPsk(name), self.entropy)
        self.propose(person.name, person.propose(psk, private=private))
        custom = Custom(OUR_PROPOSAL, name)
        self.propose(person.name, person.propose(custom, private=private))

    @rule(kind=st.integers(0, 3), whom=anyone, name=st.binary(max_size=3))
    def the_server_proposes(self, kind: int, whom: int, name: bytes) -> None:
        group = self.awake[0].group
        touches = None
        proposal: Proposal
        if kind == 0:
            (other,) = self.some([whom], self.present)
            proposal, touches = Remove(self.leaf_of(other.name)), other.name
        elif kind == 1:
            people = self.candidates(1, returning=True)
            if not people:
                return
            proposal, touches = Add(people[0].bundle.package), people[0].name
        elif kind == 2:
            proposal = self.new_extensions(required=bool(whom & 1), mine=bool(whom & 2))
        else:
            self.psk_values.setdefault(name, self.entropy(16))
            nonce = self.entropy(group.suite.secret_bytes)
            proposal = PreSharedKey(PskId(ExternalPsk(name), nonce))
        message = propose_as_outsider(
            group.suite, group.group_id, self.head, 0, self.server, proposal
        )
        self.propose("server", message, touches)

    @rule(returning=coin)
    def somebody_asks_to_join(self, returning: bool) -> None:
        group = self.awake[0].group
        for person in self.candidates(1, returning=returning):
            message = propose_to_join(group.suite, group.group_id, self.head, person.bundle)
            self.propose(person.name, message, person.name)

    # Coming in from outside.

    @rule(who=anyone, by_follower=coin, returning=coin, with_psk=coin)
    def commits_itself_in(
        self, who: int, by_follower: bool, returning: bool, with_psk: bool
    ) -> None:
        for person in self.candidates(1, returning=returning):
            self.join_from_outside(person.name, who, None, by_follower, with_psk)

    @rule(who=anyone, whom=anyone, by_follower=coin, with_psk=coin)
    def comes_back_by_itself(self, who: int, whom: int, by_follower: bool, with_psk: bool) -> None:
        (person,) = self.some([whom], self.present)
        self.ghosts = [*self.ghosts[-2:], person.group]
        self.join_from_outside(person.name, who, self.leaf_of(person.name), by_follower, with_psk)

    def join_from_outside(
        self, name: str, who: int, replaces: int | None, by_follower: bool, with_psk: bool
    ) -> None:
        info = self.member(who).group.group_info()
        if by_follower and self.follower is not None:
            public = self.follower.check_group_info(info)
        else:
            public = PublicGroup.from_group_info(info, self.policy, suites=self.world.suites)
        self.enter(name, public, replaces, with_psk)

    def enter(self, name: str, public: PublicGroup, replaces: int | None, with_psk: bool) -> None:
        person = self.world.people[name]
        self.psk_values.setdefault(b"", self.entropy(16))
        made = join_by_commit(
            public,
            person.signing_key,
            person.template,
            self.entropy,
            replaces=replaces,
            psk_keys=(ExternalPsk(b""),) if with_psk else (),
            psks=self.find_any_psk,
        )
        self.settle(person, made)

    @rule(who=anyone, whom=anyone)
    def loses_somebody_who_comes_back(self, who: int, whom: int) -> None:
        committer, victim = self.member(who), self.member(whom)
        if committer is victim:
            return
        self.psk_values.setdefault(b"for others", self.entropy(16))
        psk = committer.group.psk(ExternalPsk(b"for others"), self.entropy)
        made = self.make(committer, psk, pending=False)
        with pytest.raises(Lost) as lost:
            victim.group.receive(made.message)
        self.asleep.append(victim.name)  # The log goes on without it.
        self.settle(committer, made)
        public = lost.value.public.check_group_info(committer.group.group_info())
        self.enter(victim.name, public, self.leaf_of(victim.name), with_psk=False)

    # Messages.

    @rule(who=anyone, data=st.binary(max_size=300), count=st.integers(1, 5), whom=few, order=order)
    def says_something(
        self, who: int, data: bytes, count: int, whom: Sequence[int], order: Sequence[int]
    ) -> None:
        sender = self.member(who)
        if self.waiting:  # Data comes after the commit.
            self.commit(sender)
        before = sender.group
        for _ in range(count):
            self.say(sender, data)
        with pytest.raises(UsageError):
            before.seal(b"from an old value", self.entropy)
        for person in self.some(whom, self.present):
            self.read(person, order)

    @rule(whom=few, order=order, bit=st.integers(0, 7))
    def reads_in_any_order(self, whom: Sequence[int], order: Sequence[int], bit: int) -> None:
        for person in self.some(whom, [name for name in self.present if self.letters[name]]):
            letter = self.letters[person.name][0]
            refusal(person.group, damaged(letter.message, sum(order), bit))
            self.read(person, order)

    @rule(which=st.integers(0, 9))
    def gets_a_message_again(self, which: int) -> None:
        if self.opened:
            name, letter = self.opened[which % len(self.opened)]
            if self.world.people[name].is_in:
                refusal(self.world.people[name].group, letter.message)

    # The world.

    @rule(who=anyone)
    def falls_asleep(self, who: int) -> None:
        if len(self.awake) > 1:
            self.asleep.append(self.member(who).name)

    @precondition(lambda self: self.asleep)
    @rule(who=anyone)
    def wakes_up(self, who: int) -> None:
        self.wake(self.asleep[who % len(self.asleep)])

    @rule(whom=few)
    def restarts(self, whom: Sequence[int]) -> None:
        for person in self.some(whom, self.present):
            self.check_unchanged_by_saving(person)

    @rule(who=anyone)
    def a_follower_begins(self, who: int) -> None:
        group = self.member(who).group
        info = group.group_info(with_tree=False)
        self.follower = None
        if not self.waiting:
            self.follower = PublicGroup.from_group_info(
                info, self.policy, tree=group.public.tree.encode(), suites=self.world.suites
            )

    @precondition(lambda self: self.follower is not None)
    @rule()
    def the_follower_restarts(self) -> None:
        assert self.follower is not None
        saved = self.follower.save()
        self.follower = PublicGroup.load(saved, self.policy, suites=self.world.suites)
        assert self.follower.save() == saved

    @rule(position=st.integers(0, 5000), bit=st.integers(0, 7))
    def the_server_damages_a_handshake(self, position: int, bit: int) -> None:
        self.damage = (position, bit)

    # Groups that follow.

    @rule(who=anyone, whom=few)
    def some_branch_off(self, who: int, whom: Sequence[int]) -> None:
        founder = self.member(who)
        others = [person.name for person in self.awake if person is not founder]
        people = self.some(whom, others)
        if not people:
            return
        bundles = [person.new_key_package() for person in (founder, *people)]
        made = branch_group(
            founder.group,
            b"branch",
            bundles[0],
            [bundle.package for bundle in bundles[1:]],
            self.policy,
            self.entropy,
            suites=self.world.suites,
        )
        states = {made.merge().epoch_authenticator}
        for person, bundle in zip(people, bundles[1:], strict=True):
            assert made.welcome is not None
            joined = join_group(
                made.welcome,
                bundle,
                self.policy,
                follows=person.group,
                suites=self.world.suites,
            )
            states.add(joined.epoch_authenticator)
        assert len(states) == 1

    @rule(who=anyone, suite=st.sampled_from([1, 1, 3, DEFAULT_SUITE]), by_reference=coin)
    def all_move_to_another_group(self, who: int, suite: int, by_reference: bool) -> None:
        for name in sorted(self.asleep):
            self.wake(name)
        if len(self.awake) == 1:
            return
        founder = self.member(who)
        self.rooms += 1
        ending = ReInit(f"room {self.rooms}".encode(), 1, suite, (self.sender,))
        if by_reference and not self.waiting:
            self.propose(founder.name, founder.propose(ending))
            self.commit(founder)
        else:
            self.commit(founder, ending, pending=False)
        for person in self.awake:
            with pytest.raises(UsageError):
                person.seal(b"too late")
        self.world.suite = self.world.suites[suite]
        people = [person for person in self.awake if person is not founder]
        packages = [person.new_key_package().package for person in people]
        made = reinit_group(
            founder.group,
            founder.new_key_package(),
            packages,
            self.policy,
            self.entropy,
            suites=self.world.suites,
        )
        for person in people:
            assert made.welcome is not None
            person.join(made.welcome, follows=person.group)
        self.begin_again(founder, made, people)

    @invariant()
    def everyone_agrees(self) -> None:
        if hasattr(self, "world"):
            self.check_everyone()


def test_members_agree_on_every_walk() -> None:
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=SHORT_WALKS,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_members_agree_on_long_walks() -> None:
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=LONG_WALKS,
            stateful_step_count=80,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
