"""What a password or a phrase opens."""

import hashlib

import pytest

from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.lock import (
    ARCHIVES_MAX,
    ARGON2_LANES,
    ARGON2_MEMORY_KIB,
    ARGON2_PASSES,
    BOX,
    PHRASE,
    Box,
    identity_key,
    open_box,
    open_phrase,
    password_bytes,
    salt_of,
    seal_box,
    seal_phrase,
    split,
)
from alcove.wire.codec import encode
from tests.client.keys import stranger

SERVER_KEY = b"S" * 32
SERVER_SALT = b"salt of a server"
STRETCHED = b"stretched".ljust(32, b".")
ACCOUNT = b"A" * 16
SALT = bytes(range(32))
BOX_OF_ADA = Box(identity=b"I" * 32, archives=(b"2" * 32, b"1" * 32), phrase=b"P" * 16)
LOGIN, BOX_KEY = split(STRETCHED)


def test_argon2id_costs_what_no_server_can_change() -> None:
    assert (ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES) == (64 * 1024, 3, 4)


def test_the_salt_binds_server_and_name_without_its_case() -> None:
    salt = salt_of(SERVER_KEY, "Ada", SERVER_SALT)
    assert salt == hashlib.sha256(b"alcove salt 1" + SERVER_KEY + b"ada" + SERVER_SALT).digest()
    assert salt == salt_of(SERVER_KEY, "ADA", SERVER_SALT)
    others = [
        salt_of(b"T" * 32, "Ada", SERVER_SALT),
        salt_of(SERVER_KEY, "Eve", SERVER_SALT),
        salt_of(SERVER_KEY, "Ada", bytes(16)),
    ]
    assert salt not in others


def test_login_key_and_box_key_are_told_apart() -> None:
    assert stranger.expand_with_label(STRETCHED, b"alcove login key 1", b"") == LOGIN
    assert stranger.expand_with_label(STRETCHED, b"alcove box key 1", b"") == BOX_KEY
    assert LOGIN != BOX_KEY


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    assert password_bytes("Gr\u00fc\u00dfe") == password_bytes("Gru\u0308\u00dfe")
    assert password_bytes("A b") != password_bytes("a b")


def test_a_password_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="not text"):
        password_bytes("\ud800")


def test_what_is_in_the_box_comes_out_of_it() -> None:
    sealed = seal_box(BOX_KEY, BOX_OF_ADA, ACCOUNT, SALT)
    assert open_box(BOX_KEY, ACCOUNT, sealed) == BOX_OF_ADA
    assert identity_key(BOX_OF_ADA).private == BOX_OF_ADA.identity


def test_a_stranger_seals_the_same_box_by_the_page_alone() -> None:
    place = stranger.transcript(b"alcove box 1", ACCOUNT)
    inner = encode({"identity": b"I" * 32, "archives": [b"2" * 32, b"1" * 32], "phrase": b"P" * 16})
    sealed = stranger.enclose(BOX_KEY, b"alcove box 1", place, stranger.pad(inner), SALT)
    assert sealed == seal_box(BOX_KEY, BOX_OF_ADA, ACCOUNT, SALT)
    assert (
        hashlib.sha256(sealed).hexdigest()
        == "ef97b8e62cd8557c43f0c032db157cfde350df6909dfc78fe5444ba877b68915"
    )


def test_the_fullest_box_fits() -> None:
    full = Box(b"I" * 32, (b"1" * 32,) * ARCHIVES_MAX, b"P" * 16)
    assert open_box(BOX_KEY, ACCOUNT, seal_box(BOX_KEY, full, ACCOUNT, SALT)) == full


def test_a_box_opens_for_its_account_and_key_alone() -> None:
    sealed = seal_box(BOX_KEY, BOX_OF_ADA, ACCOUNT, SALT)
    for key, account, body in [
        (LOGIN, ACCOUNT, sealed),
        (BOX_KEY, b"B" * 16, sealed),
        (BOX_KEY, ACCOUNT, sealed[:-1]),
        (BOX_KEY, ACCOUNT, b""),
        (BOX_KEY, ACCOUNT, seal_phrase(BOX_KEY, b"P" * 16, ACCOUNT, SALT)),
    ]:
        with pytest.raises(PeerError, match="not-sealed"):
            open_box(key, account, body)
    with pytest.raises(PeerError, match="too-large"):
        open_box(BOX_KEY, ACCOUNT, bytes(BOX.bytes_max + 1))


@pytest.mark.parametrize("inner", [
    b"",
    encode({"identity": b"I" * 31, "archives": [b"1" * 32], "phrase": b"P" * 16}),
    encode({"identity": b"I" * 32, "archives": [], "phrase": b"P" * 16}),
])  # fmt: skip
def test_what_is_no_box_is_refused(inner: bytes) -> None:
    place = stranger.transcript(b"alcove box 1", ACCOUNT)
    sealed = stranger.enclose(BOX_KEY, b"alcove box 1", place, stranger.pad(inner), SALT)
    with pytest.raises(PeerError, match="bad-box"):
        open_box(BOX_KEY, ACCOUNT, sealed)


def test_the_first_device_can_keep_the_phrase_under_a_weak_password() -> None:
    sealed = seal_phrase(BOX_KEY, b"P" * 16, ACCOUNT, SALT)
    assert open_phrase(BOX_KEY, ACCOUNT, sealed) == b"P" * 16
    assert len(sealed) <= PHRASE.bytes_max
    place = stranger.transcript(b"alcove phrase box 1", ACCOUNT)
    assert sealed == stranger.enclose(
        BOX_KEY, b"alcove phrase box 1", place, stranger.pad(b"P" * 16), SALT
    )
    with pytest.raises(PeerError, match="not-sealed"):
        open_phrase(BOX_KEY, b"B" * 16, sealed)


def test_a_box_that_is_printed_shows_nothing() -> None:
    assert repr(BOX_OF_ADA) == str(BOX_OF_ADA) == "<Box>"
