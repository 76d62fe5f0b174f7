"""Slow, silent, greedy and very many clients: two others go on talking, and lose nothing."""

import asyncio
import base64
import contextlib
import random
import resource
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
import pytest

from alcove.server.io.gate import Line
from alcove.wire.codec import encode_frame
from alcove.wire.entries import Appended, Entries, NewEntries, Nudge, Read
from alcove.wire.greeting import Hello
from alcove.wire.ids import Position
from alcove.wire.rooms import GetRooms
from tests.faults.clients import Friend, Gone, found_room
from tests.faults.files import Files
from tests.faults.servers import EAGER, Server
from tests.faults.test_disks import Pair, with_pair
from tests.server.handlers.kit import code, room_of
from tests.server.house import House, Person, Talk, member

WORDS: Final = 150
"""How much is said during an attack: less than a device may say at once by default."""
CROWD: Final = 5000
CROWD_BYTES_MAX: Final = CROWD * 30 * 1024
"""A connection may cost 20 KiB; memory that was needed once stays with the process for a while."""
SPARE_FILES: Final = 500
LOITERERS: Final = 50
BEFORE_S: Final = 120
"""Nothing here waits so long, unless it would wait for ever."""
LOOK_S: Final = 0.05
MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
HURRIED: Final = {**EAGER, "hello_timeout_s": "1", "body_timeout_s": "1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the server in /proc")

Attack = Callable[[Server], Awaitable[None]]


class Listener:
    """Somebody who follows a room by what is pushed, and reads when nudged."""

    def __init__(self, friend: Friend, talk: Talk) -> None:
        self.friend = friend
        self.talk = talk
        self.heard: list[bytes] = []
        """The headers of the log, from its beginning."""

    async def read(self) -> None:
        while True:
            assert self.friend.signed_in is not None
            since = Position(self.friend.signed_in.incarnation, len(self.heard))
            page = await self.friend.ask(Read(room=self.talk.room, since=since, follow=True))
            assert isinstance(page, Entries), page
            self._take(page.entries)
            if not page.more:
                return

    async def hear(self, header: bytes) -> None:
        """Wait until an entry has come."""
        while header not in self.heard[-1:]:
            push = await self.friend.pushes.get()
            if isinstance(push, Nudge):
                await self.read()
            elif isinstance(push, NewEntries):
                self._take(push.entries)

    def _take(self, entries: Any) -> None:
        for entry in entries:
            if entry.seq > len(self.heard):
                assert entry.seq == len(self.heard) + 1, "a gap"
                self.heard.append(entry.header)


async def converse(pair: Pair, listener: Listener, count: int) -> None:
    """Let one say something, and the other hear it, so many times."""
    for _ in range(count):
        request = pair.next()
        assert isinstance(await pair.try_to(request), Appended)
        await listener.hear(request.entries[0].header)


async def talk_during(
    pair: Pair, server: Server, attack: Attack, memory_max: int = MEMORY_BYTES_MAX
) -> None:
    """Talk before, during and after an attack; afterwards the server is as before."""
    await pair.meet(server.url)
    listener = Listener(pair.bob, pair.talk)
    await listener.read()
    await converse(pair, listener, 5)
    sockets, memory = server.open_sockets(), server.memory_bytes()
    await asyncio.gather(
        asyncio.wait_for(attack(server), BEFORE_S), converse(pair, listener, WORDS)
    )
    await converse(pair, listener, 5)
    assert server.memory_bytes() - memory < memory_max
    async with asyncio.timeout(BEFORE_S):
        while server.open_sockets() > sockets:
            await converse(pair, listener, 1)
    await pair.check()


def run_against(
    folder: Path, attack: Attack, *, memory_max: int = MEMORY_BYTES_MAX, **settings: str
) -> None:
    with Server(folder, **(HURRIED | settings)) as server:
        server.start()
        asyncio.run(with_pair(8, talk_during, server, attack, memory_max))
        assert server.stop() == 0
        assert "unexpected" not in server.words() + server.logs()


# ---- Slow and silent ----

