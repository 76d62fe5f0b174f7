"""What a room keeps opens where it belongs, and nowhere else."""

import hashlib
from typing import Any

import pytest

from alcove.client.errors import PeerError
from alcove.client.keys.envelope import SALT_BYTES, Form, disclose, enclose, pad, unpad
from alcove.client.keys.sealing import (
    KEPT,
    NOTICE,
    PLAIN_BYTES_MAX,
    SIGNAL,
    SIGNAL_BYTES_MAX,
    Caller,
    NoticeKind,
    check_notice,
    live_data,
    named_key,
    open_chain_row,
    open_kept,
    open_profile_row,
    open_signal,
    seal_kept,
    seal_profile_row,
    seal_signal,
    sign_notice,
    signal_epoch,
)
from alcove.wire.codec import encode
from tests.client.keys import stranger
from tests.client.keys.kinds import (
    ADA,
    AWAY,
    BOB,
    EPOCH_SECRET,
    HOME,
    KEY,
    KINDS,
    SALT,
    TEXT,
    Fields,
    Kind,
    place_of,
)

GOLDEN = {
    "kept": "36ab0d87b6d2ecf38cc6088168893cbf5201364adb3c0ae74bc5bcb7a098ea7b",
    "profile row": "3445bf469be4dd1a796dd296d7055ed2a2252f2b86fafb7e54e326b126668c9f",
    "chain row": "c310751ce2969e95bff0c94b70ede55b73b5146c6bb6fc133a99b460b3f88bbd",
    "slot": "6dbd15b20cb85c7568524ce6aaa529d3b42e27f520e3d78cb8cd1251ca3e6f00",
    "letter": "66714d01cc8c6f504c6f473dbf7eabbe3639c1c1a19b9ac8ff7b0ddedf89b00e",
    "signal": "c6a8614a3c638cf370b9d9c61f570f0792a9fcb197aaae650700a976e344c0b2",
    "profile": "0087811fe1b533a218dc100d08beb3685a2e3c7595b3b1e515a8e5bfeb52079e",
}
"""SHA-256 of each kind's bytes: they may never change while the label has its number."""

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def statement(kind: Kind, fields: Fields) -> bytes:
    """Return a kind's place as the page tells it."""
    return stranger.transcript(kind.label, *(fields[part] for part in kind.place))


def as_a_stranger(kind: Kind, fields: Fields, writer: Any, padded: Any = stranger.pad) -> bytes:
    """Seal something by the page alone."""
    place = statement(kind, fields)
    signed = place + (stranger.transcript(writer.public) if kind.names_writer else b"")
    inner = stranger.sign(writer.private, signed + stranger.transcript(kind.plain)) + kind.plain
    if kind.names_writer:
        inner = writer.public + inner
    front = fields[kind.front] if kind.front else b""
    sealed: bytes = stranger.enclose(kind.secret, kind.label, place, padded(inner), SALT)
    return front + sealed


def moved(kind: Kind, body: bytes, there: Fields) -> bytes:
    """Seal what is inside anew for another place, as any member of the room can."""
    size = len(HOME[kind.front]) if kind.front else 0
    inner = stranger.disclose(kind.secret, kind.label, statement(kind, HOME), body[size:])
    place = statement(kind, there)
    front = there[kind.front] if kind.front else b""
    return front + stranger.enclose(kind.secret, kind.label, place, stranger.pad(inner), SALT)


