"""docs/limits.md names every limit that is no setting, and is made from the code.

`python -m tests.test_limits_page --write` makes its tables anew.  A limit is a constant whose name
ends as in `ENDINGS`; the sentence below it in the source says what it bounds.
"""

import ast
import importlib
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from alcove.server.settings import SETTINGS
from tests.test_docs import read

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "limits.md"
SOURCE = ROOT / "src" / "alcove"
ENDINGS = ("_MAX", "_MIN", "_PAGE", "_KEPT", "_AT_ONCE")
SECTIONS = ("accounts", "rooms", "files", "connections", "rates")
PARTS = {
    "wire": "What the protocol itself bounds",
    "server": "What the server bounds for its own sake",
    "client": "What a client bounds",
}
UNITS = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@dataclass(frozen=True)
class Constant:
    """A limit that is written in the code."""

    module: str
    name: str
    value: int
    meaning: str


def assigned(node: ast.stmt) -> str:
    """Return the name that a line of a module assigns, if it is one of a limit."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            is_number = not isinstance(value, ast.JoinedStr | ast.Constant) or isinstance(
                getattr(value, "value", None), int
            )
            is_limit = is_number and name.endswith(ENDINGS) and not name.startswith("_")
            return name if is_limit else ""
        case _:
            return ""


def constants(module: str, text: str) -> list[tuple[str, str]]:
    """Return the limits in a module, each with the sentence below it."""
    found = []
    for here, below in pairwise([*ast.parse(text).body, ast.Pass()]):
        name = assigned(here)
        if not name:
            continue
        match below:
            case ast.Expr(value=ast.Constant(value=str(meaning))):
                found.append((name, " ".join(meaning.split())))
            case _:
                raise AssertionError(f"{module}.{name} has no sentence below it")
    return found


def limits(part: str) -> list[Constant]:
    """Return the limits of a package, module by module."""
    found = []
    for file in sorted((SOURCE / part).rglob("*.py")):
        dotted = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        named = constants(dotted, read(file))
        if not named:
            continue
        module = importlib.import_module(f"alcove.{dotted}")
        found += [Constant(dotted, name, getattr(module, name), meaning) for name, meaning in named]
    return found


def shown(one: Constant) -> str:
    """Return a value as people read it."""
    if "BYTES" in one.name:
        for size, unit in UNITS:
            if one.value % size == 0:
                return f"{one.value // size:,} {unit}"
    return f"{one.value:,}"


def table(part: str) -> str:
    rows = [f"| {shown(one)} | {one.meaning} | `{one.module}.{one.name}` |" for one in limits(part)]
    head = ["| limit | what it bounds | in the code |", "|---|---|---|"]
    return "\n".join([f"## {PARTS[part]}", "", *head, *rows])


def settings() -> str:
    """Return the list of the settings that are limits, section by section."""
    lines = []
    for section in SECTIONS:
        names = [f"`{one.name}`" for one in SETTINGS if one.section == section and is_limit(one)]
        lines.append(f"* [{section}](settings.md#{section}): {', '.join(names)}")
    return "\n".join(lines)


def is_limit(one: object) -> bool:
    """Whether a setting is a number, and so a limit."""
    default = getattr(one, "default")  # noqa: B009 - It may be of four kinds.
    return not isinstance(default, str | bool)


HEAD = """\
# Limits

Nothing here is without a limit. What a host may wish to change is a [setting](settings.md);
`alcove admin limits` shows what counts now and where it was set. Over a limit a request is refused,
with `retry_after_ms` where waiting helps: see [refusals](protocol/refusals.md). How long each field
of a message may be stands beside it in [the reference](protocol/messages.md).

The rest are constants of the program: they keep its memory and its turns bounded, or two programs
that speak the protocol have to agree on them. This page is made from the code;
`python -m tests.test_limits_page --write` makes it anew.

## Settings
"""


def page() -> str:
    parts = [f"{HEAD}\n{settings()}", *(table(part) for part in PARTS)]
    return "\n\n".join(parts) + "\n"


def test_the_page_names_every_limit_with_its_value() -> None:
    assert read(PAGE) == page()


def test_a_limit_without_a_sentence_is_found() -> None:
    assert constants("a", 'B_MAX = 1\n"""How many."""\nC = 2\n_D_MAX = 3\n') == [
        ("B_MAX", "How many.")
    ]
    with pytest.raises(AssertionError, match=r"a\.B_MAX has no sentence"):
        constants("a", "B_MAX: Final = 1\nC = 2\n")


def test_sizes_are_shown_in_their_unit() -> None:
    assert shown(Constant("a", "B_BYTES_MAX", 8 * 1024**2, "")) == "8 MiB"
    assert shown(Constant("a", "B_BYTES_MAX", 1001, "")) == "1,001"
    assert shown(Constant("a", "B_MAX", 2048, "")) == "2,048"


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"]
    PAGE.write_text(page(), encoding="utf-8")
