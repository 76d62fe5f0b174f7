"""One connection: what it carries, how it is trusted, and what people are told when it fails."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from alcove.client.errors import OfflineError, UsageError
from alcove.client.io import line as lines
from alcove.client.io.line import Line, dial, trouble, web_session
from alcove.client.io.place import SOCKET_PATH, Place, checked, proxy_for
from alcove.server.io.certificate import own_certificate, tls_context, today
from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.greeting import Greeting, Hello
from tests.server.io.live import Live, served

HELLO = encode_frame([Hello(oldest=1, newest=1)])

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def other_end(
    handler: Handler | None, status: int = 200, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[str]:
    """Run something that takes WebSockets and treats them as the test wants; give its address."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if handler is None:
            return web.Response(status=status, headers=options)
        response = web.WebSocketResponse(max_msg_size=0, **options)
        await response.prepare(request)
        await handler(response)
        return response

    app = web.Application()
    app.router.add_get(SOCKET_PATH, serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class Ear:
    """A line and whoever looks at it."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.line: Line | None = None

    async def dial(self, url: str, certificate: bytes | None = None) -> Line:
        self.line = await dial(Place(url, certificate), self.woken.set)
        return self.line

    async def until(self, condition: Callable[[Line], Any]) -> Any:
        """Wait until a look at the line finds something, and return it."""
        assert self.line is not None
        async with asyncio.timeout(20):
            while not (found := condition(self.line)):
                self.woken.clear()
                await self.woken.wait()
        return found


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story()

    asyncio.run(whole())


async def fails(url: str, certificate: bytes | None = None) -> OfflineError:
    with pytest.raises(OfflineError) as caught:
        await Ear().dial(url, certificate)
    return caught.value


async def echo(response: web.WebSocketResponse) -> None:
    async for message in response:
        if message.type is aiohttp.WSMsgType.BINARY:
            await response.send_bytes(message.data)


# ---- Frames ----


@served()
async def test_a_line_carries_frames_to_a_server_and_back(live: Live) -> None:
    ear = Ear()
    line = await ear.dial(live.address)
    line.send(HELLO)
    (frame,) = await ear.until(Line.frames)
    (greeting,) = decode_answers(frame)
    assert isinstance(greeting, Greeting)
    await line.close()
    assert line.ended is None


def test_frames_keep_their_order_and_may_be_large() -> None:
    frames = [bytes([number]) * (number * 100_000 + 1) for number in range(30)]

    async def story() -> None:
        async with other_end(echo) as url:
            ear = Ear()
            line = await ear.dial(url)
            for frame in frames:
                line.send(frame)
            came: list[bytes] = []
            while len(came) < len(frames):
                came += await ear.until(Line.frames)
            assert came == frames
            await line.close()

    run(story)


def test_a_line_takes_no_more_than_somebody_looks_at_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "UNREAD_BYTES_MAX", 2_000)

    async def talk(response: web.WebSocketResponse) -> None:
        for number in range(100):
            await response.send_bytes(bytes([number]) * 1_000)
        await response.receive()

    async def story() -> None:
        async with other_end(talk) as url:
            ear = Ear()
            line = await ear.dial(url)
            came: list[bytes] = []
            while len(came) < 100:
                new = await ear.until(Line.frames)
                assert len(new) <= 3
                came += new
            assert [frame[0] for frame in came] == [*range(100)]
            await line.close()

    run(story)


def test_what_was_sent_leaves_before_the_line_is_closed() -> None:
    heard = asyncio.Event()

    async def listen(response: web.WebSocketResponse) -> None:
        if (await response.receive()).data == b"last words":
            heard.set()

    async def story() -> None:
        async with other_end(listen) as url:
            line = await Ear().dial(url)
            line.send(b"last words")
            await line.close()
            async with asyncio.timeout(20):
                await heard.wait()

    run(story)


# ---- How it ends ----


def test_what_came_before_the_end_can_still_be_read() -> None:
    async def speak_and_go(response: web.WebSocketResponse) -> None:
        await response.send_bytes(b"one")
        await response.send_bytes(b"two")
        await response.close()

    async def story() -> None:
        async with other_end(speak_and_go) as url:
            ear = Ear()
            line = await ear.dial(url)
            ended = await ear.until(lambda line: line.ended)
            assert (ended.code, line.frames()) == ("ended", [b"one", b"two"])
            await line.close()

    run(story)


def test_text_is_not_of_the_protocol() -> None:
    async def write(response: web.WebSocketResponse) -> None:
        await response.send_str("hello")
        await response.receive()

    async def story() -> None:
        async with other_end(write) as url:
            ear = Ear()
            line = await ear.dial(url)
            assert (await ear.until(lambda line: line.ended)).code == "malformed"
            await line.close()

    run(story)


def test_a_frame_that_is_too_large_ends_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "FRAME_BYTES_MAX", 1_000)

    async def story() -> None:
        async with other_end(echo) as url:
            ear = Ear()
            line = await ear.dial(url)
            line.send(bytes(1_001))
            assert (await ear.until(lambda line: line.ended)).code == "ended"
            assert line.frames() == []
            await line.close()

    run(story)


def test_a_line_that_broke_says_so_to_who_writes() -> None:
    async def vanish(response: web.WebSocketResponse) -> None:
        await response.receive()
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async def story() -> None:
        async with other_end(vanish) as url:
            ear = Ear()
            line = await ear.dial(url)
            line.send(b"hello")
            ended = await ear.until(lambda line: line.ended)
            assert ended.code in ("ended", "broken")
            line.send(b"is anybody there?")
            await line._tasks[1]  # It does not try for ever.
            await line.close()

    run(story)


def test_a_line_that_nobody_reads_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CLOSE_S", 0.05)
    gone = asyncio.Event()

    async def sulk(_: web.WebSocketResponse) -> None:
        await gone.wait()

    async def story() -> None:
        async with other_end(sulk) as url:
            line = await Ear().dial(url)
            for _ in range(20):
                line.send(bytes(2_000_000))
            await line.close()
            assert line._session.closed
            gone.set()

    run(story)


def test_part_of_a_frame_shows_that_the_line_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LOOK_S", 0.01)
    go_on = asyncio.Event()

    async def stammer(response: web.WebSocketResponse) -> None:
        assert response._req is not None
        transport = response._req.transport
        assert transport is not None
        await response.receive()
        transport.write(b"\x82\x7e\x10\x00" + bytes(2048))
        await go_on.wait()
        transport.write(bytes(2048))
        await response.receive()

    async def story() -> None:
        async with other_end(stammer) as url:
            ear = Ear()
            line = await ear.dial(url)
            line.send(b"go on")
            assert await ear.until(Line.moved)
            assert (line.frames(), line.moved()) == ([], False)
            go_on.set()
            assert await ear.until(Line.frames) == [bytes(4096)]
            await line.close()

    run(story)


def test_a_silent_line_is_asked_and_lives_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LOOK_S", 0.01)
    monkeypatch.setattr(lines, "HEARTBEAT_S", 0.02)
    pings: list[bytes] = []
    enough = asyncio.Event()

    async def answer(response: web.WebSocketResponse) -> None:
        async for message in response:
            if message.type is aiohttp.WSMsgType.PING:
                pings.append(message.data)
                await response.pong(message.data)
            if len(pings) == 3:
                enough.set()

    async def story() -> None:
        async with other_end(answer, autoping=False) as url:
            ear = Ear()
            line = await ear.dial(url)
            async with asyncio.timeout(20):
                await enough.wait()
            assert await ear.until(Line.moved)
            assert line.ended is None
            await line.close()

    run(story)


def test_a_line_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LOOK_S", 0.01)
    monkeypatch.setattr(lines, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(lines, "DEAD_S", 0.06)
    monkeypatch.setattr(lines, "CLOSE_S", 0.05)
    gone = asyncio.Event()

    async def sulk(_: web.WebSocketResponse) -> None:
        await gone.wait()

    async def story() -> None:
        async with other_end(sulk) as url:
            ear = Ear()
            line = await ear.dial(url)
            assert (await ear.until(lambda line: line.ended)).code == "timed_out"
            await line.close()
            gone.set()

    run(story)


# ---- Whom it trusts ----


def test_a_pinned_certificate_needs_nobody_to_vouch_for_it_and_no_other_one_will_do(
    tmp_path: Path,
) -> None:
    certificate = own_certificate(tmp_path, ["127.0.0.1"], today())

    async def story() -> None:
        async with other_end(echo, tls=tls_context(certificate)) as url:
            ear = Ear()
            line = await ear.dial(url, certificate.sha256)
            line.send(b"secret")
            assert await ear.until(Line.frames) == [b"secret"]
            await line.close()
            other = await fails(url, bytes(32))
            assert other.code == "certificate"
            assert "pinned" in str(other)
            unknown = await fails(url)
            assert unknown.code == "certificate"
            assert "invite" in str(unknown)

    run(story)


def test_http_goes_the_same_way(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path, ["127.0.0.1"], today())

    async def story() -> None:
        async with other_end(None, 204, tls_context(certificate)) as url:
            address = url + SOCKET_PATH
            async with web_session(Place(url, certificate.sha256)) as session:
                assert (await session.get(address)).status == 204
            async with web_session(Place(url)) as session:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.get(address)

    run(story)


@pytest.mark.parametrize(
    "url",
    ["", "chat.example.org", "ftp://chat.example.org", "http:///x", "https://[::1", "https://a:b"],
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError, match="https://chat"):
        checked(Place(url))


@pytest.mark.parametrize("host", ["chat.example.org", "8.8.8.8", "[2001:4860:4860::8888]"])
def test_nobody_speaks_without_tls_to_the_world(host: str) -> None:
    with pytest.raises(UsageError, match="read along"):
        checked(Place(f"http://{host}"))
    assert checked(Place(f"https://{host}/i/x#y")) == f"https://{host}/v1/socket"
    assert checked(Place(f"http://{host}", may_be_plain=True)) == f"http://{host}/v1/socket"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "192.168.1.5", "a.localhost"])
def test_this_machine_and_private_networks_may_do_without(host: str) -> None:
    assert checked(Place(f"http://{host}:8888")) == f"http://{host}:8888/v1/socket"


def test_proxies_of_the_environment_are_used_but_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_for("https://chat.example.org") == "http://proxy.example:3128"
    assert proxy_for("https://inside.example") is None
    assert proxy_for("https://127.0.0.1") is None


# ---- What people are told ----


def test_nobody_listens_there() -> None:
    async def story() -> None:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            error = await fails(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        assert error.code == "nobody_there"
        assert "not running" in str(error)

    run(story)


def test_a_server_that_does_not_answer_is_not_waited_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "CONNECT_S", 0.05)

    async def story() -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            error = await fails(f"http://127.0.0.1:{mute.getsockname()[1]}")
        assert error.code == "timed_out"

    run(story)


@pytest.mark.parametrize(
    ("status", "headers", "code", "retry_after_ms"),
    [
        (503, {"Retry-After": "7"}, "full", 7_000),
        (503, {"Retry-After": "soon"}, "full", None),
        (503, {}, "full", None),
        (426, {}, "version", None),
        (404, {}, "not_a_server", None),
        (200, {}, "not_a_server", None),
    ],
)
def test_a_server_that_declines_is_understood(
    status: int, headers: dict[str, str], code: str, retry_after_ms: int | None
) -> None:
    async def story() -> None:
        async with other_end(None, status, None, **headers) as url:
            error = await fails(url)
        assert (error.code, error.retry_after_ms) == (code, retry_after_ms)

    run(story)


KEY = ConnectionKey("chat.example.org", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(
    URL("https://a"), "GET", CIMultiDictProxy(CIMultiDict()), URL("https://a")
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "")), "unknown_name"),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError()), "nobody_there"),
        (aiohttp.ClientConnectorError(KEY, OSError(113, "")), "unreachable"),
        (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "")), "proxy"),
        (aiohttp.ClientHttpProxyError(INFO, (), status=407), "proxy"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "")), "certificate"),
        (aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1), "certificate"),
        (aiohttp.ServerDisconnectedError(), "unreachable"),
        (aiohttp.ServerTimeoutError(), "timed_out"),
        (TimeoutError(), "timed_out"),
        (aiohttp.WSServerHandshakeError(INFO, (), status=503), "full"),
    ],
)
def test_each_trouble_is_one_sentence_with_a_code(error: BaseException, code: str) -> None:
    told = trouble(error, "https://chat.example.org")
    assert told.code == code
    assert str(told).endswith((".", "?"))
    assert "\n" not in str(told)


def test_who_stops_dialing_leaves_nothing_behind() -> None:
    async def story() -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            task = asyncio.create_task(Ear().dial(f"http://127.0.0.1:{mute.getsockname()[1]}"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(story)
