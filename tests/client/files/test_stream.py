"""How files are sealed: nothing that was moved, cut or changed opens; any run can be the first."""

import hashlib
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from alcove.client.errors import PeerError
from alcove.client.files.stream import (
    CHUNK_BYTES,
    HEADER,
    RUN_BYTES,
    SEALED_CHUNK_BYTES,
    SEALED_RUN_BYTES,
    Opener,
    Sealer,
    Tally,
    largest,
    open_whole,
    seal_whole,
    shape,
)

KEY = bytes(range(32))
SIZES = (0, 1, 255, 256, 257, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES,
         RUN_BYTES - 1, RUN_BYTES, RUN_BYTES + 1, 3 * RUN_BYTES + 70_000)  # fmt: skip


def its_padded(size: int) -> int:
    return shape(size).padded


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def cause_of(plain: bytes, sealed: bytes, *, size: int | None = None, key: bytes = KEY) -> str:
    """Return why something does not open."""
    hashed = hashlib.sha256(plain).digest()
    with pytest.raises(PeerError) as caught:
        open_whole(key, len(plain) if size is None else size, hashed, sealed)
    return caught.value.cause


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens_and_has_the_size_that_follows_from_the_files_size(size: int) -> None:
    plain = content(size)
    sealed = seal_whole(KEY, plain)
    assert len(sealed) == shape(size).sealed
    assert open_whole(KEY, size, hashlib.sha256(plain).digest(), sealed) == plain


def test_the_bytes_are_those_that_the_protocol_names() -> None:
    """Written down from docs/protocol/files.md, without our code."""
    plain = content(CHUNK_BYTES + 1)
    bound = b"alcove file 1\0\0\x10" + (CHUNK_BYTES + 1).to_bytes(8, "big")
    aead = ChaCha20Poly1305(KEY)
    # Padmé of 65,537: 2^16 has 16 for its exponent, whose own has 5 bits: 11 bits are rounded away.
    rest = plain[CHUNK_BYTES:] + bytes(2047)
    assert seal_whole(KEY, plain) == b"".join(
        [
            b"alcove file 1\0\0\x10",
            aead.encrypt(bytes(10) + b"\0\0", plain[:CHUNK_BYTES], bound),
            aead.encrypt(bytes(10) + b"\1\1", rest, bound),
        ]
    )


def test_padding_hides_the_size_and_costs_little() -> None:
    assert [its_padded(size) for size in (0, 256, 257, 1000, 65_537)] == [
        256,
        256,
        272,
        1024,
        67_584,
    ]
    assert its_padded(5_000_000_000) == 75 * 2**26
    for size in range(256, 70_000, 7):
        assert size <= its_padded(size) <= size * 17 / 16
        assert its_padded(its_padded(size)) == its_padded(size)


@pytest.mark.parametrize("limit", [0, 287, 288, 1_000_000, 50 * 2**20])
def test_the_largest_file_for_a_server_is_the_largest(limit: int) -> None:
    size = largest(limit)
    assert shape(size).sealed <= limit or size == 0
    assert shape(size + 1).sealed > limit


def swapped(sealed: bytes) -> bytes:
    first, second = len(HEADER), len(HEADER) + SEALED_CHUNK_BYTES
    third = second + SEALED_CHUNK_BYTES
    return sealed[:first] + sealed[second:third] + sealed[first:second] + sealed[third:]


