"""The guides name commands, options, settings and files that there are."""

import re
from pathlib import Path

import click
import pytest

from alcove.cli import main
from alcove.client import ClientSettings
from alcove.server.settings_sources import find_setting
from alcove.wire.errors import SENTENCES, Code
from tests.test_docs import code, read, unlisted

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "alcove"
GUIDES = ROOT / "docs" / "howto"
PAGES = [*sorted(GUIDES.glob("*.md")), ROOT / "deploy" / "README.md"]
FOR_MEMBERS = (
    "bot.md", "chat.md", "rehearsal.md", "rooms.md", "sdk.md", "terminal.md", "your-data.md",
)  # fmt: skip
"""Guides of the client, which has settings of its own; the others are for hosts."""
TEXTS = [*PAGES, *(ROOT / "deploy" / name for name in ("Dockerfile", "alcove.service"))]

NOT_OURS = ("ALCOVE_DOMAIN", "ALCOVE_UPSTREAM")
"""Variables of the Caddyfile."""
NO_SETTINGS = ("alcove_database", "alcove_inside", "pg_dump")
"""A volume and a network of Docker's, and a program: they only look like settings."""

TROUBLES = {
    320: "Connection refused",
    321: "Sign-in fails",
    322: "A message cannot be opened",
    323: "The database cannot be reached",
    324: "The port is taken",
    325: "The encryption's tests fail",
    326: "A client cannot connect",
    327: "Containers",
}
"""The troubles that the contract names, by row."""


def used(text: str, commands: list[str]) -> list[list[str]]:
    """Return the words of every use of our command line in a text, without what follows it."""
    flat = text.replace("\\\n", " ").replace('", "', " ").replace('"]', " ")
    use = rf"\balcove ((?:{'|'.join(commands)})\b[^|&;#`>\n]*)"
    return [match.group(1).split() for match in re.finditer(use, flat)]


def faults(words: list[str], group: click.Group) -> list[str]:
    """Return which command or option of a use there is not."""
    context = click.Context(group)
    command: click.Command = group
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest:
            return []
        found = command.get_command(context, rest[0])
        if found is None:
            return [f"no such command: {' '.join(words)}"]
        command, rest = found, rest[1:]
    options = [name for parameter in command.params for name in parameter.opts]
    named = [word.partition("=")[0] for word in rest if word.startswith("--")]
    return [
        f"no such option: {words[0]} {name}" for name in named if name not in (*options, "--help")
    ]


def parts_of(page: Path) -> list[str]:
    """Return what a machine would read: a page's code, or the whole of another file."""
    return code(read(page)) if page.suffix == ".md" else [read(page)]


def test_every_guide_is_in_the_index() -> None:
    names = [page.name for page in PAGES if page.parent == GUIDES and page.name != "README.md"]
    assert len(names) == 8 + len(FOR_MEMBERS)
    assert unlisted(read(GUIDES / "README.md"), names) == []


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    commands = main.list_commands(click.Context(main))
    uses = [words for part in parts_of(page) for words in used(part, commands)]
    assert [fault for words in uses for fault in faults(words, main)] == []


BY_NAME = re.compile(
    r"(?:\b(?:pip3?|pipx|uv|tool) (?:install|run|download|upgrade)|\buvx|--spec)"
    r"(?: +-{1,2}[\w-]+)*[ =]+[\"']?alcove(?![\w/.-])"
)
"""A command that fetches `alcove` by its name, which on the package index is another project's."""


def everything() -> list[Path]:
    """Return all that people read: pages, guides, and the program with what it says."""
    folders = ("docs", "deploy", "src", "changes")
    found = [file for name in folders for file in sorted((ROOT / name).rglob("*.*"))]
    kinds = (".md", ".py", ".html", ".js", ".sh", ".yaml", ".service")
    return [*sorted(ROOT.glob("*.md")), *(file for file in found if file.suffix in kinds)]


def test_no_page_and_no_sentence_fetches_the_program_that_only_shares_our_name() -> None:
    assert len(everything()) > 100
    found = [(file.name, BY_NAME.findall(read(file))) for file in everything()]
    assert [(name, uses) for name, uses in found if uses] == []


