"""Phrases and generated passwords: what was written down can be typed again."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.client.errors import StoreError, UsageError
from alcove.client.keys.phrase import (
    PASSWORD_ENTROPY_BYTES,
    PHRASE_WORDS,
    WORDS,
    checked_list,
    new_password,
    read_phrase,
    word_list,
    write_phrase,
)
from alcove.client.keys.strength import is_allowed, strength

ENTROPY = bytes(range(16))
PHRASE = "abacus canopy surrender sled stratus corset unplanted natural starfish aspect earthy"


def why(typed: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_phrase(typed)
    return str(caught.value)


def test_phrases_are_those_of_before() -> None:
    assert write_phrase(ENTROPY) == PHRASE
    assert read_phrase(PHRASE) == ENTROPY


@given(st.binary(min_size=16, max_size=16))
def test_every_phrase_can_be_read_again(entropy: bytes) -> None:
    phrase = write_phrase(entropy)
    assert len(phrase.split(" ")) == PHRASE_WORDS
    assert read_phrase(phrase) == entropy


def test_a_stranger_writes_the_same_phrase_by_the_page_alone() -> None:
    bits = "".join(f"{one:08b}" for one in ENTROPY)
    bits += "".join(f"{one:08b}" for one in hashlib.sha256(b"alcove phrase 1" + ENTROPY).digest())
    number = int(bits[: 128 + 14], 2)
    words = [word_list().words[number // 7776**place % 7776] for place in range(10, -1, -1)]
    assert " ".join(words) == PHRASE


@pytest.mark.parametrize("typed", [
    PHRASE.upper(),
    "  " + PHRASE.replace(" ", "   \n\t") + " ",
    PHRASE.replace(" ", ", "),
    PHRASE.replace(" ", "-"),
    "\n".join(f"{place}. {word}" for place, word in enumerate(PHRASE.split(), 1)),
])  # fmt: skip
def test_a_phrase_may_be_typed_in_any_layout(typed: str) -> None:
    assert read_phrase(typed) == ENTROPY


def test_words_with_a_hyphen_are_read() -> None:
    with_hyphen = next(
        phrase
        for phrase in (write_phrase(number.to_bytes(16, "big")) for number in range(10**5))
        if "-" in phrase
    )
    assert write_phrase(read_phrase(with_hyphen)) == with_hyphen


def test_who_mistypes_a_word_is_told_which_one() -> None:
    words = PHRASE.split()
    typo = " ".join([*words[:2], words[2] + "x", *words[3:]])
    assert why(typo) == (
        f"Word 3, “{words[2]}x”, is not one that recovery phrases are made of:"
        f" did you mean “{words[2]}”?"
    )
    assert why("日本語 " + PHRASE) == (
        "Word 1, “日本語”, is not one that recovery phrases are made of."
    )


def test_a_phrase_of_too_few_or_too_many_words_is_refused() -> None:
    assert why("") == "A recovery phrase has 11 words, and here are 0."
    assert why(PHRASE + " abacus") == "A recovery phrase has 11 words, and here are 12."
    assert "Word 1," in why("x" * 10**6)
    assert len(why("x" * 10**6)) < 200


def test_words_in_another_order_are_no_phrase() -> None:
    words = PHRASE.split()
    assert "another order" in why(" ".join([words[1], words[0], *words[2:]]))


def test_a_number_beyond_all_phrases_is_refused() -> None:
    assert "not a recovery phrase" in why(" ".join([word_list().words[-1]] * PHRASE_WORDS))


def test_one_wrong_word_among_a_thousand_phrases_is_found() -> None:
    words = PHRASE.split()
    for number in range(1000):
        other = word_list().words[number]
        if other != words[5]:
            assert "not a recovery phrase" in why(" ".join([*words[:5], other, *words[6:]]))


def test_there_are_as_many_words_as_five_dice_have_faces() -> None:
    words, numbers = word_list()
    assert len(words) == len(numbers) == WORDS == 6**5
    assert words == sorted(words)


def test_another_word_list_is_refused() -> None:
    with pytest.raises(StoreError, match="install Alcove again"):
        checked_list(b"abacus\n")


def test_a_generated_password_has_five_words_and_is_strong() -> None:
    password = new_password(bytes(range(PASSWORD_ENTROPY_BYTES)))
    assert password == "deuce-junior-implant-starting-late"
    assert is_allowed(password)
    assert strength(password, "ada").opens_the_box


def test_every_word_of_a_password_can_be_any() -> None:
    def entropy(number: int) -> bytes:
        return number.to_bytes(PASSWORD_ENTROPY_BYTES, "big")

    words = word_list().words
    assert new_password(entropy(0)) == "-".join([words[0]] * 5)
    assert new_password(entropy(WORDS**5 - 1)) == "-".join([words[-1]] * 5)
    assert new_password(entropy(WORDS**5)) == new_password(entropy(0))
