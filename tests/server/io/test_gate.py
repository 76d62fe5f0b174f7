"""The gate: every connection is counted, and none is kept that does not come to its point."""

import asyncio
import contextlib
import logging.handlers
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from alcove.server.io import gate as gates
from alcove.server.io.certificate import own_certificate, tls_context, today
from alcove.server.io.gate import GatedRunner, GatedSite, limit_unsigned
from alcove.server.io.http import Bodies
from alcove.server.io.machine import listen_at
from alcove.server.settings import Rate
from alcove.wire.errors import Refused
from alcove.wire.greeting import NewToken
from tests.server.io.live import Live, served

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BIG = 11_000_000


async def dial(live: Live) -> Ends:
    return await asyncio.open_connection("127.0.0.1", live.port)


async def say(live: Live, head: str, body: bytes = b"") -> Ends:
    reader, writer = await dial(live)
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + body)
    return reader, writer


async def ended(ends: Ends) -> bytes:
    """Return what came until the other side closed; a test that hangs here has found something."""
    try:
        said = await asyncio.wait_for(ends[0].read(), 30)
    except ConnectionResetError:
        said = b""
    ends[1].close()
    return said


async def status(live: Live, head: str, body: bytes = b"") -> int:
    reader, writer = await say(live, head, body)
    line = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    return int(line.split()[1])


async def counted(live: Live, count: int) -> None:
    while live.running.gate.count != count:  # noqa: ASYNC110 - Nobody announces it.
        await asyncio.sleep(0)


@served(hello_timeout_s=1)
async def test_who_sends_no_request_or_half_of_one_is_closed(live: Live) -> None:
    silent = await dial(live)
    half = await say(live, "GET /health HTTP/1.1\nHost: x\nX-A: ")
    assert await ended(silent) == b""
    assert await ended(half) == b""
    await counted(live, 0)


@served(hello_timeout_s=1, idle_timeout_s=1)
async def test_a_connection_that_is_kept_for_nothing_is_closed(live: Live) -> None:
    said = await ended(await say(live, "GET /health HTTP/1.1\nHost: 127.0.0.1\n\n"))
    assert said.endswith(b"ok\n")
    await counted(live, 0)


@served(max_clients=2)
async def test_all_connections_count_and_the_surplus_hears_why(live: Live) -> None:
    kept = [await dial(live), await dial(live)]
    await counted(live, 2)
    said = await ended(await say(live, "GET /status HTTP/1.1\nHost: x\n\n"))
    assert b" 503 " in said.partition(b"\r\n")[0]
    assert b"Retry-After: 1" in said
    assert await status(live, "GET /health HTTP/1.1\nHost: x\nConnection: close\n\n") == 200
    kept.pop()[1].close()
    await counted(live, 1)
    assert await status(live, "GET /status HTTP/1.1\nHost: x\n\n") == 200
    assert await events(live, "server_full") == 1
    kept.pop()[1].close()


@served(max_clients=8)
async def test_idle_strangers_make_room_and_members_and_the_busy_stay(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    find = f"POST /v1/find HTTP/1.1\nHost: x\nAuthorization: Bearer {token}\nContent-Length: 14\n\n"
    known = await say(live, find, b'{"name":"ada"}')
    assert await known[0].readline() == b"HTTP/1.1 200 OK\r\n"
    busy = await say(live, "POST /v1/register HTTP/1.1\nHost: x\nContent-Length: 9\n\n{")
    idle = []
    for _ in range(3):
        idle.append(await say(live, "GET /health HTTP/1.1\nHost: 127.0.0.1\n\n"))
        assert await idle[-1][0].readline() == b"HTTP/1.1 200 OK\r\n"
    assert live.running.gate.count == 6
    bob = await live.newcomer("bob")
    assert (await ended(idle[0])).endswith(b"ok\n")
    again = await live.newcomer("eve")
    assert (await ended(idle[1])).endswith(b"ok\n")
    assert live.running.gate.count == 6
    for line in (ada, bob, again):
        assert type(await line.ask(NewToken())).__name__ == "Token"
    busy[1].write(b"        ")
    assert await asyncio.wait_for(busy[0].readline(), 20) == b"HTTP/1.1 400 Bad Request\r\n"
    known[1].write(find.replace("\n", "\r\n").encode() + b'{"name":"bob"}')
    await asyncio.wait_for(known[0].readuntil(b"HTTP/1.1 200 OK"), 20)
    for _, writer in (known, busy, idle[2]):
        writer.close()


@served(max_clients=1)
async def test_far_too_many_are_closed_without_a_word(live: Live) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates, "SURPLUS_MAX", 1)
        kept = [await dial(live), await dial(live)]
        await counted(live, 2)
        assert await ended(await dial(live)) == b""
    for _, writer in kept:
        writer.close()


