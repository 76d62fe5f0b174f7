"""Pages and figures of a running server: what everybody may see, and what only the host may."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from alcove.server.io.figures import RATE_S, SAMPLE_S
from alcove.server.io.pages import METRICS_TOKEN
from alcove.server.pages import Outside, Status
from alcove.server.store.database import StorageError
from alcove.wire.entries import Append
from alcove.wire.greeting import NewToken
from alcove.wire.invites import Invited, NewInvite
from tests.server.io.live import Live, served, serving
from tests.server.io.test_sockets import make_room, message


async def get(live: Live, path: str, **headers: str) -> tuple[int, str]:
    async with live.web.get(f"{live.address}{path}", headers=headers) as response:
        return response.status, await response.text()


@served()
async def test_a_healthy_server_says_so(live: Live) -> None:
    assert await get(live, "/health") == (200, "ok\n")
    live.running.works._reading.close()
    assert (await get(live, "/health"))[0] == 503


@served()
async def test_the_status_page_shows_figures_and_no_names(live: Live) -> None:
    ada, bob = await live.newcomer("ada-lovelace"), await live.newcomer("bob-the-builder")
    room, key = await make_room(live, ada, bob)
    await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
    live.running.figures.tick()
    await live.running.figures.measure()
    status, text = await get(live, "/status.json")
    figures = msgspec.json.decode(text, type=Status)
    assert (status, figures.connected, figures.online, figures.database) == (200, 2, 2, "SQLite")
    assert figures.message_rate > 0
    assert figures.room_bytes > 0
    assert "ada-lovelace" not in text
    status, page = await get(live, "/status")
    assert status == 200
    assert "Alcove" in page


@served()
async def test_curves_have_a_point_for_each_minute(live: Live) -> None:
    for _ in range(2 * SAMPLE_S):
        live.running.figures.tick()
    figures = live.running.figures.status()
    assert len(figures.connected_samples) == len(figures.message_rate_samples) == 2
    assert live.running.figures.rate == 0
    assert RATE_S < SAMPLE_S


@served()
async def test_files_are_served_by_name_and_not_by_path(live: Live) -> None:
    url = f"{live.address}/static/page.css"
    async with live.web.get(url) as response:
        assert (response.status, response.content_type) == (200, "text/css")
        etag = response.headers["ETag"]
    assert (await get(live, "/static/page.css", **{"If-None-Match": etag}))[0] == 304
    for path in ("/static/nothing", "/static/..%2fpages.py", "/static/%2e%2e/pages.py"):
        assert (await get(live, path))[0] == 404


HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@served(name="Harbour", registration="password", server_password="correct horse")
async def test_the_bare_address_says_what_this_is(live: Live) -> None:
    status, page = await get(live, "/")
    assert (status, "<h1>Harbour</h1>" in page) == (200, True)
    assert "server&#x27;s password" in page


@pytest.mark.parametrize("path", ["/nothing", "/i", "/static/nothing", "/statusx"])
def test_what_is_not_there_is_a_page_for_browsers_and_a_line_for_programs(
    path: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with serving(tmp_path) as live:
            status, page = await get(live, path, **HTML)
            assert (status, "<h1>There is nothing here</h1>" in page) == (404, True)
            assert await get(live, path) == (
                404,
                "There is nothing here. Check the address, or ask who sent it.\n",
            )

    asyncio.run(story())


@served()
async def test_a_wrong_method_is_told_which_there_are(live: Live) -> None:
    url = f"{live.address}/status"
    async with live.web.delete(url, headers=HTML) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        assert "That cannot be done here" in await response.text()
    async with live.web.delete(url) as response:
        assert await response.text() == (
            "That cannot be done here. This address takes GET, HEAD only.\n"
        )


@served()
async def test_what_programs_ask_wrongly_is_refused_as_the_protocol_has_it(live: Live) -> None:
    async with live.web.get(f"{live.address}/v1/find", headers=HTML) as response:
        said = await response.json()
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (said["code"], said["why"]) == ("unknown", "This address takes POST only.")
    async with live.web.post(f"{live.address}/v1/a/b", json={}) as response:
        said = await response.json()
        assert (response.status, said["code"]) == (404, "unknown")
        assert "/v1/openapi.json" in said["why"]


@served()
async def test_no_answer_tells_which_versions_run_here(live: Live) -> None:
    for path in ("/", "/nothing", "/v1/openapi.json", "/v1/blobs/x", "/health"):
        async with live.web.get(f"{live.address}{path}") as response:
            assert response.headers["Server"] == "Alcove"
    socket = await live.web.ws_connect(f"{live.address}/v1/socket")
    assert socket._response.headers["Server"] == "Alcove"
    await socket.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"what is this\r\n\r\n")
    said = await reader.read()
    assert b" 400 " in said
    assert b"Server: Alcove\r\n" in said
    writer.close()


def test_the_status_listener_has_one_page_and_leads_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            serving(tmp_path) as live,
            TestClient(TestServer(live.running.status_app)) as client,
        ):
            async with client.get("/", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (302, "/status")
            async with client.get("/nothing") as response:
                assert response.status == 404
                assert "There is nothing here" in await response.text()

    asyncio.run(story())


@served()
async def test_an_invite_page_says_who_invites(live: Live) -> None:
    ada = await live.newcomer("ada")
    invited = await ada.ask(NewInvite(uses=2))
    assert isinstance(invited, Invited), invited
    status, page = await get(live, f"/i/{invited.invite.invite}")
    assert (status, "@ada invites you" in page) == (200, True)
    assert (await get(live, "/i/unknown"))[0] == 404
    assert (await get(live, "/i/" + "x" * 5000))[0] == 404


@served()
async def test_metrics_are_for_this_machine_when_no_proxy_stands_before_it(live: Live) -> None:
    status, text = await get(live, "/metrics")
    assert status == 200
    assert "alcove_connected_devices 0.0" in text
    assert (await get(live, "/metrics", Authorization="Bearer wrong"))[0] == 404


@served(behind_proxy=True, registration="open")
async def test_behind_a_proxy_metrics_need_a_token(live: Live) -> None:
    assert (await get(live, "/metrics"))[0] == 404
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    assert (await get(live, "/metrics", Authorization=f"Bearer {token}"))[0] == 404


def test_the_token_of_the_data_folder_opens_the_metrics(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, behind_proxy=True) as live:
            (tmp_path / METRICS_TOKEN).write_text("a-secret\n")
            assert (await get(live, "/metrics", Authorization="Bearer a-secret"))[0] == 200
            assert (await get(live, "/metrics", Authorization="Bearer another"))[0] == 404

    asyncio.run(story())


@served()
async def test_who_is_not_on_this_machine_learns_only_that_the_server_runs(live: Live) -> None:
    elsewhere = [
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
        {"Host": "evil.example"},
    ]
    for headers in elsewhere:
        status, text = await get(live, "/status.json", **headers)
        found = msgspec.json.decode(text, type=Outside)
        assert (status, found.running, found.registration) == (200, True, "open")
        assert set(msgspec.json.decode(text)) == set(Outside.__struct_fields__)
        assert (await get(live, "/metrics", **headers))[0] == 404


@served(behind_proxy=True)
async def test_behind_a_proxy_nobody_gets_figures_from_the_servers_port(live: Live) -> None:
    _, text = await get(live, "/status.json")
    assert set(msgspec.json.decode(text)) == set(Outside.__struct_fields__)


@served()
async def test_a_token_of_odd_bytes_measures_nothing(live: Live) -> None:
    (Path(live.running.settings.data) / METRICS_TOKEN).write_text("a-secret")
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
    assert b" 404 " in await reader.readline()
    writer.close()


@served()
async def test_a_database_that_fails_has_a_page_of_its_own(live: Live) -> None:
    async def fail(_: object) -> None:
        raise StorageError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live.running.works, "look", fail)
        status, page = await get(live, "/i/abc")
        headers = {"Authorization": "Bearer abc"}
        async with live.web.post(f"{live.address}/v1/find", json={}, headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (503, "storage")
    assert (status, "cannot store anything" in page) == (503, True)
