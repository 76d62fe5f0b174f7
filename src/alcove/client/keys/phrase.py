"""The recovery phrase and generated passwords, as words that people can write down.

    16 random bytes ‖ 14 bits of their hash  ─>  a number  ─>  11 words out of 7,776

The words are the long list of the Electronic Frontier Foundation (2016), as the package `xkcdpass`
brings it.  A phrase must be readable for ever, so another list than that one is refused.
"""

import difflib
import hashlib
import pkgutil
import re
from functools import lru_cache
from typing import Final, NamedTuple

from alcove.client.errors import StoreError, UsageError
from alcove.client.keys.lock import PHRASE_BYTES

WORDS: Final = 7776
WORDS_HASH: Final = "6d557f0693958fb5e650b68b5bee585eb82cf4da32965505c789e924743bc522"
"""SHA-256 of the list: one word a line, in alphabetical order."""
PHRASE_WORDS: Final = 11
CHECK_BITS: Final = 14
CHECK_LABEL: Final = b"alcove phrase 1"
PASSWORD_WORDS: Final = 5
"""Drawn out of 7,776 words each: 64 bits."""
PASSWORD_ENTROPY_BYTES: Final = 24
"""So many more bits than five words need that no word is more likely than another."""
TYPED_CHARACTERS_MAX: Final = 1000
"""So much of a phrase that somebody types is read."""
SHOWN_CHARACTERS_MAX: Final = 30
"""So much of a word that is none is repeated in an error."""


class WordList(NamedTuple):
    """The words in their order, and the place of each."""

    words: list[str]
    numbers: dict[str, int]


@lru_cache(maxsize=1)
def word_list() -> WordList:
    """Return the words; they are read at the first call."""
    return checked_list(pkgutil.get_data("xkcdpass", "static/eff-long") or b"")


def checked_list(data: bytes) -> WordList:
    """Return the words of a list, if it is the one that phrases are written with."""
    if hashlib.sha256(data).hexdigest() != WORDS_HASH:
        raise StoreError(
            "The word list of this installation was changed, so phrases cannot be read or made:"
            " install Alcove again."
        )
    words = data.decode("ascii").split()
    return WordList(words, {word: number for number, word in enumerate(words)})


def _spell(number: int, count: int) -> list[str]:
    words = []
    for _ in range(count):
        number, index = divmod(number, WORDS)
        words.append(word_list().words[index])
    return words[::-1]


def _check(entropy: bytes) -> int:
    """Return the last 14 bits of a phrase: they tell a mistyped phrase from a right one."""
    digest = hashlib.sha256(CHECK_LABEL + entropy).digest()
    return int.from_bytes(digest[:2], "big") >> (16 - CHECK_BITS)


def write_phrase(entropy: bytes) -> str:
    """Return 16 random bytes as eleven words."""
    assert len(entropy) == PHRASE_BYTES
    number = int.from_bytes(entropy, "big") << CHECK_BITS | _check(entropy)
    return " ".join(_spell(number, PHRASE_WORDS))


def read_phrase(typed: str) -> bytes:
    """Return the 16 bytes of a phrase, however it is spaced, numbered or capitalised.

    Raises `UsageError` with a sentence that says which word is wrong, as far as that can be known.
    """
    tokens = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", typed[:TYPED_CHARACTERS_MAX].casefold())
    words: list[str] = []
    for token in tokens:  # A few words have a hyphen; other hyphens stand for spaces.
        words += [token] if token in word_list().numbers else token.split("-")
    for place, word in enumerate(words, 1):
        if word not in word_list().numbers:
            raise UsageError(_unknown(place, word))
    if len(words) != PHRASE_WORDS:
        raise UsageError(f"A recovery phrase has {PHRASE_WORDS} words, and here are {len(words)}.")
    number = 0
    for word in words:
        number = number * WORDS + word_list().numbers[word]
    value, check = divmod(number, 1 << CHECK_BITS)
    if value >= 1 << 8 * PHRASE_BYTES or check != _check(value.to_bytes(PHRASE_BYTES, "big")):
        raise UsageError(
            "These are words of the list, but not a recovery phrase: one is another word than was"
            " written down, or they stand in another order."
        )
    return value.to_bytes(PHRASE_BYTES, "big")


def _unknown(place: int, word: str) -> str:
    shown = word[:SHOWN_CHARACTERS_MAX]
    near = difflib.get_close_matches(shown, word_list().words, n=1)
    meant = f": did you mean “{near[0]}”?" if near else "."
    return f"Word {place}, “{shown}”, is not one that recovery phrases are made of{meant}"


def new_password(entropy: bytes) -> str:
    """Return a password of five words, drawn evenly; it is strong enough to seal a box."""
    assert len(entropy) == PASSWORD_ENTROPY_BYTES
    number = int.from_bytes(entropy, "big") % WORDS**PASSWORD_WORDS
    return "-".join(_spell(number, PASSWORD_WORDS))
