"""Registers the mark by which a test says whose rule it shows."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "rule(id, …, falls=why): shows these rules of docs/mls-rules.md; `falls` says why the "
        "library would stumble over the message elsewhere if the check were not there",
    )
