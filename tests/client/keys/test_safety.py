"""Two people see one number if nobody stands between them, and two if somebody does."""

import hashlib

import pytest

from alcove.client.errors import UsageError
from alcove.client.keys.safety import Person, code_of, compare, in_groups, safety_number
from tests.client.keys import stranger

ADA = Person("Ada", b"S" * 32, b"a" * 32)
BOB = Person("bob", b"S" * 32, b"b" * 32)
NUMBER = safety_number(ADA, BOB)


def test_both_sides_see_the_same_number() -> None:
    assert (
        NUMBER
        == safety_number(BOB, ADA)
        == "107526422164213454487299181799997558401881850138636318728382"
    )
    assert safety_number(ADA._replace(name="ADA"), BOB) == NUMBER


def test_a_stranger_counts_the_same_number_by_the_page_alone() -> None:
    parts = [b"ada", b"S" * 32, b"a" * 32, b"bob", b"S" * 32, b"b" * 32]
    digest = hashlib.sha256(stranger.transcript(b"alcove safety number 1", *parts)).hexdigest()
    assert str(int(digest, 16))[-60:] == NUMBER


@pytest.mark.parametrize("changes", [
    {"name": "bobby"}, {"server": b"T" * 32}, {"identity": b"c" * 32},
])  # fmt: skip
def test_another_name_server_or_key_makes_another_number(changes: dict[str, bytes]) -> None:
    assert safety_number(ADA, BOB._replace(**changes)) != NUMBER  # type: ignore[arg-type]
    assert safety_number(ADA, ADA._replace(**changes)) != NUMBER  # type: ignore[arg-type]


def test_a_number_is_read_out_in_twelve_groups_of_five() -> None:
    groups = in_groups(NUMBER).split(" ")
    assert [len(group) for group in groups] == [5] * 12
    assert "".join(groups) == NUMBER


def test_what_was_read_out_or_scanned_is_compared() -> None:
    for theirs in (NUMBER, in_groups(NUMBER), f" {in_groups(NUMBER)}\n", code_of(NUMBER)):
        assert compare(NUMBER, theirs)
    other = safety_number(ADA, BOB._replace(identity=b"c" * 32))
    assert not compare(NUMBER, other)
    assert not compare(NUMBER, code_of(other))


@pytest.mark.parametrize("theirs", [
    "", NUMBER[:-1], NUMBER + "1", "1" * 10**6, "x" * 60, "\u0663" * 60,
    "alcove-safety-2:" + NUMBER,
])  # fmt: skip
def test_what_is_no_safety_number_is_not_compared(theirs: str) -> None:
    with pytest.raises(UsageError, match="not a safety number"):
        compare(NUMBER, theirs)


def test_numbers_keep_their_zeros() -> None:
    numbers = [safety_number(ADA, BOB._replace(name=f"bob{count}")) for count in range(100)]
    assert {len(number) for number in numbers} == {60}
    assert any(number[0] == "0" for number in numbers)
