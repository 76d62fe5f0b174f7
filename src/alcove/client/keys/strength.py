"""How strong a password is: what is allowed at all, and what may seal a box.

Estimates are zxcvbn's.  It knows English best and overrates other languages, so what it says is a
reason to ask for more, never a promise; only what the app generated counts without it.
"""

import math
import unicodedata
from typing import Final, NamedTuple

CHARACTERS_MIN: Final = 8
"""How long a password with capitals, small letters, digits and symbols is at least."""
LONG_CHARACTERS_MIN: Final = 14
"""How long any other is at least."""
CHARACTERS_MAX: Final = 1000
"""How long a password may be."""
ESTIMATED_CHARACTERS: Final = (24, 100)
"""How much of a password is estimated: the time may grow with the square of the length.

The first part is enough for most that are strong; the rest only adds to it.
"""
BOX_GUESSES_LOG2: Final = 60.0
"""From here on a password seals the box; below, only the phrase does."""
PASSPHRASE_GUESSES_LOG2: Final = (40.0, 60.0)
"""From so many guesses on a passphrase of this machine is fair, and from so many strong.

Each costs a thief of the disk what it costs its owner, and he may try for as long as he likes.
"""


class Strength(NamedTuple):
    """What is thought of a password."""

    guesses_log2: float
    """How many guesses it takes at least, as a power of two, if the estimate is right."""
    is_allowed: bool
    opens_the_box: bool
    """Whether the box is sealed under it too."""
    warning: str
    """One sentence for who chose it; empty when there is nothing to say."""


class PassphraseStrength(NamedTuple):
    """What is thought of a passphrase that keeps what is on this machine."""

    guesses_log2: float
    word: str
    """weak, fair or strong."""
    warning: str
    """One sentence for who chose it; empty when there is nothing to say."""


def strength(password: str, name: str) -> Strength:
    """Judge a password that somebody typed, for an account of this name."""
    composed = unicodedata.normalize("NFC", password)
    if not is_allowed(composed):
        return Strength(0.0, is_allowed=False, opens_the_box=False, warning=_rule(composed))
    guesses_log2, why = 0.0, ""
    for characters in ESTIMATED_CHARACTERS:
        guesses_log2, why = _estimate(composed[:characters], name)
        if guesses_log2 >= BOX_GUESSES_LOG2 or len(composed) <= characters:
            break
    if guesses_log2 >= BOX_GUESSES_LOG2:
        return Strength(guesses_log2, is_allowed=True, opens_the_box=True, warning="")
    weak = "A thief of the server's disks could guess this password: keep the recovery phrase too."
    warning = f"{why} {weak}" if why else weak
    return Strength(guesses_log2, is_allowed=True, opens_the_box=False, warning=warning)


def _estimate(password: str, name: str) -> tuple[float, str]:
    """Return the logarithm of the guesses, and what makes it easy to guess, if that is known."""
    # Here, because it takes as long to load as the whole of a short command may.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    estimate = zxcvbn(password, user_inputs=[name, "alcove"], max_length=ESTIMATED_CHARACTERS[-1])
    return math.log2(max(1, estimate["guesses"])), estimate["feedback"]["warning"]


def passphrase_strength(passphrase: str, name: str) -> PassphraseStrength:
    """Judge what keeps the key of this machine's copy of an account; all is allowed."""
    composed = unicodedata.normalize("NFC", passphrase)
    fair, strong = PASSPHRASE_GUESSES_LOG2
    guesses_log2 = 0.0
    for characters in ESTIMATED_CHARACTERS if composed else ():
        guesses_log2, _ = _estimate(composed[:characters], name)
        if guesses_log2 >= strong or len(composed) <= characters:
            break
    if guesses_log2 >= fair:
        return PassphraseStrength(guesses_log2, "fair" if guesses_log2 < strong else "strong", "")
    why = (
        "Whoever gets hold of this disk could guess it: four or five words that have nothing to do"
        " with each other are better."
    )
    return PassphraseStrength(guesses_log2, "weak", why)


def is_allowed(password: str) -> bool:
    """Tell whether a password may be chosen at all."""
    is_mixed = (
        any(one.islower() for one in password)
        and any(one.isupper() for one in password)
        and any(one.isdigit() for one in password)
        and any(not one.isalnum() for one in password)
    )
    least = CHARACTERS_MIN if is_mixed else LONG_CHARACTERS_MIN
    return least <= len(password) <= CHARACTERS_MAX


def _rule(password: str) -> str:
    if len(password) > CHARACTERS_MAX:
        return f"A password has at most {CHARACTERS_MAX} characters."
    return (
        f"Choose a password of at least {LONG_CHARACTERS_MIN} characters, or of"
        f" {CHARACTERS_MIN} with capitals, small letters, digits and symbols."
    )
