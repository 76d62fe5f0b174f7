"""The proof is itself tested: the page of rules is complete, and no check is idle."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mls.rules.removal import ELSEWHERE
from tests.mls.rules.sites import by_rule
from tests.mls.rules.table import PAGE, ROOT, filled, wrong

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def test_the_page_of_rules_is_complete_and_up_to_date() -> None:
    assert wrong(PAGE.read_text(encoding="utf-8")) == []


def test_a_row_without_a_test_or_a_reason_is_found() -> None:
    page = "| `leaf-sings` | 7.2 | Leaves sing. | sender | - | - |\n"
    assert "leaf-sings: neither a test nor a reason why there is none" in wrong(page)


def test_a_rule_without_a_row_is_found() -> None:
    assert "codec-optional: raised, and not on the page" in wrong("")


def test_a_stale_row_is_found_and_filled() -> None:
    stale = "| `codec-optional` | 2.1.1 | One or none. | receiver | - | - |\n"
    place, test = "`codec.py:Reader.optional`", "`test_codec.py::test_codec_optional`"
    assert filled(stale) == f"{stale.partition(' | - ')[0]} | {place} | {test} |\n"
    assert any(told.startswith("codec-optional: out of date") for told in wrong(stale))


def test_every_excuse_is_for_a_rule_that_exists() -> None:
    rules = list(by_rule())
    assert [rule for rule in ELSEWHERE if rule not in rules] == []


def remove_checks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program that takes checks out of the library."""
    command = [sys.executable, "-m", "tests.mls.rules.removal", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@forks
def test_without_its_check_the_test_of_a_rule_is_red() -> None:
    done = remove_checks("--some", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 rules, 8 red" in done.stdout


@forks
@pytest.mark.slow
def test_without_its_check_the_test_of_every_rule_is_red() -> None:
    done = remove_checks()
    assert done.returncode == 0, done.stdout + done.stderr
