"""Every structure that travels, read and written again."""

from __future__ import annotations

from alcove.mls import (
    GroupInfo,
    KeyPackage,
    PrivateMessage,
    PublicMessage,
    RatchetTree,
    Welcome,
    decode_message,
    standard_suites,
)
from alcove.mls.codec import decode, u16
from alcove.mls.commit import read_commit
from alcove.mls.framing import APPLICATION, COMMIT, PROPOSAL, Message
from alcove.mls.proposals import read_proposal
from alcove.mls.welcome import read_group_secrets
from tests.vectors import encode
from tests.vectors.fields import Fields, ensure, same

_MESSAGES: dict[str, type[Message]] = {
    "mls_welcome": Welcome,
    "mls_group_info": GroupInfo,
    "mls_key_package": KeyPackage,
    "public_message_application": PublicMessage,
    "public_message_proposal": PublicMessage,
    "public_message_commit": PublicMessage,
    "private_message": PrivateMessage,
}
_CONTENT_TYPES = {
    "public_message_application": APPLICATION,
    "public_message_proposal": PROPOSAL,
    "public_message_commit": COMMIT,
}
_PROPOSALS = (
    "add_proposal",
    "update_proposal",
    "remove_proposal",
    "pre_shared_key_proposal",
    "re_init_proposal",
    "external_init_proposal",
    "group_context_extensions_proposal",
)
"""In the order of their numbers, which the vectors leave out."""


def messages(vector: Fields) -> None:
    """Read every structure, and write the same bytes from its fields."""
    for name, kind in _MESSAGES.items():
        decoded = decode_message(vector.hex(name))
        ensure(f"{name} is a {kind.__name__}", isinstance(decoded, kind))
        if isinstance(decoded, PublicMessage):
            same(f"{name}: content type", decoded.content.content_type, _CONTENT_TYPES[name])
        vector.expect(name, encode.message(decoded))
    for number, name in enumerate(_PROPOSALS, start=1):
        proposal = decode(u16(number) + vector.hex(name), read_proposal)
        vector.expect(name, encode.proposal(proposal)[2:])
    vector.expect("commit", encode.commit(decode(vector.hex("commit"), read_commit)))
    secrets = decode(vector.hex("group_secrets"), read_group_secrets)
    vector.expect("group_secrets", secrets.encode())
    # The tree names no suite, and reading it takes none: any will do.
    tree = RatchetTree.decode(standard_suites()[1], vector.hex("ratchet_tree"))
    vector.expect("ratchet_tree", encode.ratchet_tree(tree))
    vector.expect("ratchet_tree", tree.encode())
