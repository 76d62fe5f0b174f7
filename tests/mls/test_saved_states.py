"""What was saved once is read for ever, and goes on as if nothing had happened.

The files are in `saved/`.  The formats are described in docs/mls-state.md, and the second half of
this module reads the files by that page alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from alcove.mls import (
    ApplicationMessage,
    Custom,
    Group,
    KeyPackageBundle,
    MlsError,
    PublicGroup,
    RuleBroken,
    Saved,
    StagedCommit,
    StagedPublicCommit,
    UsageError,
    create_group,
    join_group,
    load_group,
    save_group,
    save_messages,
    standard_suites,
)
from alcove.mls.codec import MAX_ITEMS, Reader
from alcove.mls.context import read_context
from alcove.mls.framing import read_authenticated
from alcove.mls.key_package import read_key_package
from alcove.mls.leaf import read_leaf
from alcove.mls.proposals import read_proposal
from tests.mls.saved import make

PAGE = Path(__file__).parents[2] / "docs" / "mls-state.md"
KEPT = sorted(path.stem for path in make.FOLDER.glob("v*.json"))
NEWEST = f"v{make.VERSION}-"

entropy = Random(20).randbytes


class Files:
    """The files of one version and suite, and what must be true of them."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.facts: dict[str, Any] = json.loads(
            (make.FOLDER / f"{stem}.json").read_text(encoding="utf-8")
        )

    def read(self, name: str) -> bytes:
        return (make.FOLDER / f"{self.stem}-{name}.bin").read_bytes()

    def saved(self, name: str) -> Saved:
        return Saved(self.read(f"{name}-epoch"), self.read(f"{name}-messages"))

    def group(self, name: str) -> Group:
        return load_group(self.saved(name), make.POLICY)

    def public(self, name: str) -> PublicGroup:
        return PublicGroup.load(self.read(name), make.POLICY)


@pytest.fixture(params=KEPT)
def files(request: pytest.FixtureRequest) -> Files:
    return Files(request.param)


def opened(group: Group, message: bytes) -> ApplicationMessage:
    received = group.receive(message)
    assert isinstance(received, ApplicationMessage)
    return received


# ---- They load, and are what they were ----


def test_there_are_files_of_every_version_and_suite() -> None:
    wanted = [f"v{number}-{suite:04x}" for number in (1,) for suite in make.SUITES]
    assert sorted(wanted) == KEPT
    assert make.VERSION == 1


@pytest.mark.parametrize("name", ["alice", "bob", "busy"])
def test_a_saved_group_is_what_it_was(files: Files, name: str) -> None:
    group, facts = files.group(name), files.facts[name]
    assert {
        "epoch": group.epoch,
        "group_id": group.group_id.hex(),
        "me": group.me,
        "epoch_authenticator": group.epoch_authenticator.hex(),
        "exported": group.export(make.LABEL, make.CONTEXT, 32).hex(),
        "past": [epoch.context.epoch for epoch in group.past],
        "resumptions": sorted(group.resumptions),
        "proposals": [type(item.proposal).__name__ for item in group.public.proposals.values()],
        "updates": len(group.updates),
    }.items() <= facts.items()
    members = [leaf.credential.data.decode() for _, leaf in group.public.tree.leaves()]
    assert members == files.facts["members"]
    assert group.suite.id == files.facts["suite"]


def test_saved_messages_open_in_any_order(files: Files) -> None:
    for facts in (files.facts["bob"]["opens"], files.facts["bob"]["opens"][::-1]):
        group = files.group("bob")
        for fact in facts:
            received = opened(group, bytes.fromhex(fact["message"]))
            told = (received.data.decode(), received.sender, received.epoch)
            assert told == (fact["data"], fact["sender"], fact["epoch"])
            group = received.group


def test_a_saved_group_accepts_no_replay(files: Files) -> None:
    group = files.group("bob")
    for fact in files.facts["bob"]["refuses"]:
        with pytest.raises(RuleBroken) as refused:
            group.receive(bytes.fromhex(fact["message"]))
        assert refused.value.rule == fact["rule"]
    for fact in files.facts["bob"]["opens"]:
        group = opened(group, bytes.fromhex(fact["message"])).group
        with pytest.raises(RuleBroken, match="private-generation-reused"):
            load_group(save_group(group), make.POLICY).receive(bytes.fromhex(fact["message"]))


