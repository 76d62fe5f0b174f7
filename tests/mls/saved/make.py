"""Makes the kept files, once for each version of the formats: `python -m tests.mls.saved.make`.

One story for each suite.  Bob's states are saved on the way, with messages that were sent to him
and that he had not read yet; the facts say what must become of them.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alcove.mls import (
    DEFAULT_SUITE,
    FOR_APPLICATION,
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Credential,
    Custom,
    ExternalSender,
    Group,
    KeyPackageBundle,
    Lifetime,
    OwnCommit,
    Policy,
    ReceivedProposal,
    ReInit,
    Remove,
    ResumptionPsk,
    StagedCommit,
    Suite,
    accept_any_credential,
    basic,
    create_group,
    external_senders,
    join_group,
    new_key_package,
    propose_as_outsider,
    propose_to_join,
    save_group,
    standard_suites,
)

FOLDER: Final = Path(__file__).parent
VERSION: Final = 1
SUITES: Final = (1, DEFAULT_SUITE)
CUSTOM_TYPE: Final = 0xF123
NAMES: Final = ("alice", "bob", "carol", "dave")
LABEL, CONTEXT = b"kept file", b"context"


def believe(_credential: Credential, _key: bytes) -> None:
    """Believe whoever is listed as an external sender."""


POLICY: Final = Policy(
    credential=accept_any_credential,
    external_sender=believe,
    proposal=lambda _public, _proposal, _sender: None,
    past_epochs=2,
    past_resumptions=3,
)


class Story:
    """Four people in a group, and what is kept of them."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.entropy: Callable[[int], bytes] = random.Random(suite.id).randbytes
        self.files: dict[str, bytes] = {}
        self.facts: dict[str, Any] = {"suite": suite.id, "members": list(NAMES)}
        self.sender_key = suite.new_signing_key(self.entropy(64))
        self.groups: dict[str, Group] = {}

    def device(self, name: str) -> KeyPackageBundle:
        able = Capabilities(suites=(self.suite.id,), proposals=(CUSTOM_TYPE,), credentials=(1,))
        key = self.suite.new_signing_key(self.entropy(64))
        credential = basic(name.encode())
        lifetime = Lifetime(0, 2**40)
        return new_key_package(
            self.suite, credential, key, lifetime, self.entropy, capabilities=able
        )

    def follow(self, author: str, commit: OwnCommit) -> None:
        """Let a commit count for everyone."""
        for name in NAMES:
            if name != author:
                staged = self.groups[name].receive(commit.message)
                assert isinstance(staged, StagedCommit)
                self.groups[name] = staged.merge()
        self.groups[author] = commit.merge()

    def heal(self, author: str) -> None:
        self.follow(author, self.groups[author].commit(entropy=self.entropy))

    def seal(self, author: str, text: str) -> dict[str, Any]:
        """Seal a message that nobody reads yet; return the facts about it."""
        group = self.groups[author]
        sealed = group.seal(text.encode(), self.entropy)
        self.groups[author] = sealed.group
        return {
            "message": sealed.message.hex(),
            "data": text,
            "sender": group.me,
            "epoch": group.epoch,
        }

    def read(self, name: str, fact: dict[str, Any]) -> None:
        received = self.groups[name].receive(bytes.fromhex(fact["message"]))
        assert isinstance(received, ApplicationMessage)
        self.groups[name] = received.group

    def hear(self, names: tuple[str, ...], message: bytes) -> None:
        """Let these people receive a proposal."""
        for name in names:
            received = self.groups[name].receive(message)
            assert isinstance(received, ReceivedProposal)
            self.groups[name] = received.group

    def keep(self, name: str, group: Group) -> None:
        """Keep both parts of a group, and what is true of it."""
        saved = save_group(group)
        self.files[f"{name}-epoch"] = saved.epoch
        self.files[f"{name}-messages"] = saved.messages
        self.facts[name] = {
            "epoch": group.epoch,
            "group_id": group.group_id.hex(),
            "me": group.me,
            "epoch_authenticator": group.epoch_authenticator.hex(),
            "exported": group.export(LABEL, CONTEXT, 32).hex(),
            "past": [epoch.context.epoch for epoch in group.past],
            "resumptions": sorted(group.resumptions),
            "proposals": [type(item.proposal).__name__ for item in group.public.proposals.values()],
            "updates": len(group.updates),
        }


def begin(story: Story) -> None:
    """Four people meet; everyone makes a path, so that the tree has keys everywhere."""
    devices = {name: story.device(name) for name in NAMES}
    sender = ExternalSender(story.sender_key.public, basic(b"sender"))
    group = create_group(
        devices["alice"],
        b"kept",
        POLICY,
        story.entropy,
        extensions=(external_senders([sender]),),
    )
    commit = group.commit([Add(devices[name].package) for name in NAMES[1:]], entropy=story.entropy)
    assert commit.welcome is not None
    story.groups["alice"] = commit.merge()
    for name in NAMES[1:]:
        story.groups[name] = join_group(commit.welcome, devices[name], POLICY)
    for name in NAMES:
        story.heal(name)


