"""Safety numbers: how two people make sure that nobody stands between them.

Both see the same 60 digits, or the same code to scan, if and only if both were given the same
names, servers and identity keys.  There is one number for each pair of accounts.
"""

import hashlib
import re
from typing import Final, NamedTuple

from alcove.client.errors import UsageError
from alcove.wire.signed import transcript

LABEL: Final = "alcove safety number 1"
DIGITS: Final = 60
GROUP_DIGITS: Final = 5
CODE_PREFIX: Final = "alcove-safety-1:"
"""What a scanned code begins with."""
TYPED_CHARACTERS_MAX: Final = 200
"""So much of a safety number that somebody types or scans is read."""
SHOWN_DIGITS: Final = 15
"""With so many digits of its number somebody says which keys they have looked at."""


class Person(NamedTuple):
    """One side of the pair, as the other sees it."""

    name: str
    server: bytes
    """The server's public key."""
    identity: bytes
    """The public identity key."""


def safety_number(one: Person, other: Person) -> str:
    """Return the pair's 60 digits, whichever of the two comes first."""
    first, second = sorted([_parts(one), _parts(other)])
    digest = hashlib.sha256(transcript(LABEL, *first, *second)).digest()
    return f"{int.from_bytes(digest, 'big') % 10**DIGITS:0{DIGITS}d}"


def _parts(person: Person) -> tuple[bytes, bytes, bytes]:
    return person.name.lower().encode("ascii"), person.server, person.identity


def in_groups(number: str) -> str:
    """Return a safety number as it is read out: twelve groups of five digits."""
    return " ".join(
        number[start : start + GROUP_DIGITS] for start in range(0, DIGITS, GROUP_DIGITS)
    )


def code_of(number: str) -> str:
    """Return the text of the code that the other one scans."""
    return CODE_PREFIX + number


def compare(number: str, theirs: str) -> bool:
    """Tell whether what the other one read out, or what was scanned, is this safety number."""
    bare = re.sub(r"[\s-]", "", theirs[:TYPED_CHARACTERS_MAX].strip().removeprefix(CODE_PREFIX))
    if re.fullmatch(rf"[0-9]{{{DIGITS}}}", bare) is None:
        raise UsageError(f"This is not a safety number: it has {DIGITS} digits.")
    return bare == number


def begins(number: str, shown: str) -> bool:
    """Tell whether this safety number is the one that was shown, of which the beginning is enough.

    So much of it at least that nobody draws keys until theirs begins alike.
    """
    bare = re.sub(r"[\s-]", "", shown[:TYPED_CHARACTERS_MAX])
    if re.fullmatch(rf"[0-9]{{{SHOWN_DIGITS},{DIGITS}}}", bare) is None:
        raise UsageError(
            f"Say which keys you have looked at: by their safety number, or its first"
            f" {SHOWN_DIGITS} digits."
        )
    return number.startswith(bare)
