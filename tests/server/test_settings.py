"""What can be set on a server, how sources are merged, and what is said when something is wrong.

`python -m tests.server.test_settings` makes the tables of docs/settings.md and
alcove.toml.example anew.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from alcove.server.settings import (
    SETTINGS,
    Exposure,
    Notice,
    Rate,
    Registration,
    Setting,
    Settings,
    SettingsError,
)
from alcove.server.settings_sources import OBSOLETE, OLD_NAMES, find_setting, make_settings
from alcove.server.settings_together import (
    check_exposure,
    exposure,
    has_tls,
    log_level,
    registration,
    requests_policy,
)
from alcove.server.values import SECRETS, Value, parse_number, parse_rate, parse_size, size_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / "alcove.toml.example"
PASSWORD = "correct horse battery"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - Nothing listens here.
BY_NAME = {setting.name: setting for setting in SETTINGS}
SECTIONS = {setting.section: None for setting in SETTINGS}


def one(texts: Mapping[str, str]) -> tuple[Settings, list[Notice]]:
    """Make settings from a single source."""
    return make_settings([("here", texts)])


def refusal(texts: Mapping[str, str]) -> str:
    """Return what is said about settings that are wrong."""
    with pytest.raises(SettingsError) as error:
        one(texts)
    return str(error.value)


# ---- The documentation ----


def literal(setting: Setting) -> str:
    """Return the default as it is written in alcove.toml."""
    shown = setting.show(setting.default)
    return json.dumps(shown) if isinstance(setting.default, str | Rate) or " " in shown else shown


def row(setting: Setting) -> str:
    allowed = re.sub(r"^(a whole number from|a size from|one of) ", "", setting.allowed)
    allowed = allowed.removesuffix(" such as 20/s burst 200")
    default = f"`{literal(setting)}`" if setting.default != "" else "empty"
    return f"| `{setting.name}` | {default} | {allowed} | {setting.description} |\n"


def tables() -> str:
    """Return the tables of all settings, one for each section."""
    parts = []
    for section in SECTIONS:
        rows = "".join(row(setting) for setting in SETTINGS if setting.section == section)
        head = "| Setting | Default | Allowed | What it is |\n|---|---|---|---|\n"
        parts.append(f"\n### {section}\n\n{NOTES.get(section, '')}{head}{rows}")
    return "".join(parts) + "\n"


NOTES = {
    "rooms": "The pauses keep a member who commits all the time from silencing the others.\n\n",
    "rates": "Each rate is for one device, or for one address where it says so.\n\n",
}


def old_names() -> str:
    rows = [f"| `{old}` | `{new}` |\n" for old, new in OLD_NAMES.items()]
    gone = [f"| `{name}` | nothing: {why} |\n" for name, why in OBSOLETE.items()]
    return f"\n| Name | Sets |\n|---|---|\n{''.join(rows + gone)}\n"


def between(page: str, mark: str, text: str) -> str:
    """Return the page with the text between two marks replaced."""
    head, begin, rest = page.partition(f"<!-- {mark} -->\n")
    _, end, tail = rest.partition(f"<!-- /{mark} -->\n")
    assert begin
    assert end
    return head + begin + text + end + tail


def page_as_it_should_be(page: str) -> str:
    return between(between(page, "settings", tables()), "old names", old_names())


def example_as_it_should_be() -> str:
    """Return alcove.toml.example: every setting with its default, all switched off."""
    lines = [
        "# Settings for `alcove serve`, all with their defaults.  Copy this file to the data",
        "# folder as alcove.toml, and take the `# ` off what you want to change.  More is said in",
        "# docs/settings.md.  Secrets are better kept in `.env`; `data` cannot be set in a file",
        "# that lies in the data folder itself.",
    ]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for setting in SETTINGS:
            if setting.section == section:
                lines += [f"## {setting.description}", f"# {setting.name} = {literal(setting)}"]
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_setting_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_as_it_should_be(page)
    assert [name for name in BY_NAME if f"| `{name}` |" not in page] == []


def test_the_example_holds_every_setting_with_its_default() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    assert example == example_as_it_should_be()
    switched_on = tomllib.loads(re.sub(r"^# (\w+ =)", r"\1", example, flags=re.MULTILINE))
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for section in switched_on.values()
        for name, value in section.items()
    }
    assert sorted(texts) == sorted(BY_NAME)
    assert one(texts) == (Settings(), [])
    assert tomllib.loads(example) == {section: {} for section in SECTIONS}


def test_every_setting_has_a_description_and_a_default_that_is_allowed() -> None:
    assert list(BY_NAME) == [field.name for field in fields(Settings)]
    for setting in SETTINGS:
        assert setting.description.endswith("."), setting.name
        if setting.default != "":
            assert setting.read(setting.show(setting.default)) == setting.default, setting.name


def test_every_section_stands_together() -> None:
    order = [setting.section for setting in SETTINGS]
    assert order == sorted(order, key=list(SECTIONS).index)
    assert next(iter(SECTIONS)) == "server"
    assert len(SECTIONS) == 9


# ---- How values are written ----


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/s burst 200", Rate(20, 1, 200)),
        ("  20 / s   burst  200 ", Rate(20, 1, 200)),
        ("600/min", Rate(600, 60, 600)),
        ("5/h burst 1", Rate(5, 3600, 1)),
        ("7/day burst 9999999", Rate(7, 86_400, 9_999_999)),
    ],
)
def test_a_rate_is_read_and_written(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    "text", ["", "20", "0/s", "20/year", "20/s burst 0", "-1/s", "1.5/s", "99999999/s", "٢/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert parse_rate(text) is None


@pytest.mark.parametrize(
    ("text", "size", "shortest"),
    [
        ("0", 0, "0"),
        ("1", 1, "1"),
        ("1000", 1000, "1 kB"),
        (" 50 MB ", 50_000_000, "50 MB"),
        ("50mib", 52_428_800, "50 MiB"),
        ("2GB", 2_000_000_000, "2 GB"),
        ("256 KiB", 262_144, "256 KiB"),
        ("1 TiB", 2**40, "1 TiB"),
        ("1025", 1025, "1025"),
    ],
)
def test_a_size_is_read_and_written(text: str, size: int, shortest: str) -> None:
    assert parse_size(text) == size
    assert size_text(size) == shortest


@pytest.mark.parametrize("text", ["", "MB", "1.5 MB", "1 cow", "-1", "1" * 17, "٢ MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    assert parse_size(text) is None


def test_a_number_has_digits_that_may_be_grouped() -> None:
    assert [parse_number(text) for text in ("5", " 10_000 ", "007")] == [5, 10_000, 7]
    wrong = ["", "-1", "1.0", "0x10", "ten", "1" * 17, "²", "٢"]
    assert [text for text in wrong if parse_number(text) is not None] == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "443", 443),
        ("debug", "TRUE", True),
        ("debug", "off", False),
        ("registration", " Invite ", "invite"),
        ("log_level", "INFO", "info"),
        ("blob_bytes_max", "1 GB", 1_000_000_000),
        ("rate_append", "1/min", Rate(1, 60, 1)),
        ("host", "::1", "::1"),
        ("host", "fe80::1%eth0", "fe80::1%eth0"),
        ("public_url", "https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("public_url", "http://[::1]:5000", "http://[::1]:5000"),
        ("name", "Café Zoë", "Café Zoë"),
        (
            "database_url",
            "postgres://u:p@h/d?sslmode=require",
            "postgres://u:p@h/d?sslmode=require",
        ),
        ("server_password", PASSWORD, PASSWORD),
        ("secret_key", "0f" * 32, "0f" * 32),
    ],
)
def test_a_value_that_is_allowed_is_taken(name: str, text: str, value: Value) -> None:
    assert BY_NAME[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "65536"),
        ("port", "http"),
        ("debug", "perhaps"),
        ("registration", "friends"),
        ("log_level", "loud"),
        ("message_bytes_max", "1 KiB"),
        ("blob_bytes_max", "huge"),
        ("session_timeout_s", "59"),
        ("rate_append", "often"),
        ("host", "two words"),
        ("host", "127.0.0.1\n"),
        ("public_url", "chat.example.org"),
        ("public_url", "https://chat.example.org/path"),
        ("public_url", "https://user@chat.example.org"),
        ("name", "x" * 61),
        ("name", "two\nlines"),
        ("name", "right \u202e to left"),
        ("data", "x" * 1025),
        ("database_url", "sqlite:///chat.db"),
        ("database_url", "mysql://u:p@h/d"),
        ("server_password", "secret123"),
        ("secret_key", "changeme"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(name: str, text: str) -> None:
    assert BY_NAME[name].read(text) is None
    assert refusal({name: text}).startswith(f"{name} (here) must be {BY_NAME[name].allowed}")


# ---- Merging ----


def test_without_sources_there_are_the_defaults() -> None:
    assert make_settings([]) == (Settings(), [])


def test_a_later_source_wins() -> None:
    settings, notices = make_settings(
        [
            ("alcove.toml", {"port": "1", "host": "::1", "name": "First"}),
            ("the environment", {"ALCOVE_PORT": "2", "ALCOVE_HOST": "localhost"}),
            ("the command line", {"port": "3"}),
        ]
    )
    assert settings == Settings(port=3, host="localhost", name="First")
    assert notices == []


def test_an_empty_value_sets_nothing() -> None:
    settings, _ = make_settings([("a", {"port": "1"}), ("b", {"port": "", "log_level": ""})])
    assert settings == Settings(port=1)


def test_every_setting_has_a_name_in_the_environment() -> None:
    for setting in SETTINGS:
        assert find_setting(setting.environment) == find_setting(setting.name) == setting


def test_old_names_are_read_with_a_notice() -> None:
    texts = {
        "SERVER_HOST": "localhost",
        "SERVER_PORT": "12345",
        "SESSION_TIMEOUT": "1800",
        "MAX_CLIENTS": "100",
        "LOG_LEVEL": "DEBUG",
        "DATABASE_URL": "postgresql://u:p@h/d?sslmode=require",
        "SECURE_CHAT_SECRET_KEY": "0f" * 32,
        "SECURE_CHAT_FILE_STORAGE": "files",
    }
    settings, notices = one(texts)
    assert settings == Settings(
        host="localhost",
        port=12345,
        session_timeout_s=1800,
        max_clients=100,
        log_level="debug",
        database_url="postgresql://u:p@h/d?sslmode=require",
        secret_key="0f" * 32,
        blob_folder="files",
    )
    assert [notice.kind for notice in notices] == ["old"] * len(texts)
    assert notices[1].text == "SERVER_PORT (here) is an old name of port (ALCOVE_PORT)."


def test_the_old_names_of_the_database_and_the_log_level_are_read() -> None:
    settings, _ = one({"SECURE_CHAT_DB_PATH": "chat.db", "SECURE_CHAT_LOG_LEVEL": "INFO"})
    assert settings == Settings(database_path="chat.db", log_level="info")


def test_a_new_name_wins_over_an_old_one_beside_it() -> None:
    for texts in (
        {"SERVER_PORT": "1", "ALCOVE_PORT": "2"},
        {"ALCOVE_PORT": "2", "SERVER_PORT": "1"},
        {"port": "2", "server_port": "1"},
    ):
        assert one(texts)[0] == Settings(port=2)


def test_a_later_source_wins_under_an_old_name_too() -> None:
    settings, _ = make_settings([("a", {"port": "1"}), ("b", {"SERVER_PORT": "2"})])
    assert settings.port == 2


def test_what_sets_nothing_any_more_gets_a_notice() -> None:
    settings, notices = one(
        {
            "RSA_KEY_SIZE": "2048",
            "ENCRYPTION_KEY_SIZE": "32",
            "receive_buffer": "4096",
        }
    )
    assert settings == Settings()
    assert [notice.kind for notice in notices] == ["obsolete"] * 3
    assert "no RSA keys" in notices[0].text


def test_another_size_of_encryption_keys_is_refused() -> None:
    assert one({"ENCRYPTION_KEY_SIZE": ""})[1][0].kind == "obsolete"
    assert refusal({"ENCRYPTION_KEY_SIZE": "16"}) == (
        "ENCRYPTION_KEY_SIZE (here) must be 32 or left out: every encryption key has 32 bytes."
    )


def test_an_unknown_name_is_ignored_with_a_notice_that_guesses() -> None:
    settings, notices = one({"prot": "1", "ALCOVE_PORTS": "2", "COMPOSE_FILE": "hunter2"})
    assert settings == Settings()
    assert notices == [
        Notice(
            "unknown",
            "prot (here) is not a setting of the server and was ignored: did you mean port?",
        ),
        Notice(
            "unknown",
            "ALCOVE_PORTS (here) is not a setting of the server and was ignored:"
            " did you mean port?",
        ),
        Notice("unknown", "COMPOSE_FILE (here) is not a setting of the server and was ignored."),
    ]


def test_names_and_values_are_shown_short_and_on_one_line() -> None:
    assert "\\x1b[2J (here)" in one({"\x1b[2J": "1"})[1][0].text
    assert refusal({"port": "\n" + "9" * 90}).endswith(f"not '\\n{'9' * 39}\\u2026'.")


def test_a_refusal_names_the_setting_the_place_and_what_is_allowed() -> None:
    with pytest.raises(SettingsError) as error:
        make_settings([(".env", {"SERVER_PORT": "http"})])
    assert str(error.value) == (
        "SERVER_PORT (.env) must be a whole number from 0 to 65,535, not 'http'."
    )
    assert error.value.setting == "port"


def test_all_that_is_wrong_is_said_at_once_a_line_each() -> None:
    texts = {"port": "http", "log_level": "loud", "ENCRYPTION_KEY_SIZE": "16"}
    lines = refusal(texts).split("\n")
    assert [line.partition(" ")[0] for line in lines] == [
        "port",
        "log_level",
        "ENCRYPTION_KEY_SIZE",
    ]
    together = {"tls_cert": "a", "self_signed": "yes", "registration": "password"}
    lines = refusal(together).split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["tls_cert", "self_signed", "registration"]
    # Values that cannot be read are not judged together with others.
    assert refusal({"tls_cert": "a", "port": "http"}).count("\n") == 0


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_repeated(name: str) -> None:
    assert "hunter2" not in refusal({name: "hunter2"})
    good = {
        "database_url": "postgresql://u:hunter2@h/d",
        "server_password": "hunter2hunter2",
        "secret_key": "hunter2" * 8,
    }
    settings, notices = one({name: good[name]})
    assert getattr(settings, name) == good[name]
    assert "hunter2" not in repr(settings) + str(settings) + repr(notices)
    assert repr(settings) == f"Settings({name}=***)"


def test_settings_show_what_differs_from_the_defaults() -> None:
    assert repr(Settings()) == "Settings()"
    assert repr(Settings(port=1, name="A")) == "Settings(port=1, name='A')"


# ---- Combinations ----


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"tls_cert": "a.pem"}, "tls_cert (here) needs tls_key beside it."),
        ({"tls_key": "a.pem"}, "tls_key (here) needs tls_cert beside it."),
        (
            {"tls_cert": "a", "tls_key": "b", "self_signed": "yes"},
            "self_signed (here) makes a certificate, and tls_cert brings one: choose.",
        ),
        (
            {"DATABASE_URL": "postgresql://h/d", "SECURE_CHAT_DB_PATH": "chat.db"},
            "SECURE_CHAT_DB_PATH (here) is for SQLite, and database_url for PostgreSQL: choose.",
        ),
        (
            {"registration": "password"},
            "registration (here) is password, which needs a server_password.",
        ),
        (
            {"message_bytes_max": "9 MiB"},
            "message_bytes_max (here) must be at most handshake_bytes_max, 8 MiB.",
        ),
        (
            {"blob_bytes_max": "5 GB"},
            "blob_bytes_max (here) must be at most account_quota_bytes, 2 GB.",
        ),
        (
            {"account_quota_bytes": "10 MB"},
            "blob_bytes_max (its default) must be at most account_quota_bytes, 10 MB.",
        ),
        (
            {"server_quota_bytes": "10 MB"},
            "blob_bytes_max (its default) must be at most server_quota_bytes, 10 MB.",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    texts: dict[str, str], sentence: str
) -> None:
    assert refusal(texts) == sentence


def test_settings_that_fit_together_are_taken() -> None:
    settings, notices = one(
        {
            "tls_cert": "a.pem",
            "tls_key": "b.pem",
            "registration": "password",
            "server_password": PASSWORD,
            "account_quota_bytes": "0",
            "blob_bytes_max": "5 GB",
        }
    )
    assert settings.blob_bytes_max == 5_000_000_000
    assert notices == []


def test_a_password_that_nobody_is_asked_for_gets_a_notice() -> None:
    _, notices = one({"registration": "invite", "server_password": PASSWORD})
    assert notices == [
        Notice(
            "unused",
            "server_password (here) is not used: nobody is asked for it while registration is"
            " invite.",
        )
    ]


# ---- Who can reach the server, and who may register ----

HOSTS: list[tuple[str, Exposure]] = [
    ("127.0.0.1", "loopback"),
    ("127.8.9.1", "loopback"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("localhost", "loopback"),
    ("alcove.localhost", "loopback"),
    ("10.1.2.3", "private"),
    ("172.31.0.1", "private"),
    ("192.168.1.20", "private"),
    ("::ffff:192.168.1.20", "private"),
    ("169.254.0.9", "private"),
    ("fd12::1", "private"),
    ("fe80::1%eth0", "private"),
    (EVERYWHERE, "public"),
    ("::", "public"),
    ("::ffff:0.0.0.0", "public"),
    ("172.32.0.1", "public"),
    ("100.64.0.1", "public"),
    ("203.0.113.7", "public"),
    ("2001:db8::1", "public"),
    ("0", "public"),
    ("127.1", "public"),
    ("chat.example.org", "public"),
    ("notlocalhost", "public"),
]


@pytest.mark.parametrize(("host", "reach"), HOSTS)
def test_an_address_tells_who_can_reach_it(host: str, reach: Exposure) -> None:
    assert exposure(Settings(host=host)) == reach


@pytest.mark.parametrize(("host", "reach"), HOSTS)
def test_only_this_machine_and_private_networks_are_served_without_tls(
    host: str, reach: Exposure
) -> None:
    bare = Settings(host=host)
    for safe in (
        replace(bare, self_signed=True),
        replace(bare, tls_cert="a", tls_key="b"),
        replace(bare, behind_proxy=True),
    ):
        assert check_exposure(safe) == []
    if reach == "public":
        with pytest.raises(SettingsError) as error:
            check_exposure(bare)
        assert str(error.value) == (
            f"host {host} may be reached from outside, so the server needs tls_cert and tls_key,"
            " self_signed, or behind_proxy with a proxy that does TLS."
        )
    else:
        kinds = [notice.kind for notice in check_exposure(bare)]
        assert kinds == (["exposed"] if reach == "private" else [])


def test_tls_is_on_with_a_certificate_of_either_kind() -> None:
    assert has_tls(Settings(self_signed=True))
    assert has_tls(Settings(tls_cert="a", tls_key="b"))
    assert not has_tls(Settings(behind_proxy=True))


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        (Settings(), "open"),
        (Settings(public_url="http://localhost:8888"), "open"),
        (Settings(public_url="http://[::1]:8888"), "open"),
        (Settings(public_url="https://chat.example.org"), "invite"),
        (Settings(behind_proxy=True), "invite"),
        (Settings(host="192.168.1.2"), "invite"),
        (Settings(host=EVERYWHERE, self_signed=True), "invite"),
        (Settings(server_password=PASSWORD), "password"),
        (Settings(host=EVERYWHERE, server_password=PASSWORD), "password"),
        (Settings(registration="closed"), "closed"),
        (Settings(registration="invite", server_password=PASSWORD), "invite"),
        (Settings(host=EVERYWHERE, registration="open"), "open"),
    ],
)
def test_registration_is_open_only_where_nobody_else_gets_in(
    settings: Settings, policy: Registration
) -> None:
    assert registration(settings) == policy


def test_strangers_are_asked_about_where_anybody_can_register() -> None:
    assert requests_policy(Settings()) == "strangers"
    assert requests_policy(Settings(host="192.168.1.2")) == "off"
    assert requests_policy(Settings(server_password=PASSWORD)) == "off"
    assert requests_policy(Settings(requests="everyone")) == "everyone"
    assert requests_policy(Settings(requests="off")) == "off"


def test_debug_logs_everything() -> None:
    assert log_level(Settings(log_level="error")) == "error"
    assert log_level(Settings(log_level="error", debug=True)) == "debug"


if __name__ == "__main__":
    PAGE.write_text(page_as_it_should_be(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    EXAMPLE.write_text(example_as_it_should_be(), encoding="utf-8")
