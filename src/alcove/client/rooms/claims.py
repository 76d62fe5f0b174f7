"""Key packages that were claimed for somebody who is to be added to a room."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from alcove.client import trust
from alcove.client.errors import PeerError
from alcove.client.events import Warned
from alcove.client.keys.certificates import check_list, devices_of, read_list
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.leaves import certificate_of, identity_hash
from alcove.client.rooms.state import policy_of
from alcove.client.tx import Tx
from alcove.mls import MlsError, check_key_package, check_lifetime, decode_key_package
from alcove.wire.codec import encode
from alcove.wire.devices import Claim, Claimed
from alcove.wire.entries import Member
from alcove.wire.errors import Code, Refusal
from alcove.wire.signed import device_id

PASSING = frozenset({
    Code.TOO_MANY, Code.TOO_SOON, Code.BUSY, Code.STORAGE, Code.INTERNAL,
})  # fmt: skip
"""Refusals that say nothing about who is to be added: the claim is made again."""
LIFETIME_MAX_S = 120 * 24 * 60 * 60
"""Key packages that live longer are not believed."""


class Package(Struct, frozen=True, array_like=True):
    """One checked key package."""

    account: bytes
    device: bytes
    identity: bytes
    """The hash of the account's identity key."""
    package: bytes


class Claims(NamedTuple):
    """What has come for a room."""

    packages: tuple[bytes, ...]
    members: list[Member]
    identities: list[bytes]
    are_complete: bool
    """Whether nobody is waited for any more."""


_decode: Any = msgspec.msgpack.Decoder(tuple[Package, ...]).decode


def claims_of(tx: Tx, room: bytes) -> Claims:
    """Return what has come for the accounts that shall be added, and ask for the others."""
    found: list[Package] = []
    are_complete = True
    for account, detail in tx.all(
        "SELECT about, detail FROM wish WHERE room = ? AND kind = 'add' ORDER BY number", room
    ):
        if is_held(tx, room, account):
            are_complete = False
        elif detail:
            found += decode(detail)
        else:
            are_complete = False
            ask(tx, room, account)
    identities = list(dict.fromkeys(one.identity for one in found))
    members = [Member(one.account, one.device) for one in found]
    packages = tuple(one.package for one in found)
    return Claims(packages, members, identities, are_complete)


def is_held(tx: Tx, room: bytes, account: bytes) -> bool:
    """Return whether the owner has to look at somebody's changed keys before they are added.

    What was claimed until then is forgotten.  A direct room is made all the same: what is said
    there waits.
    """
    line = tx.one("SELECT partner FROM room WHERE room = ?", room)
    if trust.may_send(tx.db, account) or (line is not None and line[0] == account):
        return False
    tx.run(
        "UPDATE wish SET detail = x'' WHERE room = ? AND kind = 'add' AND about = ?", room, account
    )  # fmt: skip
    return True


def decode(detail: bytes) -> tuple[Package, ...]:
    """Return the packages that stand in a wish."""
    found: tuple[Package, ...] = _decode(detail)
    return found


def ask(tx: Tx, room: bytes, account: bytes, devices: tuple[bytes, ...] | None = None) -> None:
    """Claim key packages, unless that is being done."""
    asked = (one for one in tx.memory.asked.values() if one.answered_by == "claims.claimed")
    if not any(
        one.note == room and isinstance(one.request, Claim) and one.request.account == account
        for one in asked
    ):
        tx.ask(Claim(account=account, devices=devices), "claims.claimed", room)


def claimed(tx: Tx, request: Claim, answer: Claimed | Refusal, room: bytes) -> None:
    """Key packages have come, or nobody is there."""
    about = request.devices[0] if request.devices else request.account
    if isinstance(answer, Refusal):
        if answer.code in PASSING:
            tx.wake("room.look_after", room, tx.now + (answer.retry_after_ms or 1_000))
            return
        give_up(tx, room, about, str(answer.code))
        return
    try:
        packages = checked(tx, request.account, answer)
    except (PeerError, MlsError) as error:
        give_up(tx, room, about, str(getattr(error, "cause", "bad-key-package")))
        return
    tx.run(
        "UPDATE wish SET detail = ? WHERE room = ? AND kind IN ('add', 'add_device') AND about = ?",
        encode(packages), room, about,
    )  # fmt: skip
    tx.stir(room)


def checked(tx: Tx, account: bytes, answer: Claimed) -> tuple[Package, ...]:
    """Return the packages of an answer that belong to devices on the account's checked list."""
    if read_list(answer.list).account != account:
        raise PeerError("list-of-another")
    verdict = trust.take_list(tx, answer.list)
    if verdict in {"bad", "forked", "older", "missing"}:
        raise PeerError(f"list-{verdict}")
    said = check_list(answer.list, tx.me.server)
    there = devices_of(said)
    found: list[Package] = []
    for one in answer.packages:
        package = decode_key_package(one.package)
        check_key_package(package, SUITE)
        policy_of(tx).check_credential(package.leaf, None)
        check_lifetime(package.leaf, tx.now // 1000, longest=LIFETIME_MAX_S)
        device = device_id(package.leaf.signature_key)
        whose = certificate_of(package.leaf)
        if one.device != device or device not in there or whose.account != account:
            raise PeerError("package-of-another")
        if whose.version > said.version:
            raise PeerError("list-older")
        if whose.identity != said.identity:
            continue  # It was away when its account got other keys: it comes in with those later.
        if any(device == other.device for other in found):
            continue  # A device comes in once.
        found.append(Package(account, device, identity_hash(whose), one.package))
    if not found:
        raise PeerError("no-key-packages")
    return tuple(found)


def give_up(tx: Tx, room: bytes, about: bytes, why: str) -> None:
    """Somebody cannot be added: say so, and go on without.  Own devices come in by themselves."""
    for (kind,) in tx.all(
        """
        DELETE FROM wish WHERE room = ? AND kind IN ('add', 'add_device') AND about = ?
        RETURNING kind
        """,
        room, about,
    ):  # fmt: skip
        if kind == "add":
            tx.tell(Warned(f"not-added: {why}", about, tx.now))
    tx.stir(room)


def forget(tx: Tx, room: bytes) -> None:
    """Somebody's device was revoked since its key package came: claim what is still to be had.

    Who is lost and still there says so again.
    """
    tx.run(
        "UPDATE wish SET detail = x'' WHERE room = ? AND kind IN ('add', 'add_device')", room
    )  # fmt: skip
    tx.run("DELETE FROM notice WHERE room = ? AND kind = 'lost'", room)
