"""What a file is, going by its name and its first bytes: what goes at once, what asks, what warns.

The server cannot see what is in a file, so each app looks before it sends, and again before it
saves.  Nothing here opens a file: a name and its first bytes are enough.
"""

import unicodedata
from typing import NamedTuple

HEAD_BYTES = 512
"""How much of a file's beginning is looked at."""
NAME_BYTES_MAX = 200
"""Of a file's name as it is saved, in UTF-8: file systems take 255, and a number may be added."""
NAME_CHARACTERS_MAX = 1_000
"""More than this of a name that somebody sent is not even looked at."""


class Kind(NamedTuple):
    """What the ending of a name promises."""

    group: str
    """document, image, media, archive or code."""
    type: str
    """The MIME type."""
    begins: tuple[bytes, ...] = ()
    """What such a file begins with; nothing where any text may stand."""


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")

KINDS: dict[str, Kind] = {
    "txt": Kind("document", "text/plain"),
    "pdf": Kind("document", "application/pdf", (b"%PDF-",)),
    "doc": Kind("document", "application/msword", (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)),
    "docx": Kind("document", _OFFICE + "wordprocessingml.document", _ZIP),
    "csv": Kind("document", "text/csv"),
    "xlsx": Kind("document", _OFFICE + "spreadsheetml.sheet", _ZIP),
    "pptx": Kind("document", _OFFICE + "presentationml.presentation", _ZIP),
    "jpg": Kind("image", "image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": Kind("image", "image/jpeg", (b"\xff\xd8\xff",)),
    "png": Kind("image", "image/png", (b"\x89PNG\r\n\x1a\n",)),
    "gif": Kind("image", "image/gif", (b"GIF87a", b"GIF89a")),
    "mp4": Kind("media", "video/mp4"),  # Looked at below: its mark stands behind a length.
    "mp3": Kind("media", "audio/mpeg", _MP3),
    "wav": Kind("media", "audio/wav", (b"RIFF",)),
    "zip": Kind("archive", "application/zip", _ZIP),
    "tar": Kind("archive", "application/x-tar"),  # Its mark stands at byte 257.
    "gz": Kind("archive", "application/gzip", (b"\x1f\x8b",)),
    "py": Kind("code", "text/x-python"),
    "js": Kind("code", "text/javascript"),
    "html": Kind("code", "text/html"),
    "css": Kind("code", "text/css"),
    "json": Kind("code", "application/json"),
    "xml": Kind("code", "application/xml"),
}
"""What goes without a question.  Everything else asks once, and a room may forbid it."""

UNKNOWN_TYPE = "application/octet-stream"

PROGRAMS = frozenset({
    "apk", "app", "appimage", "appref-ms", "bat", "bin", "chm", "cmd", "com", "command", "cpl",
    "deb", "desktop", "dll", "dmg", "elf", "exe", "gadget", "hta", "inf", "ins", "iso", "jar",
    "jnlp", "js", "jse", "lnk", "mof", "msc", "msi", "msix", "msp", "mst", "pif", "pkg", "ps1",
    "psm1", "py", "pyc", "pyw", "reg", "rpm", "run", "scf", "scr", "sct", "sh", "shs", "so",
    "sys", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "wsc", "wsf", "wsh", "xll",
})  # fmt: skip
"""Endings of files that do something when they are opened."""
MACROS = frozenset({
    "docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam", "ppsm", "doc", "xls", "ppt",
})  # fmt: skip
"""Endings of documents that can bring programs with them."""
PAGES = frozenset({
    "htm", "html", "mht", "mhtml", "svg", "xhtml",
})  # fmt: skip
"""Endings of pages that a browser runs scripts from."""

_MARKS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("a program", (
        b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe",
    )),
    ("a script", (b"#!",)),
    ("a shortcut", (b"L\x00\x00\x00\x01\x14\x02\x00",)),
    ("a PDF document", (b"%PDF-",)),
    ("a picture", (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")),
    ("an old Office document", (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)),
    ("a ZIP archive or Office document", _ZIP),
    ("a packed file", (
        b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00",
    )),
)  # fmt: skip
"""What a file's first bytes give away, the most dangerous first."""

_RUNS = ("a program", "a script", "a shortcut")
_TEXT_GROUPS = ("document", "code")

_DEVICES = frozenset({
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"com{number}" for number in range(10)), *(f"lpt{number}" for number in range(10)),
})  # fmt: skip
"""Names that Windows takes for devices, whatever their ending."""
_NEVER_IN_NAMES = frozenset('<>:"/\\|?*')


def ending(name: str) -> str:
    """Return the last ending of a name in small letters, without its dot; nothing if it has none.

    Dots and blanks at a name's end count as little as they do on Windows.
    """
    base, dot, last = shown(name).rstrip(". ").rpartition(".")
    return last.strip().lower() if dot and base else ""


def kind(name: str) -> Kind | None:
    """Return what a name promises, or None when that is not on the list."""
    return KINDS.get(ending(name))


def mime_type(name: str) -> str:
    """Return the MIME type that goes with a name.  What a sender says of it is not asked."""
    known = kind(name)
    return UNKNOWN_TYPE if known is None else known.type


def is_asked_about(name: str) -> bool:
    """Return whether the owner is asked once before a file of this name is sent."""
    return kind(name) is None


def is_allowed(name: str, groups: tuple[str, ...] | None) -> bool:
    """Return whether a room takes a file that allows these groups; None allows every file."""
    if groups is None:
        return True
    known = kind(name)
    return known is not None and known.group in groups


def endings() -> dict[str, tuple[str, ...]]:
    """Return the endings of each group, for a dialog that asks for a file."""
    groups: dict[str, tuple[str, ...]] = {}
    for last, known in KINDS.items():
        groups[known.group] = (*groups.get(known.group, ()), last)
    return groups


# ---- Warnings ----


def warning(name: str, head: bytes) -> str | None:
    """Return what people should know before they open a file, or None when it seems harmless.

    `head` is the file's first `HEAD_BYTES`, or nothing while they are not here.
    """
    last = ending(name)
    found = _found(head)
    if found in _RUNS and last not in PROGRAMS:
        return f"This is {found}, although its name says otherwise; do not open it."
    if _hides_its_ending(name):
        return "The name has letters that hide how it ends; open it only if you expected it."
    if last in PROGRAMS:
        return "This file can run as a program; open it only if you know who made it and why."
    if head and not _fits(last, head):
        what = found if found else "something else"
        return f"The name says .{last}, but this is {what}; ask the sender before you open it."
    if last in MACROS:
        return "This document can bring programs with it; do not allow macros."
    if last in PAGES:
        return "A browser would run what is in this file; open it only in a text editor."
    return None


def _found(head: bytes) -> str:
    """Return what the first bytes are known for."""
    if head.startswith(b"MZ") and b"\x00" in head:  # Two letters alone may begin a letter.
        return "a program"
    for what, marks in _MARKS:
        if head.startswith(marks):
            return what
    return ""


def _fits(last: str, head: bytes) -> bool:
    """Return whether the first bytes can be those of a file with this ending."""
    known = KINDS.get(last)
    if known is None:
        return True
    if known.begins:
        mark = head.startswith(known.begins)
        return mark and (last != "wav" or head[8:12] == b"WAVE")
    if last == "mp4":
        return head[4:8] == b"ftyp"
    if last == "tar":
        return head[257:262] == b"ustar" or not _found(head)
    return not _found(head) or (last in ("py", "js") and head.startswith(b"#!"))


def _hides_its_ending(name: str) -> bool:
    """Return whether a name turns its letters round, or has a second ending behind blanks."""
    turns = any(unicodedata.bidirectional(sign) in _TURNING for sign in name[:NAME_CHARACTERS_MAX])
    return turns or "   " in name.strip()


_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


# ---- Names ----


def shown(name: str) -> str:
    """Return a name as it may be shown: its last part, on one line, without what turns letters."""
    last = name[:NAME_CHARACTERS_MAX].replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if _is_plain(sign)).strip()


