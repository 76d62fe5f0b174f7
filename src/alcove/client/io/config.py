"""Settings of the client: from the command line, the environment, alcove.toml and config.ini.

The stronger source wins, in that order.  alcove.toml may be the server's too, so what is the
client's stands in its table [client].  config.ini is the file of an older program, and is read as
it is.  What is wrong is said in one sentence, which names the place and never repeats the value.
"""

import configparser
import ipaddress
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from alcove.client.errors import ClientError, UsageError
from alcove.client.io.keyfile import PASSPHRASE_VARIABLE
from alcove.client.io.profiles import HOME_VARIABLE, home_folder
from alcove.client.store.disk import read_small

CONFIG_NAME: Final = "alcove.toml"
OLD_CONFIG_NAME: Final = "config.ini"
CONFIG_VARIABLE: Final = "ALCOVE_CONFIG"
CONFIG_BYTES_MAX: Final = 64 * 1024
"""The largest file of settings that is parsed."""
PATH_CHARACTERS_MAX: Final = 1_024
"""The longest name of a folder or file in a setting."""
DEFAULT_PORT: Final = 8888
"""Where a server listens when nobody says otherwise; on other machines it is behind TLS, at 443."""

LogLevel = Literal["debug", "info", "warning", "error"]
Texts = Mapping[str, str]
"""Names and values, as they were written."""


class Address(Struct, frozen=True):
    """Where a server is."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _USUAL_PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if is_usual else f":{self.port}")

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return _is_loopback(self.host)

    @property
    def by_number(self) -> "Address":
        """The same, with the number in place of `localhost`: servers name themselves so."""
        is_named = self.host == "localhost" and self.scheme == "http"
        return Address("http", "127.0.0.1", self.port) if is_named else self


def _about(description: str) -> Meta:
    return Meta(description=description)


class ClientSettings(Struct, frozen=True, kw_only=True):
    """Everything that a member can set for the programs on this machine."""

    server: Annotated[str, _about("The address of the server, for accounts that are new here.")] = (
        f"http://localhost:{DEFAULT_PORT}"
    )
    profile: Annotated[
        str, _about("The profile that is meant when a command names none; empty: the default one.")
    ] = ""
    home: Annotated[
        str, _about("The folder of all profiles; empty: where the system keeps data of programs.")
    ] = ""
    passphrase_file: Annotated[
        str, _about("The file of the passphrase, for your user alone; empty: you are asked.")
    ] = ""
    log_level: Annotated[LogLevel, _about("The least important kind of line that is logged.")] = (
        "warning"
    )
    debug: Annotated[
        bool, _about("Log everything but secrets, and show where errors come from.")
    ] = False

    @property
    def address(self) -> Address:
        """The address of the server, taken apart."""
        return parse_address(self.server)

    @property
    def level(self) -> LogLevel:
        """The least important kind of line that is logged after all."""
        return "debug" if self.debug else self.log_level


ONLY_AROUND: Final = ("home", "passphrase_file")
"""Settings that no file may set: one that lies in a strange folder could lead us anywhere."""

OLD_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("server", "host"): "host",
    ("server", "port"): "port",
    ("logging", "level"): "log_level",
    ("logging", "debug_mode"): "debug",
}
"""What the names in config.ini, by section, are called now."""

OBSOLETE: Final[Mapping[tuple[str, str], str]] = {
    ("client", "receive_buffer"): "it sizes its buffers itself",
}
"""Names in config.ini that set nothing any more, and why."""

_PARTS: Final = ("host", "port")
"""Names that stand for a part of `server`."""
_USUAL_PORTS: Final = {"http": 80, "https": 443}
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_LEVELS: Final[tuple[str, ...]] = get_args(LogLevel)
_LEVEL_NAMES: Final = {"warn": "warning", "critical": "error", "fatal": "error"}
_LABEL: Final = r"[a-z0-9_][a-z0-9_-]{0,62}"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}\.?", re.ASCII | re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"(?:(?P<scheme>https?)://)?(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:/@?#\[\]]*))(?::(?P<port>\d{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_ADDRESS_FORM: Final = "an address such as https://chat.example.org or localhost:8888"


class SettingsError(UsageError):
    """A setting is wrong."""


class Loaded(Struct, frozen=True):
    """The settings, and what to tell about where they come from."""

    settings: ClientSettings
    home: Path
    """The folder of all profiles."""
    origins: Mapping[str, str]
    """The source of each setting that is no default."""
    notices: tuple[str, ...]
    """Sentences about what was accepted and set nothing."""


# ---- Addresses ----


def parse_address(text: str) -> Address:
    """Return what an address means: `http://localhost:5000`, `https://server`, `host:port`, `host`.

    Without a scheme it is TLS, but for this machine itself.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f"A server has {_ADDRESS_FORM}, with nothing behind host and port.")
    host = _checked_host(match["six"], match["host"])
    is_here = _is_loopback(host)
    scheme: Any = (match["scheme"] or ("http" if is_here else "https")).lower()
    usual = _USUAL_PORTS[scheme] if match["scheme"] or not is_here else DEFAULT_PORT
    port = int(match["port"]) if match["port"] else usual
    if not 1 <= port <= 65_535:
        raise SettingsError("The port of a server is a number from 1 to 65535.")
    return Address(scheme, host, port)