def test_saved_members_go_on_talking(files: Files) -> None:
    alice, bob = files.group("alice"), files.group("bob")
    sealed = alice.seal(b"where were we?", entropy)
    received = opened(bob, sealed.message)
    answer = received.group.seal(b"here", entropy)
    assert received.data == b"where were we?"
    assert opened(sealed.group, answer.message).data == b"here"


def test_saved_members_go_on_committing(files: Files) -> None:
    alice, bob = files.group("alice"), files.group("bob")
    commit = bob.commit(entropy=entropy)
    staged = alice.receive(commit.message)
    assert isinstance(staged, StagedCommit)
    assert staged.merge().epoch_authenticator == commit.merge().epoch_authenticator


def test_saved_proposals_and_updates_are_still_carried_out(files: Files) -> None:
    facts = files.facts["busy"]
    staged = files.group("busy").receive(bytes.fromhex(facts["commit"]))
    assert isinstance(staged, StagedCommit)
    after = staged.merge()
    assert [type(proposal).__name__ for proposal in staged.proposals] == facts["committed"]
    assert after.epoch_authenticator.hex() == facts["next_authenticator"]
    signed = after.commit(entropy=entropy)  # With the signature key of the pending Update.
    followed = staged.after.receive(signed.message)
    assert isinstance(followed, StagedPublicCommit)


def test_a_saved_snapshot_goes_on_following(files: Files) -> None:
    facts = files.facts["public"]
    public = files.public("public")
    found = (public.epoch, public.context.tree_hash.hex(), (public.external_pub or b"").hex())
    assert found == (facts["epoch"], facts["tree_hash"], facts["external_pub"])
    assert public.tree.tree_hash() == public.context.tree_hash
    staged = public.receive(bytes.fromhex(files.facts["busy"]["commit"]))
    assert isinstance(staged, StagedPublicCommit)
    assert staged.group.context.raw.hex() == facts["next_context"]


def test_a_saved_end_is_still_the_end(files: Files) -> None:
    public, facts = files.public("ended"), files.facts["ended"]
    assert public.reinit is not None
    found = (public.epoch, public.reinit.group_id.hex(), public.reinit.suite_id)
    assert found == (facts["epoch"], facts["group_id"], facts["suite"])


def test_a_saved_key_package_still_opens_its_welcome(files: Files) -> None:
    facts = files.facts["bundle"]
    bundle = KeyPackageBundle.load(files.read("bundle"))
    group = join_group(bytes.fromhex(facts["welcome"]), bundle, make.POLICY)
    assert bundle.package.reference(group.suite).hex() == facts["reference"]
    assert group.epoch_authenticator.hex() == facts["epoch_authenticator"]


# ---- How this version writes ----


@pytest.mark.parametrize("stem", [stem for stem in KEPT if stem.startswith(NEWEST)])
def test_what_is_loaded_is_saved_as_the_same_bytes(stem: str) -> None:
    files = Files(stem)
    for name in ("alice", "bob", "busy"):
        assert save_group(files.group(name)) == files.saved(name)
    for name in ("public", "ended"):
        assert files.public(name).save() == files.read(name)
    assert KeyPackageBundle.load(files.read("bundle")).save() == files.read("bundle")


def test_a_message_changes_the_small_part_alone(files: Files) -> None:
    alice = files.group("alice")
    sealed = alice.seal(b"small", entropy)
    before, after = save_group(alice), save_group(sealed.group)
    assert after.epoch == before.epoch
    assert after.messages != before.messages
    assert after.messages == save_messages(sealed.group)
    assert sealed.group.public is alice.public  # As the guide's store relies on.


def test_a_loaded_snapshot_still_contains_no_secret(files: Files) -> None:
    bob = files.group("busy")
    snapshot = bob.public.save()
    secrets = [*bob.secrets[:1], *bob.secrets[2:], bob.signing_key.private]
    secrets += [key.private for key in bob.keys.values()]
    assert [secret for secret in secrets if not secret or secret in snapshot] == []


