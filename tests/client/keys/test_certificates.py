"""Whose a device is: what an identity key signed, and nothing that it did not."""

import hashlib
from typing import Any

import msgspec
import pytest

from alcove.client.errors import PeerError
from alcove.client.keys.certificates import (
    CERTIFICATES_KEPT,
    CREDENTIAL_BYTES_MAX,
    LISTS_KEPT,
    NewDevice,
    Owner,
    certify,
    check_certificate,
    check_list,
    devices_of,
    follows,
    list_hash,
    make_list,
    read_credential,
    read_list,
)
from alcove.client.keys.suite import SUITE
from alcove.mls import SigningKey
from alcove.wire.codec import encode
from alcove.wire.devices import Certificate, DeviceList, SignedCertificate, SignedList
from alcove.wire.signed import certificate_bytes, device_id, list_bytes
from tests.client.keys import stranger

SERVER = b"S" * 32
ADA = Owner(b"A" * 16, "Ada", SERVER)
IDENTITY = SUITE.new_signing_key(b"identity" + bytes(56))
NEXT_IDENTITY = SUITE.new_signing_key(b"next identity" + bytes(51))
MALLORY = SUITE.new_signing_key(b"mallory" + bytes(57))
LAPTOP = NewDevice(SUITE.new_signing_key(b"laptop" + bytes(58)).public)
BROWSER = NewDevice(SUITE.new_signing_key(b"browser" + bytes(57)).public, browser=True)

SMALL_ORDER = (1).to_bytes(32, "little")
"""The neutral point: one signature by it is good for everything."""

ARCHIVE = bytes(1216)
FIRST = make_list(IDENTITY, ADA, [LAPTOP], None, archive=ARCHIVE)
SECOND = make_list(IDENTITY, ADA, [LAPTOP, BROWSER], FIRST, archive=ARCHIVE)


def cause(function: Any, *args: Any) -> str:
    with pytest.raises(PeerError) as caught:
        function(*args)
    return caught.value.cause


# ---- Certificates ----


def test_a_certificate_says_whose_a_device_is() -> None:
    said = check_certificate(certify(IDENTITY, ADA, BROWSER, 3), SERVER)
    assert said == Certificate(
        identity=IDENTITY.public,
        account=ADA.account,
        name="Ada",
        server=SERVER,
        device=BROWSER.key,
        browser=True,
        version=3,
    )


def test_a_stranger_checks_a_certificate_by_the_page_alone() -> None:
    signed = certify(IDENTITY, ADA, LAPTOP, 1)
    statement = stranger.transcript(b"alcove certificate 1", signed.body)
    stranger.verify(IDENTITY.public, statement, signed.signature)
    assert (
        hashlib.sha256(signed.body + signed.signature).hexdigest()
        == "94c8980929012ed9db839168abdbd65a3f772d7ec0d7fd107cd33cb2257e23bb"
    )


def test_a_certificate_is_the_credential_of_a_leaf() -> None:
    signed = certify(IDENTITY, ADA, LAPTOP, 1)
    assert read_credential(encode(signed)) == signed


@pytest.mark.parametrize(
    "credential",
    [
        b"",
        b"\xc1",
        encode({"body": b""}),
        encode([b"", bytes(64)]),
        bytes(CREDENTIAL_BYTES_MAX + 1),
    ],
)
def test_a_credential_that_is_no_certificate_is_refused(credential: bytes) -> None:
    assert cause(read_credential, credential) == "bad-certificate"


def test_a_certificate_for_another_server_is_refused() -> None:
    assert cause(check_certificate, certify(IDENTITY, ADA, LAPTOP, 1), b"T" * 32) == "wrong-server"


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    body = b"not a certificate"
    signature = SUITE.crypto.sign(SUITE.signature, IDENTITY, certificate_bytes(body))
    signed = SignedCertificate(body, signature)
    assert cause(check_certificate, signed, SERVER) == "bad-certificate"


