"""Several accounts side by side on one machine, each in a folder that one process has at a time."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from alcove.client.errors import StoreError, UsageError
from alcove.client.io import profiles as profiles_module
from alcove.client.io.keyfile import kept_by
from alcove.client.io.profiles import (
    Profile,
    Profiles,
    held,
    home_folder,
    make_database,
    open_database,
)
from alcove.client.io.vault import make_key, unlock
from alcove.client.store.failures import DamagedError

SERVER = "https://chat.example.org"


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "home")


def words() -> str:
    return "heron reeds"


def finish(profile: Profile) -> bytes:
    """Do what is done after a profile was made."""
    make_database(profile, words).close()
    return unlock(profile.folder, words)


# ---- Where they are ----


@pytest.mark.parametrize(
    ("environ", "platform", "place"),
    [
        ({"ALCOVE_HOME": "/a/b"}, "linux", "/a/b"),
        ({"ALCOVE_HOME": "/a/b", "XDG_DATA_HOME": "/c"}, "linux", "/a/b"),
        ({"ALCOVE_HOME": "~/b"}, "win32", "/home/ada/b"),
        ({}, "linux", "/home/ada/.local/share/alcove"),
        ({"XDG_DATA_HOME": "/c"}, "linux", "/c/alcove"),
        ({"XDG_DATA_HOME": "c"}, "linux", "/home/ada/.local/share/alcove"),
        ({"XDG_DATA_HOME": "/c"}, "darwin", "/home/ada/Library/Application Support/Alcove"),
        ({"LOCALAPPDATA": "/d"}, "win32", "/d/Alcove"),
        ({}, "win32", "/home/ada/AppData/Local/Alcove"),
    ],
)
def test_everything_is_where_the_system_keeps_the_data_of_programs(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], platform: str, place: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert home_folder(environ, platform) == Path(place)


# ---- Several of them ----


def test_without_any_there_is_none(profiles: Profiles) -> None:
    assert profiles.names() == []
    assert profiles.default() is None
    with pytest.raises(UsageError, match="none at all yet"):
        profiles.profile("work")


def test_a_profile_says_which_account_on_which_server_and_no_more(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    assert (profile.server, profile.account) == (SERVER, "")
    profiles.change(profile, account="ada")
    key = finish(profile)
    profile = profiles.change(profiles.profile("work"), server="https://new.example.org")
    assert (profile.server, profile.account) == ("https://new.example.org", "ada")
    content = (profile.folder / "profile.json").read_bytes()
    assert key not in content
    assert b"heron" not in content


def test_only_the_user_can_look_into_a_profile(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    finish(profile)
    with held(profile):
        for path in (profiles.home, profile.folder, profile.files):
            assert path.stat().st_mode & 0o777 == 0o700
        files = [path for path in sorted(profile.folder.iterdir()) if path.is_file()]
        assert [path.name for path in files] == ["alcove.db", "key.json", "lock", "profile.json"]
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 4


def test_profiles_are_listed_in_order_and_other_folders_are_not(profiles: Profiles) -> None:
    for name in ("work", "home", "a.b-c_d"):
        profiles.create(name, SERVER)
    (profiles.home / "profiles" / "stray").mkdir()
    (profiles.home / "profiles" / "Not A Name").mkdir()
    assert profiles.names() == ["a.b-c_d", "home", "work"]


def test_the_first_profile_is_meant_until_another_is_chosen(profiles: Profiles) -> None:
    profiles.create("work", SERVER)
    profiles.create("home", SERVER)
    assert profiles.default() == "work"
    profiles.choose("home")
    assert profiles.default() == "home"
    with pytest.raises(UsageError, match="there is home, work"):
        profiles.choose("nothing")


def test_a_profile_that_is_alone_is_meant_whatever_was_chosen(profiles: Profiles) -> None:
    profiles.create("work", SERVER)
    (profiles.home / "default").write_bytes(b"\xff\n")
    assert profiles.default() == "work"
    (profiles.home / "default").unlink()
    assert profiles.default() == "work"


@pytest.mark.parametrize(
    "name", ["", "../work", "Work", "wörk", ".work", "a/b", "con", "lpt1.txt", "a.", "a" * 41]
)
def test_a_name_that_a_file_system_may_take_otherwise_is_refused(
    profiles: Profiles, name: str
) -> None:
    with pytest.raises(UsageError, match="A profile has a name"):
        profiles.create(name, SERVER)
    assert profiles.names() == []


def test_a_profile_is_never_made_twice(profiles: Profiles) -> None:
    finish(profiles.create("work", SERVER))
    with pytest.raises(UsageError, match="already"):
        profiles.create("work", "https://other.example.org")
    assert profiles.profile("work").server == SERVER


def test_making_a_profile_goes_on_where_it_was_cut_short(profiles: Profiles) -> None:
    make_key(profiles.create("work", SERVER).folder, words)
    profile = profiles.create("work", SERVER)
    assert not profile.is_finished
    make_database(profile, words).close()
    assert profiles.profile("work").is_finished
    make_database(profile, words).close()
    open_database(profile, words).close()


def test_a_lost_database_is_told_and_not_made_anew(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    finish(profile)
    profile.database.unlink()
    with pytest.raises(StoreError, match="There is no database"):
        open_database(profile, words)
    assert not profile.database.exists()


def test_no_word_of_the_database_and_no_key_is_in_any_file_of_a_profile(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    key = finish(profile)
    with held(profile):
        database = open_database(profile, words)
        database.run("INSERT INTO alarm (kind, about, at) VALUES ('heron', x'', 1)")
        files = [path for path in profiles.home.rglob("*") if path.is_file()]
        content = b"".join(path.read_bytes() for path in sorted(files))
        database.close()
    assert b"alarm" not in content
    for secret in (b"heron", b"reeds", key, key.hex().encode(), b64encode(key)):
        assert secret not in content


def test_a_damaged_file_is_told_and_kept(profiles: Profiles) -> None:
    path = profiles.create("work", SERVER).folder / "profile.json"
    path.write_bytes(b"{")
    with pytest.raises(DamagedError, match="put back a copy"):
        profiles.profile("work")
    assert path.read_bytes() == b"{"


def test_a_home_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        Profiles(tmp_path / "file").create("work", SERVER)
    (tmp_path / "profiles").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        Profiles(tmp_path).names()


def test_a_renamed_profile_has_everything_and_stays_the_default(profiles: Profiles) -> None:
    finish(profiles.create("work", SERVER))
    profiles.create("home", SERVER)
    profile = profiles.rename("work", "office")
    assert profile.is_finished
    assert profiles.names() == ["home", "office"]
    assert profiles.default() == "office"
    profiles.rename("home", "house")
    assert profiles.default() == "office"
    with pytest.raises(UsageError, match="already"):
        profiles.rename("office", "house")


def test_a_profile_that_cannot_be_moved_is_told(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    profiles.create("work", SERVER)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        profiles.rename("work", "office")


def test_a_removed_profile_is_gone_with_its_key_first(
    profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profiles.create("work", SERVER)
    finish(profile)
    with monkeypatch.context() as patch:
        patch.setattr(profiles_module, "remove_folder", lambda _: sys.exit("killed"))
        with pytest.raises(SystemExit):
            profiles.remove("work")
    assert profiles.names() == []
    (left,) = (profiles.home / "profiles").iterdir()
    assert kept_by(left) is None
    profiles.create("work", SERVER)
    profiles.remove("work")
    assert list((profiles.home / "profiles").iterdir()) == []


# ---- One process only ----

HOLDER = """
import os, sys
from pathlib import Path
from alcove.client.io.profiles import Profiles, held
with held(Profiles(Path(sys.argv[1])).profile("work")):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


