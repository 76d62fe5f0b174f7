"""A group is a value: what old values, saved ones and dropped ones may still do, and what not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alcove.mls import (
    Add,
    ApplicationMessage,
    CommitOptions,
    ExternalPsk,
    ExternalSender,
    Group,
    GroupContextExtensions,
    Lost,
    PeerError,
    Policy,
    PublicGroup,
    PublicMessage,
    ReceivedProposal,
    ReInit,
    Remove,
    ResumptionPsk,
    RuleBroken,
    Sender,
    StagedCommit,
    Update,
    UsageError,
    accept_any_credential,
    basic,
    decode_message,
    external_senders,
    join_by_commit,
    load_group,
    propose_as_outsider,
    propose_to_join,
    save_group,
    save_messages,
    suites_on,
)
from alcove.mls.codec import opaque, vector
from alcove.mls.commit import Commit
from alcove.mls.framing import COMMIT
from alcove.mls.high_water import HighWater
from alcove.mls.proposals import FOR_APPLICATION
from alcove.mls.secret_tree import MESSAGE, SecretTree
from tests.mls.recording import RecordingProvider
from tests.mls.world import Person, World, received, refusal


def pair(**options: object) -> tuple[World, Person, Person]:
    """Return a world in which Alice and Bob have a group."""
    world = World(**options)  # type: ignore[arg-type]
    alice, bob = world.group("alice", "bob")
    return world, alice, bob


# Old values.


def test_sealing_again_from_an_old_value_is_refused() -> None:
    world, alice, _ = pair()
    old = alice.group
    alice.seal(b"first")
    with pytest.raises(UsageError, match="newer value"):
        old.seal(b"second", world.entropy)


def test_a_private_handshake_from_an_old_value_is_refused() -> None:
    world, alice, _ = pair()
    old = alice.group
    alice.propose(GroupContextExtensions(()), private=True)
    with pytest.raises(UsageError, match="newer value"):
        old.commit(entropy=world.entropy, options=CommitOptions(private=True))


def test_messages_and_handshakes_are_counted_apart() -> None:
    world, alice, bob = pair()
    old = alice.group
    alice.seal(b"a message")
    commit = old.commit(entropy=world.entropy, options=CommitOptions(private=True))
    assert bob.receive(commit.message)


def test_the_value_before_a_commit_may_still_seal_what_it_has_not_sealed() -> None:
    world, alice, bob = pair()
    old = alice.group
    alice.commit(path=True).merge()
    assert bob.read(old.seal(b"hello", world.entropy).message) == b"hello"


def test_two_epochs_that_compete_for_one_number_are_told_apart() -> None:
    world, alice, _ = pair()
    first, second = (alice.commit(path=True).merge() for _ in range(2))
    first.seal(b"in one", world.entropy)
    assert second.seal(b"in the other", world.entropy).message


def test_an_old_value_is_refused_however_many_epochs_have_passed() -> None:
    world, alice, _ = pair()
    old = alice.group
    for _ in range(70):
        alice.seal(b"hello")
        alice.group = alice.commit(path=True).merge()
    with pytest.raises(UsageError, match="far behind"):
        old.seal(b"again", world.entropy)


def test_an_epoch_that_was_not_forgotten_is_still_listed() -> None:
    marks = HighWater()
    for epoch in range(64):
        marks.spend(epoch.to_bytes(1, "big"), epoch, MESSAGE, 0)
    with pytest.raises(UsageError, match="newer value"):
        marks.spend(b"\x00", 0, MESSAGE, 0)


def test_receiving_leaves_the_value_that_received_as_it_was() -> None:
    _, alice, bob = pair()
    before, message = save_group(bob.group), alice.seal(b"hello")
    bob.group.receive(message)
    assert save_group(bob.group) == before


def test_an_epoch_has_an_end() -> None:
    world, alice, _ = pair()
    group = alice.group
    ratchets = dict(group.current.secrets.next_key(group.me, MESSAGE)[1].ratchets)
    at = 2 * group.me + MESSAGE
    ratchets[at] = ratchets[at]._replace(generation=2**32 - 1)
    secrets = group.current.secrets._replace(ratchets=ratchets)
    used_up = replace(group, current=group.current._replace(secrets=secrets))
    with pytest.raises(UsageError, match="commit before sending more"):
        used_up.seal(b"one too many", world.entropy)


# Saved values.


def test_the_newest_saved_state_never_uses_a_generation_twice() -> None:
    recorder = RecordingProvider()
    _, alice, bob = pair(suites=suites_on(recorder))
    for number in range(6):
        assert bob.read(alice.seal(b"%d" % number)) == b"%d" % number
        alice.restart()
    assert len(recorder.sealed) >= 2 * 6


def test_a_saved_state_accepts_no_replay() -> None:
    _, alice, bob = pair()
    message = alice.seal(b"hello")
    bob.read(message)
    bob.restart()
    assert refusal(bob.group, message) == "private-generation-reused"


def test_a_saved_state_still_opens_what_was_passed_over() -> None:
    _, alice, bob = pair()
    early, late = alice.seal(b"early"), alice.seal(b"late")
    bob.read(late)
    bob.restart()
    assert bob.read(early) == b"early"


def test_only_the_small_part_of_a_saved_state_changes_with_a_message() -> None:
    world, alice, _ = pair()
    before = save_group(alice.group)
    alice.seal(b"hello")
    newer = before._replace(messages=save_messages(alice.group))
    assert save_group(load_group(newer, world.policy)) == save_group(alice.group)


def test_a_proposed_update_survives_a_restart() -> None:
    world, _, bob = pair()
    world.send("bob", bob.propose_update())
    bob.restart()
    world.commit("alice")
    world.everyone_agrees()


def test_a_saved_state_of_two_kinds_of_epochs_is_refused() -> None:
    world, alice, bob = pair(past_epochs=1)
    several = save_group(alice.group)
    world.commit("bob", path=True)
    mixed = several._replace(messages=save_group(alice.group).messages)
    with pytest.raises(UsageError, match="different epochs"):
        load_group(mixed, world.policy)
    assert bob.is_in


def snapshot_of(group: PublicGroup, proposals: bytes, reinit: bytes) -> bytes:
    """Return a snapshot with another list of proposals and another ending."""
    saved = group.save()
    assert saved.endswith(b"\x00\x00\x00")  # No proposals, no ReInit, no external key.
    return saved[:-3] + proposals + reinit + b"\x00"


def test_a_snapshot_that_ends_by_something_else_than_a_reinit_is_refused() -> None:
    world, alice, _ = pair()
    damaged = snapshot_of(alice.group.public, b"\x00", b"\x01" + Remove(1).encode())
    with pytest.raises(UsageError, match="damaged"):
        PublicGroup.load(damaged, world.policy)


def test_a_snapshot_that_remembers_a_commit_is_refused() -> None:
    world, alice, _ = pair()
    content = replace(alice.group.sign_content(COMMIT, Commit((), None), b""), confirmation_tag=b"")
    damaged = snapshot_of(alice.group.public, vector([opaque(content.encode())]), b"\x00")
    with pytest.raises(UsageError, match="damaged"):
        PublicGroup.load(damaged, world.policy)


def test_a_saved_state_with_another_number_of_epochs_is_refused() -> None:
    world, alice, _ = pair()
    saved = save_group(alice.group)
    head = saved.messages[: 2 + 1 + world.suite.secret_bytes]
    with pytest.raises(UsageError, match="numbers of epochs"):
        load_group(saved._replace(messages=head + b"\x00"), world.policy)


# Windows.


@pytest.mark.parametrize(("window", "opened"), [(0, []), (2, [2, 3]), (32, [0, 1, 2, 3])])
def test_out_of_order_messages_open_as_far_as_the_window_goes(
    window: int, opened: list[int]
) -> None:
    _, alice, bob = pair(out_of_order=window)
    messages = [alice.seal(b"%d" % number) for number in range(5)]
    bob.read(messages[4])
    assert [number for number in range(4) if opens(bob, messages[number])] == opened


def opens(person: Person, message: bytes) -> bool:
    """Say whether somebody can read a message, and let it be read if so."""
    try:
        person.read(message)
    except PeerError:
        return False
    return True


@pytest.mark.parametrize(("ahead", "opened"), [(3, True), (4, False)])
def test_a_message_opens_as_far_ahead_as_the_policy_says(ahead: int, opened: bool) -> None:
    _, alice, bob = pair(forward=3)
    messages = [alice.seal(b"hello") for _ in range(ahead + 1)]
    assert opens(bob, messages[-1]) == opened


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_late_message_opens_for_as_many_epochs_as_the_policy_says(kept: int) -> None:
    world, alice, bob = pair(past_epochs=kept)
    messages = [alice.seal(b"hello") for _ in range(3)]
    opened = 0
    for message in messages:
        opened += opens(bob, message)
        world.commit("alice", path=True)
    assert opened == min(kept + 1, 3)


def test_a_late_message_opens_once() -> None:
    world, alice, bob = pair(past_epochs=1)
    message = alice.seal(b"hello")
    world.commit("alice", path=True)
    bob.read(message)
    assert refusal(bob.group, message) == "private-generation-reused"


def test_a_late_message_is_known_by_its_sender_of_then() -> None:
    world = World(past_epochs=1)
    _, bob, carol = world.group("alice", "bob", "carol")
    message = carol.seal(b"my last words")
    world.commit("alice", remove=["carol"], add=["dave"])
    result = received(bob.group, message, ApplicationMessage)
    assert (result.epoch, result.leaf.credential) == (1, basic(b"carol"))


def test_who_joins_late_has_no_earlier_epochs() -> None:
    world, alice, _ = pair(past_epochs=2)
    message = alice.seal(b"before your time")
    world.commit("alice", add=["carol"])
    assert refusal(world.person("carol").group, message) == "private-epoch-kept"


# Commits that are dropped.


@pytest.mark.parametrize("private", [False, True])
def test_a_staged_commit_can_be_dropped(private: bool) -> None:
    world, alice, bob = pair()
    dropped = received(bob.group, alice.commit(path=True, private=private).message, StagedCommit)
    bob.group = dropped.group
    world.commit("bob", path=True)
    world.everyone_agrees()


def test_a_dropped_commit_of_our_own_leaves_the_epoch_as_it_was() -> None:
    world, alice, _ = pair()
    alice.commit(path=True, private=True)
    world.everyone_agrees()
    world.everyone_can_read("alice")


def test_merging_is_a_value_too() -> None:
    _, alice, bob = pair()
    staged = received(bob.group, alice.commit(path=True).message, StagedCommit)
    assert staged.merge() is staged.merge()


def test_a_staged_commit_shows_what_it_would_do() -> None:
    world, alice, bob = pair()
    carol = world.person("carol")
    commit = alice.commit(Add(carol.bundle.package), authenticated_data=b"because")
    staged = received(bob.group, commit.message, StagedCommit)
    assert (staged.sender, staged.committer, staged.authenticated_data, staged.removes_me) == (
        Sender(1, alice.leaf),
        alice.leaf,
        b"because",
        False,
    )
    assert [type(proposal) for proposal in staged.proposals] == [Add]
    assert staged.after.tree.find(carol.bundle.package.leaf) == 2


def test_our_own_commit_comes_back_as_what_it_is() -> None:
    _, alice, _ = pair()
    commit = alice.commit(path=True)
    with pytest.raises(UsageError, match="our own"):
        alice.group.receive(commit.message)


def test_a_commit_by_another_with_our_tag_is_not_taken_for_our_own() -> None:
    world, alice, bob = pair()
    tag = alice.commit(path=True).after.confirmation_tag
    theirs = decode_message(bob.commit(path=True).message)
    assert isinstance(theirs, PublicMessage)
    copied = bob.group.send(replace(theirs.content, confirmation_tag=tag), world.entropy)
    assert refusal(alice.group, copied.message) == "commit-confirmation-tag"


def test_a_commit_made_long_ago_is_known_no_more() -> None:
    _, alice, _ = pair()
    echo = alice.commit(path=True).message
    for _ in range(64):
        alice.commit(path=True)
    with pytest.raises(Lost, match="commit-from-own-leaf"):
        alice.group.receive(echo)


def test_the_same_commit_made_again_has_the_same_welcome() -> None:
    world, alice, _ = pair()
    add = Add(world.person("carol").bundle.package)
    first, second = alice.commit(add), alice.commit(add)
    assert first.message == second.message
    world.send("alice", second.message)
    alice.group = second.merge()
    assert second.welcome is not None
    world.person("carol").join(second.welcome)
    world.everyone_agrees()


def test_the_same_commit_cannot_be_made_with_another_welcome() -> None:
    world, alice, _ = pair()
    add = Add(world.person("carol").bundle.package)
    alice.commit(add, private=True)
    with pytest.raises(UsageError, match="another Welcome"):
        alice.commit(add, private=True, tree_in_welcome=False)
    assert alice.commit(add, private=True, path=True).welcome


# Being removed, and being lost.


def test_a_removal_is_reported_although_its_tag_cannot_be_checked() -> None:
    _, alice, bob = pair()
    message = alice.commit(Remove(bob.leaf)).message
    wrong_tag = message[:-1] + bytes([message[-1] ^ 1])
    staged = received(bob.group, wrong_tag, StagedCommit)
    assert staged.removes_me
    assert staged.after.tree.leaf(bob.leaf) is None


def test_who_is_removed_has_no_next_epoch() -> None:
    _, alice, bob = pair()
    staged = received(bob.group, alice.commit(Remove(bob.leaf)).message, StagedCommit)
    with pytest.raises(UsageError, match="no next epoch"):
        staged.merge()


def test_who_is_lost_comes_back_by_an_external_commit() -> None:
    world = World()
    alice, bob, carol = world.group("alice", "bob", "carol")
    key = ExternalPsk(b"not everyone has it")
    commit = alice.commit(alice.group.psk(key, world.entropy), psks=lambda _key: b"a secret")
    carol.receive(commit.message, lambda _key: b"a secret")
    with pytest.raises(Lost, match="psk-available") as lost:
        bob.group.receive(commit.message)
    alice.group = commit.merge()
    public = lost.value.public.check_group_info(alice.group.group_info())
    world.join_by_commit("bob", public, replaces=bob.leaf)
    world.everyone_agrees()
    world.everyone_can_read("bob")


def test_who_is_lost_can_still_follow_once_the_secret_is_there() -> None:
    world, alice, bob = pair()
    psk = alice.group.psk(ExternalPsk(b"secret"), world.entropy)
    commit = alice.commit(psk, psks=lambda _key: b"a secret")
    assert refusal(bob.group, commit.message) == "psk-available"
    alice.group = commit.merge()
    bob.receive(commit.message, lambda _key: b"a secret")
    world.everyone_agrees()


# Waiting proposals, limits, and what cannot be asked for.


def test_data_waits_until_the_proposals_are_committed() -> None:
    world, alice, bob = pair()
    world.send("bob", bob.propose_update())
    with pytest.raises(UsageError, match="proposals are waiting"):
        alice.seal(b"too early")
    world.commit("alice")
    world.everyone_can_read("alice")


def test_a_proposal_that_comes_twice_is_remembered_once() -> None:
    _, alice, bob = pair()
    message = alice.propose(GroupContextExtensions(()))
    first = received(bob.group, message, ReceivedProposal)
    again = received(first.group, message, ReceivedProposal)
    assert (again.reference, len(again.group.public.proposals)) == (first.reference, 1)


def test_only_so_many_proposals_are_remembered() -> None:
    world, alice, bob = pair(pending_proposals=2)
    key = ExternalPsk(b"key")
    for _ in range(2):
        bob.receive(alice.propose(alice.group.psk(key, world.entropy)))
    another = alice.group.psk(key, world.entropy)
    with pytest.raises(RuleBroken, match="limit-pending-proposals"):
        alice.propose(another)


def test_an_update_is_proposed_with_its_keys() -> None:
    world, alice, bob = pair()
    bob.propose_update()
    (listed,) = bob.group.public.proposals.values()
    assert isinstance(listed.proposal, Update)
    with pytest.raises(UsageError, match="propose_update"):
        alice.group.propose(listed.proposal, world.entropy)


def test_a_group_that_has_ended_sends_nothing() -> None:
    world, alice, _ = pair()
    world.commit("alice", ReInit(b"another", 1, 1))
    with pytest.raises(UsageError, match="ended"):
        alice.seal(b"too late")
    with pytest.raises(UsageError, match="ended"):
        alice.commit()
    with pytest.raises(UsageError, match="ended"):
        alice.propose(Remove(1))


def test_people_outside_cannot_propose_everything() -> None:
    world, alice, bob = pair()
    bob.propose_update()
    (listed,) = bob.group.public.proposals.values()
    with pytest.raises(UsageError, match="external senders"):
        propose_as_outsider(
            world.suite, alice.group.group_id, 1, 0, alice.signing_key, listed.proposal
        )


def test_who_asks_to_join_is_added_by_a_member() -> None:
    world, alice, bob = pair()
    carol = world.person("carol")
    message = propose_to_join(world.suite, alice.group.group_id, 1, carol.bundle)
    for person in (alice, bob):
        person.receive(message)
    commit = alice.commit()
    assert commit.welcome is not None
    world.send("alice", commit.message)
    alice.group = commit.merge()
    carol.join(commit.welcome)
    world.everyone_agrees()


def test_a_resumption_key_that_is_not_kept_is_asked_of_the_application() -> None:
    world, alice, bob = pair(past_resumptions=1)
    first = alice.group
    key = ResumptionPsk(FOR_APPLICATION, first.group_id, first.epoch)
    for _ in range(2):
        world.commit("alice", path=True)
    remembered = first.secrets.resumption
    commit = alice.commit(alice.group.psk(key, world.entropy), psks=lambda _key: remembered)
    assert refusal(bob.group, commit.message) == "psk-available"
    alice.group = commit.merge()
    bob.receive(commit.message, lambda _key: remembered)
    world.everyone_agrees()


# Looking.


def test_a_group_lists_its_members() -> None:
    world, alice, bob = pair()
    world.commit("alice", add=["carol"], remove=["bob"])
    names = [(index, leaf.credential.data) for index, leaf in alice.group.members()]
    assert (names, bob.is_in) == ([(0, b"alice"), (1, b"carol")], False)


def test_a_message_may_be_decoded_before_it_is_received() -> None:
    _, alice, bob = pair()
    result = bob.group.receive(decode_message(alice.seal(b"hello")))
    assert isinstance(result, ApplicationMessage)


def test_nobody_outside_is_believed_unless_the_application_says_so() -> None:
    world = World(external_sender=Policy(accept_any_credential).external_sender)
    server = ExternalSender(world.person("server").signing_key.public, basic(b"server"))
    with pytest.raises(RuleBroken, match="cred-valid-external-senders"):
        world.group("alice", extensions=(external_senders([server]),))


def test_exports_differ_by_label_context_and_epoch() -> None:
    world, alice, _ = pair()
    first = [alice.group.export(*name, 32) for name in ((b"a", b""), (b"b", b""), (b"a", b"c"))]
    world.commit("alice", path=True)
    assert len({*first, alice.group.export(b"a", b"", 32)}) == 4


def test_an_export_has_a_longest_length() -> None:
    _, alice, _ = pair()
    assert len(alice.group.export(b"label", b"", 255 * 32)) == 255 * 32
    with pytest.raises(UsageError, match="export less"):
        alice.group.export(b"label", b"", 255 * 32 + 1)


def test_a_group_info_can_leave_out_the_tree_and_the_external_key() -> None:
    world, alice, _ = pair()
    info = alice.group.group_info(with_tree=False, with_external_pub=False)
    tree = alice.group.public.tree.encode()
    public = PublicGroup.from_group_info(info, world.policy, tree=tree)
    assert public.external_pub is None
    with pytest.raises(RuleBroken, match="external-pub-missing"):
        join_by_commit(public, alice.signing_key, alice.template, world.entropy)


def test_a_secret_tree_gives_each_key_once() -> None:
    _, alice, _ = pair()
    group: Group = alice.group
    tree: SecretTree = group.current.secrets
    keys = []
    for _ in range(20):
        key, tree = tree.next_key(group.me, MESSAGE)
        keys.append(key)
    assert len({key.key for key in keys}) == len({key.nonce for key in keys}) == 20
