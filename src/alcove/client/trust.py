"""Trust: the keys of everybody, pinned when they are first seen and compared ever after.

    first       never seen before: pinned as it is       rotated, reset   other keys: look
    same        known                                    forked           two lists of one version
    next        the same identity goes on                missing          asked for what is between
    older       never taken                              bad              no list of that account

Nothing here decides whether a commit counts: members must agree on that, and pins differ.  A pin
warns, and keeps this device from saying more to a person whose keys have changed until the owner
has looked.
"""

from typing import Literal, NamedTuple

import msgspec

from alcove.client.errors import PeerError
from alcove.client.events import Warned
from alcove.client.keys.certificates import (
    Step,
    check_certificate,
    check_list,
    devices_of,
    follows,
    list_hash,
    read_credential,
    read_list,
)
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.devices import (
    Certificate,
    DeviceList,
    GetLists,
    ListChanged,
    Lists,
    SignedCertificate,
    SignedList,
)
from alcove.wire.errors import Refusal
from alcove.wire.ids import Millis
from alcove.wire.signed import device_id

Verdict = Literal[Step, "first", "bad"]
"""What came of a list."""
State = Literal["unchecked", "checked", "changed"]
"""What the owner knows of somebody's keys: *unchecked*, *checked*, *changed: look*."""

LOOK_FIRST = (
    "Their keys have changed: compare your safety number with them, or say that you have looked,"
    " before you bring them into a room."
)
ACCOUNTS_AT_ONCE = 256
"""As many accounts one request for lists may name."""
AGAIN_MS = 10_000
"""A request for lists that was refused is made again after so long, unless the server says when."""
ASKING = ("trust.newest", "trust.later")
"""One of these questions is asked at a time."""
REFRESH_MS = 24 * 60 * 60 * 1000
"""How often the lists of everybody are read again: a server may have kept a push back."""
WANTED = "trust.wanted"
"""The alarm that asks for lists that are wanted."""
OWN = "devices.own"
"""The alarm that looks at a new list of one's own."""
REFRESH = "trust.refresh"
"""The alarm that asks for everybody's."""
LOOK = "trust.look"
"""The alarm that compares an account's leaves once more, because more is known of it."""
LOOK_MS = 3 * 60 * 1000
"""Whoever has revoked a device takes it out; all others wait so long, and up to as long again."""
CHANGES = ("", "rotated", "reset", "forked")
"""What may have become of keys: until the owner has looked, only something worse is told."""

_decode_signed = msgspec.msgpack.Decoder(SignedList).decode


class Pin(NamedTuple):
    """What is known of an account's keys."""

    account: bytes
    name: str
    identity: bytes
    version: int
    signed: bytes
    """The newest list, a `SignedList` in msgpack; empty where only a certificate was seen."""
    first_seen: Millis
    checked: bytes
    """The identity key whose safety number was compared; empty for none."""
    change: str
    """rotated, reset or forked, until the owner has looked; empty for nothing new."""
    changed_at: Millis

    @property
    def state(self) -> State:
        """What the owner knows of these keys."""
        if self.change:
            return "changed"
        return "checked" if self.checked == self.identity else "unchecked"

    @property
    def list(self) -> SignedList | None:
        """The newest list that was checked, if one was seen."""
        return _decode_signed(self.signed) if self.signed else None


# ---- Looking ----


def pin_of(db: Database, account: bytes) -> Pin | None:
    """Return what is known of an account's keys; None when it was never seen."""
    line = db.one(
        f"SELECT {', '.join(Pin._fields)} FROM pin WHERE account = ?",  # noqa: S608 - Our words.
        account,
    )
    return None if line is None else Pin(*line)


def devices_pinned(db: Database, account: bytes) -> dict[bytes, Certificate]:
    """Return the devices on the newest list of an account that was checked, by id."""
    pin = pin_of(db, account)
    signed = pin.list if pin else None
    if signed is None:
        return {}
    return devices_of(msgspec.msgpack.decode(signed.body, type=DeviceList))


def may_send(db: Database, account: bytes) -> bool:
    """Say whether something may be said to a person alone: not before a change was looked at."""
    return db.one("SELECT 1 FROM pin WHERE account = ? AND change != ''", account) is None


# ---- What the owner says ----


