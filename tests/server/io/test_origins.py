"""Which pages a browser may send here: those of this server, by the names that are its own."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from alcove.server.io.origins import is_foreign_origin, is_own_host
from alcove.server.settings import Settings

BARE = Settings()
PUBLIC = Settings(public_url="https://chat.example.org")
NAMED = Settings(host="den.lan")


@pytest.mark.parametrize(
    ("settings", "host", "origins", "is_foreign"),
    [
        (BARE, "127.0.0.1:8888", (), False),
        (BARE, "127.0.0.1:8888", ("http://127.0.0.1:8888",), False),
        (BARE, "[::1]:8888", ("http://[::1]:8888",), False),
        (BARE, "localhost:8888", ("http://localhost:8888",), False),
        (BARE, "box.localhost", ("http://box.localhost",), False),
        (BARE, "127.0.0.1:8888", ("http://127.0.0.1:9999",), True),
        (BARE, "127.0.0.1:8888", ("http://127.0.0.1:8888", "https://evil.example"), True),
        (BARE, "evil.example:8888", ("http://evil.example:8888",), True),
        (BARE, "127.0.0.1:8888", ("null",), True),
        (BARE, "127.0.0.1:8888", ("",), True),
        (BARE, "127.0.0.1:8888", ("http://[",), True),
        (BARE, "127.0.0.1:8888", ("http://127.0.0.1:99999",), True),
        (BARE, "127.0.0.1:8888", ("file://127.0.0.1:8888",), True),
        (BARE, "[", ("http://127.0.0.1",), True),
        (NAMED, "den.lan:8888", ("http://den.lan:8888",), False),
        (NAMED, "DEN.lan:8888", ("http://den.LAN:8888",), False),
        (PUBLIC, "chat.example.org", ("https://chat.example.org",), False),
        (PUBLIC, "inner:1", ("https://chat.example.org:443",), False),
        (PUBLIC, "chat.example.org:443", ("http://chat.example.org:443",), True),
        (PUBLIC, "192.0.2.7", ("http://192.0.2.7",), False),
        (PUBLIC, "evil.example", ("https://evil.example",), True),
    ],
)
def test_only_pages_at_an_address_of_this_server_are_its_own(
    settings: Settings, host: str, origins: tuple[str, ...], is_foreign: bool
) -> None:
    headers = CIMultiDict([("Host", host), *(("Origin", origin) for origin in origins)])
    request = make_mocked_request("POST", "/v1/find", headers=headers)
    assert is_foreign_origin(request, settings) is is_foreign


def test_a_name_that_anybody_may_own_is_not_this_machine() -> None:
    for host, is_own in (("127.0.0.1:1", True), ("localhost", True), ("evil.example", False)):
        request = make_mocked_request("GET", "/metrics", headers={"Host": host})
        assert is_own_host(request, BARE) is is_own
