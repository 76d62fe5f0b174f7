"""Invites: the links by which people come, bots are enrolled and lost accounts come back.

A link is an id, which the server stores, and a secret, of which it stores a keyed hash.  Whoever
shows the secret may do what the link is for, as often and as long as it works.
"""

import base64
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from alcove.server.auth import invite_secret, new_secret, secret_hash
from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.settings import Settings
from alcove.server.settings_together import has_tls
from alcove.server.store.database import Line
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refused
from alcove.wire.invites import DropInvite, GetInvites, Invite, Invited, Invites, NewInvite

Kind = Literal["invite", "owner", "bot", "reset", "page"]

DAY_MS = 24 * 60 * 60 * 1000
KEPT_DAYS = 30
"""How long an invite that has expired is still listed."""
PAGE_LINK_MS = 10 * 60 * 1000
"""How long the link to the admin page works: it is opened at once, or made again."""
LISTED_MAX = 1000
"""How many invites one answer lists."""
ID_BYTES = 10
"""80 bits, which base32 writes in exactly 16 characters."""

CREATED = {
    "invite": "invite_created",
    "owner": "invite_created",
    "bot": "invite_created",
    "reset": "reset_link_created",
    "page": "page_link_created",
}
"""The event of each kind of link."""
SHOWN = ("invite", "owner", "bot")
"""The kinds that have a page for whoever opens them in a browser."""

COLUMNS = "invite, kind, made_by, made_at, expires_at, uses, used"


@dataclass(frozen=True, slots=True)
class Found:
    """A link whose secret was shown, and that works."""

    invite: str
    kind: Kind
    account: bytes | None
    """For `reset`: whose."""
    made_by: bytes | None


def new_invite(tx: Tx, caller: Caller, request: NewInvite, now: int) -> Invited:
    """Make a link by which people can register here."""
    if not caller.is_host:
        refuse_unless(tx.settings.invites_by == "members", Code.HOST_ONLY)
        (count,) = tx.one(
            "SELECT COUNT(*) FROM invite WHERE made_by = ? AND used < uses AND expires_at > ?",
            caller.account,
            now,
        ) or (0,)
        refuse_unless(
            count < tx.settings.account_invites_max,
            Code.LIMIT,
            "You have as many invites as one account may have; withdraw one first.",
        )
    invite, _ = _add(
        tx, "invite", caller.account, uses=request.uses, expires_at=now + request.days * DAY_MS,
        now=now, is_computed=True,
    )  # fmt: skip
    return Invited(id=request.id, invite=invite, link="")


def with_link(tx: Tx, invited: Invited) -> Invited:
    """Return a new invite with its link: the same secret, however often it is asked for.

    Not byte for byte the same: it names the address and the certificate that the server has now.
    """
    name = invited.invite.invite
    link = _link(tx, name, invite_secret(tx.keys, name), tx.certificate)
    return replace(invited, link=link)


def get_invites(tx: Tx, caller: Caller, request: GetInvites, _: int) -> Invites:
    """List the caller's invites, newest first; the host sees all links."""
    lines = tx.all(
        f"""
        SELECT {COLUMNS} FROM invite {"" if caller.is_host else "WHERE made_by = ?"}
        ORDER BY made_at DESC, invite LIMIT ?
        """,  # noqa: S608 - Our words.
        *(() if caller.is_host else (caller.account,)),
        LISTED_MAX,
    )
    return Invites(id=request.id, invites=tuple(Invite(*line) for line in lines))


def drop_invite(tx: Tx, caller: Caller, request: DropInvite, _: int) -> Done:
    """Withdraw an invite of the caller; the host may withdraw any link."""
    line = tx.one("SELECT made_by FROM invite WHERE invite = ?", request.invite)
    refuse_unless(line and (caller.is_host or line[0] == caller.account), Code.UNKNOWN)
    tx.run("DELETE FROM invite WHERE invite = ?", request.invite)
    tx.audit("invite_withdrawn", caller.account, invite=request.invite)
    return Done(id=request.id)


# ---- Making links, also for the admin's commands ----


def make_invite(
    tx: Tx,
    kind: Kind,
    made_by: bytes | None,
    *,
    uses: int,
    days: int,
    now: int,
    account: bytes | None = None,
    certificate: bytes | None = None,
) -> tuple[Invite, str]:
    """Make a link, and return it without its secret and as it is handed on, this once.

    `certificate` is the SHA-256 of the server's certificate where that is self-signed.
    """
    invite, secret = _add(
        tx, kind, made_by, uses=uses, expires_at=now + days * DAY_MS, now=now, account=account
    )
    return invite, _link(tx, invite.invite, secret, certificate)


