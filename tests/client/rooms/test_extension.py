"""The room's signed state has one encoding, and nothing else is read."""

import dataclasses

import msgspec
import pytest
from msgspec.structs import replace

from alcove.client.errors import PeerError
from alcove.client.rooms import extension as module
from alcove.client.rooms.extension import (
    BANS_MAX,
    LINKS_MAX,
    ROLES_MAX,
    ROOM_EXTENSION,
    STATE_BYTES_MAX,
    VERSIONS_MAX,
    Ban,
    LeastVersion,
    LinkKey,
    Ranked,
    RoomState,
    decode_state,
    encode_state,
    extension,
    state_of,
)
from alcove.wire.codec import encode
from tests.client.rooms.people import Person, Room

ONE, TWO = bytes([1] * 32), bytes([2] * 32)
FULL = RoomState(
    "group",
    (Ranked(TWO, "owner"), Ranked(ONE, "admin")),
    bans=(Ban(TWO, ONE), Ban(ONE)),
    may_invite="admins",
    history="closed",
    keep_ms=7,
    expires_ms=8,
    links=(LinkKey(TWO, ONE), LinkKey(ONE, ONE)),
    versions=(LeastVersion(TWO, 3), LeastVersion(ONE, 2)),
    predecessor=bytes(16),
    founder=ONE,
    founded_at=9,
    files="usual",
)


def test_a_state_comes_back_with_its_lists_in_order() -> None:
    back = decode_state(encode_state(FULL))
    assert back.roles == (Ranked(ONE, "admin"), Ranked(TWO, "owner"))
    assert back.bans == (Ban(ONE), Ban(TWO, ONE))
    assert [one.key for one in back.links] == [ONE, TWO]
    assert [one.version for one in back.versions] == [2, 3]
    assert encode_state(back) == encode_state(FULL)


@pytest.mark.parametrize("field", ["roles", "bans", "links", "versions"])
def test_lists_out_of_order_or_with_twins_are_refused(field: str) -> None:
    good = decode_state(encode_state(FULL))
    items = getattr(good, field)
    for bad in (items[::-1], (items[0], items[0])):
        with pytest.raises(PeerError, match="room-state-form"):
            decode_state(encode(replace(good, **{field: bad})))


def test_only_the_shortest_bytes_are_read() -> None:
    good = encode_state(FULL)
    fields = msgspec.msgpack.decode(good)
    longer = msgspec.msgpack.encode([*fields, 1])
    shorter = msgspec.msgpack.encode(fields[:2])
    assert encode_state(decode_state(good)) == good
    for bad in (longer, shorter, good + b"\xc0", good[:-1], b"", b"\xc1", b"\x92\xa2\xff\xff\x90"):
        with pytest.raises(PeerError, match="room-state-form"):
            decode_state(bad)


def test_nothing_large_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encode_state(replace(FULL, keep_ms=1))
    monkeypatch.setattr(module, "STATE_BYTES_MAX", len(good) - 1)
    with pytest.raises(PeerError, match="room-state-form"):
        decode_state(good)
    monkeypatch.setattr(module, "STATE_BYTES_MAX", len(good))
    assert encode_state(decode_state(good)) == good


def test_a_group_without_the_extension_is_no_room() -> None:
    room = Room("group", Person("ada"))
    context = room.public.context
    with pytest.raises(PeerError, match="room-state-missing"):
        state_of(dataclasses.replace(context, extensions=()))


@pytest.mark.parametrize(
    ("field", "most"),
    [("roles", ROLES_MAX), ("bans", BANS_MAX), ("links", LINKS_MAX), ("versions", VERSIONS_MAX)],
)
def test_every_list_has_a_limit(field: str, most: int) -> None:
    def of(count: int) -> bytes:
        names = [number.to_bytes(32, "big") for number in range(count)]
        items = {
            "roles": tuple(Ranked(one, "admin") for one in names),
            "bans": tuple(Ban(one, ONE) for one in names),
            "links": tuple(LinkKey(one, ONE) for one in names),
            "versions": tuple(LeastVersion(one, 2**53 - 1) for one in names),
        }
        return encode_state(replace(FULL, **{field: items[field]}))

    assert len(getattr(decode_state(of(most)), field)) == most
    with pytest.raises(PeerError, match="room-state-form"):
        decode_state(of(most + 1))


def test_the_largest_state_fits_into_its_limit() -> None:
    names = [number.to_bytes(32, "big") for number in range(VERSIONS_MAX)]
    largest = RoomState(
        "commons",
        tuple(Ranked(one, "owner") for one in names[:ROLES_MAX]),
        bans=tuple(Ban(one, ONE) for one in names[:BANS_MAX]),
        links=tuple(LinkKey(one, ONE) for one in names[:LINKS_MAX]),
        versions=tuple(LeastVersion(one, 2**53 - 1) for one in names),
        keep_ms=2**53 - 1,
        expires_ms=2**53 - 1,
        predecessor=bytes(16),
        founder=names[0],
        founded_at=2**53 - 1,
        files="usual",
    )
    assert len(encode_state(largest)) <= STATE_BYTES_MAX


def test_the_extension_stands_in_the_groups_context() -> None:
    ada = Person("ada")
    room = Room("channel", ada)
    assert state_of(room.public) == state_of(room.public.context) == room.state
    assert extension(room.state).type == ROOM_EXTENSION >= 0xF000
    assert room.state.roles == (Ranked(ada.hash, "owner"),)
