"""The client: everything that a device of an account does, from Enter to everybody's screen.

A core that never waits, and an edge that does.  Lowest first:

    store/      the database of one account, encrypted, and its tables (schema/*.sql)
    keys/       what opens an account, what seals a room, who signs what
    tx          what one step may touch: tables, dice, time, what it asks and tells
    events      everything that the owner of an engine may hear
    trust       whose keys are known, and what has changed
    packages    key packages: by which others add this device
    timeline/   what was said, as it is shown: edits, reactions, search
    rooms/      rules, log, messages, handshakes, commits, joining
    outbox      what we want to say, until the log has it
    history     what was said before this device came; archive: the keys of it
    entering, account, devices      coming to a server, locks and boxes, one's own devices
    restored    disks and servers that were set back, and servers that lie
    tables      who takes which answer, push and alarm: the map
    engine      five verbs around all of it
    link        the line to the server, as a machine of the same five verbs
    files/      files: sealed in pieces
    io/         sockets, files, clocks, dice: only here anything awaits
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alcove.client.errors import (
        ClientError,
        OfflineError,
        PeerError,
        PhraseNeededError,
        RefusedError,
        StoreError,
        UsageError,
    )
    from alcove.client.io.blocking import (
        Blocking,
        send,
    )
    from alcove.client.io.bot import (
        Bot,
    )
    from alcove.client.io.carrying import FileError, Transfer, is_unusual, warning_of
    from alcove.client.io.client import (
        Client,
    )
    from alcove.client.io.hook import (
        Hook,
    )
    from alcove.client.io.keyfile import kept_by
    from alcove.client.io.looking import ServerLook, look_at
    from alcove.client.io.messages import (
        Message,
        PollResults,
    )
    from alcove.client.io.news import (
        Alert,
        Announcement,
        FileChanged,
        MessageChanged,
        MessageReceived,
        MessageSent,
        News,
        Offline,
        OlderMessage,
        Online,
        PresenceChanged,
        RequestsChanged,
        RoomChanged,
        RoomNote,
        TurnedAway,
        Typing,
    )
    from alcove.client.io.opening import examine, keep_key
    from alcove.client.io.people import (
        Device,
        Person,
        Presence,
        Request,
        moment,
    )
    from alcove.client.io.preferences import (
        Preferences,
        Quiet,
        keep_preferences,
        read_preferences,
    )
    from alcove.client.io.profiles import Profile, Profiles, home_folder
    from alcove.client.io.rooms import (
        Member,
        Room,
    )
    from alcove.client.io.vault import find_keyring
    from alcove.client.io.watching import carried_out
    from alcove.client.keys.phrase import PASSWORD_ENTROPY_BYTES, new_password
    from alcove.client.keys.strength import (
        PassphraseStrength,
        Strength,
        passphrase_strength,
        strength,
    )
    from alcove.client.store.failures import DamagedError, DiskFullError
    from alcove.wire.content import shown_name, shown_text

_PLACES = {
    "errors": (
        "ClientError", "OfflineError", "PeerError", "PhraseNeededError", "RefusedError",
        "StoreError", "UsageError",
    ),
    "io.blocking": ("Blocking", "send"),
    "io.bot": ("Bot",),
    "io.catching_up": ("caught_up", "reached"),
    "io.carrying": ("FileError", "Transfer", "is_unusual", "warning_of"),
    "io.client": ("Client",),
    "io.config": ("ClientSettings", "load_settings", "parse_address"),
    "io.export": ("Exported", "export", "fetching_folder"),
    "io.hook": ("Hook",),
    "io.keyfile": ("kept_by",),
    "io.looking": ("ServerLook", "look_at"),
    "io.messages": ("Message", "PollResults"),
    "io.news": (
        "Alert", "Announcement", "FileChanged", "MessageChanged", "MessageReceived",
        "MessageSent", "News", "Offline", "OlderMessage", "Online", "PresenceChanged",
        "RequestsChanged", "RoomChanged", "RoomNote", "TurnedAway", "Typing",
    ),
    "io.opening": ("examine", "keep_key"),
    "profiles": ("shown_name", "shown_text"),
    "io.people": ("Device", "Person", "Presence", "Request", "moment"),
    "io.preferences": ("Preferences", "Quiet", "keep_preferences", "read_preferences"),
    "io.profiles": ("Profile", "Profiles", "home_folder"),
    "io.rooms": ("Member", "Room"),
    "io.vault": ("find_keyring",),
    "io.watching": ("carried_out",),
    "keys.phrase": ("PASSWORD_ENTROPY_BYTES", "new_password"),
    "keys.strength": ("PassphraseStrength", "Strength", "passphrase_strength", "strength"),
    "store.failures": ("DamagedError", "DiskFullError"),
}  # fmt: skip
"""Where each name is that apps may use.  It is loaded when it is first asked for."""

_FOUND = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "PASSWORD_ENTROPY_BYTES",
    "Alert",
    "Announcement",
    "Blocking",
    "Bot",
    "Client",
    "ClientError",
    "ClientSettings",
    "DamagedError",
    "Device",
    "DiskFullError",
    "Exported",
    "FileChanged",
    "FileError",
    "Hook",
    "Member",
    "Message",
    "MessageChanged",
    "MessageReceived",
    "MessageSent",
    "News",
    "Offline",
    "OfflineError",
    "OlderMessage",
    "Online",
    "PassphraseStrength",
    "PeerError",
    "Person",
    "PhraseNeededError",
    "PollResults",
    "Preferences",
    "Presence",
    "PresenceChanged",
    "Profile",
    "Profiles",
    "Quiet",
    "RefusedError",
    "Request",
    "RequestsChanged",
    "Room",
    "RoomChanged",
    "RoomNote",
    "ServerLook",
    "StoreError",
    "Strength",
    "Transfer",
    "TurnedAway",
    "Typing",
    "UsageError",
    "carried_out",
    "caught_up",
    "examine",
    "export",
    "fetching_folder",
    "find_keyring",
    "home_folder",
    "is_unusual",
    "keep_key",
    "keep_preferences",
    "kept_by",
    "load_settings",
    "look_at",
    "moment",
    "new_password",
    "parse_address",
    "passphrase_strength",
    "reached",
    "read_preferences",
    "send",
    "shown_name",
    "shown_text",
    "strength",
    "warning_of",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for by name."""
    if name not in _FOUND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_FOUND[name]}"), name)
    globals()[name] = value
    return value
