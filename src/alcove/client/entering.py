"""Coming to a server: a new account, another device of one, or an account that was reset.

    register   begin_registering ─► Register ─► registered            a new identity, a first device
    sign in    GetSalt, OpenBox, begin_entering ─► PutList ─► entered  one more device on the list
    reset      OpenReset, begin_reset ─► Reset ─► registered           a new identity, one device

Nobody knows this device yet, so there is no line for its engine.  Each `begin` stores all that will
be needed and returns the one request that its caller sends, unsigned, as often as it takes: after a
crash `waiting` returns the same bytes.  The server takes them once, whenever they come.
"""

from typing import Any

import msgspec

from alcove.client import packages, trust
from alcove.client.account import (
    SEED_BYTES,
    Locks,
    Unlocked,
    keep_phrase,
    kept_phrase,
    seal_locks,
    unlock,
)
from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.archive import archive_key
from alcove.client.keys.certificates import (
    NewDevice,
    Owner,
    check_list,
    devices_of,
    make_list,
)
from alcove.client.keys.lock import PHRASE_BYTES, Box, identity_key
from alcove.client.keys.suite import SUITE
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.mls import SigningKey
from alcove.mls.provider import without_secrets
from alcove.wire.accounts import OpenedBox, OpenedReset, Register, Registered, Reset
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.devices import DeviceList, PutList, SignedList
from alcove.wire.errors import Refusal
from alcove.wire.signed import device_id

ACCOUNT_BYTES = 16
KEY_SEED_BYTES = 64

_decode_request: Any = msgspec.msgpack.Decoder(Register | Reset | PutList).decode
_decode_seeds = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody brings along who makes an account."""

    name: str
    server: bytes
    """The server's public key: out of the invite, or as it was first seen."""
    locks: Locks
    phrase: bytes
    """The 16 bytes of the recovery phrase."""
    invite: str | None = None
    """The secret of an invite, of the owner's link or of a bot's enrolment."""
    server_password: str | None = None
    is_browser: bool = False

    def __repr__(self) -> str:
        return without_secrets(self)


# ---- A new account ----


def begin_registering(tx: Tx, coming: Coming) -> Register:
    """Make an identity and a device, store what the device needs, and return what to send."""
    make_room(tx)
    account, box = tx.random(ACCOUNT_BYTES), _new_box(tx, coming)
    signed = _first_device(tx, account, box, coming, None)
    password, phrase = seal_locks(tx, account, box, coming.locks)
    request = Register(
        name=coming.name,
        account=account,
        list=signed,
        password=password,
        phrase=phrase,
        last_resort=packages.last_resort(tx),
        invite=coming.invite,
        server_password=coming.server_password,
    )
    _keep(tx, request)
    return request


def begin_reset(tx: Tx, coming: Coming, secret: str, opened: OpenedReset) -> Reset:
    """Come back by a link of the host, with a new identity.

    All devices of before end, and everybody is shown *changed: look*.  When the list has changed
    meanwhile (`stale_list`), the link is opened anew and this is done again.
    """
    before = opened.list
    said = check_list(before, coming.server)
    if (said.account, said.name.lower()) != (opened.account, coming.name.lower()):
        raise PeerError("list-of-another")
    coming = msgspec.structs.replace(coming, name=said.name)  # As it has always been written.
    make_room(tx)
    box = _new_box(tx, coming)
    signed = _first_device(tx, said.account, box, coming, before)
    password, phrase = seal_locks(tx, said.account, box, coming.locks)
    request = Reset(
        secret=secret,
        name=said.name,
        list=signed,
        password=password,
        phrase=phrase,
        last_resort=packages.last_resort(tx),
    )
    _keep(tx, request)
    return request


def registered(tx: Tx, answer: Registered | Refusal) -> bool:
    """Take the answer to `Register` or `Reset`: True when this device may sign in now.

    After a refusal the same request may be sent again, or everything begun anew.
    """
    if isinstance(answer, Refusal):
        return False
    tx.run("UPDATE me SET is_host = ?, is_bot = ?", int(answer.host), int(answer.bot))
    come_in(tx)
    return True


def _new_box(tx: Tx, coming: Coming) -> Box:
    assert len(coming.phrase) == PHRASE_BYTES
    return Box(tx.random(SEED_BYTES), (tx.random(SEED_BYTES),), coming.phrase)


def _first_device(
    tx: Tx, account: bytes, box: Box, coming: Coming, before: SignedList | None
) -> SignedList:
    """Make this device the only one of an account, and store what it needs."""
    key = SUITE.new_signing_key(tx.random(KEY_SEED_BYTES))
    owner = Owner(account, coming.name, coming.server)
    identity = identity_key(box)
    signed = make_list(
        identity, owner, [NewDevice(key.public, coming.is_browser)], before,
        archive=archive_key(box.archives[0]).public,
    )  # fmt: skip
    become(tx, owner, key, signed)
    keep_phrase(tx, kept_phrase(tx, account, box.phrase, coming.locks))
    return signed


