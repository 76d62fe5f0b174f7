"""Everything that is sealed under a room's keys, each with its own place, for tests of them all."""

from collections.abc import Callable
from typing import Any, NamedTuple

from alcove.client.keys.envelope import Opened
from alcove.client.keys.rooms import room_key
from alcove.client.keys.sealing import (
    Address,
    Caller,
    Place,
    open_chain_row,
    open_kept,
    open_letter,
    open_profile,
    open_profile_row,
    open_signal,
    open_slot,
    seal_chain_row,
    seal_kept,
    seal_letter,
    seal_profile,
    seal_profile_row,
    seal_signal,
    seal_slot,
)
from alcove.client.keys.suite import SUITE
from alcove.wire.signed import device_id

ADA = SUITE.new_signing_key(b"ada" + bytes(61))
BOB = SUITE.new_signing_key(b"bob" + bytes(61))
KEY = room_key(b"room key".ljust(32, b"."))
SALT = bytes(range(32))
EPOCH_SECRET = b"epoch".ljust(32, b".")
PROFILE_SECRET = b"profile".ljust(32, b".")

Fields = dict[str, Any]
"""Where something belongs: names as below, and what they are."""

HOME: Fields = {
    "room": b"R" * 16,
    "account": b"A" * 16,
    "device": ADA.public,
    "content": b"C" * 16,
    "key name": b"K" * 32,
    "recipient": b"D" * 16,
    "epoch": (7).to_bytes(8, "big"),
    "expiry": (7).to_bytes(8, "big"),
}
AWAY: Fields = {
    "room": b"r" * 16,
    "account": b"a" * 16,
    "device": BOB.public,
    "content": b"c" * 16,
    "key name": b"k" * 32,
    "recipient": b"d" * 16,
    "epoch": (8).to_bytes(8, "big"),
    "expiry": b"",
}
"""The same, each thing another one."""


class Kind(NamedTuple):
    """One kind of sealed bytes, told as the page tells it."""

    label: bytes
    secret: bytes
    place: tuple[str, ...]
    """What its place is made of, in order."""
    front: str | None
    """What stands before the seal, in the clear."""
    names_writer: bool
    """Whether the writer is told inside, and not by the place."""
    plain: bytes
    seal: Callable[[Fields], bytes]
    open: Callable[[Fields, bytes], bytes]


def key_of(fields: Fields) -> Any:
    return {ADA.public: ADA, BOB.public: BOB}[fields["device"]]


def place_of(fields: Fields) -> Place:
    device = fields["device"]
    return Place(
        fields["room"],
        fields["account"],
        device_id(device),
        device,
        fields["content"],
        fields["key name"],
        int.from_bytes(fields["expiry"], "big") if fields["expiry"] else None,
    )


def by_writer(fields: Fields, opened: Opened) -> bytes:
    """Return what somebody wrote, for who has asked whether it was the right one."""
    return opened.plain if opened.writer == fields["device"] else b""


TEXT = "Grüße".encode()
EARLIER = (b"E" * 32, b"earlier".ljust(32, b"."))


def address_of(fields: Fields) -> Address:
    return Address(fields["room"], fields["device"], fields["recipient"])


def caller_of(fields: Fields) -> Caller:
    return Caller(fields["room"], fields["account"], fields["device"])


def open_chain(fields: Fields, body: bytes) -> bytes:
    writer, name, secret = open_chain_row(KEY, fields["room"], fields["key name"], body)
    return by_writer(fields, Opened(writer, name + secret))


KINDS = {
    "kept": Kind(
        label=b"alcove kept 1",
        secret=KEY.message,
        place=("room", "account", "device", "content", "key name", "expiry"),
        front=None,
        names_writer=False,
        plain=TEXT,
        seal=lambda f: seal_kept(KEY, place_of(f), key_of(f), TEXT, SALT),
        open=lambda f, body: open_kept(KEY, place_of(f), body),
    ),
    "profile row": Kind(
        label=b"alcove profile row 1",
        secret=KEY.profile,
        place=("room", "key name"),
        front=None,
        names_writer=True,
        plain=TEXT,
        seal=lambda f: seal_profile_row(KEY, f["room"], f["key name"], key_of(f), TEXT, SALT),
        open=lambda f, body: by_writer(f, open_profile_row(KEY, f["room"], f["key name"], body)),
    ),
    "chain row": Kind(
        label=b"alcove chain row 1",
        secret=KEY.chain,
        place=("room", "key name"),
        front=None,
        names_writer=True,
        plain=b"".join(EARLIER),
        seal=lambda f: seal_chain_row(KEY, f["room"], f["key name"], key_of(f), EARLIER, SALT),
        open=open_chain,
    ),
    "slot": Kind(
        label=b"alcove slot 1",
        secret=KEY.position,
        place=("room", "account", "key name"),
        front="key name",
        names_writer=True,
        plain=TEXT,
        seal=lambda f: seal_slot(
            KEY, f["room"], f["account"], f["key name"], key_of(f), TEXT, SALT
        ),
        open=lambda f, body: by_writer(f, open_slot(KEY, f["room"], f["account"], body)),
    ),
    "letter": Kind(
        label=b"alcove letter 1",
        secret=KEY.letter,
        place=("room", "device", "recipient", "key name"),
        front="key name",
        names_writer=False,
        plain=TEXT,
        seal=lambda f: seal_letter(KEY, address_of(f), f["key name"], key_of(f), TEXT, SALT),
        open=lambda f, body: open_letter(KEY, address_of(f), body),
    ),
    "signal": Kind(
        label=b"alcove signal 1",
        secret=EPOCH_SECRET,
        place=("room", "account", "device", "epoch"),
        front="epoch",
        names_writer=False,
        plain=TEXT,
        seal=lambda f: seal_signal(
            EPOCH_SECRET, int.from_bytes(f["epoch"], "big"), caller_of(f), key_of(f), TEXT, SALT
        ),
        open=lambda f, body: open_signal(EPOCH_SECRET, caller_of(f), body),
    ),
    "profile": Kind(
        label=b"alcove profile 1",
        secret=PROFILE_SECRET,
        place=("account",),
        front=None,
        names_writer=True,
        plain=TEXT,
        seal=lambda f: seal_profile(PROFILE_SECRET, f["account"], key_of(f), TEXT, SALT),
        open=lambda f, body: by_writer(f, open_profile(PROFILE_SECRET, f["account"], body)),
    ),
}
