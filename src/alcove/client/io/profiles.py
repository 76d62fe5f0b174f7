"""Profiles: the accounts that a person has on this machine, side by side, each in its folder.

    HOME/default                  the name of the profile that is meant when none is named
    HOME/profiles/NAME/
        profile.json              which account, on which server: no secrets
        key.json                  who keeps the data key (`io/vault.py`)
        alcove.db                 everything else, encrypted (`store/opening.py`)
        files/                    what was received, and what is on its way
        cleared.json              which of the server's notes are out of sight (`io/clearing.py`)
        lock                      held by the one process that uses all this

HOME is what ALCOVE_HOME names, or the system's usual place for the data of programs.  What opens a
database is loaded only to open one: who looks which accounts are here waits for nothing.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import msgspec
from msgspec import Meta, Struct

from alcove.client.errors import StoreError, UsageError
from alcove.client.io.keyfile import KEY_NAME, kept_by
from alcove.client.store.disk import (
    FILE_MODE,
    make_private_folder,
    read_small,
    refused,
    remove_folder,
    sync_folder,
    write_private,
)
from alcove.client.store.failures import DamagedError

if sys.platform == "win32":  # pragma: no cover - A lock is a range of bytes there.
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from alcove.client.io.vault import Ask
    from alcove.client.store.database import Database

HOME_VARIABLE: Final = "ALCOVE_HOME"
PROFILE_NAME: Final = "profile.json"
DATABASE_NAME: Final = "alcove.db"
FILES_NAME: Final = "files"
LOCK_NAME: Final = "lock"
DEFAULT_NAME: Final = "default"
PROFILES_NAME: Final = "profiles"

NAME_CHARACTERS_MAX: Final = 40
"""The longest name of a profile."""
PROFILE_BYTES_MAX: Final = 8 * 1024
"""The largest file about a profile that is read."""
PROFILES_MAX: Final = 1_000
"""How many profiles are listed."""
PID_BYTES_MAX: Final = 20
"""What is read of the number of the process that holds a profile."""

_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{NAME_CHARACTERS_MAX - 1}}}", re.ASCII)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps for devices."""
_GOING: Final = ".going-"
"""How the folder of a profile is called that is being removed."""
_LOCKED_BYTE: Final = 1 << 30
"""Windows locks this byte, far behind the number of the process, which others want to read."""


class Said(Struct, frozen=True):
    """What a profile's file says, for everyone who has the disk."""

    server: Annotated[str, Meta(max_length=1_024)]
    """The address of its server."""
    account: Annotated[str, Meta(max_length=256)] = ""
    """The account's name; empty until there is one."""
    certificate: Annotated[str, Meta(max_length=64)] = ""
    """The SHA-256, in hex, of a certificate that the server made itself; empty for any other."""
    must_save_phrase: bool = False
    """Whether the recovery phrase has still to be written down, as far as is known."""


class Profile(Struct, frozen=True):
    """One account on one server, and where this machine keeps it."""

    name: str
    folder: Path
    server: str
    account: str
    certificate: str = ""
    """The SHA-256, in hex, of a certificate that the server made itself; empty for any other."""
    must_save_phrase: bool = False
    """Whether the recovery phrase has still to be written down, as far as is known."""

    @property
    def database(self) -> Path:
        """The encrypted database."""
        return self.folder / DATABASE_NAME

    @property
    def files(self) -> Path:
        """The folder of files."""
        return self.folder / FILES_NAME

    @property
    def is_finished(self) -> bool:
        """Whether it was made to the end: else a process was killed, and making it goes on."""
        return (self.folder / KEY_NAME).exists() and self.database.exists()


# ---- Where they are ----


