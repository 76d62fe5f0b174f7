"""docs/protocol/contents.md names every content and field, and is made from the code.

`python -m tests.test_contents_page --write` makes its tables and its example anew.
"""

import ast
import sys
from itertools import pairwise
from pathlib import Path

from alcove.wire.content import KINDS, Said, Text, decode_said, encode_said
from tests.test_data_layout import between
from tests.test_docs import read

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "protocol" / "contents.md"
SOURCE = ROOT / "src" / "alcove" / "wire" / "content.py"

EXAMPLE = Said(Text("hello"), 7, bytes(32), 1, 0)
PIECES = ("Target", "SealedBlob", "File", "Preview")
"""Structures that contents are made of."""
HEX_LINE = 96


def tag(node: ast.ClassDef) -> str:
    """Return the name of a kind of content; nothing for other classes."""
    found = [one.value for one in node.keywords if one.arg == "tag"]
    return str(found[0].value) if found and isinstance(found[0], ast.Constant) else ""


def is_list(node: ast.ClassDef) -> bool:
    """Return whether a structure is written as a list."""
    return any(one.arg == "array_like" for one in node.keywords)


def fields(node: ast.ClassDef) -> list[str]:
    """Return a line for each field: its name, what it may be, its default, and its sentence."""
    lines = []
    for here, below in pairwise([*node.body, ast.Pass()]):
        if not isinstance(here, ast.AnnAssign) or not isinstance(here.target, ast.Name):
            continue
        match below:
            case ast.Expr(value=ast.Constant(value=str(said))):
                about = " ".join(said.split())
            case _:
                about = ""
        kind = ast.unparse(here.annotation).replace("|", "or")
        default = f"`{ast.unparse(here.value)}`" if here.value is not None else ""
        lines.append(f"| `{here.target.id}` | `{kind}` | {default} | {about} |")
    return lines


def names(text: str) -> list[str]:
    """Return lines that say what the short names of limits and types stand for."""
    lines = []
    for here, below in pairwise(ast.parse(text).body):
        if not (isinstance(here, ast.Assign) and isinstance(here.targets[0], ast.Name)):
            continue
        match below:
            case ast.Expr(value=ast.Constant(value=str(said))) if here.targets[0].id.istitle():
                kind = ast.unparse(here.value)
                if not kind.startswith("Annotated"):
                    continue  # A union of kinds, which all stand on the page.
                lines.append(f"| `{here.targets[0].id}` | `{kind}` | {' '.join(said.split())} |")
            case _:
                pass
    return lines


def part(node: ast.ClassDef) -> list[str]:
    """Return the page's part about one structure."""
    about = (ast.get_docstring(node) or "").replace("\n", " ")
    form = " It is a list of its fields, in this order." if is_list(node) else ""
    head = ["| field | what it may be | default | |", "|---|---|---|---|"]
    return [f"### {tag(node) or node.name}", "", about + form, "", *head, *fields(node), ""]


def kinds(text: str) -> str:
    """Return the page's part about all kinds and what they are made of."""
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    lines = ["## Kinds", ""]
    for node in classes:
        lines += part(node) if tag(node) else []
    lines += ["## What they are made of", ""]
    for node in classes:
        lines += part(node) if node.name in PIECES else []
    head = ["| name | what it is | |", "|---|---|---|"]
    lines += ["Names of types and limits are those of the code: `Id` has 16 bytes, `Hash` 32,"]
    lines += ["`Millis` and `Count` are integers; the limits have their numbers in"]
    lines += ["[limits.md](../limits.md).", "", *head, *names(text), ""]
    return "\n".join(lines)


def example() -> str:
    """Return the page's example."""
    digits = encode_said(EXAMPLE).hex()
    cut = [digits[at : at + HEX_LINE] for at in range(0, len(digits), HEX_LINE)]
    return "\n".join(["```", *cut, "```", ""])


def written(text: str) -> str:
    """Return the page with what is made from the code."""
    for name, made in (("example", example()), ("kinds", kinds(read(SOURCE)))):
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- /{name} -->")[2]
        text = f"{before}<!-- {name} -->\n{made}<!-- /{name} -->{after}"
    return text


def test_the_page_is_what_the_code_says() -> None:
    assert read(PAGE) == written(read(PAGE))


def test_the_page_has_every_kind() -> None:
    assert [kind for kind in KINDS if f"\n### {kind}\n" not in read(PAGE)] == []


def test_the_example_is_read_as_what_it_is() -> None:
    digits = "".join(between(read(PAGE), "example").split("\n")[1:-2])
    assert decode_said(bytes.fromhex(digits)) == EXAMPLE


def test_fields_are_told_with_their_defaults_and_sentences() -> None:
    (node,) = ast.parse(
        'class A(B, tag="a"):\n    b: int | None = None\n    """How many."""\n'
    ).body
    assert isinstance(node, ast.ClassDef)
    assert tag(node) == "a"
    assert not is_list(node)
    assert fields(node) == ["| `b` | `int or None` | `None` | How many. |"]


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], "usage: python -m tests.test_contents_page --write"
    PAGE.write_text(written(read(PAGE)), "utf-8")
