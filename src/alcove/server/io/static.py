"""The hand-written files beside the server's pages, read once at the start.

They are part of the program, not of its data: a file that is missing is a broken installation, and
reading it fails loudly before the first visitor comes.
"""

import hashlib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from alcove.server.pages import Templates

_TYPES: Final = {
    "page.css": "text/css; charset=utf-8",
    "invite.js": "text/javascript; charset=utf-8",
    "figures.js": "text/javascript; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "admin.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""What `/static/NAME` may be asked for, and nothing else: a name is looked up, never a path."""


class StaticFile(Struct, frozen=True):
    """One file as it is served."""

    body: bytes
    content_type: str
    etag: str
    """With its quotes, as the header has it."""


class Static(Struct, frozen=True):
    """All that the pages are made of."""

    templates: Templates
    files: Mapping[str, StaticFile]
    """By the name after `/static/`."""


def read_static() -> Static:
    """Read the templates and files from the installed package."""
    folder = resources.files("alcove.server") / "static"

    def template(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    templates = Templates(
        invite=template("invite.html"),
        system=template("system.html"),
        message=template("message.html"),
        figures=template("figures.html"),
        status=template("status.html"),
        admin=template("admin.html"),
        home=template("home.html"),
    )
    files = {
        name: _file((folder / name).read_bytes(), content_type)
        for name, content_type in _TYPES.items()
    }
    return Static(templates, MappingProxyType(files))


def _file(body: bytes, content_type: str) -> StaticFile:
    return StaticFile(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
