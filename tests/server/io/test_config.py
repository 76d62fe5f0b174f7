"""Where settings are read from, with real files."""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.server.io.config import (
    FILE_BYTES_MAX,
    Loaded,
    load_settings,
    parse_dotenv,
    parse_toml,
)
from alcove.server.settings import Settings, SettingsError
from alcove.server.settings_sources import find_setting, make_settings

ROOT = Path(__file__).parents[3]
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


def load(
    folder: Path,
    overrides: Mapping[str, str] | None = None,
    config: Path | None = None,
    **environ: str,
) -> Loaded:
    return load_settings(overrides or {}, config=config, environ=environ, folder=folder)


def refusal(
    folder: Path,
    overrides: Mapping[str, str] | None = None,
    config: Path | None = None,
    **environ: str,
) -> str:
    with pytest.raises(SettingsError) as error:
        load(folder, overrides, config, **environ)
    # A chained error would show in a traceback what the sentence keeps for itself.
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ---- Precedence ----


def test_without_files_and_variables_there_are_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Loaded(Settings(), (), (), {})


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", 'name = "1"\nport = 1\nmax_clients = 1\naudit_days = 1\n')
    write(tmp_path / ".env", "ALCOVE_PORT=2\nALCOVE_MAX_CLIENTS=2\nALCOVE_AUDIT_DAYS=2\n")
    loaded = load(
        tmp_path, {"audit_days": "4"}, ALCOVE_MAX_CLIENTS="3", ALCOVE_AUDIT_DAYS="3", PATH="/bin"
    )
    assert loaded.settings == Settings(name="1", port=2, max_clients=3, audit_days=4)
    assert loaded.sources == ("alcove.toml", ".env", "the environment", "the command line")
    assert loaded.notices == ()


def test_the_process_is_asked_when_nothing_is_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "alcove.toml", "port = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALCOVE_NAME", "From the environment")
    loaded = load_settings({}).settings
    assert (loaded.port, loaded.name) == (1, "From the environment")


def test_of_the_environment_only_what_is_ours_is_looked_at(tmp_path: Path) -> None:
    loaded = load(tmp_path, HOST="x", PORT="x", LOG_LEVEL="DEBUG", RSA_KEY_SIZE="1", ALCOVE_X="x")
    assert loaded.settings == Settings(log_level="debug")
    assert [notice.kind for notice in loaded.notices] == ["old", "unknown", "obsolete"]


def test_an_error_says_where_it_is(tmp_path: Path) -> None:
    write(tmp_path / ".env", "SERVER_PORT=http\n")
    assert refusal(tmp_path).startswith("SERVER_PORT (.env) must be ")
    (tmp_path / ".env").unlink()
    write(tmp_path / "data" / "alcove.toml", "[server]\nport = -1\n")
    assert refusal(tmp_path).startswith("port (data/alcove.toml) must be ")
    assert refusal(tmp_path, ALCOVE_PORT="x").startswith("port (data/alcove.toml)")
    assert refusal(tmp_path, {"host": " "}, tmp_path / "none.toml").startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["server_password", "ALCOVE_SECRET_KEY", "DATABASE_URL"])
def test_a_secret_is_not_taken_from_the_command_line(tmp_path: Path, name: str) -> None:
    sentence = refusal(tmp_path, {"port": "1", "prot": "1", name: SECRET})
    assert "cannot be given on the command line" in sentence
    assert SECRET not in sentence


# ---- Which alcove.toml ----


def test_the_file_in_the_data_folder_is_found(tmp_path: Path) -> None:
    write(tmp_path / "data" / "alcove.toml", "port = 1\n")
    assert load(tmp_path).settings.port == 1
    write(tmp_path / "other" / "alcove.toml", "port = 2\n")
    assert load(tmp_path, ALCOVE_DATA="other").settings == Settings(port=2, data="other")
    assert load(tmp_path, {"data": "other"}, ALCOVE_DATA="data").settings.port == 2
    assert load(tmp_path, {"data": str(tmp_path / "other")}).settings.port == 2
    assert load(tmp_path, {"data": ""}, ALCOVE_DATA="other").settings.port == 2
    write(tmp_path / ".env", "export ALCOVE_DATA='other'\n")
    assert load(tmp_path).settings.port == 2


