"""The account: its locks, its box, and what only its owner may do with them.

    password ─ Argon2id ─┐                         ┌─ identity key    signs lists, then forgotten
                         ├─► login key ─► the box ─┼─ archive seeds   open the archive
    phrase ─── Argon2id ─┘   box key ──► opens it  └─ the phrase      to seal the next box

Each step here is given what the owner has just typed, stretched; nothing of it is kept.  What is
asked changes something on this device only when the server has said yes; then, and when it says
no, the owner hears `Answered` with the number that the step returned.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from alcove.client import trust
from alcove.client.errors import PeerError, PhraseNeededError, UsageError
from alcove.client.events import Answered, Warned
from alcove.client.keys.archive import archive_key
from alcove.client.keys.certificates import (
    NewDevice,
    Owner,
    check_list,
    devices_of,
    make_list,
)
from alcove.client.keys.envelope import SALT_BYTES
from alcove.client.keys.lock import (
    ARCHIVES_MAX,
    PHRASE_BYTES,
    Box,
    identity_key,
    open_box,
    open_phrase,
    seal_box,
    seal_phrase,
    split,
)
from alcove.client.tx import Tx
from alcove.mls import SigningKey
from alcove.mls.provider import without_secrets
from alcove.wire.accounts import (
    AccountChanged,
    ChangeBox,
    ChangedBox,
    DeleteAccount,
    Lock,
    OpenBox,
    OpenedBox,
    Sealed,
    SetTotp,
)
from alcove.wire.base import Done
from alcove.wire.devices import Certificate, DeviceList, SignedList
from alcove.wire.errors import Refusal
from alcove.wire.events import NewEvent

SEED_BYTES = 32
ARCHIVE = "archive.read"
"""The alarm that reads the archive, once all of this account's devices are known."""


class Locks(NamedTuple):
    """Both ways into an account, each stretched by Argon2id with the account's salt."""

    password: bytes
    phrase: bytes
    is_strong: bool
    """Whether the box may be sealed under the password too."""

    def __repr__(self) -> str:
        return without_secrets(self)


class Opener(NamedTuple):
    """What the owner has typed to be believed once more."""

    lock: Lock
    stretched: bytes
    code: str | None = None
    """Of the authenticator app, where the account has one.  Each works once: who has just opened
    the box with one needs the next one to change it."""

    def __repr__(self) -> str:
        return without_secrets(self)


class Unlocked(NamedTuple):
    """A box that was opened, and what it belongs to.  Never stored."""

    account: bytes
    name: str
    box: Box
    identity: SigningKey
    signed: SignedList
    """The account's newest device list, as the server says."""
    list: DeviceList
    version: int
    """Of the box on the server."""

    def __repr__(self) -> str:
        return without_secrets(self)


# ---- Opening ----


def open_request(name: str, opener: Opener) -> OpenBox:
    """Return the request for an account's box."""
    login, _ = split(opener.stretched)
    return OpenBox(name=name, lock=opener.lock, login=login, code=opener.code)


def unlock(opened: OpenedBox, stretched: bytes, server: bytes) -> Unlocked:
    """Open a box, and check that it belongs to the list that came with it."""
    if opened.box is None:
        raise PhraseNeededError
    _, box_key = split(stretched)
    box = open_box(box_key, opened.account, opened.box)
    said = check_list(opened.list, server)
    identity = identity_key(box)
    if (said.account, said.identity) != (opened.account, identity.public):
        raise PeerError("list-of-another")
    return Unlocked(opened.account, said.name, box, identity, opened.list, said, opened.version)


def unlock_own(tx: Tx, opened: OpenedBox, opener: Opener) -> Unlocked:
    """Open the box of this device's account; its list must go on from what this device knows.

    What is signed next follows that list: after an older one, whoever was revoked would be back.
    """
    unlocked = unlock(opened, opener.stretched, tx.me.server)
    if unlocked.account != tx.me.account:
        raise UsageError("The password opens another account than the one of this device.")
    step = trust.take_list(tx, opened.list)
    if step == "missing":
        raise UsageError(
            "This device has not heard of all changes to your devices yet: try again in a moment."
        )
    if step not in ("same", "next", "rotated"):
        raise UsageError(
            "Your devices have changed at this moment, or the server shows an older list of them:"
            " nothing was changed; try again, and if it stays so, ask the host whether the server"
            " was restored."
        )
    return unlocked


