"""Links of a server, as people paste them: taken whole, or refused in a sentence."""

import pytest

from alcove.client.errors import UsageError
from alcove.client.invitations import is_link, read_invitation

KEY, CERTIFICATE = "ab" * 32, "cd" * 32
LINK = f"https://chat.example.org/i/abcdefgh#secret_secret.k{KEY}"


def test_a_link_says_where_the_server_is_and_who() -> None:
    found = read_invitation(f"  {LINK}.t{CERTIFICATE}\n")
    assert found.address == "https://chat.example.org"
    assert (found.secret, found.server.hex()) == ("secret_secret", KEY)
    assert found.certificate == bytes.fromhex(CERTIFICATE)
    assert read_invitation(LINK).certificate is None
    assert "secret" not in repr(found)


def test_parts_that_a_newer_app_has_written_are_passed_over() -> None:
    assert read_invitation(f"{LINK}.f{KEY}.x").server.hex() == KEY


@pytest.mark.parametrize(
    "text",
    ["", LINK[:-1], LINK.replace("https", "ftp"), LINK + "!", LINK + "." + "a" * 2000,
     "https://chat.example.org/r/abcdefgh#x"],
)  # fmt: skip
def test_what_is_no_whole_link_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a whole link"):
        read_invitation(text)


def test_an_address_is_told_from_a_link() -> None:
    assert is_link(LINK)
    assert not is_link("https://chat.example.org")
