"""Settings of the client, from four places; docs/howto/your-data.md lists them as they are.

`python -m tests.client.io.test_config` makes the tables of that page anew.
"""

import json
from pathlib import Path

import pytest

from alcove.client.io.config import (
    OBSOLETE,
    OLD_NAMES,
    Address,
    ClientSettings,
    Loaded,
    SettingsError,
    described,
    load_settings,
    parse_address,
    variable_of,
)

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "your-data.md"

OLD_FILE = """\
[Server]
host=chat.example.org
port=12345

[Logging]
level=INFO
debug_mode=True

[Client]
receive_buffer=4096
"""


# ---- The documentation ----


def settings_table() -> str:
    """Return the table of all settings."""
    rows = [
        f"| `{name}` | `{variable_of(name)}` | {shown(default)} | {description} |\n"
        for name, default, description in described()
    ]
    return (
        f"\n| Setting | Environment | Default | What it is |\n|---|---|---|---|\n{''.join(rows)}\n"
    )


def shown(default: object) -> str:
    return f"`{json.dumps(default)}`" if default != "" else "empty"


def old_names_table() -> str:
    """Return the table of config.ini."""
    rows = [
        f"| `[{section.title()}] {name}` | "
        f"{f'`{new}`' if new not in ('host', 'port') else f'the {new} of `server`'} |\n"
        for (section, name), new in OLD_NAMES.items()
    ]
    rows += [
        f"| `[{section.title()}] {name}` | nothing: {why} |\n"
        for (section, name), why in OBSOLETE.items()
    ]
    return f"\n| In `config.ini` | Sets |\n|---|---|\n{''.join(rows)}\n"


def page_as_it_should_be(page: str) -> str:
    for mark, text in (("settings", settings_table()), ("config.ini", old_names_table())):
        head, begin, rest = page.partition(f"<!-- {mark} -->\n")
        _, end, tail = rest.partition(f"<!-- /{mark} -->\n")
        assert begin
        assert end
        page = head + begin + text + end + tail
    return page


def test_the_page_lists_every_setting_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_as_it_should_be(page)
    assert [name for name in ClientSettings.__struct_fields__ if f"| `{name}` |" not in page] == []


# ---- Addresses ----


@pytest.mark.parametrize(
    ("text", "address", "again"),
    [
        ("http://localhost:5000", Address("http", "localhost", 5000), "http://localhost:5000"),
        ("https://your-server.com", Address("https", "your-server.com", 443), None),
        ("https://Your-Server.com/", Address("https", "your-server.com", 443), None),
        ("http://chat.example.org", Address("http", "chat.example.org", 80), None),
        ("chat.example.org:8443", Address("https", "chat.example.org", 8443), None),
        ("chat.example.org", Address("https", "chat.example.org", 443), None),
        ("localhost", Address("http", "localhost", 8888), "http://localhost:8888"),
        ("localhost:12345", Address("http", "localhost", 12345), "http://localhost:12345"),
        ("127.0.0.1:8080", Address("http", "127.0.0.1", 8080), None),
        ("192.168.1.5:8888", Address("https", "192.168.1.5", 8888), None),
        ("[::1]:8888", Address("http", "::1", 8888), "http://[::1]:8888"),
        ("https://[2001:DB8::1]", Address("https", "2001:db8::1", 443), "https://[2001:db8::1]"),
        (" https://a.example ", Address("https", "a.example", 443), "https://a.example"),
    ],
)
def test_an_address_may_be_written_in_several_ways(
    text: str, address: Address, again: str | None
) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address
    assert again is None or str(address) == again