def test_a_profile_in_use_is_refused_with_the_number_of_the_process(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(profiles.home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        process = holder.stdout.readline().strip()
        assert process == str(holder.pid)
        sentence = f"“work” is in use by the process {process}:"
        with pytest.raises(StoreError, match=sentence), held(profile):
            pass
        for act in (lambda: profiles.remove("work"), lambda: profiles.rename("work", "office")):
            with pytest.raises(StoreError, match=sentence):
                act()
        assert profiles.names() == ["work"]
        holder.kill()
        holder.wait()
    with held(profile):
        assert (profile.folder / "lock").read_text("ascii") != f"{process}\n"


def test_a_profile_is_in_use_within_one_process_too(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    with held(profile), pytest.raises(StoreError, match="in use"), held(profile):
        pass
    with held(profile):
        pass


def test_a_holder_that_has_not_said_its_number_yet_is_unknown(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    with held(profile):
        (profile.folder / "lock").write_bytes(b"")
        with pytest.raises(StoreError, match=r"\(unknown\)"), held(profile):
            pass


def test_a_lock_that_cannot_be_made_is_told(profiles: Profiles) -> None:
    profile = profiles.create("work", SERVER)
    (profile.folder / "lock").mkdir()
    with pytest.raises(StoreError, match="Is a directory"), held(profile):
        pass
