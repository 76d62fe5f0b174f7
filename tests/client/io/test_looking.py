"""A server is looked at before there is an account: what answers there may be anything."""

import asyncio

import pytest

from alcove.client import OfflineError, ServerLook, look_at

SECRET = f"{'s' * 22}.k{'0' * 64}"
STATUS = b'{"registration": "invite"}'


def look(*answers: bytes, link: bool = False) -> ServerLook:
    """Look at a server that answers one request after the other so."""

    async def live() -> ServerLook:
        left = list(answers)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                body = left.pop(0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                if not left:
                    break
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await look_at(f"{address}/i/7qm2xv#{SECRET}" if link else address)

    return asyncio.run(live())


def test_a_server_says_what_it_asks_of_newcomers() -> None:
    assert look(STATUS).registration == "invite"


def test_what_a_server_calls_itself_and_who_invites_are_shown_without_what_hides() -> None:
    found = look(
        STATUS,
        b'{"state": "open", "server": "Har\\u001b[2Jbour", "inviter": "mi\\u202era", "ends_at": 7}',
        link=True,
    )
    assert (found.name, found.inviter, found.invite, found.ends_at) == (
        "Har [2Jbour", "mira", "open", 7,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b'{"a": 1}', b'{"registration": 1}', b"\xff"]
)
def test_what_is_no_server_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(OfflineError, match="no Alcove server"):
        look(body)
