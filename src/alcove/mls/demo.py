"""A group of five, made, used, robbed and healed: `python -m alcove.mls.demo` tells it as a story.

Nothing below is staged.  Every line that is told comes after it has happened: what is said to be
read was opened, what is said to be refused was tried, and the errors are the library's own.  The
one module of the package that draws randomness of its own, for it is a program and not a part.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from alcove.mls import (
    ALGORITHMS,
    BASIC,
    DEFAULT_SUITE,
    NEW_MEMBER_COMMIT,
    Add,
    ApplicationMessage,
    CommitOptions,
    Credential,
    CryptoError,
    Entropy,
    Group,
    KeyPackageBundle,
    LeafNode,
    LeafTemplate,
    Lifetime,
    MlsError,
    OwnCommit,
    Policy,
    PublicGroup,
    Remove,
    SigningKey,
    StagedCommit,
    StagedPublicCommit,
    Suite,
    basic,
    check_lifetime,
    create_group,
    decode_key_package,
    join_by_commit,
    join_group,
    load_group,
    new_key_package,
    propose_as_outsider,
    save_group,
    standard_suites,
)

WIDTH: Final = 80
CLASSICAL_SUITE: Final = 1
DAY_S: Final = 24 * 60 * 60
NOW_S: Final = 1_800_000_000
"""The story's own time: it is always the same afternoon."""

_LABEL: Final = b"alcove demo: who is who"
_SIGNATURE_BYTES: Final = 64

Say = Callable[[str], object]


def name_of(leaf: LeafNode | None) -> str:
    """Return the name in a leaf's credential, which the policy has checked."""
    assert leaf is not None
    return leaf.credential.data[_SIGNATURE_BYTES:].decode()


def one_device_each(_old: PublicGroup, commit: StagedPublicCommit) -> str | None:
    """The house rule: nobody stands in the group twice, and who comes in pushes nobody out."""
    names = [name_of(leaf) for _, leaf in commit.group.tree.leaves()]
    if len(set(names)) != len(names):
        return "demo-one-device-each"
    pushes = any(isinstance(proposal, Remove) for proposal in commit.proposals)
    if commit.sender.type == NEW_MEMBER_COMMIT and pushes:
        return "demo-nobody-is-pushed-out"
    return None


class Registry:
    """Whom everybody believes: it signs who has which key.  A real one would look first."""

    def __init__(self, suite: Suite, entropy: Entropy) -> None:
        self._suite = suite
        self._key = suite.new_signing_key(entropy(64))
        self.policy = Policy(credential=self.check, rule=one_device_each)

    def certify(self, name: str, key: SigningKey) -> Credential:
        """Return its word on a name and a key."""
        who = name.encode()
        return basic(self._suite.sign(self._key, _LABEL, key.public + who) + who)

    def check(self, leaf: LeafNode, replaced: LeafNode | None) -> str | None:
        """Say no when it is not the registry's word, or no longer the same person."""
        word, who = leaf.credential.data[:_SIGNATURE_BYTES], leaf.credential.data[_SIGNATURE_BYTES:]
        try:
            self._suite.verify(self._key.public, _LABEL, leaf.signature_key + who, word)
        except CryptoError:
            return "demo-certified"
        if leaf.credential.type != BASIC or (replaced and name_of(replaced) != name_of(leaf)):
            return "demo-same-person"
        return None


def refusal(attempt: Callable[[], object]) -> str:
    """Try what must not work, and return what the library says to it."""
    try:
        attempt()
    except MlsError as refused:
        return f"{type(refused).__name__}: {refused}"
    raise AssertionError("what the story says cannot happen has happened")


