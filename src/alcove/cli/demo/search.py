"""Looking for secrets on a disk, as somebody would who has stolen it.

A secret is cut into pieces, and every place of every file is compared with every piece.  So a part
of a text is found too, for instance where a database has spread it over two pages.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from alcove.cli.demo.telling import must

PIECE_BYTES = 16
"""Any 31 bytes of a secret that stand together hold a whole piece."""


def found(folder: Path, others: Mapping[str, bytes], secrets: Iterable[bytes]) -> list[str]:
    """Return the places where something of these secrets stands: files, and what else is given."""
    pieces = frozenset(piece for secret in secrets for piece in _pieces(secret))
    places = {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}
    return [name for name, content in {**places, **others}.items() if _has(content, pieces)]


def files(folder: Path) -> list[Path]:
    """Return all files below a folder; sockets have no content."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _has(content: bytes, pieces: frozenset[bytes]) -> bool:
    ends = range(PIECE_BYTES, len(content) + 1)
    return any(content[end - PIECE_BYTES : end] in pieces for end in ends)


def _pieces(secret: bytes) -> Iterator[bytes]:
    """Yield the pieces of a secret as it is, in hex, and in base64 however it is aligned."""
    must(len(secret) >= PIECE_BYTES, "What is too short cannot be looked for.")
    yield from _cut(secret)
    yield from _cut(secret.hex().encode())
    for start in range(3):
        whole = secret[start : start + (len(secret) - start) // 3 * 3]
        yield from _cut(base64.b64encode(whole))
        yield from _cut(base64.urlsafe_b64encode(whole))


def _cut(text: bytes) -> Iterator[bytes]:
    last = len(text) - PIECE_BYTES
    for start in (*range(0, last, PIECE_BYTES), last):
        yield text[start : start + PIECE_BYTES]
