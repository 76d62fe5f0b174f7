"""The commands of the host: what they print for people, and what for programs."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import alcove
from alcove.cli import admin_server, asking, main, shared
from alcove.cli.lazy import Lazy, Promise
from alcove.cli.shared import exact_size, size, when
from alcove.server.admin_messages import Tell
from alcove.server.audit_kinds import KINDS
from alcove.server.io.places import user_name
from alcove.server.settings import Settings
from alcove.wire.ids import NAME_CHARACTERS_MAX
from tests.server.house import House


class Host:
    """Somebody at a terminal, beside a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.house = House(folder)

    def run(self, *words: str, text: str | None = None) -> Result:
        """Run a command, and return what came of it."""
        data = ("--data", str(self.folder))
        return CliRunner(catch_exceptions=False).invoke(main, [*words, *data], input=text)

    def say(self, *words: str) -> str:
        """Run a command that succeeds, and return what it prints."""
        done = self.run(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.say(*words, "--json"))

    def fail(self, *words: str) -> str:
        """Run a command that fails, and return the sentence."""
        done = self.run(*words)
        assert done.exit_code == 1, done.output
        assert done.stderr.startswith("Error: ")
        return done.stderr.removeprefix("Error: ").strip()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for name in [name for name in os.environ if name.startswith("ALCOVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Host(folder)


# ---- The command line itself ----


def test_help_loads_nothing_that_a_command_needs() -> None:
    code = (
        "import sys; from alcove.cli import main; main(['--help'], standalone_mode=False);"
        "main(['admin', '--help'], standalone_mode=False);"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('msgspec', 'aiohttp', 'cryptography', 'uvloop') or name.startswith('alcove.server')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Private conversations" in done.stdout
    assert done.stdout.endswith("\n[]\n")


def test_python_m_alcove_is_the_same_and_says_its_version() -> None:
    words = [sys.executable, "-m", "alcove", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"alcove, version {alcove.__version__}\n"


def test_server_is_another_word_for_serve() -> None:
    context = click.Context(main)
    assert isinstance(main, Lazy)
    assert main.get_command(context, "server") is main.get_command(context, "serve")
    assert "server" not in main.list_commands(context)
    assert main.get_command(context, "dance") is None


def test_a_command_that_there_is_not_is_refused() -> None:
    done = CliRunner().invoke(main, ["dance"])
    assert done.exit_code == 2
    assert "There is no command dance." in done.stderr


def test_a_group_keeps_the_order_of_its_commands() -> None:
    group = Lazy("x", promises={"b": Promise("a:b", "Bee."), "a": Promise("a:a", "Ay.")})
    assert group.list_commands(click.Context(group)) == ["b", "a"]
    assert "b  Bee.\n  a  Ay." in group.get_help(click.Context(group))


# ---- Whose the data folder is ----


@pytest.mark.parametrize(
    "words",
    [("admin", "accounts"), ("admin", "restore", "x.backup"), ("upgrade",)],
)
def test_another_user_than_the_owner_is_refused_before_anything_is_made(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    before = sorted(host.folder.iterdir())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    said = host.fail(*words)
    owner = user_name(os.getuid())
    assert said.startswith(f"{host.folder / 'alcove.sqlite'} belongs to the user {owner}, ")
    assert said.endswith(f"sudo -u {owner} before it.")
    assert sorted(host.folder.iterdir()) == before
    (host.folder / "alcove.lock").touch()
    assert host.fail(*words).startswith(f"{host.folder / 'alcove.lock'} belongs to")


def test_a_user_without_a_name_is_told_by_number() -> None:
    assert user_name(2**31 - 7) == str(2**31 - 7)


# ---- Accounts ----


def test_accounts_are_shown_in_a_table(host: Host) -> None:
    assert "Nobody has registered yet" in host.say("admin", "accounts")
    host.house.add_person("ada", 2, is_host=True)
    host.house.add_person("bob")
    host.say("admin", "disable", "bob")
    lines = host.say("admin", "accounts").splitlines()
    assert lines[0].split() == ["NAME", "SINCE", "LAST", "SEEN", "DEVICES", "ROOMS", "FILES"]
    assert lines[1].split()[0] == "ada"
    assert lines[1].endswith("host")
    assert "never" in lines[1]
    assert lines[2].endswith("disabled")
    found = host.json("admin", "accounts")
    assert [(one["name"], one["devices"]) for one in found] == [("ada", 2), ("bob", 1)]


def test_more_accounts_than_a_page_are_all_shown(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.server.admin.ACCOUNTS_PAGE", 1)
    for name in ("ada", "bob", "eve"):
        host.house.add_person(name)
    assert len(host.json("admin", "accounts")) == 3


def test_an_account_is_disabled_and_let_in_again(host: Host) -> None:
    host.house.add_person("Ada")
    assert host.say("admin", "disable", "@ada") == ("Ada is disabled, and connected no more.\n")
    assert host.json("admin", "disable", "ada")["disabled_at"] is not None
    assert host.say("admin", "enable", "ada") == "Ada may sign in again.\n"
    assert host.fail("admin", "disable", "eve").startswith("Nobody here has that name")


def test_who_disables_a_host_is_told_what_that_means(host: Host) -> None:
    host.house.add_person("Ada", is_host=True)
    host.house.add_person("Bob")
    assert host.run("admin", "disable", "Bob").stderr == ""
    done = host.run("admin", "disable", "Ada")
    assert "Ada is a host: what only a host may do waits until `" in done.stderr
    assert f"admin enable Ada --data {host.folder}`" in done.stderr
    assert host.run("admin", "enable", "Ada").stderr == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5 GB", "at most 5 GB of files"),
        ("1MiB", "at most 1 MiB of files"),
        ("5", "at most 5 bytes of files"),
        ("0", "files without a limit of its own"),
        ("default", "at most 2 GB of files"),
    ],
)
def test_space_for_files_is_written_as_people_write_it(host: Host, text: str, said: str) -> None:
    host.house.add_person("ada")
    assert host.say("admin", "quota", "ada", text) == f"ada may store {said}.\n"


@pytest.mark.parametrize("text", ["much", "101 TB", "5 XB"])
def test_space_that_is_no_size_is_refused(host: Host, text: str) -> None:
    assert host.fail("admin", "quota", "ada", text).startswith("SIZE must be a size such as")


# ---- Links ----


@pytest.mark.parametrize(
    "words", [("invite",), ("bot", "helper"), ("reset", "ada"), ("owner-link",)]
)
def test_a_link_alone_goes_to_standard_output(host: Host, words: tuple[str, ...]) -> None:
    host.house.add_person("ada")
    done = host.run("admin", *words)
    assert done.exit_code == 0
    (link,) = done.stdout.splitlines()
    assert link.startswith("http://127.0.0.1:8888/i/")
    assert "It works once, until" in done.stderr
    assert ("Nobody else can use it" in done.stderr) is (words != ("owner-link",))
    assert link.partition("#")[2] not in done.stderr
    found = host.json("admin", *words)
    assert found["link"].count("#") == 1


def test_a_link_that_others_can_use_is_shown_without_a_warning(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVE_PUBLIC_URL", "https://chat.example.org")
    done = host.run("admin", "invite")
    assert done.stdout.startswith("https://chat.example.org/i/")
    assert "Nobody else" not in done.stderr


def test_on_a_terminal_a_link_has_a_qr_code_beside_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.cli.links.is_terminal", lambda: True)
    assert "▀" in host.say("admin", "invite", "--uses", "2")


def test_links_are_listed_and_withdrawn(host: Host) -> None:
    assert host.say("admin", "invites") == "There are no links.\n"
    ada = host.house.add_person("ada")
    made = host.json("admin", "invite", "--uses", "3", "--days", "1")
    host.house.connection.run("UPDATE invite SET made_by = ?", ada.account)
    old = host.json("admin", "invite")
    host.house.connection.run("UPDATE invite SET used = 1 WHERE invite = ?", old["invite"])
    said = host.say("admin", "invites")
    assert made["invite"] in said
    assert "0 of 3" in said
    assert "the server" in said
    assert "ended" in said
    assert host.say("admin", "uninvite", made["invite"]) == "The link works no more.\n"
    assert [one["invite"] for one in host.json("admin", "invites")] == [old["invite"]]
    assert host.json("admin", "uninvite", old["invite"])["text"] == "The link works no more."
    assert host.fail("admin", "uninvite", "x").startswith("There is no such link")


def test_a_name_for_a_bot_must_be_one(host: Host) -> None:
    assert str(NAME_CHARACTERS_MAX) in host.fail("admin", "bot", "no spaces")


# ---- The server ----


def row(said: str, name: str) -> list[str]:
    """Return the cells of a setting's line."""
    (line,) = [line for line in said.splitlines() if line.startswith(f"{name} ")]
    return line.split("  ")[0:1] + [cell.strip() for cell in line.split("  ")[1:] if cell.strip()]


def test_policies_are_shown_with_what_counts_and_where_it_was_set(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = host.say("admin", "policy")
    assert "not set" not in said
    assert row(said, "registration")[:4] == ["registration", "open", "default", "at once"]
    assert row(said, "requests")[1:3] == ["strangers", "default"]
    (tmp_path / "alcove.toml").write_text('requests = "off"\n')
    monkeypatch.setenv("ALCOVE_MAX_CLIENTS", "70")
    said = host.say("admin", "policy")
    assert row(said, "requests")[1:3] == ["off", "alcove.toml"]
    assert row(said, "max_clients")[1:3] == ["70", "the environment"]
    changed = host.say("admin", "policy", "registration", "closed")
    assert row(changed, "registration")[1:3] == ["closed", "alcove admin policy"]
    (found,) = host.json("admin", "policy", "registration")
    assert (found["value"], found["source"], found["changed"]) == (
        "closed", "alcove admin policy", True,
    )  # fmt: skip
    assert host.fail("admin", "policy", "port", "1").startswith("port cannot change while")


def test_limits_are_shown_with_what_they_mean(host: Host) -> None:
    said = host.say("admin", "limits")
    assert "rate_append" in said
    assert "20/s burst 200" in said
    assert "Devices in one room." in said
    assert row(said, "room_devices_max")[1:4] == ["4096", "default", "at a start"]
    assert len(host.json("admin", "limits")) > 40


def test_nobody_can_be_told_anything_while_no_server_runs(host: Host) -> None:
    assert "the server does not run" in host.fail("admin", "tell", "Back at 20:10.")


def test_what_came_of_telling_is_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(_: Settings, request: object, kind: type) -> object:
        asked.append(request)
        return kind("Everyone was told.")

    monkeypatch.setattr(admin_server, "ask", ask)
    assert host.say("admin", "tell", "Back at 20:10.") == "Everyone was told.\n"
    assert host.json("admin", "tell", "Back.") == {"text": "Everyone was told."}
    assert asked == [Tell("Back at 20:10."), Tell("Back.")]


def test_figures_are_shown_also_when_no_server_runs(host: Host) -> None:
    host.house.add_person("ada")
    said = host.say("admin", "stats")
    assert "running     no" in said
    assert "accounts    1 (0 bots, 0 disabled)" in said
    assert host.json("admin", "stats")["totals"]["accounts"] == 1


def test_a_backup_is_made_and_brought_back(host: Host, tmp_path: Path) -> None:
    host.house.add_person("ada")
    said = host.say("admin", "backup", "saved")
    assert said.startswith(f"{tmp_path / 'saved'} holds ")
    assert "keep it as you would keep a key" in said
    assert host.json("admin", "backup", "again")["file"] == str(tmp_path / "again")
    assert "is there already" in host.fail("admin", "backup", "saved")
    assert "say --replace" in host.fail("admin", "restore", "saved")
    said = host.say("admin", "restore", "saved", "--replace")
    assert said.startswith("Everything is as it was on ")
    assert "What was there before is in" in said
    found = host.json("admin", "restore", "saved", "--replace")
    assert found["kept"] is not None
    assert found["incarnation"] > 1
    assert len(host.json("admin", "accounts")) == 1
    empty = CliRunner().invoke(main, ["admin", "restore", "saved", "--data", "fresh"])
    assert (empty.exit_code, empty.stdout.count("\n")) == (0, 1)


def test_an_upgrade_says_what_it_would_do_and_did(host: Host) -> None:
    assert "nothing to do" in host.say("upgrade", "--check")
    assert host.json("upgrade", "--check")["steps"] == []
    assert "nothing was changed" in host.say("upgrade")
    assert host.json("upgrade") == {"steps": [], "backup": None}


def test_an_upgrade_of_a_folder_that_is_not_there_makes_nothing(host: Host) -> None:
    done = CliRunner().invoke(main, ["upgrade", "--data", "fresh"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: There is no server in fresh: ")
    assert not Path("fresh").exists()
    del host


def test_an_upgrade_without_room_or_that_is_not_ours_fails(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.server.io.upgrade._free_bytes", lambda _: -1)
    done = host.run("upgrade", "--check")
    assert done.exit_code == 1
    host.house.connection.run(
        "INSERT INTO migration (number, name, at, hash) VALUES (99, 'x', 1, ?)", b""
    )
    assert "The database is of schema 99" in host.fail("upgrade")
    assert "The database is of schema 99" in host.fail("admin", "stats")


def test_an_upgrade_names_its_backup(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from alcove.server.io import upgrade  # noqa: PLC0415

    done = upgrade.Upgraded(("0002_next",), Path("backups/it"))
    monkeypatch.setattr(upgrade, "upgrade", lambda *_: done)
    said = host.say("upgrade")
    assert said == (
        "The database is up to date now: 0002_next.\nWhat it was before is in backups/it.\n"
    )
    assert host.json("upgrade") == {"steps": ["0002_next"], "backup": "backups/it"}


# ---- The audit log ----


def test_the_log_is_shown_exported_and_checked(host: Host) -> None:
    ada = host.house.add_person("ada")
    host.say("admin", "disable", "ada")
    host.say("admin", "invite")
    shown = host.say("admin", "audit", "--last", "2").splitlines()
    assert shown[0].split() == ["WHEN", "WHAT", "WHO", "FROM", "MORE"]
    assert "account_disabled  ada" in shown[1]
    assert "kind invite, uses 1" in shown[2]
    lines = [json.loads(line) for line in host.say("admin", "audit", "--json").splitlines()]
    assert [line["kind"] for line in lines] == [
        "account_disabled", "invite_created", "log_exported",
    ]  # fmt: skip
    assert lines[0]["account"] == ada.account.hex()
    assert all(line["kind"] in KINDS for line in lines)
    rows = list(csv.DictReader(io.StringIO(host.say("admin", "audit", "--csv"))))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert json.loads(rows[1]["detail"])["kind"] == "invite"
    assert host.say("admin", "audit", "--check") == "The log is whole: 4 events, one chain.\n"
    assert host.json("admin", "audit", "--check")["whole"] is True


def test_only_what_is_suspicious_is_shown_when_that_is_asked(host: Host) -> None:
    host.say("admin", "invite")
    host.house.connection.run("UPDATE event SET suspicious = 1")
    host.say("admin", "invite")
    assert len(host.say("admin", "audit", "--suspicious").splitlines()) == 2
    assert "! invite_created" in host.say("admin", "audit", "--suspicious")
    assert len(host.say("admin", "audit", "--suspicious", "--json").splitlines()) == 1


def test_a_log_that_was_changed_by_other_means_is_an_error(host: Host) -> None:
    host.say("admin", "invite")
    host.house.connection.run("UPDATE event SET address = 'elsewhere'")
    assert "Event 1 is not what was written down." in host.fail("admin", "audit", "--check")
    done = host.run("admin", "audit", "--check", "--json")
    assert (done.exit_code, json.loads(done.stdout)["whole"]) == (1, False)


def test_events_of_deleted_accounts_are_counted_and_shown_without_a_name(host: Host) -> None:
    ada = host.house.add_person("ada")
    host.say("admin", "disable", "ada")
    host.house.connection.run("DELETE FROM account")
    assert f"{ada.account.hex()[:8]}…" in host.say("admin", "audit")
    host.house.connection.run(
        """UPDATE event SET account = NULL, address = '', detail = '{"erased":1}'"""
    )
    assert "1 events are blank" in host.fail("admin", "audit", "--check")


def test_the_log_is_cleared_only_when_that_is_meant(host: Host) -> None:
    host.say("admin", "invite")
    assert host.run("admin", "clear-audit", text="n\n").exit_code == 1
    done = host.run("admin", "clear-audit", text="y\n")
    assert done.stdout.startswith("1 events are gone.")
    assert host.json("admin", "clear-audit", "--yes")["text"].startswith("1 events are gone.")


# ---- Where the server is ----


def test_a_folder_without_a_server_is_not_made_one(host: Host, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["admin", "accounts", "--data", "elsewhere"])
    assert done.exit_code == 1
    assert "There is no server in elsewhere" in done.stderr
    assert not (tmp_path / "elsewhere").exists()
    del host


def test_all_wrong_settings_are_said_at_once(host: Host, tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").write_text('port = 70000\nlog_level = "loud"\n')
    assert host.fail("admin", "stats") == (
        "2 settings are wrong:\n"
        "  port (alcove.toml) must be a whole number from 0 to 65,535, not '70000'.\n"
        "  log_level (alcove.toml) must be one of debug, info, warning, error, not 'loud'."
    )


def test_wrong_settings_are_said_in_one_sentence(host: Host, tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").write_text("port = many\n")
    assert host.fail("admin", "stats") == "alcove.toml, at line 1, column 8, is not valid TOML."
    (tmp_path / "other.toml").write_text("port = 1\n")
    done = CliRunner().invoke(main, ["admin", "policy", "port", "--config", "other.toml"])
    assert done.stdout.splitlines()[1].split()[:2] == ["port", "1"]


class _Broken:
    """Stands in for a connection that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *_: object) -> "_Broken":
        return self

    def request(self, *_: object) -> None:
        raise self.error

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(), "belongs to another user: call this command as the server's own user."),
        (TimeoutError(), "The server did not answer on"),
    ],
)
def test_a_socket_that_does_not_answer_is_named(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    monkeypatch.setattr(asking, "_ByPath", _Broken(error))
    assert why in host.fail("admin", "stats")


def test_a_socket_that_nobody_listens_on_means_that_no_server_runs(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_ByPath", _Broken(ConnectionRefusedError()))
    assert "running     no" in host.say("admin", "stats")


def test_a_path_that_is_too_long_for_a_socket_is_not_tried(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SOCKET_PATH_MAX", 1)
    monkeypatch.setattr(asking, "_ByPath", _Broken(AssertionError()))
    assert "running     no" in host.say("admin", "stats")


def test_the_paths_of_the_socket_are_one() -> None:
    from alcove.server.io import admin  # noqa: PLC0415

    assert (asking.SOCKET_NAME, asking.ROUTE) == (admin.SOCKET_NAME, admin.ROUTE)
    assert asking.SOCKET_PATH_MAX == admin.SOCKET_PATH_MAX


# ---- How things are written ----


def test_sizes_and_times_are_written_for_people() -> None:
    sizes = [0, 999, 1000, 50 * 1024**2, 2 * 10**9, 5 * 10**15]
    assert [size(one) for one in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "52.4 MB",
        "2.0 GB",
        "5000.0 TB",
    ]
    assert [exact_size(one) for one in (5, 2 * 10**9)] == ["5 bytes", "2 GB"]
    assert when(None) == "never"
    assert len(when(1_800_000_000_000)) == 16
    assert not shared.is_terminal()
    assert Settings().data == "data"
