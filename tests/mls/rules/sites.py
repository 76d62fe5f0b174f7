"""Where the library enforces each rule, read from its source; and the source without one check.

A site is one place that refuses.  There are four forms, and each is removed in the plainest way:

    if bad: raise RuleBroken("id")              the raise becomes `pass`: the code goes on as if all
    case _: raise DecodeError("id")             were well, below the `if`, the `except` or the loop,
    except CryptoError: raise RuleBroken("id")  or returns None where nothing is below
    check_encryption_key(…, "id")               the call becomes `pass`
    policy.check_credential(…)                  the call becomes `pass`: nobody asks the application

A check that is asked in several places can also be left out in one: `calls` are those places.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final, NamedTuple

import alcove.mls

PACKAGE: Final = Path(alcove.mls.__file__).parent
# Checks of what the caller asks for: they refuse without an id.  The rules that they keep.
_USAGE: Final = {
    "check_sendable": ["grease-proposal-type", "grease-group-context-extensions"],
    "check_own_extensions": ["grease-group-context", "grease-group-context-extensions"],
}

_CHOOSING = ("choosing", "demo")
_ERRORS = ("RuleBroken", "DecodeError", "Lost")

# Rules that have no id of their own in the library: it asks the application, which names one.
# From the rule to the functions that ask, as `module:function`.
_PROPOSED = "changes:check_proposal"
_COMMITTED = "changes:check_new_leaves"
_EXTENSIONS = "changes:check_extensions"
ASKED: Final = {
    "cred-valid-key-package": (_COMMITTED,),
    "cred-valid-join": ("tree_checks:check_tree",),
    "cred-valid-add": (_PROPOSED, _COMMITTED),
    "cred-valid-update": (_PROPOSED, _COMMITTED),
    "cred-valid-commit": (_COMMITTED,),
    "cred-successor": (_PROPOSED, _COMMITTED),
    "cred-successor-commit": (_COMMITTED,),
    "external-remove-identity": (_COMMITTED,),
    "proposal-external-authorized": ("public_group:PublicGroup._remember",),
    "cred-valid-external-senders": (_EXTENSIONS,),
    "cred-valid-external-senders-changed": (_EXTENSIONS,),
}


class Site(NamedTuple):
    """One place that refuses."""

    rule: str
    module: str
    function: str
    """The qualified name of the function, without those inside it."""
    nth: int
    """Which of the function's statements that refuse, counted from the top."""

    @property
    def place(self) -> str:
        """The place as `docs/mls-rules.md` writes it."""
        return f"{self.module}:{self.function}"

    def __str__(self) -> str:
        return f"{self.place}#{self.nth}"


@cache
def parsed(module: str) -> ast.Module:
    """Return a module's source as a tree."""
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def modules() -> list[str]:
    """Return the names of the package's modules."""
    return [path.stem for path in sorted(PACKAGE.glob("*.py"))]


def _functions(
    tree: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _raised(statement: ast.stmt) -> list[str]:
    """Return the rules that a statement refuses by; [""] when it asks the application for one."""
    call = statement.exc if isinstance(statement, ast.Raise) else None
    if isinstance(statement, ast.Expr):
        call = statement.value
    if not isinstance(call, ast.Call) or not call.args:
        return []
    name = ast.unparse(call.func)
    if isinstance(statement, ast.Expr):
        if name == "policy.check_credential":
            return [""]
        return _ids(call.args[-1]) if name == "check_encryption_key" else []
    if ast.unparse(call) == "RuleBroken(broken)":
        return [""]
    return _ids(call.args[0]) if name in _ERRORS else []


def _ids(value: ast.expr) -> list[str]:
    """Return the ids that an argument can be."""
    if isinstance(value, ast.IfExp):
        return _ids(value.body) + _ids(value.orelse)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value]
    return []


def _statements(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, list[str]]]:
    statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
    for node in sorted(statements, key=lambda node: (node.lineno, node.col_offset)):
        rules = _raised(node)
        if rules or _called(node):
            yield node, rules