@pytest.mark.parametrize("bytes_each", [10, 9 * 2**20])
def test_what_a_generous_policy_let_in_is_loaded_again(bytes_each: int) -> None:
    policy = replace(
        make.POLICY,
        pending_proposals=10_000,
        pending_bytes=16 * 2**20,
        max_message_bytes=16 * 2**20,
    )
    device = make.Story(standard_suites()[1]).device("alice")
    group = create_group(device, b"generous", policy, entropy)
    proposal = Custom(make.CUSTOM_TYPE, bytes(bytes_each))
    public = group.propose(proposal, entropy).group.public
    if bytes_each == 10:
        public = replace(public, proposal_bytes=public.proposal_bytes * (MAX_ITEMS + 1))
    saved = public.save()
    assert PublicGroup.load(saved, policy).save() == saved


def test_the_kept_files_are_never_written_again(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in sorted(make.FOLDER.glob("v*"))}
    assert make.main() == 1
    assert {path.name: path.read_bytes() for path in sorted(make.FOLDER.glob("v*"))} == before
    assert make.main(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        name for name in before if name.startswith(NEWEST)
    )


# ---- What is refused ----


def newer(data: bytes) -> bytes:
    return b"\x00\x63" + data[2:]


def test_a_version_of_the_future_is_refused_by_name(files: Files) -> None:
    epoch, messages = files.saved("bob")
    attempts: list[Callable[[], object]] = [
        lambda: load_group(Saved(newer(epoch), messages), make.POLICY),
        lambda: load_group(Saved(epoch, newer(messages)), make.POLICY),
        lambda: PublicGroup.load(newer(files.read("public")), make.POLICY),
        lambda: KeyPackageBundle.load(newer(files.read("bundle"))),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError, match="saved by a newer version of this library"):
            attempt()


def test_parts_of_two_epochs_are_not_loaded_together(files: Files) -> None:
    saved = files.saved("bob")
    other = save_group(files.group("bob").commit(entropy=entropy).merge())
    with pytest.raises(UsageError, match="from different epochs"):
        load_group(Saved(saved.epoch, other.messages), make.POLICY)


def test_a_suite_that_is_not_wanted_is_refused_by_name(files: Files) -> None:
    others = {
        number: suite
        for number, suite in standard_suites().items()
        if number != files.facts["suite"]
    }
    with pytest.raises(RuleBroken, match="suite-known"):
        load_group(files.saved("bob"), make.POLICY, suites=others)


@pytest.mark.parametrize("stem", KEPT[:1])
def test_a_damaged_file_raises_an_error_of_ours(stem: str) -> None:
    epoch, messages = Files(stem).saved("bob")
    for end in range(0, len(epoch), 97):
        with pytest.raises(MlsError):
            load_group(Saved(epoch[:end], messages), make.POLICY)
    for end in range(0, len(messages), 7):
        with pytest.raises(MlsError):
            load_group(Saved(epoch, messages[:end]), make.POLICY)


# ---- The page describes them ----


class Field(NamedTuple):
    """One line of a struct on the page."""

    type: str
    name: str
    many: bool
    value: int | None


def structs(page: str) -> dict[str, list[Field]]:
    """Return the structs that a page describes, by name."""
    found = {}
    for body, name in re.findall(r"^struct \{\n(.*?)^\} (\w+);$", page, re.MULTILINE | re.DOTALL):
        lines = re.findall(r"^    (\S+) (\w+)(<V>)?(?: = (\d+))?;$", body, re.MULTILINE)
        assert len(lines) == len(body.splitlines())
        found[name] = [
            Field(kind, field, bool(many), int(value) if value else None)
            for kind, field, many, value in lines
        ]
    return found


def read_node(reader: Reader) -> object:
    """Read a Node of RFC 9420, section 12.4.3.3."""
    if reader.u8() == 1:
        return read_leaf(reader)
    return reader.opaque(), reader.opaque(), reader.vector(Reader.u32)


READERS: dict[str, Callable[[Reader], object]] = {
    "uint16": Reader.u16,
    "uint32": Reader.u32,
    "uint64": Reader.u64,
    "GroupContext": read_context,
    "Node": read_node,
    "KeyPackage": read_key_package,
    "AuthenticatedContent": read_authenticated,
    "Proposal": read_proposal,
}


