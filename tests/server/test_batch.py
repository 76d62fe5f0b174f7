"""A batch of requests: each succeeds or fails by itself, and only what is stored is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alcove.server.batch import Chore, Job, Reader, Writer
from alcove.server.caller import Caller
from alcove.server.effects import Ended, ToAccount
from alcove.server.handlers import TABLE, entries
from alcove.server.handlers.access import Handler
from alcove.server.store.database import StorageError
from alcove.server.tx import Tx
from alcove.wire.base import Done, Request
from alcove.wire.codec import decode_answer
from alcove.wire.directory import FindRooms, PutAlias
from alcove.wire.entries import Append, Appended
from alcove.wire.errors import Code, Refused
from tests.server.house import House, Person, Talk


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def room(house: House) -> tuple[Person, Person, Talk]:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = house.create(ada.phone, bob.phone)
    return ada, bob, talk


def append(house: House, talk: Talk, person: Person, number: int) -> Job:
    entry = house.message(person.phone, talk)
    return Job(person.phone, Append(id=number, room=talk.room, entries=(entry,)))


def replies(writer: Writer, house: House, jobs: Sequence[Job | Chore]) -> list[Any]:
    outcomes = writer.run(jobs, house.now)
    return [decode_answer(one.reply) if one.reply else one.result for one in outcomes][: len(jobs)]


def handled_by(monkeypatch: pytest.MonkeyPatch, function: Any, **fields: Any) -> Request:
    """Let a function of the test carry out a kind of request."""
    handler = Handler(function, "device", "write", **fields)
    monkeypatch.setitem(TABLE, PutAlias, handler)
    monkeypatch.setitem(TABLE, FindRooms, handler)
    return PutAlias(id=7, room=bytes(16), alias=None)


def test_a_bug_in_one_request_undoes_that_one_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)

    def fail(tx: Tx, *_: Any) -> Done:
        tx.run("DELETE FROM room")
        raise ZeroDivisionError

    bad = Job(ada.phone, handled_by(monkeypatch, fail))
    jobs = [append(house, talk, bob, 50), bad, append(house, talk, bob, 51)]
    said = replies(house.writer, house, jobs)
    assert [getattr(one, "code", "stored") for one in said] == ["stored", "internal", "stored"]
    assert [type(one) for one in house.writer.unexpected] == [ZeroDivisionError]
    assert house.tx().one("SELECT COUNT(*) FROM entry WHERE seq > 2") == (2,)


def test_a_request_that_was_refused_after_writing_is_undone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)

    def refuse(tx: Tx, *_: Any) -> Done:
        tx.run("DELETE FROM room")
        raise Refused(Code.LIMIT)

    jobs = [append(house, talk, bob, 50), Job(ada.phone, handled_by(monkeypatch, refuse))]
    said = replies(house.writer, house, jobs)
    assert (type(said[0]), said[1].code) == (Appended, "limit")
    assert house.tx().one("SELECT COUNT(*) FROM room") == (1,)


def test_what_a_refused_request_did_to_lines_that_it_read_back_is_undone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _, talk = room(house)
    changed = []

    def refuse(tx: Tx, *_: Any) -> Done:
        changed.extend(tx.change("DELETE FROM room RETURNING room"))
        raise Refused(Code.LIMIT)

    (said,) = replies(house.writer, house, [Job(ada.phone, handled_by(monkeypatch, refuse))])
    assert (said.code, changed) == ("limit", [(talk.room,)])
    assert house.tx().one("SELECT COUNT(*) FROM room") == (1,)


def test_a_room_that_was_forgotten_and_read_again_by_a_refused_request_is_as_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)

    def refuse(tx: Tx, *_: Any) -> Done:
        tx.run("DELETE FROM member WHERE device = ?", bob.phone.device)
        tx.forget_room(talk.room)
        assert bob.phone.device not in tx.known_room(talk.room).members
        raise Refused(Code.LIMIT)

    jobs = [Job(ada.phone, handled_by(monkeypatch, refuse)), append(house, talk, bob, 50)]
    said = replies(house.writer, house, jobs)
    assert [getattr(one, "code", "stored") for one in said] == ["limit", "stored"]


@pytest.mark.parametrize(
    ("is_refused", "written"),
    [
        (False, ["signed_out", "code_failed", "request_sent"]),
        (True, ["code_failed"]),
    ],
)
def test_the_audit_log_says_what_was_done_and_of_what_was_refused_only_the_attempts(
    house: House, monkeypatch: pytest.MonkeyPatch, is_refused: bool, written: list[str]
) -> None:
    ada = house.add_person("ada")

    def act(tx: Tx, *_: Any) -> Done:
        tx.audit("signed_out", ada.account)
        tx.audit("code_failed", ada.account, is_attempt=True)
        tx.audit("request_sent", ada.account, is_quiet=True)
        if is_refused:
            raise Refused(Code.LIMIT)
        return Done()

    replies(house.writer, house, [Job(ada.phone, handled_by(monkeypatch, act))])
    found = house.tx().all("SELECT kind, device, address FROM event ORDER BY number")
    me = (ada.phone.device, ada.phone.address)
    assert found == [(one, *((None, "") if one == "request_sent" else me)) for one in written]


def test_a_request_finds_the_entries_of_those_before_it_and_its_own_until_it_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)
    count = "SELECT COUNT(*) FROM entry WHERE seq > 2"
    found = []

    def look(tx: Tx, caller: Caller, _: Any, now: int) -> Done:
        found.append(tx.one(count))
        mine = Append(id=60, room=talk.room, entries=(house.message(ada.phone, talk),))
        entries.append(tx, caller, mine, now)
        found.append(tx.one(count))
        raise Refused(Code.LIMIT)

    jobs = [append(house, talk, bob, 50), Job(ada.phone, handled_by(monkeypatch, look))]
    said = replies(house.writer, house, jobs)
    assert [getattr(one, "code", "stored") for one in said] == ["stored", "limit"]
    assert found == [(1,), (2,)]
    assert house.tx().one(count) == (1,)


def test_a_request_that_finds_all_of_those_before_it_undoes_nothing_of_theirs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)
    found = []

    def look(tx: Tx, *_: Any) -> Done:
        tx.settle()
        found.extend(tx.all("SELECT COUNT(*) FROM entry WHERE seq > 2"))
        found.extend(tx.all("SELECT COUNT(*) FROM event WHERE kind = 'host_told'"))
        tx.run("DELETE FROM room")
        raise Refused(Code.LIMIT)

    jobs: list[Job | Chore] = [
        append(house, talk, bob, 50),
        Chore(lambda tx: tx.audit("host_told", bob.account), bob.phone),
        Job(ada.phone, handled_by(monkeypatch, look)),
        append(house, talk, bob, 51),
    ]
    outcomes = house.writer.run(jobs, house.now)
    assert found == [(1,), (1,)]
    (told,) = outcomes[-1].effects
    assert isinstance(told, ToAccount), "an event is told once, however early it was written"
    assert house.tx().one("SELECT COUNT(*) FROM event WHERE kind = 'host_told'") == (1,)
    assert [house.writer.run([job], house.now)[0] for job in (jobs[0], jobs[3])] == [
        replace(outcomes[0], effects=()),
        replace(outcomes[3], effects=()),
    ], "what is repeated is answered the same"
    assert house.tx().one("SELECT COUNT(*) FROM entry WHERE seq > 2") == (2,)


def test_what_a_revoked_device_asks_in_the_same_batch_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, talk = room(house)

    def revoke(tx: Tx, *_: Any) -> Done:
        tx.effects.append(Ended((bob.phone.device,), "revoked"))
        return Done()

    revoking = Job(ada.phone, handled_by(monkeypatch, revoke))
    jobs = [append(house, talk, bob, 50), revoking, append(house, talk, bob, 51)]
    said = replies(house.writer, house, jobs)
    assert [getattr(one, "code", "done") for one in said] == ["done", "done", "revoked"]


class Failing:
    """A connection that fails at one of its verbs, as often as it is told to."""

    def __init__(self, house: House, verb: str, times: int = 1) -> None:
        self._connection = house.database.writer()
        self._verb, self.times = verb, times

    def __getattr__(self, name: str) -> Any:
        if name == self._verb and self.times > 0:
            return self._fail
        return getattr(self._connection, name)

    def _fail(self, *_: Any) -> None:
        self.times -= 1
        raise StorageError


@pytest.mark.parametrize("verb", ["begin", "insert", "commit"])
def test_when_nothing_can_be_stored_all_are_refused_and_later_it_goes_on(
    house: House, verb: str
) -> None:
    ada, bob, talk = room(house)
    writer = Writer(Failing(house, verb), house.world)
    chore = Chore(lambda tx: tx.now)
    jobs: list[Job | Chore] = [
        append(house, talk, ada, 50), append(house, talk, bob, 50), chore,
    ]  # fmt: skip
    first = replies(writer, house, jobs)
    assert [one.code for one in first] == ["storage"] * 3
    assert [type(one) for one in writer.unexpected] == [StorageError]
    assert house.tx().one("SELECT COUNT(*) FROM entry WHERE seq > 2") == (0,)
    second = replies(writer, house, jobs)
    assert [getattr(one, "first", one) for one in second] == [3, 4, house.now]


def test_a_database_that_cannot_even_undo_is_survived(house: House) -> None:
    ada, _, talk = room(house)
    failing = Failing(house, "commit")
    real = failing._connection.rollback

    def rollback() -> None:
        real()
        raise StorageError

    failing._connection.rollback = rollback  # type: ignore[method-assign]
    writer = Writer(failing, house.world)
    (refusal,) = replies(writer, house, [append(house, talk, ada, 50)])
    assert refusal.code == "storage"
    assert len(writer.unexpected) == 2


def test_a_pause_goes_on_though_only_others_were_busy_before_the_clock_was_set_back(
    house: House,
) -> None:
    pauses = house.world.pauses
    assert pauses.once("pause", 60_000, house.now) == 0
    house.writer.run([], house.now + 50_000)
    assert pauses.wait("pause", house.now - 3_600_000) == 10_000


def test_a_chore_shares_the_batch_and_its_rules(house: House) -> None:
    ada, _, talk = room(house)

    def refuse(tx: Tx) -> None:
        tx.run("DELETE FROM room")
        raise Refused(Code.UNKNOWN)

    def fail(tx: Tx) -> None:
        tx.run("DELETE FROM room")
        raise ZeroDivisionError

    jobs = [Chore(lambda tx: tx.run("DELETE FROM link")), Chore(refuse), Chore(fail)]
    said = replies(house.writer, house, [*jobs, append(house, talk, ada, 50)])
    assert said[0] == 0
    assert [one.code for one in said[1:3]] == ["unknown", "internal"]
    assert isinstance(said[3], Appended)
    house.writer.unexpected.clear()

    def gone(_: Tx) -> None:
        raise StorageError

    assert replies(house.writer, house, [Chore(gone)])[0].code == "storage"
    house.writer.unexpected.clear()


def test_a_storage_error_inside_a_handler_refuses_the_batch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, _, _ = room(house)

    def gone(*_: Any) -> Done:
        raise StorageError

    (refusal,) = replies(house.writer, house, [Job(ada.phone, handled_by(monkeypatch, gone))])
    assert refusal.code == "storage"


@pytest.mark.parametrize(
    ("error", "code"),
    [(Refused(Code.UNKNOWN), "unknown"), (StorageError(), "storage"), (KeyError(), "internal")],
)
def test_a_read_that_fails_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def fail(*_: Any) -> Done:
        raise error

    handled_by(monkeypatch, fail, writes=False)
    reader = Reader(house.database.reader(), house.world)
    outcome = reader.run(Job(Caller(""), FindRooms(id=3, alias="")), house.now)
    assert (decode_answer(outcome.reply).code, len(reader.unexpected)) == (
        code, int(code != "unknown"),
    )  # fmt: skip


def test_the_highest_number_of_a_device_survives(house: House) -> None:
    ada, _, talk = room(house)
    replies(house.writer, house, [append(house, talk, ada, number) for number in (90, 70)])
    assert house.writer.highest(ada.phone.device) == 90
    house.start()
    assert house.writer.highest(ada.phone.device) == 90
    assert house.writer.highest(bytes(16)) == 0


def test_what_comes_with_a_token_uses_none_of_the_devices_numbers_up(house: House) -> None:
    ada, _, talk = room(house)
    by_socket = append(house, talk, ada, 5)
    thief = replace(ada.phone, door="http")
    far = [Job(thief, append(house, talk, ada, number).request) for number in (5, 2**53 - 1)]
    first, _, _, again, second = replies(
        house.writer, house, [by_socket, *far, by_socket, append(house, talk, ada, 6)]
    )
    assert (again, second.id, type(second)) == (first, 6, Appended)
    assert house.writer.highest(ada.phone.device) == 6


def test_what_comes_too_late_for_a_batch_is_not_begun(house: House) -> None:
    ada, bob, talk = room(house)
    jobs = [append(house, talk, ada, 50), append(house, talk, bob, 60)]
    outcomes = house.writer.carry_out(jobs, house.now, lambda: True)
    assert house.writer.commit()
    assert (len(outcomes), house.writer.carried) == (1, 1)
    (reply,) = replies(house.writer, house, jobs[1:])
    assert reply.first == decode_answer(outcomes[0].reply).first + 1