def test_only_one_file_is_read_and_the_other_named(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", "name = 'not read'\n")
    assert load(tmp_path).settings.name == "not read"
    write(tmp_path / "data" / "alcove.toml", "port = 1\n")
    loaded = load(tmp_path)
    assert loaded.settings == Settings(port=1)
    assert loaded.sources == ("data/alcove.toml",)
    assert [notice.text for notice in loaded.notices] == [
        "alcove.toml was not read, because data/alcove.toml is there."
    ]


def test_the_data_folder_may_be_the_working_directory(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", "port = 1\ndata = '.'\n")
    loaded = load(tmp_path, ALCOVE_DATA=".")
    assert loaded.settings == Settings(port=1, data=".")
    assert loaded.notices == ()


def test_one_file_under_two_names_is_not_said_to_be_unread(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", "port = 1\n")
    loaded = load(tmp_path, {"data": str(tmp_path)})
    assert loaded.settings.port == 1
    assert loaded.notices == ()


@pytest.mark.parametrize("line", ["data = 'elsewhere'", "[storage]\nALCOVE_DATA = 'elsewhere'"])
def test_a_file_in_the_data_folder_cannot_move_it(tmp_path: Path, line: str) -> None:
    write(tmp_path / "data" / "alcove.toml", line)
    assert refusal(tmp_path) == (
        "data (data/alcove.toml) cannot be set here, because this file was found in the data"
        " folder."
    )


def test_of_each_setting_the_strongest_source_is_known(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", 'name = "1"\nport = 1\nmax_clients = 1\n')
    write(tmp_path / ".env", "ALCOVE_PORT=2\nSERVER_PORT=3\n")
    loaded = load(tmp_path, {"name": "4"}, ALCOVE_LOG_LEVEL="info")
    assert loaded.origins == {
        "name": "the command line",
        "port": ".env",
        "max_clients": "alcove.toml",
        "log_level": "the environment",
    }


def test_a_file_that_is_named_is_the_only_one_that_is_read(tmp_path: Path) -> None:
    write(tmp_path / "alcove.toml", "name = 'not read'\n")
    write(tmp_path / "data" / "alcove.toml", "name = 'not read'\n")
    named = write(tmp_path / "named.toml", "port = 1\ndata = 'elsewhere'\n")
    write(tmp_path / "weaker.toml", "port = 2\n")
    wanted = Settings(port=1, data="elsewhere")
    assert load(tmp_path, config=Path("named.toml")).settings == wanted
    assert load(tmp_path, config=named, ALCOVE_CONFIG="weaker.toml").settings == wanted
    assert load(tmp_path, ALCOVE_CONFIG="named.toml") == Loaded(
        wanted, (), ("named.toml",), {"port": "named.toml", "data": "named.toml"}
    )
    write(tmp_path / ".env", "ALCOVE_CONFIG=weaker.toml\n")
    assert load(tmp_path, ALCOVE_CONFIG="named.toml").settings == wanted
    assert load(tmp_path) == Loaded(Settings(port=2), (), ("weaker.toml",), {"port": "weaker.toml"})


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    assert refusal(tmp_path, ALCOVE_CONFIG="named.toml") == (
        "named.toml was named as the file of settings, but is not there."
    )


# ---- alcove.toml ----


def test_sections_of_alcove_toml_are_for_people() -> None:
    text = "port = 1\ndebug = true\n[server]\nname = 'A'\n[nowhere]\nrate_append = '1/s'\n"
    assert parse_toml(text, "here") == {
        "port": "1",
        "debug": "true",
        "name": "A",
        "rate_append": "1/s",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("port = 1\n[server]\nport = 2\n", "port (here) is set twice."),
        ("port = 1.5", "port (here) must be a text in quotes, a whole number, or true or false."),
        ("[a.b]\nport = 1", "b (here) must be a text in quotes, a whole number, or true or false."),
        ("[a]\nport = [1]", "port (here) must be a text in quotes, a whole number, or true or"),
        ("[[a]]\nport = 1", "a (here) must be a text in quotes, a whole number, or true or false."),
        ('"a\\nb" = 1979-05-27', "a\\nb (here) must be a text in quotes, a whole number, or"),
        (f"a = 1\nsecret_key = {SECRET}", "here, at line 2, column 14, is not valid TOML."),
        (f'secret_key = "{SECRET}', "here, at end of document, is not valid TOML."),
        ("port = 1\nport = 2", "here, at end of document, is not valid TOML."),
        ("port = " + "[" * 10_000, "here is not valid TOML."),
        ("port = " + "9" * 10_000, "here is not valid TOML."),
    ],
)
def test_what_is_wrong_in_alcove_toml_is_said_without_its_values(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_toml(text, "here")
    assert str(error.value).startswith(sentence)
    assert SECRET not in str(error.value)


# ---- .env ----


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export   A = b c  ", "b c"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=b # why", "b"),
        ("A=b#c", "b#c"),
        ("A=#b", "#b"),
        ("A=b=c", "b=c"),
        ("A='b # c'  # why", "b # c"),
        ("A='$b \\n'", "$b \\n"),
        ('A="b # c"# why', "b # c"),
        ('A="b \\"c\\" \\\\ \\n\\t\\x"', 'b "c" \\ \n\tx'),
        ("A=''", ""),
        ("A=it's", "it's"),
        ("A=b\r", "b"),
        ("A=b\n# A=c\n\n#A=d", "b"),
        ("A=b\nA=c", "c"),
    ],
)
def test_lines_of_dotenv_are_read_as_a_shell_would(line: str, value: str) -> None:
    assert parse_dotenv(line, ".env") == {"A": value}


@pytest.mark.parametrize(
    "line",
    [SECRET, f"=x{SECRET}", f"1A={SECRET}", f"A B={SECRET}", f"A='{SECRET}", f'A="{SECRET}\\"'],
)
def test_a_line_of_dotenv_that_makes_no_sense_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_dotenv(f"A=b\n\n{line}\n", ".env")
    assert str(error.value) == '.env, line 3, must have the form NAME=value or NAME="value".'


def test_all_that_is_wrong_in_a_file_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        parse_toml("port = 1.5\nname = []\n[a]\nhost = 'x'\n[b]\nhost = 'y'\n", "a.toml")
    assert [line.partition(" ")[0] for line in str(error.value).split("\n")] == [
        "port", "name", "host",
    ]  # fmt: skip
    with pytest.raises(SettingsError) as error:
        parse_dotenv("what\nA=1\nB='\n", ".env")
    assert [line[:12] for line in str(error.value).split("\n")] == [".env, line 1", ".env, line 3"]


def test_a_folder_called_dotenv_is_a_virtual_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load(tmp_path) == Loaded(Settings(), (), (), {})


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(st.sampled_from("Aa=_ #'\"\\\n\r\t[]{}.,:0-é\x00\u2028")) | st.text())
def test_no_text_gets_past_the_parsers_with_anything_but_a_refusal(text: str) -> None:
    for parse in (parse_toml, parse_dotenv):
        with suppress(SettingsError):
            texts = parse(text, "here")
            assert all(isinstance(value, str) for value in texts.values())
            make_settings([("here", texts)])


