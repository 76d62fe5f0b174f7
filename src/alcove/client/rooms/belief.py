"""Whom a device believes: the certificate in every leaf, and the policy that MLS is given.

All of it is pure.  Every member has to come to the same answer about a commit, so there are no
clocks, pins or block lists here: those make a client warn, and never make a commit count or not.
"""

from collections.abc import Callable
from typing import Final

from alcove.client.errors import PeerError
from alcove.client.keys.certificates import check_certificate, read_credential
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import rules
from alcove.client.rooms.leaves import (
    certificate_of,
    identity_hash,
    leaf_hash,
    member_of,
)
from alcove.mls import BASIC, DEFAULT_SUITE, LeafNode, Policy, Proposal, PublicGroup, Sender, padme

__all__ = ("SUITES", "certificate_of", "identity_hash", "leaf_hash", "member_of", "policy")

PADDED_BYTES_MIN: Final = 256
"""Short messages are all of one length."""
SUITES: Final = {DEFAULT_SUITE: SUITE}
"""For every function of MLS that takes `suites`: whoever offers another one is refused."""


def policy(server: bytes) -> Policy:
    """Return what MLS asks in the rooms of one server, given its key as it was pinned."""
    return Policy(
        credential=credential_check(server),
        rule=rules.check,
        proposal=by_value_only,
        padding=padded,
    )


def credential_check(server: bytes) -> Callable[[LeafNode, LeafNode | None], str | None]:
    """Return the check of every new leaf: whose device it is, and whether it was that before.

    That the identity changes is let through here, because only the commit can show the old one's
    consent: `rules.check` asks for it.
    """

    def check(leaf: LeafNode, replaced: LeafNode | None) -> str | None:
        if leaf.credential.type != BASIC:
            return "leaf-certificate-type"
        try:
            said = check_certificate(read_credential(leaf.credential.data), server)
        except PeerError as error:
            return f"leaf-certificate-{error.cause}"
        if said.device != leaf.signature_key:
            return "leaf-certificate-device"
        if replaced is None:
            return None
        known = certificate_of(replaced)
        if (said.account, said.device) != (known.account, known.device):
            return "leaf-certificate-replaces"
        return "leaf-certificate-older" if said.version < known.version else None

    return check


def by_value_only(_group: PublicGroup, _proposal: Proposal, _sender: Sender) -> str:
    """Refuse every proposal that comes alone: who commits answers for all that a commit does."""
    return "room-by-value"


def padded(length: int) -> int:
    """Return the length to which a live message's content is padded."""
    return padme(max(length, PADDED_BYTES_MIN))
