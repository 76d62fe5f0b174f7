"""The public names of alcove.mls: complete, documented, and enough.

`python -m tests.mls.test_vocabulary` makes the list of names at the end of docs/mls.md anew.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from alcove import mls

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "alcove" / "mls"
GUIDE = ROOT / "docs" / "mls.md"
BEGIN, END = "<!-- names -->\n", "<!-- /names -->\n"
KINDS = ("Functions", "Classes", "Errors", "Types", "Constants")

# Members of public classes that only the package's own modules need.  The types that these name
# may therefore be private.
INSIDE = (
    "Credential.read",
    "Group.current",
    "Group.enter",
    "Group.high_water",
    "Group.past",
    "Group.secrets",
    "Group.send",
    "Group.sign_content",
    "Group.updates",
    "PublicGroup.begin",
    "PublicGroup.finish",
    "PublicGroup.handle",
    "PublicGroup.proposals",
    "PublicGroup.resolve",
    "PublicGroup.stage",
    "PublicGroup.verify",
    "PublicGroup.with_proposal",
    "PublicMessage.content",
    "RatchetTree.edit",
    "RatchetTree.filtered_path",
    "RatchetTree.parent_hash",
    "RatchetTree.read",
    "StagedPublicCommit.path",
    "StagedPublicCommit.steps",
    "Welcome.secrets",
)


def kind(name: str) -> str:
    """Return which of `KINDS` a public name is."""
    value = getattr(mls, name)
    if name.isupper():
        return "Constants"
    if inspect.isclass(value):
        return "Errors" if issubclass(value, Exception) else "Classes"
    return "Functions" if inspect.isroutine(inspect.unwrap(value)) else "Types"


@cache
def quoted_below() -> dict[str, str]:
    """Return what stands in quotes below the assignments of all modules, by name."""
    found = {}
    for file in sorted(SOURCE.glob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for here, below in pairwise(body):
            match here, below:
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = inspect.cleandoc(text)
                case _:
                    pass
    return found


def docstring(name: str) -> str:
    """Return what is written about a public name; nothing when only Python wrote it."""
    if kind(name) in ("Constants", "Types"):
        return quoted_below().get(name, "")
    text = inspect.cleandoc(getattr(mls, name).__doc__ or "")
    return "" if text.startswith(f"{name}(") else text  # So do NamedTuple and dataclass.


def listed() -> str:
    """Return the list of names that belongs into the guide."""
    parts = []
    for title in KINDS:
        rows = []
        for name in mls.__all__:
            if kind(name) == title:
                said = docstring(name).partition("\n")[0].replace("  ", " ")
                rows.append(f"| `{name}` | {said or getattr(mls, name)} |\n")
        parts.append(f"| {title} | |\n|---|---|\n{''.join(rows)}")
    return "\n" + "\n".join(parts) + "\n"


def with_names(page: str) -> str:
    """Return the page with its list of names as it should be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    assert rest
    return head + BEGIN + listed() + END + tail


def named_types(hint: object) -> Iterator[type]:
    """Yield the classes of ours in an annotation, but for those inside a public alias."""
    aliases = [getattr(mls, name) for name in mls.__all__ if kind(name) == "Types"]
    if any(hint is alias for alias in aliases):
        return
    if isinstance(hint, type) and hint.__module__.startswith("alcove."):
        yield hint
    for part in hint if isinstance(hint, list) else typing.get_args(hint):
        yield from named_types(part)


def signatures() -> Iterator[tuple[str, object]]:
    """Yield every public function, class and member with its name."""
    for name in mls.__all__:
        value = getattr(mls, name)
        if kind(name) not in ("Functions", "Classes", "Errors"):
            continue
        yield name, value
        for member, inside in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(inside, "fget", None) or getattr(inside, "__func__", inside)
            if inspect.isfunction(function) and not member.startswith("_"):
                yield f"{name}.{member}", function


def hints(value: object) -> dict[str, Any]:
    """Return annotations with their names looked up, those for the type checker included."""
    names: dict[str, Any] = {}
    for module in sorted(name for name in sys.modules if name.startswith("alcove.mls.")):
        names.update(vars(sys.modules[module]))
    own = vars(sys.modules[value.__module__])
    return typing.get_type_hints(value, globalns={**names, **own})


def strangers() -> list[str]:
    """Return where a public signature names a class that is not public."""
    public = [getattr(mls, name) for name in mls.__all__]
    found = []
    for name, value in signatures():
        for attribute, hint in hints(value).items():
            member = f"{name}.{attribute}" if inspect.isclass(value) else name
            if member not in INSIDE and attribute[0] != "_":
                private = [named for named in named_types(hint) if named not in public]
                found += [f"{member}: {named.__name__}" for named in private]
    return found


def test_all_names_everything_that_the_package_imports() -> None:
    imported = [
        name
        for name, value in vars(mls).items()
        if name[0] != "_" and not isinstance(value, types.ModuleType)
    ]
    assert sorted(imported) == sorted(mls.__all__)


def test_the_names_are_in_order_and_stand_once() -> None:
    constants, classes, functions = (
        [name for name in mls.__all__ if shape(name)]
        for shape in (
            str.isupper,
            lambda name: name[0].isupper() and not name.isupper(),
            lambda name: name[0].islower(),
        )
    )
    assert mls.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
    assert len(set(mls.__all__)) == len(mls.__all__)


def test_every_public_name_says_what_it_is_for() -> None:
    silent = [name for name in mls.__all__ if kind(name) != "Constants" and not docstring(name)]
    assert silent == []


def test_the_guide_lists_every_public_name() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    assert page == with_names(page)
    assert [name for name in mls.__all__ if f"| `{name}` |" not in page] == []


def test_public_signatures_name_only_public_types() -> None:
    assert strangers() == []


def test_what_is_inside_is_still_there_and_still_private() -> None:
    members = [
        f"{name}.{member}"
        for name in mls.__all__
        if kind(name) == "Classes"
        for member in [*vars(getattr(mls, name)), *getattr(getattr(mls, name), "_fields", ())]
    ]
    assert [name for name in INSIDE if name not in members] == []


def test_the_demo_needs_nothing_private() -> None:
    demo = (SOURCE / "demo.py").read_text(encoding="utf-8")
    assert re.findall(r"^ *(?:from|import) (alcove\S*)", demo, re.MULTILINE) == ["alcove.mls"]
    assert re.findall(r"\b(?!self\b)\w+\._(?!replace\b)[a-z]\w*", demo) == []


if __name__ == "__main__":
    GUIDE.write_text(with_names(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
