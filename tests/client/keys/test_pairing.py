"""The code of a new device, and the answer to it: what opens, and for whom."""

import pytest

from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.pairing import (
    START,
    Offer,
    open_hello,
    public_of,
    read_offer,
    seal_hello,
    write_offer,
)

SERVER, PRIVATE, THEIRS, SALT = (bytes([letter]) * 32 for letter in (1, 2, 3, 4))
OFFER = Offer(1_800_000_000_000, b"d" * 32, public_of(PRIVATE), b"s" * 32)
SEALED = seal_hello(OFFER, SERVER, b"it is you", THEIRS, SALT)


def test_a_code_says_what_was_drawn_and_is_small_enough_for_a_camera() -> None:
    code = write_offer(OFFER)
    assert read_offer(code) == OFFER
    assert read_offer(f" {code[:40].lower()}\n{code[40:]}") == OFFER
    assert len(code) < 200  # Version 8 of QR codes holds 279 such characters.
    assert all(letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:" for letter in code)


@pytest.mark.parametrize(
    "text",
    ["", "hello", START, START + "A" * 300, START + "1!", write_offer(OFFER)[:-3],
     START + "A" * len(write_offer(OFFER).removeprefix(START))],
)  # fmt: skip
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the code"):
        read_offer(text)


def test_the_answer_opens_for_who_has_drawn_the_code() -> None:
    assert open_hello(OFFER, SERVER, PRIVATE, SEALED) == b"it is you"
    assert b"it is you" not in SEALED


@pytest.mark.parametrize(
    ("offer", "server", "private", "body"),
    [
        (OFFER._replace(secret=b"t" * 32), SERVER, PRIVATE, SEALED),
        (OFFER._replace(device=b"e" * 32), SERVER, PRIVATE, SEALED),
        (OFFER, bytes(32), PRIVATE, SEALED),
        (OFFER, SERVER, THEIRS, SEALED),
        (OFFER, SERVER, PRIVATE, SEALED[:-1]),
        (OFFER, SERVER, PRIVATE, SEALED[:20]),
        (OFFER, SERVER, PRIVATE, bytes(32) + SEALED[32:]),
    ],
)  # fmt: skip
def test_it_opens_for_nobody_and_nowhere_else(
    offer: Offer, server: bytes, private: bytes, body: bytes
) -> None:
    with pytest.raises(PeerError):
        open_hello(offer, server, private, body)


def test_neither_code_nor_keys_are_told_by_accident() -> None:
    assert repr(OFFER) == "<Offer>"
