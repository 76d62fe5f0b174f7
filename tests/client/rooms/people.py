"""People with devices and certificates, and rooms of real MLS groups in which they may misbehave.

ada = Person("ada")                     an identity and an account
ada.device(1)                           a device of hers, with its certificate and key packages
room = Room("group", ada, bob)          ada has made it and is its owner; each has device 1 there

room.judge(ada, removes=[room.leaf(bob)])        what the rules say about that commit of hers
room.go(ada, removes=[room.leaf(bob)])           the same, allowed and done

The library of these people asks nobody: what they may not do, only `rules.check` says.
"""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from alcove import mls
from alcove.client.errors import PeerError
from alcove.client.keys.certificates import NewDevice, Owner, certify, make_list
from alcove.client.keys.sealing import NoticeKind, sign_notice
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import rules
from alcove.client.rooms.belief import SUITES, credential_check
from alcove.client.rooms.extension import CAPABILITIES, RoomState, extension, state_of
from alcove.client.rooms.founding import new_state
from alcove.client.rooms.leaves import certificate_of, key_hash, leaf_hash
from alcove.client.rooms.note import Note, encode_note
from alcove.client.rooms.planning import joining_note, plan
from alcove.wire.codec import encode
from alcove.wire.devices import SignedList
from alcove.wire.signed import device_id

SERVER = bytes(range(32))
ROOM = bytes(range(16))
ARCHIVE = bytes(1216)
LIFETIME = mls.Lifetime(0, 2**40)
_counts: dict[str, "itertools.count[int]"] = {}


def drawn(what: str, count: int) -> bytes:
    """Return bytes that are always the same for one purpose."""
    return hashlib.shake_256(what.encode()).digest(count)


class Dice:
    """Entropy from a seed."""

    def __init__(self, seed: str) -> None:
        self.seed, self.count = seed, 0

    def __call__(self, count: int) -> bytes:
        self.count += 1
        return drawn(f"{self.seed} {self.count}", count)


def lax(**more: Any) -> mls.Policy:
    """Return a policy that forbids nothing."""
    return mls.Policy(credential=mls.accept_any_credential, **more)


def strict() -> mls.Policy:
    """Return one that asks about certificates too, and not about rules."""
    return mls.Policy(credential=credential_check(SERVER))


class Device:
    """A device of a person, with the certificate that it has now."""

    def __init__(self, person: "Person", number: int, version: int = 1) -> None:
        self.person, self.number = person, number
        self.key = SUITE.new_signing_key(drawn(f"{person.name} device {number}", 64))
        self.id = device_id(self.key.public)
        self.dice = Dice(f"{person.name} {number} {version} packages")
        self.credential = mls.basic(encode(certify(
            person.identity, person.owner, NewDevice(self.key.public), version
        )))  # fmt: skip

    def bundle(self) -> mls.KeyPackageBundle:
        """Return a new key package with its private keys."""
        return mls.new_key_package(
            SUITE, self.credential, self.key, LIFETIME, self.dice, capabilities=CAPABILITIES
        )

    @property
    def package(self) -> mls.KeyPackage:
        """A new key package."""
        return self.bundle().package

    @property
    def template(self) -> mls.LeafTemplate:
        """What a leaf of this device says."""
        return mls.LeafTemplate(self.key.public, self.credential, CAPABILITIES)


class Person:
    """An identity with its account."""

    def __init__(self, name: str, number: int = 1, account: bytes | None = None) -> None:
        self.name = name
        self.identity = SUITE.new_signing_key(drawn(f"{name} identity {number}", 64))
        self.hash = key_hash(self.identity.public)
        self.account = drawn(f"{name} account", 16) if account is None else account
        self.owner = Owner(self.account, name, SERVER)

    def device(self, number: int = 1, version: int = 1) -> Device:
        """Return one of the devices, certified by the list of that version."""
        return Device(self, number, version)

    def lists(self, *devices: Sequence[int], before: SignedList | None = None) -> list[SignedList]:
        """Return a chain of lists, given the devices on each."""
        made = []
        for numbers in devices:
            keys = [NewDevice(self.device(number).key.public) for number in numbers]
            before = make_list(self.identity, self.owner, keys, before, archive=ARCHIVE)
            made.append(before)
        return made

    def rotated(self, before: SignedList, *numbers: int) -> tuple["Person", SignedList]:
        """Return the person under a new identity, and the list that says so."""
        new = Person(self.name, 2, self.account)
        keys = [NewDevice(self.device(number).key.public) for number in numbers]
        return new, make_list(new.identity, new.owner, keys, before, self.identity, archive=ARCHIVE)


