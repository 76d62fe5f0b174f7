"""The data key of a profile: 32 random bytes that open its database, and who keeps them.

    a passphrase     key.json has the key, sealed under Argon2id of the passphrase
    the keyring      the system's keyring has the key, and key.json says under which name

The key stays the same for the life of a profile.  Who changes the passphrase seals it anew, so an
old copy of key.json opens with the old passphrase: it is one file, and nobody else's to keep.
"""

import asyncio
import os
import stat
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from argon2.low_level import Type, hash_secret_raw

from alcove.client.errors import StoreError, UsageError
from alcove.client.io.keyfile import (
    KEY_BYTES,
    KEY_NAME,
    NONCE_BYTES,
    PASSPHRASE_VARIABLE,
    SALT_BYTES,
    KeyFile,
    NamedKey,
    SealedKey,
    read_key_file,
)
from alcove.client.keys.lock import (
    ARGON2_LANES,
    ARGON2_MEMORY_KIB,
    ARGON2_PASSES,
    STRETCHED_BYTES,
    password_bytes,
)
from alcove.client.keys.suite import SUITE
from alcove.client.store.disk import read_small, refused, write_private
from alcove.mls.errors import CryptoError

PASSPHRASE_BYTES_MAX: Final = 1_024
"""The longest passphrase, and the longest password."""
SERVICE: Final = "Alcove"
"""Under which name the system's keyring shows our keys."""
_COST: Final = (ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES)
NATIVE_PRIORITY: Final = 1
"""What a keyring that protects its passwords says of itself; those in plain text say less."""
_PLAIN: Final = ("keyrings.alt.", "keyring.backends.null", "keyring.backends.fail")
"""Keyrings that are none: they keep plain text or something near it, or nothing at all."""

Random = Callable[[int], bytes]
Ask = Callable[[], str]
"""Asks for the passphrase: a prompt, or a file."""


class WrongPassphraseError(UsageError):
    """The passphrase does not open the profile."""


class KeyringError(StoreError):
    """The system's keyring does not give, or does not take."""


# ---- The key of a profile ----


def make_key(folder: Path, ask: Ask, *, random: Random = os.urandom, keyring: Any = None) -> bytes:
    """Return a new data key, kept by the keyring, or else by a passphrase.

    `keyring` comes from `find_keyring`.  One that fails after all counts as none: `ask` is asked.
    """
    if read_key_file(folder) is not None:
        raise StoreError(f"There is a key in {folder} already, and it is not overwritten.")
    key = random(KEY_BYTES)
    if keyring is not None:
        try:
            keep_in_keyring(folder, key, keyring, random=random)
        except KeyringError:
            pass
        else:
            return key
    keep_by_passphrase(folder, key, ask(), random=random)
    return key


def unlock(folder: Path, ask: Ask, *, keyring: Any = None) -> bytes:
    """Return the data key.  `ask` is asked only when a passphrase keeps it."""
    match read_key_file(folder):
        case SealedKey() as file:
            return _open(file, ask())
        case NamedKey() as file:
            return _take_out(file, keyring)
    raise StoreError(
        f"There is no key in {folder}: it was moved, or this profile was never finished."
    )


def keep_by_passphrase(
    folder: Path, key: bytes, passphrase: str, *, random: Random = os.urandom, keyring: Any = None
) -> None:
    """Let a passphrase keep the key from now on: a new one, or instead of the keyring."""
    salt, nonce = random(SALT_BYTES), random(NONCE_BYTES)
    empty = SealedKey(salt, nonce, bytes(KEY_BYTES + 16), *_COST)
    sealed = SUITE.aead_seal(_wrapping(empty, passphrase), nonce, key, _context(empty))
    _replace(folder, msgspec.structs.replace(empty, sealed=sealed), keyring)


def keep_in_keyring(folder: Path, key: bytes, keyring: Any, *, random: Random = os.urandom) -> None:
    """Let the system's keyring keep the key from now on."""
    file = NamedKey(random(16).hex())
    text = b64encode(key).decode()
    try:
        keyring.set_password(SERVICE, file.name, text)
        is_there = keyring.get_password(SERVICE, file.name) == text
    except Exception as error:
        raise _keyring_failed(error) from error
    if not is_there:
        raise KeyringError("The system's keyring forgot the key at once: use a passphrase instead.")
    _replace(folder, file, keyring)


