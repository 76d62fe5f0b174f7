"""Kinds of events: whatever may be written is written by somebody."""

import ast
from collections.abc import Iterator
from pathlib import Path

from alcove.server import audit_kinds
from alcove.server.audit_kinds import KINDS

SERVER = Path(audit_kinds.__file__).parent
ONLY_SPEAK = ("audit_kinds.py", "suspicion.py")
"""Modules that name kinds, and write none."""


def spoken(tree: ast.AST) -> Iterator[str]:
    """Yield the kinds that a module hands on; one that it compares with is not handed on."""
    if isinstance(tree, ast.Constant) and tree.value in KINDS:
        yield tree.value
    for part in ast.iter_child_nodes(tree):
        if not isinstance(part, ast.Compare):
            yield from spoken(part)


def test_every_kind_is_written_by_somebody() -> None:
    written = {
        kind
        for file in sorted(SERVER.rglob("*.py"))
        if file.name not in ONLY_SPEAK
        for kind in spoken(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert [kind for kind in KINDS if kind not in written] == []


def test_a_kind_that_is_only_looked_for_is_not_taken_for_written() -> None:
    looks = ast.parse('if kind == "signed_in": tx.audit("no such kind", "signed_out_late")')
    writes = ast.parse('tx.audit("signed_in" if here else "signed_out", None)')
    assert list(spoken(looks)) == []
    assert list(spoken(writes)) == ["signed_in", "signed_out"]
