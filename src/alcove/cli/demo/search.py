"""Looking for secrets on a disk, as somebody would who has stolen it.

Whatever holds any 16 bytes of a secret that stand together is found.  So a part of a text is found
too, for instance where a database has spread it over two pages.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from alcove.cli.demo.telling import must

PIECE_BYTES = 16
STEP_BYTES = PIECE_BYTES // 2
"""Any 16 bytes that stand together hold 8 that begin at a multiple of 8: those are looked up."""


class Sought:
    """Secrets, in every form in which they are looked for."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        forms = [form for secret in secrets for form in _forms(secret)]
        self._text = b"\n".join(forms)
        self._steps = frozenset(
            form[at : at + STEP_BYTES] for form in forms for at in range(len(form) - STEP_BYTES + 1)
        )

    def is_in(self, content: bytes) -> bool:
        """Return whether something of the secrets stands in some bytes."""
        return any(
            content[at : at + STEP_BYTES] in self._steps and self._is_around(content, at)
            for at in range(0, len(content) - STEP_BYTES + 1, STEP_BYTES)
        )

    def _is_around(self, content: bytes, at: int) -> bool:
        """Return whether a whole piece stands around a step."""
        pieces = (
            content[start : start + PIECE_BYTES] for start in range(max(at - STEP_BYTES, 0), at + 1)
        )
        return any(len(piece) == PIECE_BYTES and piece in self._text for piece in pieces)


def found(folder: Path, others: Mapping[str, bytes], sought: Sought) -> list[str]:
    """Return the places where something of these secrets stands: files, and what else is given."""
    places = {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}
    return [name for name, content in {**places, **others}.items() if sought.is_in(content)]


def files(folder: Path) -> list[Path]:
    """Return all files below a folder; sockets have no content."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _forms(secret: bytes) -> Iterator[bytes]:
    """Yield a secret as it is, in hex, and in base64 however it is aligned."""
    must(len(secret) >= PIECE_BYTES, "What is too short cannot be looked for.")
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for start in range(3):
        whole = secret[start : start + (len(secret) - start) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)
