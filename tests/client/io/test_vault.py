"""The data key of a profile: kept by a passphrase or the system's keyring, and by nothing else."""

import asyncio
import os
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import keyring.backends.fail
import keyring.backends.null
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from alcove.client.errors import StoreError, UsageError
from alcove.client.io import vault
from alcove.client.io.keyfile import KEY_NAME, kept_by
from alcove.client.io.vault import (
    KeyringError,
    WrongPassphraseError,
    find_keyring,
    forget_key,
    keep_by_passphrase,
    keep_in_keyring,
    make_key,
    protecting,
    read_passphrase_file,
    stretch,
    unlock,
)
from alcove.client.store.failures import DamagedError

WORDS = "heron reeds lantern"


class Keyring(KeyringBackend):
    """A system's keyring, which a test can make fail."""

    priority = 5.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.failing = ""
        self.is_forgetful = False

    def _may(self, act: str) -> None:
        if self.failing == act:
            raise KeyringLocked("hunter2")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._may("set")
        if not self.is_forgetful:
            self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        self._may("get")
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        self._may("delete")
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]


class PlainText(Keyring):
    """What keyrings.alt has: its password file says that it is half a keyring."""

    priority = 0.5


class Boastful(Keyring):
    """One of keyrings.alt that says that it is a whole one."""


Boastful.__module__ = "keyrings.alt.file"


class Chain(Keyring):
    """What `keyring` makes of several."""

    def __init__(self, *backends: Any) -> None:
        super().__init__()
        self.backends = backends


class Unsure:
    """One that cannot say what it is good for."""

    @property
    def priority(self) -> float:
        raise RuntimeError("no bus")


def words() -> str:
    return WORDS


