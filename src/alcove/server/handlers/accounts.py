"""Accounts: how one is made, and how it comes back by a link of the host.

Both may be repeated when the answer was lost: who shows the same account, list and login key again
is told the same again, and neither a name nor an invite is used up twice.
"""

from dataclasses import dataclass

from alcove.server.auth import login_hash, same, secret_hash
from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.archive import drop_archive
from alcove.server.handlers.devices import tell_sharing
from alcove.server.handlers.invites import Found, count_use, find_invite
from alcove.server.handlers.leftovers import left_until
from alcove.server.handlers.lists import (
    Accepted,
    audit_list,
    check_list,
    newest_list,
    publish,
    read_list,
)
from alcove.server.handlers.packages import store_packages
from alcove.server.settings_together import registration
from alcove.server.tx import Tx, digest, refuse_unless
from alcove.wire.accounts import OpenedReset, OpenReset, Register, Registered, Reset
from alcove.wire.devices import DeviceList, ListChanged
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import device_id


@dataclass(frozen=True, slots=True)
class Known:
    """An account as it stands."""

    account: bytes
    name: str
    is_host: bool
    is_bot: bool
    invited_by: bytes | None
    identity: bytes
    list_version: int
    list_hash: bytes
    password_login: bytes


# ---- Registering ----


def register(tx: Tx, _: Caller, request: Register, now: int) -> Registered:
    """Make an account with its first device."""
    proposed = read_list(request.list)
    # The last of an account of before may still have to go: nobody must come into its place.
    refuse_unless(left_until(tx, "account", request.account) is None, Code.EXISTS)
    known = _find(tx, "account", request.account)
    if known is not None:
        is_same = known.identity == proposed.identity and _logs_in(tx, known, request)
        refuse_unless(is_same, Code.EXISTS)
        return _registered(request, known)
    invite = _let_in(tx, request, now)
    fits = (
        proposed.account == request.account
        and proposed.version == 1
        and proposed.before == NOTHING_BEFORE
    )
    refuse_unless(fits, Code.BAD_LIST)
    refuse_unless(_find(tx, "folded", request.name.lower()) is None, Code.NAME_TAKEN)
    accepted = check_list(tx, request.list, proposed, request.name, None)
    _check_first_device(tx, proposed, request)
    made_by = invite.made_by if invite else None
    tx.insert(
        """account (account, name, folded, created_at, is_host, is_bot, invited_by, identity,
        list_version, list_hash, password_login, password_box, phrase_login, phrase_box)""",
        [(
            request.account,
            request.name,
            request.name.lower(),
            now,
            int(invite is not None and invite.kind == "owner"),
            int(invite is not None and invite.kind == "bot"),
            made_by,
            proposed.identity,
            proposed.version,
            digest(request.list.body),
            login_hash(tx.keys, request.password.login),
            request.password.box,
            login_hash(tx.keys, request.phrase.login),
            request.phrase.box,
        )],
    )  # fmt: skip
    _begin(tx, accepted, request, now)
    tx.audit("account_created", request.account)
    if invite is not None:
        count_use(tx, invite)
        _audit_use(tx, invite, request.account)
    made = _find(tx, "account", request.account)
    assert made is not None
    return _registered(request, made)


def _let_in(tx: Tx, request: Register, now: int) -> Found | None:
    """Refuse who may not register here; return the invite that opens the door, if there is one."""
    if request.invite is not None:
        return find_invite(tx, request.invite, ("invite", "owner", "bot"), now)
    policy = registration(tx.settings)
    if policy == "open":
        return None
    if policy == "password" and request.server_password is not None:
        # Both are hashed first: so the time tells nothing about how long or how near a guess was.
        shown = secret_hash(tx.keys, request.server_password)
        if same(shown, secret_hash(tx.keys, tx.settings.server_password)):
            return None
    tx.audit("registration_refused", None, is_attempt=True)
    raise Refused(Code.NOT_INVITED)


def _audit_use(tx: Tx, invite: Found, account: bytes) -> None:
    """Tell the account what it has become, and who invited it that somebody came."""
    if invite.kind == "owner":
        tx.audit("owner_link_used", account)
    elif invite.kind == "bot":
        tx.audit("bot_enrolled", account)
    else:
        tx.audit("invite_used", invite.made_by, is_quiet=True, invite=invite.invite)


