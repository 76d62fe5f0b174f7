"""Opening a profile: found by name or folder, held against others, its database unlocked.

where        None        the profile that is meant when none is named
             "work"      the profile of that name, below the home of this user
             Path(…)     a folder that holds one account of its own: a bot's, a test's

passphrase   a text, a function that asks for it, or None: then ALCOVE_PASSPHRASE_FILE names a
             file that has it, or the system's keyring keeps the key
"""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from alcove.client.errors import UsageError
from alcove.client.io.keyfile import PASSPHRASE_VARIABLE, kept_by
from alcove.client.io.profiles import (
    Profile,
    Profiles,
    held,
    home_folder,
    make_database,
    open_database,
)
from alcove.client.io.vault import (
    find_keyring,
    keep_by_passphrase,
    keep_in_keyring,
    read_passphrase_file,
    unlock,
)
from alcove.client.store.database import Database
from alcove.client.store.opening import check

Where = str | Path | None
Passphrase = str | Callable[[], str] | None
ALONE: Final = "account"
"""What the one profile is called in a folder of its own."""


class Opened:
    """A profile that this process has for itself, with its database."""

    def __init__(self, profiles: Profiles, profile: Profile, db: Database, lock: ExitStack) -> None:
        self.profiles, self.profile, self.db = profiles, profile, db
        self._lock = lock

    def change(self, **fields: Any) -> None:
        """Write down what anyone who has the disk may know of this profile."""
        self.profile = self.profiles.change(self.profile, **fields)

    def close(self) -> None:
        """Let the profile go."""
        self.db.close()
        self._lock.close()


def profiles_of(where: Where, home: Path | None = None) -> Profiles:
    """Return the profiles among which one is meant."""
    if isinstance(where, Path):
        return Profiles(where)
    return Profiles(home or home_folder(os.environ, sys.platform))


def find(where: Where, home: Path | None = None) -> tuple[Profiles, Profile]:
    """Return the profile that is meant; one that is not there is said so."""
    profiles = profiles_of(where, home)
    if isinstance(where, str):
        return profiles, profiles.profile(where)
    if isinstance(where, Path):
        return profiles, profiles.profile(ALONE)
    name = profiles.default()
    if name is None:
        raise UsageError(_which(profiles.names()))
    return profiles, profiles.profile(name)


def _which(names: list[str]) -> str:
    if not names:
        return "There is no account on this machine yet: register, or sign in."
    return f"Several accounts are on this machine ({', '.join(names)}): say which one."


def open_profile(profiles: Profiles, profile: Profile, passphrase: Passphrase) -> Opened:
    """Hold a profile and open its database.  It computes for a moment: not in the loop."""
    return _open(profiles, profile, passphrase, open_database)


def make_profile(profiles: Profiles, profile: Profile, passphrase: Passphrase) -> Opened:
    """Hold a profile that is new, and make its key and its database as far as they are missing."""
    return _open(profiles, profile, passphrase, make_database)


def _open(
    profiles: Profiles, profile: Profile, passphrase: Passphrase, reach: Callable[..., Database]
) -> Opened:
    with ExitStack() as lock:
        lock.enter_context(held(profile))
        ask = asking(passphrase)
        db = reach(profile, ask, _keyring(profile, passphrase))
        return Opened(profiles, profile, db, lock.pop_all())


def is_empty_profile(opened: Opened) -> bool:
    """Whether a profile has no account, and none that is about to be made or brought."""
    return opened.db.one("SELECT 1 FROM me") is None


def remove_profile(profiles: Profiles, profile: Profile) -> None:
    """Remove a profile of which nothing has become: who tries again begins anew."""
    profiles.remove(profile.name, _keyring(profile, None))


def examine(profiles: Profiles, profile: Profile, passphrase: Passphrase) -> tuple[str, ...]:
    """Read the whole database of a profile, and return what is wrong with it: nothing, or lines."""
    opened = open_profile(profiles, profile, passphrase)
    try:
        return check(opened.db)
    finally:
        opened.close()


def keep_key(profile: Profile, passphrase: Passphrase, new: str | None) -> None:
    """Let another passphrase keep the key of a profile; with None, the system's keyring."""
    folder = profile.folder
    with held(profile):
        keyring = find_keyring() if new is None or kept_by(folder) == "keyring" else None
        if new is None and keyring is None:
            raise UsageError(
                "There is no keyring here that protects what it keeps: a passphrase does that."
            )
        key = unlock(folder, asking(passphrase), keyring=keyring)
        if new is None:
            keep_in_keyring(folder, key, keyring)
        else:
            keep_by_passphrase(folder, key, new, keyring=keyring)


def asking(passphrase: Passphrase) -> Callable[[], str]:
    """Return what is asked when a passphrase keeps the key."""
    if isinstance(passphrase, str):
        return lambda: passphrase
    if passphrase is not None:
        return passphrase
    return _from_file


def _from_file() -> str:
    path = os.environ.get(PASSPHRASE_VARIABLE, "")
    if not path:
        raise UsageError(
            f"A passphrase keeps this profile: give it, or name a file that has it in"
            f" {PASSPHRASE_VARIABLE}."
        )
    return read_passphrase_file(Path(path))


def _keyring(profile: Profile, passphrase: Passphrase) -> Any:
    """Return the keyring where one is needed, or may keep a new key."""
    keeper = kept_by(profile.folder)
    is_given = passphrase is not None or os.environ.get(PASSPHRASE_VARIABLE)
    if keeper == "keyring" or (keeper is None and not is_given):
        return find_keyring()
    return None