def nobody() -> str:
    raise AssertionError("nobody should be asked")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch less than in earnest; one test below looks at the real parameters."""
    stretched = vault._argon2

    def less(secret: bytes, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
        return stretched(secret, salt, memory_kib // 1024, passes, lanes)

    monkeypatch.setattr(vault, "_argon2", less)


# ---- A passphrase ----


def test_the_passphrase_opens_what_it_keeps(tmp_path: Path) -> None:
    key = make_key(tmp_path, words)
    assert len(key) == 32
    assert unlock(tmp_path, words) == key
    assert kept_by(tmp_path) == "passphrase"


def test_every_profile_has_a_key_of_its_own(tmp_path: Path) -> None:
    folders = (tmp_path / "a", tmp_path / "b")
    for folder in folders:
        folder.mkdir()
    assert make_key(folders[0], words) != make_key(folders[1], words)


def test_nothing_in_the_file_tells_the_key_or_the_passphrase(tmp_path: Path) -> None:
    key = make_key(tmp_path, words)
    content = (tmp_path / KEY_NAME).read_bytes()
    for secret in (WORDS.encode(), key, key.hex().encode(), b64encode(key)):
        assert secret not in content
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [KEY_NAME]


def test_a_wrong_passphrase_is_told_as_such(tmp_path: Path) -> None:
    make_key(tmp_path, words)
    with pytest.raises(WrongPassphraseError, match="not the passphrase"):
        unlock(tmp_path, lambda: "heron reeds")


def test_a_passphrase_is_the_same_however_a_keyboard_composes_it(tmp_path: Path) -> None:
    key = make_key(tmp_path, lambda: "caf\u00e9")
    assert unlock(tmp_path, lambda: "cafe\u0301") == key


@pytest.mark.parametrize("text", ["", "x" * 1_025, "\udc80"])
def test_a_passphrase_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"passphrase is empty|password"):
        make_key(tmp_path, lambda: text)
    assert kept_by(tmp_path) is None


def test_a_new_passphrase_replaces_the_old_one_and_keeps_the_key(tmp_path: Path) -> None:
    key = make_key(tmp_path, words)
    keep_by_passphrase(tmp_path, key, "another one")
    assert unlock(tmp_path, lambda: "another one") == key
    with pytest.raises(WrongPassphraseError):
        unlock(tmp_path, words)


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path, words)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: nobody())
        with pytest.raises(AssertionError):
            keep_by_passphrase(tmp_path, key, "another one")
    assert unlock(tmp_path, words) == key
    keep_by_passphrase(tmp_path, key, "a third one")
    assert unlock(tmp_path, lambda: "a third one") == key


def test_the_parameters_are_those_of_the_file_and_none_that_are_out_of_bounds(
    tmp_path: Path,
) -> None:
    key = make_key(tmp_path, words)
    path = tmp_path / KEY_NAME
    content = path.read_text("utf-8")
    assert '"memory_kib": 65536' in content
    assert '"passes": 3' in content
    for wrong in ("7", "99999999"):
        path.write_text(content.replace("65536", wrong), "utf-8")
        with pytest.raises(DamagedError):
            unlock(tmp_path, words)
    path.write_text(content.replace("65536", "32768"), "utf-8")
    with pytest.raises(WrongPassphraseError):  # The parameters are bound to the key.
        unlock(tmp_path, words)
    path.write_text(content, "utf-8")
    assert unlock(tmp_path, words) == key


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"kept_by":"keyring","name":"../x"}'])
def test_a_damaged_key_file_is_told_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_NAME).write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged"):
        unlock(tmp_path, nobody)
    with pytest.raises(DamagedError):
        make_key(tmp_path, nobody)
    assert (tmp_path / KEY_NAME).read_bytes() == content


def test_a_key_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / KEY_NAME).write_bytes(b" " * 5_000)
    with pytest.raises(StoreError, match="larger than 4096"):
        kept_by(tmp_path)


def test_a_profile_without_a_key_is_told_as_such(tmp_path: Path) -> None:
    assert kept_by(tmp_path) is None
    with pytest.raises(StoreError, match="There is no key"):
        unlock(tmp_path, nobody)


def test_a_key_is_never_overwritten_by_a_new_one(tmp_path: Path) -> None:
    key = make_key(tmp_path, words)
    with pytest.raises(StoreError, match="not overwritten"):
        make_key(tmp_path, nobody)
    assert unlock(tmp_path, words) == key


# ---- The file of a passphrase ----


def passphrase_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "passphrase"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_passphrase_is_the_one_line_of_its_file(tmp_path: Path, ending: bytes) -> None:
    path = passphrase_file(tmp_path, WORDS.encode() + ending)
    assert read_passphrase_file(path) == WORDS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_passphrase_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UsageError, match="chmod 600"):
        read_passphrase_file(passphrase_file(tmp_path, WORDS.encode(), mode))


def test_a_passphrase_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = passphrase_file(tmp_path, WORDS.encode())
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(UsageError, match="yours alone"):
        read_passphrase_file(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe"])
def test_a_file_that_holds_no_line_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match="as one line"):
        read_passphrase_file(passphrase_file(tmp_path, content))


def test_a_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_passphrase_file(tmp_path / "nothing")
    with pytest.raises(UsageError, match="must be a file"):
        read_passphrase_file(tmp_path)


# ---- The system's keyring ----


def test_where_there_is_a_keyring_nobody_is_asked(tmp_path: Path) -> None:
    system = Keyring()
    key = make_key(tmp_path, nobody, keyring=system)
    assert unlock(tmp_path, nobody, keyring=system) == key
    assert kept_by(tmp_path) == "keyring"
    ((service, name),) = system.kept
    assert service == "Alcove"
    assert name in (tmp_path / KEY_NAME).read_text("utf-8")


@pytest.mark.parametrize("failing", ["set", "get"])
def test_a_keyring_that_fails_counts_as_none(tmp_path: Path, failing: str) -> None:
    system = Keyring()
    system.failing = failing
    make_key(tmp_path, words, keyring=system)
    assert kept_by(tmp_path) == "passphrase"


def test_a_keyring_that_forgets_at_once_counts_as_none(tmp_path: Path) -> None:
    system = Keyring()
    system.is_forgetful = True
    make_key(tmp_path, words, keyring=system)
    assert kept_by(tmp_path) == "passphrase"


def test_a_key_moves_from_keyring_to_passphrase_and_back(tmp_path: Path) -> None:
    system = Keyring()
    key = make_key(tmp_path, nobody, keyring=system)
    keep_by_passphrase(tmp_path, key, WORDS, keyring=system)
    assert (kept_by(tmp_path), system.kept) == ("passphrase", {})
    assert unlock(tmp_path, words) == key
    keep_in_keyring(tmp_path, key, system)
    assert (kept_by(tmp_path), len(system.kept)) == ("keyring", 1)
    assert unlock(tmp_path, nobody, keyring=system) == key


def test_a_move_to_a_keyring_that_fails_leaves_the_passphrase(tmp_path: Path) -> None:
    system = Keyring()
    system.failing = "set"
    key = make_key(tmp_path, words)
    with pytest.raises(KeyringError, match=r"failed \(KeyringLocked\)") as error:
        keep_in_keyring(tmp_path, key, system)
    assert "hunter2" not in str(error.value)
    assert unlock(tmp_path, words) == key


def test_a_keyring_that_does_not_let_go_of_the_key_is_told(tmp_path: Path) -> None:
    system = Keyring()
    key = make_key(tmp_path, nobody, keyring=system)
    system.failing = "delete"
    with pytest.raises(KeyringError):
        keep_by_passphrase(tmp_path, key, WORDS, keyring=system)
    assert unlock(tmp_path, words) == key  # What was asked for has happened all the same.


def test_a_keyring_that_is_gone_or_locked_or_empty_is_told(tmp_path: Path) -> None:
    system = Keyring()
    make_key(tmp_path, nobody, keyring=system)
    with pytest.raises(KeyringError, match="there is none here now"):
        unlock(tmp_path, nobody)
    with pytest.raises(KeyringError, match="no longer has the key"):
        unlock(tmp_path, nobody, keyring=Keyring())
    for place in system.kept:
        system.kept[place] = "not base64"
    with pytest.raises(KeyringError, match="no longer has the key"):
        unlock(tmp_path, nobody, keyring=system)
    system.failing = "get"
    with pytest.raises(KeyringError, match="unlock it"):
        unlock(tmp_path, nobody, keyring=system)


def test_a_forgotten_key_is_gone_from_everywhere(tmp_path: Path) -> None:
    system = Keyring()
    make_key(tmp_path, nobody, keyring=system)
    forget_key(tmp_path, system)
    assert (kept_by(tmp_path), system.kept) == (None, {})
    forget_key(tmp_path, system)
    make_key(tmp_path, words)
    forget_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_forgotten_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    make_key(tmp_path, words)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        forget_key(tmp_path)


def test_only_keyrings_that_protect_count() -> None:
    good = Keyring()
    assert protecting(good) is good
    assert protecting(Chain(PlainText(), good)) is good
    none: tuple[Any, ...] = (
        keyring.backends.fail.Keyring(),  # type: ignore[no-untyped-call]
        keyring.backends.null.Keyring(),  # type: ignore[no-untyped-call]
        PlainText(),
        Boastful(),
        Chain(),
        Chain(PlainText()),
        Unsure(),
    )
    assert [protecting(one) for one in none] == [None] * len(none)


def test_the_keyring_of_this_machine_is_found_or_counts_as_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = Keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: good)
    assert find_keyring() is good

    def fail() -> None:
        raise RuntimeError("no bus")

    monkeypatch.setattr(keyring, "get_keyring", fail)
    assert find_keyring() is None


# ---- Stretching ----


def test_a_password_is_stretched_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def watched(*arguments: Any) -> bytes:
        asked.append((*arguments, threading.current_thread() is threading.main_thread()))
        return bytes(32)

    monkeypatch.setattr(vault, "_argon2", watched)
    asyncio.run(stretch("caf\u00e9", bytes(32)))
    assert asked == [("caf\u00e9".encode(), bytes(32), 65_536, 3, 4, False)]


def test_a_password_is_stretched_to_what_another_library_makes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    salt = bytes(range(32))
    other = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65_536)
    assert asyncio.run(stretch(WORDS, salt)) == other.derive(WORDS.encode())
