"""How settings from several sources become one value, and which old names are still understood.

    the command line  >  the environment  >  .env  >  alcove.toml  >  the defaults

Here are only names and texts: `io/config.py` reads the files and the environment.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from alcove.server.settings import SETTINGS, Notice, Settings, SettingsError, registration
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


def make_settings(
    sources: Sequence[tuple[str, Mapping[str, str]]],
) -> tuple[Settings, list[Notice]]:
    """Merge sources, each with its name for people; later ones win, and empty values set nothing.

    Raises `SettingsError` at the first value, and then the first combination, that is not allowed.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    notices = []
    for source, texts in sources:
        # Within one source a new name wins over an old one for the same setting.
        for name in sorted(texts, key=lambda name: not _is_old(name)):
            origin = f"{shown(name)} ({source})"
            setting = find_setting(name)
            if _is_old(name) or setting is None:
                notices.append(_notice(name, origin, texts[name]))
            if setting is not None and texts[name]:
                values[setting.name] = _read(setting, origin, texts[name])
                origins[setting.name] = origin
    settings = Settings(**values)
    _check_combinations(settings, origins)
    if settings.server_password and registration(settings) != "password":
        asked = f"nobody is asked for it while registration is {settings.registration}"
        notices.append(Notice("unused", f"{origins['server_password']} is not used: {asked}."))
    return settings, notices


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


def _check_combinations(settings: Settings, origins: Mapping[str, str]) -> None:
    """Raise an error for the first setting that does not fit to the others."""
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
            raise SettingsError(name, f"{origins.get(name, f'{name} (its default)')} {sentence}.")
