"""The page of the law says what the code does: every rule's id, every limit, every example."""

import re
from pathlib import Path

from msgspec.structs import replace

from alcove.client.rooms import extension as state
from alcove.client.rooms.extension import Ranked, RoomState, encode_state
from alcove.client.rooms.links import link_key, signed_bytes
from alcove.client.rooms.note import LISTS_MAX, Note, encode_note

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol" / "groups.md").read_text()
ROOMS = ROOT / "src" / "alcove" / "client" / "rooms"
MODULES = ("extension", "note", "rules", "facts", "bookkeeping", "founding")
HEX = re.findall(r"^```\n([0-9a-f\n]+)```$", PAGE, re.MULTILINE)


def ids(text: str, mark: str) -> list[str]:
    """Return the ids of rules in a text, in which each stands between two marks."""
    return sorted(set(re.findall(f"{mark}((?:room|note)-[a-z-]+){mark}", text)))


def test_every_rule_is_on_the_page_and_no_other() -> None:
    code = "".join((ROOMS / f"{name}.py").read_text() for name in MODULES)
    assert ids(PAGE, "`") == ids(code, '"')


def test_every_rule_is_broken_by_a_test() -> None:
    tests = "".join(
        (Path(__file__).parent / f"test_{name}.py").read_text()
        for name in ("extension", "note", "rules", "founding", "planning")
    )
    untested = [one for one in ids(PAGE, "`") if f'"{one}"' not in tests]
    assert untested == []


def test_the_page_shows_every_field_and_limit() -> None:
    for field in (*RoomState.__struct_fields__, *Note.__struct_fields__):
        assert f"`{field}`" in PAGE
    for most in (state.ROLES_MAX, state.BANS_MAX, state.LINKS_MAX, state.VERSIONS_MAX):
        assert f"| {most:,} |" in PAGE
    assert f"at most {LISTS_MAX} |" in PAGE
    assert f"at most {state.PLAIN_BANS_MAX} bans" in PAGE
    assert f"`0x{state.ROOM_EXTENSION:X}`" in PAGE


def test_the_examples_are_what_the_code_makes() -> None:
    one = bytes([1] * 32)
    new = RoomState("group", (Ranked(one, "owner"),), founder=one)
    statement = signed_bytes(bytes(range(16)), 17, bytes([7] * 32), b"certificate")
    key = link_key(bytes(range(32))).public
    made = [encode_state(new), encode_note(Note()), key, statement]
    assert [bytes.fromhex(one.replace("\n", "")) for one in HEX] == made
    assert encode_state(replace(new, history="none")) not in made
