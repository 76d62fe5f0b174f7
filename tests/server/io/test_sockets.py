"""The socket door, with real connections to a real server."""

import asyncio
import threading
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType
from aiohttp.http_websocket import WS_CLOSED_MESSAGE

from alcove.server.batch import Job
from alcove.server.io import sockets
from alcove.server.io.works import BACKLOG_S
from alcove.server.session import Session
from alcove.server.settings import Rate
from alcove.server.store.database import CommitUnknown
from alcove.wire.base import Done
from alcove.wire.codec import encode, encode_frame
from alcove.wire.devices import Devices, GetDevices
from alcove.wire.directory import SetPresence
from alcove.wire.entries import (
    Append,
    Appended,
    Entries,
    HandshakeHeader,
    Member,
    MessageHeader,
    NewEntries,
    NewEntry,
    Nudge,
    Passed,
    Read,
    Routing,
)
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import Goodbye, SignOut
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name
from alcove.wire.rooms import CreateRoom, GetRooms
from tests.server.io.live import Line, Live, served
from tests.server.test_session import make_door, signed_in


async def make_room(live: Live, *lines: Line) -> tuple[bytes, bytes]:
    """Make a room of these devices, and return it with the name of its key."""
    room, first = live.random(16), lines[0]
    entries = []
    before = NOTHING_BEFORE
    for line in lines:
        routing = Routing((Member(line.account, line.device),))
        header = encode(HandshakeHeader(first.device, before, renews=True, routing=routing))
        entries.append(NewEntry(header, live.random(300)))
        before = entry_name(room, header, entries[-1].body)
    reply = await first.ask(CreateRoom(room=room, kind="group", entries=tuple(entries)))
    assert isinstance(reply, Appended), reply
    for line in lines:
        page = await line.ask(Read(room=room, since=Position(live.incarnation, 0), follow=True))
        assert isinstance(page, Entries), page
    return room, before


def message(live: Live, line: Line, key: bytes, size: int = 450) -> NewEntry:
    header = MessageHeader(line.device, live.random(16), "kept", key)
    return NewEntry(encode(header), live.random(size))


