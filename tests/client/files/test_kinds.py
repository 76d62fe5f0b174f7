"""What a file seems to be: the list that goes at once, lies in names, and names that are safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.client.files.kinds import (
    HEAD_BYTES,
    KINDS,
    NAME_BYTES_MAX,
    ending,
    endings,
    is_allowed,
    is_asked_about,
    kind,
    mime_type,
    numbered,
    people_size,
    safe_name,
    shown,
    warning,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
EXE = b"MZ\x90\x00" + bytes(100)
ZIP = b"PK\x03\x04" + bytes(100)
TAR = bytes(257) + b"ustar\x0000" + bytes(200)


def test_the_list_of_what_goes_at_once_is_the_contracts() -> None:
    """Rows 149 to 153."""
    assert endings() == {
        "document": ("txt", "pdf", "doc", "docx", "csv", "xlsx", "pptx"),
        "image": ("jpg", "jpeg", "png", "gif"),
        "media": ("mp4", "mp3", "wav"),
        "archive": ("zip", "tar", "gz"),
        "code": ("py", "js", "html", "css", "json", "xml"),
    }
    assert not any(is_asked_about(f"a.{last}") for last in KINDS)


def test_what_is_not_on_the_list_asks_and_a_room_may_forbid_it() -> None:
    assert is_asked_about("a.iso")
    assert is_asked_about("README")
    assert is_allowed("a.iso", None)
    assert not is_allowed("a.iso", ("image", "document"))
    assert is_allowed("a.PNG", ("image",))
    assert not is_allowed("a.zip", ("image",))


@pytest.mark.parametrize(
    ("name", "last"),
    [("a.TXT", "txt"), ("a.tar.gz", "gz"), ("a", ""), (".txt", ""), ("a.exe. .", "exe"),
     ("x/y.png/evil.exe", "exe"), ("c:\\a.txt\\b", ""), ("a.exe\u202e", "exe"), ("", "")],
)  # fmt: skip
def test_an_ending_is_what_a_system_would_go_by(name: str, last: str) -> None:
    assert ending(name) == last


def test_the_type_follows_from_the_name_alone() -> None:
    assert mime_type("photo.JPG") == "image/jpeg"
    assert mime_type("photo") == "application/octet-stream"
    found = kind("a.gz")
    assert found is not None
    assert found.group == "archive"


@pytest.mark.parametrize(
    ("name", "head"),
    [("a.png", PNG), ("a.txt", b"hello"), ("a.txt", b""), ("a.zip", ZIP), ("a.docx", ZIP),
     ("a.tar", TAR), ("a.tar", bytes(512)), ("a.mp4", b"\0\0\0\x18ftypisom"),
     ("a.wav", b"RIFF\0\0\0\0WAVEfmt "), ("a.mp3", b"ID3\x04"), ("a.xyz", PNG),
     ("a.gz", b"\x1f\x8b"),
     ("a.txt", b"MZ")],
)  # fmt: skip
def test_what_is_what_it_says_gets_no_warning(name: str, head: bytes) -> None:
    assert warning(name, head) is None


@pytest.mark.parametrize(
    ("name", "head", "says"),
    [
        ("cat.png", EXE, "This is a program"),
        ("cat.txt", b"#!/bin/sh\nrm", "This is a script"),
        ("cat", b"\x7fELF", "This is a program"),
        ("cat.pdf", b"L\x00\x00\x00\x01\x14\x02\x00", "This is a shortcut"),
        ("setup.exe", EXE, "can run as a program"),
        ("a.py", b"#!/usr/bin/env python", "can run as a program"),
        ("cat.png.exe", b"", "can run as a program"),
        ("cat\u202egnp.exe", b"", "hide how it ends"),
        ("cat.png          .exe", b"", "hide how it ends"),
        ("cat.png", ZIP, "The name says .png, but this is a ZIP archive"),
        ("cat.txt", ZIP, "The name says .txt, but this is a ZIP archive"),
        ("cat.mp4", PNG, "The name says .mp4, but this is a picture"),
        ("cat.tar", ZIP, "The name says .tar, but this is a ZIP archive"),
        ("cat.jpg", b"hello there", "The name says .jpg, but this is something else"),
        ("cat.wav", b"RIFF\0\0\0\0AVI ", "The name says .wav, but this is something else"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "do not allow macros"),
        ("a.docm", ZIP, "do not allow macros"),
        ("a.html", b"<script>", "A browser would run"),
        ("a.svg", b"<svg", "A browser would run"),
    ],
)  # fmt: skip
def test_what_may_do_harm_is_said_before_it_is_opened(name: str, head: bytes, says: str) -> None:
    assert says in (warning(name, head) or "")


@pytest.mark.parametrize(
    ("sent", "saved"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/", "file"), ("..", "file"), ("", "file"), ("...", "file"), ("  ", "file"),
        (".bashrc", "bashrc"),
        ("a\x00b\nc\u202e.txt", "abc.txt"),
        ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("com1.tar.gz", "_com1.tar.gz"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("a:stream.txt", "a_stream.txt"),
        ("trailing. . ", "trailing"),
        ("Übung.pdf", "Übung.pdf"),
        ("x" * 400 + ".pdf", "x" * (NAME_BYTES_MAX - 4) + ".pdf"),
        ("x" * 400, "x" * NAME_BYTES_MAX),
        ("a." + "x" * 400, "a." + "x" * (NAME_BYTES_MAX - 2)),
    ],
)  # fmt: skip
def test_a_name_is_safe_to_save_whatever_was_sent(sent: str, saved: str) -> None:
    assert safe_name(sent) == saved


@given(st.text(max_size=600))
def test_no_name_leaves_its_folder(name: str) -> None:
    saved = safe_name(name)
    assert 0 < len(saved.encode()) <= NAME_BYTES_MAX
    assert not {"/", "\\", "\0", "\n", ":"} & {*saved}
    assert not saved.startswith((".", " "))
    assert not saved.endswith((".", " "))
    assert safe_name(saved) == saved


@given(st.text(max_size=60), st.binary(max_size=HEAD_BYTES))
def test_no_name_and_no_bytes_break_the_warning(name: str, head: bytes) -> None:
    said = warning(name, head)
    assert said is None or said.endswith(".")


def test_a_name_is_shown_on_one_line_and_its_letters_stay_where_they_are() -> None:
    assert shown("a\u2028b\u202e\u2066c\x1b[31m.txt ") == "abc[31m.txt"


def test_a_second_file_of_a_name_gets_a_number() -> None:
    assert [numbered("a.txt", number) for number in (1, 2, 3)] == [
        "a.txt",
        "a (2).txt",
        "a (3).txt",
    ]
    assert numbered("a", 2) == "a (2)"
    assert numbered("a.tar.gz", 2) == "a (2).tar.gz"


def test_sizes_are_told_as_people_read_them() -> None:
    sizes = (0, 1, 999, 1_000, 1_234, 9_960, 50_000_000, 999_600, 5_000_000_000, 2**50)
    assert [people_size(size) for size in sizes] == [
        "0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 kB", "10 kB", "50 MB", "1.0 MB", "5.0 GB",
        "1126 TB",
    ]  # fmt: skip