def seal_locks(tx: Tx, account: bytes, box: Box, locks: Locks) -> tuple[Sealed, Sealed]:
    """Return what the server keeps of both locks: password, phrase."""
    login, box_key = split(locks.password)
    sealed = seal_box(box_key, box, account, tx.random(SALT_BYTES)) if locks.is_strong else None
    password = Sealed(login, sealed)
    login, box_key = split(locks.phrase)
    return password, Sealed(login, seal_box(box_key, box, account, tx.random(SALT_BYTES)))


# ---- The phrase, until it is saved ----


def kept_phrase(tx: Tx, account: bytes, phrase: bytes, locks: Locks) -> bytes:
    """Return the phrase as this device keeps it until it is saved; empty when it need not."""
    if locks.is_strong:
        return b""
    _, box_key = split(locks.password)
    return seal_phrase(box_key, phrase, account, tx.random(SALT_BYTES))


def keep_phrase(tx: Tx, sealed: bytes) -> None:
    """Keep a sealed phrase; empty takes it away."""
    tx.run("DELETE FROM phrase")
    if sealed:
        tx.run("INSERT INTO phrase (one, sealed) VALUES (1, ?)", sealed)


def must_save_phrase(tx: Tx) -> bool:
    """Say whether the owner has still to write the recovery phrase down."""
    return tx.one("SELECT 1 FROM phrase") is not None


def show_phrase(tx: Tx, password: bytes) -> bytes | None:
    """Return the phrase that this device keeps, for the stretched password; None for none."""
    line = tx.one("SELECT sealed FROM phrase")
    if line is None:
        return None
    _, box_key = split(password)
    return open_phrase(box_key, tx.me.account, line[0])


def phrase_saved(tx: Tx) -> None:
    """Forget the phrase: its owner has written it down."""
    keep_phrase(tx, b"")


# ---- Changing ----


def change_locks(tx: Tx, opened: OpenedBox, opener: Opener, locks: Locks, phrase: bytes) -> int:
    """Take another password, and the same phrase or a new one; returns the request's number.

    A box that is older than the list, because the server was restored, cannot open the archive as
    the list has it: then another archive begins.
    """
    unlocked = unlock_own(tx, opened, opener)
    assert len(phrase) == PHRASE_BYTES
    box = msgspec.structs.replace(unlocked.box, phrase=phrase)
    if archive_key(box.archives[0]).public == unlocked.list.archive:
        return change_box(tx, unlocked, opener, box, locks)
    box = msgspec.structs.replace(box, archives=_with_new_archive(tx, box))
    signed = _next_list(tx, unlocked, box, devices_of(unlocked.list).values())
    return change_box(tx, unlocked, opener, box, locks, signed)


def rotate(tx: Tx, opened: OpenedBox, opener: Opener, locks: Locks, phrase: bytes) -> int:
    """My password leaked: other locks, another archive key and another identity, all at once.

    Everybody who knows this account is shown *changed: look*, and that the old key agreed to it.
    """
    me, unlocked = tx.me, unlock_own(tx, opened, opener)
    seeds = _with_new_archive(tx, unlocked.box)
    box = Box(tx.random(SEED_BYTES), seeds, phrase)
    devices = [NewDevice(one.device, one.browser) for one in devices_of(unlocked.list).values()]
    owner = Owner(me.account, unlocked.name, me.server)
    new = make_list(
        identity_key(box), owner, devices, unlocked.signed, unlocked.identity,
        archive=archive_key(seeds[0]).public,
    )  # fmt: skip
    return change_box(tx, unlocked, opener, box, locks, new)


def without(tx: Tx, opened: OpenedBox, opener: Opener, locks: Locks, device: bytes) -> int:
    """Take a device off the account's list; a new archive key begins, which it never sees.

    All other certificates are renewed, and when the server has taken the list, the rooms follow.
    """
    me, unlocked = tx.me, unlock_own(tx, opened, opener)
    there = devices_of(unlocked.list)
    if device not in there:
        raise UsageError("This device is not on the account's list any more: nothing to do.")
    if device == me.device:
        raise UsageError("A device cannot revoke itself: log out, or use another device.")
    box = msgspec.structs.replace(unlocked.box, archives=_with_new_archive(tx, unlocked.box))
    rest = [one for id_, one in there.items() if id_ != device]
    return change_box(tx, unlocked, opener, box, locks, _next_list(tx, unlocked, box, rest))


