"""Certifying a new device by a code: it shows one, an installed device scans it.

    new device                      server              installed device, with the password
    offer ─ shows a code ─────────────────────────────► certify
                                      ◄── a row under PLACE: whose it is, sealed to the code
                                      ◄── the next device list, with the new device on it
    signs in, reads row and list ◄────┘
    opens the row: it is that account's, and no other

The row lies in the archive, under a name of its own, and the next one takes its place.  A code is
for one device and ends after minutes.  A server that shows another row, or another list, is found
out: only who saw the code can have sealed the row, and the list must be of the identity in it.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from alcove.client import entering, trust
from alcove.client.account import Opener, Unlocked, unlock_own
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import Answered, Warned
from alcove.client.keys.archive import archive_key
from alcove.client.keys.certificates import NewDevice, Owner, check_list, devices_of, make_list
from alcove.client.keys.envelope import SALT_BYTES
from alcove.client.keys.pairing import (
    Offer,
    open_hello,
    public_of,
    read_offer,
    seal_hello,
    write_offer,
)
from alcove.client.keys.suite import SUITE
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.wire.accounts import Archive, ArchiveRow, GetArchive, OpenedBox, PutArchive
from alcove.wire.base import Done
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.devices import GetLists, Lists, PutList, SignedList
from alcove.wire.errors import Refusal
from alcove.wire.greeting import SignedIn
from alcove.wire.ids import Id, Key
from alcove.wire.signed import device_id

ENDS_MS: Final = 10 * 60 * 1000
"""A code is good for so long."""
LOOK_MS: Final = 2_000
"""How soon to look again for what the installed device says."""
LOOK: Final = "pairing.look"
PLACE: Final = b"alcove pairing 1"
"""The room under which the row lies: 16 bytes that no room has."""
NAME: Final = bytes(32)
ENDED: Final = "The code of the new device has ended: let it show another one."
FALSE: Final = (
    "Somebody else has answered to the code of this device: show another one, and let nobody but"
    " you see it."
)
OLD_BOX: Final = (
    "The server shows a box of your account that is older than your list of devices, as after a"
    " restore: change your password once, which makes a new one, and do this again."
)
USED: Final = "This code was used already: let the new device show another one."


class Hello(Struct, frozen=True, array_like=True):
    """What an installed device says to the new one."""

    account: Id
    identity: Key
    """The account's public identity key."""
    archives: tuple[bytes, ...]
    """The seeds that open the archive, once."""


class Drawn(Struct, frozen=True, array_like=True):
    """What a new device remembers of its code."""

    ends_at: int
    agreement: bytes
    """The private half."""
    secret: bytes


_decode_hello: Any = msgspec.msgpack.Decoder(Hello).decode
_decode_signed = msgspec.msgpack.Decoder(SignedList).decode
_decode_drawn: Any = msgspec.msgpack.Decoder(Drawn).decode


# ---- The new device ----


def offer(tx: Tx, server: bytes) -> str:
    """Make a device that belongs to nobody yet, and return the code that it shows."""
    entering.make_room(tx)
    key = SUITE.new_signing_key(tx.random(entering.KEY_SEED_BYTES))
    drawn = Drawn(tx.now + ENDS_MS, tx.random(32), tx.random(32))
    tx.run(
        """
        INSERT INTO me (one, account, name, device, server, signing_key, identity, certificate,
            archive_key, state)
        VALUES (1, ?, '', ?, ?, ?, x'', x'', x'', 'new')
        """,
        bytes(entering.ACCOUNT_BYTES), device_id(key.public), server, key.private,
    )  # fmt: skip
    tx.memory.me = None
    tx.run("INSERT INTO pairing (one, drawn) VALUES (1, ?)", encode(drawn))
    return write_offer(_offer(tx, drawn))


def _offer(tx: Tx, drawn: Drawn) -> Offer:
    return Offer(drawn.ends_at, tx.me.key.public, public_of(drawn.agreement), drawn.secret)


def waits(db: Database) -> bool:
    """Return whether this device has shown a code, and does not know yet whose it is."""
    return db.one("SELECT 1 FROM pairing") is not None


def has_ended(tx: Tx) -> bool:
    """Return whether the code that this device shows is good no more."""
    line = tx.one("SELECT drawn FROM pairing")
    return line is not None and _decode_drawn(line[0]).ends_at <= tx.now


def signed_in(tx: Tx, entered: SignedIn) -> None:
    """The server knows this device: ask what the installed one has said, before all else."""
    tx.memory.entered = entered
    look(tx)


