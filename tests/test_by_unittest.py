"""`python -m unittest discover tests` runs all tests too: they are pytest's, so it is called."""

import subprocess
import sys
import unittest
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def by_pytest() -> None:
    """Run everything that `make test` runs, and show it as it goes."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", str(TESTS)]
    status = subprocess.call(command, cwd=TESTS.parent)
    assert status == 0, f"pytest ended with {status}: what failed stands above."


def load_tests(*_: object) -> unittest.TestSuite:
    """Return what unittest runs in place of this module: pytest, as one test."""
    return unittest.TestSuite([unittest.FunctionTestCase(by_pytest)])


@pytest.mark.parametrize(("status", "is_fine"), [(0, True), (1, False)])
def test_unittest_runs_pytest_and_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, status: int, is_fine: bool
) -> None:
    asked: list[list[str]] = []

    def call(words: list[str], **_: object) -> int:
        asked.append(words)
        return status

    monkeypatch.setattr(subprocess, "call", call)
    done = unittest.TestResult()
    load_tests().run(done)
    assert (done.wasSuccessful(), done.testsRun) == (is_fine, 1)
    assert asked[0][1:3] == ["-m", "pytest"]


def test_unittest_can_load_every_module_of_tests() -> None:
    script = (
        "import unittest\n"
        "found = unittest.TestLoader().discover('tests')\n"
        "assert found.countTestCases() == 1, found\n"  # What cannot be loaded is a case too.
    )
    subprocess.run([sys.executable, "-c", script], cwd=TESTS.parent, check=True, timeout=120)
