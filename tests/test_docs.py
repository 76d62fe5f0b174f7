"""The documentation is part of the build: what it names exists, and what exists is named.

Each check takes text and returns a sentence for each thing that is wrong with
it; the last tests show, on small bad pages, that each can fail.
"""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def ignored(gitignore: str) -> list[str]:
    """Return the folders of a name that Git ignores: they are made here, such as by `make up`."""
    return re.findall(r"^([\w.]+)/$", gitignore, re.MULTILINE)


MADE = ignored((ROOT / ".gitignore").read_text(encoding="utf-8"))

FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[ \t]*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^ {0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE
)
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)


def pages() -> list[Path]:
    """Return every Markdown file of the project, in order."""
    tops = [top for top in sorted(ROOT.iterdir()) if top.name[0] != "." and top.name not in MADE]
    found = [top for top in tops if top.suffix == ".md"]
    for top in tops:
        found += sorted(top.rglob("*.md")) if top.is_dir() else []
    return [page for page in found if "node_modules" not in page.parts]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Return the text without its code: a link inside code is an example."""
    return SPAN.sub("", FENCE.sub("", text))


def code(text: str) -> list[str]:
    """Return the code of a page: its blocks, then its `spans`."""
    blocks = [match.group(0) for match in FENCE.finditer(text)]
    return blocks + [match.group(2) for match in SPAN.finditer(FENCE.sub("", text))]


def anchors(text: str) -> list[str]:
    """Return the name of every heading as a link would say it, as forges make them."""
    names: list[str] = []
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        copies = sum(
            re.fullmatch(re.escape(name) + r"(-\d+)?", other) is not None for other in names
        )
        names.append(f"{name}-{copies}" if copies else name)
    return names + re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)


def broken_links(text: str, page: Path) -> list[str]:
    """Return what is wrong with the links of a page that stands at `page`."""
    wrong = []
    for inline, reference in LINK.findall(prose(text)):
        target = inline or reference
        if re.match(r"[a-z]+:", target):
            continue  # Somebody else's page: a build never asks the network.
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.is_relative_to(ROOT) or (path and not file.exists()):
            wrong.append(f"{page.name}: no such file: {target}")
        elif anchor and anchor not in anchors(read(file) if path else text):
            wrong.append(f"{page.name}: no such heading: {target}")
    return wrong


def targets(makefile: str) -> list[str]:
    """Return the targets that `make help` shows."""
    return re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)


def unknown_targets(text: str, known: list[str]) -> list[str]:
    named = [name for part in code(text) for name in re.findall(r"\bmake ([a-z]+)", part)]
    return [f"no such target: make {name}" for name in named if name not in known]


def unknown_modules(text: str) -> list[str]:
    """Return the modules that a page runs with `python -m` and that are not there."""
    run = r"python[\d.]* -m (?:coverage run -m )?([A-Za-z_][\w.]*)"
    named = [name.rstrip(".") for part in code(text) for name in re.findall(run, part)]
    return [f"no such module: python -m {name}" for name in named if not exists(name)]


def exists(module: str) -> bool:
    path = Path(*module.split("."))
    ours = [ROOT / "src" / path, ROOT / path]
    if any(one.with_suffix(".py").is_file() or (one / "__main__.py").is_file() for one in ours):
        return True
    top = module.partition(".")[0]
    return not any((one / top).is_dir() for one in (ROOT, ROOT / "src")) and (
        importlib.util.find_spec(top) is not None
    )


def top_folders() -> list[str]:
    """Return the folders at the top that are part of the project."""
    found = [entry.name for entry in sorted(ROOT.iterdir()) if entry.is_dir()]
    return [name for name in found if name == ".ci" or (name[0] != "." and name not in MADE)]


def wrong_map(readme: str, folders: list[str]) -> list[str]:
    """Return where the map in the README and the folders differ."""
    _, _, rest = readme.partition("\n## The map\n")
    listed = re.findall(r"^\| \[?`([\w.]+)/`", rest.partition("\n## ")[0], re.MULTILINE)
    missing = [f"not on the map: {name}/" for name in folders if name not in listed]
    return missing + [f"on the map only: {name}/" for name in listed if name not in folders]


def unlisted(index: str, names: list[str]) -> list[str]:
    """Return the files that the index of their folder does not link to."""
    links = [inline.partition("#")[0] for inline, _ in LINK.findall(prose(index))]
    return [f"not in the index: {name}" for name in names if name not in links]


def stale_quotes(text: str) -> list[str]:
    """Return the files whose code a page quotes, but not word for word.

    A quotation is a block of Python that begins with `# path/of/the/file.py`.  A name without a
    folder is what the reader's own program is called.
    """
    quotes = re.findall(r"^```python\n# (\S+/\S+\.py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        f"not what stands in {path}"
        for path, quote in quotes
        if not (ROOT / path).is_file() or quote not in read(ROOT / path)
    ]


# ---- The project's own pages ----


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_commands_and_quotations_are_true(page: Path) -> None:
    text = read(page)
    known = targets(read(ROOT / "Makefile"))
    assert broken_links(text, page) == []
    assert unknown_targets(text, known) + unknown_modules(text) == []
    assert stale_quotes(text) == []


def test_the_map_in_the_readme_is_the_territory() -> None:
    assert wrong_map(read(ROOT / "README.md"), top_folders()) == []


def test_every_target_is_explained_to_contributors() -> None:
    named = " ".join(code(read(ROOT / "CONTRIBUTING.md")))
    known = targets(read(ROOT / "Makefile"))
    assert known
    assert [name for name in known if not re.search(rf"\bmake {name}\b", named)] == []


def test_every_target_that_is_no_file_says_so() -> None:
    makefile = read(ROOT / "Makefile")
    phony = [
        name
        for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
        for name in line.split()
    ]
    assert sorted(phony) == sorted(targets(makefile))


@pytest.mark.parametrize("folder", ["docs", "docs/adr"])
def test_every_page_is_in_the_index_of_its_folder(folder: str) -> None:
    names = [page.name for page in sorted((ROOT / folder).glob("*.md")) if page.name != "README.md"]
    assert names
    assert unlisted(read(ROOT / folder / "README.md"), names) == []


def test_the_version_is_said_once_and_twice_the_same() -> None:
    project = read(ROOT / "pyproject.toml")
    package = read(ROOT / "src" / "alcove" / "__init__.py")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version
    assert f'\n__version__ = "{version.group(1)}"\n' in package


# ---- Each check can fail ----


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[a](README.md) [b](docs/) [c](#one-two) ![d](LICENSE)\n\n# One, *two*", 0),
        ("[a](https://example.org/x) `[b](nowhere.md)`\n\n```\n[c](nowhere.md)\n```\n", 0),
        ("# Same\n\n# Same\n\n[a](#same) [b](#same-1)", 0),
        ("[a]\n\n[a]: README.md#the-map", 0),
        ("[a](nowhere.md)", 1),
        ("[a]\n\n[a]: nowhere.md", 1),
        ("![a](nowhere.svg)", 1),
        ("[a](../outside.md)", 1),
        ("[a](#nowhere)", 1),
        ("[a](README.md#nowhere)", 1),
        ("# Same\n\n# Same\n\n[a](#same-2)", 1),
    ],
)
def test_a_broken_link_is_found(text: str, problems: int) -> None:
    assert len(broken_links(text, ROOT / "PAGE.md")) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("We make tea. `make test`", 0),
        ("`make tea`", 1),
        ("```sh\nmake test\nmake tea\n```", 1),
    ],
)
def test_an_unknown_target_is_found(text: str, problems: int) -> None:
    assert len(unknown_targets(text, targets("test: x ## Try\nhidden: x\n"))) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("`python -m venv .venv`, `.venv/bin/python -m pytest`", 0),
        ("`python -m nowhere`", 1),
        ("`python3.11 -m tests.nowhere`", 1),
        ("```\npython -m alcove.nowhere --help\n```", 1),
    ],
)
def test_an_unknown_module_is_found(text: str, problems: int) -> None:
    assert len(unknown_modules(text)) == problems


def test_what_git_ignores_is_no_part_of_the_map() -> None:
    assert ignored("# Made.\nbuild/\n*.py[cod]\n.env\n\ndata/\n") == ["build", "data"]
    assert "data" in MADE
    assert "src" not in MADE


def test_a_wrong_map_is_found() -> None:
    readme = "\n## The map\n\n| Folder | What |\n|---|---|\n| `a/` | A |\n| [`c/`](c/) | C |\n"
    readme += "\n## Next\n\n| `b/` | B |\n"
    assert wrong_map(readme, ["a", "c"]) == []
    assert wrong_map(readme, ["a", "b"]) == ["not on the map: b/", "on the map only: c/"]


def test_a_page_that_the_index_forgot_is_found() -> None:
    assert unlisted("[a](a.md#x)", ["a.md"]) == []
    assert unlisted("[a](a.md) `[b](b.md)`", ["a.md", "b.md"]) == ["not in the index: b.md"]


def test_a_stale_quotation_is_found() -> None:
    block = "```python\n# tests/test_docs.py\n{}\n```\n"
    assert stale_quotes(block.format("ROOT = Path(__file__).parent.parent")) == []
    assert stale_quotes("```python\nx = 1  # Not a quotation.\n```") == []
    assert stale_quotes("```python\n# mine.py\nx = 1\n```\n") == []
    assert len(stale_quotes(block.format("ROOT = Path('else" + "where')"))) == 1
