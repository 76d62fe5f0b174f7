"""The server's settings: everything that a host can set.

A setting is one line of `Settings`: docs, errors and examples are made from there.  How settings
are written stands in `values`, how sources are merged in `settings_sources`, and what follows from
several of them in `settings_together`.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields

from alcove.server.values import GB, KIB, MIB, Rate, Setting, about

__all__ = [
    "SETTINGS",
    "Exposure",
    "LogLevel",
    "Notice",
    "Rate",
    "Registration",
    "Requests",
    "Setting",
    "Settings",
    "SettingsError",
]

BYTES_MAX: Final = 100 * 1000**4
"""The largest size that can be set: a hundred terabytes."""
COUNT_MAX: Final = 1_000_000
"""The largest count that can be set."""
DAYS_MAX: Final = 36_500
"""The longest time in days that can be set: a hundred years."""
PAUSE_MS_MAX: Final = 3_600_000
"""The longest pause that can be set: an hour."""

Registration: TypeAlias = Literal["open", "password", "invite", "closed"]
Requests: TypeAlias = Literal["everyone", "strangers", "off"]
Exposure: TypeAlias = Literal["loopback", "private", "public"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that a host can set.  Sizes are bytes, and units are in the names."""

    # ---- server ----
    host: Annotated[str, about("The address that it listens on.")] = "127.0.0.1"
    port: Annotated[int, about("The one port for everything; 0 takes any free one.", 0, 65_535)] = (
        8888
    )
    status_port: Annotated[
        int, about("The port of the status page on 127.0.0.1; 0 turns the page off.", 0, 65_535)
    ] = 8080
    public_url: Annotated[
        str, about("The address that people use, for links and invites; empty: made from the host.")
    ] = ""
    name: Annotated[str, about("The server's name as people see it; empty: its address.")] = ""
    behind_proxy: Annotated[
        bool, about("A proxy in front does TLS and says who called, in X-Forwarded-For.")
    ] = False
    debug: Annotated[
        bool, about("Log at level debug; in a checkout, start again when the code changes.")
    ] = False

    # ---- tls ----
    tls_cert: Annotated[str, about("The file of the TLS certificate and its chain, PEM.")] = ""
    tls_key: Annotated[str, about("The file of the certificate's private key, PEM.")] = ""
    self_signed: Annotated[
        bool, about("Make a certificate; its SHA-256 travels in the invites and is pinned.")
    ] = False

    # ---- storage ----
    data: Annotated[
        str, about("The folder of the database, the blobs, the logs and the admin socket.")
    ] = "data"
    database_url: Annotated[
        str, about("The PostgreSQL database, as postgresql://…; empty: SQLite in a file.")
    ] = ""
    database_path: Annotated[
        str, about("The SQLite file; empty: in the data folder, under its usual name.")
    ] = ""
    blob_folder: Annotated[
        str, about("The folder of the blobs; empty: in the data folder, under its usual name.")
    ] = ""
    disk_free_min_bytes: Annotated[
        int,
        about(
            "With less free space on the disk nothing is stored that only adds, and with less than"
            " a quarter of it only what makes space; 0: until the disk is full.",
            0,
            BYTES_MAX,
        ),
    ] = 256 * MIB
    commit_batch_max: Annotated[
        int, about("How many waiting requests share one commit to the disk.", 1, 65_536)
    ] = 1024
    backup_keep: Annotated[
        int, about("How many of the backups that it makes by itself stay.", 1, 1000)
    ] = 7
    audit_days: Annotated[int, about("How long audit events stay.", 1, DAYS_MAX)] = 365

    # ---- logs ----
    log_level: Annotated[LogLevel, about("The least important kind of line that is logged.")] = (
        "info"
    )
    log_format: Annotated[
        Literal["text", "json"], about("Lines for people, or for programs that collect logs.")
    ] = "text"
    log_file_bytes_max: Annotated[
        int,
        about("The size at which a log file is closed and a new one begun.", 64 * KIB, BYTES_MAX),
    ] = 10 * MIB
    log_files_keep: Annotated[int, about("How many closed log files stay.", 0, 1000)] = 5

    # ---- accounts ----
    registration: Annotated[
        Literal["", Registration],
        about(
            "Who may register: anyone, who knows the server's password, who has an invite, nobody."
            "  Empty: `password` when one is set, else `open` where only this machine gets in,"
            " else `invite`."
        ),
    ] = ""
    server_password: Annotated[str, about("What to know to register, for `password`.")] = ""
    invites_by: Annotated[Literal["members", "host"], about("Who may make invites.")] = "members"
    requests: Annotated[
        Literal["", Requests],
        about(
            "Who must be asked before a chat: everyone, only who shares no room but the commons,"
            " or nobody.  Empty: `strangers` where registration is open, else `off`."
        ),
    ] = ""
    asks_per_day: Annotated[
        int, about("How many requests to chat one account may make in a day.", 0, COUNT_MAX)
    ] = 20
    account_asks_max: Annotated[
        int, about("Requests to chat that wait for one account.", 1, 10_000)
    ] = 1000
    account_blocks_max: Annotated[int, about("Others whom one account may block.", 0, 10_000)] = (
        2000
    )
    declined_days: Annotated[
        int, about("After so long who was declined may ask again.", 1, 365)
    ] = 30
    secret_key: Annotated[
        str,
        about("What the server's own secrets are made from; empty: drawn at the first start."),
    ] = ""
    session_timeout_s: Annotated[
        int, about("A bearer token that was not used for so long ends.", 60, 31_536_000)
    ] = 3600
    lock_after_s: Annotated[
        int,
        about(
            "Apps are to lock themselves when nobody used them for so long; 0: as each member"
            " likes.  Bots are exempt.",
            0,
            31_536_000,
        ),
    ] = 0
    account_devices_max: Annotated[int, about("Devices of one account.", 1, 64)] = 32
    device_tokens_max: Annotated[int, about("Bearer tokens of one device.", 1, 64)] = 8
    account_rooms_max: Annotated[int, about("Rooms that one account may be in.", 1, COUNT_MAX)] = (
        5000
    )
    account_packages_max: Annotated[
        int, about("Single-use key packages kept for each device of an account.", 1, 256)
    ] = 100
    account_invites_max: Annotated[
        int, about("Invites of one account, not the host, that work at one time.", 0, 10_000)
    ] = 100
    owner_days: Annotated[int, about("How long an owner link works.", 1, 365)] = 30
    reset_days: Annotated[int, about("How long a reset link works.", 1, 365)] = 3
    bot_days: Annotated[int, about("How long the enrolment of a bot works.", 1, 365)] = 7
    found_max: Annotated[int, about("Accounts or groups that one search shows.", 1, 1000)] = 20
    account_day_bytes: Annotated[
        int,
        about(
            "What one account may send in a day (UTC) in messages, keys and all else but files;"
            " 0: no limit.",
            0,
            BYTES_MAX,
        ),
    ] = 10 * GB
    account_archive_rows_max: Annotated[
        int, about("Sealed room keys in the archive of one account.", 1, COUNT_MAX)
    ] = 100_000

    # ---- rooms ----
    room_devices_max: Annotated[int, about("Devices in one room.", 2, 4096)] = 4096
    room_accounts_max: Annotated[int, about("Accounts in one room.", 2, 4096)] = 2048
    room_links_max: Annotated[int, about("Join links of one room.", 0, 10_000)] = 100
    room_chain_rows_max: Annotated[
        int, about("Rows of one room's key chain that are kept.", 16, COUNT_MAX)
    ] = 100_000
    message_bytes_max: Annotated[
        int, about("The size of a request, but for handshakes and Welcomes.", 4 * KIB, 16 * MIB)
    ] = 256 * KIB
    handshake_bytes_max: Annotated[
        int, about("The size of a request with handshakes or Welcomes.", 64 * KIB, 16 * MIB)
    ] = 8 * MIB
    batch_entries_max: Annotated[
        int, about("Entries that one request may append together.", 2, 256)
    ] = 64
    page_entries_max: Annotated[int, about("Entries in the answer to one read.", 1, 4096)] = 256
    page_bytes_max: Annotated[
        int, about("The size of such an answer, unless one entry is larger.", 4 * KIB, 16 * MIB)
    ] = MIB
    live_days: Annotated[
        int, about("How long a live body waits for devices that are away.", 1, DAYS_MAX)
    ] = 30
    inbox_days: Annotated[int, about("How long letters wait in a device's inbox.", 1, DAYS_MAX)] = (
        30
    )
    inbox_own_max: Annotated[
        int, about("Sealed letters of its own account in a device's inbox.", 1, 10_000)
    ] = 500
    inbox_sealed_max: Annotated[
        int, about("Sealed letters of other accounts in a device's inbox.", 1, 100_000)
    ] = 500
    inbox_sender_max: Annotated[
        int, about("Sealed letters of one other account in a device's inbox.", 1, 100_000)
    ] = 50
    inbox_welcome_max: Annotated[int, about("Welcomes in a device's inbox.", 1, COUNT_MAX)] = 10_000
    inbox_hidden_max: Annotated[
        int, about("Welcomes there to rooms that are not accepted yet.", 1, COUNT_MAX)
    ] = 1000
    answers_days: Annotated[
        int, about("How long answers are remembered for requests sent twice.", 1, DAYS_MAX)
    ] = 30
    handshake_pause_ms: Annotated[
        int, about("Between two handshakes in one room.", 0, PAUSE_MS_MAX)
    ] = 2000
    account_barrier_pause_ms: Annotated[
        int, about("Between two barriers of one account in one room.", 0, PAUSE_MS_MAX)
    ] = 10_000
    closing_pause_ms: Annotated[
        int, about("Between two closing commits in one room.", 0, PAUSE_MS_MAX)
    ] = 10_000
    healing_pause_ms: Annotated[
        int, about("Between two healing commits of one device.", 0, PAUSE_MS_MAX)
    ] = 60_000

    # ---- files ----
    blob_bytes_max: Annotated[
        int, about("The size of one stored file: 50 MiB hold a sealed file of 50 MB.", 1, BYTES_MAX)
    ] = 50 * MIB
    account_blobs_max: Annotated[int, about("Files of one account.", 1, COUNT_MAX)] = 100_000
    account_quota_bytes: Annotated[
        int, about("The size of all stored files of one account; 0: no limit.", 0, BYTES_MAX)
    ] = 2 * GB
    server_quota_bytes: Annotated[
        int, about("The size of all stored files; 0: no limit but the disk.", 0, BYTES_MAX)
    ] = 0
    upload_hours: Annotated[
        int, about("How long an upload that stands still can be resumed.", 1, 24 * DAYS_MAX)
    ] = 24
    upload_timeout_s: Annotated[
        int, about("An upload of which nothing came for so long ends; it can be resumed.", 1, 3600)
    ] = 60
    download_timeout_s: Annotated[
        int, about("A download of which nothing is taken for so long ends (on Linux).", 1, 3600)
    ] = 60

    # ---- connections ----
    max_clients: Annotated[int, about("Connections at one time.", 1, COUNT_MAX)] = 5000
    address_clients_max: Annotated[
        int, about("Connections of one address at one time.", 1, COUNT_MAX)
    ] = 1000
    hello_timeout_s: Annotated[
        int,
        about("A connection that has not signed in, or not sent a request, is closed.", 1, 3600),
    ] = 10
    body_timeout_s: Annotated[
        int, about("How long the body of an HTTP request may take to come.", 1, 3600)
    ] = 30
    unsigned_bytes_max: Annotated[
        int, about("The size of a request of who has not signed in.", 64 * KIB, 64 * MIB)
    ] = 2 * MIB
    bodies_bytes_max: Annotated[
        int,
        about(
            "HTTP bodies that are held at one time, the small ones left out; of those who have not"
            " signed in a quarter of it, and of one address a quarter of either.",
            MIB,
            BYTES_MAX,
        ),
    ] = 64 * MIB
    idle_timeout_s: Annotated[
        int,
        about(
            "A silent connection is pinged after so long, and closed after twice; so is one that"
            " takes nothing of what it is sent.",
            1,
            3600,
        ),
    ] = 60
    drain_timeout_s: Annotated[
        int, about("How long a stop waits for requests that are being answered.", 0, 3600)
    ] = 10
    in_flight_max: Annotated[
        int, about("Requests of one connection that wait for their answers.", 1, 65_536)
    ] = 256
    reads_max: Annotated[int, about("Reads of one connection that wait for answers.", 1, 256)] = 8
    bad_frames_max: Annotated[
        int, about("So many unreadable frames end a connection.", 1, 1000)
    ] = 20
    outgoing_bytes_max: Annotated[
        int, about("What may wait for a slow reader before it gets nudges.", 64 * KIB, BYTES_MAX)
    ] = 4 * MIB
    incoming_total_bytes_max: Annotated[
        int,
        about(
            "What may have come of frames that are not whole yet, the small ones left out; beyond"
            " it the largest are cut off.",
            MIB,
            BYTES_MAX,
        ),
    ] = 256 * MIB
    outgoing_total_bytes_max: Annotated[
        int,
        about(
            "What may wait for all slow readers together: from half of it on those for whom more"
            " waits than a fair share get nudges; beyond it the slowest are cut off.",
            MIB,
            BYTES_MAX,
        ),
    ] = 256 * MIB
    presence_pause_ms: Annotated[
        int, about("Presence is told to a room once in so long.", 100, PAUSE_MS_MAX)
    ] = 3000

    # ---- rates ----
    rate_append: Annotated[Rate, about("Entries: messages and commits.")] = Rate(20, 1, 200)
    rate_handshake: Annotated[
        Rate, about("New rooms, snapshots, and handshakes given back after a restore.")
    ] = Rate(5, 1, 200)
    rate_read: Annotated[Rate, about("Reading entries, rooms, lists and members.")] = Rate(
        50, 1, 500
    )
    rate_write: Annotated[Rate, about("Any other change.")] = Rate(30, 1, 300)
    rate_signal: Annotated[Rate, about("Signals, such as typing.")] = Rate(10, 1, 50)
    rate_claim: Annotated[Rate, about("Claiming key packages.")] = Rate(5, 1, 200)
    rate_claim_one: Annotated[
        Rate, about("Claiming key packages of one account, by another one.")
    ] = Rate(60, 3600, 30)
    rate_search: Annotated[Rate, about("Searching the directory.")] = Rate(5, 1, 30)
    rate_blob: Annotated[Rate, about("Uploads begun or resumed, and downloads.")] = Rate(10, 1, 300)
    rate_presence: Annotated[Rate, about("Changes of presence.")] = Rate(1, 1, 20)
    rate_account_factor: Annotated[
        int,
        about("All devices of an account together have so many times a device's rate.", 1, 1000),
    ] = 4
    rate_address_factor: Annotated[
        int, about("All devices at one address together have so many times a device's.", 1, 100_000)
    ] = 16
    rate_connect: Annotated[Rate, about("New connections from one address.")] = Rate(20, 1, 1000)
    rate_page: Annotated[Rate, about("Pages, files and figures, from one address.")] = Rate(
        20, 1, 400
    )
    rate_sign_in: Annotated[
        Rate, about("What needs a password or phrase, wrong tokens, and new device lists.")
    ] = Rate(20, 60, 60)
    rate_register: Annotated[Rate, about("New accounts from one address.")] = Rate(10, 60, 50)

    def __repr__(self) -> str:
        """Show what differs from the defaults, and of secrets only that they are set."""
        changed = [
            f"{setting.name}={'***' if setting.secret else repr(getattr(self, setting.name))}"
            for setting in SETTINGS
            if getattr(self, setting.name) != setting.default
        ]
        return f"Settings({', '.join(changed)})"