class Room:
    """A room, with the group of each person's device 1."""

    def __init__(
        self,
        kind: Any,
        *people: Person,
        settle: Callable[[RoomState], RoomState] = lambda state: state,
        policy: mls.Policy | None = None,
        **more: Any,
    ) -> None:
        first, *others = people
        self.policy = policy or lax()
        self.dice = Dice(f"room {kind}")
        partner = others[0].hash if kind == "direct" else None
        state = settle(new_state(kind, first.hash, partner, **more))
        self.groups: dict[bytes, mls.Group] = {}
        self.groups[first.device().id] = mls.create_group(
            first.device().bundle(), ROOM, self.policy, self.dice,
            extensions=(extension(state),), suites=SUITES,
        )  # fmt: skip
        if others:
            self.go(first, adds=[one.device() for one in others])

    # ---- What is there ----

    @property
    def public(self) -> mls.PublicGroup:
        """The public state, as the first who is there sees it."""
        return next(iter(self.groups.values())).public

    @property
    def state(self) -> RoomState:
        """The room's signed state."""
        return state_of(self.public)

    def group(self, who: Person | Device) -> mls.Group:
        """Return somebody's group."""
        return self.groups[device_of(who).id]

    def leaf(self, who: Person | Device) -> int:
        """Return the place of somebody's leaf."""
        key = device_of(who).key.public
        (index,) = [index for index, leaf in self.public.tree.leaves() if leaf.signature_key == key]
        return index

    def node(self, who: Person | Device) -> mls.LeafNode:
        """Return somebody's leaf."""
        leaf = self.public.tree.leaf(self.leaf(who))
        assert leaf is not None
        return leaf

    def people(self) -> list[str]:
        """Return the names of whose leaves are there."""
        return [certificate_of(leaf).name for _, leaf in self.public.tree.leaves()]

    def notice(self, who: Person | Device, kind: NoticeKind) -> bytes:
        """Return the notice of a device about its leaf as it is now."""
        device, leaf = device_of(who), leaf_hash(self.node(who))
        package = device.package.raw if kind == "lost" else None
        return sign_notice(ROOM, device.person.account, device.key, kind, leaf, package)

    # ---- Commits ----

    def commit(
        self,
        by: Person | Device,
        *,
        adds: Sequence[Device] = (),
        removes: Sequence[int] = (),
        lists: Sequence[SignedList] = (),
        notices: Sequence[bytes] = (),
        settle: Callable[[RoomState], RoomState] = lambda state: state,
        say: Callable[[Note], Note] = lambda note: note,
        write: Callable[[RoomState], RoomState] | None = None,
        template: mls.LeafTemplate | None = None,
        extra: Sequence[mls.Proposal] = (),
        note: bytes | None = None,
        bundles: Sequence[mls.KeyPackageBundle] | None = None,
        renews: bool = False,
        path: bool = True,
    ) -> mls.OwnCommit:
        """Make a commit.  `say` spoils its note, `write` its state: nothing follows by itself."""
        group = self.group(by)
        packages = [one.package for one in bundles or [one.bundle() for one in adds]]
        proofs: Any = {"lists": tuple(encode(one) for one in lists), "notices": tuple(notices)}
        what: Any = {"adds": packages, "removes": removes, "settle": settle, "renews": renews}
        try:
            planned = plan(group.public, group.me, **what, **proofs)
        except PeerError:  # Nobody honest would go on; they do.
            planned = plan(group.public, group.me, **what)
            planned = planned._replace(note=replace(planned.note, **proofs))
        proposals = list(planned.proposals)
        if write is not None:
            proposals = [
                one for one in proposals if not isinstance(one, mls.GroupContextExtensions)
            ]
            after = write(state_of(group.public))
            if after != state_of(group.public):
                proposals.append(mls.GroupContextExtensions((extension(after),)))
        data = encode_note(say(planned.note)) if note is None else note
        options = mls.CommitOptions(authenticated_data=data, template=template, path=path)
        return group.commit([*proposals, *extra], entropy=self.dice, options=options)

    def judge(self, by: Person | Device, **what: Any) -> str | None:
        """Return the rule that a commit breaks."""
        return rules.check(self.group(by).public, self.commit(by, **what).public)

    def go(self, by: Person | Device, **what: Any) -> None:
        """Have a commit made that is allowed, and let everybody follow it."""
        bundles = [one.bundle() for one in what.get("adds", ())]
        commit = self.commit(by, bundles=bundles, **what)
        assert rules.check(self.group(by).public, commit.public) is None
        self.follow(device_of(by), commit)
        for bundle in bundles:
            assert commit.welcome is not None
            joined = mls.join_group(commit.welcome, bundle, self.policy, suites=SUITES)
            self.groups[device_id(bundle.signing_key.public)] = joined

    def follow(self, by: Device, commit: mls.OwnCommit) -> None:
        """Let everybody follow a commit."""
        before, self.groups = self.groups, {}
        for device, group in before.items():
            if device == by.id:
                self.groups[device] = commit.merge()
                continue
            staged = group.receive(commit.message)
            assert isinstance(staged, mls.StagedCommit)
            if not staged.removes_me:
                self.groups[device] = staged.merge()
        self.groups[by.id] = commit.merge()

    # ---- External commits ----

    def enter(
        self,
        device: Device,
        joins: Any,
        *,
        replaces: int | None = None,
        say: Callable[[Note], Note] = lambda note: note,
        **more: Any,
    ) -> mls.OwnCommit:
        """Make a commit by which a device comes in by itself."""
        some = next(iter(self.groups.values()))
        public = some.public.check_group_info(some.group_info())
        note = say(joining_note(device.credential.data, joins, **more))
        return mls.join_by_commit(
            public, device.key, device.template, self.dice,
            replaces=replaces, authenticated_data=encode_note(note),
        )  # fmt: skip

    def judge_entering(self, device: Device, joins: Any, **what: Any) -> str | None:
        """Return the rule that an external commit breaks."""
        return rules.check(self.public, self.enter(device, joins, **what).public)

    def let_in(self, device: Device, joins: Any, **what: Any) -> None:
        """Have an external commit made that is allowed, and let everybody follow it."""
        commit = self.enter(device, joins, **what)
        assert rules.check(self.public, commit.public) is None
        self.groups.pop(device.id, None)
        self.follow(device, commit)


def device_of(who: Person | Device) -> Device:
    """Return a device, given itself or a person with one."""
    return who.device() if isinstance(who, Person) else who