# ---- Coming back ----


def open_reset(tx: Tx, _: Caller, request: OpenReset, now: int) -> OpenedReset:
    """Show the newest list of an account to whoever has a link by which it comes back."""
    known = _by_link(tx, request, now)[0]
    newest = newest_list(tx, known.account)
    return OpenedReset(id=request.id, account=known.account, name=known.name, list=newest)


def _by_link(tx: Tx, request: OpenReset | Reset, now: int) -> tuple[Known, Found]:
    """Return the account of that name, if the link of that secret is for it, or refuse."""
    invite = find_invite(tx, request.secret, ("reset",), now)
    known = _find(tx, "folded", request.name.lower())
    if known is None or invite.account != known.account:
        raise Refused(Code.LINK_ENDED, "The link is for another account.")
    return known, invite


def reset(tx: Tx, caller: Caller, request: Reset, now: int) -> Registered:
    """Let an account come back with a new identity and one new device; all others end."""
    proposed = read_list(request.list)
    known = _find(tx, "folded", request.name.lower())
    if known and known.list_hash == digest(request.list.body) and _logs_in(tx, known, request):
        return _registered(request, known)
    known, invite = _by_link(tx, request, now)
    follows = proposed.version == known.list_version + 1 and proposed.before == known.list_hash
    refuse_unless(follows, Code.STALE_LIST)
    fits = proposed.account == known.account and proposed.identity != known.identity
    refuse_unless(fits, Code.BAD_LIST)
    accepted = check_list(tx, request.list, proposed, known.name, None)
    _check_first_device(tx, proposed, request)
    refuse_unless(len(accepted.added) == 1, Code.BAD_LIST, "The device must be a new one.")
    tx.run(
        """
        UPDATE account SET reset_at = ?, password_login = ?, password_box = ?, phrase_login = ?,
            phrase_box = ?, box_version = box_version + 1, totp_secret = NULL, totp_step = 0,
            profile = NULL
        WHERE account = ?
        """,
        now,
        login_hash(tx.keys, request.password.login),
        request.password.box,
        login_hash(tx.keys, request.phrase.login),
        request.phrase.box,
        known.account,
    )
    # What was sealed to keys in the old box, nobody can open any more.
    drop_archive(tx, known.account)
    count_use(tx, invite)
    _begin(tx, accepted, request, now)
    tx.audit("account_reset", known.account)
    audit_list(tx, accepted)
    changed = ListChanged(account=known.account, version=proposed.version)
    tell_sharing(tx, known.account, changed, but=caller.device)
    return _registered(request, known)


# ---- What both have in common ----


def _find(tx: Tx, column: str, value: str | bytes) -> Known | None:
    line = tx.one(
        f"""
        SELECT account, name, is_host, is_bot, invited_by, identity, list_version, list_hash,
            password_login
        FROM account WHERE {column} = ?
        """,  # noqa: S608 - Our words.
        value,
    )
    return Known(*line) if line else None


def _logs_in(tx: Tx, known: Known, request: Register | Reset) -> bool:
    return same(login_hash(tx.keys, request.password.login), known.password_login)


def _check_first_device(tx: Tx, proposed: DeviceList, request: Register | Reset) -> None:
    """Refuse more devices than the one that asks, and more key packages than a device may keep."""
    refuse_unless(
        len(proposed.certificates) == 1, Code.BAD_LIST, "The list must hold this device alone."
    )
    refuse_unless(len(request.packages) <= tx.settings.account_packages_max, Code.LIMIT)


def _begin(tx: Tx, accepted: Accepted, request: Register | Reset, now: int) -> None:
    """Publish the list and store the key packages of its one device."""
    publish(tx, accepted, now)
    device = device_id(accepted.added[0].device)
    store_packages(tx, device, request.packages, request.last_resort)


def _registered(request: Register | Reset, known: Known) -> Registered:
    return Registered(
        id=request.id,
        account=known.account,
        host=bool(known.is_host),
        bot=bool(known.is_bot),
        invited_by=known.invited_by,
    )


HANDLERS: dict[type, Handler] = {
    Register: Handler(register, "anyone", "register"),
    # Nothing of it is kept: the list is told again only to who still has a link that works.
    OpenReset: Handler(open_reset, "anyone", "sign_in", is_remembered=False),
    Reset: Handler(reset, "anyone", "register"),
}
