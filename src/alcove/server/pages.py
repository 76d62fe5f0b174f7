"""The small pages that the server itself serves: what it is, what an invite is for, how it is.

    GET /              home_page      what this is, and how people come in
    GET /i/ID          invite_page    who invites, to where, and what to type on a computer
    GET /status        status_page    figures, asked for again every two seconds: /status.json
    GET /admin         admin_page     the host's figures, accounts and events: /admin/overview
    anything else      error_page     one sentence, in the same look

The secret of an invite stands after the `#` of its link and never reaches the server: a script in
the browser puts it into the command.  What people named themselves is escaped by `_fill`, and the
policy in `PAGE_HEADERS` would not let it run even if it were not.
"""

import html
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from alcove.server.settings import Registration
from alcove.wire.ids import Count, Millis
from alcove.wire.invites import Invite

# ---- What goes along with every page ----

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A page may load from its own server and from nowhere else, and runs nothing written inside it."""

_EVERYWHERE: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

PAGE_HEADERS: Final[Mapping[str, str]] = MappingProxyType({
    **_EVERYWHERE,
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
})  # fmt: skip
"""For every page: an invite is nobody's to keep, to frame or to index."""

STATUS_HEADERS: Final[Mapping[str, str]] = MappingProxyType({
    **_EVERYWHERE,
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
})  # fmt: skip
"""For `/status.json`."""

FILE_HEADERS: Final[Mapping[str, str]] = MappingProxyType({
    **_EVERYWHERE,
    "Cache-Control": "no-cache",
})  # fmt: skip
"""For `/static/NAME`, beside its type and ETag.  `no-cache` means: keep it, but ask each time."""


# ---- What a visitor is told to type ----


class Command(Struct, frozen=True):
    """What one system's terminal takes.  `LINK` stands where the whole link goes."""

    key: str
    system: str
    text: str


_WITH_A_SHELL: Final = (
    "python3 -m venv .venv &&\n.venv/bin/pip install . &&\n.venv/bin/alcove register 'LINK'"
)
# The PowerShell that comes with Windows knows no `&&`.  Double quotes, because the older command
# prompt takes single ones for a part of the word.
_ON_WINDOWS: Final = (
    'py -m venv .venv\n.venv\\Scripts\\pip install .\n.venv\\Scripts\\alcove register "LINK"'
)

COMMANDS: Final = (
    Command("linux", "Linux", _WITH_A_SHELL),
    Command("macos", "macOS", _WITH_A_SHELL),
    Command("windows", "Windows", _ON_WINDOWS),
)
"""One command for each system: the only place to change when the program is published.

None may fetch `alcove` by name: on the package index that name is another project's, and the
command would hand the invite to a stranger's program.
"""

COMMANDS_STATE: Final = (
    "This works in a folder with a copy of Alcove's source, fetched with git; whoever invites you"
    " knows from where. Then “alcove chat” begins to talk. Do not install “alcove” from PyPI: there"
    " the name belongs to another project."
)
"""What is true today about `COMMANDS`."""


# ---- Templates ----


class Templates(Struct, frozen=True):
    """The hand-written files that pages are made from; `alcove.server.io.static` reads them."""

    invite: str
    system: str
    """One system's command, a part of the invite page."""
    message: str
    figures: str
    """The figures of the running server, a part of the next two."""
    status: str
    admin: str
    home: str


class ServerName(Struct, frozen=True):
    """What the server is called, and where it is reached."""

    name: str
    """As the host set it; empty where the address is enough."""
    address: str
    """Host name and, where it is not the usual one, port."""


class Page(Struct, frozen=True):
    """A page, and the HTTP status that it goes out with."""

    code: int
    body: bytes


class _Html(Struct, frozen=True):
    """Text that is markup already.  Everything else is escaped."""

    text: str


_SLOT: Final = re.compile(r"\{\{([a-z_]+)\}\}")


def _fill(template: str, values: Mapping[str, str | _Html]) -> str:
    """Put values into the `{{slots}}`, once: a value that looks like a slot stays as it is."""

    def put(slot: re.Match[str]) -> str:
        value = values[slot[1]]
        return value.text if isinstance(value, _Html) else html.escape(value)

    return _SLOT.sub(put, template)


def _called(server: ServerName) -> str:
    return server.name or server.address


# ---- The invite page ----


class _Words(Struct, frozen=True):
    """What is said about one kind of link.  `{who}` is who made it."""

    heading: str
    heading_without: str
    """The same where nobody is known who made it."""
    role: str
    lead: str
    once: str
    used_heading: str
    used: str
    ended: str