def _checked_host(six: str | None, host: str) -> str:
    if six is None and _HOST.fullmatch(host):
        return host.lower()
    try:
        return str(ipaddress.IPv6Address(six or ""))
    except ValueError:
        raise SettingsError(
            f"A server has {_ADDRESS_FORM}: its host is a name of letters, digits and hyphens, or"
            " the numbers of an address, in [brackets] if it has colons."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# ---- Where settings come from ----


def load_settings(
    overrides: Texts,
    *,
    config: Path | None = None,
    environ: Texts | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Read and merge all settings.

    `overrides` come from the command line, under the settings' own names or `host` and `port`, and
    `config` from `--config`; `folder` is the working directory.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    around = {**environ, HOME_VARIABLE: overrides.get("home") or environ.get(HOME_VARIABLE, "")}
    home = home_folder(around, sys.platform)
    notices: list[str] = []
    named = str(config or environ.get(CONFIG_VARIABLE, ""))
    sources: list[tuple[str, Texts]] = [
        *_files(folder, home, named, notices),
        ("the environment", _environment(environ)),
        ("the command line", {name: text for name, text in overrides.items() if text}),
    ]
    settings: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for where, texts in sources:
        for name, value in _read_source(where, texts):
            settings[name], origins[name] = value, where
    return Loaded(ClientSettings(**settings), home, origins, tuple(notices))


def _environment(environ: Texts) -> Texts:
    return {
        name: environ[variable_of(name)]
        for name in ClientSettings.__struct_fields__
        if environ.get(variable_of(name))
    }


def variable_of(name: str) -> str:
    """Return what a setting is called in the environment."""
    own = {"home": HOME_VARIABLE, "passphrase_file": PASSPHRASE_VARIABLE}
    return own.get(name, f"ALCOVE_{name.upper()}")


def _files(folder: Path, home: Path, named: str, notices: list[str]) -> list[tuple[str, Texts]]:
    """Read the file that was named, or else config.ini and alcove.toml where they are found."""
    if named:
        text = _text(folder / named, named)
        if text is None:
            raise SettingsError(f"{named} was named as the file of settings, but is not there.")
        is_old = named.lower().endswith(".ini")
        return [(named, parse_ini(text, named, notices) if is_old else parse_toml(text, named))]
    found = []
    old = _text(folder / OLD_CONFIG_NAME, OLD_CONFIG_NAME)
    if old is not None:
        found.append((OLD_CONFIG_NAME, parse_ini(old, OLD_CONFIG_NAME, notices)))
    in_home = home / CONFIG_NAME
    for path, where in ((in_home, str(in_home)), (folder / CONFIG_NAME, CONFIG_NAME)):
        text = _text(path, where)
        if text is not None:
            return [*found, (where, parse_toml(text, where))]
    return found


def _text(path: Path, where: str) -> str | None:
    try:
        content = read_small(path, CONFIG_BYTES_MAX)
    except ClientError as error:
        raise SettingsError(f"The settings cannot be read: {error}") from None
    try:
        return None if content is None else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{where} is not text in UTF-8: save it as such.") from None


def parse_toml(text: str, where: str) -> Texts:
    """Return the client's settings in alcove.toml: those in its table [client]."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Nothing of the message but the place: it may quote what is written there.
        place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
        at = f" ({place[1]})" if place else ""
        raise SettingsError(f"{where}{at} is not valid TOML: mend that place.") from None
    table = document.get("client", {})
    if not isinstance(table, dict):
        raise SettingsError(f"client ({where}) must be a table: write [client] above its settings.")
    texts = {}
    for name, value in table.items():
        if not isinstance(value, bool | int | str):
            must = "must be a text in quotes, a whole number, or true or false"
            raise SettingsError(f"{_shown(name)} ({where}) {must}.")
        if name in ONLY_AROUND:
            raise SettingsError(
                f"{name} ({where}) cannot be set in a file: set {variable_of(name)} in the"
                " environment instead."
            )
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return {name: text for name, text in texts.items() if text}


def parse_ini(text: str, where: str, notices: list[str]) -> Texts:
    """Return the settings in a config.ini, under the names that they have now."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError):
        # Its message would quote the line.
        raise SettingsError(
            f"{where} cannot be read: it must have sections such as [Server] and lines such as"
            " port=8888."
        ) from None
    texts = {}
    for section in parser.sections():
        for name, value in parser.items(section):
            key = (section.lower(), name.lower())
            if key in OLD_NAMES and value:
                texts[OLD_NAMES[key]] = value
            elif key in OBSOLETE:
                notices.append(f"{name} ({where}) sets nothing any more: {OBSOLETE[key]}.")
            elif key not in OLD_NAMES:
                notices.append(
                    f"{_shown(name)} in [{_shown(section)}] ({where}) is not known, and ignored."
                )
    return texts


# ---- What they mean ----


def _read_source(where: str, texts: Texts) -> list[tuple[str, Any]]:
    """Return the values in one source; a host and a port count as an address."""
    values: list[tuple[str, Any]] = []
    if "server" in texts and any(part in texts for part in _PARTS):
        raise SettingsError(f"server ({where}) is set, and host or port too: set one or the other.")
    for name, text in texts.items():
        if name in _PARTS:
            continue
        if name not in ClientSettings.__struct_fields__:
            raise SettingsError(
                f"{_shown(name)} ({where}) is not a setting: there is "
                f"{', '.join(ClientSettings.__struct_fields__)}."
            )
        values.append((name, read_value(name, text, where)))
    if any(part in texts for part in _PARTS):
        host = texts.get("host", "localhost").strip()
        port = texts.get("port", str(DEFAULT_PORT)).strip()
        both = f"[{host}]" if host.count(":") > 1 else host
        values.append(("server", read_value("server", f"{both}:{port}", where)))
    return values


def read_value(name: str, text: str, where: str) -> Any:
    """Return the value that a text stands for, or refuse it in a sentence."""
    word = text.strip().lower()
    match name:
        case "server":
            try:
                return str(parse_address(text))
            except SettingsError as error:
                raise SettingsError(f"server ({where}) is wrong: {error}") from None
        case "log_level":
            level = _LEVEL_NAMES.get(word, word)
            if level in _LEVELS:
                return level
            raise SettingsError(f"log_level ({where}) must be one of {', '.join(_LEVELS)}.")
        case "debug":
            if word in _FLAGS:
                return _FLAGS[word]
            raise SettingsError(f"debug ({where}) must be true or false.")
    if not text.isprintable() or len(text) > PATH_CHARACTERS_MAX:
        raise SettingsError(f"{name} ({where}) must be a text of at most 1024 characters.")
    return text


def _shown(name: str) -> str:
    """Return a name that somebody wrote, so that it can be shown."""
    return "".join(c if c.isprintable() else "?" for c in name[:40])


def described() -> list[tuple[str, Any, str]]:
    """Return (name, default, description) of every setting, in order."""
    hints = get_type_hints(ClientSettings, include_extras=True)
    defaults = msgspec.structs.asdict(ClientSettings())
    return [
        (name, defaults[name], hints[name].__metadata__[0].description)
        for name in ClientSettings.__struct_fields__
    ]
