"""docs/protocol is the law, and this keeps it true: made from the code where it can be.

`python -m tests.test_protocol_docs --write` makes the parts between `<!-- name -->` marks anew.
The rest is prose; what it says of tags, codes, settings, labels and bytes is compared here.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from alcove import wire
from alcove.server import roomstate, session
from alcove.server.audit import event_chain
from alcove.server.audit_kinds import HOST_ONLY, KINDS
from alcove.server.handlers import (
    TABLE,
    packages,
    rows,
    slots,
    snapshots,
)
from alcove.server.io import noticing
from alcove.server.openapi import CONFLICT, STATUSES
from alcove.server.settings import SETTINGS
from alcove.server.suspicion import RULES
from alcove.wire import base, codec, errors, greeting, signed
from alcove.wire.entries import MessageHeader
from alcove.wire.errors import SENTENCES, Code
from alcove.wire.ids import NOTHING_BEFORE, entry_name, next_chain
from tests.test_docs import anchors, code, read, unlisted
from tests.wire import MODULES, common_fields, structs, told

ROOT = Path(__file__).parent.parent
LAW = ROOT / "docs" / "protocol"
NAMES = [page.name for page in sorted(LAW.glob("*.md")) if page.name != "README.md"]
PROSE = [page for page in sorted(LAW.glob("*.md")) if page.name != "messages.md"]

TITLES = {
    "ids": "Positions",
    "base": "Answers to everything",
    "greeting": "About connections",
    "accounts": "About accounts",
    "devices": "About devices",
    "invites": "About invites",
    "rooms": "About rooms",
    "entries": "About entries",
    "chats": "About requests to chat",
    "directory": "About the directory",
    "blobs": "About blobs",
    "events": "About events",
}
ROOTS = (base.Request, base.Reply, base.Push)


# ---- Types, for people who do not write Python ----

PLAIN = {"bytes": "bytes", "str": "text", "int": "integer", "bool": "boolean"}


def heading(kind: type[Struct]) -> str:
    """Return the tag by which a message travels, or else the name of a struct."""
    tag = kind.__struct_config__.tag
    is_message = kind in (*wire.REQUESTS, *wire.REPLIES, *wire.PUSHES)
    return str(tag) if is_message else kind.__name__


def linked(name: str) -> str:
    """Return the link to the struct or type of this name, which must be told somewhere."""
    if name == Code.__name__:
        return "[a code](refusals.md)"
    for module in MODULES:
        for kind in structs(module):
            if kind.__name__ == name:
                return f"[`{heading(kind)}`](#{heading(kind).lower()})"
    assert name in aliases(), name
    return f"[`{name}`](#types)"


def aliases() -> dict[str, tuple[ast.expr, str, ModuleType]]:
    """Return the types that have a name of their own: how they are written and what they mean."""
    return {
        name: (one.source, one.doc, module)
        for module in MODULES
        for name, one in told(module).items()
        if isinstance(one.source, ast.Subscript) and "." not in name and one.doc
    }


def limits(call: ast.Call, module: ModuleType) -> dict[str, Any]:
    """Return the limits in an annotation; some are written as sums or as the name of a constant."""
    names = {"__builtins__": {}, **vars(module)}
    return {
        str(keyword.arg): eval(ast.unparse(keyword.value), names)  # noqa: S307 - Our own source.
        for keyword in call.keywords
    }


def between(least: int, most: int | None) -> str:
    """Return a length in words."""
    assert most is not None
    if least == most:
        return f"{least:,}"
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"


def limited(inner: str, meta: dict[str, Any]) -> str:
    """Return a type with its limits in words."""
    if "ge" in meta:
        most = meta.get("le", meta.get("lt", 0) - 1)
        return f"{inner}, {meta['ge']} to {'2^53 - 1' if most == 2**53 - 1 else f'{most:,}'}"
    if set(meta) == {"pattern"}:
        return f"{inner} that matches `{meta['pattern']}`"
    length = between(meta.get("min_length", 0), meta.get("max_length"))
    if inner.startswith("list of "):
        return f"list of {length} {inner.removeprefix('list of ')}"
    pattern = f", that matches `{meta['pattern']}`" if "pattern" in meta else ""
    return f"{inner}, {length}{' characters' if inner == 'text' else ''}{pattern}"


def parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def spoken(node: ast.expr, module: ModuleType) -> str:
    """Return an annotation in words; one that nobody has thought of is an error."""
    match node:
        case ast.Constant(value=None):
            return "nil"
        case ast.Constant(value=str(quoted)):
            return spoken(ast.parse(quoted, mode="eval").body, module)
        case ast.Name(id=name):
            return PLAIN.get(name) or linked(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{spoken(left, module)} or {spoken(right, module)}"
        case ast.Subscript(value=ast.Name(id=name), slice=inside):
            return spoken_inside(name, parts(inside), module)
        case _:
            raise AssertionError(ast.unparse(node))


def spoken_inside(name: str, inside: list[ast.expr], module: ModuleType) -> str:
    """Return what stands in square brackets, in words."""
    match name, inside:
        case "Literal", _:
            return " or ".join(f'`"{ast.literal_eval(one)}"`' for one in inside)
        case "Annotated", [inner, ast.Call() as meta]:
            return limited(spoken(inner, module), limits(meta, module))
        case "tuple", [inner, ast.Constant(value=end)] if end is ...:
            return f"list of {spoken(inner, module)}"
        case "tuple", _:
            return f"list ({', '.join(spoken(one, module) for one in inside)})"
        case "dict", [key, value]:
            return f"map from {spoken(key, module)} to {spoken(value, module)}"
        case _:
            raise AssertionError(name)


def shown(field: FieldInfo) -> str:
    """Return the default of a field as the wire would have it; nothing when there is none."""
    made = field.default_factory
    default = field.default if made is NODEFAULT else made()
    if default is NODEFAULT:
        return ""
    if default is None or isinstance(default, bool):
        return {None: "nil", True: "true", False: "false"}[default]
    if isinstance(default, Struct):
        return "all defaults"
    return {"()": "empty", "''": "empty"}.get(repr(default), f"{default}")


# ---- The reference of all messages ----


def paragraphs(text: str) -> str:
    """Return a docstring in Markdown.  What is indented or drawn in it stays as it is."""
    lines = [line.removeprefix("    ") for line in text.strip().split("\n")]
    plain = "\n".join(lines)
    spaced = re.sub(r"(?<=[.:?])  (?=\S)", " ", plain)
    spaced = re.sub(r"docs/protocol/([a-z]+\.md)", r"[\1](\1)", spaced)
    return re.sub(r"\bNone\b", "nil", re.sub(r"(?:^|(?<=\. ))None\b", "Nil", spaced))


def field_row(kind: type[Struct], field: FieldInfo) -> str:
    """Return the line of a table that tells a field."""
    owner = next(one for one in kind.__mro__ if field.name in vars(one).get("__annotations__", {}))
    module = sys.modules[owner.__module__]
    here = told(module)[f"{owner.__name__}.{field.name}"]
    meaning = paragraphs(here.doc) or common_fields()[field.name]
    return f"| `{field.name}` | {spoken(here.source, module)} | {shown(field)} | {meaning} |"


WHO = {
    "anyone": "anyone",
    "device": "a signed-in device, with a token too",
    "socket": "a signed-in device, on its socket only",
    "host": "a signed-in device of the host, with a token too",
}


def conditions(kind: type[Struct]) -> str:
    """Return who may send a request, what answers it, what counts it, and if it may be repeated."""
    if kind is greeting.Hello:
        return f"Answered by {linked('Greeting')}. Who: anyone, once, first on every socket."
    handler = TABLE[kind]
    reply = get_type_hints(handler.function)["return"]
    repeated = "the answer is kept" if handler.is_remembered else "it is carried out again"
    if handler.access == "anyone" and handler.is_remembered:
        repeated = "the answer is kept when a signed-in device asks, else it is carried out again"
    return (
        f"Answered by {linked(reply.__name__)}. Who: {WHO[handler.access]}. "
        f"Limit: `rate_{handler.rate}`. "
        f"Repeated: {repeated if handler.writes else 'it changes nothing'}."
    )


def form(kind: type[Struct]) -> str:
    """Return what a struct is on the wire."""
    if kind in wire.REQUESTS:
        return f"**Request.** {conditions(kind)}"
    if kind in (*wire.REPLIES, *wire.PUSHES):
        return "**Reply.**" if kind in wire.REPLIES else "**Push.**"
    config = kind.__struct_config__
    if config.tag is not None:
        return f'A map with `"type": "{config.tag}"`.'
    return "A list of these, in this order." if config.array_like else "A map."


def told_struct(kind: type[Struct]) -> str:
    """Return what the reference says about one struct."""
    # The number of the request is told once, at the head of the page.
    is_numbered = issubclass(kind, base.Request | base.Reply)
    told_here = [one for one in fields(kind) if not (is_numbered and one.name == "id")]
    rows = [field_row(kind, field) for field in told_here]
    table = ["| field | type | default | meaning |", "|---|---|---|---|", *rows] if rows else []
    pieces = [f"### {heading(kind)}", form(kind), paragraphs(kind.__doc__ or ""), "\n".join(table)]
    return "\n\n".join(piece for piece in pieces if piece)


def messages() -> str:
    """Return the reference of all messages, noun by noun."""
    found = []
    for module in MODULES:
        title = TITLES.get(module.__name__.rpartition(".")[2])
        found += [f"## {title}"] if title else []
        found += [told_struct(kind) for kind in structs(module) if kind not in ROOTS]
    return "\n\n".join(found)


def types() -> str:
    """Return the table of the types that have a name."""
    rows = [
        f"| `{name}` | {spoken(source, module)} | {paragraphs(doc)} |"
        for name, (source, doc, module) in aliases().items()
    ]
    return "\n".join(["## Types", "", "| name | what it is | meaning |", "|---|---|---|", *rows])


# ---- Other parts that are made ----


def refusals() -> str:
    """Return the table of all refusals."""
    rows = [f"| `{one}` | {STATUSES.get(one, CONFLICT)} | {SENTENCES[one]} |" for one in Code]
    return "\n".join(["| code | HTTP | sentence |", "|---|---|---|", *rows])


def kinds() -> str:
    """Return the table of the kinds of audit events."""
    rows = [
        f"| `{kind}` | {sentence}{' Only the host sees it.' if kind in HOST_ONLY else ''} |"
        for kind, sentence in KINDS.items()
    ]
    return "\n".join(["| kind | what happened |", "|---|---|", *rows])


def rules() -> str:
    """Return the table of the rules for suspicious patterns."""
    rows = [
        f"| `{rule.name}` | {rule.text} | {', '.join(f'`{kind}`' for kind in rule.kinds)} |"
        for rule in RULES
    ]
    return "\n".join(["| rule | what it finds | counts |", "|---|---|---|", *rows])


def rates() -> str:
    """Return the table of the limits on how often."""
    rows = [
        f"| `{setting.name}` | {setting.description} | {setting.show(setting.default)} |"
        for setting in SETTINGS
        if setting.name.startswith("rate_")
    ]
    return "\n".join(["| setting | for what | default |", "|---|---|---|", *rows])


MADE: list[tuple[str, str, Callable[[], str]]] = [
    ("messages.md", "types", types),
    ("messages.md", "messages", messages),
    ("refusals.md", "refusals", refusals),
    ("audit.md", "kinds", kinds),
    ("audit.md", "rules", rules),
    ("connecting.md", "rates", rates),
]


def with_made(page: str, name: str, text: str) -> str:
    """Return a page with one of its parts as it should be."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    assert found, name
    assert closed, name
    return f"{head}{begin}\n{text}\n\n{end}{tail}"


