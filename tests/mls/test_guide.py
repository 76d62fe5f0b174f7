"""The guide is a program: its blocks of Python run, in order, and print what they say.

A comment behind a `print` is what it prints; a comment on the line after one continues it, for
what would not fit.  Nothing else may print, so an example cannot keep a result to itself.
"""

from __future__ import annotations

import contextlib
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

import pytest

from alcove import mls

GUIDE = Path(__file__).parents[2] / "docs" / "mls.md"
CODE_WIDTH = 100


class Block(NamedTuple):
    """A block of code, and the line of the page on which it begins."""

    line: int
    code: str


def blocks(page: str) -> list[Block]:
    """Return the blocks of Python on a page, in order."""
    found = re.finditer(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [Block(page.count("\n", 0, match.start(1)) + 1, match.group(1)) for match in found]


def promised(code: str) -> list[str]:
    """Return the lines that a block says it prints.

    That is every comment that ends a line with `print(` or `handle(`, or stands alone behind one.
    """
    lines = code.splitlines()
    output = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        row, column = token.start
        before = lines[row - 1][:column].strip() or lines[row - 2]
        if re.search(r"\b(print|handle)\(", before) and "def " not in before:
            output.append(token.string.removeprefix("# "))
    return output


def run(block: Block, names: dict[str, object]) -> list[str]:
    """Run a block with the names of those before it; return the lines that it prints."""
    printed = io.StringIO()
    # The empty lines in front make the page's own line numbers appear in a traceback.
    program = compile("\n" * (block.line - 1) + block.code, str(GUIDE), "exec")
    with contextlib.redirect_stdout(printed):
        exec(program, names)  # noqa: S102 - the page is ours.
    return printed.getvalue().splitlines()


def failures(page: str) -> list[str]:
    """Run a page as one program; return a sentence for every block that prints something else."""
    names: dict[str, object] = {"__name__": "guide"}
    wrong = []
    for block in blocks(page):
        printed = run(block, names)
        if printed != promised(block.code):
            wrong.append(f"line {block.line}: promised {promised(block.code)}, printed {printed}")
    return wrong


def test_the_guide_does_what_it_says() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    assert len(blocks(page)) > 20
    assert failures(page) == []


def test_the_guide_needs_nothing_private() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    code = "".join(block.code for block in blocks(page))
    imports = re.findall(r"^ *(?:from|import) alcove.*$", code, re.MULTILINE)
    assert imports == ["from alcove import mls"]
    # A NamedTuple's `_replace` is public.
    assert re.findall(r"\._(?!replace\b|_)\w+", code) == []


def test_the_guide_uses_only_public_names() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    used = sorted(set(re.findall(r"(?<![.\w/-])mls\.(\w+)", page)))
    assert len(used) > 40
    assert [name for name in used if name not in mls.__all__] == []


def test_the_code_of_the_guide_fits_on_a_line() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    long = [
        (block.line + at, line)
        for block in blocks(page)
        for at, line in enumerate(block.code.splitlines())
        if len(line) > CODE_WIDTH
    ]
    assert long == []


@pytest.mark.parametrize(
    ("page", "problems"),
    [
        ("```python\nprint(1 + 1)  # 2\n```\n", 0),
        ("```python\nprint([1, 2])\n# [1, 2]\n```\n", 0),
        ("```python\nx = 2  # A remark.\n```\nText.\n\n```python\nprint(x)  # 2\n```\n", 0),
        ("```python\nprint(1 + 1)  # 3\n```\n", 1),
        ("```python\nprint(1 + 1)\n```\n", 1),
        ("```python\nif False:\n    print(1)  # 1\n```\n", 1),
    ],
)
def test_a_page_that_promises_something_else_is_found(page: str, problems: int) -> None:
    assert len(failures(page)) == problems
