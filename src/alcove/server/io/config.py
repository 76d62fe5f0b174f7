"""Where settings are read from: alcove.toml, .env, the environment and the command line.

Each file is read whole, up to a limit, before anything else happens.  What is wrong with it is said
in one sentence, which names the line but never repeats it: it may hold a secret.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from alcove.server.settings import Notice, Settings, SettingsError
from alcove.server.settings_sources import (
    OBSOLETE,
    OLD_NAMES,
    find_setting,
    merge_settings,
    raise_all,
    shown,
)

FILE_BYTES_MAX: Final = 64 * 1024
"""The largest file that is parsed; alcove.toml with every setting in it has some 6 KiB."""

CONFIG_NAME: Final = "alcove.toml"
DOTENV_NAME: Final = ".env"
CONFIG_VARIABLE: Final = "ALCOVE_CONFIG"
NOT_OURS: Final = frozenset({
    CONFIG_VARIABLE, "ALCOVE_BOT_LINK", "ALCOVE_DEBUG", "ALCOVE_HOME", "ALCOVE_PASSPHRASE_FILE",
    "ALCOVE_PROFILE", "ALCOVE_SERVER",
})  # fmt: skip
"""Variables that mean the members' programs: a host may have them set too."""
"""What `--config` is called in the environment and in .env."""

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)", re.ASCII)
_QUOTED: Final = re.compile(r"""\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_ESCAPES: Final = {"n": "\n", "t": "\t"}

Texts = Mapping[str, str]
"""Names and values, as they were written."""


class Loaded(Struct, frozen=True):
    """The settings, and what to say at the start about where they come from."""

    settings: Settings
    notices: tuple[Notice, ...]
    sources: tuple[str, ...]
    """Where something was set, the weakest source first."""
    origins: Mapping[str, str]
    """The source of each setting that is no default."""


def load_settings(
    overrides: Texts,
    *,
    config: Path | None = None,
    environ: Texts | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Read and merge all settings.  Raises `SettingsError`, with a sentence for the host.

    `overrides` come from the command line, under the settings' own names, and `config` from
    `--config`; `folder` is the working directory.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    _keep_secrets_off_the_command_line(overrides)
    dotenv = parse_dotenv(_read(folder / DOTENV_NAME, DOTENV_NAME) or "", DOTENV_NAME)
    named = str(config or environ.get(CONFIG_VARIABLE) or dotenv.get(CONFIG_VARIABLE, ""))
    strong = [
        (DOTENV_NAME, {name: text for name, text in dotenv.items() if name != CONFIG_VARIABLE}),
        ("the environment", {name: environ[name] for name in sorted(environ) if _is_ours(name)}),
        ("the command line", overrides),
    ]
    unread: list[Notice] = []
    if named:
        where, texts = named, _named_config(folder, named)
    else:
        where, texts = _found_config(folder, _data_folder(strong) or Settings().data, unread)
    sources = [(where, texts), *strong]
    merged = merge_settings(sources)
    used = tuple(source for source, texts in sources if texts)
    return Loaded(merged.settings, (*unread, *merged.notices), used, merged.origins)


def _is_ours(variable: str) -> bool:
    """Whether a variable of the environment, where everybody's stand, is meant for us."""
    prefixed = variable.startswith(("ALCOVE_", "SECURE_CHAT_")) and variable not in NOT_OURS
    return prefixed or variable in OLD_NAMES or variable in OBSOLETE


def _keep_secrets_off_the_command_line(overrides: Texts) -> None:
    for name in overrides:
        setting = find_setting(name)
        if setting is not None and setting.secret:
            why = "cannot be given on the command line, which others on this machine can read"
            instead = f"put it into {DOTENV_NAME}, {CONFIG_NAME} or {setting.environment}"
            raise SettingsError(setting.name, f"{setting.name} {why}: {instead}.")


def _data_folder(sources: list[tuple[str, Texts]]) -> str:
    """Return the data folder that these sources set, or nothing."""
    data = ""
    for _, texts in sources:
        for name, text in texts.items():
            setting = find_setting(name)
            if setting is not None and setting.name == "data" and text:
                data = text
    return data


# ---- alcove.toml ----


def _named_config(folder: Path, named: str) -> Texts:
    text = _read(folder / named, named)
    if text is None:
        raise SettingsError(
            "config", f"{named} was named as the file of settings, but is not there."
        )
    return parse_toml(text, named)


def _found_config(folder: Path, data: str, unread: list[Notice]) -> tuple[str, Texts]:
    """Read the alcove.toml of the data folder, or else that of the working directory."""
    inside = str(Path(data) / CONFIG_NAME)
    text = _read(folder / inside, inside)
    if text is None or inside == CONFIG_NAME:
        text = _read(folder / CONFIG_NAME, CONFIG_NAME)
        return CONFIG_NAME, parse_toml(text or "", CONFIG_NAME)
    texts = parse_toml(text, inside)
    if _data_folder([(inside, texts)]):
        sentence = "cannot be set here, because this file was found in the data folder"
        raise SettingsError("data", f"data ({inside}) {sentence}.")
    here = folder / CONFIG_NAME
    if _read(here, CONFIG_NAME) is not None and not here.samefile(folder / inside):
        unread.append(Notice("unused", f"{CONFIG_NAME} was not read, because {inside} is there."))
    return inside, texts


def parse_toml(text: str, where: str) -> Texts:
    """Return the settings in a TOML document, whose tables are there for people only."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Nothing of the message but the place: it may quote what is written there.
        place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
        raise SettingsError(where, f"{_at(where, place)} is not valid TOML.") from None
    texts: dict[str, str] = {}
    wrong: list[SettingsError] = []
    for key, value in document.items():
        for name, inner in value.items() if isinstance(value, dict) else [(key, value)]:
            if name in texts:
                wrong.append(SettingsError(name, f"{shown(name)} ({where}) is set twice."))
            elif not isinstance(inner, bool | int | str):
                must = "must be a text in quotes, a whole number, or true or false"
                wrong.append(SettingsError(name, f"{shown(name)} ({where}) {must}."))
            else:
                texts[name] = str(inner).lower() if isinstance(inner, bool) else str(inner)
    raise_all(wrong)
    return texts


def _at(where: str, place: re.Match[str] | None) -> str:
    return f"{where}, {place[0]}," if place else where


# ---- .env ----


def parse_dotenv(text: str, where: str) -> Texts:
    """Return the variables of a file of lines such as `export NAME="value"  # why`.

    Quotes keep spaces; within double quotes a backslash escapes.  Nothing is expanded, and a value
    ends with its line.  Of a name that stands twice, the second counts, as in a shell.
    """
    texts = {}
    wrong: list[SettingsError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        value = _unquoted(match[2]) if match else None
        if match is None or value is None:
            must = 'must have the form NAME=value or NAME="value"'
            wrong.append(SettingsError(where, f"{where}, line {number}, {must}."))
            continue
        texts[match[1]] = value
    raise_all(wrong)
    return texts


def _unquoted(text: str) -> str | None:
    """Return what stands behind the equals sign, without quotes and comment."""
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        plain = re.split(r"\s#", text, maxsplit=1)[0].strip()
        return None if plain.startswith(("'", '"')) else plain
    literal, escaped = quoted.groups()
    if literal is not None:
        return str(literal)
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), str(escaped))


# ---- Files ----


def _read(path: Path, where: str) -> str | None:
    """Return a file's text, or None where there is no file."""
    try:
        if not path.exists() or (path.is_dir() and where == DOTENV_NAME):
            return None  # A folder of that name is a virtual environment.
        if not path.is_file():
            raise SettingsError(where, f"{where} must be a file.")
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(where, f"{where} cannot be read: {error.strerror}.") from None
    if len(content) > FILE_BYTES_MAX:
        raise SettingsError(where, f"{where} is larger than {FILE_BYTES_MAX // 1024} KiB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(where, f"{where} is not text in UTF-8.") from None