_WORDS: Final[Mapping[str, _Words]] = MappingProxyType({
    "invite": _Words(
        heading="{who} invites you to this server",
        heading_without="You are invited to this server",
        role="made this link",
        lead="Alcove is a place for conversations that only the members' own devices can open:"
        " this server carries them sealed and holds no key.",
        once="Lets one person in.",
        used_heading="This invite has been used up",
        used="As many people came in by it as it was made for. Ask {who} for a new one.",
        ended="Ask {who} for a new one.",
    ),
    "owner": _Words(
        heading="Become the host of this server",
        heading_without="Become the host of this server",
        role="made this link",
        lead="Whoever uses this link first is the host: invites people, sets limits, makes backups."
        " Do not pass it on. Alcove keeps conversations sealed; not even the host can open them.",
        once="Works once, for the host.",
        used_heading="This server has its host",
        used="The owner link works once, and it was used. If that was neither you nor somebody you"
        " trust, stop the server and look at its audit log.",
        ended="Start the server again: it prints a new one.",
    ),
    "bot": _Words(
        heading="{who} made a place for a bot",
        heading_without="There is a place for a bot here",
        role="made this link",
        lead="This link makes one account for a program, which then reads what it is invited to."
        " Give it to who runs the bot and to nobody else.",
        once="Works once, for one bot.",
        used_heading="This bot has been enrolled",
        used="The link works once, and it was used. If that was not your bot, tell {who}.",
        ended="Ask {who} for a new one.",
    ),
})  # fmt: skip


def invite_page(
    templates: Templates,
    server: ServerName,
    invite: Invite | None,
    inviter: str | None,
    now: Millis,
) -> Page:
    """Return what somebody sees who opens an invite link.

    `invite` is None for an id that never was and for one that was withdrawn: the page does not tell
    which.  Links that bring an account back or open the admin page have no page either.  `inviter`
    is an account name, or None where there is none or it is gone.
    """
    if invite is None or invite.kind not in _WORDS:
        heading = "This invite is not known here"
        sentence = (
            "It may have been withdrawn, or a piece of the link was lost on its way."
            " Ask whoever sent it for a new one."
        )
        return _message(templates, server, 404, heading, sentence)
    words = _WORDS[invite.kind]
    who = f"@{inviter}" if inviter else "the host"
    if invite.used >= invite.uses:
        sentence = words.used.format(who=who)
        return _message(templates, server, 410, words.used_heading, sentence)
    if invite.expires_at <= now:
        sentence = f"Its time ran out {_span(now - invite.expires_at)} ago. " + words.ended.format(
            who=who
        )
        return _message(templates, server, 410, "This link has ended", sentence)
    heading = words.heading.format(who=who) if inviter else words.heading_without
    text = _fill(
        templates.invite,
        {
            "server": server.name,
            "address": server.address,
            "heading": heading,
            "initials": _initials(inviter or ""),
            "inviter": f"@{inviter}" if inviter else _called(server),
            "role": words.role if inviter else "this server",
            "lead": words.lead,
            "uses": _uses(invite, words),
            "ends_millis": str(invite.expires_at),
            "ends": f"in {_span(invite.expires_at - now)}",
            "state": COMMANDS_STATE,
            "systems": _Html("".join(_system(templates, command) for command in COMMANDS)),
        },
    )
    return Page(200, text.encode())


def _system(templates: Templates, command: Command) -> str:
    before, _, after = command.text.partition("LINK")
    slots = {"key": command.key, "system": command.system, "before": before, "after": after}
    return _fill(templates.system, slots)


def _uses(invite: Invite, words: _Words) -> str:
    left = invite.uses - invite.used
    if invite.uses == 1:
        return words.once
    return "Lets one more person in." if left == 1 else f"Lets {left:,} more people in."


def _initials(name: str) -> str:
    """Return one or two letters for the picture that a name has not got."""
    parts = re.findall(r"[^\W_]+", name)
    letters = parts[0][0] + parts[1][0] if len(parts) > 1 else "".join(parts)[:2]
    return letters.upper() or "@"


MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 60 * MS_PER_MINUTE
MS_PER_DAY: Final = 24 * MS_PER_HOUR