def seen(tx: Tx, account: bytes, identity: bytes) -> bool:
    """Note that the owner has looked at changed keys, this identity's, and goes on with them.

    False when they have changed again since those were shown: then they must be looked at anew.
    """
    done = tx.run(
        "UPDATE pin SET change = '', changed_at = 0 WHERE account = ? AND identity = ?",
        account, identity,
    )  # fmt: skip
    _stir(tx, account)
    return done == 1


def checked(tx: Tx, account: bytes, identity: bytes) -> bool:
    """Note that the safety number of this identity was compared and is right.

    False when the keys have changed since the number was shown: then it must be compared again.
    """
    done = tx.run(
        """
        UPDATE pin SET checked = identity, change = '', changed_at = 0
        WHERE account = ? AND identity = ?
        """,
        account, identity,
    )  # fmt: skip
    _stir(tx, account)
    return done == 1


def unchecked(tx: Tx, account: bytes) -> None:
    """Take back that a safety number was compared."""
    tx.run("UPDATE pin SET checked = x'' WHERE account = ?", account)


def _stir(tx: Tx, account: bytes) -> None:
    """Let the rooms of an account go on with what waited, and those that are made for it."""
    for (room,) in tx.all(
        """
        SELECT room FROM stay WHERE account = ?1 AND until IS NULL
        UNION SELECT room FROM room WHERE partner = ?1
        UNION SELECT room FROM wish WHERE kind = 'add' AND about = ?1 ORDER BY room
        """,
        account,
    ):
        tx.stir(room)


# ---- Lists ----


def take_list(tx: Tx, signed: SignedList, *, is_walked: bool = False) -> Verdict:
    """Compare a list with what is pinned, pin what may be pinned, and say how it stands.

    `is_walked` says that the server has told all that lies between: what is still missing then
    counts as a reset.
    """
    try:
        said = check_list(signed, tx.me.server)
        pin = pin_of(tx.db, said.account)
        if pin is None:
            _pin_list(tx, signed, said)
            return "first"
        known = pin.list
        step = (
            _after_certificate(pin, said) if known is None else follows(known, signed, said.server)
        )
    except PeerError:
        return "bad"
    if step == "older" and _hash_of(tx, said) not in (None, list_hash(signed)):
        step = "forked"
    if step == "missing":
        is_own = said.account == tx.me.account
        if said.identity == pin.identity and (is_walked or not is_own):
            step = "next"  # Whatever was between: this identity is the one that is known.
        elif is_walked:
            step = "reset"
        else:
            want(tx, said.account, signed)
            return "missing"
    # A reset names none of the devices that there were: one that comes to me is not my owner's.
    if step in ("next", "rotated") or (step == "reset" and said.account != tx.me.account):
        _pin_list(tx, signed, said)
    if step in CHANGES:
        change(tx, said.account, step)
    if step in ("next", *CHANGES):
        look_later(tx, said.account)
    return step


def _after_certificate(pin: Pin, said: DeviceList) -> Step:
    """Tell how a list stands to an account of which only a certificate was seen."""
    if pin.name != said.name:
        raise PeerError("wrong-account")
    if said.version < pin.version:
        return "older"
    if said.identity == pin.identity:
        return "next"
    return "forked" if said.version == pin.version else "missing"


def _hash_of(tx: Tx, said: DeviceList) -> bytes | None:
    """Return the hash of the list of that version that was seen before, if one was."""
    line = tx.one(
        "SELECT hash FROM seen_list WHERE account = ? AND version = ?", said.account, said.version
    )
    return None if line is None else line[0]


