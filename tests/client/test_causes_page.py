"""The page of causes says every code that the client can produce, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from alcove.client.causes import RULE, SENTENCES, sentence_of, told_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "causes.md").read_text("utf-8")
CLIENT = ROOT / "src" / "alcove" / "client"
PLACES = {
    "Warned": 0, "Mended": 1, "note": 4, "pass_over": 3, "remember": 2, "PeerError": 0, "alarm": 2,
    "doubt": 4, "explain": 3, "give_up": 2,
}  # fmt: skip
"""Which argument of what is a code."""
NAMES = ("code", "cause")
"""Variables that hold one."""
RETURNED_BY = ("linking.py",)
"""Modules whose functions return them."""
KINDS = ("leave", "lost")
"""What stands before `-notice`."""


def texts(node: ast.expr | None, constants: dict[str, str]) -> Iterator[str]:
    """Yield the texts that an expression may be, with … for what is not known."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            first = values[0]
            start = str(first.value) if isinstance(first, ast.Constant) else ""
            yield start + "…"
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one, constants)
            yield from texts(other, constants)
        case ast.Name(id=name) if name in constants:
            yield constants[name]


def codes(module: Path) -> Iterator[str]:
    """Yield the codes that a module can produce."""
    tree = ast.parse(module.read_text("utf-8"))
    constants = {
        one.targets[0].id: one.value.value
        for one in tree.body
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and isinstance(one.value, ast.Constant)
        and isinstance(one.value.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = str(getattr(called, "attr", None) or getattr(called, "id", ""))
            place = PLACES.get(name)
            if place is not None and len(node.args) > place:
                yield from texts(node.args[place], constants)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in NAMES
        ) or (isinstance(node, ast.Return) and module.name in RETURNED_BY):
            yield from texts(node.value, constants)


def produced() -> list[str]:
    """Return all codes but those of rules, which have pages of their own."""
    found = {code for module in sorted(CLIENT.rglob("*.py")) for code in codes(module)}
    found |= {f"{kind}-notice" for kind in KINDS}
    rules = re.compile(r"(room|note)-(?!refused|not-restored)")
    return sorted(one for one in found - {"…", ""} if not rules.match(one))


def test_every_code_has_its_sentence_and_no_other_has_one() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([A-Z].*[.]) \|$", PAGE, re.MULTILINE)
    assert dict(rows) == SENTENCES
    listed = [code for code, _ in rows]
    assert len(listed) == len(set(listed))
    families = tuple(one.removesuffix("…") for one in listed if one.endswith("…"))
    said = [one for one in produced() if one not in listed]
    assert [one for one in said if not one.startswith(families)] == []
    assert sorted(set(listed) - set(produced()) - {"not-readable"}) == []


def test_a_code_is_told_as_its_sentence_and_one_of_a_family_as_that_of_the_family() -> None:
    assert sentence_of("") == ""
    assert sentence_of("no-key") == SENTENCES["no-key"]
    assert sentence_of("lost: frame-version") == SENTENCES["lost: …"]
    assert sentence_of("room-refused") == SENTENCES["room-refused"]
    assert sentence_of("room-owner-missing") == RULE


def test_what_happened_in_a_room_is_told_of_who_it_is_about() -> None:
    assert told_of("you-left", "ada", is_mine=True) == told_of("you-left", "", is_mine=True)
    assert told_of("accepted", "bob", is_mine=False).startswith("bob has accepted")
    assert told_of("accepted", "", is_mine=False) == sentence_of("accepted")
    assert told_of("fork", "bob", is_mine=False) == f"bob: {sentence_of('fork')}"
