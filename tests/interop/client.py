"""One MLS client of ours behind the verbs of the peers' protocol.

A verb takes a request and returns the fields of its reply.  It is written against the public names
of `alcove.mls` alone, as an application would be, so what cannot be said here cannot be said there.
A verb that raises has changed nothing: groups are values, and the new one is kept last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alcove.mls import (
    BASIC,
    FOR_APPLICATION,
    MEMBER,
    X509,
    Add,
    ApplicationMessage,
    Capabilities,
    CommitOptions,
    Credential,
    Custom,
    ExternalPsk,
    Group,
    GroupContextExtensions,
    KeyPackage,
    KeyPackageBundle,
    LeafTemplate,
    Lifetime,
    OwnCommit,
    Policy,
    Proposal,
    PublicGroup,
    ReceivedProposal,
    ReInit,
    Remove,
    ResumptionPsk,
    RuleBroken,
    Saved,
    Sender,
    Suite,
    Welcome,
    accept_any_credential,
    basic,
    branch_group,
    check_lifetime,
    create_group,
    decode_group_info,
    decode_key_package,
    decode_message,
    join_by_commit,
    join_group,
    load_group,
    new_key_package,
    propose_to_join,
    reinit_group,
    save_group,
    x509,
)
from tests.interop.protocol import Json
from tests.interop.requests import Request, RequestError
from tests.interop.suites import SUITE_NAMES, SUITES

Fields = dict[str, Json]

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
PAD_BYTES: Final = 256
LONGEST_LIFETIME_S: Final = 400 * DAY_S

PROPOSAL_NAMES: Final = {
    1: "add",
    2: "update",
    3: "remove",
    4: "psk",
    5: "reinit",
    6: "external_init",
    7: "group_context_extensions",
}
LEAF_SOURCES: Final = {1: "key_package", 2: "update", 3: "commit"}


def believe_external_senders(_credential: Credential, _signature_key: bytes) -> None:
    """Let anyone whom the group lists propose from outside."""


def let_anybody_propose(_public: PublicGroup, _proposal: Proposal, _sender: Sender) -> None:
    """Let people ask to be added, too."""


def policy_from(request: Request) -> Policy:
    """Return what `init` configures.  Everybody is believed: this is a test tool."""
    pad = request.number_or("pad", PAD_BYTES)
    kept = request.inner("retention")
    past = kept.number_or("retainKeysForEpochs", 4)
    policy = Policy(
        credential=accept_any_credential,
        external_sender=believe_external_senders,
        proposal=let_anybody_propose,
        private_handshakes=True,
        padding=lambda length: max(length, pad),
        out_of_order=kept.number_or("retainKeysForGenerations", 10),
        forward=kept.number_or("maximumForwardRatchetSteps", 200),
        past_epochs=past,
        past_resumptions=past,
    )
    return replace(policy, pathless=policy.pathless.union(request.numbers("pathless")))


class Client:
    """A client as `init` makes it: key packages, pre-shared keys, and at most one group."""

    def __init__(self, request: Request) -> None:
        self.suite = suite_numbered(request.number("suite"))
        self.identity = request.text_or("identity", "alcove").encode()
        self.policy = policy_from(request)
        self.longest_lifetime = request.number_or("max_lifetime", LONGEST_LIFETIME_S)
        self.asks_the_clock = request.flag("validate_lifetime")
        self.packages: list[KeyPackageBundle] = []
        self.psks: dict[bytes, bytes] = {}
        self._group: Group | None = None
        self._pending: OwnCommit | None = None
        self._removed = False

    # What there is.

    @property
    def group(self) -> Group:
        """The newest value of the client's group."""
        if self._group is None:
            raise RequestError("not in a group")
        return self._group

    def _enter(self, group: Group, *, removed: bool = False) -> None:
        """Keep a group.  What waited in the epoch before is over."""
        before = self._group
        if before is None or before.public.context.raw != group.public.context.raw:
            self._pending = None
        self._group = group
        self._removed = removed

    def _package(self, index: int | None) -> KeyPackageBundle:
        try:
            return self.packages[-1 if index is None else index]
        except IndexError:
            raise RequestError("no such key package") from None

    def _asked_package(self, request: Request) -> KeyPackageBundle:
        return self._package(request.number_or("package", None))

    def _find_psk(self, key: ExternalPsk | ResumptionPsk) -> bytes | None:
        return self.psks.get(key.name) if isinstance(key, ExternalPsk) else None

    def snapshot(self) -> Fields:
        """Return where the client stands, as every reply tells."""
        group = self._group
        if group is None:
            return {}
        context = group.public.context
        active = "active" if group.public.reinit is None else "suspendedPendingReinit"
        return {
            "epoch": group.epoch,
            "group_id": group.group_id.hex(),
            "epoch_authenticator": group.epoch_authenticator.hex(),
            "leaf_index": group.me,
            "tree_hash": context.tree_hash.hex(),
            "confirmed_transcript_hash": context.confirmed_transcript_hash.hex(),
            "active": "removedFromGroup" if self._removed else active,
        }

    # A client and its keys.

    def init(self, _request: Request) -> Fields:
        """Say what `init` has made."""
        return {"suite_name": SUITE_NAMES[self.suite.id], "kdf_nh": self.suite.secret_bytes}

    def key_package(self, request: Request) -> Fields:
        """Make a key package and keep it."""
        suite = suite_numbered(request.number_or("suite", self.suite.id))
        signer = suite.new_signing_key(os.urandom(64))
        if "reuse_signature_key" in request:
            signer = self._package(request.number("reuse_signature_key")).signing_key
        chain = request.data_list("certificates")
        name = request.text("identity").encode() if "identity" in request else self.identity
        now = int(time.time())
        bundle = new_key_package(
            suite,
            x509(chain) if chain else basic(request.data_or("identity_hex", name)),
            signer,
            Lifetime(
                request.number_or("not_before", now - HOUR_S),
                request.number_or("not_after", now + 28 * DAY_S),
            ),
            os.urandom,
            capabilities=Capabilities(
                suites=tuple(request.numbers("cap_suites")) or (suite.id,),
                extensions=tuple(request.numbers("cap_extensions")),
                proposals=tuple(request.numbers("cap_proposals")),
                credentials=(BASIC, X509) if chain or request.flag("cap_x509") else (BASIC,),
            ),
            leaf_extensions=request.extensions("leaf_extensions"),
            extensions=request.extensions("extensions"),
            grease=request.flag("grease", default=True),
        )
        self.packages.append(bundle)
        private: Fields = {
            "init": bundle.init_key.private.hex(),
            "encryption": bundle.leaf_key.private.hex(),
            "signature": bundle.signing_key.private.hex(),
        }
        return {
            "index": len(self.packages) - 1,
            "key_package": bundle.message().hex(),
            "ref": bundle.package.reference(suite).hex(),
            "private": private if request.flag("reveal") else None,
        }

    def psk(self, request: Request) -> Fields:
        """Hold an external pre-shared key from now on."""
        self.psks[request.data("psk_id")] = request.data("psk")
        return {}

    # Proposals and commits.

    def create_group(self, request: Request) -> Fields:
        """Begin a group of one."""
        group = create_group(
            self._asked_package(request),
            request.data("group_id"),
            self.policy,
            os.urandom,
            extensions=request.extensions("extensions"),
            suites=SUITES,
        )
        self._enter(group)
        return self.snapshot()

    def _offered(self, message: bytes) -> KeyPackage:
        """Read a key package that is to be added.  Here, and nowhere else, time is looked at."""
        package = decode_key_package(message)
        lifetime = package.leaf.lifetime
        if lifetime is not None:
            now = int(time.time()) if self.asks_the_clock else lifetime.not_before
            check_lifetime(package.leaf, now, self.longest_lifetime)
        return package

    def _before_update(self, request: Request) -> Iterator[Proposal]:
        yield from (Add(self._offered(message)) for message in request.data_list("add"))

    def _after_update(self, request: Request) -> Iterator[Proposal]:
        group = self.group
        yield from (Remove(leaf) for leaf in request.numbers("remove"))
        yield from self._psk_proposals(request)
        for epoch in request.numbers("resumption_psk"):
            yield group.psk(ResumptionPsk(FOR_APPLICATION, group.group_id, epoch), os.urandom)
        if "group_context_extensions" in request:
            yield GroupContextExtensions(request.extensions("group_context_extensions"))
        yield from (Custom(kind, data) for kind, data in request.extensions("custom"))
        if "reinit" in request:
            wanted = request.inner("reinit")
            yield ReInit(
                wanted.data("group_id"),
                1,
                wanted.number_or("suite", group.suite.id),
                wanted.extensions("extensions"),
            )

    def _psk_proposals(self, request: Request) -> Iterator[Proposal]:
        for name in request.data_list("psk"):
            yield self.group.psk(ExternalPsk(name), os.urandom)

    def propose(self, request: Request) -> Fields:
        """Send each change as a proposal of its own."""
        group = self.group
        data = request.data_or("aad", b"")
        private = not request.flag("public")
        messages = []
        for proposal in self._before_update(request):
            group, message, _ = group.propose(
                proposal, os.urandom, authenticated_data=data, private=private
            )
            messages.append(message)
        if request.flag("update"):
            group, message, _ = group.propose_update(os.urandom, private=private)
            messages.append(message)
        for proposal in self._after_update(request):
            group, message, _ = group.propose(
                proposal, os.urandom, authenticated_data=data, private=private
            )
            messages.append(message)
        self._enter(group)
        return {"messages": [message.hex() for message in messages], **self.snapshot()}

    def commit(self, request: Request) -> Fields:
        """Commit what waits, and the changes of this request by value."""
        if request.flag("update"):
            raise RequestError("an Update is proposed, and committed by somebody else")
        if self._removed:
            raise RequestError("removed from the group")
        commit = self.group.commit(
            [*self._before_update(request), *self._after_update(request)],
            entropy=os.urandom,
            options=CommitOptions(
                private=not request.flag("public"),
                authenticated_data=request.data_or("aad", b""),
                tree_in_welcome=request.flag("ratchet_tree", default=True),
                group_info_extensions=request.extensions("group_info_extensions"),
                psks=self._find_psk,
            ),
        )
        self._enter(commit.group)
        if not request.flag("merge", default=True):
            self._pending = commit
            return committed(commit, request)
        self._enter(commit.merge())
        return {**committed(commit, request), **self.snapshot()}

    def merge(self, _request: Request) -> Fields:
        """Move to the epoch of the commit that is pending."""
        if self._pending is None:
            raise RequestError("no pending commit")
        self._enter(self._pending.merge())
        return self.snapshot()

    def discard(self, _request: Request) -> Fields:
        """Forget the commit that is pending."""
        self._pending = None
        return self.snapshot()

    # Messages.

    def process(self, request: Request) -> Fields:
        """Take a message; with `reject`, look at a handshake and stay where we are."""
        result = self.group.receive(request.data("message"), self._find_psk)
        reject = request.flag("reject")
        if isinstance(result, ApplicationMessage):
            self._enter(result.group)
            return {"kind": "application", "data": result.data.hex(), **self.snapshot()}
        action = "reject" if reject else "accept"
        reply: Fields = {"action": action, "sender": leaf_of(result.sender)}
        if isinstance(result, ReceivedProposal):
            if not reject:
                self._enter(result.group)
            return {
                "kind": "proposal",
                "proposal": kind_of(result.proposal),
                **reply,
                **self.snapshot(),
            }
        if reject or result.removes_me:
            self._enter(result.group, removed=not reject)
        else:
            self._enter(result.merge())
        kinds = [kind_of(proposal) for proposal in result.proposals]
        return {"kind": "commit", "proposals": kinds, **reply, **self.snapshot()}

    def send(self, request: Request) -> Fields:
        """Seal application data."""
        if self._removed:
            raise RequestError("removed from the group")
        sealed = self.group.seal(
            request.data("data"), os.urandom, authenticated_data=request.data_or("aad", b"")
        )
        self._enter(sealed.group)
        return {"message": sealed.message.hex()}

    def export(self, request: Request) -> Fields:
        """Return a secret of this epoch."""
        label, context = request.text("label").encode(), request.data_or("context", b"")
        return {"secret": self.group.export(label, context, request.number("length")).hex()}

    # Ways in.

    def join(self, request: Request) -> Fields:
        """Join by a Welcome, also into what follows the group that the client is in."""
        welcome = request.data("welcome")
        bundle = self._asked_package(request) if "package" in request else self._named_in(welcome)
        old = None if self._removed else self._group
        try:
            group = self._join(request, bundle, old)
        except RuleBroken as refusal:
            # The group that we are in need not be the one that the new one continues.
            if refusal.rule != "branch-psk":
                raise
            group = self._join(request, bundle, None)
        self._enter(group)
        return self.snapshot()

    def _join(self, request: Request, bundle: KeyPackageBundle, old: Group | None) -> Group:
        return join_group(
            request.data("welcome"),
            bundle,
            self.policy,
            tree=request.data_or("ratchet_tree", None),
            psks=self._find_psk,
            follows=old,
            suites=SUITES,
        )

    def _named_in(self, welcome: bytes) -> KeyPackageBundle:
        message = decode_message(welcome)
        if not isinstance(message, Welcome):
            raise RequestError("not a Welcome")
        named = {entry.new_member for entry in message.secrets}
        for bundle in self.packages:
            if bundle.package.reference(SUITES[bundle.package.suite_id]) in named:
                return bundle
        raise RequestError("the Welcome is for none of my key packages")

    def group_info(self, request: Request) -> Fields:
        """Return a GroupInfo for who wants to join from outside."""
        info = self.group.group_info(
            with_tree=request.flag("ratchet_tree", default=True),
            extensions=request.extensions("extensions"),
        )
        return {"group_info": info.hex()}

    def join_external(self, request: Request) -> Fields:
        """Join by an external commit; with `resync`, in place of an older leaf of ours."""
        bundle = self._asked_package(request)
        public = PublicGroup.from_group_info(
            request.data("group_info"),
            self.policy,
            tree=request.data_or("ratchet_tree", None),
            suites=SUITES,
        )
        old = None
        if request.flag("resync"):
            key = bundle.signing_key.public
            leaves = public.tree.leaves()
            old = next((index for index, leaf in leaves if leaf.signature_key == key), None)
            if old is None:
                raise RequestError("no leaf has this key package's signature key")
        commit = join_by_commit(
            public,
            bundle.signing_key,
            LeafTemplate.of(bundle.package.leaf),
            os.urandom,
            replaces=old,
            psk_keys=tuple(map(ExternalPsk, request.data_list("psk"))),
            psks=self._find_psk,
            authenticated_data=request.data_or("aad", b""),
        )
        self._enter(commit.merge())
        return {"commit": commit.message.hex(), **self.snapshot()}

    def propose_add_external(self, request: Request) -> Fields:
        """Ask a group, from outside, to be added."""
        context = decode_group_info(request.data("group_info")).context
        message = propose_to_join(
            suite_numbered(context.suite_id),
            context.group_id,
            context.epoch,
            self._asked_package(request),
        )
        return {"message": message.hex()}

    # Groups out of groups.

    def reinit(self, request: Request) -> Fields:
        """Make the group that a ReInit has promised, and move there."""
        if self.group.public.reinit is None:
            raise RequestError("no ReInit was committed")
        packages = [self._offered(message) for message in request.data_list("key_packages")]
        commit = reinit_group(
            self.group,
            self._asked_package(request),
            packages,
            self.policy,
            os.urandom,
            suites=SUITES,
        )
        return self._moved(commit, request)

    def branch(self, request: Request) -> Fields:
        """Make a group of some members of this one, and move there."""
        given = "extensions" in request
        packages = [self._offered(message) for message in request.data_list("key_packages")]
        commit = branch_group(
            self.group,
            request.data("group_id"),
            self._asked_package(request),
            packages,
            self.policy,
            os.urandom,
            extensions=request.extensions("extensions")
            if given
            else self.group.public.context.extensions,
            suites=SUITES,
        )
        return self._moved(commit, request)

    def _moved(self, commit: OwnCommit, request: Request) -> Fields:
        if not request.flag("ratchet_tree", default=True):
            raise RequestError("the tree always goes into this Welcome")
        self._enter(commit.merge())
        return {**committed(commit, request), **self.snapshot()}

    # Looking and keeping.

    def state(self, request: Request) -> Fields:
        """Say where the client stands; with `full`, everything that a test may compare."""
        if not request.flag("full"):
            return self.snapshot()
        public = self.group.public
        members: list[Json] = [
            {
                "leaf_index": index,
                "identity": leaf.credential.data.hex() if leaf.credential.type == BASIC else None,
                "signature_key": leaf.signature_key.hex(),
                "encryption_key": leaf.encryption_key.hex(),
                "source": LEAF_SOURCES[leaf.source],
            }
            for index, leaf in public.tree.leaves()
        ]
        return {
            **self.snapshot(),
            "ratchet_tree": public.tree.encode().hex(),
            "group_context": public.context.raw.hex(),
            "resumption_psk": self.group.secrets.resumption.hex(),
            "members": members,
        }

    def save(self, _request: Request) -> Fields:
        """Return the group as bytes."""
        saved = save_group(self.group)
        size = len(saved.epoch).to_bytes(4, "big")
        return {"state": (size + saved.epoch + saved.messages).hex()}

    def load(self, request: Request) -> Fields:
        """Take a group that was saved, in this process or another."""
        state = request.data("state")
        end = 4 + int.from_bytes(state[:4], "big")
        saved = Saved(state[4:end], state[end:])
        self._enter(load_group(saved, self.policy, suites=SUITES))
        self._pending = None
        return self.snapshot()


def suite_numbered(number: int) -> Suite:
    """Return a suite, or tell the test that there is none."""
    if number not in SUITES:
        raise RequestError(f"unknown suite {number}")
    return SUITES[number]


def committed(commit: OwnCommit, request: Request) -> Fields:
    """Return a commit's messages as a reply carries them."""
    reply: Fields = {
        "commit": commit.message.hex(),
        "welcome": None if commit.welcome is None else commit.welcome.hex(),
    }
    if not request.flag("ratchet_tree", default=True):
        reply["tree"] = commit.after.tree.encode().hex()
    return reply


def kind_of(proposal: Proposal) -> Json:
    """Return a proposal's type as replies name it."""
    return PROPOSAL_NAMES.get(proposal.type, proposal.type)


def leaf_of(sender: Sender) -> Json:
    """Return the leaf of a member; None for who is outside."""
    return sender.index if sender.type == MEMBER else None