def write() -> None:
    """Make all parts anew."""
    for page, name, make in MADE:
        file = LAW / page
        file.write_text(with_made(read(file), name, make()), encoding="utf-8")


@pytest.mark.parametrize(("page", "name", "make"), MADE)
def test_what_is_made_from_the_code_is_as_the_code_is(
    page: str, name: str, make: Callable[[], str]
) -> None:
    text = read(LAW / page)
    assert text == with_made(text, name, make())


# ---- What prose says ----


def words() -> str:
    """Return all code of the pages that are written by hand."""
    return "\n".join(part for page in PROSE for part in code(read(page)))


def wrong_codes(text: str) -> Iterator[str]:
    """Yield the codes that a page says something is refused as, and that there are not."""
    known = [str(one) for one in Code]
    for named in re.findall(r"refused\s+as\s+`(\w+)`", text):
        if named not in known:
            yield f"no such refusal: {named}"


def wrong_settings(text: str) -> Iterator[str]:
    """Yield where a page names a setting with another default than it has.

    It is named in code, with its default behind it in brackets.
    """
    known = {setting.name: setting.show(setting.default) for setting in SETTINGS}
    for name, value in re.findall(r"`(\w+)`\s+\(([^)]+)\)", text):
        if name in known and value != known[name]:
            yield f"{name} is {known[name]}, not {value}"