# ---- Another device ----


def begin_entering(
    tx: Tx, opened: OpenedBox, stretched: bytes, server: bytes, *, is_browser: bool = False
) -> PutList | None:
    """Put this device on its account's list; returns what to send, or None if it is there already.

    When the list has changed meanwhile (`stale_list`), the box is opened anew and this is done
    again; the device keeps its key.
    """
    unlocked = unlock(opened, stretched, server)
    key = _key_again(tx, unlocked)
    if key is None:
        make_room(tx)
        key = SUITE.new_signing_key(tx.random(KEY_SEED_BYTES))
    owner = Owner(unlocked.account, unlocked.name, server)
    there = devices_of(unlocked.list)
    if device_id(key.public) in there:
        become(tx, owner, key, unlocked.signed)
        keep_seeds(tx, unlocked.box.archives)
        come_in(tx)
        return None
    devices = [NewDevice(one.device, one.browser) for one in there.values()]
    devices.append(NewDevice(key.public, is_browser))
    # The list's own, but for a server that was set back: what the box cannot open is lost.
    archive = archive_key(unlocked.box.archives[0]).public
    signed = make_list(unlocked.identity, owner, devices, unlocked.signed, archive=archive)
    become(tx, owner, key, signed)
    keep_seeds(tx, unlocked.box.archives)
    request = PutList(list=signed)
    _keep(tx, request)
    return request


def entered(tx: Tx, answer: Done | Refusal) -> bool:
    """Take the answer to `PutList`: True when this device may sign in now."""
    if isinstance(answer, Refusal):
        return False
    come_in(tx)
    return True


def _key_again(tx: Tx, unlocked: Unlocked) -> SigningKey | None:
    """Return the key with which this device has begun to enter this account, if it has."""
    line = tx.one("SELECT account, state FROM me")
    if line is None or line != (unlocked.account, "new"):
        return None
    return tx.me.key


def archive_seeds(db: Database) -> tuple[bytes, ...]:
    """Return the seeds that open the account's archive, newest first, until it was read."""
    line = db.one("SELECT seeds FROM archive_seeds")
    return () if line is None else _decode_seeds(line[0])


def archive_read(tx: Tx) -> None:
    """Forget those seeds: a device that is copied later opens no row of the archive."""
    tx.run("DELETE FROM archive_seeds")


def keep_seeds(tx: Tx, archives: tuple[bytes, ...]) -> None:
    """Keep the seeds that open the archive, until it was read."""
    archive_read(tx)
    tx.run("INSERT INTO archive_seeds (one, seeds) VALUES (1, ?)", encode(archives))


# ---- What all have in common ----


def waiting(db: Database) -> Register | Reset | PutList | None:
    """Return the request that has no answer yet, the same bytes as before; None for none."""
    line = db.one("SELECT request FROM entering")
    if line is None:
        return None
    request: Register | Reset | PutList = _decode_request(line[0])
    return request


def make_room(tx: Tx) -> None:
    """Forget a device that never came in; one that did is not thrown away."""
    line = tx.one("SELECT state FROM me")
    if line is not None and line[0] != "new":
        raise UsageError(
            "This profile has an account already: choose another profile for another account."
        )
    for table in ("me", "package", "entering", "archive_seeds", "phrase", "pairing"):
        tx.run(f"DELETE FROM {table}")  # noqa: S608 - Our words.
    tx.memory.me = None


def become(tx: Tx, owner: Owner, key: SigningKey, signed: SignedList) -> None:
    """Store who this device is, as of a list that it is on."""
    said = msgspec.msgpack.decode(signed.body, type=DeviceList)
    place = list(devices_of(said)).index(device_id(key.public))
    tx.run("DELETE FROM me")
    tx.run(
        """
        INSERT INTO me (one, account, name, device, server, signing_key, identity, certificate,
            archive_key, state)
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, 'new')
        """,
        owner.account, owner.name, device_id(key.public), owner.server, key.private,
        said.identity, encode(said.certificates[place]), said.archive,
    )  # fmt: skip
    tx.memory.me = None
    for table in ("pin", "seen_list", "own_list", "own_device"):
        tx.run(f"DELETE FROM {table}")  # noqa: S608 - Our words.  It has met nobody yet.
    trust.take_list(tx, signed)


def _keep(tx: Tx, request: Register | Reset | PutList) -> None:
    tx.run("DELETE FROM entering")
    tx.run("INSERT INTO entering (one, request) VALUES (1, ?)", encode(request))


def come_in(tx: Tx) -> None:
    """The server knows this device."""
    tx.run("DELETE FROM entering")
    tx.change_me("state", "in")