@served(address_clients_max=1)
async def test_one_address_may_have_so_many_and_no_more(live: Live) -> None:
    _, writer = await dial(live)
    await counted(live, 1)
    assert await status(live, "GET /status HTTP/1.1\nHost: x\n\n") == 503
    writer.close()
    await counted(live, 0)
    assert await status(live, "GET /status HTTP/1.1\nHost: x\n\n") == 200


@served(behind_proxy=True, address_clients_max=1)
async def test_behind_a_proxy_those_behind_it_are_counted(live: Live) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    url = f"{live.address}/v1/socket"
    socket = await live.web.ws_connect(url, headers=headers)
    async with live.web.get(f"{live.address}/status", headers=headers) as response:
        assert response.status == 503
    async with live.web.get(f"{live.address}/status") as response:
        assert response.status == 200
    await socket.close()
    while live.running.gate._counts:  # noqa: ASYNC110 - Nobody announces it.
        await asyncio.sleep(0)


@served()
async def test_a_body_of_who_may_not_send_it_is_never_read(live: Live) -> None:
    head = f"POST /v1/append HTTP/1.1\nHost: x\nContent-Length: {BIG}\n\n"
    assert await status(live, head) == 401
    head = f"POST /v1/register HTTP/1.1\nHost: x\nContent-Length: {BIG}\n\n"
    assert await status(live, head) == 413


@served(body_timeout_s=1)
async def test_a_body_that_does_not_come_is_waited_for_so_long(live: Live) -> None:
    head = "POST /v1/register HTTP/1.1\nHost: x\nContent-Length: 1000\n\n"
    assert await status(live, head, b"{") == 408


@served()
async def test_a_body_that_breaks_off_is_no_error_of_the_server(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    known = f"Host: x\nAuthorization: Bearer {token}\nTus-Resumable: 1.0.0\n"
    headers = dict(line.split(": ") for line in f"{known}Upload-Length: 50".splitlines()[1:])
    async with live.web.post(f"{live.address}/v1/blobs", headers=headers) as response:
        place = response.headers["Location"]
    patch = "Content-Type: application/offset+octet-stream\nUpload-Offset: 0\n"
    lines = logging.handlers.BufferingHandler(100)
    theirs = logging.getLogger("aiohttp.server")
    theirs.addHandler(lines)
    for head in (f"POST /v1/find HTTP/1.1\n{known}", f"PATCH {place} HTTP/1.1\n{known}{patch}"):
        count, tasks = live.running.gate.count, asyncio.all_tasks()
        _, writer = await say(live, f"{head}Content-Length: 50\n\n", b"{")
        await counted(live, count + 1)
        writer.transport.abort()
        await counted(live, count)
        while asyncio.all_tasks() - tasks:  # noqa: ASYNC110 - Nobody announces it.
            await asyncio.sleep(0)
    theirs.removeHandler(lines)
    assert lines.buffer == []


@served(bodies_bytes_max=1_000_000)
async def test_bodies_of_one_address_are_held_up_to_a_limit(live: Live) -> None:
    head = "POST /v1/register HTTP/1.1\nHost: x\nContent-Length: {size}\n\n"
    first = await say(live, head.format(size=2_000_000), b" ")
    bodies = live.running.http._bodies
    while not bodies._all:  # noqa: ASYNC110 - Nobody announces it.
        await asyncio.sleep(0)
    assert await status(live, head.format(size=62_501)) == 429
    assert await status(live, head.format(size=2), b"{}") == 400
    first[1].close()
    while bodies._all:  # noqa: ASYNC110 - Nobody announces it.
        await asyncio.sleep(0)
    assert bodies._held == {}


def test_bodies_of_strangers_leave_room_for_those_of_members() -> None:
    bodies = Bodies(lambda: 1_600_000)
    with contextlib.ExitStack() as stack:
        for last in range(4):
            stack.enter_context(bodies.held(f"192.0.2.{last}", 100_000, is_stranger=True))
        with pytest.raises(Refused), bodies.held("192.0.2.9", 100_000, is_stranger=True):
            pass
        for last in range(3):
            stack.enter_context(bodies.held(f"192.0.2.{last}", 400_000, is_stranger=False))
        with pytest.raises(Refused), bodies.held("192.0.2.9", 100_000, is_stranger=False):
            pass
    assert (bodies._held, bodies._all, bodies._strangers) == ({}, 0, 0)


@served()
async def test_an_unsigned_connection_is_cut_when_it_sends_too_much(live: Live) -> None:
    lines: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(max_msg_size=0)
        await response.prepare(request)
        limit_unsigned(request, 1000, lambda: bool(lines))
        async for message in response:
            await response.send_str(str(len(message.data)))
        return response

    app = web.Application()
    app.router.add_get("/", serve)
    runner = GatedRunner(app, live.running.gate)
    await runner.setup()
    listener = listen_at("127.0.0.1", 0)
    site = GatedSite(runner, listener.sockets[0])
    await site.start()
    assert site.name == f"http://127.0.0.1:{listener.port}"
    socket = await live.web.ws_connect(f"http://127.0.0.1:{listener.port}/")
    await socket.send_bytes(bytes(500))
    assert await socket.receive_str() == "500"
    await socket.send_bytes(bytes(5000))
    assert (await socket.receive()).data in (None, 1006)
    lines.append("signed in")
    socket = await live.web.ws_connect(f"http://127.0.0.1:{listener.port}/")
    await socket.send_bytes(bytes(5000))
    assert await socket.receive_str() == "5000"
    await socket.close()
    await runner.cleanup()


@served(hello_timeout_s=1)
async def test_who_does_not_finish_the_tls_handshake_is_closed_and_forgotten(live: Live) -> None:
    folder = Path(live.running.settings.data)
    context = tls_context(own_certificate(folder, ["127.0.0.1"], today()))
    runner = GatedRunner(web.Application(), live.running.gate)
    await runner.setup()
    listener = listen_at("127.0.0.1", 0)
    site = GatedSite(runner, listener.sockets[0], context)
    await site.start()
    silent = await asyncio.open_connection("127.0.0.1", listener.port)
    await counted(live, 1)
    assert await ended(silent) == b""
    await counted(live, 0)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    url = f"https://127.0.0.1:{listener.port}/nothing"
    async with live.web.get(url, ssl=trusting) as response:
        assert response.status == 404
    await runner.cleanup()


@served()
async def test_an_accept_that_fails_is_tried_again(live: Live) -> None:
    loop = asyncio.get_running_loop()
    real, failures = loop.sock_accept, [OSError(24, "Too many open files")]

    async def accept(sock: object) -> object:
        if failures:
            raise failures.pop()
        return await real(sock)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates, "AGAIN_S", 0)
        patch.setattr(loop, "sock_accept", accept)
        assert await status(live, "GET /status HTTP/1.1\nHost: x\n\n") == 200
        assert await status(live, "GET /status HTTP/1.1\nHost: x\n\n") == 200
    assert not failures