def labels(text: str) -> list[str]:
    """Return the labels that are signed or hashed."""
    return sorted(set(re.findall(r'"(alcove [a-z ]+ \d)"', text)))


def sources() -> str:
    """Return the code that knows labels."""
    folders = (ROOT / "src" / "alcove" / name for name in ("wire", "server", "client"))
    return "\n".join(read(file) for folder in folders for file in sorted(folder.rglob("*.py")))


def test_the_index_lists_every_page() -> None:
    assert len(NAMES) == 14
    assert unlisted(read(LAW / "README.md"), NAMES) == []


@pytest.mark.parametrize("kind", [*wire.REQUESTS, *wire.PUSHES], ids=heading)
def test_every_request_and_push_is_explained_beyond_the_reference(kind: type[Struct]) -> None:
    assert re.search(rf"(^|\W){heading(kind)}(\W|$)", words())


def test_no_two_headings_of_the_reference_are_the_same() -> None:
    assert [name for name in anchors(read(LAW / "messages.md")) if name[-1].isdigit()] == []


@pytest.mark.parametrize("one", list(Code))
def test_what_to_do_about_a_refusal_is_said_once(one: Code) -> None:
    _, _, advice = read(LAW / "refusals.md").partition("\n## What to do\n")
    rows = [line for line in advice.split("\n") if line.startswith("| ")]
    assert len([row for row in rows if f"`{one}`" in row.split("|")[1]]) == 1


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_pages_name_refusals_and_defaults_that_there_are(page: Path) -> None:
    assert [*wrong_codes(read(page)), *wrong_settings(read(page))] == []


