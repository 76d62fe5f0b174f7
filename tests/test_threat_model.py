"""docs/threat-model.md: every test and check that it names is there, and is run.

`python -m tests.test_threat_model --write` makes its list of what the simulator leaves out anew.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

from sim.faults import LEFT_OUT
from tests.test_data_layout import between
from tests.test_docs import read

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "threat-model.md"
CHECKS = ("sim/checks.py", "sim/endings.py")
LEFT_OUT_BY = re.compile(r"mark\.(slow|skip|skipif|xfail)\b")
"""Marks of tests that do not run in each `make test`, or may fail."""
TABLE_HEAD = re.compile(r"\| (They|It) cannot \| Because \| Shown by \|")


class Evidence(NamedTuple):
    """What a *cannot* leans on."""

    path: str
    name: str


def rows(text: str) -> list[str]:
    """Return the lines of the tables of what cannot be done."""
    found: list[str] = []
    is_inside = False
    for line in text.splitlines():
        if TABLE_HEAD.fullmatch(line):
            is_inside = True
        elif not line.startswith("|"):
            is_inside = False
        elif is_inside and not line.startswith("|---"):
            found.append(line)
    return found


def shown_by(row: str) -> list[Evidence]:
    """Return what the last column of a line names."""
    last = row.rstrip("| ").rpartition(" | ")[2]
    return [
        Evidence(path, name) for name, path in re.findall(r"\[`(\w+)`\]\(\.\./([\w/.]+)\)", last)
    ]


def run_in(path: str, text: str) -> list[Evidence]:
    """Return the tests of a module that pytest collects and `make test` runs.

    Read from the code: to collect them in earnest would import half of the product.
    """
    tree = ast.parse(text)
    if not re.fullmatch(r"tests/(\w+/)*test_\w+\.py", path) or is_left_out(tree.body):
        return []
    return [
        Evidence(path, node.name)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(LEFT_OUT_BY.search(ast.unparse(mark)) for mark in node.decorator_list)
    ]


def is_left_out(lines: list[ast.stmt]) -> bool:
    """Return whether a module says of all its tests that they are not always run."""
    return any(
        isinstance(line, ast.Assign)
        and ast.unparse(line.targets[0]) == "pytestmark"
        and LEFT_OUT_BY.search(ast.unparse(line.value)) is not None
        for line in lines
    )


def checks(text: str) -> list[str]:
    """Return the checks of the simulator that are asked about every world."""
    (told,) = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == "all"
    )
    return [
        node.func.attr
        for node in ast.walk(told)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]


def left_out() -> str:
    """Return the page's part about faults that the simulator leaves out."""
    if not LEFT_OUT:
        return "None of its faults is left out.\n"
    names = ", ".join(f"*{name}*" for name in LEFT_OUT)
    why = "because the product does not stand them in every world yet"
    return f"Of its faults these are **left out for now**, {why}: {names}.\n"


def test_every_cannot_names_what_shows_it() -> None:
    found = rows(read(PAGE))
    assert len(found) > 40
    assert [row for row in found if not shown_by(row)] == []


def test_every_test_and_check_that_is_named_is_run() -> None:
    named = [one for row in rows(read(PAGE)) for one in shown_by(row)]
    tests = [one for one in named if one.path not in CHECKS]
    assert [one for one in tests if one not in run_in(one.path, read(ROOT / one.path))] == []
    asked = {path: checks(read(ROOT / path)) for path in CHECKS}
    seen = [one for one in named if one.path in CHECKS]
    assert [one for one in seen if one.name not in asked[one.path]] == []


def test_the_page_tells_what_the_simulator_leaves_out() -> None:
    assert between(read(PAGE), "left out") == left_out()


def test_a_line_that_names_nothing_is_found() -> None:
    text = "| They cannot | Because | Shown by |\n|---|---|---|\n| a | b | c |\n\n| d | e | f |\n"
    assert rows(text) == ["| a | b | c |"]
    assert shown_by("| a | b | c |") == []
    assert shown_by("| [`x`](../y.py) | b | [`test_a`](../tests/b.py), [`c`](../sim/d.py) |") == [
        Evidence("tests/b.py", "test_a"),
        Evidence("sim/d.py", "c"),
    ]


def test_only_tests_that_are_run_count() -> None:
    marked = "@pytest.mark.{}\ndef test_a() -> None: ...\n"
    assert run_in("tests/a/test_a.py", marked.format("usefixtures('b')"))
    assert run_in("tests/test_a.py", "async def test_a() -> None: ...\n")
    for mark in ("slow", "skip", "skipif(True, reason='')", "xfail"):
        assert run_in("tests/test_a.py", marked.format(mark)) == []
    assert run_in("tests/test_a.py", "pytestmark = pytest.mark.slow\ndef test_a(): ...") == []
    assert run_in("tests/world.py", "def test_a() -> None: ...") == []
    assert run_in("tests/test_a.py", "def helps() -> None: ...") == []


def test_only_checks_that_are_asked_count() -> None:
    text = "class A:\n    def all(self):\n        found = [*self.b()]\n    def b(self): ...\n"
    assert checks(text) == ["b"]


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], "usage: python -m tests.test_threat_model --write"
    page = read(PAGE)
    before, _, rest = page.partition("<!-- left out -->\n")
    after = rest.partition("<!-- /left out -->")[2]
    PAGE.write_text(f"{before}<!-- left out -->\n{left_out()}<!-- /left out -->{after}", "utf-8")