def refused(kind: Kind, fields: Fields, body: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        kind.open(fields, body)
    return caught.value.cause


# ---- What is sealed can be opened, by anybody who reads the page ----


@every_kind
def test_what_is_sealed_opens_where_it_belongs(kind: Kind) -> None:
    assert kind.open(HOME, kind.seal(HOME)) == kind.plain


@every_kind
def test_a_stranger_seals_the_same_bytes_by_the_page_alone(kind: Kind) -> None:
    assert as_a_stranger(kind, HOME, ADA) == kind.seal(HOME)


@pytest.mark.parametrize("name", KINDS)
def test_sealed_bytes_are_those_of_before(name: str) -> None:
    assert hashlib.sha256(KINDS[name].seal(HOME)).hexdigest() == GOLDEN[name]


def test_a_live_message_names_device_and_content_and_mls_the_rest() -> None:
    place = place_of(HOME)
    assert live_data(place) == place.device + place.content + HOME["expiry"]
    lasting = place._replace(expires_at=None)
    assert live_data(lasting) == place.device + place.content


def test_a_message_that_lasts_has_an_empty_expiry() -> None:
    lasting = HOME | {"expiry": b""}
    kind = KINDS["kept"]
    assert as_a_stranger(kind, lasting, ADA) == kind.seal(lasting)


@pytest.mark.parametrize("length", [0, 1, 187, 188, 189, 4096, PLAIN_BYTES_MAX])
def test_a_message_of_any_length_comes_back_and_shows_only_its_padded_size(length: int) -> None:
    body = seal_kept(KEY, place_of(HOME), ADA, b"x" * length, SALT)
    assert open_kept(KEY, place_of(HOME), body) == b"x" * length
    assert len(body) == 32 + stranger.size_of(4 + 64 + length) + 16
    assert len(body) <= KEPT.bytes_max


def test_the_longest_signal_fits_into_what_a_server_takes() -> None:
    caller = Caller(HOME["room"], HOME["account"], ADA.public)
    body = seal_signal(EPOCH_SECRET, 1, caller, ADA, b"x" * SIGNAL_BYTES_MAX, SALT)
    assert len(body) <= SIGNAL.bytes_max


# ---- Nothing can be moved ----

PLACES = [(name, part) for name, kind in KINDS.items() for part in kind.place]


@pytest.mark.parametrize(("name", "part"), PLACES)
def test_a_server_cannot_show_it_anywhere_else(name: str, part: str) -> None:
    kind = KINDS[name]
    elsewhere = HOME | {part: AWAY[part]}
    body = kind.seal(HOME)
    if kind.front:  # What stands in front of it is changed along with it.
        body = elsewhere[kind.front] + body[len(HOME[kind.front]) :]
    assert refused(kind, elsewhere, body) == "not-sealed"


@pytest.mark.parametrize(("name", "part"), PLACES)
def test_a_member_cannot_seal_anew_elsewhere_what_another_has_signed(name: str, part: str) -> None:
    kind = KINDS[name]
    elsewhere = HOME | {part: AWAY[part]}
    assert refused(kind, elsewhere, moved(kind, kind.seal(HOME), elsewhere)) == "not-signed"


@every_kind
def test_a_member_cannot_write_in_the_name_of_another(kind: Kind) -> None:
    mine = as_a_stranger(kind, HOME, BOB)
    if kind.names_writer:  # It says whose it is, and the caller asks whether that may be.
        assert kind.open(HOME, mine) == b""
        assert kind.open(HOME | {"device": BOB.public}, mine) == kind.plain
    else:
        assert refused(kind, HOME, mine) == "not-signed"


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.names_writer])
def test_a_writer_that_is_told_inside_cannot_be_exchanged(name: str) -> None:
    kind = KINDS[name]
    size = len(HOME[kind.front]) if kind.front else 0
    place = statement(kind, HOME)
    inner = stranger.disclose(kind.secret, kind.label, place, kind.seal(HOME)[size:])
    padded = stranger.pad(BOB.public + inner[32:])
    body = kind.seal(HOME)[:size] + stranger.enclose(kind.secret, kind.label, place, padded, SALT)
    assert refused(kind, HOME, body) == "not-signed"


