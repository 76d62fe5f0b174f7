"""From one exported secret follow a room's keys, each for one purpose."""

from alcove.client.keys.rooms import room_key
from tests.client.keys import stranger
from tests.client.keys.kinds import KEY

PURPOSES = ("message", "profile", "position", "chain", "letter")


def test_each_key_follows_from_the_secret_as_the_page_says() -> None:
    for purpose in PURPOSES:
        label = b"alcove " + purpose.encode() + b" key 1"
        assert getattr(KEY, purpose) == stranger.expand_with_label(KEY.secret, label, b"")


def test_room_keys_are_those_of_before() -> None:
    assert [key.hex() for key in room_key(bytes(32))[1:]] == [
        "be1c45c4a339cddbab0092de567620c606f855fcd9cf6e01b07f35c190965b42",
        "f52930367dc8bd0653559d8609ba5aad04cedd5e121452db2523ee2ad0c2cc3a",
        "066c8999161831215f58b6778a99edbc642239064e8ef22a9d83cc14d60e2735",
        "5b71810d626feb5a632c9fd1d58aedf233684d512ad085b923b5bce6e227d50b",
        "e5ccf70eaad2d9551b96d7a3c6e9b65aec265a176b4f4ec8e189b6a35a996eb1",
    ]


def test_no_two_purposes_share_a_key() -> None:
    assert len({bytes(key) for key in KEY}) == 1 + len(PURPOSES)


def test_a_room_key_that_is_printed_shows_nothing() -> None:
    assert repr(KEY) == "<RoomKey>"
