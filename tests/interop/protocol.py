"""The values of the peers' protocol: what a request carries, and what a reply brings.

Everything here is README.md in types.  Bytes are bytes on this side and hex on
the other; what a reply lacks, or has in the wrong type, is the peer's fault.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None


class PeerFault(Exception):
    """The peer broke the protocol: it died, fell silent or wrote nonsense."""


# ---- What goes out ----


class Extension(NamedTuple):
    """An extension, or an application-defined proposal: a type and opaque bytes."""

    type_id: int
    data: bytes

    def to_json(self) -> Json:
        return {"type": self.type_id, "data": self.data.hex()}


class ReInit(NamedTuple):
    """What the group is to become; in the suite that it has unless another is given."""

    group_id: bytes
    suite: int | None = None
    extensions: Sequence[Extension] = ()

    def to_json(self) -> Json:
        suite = {} if self.suite is None else {"suite": self.suite}
        return {"group_id": self.group_id.hex(), "extensions": listed(self.extensions), **suite}


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The proposals of one request, in the order in which a peer makes them."""

    add: Sequence[bytes] = ()
    """Key packages."""
    update: bool = False
    """A new leaf of the proposer's own; only for `propose`."""
    remove: Sequence[int] = ()
    """Leaf indices."""
    psk: Sequence[bytes] = ()
    """Ids of external PSKs."""
    resumption_psk: Sequence[int] = ()
    """Past epochs of this group, with usage `application`."""
    group_context_extensions: Sequence[Extension] | None = None
    """All the group's extensions from now on; None leaves them as they are."""
    custom: Sequence[Extension] = ()
    """Proposals of types that the application defines."""
    reinit: ReInit | None = None

    def to_json(self) -> dict[str, Json]:
        context = self.group_context_extensions
        return {
            "add": [message.hex() for message in self.add],
            "update": self.update,
            "remove": list(self.remove),
            "psk": [psk_id.hex() for psk_id in self.psk],
            "resumption_psk": list(self.resumption_psk),
            "group_context_extensions": None if context is None else listed(context),
            "custom": listed(self.custom),
            "reinit": None if self.reinit is None else self.reinit.to_json(),
        }


NOTHING = Changes()


def listed(extensions: Iterable[Extension]) -> Json:
    return [extension.to_json() for extension in extensions]


# ---- What comes back ----


class Reply:
    """One reply's fields, taken out under the type that the protocol gives them."""

    def __init__(self, peer: str, verb: str, fields: Mapping[str, Json]) -> None:
        self._where = f"{peer}, {verb}"
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise PeerFault(f"{self._where}: {name} is not text")
        return value

    def number(self, name: str) -> int:
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise PeerFault(f"{self._where}: {name} is not a number")
        return value

    def data(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            raise PeerFault(f"{self._where}: {name} is not hex") from None

    def data_or_none(self, name: str) -> bytes | None:
        return self.data(name) if name in self else None

    def many(self, name: str) -> list[Json]:
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise PeerFault(f"{self._where}: {name} is not a list")
        return value

    def data_list(self, name: str) -> list[bytes]:
        return [Reply(self._where, name, {name: item}).data(name) for item in self.many(name)]

    def raw(self, name: str) -> Json:
        return self._fields.get(name)

    def inner(self, name: str) -> "Reply":
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise PeerFault(f"{self._where}: {name} is not an object")
        return Reply(self._where, name, value)

    def each(self, name: str) -> list["Reply"]:
        rows = [Reply(self._where, name, row) for row in self.many(name) if isinstance(row, dict)]
        if len(rows) != len(self.many(name)):
            raise PeerFault(f"{self._where}: {name} is not a list of objects")
        return rows


@dataclass(frozen=True)
class Snapshot:
    """Where a client stands.  All but `leaf_index` and `active` is equal for all members."""

    epoch: int
    group_id: bytes
    epoch_authenticator: bytes
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    leaf_index: int
    active: str
    """`active`, `removedFromGroup` or `suspendedPendingReinit`.  Once removed, the rest is old."""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(
            epoch=reply.number("epoch"),
            group_id=reply.data("group_id"),
            epoch_authenticator=reply.data("epoch_authenticator"),
            tree_hash=reply.data("tree_hash"),
            confirmed_transcript_hash=reply.data("confirmed_transcript_hash"),
            leaf_index=reply.number("leaf_index"),
            active=reply.text("active"),
        )

    @property
    def shared(self) -> tuple[int, bytes, bytes, bytes, bytes]:
        """What all members of the epoch must agree on."""
        return (
            self.epoch,
            self.group_id,
            self.epoch_authenticator,
            self.tree_hash,
            self.confirmed_transcript_hash,
        )


@dataclass(frozen=True)
class Member:
    leaf_index: int
    identity: bytes | None
    """None for a credential that is not basic."""
    signature_key: bytes
    encryption_key: bytes
    source: str
    """`key_package`, `update` or `commit`."""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(
            leaf_index=reply.number("leaf_index"),
            identity=reply.data_or_none("identity"),
            signature_key=reply.data("signature_key"),
            encryption_key=reply.data("encryption_key"),
            source=reply.text("source"),
        )


@dataclass(frozen=True)
class FullState:
    snapshot: Snapshot
    ratchet_tree: bytes
    group_context: bytes
    resumption_psk: bytes
    members: list[Member]

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(
            snapshot=Snapshot.of(reply),
            ratchet_tree=reply.data("ratchet_tree"),
            group_context=reply.data("group_context"),
            resumption_psk=reply.data("resumption_psk"),
            members=[Member.of(row) for row in reply.each("members")],
        )


@dataclass(frozen=True)
class PrivateKeys:
    init: bytes
    encryption: bytes
    signature: bytes

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(reply.data("init"), reply.data("encryption"), reply.data("signature"))


@dataclass(frozen=True)
class KeyPackage:
    index: int
    """What the peer calls it."""
    message: bytes
    ref: bytes
    private: PrivateKeys | None
    """Only if it was asked for."""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(
            index=reply.number("index"),
            message=reply.data("key_package"),
            ref=reply.data("ref"),
            private=PrivateKeys.of(reply.inner("private")) if "private" in reply else None,
        )


@dataclass(frozen=True)
class Committed:
    commit: bytes
    welcome: bytes | None
    tree: bytes | None
    """Only if the Welcome does not bring it."""
    snapshot: Snapshot | None
    """None while the commit is pending."""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        return cls(
            commit=reply.data("commit"),
            welcome=reply.data_or_none("welcome"),
            tree=reply.data_or_none("tree"),
            snapshot=Snapshot.of(reply) if "epoch" in reply else None,
        )


@dataclass(frozen=True)
class Processed:
    kind: str
    """`application`, `proposal` or `commit`."""
    data: bytes
    """Of an application message."""
    sender: int | None
    """The leaf of a handshake's sender; None for who is not a member."""
    proposals: list[Json]
    """The types in a commit, or the one proposal's: names, and numbers where the RFC has none."""
    snapshot: Snapshot

    @classmethod
    def of(cls, reply: Reply) -> Self:
        kind = reply.text("kind")
        proposals = {"proposal": [reply.raw("proposal")], "application": []}
        return cls(
            kind=kind,
            data=reply.data("data") if kind == "application" else b"",
            sender=reply.number("sender") if "sender" in reply else None,
            proposals=proposals[kind] if kind in proposals else reply.many("proposals"),
            snapshot=Snapshot.of(reply),
        )