def _next_list(tx: Tx, unlocked: Unlocked, box: Box, devices: Iterable[Certificate]) -> SignedList:
    """Return the account's next list, with these devices and the newest archive of a box."""
    me = tx.me
    there = [NewDevice(one.device, one.browser) for one in devices]
    owner = Owner(me.account, unlocked.name, me.server)
    archive = archive_key(box.archives[0]).public
    return make_list(unlocked.identity, owner, there, unlocked.signed, archive=archive)


def _with_new_archive(tx: Tx, box: Box) -> tuple[bytes, ...]:
    """Return the seeds of a box with a new one in front: what comes now only that one opens."""
    return (tx.random(SEED_BYTES), *box.archives)[:ARCHIVES_MAX]


def change_box(
    tx: Tx,
    unlocked: Unlocked,
    opener: Opener,
    box: Box,
    locks: Locks,
    signed: SignedList | None = None,
) -> int:
    """Ask the server to swap both locks and the list, all at once or not at all.

    A device that came too late for the archive reads it now: the box is open.
    """
    account = tx.me.account
    if tx.line("SELECT is_archive_closed FROM me") == (1,):
        from alcove.client import entering  # noqa: PLC0415  # It opens boxes by this module.

        entering.keep_seeds(tx, unlocked.box.archives)
        tx.run("UPDATE me SET is_archive_closed = 0")
        tx.wake(ARCHIVE, b"", tx.now)
    login, _ = split(opener.stretched)
    password, phrase = seal_locks(tx, account, box, locks)
    request = ChangeBox(
        version=unlocked.version,
        login=login,
        lock=opener.lock,
        code=opener.code,
        password=password,
        phrase=phrase,
        list=signed,
    )
    note = kept_phrase(tx, account, box.phrase, locks)
    return tx.order(request, "account.box_changed", note)


def box_changed(tx: Tx, request: ChangeBox, answer: ChangedBox | Refusal, note: bytes) -> None:
    """The locks were changed, or not; the owner hears of both."""
    if isinstance(answer, ChangedBox):
        keep_phrase(tx, note)
        if request.list is not None:
            trust.take_list(tx, request.list)
            tx.wake("devices.sweep", b"", tx.now)  # The others leave it to this device at first.
    tx.tell(Answered(request.id, answer))


# ---- Codes, and the end ----


def set_totp(tx: Tx, opener: Opener, secret: bytes | None, code: str) -> int:
    """Let the account ask for codes of an authenticator app, or with None for none any more."""
    login, _ = split(opener.stretched)
    request = SetTotp(login=login, lock=opener.lock, secret=secret, code=code)
    return tx.order(request, "account.told")


def delete(tx: Tx, opener: Opener) -> int:
    """Delete the account and all that the server keeps for it.  What is on this device stays."""
    login, _ = split(opener.stretched)
    request = DeleteAccount(lock=opener.lock, login=login, code=opener.code)
    return tx.order(request, "account.deleted")


def told(tx: Tx, request: Any, answer: Done | Refusal, _note: bytes) -> None:
    """Hand the answer to the owner."""
    tx.tell(Answered(request.id, answer))


def deleted(tx: Tx, request: DeleteAccount, answer: Done | Refusal, _note: bytes) -> None:
    """The account is gone, or not."""
    if isinstance(answer, Done):
        tx.change_me("state", "revoked")
    tx.tell(Answered(request.id, answer))


def changed_elsewhere(tx: Tx, push: AccountChanged) -> None:
    """Another device has changed the locks: the owner should know that it was theirs."""
    if push.kind == "box":
        tx.tell(Warned("locks-changed", tx.me.account, tx.now))


def noted(tx: Tx, push: NewEvent) -> None:
    """The server has written something down about this account that may be an attack."""
    if push.event.suspicious:
        tx.tell(Warned("suspicious", tx.me.account, tx.now))
