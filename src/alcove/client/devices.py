"""One's own devices: which there are, what a new list changes, and taking one off.

a new list of mine ──► am I on it?  no: revoked: say so, and go on reading what is here
                           │ yes
                           ├─ my certificate is renewed: new key packages, with the new one
                           ├─ another archive key: what is there is sealed again, to that one
                           ├─ who is new, who is gone: the owner hears of both
                           └─ who is gone but still stands in a room: a wish to take it out
"""

from typing import NamedTuple

import msgspec

from alcove.client import packages, trust
from alcove.client.account import ARCHIVE, Locks, Opener, without
from alcove.client.errors import PeerError
from alcove.client.events import Warned
from alcove.client.keys.certificates import devices_of, list_hash, read_list
from alcove.client.restored import ANSWERS_ARCHIVE
from alcove.client.rooms.wish import add_wish, bring_siblings
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.wire.accounts import OpenedBox
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.devices import DeviceList, GetLists, Lists, PutList, SignedList
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import SignedIn
from alcove.wire.ids import Millis

SWEEP_MS = 60_000
"""Other devices wait so long, and up to as long again, before they take one out of the rooms."""
SWEEP = "devices.sweep"
"""The alarm that takes devices out of rooms that are not on the list any more."""

OFFERED_MAX = 8
"""So many of its lists a device offers that was turned away: a backup is older by a few."""
OFFERS_MAX = 7
"""So often who has just come offers its list: later each time, and for about a minute."""
EARLIER_AT_ONCE = 16
"""How many lists of before are asked for together."""
EARLIER = "devices.ask_earlier"
"""The alarm that asks again for lists that a server was too busy to tell."""
EARLIER_MS = 1_000
EARLIER_PAUSE_MS_MAX = 60_000
"""A server that asks for a longer pause is asked after this one all the same."""
EARLIER_TRIES = 8
"""After so many refusals, each twice as long after the one before, the archive is read without."""

_decode_signed = msgspec.msgpack.Decoder(SignedList).decode


class OwnDevice(NamedTuple):
    """One device of this account."""

    device: bytes
    is_browser: bool
    added_at: Millis
    """When this device saw it first."""
    is_me: bool


class Reach(NamedTuple):
    """A room in which a device stood, and so what it could read."""

    room: bytes
    since: int
    """The place of the handshake that brought it."""
    since_at: Millis | None
    """Since when it could read: from the beginning (None) where history is open, since its account
    came where it is closed, and only where nothing is kept since it came itself."""
    until: int | None
    """The place of the one that took it away; None while it stands there."""
    until_at: Millis | None


# ---- Looking ----


def own_devices(db: Database) -> list[OwnDevice]:
    """Return the devices of this account, oldest first."""
    lines = db.all(
        """
        SELECT d.device, d.is_browser, d.added_at, d.device = m.device
        FROM own_device d, me m ORDER BY d.added_at, d.device
        """
    )
    return [OwnDevice(device, bool(b), at, bool(is_me)) for device, b, at, is_me in lines]


def reach(db: Database, device: bytes) -> list[Reach]:
    """Return what a device could read, and since when: what to tell after it was lost."""
    lines = db.all(
        """
        SELECT s.room, s.since, CASE r.history
            WHEN 'open' THEN NULL
            WHEN 'closed' THEN (
                SELECT h.at FROM stay f JOIN handshake h ON h.room = f.room AND h.seq = f.since
                WHERE f.room = s.room AND f.account = s.account ORDER BY f.since LIMIT 1
            )
            ELSE a.at END, s.until, b.at
        FROM stay s
        LEFT JOIN room r ON r.room = s.room
        LEFT JOIN handshake a ON a.room = s.room AND a.seq = s.since
        LEFT JOIN handshake b ON b.room = s.room AND b.seq = s.until
        WHERE s.device = ? ORDER BY s.room, s.since
        """,
        device,
    )
    found: list[Reach] = []
    for line in lines:
        one = Reach(*line)
        if found and (found[-1].room, found[-1].until) == (one.room, one.since):
            # It stood there all the time: only its certificate is another one from there on.
            found[-1] = found[-1]._replace(until=one.until, until_at=one.until_at)
        else:
            found.append(one)
    return found


# ---- Taking a device off ----


def revoke(tx: Tx, opened: OpenedBox, opener: Opener, locks: Locks, device: bytes) -> int:
    """Take a device off the list of this account, and then out of its rooms.

    Returns the number of the request; `Answered` tells what became of it.  `changed` and
    `stale_list` mean that another device was faster: open the box anew, and do this again.
    """
    return without(tx, opened, opener, locks, device)


# ---- When the list has changed ----


