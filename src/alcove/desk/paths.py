"""Paths of this machine, as somebody types them."""

from pathlib import Path

from alcove.client import UsageError


def path_of(name: str) -> Path:
    """Return the path that is meant; `~` is this user's folder, `~ada` that of ada."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise UsageError(f"There is no folder of {name.partition('/')[0]} here.") from None
