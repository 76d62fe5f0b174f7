"""What faces show: values that never change, small enough to be handed from thread to thread.

Times are milliseconds since 1970, ids are hexadecimal text, and every text is fit to be shown.
"""

from typing import Literal

from msgspec import Struct

Trust = Literal["checked", "unchecked", "changed"]
"""`changed` means: look before you write."""
Presence = Literal["online", "away", "invisible", "offline", "unknown"]
"""`unknown` while there is no line: then nobody claims anything."""


class Shown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all of them."""


class Person(Shown, frozen=True, kw_only=True):
    """Somebody: an account on the server."""

    account: str
    name: str
    """By which people know the account; it is the one that counts."""
    called: str = ""
    """As they want to be called.  It proves nothing: the name stands beside it."""
    status: str = ""
    trust: Trust = "unchecked"
    presence: Presence = "unknown"
    is_me: bool = False
    is_bot: bool = False
    is_blocked: bool = False
    seen_at: int | None = None
    rooms: tuple[str, ...] = ()
    """Where one meets them too, as far as that was asked for: titles of groups."""


class Chat(Shown, frozen=True, kw_only=True):
    """A room, as a row of the list of chats."""

    room: str
    kind: str
    title: str
    state: str
    """active, or how far this device is from it."""
    person: Person | None = None
    """Of a direct room: the other one."""
    last: str = ""
    """The beginning of what was said last."""
    last_kind: Literal["", "file", "image", "voice", "note"] = ""
    """Of what has no text: what it is."""
    last_by: str = ""
    last_at: int | None = None
    last_state: str = ""
    """Of one's own: waiting, stored, delivered, read or failed."""
    unread: int = 0
    calls: int = 0
    """So many of these call me."""
    is_marked: bool = False
    is_pinned: bool = False
    is_archived: bool = False
    level: str = "all"
    draft: str = ""
    typing: tuple[str, ...] = ()
    """Who writes there at the moment."""
    waits_for: tuple[str, ...] = ()
    """Who has not accepted the request yet."""


class Quote(Shown, frozen=True, kw_only=True):
    """The message that a line answers, as far as it is known here."""

    number: int
    by: str
    text: str


class Reaction(Shown, frozen=True, kw_only=True):
    """An emoji under a line."""

    emoji: str
    people: tuple[str, ...]
    is_mine: bool = False


class Option(Shown, frozen=True, kw_only=True):
    """One answer of a poll."""

    text: str
    people: tuple[str, ...]
    is_mine: bool = False


class Poll(Shown, frozen=True, kw_only=True):
    """A poll, as it stands."""

    question: str
    options: tuple[Option, ...]
    voters: int
    is_multiple: bool = False
    is_over: bool = False
    closes_at: int | None = None


class Attached(Shown, frozen=True, kw_only=True):
    """A file of a line."""

    place: int
    name: str
    type: str
    size: int
    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    length_ms: int = 0
    waveform: bytes = b""
    ends_at: int | None = None
    """When the server drops it; None for never."""
    blob: str = ""
    """Its name at the server, where it is there."""
    transfer: "Transfer | None" = None


class Transfer(Shown, frozen=True, kw_only=True):
    """A file on its way, or through."""

    number: int
    name: str
    is_upload: bool
    size: int
    done: int
    state: str
    """open, paused, failed, done or cancelled."""
    why: str = ""
    path: str = ""
    room: str = ""
    line: int | None = None
    """Its message."""
    place: int = 0
    """Which of the message's files it is."""
    at: int = 0


class Entry(Shown, frozen=True, kw_only=True):
    """A file or a folder of this machine."""

    name: str
    is_folder: bool
    size: int
    is_usual: bool
    """Whether it is of a kind that goes without a question."""


class Folder(Shown, frozen=True, kw_only=True):
    """A folder of this machine: what in it begins as was typed, folders first."""

    path: str
    entries: tuple[Entry, ...]


class Line(Shown, frozen=True, kw_only=True):
    """One line of a room: a message, or what happened there."""

    number: int
    seq: int | None = None
    """Its place in the room's log; None while it waits, behind all others."""
    room: str
    kind: str
    """text, poll, unknown, note, gap or gone."""
    text: str
    at: int
    state: str
    author: Person | None = None
    cause: str = ""
    why: str = ""
    """Of what failed or cannot be read: a sentence."""
    is_mine: bool = False
    calls_me: bool = False
    is_edited: bool = False
    is_pinned: bool = False
    is_forwarded: bool = False
    is_new: bool = False
    """It was not read when the room was opened."""
    through: str = ""
    topic: str = ""
    expires_at: int | None = None
    readers: int = 0
    """Of one's own in a group: so many say that they have read it."""
    reply: Quote | None = None
    reactions: tuple[Reaction, ...] = ()
    poll: Poll | None = None
    files: tuple[Attached, ...] = ()