def _link(tx: Tx, invite: str, secret: str, certificate: bytes | None) -> str:
    parts = [secret, f"k{tx.keys.public.hex()}"]
    if certificate is not None:
        parts.append(f"t{certificate.hex()}")
    return f"{address_of(tx.settings)}/i/{invite}#{'.'.join(parts)}"


def _add(
    tx: Tx,
    kind: Kind,
    made_by: bytes | None,
    *,
    uses: int,
    expires_at: int,
    now: int,
    account: bytes | None = None,
    is_computed: bool = False,
) -> tuple[Invite, str]:
    """Store a new link, and return it and its secret, drawn or computed from its id."""
    tx.run("DELETE FROM invite WHERE expires_at < ?", now - KEPT_DAYS * DAY_MS)
    name = base64.b32encode(tx.random(ID_BYTES)).decode("ascii").lower()
    secret = invite_secret(tx.keys, name) if is_computed else new_secret(tx.random)
    invite = Invite(name, kind, made_by, now, expires_at, uses, 0)
    line = (
        name,
        secret_hash(tx.keys, secret),
        kind,
        account,
        made_by,
        now,
        invite.expires_at,
        uses,
    )
    tx.insert(
        "invite (invite, secret_hash, kind, account, made_by, made_at, expires_at, uses)", [line]
    )
    tx.audit(CREATED[kind], account or made_by, invite=name, kind=kind, uses=uses)
    return invite, secret


def owner_link(tx: Tx, now: int, certificate: bytes | None = None) -> str | None:
    """Return a fresh link by which somebody becomes the host, or None when there is a host.

    The one of before ends: of links that were printed, only the last works.
    """
    if tx.one("SELECT 1 FROM account WHERE is_host = 1"):
        return None
    tx.run("DELETE FROM invite WHERE kind = 'owner'")
    _, link = make_invite(
        tx, "owner", None, uses=1, days=tx.settings.owner_days, now=now, certificate=certificate
    )
    return link


def page_link(tx: Tx, now: int) -> tuple[Invite, str]:
    """Make the link by which a browser comes to the admin page; the one of before ends.

    A browser checks no keys, so the link carries none.
    """
    tx.run("DELETE FROM invite WHERE kind = 'page' AND expires_at > ?", now)
    invite, secret = _add(tx, "page", None, uses=1, expires_at=now + PAGE_LINK_MS, now=now)
    return invite, f"{address_of(tx.settings)}/admin#{secret}"


def address_of(settings: Settings) -> str:
    """Return the address with which links begin; `public_url` is the surest way to a good one."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if has_tls(settings) else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"


# ---- Looking at links and using them ----


def look_at_invite(tx: Tx, name: str) -> tuple[Invite, str | None] | None:
    """Return a link without its secret and the name of who made it, for the invite page.

    `name` may be anything that stood in an address.
    """
    if not (name.isascii() and name.isalnum()):
        return None
    line: Line | None = tx.one(
        """
        SELECT i.invite, i.kind, i.made_by, i.made_at, i.expires_at, i.uses, i.used, a.name
        FROM invite i LEFT JOIN account a ON a.account = i.made_by
        WHERE i.invite = ?
        """,
        name,
    )
    if line is None or line[1] not in SHOWN:
        return None
    *invite, inviter = line
    return Invite(*invite), inviter


def find_invite(tx: Tx, secret: str, kinds: tuple[Kind, ...], now: int) -> Found:
    """Return the link that a secret belongs to, or refuse when it does not work (any more)."""
    line = tx.one(
        """
        SELECT i.invite, i.kind, i.account, i.made_by, i.expires_at, i.uses, i.used
        FROM invite i LEFT JOIN account a ON a.account = i.made_by
        WHERE i.secret_hash = ? AND a.disabled_at IS NULL
        """,
        secret_hash(tx.keys, secret),
    )
    if line is not None:
        invite, kind, account, made_by, expires_at, uses, used = line
        if kind in kinds and now < expires_at and used < uses:
            return Found(invite, kind, account, made_by)
    tx.audit("link_refused", None, is_attempt=True)
    raise Refused(Code.LINK_ENDED)


def count_use(tx: Tx, found: Found) -> None:
    """Note that a link was used once more."""
    tx.run("UPDATE invite SET used = used + 1 WHERE invite = ?", found.invite)


def use_page_link(tx: Tx, secret: str, now: int) -> None:
    """Let whoever shows the secret of a link to the admin page see it, or refuse."""
    found = find_invite(tx, secret, ("page",), now)
    count_use(tx, found)
    tx.audit("page_link_used", None, invite=found.invite)


HANDLERS: dict[type, Handler] = {
    # Its answer holds a secret, of which only a hash may be stored: what is kept is the rest.
    NewInvite: Handler(new_invite, "socket", "write", completed=with_link),
    GetInvites: Handler(get_invites, "device", "read", writes=False),
    DropInvite: Handler(drop_invite, "device", "write"),
}
