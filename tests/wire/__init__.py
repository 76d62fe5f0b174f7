"""The wire's own vocabulary, for tests and docs: every message drawn at random, every field told.

`drawn` makes values of a struct from its types and limits alone, so a new message is tested as soon
as it is written.  `told` reads what the source says about a name below it.
"""

import ast
import inspect
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec.inspect as shapes
from hypothesis import strategies as st
from msgspec import Struct

from alcove import wire
from alcove.wire import base, errors, ids

MODULES = (ids, base, errors, *wire.NOUNS)
"""Where the words are, in the order in which they are best read."""

MESSAGES_PAGE = Path(__file__).parents[2] / "docs" / "protocol" / "messages.md"
COMMON_HEADING = "\n## Words that mean the same everywhere\n"

FEW = 3
"""So many more than the least of anything repeated: breadth is worth more than length."""


def _most(least: int, most: int | None) -> int:
    return least + FEW if most is None else min(most, least + FEW)


def _numbers(shape: shapes.IntType) -> st.SearchStrategy[int]:
    low = shape.ge if shape.ge is not None else -(2**63)
    high = shape.le if shape.le is not None else 2**63 - 1
    return st.integers(low, high if shape.lt is None else shape.lt - 1)


def _texts(shape: shapes.StrType) -> st.SearchStrategy[str]:
    least = shape.min_length or 0
    if shape.pattern is None:
        return st.text(min_size=least, max_size=_most(least, shape.max_length))
    # A pattern and limits beside it: "any number" becomes as many as are allowed.
    limits = f"{{{least},{shape.max_length}}}"
    pattern = shape.pattern.replace(r"+\Z", limits + r"\Z") if least else shape.pattern
    return st.from_regex(pattern, fullmatch=True)


def _choices(shape: shapes.Type) -> st.SearchStrategy[Any]:
    match shape:
        case shapes.BoolType():
            return st.booleans()
        case shapes.NoneType():
            return st.none()
        case shapes.LiteralType():
            return st.sampled_from(shape.values)
        case shapes.EnumType():
            return st.sampled_from(list(shape.cls))
        case _:
            raise AssertionError(shape)


def values(shape: shapes.Type) -> st.SearchStrategy[Any]:
    """Return what draws values of a type; a type that no message has so far is an error."""
    match shape:
        case shapes.BytesType():
            least = shape.min_length or 0
            return st.binary(min_size=least, max_size=_most(least, shape.max_length))
        case shapes.IntType():
            return _numbers(shape)
        case shapes.StrType():
            return _texts(shape)
        case shapes.UnionType():
            return st.one_of([values(one) for one in shape.types])
        case shapes.TupleType():
            return st.tuples(*[values(one) for one in shape.item_types])
        case shapes.VarTupleType():
            least = shape.min_length or 0
            most = _most(least, shape.max_length)
            return st.lists(values(shape.item_type), min_size=least, max_size=most).map(tuple)
        case shapes.DictType():
            return st.dictionaries(values(shape.key_type), values(shape.value_type), max_size=FEW)
        case shapes.StructType():
            return drawn(shape.cls)
        case _:
            return _choices(shape)


@cache
def drawn(kind: type[Struct]) -> st.SearchStrategy[Any]:
    """Return what draws values of a struct."""
    shape = shapes.type_info(kind)
    assert isinstance(shape, shapes.StructType)
    return st.builds(kind, **{field.name: values(field.type) for field in shape.fields})


def _quoted(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(inspect.cleandoc(text).split())
        case _:
            return ""


def _name(node: ast.stmt) -> str:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return ""


class Told(Struct, frozen=True):
    """What the source says about a name: how it is written, and what is quoted below it."""

    source: ast.expr
    doc: str


def _told(body: list[ast.stmt]) -> dict[str, Told]:
    found = {}
    for here, below in pairwise([*body, ast.Pass()]):
        value = here.annotation if isinstance(here, ast.AnnAssign) else getattr(here, "value", None)
        if _name(here) and value is not None:
            found[_name(here)] = Told(value, _quoted(below))
    return found


@cache
def told(module: ModuleType) -> dict[str, Told]:
    """Return the names that a module assigns; those of a class are `Class.name`."""
    body = ast.parse(inspect.getsource(module)).body
    found = _told(body)
    for node in body:
        if isinstance(node, ast.ClassDef):
            inside = _told(node.body)
            found |= {f"{node.name}.{name}": one for name, one in inside.items()}
    return found


def structs(module: ModuleType) -> list[type[Struct]]:
    """Return the structs that a module defines, as they stand in it."""
    return [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, Struct)
        and thing.__module__ == module.__name__
    ]


@cache
def common_fields() -> dict[str, str]:
    """Return the fields that mean the same in every message, as the reference explains them."""
    _, _, rest = MESSAGES_PAGE.read_text(encoding="utf-8").partition(COMMON_HEADING)
    table = rest.partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