@pytest.mark.parametrize(
    "text",
    [
        "", "http://", ":8888", "ftp://a", "a:b", "a:0", "a:65536", "a:123456", "a b", "a/b", "a?b",
        "https://user@host", "https://a:1/path", "[::1", "[nonsense]:1", "::1", "bücher.example",
        "a" * 64, "a..b", "-a", "a." * 130,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_address(text)
    assert str(error.value).endswith(".")


def test_who_is_on_this_machine_is_known() -> None:
    here = [parse_address(text).is_loopback for text in ("localhost", "a.localhost", "127.9.9.9")]
    assert here == [True] * 3
    assert not parse_address("https://localhost.example.org").is_loopback


def test_a_server_on_this_machine_has_one_address_whatever_it_is_called() -> None:
    one, other, secured, elsewhere = (
        parse_address(text)
        for text in ("localhost:8888", "http://127.0.0.1:8888", "https://localhost", "a.org")
    )
    assert one.by_number == other.by_number == other
    assert secured.by_number == secured
    assert elsewhere.by_number == elsewhere


# ---- Where they come from ----


def load(
    folder: Path,
    overrides: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    config: Path | None = None,
) -> Loaded:
    around = {"XDG_DATA_HOME": str(folder / "data"), **(environ or {})}
    return load_settings(overrides or {}, config=config, environ=around, folder=folder)


def refusal(folder: Path, **sources: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        load(folder, **sources)  # type: ignore[arg-type]
    return str(error.value)


def test_without_any_source_there_are_the_defaults(tmp_path: Path) -> None:
    home = tmp_path / "data" / "alcove"
    assert load(tmp_path) == Loaded(ClientSettings(), home, {}, ())
    assert ClientSettings().address == Address("http", "localhost", 8888)


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text("[Server]\nhost=one.example\n", "utf-8")
    assert load(tmp_path).settings.server == "https://one.example:8888"
    (tmp_path / "alcove.toml").write_text('[client]\nserver = "two.example"\n', "utf-8")
    assert load(tmp_path).settings.server == "https://two.example"
    environ = {"ALCOVE_SERVER": "three.example"}
    assert load(tmp_path, environ=environ).settings.server == "https://three.example"
    loaded = load(tmp_path, {"host": "four.example", "port": "4"}, environ)
    assert loaded.settings.server == "https://four.example:4"
    assert loaded.origins == {"server": "the command line"}


def test_each_setting_says_where_it_was_set(tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").write_text('[client]\nprofile = "work"\ndebug = true\n', "utf-8")
    environ = {"ALCOVE_PASSPHRASE_FILE": "/p", "ALCOVE_HOME": "/h", "ALCOVE_PROFILE": ""}
    loaded = load(tmp_path, {"log_level": "INFO", "server": ""}, environ)
    assert loaded.settings == ClientSettings(
        profile="work", debug=True, passphrase_file="/p", home="/h", log_level="info"
    )
    assert loaded.origins == {
        "profile": "alcove.toml",
        "debug": "alcove.toml",
        "home": "the environment",
        "passphrase_file": "the environment",
        "log_level": "the command line",
    }


def test_the_file_of_the_home_folder_is_read_before_that_of_the_working_directory(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environ = {"ALCOVE_HOME": str(home)}
    (tmp_path / "alcove.toml").write_text('[client]\nprofile = "here"\n', "utf-8")
    assert load(tmp_path, environ=environ).settings.profile == "here"
    (home / "alcove.toml").write_text('[client]\nprofile = "home"\n', "utf-8")
    assert load(tmp_path, environ=environ).settings.profile == "home"


def test_the_home_on_the_command_line_is_stronger_than_that_of_the_environment(
    tmp_path: Path,
) -> None:
    loaded = load(tmp_path, {"home": "/a"}, {"ALCOVE_HOME": "/b"})
    assert (loaded.home, loaded.settings.home) == (Path("/a"), "/a")
    assert load(tmp_path, environ={"ALCOVE_HOME": "/b"}).home == Path("/b")


def test_who_looks_for_errors_sees_every_line(tmp_path: Path) -> None:
    assert load(tmp_path, {"debug": "on", "log_level": "error"}).settings.level == "debug"
    assert load(tmp_path, {"log_level": "error"}).settings.level == "error"


def test_a_file_that_is_named_is_the_only_one_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(OLD_FILE, "utf-8")
    (tmp_path / "mine.toml").write_text('[client]\nprofile = "mine"\n', "utf-8")
    named = load(tmp_path, config=Path("mine.toml"))
    assert named.settings == ClientSettings(profile="mine")
    by_environment = load(tmp_path, environ={"ALCOVE_CONFIG": "config.ini"})
    assert by_environment.settings.server == "https://chat.example.org:12345"
    assert "was named" in refusal(tmp_path, environ={"ALCOVE_CONFIG": "nothing.toml"})


def test_the_old_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(OLD_FILE, "utf-8")
    loaded = load(tmp_path)
    assert loaded.settings == ClientSettings(
        server="https://chat.example.org:12345", log_level="info", debug=True
    )
    assert loaded.notices == (
        "receive_buffer (config.ini) sets nothing any more: it sizes its buffers itself.",
    )


def test_the_old_file_as_it_was_delivered_means_this_machine(tmp_path: Path) -> None:
    delivered = OLD_FILE.replace("chat.example.org", "localhost").replace("12345", "8888")
    (tmp_path / "config.ini").write_text(delivered, "utf-8")
    assert load(tmp_path).settings.server == "http://localhost:8888"


def test_what_is_not_known_in_the_old_file_is_ignored_and_said(tmp_path: Path) -> None:
    lines = "[Server]\ntimeout=30\nhost=\nport=9\n[Else]\nx\x07=hunter2\n"
    (tmp_path / "config.ini").write_text(lines, "utf-8")
    loaded = load(tmp_path)
    assert loaded.settings.server == "http://localhost:9"
    assert loaded.notices == (
        "timeout in [Server] (config.ini) is not known, and ignored.",
        "x? in [Else] (config.ini) is not known, and ignored.",
    )


def test_the_tables_of_the_server_are_not_the_clients_business(tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").write_text('port = 1\n[server]\nhost = "::"\n', "utf-8")
    assert load(tmp_path).settings == ClientSettings()


def test_an_address_with_colons_may_come_as_host_and_port(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"host": "::1", "port": "5000"})
    assert loaded.settings.server == "http://[::1]:5000"


# ---- What is wrong ----


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"server": "a b"}, "server (the command line) is wrong: A server has"),
        ({"server": "a", "port": "1"}, "set one or the other"),
        ({"port": "http"}, "server (the command line) is wrong"),
        ({"port": "70000"}, "from 1 to 65535"),
        ({"log_level": "loud"}, "must be one of debug, info, warning, error."),
        ({"debug": "maybe"}, "must be true or false."),
        ({"profile": "a\nb"}, "must be a text"),
        ({"profile": "x" * 2_000}, "must be a text"),
        ({"prot": "1"}, "prot (the command line) is not a setting: there is server, "),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(
    tmp_path: Path, overrides: dict[str, str], sentence: str
) -> None:
    said = refusal(tmp_path, overrides=overrides)
    assert sentence in said
    assert said.endswith(".")


@pytest.mark.parametrize(("text", "level"), [("WARN", "warning"), ("CRITICAL", "error")])
def test_old_names_of_levels_are_understood(tmp_path: Path, text: str, level: str) -> None:
    assert load(tmp_path, {"log_level": text}).settings.log_level == level


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[client\nhunter2", "alcove.toml (line 1, column 8) is not valid TOML"),
        (b"client = 1", "client (alcove.toml) must be a table"),
        (b"[client]\nserver = 1.5", "server (alcove.toml) must be a text in quotes"),
        (b'[client]\nhome = "hunter2"', "set ALCOVE_HOME in the environment"),
        (b'[client]\npassphrase_file = "x"', "set ALCOVE_PASSPHRASE_FILE in the environment"),
        (b"\xff", "is not text in UTF-8"),
        (b"#" * 70_000, "is larger than 65536 bytes"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence_without_what_is_in_it(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "alcove.toml").write_bytes(content)
    said = refusal(tmp_path)
    assert sentence in said
    assert "hunter2" not in said


@pytest.mark.parametrize("content", ["host=hunter2", "[Server\nhost", "[Server]\nhunter2\n"])
def test_a_wrong_old_file_is_told_in_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.ini").write_text(content, "utf-8")
    said = refusal(tmp_path)
    assert "config.ini cannot be read" in said
    assert "hunter2" not in said


def test_the_real_environment_and_the_working_directory_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALCOVE_CONFIG", raising=False)
    monkeypatch.setenv("ALCOVE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALCOVE_SERVER", "https://a.example")
    assert load_settings({}).settings.server == "https://a.example"


if __name__ == "__main__":
    PAGE.write_text(page_as_it_should_be(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