def _span(length_ms: int) -> str:
    """Return a length of time as people say it, to the nearest day, hour or minute."""
    for unit_ms, word in ((MS_PER_DAY, "days"), (MS_PER_HOUR, "hours"), (MS_PER_MINUTE, "minutes")):
        count = (length_ms + unit_ms // 2) // unit_ms
        if length_ms >= 2 * unit_ms - MS_PER_MINUTE and count > 1:
            return f"{count:,} {word}"
    return "about a minute"


# ---- The front page ----

JOINING: Final[Mapping[Registration, str]] = MappingProxyType({
    "open": "Whoever reaches this server may register.",
    "password": "With the server's password; ask its host.",
    "invite": "With an invite link; ask somebody who is here.",
    "closed": "Nobody new is let in at the moment.",
})  # fmt: skip
"""What to do to become a member, under each policy."""


def home_page(templates: Templates, server: ServerName, registration: Registration) -> Page:
    """Return what somebody sees who opens the server's bare address."""
    slots = {
        "called": _called(server),
        "address": server.address,
        "joining": JOINING[registration],
    }
    return Page(200, _fill(templates.home, slots).encode())


# ---- Pages that say one thing ----

_HEADINGS: Final[Mapping[int, str]] = MappingProxyType({
    400: "That could not be read",
    403: "That is not for you",
    404: "There is nothing here",
    405: "That cannot be done here",
    410: "That is gone",
    413: "That is too large",
    429: "That was too often",
    503: "The server is busy",
})  # fmt: skip
_NO_HEADING: Final = "That did not work"


def error_text(code: int, sentence: str) -> str:
    """Return the same for a program that asked for no page."""
    return f"{_HEADINGS.get(code, _NO_HEADING)}. {sentence}\n"


def error_page(templates: Templates, server: ServerName, code: int, sentence: str) -> Page:
    """Return a page that says what went wrong and what to do, in one sentence."""
    heading = _HEADINGS.get(code, _NO_HEADING)
    return _message(templates, server, code, heading, sentence)


def _message(
    templates: Templates, server: ServerName, code: int, heading: str, sentence: str
) -> Page:
    values = {
        "server": server.name,
        "address": server.address,
        "heading": heading,
        "sentence": sentence,
    }
    return Page(code, _fill(templates.message, values).encode())


# ---- The status page ----

SAMPLES_MAX: Final = 60
"""How many points a curve of the status page has at most."""

DatabaseKind: TypeAlias = Literal["SQLite", "PostgreSQL"]

ENCRYPTION: Final = (
    "Every message is sealed on its members' devices: MLS (RFC 9420) with X-Wing (X25519 and"
    " ML-KEM-768 together), AES-256-GCM and Ed25519; this server holds no key for it."
)
"""What the status page says about encryption."""

Samples = Annotated[tuple[float, ...], Meta(max_length=SAMPLES_MAX)]


class Status(Struct, frozen=True, kw_only=True):
    """What `/status.json` says on this machine.  Counts and sizes only, and no names."""

    running: bool = True
    """Who reads this has an answer."""
    version: str
    """Of Alcove."""
    now: Millis
    """The server's clock when it answered."""
    started_at: Millis
    """When this process began to serve."""
    connected: Count
    """Devices that are connected now."""
    connected_limit: Count
    """How many may be (the setting `max_clients`)."""
    online: Count
    """People who are online and do not hide it."""
    message_rate: float
    """Messages accepted a second, over the last few seconds."""
    message_rate_peak: float
    """The highest `message_rate` since the start."""
    refused: Count
    """Requests refused by a limit since the start."""
    room_bytes: Count
    """What the database takes on the disk: rooms, accounts, everything but files."""
    file_bytes: Count
    """What the stored files take on the disk, sealed and padded."""
    free_bytes: Count | None
    """What is free where the data folder is; None where that cannot be known."""
    database: DatabaseKind
    """What the rooms are kept in."""
    registration: Registration
    """Who may register."""
    sample_seconds: Annotated[int, Meta(ge=1)]
    """The time from one sample to the next."""
    connected_samples: Samples = ()
    """Connected devices, oldest first; the newest sample is less than `sample_seconds` old."""
    message_rate_samples: Samples = ()
    """Messages a second, averaged over each sample's time, oldest first."""
    encryption: str = ENCRYPTION
    """A sentence about who can read what."""
    server: str = ""
    """The server's public key, in hexadecimal digits: who answers here."""


def status_page(templates: Templates, server: ServerName) -> Page:
    """Return the page of figures.  It is the same for everyone: a script fetches the figures."""
    return _board(templates, templates.status, server)


def admin_page(templates: Templates, server: ServerName) -> Page:
    """Return the host's page.  It is the same for everyone: what it shows needs a session."""
    return _board(templates, templates.admin, server)


def _board(templates: Templates, template: str, server: ServerName) -> Page:
    slots: dict[str, str | _Html] = {
        "server": server.name,
        "address": server.address,
        "encryption": ENCRYPTION,
        "figures": _Html(templates.figures),
    }
    return Page(200, _fill(template, slots).encode())


class Outside(Struct, frozen=True, kw_only=True):
    """What `/status.json` says on the server's own port to who is not on this machine."""

    running: bool = True
    """Who reads this has an answer."""
    version: str
    registration: Registration
    encryption: str = ENCRYPTION
    server: str = ""


class InviteState(Struct, frozen=True, kw_only=True):
    """What `/i/…` says to a program that asks for JSON: who invites, and whether it works."""

    state: Literal["open", "used", "ended", "unknown"]
    kind: str = ""
    """invite, owner or bot."""
    inviter: str = ""
    """An account's name; empty for the host's own links."""
    ends_at: Millis | None = None
    server: str
    """The server's name, as people see it."""


def invite_json(
    server: ServerName, invite: Invite | None, inviter: str | None, now: Millis
) -> bytes:
    """Return the same as the page of an invite, for programs."""
    said = InviteState(state="unknown", server=server.name)
    if invite is not None and invite.kind in _WORDS:
        is_used, is_over = invite.used >= invite.uses, invite.expires_at <= now
        said = InviteState(
            state="used" if is_used else "ended" if is_over else "open",
            kind=invite.kind,
            inviter=inviter or "",
            ends_at=invite.expires_at,
            server=server.name,
        )
    return msgspec.json.encode(said)


def status_json(status: Status | Outside) -> bytes:
    """Return what the page fetches."""
    return msgspec.json.encode(status)
