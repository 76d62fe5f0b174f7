"""Boxes: the sealed keys of an account, behind a login key and, where one is set, a code.

    GetSalt     the same answer for a name at any time, used or not
    OpenBox     login key, code  ─►  the box, still sealed, and the device list
    ChangeBox   login key, code  ─►  other login keys and boxes, if nobody changed them meanwhile

Whether a name exists, a password is right or only a code is missing: each is found out in the same
steps and the same time.  Wrong guesses at a name wait longer and longer at the address from where
they come, so that nobody can lock others out; wrong codes wait for the whole account, because who
gets that far knows the password.
"""

from dataclasses import dataclass

from alcove.server.auth import login_hash, salt_of, same, totp_step_accepted
from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.lists import accept_list, newest_list, read_list
from alcove.server.limits import network
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.accounts import (
    AccountChanged,
    ChangeBox,
    ChangedBox,
    GetSalt,
    Lock,
    OpenBox,
    OpenedBox,
    Salt,
    SetTotp,
)
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refused

GUESS_PAUSE_FIRST_MS = 1000
GUESS_PAUSE_MOST_MS = 15 * 60 * 1000
"""After each wrong guess twice as long as before, from the first to the most."""

NO_LOGIN = bytes(32)
"""What an unknown name's login key is compared with: no hash is like this."""


@dataclass(frozen=True, slots=True)
class Locked:
    """An account and what opens it."""

    account: bytes
    name: str
    disabled_at: int | None
    box_version: int
    totp_secret: bytes | None
    totp_step: int
    login: bytes
    """The hash of the login key under the lock that was asked for."""
    box: bytes | None


def get_salt(tx: Tx, _: Caller, request: GetSalt, __: int) -> Salt:
    """Tell the salt of a name, which says nothing about who exists."""
    return Salt(id=request.id, salt=salt_of(tx.keys, request.name))


def open_box(tx: Tx, caller: Caller, request: OpenBox, now: int) -> OpenedBox:
    """Hand out the sealed box to who shows the login key and the code."""
    locked = _find(tx, "folded", request.name.lower(), request.lock)
    key = (b"login", request.name.lower(), network(caller.address))
    found = _check_login(tx, locked, key, request.login, now)
    check_code(tx, found, request.code, now)
    refuse_unless(found.disabled_at is None, Code.DISABLED)
    tx.audit("box_opened", found.account, lock=request.lock)
    return OpenedBox(
        id=request.id,
        account=found.account,
        name=found.name,
        box=found.box,
        version=found.box_version,
        list=newest_list(tx, found.account),
        totp=found.totp_secret is not None,
    )


def change_box(tx: Tx, caller: Caller, request: ChangeBox, now: int) -> ChangedBox:
    """Swap login keys and boxes, if they are still those that the caller opened."""
    found = open_lock(tx, caller, request.lock, request.login, now)
    refuse_unless(found.box_version == request.version, Code.CHANGED)
    check_code(tx, found, request.code, now)
    if request.list is not None:
        proposed = read_list(request.list)
        refuse_unless(proposed.account == caller.account, Code.NOT_ALLOWED)
        accept_list(tx, caller, request.list, proposed, now)
    version = found.box_version + 1
    tx.run("UPDATE account SET box_version = ? WHERE account = ?", version, caller.account)
    for lock, sealed in (("password", request.password), ("phrase", request.phrase)):
        if sealed is not None:
            tx.run(
                f"UPDATE account SET {lock}_login = ?, {lock}_box = ? WHERE account = ?",  # noqa: S608 - Our words.
                login_hash(tx.keys, sealed.login),
                sealed.box,
                caller.account,
            )
    tx.audit("locks_changed", caller.account)
    tx.push_account(caller.account, AccountChanged(kind="box"), but=caller.device)
    return ChangedBox(id=request.id, version=version)


