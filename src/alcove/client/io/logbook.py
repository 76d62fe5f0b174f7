"""What is logged of a client: that the line came and went, and mistakes of ours.

No line says what somebody has said, nor a name, a password or a key: of a mistake its kind and its
place are written down, and never its text.
"""

import logging
import traceback

from alcove.client.events import Offline, Online

_log = logging.getLogger("alcove.client")


def log_mistake(error: Exception, where: str) -> None:
    """Log a mistake of ours."""
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s in %s\n%s", type(error).__name__, where, places)


def log_event(event: object) -> None:
    """Log that something happened: that the line came or went, and for who debugs all else."""
    level = logging.INFO if isinstance(event, Online | Offline) else logging.DEBUG
    _log.log(level, "%s", type(event).__name__)