_SECTIONS: Final = {
    "host": "server",
    "tls_cert": "tls",
    "data": "storage",
    "log_level": "logs",
    "registration": "accounts",
    "room_devices_max": "rooms",
    "blob_bytes_max": "files",
    "max_clients": "connections",
    "rate_append": "rates",
}
"""The setting that each section begins with."""


def _all_settings() -> Iterator[Setting]:
    section = ""
    for field in fields(Settings):
        section = _SECTIONS.get(field.name, section)
        kind, meta = get_args(field.type)
        assert isinstance(meta, Meta)
        yield Setting(
            name=field.name,
            section=section,
            description=meta.description or "",
            default=field.default,
            choices=get_args(kind) if get_origin(kind) is Literal else (),
            least=int(meta.ge or 0),
            most=int(meta.le or 0),
        )


SETTINGS: Final = tuple(_all_settings())
"""Every setting, in the order of the documentation."""


class SettingsError(Exception):
    """Settings are wrong.  The text has one sentence a line for the host, without any secret."""

    def __init__(self, setting: str, sentence: str) -> None:
        self.setting = setting
        super().__init__(sentence)


class Notice(Struct, frozen=True):
    """Something about the settings that the host should know, in one sentence."""

    kind: Literal["unknown", "old", "obsolete", "unused", "exposed"]
    text: str
