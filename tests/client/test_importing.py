"""Importing the package costs nothing: what a program uses is loaded when it uses it."""

import subprocess
import sys

import pytest

import alcove
from alcove import client

HEAVY = (
    "aiohttp", "asyncio", "cryptography", "msgspec", "sqlcipher3", "argon2", "keyring", "zxcvbn",
    "ssl",
)  # fmt: skip


@pytest.mark.parametrize("statement", ["import alcove", "import alcove.client"])
def test_importing_the_package_loads_nothing_else(statement: str) -> None:
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in HEAVY if name in loaded] == []
    assert [name for name in loaded if name.startswith("alcove.client.")] == []


def test_every_name_that_is_offered_is_there() -> None:
    assert [name for name in client.__all__ if getattr(client, name, None) is None] == []
    assert sorted(client.__all__) == sorted(client._FOUND)
    assert alcove.Bot is client.Bot
    assert alcove.Client is client.Client


@pytest.mark.parametrize("module", [alcove, client])
def test_a_name_that_is_not_offered_is_not_there(module: object) -> None:
    with pytest.raises(AttributeError):
        module.Nothing  # type: ignore[attr-defined]  # noqa: B018
