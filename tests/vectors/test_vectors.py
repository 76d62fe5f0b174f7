"""All official vectors pass, a damaged one does not, and the command line says which is which."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.__main__ import main
from tests.vectors.fields import Failed, Fields
from tests.vectors.runner import KINDS, Result, guess_kind, load, run

TOTALS = {
    "tree-math": 10,
    "deserialization": 14,
    "crypto-basics": 7,
    "secret-tree": 21,
    "message-protection": 7,
    "key-schedule": 7,
    "psk_secret": 77,
    "transcript-hashes": 7,
    "welcome": 7,
    "tree-operations": 5,
    "tree-validation": 98,
    "treekem": 77,
    "messages": 300,
    "passive-client-welcome": 56,
    "passive-client-handling-commit": 91,
    "passive-client-random": 1,
}
GOOD = [{"vlbytes_header": "3f", "length": 63}, {"vlbytes_header": "4040", "length": 64}]
ONE_LEAF = {
    "n_leaves": 1,
    "n_nodes": 1,
    "root": 0,
    "left": [None],
    "right": [None],
    "parent": [None],
    "sibling": [None],
}


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where the working group's files are: beside the project, or where the environment says."""
    beside = Path(__file__).parents[2].parent / "shared" / "mls-vectors"
    found = Path(os.environ.get("ALCOVE_MLS_VECTORS", beside))
    if not found.is_dir():
        pytest.skip("the MLS test vectors are not here: say where with ALCOVE_MLS_VECTORS")
    return found


def write(path: Path, vectors: object) -> str:
    path.write_text(json.dumps(vectors), encoding="utf-8")
    return str(path)


# ---- The official files ----


def test_there_are_785_official_vectors_of_16_kinds() -> None:
    assert (sum(TOTALS.values()), len(TOTALS)) == (785, 16)
    assert [*TOTALS, "passive-client"] == list(KINDS)


@pytest.mark.parametrize("name", TOTALS)
def test_every_official_vector_passes(folder: Path, name: str) -> None:
    file = folder / f"{name}.json"
    result = run(name, guess_kind(file), load(file))
    assert (result.total, result.broken) == (TOTALS[name], [])


def damaged(value: Any, name: str = "") -> Iterator[Any]:
    """Return copies of a JSON value, each with one thing in it changed.

    Not the cipher suite: some differ only in what a vector does not touch.
    """
    if isinstance(value, dict):
        for field in (field for field in value if field != "cipher_suite"):
            yield from ({**value, field: other} for other in damaged(value[field], field))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in damaged(item))
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str) and name == "label":
        yield value + "!"
    elif isinstance(value, str):
        # The last digit; but the sender data's keys come from the beginning of a ciphertext.
        at = 0 if name == "ciphertext" else len(value) - 1
        yield value[:at] + f"{int(value[at], 16) ^ 1:x}" + value[at + 1 :]


SMALL: dict[str, Callable[[Any], bool]] = {
    "tree-math": lambda vector: vector["n_leaves"] == 2,
    "psk_secret": lambda vector: len(vector["psks"]) == 2,
    "tree-operations": lambda vector: vector["proposal"].startswith("0002"),
    "tree-validation": lambda vector: len(vector["resolutions"]) == 7,
    "treekem": lambda vector: len(vector["leaves_private"]) == 3,
    "passive-client-welcome": lambda vector: vector["external_psks"] and vector["ratchet_tree"],
    "passive-client-handling-commit": lambda vector: vector["external_psks"],
}
"""A vector that is quick and shows much, where the first in the file is not."""


@pytest.mark.parametrize("name", [name for name in TOTALS if name != "messages"])
def test_a_vector_changed_anywhere_does_not_pass(folder: Path, name: str) -> None:
    vectors: list[Any] = load(folder / f"{name}.json")
    vector = next(filter(SMALL.get(name, bool), vectors))
    if name == "passive-client-random":
        vector = {**vector, "epochs": vector["epochs"][:3]}
    changed = list(damaged(vector))
    assert len(changed) > 1
    assert run(name, name, [vector]).passed == 1
    passed = [at for at, other in enumerate(changed) if run(name, name, [other]).passed]
    assert passed == []


def test_a_structure_cut_short_is_not_read(folder: Path) -> None:
    vector: Any = load(folder / "messages.json")[0]
    cut = [{**vector, name: vector[name][:-2]} for name in vector]
    assert run("messages", "messages", cut).passed == 0
    assert len(cut) == 17


# ---- What a check may not overlook ----