class Story:
    """The people, their groups, and everything that went over the server's wire."""

    def __init__(self, suite: Suite, entropy: Entropy, say: Say) -> None:
        self.suite = suite
        self.entropy = entropy
        self.registry = Registry(suite, entropy)
        self.groups: dict[str, Group] = {}
        """The members' groups, by name."""
        self.wire: list[bytes] = []
        self.spoken: list[str] = []
        self._say = say

    # Telling.

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        self._say("")
        self._say(text)

    def tell(self, text: str) -> None:
        """Tell something, in lines of the right length."""
        for line in textwrap.wrap(text, WIDTH, initial_indent="   ", subsequent_indent="   "):
            self._say(line)

    def show(self, text: str) -> None:
        """Show a line as it is, set in."""
        self._say(f"     {text}")

    # Doing.

    def device(self, name: str) -> KeyPackageBundle:
        """Make a device with keys of its own."""
        key = self.suite.new_signing_key(self.entropy(64))
        lifetime = Lifetime(NOW_S - DAY_S, NOW_S + 30 * DAY_S)
        credential = self.registry.certify(name, key)
        return new_key_package(self.suite, credential, key, lifetime, self.entropy)

    def publish(self, message: bytes) -> bytes:
        """Hand bytes to the server, which keeps all that it sees."""
        self.wire.append(message)
        return message

    def speak(self, name: str, text: str) -> bytes:
        """Let somebody say something, and everybody read it."""
        message = self.seal(name, text)
        self.hear(name, text, message)
        return message

    def seal(self, name: str, text: str) -> bytes:
        """Let somebody seal something.  The group that comes after is kept before it leaves."""
        sealed = self.groups[name].seal(text.encode(), self.entropy)
        self.groups[name] = sealed.group
        self.spoken.append(text)
        return self.publish(sealed.message)

    def hear(self, name: str, text: str, message: bytes) -> None:
        """Let every other member open a message; when one cannot, the story stops."""
        readers = [other for other in self.groups if other != name]
        for other in readers:
            received = self.groups[other].receive(message)
            assert isinstance(received, ApplicationMessage)
            assert received.data == text.encode()
            assert name_of(received.group.public.tree.leaf(received.sender)) == name
            self.groups[other] = received.group
        self.show(f'{name}: "{text}"')
        self.show(f"{' ' * len(name)}  read by {', '.join(readers)}")

    def accept(self, commit: OwnCommit, author: str) -> list[str]:
        """Let a commit count: everyone follows it.  Returns whom it put out."""
        message = self.publish(commit.message)
        out = []
        for name in [other for other in self.groups if other != author]:
            staged = self.groups[name].receive(message)
            assert isinstance(staged, StagedCommit)
            if staged.removes_me:
                out.append(name)
            else:
                self.groups[name] = staged.merge()
        self.groups[author] = commit.merge()
        return out

    def agree(self) -> bool:
        """Whether all members are in the same state."""
        return len({group.epoch_authenticator for group in self.groups.values()}) == 1


# The chapters.


def five_people(story: Story) -> dict[str, KeyPackageBundle]:
    """Everybody gets a device."""
    story.heading("1. Five people")
    story.tell(
        "Each has a device that made its own keys. A registry has signed who has which key, and"
        " everybody checks its word. Nobody asks the server."
    )
    names = ("Alice", "Bob", "Carol", "Dave", "Frank")
    devices = {name: story.device(name) for name in names}
    for name, bundle in devices.items():
        print_of_key = bundle.signing_key.public[:8].hex(" ", 2)
        size = len(story.publish(bundle.message()))
        story.show(f"{name:<6} key {print_of_key} ...   publishes a key package, {size:,} bytes")
    return devices


def one_commit(story: Story, devices: dict[str, KeyPackageBundle]) -> None:
    """Alice makes the group and adds the others."""
    story.heading("2. One commit adds four")
    alice = create_group(devices["Alice"], b"the five", story.registry.policy, story.entropy)
    packages = [decode_key_package(one.message()) for one in list(devices.values())[1:]]
    for package in packages:
        check_lifetime(package.leaf, NOW_S, longest=60 * DAY_S)
    commit = alice.commit([Add(package) for package in packages], entropy=story.entropy)
    assert commit.welcome is not None
    story.publish(commit.message)
    welcome = story.publish(commit.welcome)
    story.groups["Alice"] = commit.merge()
    for name, bundle in devices.items():
        if name != "Alice":
            story.groups[name] = join_group(welcome, bundle, story.registry.policy)
    story.tell(
        f"Alice adds the other {len(packages)} at once: a commit of {len(commit.message):,} bytes"
        f" and one Welcome of {len(welcome):,} for all of them."
    )
    assert story.agree()
    authenticator = story.groups["Alice"].epoch_authenticator[:8].hex(" ", 2)
    story.tell(f"They compare their epoch authenticators, and all are equal: {authenticator} ...")


def first_words(story: Story) -> None:
    """They talk, and we look over the server's shoulder."""
    story.heading("3. They talk")
    message = story.speak("Alice", "Is this thing on?")
    story.speak("Frank", "It is. Who can read this?")
    story.speak("Carol", "We five. Nobody else has ever had the keys.")
    story.tell(f"What the server saw of the first one, {len(message)} bytes:")
    for start in (0, 32):
        dots = " ..." if start else ""
        story.show(message[start : start + 32].hex(" ", 4) + dots)


def the_thief(story: Story) -> Group:
    """Bob's device is copied."""
    story.heading("4. Somebody copies Bob's device")
    saved = save_group(story.groups["Bob"])
    thief = load_group(saved, story.registry.policy)
    stolen = len(saved.epoch) + len(saved.messages)
    story.tell(
        f"Mallory has Bob's laptop for a minute and takes everything on it: all keys, {stolen:,}"
        " bytes of state. Nobody notices."
    )
    message = story.speak("Alice", "The door code is 4711.")
    received = thief.receive(message)
    assert isinstance(received, ApplicationMessage)
    story.show(f'Mallory reads: "{received.data.decode()}"')
    story.tell("So far the theft is complete: whoever has Bob's keys is Bob.")
    return received.group