@pytest.mark.parametrize("changes", [
    {"account": b"B" * 16},
    {"name": "Eve"},
    {"device": BROWSER.key},
    {"browser": True},
    {"version": 2},
    {"identity": MALLORY.public},
    {"identity": SMALL_ORDER},
])  # fmt: skip
def test_nothing_in_a_certificate_can_be_changed(changes: dict[str, Any]) -> None:
    signed = certify(IDENTITY, ADA, LAPTOP, 1)
    said = check_certificate(signed, SERVER)
    forged = SignedCertificate(encode(msgspec.structs.replace(said, **changes)), signed.signature)
    assert cause(check_certificate, forged, SERVER) == "not-signed"


def test_a_list_s_signature_does_not_make_a_certificate() -> None:
    body = certify(IDENTITY, ADA, LAPTOP, 1).body
    signature = SUITE.crypto.sign(SUITE.signature, IDENTITY, list_bytes(body))
    assert cause(check_certificate, SignedCertificate(body, signature), SERVER) == "not-signed"


def test_a_certificate_is_checked_once_and_a_forged_one_each_time() -> None:
    check_certificate.cache_clear()
    signed = certify(IDENTITY, ADA, LAPTOP, 1)
    forged = SignedCertificate(signed.body, bytes(64))
    for _ in range(3):
        check_certificate(signed, SERVER)
        assert cause(check_certificate, forged, SERVER) == "not-signed"
        assert cause(check_certificate, signed, b"T" * 32) == "wrong-server"
    info = check_certificate.cache_info()
    assert (info.hits, info.currsize, info.maxsize) == (2, 1, CERTIFICATES_KEPT)


# ---- Lists ----


def test_a_list_says_which_devices_an_account_has() -> None:
    devices = devices_of(check_list(SECOND, SERVER))
    assert list(devices) == [device_id(LAPTOP.key), device_id(BROWSER.key)]
    assert [one.browser for one in devices.values()] == [False, True]
    assert [one.version for one in devices.values()] == [2, 2]


def test_a_stranger_checks_a_list_by_the_page_alone() -> None:
    statement = stranger.transcript(b"alcove device list 1", SECOND.body)
    stranger.verify(IDENTITY.public, statement, SECOND.signature)
    assert read_list(SECOND).before == hashlib.sha256(FIRST.body).digest() == list_hash(FIRST)
    assert (
        hashlib.sha256(SECOND.body + SECOND.signature).hexdigest()
        == "1651a22feddf9b730f0f3a7bd0e317b93fde01f48353e623ab116e77370708f4"
    )


def signed_by(identity: SigningKey, said: DeviceList, old: bytes | None = None) -> SignedList:
    body = encode(said)
    return SignedList(body, SUITE.crypto.sign(SUITE.signature, identity, list_bytes(body)), old)


def changed(**changes: Any) -> SignedList:
    """Return the second list as its owner would sign it with something else in it."""
    return signed_by(IDENTITY, msgspec.structs.replace(read_list(SECOND), **changes))


def certificates(identity: SigningKey, owner: Owner, version: int) -> dict[str, Any]:
    return {"certificates": (certify(identity, owner, LAPTOP, version),)}


FORGED = SignedCertificate(certify(IDENTITY, ADA, LAPTOP, 2).body, bytes(64))


@pytest.mark.parametrize(("signed", "why"), [
    (SignedList(b"not a list", bytes(64)), "bad-list"),
    (SignedList(SECOND.body, FIRST.signature), "not-signed"),
    (SignedList(SECOND.body, bytes(64)), "not-signed"),
    (signed_by(MALLORY, read_list(SECOND)), "not-signed"),
    (changed(identity=SMALL_ORDER), "not-signed"),
    (changed(server=b"T" * 32), "wrong-server"),
    (changed(certificates=()), "bad-list"),
    (changed(version=0), "bad-list"),
    (changed(version=1), "bad-list"),
    (changed(before=bytes(32)), "bad-list"),
    (SignedList(FIRST.body, FIRST.signature, bytes(64)), "bad-list"),
    (changed(account=b"B" * 16), "bad-list"),
    (changed(name="Eve"), "bad-list"),
    (changed(version=3), "bad-list"),
    (changed(**certificates(IDENTITY, ADA, 1)), "bad-list"),
    (changed(**certificates(MALLORY, ADA, 2)), "bad-list"),
    (changed(**certificates(IDENTITY, ADA._replace(server=b"T" * 32), 2)), "bad-list"),
    (changed(certificates=(FORGED,)), "not-signed"),
    (changed(certificates=(SignedCertificate(b"", bytes(64)),)), "bad-list"),
    (changed(certificates=read_list(SECOND).certificates * 2), "bad-list"),
])  # fmt: skip
def test_a_list_that_breaks_a_rule_is_refused(signed: SignedList, why: str) -> None:
    assert cause(check_list, signed, SERVER) == why


