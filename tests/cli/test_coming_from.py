"""docs/coming-from.md is true: each command, setting and message that it names is one of ours."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alcove.cli import main
from alcove.cli.lazy import Lazy
from alcove.cli.member.talk import ORDERS
from alcove.client.io.config import ClientSettings
from alcove.server.settings_sources import OBSOLETE, OLD_NAMES, find_setting

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
MESSAGES = (ROOT / "docs" / "protocol" / "messages.md").read_text(encoding="utf-8")
NOT_MESSAGES = ("version", "blob")
"""A refusal, and what is carried by tus."""


def rows(section: str) -> list[tuple[str, str, str]]:
    """Return (from, there, here) of a section's table."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (S[\dS ]*) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    assert found, section
    return found


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


COMMANDS = sorted(
    {
        span[span.index("alcove ") :]
        for section in ("Commands", "Menus, prompts and buttons")
        for _, _, here in rows(section)
        for span in spans(here)
        if "alcove " in span
    }
)


@pytest.mark.parametrize("typed", COMMANDS)
def test_every_command_on_the_page_exists_and_explains_itself(typed: str) -> None:
    words = typed.split()[1:]
    command: click.Command = main
    path: list[str] = []
    while words and isinstance(command, Lazy):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, typed
        command, path = found, [*path, words.pop(0)]
    names = {name for one in command.params for name in one.opts}
    assert [word for word in words if word.startswith("--") and word not in names] == []
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith("Usage: ")


def test_every_order_of_the_chat_on_the_page_exists() -> None:
    orders = [
        span[1:]
        for _, _, here in rows("Menus, prompts and buttons")
        for span in spans(here)
        if span.startswith("/")
    ]
    assert len(orders) > 10
    assert [one for one in orders if one not in ORDERS] == []


def test_every_setting_on_the_page_is_one_of_ours() -> None:
    for _, there, here in rows("Settings"):
        names = spans(here)
        if here.startswith("client: "):
            assert [one for one in names if one not in ClientSettings.__struct_fields__] == []
        elif here.startswith("server: "):
            assert [one for one in names if find_setting(one) is None] == []
        for old in spans(there):
            if old in OLD_NAMES:
                assert OLD_NAMES[old] in names


def test_every_old_name_that_a_server_reads_is_on_the_page() -> None:
    there = {span for _, there, _ in rows("Settings") for span in spans(there)}
    known = [*OLD_NAMES, *OBSOLETE]
    assert [one for one in known if one not in there and one != "RECEIVE_BUFFER"] == []


def test_every_message_on_the_page_is_in_the_protocol() -> None:
    named = [
        span
        for _, _, here in rows("Messages of the protocol")
        for span in spans(here)
        if re.fullmatch(r"[a-z_]+", span) and span not in NOT_MESSAGES
    ]
    assert len(named) > 12
    assert [one for one in named if f"\n### {one}\n" not in MESSAGES] == []