@every_kind
def test_one_kind_does_not_pass_for_another(kind: Kind) -> None:
    inner = stranger.disclose(
        KEY.message, b"alcove kept 1", statement(KINDS["kept"], HOME), KINDS["kept"].seal(HOME)
    )
    front = HOME[kind.front] if kind.front else b""
    inner = (ADA.public if kind.names_writer else b"") + inner
    place = statement(kind, HOME)
    body = front + stranger.enclose(kind.secret, kind.label, place, stranger.pad(inner), SALT)
    if kind is KINDS["kept"]:
        assert kind.open(HOME, body) == kind.plain
    else:
        assert refused(kind, HOME, body) == "not-signed"


def test_the_same_secret_seals_each_kind_under_another_key() -> None:
    one, other = Form("alcove one 1", 1024), Form("alcove other 1", 1024)
    body = enclose(one, EPOCH_SECRET, b"", b"inner", SALT)
    assert disclose(one, EPOCH_SECRET, b"", body) == b"inner"
    with pytest.raises(PeerError, match="not-sealed"):
        disclose(other, EPOCH_SECRET, b"", body)


# ---- Damage ----


@every_kind
def test_what_was_damaged_anywhere_does_not_open(kind: Kind) -> None:
    body = kind.seal(HOME)
    for place in range(0, len(body), 7):
        damaged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert refused(kind, HOME, damaged) == "not-sealed"


@every_kind
def test_what_was_cut_or_lengthened_does_not_open(kind: Kind) -> None:
    body = kind.seal(HOME)
    for length in (0, 1, 7, 8, 31, 32, 33, 47, 48, 64, 80, len(body) - 1):
        assert refused(kind, HOME, body[:length]) == "not-sealed"
    assert refused(kind, HOME, body + b"\0") == "not-sealed"


@every_kind
def test_what_is_too_long_is_not_looked_at(kind: Kind) -> None:
    assert refused(kind, HOME, bytes(256 * 1024 + 1)) == "too-large"


@every_kind
@pytest.mark.parametrize("spoil", [
    lambda inner: stranger.pad(inner)[:-1] + b"\1",
    lambda inner: stranger.pad(inner) + b"\0",
    lambda inner: stranger.pad(inner)[:-1],
    lambda inner: b"\xff\xff\xff\xff" + stranger.pad(inner)[4:],
    lambda _inner: b"",
], ids=["a letter in it", "too much", "too little", "a wrong length", "nothing"])  # fmt: skip
def test_there_is_one_way_to_pad(kind: Kind, spoil: Any) -> None:
    assert refused(kind, HOME, as_a_stranger(kind, HOME, ADA, spoil)) == "not-padded"


@every_kind
def test_what_is_sealed_but_not_signed_is_refused(kind: Kind) -> None:
    for short in (b"", b"x" * 31, b"x" * 63, b"x" * 95):
        body = as_a_stranger(kind, HOME, ADA, lambda _inner, short=short: stranger.pad(short))
        assert refused(kind, HOME, body) == "not-signed"


def test_padding_keeps_what_is_inside() -> None:
    for length in (0, 251, 252, 253, 300, 5000):
        assert unpad(pad(b"x" * length)) == b"x" * length


def test_a_chain_row_that_tells_no_key_is_refused() -> None:
    kind = KINDS["chain row"]._replace(plain=b"E" * 63)
    with pytest.raises(PeerError, match="bad-chain-row"):
        open_chain_row(KEY, HOME["room"], HOME["key name"], as_a_stranger(kind, HOME, ADA))


def test_a_row_tells_who_wrote_it() -> None:
    body = seal_profile_row(KEY, HOME["room"], HOME["key name"], BOB, TEXT, SALT)
    assert open_profile_row(KEY, HOME["room"], HOME["key name"], body) == (BOB.public, TEXT)


def test_slots_and_letters_name_their_key_and_signals_their_epoch() -> None:
    assert named_key(KINDS["slot"].seal(HOME)) == HOME["key name"]
    assert named_key(KINDS["letter"].seal(HOME)) == HOME["key name"]
    assert signal_epoch(KINDS["signal"].seal(HOME)) == 7