def test_every_label_in_the_pages_is_in_the_code() -> None:
    said = labels("\n".join(map(read, PROSE)))
    # Behind a label more bytes may stand, as in the header of a file.
    spoken_by_us = re.findall(r'"(alcove [a-z ]+ \d)(?:\\x\w\w)*"', sources())
    assert len(said) > 5
    assert [label for label in said if label not in spoken_by_us] == []


# ---- Numbers that are constants of the code ----

SAID = [
    ("connecting.md", "a frame | {}, at least 1", codec.FRAME_MESSAGES_MAX),
    ("connecting.md", "and {} KiB around it | must be", codec.ENVELOPE_BYTES // 1024),
    ("order.md", "one of the newest {} handshakes that renew", roomstate.KEYS_MAX),
    ("rooms.md", "rooms of more than {} accounts", slots.SHOWN_ACCOUNTS_MAX),
    ("rooms.md", "The newest {} profiles stay", rows.PROFILES_MAX),
    ("rooms.md", "A chain row has at most {} KiB", rows.CHAIN_ROW_BYTES_MAX // 1024),
    ("rooms.md", "The newest {} stay |", snapshots.NEWEST_KEPT),
    ("rooms.md", "fewer than {} handshakes between", snapshots.SPACING_HANDSHAKES),
    ("devices.md", "fewer than {} left", packages.LOW),
    ("devices.md", "use up {} packages of a device at once", packages.TOGETHER.burst),
    ("connecting.md", "at most {} times in ten seconds", session.PINGS_MAX),
    ("audit.md", "and {} of a kind a minute in all", noticing.EVENTS.burst),
]


@pytest.mark.parametrize(("page", "sentence", "value"), SAID)
def test_pages_tell_the_numbers_of_the_code(page: str, sentence: str, value: int) -> None:
    assert sentence.format(f"{value:,}") in " ".join(read(LAW / page).split())


def test_the_page_names_the_requests_that_may_be_large() -> None:
    named = ", ".join(f"`{heading(kind)}`" for kind in codec.LARGE)
    assert named in " ".join(read(LAW / "connecting.md").split())


# ---- Bytes that a stranger can compare with ----

ROOM, DEVICE, SERVER = bytes(range(16)), bytes(range(16, 32)), b"\x01" * 32
CHALLENGE, NONCE = b"\x02" * 32, b"\x03" * 32


def on(page: str, value: bytes) -> bool:
    """Return whether a page shows these bytes in hexadecimal, in one line or in several."""
    return value.hex() in re.sub(r"\s", "", read(LAW / page))


def test_the_page_shows_the_bytes_of_a_sign_in() -> None:
    assert on("connecting.md", signed.sign_in_bytes(SERVER, CHALLENGE, DEVICE, 1))
    assert on("connecting.md", signed.proof_bytes(SERVER, NONCE, CHALLENGE, DEVICE, 1))


def test_the_page_shows_the_name_and_the_chain_of_an_entry() -> None:
    header = codec.encode(MessageHeader(sender=DEVICE, content=ROOM, form="kept", key=SERVER))
    name = entry_name(ROOM, header, b"body")
    assert on("order.md", header)
    assert on("order.md", name)
    assert on("order.md", next_chain(NOTHING_BEFORE, 1, name))


def test_the_page_shows_the_bytes_of_a_device_list() -> None:
    assert on("devices.md", signed.list_bytes(b"body"))
    assert on("devices.md", signed.certificate_bytes(b"body"))


def test_the_page_shows_the_chain_of_an_event() -> None:
    chain = event_chain(
        NOTHING_BEFORE, 1, 2, "signed_in", ROOM, DEVICE, "127.0.0.1", "{}", is_suspicious=False
    )
    assert on("audit.md", chain)


def test_the_page_shows_a_frame() -> None:
    assert on("README.md", codec.encode_frame([greeting.Hello(oldest=1, newest=1)]))


# ---- Each check can fail ----


def test_a_refusal_that_there_is_not_is_found() -> None:
    assert list(wrong_codes("refused as `conflict`, refused\nas `closed`")) == []
    assert list(wrong_codes("refused\nas `tired`")) == ["no such refusal: tired"]


def test_a_default_that_is_another_is_found() -> None:
    assert list(wrong_settings("`batch_entries_max` (64), `other` (5)")) == []
    assert list(wrong_settings("`batch_entries_max`\n(65)")) == ["batch_entries_max is 64, not 65"]


def test_a_part_that_nobody_marked_is_found() -> None:
    assert with_made("a\n<!-- b -->\nold\n<!-- /b -->\nc\n", "b", "new") == (
        "a\n<!-- b -->\n\nnew\n\n<!-- /b -->\nc\n"
    )
    for page in ("a", "<!-- b -->\n"):
        with pytest.raises(AssertionError):
            with_made(page, "b", "new")


@pytest.mark.parametrize("annotation", ["set[int]", "Nobody", "list", "tuple[int, ...][0]"])
def test_a_type_that_nobody_can_say_in_words_is_found(annotation: str) -> None:
    with pytest.raises(AssertionError):
        spoken(ast.parse(annotation, mode="eval").body, errors)


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"]
    write()