LONG = content(RUN_BYTES + 3 * CHUNK_BYTES)
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "one bit": (lambda s: s[:70_000] + bytes([s[70_000] ^ 1]) + s[70_001:], "file_chunk"),
    "one bit of the header": (lambda s: bytes([s[0] ^ 1]) + s[1:], "file_header"),
    "two chunks swapped": (swapped, "file_chunk"),
    "cut by a byte": (lambda s: s[:-1], "file_short"),
    "cut at a chunk": (lambda s: s[:-SEALED_CHUNK_BYTES], "file_short"),
    "cut at a run": (lambda s: s[: len(HEADER) + SEALED_RUN_BYTES], "file_short"),
    "cut to the header": (lambda s: s[: len(HEADER)], "file_short"),
    "nothing": (lambda _: b"", "file_header"),
    "a byte more": (lambda s: s + b"\0", "file_long"),
    "a chunk more": (lambda s: s + s[-SEALED_CHUNK_BYTES:], "file_long"),
    "a chunk repeated": (
        lambda s: s[: len(HEADER) + SEALED_CHUNK_BYTES] + s[len(HEADER) : -SEALED_CHUNK_BYTES],
        "file_chunk",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_damaged_does_not_open(damage: str) -> None:
    change, cause = DAMAGE[damage]
    assert cause_of(LONG, change(seal_whole(KEY, LONG))) == cause


def test_a_file_cut_at_a_chunk_does_not_open_as_a_shorter_file() -> None:
    plain = content(4 * CHUNK_BYTES)
    cut = seal_whole(KEY, plain)[:-SEALED_CHUNK_BYTES]
    assert len(cut) == shape(3 * CHUNK_BYTES).sealed
    assert cause_of(plain[:-CHUNK_BYTES], cut) == "file_chunk"


def test_a_size_that_is_not_the_files_does_not_open_it() -> None:
    plain = content(300)
    assert shape(299).sealed == shape(300).sealed
    assert cause_of(plain, seal_whole(KEY, plain), size=299) == "file_chunk"


def test_another_key_opens_nothing_and_another_content_is_said() -> None:
    sealed = seal_whole(KEY, b"hello")
    assert cause_of(b"hello", sealed, key=bytes(32)) == "file_chunk"
    assert cause_of(b"hallo", sealed) == "file_hash"


def test_more_of_a_run_than_there_is_does_not_open() -> None:
    with pytest.raises(PeerError, match="file_long"):
        Opener(KEY, 5).open(0, bytes(1000), bytearray(RUN_BYTES))


def test_something_hidden_behind_the_file_does_not_open() -> None:
    bound = HEADER + (1).to_bytes(8, "big")
    chunk = ChaCha20Poly1305(KEY).encrypt(bytes(11) + b"\1", b"a" + bytes(254) + b"!", bound)
    assert cause_of(b"a", HEADER + chunk) == "file_padding"


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 4 * RUN_BYTES), offset=st.floats(0, 1))
def test_who_goes_on_anywhere_seals_and_opens_the_same_bytes(size: int, offset: float) -> None:
    plain = content(size)
    whole = seal_whole(KEY, plain)
    run = shape(size).run_of(round(offset * len(whole)))
    begin, length = shape(size).plain_at(run)
    out = bytearray(SEALED_RUN_BYTES)
    count = Sealer(KEY, size).seal(run, plain[begin : begin + length], out)
    at, sealed_length = shape(size).sealed_at(run)
    assert bytes(out[:count]) == whole[at : at + sealed_length]
    back = bytearray(RUN_BYTES)
    assert Opener(KEY, size).open(run, out[:count], back) == length
    assert back[:length] == plain[begin : begin + length]


def test_every_byte_of_a_sealed_file_lies_in_one_run() -> None:
    its = shape(2 * RUN_BYTES + 5)
    ends = [sum(its.sealed_at(run)) for run in range(its.runs)]
    assert ends[-1] == its.sealed
    for run, end in enumerate(ends):
        assert its.run_of(end - 1) == run
        assert its.run_of(its.sealed_at(run)[0]) == run
    assert its.run_of(0) == 0
    assert its.run_of(its.sealed) == its.runs - 1


def test_a_file_that_has_changed_is_noticed_in_the_run_where_it_did() -> None:
    first = Tally()
    assert all(first.add(part) for part in (b"one", b"two", b"three"))
    assert first.digest() == hashlib.sha256(b"onetwothree").digest()
    again = Tally(first)
    assert [again.add(part) for part in (b"one", b"TWO", b"three")] == [True, False, False]
    assert not Tally(first).add(b"on")
    grown = Tally(first)
    assert [grown.add(part) for part in (b"one", b"two", b"three", b"")] == [
        True,
        True,
        True,
        False,
    ]
