"""Real inputs to damage: the life of one group, the same for the same seed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509 as certificates
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from alcove.mls import (
    APPLICATION_ID,
    BASIC,
    X509,
    Add,
    Capabilities,
    CommitOptions,
    Custom,
    Entropy,
    Extension,
    ExternalPsk,
    ExternalSender,
    Group,
    GroupContextExtensions,
    KeyPackageBundle,
    LeafTemplate,
    OwnCommit,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    RequiredCapabilities,
    ResumptionPsk,
    Suites,
    basic,
    external_senders,
    join_by_commit,
    propose_as_outsider,
    propose_to_join,
    suites_on,
    x509,
)
from alcove.mls.proposals import FOR_APPLICATION
from alcove.mls.provider import Hpke
from alcove.mls.pyca import Pyca
from tests.mls.world import Person, World

OUR_EXTENSION = 0xF000
OUR_PROPOSAL = 0xF001


class SeededProvider(Pyca):
    """pyca/cryptography with seeded encapsulation, so that a seed gives the same bytes again."""

    def __init__(self, entropy: Entropy) -> None:
        self.entropy = entropy

    def _agree(self, kem: str, public: bytes) -> tuple[bytes, bytes]:
        assert kem == "x25519", "the corpus is of suite 1"
        fresh = self.kem_derive(kem, self.entropy(32))
        shared: bytes = fresh.handle.exchange(X25519PublicKey.from_public_bytes(public))
        return shared, fresh.public

    def hpke_seal(self, hpke: Hpke, public: bytes, info: bytes, data: bytes) -> tuple[bytes, bytes]:
        """Seal on the way that uses our own encapsulation."""
        return self.hpke_seal_many(hpke, [public], info, [data])[0]


def certificate(private: bytes) -> bytes:
    """Return a self-signed certificate of an Ed25519 key."""
    key = Ed25519PrivateKey.from_private_bytes(private)
    name = certificates.Name([certificates.NameAttribute(certificates.NameOID.COMMON_NAME, "erin")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    built = (
        certificates.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=365))
        .sign(key, None)
    )
    return built.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A group in its fifth epoch, as three of its people have it, and what was sent around it."""

    world: World
    alice: Group
    bob: Group
    """Has received Alice's proposals, so that her commit of them can be followed."""
    frank: Group
    grace: Group
    """Two who have received no proposals yet."""
    joiner: KeyPackageBundle
    """Whom the Welcomes are for."""
    handshakes: tuple[bytes, ...]
    """Valid for Bob in this epoch: proposals and commits, public and private, from all senders."""
    talk: tuple[bytes, ...]
    """Application messages by Alice."""
    welcomes: tuple[bytes, ...]
    infos: tuple[bytes, ...]
    next_info: bytes
    """Of the epoch in which the newcomer is a member."""
    packages: tuple[bytes, ...]
    proposals: tuple[Proposal, ...]
    certificate: bytes


def _people(world: World) -> tuple[Person, ...]:
    """Return a group with blank nodes, unmerged leaves and both kinds of credential in its tree."""
    sender = ExternalSender(world.person("server").signing_key.public, basic(b"server"))
    required = RequiredCapabilities((OUR_EXTENSION,), (OUR_PROPOSAL,), (BASIC,))
    extensions = (external_senders([sender]), required.extension())
    erin = world.person("erin")
    chain = (certificate(erin.signing_key.private), b"an issuer")
    erin.new_key_package(credential=x509(chain), last_resort=True)
    names = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")
    people = world.group(*names, extensions=extensions)
    world.commit("carol", path=True)
    world.commit("frank", remove=["dave"])
    world.commit("bob", path=True, template=_with_id(people[1]))
    world.commit("alice", add=["heidi"])
    return people


def _with_id(person: Person) -> LeafTemplate:
    identity = Extension(APPLICATION_ID, b"a device")
    return person.template._replace(extensions=(identity,))


def _own_proposals(world: World, alice: Group) -> tuple[Proposal, ...]:
    """Return one of every type that a member can propose, an Update apart."""
    changed = (*alice.public.context.extensions, Extension(OUR_EXTENSION, b"colour"))
    return (
        Add(world.person("judy").bundle.package),
        Remove(2),
        alice.psk(ExternalPsk(b"a key"), world.entropy),
        alice.psk(ResumptionPsk(FOR_APPLICATION, alice.group_id, alice.epoch), world.entropy),
        GroupContextExtensions(changed),
        Custom(OUR_PROPOSAL, b"something of ours"),
        ReInit(b"another room", 1, 1, changed),
    )


