"""The demo is honest: what it tells has happened, and it says so when something else does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from alcove.mls import (
    DEFAULT_SUITE,
    CommitOptions,
    MlsError,
    PublicGroup,
    demo,
    join_by_commit,
    standard_suites,
)
from alcove.mls.demo import Story, refusal, sizes, tell_story, template_of, try_keys

RULES = Path(__file__).parents[2] / "docs" / "mls-rules.md"


class Told(NamedTuple):
    """A story that was told, and its lines."""

    story: Story
    lines: list[str]


@pytest.fixture(scope="module")
def told() -> Told:
    lines: list[str] = []
    return Told(tell_story(Random(5).randbytes, lines.append), lines)


@pytest.fixture
def three() -> Story:
    """Alice, Bob and Carol, in a small story of their own."""
    story = Story(standard_suites()[1], Random(6).randbytes, lambda _line: None)
    demo.one_commit(story, {name: story.device(name) for name in ("Alice", "Bob", "Carol")})
    return story


def after(lines: list[str], words: str) -> str:
    """Return what the line that follows the one with these words says."""
    at = next(at for at, line in enumerate(lines) if words in line)
    return lines[at + 1].strip()


def test_the_story_ends_with_five_who_agree(told: Told) -> None:
    groups = told.story.groups
    assert sorted(groups) == ["Alice", "Bob", "Carol", "Eve", "Frank"]
    assert len({group.epoch_authenticator for group in groups.values()}) == 1
    assert len({group.export(b"label", b"", 16) for group in groups.values()}) == 1
    assert "They are 5 again." in " ".join(" ".join(told.lines).split())


@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        ("Mallory's library tries to follow", "Lost: refused by rule commit-from-own-leaf"),
        ("Mallory tries to read", "RuleBroken: refused by rule private-epoch-kept"),
        ("Mallory writes to Alice", "RuleBroken: refused by rule private-epoch-kept"),
        ("Mallory tries to come in", "RuleBroken: refused by rule demo-one-device-each"),
        ("Dave tries to read", "RuleBroken: refused by rule private-epoch-kept"),
        ("Eve tries what was said before", "RuleBroken: refused by rule private-epoch-kept"),
        ("once more", "RuleBroken: refused by rule private-generation-reused"),
        ("changes one bit", "RuleBroken: refused by rule private-decrypt"),
        ("makes up a proposal", "RuleBroken: refused by rule frame-external-index"),
    ],
)
def test_every_attack_of_the_story_is_refused_by_its_rule(
    told: Told, attempt: str, answer: str
) -> None:
    assert after(told.lines, attempt) == answer


def test_the_thief_reads_until_bob_heals(told: Told) -> None:
    read = [line.strip() for line in told.lines if "4711" in line]
    assert read == ['Alice: "The door code is 4711."', 'Mallory reads: "The door code is 4711."']
    assert [line.strip() for line in told.lines if "8862" in line] == [
        'Alice: "New door code: 8862."'
    ]


def test_every_rule_that_the_story_names_is_documented(told: Told) -> None:
    named = sorted(set(re.findall(r"refused by rule ([a-z-]+)", "\n".join(told.lines))))
    ours = [rule for rule in named if not rule.startswith("demo-")]
    assert len(ours) == 5
    listed = RULES.read_text(encoding="utf-8")
    assert [rule for rule in ours if f"| `{rule}` |" not in listed] == []


def test_the_server_sees_every_message_and_no_text(told: Told) -> None:
    story = told.story
    said = [line.strip().split('"')[1] for line in told.lines if re.match(r' +\w+: "', line)]
    assert said == story.spoken
    assert [text for text in story.spoken if any(text.encode() in one for one in story.wire)] == []


def test_the_figures_are_those_of_the_wire(told: Told) -> None:
    seen = f"{len(told.story.wire)} things, {sum(map(len, told.story.wire)):,} bytes"
    assert seen in " ".join(" ".join(told.lines).split())
    weighed = sizes(standard_suites()[DEFAULT_SUITE], Random(7).randbytes)
    for what, size in weighed.items():
        line = next(line for line in told.lines if line.strip().startswith(what))
        shown = int(line.removeprefix("     ")[40:52].replace(",", ""))
        # GREASE and the parity of lengths move a few bytes from one run to the next.
        assert abs(shown - size) <= max(64, size // 50)


def test_the_story_fits_a_plain_terminal(told: Told) -> None:
    assert [line for line in told.lines if len(line) > demo.WIDTH or not line.isascii()] == []
    assert [line for line in told.lines if line != line.rstrip()] == []


def test_the_keys_of_a_member_open_a_path_and_a_copy_of_its_author_does_not(three: Story) -> None:
    commit = three.groups["Bob"].commit(entropy=three.entropy)
    opened = [try_keys(three.groups[name], commit.message)[0] for name in ("Alice", "Bob", "Carol")]
    assert opened == [1, 0, 1]


def test_a_refusal_that_does_not_come_stops_the_story() -> None:
    with pytest.raises(AssertionError, match="cannot happen"):
        refusal(lambda: None)


def test_nobody_is_in_the_story_whom_the_registry_does_not_know(three: Story) -> None:
    other = Story(three.suite, Random(8).randbytes, lambda _line: None)
    public = PublicGroup.from_group_info(three.groups["Alice"].group_info(), three.registry.policy)
    mallory = other.device("Mallory")
    template = template_of(three.groups["Bob"])._replace(credential=mallory.package.leaf.credential)
    with pytest.raises(MlsError, match="demo-certified"):
        join_by_commit(public, mallory.signing_key, template, three.entropy)


def test_nobody_in_the_story_becomes_somebody_else(three: Story) -> None:
    bob = three.groups["Bob"]
    mallory = three.registry.certify("Mallory", bob.signing_key)
    options = CommitOptions(template=template_of(bob)._replace(credential=mallory))
    with pytest.raises(MlsError, match="demo-same-person"):
        bob.commit(entropy=three.entropy, options=options)


def test_who_comes_into_the_story_pushes_nobody_out(three: Story) -> None:
    public = PublicGroup.from_group_info(three.groups["Alice"].group_info(), three.registry.policy)
    bob = three.groups["Bob"]
    with pytest.raises(MlsError, match="demo-nobody-is-pushed-out"):
        join_by_commit(public, bob.signing_key, template_of(bob), three.entropy, replaces=bob.me)


def test_headings_are_bold_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    demo.main()
    bright = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    demo.main()
    plain = capsys.readouterr().out
    assert "\033[1m1. Five people\033[0m\n" in bright
    assert "\n1. Five people\n" in plain
    assert "\033" not in plain


def test_the_demo_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alcove.mls.demo"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A group of five")
    assert re.search(r"in \d\.\d\d seconds\.\n$", done.stdout)
