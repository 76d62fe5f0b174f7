"""What a commit is about: read once, from public bytes alone, for the rules to judge.

The same is gathered for a commit that is yet to be made (`rooms.planning`).  So who makes commits
and who judges them cannot disagree about what has to be written into one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from alcove.client.errors import PeerError
from alcove.client.keys.certificates import check_list, devices_of
from alcove.client.keys.sealing import Notice, check_notice
from alcove.client.rooms.extension import RoomState, state_of
from alcove.client.rooms.leaves import key_hash, leaf_hash, whose
from alcove.client.rooms.note import Note
from alcove.client.rooms.roles import follow
from alcove.mls import LeafNode, PublicGroup
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.devices import Certificate, DeviceList, SignedList

CLOSED_KINDS: Final = ("direct", "mailbox")
"""Rooms whose accounts are settled when they are founded."""

_decode_list = msgspec.msgpack.Decoder(SignedList).decode
_decode_notice = msgspec.msgpack.Decoder(Notice).decode


class Seat(NamedTuple):
    """A leaf, and whose it is."""

    leaf: LeafNode
    said: Certificate
    identity: bytes
    """The hash of its account's identity key."""

    @property
    def device(self) -> bytes:
        """The device's public key."""
        return self.said.device


class Listed(NamedTuple):
    """A device list that a note carries, and what it says."""

    signed: SignedList
    said: DeviceList
    identity: bytes
    """The hash of the identity key that signed it."""
    devices: frozenset[bytes]
    """The public keys of the devices on it."""


def seat(leaf: LeafNode) -> Seat:
    """Return a leaf with whose it is."""
    return Seat(leaf, *whose(leaf.credential.data))


def have_one_identity(followed: dict[bytes, bytes], seats: Iterable[Seat]) -> bool:
    """Return whether each account has one identity, and each identity one account."""
    identities: dict[bytes, bytes] = {}
    accounts: dict[bytes, bytes] = {}
    for _, said, known in seats:
        identity, account = follow(followed, known), said.account
        if identities.setdefault(account, identity) != identity:
            return False
        if accounts.setdefault(identity, account) != account:
            return False
    return True


@dataclass(frozen=True)
class Facts:
    """A commit, as far as the rules of rooms look at it."""

    old: PublicGroup
    note: Note
    mover_index: int | None
    """The committer's leaf; None for who commits itself in."""
    path: Seat | None
    """The committer's new leaf; None for a commit without a path."""
    added: tuple[Seat, ...]
    """In the order of the Adds."""
    removed: tuple[int, ...]
    """In the order of the Removes."""
    is_barrier: bool
    """Whether there are any proposals."""

    @cached_property
    def before(self) -> RoomState:
        """The room's state before the commit."""
        return state_of(self.old)

    @cached_property
    def mover(self) -> Seat:
        """Who commits: by its old leaf, or by its first."""
        if self.mover_index is not None:
            leaf = self.old.tree.leaf(self.mover_index)
            assert leaf is not None
            return seat(leaf)
        assert self.path is not None
        return self.path

    @cached_property
    def seats(self) -> dict[int, Seat]:
        """Who was there before, in the order of the leaves."""
        return {index: seat(leaf) for index, leaf in self.old.tree.leaves()}

    @cached_property
    def gone(self) -> dict[int, Seat]:
        """Whose leaves are removed, in the order of the Removes."""
        return {index: self.seats[index] for index in self.removed}

    @cached_property
    def seats_after(self) -> tuple[Seat, ...]:
        """Who is there after the commit."""
        moved = self.mover_index if self.path is not None else None
        stay = [
            one for index, one in self.seats.items() if index not in self.gone and index != moved
        ]
        return (*stay, *self.added, *(() if self.path is None else (self.path,)))

    @cached_property
    def again(self) -> dict[bytes, tuple[Seat, Seat]]:
        """Devices whose leaf is removed and that come back by the same commit: before, after."""
        coming = {one.device: one for one in self.added}
        if self.mover_index is None:
            coming[self.mover.device] = self.mover
        return {
            one.device: (one, coming[one.device])
            for one in self.gone.values()
            if one.device in coming
        }

    @cached_property
    def lists(self) -> tuple[Listed, ...]:
        """The device lists of the note, each checked by itself."""
        return tuple(self._list(data) for data in self.note.lists)

    def _list(self, data: bytes) -> Listed:
        try:
            signed = _decode_list(data)
            if encode(signed) != data:
                raise PeerError("room-list-form")
            said = check_list(signed, self.mover.said.server)
            devices = frozenset(one.device for one in devices_of(said).values())
            return Listed(signed, said, key_hash(said.identity), devices)
        except (*MALFORMED, PeerError):
            raise PeerError("room-list-form") from None

    @cached_property
    def notices(self) -> dict[int, str]:
        """What the leaves that are removed have asked for, by notices in the note."""
        names = {leaf_hash(one.leaf): index for index, one in self.gone.items()}
        found: dict[int, str] = {}
        for body in self.note.notices:
            try:
                leaf = _decode_notice(body).leaf
            except MALFORMED:
                raise PeerError("room-notice-form") from None
            index = names.get(leaf, -1)
            if index < 0 or index in found:
                raise PeerError("room-notice-useless")
            said = self.gone[index].said
            try:
                notice = check_notice(self.old.group_id, said.account, said.device, body)
            except PeerError:
                raise PeerError("room-notice-form") from None
            found[index] = notice.kind
        return found