def look_at_own(tx: Tx, _about: bytes) -> None:
    """Do what follows from the newest list of this account."""
    me = tx.me
    if me.state == "new":
        return
    pin = trust.pin_of(tx.db, me.account)
    signed = pin.list if pin else None
    assert pin is not None
    assert signed is not None, "a device has its own account's list from the start"
    there = trust.devices_pinned(tx.db, me.account)
    if me.device not in there:
        revoked(tx)
        return
    said = msgspec.msgpack.decode(signed.body, type=DeviceList)
    certificate = encode(said.certificates[list(there).index(me.device)])
    if certificate != me.certificate:
        _renew_certificate(tx, certificate, pin.identity)
    if said.archive != me.archive_key:
        _renew_archive(tx, said)
    known = [device for (device,) in tx.all("SELECT device FROM own_device ORDER BY device")]
    for device, one in there.items():
        if device not in known:
            tx.run(
                "INSERT INTO own_device (device, is_browser, added_at) VALUES (?, ?, ?)",
                device, int(one.browser), tx.now,
            )  # fmt: skip
            if known:
                tx.tell(Warned("device-added", device, tx.now))
    for device in known:
        if device not in there:
            tx.run("DELETE FROM own_device WHERE device = ?", device)
            tx.tell(Warned("device-removed", device, tx.now))
    for (room,) in tx.all("SELECT room FROM room WHERE state = 'active' ORDER BY room"):
        bring_siblings(tx, room)
    if _standing(tx):
        jitter_ms = int.from_bytes(tx.random(4), "big") % SWEEP_MS
        tx.wake(SWEEP, b"", tx.now + SWEEP_MS + jitter_ms)


def _renew_certificate(tx: Tx, certificate: bytes, identity: bytes) -> None:
    """Go by another certificate; after a rotation at once in every room."""
    if identity != tx.me.identity:
        for (room,) in tx.all("SELECT room FROM room WHERE state = 'active' ORDER BY room"):
            add_wish(tx, room, "swap_leaf", b"")
    tx.change_me("identity", identity)
    tx.change_me("certificate", certificate)
    packages.replace_all(tx)


def _renew_archive(tx: Tx, said: DeviceList) -> None:
    """Seal the archive to another key from now on, and what is there already once more.

    Who has got hold of an earlier key, and finds its way to the server only now, opens nothing.
    """
    lines = tx.all("SELECT signed FROM own_list WHERE version < ?", said.version)
    if any(read_list(_decode_signed(body)).archive == said.archive for (body,) in lines):
        tx.tell(Warned("archive-of-before", tx.me.account, tx.now))
    tx.change_me("archive_key", said.archive)
    tx.run("DELETE FROM request WHERE answered_by = 'archive.stored'")
    tx.run("UPDATE room_key SET is_archived = 0")
    tx.wake(ANSWERS_ARCHIVE, b"", tx.now)


def revoked(tx: Tx) -> None:
    """This device is not its account's any more: it says so, sends nothing, and can be read."""
    if tx.me.state != "revoked":
        tx.change_me("state", "revoked")
        tx.tell(Warned("revoked", tx.me.device, tx.now))


def sweep(tx: Tx, _about: bytes) -> None:
    """Wish every device out of the rooms that is not on this account's list any more."""
    pin = trust.pin_of(tx.db, tx.me.account)
    assert pin is not None
    if tx.me.state == "revoked":
        return  # It is this device that does not belong there.
    for room, device in _standing(tx):
        add_wish(tx, room, "drop_device", device, pin.signed)


def _standing(tx: Tx) -> list[tuple[bytes, bytes]]:
    """Return (room, device) for devices of this account that stand where they should not."""
    there = trust.devices_pinned(tx.db, tx.me.account)
    lines = tx.all(
        "SELECT room, device FROM stay WHERE account = ? AND until IS NULL ORDER BY room, leaf",
        tx.me.account,
    )
    return [(room, device) for room, device in lines if device not in there]


# ---- Signing in ----


def signed_in(tx: Tx, answer: SignedIn) -> None:
    """Compare what the server says of this device and its account with what is known here."""
    me = tx.me
    tx.memory.offers = 0
    if me.state == "revoked" and me.device in trust.devices_pinned(tx.db, me.account):
        tx.change_me("state", "in")  # A server that was restored has its list again.
    tx.run("UPDATE me SET is_host = ?, is_bot = ?", int(answer.host), int(answer.bot))
    pin = trust.pin_of(tx.db, me.account)
    assert pin is not None
    trust.signed_in(tx)
    if answer.list_version > pin.version:
        trust.want(tx, me.account)
    elif answer.list_version < pin.version:
        _put_back(tx, answer.list_version)
    elif pin.list is not None and answer.list_hash != list_hash(pin.list):
        trust.change(tx, me.account, "forked")
    tx.memory.tries.pop((EARLIER, me.account), None)
    ask_earlier(tx)
    if tx.one("SELECT 1 FROM alarm WHERE kind = ?", packages.RENEW) is None:
        packages.replace_all(tx)  # It has just come.
    else:
        packages.refill(tx, answer.packages)
    tx.wake(trust.OWN, b"", tx.now)


