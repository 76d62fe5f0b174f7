"""Names of entries and running hashes: the bytes that every implementation must agree on.

The answers were made with `printf`, `xxd` and `sha256sum`, not with our code.
"""

from msgspec import msgpack

from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name, name_of, next_chain

ROOM = bytes(range(16))
BODY_HASH = bytes.fromhex("230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5")
NAME = bytes.fromhex("777d98f8dc09a5c37eccbcbd8440f2885fb3e144b35399deeed1221d4359872a")


def test_an_entry_is_named_by_its_room_its_header_and_its_body() -> None:
    assert entry_name(ROOM, b"header", b"body") == NAME


def test_an_entry_without_anything_in_it_still_has_a_name() -> None:
    name = "70bc033ac49c426dddc08cd364aa71c4fa10190b24b22124637c566cffc836e0"
    assert entry_name(ROOM, b"", b"").hex() == name


def test_an_entry_keeps_its_name_when_its_body_is_gone() -> None:
    assert name_of(ROOM, b"header", BODY_HASH) == NAME


def test_a_byte_cannot_move_between_header_and_body_unnoticed() -> None:
    assert entry_name(ROOM, b"header", b"body") != entry_name(ROOM, b"heade", b"rbody")


def test_the_running_hash_begins_with_zeros() -> None:
    chain = "8f35a537f6b5273a3186b2a4a4be69a4716b402a719cf508c7e7da8951b5eda8"
    assert bytes(32) == NOTHING_BEFORE
    assert next_chain(NOTHING_BEFORE, 1, NAME).hex() == chain


def test_the_running_hash_covers_the_place_in_eight_bytes() -> None:
    chain = bytes.fromhex("8f35a537f6b5273a3186b2a4a4be69a4716b402a719cf508c7e7da8951b5eda8")
    after = "1002974d86f69feeaa86e185807ca58494f46b3d3a132f696cb43ef652c2140c"
    assert next_chain(chain, 258, NAME).hex() == after


def test_a_position_is_a_list_of_two_numbers() -> None:
    assert msgpack.encode(Position(incarnation=1, seq=2)) == b"\x92\x01\x02"