def healing(story: Story, thief: Group) -> None:
    """Bob commits new keys, and the copy is worth nothing."""
    story.heading("5. Bob heals")
    bob = story.groups["Bob"]
    key = story.suite.new_signing_key(story.entropy(64))
    template = template_of(bob)._replace(credential=story.registry.certify("Bob", key))
    options = CommitOptions(signing_key=key, template=template)
    commit = bob.commit(entropy=story.entropy, options=options)
    opened, sealed = try_keys(thief, commit.message)
    others = [story.groups[name] for name in story.groups if name != "Bob"]
    assert opened == 0
    assert [try_keys(other, commit.message)[0] for other in others] == [1] * len(others)
    story.accept(commit, "Bob")
    assert story.agree()
    story.tell(
        "As devices do from time to time, Bob's device commits new keys:"
        f" {len(commit.message):,} bytes."
        f" There are {sealed} sealed secrets in it, and each of the other {len(others)} can open"
        " one. Mallory tries every stolen key on every one of them, past all checks, and none"
        " opens. (Bob changes his signature key too.)"
    )
    story.show("Mallory's library tries to follow the commit:")
    story.show("  " + refusal(lambda: thief.receive(commit.message)))
    message = story.speak("Alice", "New door code: 8862.")
    story.show("Mallory tries to read that:")
    story.show("  " + refusal(lambda: thief.receive(message)))
    forged = thief.seal(b"Alice, what was the code again?", story.entropy).message
    story.show("Mallory writes to Alice as Bob, with the old keys:")
    story.show("  " + refusal(lambda: story.groups["Alice"].receive(forged)))
    info = story.publish(story.groups["Alice"].group_info())
    public = PublicGroup.from_group_info(info, story.registry.policy)
    story.show("Mallory tries to come in again, with Bob's old signature key:")
    template = template_of(thief)
    story.show(
        "  " + refusal(lambda: join_by_commit(public, thief.signing_key, template, story.entropy))
    )
    story.tell(
        "What was read stays read. From here on the copy opens nothing. (The last refusal is this"
        " group's own rule, one device each; without one, a stolen signature key could come back,"
        " though never unseen.)"
    )


def template_of(group: Group) -> LeafTemplate:
    """Return what a member's leaf says of it."""
    leaf = group.public.tree.leaf(group.me)
    assert leaf is not None
    return LeafTemplate.of(leaf)


def try_keys(group: Group, commit: bytes) -> tuple[int, int]:
    """Try every private key on every secret in a commit's path: (opened, sealed).

    By hand, past all checks: a thief need not run a program that plays by the rules.
    """
    staged = group.public.receive(commit)
    assert isinstance(staged, StagedPublicCommit)
    assert staged.path is not None
    after = staged.group.context
    context = group.public.provisional_context(after.tree_hash, after.extensions)
    sealed = [secret for node in staged.path.nodes for secret in node.secrets]
    opened = 0
    for secret in sealed:
        for key in group.keys.values():
            with suppress(CryptoError):
                group.suite.open(key, b"UpdatePathNode", context, *secret)
                opened += 1
    return opened, len(sealed)


def removing_dave(story: Story) -> None:
    """Dave is put out, and reads nothing after."""
    story.heading("6. Dave is removed")
    carol, dave = story.groups["Carol"], story.groups["Dave"]
    commit = carol.commit([Remove(dave.me)], entropy=story.entropy)
    out = story.accept(commit, "Carol")
    assert out == ["Dave"]
    del story.groups["Dave"]
    story.tell(
        f"Carol commits his removal, {len(commit.message):,} bytes. Dave's device sees it and knows"
        " that it is out. It still gets every byte from the server."
    )
    message = story.speak("Carol", "Now the birthday cake: chocolate or lemon?")
    story.show("Dave tries to read that:")
    story.show("  " + refusal(lambda: dave.receive(message)))


