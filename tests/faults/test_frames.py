"""Frames that nobody sane would send: answered, refused or the end of a connection, never more.

A slice here; `make soak` gives the same targets a hundred thousand.
"""

import asyncio
import random
import tracemalloc
from pathlib import Path

import pytest

from alcove.server.hub import Hub
from alcove.server.presence import Presence
from alcove.wire.codec import encode_frame
from alcove.wire.entries import Appended
from alcove.wire.greeting import Hello
from fuzz.frames import Estate, Frames, Headers
from fuzz.mutate import BLIND
from fuzz.run import Fed, Run, run_batch
from tests.faults.clients import Friend, Gone
from tests.faults.servers import EAGER, Server
from tests.faults.test_disks import Pair, with_pair
from tests.server.test_session import NOW, make_door, make_session
from tests.store.on_postgres import houses_on_postgres

SEED = 1
BATCHES = 10
ATTACKERS = 4
SOCKET_FRAMES = 750
"""How many each of them sends."""
WORDS = 100
"""How much two others say to each other meanwhile."""
KEPT_BYTES_MAX = 16 * 1024


def run_some(target: Fed, batches: int = BATCHES) -> Run:
    run = Run(SEED)
    for _ in range(batches):
        run_batch(target, run)
    return run


def run_frames(batches: int = BATCHES) -> None:
    frames = Frames(SEED)
    try:
        figures = run_some(frames, batches).of("frames")
    finally:
        frames.end()
    assert figures.accepted > figures.inputs // 10
    assert figures.refused > figures.inputs // 10


def test_a_frame_is_answered_or_refused_or_ends_its_connection() -> None:
    run_frames()


def test_a_server_on_postgresql_takes_the_same_frames(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres_url
    with houses_on_postgres(monkeypatch):
        run_frames(2)


def test_a_header_can_be_written_in_one_way_only() -> None:
    figures = run_some(Headers()).of("headers")
    assert 0 < figures.accepted < figures.inputs


def test_the_same_seed_gives_the_same_frames() -> None:
    drawn = []
    for _ in range(2):
        frames, dice = Frames(SEED), random.Random(SEED)
        lot = []
        for _ in range(50):
            lot.append(frames.draw(dice))
            frames.feed(dice, lot[-1])
        frames.end()
        drawn.append(lot)
    assert drawn[0] == drawn[1]


def test_connections_that_sent_nonsense_leave_nothing_in_memory() -> None:
    door, hub = make_door(), Hub(make_door().settings, Presence())
    dice = random.Random(SEED)
    hello = encode_frame([Hello(oldest=1, newest=1)])
    frames = [dice.choice(BLIND)(dice, hello) for _ in range(500)]

    def once() -> int:
        for frame in frames:
            session = make_session(door)
            session.receive(hello, NOW)
            session.receive(frame, NOW)
            session.requests()
            hub.leave(session, NOW)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        once()
        before = once()
        assert once() - before < KEPT_BYTES_MAX
    finally:
        tracemalloc.stop()


# ---- Over real sockets ----


async def attack(server: Server, estate: Estate, dice: random.Random) -> None:
    """Send frames as fast as the server takes them, on one connection after the other."""
    attacker = Friend(dice, f"attacker{dice.randrange(10**6)}")
    sent = 0
    while sent < SOCKET_FRAMES:
        try:
            if dice.random() < 1 / 2:
                await attacker.open(server.url)
            else:
                await attacker.connect(server.url)
            attacker.listens_only()
            for _ in range(dice.randrange(1, 200)):
                sent += 1
                await attacker.send_frame(estate.draw(dice, dice.randrange(len(estate.sessions))))
                if not attacker.is_connected:
                    break
        except Gone:
            continue
    await attacker.close()


async def talk_meanwhile(pair: Pair, server: Server, estate: Estate) -> None:
    await pair.meet(server.url)
    room, newest = pair.talk.room, pair.talk.handshake
    estate.things.ids |= {"room": [room], "account": [pair.ada.account, pair.bob.account]}
    estate.things.hashes |= {"before": [newest], "key": [newest]}
    attackers = [
        asyncio.ensure_future(attack(server, estate, random.Random(SEED + number)))
        for number in range(ATTACKERS)
    ]
    for _ in range(WORDS):
        assert isinstance(await pair.try_to(pair.next()), Appended)
    await asyncio.gather(*attackers)
    await pair.say(1)
    await pair.check()


def test_two_people_go_on_talking_while_others_send_nonsense(tmp_path: Path) -> None:
    (tmp_path / "estate").mkdir()
    estate = Estate(tmp_path / "estate", SEED)
    with Server(tmp_path, **EAGER) as server:
        server.start()
        asyncio.run(with_pair(SEED, talk_meanwhile, server, estate))
        assert server.stop() == 0
        assert "unexpected" not in server.words() + server.logs()
    estate.end()