class Member(Shown, frozen=True, kw_only=True):
    """Somebody in a room."""

    person: Person
    role: str
    devices: int


class Allowed(Shown, frozen=True, kw_only=True):
    """What I may do in a room."""

    post: bool = False
    invite: bool = False
    pin: bool = False
    settings: bool = False
    remove: bool = False


class Room(Shown, frozen=True, kw_only=True):
    """A room, opened."""

    chat: Chat
    topic: str = ""
    members: tuple[Member, ...] = ()
    role: str = "member"
    history: str = ""
    """open, closed or none: what newcomers can read."""
    expires_ms: int | None = None
    may_invite: str = ""
    may_post: str = ""
    may_pin: str = ""
    may: Allowed = Allowed()
    created_by: str = ""
    created_at: int | None = None
    is_doubted: bool = False
    """Its log is told in two ways: nothing is sent before you have looked."""
    pins: tuple[Line, ...] = ()
    topics: tuple[str, ...] = ()


class About(Shown, frozen=True, kw_only=True):
    """What more is known of a line."""

    line: Line
    title: str
    """Of its room."""
    readers: tuple[str, ...] = ()
    """Who says that they have read it."""
    edits: tuple[tuple[int, str], ...] = ()
    """What it has said since it was written, with times; the first is the oldest."""


class Asking(Shown, frozen=True, kw_only=True):
    """Somebody asks to chat, or into a group."""

    room: str
    person: Person
    kind: str
    at: int
    is_spam: bool = False
    reasons: tuple[str, ...] = ()


class Safety(Shown, frozen=True, kw_only=True):
    """What two people compare."""

    person: Person
    digits: str
    code: str
    """The text of a code that is scanned."""


class PublicRoom(Shown, frozen=True, kw_only=True):
    """A group that its owner lets be found."""

    room: str
    alias: str
    about: str
    members: int
    is_open: bool
    """Whether anyone may join now."""


class RoomLink(Shown, frozen=True, kw_only=True):
    """A link that lets people into a room."""

    id: str
    ends_at: int | None = None
    uses: int | None = None


class Device(Shown, frozen=True, kw_only=True):
    """One device of this account."""

    id: str
    program: str
    is_this: bool
    is_browser: bool
    added_at: int
    seen_at: int | None = None


class Reach(Shown, frozen=True, kw_only=True):
    """What a device could read: a room, from when until when."""

    title: str
    since: int | None = None
    until: int | None = None


class Event(Shown, frozen=True, kw_only=True):
    """What the server has written down about this account."""

    at: int
    kind: str
    text: str
    address: str = ""
    is_suspicious: bool = False


class Cleared(Shown, frozen=True, kw_only=True):
    """What of the events was put out of sight on this machine."""

    at: int
    events: int


class Space(Shown, frozen=True, kw_only=True):
    """What of this account's files the server keeps."""

    used: int
    quota: int
    """How much it may be; 0 for no limit."""
    downloads: dict[str, int]
    """How often each was fetched, by its name at the server."""


class Connection(Shown, frozen=True, kw_only=True):
    """How the line to the server stands."""

    state: Literal["online", "connecting", "offline", "away"]
    """`away`: the server does not want this device any more."""
    why: str = ""
    again_at: int | None = None
    """When it is tried again."""
    answered_ms: int | None = None
    """How long the last question has taken."""


class Account(Shown, frozen=True, kw_only=True):
    """An account that is on this machine."""

    profile: str
    name: str
    server: str
    asks_passphrase: bool = False


class Server(Shown, frozen=True, kw_only=True):
    """A server, seen from outside."""

    address: str
    name: str = ""
    registration: str = ""
    """open, password, invite or closed."""
    invite: Literal["", "open", "used", "ended", "unknown"] = ""
    """Whether the invite works; empty where there is none."""
    inviter: str = ""
    ends_at: int | None = None


class Strength(Shown, frozen=True, kw_only=True):
    """What is thought of a password."""

    guesses_log2: float
    is_allowed: bool
    opens_the_box: bool
    """Whether it is strong enough to bring the account back by itself."""
    warning: str = ""


class Held(Shown, frozen=True, kw_only=True):
    """What is thought of a passphrase of this machine; all are taken."""

    guesses_log2: float
    word: str
    """weak, fair or strong."""
    warning: str = ""


class Me(Shown, frozen=True, kw_only=True):
    """This account, on this device."""

    person: Person
    server: str
    profile: str
    """What it is called on this machine."""
    is_host: bool = False
    since: int = 0
    """When this program has opened it."""
    must_save_phrase: bool = False
    picture: bytes = b""
    """What others see beside the name; empty for none."""
    waiting: int = 0
    """So much of what was said has not left yet."""
    server_key: str = ""
    """How the key of the server begins that is known here."""
    lock_after_ms: int = 0
    """The host's policy: lock when nobody used the app for so long; 0 for none."""
    connection: Connection