UPGRADE: Final = (
    b"GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)
HELLO: Final = encode_frame([Hello(oldest=1, newest=1)])
HELLO_FRAME: Final = bytes((0x82, 0x80 | len(HELLO), 0, 0, 0, 0)) + HELLO
"""A masked frame whose mask is zero."""
BEFORE: Final = (b"", UPGRADE[:10], UPGRADE[:90])
"""Nothing, half a line, half a handshake."""
AFTER: Final = (
    UPGRADE,
    UPGRADE + HELLO_FRAME[:20],
    UPGRADE + b"\x82\xff" + (8_000_000).to_bytes(8, "big") + bytes(50_000),
    UPGRADE + HELLO_FRAME,
)
"""A handshake and then nothing, half a frame, some of a large one, or a hello and no sign-in."""
HALF_A_BODY: Final = b"POST /v1/salt HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{"


@contextlib.asynccontextmanager
async def connection(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=trusting if server.url.startswith("https") else None
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        # What was not read makes the end of a TLS connection an error.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def loiter(server: Server, beginning: bytes) -> None:
    """Say the beginning of something and no more, until the server has had enough."""
    async with connection(server) as (reader, writer):
        writer.write(beginning)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), BEFORE_S / 4)


def loiterers(*beginnings: bytes) -> Attack:
    async def attack(server: Server) -> None:
        lot = [loiter(server, beginning) for beginning in beginnings * LOITERERS]
        await asyncio.gather(*lot)

    return attack


def test_who_never_finishes_a_handshake_is_sent_away(tmp_path: Path) -> None:
    run_against(tmp_path, loiterers(*BEFORE))


def test_who_never_finishes_a_frame_or_never_signs_in_is_sent_away(tmp_path: Path) -> None:
    run_against(tmp_path, loiterers(*AFTER))


def test_who_never_finishes_the_body_of_a_request_is_sent_away(tmp_path: Path) -> None:
    run_against(tmp_path, loiterers(HALF_A_BODY))


async def until_let_go(server: Server, sockets: int) -> None:
    """Wait until the server has fewer sockets open: it has let go of one that we still hold."""
    async with asyncio.timeout(BEFORE_S / 4):
        while server.open_sockets() >= sockets:  # noqa: ASYNC110 - It is another process.
            await asyncio.sleep(LOOK_S)


async def fall_silent(server: Server) -> None:
    """Sign in, and then be gone without a word: no pong, no end of the connection."""
    friend = Friend(random.Random(1), "silent")
    await friend.connect(server.url)
    sockets = server.open_sockets()
    friend.stop_reading()
    await until_let_go(server, sockets)
    await friend.close()


def test_a_connection_whose_other_end_is_gone_is_given_up(tmp_path: Path) -> None:
    run_against(tmp_path, fall_silent, idle_timeout_s="1")


# ---- Greedy ----

QUESTIONS: Final = 10_000
LARGE_BYTES: Final = 100_000


async def never_read(server: Server) -> None:
    """Ask for far more than a connection may have waiting, and read none of it."""
    friend = Friend(random.Random(2), "greedy")
    await friend.connect(server.url)
    talk = await found_room(friend)
    for _ in range(40):
        entry = friend.message(talk.handshake, LARGE_BYTES)
        assert isinstance(await friend.ask(friend.append(talk, entry)), Appended)
    assert friend.signed_in is not None
    page = Read(room=talk.room, since=Position(friend.signed_in.incarnation, 0))
    sockets = server.open_sockets()
    friend.stop_reading()
    friend.listens_only()
    asking = asyncio.ensure_future(ask_on(friend, encode_frame([page] * 8)))
    await until_let_go(server, sockets)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await friend.close()


async def ask_on(friend: Friend, frame: bytes) -> None:
    """Send the same questions again and again, as long as they are taken."""
    for _ in range(QUESTIONS):
        await friend.send_frame(frame)


over_both = pytest.mark.parametrize("self_signed", ["", "yes"], ids=["plain", "TLS"])


@over_both
def test_a_reader_that_never_reads_is_not_waited_for(tmp_path: Path, self_signed: str) -> None:
    run_against(tmp_path, never_read, idle_timeout_s="1", self_signed=self_signed)


PAGES: Final = 300
PAGE: Final = b"GET /v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def read_no_page(server: Server) -> None:
    """Ask for the same page again and again, and read no answer but the beginning of the first."""
    async with connection(server) as (reader, writer):
        writer.write(PAGE * PAGES)
        assert b" 200 " in await reader.readline()
        await until_let_go(server, server.open_sockets())


