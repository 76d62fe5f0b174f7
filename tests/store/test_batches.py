"""The server's writer on each database: one transaction for many requests, all of them or none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from alcove.server.batch import Job
from alcove.server.store.database import Connection, StorageError
from alcove.wire.codec import decode_answer
from alcove.wire.entries import Append, Appended, Read
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name, next_chain
from tests import postgres
from tests.server.house import House, Person, Talk
from tests.store.conftest import KINDS
from tests.store.on_postgres import houses_on_postgres

ROOT = Path(__file__).parent.parent.parent
OF_SQLITE = (
    "can_be_read_in_the_database or nothing_of_a_deleted_account_is_left"
    " or stored_by_few_statements or counted_without_its_lines"
)
"""Tests that look into SQLite's file by its own means."""


@pytest.fixture(params=KINDS)
def house(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    with ExitStack() as stack:
        if request.param == "PostgreSQL":
            try:
                postgres.server_url()
            except postgres.Unavailable as reason:
                pytest.skip(str(reason))
            stack.enter_context(houses_on_postgres(monkeypatch))
        yield House(tmp_path)


def pair(house: House) -> tuple[Person, Person, Talk]:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, created = house.create(ada.phone, bob.phone)
    assert isinstance(created, Appended), created
    house.now += 60_000
    return ada, bob, talk


def job(house: House, person: Person, talk: Talk) -> Job:
    entries = (house.message(person.phone, talk),)
    return Job(person.phone, Append(id=house.next_id(), room=talk.room, entries=entries))


def run(house: House, jobs: list[Job]) -> list[Any]:
    return [decode_answer(outcome.reply) for outcome in house.writer.run(jobs, house.now)]


def seqs(house: House, person: Person, talk: Talk) -> list[int]:
    """Return the places of the log, whose chain is checked on the way."""
    request = Read(room=talk.room, since=Position(house.incarnation, 0), entries_max=4096)
    page = house.ask(person.phone, request)
    chain, chains = NOTHING_BEFORE, []
    for entry in page.entries:
        chain = next_chain(chain, entry.seq, entry_name(talk.room, entry.header, entry.body))
        chains.append((entry.seq, chain))
    stored = "SELECT seq, chain FROM entry WHERE room = (SELECT number FROM room WHERE room = ?)"
    assert sorted(house.tx().all(stored, talk.room)) == chains
    return [entry.seq for entry in page.entries]


class Counting:
    """A connection that counts commits, and fails where a test wants it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.commits = 0
        self.fails_at = ""

    def __getattr__(self, name: str) -> Any:
        if name == self.fails_at:
            self.fails_at = ""

            def fail(*_: object) -> None:
                raise StorageError("the disk is full")

            return fail
        self.commits += name == "commit"
        return getattr(self._connection, name)


@contextmanager
def counting(house: House) -> Iterator[Counting]:
    counted = Counting(house.connection)
    house.writer._connection = counted
    yield counted
    house.writer._connection = house.connection


def test_many_requests_share_one_commit(house: House) -> None:
    ada, bob, talk = pair(house)
    with counting(house) as counted:
        replies = run(house, [job(house, (ada, bob)[n % 2], talk) for n in range(100)])
    assert [reply.first for reply in replies] == list(range(3, 103))
    assert counted.commits == 1
    assert seqs(house, bob, talk) == list(range(1, 103))


def test_a_refused_request_takes_nobody_with_it(house: House) -> None:
    ada, bob, talk = pair(house)
    eve = house.add_person("eve")
    jobs = [job(house, person, talk) for person in (ada, eve, bob, eve, ada)]
    replies = run(house, jobs)
    codes = [reply.code if isinstance(reply, Refusal) else None for reply in replies]
    assert codes == [None, Code.NOT_A_MEMBER, None, Code.NOT_A_MEMBER, None]
    assert seqs(house, ada, talk) == [1, 2, 3, 4, 5]


def test_the_same_request_has_one_effect_and_one_answer_even_after_a_restart(
    house: House,
) -> None:
    ada, _, talk = pair(house)
    jobs = [job(house, ada, talk) for _ in range(20)]
    replies = run(house, jobs)
    house.start()
    assert run(house, jobs) == replies
    assert seqs(house, ada, talk) == list(range(1, 23))


@pytest.mark.parametrize("step", ["begin", "insert", "run", "one", "commit"])
def test_a_database_that_fails_refuses_the_batch_and_then_goes_on(house: House, step: str) -> None:
    ada, bob, talk = pair(house)
    run(house, [job(house, ada, talk)])
    with counting(house) as counted:
        house.world.rooms.clear()
        jobs = [job(house, bob, talk), job(house, ada, talk)]
        if step == "run":
            entries = (house.handshake(ada.phone, talk),)
            request = Append(id=house.next_id(), room=talk.room, entries=entries)
            jobs.append(Job(ada.phone, request))
        counted.fails_at = step
        replies = run(house, jobs)
        assert [reply.code for reply in replies] == [Code.STORAGE] * len(jobs)
        assert len(house.writer.unexpected) == 1
        house.writer.unexpected.clear()
        assert seqs(house, ada, talk) == [1, 2, 3]
        assert [type(reply) for reply in run(house, jobs)] == [Appended] * len(jobs)
    assert seqs(house, ada, talk) == list(range(1, 4 + len(jobs)))


@pytest.mark.slow
def test_every_handler_does_the_same_on_postgresql() -> None:
    """All tests of the handlers, once more."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.store.on_postgres"),
            *("-p", "no:cacheprovider", "-k", f"not ({OF_SQLITE})", "tests/server/handlers"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
