"""A link is a text that somebody pastes, and a key that lets in who has it."""

import pytest
from msgspec.structs import replace

from alcove.client.errors import UsageError
from alcove.client.rooms.extension import Ban, LinkKey, Ranked, RoomState
from alcove.client.rooms.links import (
    RoomLink,
    entry_for,
    lets_in,
    link_hash,
    link_key,
    prove,
    read_link,
    write_link,
)
from alcove.client.rooms.note import LinkProof

SECRET, ADA, BOB = bytes(range(32)), bytes([1] * 32), bytes([2] * 32)
LINK = RoomLink(
    "https://alcove.example:8443", SECRET, bytes([3] * 32), None, bytes(range(16)), ADA, 17
)
PINNED = LINK._replace(certificate=bytes([5] * 32), epoch=0)


@pytest.mark.parametrize("link", [LINK, PINNED, LINK._replace(address="http://[::1]:8000")])
def test_a_link_comes_back_from_its_text(link: RoomLink) -> None:
    assert read_link(write_link(link)) == link
    assert read_link(f"  {write_link(link)}\n") == link


def test_a_link_has_one_form() -> None:
    name = link_hash(SECRET)[:8].hex()
    assert write_link(PINNED) == (
        f"https://alcove.example:8443/r/{name}#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        f".k{'03' * 32}.t{'05' * 32}.r{bytes(range(16)).hex()}.f{'01' * 32}.e0"
    )


def test_a_link_that_was_cut_off_is_refused() -> None:
    whole = write_link(PINNED)
    refused = [whole[:end] for end in range(len(whole))]
    name = link_hash(SECRET)[:8].hex()
    refused += [
        whole + "1",  # e01
        whole.replace("https", "ftp"),
        whole.replace(name, "0" * 16),
        whole.replace("HR8", "HR9").replace("Hh8", "Hh9"),
        write_link(LINK) + "0" * 16,
        whole + "." * 2000,
    ]
    for text in refused:
        with pytest.raises(UsageError, match="copy it from the invitation again"):
            read_link(text)


def test_a_link_does_not_show_its_secret_in_logs() -> None:
    assert repr(LINK) == "<RoomLink>"


STATE = RoomState("group", (Ranked(ADA, "owner"),), links=(entry_for(SECRET, ADA),))
THERE = frozenset({ADA, BOB})
PLACE = bytes(range(16)), 17, bytes([7] * 32), b"certificate"


def test_the_key_of_a_link_follows_from_its_secret() -> None:
    assert STATE.links == (LinkKey(link_key(SECRET).public, ADA),)
    assert link_key(SECRET).public != link_key(bytes(32)).public


def test_a_proof_lets_one_leaf_into_one_epoch_of_one_room() -> None:
    proof = prove(SECRET, *PLACE)
    assert lets_in(STATE, THERE, proof, PLACE)
    for place in (
        (bytes(16), *PLACE[1:]),
        (PLACE[0], 18, *PLACE[2:]),
        (*PLACE[:2], bytes(32), PLACE[3]),
        (*PLACE[:3], b"another"),
    ):
        assert not lets_in(STATE, THERE, proof, place)
    assert not lets_in(STATE, THERE, LinkProof(proof.key, bytes(64)), PLACE)


def test_a_proof_needs_a_link_whose_maker_is_here_and_may_invite() -> None:
    proof = prove(SECRET, *PLACE)
    assert not lets_in(replace(STATE, links=()), THERE, proof, PLACE)
    assert not lets_in(STATE, frozenset({BOB}), proof, PLACE)
    by_bob = replace(STATE, links=(entry_for(SECRET, BOB),), may_invite="owners")
    assert not lets_in(by_bob, THERE, proof, PLACE)
    assert lets_in(replace(by_bob, may_invite="everyone"), THERE, proof, PLACE)
    followed = replace(by_bob, may_invite="everyone", bans=(Ban(BOB, ADA),))
    assert lets_in(followed, THERE, proof, PLACE)
