"""Passwords: which are allowed, which may seal a box, and what is said about the others."""

import subprocess
import sys

import pytest

from alcove.client.keys.strength import (
    BOX_GUESSES_LOG2,
    CHARACTERS_MAX,
    is_allowed,
    passphrase_strength,
    strength,
)


@pytest.mark.parametrize(("password", "is_good"), [
    ("aB3$efgh", True),
    ("aB3$efg", False),
    ("ab3$efgh", False),
    ("AB3$EFGH", False),
    ("aBc$efgh", False),
    ("aB3defgh", False),
    ("abcdefghijklmn", True),
    ("abcdefghijklm", False),
    ("äöüß äöüß äöüß", True),
    ("äÖ3 äöüß", True),
    ("x" * CHARACTERS_MAX, True),
    ("x" * (CHARACTERS_MAX + 1), False),
    ("", False),
])  # fmt: skip
def test_a_password_is_long_or_of_many_kinds(password: str, is_good: bool) -> None:
    assert is_allowed(password) == strength(password, "ada").is_allowed == is_good


def test_letters_are_counted_as_they_are_seen() -> None:
    assert not strength("a\u0308" * 13, "ada").is_allowed
    assert strength("a\u0308" * 14, "ada").is_allowed


def test_who_chooses_too_short_a_password_is_told_the_rule() -> None:
    assert "at least 14 characters" in strength("short", "ada").warning
    assert "at most 1000" in strength("x" * 2000, "ada").warning


def test_a_strong_password_seals_the_box_and_nothing_is_said() -> None:
    judged = strength("veranda-Kompass-43-unwillig", "ada")
    assert judged.guesses_log2 >= BOX_GUESSES_LOG2
    assert (judged.opens_the_box, judged.warning) == (True, "")


@pytest.mark.parametrize("password", ["Password1!", "passwordpassword", "aB3$aB3$aB3$aB3$"])
def test_a_weak_password_does_not_seal_the_box_and_that_is_said(password: str) -> None:
    judged = strength(password, "ada")
    assert judged.is_allowed
    assert not judged.opens_the_box
    assert judged.guesses_log2 < BOX_GUESSES_LOG2
    assert "keep the recovery phrase too." in judged.warning


def test_a_name_in_a_password_adds_little() -> None:
    name = "zvqkxwhj-pfmtrlbn"
    assert strength(name, name).guesses_log2 < 10 < strength(name, "ada").guesses_log2


def test_what_comes_late_in_a_long_password_counts() -> None:
    repeated = "a" * 40
    assert not strength(repeated, "ada").opens_the_box
    assert strength(repeated + "unwillig Kompass veranda 43 x7", "ada").opens_the_box


@pytest.mark.parametrize("password", ["\0" * 20, "\ud800" * 20, "𐐀" * 20, "1/2/2001 " * 20])
def test_odd_passwords_are_judged_too(password: str) -> None:
    assert not strength(password, "ada").opens_the_box


def test_who_judges_no_password_does_not_wait_for_the_estimator() -> None:
    script = "import sys, alcove.client.keys.strength; sys.exit('zxcvbn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(("passphrase", "word"), [
    ("", "weak"),
    ("abc", "weak"),
    ("ada", "weak"),
    ("correct horse", "weak"),
    ("veranda Kompass 43", "fair"),
    ("heron lakes and cold reeds", "strong"),
    ("veranda-Kompass-43-unwillig", "strong"),
    ("xq" * 300, "weak"),
])  # fmt: skip
def test_a_passphrase_of_the_disk_is_judged_and_never_refused(passphrase: str, word: str) -> None:
    held = passphrase_strength(passphrase, "ada")
    assert (held.word, "Whoever gets hold of this disk" in held.warning) == (word, word == "weak")
