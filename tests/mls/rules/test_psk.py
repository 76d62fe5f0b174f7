"""Rules about pre-shared keys (sections 8.4 and 12.1.4 of RFC 9420)."""

from __future__ import annotations

import pytest

from alcove.mls import (
    Add,
    CommitOptions,
    ExternalPsk,
    Group,
    LeafTemplate,
    PreSharedKey,
    PskId,
    PublicGroup,
    ReceivedProposal,
    ResumptionPsk,
    Welcome,
    decode_message,
    join_by_commit,
    join_group,
)
from alcove.mls.codec import decode, opaque, u8, u16, u64
from alcove.mls.proposals import FOR_BRANCH, FOR_REINIT
from alcove.mls.welcome import GroupSecrets, read_group_secrets
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    goes_on,
    proposed,
    refused,
    refuses,
    room,
)
from tests.mls.rules.surgery import accepts, declines, forge, loses, welcomed

NONCE = bytes(range(SUITE.secret_bytes))


def shared(name: bytes = b"key", nonce: bytes = NONCE) -> PreSharedKey:
    """Return a proposal of a key that the application knows."""
    return PreSharedKey(PskId(ExternalPsk(name), nonce))


def resumption(member: Group, usage: int) -> PreSharedKey:
    """Return a proposal of this epoch's resumption key."""
    return PreSharedKey(PskId(ResumptionPsk(usage, member.group_id, member.epoch), NONCE))


def known(key: ExternalPsk | ResumptionPsk) -> bytes:
    """Answer for an application that has every key."""
    assert isinstance(key, ExternalPsk)
    return b"the secret behind " + key.name


def told(welcome: bytes, name: str) -> GroupSecrets:
    """Return what a Welcome tells a newcomer."""
    message = decode_message(welcome)
    assert isinstance(message, Welcome)
    bundle = device(name)
    entry = next(
        entry for entry in message.secrets if entry.new_member == bundle.package.reference(SUITE)
    )
    hidden = message.encrypted_group_info
    return decode(
        SUITE.open(bundle.init_key, b"Welcome", hidden, *entry.sealed), read_group_secrets
    )


# Which key.


@pytest.mark.rule("psk-type-known")
@pytest.mark.parametrize("kind", [0, 3, 255])
def test_psk_type_known(kind: int) -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, u16(4) + u8(kind)), "psk-type-known")


@pytest.mark.rule("psk-usage-known")
@pytest.mark.parametrize("usage", [0, 4, 255])
def test_psk_usage_known(usage: int) -> None:
    alice, bob, _ = room()
    proposal = resumption(alice, usage)
    refuses(bob, alice, proposed(alice, proposal), "psk-usage-known")


@pytest.mark.rule("psk-usage-known")
def test_psk_usage_known_in_a_commit() -> None:
    alice, bob, _ = room()
    message = forge(alice, [resumption(alice, 4)]).message
    declines("psk-usage-known", bob, alice, message)


@pytest.mark.rule("psk-reinit-elsewhere")
def test_psk_reinit_elsewhere() -> None:
    alice, bob, _ = room()
    message = forge(alice, [resumption(alice, FOR_REINIT)]).message
    declines("psk-reinit-elsewhere", bob, alice, message)


@pytest.mark.rule("psk-reinit-elsewhere")
def test_psk_reinit_elsewhere_when_proposed() -> None:
    alice, bob, _ = room()
    message = proposed(alice, resumption(alice, FOR_REINIT))
    refuses(bob, alice, message, "psk-reinit-elsewhere")


@pytest.mark.rule("psk-branch-elsewhere")
def test_psk_branch_elsewhere() -> None:
    alice, bob, _ = room()
    message = forge(alice, [resumption(alice, FOR_BRANCH)]).message
    declines("psk-branch-elsewhere", bob, alice, message)


@pytest.mark.rule("psk-branch-elsewhere")
def test_psk_branch_elsewhere_when_proposed() -> None:
    alice, bob, _ = room()
    message = proposed(alice, resumption(alice, FOR_BRANCH))
    refuses(bob, alice, message, "psk-branch-elsewhere")


# Its nonce.


@pytest.mark.rule("psk-nonce-length")
@pytest.mark.parametrize("length", [0, 31, 33])
def test_psk_nonce_length(length: int) -> None:
    alice, bob, _ = room()
    message = forge(alice, [shared(nonce=bytes(length))], psks=known).message
    declines("psk-nonce-length", bob, alice, message, known)


@pytest.mark.rule("psk-nonce-length")
def test_psk_nonce_length_when_proposed() -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, shared(nonce=bytes(31))), "psk-nonce-length")