@over_both
def test_who_asks_for_pages_and_reads_none_is_let_go(tmp_path: Path, self_signed: str) -> None:
    run_against(tmp_path, read_no_page, idle_timeout_s="1", self_signed=self_signed)


FILE_BYTES: Final = 30_000_000
"""More than two systems hold for one connection between them."""


async def read_no_file(server: Server) -> None:
    """Begin to download a file, and read no more than the beginning."""
    friend = Friend(random.Random(4), "uploader")
    await friend.connect(server.url)
    files = await Files.of(friend, server.url)
    place = await files.announce(FILE_BYTES)
    assert await files.send(place, 0, bytes(FILE_BYTES)) == (204, "")
    path, token = place.removeprefix(server.url), files.token
    async with connection(server) as (reader, writer):
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        assert b" 200 " in await reader.readline()
        await until_let_go(server, server.open_sockets())
    await friend.close()


def test_who_begins_a_download_and_reads_no_more_is_let_go(tmp_path: Path) -> None:
    run_against(tmp_path, read_no_file, idle_timeout_s="1")


READERS: Final = 60
ANSWERS: Final = 6
"""So many that the system's own buffers do not take them all."""
WAITING_BYTES_MAX: Final = 16 * 1024 * 1024
ANSWERED_BYTES_MAX: Final = 256 * 1024 * 1024
"""How much the process may grow meanwhile.  Answers that are made side by side take memory before
they wait, and how much of it is given back soon is the system's affair: 10 to 120 MB were seen.
What counts as waiting is checked byte by byte in tests/server/io."""


