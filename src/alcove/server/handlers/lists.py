"""Device lists: which devices an account has, as it signed them.

    body        signed by the identity key      ─┐  a list is next when its version is one more and
    version 2   hash of body 1, certificates    ─┤  it names the hash of the newest; at a rotation
    version 3   hash of body 2, certificates    ─┘  the key before signs it too

The server checks all that a stranger can check, so that nobody is bothered with a list that is no
good; everyone who gets one checks again.  The signature is what allows it: a device that is not on
any list yet, and so cannot sign in, may publish the list that adds it.
"""

from dataclasses import dataclass

import msgspec

from alcove.server.auth import verify
from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.devices import retire_devices, tell_sharing
from alcove.server.tx import Tx, digest, refuse_unless
from alcove.wire.base import Done
from alcove.wire.codec import MALFORMED
from alcove.wire.devices import (
    Certificate,
    DeviceList,
    GetLists,
    ListChanged,
    Lists,
    PutList,
    SignedList,
)
from alcove.wire.errors import Code, Refused
from alcove.wire.signed import certificate_bytes, device_id, list_bytes

ROOMS_COMPARED_MAX = 20_000
"""How many rooms of others are compared with the caller's for one page of lists."""

VERSIONS_PAGE = 64
"""How many lists of one account are told at a time."""

_decode_list = msgspec.msgpack.Decoder(DeviceList).decode
_decode_certificate = msgspec.msgpack.Decoder(Certificate).decode


@dataclass(frozen=True, slots=True)
class Accepted:
    """A list that was checked, and what it changes."""

    signed: SignedList
    list: DeviceList
    added: tuple[Certificate, ...]
    removed: tuple[bytes, ...]


def put_list(tx: Tx, caller: Caller, request: PutList, now: int) -> Done:
    """Publish the next version of an account's device list; the newest one again is harmless."""
    refuse_unless(caller.door != "http", Code.SOCKET_ONLY)
    proposed = read_list(request.list)
    refuse_unless(caller.account in (b"", proposed.account), Code.NOT_ALLOWED)
    accept_list(tx, caller, request.list, proposed, now)
    return Done(id=request.id)


def accept_list(tx: Tx, caller: Caller, signed: SignedList, proposed: DeviceList, now: int) -> None:
    """Check and publish a list for an account that is there."""
    line = tx.one(
        """
        SELECT name, identity, list_version, list_hash, disabled_at
        FROM account WHERE account = ?
        """,
        proposed.account,
    )
    if line is None:
        raise Refused(Code.UNKNOWN)
    name, identity, version, newest, disabled_at = line
    if digest(signed.body) == newest:
        return
    refuse_unless(disabled_at is None, Code.DISABLED)
    follows = proposed.version == version + 1 and proposed.before == newest
    refuse_unless(follows, Code.STALE_LIST)
    try:
        accepted = check_list(tx, signed, proposed, name, identity)
    except Refused as refused:
        if refused.code in (Code.NOT_SIGNED, Code.BAD_LIST):
            tx.audit("list_refused", proposed.account, is_attempt=True)
        raise
    publish(tx, accepted, now)
    audit_list(tx, accepted)
    if proposed.identity != identity:
        tx.audit("identity_changed", proposed.account)
    changed = ListChanged(account=proposed.account, version=proposed.version)
    tell_sharing(tx, proposed.account, changed, but=caller.device)


# ---- Checking ----


def read_list(signed: SignedList) -> DeviceList:
    """Return what a signed list says, before anything about it is believed."""
    try:
        return _decode_list(signed.body)
    except MALFORMED as error:
        raise Refused(Code.BAD_LIST) from error


def check_list(
    tx: Tx, signed: SignedList, proposed: DeviceList, name: str, identity: bytes | None
) -> Accepted:
    """Check a list's signatures and certificates; its version is the caller's business.

    `identity` is the key by which the account was known so far, None where none counts.
    """
    fits = proposed.name == name and proposed.server == tx.keys.public
    refuse_unless(fits, Code.BAD_LIST, "The device list is for another name or server.")
    count = len(proposed.certificates)
    refuse_unless(count > 0, Code.BAD_LIST, "A device list has at least one device.")
    refuse_unless(count <= tx.settings.account_devices_max, Code.LIMIT)
    statement = list_bytes(signed.body)
    refuse_unless(verify(proposed.identity, statement, signed.signature), Code.NOT_SIGNED)
    if identity in (None, proposed.identity):
        refuse_unless(
            signed.old_signature is None, Code.BAD_LIST, "The device list has a signature too many."
        )
    else:
        assert identity is not None
        refuse_unless(verify(identity, statement, signed.old_signature or b""), Code.NOT_SIGNED)
    certificates = _check_certificates(proposed)
    return _compare(tx, signed, proposed, certificates)


def _check_certificates(proposed: DeviceList) -> dict[bytes, Certificate]:
    """Return a list's certificates by device, or refuse one that does not fit the list."""
    certificates: dict[bytes, Certificate] = {}
    for signed in proposed.certificates:
        try:
            certificate = _decode_certificate(signed.body)
        except MALFORMED as error:
            raise Refused(Code.BAD_LIST) from error
        fits = (
            certificate.identity == proposed.identity
            and certificate.account == proposed.account
            and certificate.name == proposed.name
            and certificate.server == proposed.server
            and certificate.version == proposed.version
        )
        refuse_unless(fits, Code.BAD_LIST, "A device's certificate does not fit the list.")
        statement = certificate_bytes(signed.body)
        refuse_unless(verify(proposed.identity, statement, signed.signature), Code.NOT_SIGNED)
        device = device_id(certificate.device)
        refuse_unless(device not in certificates, Code.BAD_LIST, "A device is on the list twice.")
        certificates[device] = certificate
    return certificates