# ---- Pages of other sites, and how often ----


@served()
async def test_pages_of_other_sites_may_neither_post_nor_open_a_socket(live: Live) -> None:
    own = {"Origin": live.address}
    for said in ("https://evil.example", "null", "http://[", f"http://127.0.0.1:{live.port + 1}"):
        headers = {"Origin": said}
        url = f"{live.address}/v1/challenge"
        async with live.web.post(url, json={}, headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (403, "not_allowed")
        with pytest.raises(Exception, match="403"):
            await live.web.ws_connect(f"{live.address}/v1/socket", headers=headers)
        async with live.web.get(f"{live.address}/status", headers=headers) as response:
            assert response.status == 200
    async with live.web.post(f"{live.address}/v1/challenge", json={}, headers=own) as response:
        assert response.status == 200
    await (await live.web.ws_connect(f"{live.address}/v1/socket", headers=own)).close()


async def events(live: Live, kind: str) -> int:
    """Return how many events of a kind there are, once what was noticed is written."""
    await asyncio.gather(*live.running.noticing._writing)
    (line,) = await live.running.works.look(
        lambda tx: tx.all("SELECT COUNT(*) FROM event WHERE kind = ?", kind)
    )
    return int(line[0])


RATE = Rate(1, 60, 2)


@served(rate_page=RATE)
async def test_pages_are_counted_by_address_and_one_event_a_minute_tells(live: Live) -> None:
    codes = [await status(live, "GET /i/x HTTP/1.1\nHost: x\n\n") for _ in range(5)]
    assert codes == [404, 404, 429, 429, 429]
    assert await events(live, "limit_hit") == 1


@served(rate_sign_in=RATE)
async def test_tokens_that_are_none_cost_their_address_something(live: Live) -> None:
    head = "POST /v1/find HTTP/1.1\nHost: x\nAuthorization: Bearer {}\nContent-Length: 2\n\n"
    codes = [await status(live, head.format("wrong"), b"{}") for _ in range(3)]
    assert codes == [401, 401, 429]
    assert await status(live, head.format("\xff\xfe"), b"{}") == 401


@served()
async def test_who_tries_what_is_the_hosts_is_noted_once_a_minute(live: Live) -> None:
    token = (await (await live.newcomer("ada")).ask(NewToken())).token
    url, headers = f"{live.address}/v1/put_commons", {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        async with live.web.post(url, json={}, headers=headers) as response:
            assert response.status == 403
    assert await events(live, "host_only_refused") == 1