async def read_no_answer(server: Server) -> None:
    """Ask for large pages on very many connections, and read none of the answers."""
    friend = Friend(random.Random(5), "greedy")
    await friend.connect(server.url)
    talk = await found_room(friend)
    for _ in range(12):
        entry = friend.message(talk.handshake, LARGE_BYTES)
        assert isinstance(await friend.ask(friend.append(talk, entry)), Appended)
    assert friend.signed_in is not None
    since = [friend.signed_in.incarnation, 0]
    body = msgspec.json.encode({"room": talk.room, "since": since})
    token = (await Files.of(friend, server.url)).token
    question = (
        f"POST /v1/read HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    sockets = server.open_sockets()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(READERS):
            _, writer = await stack.enter_async_context(connection(server))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(question * ANSWERS)
        await until_let_go(server, sockets + READERS // 4)
    await friend.close()


def test_what_waits_for_all_who_do_not_read_together_is_bounded(tmp_path: Path) -> None:
    most = str(WAITING_BYTES_MAX)
    run_against(
        tmp_path, read_no_answer, memory_max=ANSWERED_BYTES_MAX, outgoing_total_bytes_max=most
    )


class Waiting:
    """A transport in which so many bytes wait."""

    size, is_there = 1000, True

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.is_there = False


async def look_at(waiting: Waiting, sizes: Sequence[int], *, patience_s: int) -> None:
    """Look at a connection once in a second, while so much waits for it."""
    manager: Any = SimpleNamespace(request_handler=None, request_factory=None)
    line = Line(manager, loop=asyncio.get_running_loop())
    line.transport = cast("asyncio.Transport", waiting)
    for second, size in enumerate(sizes):
        waiting.size = size
        line.be_stuck(second, patience_s)


@pytest.mark.parametrize(
    ("sizes", "is_kept"),
    [
        ([500] * 10, True),
        ([500] * 11, False),
        ([500] * 10 + [499] * 10, True),
        ([500] * 10 + [501] * 10, True),
        ([0] * 100, True),
    ],
    ids=["not so long", "too long", "it takes a little", "there is more", "nothing waits"],
)
def test_only_who_takes_nothing_for_too_long_is_let_go(sizes: list[int], is_kept: bool) -> None:
    waiting = Waiting()
    asyncio.run(look_at(waiting, sizes, patience_s=10))
    assert waiting.is_there is is_kept


# ---- Very many ----


async def connect_all_at_once(server: Server) -> None:
    """Open thousands of connections, hold them until all have an answer, and let them go."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(CROWD, files - SPARE_FILES)
    answers: dict[bytes, int] = {}
    everyone_is_there = asyncio.Barrier(count)

    async def one() -> None:
        async with connection(server) as (reader, writer):
            answer = b""
            with contextlib.suppress(ConnectionError):
                writer.write(UPGRADE)
                answer = (await reader.readline())[9:12]
            answers[answer] = answers.get(answer, 0) + 1
            await everyone_is_there.wait()

    await asyncio.gather(*(one() for _ in range(count)))
    assert sum(answers.values()) == count
    assert set(answers) <= {b"101", b"503", b""}, "let in, told that it is full, or cut off"
    assert answers[b"101"] > count // 2


def test_five_thousand_connects_at_once_are_answered_or_refused(tmp_path: Path) -> None:
    patience = {"hello_timeout_s": str(BEFORE_S), "address_clients_max": str(CROWD)}
    run_against(tmp_path, connect_all_at_once, memory_max=CROWD_BYTES_MAX, **patience)


# ---- Hurried ----

REQUESTS: Final = 3000


async def flood(server: Server) -> None:
    """Ask as fast as the server reads, and go on after it has refused what is too much."""
    friend = Friend(random.Random(3), "hurried")
    await friend.connect(server.url)
    talk = await found_room(friend)
    codes: dict[str, int] = {}
    with contextlib.suppress(Gone):  # Who never heeds it is sent away in the end.
        for _ in range(REQUESTS // 100):
            requests = [friend.append(talk, friend.handshake(talk)) for _ in range(100)]
            for answer in friend.send(*requests):
                code = getattr(await answer, "code", "done")
                codes[code] = codes.get(code, 0) + 1
    assert codes["done"] > 0
    assert set(codes) <= {"done", "too_many", "too_soon", "conflict", "busy"}
    assert codes["too_many"] > 0
    await friend.close()


def test_who_commits_and_asks_as_fast_as_the_line_goes_is_slowed_down_alone(tmp_path: Path) -> None:
    usual = {name: "" for name in EAGER if name != "requests"}
    run_against(tmp_path, flood, memory_max=MEMORY_BYTES_MAX, **usual)


MESSAGES: Final = 100
STEPS: Final = 10
STEP_MS: Final = 100
TRIES_MAX: Final = 2


def newest(house: House, eve: Person, talk: Talk) -> bytes:
    (room,) = house.ask(eve.phone, GetRooms()).rooms
    assert room.room == talk.room
    return bytes(room.handshake)


class Hasty:
    """Somebody who adds and removes somebody else as often as the pauses let that through."""

    def __init__(self, house: House, eve: Person, talk: Talk) -> None:
        self.house, self.eve, self.talk = house, eve, talk
        self.other = house.add_person("other")
        self.is_there = False
        self.commits = 0

    def tries(self) -> None:
        change: dict[str, Any] = {
            "removes" if self.is_there else "adds": (member(self.other.phone),)
        }
        tried = Talk(self.talk.room, newest(self.house, self.eve, self.talk))
        entry = self.house.handshake(self.eve.phone, tried, closes=self.is_there, **change)
        reply = self.house.append(self.eve.phone, tried, entry)
        assert code(reply) in (None, "too_soon")
        if code(reply) is None:
            self.commits += 1
            self.is_there = not self.is_there


def test_a_member_who_commits_as_fast_as_allowed_costs_others_a_second_try_at_most(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    eve, ada, bob = (house.add_person(name) for name in ("eve", "ada", "bob"))
    talk = room_of(house, eve, ada, bob)
    hasty = Hasty(house, eve, talk)
    closed = 0
    for _ in range(MESSAGES):
        sealed_with = newest(house, ada, talk)
        for tries in range(1, TRIES_MAX + 1):
            for _ in range(STEPS):  # A message is under way, and a commit may overtake it.
                house.now += STEP_MS
                hasty.tries()
            reply = house.say(ada.phone, Talk(talk.room, sealed_with))
            if code(reply) is None:
                break
            assert code(reply) == "closed"
            assert tries < TRIES_MAX
            sealed_with = newest(house, ada, talk)
            closed += 1
    assert hasty.commits > MESSAGES * STEPS * STEP_MS // 20_000
    assert closed > 0