@pytest.mark.parametrize(
    "text", ["pip install alcove", "pipx install --force 'alcove[postgres]'", "uvx alcove"]
)
def test_a_command_that_fetches_by_name_is_found(text: str) -> None:
    assert BY_NAME.search(text) is not None
    assert BY_NAME.search("pip install . && install -o alcove-x /opt/alcove") is None


def test_commands_are_found_in_the_guides() -> None:
    commands = main.list_commands(click.Context(main))
    uses = [words for page in TEXTS for part in parts_of(page) for words in used(part, commands)]
    assert len(uses) > 30
    assert ["serve", "--host", "127.0.0.1", "--behind-proxy", "--data", "/var/lib/alcove"] in uses


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_is_there(page: Path) -> None:
    parts = code(read(page))
    variables = [name for part in parts for name in re.findall(r"\bALCOVE_[A-Z_]+\w\b", part)]
    if page.name in FOR_MEMBERS:
        client = "\n".join(read(file) for file in sorted((SOURCE / "client" / "io").glob("*.py")))
        settings = [f"ALCOVE_{name.upper()}" for name in ClientSettings.__struct_fields__]
        assert [one for one in variables if one not in settings and f'"{one}"' not in client] == []
        return
    names = [part for part in parts if re.fullmatch(r"[a-z]+(_[a-z]+)+", part)]
    lines = [name for part in parts for name in re.findall(r"^(\w+) = ", part, re.MULTILINE)]
    known = (*NOT_OURS, *NO_SETTINGS)
    named = [name for name in (*variables, *names, *lines) if name not in known]
    assert [name for name in named if find_setting(name) is None] == []


def test_every_trouble_has_a_symptom_causes_and_cures() -> None:
    text = read(GUIDES / "troubleshooting.md")
    chapters = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", text, re.MULTILINE))
    assert sorted(chapters) == sorted(TROUBLES.values())
    for name, chapter in chapters.items():
        assert "**Symptom.**" in chapter, name
        heads = re.search(r"^\|(.+)\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", chapter, re.MULTILINE)
        assert heads, name
        assert "Cause" in heads.group(1), name
        assert "Cure" in heads.group(1), name
        rows = [re.split(r"(?<!\\)\|", row)[1:-1] for row in heads.group(2).splitlines()]
        assert [row for row in rows if len(row) != 3 or not all(map(str.strip, row))] == [], name
        link = re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")
        assert f"(#{link})" in text, name


REFUSALS = [
    *(Code.WRONG_LOGIN, Code.NOT_INVITED, Code.LINK_ENDED, Code.DISABLED, Code.WRONG_CODE),
    *(Code.TOO_MANY, Code.REVOKED, Code.FULL, Code.STORAGE),
]


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_quoted_as_the_server_says_it(code: Code) -> None:
    beginning = re.split(r"[;.]", SENTENCES[code])[0]
    assert f"*{beginning}*" in read(GUIDES / "troubleshooting.md")


STARTS = [
    "PostgreSQL cannot be used as database_url says",
    "Another Alcove server is using this database",
    "PostgreSQL is of version",
    "The database is of schema",
    "secret_key is not the one that this server was made with",
    "may be reached from outside, so the server needs",
]


@pytest.mark.parametrize("sentence", STARTS)
def test_what_stops_a_start_is_quoted_as_the_server_says_it(sentence: str) -> None:
    files = sorted((ROOT / "src" / "alcove" / "server").rglob("*.py"))
    assert [file for file in files if sentence in read(file)] != []
    assert sentence in read(GUIDES / "troubleshooting.md")


# ---- Each check can fail ----


@click.group()
def sample() -> None:
    """Stand in for the command line."""


@sample.group()
def admin() -> None:
    """Stand in for its group."""


@admin.command()
@click.option("--days")
def invite(days: str) -> None:
    """Stand in for a command."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alcove admin invite --days 7 | tail --lines=1", []),
        ("alcove alcove admin; alcove admin", []),
        ("alcove admin invite --hours=7", ["no such option: admin --hours"]),
        ("/opt/alcove/bin/alcove admin invent", ["no such command: admin invent"]),
        ('["alcove", "admin", "invent"]', ["no such command: admin invent"]),
    ],
)
def test_a_command_that_is_not_there_is_found(text: str, found: list[str]) -> None:
    uses = used(text, ["admin"])
    assert uses
    assert [fault for words in uses for fault in faults(words, sample)] == found