def _pin_list(tx: Tx, signed: SignedList, said: DeviceList) -> None:
    """Make this the newest list of its account."""
    tx.run(
        """
        INSERT INTO pin (account, name, identity, version, signed, first_seen)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (account) DO UPDATE SET
            identity = excluded.identity, version = excluded.version, signed = excluded.signed
        """,
        said.account, said.name, said.identity, said.version, encode(signed), tx.now,
    )  # fmt: skip
    tx.run(
        """
        INSERT INTO seen_list (account, version, hash, identity) VALUES (?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        said.account, said.version, list_hash(signed), said.identity,
    )  # fmt: skip
    if said.account == tx.me.account:
        tx.run(
            "INSERT INTO own_list (version, signed) VALUES (?, ?) ON CONFLICT DO NOTHING",
            said.version, encode(signed),
        )  # fmt: skip
        tx.wake(OWN, b"", tx.now)


def change(tx: Tx, account: bytes, what: str) -> None:
    """Remember that somebody's keys have changed, and tell the owner once."""
    if account == tx.me.account and what == "rotated":
        return  # The owner did it; `devices` sees to the rest.
    pin = pin_of(tx.db, account)
    if pin is not None and CHANGES.index(what) > CHANGES.index(pin.change):
        tx.run("UPDATE pin SET change = ?, changed_at = ? WHERE account = ?", what, tx.now, account)
        tx.tell(Warned(f"keys-{what}", account, tx.now))


# ---- Leaves ----


def check_leaf(tx: Tx, credential: bytes) -> str | None:
    """Compare a shared room's leaf, by its credential, with what is pinned: a cause, or None.

    That its signatures are right every member has checked before.  Who is seen here first is
    pinned, and what is not known yet is asked for.

    keys-other        another identity key than the one that is known: asked for, and until its
                      list has come it counts as a reset
    keys-old          one that it had before: its leaves may only be swapped or removed
    device-revoked    a device that is not on the newest list any more
    keys-forked       a device of the newest version that is not on its list: two such lists
    """
    try:
        said = check_certificate(read_credential(credential), tx.me.server)
    except PeerError as error:
        return error.cause
    pin = pin_of(tx.db, said.account)
    if pin is None:
        tx.run(
            """
            INSERT INTO pin (account, name, identity, version, signed, first_seen)
            VALUES (?, ?, ?, ?, x'', ?)
            """,
            said.account, said.name, said.identity, said.version, tx.now,
        )  # fmt: skip
        want(tx, said.account)
        return None
    if said.identity != pin.identity:
        return _other_identity(tx, said)
    if said.version > pin.version:
        want(tx, said.account)
        return None
    return on_the_list(tx, pin, said)


def on_the_list(tx: Tx, pin: Pin, said: Certificate) -> str | None:
    """Say why a leaf that is not newer than the newest list is not on it; None if it is."""
    if not pin.signed or device_id(said.device) in devices_pinned(tx.db, said.account):
        return None
    if said.version < pin.version:
        return "device-revoked"
    change(tx, said.account, "forked")
    return "keys-forked"


def ask_at_least(tx: Tx, account: bytes, version: int) -> None:
    """Ask once more for a list that there must be: while the server hides it, there are two."""
    if tx.memory.is_signed_in:
        tx.ask(GetLists(accounts=(account,)), "trust.newest", version.to_bytes(8, "big"))


def look_later(tx: Tx, account: bytes) -> None:
    """Compare an account's leaves once more, when its own devices have had the time to act."""
    if account != tx.me.account:
        jitter_ms = int.from_bytes(tx.random(4), "big") % LOOK_MS
        tx.wake(LOOK, account, tx.now + LOOK_MS + jitter_ms)


def _other_identity(tx: Tx, said: Certificate) -> str:
    """Say what a leaf of another identity is; of one that is news, the lists are asked for."""
    if tx.one(
        "SELECT 1 FROM seen_list WHERE account = ? AND identity = ?", said.account, said.identity
    ):
        return "keys-old"
    want(tx, said.account)
    change(tx, said.account, "reset")
    return "keys-other"


def device_of(signed: SignedCertificate) -> bytes:
    """Return the id of the device that a certificate of a checked list is for."""
    return device_id(msgspec.msgpack.decode(signed.body, type=Certificate).device)


# ---- Asking ----


def want(tx: Tx, account: bytes, signed: SignedList | None = None) -> None:
    """Ask for an account's lists soon; `signed` is one that came before those between."""
    tx.run(
        """
        INSERT INTO wanted_list (account, signed) VALUES (?, ?)
        ON CONFLICT (account) DO UPDATE SET signed = excluded.signed WHERE excluded.signed <> x''
        """,
        account, b"" if signed is None else encode(signed),
    )  # fmt: skip
    tx.wake(WANTED, b"", tx.now)


def list_changed(tx: Tx, push: ListChanged) -> None:
    """Hear that somebody has a new list."""
    pin = pin_of(tx.db, push.account)
    if push.version and (pin is None or push.version > pin.version):
        want(tx, push.account)


def is_compared(tx: Tx, account: bytes) -> bool:
    """Return whether somebody's newest list was read since the line came up; else it is asked for.

    What changed while there was no line nobody has pushed: before somebody is written to, it is
    looked whether they are still who they were.
    """
    if account in tx.memory.compared:
        return True
    want(tx, account)
    return False


def _compared(tx: Tx, accounts: tuple[bytes, ...]) -> None:
    """Let what was to be said to these go on."""
    for account in accounts:
        if account not in tx.memory.compared:
            tx.memory.compared[account] = None
            for (room,) in tx.all("SELECT room FROM room WHERE partner = ?", account):
                tx.stir(room)


def signed_in(tx: Tx) -> None:
    """Ask again for what had no answer when the line broke."""
    _go_on(tx)
    tx.wake(REFRESH, b"", tx.now + REFRESH_MS)


def ask_wanted(tx: Tx, _about: bytes) -> None:
    """Ask for the lists that are wanted: the newest of many accounts, or all later ones of one."""
    is_asking = any(one.answered_by in ASKING for one in tx.memory.asked.values())
    if is_asking or not tx.memory.is_signed_in:
        return  # The answer, or the next sign-in, goes on.
    early = tx.one("SELECT account FROM wanted_list WHERE signed <> x'' ORDER BY account LIMIT 1")
    if early is not None:
        _ask_later(tx, early[0])
        return
    lines = tx.all("SELECT account FROM wanted_list ORDER BY account LIMIT ?", ACCOUNTS_AT_ONCE)
    if lines:
        tx.ask(GetLists(accounts=tuple(account for (account,) in lines)), "trust.newest")


def _ask_later(tx: Tx, account: bytes, since: int | None = None) -> None:
    """Ask for all lists of an account after the one that is known."""
    pin = pin_of(tx.db, account)
    if since is None:
        since = 0 if pin is None else pin.version if pin.signed else pin.version - 1
    tx.ask(GetLists(accounts=(account,), since=since), "trust.later")


def refresh(tx: Tx, _about: bytes) -> None:
    """Read everybody's lists again."""
    tx.run(
        """
        INSERT INTO wanted_list (account, signed) SELECT account, x'' FROM pin WHERE true
        ON CONFLICT DO NOTHING
        """
    )
    tx.wake(WANTED, b"", tx.now)
    tx.wake(REFRESH, b"", tx.now + REFRESH_MS)


def newest(tx: Tx, request: GetLists, answer: Lists | Refusal, note: bytes) -> None:
    """Take the newest lists of many accounts; `note` is the least version that there must be."""
    if isinstance(answer, Refusal):
        _compared(tx, request.accounts)
        _again(tx, answer)
        return
    for signed in _told(request, answer):
        take_list(tx, signed)
    if note:
        (account,) = request.accounts
        pin = pin_of(tx.db, account)
        if pin is not None and pin.version < int.from_bytes(note, "big"):
            change(tx, account, "forked")
    asked = request.accounts if answer.next is None else request.accounts[: max(1, answer.next)]
    for account in asked:
        # What is missing now has to be walked to; all else has come, or is not told to us.
        if tx.run("DELETE FROM wanted_list WHERE account = ? AND signed = x''", account):
            look_later(tx, account)
    _compared(tx, asked)
    _go_on(tx)


def later(tx: Tx, request: GetLists, answer: Lists | Refusal, _note: bytes) -> None:
    """Walk from the list that is known to the newest, and so to the one that had come too early."""
    if isinstance(answer, Refusal):
        _again(tx, answer)
        return
    (account,) = request.accounts
    for signed in _told(request, answer):
        take_list(tx, signed, is_walked=True)
    if answer.lists and answer.next is not None and answer.next > (request.since or 0):
        _ask_later(tx, account, answer.next)
        return
    line = tx.one("SELECT signed FROM wanted_list WHERE account = ?", account)
    tx.run("DELETE FROM wanted_list WHERE account = ?", account)
    if line is not None and line[0]:
        take_list(tx, _decode_signed(line[0]), is_walked=True)
    _go_on(tx)


def _told(request: GetLists, answer: Lists) -> list[SignedList]:
    """Return the lists of an answer that were asked for: a server pins nobody unasked."""
    told = []
    for signed in answer.lists:
        try:
            if read_list(signed).account in request.accounts:
                told.append(signed)
        except PeerError:
            continue
    return told


def _go_on(tx: Tx) -> None:
    if tx.one("SELECT 1 FROM wanted_list LIMIT 1"):
        tx.wake(WANTED, b"", tx.now)


def _again(tx: Tx, refusal: Refusal) -> None:
    tx.wake(WANTED, b"", tx.now + (refusal.retry_after_ms or AGAIN_MS))
