"""Settings that the host changes while the server runs: in the database, stronger than the files.

alcove.toml, .env, environment, command line ─► the base ─┬─► what counts
alcove admin policy NAME VALUE ─► table `setting` ────────┘
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from alcove.server.settings import SETTINGS, Settings, SettingsError
from alcove.server.settings_sources import make_settings
from alcove.server.settings_sources import shown as quoted
from alcove.server.settings_together import registration, requests_policy
from alcove.server.tx import Tx

CHANGEABLE: Final = (
    "registration",
    "requests",
    "invites_by",
    "blob_bytes_max",
    "account_quota_bytes",
    "max_clients",
    "session_timeout_s",
    "lock_after_s",
)
"""What may change while the server runs.  The rest counts from the next start."""

POLICIES: Final = ("registration", "requests", "invites_by")
"""Those of them that say who may do something, and have an audit event of their own kind."""

SOURCE: Final = "alcove admin policy"
DEFAULT: Final = "default"
"""What is said to be the source of what nobody has set."""


def changes(tx: Tx) -> dict[str, str]:
    """Return what the host has changed, by name, as it would be written in alcove.toml."""
    return {
        name: value
        for name, value in tx.all("SELECT name, value FROM setting ORDER BY name")
        if name in CHANGEABLE
    }


def change(tx: Tx, base: Settings, name: str, text: str | None) -> Settings:
    """Change one setting, or with None go back to what the files say; return what counts now.

    Raises `SettingsError` for what is not allowed, alone or with the other settings.
    """
    if name not in CHANGEABLE:
        raise SettingsError(name, _why_not(name))
    texts = changes(tx)
    texts.pop(name, None)
    if text is not None:
        texts[name] = text
    settings = merged(base, texts)
    if text is None:
        tx.run("DELETE FROM setting WHERE name = ?", name)
    else:
        tx.run(
            """
            INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE
            SET value = excluded.value, changed_at = excluded.changed_at
            """,
            name,
            text,
            tx.now,
        )
    kind = "policy_changed" if name in POLICIES else "setting_changed"
    tx.audit(kind, None, name=name, value=shown(settings, name))
    return settings


def _why_not(name: str) -> str:
    """Return why this name is none of those that may change."""
    may = f"only these may: {', '.join(CHANGEABLE)}"
    names = [setting.name for setting in SETTINGS]
    if name in names:
        start = "set it in alcove.toml and start the server again"
        return f"{name} cannot change while the server runs ({may}): {start}."
    guess = get_close_matches(name.lower().removeprefix("alcove_"), names, n=1)
    meant = f"did you mean {guess[0]}?" if guess else f"while the server runs, {may}."
    return f"There is no setting {quoted(name)}: {meant}"


def merged(base: Settings, texts: Mapping[str, str]) -> Settings:
    """Return the base with changes, or raise `SettingsError` for what does not fit."""
    settings, _ = make_settings([("the settings", _texts(base)), (SOURCE, texts)])
    return settings


def still_fitting(base: Settings, texts: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return the base with those changes that still fit to it, and a sentence for each other one.

    The files may have changed since: then it is they that count.
    """
    fitting: dict[str, str] = {}
    sentences = []
    settings = base
    for name in sorted(texts):
        try:
            settings = merged(base, {**fitting, name: texts[name]})
        except SettingsError as error:
            sentences.append(f"{error} It was ignored.")
        else:
            fitting[name] = texts[name]
    return settings, sentences


def shown(settings: Settings, name: str) -> str:
    """Return the value of a setting as it is written in alcove.toml; secrets only as stars."""
    (setting,) = [one for one in SETTINGS if one.name == name]
    value = getattr(settings, name)
    return "***" if setting.secret and value else setting.show(value)


def in_force(settings: Settings, name: str) -> str:
    """Return the value that counts, also where it follows from other settings."""
    if name == "registration":
        return registration(settings)
    return requests_policy(settings) if name == "requests" else shown(settings, name)


def _texts(base: Settings) -> dict[str, str]:
    """Return what differs from the defaults, as texts: they are checked together with changes."""
    return {
        setting.name: setting.show(getattr(base, setting.name))
        for setting in SETTINGS
        if getattr(base, setting.name) != setting.default
    }