def keep_quiet_state(story: Story) -> None:
    """Keep Alice and Bob in the middle of an epoch, with messages that Bob has yet to read."""
    forgotten = story.seal("dave", "three epochs late")
    story.heal("alice")
    two_late = story.seal("carol", "two epochs late")
    story.heal("bob")
    one_late = story.seal("carol", "one epoch late")
    one_read = story.seal("carol", "one epoch late, and read")
    story.heal("carol")
    story.read("bob", one_read)
    overtaken = [story.seal("carol", f"overtaken {number}") for number in range(3)]
    newest = story.seal("carol", "the newest that Bob has read")
    story.read("bob", newest)
    story.read("bob", overtaken[1])
    coming = story.seal("carol", "the next from Carol")
    first = story.seal("alice", "the first from Alice in this epoch")
    story.seal("bob", "Bob has sent one too")
    story.keep("alice", story.groups["alice"])
    story.keep("bob", story.groups["bob"])
    story.facts["bob"]["opens"] = [coming, first, overtaken[0], overtaken[2], one_late, two_late]
    story.facts["bob"]["refuses"] = [
        {"message": fact["message"], "rule": rule}
        for fact, rule in (
            (newest, "private-generation-reused"),
            (overtaken[1], "private-generation-reused"),
            (one_read, "private-generation-reused"),
            (forgotten, "private-epoch-kept"),
        )
    ]


def keep_busy_state(story: Story) -> None:
    """Keep Bob while proposals of every kind wait, and the commit that carries them out."""
    entropy, groups, suite = story.entropy, story.groups, story.suite
    for signing_key in (None, suite.new_signing_key(entropy(64))):
        update = groups["bob"].propose_update(entropy, signing_key=signing_key)
        groups["bob"] = update.group
        story.hear(("alice", "carol", "dave"), update.message)
    earlier = ResumptionPsk(FOR_APPLICATION, groups["alice"].group_id, groups["alice"].epoch - 2)
    for proposal, private in (
        (groups["alice"].psk(earlier, entropy), True),
        (Custom(CUSTOM_TYPE, b"of our own"), False),
    ):
        proposed = groups["alice"].propose(proposal, entropy, private=private)
        groups["alice"] = proposed.group
        story.hear(NAMES[1:], proposed.message)
    where = suite, groups["bob"].group_id, groups["bob"].epoch
    removal = propose_as_outsider(*where, 0, story.sender_key, Remove(groups["dave"].me))
    story.hear(NAMES, removal)
    story.hear(NAMES, propose_to_join(*where, story.device("erin")))
    story.keep("busy", groups["bob"])
    public = groups["bob"].public.check_group_info(groups["carol"].group_info())
    story.files["public"] = public.save()
    commit = groups["alice"].commit(
        entropy=entropy, options=CommitOptions(authenticated_data=b"kept")
    )
    after = commit.merge()
    story.facts["busy"] |= {
        "commit": commit.message.hex(),
        "committed": [type(proposal).__name__ for proposal in commit.proposals],
        "next_authenticator": after.epoch_authenticator.hex(),
    }
    story.facts["public"] = {
        "epoch": public.epoch,
        "tree_hash": public.context.tree_hash.hex(),
        "external_pub": (public.external_pub or b"").hex(),
        "next_context": after.public.context.raw.hex(),
    }


def keep_ended_state(story: Story) -> None:
    """Keep what is left of a group that a ReInit has ended."""
    group = create_group(story.device("fay"), b"short", POLICY, story.entropy)
    proposal = ReInit(b"longer", version=1, suite_id=1)
    public = group.commit([proposal], entropy=story.entropy).merge().public
    story.files["ended"] = public.save()
    story.facts["ended"] = {"epoch": public.epoch, "group_id": b"longer".hex(), "suite": 1}


def keep_bundle(story: Story) -> None:
    """Keep a key package, and a Welcome that was sealed to it."""
    bundle = story.device("dana")
    group = create_group(story.device("gus"), b"pair", POLICY, story.entropy)
    commit = group.commit([Add(bundle.package)], entropy=story.entropy)
    assert commit.welcome is not None
    story.files["bundle"] = bundle.save()
    story.facts["bundle"] = {
        "reference": bundle.package.reference(story.suite).hex(),
        "welcome": commit.welcome.hex(),
        "epoch_authenticator": commit.merge().epoch_authenticator.hex(),
    }


def make(suite: Suite) -> Story:
    """Tell the story of one suite."""
    story = Story(suite)
    begin(story)
    keep_quiet_state(story)
    keep_busy_state(story)
    keep_ended_state(story)
    keep_bundle(story)
    return story


def stem(suite_id: int) -> str:
    """Return how the names of a suite's files begin."""
    return f"v{VERSION}-{suite_id:04x}"


def main(folder: Path = FOLDER) -> int:
    """Write the files of this version, unless there are some already."""
    if sorted(folder.glob(f"v{VERSION}-*")):
        print(f"Files of version {VERSION} are there, and stay as they are.", file=sys.stderr)
        return 1
    for suite_id in SUITES:
        story = make(standard_suites()[suite_id])
        for name, content in story.files.items():
            (folder / f"{stem(suite_id)}-{name}.bin").write_bytes(content)
        facts = json.dumps(story.facts, indent=1) + "\n"
        (folder / f"{stem(suite_id)}.json").write_text(facts, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
