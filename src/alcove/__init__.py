"""Alcove: private conversations on a server you run.

    from alcove import Bot, Client

Nothing is loaded before it is used: `import alcove` costs nothing.  `alcove.client` has all that
programs may use, and `alcove.mls`, the encryption below it, is a library of its own.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alcove.client import Bot, Client

__all__ = ["Bot", "Client"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what is asked for by name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from alcove import client  # noqa: PLC0415 - Only when somebody wants it.

    return getattr(client, name)
