"""Fills two columns of `docs/mls-rules.md`: where a rule is kept, and which test shows it.

    python -m tests.mls.rules.table --check     say what is wrong with the page, end with 1 if any
    python -m tests.mls.rules.table --write     fill both columns

*Where* comes from the library's source: every function that refuses by the rule.  A row of a rule
that is nowhere refused keeps what people wrote there: why not, or what keeps the rule; the places
named there must exist.  *Test* comes from the marks `@pytest.mark.rule("id")` in this folder.  Both
are read, not run.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.mls.rules.sites import ASKED, by_rule, modules, parsed

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "mls-rules.md"
TESTS_SHOWN: Final = 3
NOTHING: Final = "-"

_ROW = re.compile(r"^\| `[a-z0-9]+-[a-z0-9-]+` \|")
_PLACES = re.compile(r"`\w+\.py:[\w.]+`(, `\w+\.py:[\w.]+`)*")
_PLACE = re.compile(r"`(\w+\.py:[\w.]+)`")
_RULE = re.compile(r"`([a-z0-9]+-[a-z0-9-]*[a-z0-9])`")
_RULES = re.compile(r"`([a-z0-9-]+-)`")
_REASONS = ("application:", "by construction:", "raised as", "asked through")


class Row(NamedTuple):
    """One row of the page, cell by cell."""

    rule: str
    section: str
    text: str
    who: str
    where: str
    test: str

    def __str__(self) -> str:
        return f"| `{self.rule}` | {' | '.join(self[1:])} |"


def read_row(line: str) -> Row | None:
    """Return a line of the page as a row, if it is one."""
    if not _ROW.match(line):
        return None
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    return Row(cells[0].strip("`"), *cells[1:])


def rows(page: str) -> list[Row]:
    """Return every row of the page."""
    return [row for line in page.splitlines() if (row := read_row(line))]


@cache
def marked() -> dict[str, list[str]]:
    """Return the tests of each rule, as `file::function`."""
    found: dict[str, list[str]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for rule in _marks(node):
                    found.setdefault(rule, []).append(f"{path.name}::{node.name}")
    return found


def _marks(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
                yield from (str(ast.literal_eval(rule)) for rule in node.args)


@cache
def names() -> frozenset[str]:
    """Return everything that the library defines, as `module.py:name`."""
    found = []
    for module in modules():
        for node in parsed(module).body:
            found += [f"{module}.py:{name}" for name in _defined(node)]
    return frozenset(found)


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign):
        yield ast.unparse(node.target)
    elif isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.ClassDef):
        yield node.name
        yield from (f"{node.name}.{name}" for inner in node.body for name in _defined(inner))


def where_of(row: Row) -> str:
    """Return what stands in the column *where*."""
    places = {f"`{site.module}.py:{site.function}`" for site in by_rule().get(row.rule, [])}
    if places and row.rule not in ASKED:
        return ", ".join(sorted(places))
    return NOTHING if _PLACES.fullmatch(row.where) else row.where


def test_of(row: Row) -> str:
    """Return what stands in the column *test*."""
    tests = [f"`{test}`" for test in marked().get(row.rule, [])]
    more = len(tests) - TESTS_SHOWN
    shown = ", ".join(tests[:TESTS_SHOWN]) or NOTHING
    return f"{shown} and {more} more" if more > 0 else shown


def filled(page: str) -> str:
    """Return the page with both columns as they should be."""
    lines = []
    for line in page.splitlines():
        row = read_row(line)
        made = row and row._replace(where=where_of(row), test=test_of(row))
        lines.append(str(made) if made else line)
    return "\n".join(lines) + "\n"


def wrong(page: str) -> list[str]:
    """Return what is wrong with the page: a sentence for each thing."""
    listed = [row.rule for row in rows(page)]
    told = [f"{rule}: twice on the page" for rule in sorted(set(listed)) if listed.count(rule) > 1]
    told += [f"{rule}: raised, and not on the page" for rule in by_rule() if rule not in listed]
    told += [f"{rule}: raised, and without a test" for rule in by_rule() if rule not in marked()]
    told += [f"{rule}: tested, and not on the page" for rule in marked() if rule not in listed]
    for row in rows(page):
        where, test = where_of(row), test_of(row)
        if where == NOTHING:
            told.append(f"{row.rule}: neither kept anywhere nor a reason why not")
        if test == NOTHING and not where.startswith(_REASONS):
            told.append(f"{row.rule}: neither a test nor a reason why there is none")
        told += [
            f"{row.rule}: no {place}" for place in _PLACE.findall(where) if place not in names()
        ]
        if (row.where, row.test) != (where, test):
            told.append(f"{row.rule}: out of date; run python -m tests.mls.rules.table --write")
    return told


def raised_as(row: Row) -> list[str]:
    """Return the rules by which an offender of a row is refused, if the row says so."""
    if not row.where.startswith("raised as"):
        return []
    starts = tuple(_RULES.findall(row.where))
    more = [rule for rule in by_rule() if starts and rule.startswith(starts)]
    return _RULE.findall(row.where) + more


def _missing(where: str) -> list[str]:
    """Return what a cell names and the library has not: a place, or a rule it is raised as."""
    missing = [place for place in _PLACE.findall(where) if place not in names()]
    if where.startswith("raised as"):
        missing += [rule for rule in _RULE.findall(where) if rule not in by_rule()]
    return missing


def main(arguments: list[str]) -> int:
    """Check the page, or fill it."""
    parser = argparse.ArgumentParser(prog="table", description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    chosen = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    if chosen.write:
        page = filled(page)
        PAGE.write_text(page, encoding="utf-8")
    told = wrong(page)
    print("\n".join(told) or f"{len(rows(page))} rows, all in order")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