def look(tx: Tx, _about: bytes = b"") -> None:
    """Ask for the row of this pairing."""
    if tx.memory.is_signed_in and waits(tx.db):
        tx.ask(GetArchive(room=PLACE), "pairing.row")


def row(tx: Tx, _request: GetArchive, answer: Archive | Refusal, _note: bytes) -> None:
    """Open what the installed device has said; what is not from there is not believed."""
    line = tx.one("SELECT drawn FROM pairing")
    if line is None:
        return
    if isinstance(answer, Refusal) or not answer.rows:
        tx.wake(LOOK, b"", tx.now + LOOK_MS)
        return
    drawn = _decode_drawn(line[0])
    try:
        plain = open_hello(_offer(tx, drawn), tx.me.server, drawn.agreement, answer.rows[0].body)
        hello = _decode_hello(plain)
    except (PeerError, *MALFORMED):
        _false(tx)
        return
    tx.ask(GetLists(accounts=(hello.account,)), "pairing.listed", plain)


def listed(tx: Tx, _request: GetLists, answer: Lists | Refusal, note: bytes) -> None:
    """Take the list on which this device stands, and be one of its account's devices."""
    from alcove.client import signing_in  # noqa: PLC0415  # It asks here first.

    hello, me = _decode_hello(note), tx.me
    if isinstance(answer, Refusal) or not answer.lists:
        tx.wake(LOOK, b"", tx.now + LOOK_MS)
        return
    try:
        newest = check_list(answer.lists[0], me.server)
    except PeerError:
        _false(tx)
        return
    if (newest.account, newest.identity) != (hello.account, hello.identity) or (
        me.device not in devices_of(newest)
    ):
        _false(tx)
        return
    owner = Owner(newest.account, newest.name, newest.server)
    entering.become(tx, owner, me.key, answer.lists[0])
    entering.keep_seeds(tx, hello.archives)
    _forget(tx)
    entering.come_in(tx)
    entered, tx.memory.entered = tx.memory.entered, None
    assert entered is not None, "it is asked on a line on which this device has signed in"
    signing_in.signed_in(tx, entered)


def _false(tx: Tx) -> None:
    """Somebody else answers to this code: whoever it is, this device is not theirs."""
    tx.tell(Warned("pairing-false", tx.me.device, tx.now))
    _forget(tx)


def _forget(tx: Tx) -> None:
    tx.run("DELETE FROM pairing")


# ---- The installed device ----


def certify(
    tx: Tx, opened: OpenedBox, opener: Opener, code: str, *, is_browser: bool = True
) -> int:
    """Put the device that shows a code on this account's list; returns the request's number.

    `Answered` tells what became of it.  `stale_list` means that another device was faster: open
    the box anew, and do this again.
    """
    unlocked, offered = unlock_own(tx, opened, opener), read_offer(code)
    if archive_key(unlocked.box.archives[0]).public != unlocked.list.archive:
        raise UsageError(OLD_BOX)
    if offered.ends_at <= tx.now or offered.ends_at > tx.now + 2 * ENDS_MS:
        raise UsageError(ENDED)
    there = devices_of(unlocked.list)
    if device_id(offered.device) in there:
        raise UsageError(USED)
    hello = Hello(unlocked.account, unlocked.list.identity, unlocked.box.archives)
    body = seal_hello(offered, tx.me.server, encode(hello), tx.random(32), tx.random(SALT_BYTES))
    devices = [NewDevice(one.device, one.browser) for one in there.values()]
    devices.append(NewDevice(offered.device, is_browser))
    row = ArchiveRow(PLACE, NAME, body)
    # First the row: a device that is on the list finds it.
    return tx.order(PutArchive(rows=(row,)), "pairing.said", encode(_next(unlocked, devices)))


def _next(unlocked: Unlocked, devices: list[NewDevice]) -> SignedList:
    owner = Owner(unlocked.account, unlocked.name, unlocked.list.server)
    archive = archive_key(unlocked.box.archives[0]).public
    return make_list(unlocked.identity, owner, devices, unlocked.signed, archive=archive)


def said(tx: Tx, request: PutArchive, answer: Done | Refusal, signed: bytes) -> None:
    """The row is there: now the list may follow."""
    if isinstance(answer, Refusal):
        tx.tell(Answered(request.id, answer))
        return
    note = request.id.to_bytes(8, "big")
    tx.order(PutList(list=_decode_signed(signed)), "pairing.certified", note)


def certified(tx: Tx, request: PutList, answer: Done | Refusal, note: bytes) -> None:
    """The new device is on the list, or not; the owner hears of both."""
    if isinstance(answer, Done):
        trust.take_list(tx, request.list)
    tx.tell(Answered(int.from_bytes(note, "big"), answer))
