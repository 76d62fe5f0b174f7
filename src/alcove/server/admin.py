"""What the host may do from the server's own machine, one function for each request.

`alcove admin` sends these over a socket in the data folder, or carries them out itself when no
server runs.  Who can open that folder is the host: nothing else is asked.  Everything that changes
something leaves an audit event, whose address says which user of the machine it was.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alcove.server import audit_log, policy
from alcove.server.admin_messages import (
    Account,
    AccountPage,
    Accounts,
    BotLink,
    Disable,
    Done,
    EventPage,
    Events,
    Export,
    Invite,
    InviteLink,
    InviteList,
    Invites,
    Limit,
    LimitList,
    Limits,
    Link,
    Overview,
    OwnerLink,
    Policy,
    Quota,
    Report,
    ResetLink,
    Tell,
    Totals,
    Uninvite,
)
from alcove.server.effects import Ended, ToEveryone
from alcove.server.handlers.invites import Kind, address_of, make_invite, owner_link, page_link
from alcove.server.pages import Status
from alcove.server.settings import SETTINGS, Settings, SettingsError
from alcove.server.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import ANNOUNCEMENT_CHARACTERS_MAX, Announcement
from alcove.wire.ids import NAME_CHARACTERS_MAX, NAME_CHARACTERS_MIN

ACCOUNTS_PAGE: Final = 200
"""Accounts in one answer to `alcove admin accounts`, which asks for all pages."""
INVITES_MAX: Final = 1000
"""Links that `alcove admin invites` lists: the newest."""
OVERVIEW_EVENTS: Final = 50
"""How many of the newest audit events the admin page shows."""
LIMIT_SECTIONS: Final = ("accounts", "rooms", "files", "connections", "rates")

_NAME: Final = re.compile(rf"[A-Za-z0-9._-]{{{NAME_CHARACTERS_MIN},{NAME_CHARACTERS_MAX}}}")


@dataclass(frozen=True, slots=True)
class Ground:
    """What requests of the host need to know beside the database."""

    base: Settings
    """The settings without the changes in the database."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each of them that is no default was set."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A reply that comes with new settings, for whoever runs the server."""

    reply: LimitList
    settings: Settings


# ---- Accounts ----


def accounts(tx: Tx, _: Ground, request: Accounts) -> AccountPage:
    """Return a page of the accounts."""
    lines = tx.all(
        f"{_ACCOUNTS} WHERE a.folded > ? ORDER BY a.folded LIMIT ?",
        request.after,
        ACCOUNTS_PAGE + 1,
    )
    found = tuple(_account(tx, line) for line in lines[:ACCOUNTS_PAGE])
    more = found[-1].name.lower() if len(lines) > ACCOUNTS_PAGE else None
    return AccountPage(found, more)


_ACCOUNTS: Final = """
    SELECT a.name, a.account, a.created_at, a.seen_at, a.is_host, a.is_bot, a.disabled_at,
        (SELECT COUNT(*) FROM device d WHERE d.account = a.account AND d.revoked_at IS NULL),
        (SELECT COUNT(*) FROM room_account r WHERE r.account = a.account),
        (SELECT COALESCE(SUM(b.size), 0) FROM blob b WHERE b.account = a.account),
        a.quota_bytes
    FROM account a
