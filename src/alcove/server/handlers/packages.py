"""Key packages: public keys that a device leaves here, so that others can add it while it is away.

    number 1, 2, 3, ...     handed out once each, the oldest first
    number 0                the last resort: handed out again and again when no other is left

A single-use package is what lets a newcomer's first epoch be secret even when the device is broken
into later.  So they are counted, nobody may empty another's store, and the device is told in time.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.devices import audit_quietly
from alcove.server.handlers.lists import newest_list
from alcove.server.store.database import Value
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.devices import (
    Claim,
    Claimed,
    ClaimedPackage,
    PackagesLeft,
    PackagesLow,
    PutPackages,
)
from alcove.wire.errors import Code, Refused

LOW = 20
"""A device that has fewer single-use packages left is asked for new ones."""
LAST_RESORT = 0


def put_packages(tx: Tx, caller: Caller, request: PutPackages, _: int) -> PackagesLeft:
    """Add key packages of the caller's device, and say how many are left."""
    device = caller.device
    left = 0 if request.replace else packages_left(tx, device)
    refuse_unless(
        left + len(request.packages) <= tx.settings.account_packages_max,
        Code.LIMIT,
        "A device keeps at most "
        f"{tx.settings.account_packages_max} single-use key packages here, and has {left}.",
    )
    if request.replace:
        tx.run("DELETE FROM package WHERE device = ?", device)
    store_packages(tx, device, request.packages, request.last_resort)
    if request.packages or request.last_resort or request.replace:
        tx.audit("packages_added", caller.account, count=len(request.packages))
    return PackagesLeft(id=request.id, count=left + len(request.packages))


def store_packages(
    tx: Tx, device: bytes, packages: tuple[bytes, ...], last_resort: bytes | None
) -> None:
    """Store key packages behind those that are there; a last resort takes the place of another."""
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM package WHERE device = ?", device) or (
        0,
    )
    lines: list[tuple[Value, ...]] = [
        (device, number, body) for number, body in enumerate(packages, start=newest + 1)
    ]
    tx.insert("package (device, number, body)", lines)
    if last_resort is not None:
        tx.run(
            """
            INSERT INTO package (device, number, body) VALUES (?, ?, ?)
            ON CONFLICT (device, number) DO UPDATE SET body = excluded.body, used = 0
            """,
            device,
            LAST_RESORT,
            last_resort,
        )


def packages_left(tx: Tx, device: bytes) -> int:
    """Return how many single-use packages of a device are left."""
    (count,) = tx.one("SELECT COUNT(*) FROM package WHERE device = ? AND number > 0", device) or (
        0,
    )
    return int(count)


def claim(tx: Tx, caller: Caller, request: Claim, now: int) -> Claimed:
    """Take one key package of each device of an account, but of the caller's own device."""
    account = request.account
    is_mine = account == caller.account
    refuse_unless(_may_claim(tx, caller, account), Code.UNKNOWN)
    if not is_mine:
        key = (b"claim", caller.account, account)
        wait = tx.buckets.take(key, tx.settings.rate_claim_one, now)
        if wait:
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)
    devices = [
        device
        for (device,) in tx.all(
            """
            SELECT device FROM device WHERE account = ? AND revoked_at IS NULL
            ORDER BY added_at, device
            """,
            account,
        )
        if device != caller.device and (request.devices is None or device in request.devices)
    ]
    packages = [package for device in devices if (package := _take(tx, account, device))]
    if packages and not is_mine:
        tx.audit("packages_claimed", caller.account, count=len(packages))
        audit_quietly(tx, "packages_taken", account, count=len(packages))
    return Claimed(id=request.id, list=newest_list(tx, account), packages=tuple(packages))


def _may_claim(tx: Tx, caller: Caller, account: bytes) -> bool:
    """Return whether there is such an account and the caller is not blocked there."""
    line = tx.one(
        """
        SELECT 1 FROM account a WHERE a.account = ? AND a.disabled_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM block b WHERE b.account = a.account AND b.blocked = ?)
        """,
        account,
        caller.account,
    )
    return line is not None


def _take(tx: Tx, account: bytes, device: bytes) -> ClaimedPackage | None:
    """Take a device's oldest package, or its last resort, or nothing."""
    line = tx.one(
        """
        SELECT number, body FROM package WHERE device = ? AND number > 0
        ORDER BY number LIMIT 1
        """,
        device,
    ) or tx.one("SELECT number, body FROM package WHERE device = ? AND number = 0", device)
    if line is None:
        return None
    number, body = line
    is_last_resort = number == LAST_RESORT
    if is_last_resort:
        tx.run("UPDATE package SET used = used + 1 WHERE device = ? AND number = 0", device)
        audit_quietly(tx, "last_resort_claimed", account, device=device.hex())
    else:
        tx.run("DELETE FROM package WHERE device = ? AND number = ?", device, number)
    left = packages_left(tx, device)
    if left < LOW:
        tx.push((device,), PackagesLow(count=left, last_resort_used=is_last_resort))
    return ClaimedPackage(device, body, is_last_resort)


HANDLERS: dict[type, Handler] = {
    PutPackages: Handler(put_packages, "device", "write"),
    Claim: Handler(claim, "device", "claim"),
}