def set_totp(tx: Tx, caller: Caller, request: SetTotp, now: int) -> Done:
    """Ask for codes of a new secret from now on, or for none any more."""
    found = open_lock(tx, caller, request.lock, request.login, now)
    if request.secret is None:
        if found.totp_secret is not None:
            check_code(tx, found, request.code, now)
            tx.run(
                "UPDATE account SET totp_secret = NULL, totp_step = 0 WHERE account = ?",
                caller.account,
            )
            tx.audit("totp_disabled", caller.account)
        return Done(id=request.id)
    # Whoever has only the password must not be able to swap one secret for another.
    refuse_unless(
        found.totp_secret is None,
        Code.EXISTS,
        "The account asks for codes already; end that first.",
    )
    step = totp_step_accepted(request.secret, request.code, now, 0)
    refuse_unless(step is not None, Code.WRONG_CODE)
    tx.run(
        "UPDATE account SET totp_secret = ?, totp_step = ? WHERE account = ?",
        request.secret,
        step,
        caller.account,
    )
    tx.audit("totp_enabled", caller.account)
    return Done(id=request.id)


# ---- Locks ----


def open_lock(tx: Tx, caller: Caller, lock: Lock, login: bytes, now: int) -> Locked:
    """Return the caller's own account if the login key opens it, or refuse."""
    locked = _find(tx, "account", caller.account, lock)
    return _check_login(tx, locked, (b"login", caller.account), login, now)


def _find(tx: Tx, column: str, value: str | bytes, lock: Lock) -> Locked | None:
    line = tx.one(
        f"""
        SELECT account, name, disabled_at, box_version, totp_secret, totp_step,
            {lock}_login, {lock}_box
        FROM account WHERE {column} = ?
        """,  # noqa: S608 - Our words: a lock is one of two.
        value,
    )
    return Locked(*line) if line else None


def _check_login(
    tx: Tx, locked: Locked | None, key: tuple[bytes | str, ...], login: bytes, now: int
) -> Locked:
    """Return the account if the login key fits; each wrong one makes the next wait longer."""
    _wait(tx, key, now)
    fits = same(login_hash(tx.keys, login), locked.login if locked else NO_LOGIN)
    if locked is not None and fits:
        return locked
    tx.pauses.doubling(key, GUESS_PAUSE_FIRST_MS, GUESS_PAUSE_MOST_MS, now)
    if locked is None:
        tx.audit("login_unknown", None, is_attempt=True)
    else:
        tx.audit("login_failed", locked.account, is_attempt=True)
    raise Refused(Code.WRONG_LOGIN)


def check_code(tx: Tx, found: Locked, code: str | None, now: int) -> None:
    """Refuse unless the account asks for no code or this one is right; each works once."""
    if found.totp_secret is None:
        return
    if code is None:
        raise Refused(Code.CODE_NEEDED)
    key = (b"code", found.account)
    _wait(tx, key, now)
    step = totp_step_accepted(found.totp_secret, code, now, found.totp_step)
    if step is None:
        tx.pauses.doubling(key, GUESS_PAUSE_FIRST_MS, GUESS_PAUSE_MOST_MS, now)
        tx.audit("code_failed", found.account, is_attempt=True)
        raise Refused(Code.WRONG_CODE)
    tx.run("UPDATE account SET totp_step = ? WHERE account = ?", step, found.account)


def _wait(tx: Tx, key: tuple[bytes | str, ...], now: int) -> None:
    """Refuse to look at a guess that comes too soon after a wrong one."""
    wait = tx.pauses.wait(key, now)
    if wait:
        raise Refused(Code.TOO_SOON, retry_after_ms=wait)


HANDLERS: dict[type, Handler] = {
    GetSalt: Handler(get_salt, "anyone", "read", writes=False),
    # Its answer is not kept: a copy of the box would outlive a change of the locks.
    OpenBox: Handler(open_box, "anyone", "sign_in", is_remembered=False),
    ChangeBox: Handler(change_box, "socket", "sign_in"),
    SetTotp: Handler(set_totp, "socket", "sign_in"),
}