def _called(statement: ast.stmt) -> str:
    """Return the name of the check that a statement calls, without looking at what it returns."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    name = ast.unparse(statement.value.func).rpartition(".")[2]
    return name if name != "check_credential" and name in _refusing() else ""


def _asked(module: str, function: str) -> list[str]:
    """Return the rules by which a function asks the application."""
    return [name for name, places in ASKED.items() if f"{module}:{function}" in places]


@cache
def _refusing() -> dict[str, frozenset[str]]:
    """Return the rules by which each check can refuse, itself or by asking others, by its name.

    A check is a function whose name says so: `check_…`.
    """
    own: dict[str, set[str]] = {}
    asks: dict[str, set[str]] = {}
    for module in modules():
        for function, node in _functions(parsed(module)):
            name = function.rpartition(".")[2]
            if name.lstrip("_").startswith("check_"):
                inside = list(ast.walk(node))
                statements = [inner for inner in inside if isinstance(inner, ast.stmt)]
                called = [inner.func for inner in inside if isinstance(inner, ast.Call)]
                own.setdefault(name, set()).update(_asked(module, function), _USAGE.get(name, []))
                own[name].update(*map(_raised, statements))
                asks.setdefault(name, set()).update(
                    ast.unparse(other).rpartition(".")[2] for other in called
                )
    for _ in asks:  # As often as a chain of calls can be long.
        for name, others in asks.items():
            own[name].update(*(own[other] for other in sorted(others) if other in own))
    known = {name: frozenset(filter(None, rules)) for name, rules in own.items()}
    return {name: rules for name, rules in known.items() if rules}


@cache
def sites() -> tuple[Site, ...]:
    """Return every place of the package that refuses, in the order of the source."""
    found = []
    for module in modules():
        for function, node in _functions(parsed(module)):
            asked = _asked(module, function)
            for nth, (_, rules) in enumerate(_statements(node)):
                names = asked if rules == [""] else rules
                found += [Site(name, module, function, nth) for name in names]
    return tuple(found)


@cache
def calls() -> tuple[tuple[Site, frozenset[str]], ...]:
    """Return every place that calls a check and lets it refuse, with the rules it may refuse by.

    A `Site` of this kind has the name of the check in the place of a rule.  What calls a check to
    choose, not to refuse, is left out.
    """
    found = []
    for module in sorted(set(modules()).difference(_CHOOSING)):
        for function, node in _functions(parsed(module)):
            for nth, (statement, rules) in enumerate(_statements(node)):
                name = _called(statement)
                if name and not rules:
                    found.append((Site(name, module, function, nth), _refusing()[name]))
    return tuple(found)


def by_rule() -> dict[str, list[Site]]:
    """Return the sites of each rule, the rules in alphabetical order."""
    found: dict[str, list[Site]] = {}
    for site in sorted(sites()):
        found.setdefault(site.rule, []).append(site)
    return found


class _Without(ast.NodeTransformer):
    def __init__(self, gone: list[ast.stmt]) -> None:
        self.gone = [id(statement) for statement in gone]

    def visit(self, node: ast.AST) -> ast.AST:
        if id(node) in self.gone:
            assert isinstance(node, ast.stmt)
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _code(compiled: CodeType, qualname: str) -> CodeType:
    for constant in compiled.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                return constant
            if qualname.startswith(f"{constant.co_qualname}."):
                return _code(constant, qualname)
    raise LookupError(qualname)


def _live(module: ModuleType, qualname: str) -> FunctionType:
    """Return the function that runs: the one that all who imported it share."""
    holder: object = module
    for name in qualname.split("."):
        holder = vars(holder)[name]
    for inner in ("__func__", "fget", "__wrapped__"):
        holder = getattr(holder, inner, None) or holder
    assert isinstance(holder, FunctionType)
    return holder


def remove(gone: list[Site]) -> None:
    """Take checks out of the running library.  For good: call it in a process of its own."""
    places = sorted({(site.module, site.function) for site in gone})
    for module, function in places:
        tree = deepcopy(parsed(module))
        node = dict(_functions(tree))[function]
        numbers = [site.nth for site in gone if (site.module, site.function) == (module, function)]
        marked = [
            statement for nth, (statement, _) in enumerate(_statements(node)) if nth in numbers
        ]
        _Without(marked).visit(tree)
        compiled: CodeType = compile(tree, f"{module} without {gone[0].rule}", "exec", flags=0)
        _live(import_module(f"alcove.mls.{module}"), function).__code__ = _code(compiled, function)
