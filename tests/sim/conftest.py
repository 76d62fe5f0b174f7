"""Worlds change how many key packages devices make; other tests count them."""

from collections.abc import Iterator

import pytest

from alcove.client import packages

NAMES = ("WANTED", "LOW", "AT_ONCE")


@pytest.fixture(autouse=True)
def as_many_packages_as_before() -> Iterator[None]:
    before = {name: getattr(packages, name) for name in NAMES}
    yield
    for name, value in before.items():
        setattr(packages, name, value)
