"""Frames that nobody sane would send: answered, refused or the end of a connection, never more.

A slice here; `make soak` gives the same targets a hundred thousand.
"""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from alcove.server.hub import Hub
from alcove.wire.codec import encode_frame
from alcove.wire.directory import Find, PutAlias
from alcove.wire.errors import Refusal
from alcove.wire.greeting import Hello
from fuzz.frames import Estate, Frames, Headers
from fuzz.grow import bent, grow
from fuzz.mutate import BLIND
from fuzz.run import Fed, Run, run_batch
from tests.faults.clients import Friend, Gone
from tests.faults.postgres_house import PostgresHouse, postgres_houses
from tests.faults.servers import EAGER, Server
from tests.faults.test_disks import Pair
from tests.server.people import Someone
from tests.server.test_session import make_door, make_session

SEED = 1
BATCHES = 3
SOCKET_FRAMES = 2000
ATTACKERS = 4
WORDS = 200
"""How much two others say to each other meanwhile."""


def run_some(target: Fed, batches: int = BATCHES) -> Run:
    run = Run(SEED)
    for _ in range(batches):
        run_batch(target, run)
    return run


def test_a_frame_is_answered_or_refused_or_ends_its_connection() -> None:
    frames = Frames(SEED)
    try:
        figures = run_some(frames).of("frames")
    finally:
        frames.end()
    assert figures.accepted > figures.inputs // 10
    assert figures.refused > figures.inputs // 10


def test_the_same_frames_are_harmless_to_a_server_on_postgresql(postgres_url: str) -> None:
    assert postgres_url
    with postgres_houses() as make:
        frames = Frames(SEED, make)
        try:
            figures = run_some(frames, 2).of("frames")
        finally:
            frames.end()
    assert figures.accepted > figures.inputs // 10


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


def test_malformed_frames_leave_nothing_in_memory() -> None:
    door, hub = make_door(), Hub(make_door().settings, presence=None)  # type: ignore[arg-type]
    dice = random.Random(SEED)
    hello = encode_frame([Hello(oldest=1, newest=1)])
    frames = [dice.choice(BLIND)(dice, hello) for _ in range(1000)]

    def a_thousand() -> int:
        for frame in frames:
            session = make_session(door)
            session.receive(hello, 0)
            session.receive(frame, 0)
            session.requests()
            hub.leave(session, 0)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        a_thousand()
        before = a_thousand()
        assert a_thousand() - before < 16 * 1024
    finally:
        tracemalloc.stop()


# ---- Words that only one of the databases minds ----

ODD_TEXTS = ("\0", "a\0b", "\x7f", "\ufffe", "\U0010ffff")


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_an_odd_text_concerns_nobody_but_who_sends_it(text: str, postgres_url: str) -> None:
    house = PostgresHouse(postgres_url)
    try:
        ada, bob = house.add_person("ada"), house.add_person("bob")
        talk, _ = house.create(ada.phone)
        odd = PutAlias(id=house.next_id(), room=talk.room, alias="talk", description=text)
        told: Any = house.run(
            (ada.phone, odd), (bob.phone, house.append_of(bob, talk))
        )
        assert told
    finally:
        house.connection.close()