def test_lists_are_remembered_within_a_bound_and_refusals_are_not() -> None:
    check_list.cache_clear()
    forged = SignedList(SECOND.body, bytes(64))
    for _ in range(2):
        check_list(SECOND, SERVER)
        assert cause(check_list, forged, SERVER) == "not-signed"
    info = check_list.cache_info()
    assert (info.hits, info.currsize, info.maxsize) == (1, 1, LISTS_KEPT)


# ---- How one list stands to another ----

ROTATED = make_list(NEXT_IDENTITY, ADA, [LAPTOP], SECOND, old_identity=IDENTITY, archive=ARCHIVE)
RESET = make_list(NEXT_IDENTITY, ADA, [LAPTOP], SECOND, archive=ARCHIVE)
THIRD = make_list(IDENTITY, ADA, [BROWSER], SECOND, archive=ARCHIVE)
OTHER_FIRST = make_list(IDENTITY, ADA, [BROWSER], None, archive=ARCHIVE)
OTHER_SECOND = make_list(IDENTITY, ADA, [LAPTOP], FIRST, archive=ARCHIVE)


@pytest.mark.parametrize(("old", "new", "step"), [
    (FIRST, FIRST, "same"),
    (FIRST, SECOND, "next"),
    (SECOND, THIRD, "next"),
    (SECOND, ROTATED, "rotated"),
    (SECOND, RESET, "reset"),
    (SECOND, FIRST, "older"),
    (FIRST, THIRD, "missing"),
    (FIRST, ROTATED, "missing"),
    (FIRST, OTHER_FIRST, "forked"),
    (SECOND, OTHER_SECOND, "forked"),
    (THIRD, ROTATED, "forked"),
    (OTHER_FIRST, SECOND, "forked"),
])  # fmt: skip
def test_lists_follow_each_other(old: SignedList, new: SignedList, step: str) -> None:
    assert follows(old, new, SERVER) == step


def test_the_same_list_is_the_same_whatever_old_signature_a_server_hangs_on_it() -> None:
    bare = SignedList(ROTATED.body, ROTATED.signature)
    assert follows(ROTATED, bare, SERVER) == "same"


def test_a_rotation_needs_the_signature_of_the_key_before() -> None:
    assert ROTATED.old_signature is not None
    assert follows(SECOND, SignedList(ROTATED.body, ROTATED.signature), SERVER) == "reset"
    forged = SignedList(ROTATED.body, ROTATED.signature, ROTATED.signature)
    assert cause(follows, SECOND, forged, SERVER) == "not-signed"


def test_a_list_of_the_same_identity_has_no_old_signature() -> None:
    assert cause(follows, FIRST, SignedList(SECOND.body, SECOND.signature, SECOND.signature),
                 SERVER) == "bad-list"  # fmt: skip


@pytest.mark.parametrize("owner", [ADA._replace(account=b"B" * 16), ADA._replace(name="Bob")])
def test_a_list_of_another_account_follows_nothing(owner: Owner) -> None:
    other = make_list(IDENTITY, owner, [LAPTOP], FIRST, archive=ARCHIVE)
    assert cause(follows, FIRST, other, SERVER) == "wrong-account"


def test_a_list_that_is_not_good_by_itself_follows_nothing() -> None:
    assert cause(follows, FIRST, SignedList(SECOND.body, bytes(64)), SERVER) == "not-signed"
