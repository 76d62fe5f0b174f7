"""Key packages: public keys that a device leaves here, so that others can add it while it is away.

    number 1, 2, 3, ...     handed out once each, the oldest first
    number 0                the last resort: handed out again and again when no other is left

A single-use package is what lets a newcomer's first epoch be secret even when the device is broken
into later.  So they are counted, nobody may empty another's store, and the device is told in time.

An answer with packages is large, so it is not kept like others.  The package's line stays for an
hour instead, with the hash of the request that took it: the same request gets the same package.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.lists import newest_list
from alcove.server.settings import Rate
from alcove.server.store.database import Value
from alcove.server.tx import Tx, digest, refuse_unless
from alcove.wire.codec import encode
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
CLAIM_MS = 60 * 60 * 1000
"""So long a claim that comes again gets the same packages."""
TOGETHER = Rate(1, 3600, 60)
"""How fast others, all together, use a device's packages up; then its last resort is handed out."""
DROPPED_AT_ONCE = 500
"""How many packages that were handed out one turn of housekeeping drops."""


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
        tx.run("DELETE FROM package WHERE device = ? AND claim IS NULL", device)
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
    (count,) = tx.one(
        "SELECT COUNT(*) FROM package WHERE device = ? AND number > 0 AND claim IS NULL", device
    ) or (0,)
    return int(count)


def drop_claimed(tx: Tx, now: int, limit: int = DROPPED_AT_ONCE) -> int:
    """Drop packages that were handed out so long ago that nobody asks for them again."""
    return tx.run(
        """
        DELETE FROM package WHERE (device, number) IN (
            SELECT device, number FROM package WHERE claimed_at <= ? ORDER BY claimed_at LIMIT ?
        )
        """,
        now - CLAIM_MS,
        limit,
    )


def claim(tx: Tx, caller: Caller, request: Claim, now: int) -> Claimed:
    """Take one key package of each device of an account, but of the caller's own device.

    Who is blocked there is told nothing else than others.
    """
    account = request.account
    is_mine = account == caller.account
    there = tx.one("SELECT 1 FROM account WHERE account = ? AND disabled_at IS NULL", account)
    refuse_unless(there, Code.UNKNOWN)
    mark = digest(b"alcove claim 1" + encode([caller.device, caller.door, request.id]))
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
    given = _given(tx, devices, mark, now) if request.id else {}
    if not given:
        key = (b"claim", caller.account, account)
        wait = tx.buckets.take(key, tx.settings.rate_claim_one, now)
        if wait:
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)
    packages = [
        package
        for device in devices
        if (package := given.get(device) or _take(tx, caller, account, device, mark, now))
    ]
    if packages and not is_mine and not given:
        tx.audit("packages_claimed", caller.account, count=len(packages))
        tx.audit("packages_taken", account, is_quiet=True, count=len(packages))
    return Claimed(id=request.id, list=newest_list(tx, account), packages=tuple(packages))


def _given(tx: Tx, devices: list[bytes], mark: bytes, now: int) -> dict[bytes, ClaimedPackage]:
    """Return what this same request was given before, by device."""
    given = {}
    for device in devices:
        line = tx.one(
            "SELECT body FROM package WHERE device = ? AND claim = ? AND claimed_at > ?",
            device,
            mark,
            now - CLAIM_MS,
        )
        if line is not None:
            given[device] = ClaimedPackage(device, line[0], last_resort=False)
    return given


def _take(
    tx: Tx, caller: Caller, account: bytes, device: bytes, mark: bytes, now: int
) -> ClaimedPackage | None:
    """Take a device's oldest package, or its last resort, or nothing."""
    line = tx.one(
        """
        SELECT number, body FROM package WHERE device = ? AND number > 0 AND claim IS NULL
        ORDER BY number LIMIT 1
        """,
        device,
    )
    is_mine = account == caller.account
    if line and not is_mine and tx.buckets.take((b"claimed", device), TOGETHER, now):
        line = None  # What is left is for later: many accounts must not empty it together.
    line = line or tx.one(
        "SELECT number, body FROM package WHERE device = ? AND number = 0", device
    )
    if line is None:
        return None
    number, body = line
    is_last_resort = number == LAST_RESORT
    if is_last_resort:
        tx.run("UPDATE package SET used = used + 1 WHERE device = ? AND number = 0", device)
        tx.audit("last_resort_claimed", account, is_quiet=True, device=device.hex())
    else:
        tx.run(
            "UPDATE package SET claim = ?, claimed_at = ? WHERE device = ? AND number = ?",
            mark,
            now,
            device,
            number,
        )
        tx.run("DELETE FROM package WHERE device = ? AND claimed_at <= ?", device, now - CLAIM_MS)
    left = packages_left(tx, device)
    if left < LOW:
        tx.push((device,), PackagesLow(count=left, last_resort_used=is_last_resort))
    return ClaimedPackage(device, body, is_last_resort)


HANDLERS: dict[type, Handler] = {
    PutPackages: Handler(put_packages, "device", "write"),
    Claim: Handler(claim, "device", "claim", is_remembered=False),
}