def forget_key(folder: Path, keyring: Any = None) -> None:
    """Make a profile unreadable for ever: its key is gone, from the keyring too."""
    file = read_key_file(folder)
    try:
        (folder / KEY_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise refused(error, folder / KEY_NAME) from error
    _forget(file, keyring)


def _replace(folder: Path, file: KeyFile, keyring: Any) -> None:
    """Put a key file in place, and only then forget what the one before stood for."""
    before = read_key_file(folder)
    write_private(folder / KEY_NAME, msgspec.json.format(msgspec.json.encode(file)) + b"\n")
    _forget(before, keyring)


def _forget(file: KeyFile | None, keyring: Any) -> None:
    if isinstance(file, NamedKey) and keyring is not None:
        try:
            keyring.delete_password(SERVICE, file.name)
        except Exception as error:
            raise _keyring_failed(error) from error


# ---- A passphrase ----


def read_passphrase_file(path: Path) -> str:
    """Return the passphrase from the file that `ClientSettings.passphrase_file` names.

    It must be for this user alone, or others could read what it protects.
    """
    _keep_others_out(path)
    content = read_small(path, PASSPHRASE_BYTES_MAX) or b""
    try:
        text = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise UsageError(
            f"{path} must hold the passphrase as one line of text: write it there, or unset"
            f" {PASSPHRASE_VARIABLE} to be asked."
        )
    return text


def _keep_others_out(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(
            f"{path}, which {PASSPHRASE_VARIABLE} names, cannot be read ({error.strerror}): make"
            " it, or unset that variable to be asked."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path}, which {PASSPHRASE_VARIABLE} names, must be a file.")
    if sys.platform != "win32" and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
        raise UsageError(
            f"{path} holds a passphrase and can be used by others on this machine: make it yours"
            f" alone, as with chmod 600 {path}."
        )


def _open(file: SealedKey, passphrase: str) -> bytes:
    key = _wrapping(file, passphrase)
    try:
        return SUITE.aead_open(key, file.nonce, file.sealed, _context(file))
    except CryptoError:
        raise WrongPassphraseError(
            "This is not the passphrase of this profile: try again, and look at Caps Lock and the"
            " layout of the keyboard."
        ) from None


def _wrapping(file: SealedKey, passphrase: str) -> bytes:
    """Return the key that a passphrase stands for, under what the file says of Argon2id."""
    if not passphrase:
        raise UsageError("The passphrase is empty: take one of at least a few words.")
    secret = _bytes_of(passphrase)
    return _argon2(secret, file.salt, file.memory_kib, file.passes, file.lanes)


def _context(file: SealedKey) -> bytes:
    """Bind the key to what it was stretched with."""
    return f"alcove data key 1 {file.memory_kib} {file.passes} {file.lanes}".encode()


# ---- The system's keyring ----


def find_keyring() -> Any:
    """Return the system's keyring, or None where there is none that protects what it keeps.

    It may talk to another program and wait for it, and loading it takes a while: not in the loop.
    """
    try:
        import keyring  # noqa: PLC0415 - It looks through all that is installed.

        found = keyring.get_keyring()
    except Exception:  # noqa: BLE001 - Whatever a system's keyring raises: it counts as none.
        return None
    return protecting(found)


def protecting(keyring: Any) -> Any:
    """Return a keyring that protects what it keeps: this one, or the first in it, or None."""
    inner = getattr(keyring, "backends", None)
    if inner is not None:
        return next((one for one in map(protecting, inner) if one is not None), None)
    try:
        is_native = keyring.priority >= NATIVE_PRIORITY
    except Exception:  # noqa: BLE001 - It tells its priority by trying.
        return None
    return keyring if is_native and not type(keyring).__module__.startswith(_PLAIN) else None


def _take_out(file: NamedKey, keyring: Any) -> bytes:
    if keyring is None:
        raise KeyringError(
            "The key of this profile is in the system's keyring, and there is none here now: sign"
            " in to the desktop, or start the keyring, and do it again."
        )
    try:
        text = keyring.get_password(SERVICE, file.name)
    except Exception as error:
        raise _keyring_failed(error) from error
    try:
        key = b64decode(text or "", validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyringError(
            "The system's keyring no longer has the key of this profile: bring back the keyring,"
            " or sign in anew as another profile."
        )
    return key


def _keyring_failed(error: Exception) -> KeyringError:
    """Name a failure without its text: nobody knows what a keyring writes there."""
    return KeyringError(
        f"The system's keyring failed ({type(error).__name__}): unlock it and do it again, or use a"
        " passphrase instead."
    )


# ---- Stretching ----


async def stretch(secret: str | bytes, salt: bytes) -> bytes:
    """Return Argon2id of a password, or of a phrase's bytes, while the loop goes on."""
    content = _bytes_of(secret) if isinstance(secret, str) else secret
    return await asyncio.to_thread(
        _argon2, content, salt, ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES
    )


def _bytes_of(text: str) -> bytes:
    content = password_bytes(text)
    if len(content) > PASSPHRASE_BYTES_MAX:
        raise UsageError(
            f"A password has at most {PASSPHRASE_BYTES_MAX} bytes: take a shorter one."
        )
    return content


def _argon2(secret: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
    return hash_secret_raw(secret, salt, passes, memory_kib, lanes, STRETCHED_BYTES, Type.ID)