def _is_plain(sign: str) -> bool:
    """Return whether a sign can be seen, and does nothing to its neighbours."""
    category = unicodedata.category(sign)
    return not category.startswith("C") and category not in ("Zl", "Zp")


def safe_name(name: str) -> str:
    """Return a name under which a file can be saved in any folder of any system.

    Whatever was sent: no folders, no hidden files, no devices, no control characters, and short.
    """
    plain = unicodedata.normalize("NFC", shown(name))
    plain = "".join("_" if sign in _NEVER_IN_NAMES else sign for sign in plain)
    plain = plain.lstrip(". ").rstrip(". ")
    if plain.partition(".")[0].strip().lower() in _DEVICES:
        plain = f"_{plain}"
    return _shortened(plain) or "file"


def _shortened(name: str) -> str:
    """Return a name of at most `NAME_BYTES_MAX` that keeps a short ending."""
    if len(name.encode()) <= NAME_BYTES_MAX:
        return name
    stem, dot, last = name.rpartition(".")
    end = dot + last if stem and len((dot + last).encode()) <= NAME_BYTES_MAX // 4 else ""
    stem = stem if end else name
    cut = stem.encode()[: NAME_BYTES_MAX - len(end.encode())].decode(errors="ignore")
    return cut.rstrip(". ") + end


def numbered(name: str, number: int) -> str:
    """Return the name for the second, third … file that would have this one: `name (2).ext`."""
    if number < 2:
        return name
    stem, dot, last = name.rpartition(".")
    if not stem:
        return f"{name} ({number})"
    if stem.lower().endswith(".tar"):
        stem, dot, last = stem[:-4], ".", f"{stem[-3:]}.{last}"
    return f"{stem} ({number}){dot}{last}"


def people_size(size: int) -> str:
    """Return a size as people read it: 0 bytes, 999 bytes, 1.2 kB, 50 MB."""
    if size < 1_000:
        return "1 byte" if size == 1 else f"{size} bytes"
    units = ["TB", "GB", "MB", "kB"]
    amount = size / 1_000
    while amount >= 999.5 and len(units) > 1:
        amount /= 1_000
        units.pop()
    unit = units[-1]
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