"""


def _account(tx: Tx, line: tuple[Any, ...]) -> Account:
    name, account, created, seen, host, bot, disabled, devices, rooms, used, quota = line
    usual = tx.settings.account_quota_bytes
    return Account(
        name, account.hex(), created, seen, bool(host), bool(bot), disabled, devices, rooms, used,
        usual if quota is None else quota,
    )  # fmt: skip


def _find(tx: Tx, name: str) -> bytes:
    line = tx.one("SELECT account FROM account WHERE folded = ?", _plain(name).lower())
    if line is None:
        raise Refused(Code.UNKNOWN, "Nobody here has that name; `alcove admin accounts` lists all.")
    return bytes(line[0])


def _plain(name: str) -> str:
    """Return a name as it is stored: people put an @ before it."""
    return name.removeprefix("@")


def _shown(tx: Tx, account: bytes) -> Account:
    (line,) = tx.all(f"{_ACCOUNTS} WHERE a.account = ?", account)
    return _account(tx, line)


def disable(tx: Tx, _: Ground, request: Disable) -> Account:
    """Let an account sign in no more and end its connections and tokens, or let it in again."""
    account = _find(tx, request.name)
    (since,) = tx.one("SELECT disabled_at FROM account WHERE account = ?", account) or (None,)
    if request.disabled == (since is not None):
        return _shown(tx, account)
    disabled_at = tx.now if request.disabled else None
    tx.run("UPDATE account SET disabled_at = ? WHERE account = ?", disabled_at, account)
    if request.disabled:
        lines = tx.all("SELECT device FROM device WHERE account = ? ORDER BY device", account)
        for (device,) in lines:
            tx.run("DELETE FROM token WHERE device = ?", device)
        tx.effects.append(Ended(tuple(device for (device,) in lines), Code.DISABLED))
    tx.audit("account_disabled" if request.disabled else "account_enabled", account)
    return _shown(tx, account)


def quota(tx: Tx, _: Ground, request: Quota) -> Account:
    """Give an account more or less space for files than others have."""
    account = _find(tx, request.name)
    tx.run("UPDATE account SET quota_bytes = ? WHERE account = ?", request.size_bytes, account)
    size = request.size_bytes
    tx.audit("quota_changed", account, quota="as everyone" if size is None else size)
    return _shown(tx, account)


# ---- Links ----


def reset(tx: Tx, _: Ground, request: ResetLink) -> Link:
    """Make a reset link; of those for one account only the last works."""
    account = _find(tx, request.name)
    tx.run("DELETE FROM invite WHERE kind = 'reset' AND account = ?", account)
    return _make(tx, "reset", days=tx.settings.reset_days, account=account)


def bot(tx: Tx, _: Ground, request: BotLink) -> Link:
    """Make an enrolment for a bot of a name that is free."""
    name = _plain(request.name)
    if not _NAME.fullmatch(name):
        why = "letters, digits, '.', '_' and '-'"
        between = f"{NAME_CHARACTERS_MIN} to {NAME_CHARACTERS_MAX}"
        raise Refused(Code.MALFORMED, f"A name has {between} characters: {why}.")
    if tx.one("SELECT 1 FROM account WHERE folded = ?", name.lower()):
        raise Refused(Code.NAME_TAKEN)
    return _make(tx, "bot", days=tx.settings.bot_days)


def invite(tx: Tx, _: Ground, request: InviteLink) -> Link:
    """Make an invite in the server's own name."""
    return _make(tx, "invite", uses=request.uses, days=request.days)


def owner(tx: Tx, _: Ground, __: OwnerLink) -> Link:
    """Make the owner link anew."""
    link = owner_link(tx, tx.now, tx.certificate)
    if link is None:
        raise Refused(
            Code.EXISTS, "This server has a host already, so there is no owner link any more."
        )
    (line,) = tx.all("SELECT invite, uses, expires_at FROM invite WHERE kind = 'owner'")
    name, uses, expires_at = line
    return Link("owner", name, link, uses, expires_at)


def page(tx: Tx) -> Link:
    """Make the link by which a browser comes to the admin page."""
    made, link = page_link(tx, tx.now)
    return Link("page", made.invite, link, made.uses, made.expires_at)


def _make(tx: Tx, kind: Kind, *, days: int, uses: int = 1, account: bytes | None = None) -> Link:
    made, link = make_invite(
        tx, kind, None, uses=uses, days=days, now=tx.now, account=account,
        certificate=tx.certificate,
    )  # fmt: skip
    return Link(kind, made.invite, link, uses, made.expires_at)


def invites(tx: Tx, _: Ground, __: Invites) -> InviteList:
    """Return the newest links."""
    lines = tx.all(
        """
        SELECT i.invite, i.kind, coalesce(a.name, ''), i.made_at, i.expires_at, i.uses, i.used,
               coalesce(f.name, '')
        FROM invite i
        LEFT JOIN account a ON a.account = i.made_by LEFT JOIN account f ON f.account = i.account
        ORDER BY i.made_at DESC, i.invite LIMIT ?
        """,
        INVITES_MAX,
    )
    return InviteList(tuple(Invite(*line) for line in lines))


def uninvite(tx: Tx, _: Ground, request: Uninvite) -> Done:
    """Withdraw a link of any kind."""
    line = tx.one("SELECT made_by FROM invite WHERE invite = ?", request.invite)
    if line is None:
        raise Refused(Code.UNKNOWN, "There is no such link; `alcove admin invites` lists all.")
    tx.run("DELETE FROM invite WHERE invite = ?", request.invite)
    tx.audit("invite_withdrawn", line[0], invite=request.invite)
    return Done("The link works no more.")


# ---- Settings ----


def show_policy(tx: Tx, ground: Ground, request: Policy) -> LimitList | Changed:
    """Return what may change while the server runs, or change one of it."""
    if request.name is None or request.value is None:
        names = policy.CHANGEABLE if request.name is None else (request.name,)
        return _limits(tx, ground, tx.settings, names)
    text = None if request.value == "default" else request.value
    try:
        settings = policy.change(tx, ground.base, request.name, text)
    except SettingsError as error:
        raise Refused(Code.NOT_ALLOWED, str(error)) from error
    return Changed(_limits(tx, ground, settings, (request.name,)), settings)