def _compare(
    tx: Tx, signed: SignedList, proposed: DeviceList, certificates: dict[bytes, Certificate]
) -> Accepted:
    """Return which devices come and go, or refuse one that may not come."""
    lines = tx.all(
        "SELECT device, revoked_at FROM device WHERE account = ? ORDER BY added_at, device",
        proposed.account,
    )
    known = {device: revoked_at for (device, revoked_at) in lines}  # noqa: C416 - Lines are tuples.
    added = []
    for device, certificate in certificates.items():
        if device in known:
            refuse_unless(
                known[device] is None,
                Code.REVOKED,
                "A device that was removed comes back with a new key only.",
            )
            continue
        elsewhere = tx.one("SELECT 1 FROM device WHERE device = ?", device)
        refuse_unless(elsewhere is None, Code.BAD_LIST, "A device belongs to another account.")
        added.append(certificate)
    removed = tuple(
        device
        for device, revoked_at in known.items()
        if revoked_at is None and device not in certificates
    )
    return Accepted(signed, proposed, tuple(added), removed)


# ---- Publishing ----


def publish(tx: Tx, accepted: Accepted, now: int) -> None:
    """Store a list that was checked, add its new devices and end those that are not on it."""
    signed, proposed = accepted.signed, accepted.list
    account = proposed.account
    tx.run(
        "UPDATE account SET identity = ?, list_version = ?, list_hash = ? WHERE account = ?",
        proposed.identity,
        proposed.version,
        digest(signed.body),
        account,
    )
    line = (account, proposed.version, signed.body, signed.signature, signed.old_signature, now)
    tx.insert("device_list (account, version, body, signature, old_signature, at)", [line])
    for certificate in accepted.added:
        device = device_id(certificate.device)
        tx.insert(
            "device (device, account, public_key, is_browser, added_at)",
            [(device, account, certificate.device, int(certificate.browser), now)],
        )
    retire_devices(tx, accepted.removed, now)


def audit_list(tx: Tx, accepted: Accepted) -> None:
    """Write down what a new list of an account that was there has changed."""
    account = accepted.list.account
    tx.audit("list_published", account, version=accepted.list.version)
    for certificate in accepted.added:
        tx.audit("device_added", account, device=device_id(certificate.device).hex())
    for device in accepted.removed:
        tx.audit("device_revoked", account, device=device.hex())


# ---- Reading ----


def newest_list(tx: Tx, account: bytes) -> SignedList:
    """Return the newest list of an account, or refuse when there is no such account any more."""
    line = tx.one(
        """
        SELECT body, signature, old_signature FROM device_list
        WHERE account = ? ORDER BY version DESC LIMIT 1
        """,
        account,
    )
    if line is None:
        raise Refused(Code.UNKNOWN)
    return SignedList(*line)


def get_lists(tx: Tx, caller: Caller, request: GetLists, _: int) -> Lists:
    """Tell the newest lists of accounts that have something to do with the caller."""
    if request.since is not None:
        return _later_lists(tx, caller, request, request.since)
    mine = _rooms_of(tx, caller.account)
    lists: list[SignedList] = []
    size = 0
    rooms = 0
    for looked_at, account in enumerate(request.accounts):
        if account != caller.account:
            theirs = _rooms_of(tx, account)
            rooms += len(theirs)
            if looked_at and rooms > ROOMS_COMPARED_MAX:
                return Lists(id=request.id, lists=tuple(lists), next=looked_at)
            if mine.isdisjoint(theirs):
                continue
        newest = newest_list(tx, account)
        size += len(newest.body)
        if lists and size > tx.settings.page_bytes_max:
            return Lists(id=request.id, lists=tuple(lists), next=looked_at)
        lists.append(newest)
    return Lists(id=request.id, lists=tuple(lists))


def _later_lists(tx: Tx, caller: Caller, request: GetLists, since: int) -> Lists:
    """Tell all lists of one account after a version, so that its chain can be checked."""
    refuse_unless(
        len(request.accounts) == 1,
        Code.MALFORMED,
        "Ask for the later lists of one account at a time.",
    )
    (account,) = request.accounts
    if not is_near(tx, caller.account, account):
        return Lists(id=request.id, lists=())
    lines = tx.all(
        """
        SELECT version, body, signature, old_signature FROM device_list
        WHERE account = ? AND version > ? ORDER BY version LIMIT ?
        """,
        account,
        since,
        VERSIONS_PAGE + 1,
    )
    lists: list[SignedList] = []
    size = 0
    for version, body, signature, old_signature in lines:
        size += len(body)
        if len(lists) == VERSIONS_PAGE or (lists and size > tx.settings.page_bytes_max):
            return Lists(id=request.id, lists=tuple(lists), next=version - 1)
        lists.append(SignedList(body, signature, old_signature))
    return Lists(id=request.id, lists=tuple(lists))


def is_near(tx: Tx, account: bytes, other: bytes) -> bool:
    """Return whether two accounts are the same one or share a room, pending ones too."""
    return account == other or not _rooms_of(tx, account).isdisjoint(_rooms_of(tx, other))


def _rooms_of(tx: Tx, account: bytes) -> frozenset[int]:
    lines = tx.all("SELECT room FROM room_account WHERE account = ?", account)
    return frozenset(room for (room,) in lines)


HANDLERS: dict[type, Handler] = {
    # Who adds a device has just opened the box: the same limit counts both.
    PutList: Handler(put_list, "anyone", "sign_in"),
    GetLists: Handler(get_lists, "device", "read", writes=False),
}
