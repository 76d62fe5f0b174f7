"""The key schedule: from one epoch's secrets and a commit to the next epoch's (section 8).

        init secret ──► joiner secret ──► epoch secret ──► one secret per purpose
             ▲ commit secret    ▲ psk secret

Secrets that have done their work (joiner, epoch, commit) are not kept in any state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from alcove.mls.codec import opaque, u16
from alcove.mls.errors import UsageError
from alcove.mls.proposals import ExternalPsk, PskId, ResumptionPsk
from alcove.mls.provider import without_secrets
from alcove.mls.suites import Suite

EXTERNAL_INIT_LABEL: Final = b"MLS 1.0 external init secret"

Psks = Callable[[ExternalPsk | ResumptionPsk], bytes | None]
"""How the library asks the application for a pre-shared key; None when there is none."""


def no_psks(_key: ExternalPsk | ResumptionPsk) -> bytes | None:
    """The answer of an application without pre-shared keys."""
    return None


class EpochSecrets(NamedTuple):
    """What an epoch's members share."""

    sender_data: bytes
    encryption: bytes
    """Root of the secret tree; only handed to it, then forgotten."""
    exporter: bytes
    external: bytes
    confirmation: bytes
    membership: bytes
    resumption: bytes
    authenticator: bytes
    init: bytes

    def __repr__(self) -> str:
        return without_secrets(self)


class Joiner(NamedTuple):
    """An epoch on the way: what a Welcome carries, and what opens its GroupInfo."""

    secret: bytes
    welcome: bytes
    member: bytes

    def __repr__(self) -> str:
        return without_secrets(self)


def joiner_from_commit(
    suite: Suite, init: bytes, commit_secret: bytes, psk_secret: bytes, context: bytes
) -> Joiner:
    """Take the first half of the schedule, as members do."""
    prepared = suite.extract(init, commit_secret)
    secret = suite.expand_label(prepared, b"joiner", context, suite.secret_bytes)
    return joiner_from_secret(suite, secret, psk_secret)


def joiner_from_secret(suite: Suite, secret: bytes, psk_secret: bytes) -> Joiner:
    """Take it from a joiner secret, as newcomers do."""
    member = suite.extract(secret, psk_secret)
    return Joiner(secret, suite.derive(member, b"welcome"), member)


def epoch_secrets(suite: Suite, joiner: Joiner, context: bytes) -> EpochSecrets:
    """Take the second half: the epoch's secrets."""
    epoch = suite.expand_label(joiner.member, b"epoch", context, suite.secret_bytes)
    return split_epoch_secret(suite, epoch)


def split_epoch_secret(suite: Suite, epoch: bytes) -> EpochSecrets:
    """Return one secret per purpose."""
    return EpochSecrets(
        suite.derive(epoch, b"sender data"),
        suite.derive(epoch, b"encryption"),
        suite.derive(epoch, b"exporter"),
        suite.derive(epoch, b"external"),
        suite.derive(epoch, b"confirm"),
        suite.derive(epoch, b"membership"),
        suite.derive(epoch, b"resumption"),
        suite.derive(epoch, b"authentication"),
        suite.derive(epoch, b"init"),
    )


def psk_secret(suite: Suite, psks: Iterable[tuple[PskId, bytes]]) -> bytes:
    """Chain pre-shared keys into one secret (section 8.4); all zero when there are none."""
    listed = list(psks)
    secret = suite.zero
    for index, (name, key) in enumerate(listed):
        extracted = suite.extract(suite.zero, key)
        label = name.encode() + u16(index) + u16(len(listed))
        step = suite.expand_label(extracted, b"derived psk", label, suite.secret_bytes)
        secret = suite.extract(step, secret)
    return secret


def confirmed_transcript_hash(suite: Suite, interim: bytes, commit: bytes) -> bytes:
    """Section 8.2: the hash over all commits, the newest without its tag."""
    return suite.hash(interim + commit)


def interim_transcript_hash(suite: Suite, confirmed: bytes, tag: bytes) -> bytes:
    """Section 8.2: the same, tag included."""
    return suite.hash(confirmed + opaque(tag))


def export(suite: Suite, exporter: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """MLS-Exporter of section 8.5."""
    if not 0 < length <= 255 * suite.secret_bytes:
        raise UsageError("HKDF gives one byte to 255 hashes at once: export less")
    secret = suite.derive(exporter, label)
    return suite.expand_label(secret, b"exported", suite.hash(context), length)
