"""Looking at a server from outside, before there is an account: what it asks of newcomers."""

import asyncio
from typing import Final, Literal, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from alcove.client.errors import OfflineError
from alcove.client.invitations import is_link, read_invitation
from alcove.client.io.config import parse_address
from alcove.client.io.line import trouble, web_session
from alcove.client.io.place import Place
from alcove.wire.content import shown_name

T = TypeVar("T")

LOOK_S: Final = 10.0
"""So long an answer is waited for."""
ANSWER_BYTES_MAX: Final = 64 * 1024
"""What is read of a page that tells of a server."""


class ServerLook(Struct, frozen=True, kw_only=True):
    """What a server says to everybody."""

    address: str
    name: str = ""
    registration: str = ""
    """open, password, invite or closed."""
    invite: Literal["", "open", "used", "ended", "unknown"] = ""
    """Whether the invite works; empty where there is none."""
    inviter: str = ""
    """Who invites; empty for the host."""
    ends_at: int | None = None


class _Status(Struct):
    registration: str


class _Invite(Struct):
    state: Literal["open", "used", "ended", "unknown"]
    server: str
    inviter: str = ""
    ends_at: int | None = None


async def look_at(server: str) -> ServerLook:
    """Return what a server says of itself, and of the invite if this is the link of one."""
    invitation = read_invitation(server) if is_link(server) else None
    address = str(parse_address(invitation.address if invitation else server))
    place = Place(address, (invitation and invitation.certificate) or None)
    async with web_session(place) as session:
        status = await _get(session, f"{address}/status.json", _Status)
        if invitation is None:
            return ServerLook(address=address, registration=status.registration)
        name = server.strip().partition("/i/")[2].partition("#")[0]
        found = await _get(session, f"{address}/i/{name}", _Invite)
    return ServerLook(
        address=address,
        name=shown_name(found.server) if found.server else "",
        registration=status.registration,
        invite=found.state,
        inviter=shown_name(found.inviter) if found.inviter else "",
        ends_at=found.ends_at,
    )


async def _get(session: aiohttp.ClientSession, url: str, kind: type[T]) -> T:
    try:
        async with (
            asyncio.timeout(LOOK_S),
            session.get(url, headers={"Accept": "application/json"}) as answer,
        ):
            return msgspec.json.decode(await answer.content.read(ANSWER_BYTES_MAX), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise OfflineError(
            f"Something answers at {url.partition('/i/')[0]} that is no Alcove server;"
            " check the address.",
            "not_a_server",
        ) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise trouble(error, url) from error
