"""Writes rooms into a folder, as JSON for programs and as a page that any browser shows.

    FOLDER/index.html               the rooms
    FOLDER/export.json              whose it is, when, and the rooms
    FOLDER/rooms/NAME.html, .json   what was said, oldest first
    FOLDER/files/NAME               the files, as far as they were fetched

It is plain text: whoever has the folder can read it.  Everything that others chose is escaped, and
file names never lead out of the folder.  Nothing in the pages runs or is loaded from elsewhere.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from alcove.client.errors import UsageError
from alcove.client.files.kinds import safe_name
from alcove.client.store.disk import make_private_folder, write_private
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.messages import Message
    from alcove.client.io.rooms import Room

PAGE_MESSAGES: Final = 500
NAME_CHARACTERS: Final = 40
FETCHING: Final = ".fetching"
"""The folder, inside the one that is written, where files wait for their place."""
FORMAT: Final = 1
"""Goes up when a program that reads export.json has to know."""

Found = Callable[["Message", int], "Path | None"]
"""Finds a message's file by its place, where it was fetched."""

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em;"
    "background:#fff;color:#1b1b1f}@media(prefers-color-scheme:dark){body{background:#16161a;"
    "color:#e6e6ea}a{color:#9ab8ff}}article{margin:.9em 0}header{font-size:.85em;opacity:.75}"
    "p{margin:.1em 0;white-space:pre-wrap;overflow-wrap:anywhere}.note{font-style:italic;"
    "opacity:.75}blockquote{margin:.2em 0;padding-left:.8em;border-left:3px solid;opacity:.75}"
)


class Exported(NamedTuple):
    """What was written."""

    folder: Path
    rooms: int
    messages: int
    files: int
    missing: int
    """Files that were not fetched to this machine, and are only named."""


def export(
    client: "Client", folder: Path, rooms: Sequence["Room"], *, find: Found | None = None
) -> Exported:
    """Write rooms into a new folder, for this user alone; files of `fetching_folder` move there."""
    for place in (_empty(folder), folder / "rooms", folder / "files"):
        make_private_folder(place)
    names = _names(rooms)
    counts = [0, 0, 0]
    listed = []
    for room, name in zip(rooms, names, strict=True):
        said = [_shape(one, folder, find, counts) for one in _all(room)]
        about = _room(room)
        _write_json(folder / "rooms" / f"{name}.json", {**about, "messages": said})
        page = _page(about["title"], [_article(one) for one in said], back=True)
        write_private(folder / "rooms" / f"{name}.html", page.encode())
        listed.append({**about, "page": f"rooms/{name}.html", "count": len(said)})
    at = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"format": FORMAT, "account": client.name, "server": client.server, "exported_at": at}
    _write_json(folder / "export.json", {**head, "rooms": listed})
    shutil.rmtree(folder / FETCHING, ignore_errors=True)  # What is left there was not wanted.
    title = f"What {client.name} kept on {client.server}"
    write_private(folder / "index.html", _page(title, [_entry(one) for one in listed]).encode())
    return Exported(folder, len(rooms), *counts)


def fetching_folder(folder: Path) -> Path:
    """Return where files are fetched that are to be exported into a new folder: inside of it.

    It is for this user alone, and nothing stays elsewhere when the program is killed; what an
    export that was cut short has left there is thrown away.
    """
    place = _empty(folder) / FETCHING
    shutil.rmtree(place, ignore_errors=True)
    make_private_folder(folder)
    make_private_folder(place)
    return place


def _empty(folder: Path) -> Path:
    """Return a folder in which is nothing yet but what was fetched for it."""
    if folder.exists() and any(one.name != FETCHING for one in folder.iterdir()):
        raise UsageError(f"{folder} has something in it already: name a folder that is new.")
    return folder


def _all(room: "Room") -> list["Message"]:
    """Return everything that was said in a room, oldest first."""
    pages: list[list[Message]] = []
    page = room.history(PAGE_MESSAGES)
    while page:
        pages.append(page)
        page = room.history(PAGE_MESSAGES, page[0])
    return [message for page in reversed(pages) for message in page]


def _names(rooms: Iterable["Room"]) -> list[str]:
    """Return a name for the pages of each room: what it is called, made fit for every disk."""
    found: list[str] = []
    for room in rooms:
        plain = re.sub(r"[^a-z0-9]+", "-", room.title.lower()).strip("-")[:NAME_CHARACTERS]
        found.append(f"{plain or room.kind}-{room.id[:8]}")
    return found


# ---- What is written ----


