"""Asking the server of a data folder: through its socket, or on the store when none runs."""

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from alcove import __version__
from alcove.server.admin_messages import Answer
from alcove.server.settings import Settings

SOCKET_NAME: Final = "admin.sock"
SOCKET_PATH_MAX: Final = 100
"""A longer path no server listens on: see io/admin.py."""
ROUTE: Final = "/admin"

T = TypeVar("T")


class _ByPath(http.client.HTTPConnection):
    """HTTP over a socket that is a file."""

    def __init__(self, path: Path, wait_s: float | None) -> None:
        super().__init__("localhost", timeout=wait_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def over_socket(settings: Settings, request: Any, *, wait_s: float | None = None) -> Answer | None:
    """Return the running server's answer, or None when no server runs here."""
    path = Path(settings.data) / SOCKET_NAME
    if len(bytes(path)) > SOCKET_PATH_MAX:
        return None
    connection = _ByPath(path, wait_s)
    try:
        connection.request("POST", ROUTE, msgspec.json.encode(request))
        return msgspec.json.decode(connection.getresponse().read(), type=Answer)
    except (FileNotFoundError, ConnectionRefusedError):
        return None  # What was left behind by a server that was killed answers nobody.
    except PermissionError as error:
        raise click.ClickException(
            f"{path} belongs to another user: call this command as the server's own user."
        ) from error
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise click.ClickException(
            f"The server did not answer on {path} ({type(error).__name__}): is it just stopping?"
        ) from error
    finally:
        connection.close()


def ask(
    settings: Settings, request: Any, kind: type[T], origins: Mapping[str, str] | None = None
) -> T:
    """Return the answer to a request of the host, or end with the sentence of a refusal.

    `origins` tell where settings were set; a server that runs knows that of its own.
    """
    made = over_socket(settings, request)
    if made is None:
        return _alone(settings, request, kind, origins)
    if made.error:
        raise click.ClickException(made.error)
    return msgspec.json.decode(made.ok, type=kind)


def find_store(settings: Settings) -> None:
    """End with a sentence where there is no store: what was mistyped must not make one."""
    from alcove.server.io.places import places_of  # noqa: PLC0415 - Seldom needed, and much.

    if not settings.database_url and not places_of(settings).database.exists():
        raise click.ClickException(
            f"There is no server in {settings.data}: `alcove serve` makes one there, and --data"
            " tells of another folder."
        )


def _alone(settings: Settings, request: Any, kind: type[T], origins: Mapping[str, str] | None) -> T:
    """Carry a request out on the store itself."""
    import asyncio  # noqa: PLC0415 - Seldom needed, and much.
    import os  # noqa: PLC0415

    from alcove.server.io.admin import answer, caller_of, desk_alone  # noqa: PLC0415
    from alcove.server.io.places import keep_to_the_owner  # noqa: PLC0415
    from alcove.server.store.database import DatabaseRefused, StorageError  # noqa: PLC0415
    from alcove.wire.errors import Refused  # noqa: PLC0415

    find_store(settings)
    try:
        keep_to_the_owner(settings)
        with desk_alone(settings, f"alcove {__version__}", origins) as desk:
            reply = asyncio.run(answer(desk, request, caller_of(os.getuid())))
    except Refused as refused:
        raise click.ClickException(refused.why) from refused
    except (DatabaseRefused, StorageError) as error:
        raise click.ClickException(str(error)) from error
    assert isinstance(reply, kind)
    return reply
