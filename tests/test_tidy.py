"""The architecture is a test: what ARCHITECTURE.md and STYLE.md promise, checked on the code.

A check takes one module and returns a sentence for each place that breaks its
rule.  Below the checks stands, for each of them, a module that breaks it: a
check that cannot fail would be worth nothing.

What ruff and mypy can see (names, imports' order, types) is left to them.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
TEST_MODULE_LINES_MAX = 700


@dataclass(frozen=True)
class Layer:
    """What one package under `src/alcove` may reach."""

    ours: tuple[str, ...] = ()
    """Other packages of ours; "" is what `alcove` itself says, such as its version."""
    never: tuple[str, ...] = ()
    """Modules in these that it may not import all the same."""
    tops: tuple[str, ...] = ()
    """Of these, only what their top level offers."""
    theirs: tuple[tuple[str, str], ...] = ()
    """Pairs (third-party package, the only module or folder that may import it; "" for all)."""
    core: bool = True
    """A core has no clock, no dice, no threads, and never waits, outside its `io` folder."""
    drivers: tuple[str, ...] = ()
    """Folders that reach a database: they are no core, but they never wait in a loop either."""
    programs: tuple[str, ...] = ()
    """Modules that people start: these may read the clock, the dice and the machine."""


# A new package under src/alcove arrives with its row here.  "" is alcove/__init__.py.
LAYERS = {
    "": Layer(ours=("cli", "client")),
    "mls": Layer(theirs=(("cryptography", "mls/pyca.py"),), programs=("mls/demo.py",)),
    "wire": Layer(theirs=(("msgspec", ""),)),
    "server": Layer(
        ours=("wire", ""),
        never=("alcove.wire.content",),
        theirs=(
            ("msgspec", ""),
            ("cryptography", "server/auth.py"),
            ("cryptography", "server/io/certificate.py"),
            ("segno", "server/qr.py"),
            ("psycopg", "server/store/"),
            ("aiohttp", "server/io/"),
            ("uvloop", "server/io/"),
            ("prometheus_client", "server/io/"),
        ),
        drivers=("store",),
    ),
    "client": Layer(
        ours=("wire", "mls", ""),
        theirs=(
            ("msgspec", ""),
            ("zxcvbn", "client/keys/"),
            ("xkcdpass", "client/keys/"),
            ("cryptography", "client/keys/"),
            ("cryptography", "client/files/"),
            ("sqlcipher3", "client/store/"),
            ("aiohttp", "client/io/"),
            ("argon2", "client/io/"),
            ("keyring", "client/io/"),
            ("PIL", "client/io/"),
        ),
        drivers=("store",),
    ),
    "desk": Layer(
        ours=("client", ""),
        tops=("client",),
        theirs=(("msgspec", ""),),
        core=False,
    ),
    "tui": Layer(
        ours=("client", "desk", ""),
        tops=("client",),
        theirs=(
            ("textual", ""),
            ("rich", "tui/guard.py"),
            ("msgspec", ""),
            ("segno", "tui/qr.py"),
            ("PIL", "tui/pictures.py"),
        ),
        core=False,
    ),
    "cli": Layer(
        ours=("server", "client", "tui", "wire", "mls", ""),
        tops=("client",),
        theirs=(
            ("click", ""),
            ("msgspec", ""),
            ("aiohttp", "cli/selftest/"),
        ),
        core=False,
    ),
}

# A core that imports one of these can wait, or gives another answer the next time.
IMPURE = frozenset({
    "_thread", "asyncio", "concurrent", "ctypes", "datetime", "glob", "multiprocessing", "os",
    "pathlib", "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal",
    "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "uuid",
})  # fmt: skip


@dataclass(frozen=True)
class Module:
    """One file of Python: where it stands, seen from the top folder, and what is in it."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def inside(self) -> str:
        """The path below `src/alcove`, or nothing for other files."""
        return self.path.removeprefix("src/alcove/") if self.path.startswith("src/alcove/") else ""

    @property
    def package(self) -> str:
        return self.inside.partition("/")[0] if "/" in self.inside else ""

    @property
    def is_simulator(self) -> bool:
        """The simulator may import anything, but never waits: a world is one thread."""
        return self.path.startswith("sim/")

    @property
    def is_core(self) -> bool:
        layer = LAYERS.get(self.package)
        return bool(
            self.inside
            and layer
            and layer.core
            and not {"io", *layer.drivers} & {*self.inside.split("/")[1:-1]}
            and self.inside not in layer.programs
        )


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything imported, wherever it stands in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from alcove import mls` means alcove.mls.
            names = [f"alcove.{alias.name}" for alias in node.names]
            yield from (
                (node.lineno, n) for n in (names if node.module == "alcove" else [node.module])
            )


# ---- The checks ----


def layers(module: Module) -> Iterator[str]:
    """A package imports only what its row in the table allows."""
    if not module.inside:
        return
    layer = LAYERS.get(module.package)
    if layer is None:
        yield f"{module.path}: the package {module.package!r} has no row in LAYERS"
        return
    for line, name in imports(module.tree):
        top, _, rest = name.partition(".")
        if top == "alcove":
            target = rest.partition(".")[0]
            if target.startswith("__"):
                target = ""  # What `alcove` itself says, such as its version.
            if target not in (module.package, *layer.ours) or name.startswith(layer.never or "-"):
                yield f"{module.path}:{line}: {module.package or 'alcove'} may not import {name}"
            if target in layer.tops and rest != target:
                yield f"{module.path}:{line}: only alcove.{target} itself may be imported here"
        elif top not in sys.stdlib_module_names and not any(
            top == theirs and module.inside.startswith(where) for theirs, where in layer.theirs
        ):
            yield f"{module.path}:{line}: {top} may not be imported here"


def purity(module: Module) -> Iterator[str]:
    """A core has no clock, no dice, no threads, and never waits."""
    if not module.is_core and not module.is_simulator:
        return
    for line, name in imports(module.tree):
        if name.partition(".")[0] in IMPURE and module.is_core:
            yield f"{module.path}:{line}: a core may not import {name}: make it an argument"
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for node in ast.walk(module.tree):
        if isinstance(node, waits):
            yield f"{module.path}:{node.lineno}: only io/ folders await"


def size(module: Module) -> Iterator[str]:
    """A function fits on a screen, and a module in a head."""
    lines = len(module.text.splitlines())
    most = MODULE_LINES_MAX if module.inside else TEST_MODULE_LINES_MAX
    if lines > most:
        yield f"{module.path}: {lines} lines, more than {most}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{module.path}:{node.lineno}: {node.name} has {lines} lines"


def docstrings(module: Module) -> Iterator[str]:
    """A module says what it is for in its first line; so does what it offers to others."""
    if not module.text.strip():
        return
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    if not first.endswith((".", "?")):
        yield f"{module.path}: the first line of the module is not a sentence"
    if module.inside:
        yield from _undocumented(module.tree, module.path)


def _undocumented(parent: ast.Module | ast.ClassDef, path: str) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # One form of an overloaded function, and a property's setter, are told by their other half.
        half = any(
            (isinstance(mark, ast.Name) and mark.id == "overload")
            or (isinstance(mark, ast.Attribute) and mark.attr in ("overload", "setter"))
            for mark in node.decorator_list
        )
        if not (node.name.startswith("_") or half or ast.get_docstring(node)):
            yield f"{path}:{node.lineno}: {node.name} has no docstring"
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _undocumented(node, path)


def leftovers(module: Module) -> Iterator[str]:
    """What is not finished is an issue, not a comment."""
    for line, text in enumerate(module.text.splitlines(), start=1):
        if re.search(r"\b([T]ODO|[F]IXME|[X]XX)\b", text):
            yield f"{module.path}:{line}: a leftover: finish it, or open an issue"


def order(module: Module) -> Iterator[str]:
    """Nobody iterates over a set: its order differs from run to run."""
    for node in ast.walk(module.tree):
        looked_at: ast.expr | None = None
        if isinstance(node, ast.For | ast.comprehension):
            looked_at = node.iter
        elif isinstance(node, ast.Call) and node.args:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            looked_at = node.args[0] if name in ("list", "tuple", "enumerate", "iter") else None
        is_made = isinstance(looked_at, ast.Call) and isinstance(looked_at.func, ast.Name)
        made_by = looked_at.func.id if is_made else ""  # type: ignore[union-attr]
        if isinstance(looked_at, ast.Set | ast.SetComp) or made_by in ("set", "frozenset"):
            assert looked_at is not None
            yield f"{module.path}:{looked_at.lineno}: a set has no order: use sorted()"


Check = Callable[[Module], Iterator[str]]
CHECKS: list[Check] = [layers, purity, size, docstrings, leftovers, order]


def all_modules() -> list[Module]:
    folders = [ROOT / name for name in ("src", "sim", "tests", "benches", "fuzz")]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return [
        Module(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
        for file in files
        if "node_modules" not in file.parts
    ]


@pytest.mark.parametrize("check", CHECKS)
def test_every_module_is_tidy(check: Check) -> None:
    modules = all_modules()
    assert len(modules) > 3
    assert [problem for module in modules for problem in check(module)] == []


def test_the_map_of_the_server_names_every_room_of_it() -> None:
    house = ROOT / "src" / "alcove" / "server"
    told = set(re.findall(r"[a-z_]+", (house / "__init__.py").read_text("utf-8")))
    rooms = {path.stem for path in house.iterdir() if not path.name.startswith("__")}
    assert rooms - told - {"static"} == set()


def test_the_layer_table_names_only_what_exists() -> None:
    source = ROOT / "src" / "alcove"
    for package, layer in LAYERS.items():
        assert (source / package / "__init__.py").is_file()
        for path in [only_in for _, only_in in layer.theirs] + list(layer.programs):
            assert (source / path).exists()


# ---- Each check can fail ----

MLS = "src/alcove/mls/a.py"
GOOD = '"""Say one thing."""\n'
FUNCTION = "def a() -> None:\n" + "    pass\n" * FUNCTION_LINES_MAX

BAD = [
    (layers, MLS, "import alcove.server"),
    (layers, MLS, "from alcove.server import limits"),
    (layers, MLS, "from alcove import server"),
    (layers, MLS, "from alcove import __version__"),
    (layers, MLS, "from cryptography.exceptions import InvalidTag"),
    (layers, MLS, "def late() -> None:\n    import msgspec"),
    (layers, "src/alcove/new/a.py", "x = 1"),
    (layers, "src/alcove/__init__.py", "from alcove import mls"),
    (purity, MLS, "import time"),
    (layers, "src/alcove/cli/a.py", "from alcove.client.io.client import Client"),
    (purity, MLS, "from os import urandom"),
    (purity, MLS, "import concurrent.futures"),
    (purity, MLS, "async def a() -> None: ..."),
    (purity, "sim/a.py", "async def a() -> None: ..."),
    (size, MLS, FUNCTION),
    (size, MLS, "x = 1\n" * (MODULE_LINES_MAX + 1)),
    (size, "tests/test_a.py", "x = 1\n" * (TEST_MODULE_LINES_MAX + 1)),
    (docstrings, MLS, "x = 1"),
    (docstrings, "tests/test_a.py", '"""Tests for a"""'),
    (docstrings, MLS, GOOD + "def a() -> None: ..."),
    (docstrings, MLS, GOOD + "class A: ..."),
    (docstrings, MLS, GOOD + 'class A:\n    """A."""\n    def a(self) -> None: ...'),
    (leftovers, MLS, f"x = 1  # {'todo'.upper()}: two"),
    (leftovers, "tests/test_a.py", f"# {'fixme'.upper()}"),
    (order, MLS, "for x in {1, 2}: ..."),
    (order, MLS, "y = [x for x in set(z)]"),
    (order, MLS, "y = list({x for x in z})"),
]

FINE = [
    (layers, MLS, "import hashlib\nfrom alcove.mls import codec\nimport alcove.mls.codec"),
    (layers, "src/alcove/mls/pyca.py", "from cryptography.exceptions import InvalidTag"),
    (layers, "tests/test_a.py", "import hypothesis, alcove.mls"),
    (purity, "src/alcove/mls/demo.py", "import secrets"),
    (purity, "src/alcove/mls/io/a.py", "import asyncio\nasync def a() -> None: ..."),
    (purity, "tests/test_a.py", "import time"),
    (purity, "sim/a.py", "import random"),
    (size, MLS, FUNCTION.replace("    pass\n", "", 1)),
    (size, MLS, "x = 1\n" * MODULE_LINES_MAX),
    (docstrings, MLS, ""),
    (docstrings, MLS, GOOD + "def _a() -> None: ...\nclass _A:\n    def a(self) -> None: ..."),
    (docstrings, MLS, GOOD + "@overload\ndef a(b: int) -> int: ..."),
    (docstrings, "tests/test_a.py", GOOD + "def test_a() -> None: ..."),
    (leftovers, MLS, "TODOS = 1"),
    (order, MLS, "for x in sorted({1, 2}): ...\ny = {1} | set(z)\nfor x in (1, 2): ..."),
]


@pytest.mark.parametrize(("check", "path", "text"), BAD)
def test_what_breaks_a_rule_is_found(check: Check, path: str, text: str) -> None:
    assert len(list(check(Module(path, text)))) == 1


@pytest.mark.parametrize(("check", "path", "text"), FINE)
def test_what_keeps_a_rule_is_left_alone(check: Check, path: str, text: str) -> None:
    assert list(check(Module(path, text))) == []


def test_every_check_has_something_that_breaks_it() -> None:
    assert [check for check in CHECKS if check not in [bad[0] for bad in BAD]] == []