def _room(room: "Room") -> dict[str, Any]:
    members = [
        {"id": one.person.id, "name": shown_name(one.person.name), "role": one.role}
        for one in room.members()
    ]
    return {
        "id": room.id,
        "kind": room.kind,
        "title": room.title,
        "topic": room.topic,
        "state": room.state,
        "members": members,
    }


def _shape(
    message: "Message", folder: Path, find: Found | None, counts: list[int]
) -> dict[str, Any]:
    author, answered = message.author, message.reply_to
    poll = message.poll
    counts[0] += 1
    return {
        "number": message.number,
        "kind": message.kind,
        "cause": message.cause,
        "at": message.at.isoformat(timespec="milliseconds"),
        "author": None if author is None else {"id": author.id, "name": shown_name(author.name)},
        "mine": message.is_mine,
        "text": shown_text(message.text),
        "topic": message.topic,
        "state": message.state,
        "reply_to": None if answered is None else answered.number,
        "edits": [{"at": one.at, "text": shown_text(one.text)} for one in message.edits],
        "reactions": [
            {"emoji": shown_name(one.emoji), "people": [shown_name(p.name) for p in one.people]}
            for one in message.reactions
        ],
        "poll": None
        if poll is None
        else {
            "question": shown_text(poll.question),
            "options": [
                {"text": shown_text(one.text), "people": [shown_name(p.name) for p in one.people]}
                for one in poll.options
            ],
        },
        "files": [
            _file(message, place, folder, find, counts) for place in range(len(message.files))
        ],
    }


def _file(
    message: "Message", place: int, folder: Path, find: Found | None, counts: list[int]
) -> dict[str, Any]:
    """Copy a file that is here, and say where it lies."""
    file = message.files[place]
    there = None if find is None else find(message, place)
    path = None
    if there is not None and _is_whole(there, file.sealed.sha256):
        name = safe_name(f"{message.number}-{place + 1}-{safe_name(file.name)}")
        if there.parent == folder / FETCHING:
            there.replace(folder / "files" / name)
        else:
            shutil.copyfile(there, folder / "files" / name)
        (folder / "files" / name).chmod(0o600)
        path = f"files/{name}"
    counts[1 if path else 2] += 1
    return {
        "name": shown_name(file.name),
        "media": file.media,
        "size": file.sealed.size,
        "sha256": file.sealed.sha256.hex(),
        "path": path,
    }


def _is_whole(path: Path, sha256: bytes) -> bool:
    """Whether a file is the one that was sent: it may have been changed here since."""
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest() == sha256


def _write_json(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n")


# ---- Pages ----


def _page(title: str, parts: Iterable[str], *, back: bool = False) -> str:
    home = '<p><a href="../index.html">All rooms</a></p>' if back else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'; img-src 'self' file:\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{home}<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def _entry(room: dict[str, Any]) -> str:
    people = ", ".join(one["name"] for one in room["members"])
    return (
        f'<article><a href="{escape(room["page"])}">{escape(room["title"])}</a>'
        f"<header>{escape(room['kind'])}, {room['count']} lines; {escape(people)}</header>"
        "</article>"
    )


def _article(said: dict[str, Any]) -> str:
    name = said["author"]["name"] if said["author"] else ""
    at = said["at"][:16].replace("T", " ")
    head = f'<article id="m{said["number"]}"><header><b>{escape(name)}</b> {at} UTC</header>'
    if said["kind"] in ("note", "gap"):
        words = said["cause"].replace("-", " ")
        return f'{head}<p class="note">{escape(words)}</p></article>'
    if said["kind"] == "gone":
        return f'{head}<p class="note">deleted</p></article>'
    parts = [head]
    if said["reply_to"] is not None:
        parts.append(
            f'<blockquote><a href="#m{said["reply_to"]}">an answer to this</a></blockquote>'
        )
    parts.append(f"<p>{escape(said['text'])}</p>")
    parts += [_link(one) for one in said["files"]]
    parts += [
        f"<p>{escape(one['emoji'])} {escape(', '.join(one['people']))}</p>"
        for one in said["reactions"]
    ]
    if said["poll"]:
        parts += [
            f"<p>☐ {escape(one['text'])}: {escape(', '.join(one['people']))}</p>"
            for one in said["poll"]["options"]
        ]
    return "".join(parts) + "</article>"


def _link(file: dict[str, Any]) -> str:
    name = f"{file['name']} ({file['size']:,} bytes)"
    if file["path"] is None:
        return f'<p class="note">{escape(name)}: not on this machine when this was written</p>'
    return f'<p><a href="../{quote(file["path"])}" download>{escape(name)}</a></p>'
