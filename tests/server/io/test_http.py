"""The HTTP door: the same requests as JSON, with a token, and refusals as HTTP says them."""

import base64
import gzip
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse, WSServerHandshakeError
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from alcove.server.io.http import address_of
from alcove.server.settings import Rate
from alcove.server.store.database import StorageError
from alcove.wire.greeting import NewToken, SignIn
from tests.server.io.live import Line, Live, served

ROOM = base64.b64encode(bytes(16)).decode()
HASH = base64.b64encode(bytes(32)).decode()


def in_json(request: Any) -> bytes:
    return msgspec.json.encode(request)


async def post(live: Live, verb: str, token: str = "", **fields: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{live.address}/v1/{verb}"
    async with live.web.post(url, json=fields, headers=headers) as response:
        return response.status, await response.json()


async def token_of(line: Line) -> str:
    token = (await line.ask(NewToken())).token
    assert isinstance(token, str)
    return token


@served()
async def test_a_token_of_a_device_opens_the_door(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = await token_of(ada)
    status, reply = await post(live, "find", token, name="ADA", id=7)
    assert (status, reply["type"], reply["id"]) == (200, "people", 7)
    (person,) = reply["people"]
    assert (person["name"], person["presence"]) == ("ada", "online")
    assert base64.b64decode(person["account"]) == ada.account


@served()
async def test_who_reads_is_let_in_though_nothing_can_be_written(live: Live) -> None:
    token = await token_of(await live.newcomer("ada"))
    works = live.running.works
    await works.do(lambda tx: tx.run("UPDATE token SET used_at = used_at - 120000"))

    def fail() -> None:
        raise StorageError

    works._writer._connection.commit = fail  # type: ignore[method-assign]
    assert (await post(live, "get_devices", token))[0] == 200
    assert (await post(live, "put_archive", token, id=1, rows=[]))[1]["code"] == "storage"
    del works._writer._connection.commit


@served()
async def test_a_device_signs_in_over_http_too(live: Live) -> None:
    ada = await live.newcomer("ada")
    _, challenge = await post(live, "challenge")
    assert ada.someone is not None
    asked: SignIn = ada.someone.sign_in(
        ada.someone.phone, base64.b64decode(challenge["challenge"]), token=True
    )
    url = f"{live.address}/v1/sign_in"
    async with live.web.post(url, data=in_json(asked)) as response:
        reply = await response.json()
    assert (response.status, reply["name"]) == (200, "ada")
    assert (await post(live, "get_devices", reply["token"]))[0] == 200
    async with live.web.post(url, data=in_json(asked)) as response:
        assert response.status == 403, "a challenge works once"


@served()
async def test_a_request_again_has_the_same_answer_and_one_effect(live: Live) -> None:
    token = await token_of(await live.newcomer("ada"))
    fields = {"id": 900, "rows": [[ROOM, HASH, "QUJD"]]}
    assert await post(live, "put_archive", token, **fields) == (200, {"type": "done", "id": 900})
    assert await post(live, "put_archive", token, **fields) == (200, {"type": "done", "id": 900})
    status, reply = await post(live, "put_archive", token, id=900, rows=[])
    assert (status, reply["code"]) == (409, "reused")


@served()
async def test_refusals_have_a_status_and_a_sentence(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = await token_of(ada)
    cases: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("find", "", {"name": "ada"}, 401, "sign_in_first"),
        ("find", "wrong", {"name": "ada"}, 401, "sign_in_first"),
        ("find", "x" * 500, {"name": "ada"}, 401, "sign_in_first"),
        ("no_such_thing", token, {}, 404, "unknown"),
        ("find", token, {"name": 5}, 400, "malformed"),
        ("passed", token, {"rooms": []}, 403, "socket_only"),
        ("put_commons", token, {"room": ROOM, "key": HASH, "link": HASH}, 403, "host_only"),
        ("get_members", token, {"room": ROOM}, 403, "not_a_member"),
    ]  # fmt: skip
    for verb, given, fields, status, code in cases:
        answer = await post(live, verb, given, **fields)
        assert (answer[0], answer[1]["code"]) == (status, code), verb
        assert answer[1]["why"].endswith(".")
    headers = {"Authorization": "Basic YTpi"}
    async with live.web.post(f"{live.address}/v1/find", json={}, headers=headers) as response:
        assert response.status == 401


@served()
async def test_a_peer_of_another_version_is_told_both_versions(live: Live) -> None:
    for method, path in (("POST", "/v2/find"), ("GET", "/v0/socket"), ("GET", "/v37/blobs/x")):
        async with live.web.request(method, f"{live.address}{path}", data=b"") as response:
            refusal = await response.json()
        theirs = path[2:].partition("/")[0]
        assert (response.status, refusal["code"], refusal["ours"]) == (426, "version", [1, 1])
        assert f"versions 1 to 1 of the protocol, your app {theirs} to {theirs};" in refusal["why"]
    with pytest.raises(WSServerHandshakeError) as error:
        await live.web.ws_connect(f"{live.address}/v2/socket")
    assert error.value.status == 426
    for path in ("/v/find", "/vx/find", "/v2", "/v12345678901/find", "/version/2/"):
        async with live.web.get(f"{live.address}{path}") as response:
            assert response.status == 404, path


@served(message_bytes_max=65536)
async def test_a_body_is_measured_before_it_is_read_and_while_it_comes(live: Live) -> None:
    token = await token_of(await live.newcomer("ada"))
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{live.address}/v1/find"

    async def check(response: ClientResponse) -> None:
        assert (response.status, (await response.json())["code"]) == (413, "too_large")

    async with live.web.post(url, data=bytes(200_000), headers=headers) as response:
        await check(response)

    async def chunks() -> Any:
        for _ in range(20):
            yield bytes(10_000)

    async with live.web.post(url, data=chunks(), headers=headers) as response:
        await check(response)


@served()
async def test_the_door_is_described(live: Live) -> None:
    async with live.web.get(f"{live.address}/v1/openapi.json") as response:
        document = await response.json()
    assert document["openapi"] == "3.1.0"
    assert "/v1/append" in document["paths"]
    assert "/v1/passed" not in document["paths"]
    assert "\\A" not in str(document)


@pytest.mark.parametrize(
    ("said", "is_behind_proxy", "address"),
    [
        ("203.0.113.9", True, "203.0.113.9"),
        ("10.0.0.1, 203.0.113.9", True, "203.0.113.9"),
        ("nonsense", True, "127.0.0.1"),
        ("", True, "127.0.0.1"),
        ("203.0.113.9", False, "127.0.0.1"),
    ],
)
def test_only_a_proxy_says_where_a_request_comes_from(
    said: str, is_behind_proxy: bool, address: str
) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": said})
    request = request.clone(remote="127.0.0.1")
    assert address_of(request, is_behind_proxy=is_behind_proxy) == address


def test_the_last_proxy_is_believed_also_when_it_adds_a_line_of_its_own() -> None:
    lines = CIMultiDict(
        [("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "10.0.0.1, 203.0.113.9")]
    )
    request = make_mocked_request("GET", "/", headers=lines)
    assert address_of(request, is_behind_proxy=True) == "203.0.113.9"


@served()
async def test_a_packed_body_is_refused_and_never_unpacked(live: Live) -> None:
    url, packed = f"{live.address}/v1/salt", gzip.compress(b" " * 1_000_000)
    headers = {"Content-Encoding": "gzip"}
    async with live.web.post(url, data=packed, headers=headers) as response:
        assert (await response.json())["code"] == "malformed"
    async with live.web.post(url, data=packed) as response:
        assert (await response.json())["code"] == "malformed"


@served(rate_page=Rate(1, 60, 1))
async def test_only_files_know_another_method_than_the_requests_own(live: Live) -> None:
    codes = []
    for _ in range(2):
        headers = {"X-HTTP-Method-Override": "GET"}
        async with live.web.get(f"{live.address}/status", headers=headers) as response:
            codes.append(response.status)
    assert codes == [200, 429]