# ---- Files ----


def test_a_mark_of_the_byte_order_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").write_bytes(b"\xef\xbb\xbfport = 1\r\n")
    assert load(tmp_path).settings.port == 1


@pytest.mark.parametrize("name", ["alcove.toml", ".env"])
def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "#" * FILE_BYTES_MAX)
    assert load(tmp_path).settings == Settings()
    path.write_text("#" * (FILE_BYTES_MAX + 1), encoding="utf-8")
    assert refusal(tmp_path) == f"{name} is larger than 64 KiB."


@pytest.mark.parametrize("name", ["alcove.toml", ".env"])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe")
    assert refusal(tmp_path) == f"{name} is not text in UTF-8."


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alcove.toml").mkdir()
    assert refusal(tmp_path) == "alcove.toml must be a file."
    assert refusal(tmp_path, config=Path("/dev/null")) == "/dev/null must be a file."


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    name = "x" * 300
    reason = os.strerror(errno.ENAMETOOLONG)
    assert refusal(tmp_path, config=Path(name)) == f"{name} cannot be read: {reason}."


# ---- The examples ----


def test_the_example_of_dotenv_changes_nothing_until_it_is_edited() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert parse_dotenv(text, ".env.example") == {}


def test_the_example_of_dotenv_is_right_when_it_is_switched_on(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    write(tmp_path / ".env", example.replace("# ALCOVE_", "ALCOVE_"))
    loaded = load(tmp_path)
    assert loaded.notices == ()
    assert loaded.settings.registration == "password"
    named = parse_dotenv((tmp_path / ".env").read_text(encoding="utf-8"), ".env")
    assert len(named) > 5
    assert [name for name in named if find_setting(name) is None] == []


def test_the_example_of_alcove_toml_changes_nothing_until_it_is_edited(tmp_path: Path) -> None:
    named = ROOT / "alcove.toml.example"
    assert load(tmp_path, config=named) == Loaded(Settings(), (), (), {})


def test_variables_of_the_members_programs_are_no_settings_and_need_no_notice(
    tmp_path: Path,
) -> None:
    loaded = load(tmp_path, ALCOVE_HOME="/h", ALCOVE_PROFILE="ada", ALCOVE_SERVER="localhost:1")
    assert loaded.notices == ()
