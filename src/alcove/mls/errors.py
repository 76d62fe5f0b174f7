"""What can go wrong, told apart by who is to blame.

    MlsError
    ├── UsageError          you: the caller asked for what cannot be done
    └── PeerError           they: bytes from outside broke the rule named in `rule`
        ├── DecodeError     … they are not the structure they claim to be
        └── RuleBroken      … they are, and RFC 9420 or the application forbids it
            └── Lost        … a commit that counts for everyone, but that we cannot follow

A rule is named by a short id, the same in the code, in `docs/mls-rules.md` and in the name of its
test.  No error ever carries the peer's bytes: errors are printed, and what is printed is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alcove.mls.public_group import PublicGroup


class MlsError(Exception):
    """The base of every error of this package.  Never raised itself."""


class UsageError(MlsError):
    """The caller asked for something that cannot be done in this state.  Nothing has changed."""


class PeerError(MlsError):
    """Bytes from outside were refused.  `rule` is the id of the rule that they broke."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"refused by rule {rule}")


class DecodeError(PeerError):
    """The bytes are not the structure that they claim to be."""


class RuleBroken(PeerError):
    """The structure is well formed, but a rule of RFC 9420 or of the application forbids it.

    Raised by `commit` and `join_by_commit` too, when what was asked for would break the rule.
    """


class Lost(RuleBroken):
    """The commit is publicly valid, so it counts, but its secret part fails for this member.

    `public` is the next epoch as anyone can see it; rejoin by an external commit onto it, or ask to
    be added again.  Only the secret half vouches for the confirmation tag, which no signature
    covers: who carried the message could have changed it.  So before believing that the others are
    there, let a member's GroupInfo agree: `public.check_group_info`.
    """

    def __init__(self, rule: str, public: PublicGroup) -> None:
        super().__init__(rule)
        self.public = public


class CryptoError(MlsError):
    """A primitive refused: a bad tag, signature or key.  Callers turn it into the rule broken."""