def _put_back(tx: Tx, version: int) -> None:
    """Give the server its newer lists back: it was restored, or it hides them."""
    me = tx.me
    tx.tell(Warned("lists-lost", me.account, tx.now))
    line = tx.one("SELECT signed FROM own_list WHERE version = ?", version)
    if line is not None and read_list(_decode_signed(line[0])).archive != me.archive_key:
        tx.tell(Warned("box-older", me.account, tx.now))  # It came with the newer list.
    for (body,) in tx.all(
        "SELECT signed FROM own_list WHERE version > ? ORDER BY version", version
    ):
        tx.order(PutList(list=_decode_signed(body)), "devices.put_back")


def put_back(tx: Tx, _request: PutList, answer: Done | Refusal, _note: bytes) -> None:
    """The server has the list again; or it has another one, which is looked at like any."""
    if isinstance(answer, Refusal) and answer.code == Code.STALE_LIST:
        trust.want(tx, tx.me.account)


def turned_away(tx: Tx, code: str) -> tuple[PutList, ...]:
    """Take why the server would not let this device in, or sent it away.

    Returns what is to be said once before it signs in again: a server that was restored may not
    know the list that this device came with.  One that has a newer list does not take them.  Who
    has just come has no list of before: it says so again until another device has given that back.
    """
    if code != Code.REVOKED or tx.me.state == "new":  # Who is new was not certified yet.
        return ()
    lines = tx.all("SELECT signed FROM own_list ORDER BY version DESC LIMIT ?", OFFERED_MAX)
    offers_max = 1 if has_own_history(tx.db) else OFFERS_MAX
    is_listed = tx.me.device in trust.devices_pinned(tx.db, tx.me.account)
    if is_listed and tx.memory.offers < offers_max:
        tx.memory.offers += 1
        return tuple(PutList(list=_decode_signed(body)) for (body,) in reversed(lines))
    revoked(tx)
    return ()


# ---- All devices that there ever were ----


def has_own_history(db: Database) -> bool:
    """Say whether all lists of this account are here, from its first one on."""
    return db.one("SELECT 1 FROM own_list WHERE version = 1") is not None


def was_mine(tx: Tx, key: bytes) -> bool:
    """Return whether a device, by its public key, is or was on one of this account's lists."""
    for (body,) in tx.all("SELECT signed FROM own_list ORDER BY version DESC"):
        said = read_list(_decode_signed(body))
        if any(one.device == key for one in devices_of(said).values()):
            return True
    return False


def ask_earlier(tx: Tx, _about: bytes = b"") -> None:
    """Ask for the lists of this account before those that are here, unless that is being done."""
    if not tx.memory.is_signed_in or has_own_history(tx.db):
        return  # The next sign-in asks.
    if any(one.answered_by == "devices.earlier" for one in tx.memory.asked.values()):
        return
    (oldest,) = tx.line("SELECT MIN(version) FROM own_list")
    since = max(0, oldest - 1 - EARLIER_AT_ONCE)
    tx.ask(GetLists(accounts=(tx.me.account,), since=since), "devices.earlier")


def earlier(tx: Tx, _request: GetLists, answer: Lists | Refusal, _note: bytes) -> None:
    """Take the lists before those that are here: each is named by the hash in the one after it.

    When there are no more the archive is read: its rows are signed by devices of any time, and
    what is not believed then is forgotten.  So who is refused asks again first.
    """
    told: dict[int, SignedList] = {}
    if isinstance(answer, Refusal):
        if _asks_again(tx, answer):
            return
    else:
        for signed in answer.lists:
            try:
                told[read_list(signed).version] = signed
            except PeerError:
                continue
    (first,) = tx.line("SELECT MIN(version) FROM own_list")
    oldest = first
    while oldest - 1 in told:
        (body,) = tx.line("SELECT signed FROM own_list WHERE version = ?", oldest)
        before = told[oldest - 1]
        if list_hash(before) != read_list(_decode_signed(body)).before:
            break
        oldest -= 1
        tx.run("INSERT INTO own_list (version, signed) VALUES (?, ?)", oldest, encode(before))
    if 1 < oldest < first:
        ask_earlier(tx)
    elif tx.one("SELECT 1 FROM archive_seeds"):
        tx.wake(ARCHIVE, b"", tx.now)


def _asks_again(tx: Tx, refusal: Refusal) -> bool:
    """Ask for lists of before again, later; returns False once that was in vain too often."""
    which = EARLIER, tx.me.account
    tries = tx.memory.tries[which] = tx.memory.tries.get(which, 0) + 1
    if tries > EARLIER_TRIES:
        return False
    pause_ms = min(refusal.retry_after_ms or 0, EARLIER_PAUSE_MS_MAX)
    tx.wake(EARLIER, b"", tx.now + max(pause_ms, EARLIER_MS * 2 ** (tries - 1)))
    return True