def eve_joins(story: Story) -> None:
    """Eve commits herself in, without anyone's help but a GroupInfo."""
    story.heading("7. Eve lets herself in")
    earlier = story.speak("Frank", "Lemon. And Eve has the recipe.")
    info = story.publish(story.groups["Frank"].group_info())
    public = PublicGroup.from_group_info(info, story.registry.policy)
    bundle = story.device("Eve")
    commit = join_by_commit(
        public, bundle.signing_key, LeafTemplate.of(bundle.package.leaf), story.entropy
    )
    story.accept(commit, "Eve")
    assert story.agree()
    story.tell(
        f"Frank has left a GroupInfo for her, {len(info):,} bytes. She checks it and joins by an"
        f" external commit, {len(commit.message):,} bytes. Nobody had to add her; everybody has"
        f" checked who she is. They are {len(story.groups)} again. (Could Dave do the same? If"
        " somebody shows him a GroupInfo, yes, and everyone would see it: whom to let in is for a"
        " group's own rule, and this one asks for one device each and nothing more.)"
    )
    story.speak("Eve", "Two lemons, and patience.")
    story.show("Eve tries what was said before she came:")
    story.show("  " + refusal(lambda: story.groups["Eve"].receive(earlier)))


def forgeries(story: Story) -> None:
    """What the server and strangers may try."""
    story.heading("8. The server cheats")
    message = story.speak("Alice", "Party at eight.")
    bob = story.groups["Bob"]
    story.show("It sends that to Bob once more:")
    story.show("  " + refusal(lambda: bob.receive(message)))
    honest = story.seal("Alice", "No, at nine.")
    changed = honest[:-1] + bytes([honest[-1] ^ 1])
    story.show("It changes one bit of Alice's next message:")
    story.show("  " + refusal(lambda: bob.receive(changed)))
    stranger = story.suite.new_signing_key(story.entropy(64))
    proposal = Remove(story.groups["Alice"].me)
    forged = propose_as_outsider(story.suite, bob.group_id, bob.epoch, 0, stranger, proposal)
    story.show("It makes up a proposal to remove her:")
    story.show("  " + refusal(lambda: bob.receive(forged)))
    story.tell(
        "Every refusal names its rule; docs/mls-rules.md lists those of MLS. After a refusal the"
        " group is what it was, so the honest message still opens:"
    )
    story.hear("Alice", "No, at nine.", honest)


def figures(story: Story) -> None:
    """Numbers for who does not believe stories."""
    story.heading("9. For the doubters")
    seen = sum(map(len, story.wire))
    blob = b"\x00".join(story.wire)
    assert not any(text.encode() in blob for text in story.spoken)
    story.tell(
        f"The server has seen {len(story.wire)} things, {seen:,} bytes in all. None of the"
        f" {len(story.spoken)} texts above is anywhere in them: we have just searched."
    )
    ours, classical = (
        sizes(standard_suites()[number], story.entropy)
        for number in (story.suite.id, CLASSICAL_SUITE)
    )
    story.heading(f"     {'Bytes on the wire, five members':<40}{'default':>12}{'classical':>12}")
    for what, size in ours.items():
        story.show(f"{what:<40}{size:>12,}{classical[what]:>12,}")
    for word, number in (("default", story.suite.id), ("classical", CLASSICAL_SUITE)):
        parts = ALGORITHMS[number]
        story.show(
            f"{word:<9} = suite {number:#06x}: {parts.kem}, {parts.aead}, {parts.hash},"
            f" {parts.signature}"
        )


def sizes(suite: Suite, entropy: Entropy) -> dict[str, int]:
    """Make another group of five and weigh its messages."""
    story = Story(suite, entropy, lambda _text: None)
    policy = story.registry.policy
    first, *others = (story.device(f"P{number}") for number in range(5))
    group = create_group(first, b"measured", policy, entropy)
    adding = group.commit([Add(other.package) for other in others], entropy=entropy)
    assert adding.welcome is not None
    healed = adding.merge().commit(entropy=entropy)
    warm = healed.merge().commit(entropy=entropy)
    sealed = warm.merge().seal(bytes(100), entropy)
    return {
        "a key package": len(first.message()),
        "the commit that adds four": len(adding.message),
        "the Welcome for those four": len(adding.welcome),
        "a commit that heals": len(warm.message),
        "a message of 100 bytes": len(sealed.message),
    }


def tell_story(entropy: Entropy, say: Say) -> Story:
    """Let it all happen, telling it line by line."""
    story = Story(standard_suites()[DEFAULT_SUITE], entropy, say)
    say("A group of five, and a server that nobody needs to trust.")
    one_commit(story, five_people(story))
    first_words(story)
    thief = the_thief(story)
    healing(story, thief)
    removing_dave(story)
    eve_joins(story)
    forgeries(story)
    figures(story)
    return story


def main() -> None:
    """Tell the story on the terminal."""
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(text: str) -> None:
        # A heading is what begins at the edge.
        print(f"\033[1m{text}\033[0m" if bold and text and text[0] != " " else text)

    began = time.perf_counter()
    tell_story(os.urandom, say)
    say("")
    say(f"   All of it happened just now, in {time.perf_counter() - began:.2f} seconds.")


if __name__ == "__main__":
    main()