def test_a_signal_of_another_epoch_does_not_open() -> None:
    caller = Caller(HOME["room"], HOME["account"], ADA.public)
    body = seal_signal(EPOCH_SECRET, 7, caller, ADA, TEXT, SALT)
    with pytest.raises(PeerError, match="not-sealed"):
        open_signal(b"later".ljust(32, b"."), caller, body)


def test_two_salts_make_two_ciphertexts_of_one_message() -> None:
    one = seal_kept(KEY, place_of(HOME), ADA, TEXT, bytes(SALT_BYTES))
    assert one[SALT_BYTES:] != seal_kept(KEY, place_of(HOME), ADA, TEXT, SALT)[SALT_BYTES:]


# ---- Notices ----

LEAF = b"L" * 32
PACKAGE = b"a key package"
NOTICES: list[tuple[NoticeKind, bytes | None, str]] = [
    ("lost", PACKAGE, "9677b301f55c8bf1eab85dc0dfdb167fb317aaedd569e3c75c63d7467c5a555f"),
    ("leave", None, "15e67d92f268ca6b783a7ab9048ccd75bb8df2e29f2ca9592564e580d385d0fe"),
]


@pytest.mark.parametrize(("kind", "package", "golden"), NOTICES)
def test_a_notice_says_what_its_device_signed(
    kind: NoticeKind, package: bytes | None, golden: str
) -> None:
    body = sign_notice(HOME["room"], HOME["account"], ADA, kind, LEAF, package)
    notice = check_notice(HOME["room"], HOME["account"], ADA.public, body)
    assert (notice.kind, notice.leaf, notice.package) == (kind, LEAF, package)
    signed = stranger.transcript(
        b"alcove notice 1", HOME["room"], HOME["account"], ADA.public, kind.encode(), LEAF,
        package or b"",
    )  # fmt: skip
    stranger.verify(ADA.public, signed, notice.signature)
    assert hashlib.sha256(body).hexdigest() == golden


@pytest.mark.parametrize("part", ["room", "account", "device"])
def test_a_notice_cannot_be_moved(part: str) -> None:
    there = HOME | {part: AWAY[part]}
    body = sign_notice(HOME["room"], HOME["account"], ADA, "leave", LEAF)
    with pytest.raises(PeerError, match="not-signed"):
        check_notice(there["room"], there["account"], there["device"], body)


@pytest.mark.parametrize(("place", "value"), [(1, b"M" * 32), (2, b"another"), (3, bytes(64))])
def test_a_notice_cannot_be_changed(place: int, value: bytes) -> None:
    fields: list[Any] = ["lost", LEAF, PACKAGE, b""]
    body = sign_notice(HOME["room"], HOME["account"], ADA, "lost", LEAF, PACKAGE)
    fields[3] = check_notice(HOME["room"], HOME["account"], ADA.public, body).signature
    assert encode(fields) == body
    fields[place] = value
    with pytest.raises(PeerError, match="not-signed"):
        check_notice(HOME["room"], HOME["account"], ADA.public, encode(fields))


@pytest.mark.parametrize(("body", "cause"), [
    (b"", "bad-notice"),
    (b"\xc1", "bad-notice"),
    (encode(["leave", LEAF, None]), "bad-notice"),
    (encode(["leave", LEAF, PACKAGE, bytes(64)]), "bad-notice"),
    (encode(["lost", LEAF, None, bytes(64)]), "bad-notice"),
    (encode(["leave", LEAF, None, bytes(64), "more"]), "bad-notice"),
    (encode(["stay", LEAF, None, bytes(64)]), "bad-notice"),
    (encode(["leave", b"short", None, bytes(64)]), "bad-notice"),
    (bytes(NOTICE.bytes_max + 1), "too-large"),
])  # fmt: skip
def test_what_is_no_notice_is_refused(body: bytes, cause: str) -> None:
    with pytest.raises(PeerError, match=cause):
        check_notice(HOME["room"], HOME["account"], ADA.public, body)
