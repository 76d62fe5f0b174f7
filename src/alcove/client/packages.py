"""Key packages of this device: what others need to add it to a room while it is away.

    made here, stored ──► the server hands each out once ──► a Welcome names it ──► joined: deleted
                                  │ none left                          │
                                  └► the last resort, again and again ─┘ replaced after use

The private halves are stored before the public ones leave.  All are made anew when the device's
certificate is: rooms do not take older certificates any more.
"""

import msgspec

from alcove.client.keys.suite import SUITE
from alcove.client.rooms.extension import CAPABILITIES
from alcove.client.tx import Tx
from alcove.mls import (
    KeyPackageBundle,
    Lifetime,
    Welcome,
    basic,
    decode_key_package,
    new_key_package,
)
from alcove.wire.devices import PackagesLeft, PackagesLow, PutPackages
from alcove.wire.errors import Code, Refusal

WANTED = 100
"""As many as a server keeps for a device, where its host has set nothing else."""
LOW = 20
"""With fewer left, new ones are made; the server asks for them at the same number."""
AT_ONCE = 20
"""How many are made and sent together: a request has room for them, and nobody waits long."""
DAY_S = 24 * 60 * 60
EARLY_S = DAY_S
"""They count from a day ago: other clocks may be slow."""
LIFETIME_S = 90 * DAY_S
"""And so long.  Who adds somebody looks at it."""
RENEW_MS = 30 * DAY_S * 1000
"""All are replaced when the oldest is so old: a device that is away for two months can be added."""
KEPT_MS = (LIFETIME_S + 30 * DAY_S) * 1000
"""Private halves are kept so long: a Welcome may have waited."""
LAST_RESORT_MS = 60 * 60 * 1000
"""A last resort is replaced after use, but not more often: others decide how often it is used."""
LAST_RESORT = "packages.last_resort"
"""The alarm that replaces the last resort."""
RENEW = "packages.renew"
"""The alarm that replaces all."""


# ---- Making ----


def own_bundle(tx: Tx, *, is_last_resort: bool = False) -> KeyPackageBundle:
    """Return a new key package of this device, for a group that it begins or joins by itself."""
    me, now_s = tx.me, tx.now // 1000
    return new_key_package(
        SUITE,
        basic(me.certificate),
        me.key,
        Lifetime(now_s - EARLY_S, now_s + LIFETIME_S),
        tx.random,
        capabilities=CAPABILITIES,
        last_resort=is_last_resort,
    )


def make(tx: Tx, count: int, *, is_last_resort: bool = False) -> tuple[bytes, ...]:
    """Make key packages, store their private halves, and return what may be published."""
    bundles = [own_bundle(tx, is_last_resort=is_last_resort) for _ in range(count)]
    tx.many(
        "INSERT INTO package (reference, bundle, is_last_resort, made_at) VALUES (?, ?, ?, ?)",
        [
            (bundle.package.reference(SUITE), bundle.save(), int(is_last_resort), tx.now)
            for bundle in bundles
        ],
    )
    return tuple(bundle.message() for bundle in bundles)


def last_resort(tx: Tx) -> bytes:
    """Make a last resort and return what may be published."""
    (message,) = make(tx, 1, is_last_resort=True)
    return message


# ---- Keeping the server's store full ----


def refill(tx: Tx, left: int) -> None:
    """Make new ones when few are left, unless that is being done."""
    is_under_way = tx.one("SELECT 1 FROM request WHERE answered_by = 'packages.put' LIMIT 1")
    if left < LOW and not is_under_way:
        _put(tx)


def replace_all(tx: Tx) -> None:
    """Throw away what the server has, and make all anew, with the certificate of now."""
    _put(tx, is_last_resort_new=True, replace=True)
    tx.run("DELETE FROM package WHERE made_at < ?", tx.now - KEPT_MS)
    tx.run("DELETE FROM alarm WHERE kind = ?", RENEW)
    tx.wake(RENEW, b"", tx.now + RENEW_MS)


def _put(tx: Tx, *, is_last_resort_new: bool = False, replace: bool = False) -> None:
    request = PutPackages(
        packages=make(tx, AT_ONCE),
        last_resort=last_resort(tx) if is_last_resort_new else None,
        replace=replace,
    )
    tx.order(request, "packages.put")


def put(tx: Tx, request: PutPackages, answer: PackagesLeft | Refusal, _note: bytes) -> None:
    """Go on until the store is full, or as full as the host lets it be."""
    if isinstance(answer, PackagesLeft):
        if request.packages and answer.count < WANTED:
            _put(tx)
        return
    kept: tuple[bytes, ...] = ()
    if answer.code == Code.LIMIT:
        # The host lets a device keep fewer than that: half of them then, or half of those.
        kept = request.packages[: len(request.packages) // 2]
        if kept or request.replace:
            tx.order(msgspec.structs.replace(request, packages=kept), "packages.put")
    for message in request.packages[len(kept) :]:
        reference = decode_key_package(message).reference(SUITE)
        tx.run("DELETE FROM package WHERE reference = ?", reference)


def low(tx: Tx, push: PackagesLow) -> None:
    """Hear that few are left, or that the last resort was handed out."""
    refill(tx, push.count)
    if push.last_resort_used:
        _renew_last_resort(tx)


def renew(tx: Tx, _about: bytes) -> None:
    """Replace all, because they have become old."""
    replace_all(tx)


def clock_was_ahead(tx: Tx) -> None:
    """Replace what was made by a clock that was far ahead: nobody adds by it before that time."""
    (newest,) = tx.line("SELECT COALESCE(MAX(made_at), 0) FROM package")
    if newest > tx.now + EARLY_S * 1000:
        tx.wake(RENEW, b"", tx.now)
    tx.run("UPDATE package SET made_at = MIN(made_at, ?)", tx.now)


# ---- Joining ----


def bundle_for(tx: Tx, welcome: Welcome) -> KeyPackageBundle | None:
    """Return the key package of this device that a Welcome was sealed to, if it is still here."""
    for secret in welcome.secrets:
        line = tx.one("SELECT bundle FROM package WHERE reference = ?", secret.new_member)
        if line is not None:
            return KeyPackageBundle.load(line[0], {SUITE.id: SUITE})
    return None


def spent(tx: Tx, reference: bytes) -> None:
    """Delete the private half of a key package by which a room was joined and stored.

    A last resort stays, because others may have taken it too, and is replaced on the server.
    """
    tx.run("DELETE FROM package WHERE reference = ? AND is_last_resort = 0", reference)
    if tx.run("UPDATE package SET is_spent = 1 WHERE reference = ? AND is_spent = 0", reference):
        _renew_last_resort(tx)


def _renew_last_resort(tx: Tx) -> None:
    (newest,) = tx.line("SELECT COALESCE(MAX(made_at), 0) FROM package WHERE is_last_resort = 1")
    tx.wake(LAST_RESORT, b"", max(tx.now, newest + LAST_RESORT_MS))


def renew_last_resort(tx: Tx, _about: bytes) -> None:
    """Replace the last resort, because it was used."""
    tx.order(PutPackages(last_resort=last_resort(tx)), "packages.put")