def read_struct(name: str, reader: Reader) -> dict[str, Any]:
    """Read a struct as the page describes it."""
    described = structs(PAGE.read_text(encoding="utf-8"))

    def read(kind: str) -> Callable[[Reader], object]:
        inner = re.fullmatch(r"optional<(\w+)>", kind)
        if inner:
            return lambda reader: reader.optional(read(inner[1]))
        return READERS[kind] if kind in READERS else lambda reader: fields(described[kind], reader)

    def fields(of: list[Field], reader: Reader) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field in of:
            if field.type == "opaque":
                values[field.name] = reader.opaque()
            elif field.many:
                values[field.name] = reader.vector(read(field.type))
            else:
                values[field.name] = read(field.type)(reader)
            assert field.value is None or values[field.name] == field.value
        return values

    return fields(described[name], reader)


def by_the_page(name: str, data: bytes) -> dict[str, Any]:
    reader = Reader(data)
    values = read_struct(name, reader)
    reader.finish()
    return values


NEWEST_FILES = [Files(stem) for stem in KEPT if stem.startswith(NEWEST)]


@pytest.mark.parametrize("files", NEWEST_FILES, ids=lambda files: files.stem)
def test_the_page_describes_a_group(files: Files) -> None:
    group = files.group("busy")
    epoch = by_the_page("EpochPart", files.read("busy-epoch"))
    messages = by_the_page("MessagePart", files.read("busy-messages"))
    public = by_the_page("PublicSnapshot", epoch["public"])
    assert epoch["signing_key"] == group.signing_key.private
    assert [key["node"] for key in epoch["keys"]] == sorted(group.keys)
    assert [item["epoch"] for item in epoch["resumptions"]] == sorted(group.resumptions)
    assert epoch["epoch_authenticator"] == group.epoch_authenticator
    assert (epoch["encryption_secret"], epoch["init_secret"]) == (b"", group.secrets.init)
    assert [past["context"].epoch for past in epoch["past"]] == [7, 6]
    assert (public["context"], len(public["proposals"])) == (group.public.context, 6)
    assert messages["confirmation_tag"] == public["confirmation_tag"]
    assert len(messages["trees"]) == 1 + len(epoch["past"])
    carol = next(one for one in messages["trees"][0]["ratchets"] if one["place"] == 2 * 2 + 1)
    assert (carol["generation"], [key["generation"] for key in carol["skipped"]]) == (4, [0, 2])


@pytest.mark.parametrize("files", NEWEST_FILES, ids=lambda files: files.stem)
def test_the_page_describes_snapshots_and_key_packages(files: Files) -> None:
    public = by_the_page("PublicSnapshot", files.read("public"))
    ended = by_the_page("PublicSnapshot", files.read("ended"))
    bundle = by_the_page("BundleFile", files.read("bundle"))
    assert public["external_pub"] == {"key": files.public("public").external_pub}
    contents = [Reader(item["content"]) for item in public["proposals"]]
    senders = [read_authenticated(reader).sender.type for reader in contents]
    assert senders == [1, 1, 1, 1, 2, 3]
    assert ended["reinit"].group_id == b"longer"
    assert bundle["leaf_key"] == KeyPackageBundle.load(files.read("bundle")).leaf_key.private


@pytest.mark.parametrize("files", NEWEST_FILES, ids=lambda files: files.stem)
def test_the_versions_on_the_page_are_those_that_are_written(files: Files) -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE))
    group, bundle = files.group("bob"), KeyPackageBundle.load(files.read("bundle"))
    written = {
        "EpochPart": save_group(group).epoch,
        "MessagePart": save_messages(group),
        "PublicSnapshot": group.public.save(),
        "BundleFile": bundle.save(),
    }
    first = {name: str(int.from_bytes(data[:2], "big")) for name, data in written.items()}
    assert rows == first
    described = structs(page)
    assert {name: str(described[name][0].value) for name in rows} == first


def test_every_field_on_the_page_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    described = structs(page)
    firsts = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    explained = re.findall(r"`(\w+)`", " ".join(firsts))
    at, last = (
        [field.name for field in described["EpochPart"]].index(name)
        for name in ("sender_data_secret", "init_secret")
    )
    explained += [field.name for field in described["EpochPart"][at:last]]  # "… to …".
    tops = ("PublicSnapshot", "EpochPart", "MessagePart", "BundleFile")
    fields = [field.name for name in tops for field in described[name][1:]]
    assert [name for name in fields if name not in explained] == []
