"""Refusals: each has a sentence for people and a code for programs."""

import re

import pytest

from alcove.wire.errors import SENTENCES, Code, Refusal, Refused


def test_every_refusal_has_one_sentence() -> None:
    assert list(SENTENCES) == list(Code)


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_says_in_one_sentence_what_happened(code: Code) -> None:
    sentence = SENTENCES[code]
    assert re.fullmatch(r"[A-Z][^.!\n]*[.?]", sentence)
    assert len(sentence) <= 100


def test_no_two_refusals_say_the_same() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_travels_as_its_code_in_small_letters(code: Code) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert code.name.lower() == code.value


def test_a_refusal_without_its_own_words_has_those_of_the_list() -> None:
    refused = Refused(Code.CONFLICT, head=b"h")
    assert str(refused) == SENTENCES[Code.CONFLICT]
    assert refused.reply(7) == Refusal(7, Code.CONFLICT, SENTENCES[Code.CONFLICT], None, b"h")


def test_a_refusal_may_say_more_than_the_list() -> None:
    refused = Refused(Code.LIMIT, "A room has at most 8 devices.", retry_after_ms=5)
    assert refused.reply(0) == Refusal(0, Code.LIMIT, "A room has at most 8 devices.", 5)