@pytest.mark.rule("psk-nonce-fresh")
def test_psk_nonce_fresh() -> None:
    alice, _, _ = room()
    entropy = dice("nonces")
    proposals = [alice.psk(ExternalPsk(b"key"), entropy) for _ in range(20)]
    nonces = {proposal.psk.nonce for proposal in proposals}
    again = dice("nonces")
    assert nonces == {again(SUITE.secret_bytes) for _ in range(20)}


@pytest.mark.rule("psk-nonce-fresh")
def test_psk_nonce_fresh_of_a_joiner() -> None:
    alice, _, _ = room()
    public = PublicGroup.from_group_info(alice.group_info(), LENIENT)
    dora = device("dora")
    made = join_by_commit(
        public,
        dora.signing_key,
        LeafTemplate.of(dora.package.leaf),
        dice("join"),
        psk_keys=(ExternalPsk(b"one"), ExternalPsk(b"two")),
        psks=known,
    )
    nonces = [
        proposal.psk.nonce for proposal in made.proposals if isinstance(proposal, PreSharedKey)
    ]
    drawn = dice("join")
    assert nonces == [drawn(SUITE.secret_bytes), drawn(SUITE.secret_bytes)]


# The key itself.


@pytest.mark.rule("psk-available")
def test_psk_available() -> None:
    alice, bob, carol = room()
    made = alice.commit([shared()], entropy=dice("commit"), options=CommitOptions(psks=known))
    others = accepts(carol, made.message, known)
    loses("psk-available", bob, made.message, others)


@pytest.mark.rule("psk-available")
def test_psk_available_of_a_past_epoch() -> None:
    alice, bob, carol = room()
    key = ResumptionPsk(1, alice.group_id, alice.epoch - 1)
    made = forge(alice, [PreSharedKey(PskId(key, NONCE))], psks=lambda _: b"an old key")
    others = accepts(carol, made.message, lambda _: b"an old key")
    loses("psk-available", bob, made.message, others)


@pytest.mark.rule("psk-available")
def test_psk_available_to_a_newcomer() -> None:
    alice, _, _ = room()
    dora = device("dora")
    made = alice.commit(
        [Add(dora.package), shared()], entropy=dice("commit"), options=CommitOptions(psks=known)
    )
    assert made.welcome is not None
    with refused("psk-available"):
        join_group(made.welcome, dora, LENIENT)
    joined = join_group(made.welcome, dora, LENIENT, psks=known)
    assert goes_on(joined, made.merge())


@pytest.mark.rule("psk-available")
def test_psk_available_to_a_joiner() -> None:
    alice, _, _ = room()
    public = PublicGroup.from_group_info(alice.group_info(), LENIENT)
    dora = device("dora")
    with refused("psk-available"):
        join_by_commit(
            public,
            dora.signing_key,
            LeafTemplate.of(dora.package.leaf),
            dice("join"),
            psk_keys=(ExternalPsk(b"key"),),
        )


# Their order.


@pytest.mark.rule("psk-order")
def test_psk_order() -> None:
    alice, bob, _ = room()
    dora = device("dora")
    keys = [shared(b"second"), shared(b"first"), shared(b"third")]

    made = alice.commit(
        [keys[0], Add(dora.package), *keys[1:]],
        entropy=dice("commit"),
        options=CommitOptions(psks=known),
    )

    assert made.welcome is not None
    named = [proposal.psk for proposal in made.proposals if isinstance(proposal, PreSharedKey)]
    assert [key.psk for key in keys] == named == list(told(made.welcome, "dora").psks)
    joined = join_group(made.welcome, dora, LENIENT, psks=known)
    assert goes_on(accepts(bob, made.message, known), joined)


@pytest.mark.rule("psk-order")
def test_psk_order_matters() -> None:
    alice, _, _ = room()
    dora = device("dora")
    made = forge(alice, [shared(b"one"), shared(b"two"), Add(dora.package)], psks=known)

    def turned(secrets: GroupSecrets) -> GroupSecrets:
        return secrets._replace(psks=secrets.psks[::-1])

    with refused("welcome-info-decrypt"):
        join_group(welcomed(made, secrets=turned), dora, LENIENT, psks=known)
    assert goes_on(join_group(welcomed(made), dora, LENIENT, psks=known), made.after)


def test_a_proposal_of_a_resumption_key_for_applications_is_accepted() -> None:
    alice, bob, _ = room()
    proposal = resumption(alice, 1)
    assert isinstance(bob.receive(proposed(alice, proposal)), ReceivedProposal)
    made = forge(alice, [proposal])
    assert goes_on(made.after, accepts(bob, made.message))


def test_a_key_is_named_as_the_rfc_writes_it() -> None:
    alice, _, _ = room()
    group = opaque(alice.group_id) + u64(alice.epoch)
    assert resumption(alice, 2).encode() == u16(4) + b"\x02\x02" + group + opaque(NONCE)
    assert shared().encode() == u16(4) + b"\x01" + opaque(b"key") + opaque(NONCE)
