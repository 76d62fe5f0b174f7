"""Who is who: keys, signatures, hashes and codes, against independent computations."""

import base64
import hmac
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import given
from hypothesis import strategies as st

from alcove.server import auth
from alcove.wire.signed import proof_bytes

SECRET = bytes(range(32))
KEYS = auth.make_server_keys(SECRET)
DEVICE_KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
DEVICE_PUBLIC = DEVICE_KEY.public_key().public_bytes_raw()
PRIME = 2**255 - 19


def hkdf(secret: bytes, label: str) -> bytes:
    """RFC 5869 for one block: extract with a salt of zeros, then expand."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, label.encode() + b"\x01", "sha256")


# ---- The server's keys ----


def test_each_key_of_the_server_follows_from_its_secret_and_a_label() -> None:
    signing = Ed25519PrivateKey.from_private_bytes(hkdf(SECRET, "alcove server signing key 1"))
    assert KEYS.public == signing.public_key().public_bytes_raw()
    assert KEYS.salt_key == hkdf(SECRET, "alcove server salt key 1")
    assert KEYS.login_pepper == hkdf(SECRET, "alcove server login pepper 1")
    assert KEYS.token_pepper == hkdf(SECRET, "alcove server token pepper 1")
    assert KEYS.link_pepper == hkdf(SECRET, "alcove server link pepper 1")
    assert KEYS.invite_key == hkdf(SECRET, "alcove server invite key 1")


def test_printing_the_keys_shows_the_public_one_only() -> None:
    assert repr(KEYS) == f"ServerKeys(public={KEYS.public!r})"
    assert str(KEYS) == repr(KEYS)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_of_another_length_is_our_own_mistake(length: int) -> None:
    with pytest.raises(AssertionError):
        auth.make_server_keys(bytes(length))


# ---- Signatures ----


def test_the_server_proves_its_key_over_the_clients_nonce_too() -> None:
    facts = (b"N" * 32, b"C" * 32, b"D" * 16, 7)
    signature = auth.prove(KEYS, *facts)
    message = proof_bytes(KEYS.public, *facts)
    Ed25519PublicKey.from_public_bytes(KEYS.public).verify(signature, message)


def test_a_right_signature_is_right_each_time() -> None:
    signature = DEVICE_KEY.sign(b"hello")
    assert auth.verify(DEVICE_PUBLIC, b"hello", signature)
    assert auth.verify(DEVICE_PUBLIC, b"hello", signature)


@given(st.integers(0, 64 * 8 - 1))
def test_a_signature_with_one_other_bit_is_wrong(bit: int) -> None:
    changed = int.from_bytes(DEVICE_KEY.sign(b"hello"), "big") ^ (1 << bit)
    assert not auth.verify(DEVICE_PUBLIC, b"hello", changed.to_bytes(64, "big"))


@given(st.binary(max_size=40), st.binary(max_size=20), st.binary(max_size=70))
def test_what_is_malformed_is_wrong_and_raises_nothing(
    public: bytes, message: bytes, signature: bytes
) -> None:
    assert not auth.verify(public, message, signature)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_nobody_signs_by_chance(public: bytes, signature: bytes) -> None:
    assert not auth.verify(public, b"hello", signature)


def test_another_message_or_another_key_is_wrong() -> None:
    signature = DEVICE_KEY.sign(b"hello")
    assert not auth.verify(DEVICE_PUBLIC, b"hallo", signature)
    assert not auth.verify(KEYS.public, b"hello", signature)


def encodings_of_small_order() -> list[bytes]:
    """Points that vanish when added up eight times: 1, 2, 4 and 8 of a kind, however written."""
    eighth = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    ys = [0, 1, PRIME - 1, eighth, PRIME - eighth]
    ys += [y + PRIME for y in ys if y + PRIME < 2**255]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in (0, 1)]


@pytest.mark.parametrize("public", encodings_of_small_order(), ids=bytes.hex)
def test_a_key_that_anybody_can_sign_for_is_refused(public: bytes) -> None:
    assert auth._public_key(public) is None
    assert not auth.verify(public, b"anything", (1).to_bytes(32, "little") + bytes(32))


def test_the_library_alone_would_take_a_signature_that_nobody_made() -> None:
    anybodys = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(anybodys).verify(anybodys + bytes(32), b"anything")
    assert not auth.verify(anybodys, b"anything", anybodys + bytes(32))


def test_only_so_many_public_keys_are_remembered() -> None:
    for number in range(auth.PUBLIC_KEYS_KEPT + 10):
        auth.verify(number.to_bytes(32, "big"), b"", bytes(64))
    assert auth._public_key.cache_info().currsize == auth.PUBLIC_KEYS_KEPT


# ---- Salts and hashes ----


def test_a_salt_depends_on_the_server_and_the_name_but_not_on_its_case() -> None:
    salt = auth.salt_of(KEYS, "Anna")
    assert len(salt) == 16
    assert salt == hmac.digest(KEYS.salt_key, b"anna", "sha256")[:16]
    assert salt == auth.salt_of(KEYS, "aNNA")
    assert salt != auth.salt_of(KEYS, "Anne")
    assert salt != auth.salt_of(auth.make_server_keys(bytes(32)), "Anna")


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_has_a_salt_and_hashes(text: str) -> None:
    assert len(auth.salt_of(KEYS, text)) == 16
    assert len(auth.token_hash(KEYS, text)) == len(auth.secret_hash(KEYS, text)) == 32


def test_a_login_key_a_token_and_a_link_have_hashes_of_their_own_kind() -> None:
    login, token, link = (
        auth.login_hash(KEYS, b"same"), auth.token_hash(KEYS, "same"),
        auth.secret_hash(KEYS, "same"),
    )  # fmt: skip
    assert login == hmac.digest(KEYS.login_pepper, b"same", "sha256")
    assert token == hmac.digest(KEYS.token_pepper, b"same", "sha256")
    assert link == hmac.digest(KEYS.link_pepper, b"same", "sha256")
    assert len({login, token, link}) == 3


def test_the_secret_of_an_invite_follows_from_its_id_and_the_servers_secret() -> None:
    drawn = hmac.digest(KEYS.invite_key, b"abc", "sha256")[:20]
    assert auth.invite_secret(KEYS, "abc") == auth.new_secret(lambda _: drawn)
    assert auth.invite_secret(KEYS, "abd") != auth.invite_secret(KEYS, "abc")
    assert auth.invite_secret(auth.make_server_keys(bytes(32)), "abc") != auth.invite_secret(
        KEYS, "abc"
    )


def test_hashes_are_the_same_or_not() -> None:
    assert auth.same(b"abc", b"abc")
    assert not auth.same(b"abc", b"abd")
    assert not auth.same(b"abc", b"ab")


@given(st.binary(min_size=20, max_size=20))
def test_a_new_secret_holds_all_its_bits_in_letters_that_survive_anywhere(drawn: bytes) -> None:
    secret = auth.new_secret(lambda size: drawn[:size])
    assert len(secret) == 32
    assert secret.isalnum()
    assert secret == secret.lower()
    assert base64.b32decode(secret.upper()) == drawn


def test_entropy_that_gives_too_little_makes_no_secret() -> None:
    with pytest.raises(AssertionError):
        auth.new_secret(lambda size: bytes(size - 1))


# ---- Codes ----

RFC_SECRET = b"12345678901234567890"

# RFC 6238, appendix B, the lines of mode SHA1: seconds since 1970, and eight digits.  The last six
# are our code, since a code is the same number modulo a power of ten (RFC 4226, section 5.3).
RFC_VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
NOW = 1_111_111_111_000
STEP = NOW // 30_000


@pytest.mark.parametrize(("seconds", "digits"), RFC_VECTORS)
def test_codes_are_those_of_the_rfc(seconds: int, digits: str) -> None:
    assert auth.totp_code(RFC_SECRET, seconds * 1000) == digits[-6:]
    assert auth.totp_code(RFC_SECRET, seconds * 1000 + 999) == digits[-6:]


@given(st.binary(min_size=20, max_size=64), st.integers(0, 2**40))
def test_codes_are_those_of_another_implementation(secret: bytes, seconds: int) -> None:
    other = TOTP(secret, 6, SHA1(), 30, enforce_key_length=False)  # noqa: S303 - RFC 6238's own.
    assert auth.totp_code(secret, seconds * 1000).encode() == other.generate(seconds)


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_code_counts_one_step_early_and_late(off: int) -> None:
    code = auth.totp_code(RFC_SECRET, NOW + off * 30_000)
    assert auth.totp_step_accepted(RFC_SECRET, code, NOW, 0) == STEP + off


@pytest.mark.parametrize("off", [-2, 2])
def test_a_code_does_not_count_two_steps_early_or_late(off: int) -> None:
    code = auth.totp_code(RFC_SECRET, NOW + off * 30_000)
    assert auth.totp_step_accepted(RFC_SECRET, code, NOW, 0) is None


@pytest.mark.parametrize("later_ms", [0, 1, 29_999, 30_000])
def test_a_code_is_accepted_once(later_ms: int) -> None:
    code = auth.totp_code(RFC_SECRET, NOW)
    step = auth.totp_step_accepted(RFC_SECRET, code, NOW, 0)
    assert step == STEP
    assert auth.totp_step_accepted(RFC_SECRET, code, NOW + later_ms, step) is None


def test_after_a_newer_code_an_older_one_counts_no_more() -> None:
    older, newer = (auth.totp_code(RFC_SECRET, NOW + off) for off in (-30_000, 30_000))
    step = auth.totp_step_accepted(RFC_SECRET, newer, NOW, 0)
    assert step == STEP + 1
    assert auth.totp_step_accepted(RFC_SECRET, older, NOW, step) is None


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(-2, 2)), max_size=30))
def test_no_step_is_ever_accepted_twice(tries: list[tuple[int, int]]) -> None:
    now, last, accepted = NOW, 0, []
    for passed_ms, off in tries:
        now += passed_ms
        code = auth.totp_code(RFC_SECRET, now + off * 30_000)
        step = auth.totp_step_accepted(RFC_SECRET, code, now, last)
        if step is not None:
            accepted.append(step)
            last = step
    assert accepted == sorted(set(accepted))


@pytest.mark.parametrize("code", ["", "05047", "0504710", "05047x", " 50471", "٠٥٠٤٧١", "050472"])
def test_what_is_not_the_code_is_not_accepted(code: str) -> None:
    assert auth.totp_code(RFC_SECRET, NOW) == "050471"
    assert auth.totp_step_accepted(RFC_SECRET, code, NOW, 0) is None


@given(st.text(), st.integers(0, 2**53), st.integers(-5, 2**50))
def test_no_text_time_or_step_breaks_the_check(code: str, now_ms: int, last_step: int) -> None:
    step = auth.totp_step_accepted(RFC_SECRET, code, now_ms, last_step)
    assert step is None or step > last_step


def test_a_clock_at_its_very_beginning_breaks_nothing() -> None:
    code = auth.totp_code(RFC_SECRET, 0)
    assert auth.totp_step_accepted(RFC_SECRET, code, 0, -5) == 0


def test_an_authenticator_app_is_told_all_it_needs() -> None:
    uri = urlsplit(auth.totp_uri(RFC_SECRET, "Anna.B", "Alcove chat.example:8888"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Alcove chat.example 8888:Anna.B"
    assert parse_qs(uri.query, strict_parsing=True) == {
        "secret": [base64.b32encode(RFC_SECRET).decode()],
        "issuer": ["Alcove chat.example 8888"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_a_secret_of_any_length_is_written_without_padding() -> None:
    for length in range(20, 65):
        query = parse_qs(urlsplit(auth.totp_uri(bytes(length), "a", "b")).query)
        assert set(query["secret"][0]) == {"A"}


def test_what_stands_in_a_name_cannot_change_the_rest_of_the_address() -> None:
    uri = auth.totp_uri(b"12345", "a&secret=b", "x?y&issuer=z/ é")
    assert parse_qs(urlsplit(uri).query)["secret"] == ["GEZDGNBV"]
    assert parse_qs(urlsplit(uri).query)["issuer"] == ["x?y&issuer=z/ é"]
    assert "+" not in uri  # Authenticator apps read it as a plus.
