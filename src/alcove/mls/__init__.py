"""MLS, the Messaging Layer Security protocol of RFC 9420: group encryption as values and functions.

A first look; `docs/mls.md` goes on from here, and every block in it is run by the tests:

    suite = standard_suites()[DEFAULT_SUITE]
    policy = Policy(credential=my_check)            who is believed: the application's decision
    key = suite.new_signing_key(os.urandom(64))
    mine = new_key_package(suite, basic(b"ada"), key, Lifetime(now, later), os.urandom)

    group = create_group(mine, b"room 1", policy, os.urandom)
    commit = group.commit([Add(decode_key_package(theirs))], entropy=os.urandom)
    group = commit.merge()                          when the commit has been accepted
    sealed = group.seal(b"hello", os.urandom)       (next group, message): store, then send

Everything is a value: nothing changes, everything returns what comes next.  Bytes from outside are
refused with a `PeerError` that names the broken rule; `docs/mls-rules.md` lists them all.

Where things are, lowest first; a module imports from its own floor and those above it here:

    bytes       codec, tree_math, errors
    primitives  provider (the seam), pyca, hpke, suites
    structs     credentials, extensions, leaf, key_package, proposals, commit, context, welcome,
                framing
    the tree    tree, tree_checks, paths
    secrets     schedule, secret_tree, private
    judging     policy, verify, changes, public_group
    a member    group, high_water, choosing, commit_making, commit_following, results, saved
    the door    joining, continuing, successors, outsiders

This package imports nothing else of Alcove, reads no clock and draws no dice: time and entropy are
arguments.  Cryptography is reached through `Provider` alone.
"""

from alcove.mls.codec import MAX_MESSAGE_BYTES
from alcove.mls.commit_making import CommitOptions
from alcove.mls.context import GroupContext, GroupInfo, decode_group_info
from alcove.mls.credentials import BASIC, X509, Credential, basic, certificates, x509
from alcove.mls.errors import (
    CryptoError,
    DecodeError,
    Lost,
    MlsError,
    PeerError,
    RuleBroken,
    UsageError,
)
from alcove.mls.extensions import (
    APPLICATION_ID,
    EXTERNAL_PUB,
    EXTERNAL_SENDERS,
    LAST_RESORT,
    RATCHET_TREE,
    REQUIRED_CAPABILITIES,
    Extension,
    Extensions,
    ExternalSender,
    RequiredCapabilities,
    allowed_senders,
    external_senders,
    find_extension,
    required_capabilities,
)
from alcove.mls.framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    PrivateMessage,
    PublicMessage,
    Sender,
    decode_message,
)
from alcove.mls.group import Group
from alcove.mls.joining import create_group, join_by_commit, join_group
from alcove.mls.key_package import (
    Entropy,
    KeyPackage,
    KeyPackageBundle,
    check_key_package,
    check_lifetime,
    decode_key_package,
    new_key_package,
)
from alcove.mls.leaf import Capabilities, LeafNode, LeafTemplate, Lifetime
from alcove.mls.outsiders import propose_as_outsider, propose_to_join
from alcove.mls.policy import (
    CommitRule,
    CredentialCheck,
    Identity,
    Policy,
    accept_any_credential,
    no_padding,
    padme,
)
from alcove.mls.proposals import (
    FOR_APPLICATION,
    Add,
    Custom,
    ExternalInit,
    ExternalPsk,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    ResumptionPsk,
    Update,
)
from alcove.mls.provider import Hpke, KemKey, Provider, SigningKey
from alcove.mls.public_group import PublicGroup, PublicProposal, StagedPublicCommit
from alcove.mls.results import (
    ApplicationMessage,
    OwnCommit,
    Proposed,
    ReceivedProposal,
    Sealed,
    StagedCommit,
)
from alcove.mls.saved import Saved, load_group, save_group, save_messages
from alcove.mls.schedule import Psks, no_psks
from alcove.mls.successors import branch_group, reinit_group
from alcove.mls.suites import (
    ALGORITHMS,
    DEFAULT_SUITE,
    Algorithms,
    Suite,
    Suites,
    standard_suites,
    suites_on,
)
from alcove.mls.tree import RatchetTree
from alcove.mls.welcome import Welcome

__all__ = [
    "ALGORITHMS",
    "APPLICATION_ID",
    "BASIC",
    "DEFAULT_SUITE",
    "EXTERNAL",
    "EXTERNAL_PUB",
    "EXTERNAL_SENDERS",
    "FOR_APPLICATION",
    "LAST_RESORT",
    "MAX_MESSAGE_BYTES",
    "MEMBER",
    "NEW_MEMBER_COMMIT",
    "NEW_MEMBER_PROPOSAL",
    "RATCHET_TREE",
    "REQUIRED_CAPABILITIES",
    "X509",
    "Add",
    "Algorithms",
    "ApplicationMessage",
    "Capabilities",
    "CommitOptions",
    "CommitRule",
    "Credential",
    "CredentialCheck",
    "CryptoError",
    "Custom",
    "DecodeError",
    "Entropy",
    "Extension",
    "Extensions",
    "ExternalInit",
    "ExternalPsk",
    "ExternalSender",
    "Group",
    "GroupContext",
    "GroupContextExtensions",
    "GroupInfo",
    "Hpke",
    "Identity",
    "KemKey",
    "KeyPackage",
    "KeyPackageBundle",
    "LeafNode",
    "LeafTemplate",
    "Lifetime",
    "Lost",
    "MlsError",
    "OwnCommit",
    "PeerError",
    "Policy",
    "PreSharedKey",
    "PrivateMessage",
    "Proposal",
    "Proposed",
    "Provider",
    "PskId",
    "Psks",
    "PublicGroup",
    "PublicMessage",
    "PublicProposal",
    "RatchetTree",
    "ReInit",
    "ReceivedProposal",
    "Remove",
    "RequiredCapabilities",
    "ResumptionPsk",
    "RuleBroken",
    "Saved",
    "Sealed",
    "Sender",
    "SigningKey",
    "StagedCommit",
    "StagedPublicCommit",
    "Suite",
    "Suites",
    "Update",
    "UsageError",
    "Welcome",
    "accept_any_credential",
    "allowed_senders",
    "basic",
    "branch_group",
    "certificates",
    "check_key_package",
    "check_lifetime",
    "create_group",
    "decode_group_info",
    "decode_key_package",
    "decode_message",
    "external_senders",
    "find_extension",
    "join_by_commit",
    "join_group",
    "load_group",
    "new_key_package",
    "no_padding",
    "no_psks",
    "padme",
    "propose_as_outsider",
    "propose_to_join",
    "reinit_group",
    "required_capabilities",
    "save_group",
    "save_messages",
    "standard_suites",
    "suites_on",
    "x509",
]