@served()
async def test_what_one_says_the_other_is_told(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    room, key = await make_room(live, ada, bob)
    said = message(live, ada, key)
    appended = await ada.ask(Append(room=room, entries=(said,)))
    told = await bob.hear_of(NewEntries)
    (entry,) = told.entries
    assert (entry.seq, entry.header, entry.body) == (appended.first, said.header, said.body)


@served()
async def test_many_requests_in_one_frame_are_answered_in_order(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    room, key = await make_room(live, ada, bob)
    count = 100
    await ada.send(
        *(Append(id=100 + n, room=room, entries=(message(live, ada, key),)) for n in range(count))
    )
    replies = [await ada.hear_of(Appended) for _ in range(count)]
    assert [reply.id for reply in replies] == list(range(100, 100 + count))
    seqs: list[int] = []
    while len(seqs) < count:
        seqs += [entry.seq for entry in (await bob.hear_of(NewEntries)).entries]
    assert seqs == [reply.first for reply in replies]


@served()
async def test_who_was_away_reads_what_came(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    room, key = await make_room(live, ada, bob)
    await bob.socket.close()
    for _ in range(3):
        await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
    back = await live.again(bob)
    (listed,) = (await back.ask(GetRooms())).rooms
    assert listed.head == 5
    await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
    assert (await back.hear_of(Nudge)).head == 6
    page = await back.ask(Read(room=room, since=Position(live.incarnation, 2), follow=True))
    assert [entry.seq for entry in page.entries] == [3, 4, 5, 6]
    await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
    assert [entry.seq for entry in (await back.hear_of(NewEntries)).entries] == [7]
    passed = Passed(rooms=((room, Position(live.incarnation, 7)),))
    assert isinstance(await back.ask(passed), Done)


@served()
async def test_a_device_that_connects_twice_keeps_the_newer_connection(live: Live) -> None:
    ada = await live.newcomer("ada")
    new = await live.again(ada)
    assert (await ada.hear_of(Goodbye)).code == "changed"
    assert await ada.hear() is None
    assert (await new.ask(GetDevices())).devices


@served()
async def test_signing_out_ends_the_connection_after_its_answer(live: Live) -> None:
    ada = await live.newcomer("ada")
    assert isinstance(await ada.ask(SignOut()), Done)
    assert isinstance(await ada.hear_of(Goodbye), Goodbye)
    assert await ada.hear() is None


@served()
async def test_text_is_no_frame(live: Live) -> None:
    line = await live.connect()
    await line.socket.send_str("hello")
    assert (await line.hear()).code == "malformed"
    assert await line.hear() is None


@served(hello_timeout_s=1)
async def test_who_does_not_say_hello_is_sent_away(live: Live) -> None:
    line = await live.connect()
    assert (await line.hear()).code == "hello_first"
    assert await line.hear() is None


@served(max_clients=2)
async def test_a_full_house_says_so_and_others_go_on(live: Live) -> None:
    ada, _ = await live.newcomer("ada"), await live.connect()
    async with live.web.get(f"{live.address}/v1/socket") as response:
        assert response.status == 503
        assert "Retry-After" in response.headers
        assert "as many connections" in await response.text()
    assert (await ada.ask(GetDevices())).devices


@served()
async def test_a_connection_that_breaks_is_forgotten(live: Live) -> None:
    ada = await live.newcomer("ada")
    assert len(live.running.sockets) == 1
    transport = ada.socket._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.abort()
    while len(live.running.sockets):  # noqa: ASYNC110 - Nobody announces the end of a connection.
        await asyncio.sleep(0)
    assert live.running.works.hub.devices == {}


@served(outgoing_bytes_max=65536, rate_append=Rate(100_000, 1, 100_000))
async def test_who_does_not_read_is_nudged_later_and_costs_the_others_nothing(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    room, key = await make_room(live, ada, bob)
    count = 400
    for _ in range(count):  # Some twenty-four megabytes: more than any socket's buffers hold.
        body = message(live, ada, key, 60_000)
        assert isinstance(await ada.ask(Append(room=room, entries=(body,))), Appended)
    told = 0
    while not (isinstance(push := await bob.hear(), Nudge) and push.head > 2):
        told += len(push.entries) if isinstance(push, NewEntries) else 0
    assert told < count
    assert push.head == 2 + count
    page = await bob.ask(Read(room=room, since=Position(live.incarnation, 2 + told)))
    assert page.entries[0].seq == 3 + told


@served(outgoing_total_bytes_max=1_048_576, rate_append=Rate(100_000, 1, 100_000))
async def test_readers_who_together_hold_too_much_are_cut_off_and_others_go_on(live: Live) -> None:
    ada, bob, eve = [await live.newcomer(name) for name in ("ada", "bob", "eve")]
    room, key = await make_room(live, ada, bob)
    for _ in range(60):
        body = message(live, ada, key, 200_000)
        assert isinstance(await ada.ask(Append(room=room, entries=(body,))), Appended)
    sockets = live.running.sockets
    request = Read(room=room, since=Position(live.incarnation, 2))
    while len(sockets) == 3:  # Bob asks again and again, and reads nothing.
        await bob.send(request)
        await asyncio.sleep(0)
    assert sockets.backlog.cut_off == 1
    assert (await ada.ask(GetDevices())).devices
    assert (await eve.ask(GetDevices())).devices
    while sockets.backlog.waiting_bytes:  # noqa: ASYNC110 - Nobody announces that it was taken.
        await asyncio.sleep(0)


@served()
async def test_when_nobody_knows_what_was_stored_nothing_is_answered(live: Live) -> None:
    ada = await live.newcomer("ada")
    works = live.running.works

    def go_away() -> bool:
        works._writer._fail(CommitUnknown("the connection to the database was lost"))
        return False

    works._writer.commit = go_away  # type: ignore[method-assign]
    await ada.send(SetPresence(id=500, presence="away"))
    said = [await ada.hear(), await ada.hear()]
    del works._writer.commit
    assert [getattr(one, "code", one) for one in said] == ["storage", None]
    assert isinstance(said[0], Goodbye)


@served()
async def test_reads_of_who_reads_slowly_do_not_keep_others_waiting(live: Live) -> None:
    slow, ada = await live.newcomer("slow"), await live.newcomer("ada")
    works = live.running.works
    session = works.hub.devices[slow.device]
    job = Job(session.caller, GetDevices(id=7))
    session.backlog_bytes = works._backlog_max + 1
    for _ in range(400):
        works._reads.append((session, job))
    began = asyncio.get_running_loop().time()
    assert (await ada.ask(GetDevices())).devices
    assert asyncio.get_running_loop().time() - began < 100 * BACKLOG_S
    works._reads.clear()


@served()
async def test_threads_that_read_leave_out_who_reads_slowly_and_who_was_sent_away(
    live: Live,
) -> None:
    slow, ada = await live.newcomer("slow"), await live.newcomer("ada")
    works = live.running.works
    session = works.hub.devices[slow.device]
    job = Job(session.caller, GetDevices(id=7))
    gone = signed_in(make_door())
    gone.end(Code.REVOKED)
    works._is_local = False  # As with PostgreSQL.
    works._threads.append(threading.Thread(target=works._read_in_thread, daemon=True))
    works._threads[-1].start()
    session.backlog_bytes = works._backlog_max + 1
    before = works.requests
    works._put(session, job)
    works._put(gone, Job(session.caller, GetDevices(id=8)))
    assert (await ada.ask(GetDevices())).devices
    assert works.requests == before + 1
    session.backlog_bytes = 0
    assert (await slow.hear_of(Devices)).id == 7
    assert works.requests == before + 2
    works._is_local = True


@served()
async def test_garbage_is_refused_and_the_connection_lives(live: Live) -> None:
    ada = await live.newcomer("ada")
    for junk in (b"", b"\xc1", b"\x91\x80", b"\x90"):
        await ada.socket.send_bytes(junk)
        refusal = await ada.hear_of(Refusal)
        assert refusal.code == "malformed"
    assert (await ada.ask(GetDevices())).devices


@served(message_bytes_max=65536, handshake_bytes_max=131072)
async def test_a_frame_that_is_too_large_ends_the_connection(live: Live) -> None:
    line = await (await live.connect()).hello()
    await line.socket.send_bytes(bytes(200_000))
    message_ = await line.socket.receive()
    assert message_.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.BINARY)
    assert await line.hear() is None


# ---- Frames that are never whole ----


@served(incoming_total_bytes_max=1_048_576)
async def test_frames_that_are_never_whole_end_when_they_are_too_much_together(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    room, key = await make_room(live, ada, bob)
    incoming = live.running.sockets.incoming
    begun = b"\x82\xff" + (2_000_000).to_bytes(8, "big") + bytes(4)  # RFC 6455, section 5.2.
    transport = bob.socket._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.write(begun + bytes(300_000))
    while incoming.held_bytes < 300_000:  # noqa: ASYNC110 - Nobody announces what comes.
        await asyncio.sleep(0)
    body = message(live, ada, key, 200_000)
    assert isinstance(await ada.ask(Append(room=room, entries=(body,))), Appended)
    assert incoming.held_bytes < 400_000, "what is whole counts no longer"
    transport.write(bytes(900_000))
    while len(live.running.sockets) == 2:  # noqa: ASYNC110 - Nobody announces an end.
        await asyncio.sleep(0)
    assert (incoming.cut_off, incoming.held_bytes) == (1, 0)
    assert (await ada.ask(GetDevices())).devices


# ---- Who sends faster than it is answered ----


class Taken:
    """A connection on which frames come as fast as they are taken; nothing is carried out."""

    def __init__(self, frame: bytes, count: int) -> None:
        self.left = [WSMessage(WSMsgType.BINARY, frame, None)] * count

    async def receive(self) -> Any:
        return self.left.pop() if self.left else WS_CLOSED_MESSAGE

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def submit(self, session: Session) -> None:
        session.events()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_of_who_sends_faster_than_it_is_answered_no_more_is_taken_than_can_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "DRAIN_S", 0)
    monkeypatch.setattr(sockets, "WAITING_BYTES_MAX", 100_000)

    async def story() -> None:
        door = make_door()
        session = signed_in(door)
        entry = NewEntry(b"", bytes(40_000))
        frame = encode_frame([Append(id=1, room=bytes(16), entries=(entry,))])
        taken: Any = Taken(frame, 5)
        one = sockets.Sockets(taken, door)
        task = asyncio.create_task(one._listen(session, taken, taken, None))
        await turns(100)
        assert len(taken.left) == 2
        for _ in range(3):
            session.answer(encode(Done()), reads=False)
        await task
        assert taken.left == []

    asyncio.run(story())


@served()
async def test_who_is_silent_is_pinged_and_given_up_without_an_answer(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    look = live.running.sockets._look_for_silence
    assert isinstance(await ada.ask(GetDevices()), Devices)
    assert isinstance(await bob.ask(GetDevices()), Devices)
    for _ in range(sockets.LOOKS):
        look()
    assert isinstance(await ada.ask(GetDevices()), Devices)
    look()
    assert isinstance(await ada.ask(GetDevices()), Devices)
    for _ in range(sockets.LOOKS):
        look()
    while len(live.running.sockets) == 2:  # noqa: ASYNC110 - Nobody announces an end.
        await asyncio.sleep(0)
    assert isinstance(await ada.ask(GetDevices()), Devices)