def limits(tx: Tx, ground: Ground, _: Limits) -> LimitList:
    """Return every setting that is a limit."""
    names = [one.name for one in SETTINGS if one.section in LIMIT_SECTIONS and not one.secret]
    return _limits(tx, ground, tx.settings, tuple(names))


def _limits(tx: Tx, ground: Ground, settings: Settings, names: tuple[str, ...]) -> LimitList:
    known = {one.name: one for one in SETTINGS if not one.secret}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Refused(Code.UNKNOWN, "There is no such setting; `alcove admin limits` lists all.")
    changed = policy.changes(tx)
    return LimitList(
        tuple(
            Limit(
                name,
                policy.in_force(settings, name),
                known[name].show(known[name].default),
                name in policy.CHANGEABLE,
                name in changed,
                known[name].description,
                policy.SOURCE if name in changed else ground.origins.get(name, policy.DEFAULT),
            )
            for name in names
        )
    )


# ---- Telling ----


def tell(tx: Tx, request: Tell) -> Done:
    """Tell everyone who is connected something, in plain text."""
    text = request.text.strip()
    if not 0 < len(text) <= ANNOUNCEMENT_CHARACTERS_MAX:
        raise Refused(
            Code.TOO_LARGE,
            f"What you tell has 1 to {ANNOUNCEMENT_CHARACTERS_MAX} characters; this has"
            f" {len(text)}.",
        )
    if not all(line.isprintable() for line in text.split("\n")):
        why = "Control characters are not told, because people's terminals might obey them."
        raise Refused(Code.MALFORMED, why)
    tx.effects.append(ToEveryone(encode(Announcement(text=text, at=tx.now))))
    tx.audit("host_told", None, characters=len(text))
    return Done("Everyone who is connected now was told.  It is stored nowhere.")


# ---- Figures and the audit log ----


def totals(tx: Tx) -> Totals:
    """Count what is in the database."""
    (line,) = tx.all(
        """
        SELECT (SELECT COUNT(*) FROM account),
            (SELECT COUNT(*) FROM account WHERE is_bot = 1),
            (SELECT COUNT(*) FROM account WHERE disabled_at IS NOT NULL),
            (SELECT COUNT(*) FROM device WHERE revoked_at IS NULL),
            (SELECT COUNT(*) FROM room),
            (SELECT COALESCE(SUM((SELECT MAX(e.seq) FROM entry e WHERE e.room = r.number)), 0)
                FROM room r),
            (SELECT COUNT(*) FROM blob WHERE done_at IS NOT NULL),
            (SELECT COALESCE(SUM(size), 0) FROM blob WHERE done_at IS NOT NULL),
            (SELECT COUNT(*) FROM invite WHERE used < uses AND expires_at > ?),
            (SELECT COUNT(*) FROM event),
            (SELECT COUNT(*) FROM event WHERE suspicious = 1)
        """,
        tx.now,
    )
    return Totals(*(int(count) for count in line))


def events(tx: Tx, _: Ground, request: Events) -> EventPage:
    """Return the newest audit events."""
    return EventPage(audit_log.newest(tx, request.most, suspicious=request.suspicious))


def export(tx: Tx, _: Ground, request: Export) -> EventPage:
    """Return a page of all audit events; the first one is written down."""
    if request.after == 0:
        tx.audit("log_exported", None)
    return EventPage(audit_log.page(tx, request.after, suspicious=request.suspicious))


def overview(tx: Tx, status: Status, ends_at: int) -> Overview:
    """Gather what the admin page shows."""
    return Overview(
        Report(status, address_of(tx.settings), totals(tx)),
        accounts(tx, Ground(tx.settings), Accounts()),
        EventPage(audit_log.newest(tx, OVERVIEW_EVENTS)),
        ends_at,
    )


# ---- Who carries what out ----


@dataclass(frozen=True, slots=True)
class Act:
    """A function for one kind of request."""

    function: Callable[[Tx, Ground, Any], Any]
    writes: bool = True


TABLE: Final[dict[type, Act]] = {
    Accounts: Act(accounts, writes=False),
    Disable: Act(disable),
    Quota: Act(quota),
    ResetLink: Act(reset),
    BotLink: Act(bot),
    InviteLink: Act(invite),
    OwnerLink: Act(owner),
    Invites: Act(invites, writes=False),
    Uninvite: Act(uninvite),
    Policy: Act(show_policy),
    Limits: Act(limits, writes=False),
    Events: Act(events, writes=False),
    Export: Act(export),
}
"""What is one transaction.  The rest takes several, or needs more than the database."""
