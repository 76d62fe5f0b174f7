"""How settings from several sources become one value, and which old names are still understood.

    the command line  >  the environment  >  .env  >  alcove.toml  >  the defaults

Here are only names and texts: `io/config.py` reads the files and the environment.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from alcove.server.settings import SETTINGS, Notice, Settings, SettingsError
from alcove.server.settings_together import registration
from alcove.server.values import Setting, Value, size_text

SHOWN_CHARACTERS_MAX: Final = 40
"""So much of a wrong name or value is repeated in an error."""

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}

OLD_NAMES: Final = {
    "SERVER_HOST": "host",
    "SERVER_PORT": "port",
    "SESSION_TIMEOUT": "session_timeout_s",
    "MAX_CLIENTS": "max_clients",
    "LOG_LEVEL": "log_level",
    "DATABASE_URL": "database_url",
    "SECURE_CHAT_SECRET_KEY": "secret_key",
    "SECURE_CHAT_DB_PATH": "database_path",
    "SECURE_CHAT_LOG_LEVEL": "log_level",
    "SECURE_CHAT_FILE_STORAGE": "blob_folder",
}
"""Names that older systems gave to settings of ours."""

OBSOLETE: Final = {
    "RSA_KEY_SIZE": "there are no RSA keys any more",
    "ENCRYPTION_KEY_SIZE": "every encryption key has 32 bytes",
    "RECEIVE_BUFFER": "buffers take the size that they need",
}
"""Names of older systems that set nothing any more, and why."""


def find_setting(name: str) -> Setting | None:
    """Return the setting that is meant by its name, its environment variable or an old name."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    upper = name.upper()
    if upper.startswith("ALCOVE_"):
        return _BY_NAME.get(upper.removeprefix("ALCOVE_").lower())
    return _BY_NAME.get(OLD_NAMES.get(upper, ""))


def shown(text: str) -> str:
    """Return somebody's text, cut and on one line."""
    cut = text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"
    return cut if cut.isprintable() else ascii(cut)[1:-1]


def _is_old(name: str) -> bool:
    return name not in _BY_NAME and name.upper() in OLD_NAMES


class Merged(Struct, frozen=True):
    """Settings, what to say about them, and where each that is no default was set."""

    settings: Settings
    notices: list[Notice]
    origins: dict[str, str]
    """The name of the source, for people, by the name of the setting."""


def make_settings(
    sources: Sequence[tuple[str, Mapping[str, str]]],
) -> tuple[Settings, list[Notice]]:
    """Merge sources as `merge_settings` does; return the settings and what to say about them."""
    merged = merge_settings(sources)
    return merged.settings, merged.notices


def merge_settings(sources: Sequence[tuple[str, Mapping[str, str]]]) -> Merged:
    """Merge sources, each with its name for people; later ones win, and empty values set nothing.

    Raises `SettingsError` with a line for each value, or else for each combination of values, that
    is not allowed: who has to mend them wants to see them all.
    """
    values: dict[str, Any] = {}
    spoken: dict[str, str] = {}
    origins: dict[str, str] = {}
    notices = []
    wrong: list[SettingsError] = []
    for source, texts in sources:
        # Within one source a new name wins over an old one for the same setting.
        for name in sorted(texts, key=lambda name: not _is_old(name)):
            origin = f"{shown(name)} ({source})"
            setting = find_setting(name)
            try:
                if _is_old(name) or setting is None:
                    notices.append(_notice(name, origin, texts[name]))
                if setting is not None and texts[name]:
                    values[setting.name] = _read(setting, origin, texts[name])
                    spoken[setting.name], origins[setting.name] = origin, source
            except SettingsError as error:
                wrong.append(error)
    raise_all(wrong)
    settings = Settings(**values)
    raise_all(list(_combinations(settings, spoken)))
    if settings.server_password and registration(settings) != "password":
        asked = f"nobody is asked for it while registration is {settings.registration}"
        notices.append(Notice("unused", f"{spoken['server_password']} is not used: {asked}."))
    return Merged(settings, notices, origins)


def raise_all(wrong: Sequence[SettingsError]) -> None:
    """Raise several errors as one, with a line for each."""
    if wrong:
        lines = "\n".join(dict.fromkeys(str(error) for error in wrong))
        raise SettingsError(wrong[0].setting, lines)


def _notice(name: str, origin: str, text: str) -> Notice:
    """Return what to say about a name that is not one of today's."""
    upper = name.upper()
    if _is_old(name):
        today = _BY_NAME[OLD_NAMES[upper]]
        return Notice("old", f"{origin} is an old name of {today.name} ({today.environment}).")
    if upper == "ENCRYPTION_KEY_SIZE" and text.strip() not in ("", "32"):
        raise SettingsError(name, f"{origin} must be 32 or left out: {OBSOLETE[upper]}.")
    if upper in OBSOLETE:
        return Notice("obsolete", f"{origin} sets nothing any more: {OBSOLETE[upper]}.")
    guess = get_close_matches(upper.removeprefix("ALCOVE_").lower(), _BY_NAME, n=1)
    meant = f": did you mean {guess[0]}?" if guess else "."
    return Notice("unknown", f"{origin} is not a setting of the server and was ignored{meant}")


def _read(setting: Setting, origin: str, text: str) -> Value:
    value = setting.read(text)
    if value is None:
        instead = "" if setting.secret else f", not '{shown(text)}'"
        raise SettingsError(setting.name, f"{origin} must be {setting.allowed}{instead}.")
    return value


def _combinations(settings: Settings, origins: Mapping[str, str]) -> Iterator[SettingsError]:
    """Return an error for each setting that does not fit to the others."""
    url_and_path = settings.database_url and settings.database_path
    for name, is_wrong, sentence in (
        ("tls_cert", settings.tls_cert and not settings.tls_key, "needs tls_key beside it"),
        ("tls_key", settings.tls_key and not settings.tls_cert, "needs tls_cert beside it"),
        (
            "self_signed",
            settings.self_signed and settings.tls_cert,
            "makes a certificate, and tls_cert brings one: choose",
        ),
        ("database_path", url_and_path, "is for SQLite, and database_url for PostgreSQL: choose"),
        (
            "registration",
            settings.registration == "password" and not settings.server_password,
            "is password, which needs a server_password",
        ),
        (
            "message_bytes_max",
            settings.message_bytes_max > settings.handshake_bytes_max,
            f"must be at most handshake_bytes_max, {size_text(settings.handshake_bytes_max)}",
        ),
        (
            "blob_bytes_max",
            0 < settings.account_quota_bytes < settings.blob_bytes_max,
            f"must be at most account_quota_bytes, {size_text(settings.account_quota_bytes)}",
        ),
        (
            "blob_bytes_max",
            0 < settings.server_quota_bytes < settings.blob_bytes_max,
            f"must be at most server_quota_bytes, {size_text(settings.server_quota_bytes)}",
        ),
    ):
        if is_wrong:
            yield SettingsError(name, f"{origins.get(name, f'{name} (its default)')} {sentence}.")
