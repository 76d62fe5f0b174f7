"""What is signed: the bytes that every implementation must agree on.

The answers were put together with `printf`, `xxd` and `sha256sum`, not with our code.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alcove.wire import signed

SERVER, CHALLENGE, NONCE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
DEVICE = bytes(range(16, 32))

CERTIFICATE = "00000014616c636f7665206365727469666963617465203100000004626f6479"
LIST = "00000014616c636f766520646576696365206c697374203100000004626f6479"
SIGN_IN = """
    00000010616c636f7665207369676e20696e2031
    000000200101010101010101010101010101010101010101010101010101010101010101
    000000200202020202020202020202020202020202020202020202020202020202020202
    00000010101112131415161718191a1b1c1d1e1f
    0000000400000001
"""
PROOF = """
    00000015616c636f7665207365727665722070726f6f662031
    000000200101010101010101010101010101010101010101010101010101010101010101
    000000200303030303030303030303030303030303030303030303030303030303030303
    000000200202020202020202020202020202020202020202020202020202020202020202
    00000010101112131415161718191a1b1c1d1e1f
    0000000400000001
"""

VECTORS = [
    (signed.certificate_bytes(b"body"), CERTIFICATE),
    (signed.list_bytes(b"body"), LIST),
    (signed.sign_in_bytes(SERVER, CHALLENGE, DEVICE, 1), SIGN_IN),
    (signed.proof_bytes(SERVER, NONCE, CHALLENGE, DEVICE, 1), PROOF),
]


@pytest.mark.parametrize(("made", "expected"), VECTORS, ids=["certificate", "list", "in", "proof"])
def test_the_bytes_that_are_signed_are_those_of_another_program(made: bytes, expected: str) -> None:
    assert made == bytes.fromhex(expected)


def test_a_version_is_four_bytes_with_the_large_end_first() -> None:
    assert signed.sign_in_bytes(SERVER, CHALLENGE, DEVICE, 0x0102)[-8:].hex() == "0000000400000102"


def test_a_device_is_named_by_the_hash_of_its_key() -> None:
    assert signed.device_id(SERVER).hex() == "72cd6e8422c407fb6d098690f1130b7d"


def read_back(transcript: bytes) -> list[bytes]:
    """Take a transcript apart, as a stranger who has read the page would."""
    pieces = []
    while transcript:
        length = int.from_bytes(transcript[:4], "big")
        pieces.append(transcript[4 : 4 + length])
        transcript = transcript[4 + length :]
    return pieces


@given(st.text(st.characters(codec="ascii")), st.lists(st.binary()))
def test_a_transcript_can_be_read_in_one_way_only(label: str, parts: list[bytes]) -> None:
    assert read_back(signed.transcript(label, *parts)) == [label.encode(), *parts]


@pytest.mark.parametrize("made", [made for made, _ in VECTORS])
def test_what_is_signed_never_looks_like_what_mls_signs(made: bytes) -> None:
    # RFC 9420, 5.1.2: SignContent begins with the length of "MLS 1.0 " and a label.
    assert made[0] == 0 < len("MLS 1.0 ")