def test_a_field_that_nobody_checked_fails_the_vector() -> None:
    result = run("", "deserialization", [{**GOOD[0], "more": [1]}])
    assert [broken.reason for broken in result.broken] == ["not checked: more"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"length": 64}, "length differs"),
        ({"length": None}, "length is not an unsigned integer"),
        ({"length": True}, "length is not an unsigned integer"),
        ({"length": -1}, "length is not an unsigned integer"),
        ({"vlbytes_header": "3g"}, "vlbytes_header is not hex"),
        ({"vlbytes_header": 3}, "vlbytes_header is not hex"),
        ({"vlbytes_header": "403f"}, "refused by rule codec-varint-minimal, at vlbytes_header"),
    ],
)
def test_a_failure_names_the_assertion_that_broke(change: dict[str, object], reason: str) -> None:
    result = run("", "deserialization", [GOOD[0], {**GOOD[0], **change}])
    assert [(broken.index, broken.reason) for broken in result.broken] == [(1, reason)]


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda fields: fields.number("none"), "none is missing"),
        (lambda fields: fields.text("number"), "number is not a string"),
        (lambda fields: fields.hexes("number"), "number is not a list"),
        (lambda fields: fields.parts("numbers"), r"numbers\[0\] is not an object"),
        (lambda fields: fields.part("numbers"), "numbers is not an object"),
        (lambda fields: fields.part_lists("numbers"), "numbers is not a list of lists"),
        (lambda fields: fields.number_lists("numbers"), "numbers is not a list of lists"),
        (lambda fields: fields.part("part").hex("inside"), r"part\.inside is not hex"),
    ],
)
def test_a_field_of_another_type_fails_the_vector(
    read: Callable[[Fields], object], reason: str
) -> None:
    with pytest.raises(Failed, match=f"^{reason}$"):
        read(Fields({"number": 1, "numbers": [1], "part": {"inside": 1}}))


@pytest.mark.parametrize("data", [None, 1, "text", [], {}])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_vector_does_not_pass_as_one(kind: str, data: object) -> None:
    assert run("", kind, [data]).passed == 0


def test_a_check_that_falls_over_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(_vector: Fields) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(KINDS, "welcome", fall_over)
    assert run("", "welcome", [{}]).broken[0].reason == "ZeroDivisionError: a bug"


# ---- The command line ----


def test_a_file_that_passes_is_one_line_and_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([write(tmp_path / "deserialization.json", GOOD)])
    assert (status, *capsys.readouterr()) == (0, "deserialization 2/2\n", "")


def test_a_damaged_vector_is_counted_out_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path / "deserialization.json", [GOOD[0], {**GOOD[1], "length": 65}])
    good = write(tmp_path / "tree-math.json", [ONE_LEAF])
    status = main([bad, good])
    assert (status, *capsys.readouterr()) == (1, "deserialization 1/2\ntree-math 1/1\n", "")


def test_verbose_names_the_vector_and_what_broke(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path / "deserialization.json", [GOOD[0], {**GOOD[1], "length": 65}])
    status = main(["--verbose", bad])
    assert (status, capsys.readouterr().out) == (
        1,
        "deserialization 1/2\n    vector 1: length differs\n",
    )


def test_an_unknown_suite_is_skipped_aloud_and_not_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "psk_secret.json", [{"cipher_suite": 0xFFFF}])
    status = main([file, "--verbose"])
    out, err = capsys.readouterr()
    assert (status, out) == (
        1,
        "psk_secret 0/1\n    vector 0: skipped: cipher suite 0xffff is not known here\n",
    )
    assert "1 skipped" in err


def test_the_kind_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "anything.json", GOOD)
    assert main([file, "--kind", "deserialization"]) == 0
    assert capsys.readouterr().out == "anything 2/2\n"


def test_the_wrong_kind_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "deserialization.json", GOOD)
    assert main([file, "--kind", "tree-math"]) == 1
    assert capsys.readouterr().out == "deserialization 0/2\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("welcome.json", "welcome"),
        ("passive-client-welcome.json", "passive-client-welcome"),
        ("passive-client-of-ours.json", "passive-client"),
        ("PSK-secret-2.json", "psk_secret"),
        ("my_tree_operations.json", "tree-operations"),
    ],
)
def test_the_kind_is_guessed_from_the_name(name: str, kind: str) -> None:
    assert guess_kind(Path("some", name)) == kind


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "the following arguments are required: FILE"),
        (["--nonsense", "good"], "unrecognized arguments: --nonsense"),
        (["good", "--kind"], "expected one argument"),
        (["good", "--kind", "treesap"], "there is no kind 'treesap'"),
        (["good"], "does not say in its name what kind it is"),
        (["tree-math-that-is-missing"], "cannot be read: No such file or directory"),
        (["tree-math-folder"], "cannot be read: Is a directory"),
        (["tree-math-garbage"], "is not JSON"),
        (["tree-math-nested"], "is not JSON"),
        (["tree-math-object"], "is not a list of test vectors"),
        (["tree-math-empty"], "is not a list of test vectors"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    part: str,
) -> None:
    write(tmp_path / "good", GOOD)
    write(tmp_path / "tree-math-object", ONE_LEAF)
    write(tmp_path / "tree-math-empty", [])
    (tmp_path / "tree-math-folder").mkdir()
    (tmp_path / "tree-math-garbage").write_bytes(b"\xff\x00 garbage")
    (tmp_path / "tree-math-nested").write_bytes(b"[" * 100_000)
    monkeypatch.chdir(tmp_path)
    status = main(arguments)
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tests.vectors: ")
    assert part in err


def test_nothing_is_run_when_one_of_the_files_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "deserialization.json", GOOD)
    status = main([good, str(tmp_path / "welcome.json")])
    assert (status, capsys.readouterr().out) == (2, "")


def test_a_result_counts_what_was_skipped_as_not_passed() -> None:
    result: Result = run("", "welcome", [{"cipher_suite": 9}, {}])
    assert (result.total, result.passed, result.skipped) == (2, 0, 1)
