"""Answers that are remembered: in memory, in the table, over restarts, and not for ever."""

import random
from pathlib import Path
from typing import Final

import pytest

from alcove.server import answers
from alcove.server.answers import BEHIND_MAX, PAUSE_MS, REPLAYED, STEPS, Answers
from alcove.server.store.database import Connection
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused
from tests.server.house import House
from tests.server.people import told_to

ADA, BOB = b"ada's phone", b"bob's phone"
STEPS_OF_A_GAME: Final = 80


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class Memory:
    """The answers of a server that can be started again, one device or a few at a time."""

    def __init__(self, house: House) -> None:
        self.connection: Connection = house.connection
        self.now = house.now
        self.restart()

    def restart(self) -> None:
        self.answers = Answers()

    def find(self, device: bytes, number: int) -> bytes | None:
        given = self.answers.find(self.connection, device, number, self.now)
        return given.reply if given is not None else None

    def tell(self, *what: tuple[bytes, int]) -> None:
        """Answer these requests in one batch."""
        self.connection.begin()
        for device, number in what:
            assert self.find(device, number) is None
            self.answers.add(device, number, b"", b"%s %d" % (device, number))
        self.answers.write(self.connection, self.now)
        self.connection.commit()

    def counters(self) -> dict[bytes, tuple[int, int]]:
        found = self.connection.all("SELECT device, last, line FROM counter ORDER BY device")
        return {device: (last, line) for device, last, line in found}


@pytest.fixture
def memory(house: House) -> Memory:
    return Memory(house)


def test_an_answer_is_found_in_its_batch_after_it_and_after_a_restart(memory: Memory) -> None:
    memory.answers.find(memory.connection, ADA, 1, memory.now)
    memory.answers.add(ADA, 1, b"", b"one")
    assert memory.find(ADA, 1) == b"one"
    memory.connection.begin()
    memory.answers.write(memory.connection, memory.now)
    memory.connection.commit()
    assert memory.find(ADA, 1) == b"one"
    memory.restart()
    assert memory.find(ADA, 1) == b"one"
    assert memory.find(ADA, 2) is None
    assert memory.find(BOB, 1) is None


def test_a_batch_is_one_line_and_no_batch_is_none(memory: Memory, house: House) -> None:
    memory.tell((ADA, 1), (BOB, 1), (ADA, 2))
    memory.tell()
    assert house.tx().all("SELECT number FROM answer") == [(1,)]
    assert told_to(house, ADA) == [1, 2]