def find_psk(key: ExternalPsk | ResumptionPsk) -> bytes | None:
    """Answer for every external key."""
    return b"a shared secret" if isinstance(key, ExternalPsk) else None


class _Recorder:
    """Alice, asked for one message after the other from the same state."""

    def __init__(self, alice: Person) -> None:
        self.alice = alice
        self.world = alice.world

    def fresh(self) -> Group:
        """Return her group as another program would have it, with nothing spent."""
        return self.alice.restart()

    def proposal(self, proposal: Proposal, *, private: bool) -> bytes:
        """Return a proposal, the group staying as it is."""
        return self.fresh().propose(proposal, self.world.entropy, private=private).message

    def commit(self, *proposals: Proposal, **options: Any) -> OwnCommit:
        """Return a commit, the group staying as it is."""
        chosen = CommitOptions(psks=find_psk, **options)
        return self.fresh().commit(proposals, entropy=self.world.entropy, options=chosen)


def _outside(world: World, alice: Group) -> list[bytes]:
    """Return what people outside of the group can send to it."""
    server, ivan = world.person("server"), world.person("ivan")
    suite, where = alice.suite, (alice.group_id, alice.epoch)
    psk = PreSharedKey(PskId(ExternalPsk(b"a key"), world.entropy(suite.secret_bytes)))
    offered: tuple[Proposal, ...] = (Remove(2), Add(ivan.bundle.package), psk)
    sent = [
        propose_as_outsider(suite, *where, 0, server.signing_key, proposal) for proposal in offered
    ]
    sent.append(propose_to_join(suite, *where, ivan.bundle))
    public = world.public("alice")
    ways: tuple[dict[str, Any], ...] = (
        {},
        {"replaces": 2},
        {"psk_keys": (ExternalPsk(b"a key"),)},
    )
    for options in ways:
        commit = join_by_commit(
            public, ivan.signing_key, ivan.template, world.entropy, psks=find_psk, **options
        )
        sent.append(commit.message)
    return sent


@lru_cache(maxsize=2)
def make(seed: int) -> Corpus:
    """Live through the group's life once."""
    entropy = World(seed).entropy
    suites: Suites = suites_on(SeededProvider(entropy))
    capabilities = Capabilities(
        suites=(1,),
        extensions=(OUR_EXTENSION,),
        proposals=(OUR_PROPOSAL,),
        credentials=(BASIC, X509),
    )
    world = World(seed, suites=suites, capabilities=capabilities, past_epochs=1, past_resumptions=1)
    alice, bob, _, _, _, frank, grace = _people(world)
    recorder = _Recorder(alice)
    proposals = _own_proposals(world, alice.group)
    joiner = world.person("judy").bundle
    commits = [
        recorder.commit(path=True),
        recorder.commit(path=True, private=True),
        recorder.commit(*proposals[:6]),
        recorder.commit(*proposals[:6], private=True),
        recorder.commit(proposals[0]),
        recorder.commit(proposals[6]),
    ]
    handshakes = [commit.message for commit in commits]
    handshakes += [
        recorder.proposal(proposal, private=private)
        for proposal in proposals
        for private in (False, True)
    ]
    handshakes += [
        recorder.fresh().propose_update(world.entropy, private=private).message
        for private in (False, True)
    ]
    handshakes += _outside(world, alice.group)
    infos = (alice.group.group_info(), bob.group.group_info(with_tree=False))
    talk = tuple(alice.seal(data, b"for all to see") for data in (b"", b"hello", bytes(500)))
    for message in (proposals[1], proposals[5]):  # Committed by reference.
        bob.receive(alice.propose(message))
    handshakes.append(alice.commit().message)
    everyone = [person.bundle for person in world.people.values()]
    return Corpus(
        world,
        alice.group,
        bob.group,
        frank.group,
        grace.group,
        joiner,
        tuple(handshakes),
        talk,
        tuple(commit.welcome for commit in commits if commit.welcome is not None),
        infos,
        commits[4].merge().group_info(),
        tuple(bundle.message() for bundle in everyone),
        proposals,
        certificate(alice.signing_key.private),
    )