def home_folder(environ: Mapping[str, str], platform: str) -> Path:
    """Return where everything of this user is; `platform` is `sys.platform`."""
    named = environ.get(HOME_VARIABLE, "")
    if named:
        return Path(named).expanduser().absolute()
    if platform == "win32":
        local = environ.get("LOCALAPPDATA", "")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "Alcove"
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Alcove"
    data = Path(environ.get("XDG_DATA_HOME", ""))
    # "All paths set in these environment variables must be absolute", or else are to be ignored.
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "alcove"


class Profiles:
    """All profiles below one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folder = home / PROFILES_NAME

    # ---- Looking ----

    def names(self) -> list[str]:
        """Return the names of all profiles, in order."""
        try:
            found = [path.name for path in self._folder.iterdir() if _is_name(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise refused(error, self._folder) from error
        return sorted(name for name in found if (self._folder / name / PROFILE_NAME).exists())[
            :PROFILES_MAX
        ]

    def profile(self, name: str) -> Profile:
        """Return one profile."""
        folder = self._place(name)
        content = read_small(folder / PROFILE_NAME, PROFILE_BYTES_MAX)
        if content is None:
            known = ", ".join(self.names())
            raise UsageError(
                f"There is no profile “{name}” on this machine: "
                + (f"there is {known}." if known else "there is none at all yet.")
            )
        try:
            said = msgspec.json.decode(content, type=Said)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise DamagedError(
                f"{folder / PROFILE_NAME} is damaged: put back a copy of it; everything else of"
                " this profile is untouched."
            ) from None
        return Profile(
            name, folder, said.server, said.account, said.certificate, said.must_save_phrase
        )

    def default(self) -> str | None:
        """Return the name of the profile that is meant when none is named.

        It is the one that was chosen, or the only one; None where nobody can know.
        """
        names = self.names()
        content = read_small(self.home / DEFAULT_NAME, PROFILE_BYTES_MAX) or b""
        chosen = content.decode("utf-8", "replace").strip()
        if chosen in names:
            return chosen
        return names[0] if len(names) == 1 else None

    # ---- Changing ----

    def create(self, name: str, server: str, certificate: str = "") -> Profile:
        """Make a profile, or go on with one whose making was cut short.  The first is the default.

        Its key and its database are made next, by `make_database`.
        """
        folder = self._place(name)
        if (folder / PROFILE_NAME).exists() and self.profile(name).is_finished:
            raise UsageError(f"There is a profile “{name}” already: take another name.")
        for path in (self.home, self._folder, folder, folder / FILES_NAME):
            make_private_folder(path)
        self._write(folder, Said(server, certificate=certificate))
        if self.names() == [name]:
            self.choose(name)
        return self.profile(name)

    def change(
        self,
        profile: Profile,
        *,
        server: str = "",
        account: str = "",
        certificate: str = "",
        must_save_phrase: bool | None = None,
    ) -> Profile:
        """Write down where the server is now, or what the account is called and waits for."""
        said = Said(
            server or profile.server,
            account or profile.account,
            certificate or profile.certificate,
            profile.must_save_phrase if must_save_phrase is None else must_save_phrase,
        )
        self._write(profile.folder, said)
        return self.profile(profile.name)

    def choose(self, name: str) -> None:
        """Mean this profile from now on when none is named."""
        write_private(self.home / DEFAULT_NAME, f"{self.profile(name).name}\n".encode())

    def rename(self, name: str, new_name: str) -> Profile:
        """Give a profile another name on this machine; nobody else ever sees it."""
        place = self._place(new_name)
        if place.exists():
            raise UsageError(f"There is a profile “{new_name}” already: take another name.")
        profile, is_default = self.profile(name), self.default() == name
        with held(profile) as lock:
            _let_go_where_a_lock_is_in_the_way(lock)
            self._move(profile.folder, place)
        if is_default:
            self.choose(new_name)
        return self.profile(new_name)

    def remove(self, name: str, keyring: Any = None) -> None:
        """Remove a profile with its key, its messages and its files.  Asks nothing."""
        from alcove.client.io.vault import forget_key  # noqa: PLC0415

        profile = self.profile(name)
        with held(profile) as lock:
            forget_key(profile.folder, keyring)
            _let_go_where_a_lock_is_in_the_way(lock)
            self._remove_what_is_going()
            self._move(profile.folder, self._folder / f"{_GOING}{name}")
            self._remove_what_is_going()

    def set_aside(self, name: str) -> str:
        """Move a damaged database out of the way, and say where it is; nothing is deleted.

        Then the account is signed in to again with the same profile, as on a new device.
        """
        from alcove.client.store.opening import set_aside  # noqa: PLC0415

        profile = self.profile(name)
        with held(profile):
            return set_aside(profile.database).said

    def _remove_what_is_going(self) -> None:
        """Remove what a removal has moved out of the way, also one that was cut short."""
        for folder in sorted(self._folder.glob(f"{_GOING}*")):
            remove_folder(folder)

    def _place(self, name: str) -> Path:
        if not _is_name(name):
            raise UsageError(
                f"A profile has a name of 1 to {NAME_CHARACTERS_MAX} small letters, digits, dots,"
                " hyphens and underscores, such as work, and begins with a letter or a digit."
            )
        return self._folder / name

    def _write(self, folder: Path, said: Said) -> None:
        write_private(folder / PROFILE_NAME, msgspec.json.format(msgspec.json.encode(said)) + b"\n")

    def _move(self, folder: Path, place: Path) -> None:
        try:
            folder.rename(place)
            sync_folder(self._folder)
        except OSError as error:
            raise refused(error, folder) from error


# ---- What is in one ----


def make_database(profile: Profile, ask: "Ask", keyring: Any = None) -> "Database":
    """Make the key and the database of a profile that is held, where they are not there yet."""
    from alcove.client.io.vault import make_key, unlock  # noqa: PLC0415
    from alcove.client.store.opening import create_file, open_file  # noqa: PLC0415

    if kept_by(profile.folder) is None:
        key = make_key(profile.folder, ask, keyring=keyring)
    else:
        key = unlock(profile.folder, ask, keyring=keyring)
    make = open_file if profile.database.exists() else create_file
    return make(profile.database, key)


def open_database(profile: Profile, ask: "Ask", keyring: Any = None) -> "Database":
    """Open the database of a profile that is held.  It never makes one in place of a lost one."""
    from alcove.client.io.vault import unlock  # noqa: PLC0415

    key = unlock(profile.folder, ask, keyring=keyring)
    from alcove.client.store.opening import open_file  # noqa: PLC0415 - While others compute.

    return open_file(profile.database, key)


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) and not _DEVICES.fullmatch(text) and not text.endswith(".")


# ---- One process only ----


@contextmanager
def held(profile: Profile) -> Iterator[BinaryIO]:
    """Hold a profile against every other process until the end.

    The lock is the system's, which lets go of it when the process ends, however that comes.
    """
    path = profile.folder / LOCK_NAME
    with ExitStack() as until_the_end:
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), FILE_MODE)
            file = until_the_end.enter_context(os.fdopen(number, "r+b"))
            is_ours = _lock(file)
            process = file.read(PID_BYTES_MAX).decode("ascii", "replace").strip()
            if is_ours:
                file.seek(0)
                file.truncate()
                file.write(f"{os.getpid()}\n".encode())
                file.flush()
        except OSError as error:
            raise refused(error, path) from error
        if not is_ours:
            raise StoreError(
                f"The profile “{profile.name}” is in use by the process {process or '(unknown)'}:"
                " end that one first, or take another profile."
            )
        yield file


def _lock(file: BinaryIO) -> bool:
    """Lock a file that is open, and say whether that was possible."""
    if sys.platform == "win32":  # pragma: no cover
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _let_go_where_a_lock_is_in_the_way(lock: BinaryIO) -> None:
    """Close the lock on Windows, which moves no folder with an open file in it."""
    if sys.platform == "win32":  # pragma: no cover
        lock.close()