def test_answers_that_are_not_in_memory_are_found_from_line_to_line(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ANSWERS_MAX", 0)
    for number in (1, 2, 3, 5):
        memory.tell((BOB, number))
        memory.tell((ADA, number), (BOB, number + 10 * number))
    for restarted in (False, True):
        if restarted:
            memory.restart()
        assert [memory.find(ADA, number) for number in (1, 2, 3, 4, 5)] == [
            b"ada's phone 1", b"ada's phone 2", b"ada's phone 3", None, b"ada's phone 5",
        ]  # fmt: skip


def test_a_number_that_was_left_out_is_new_also_within_the_batch(memory: Memory) -> None:
    memory.tell((ADA, 1))
    memory.tell((ADA, 5), (ADA, 3))
    assert memory.find(ADA, 3) == b"ada's phone 3"
    assert memory.find(ADA, 2) is None
    memory.answers.find(memory.connection, ADA, 9, memory.now)
    memory.answers.add(ADA, 9, b"", b"nine")
    assert memory.find(ADA, 8) is None
    assert memory.find(ADA, 5) == b"ada's phone 5"


def test_a_number_far_behind_is_refused(memory: Memory) -> None:
    memory.tell((ADA, BEHIND_MAX + 1))
    assert memory.find(ADA, 2) is None
    with pytest.raises(Refused) as caught:
        memory.find(ADA, 1)
    assert caught.value.code == Code.TOO_OLD


def test_counters_are_written_before_their_lines_are_too_old_to_be_read_again(
    memory: Memory,
) -> None:
    memory.tell((ADA, 1))
    memory.tell((BOB, 1))
    for number in range(2, REPLAYED):
        memory.tell((BOB, number))
    assert memory.counters() == {}
    memory.tell((BOB, REPLAYED))
    assert memory.counters() == {ADA: (1, 1)}
    memory.tell((BOB, REPLAYED + 1))
    assert memory.counters() == {ADA: (1, 1), BOB: (REPLAYED + 1, REPLAYED + 2)}
    memory.restart()
    assert memory.answers.highest(memory.connection, ADA) == 1
    assert memory.find(ADA, 1) == b"ada's phone 1"
    assert memory.answers.highest(memory.connection, BOB) == REPLAYED + 1
    assert memory.answers.highest(memory.connection, b"nobody's") == 0


def test_who_makes_us_look_far_back_has_to_wait(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ANSWERS_MAX", 0)
    newest = 2 * STEPS + 5
    for number in range(1, newest + 1):
        memory.tell((ADA, number))
    memory.restart()
    for steps in (newest, STEPS):
        number = newest + 1 - steps
        assert memory.find(ADA, number) == b"ada's phone %d" % number
        pause_ms = PAUSE_MS * (steps // STEPS)
        with pytest.raises(Refused) as caught:
            memory.find(ADA, number)
        assert (caught.value.code, caught.value.retry_after_ms) == (Code.TOO_MANY, pause_ms)
        memory.now += pause_ms
    assert memory.find(ADA, newest) == memory.find(ADA, newest) == b"ada's phone %d" % newest


def test_an_answer_that_was_forgotten_is_not_found(memory: Memory) -> None:
    memory.tell((ADA, 1))
    memory.tell((ADA, 2))
    memory.connection.run("DELETE FROM answer WHERE number = 1")
    memory.restart()
    assert memory.find(ADA, 1) is None
    assert memory.find(ADA, 2) == b"ada's phone 2"


def test_memory_is_bounded_by_devices_and_by_answers(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "DEVICES_MAX", 2)
    monkeypatch.setattr(answers, "ANSWERS_MAX", 3)
    memory.tell(*((b"%d" % number, 5) for number in range(4)))
    memory.tell((b"5", 1))
    kept = memory.answers
    assert len(kept._devices) == 2
    assert sum(len(one.recent) for one in kept._devices.values()) <= 3
    for number in range(4):
        assert memory.find(b"%d" % number, 5) == b"%d 5" % number
    assert len(kept._devices) == 2


def test_answers_of_a_device_that_is_gone_are_erased_bit_by_bit(
    memory: Memory, house: House
) -> None:
    for number in (1, 2, 3):
        memory.tell((ADA, number), (BOB, number))
    for erased, left in ((2, [1]), (1, []), (0, [])):
        assert memory.answers.erase(memory.connection, ADA, 2) == erased
        assert told_to(house, ADA) == left
    assert told_to(house, BOB) == [1, 2, 3]
    assert memory.counters() == {}
    memory.restart()
    assert memory.answers.highest(memory.connection, ADA) == 0


def test_erasing_goes_on_after_a_restart(memory: Memory, house: House) -> None:
    for number in range(1, REPLAYED + 3):
        memory.tell((ADA, number))
        memory.tell((BOB, number))
    assert memory.answers.erase(memory.connection, ADA, 2) == 2
    memory.restart()
    assert memory.answers.erase(memory.connection, ADA, REPLAYED) == REPLAYED
    assert told_to(house, ADA) == []


def test_a_chore_can_ask_for_the_same(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = house.create(ada.phone, bob.phone)
    house.say(ada.phone, talk)
    last = house.number

    def erase(tx: Tx) -> tuple[int, int]:
        return tx.highest_request(ada.phone.device), tx.erase_answers(ada.phone.device, 9)

    tx = Tx(house.connection, house.world, house.now)
    house.connection.begin()
    tx.begin_request(ada.phone)
    assert erase(tx) == (last, 2)
    tx.end_request()
    tx.finish()
    house.connection.commit()
    assert told_to(house, ada.phone.device) == []


# ---- Against a dictionary ----


def play(house: House, dice: random.Random) -> None:
    """Ask in many batches, with restarts and batches that fail, and compare with a dictionary."""
    told: dict[tuple[bytes, int], bytes] = {}
    devices = [b"device %d" % number for number in range(dice.choice([1, 3, 8]))]
    memory = Memory(house)
    for _ in range(STEPS_OF_A_GAME):
        if dice.random() < 0.1:
            memory.restart()
        memory.connection.begin()
        new: dict[tuple[bytes, int], bytes] = {}
        for _ in range(dice.randrange(6)):
            device = dice.choice(devices)
            highest = max((number for who, number in told | new if who == device), default=0)
            number = dice.choice([highest + 1, highest + dice.randrange(1, 4), highest - 1])
            number = max(1, number - dice.choice([0, 0, dice.randrange(40)]))
            known = (told | new).get((device, number))
            assert memory.find(device, number) == known
            is_refused = dice.random() < 0.1
            if known is None and not is_refused:
                new[device, number] = dice.randbytes(4)
                memory.answers.add(device, number, b"", new[device, number])
        memory.answers.write(memory.connection, memory.now)
        if dice.random() < 0.1:
            memory.connection.rollback()
            memory.restart()
        else:
            memory.connection.commit()
            told |= new


@pytest.mark.parametrize("seed", range(6))
def test_no_answer_is_lost_or_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(answers, "STEPS", 10**9)
    monkeypatch.setattr(answers, "DEVICES_MAX", dice.choice([1, 2, 3, 50]))
    monkeypatch.setattr(answers, "ANSWERS_MAX", dice.choice([0, 1, 5, 30, 1000]))
    monkeypatch.setattr(answers, "REPLAYED", dice.choice([1, 2, 5, 20]))
    play(House(tmp_path), dice)
