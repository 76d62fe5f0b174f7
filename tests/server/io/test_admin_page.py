"""The admin page of a running server: by a link that works once, for the host alone."""

import asyncio
from http.cookies import Morsel
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

from alcove.server.admin_messages import Accounts, Events, Overview, PageLink, Report, Stats
from alcove.server.handlers.invites import PAGE_LINK_MS
from alcove.server.io.admin import answer
from alcove.server.io.admin_page import PAGE, USED
from alcove.server.page_sessions import IDLE_MS, LONGEST_MS
from alcove.server.settings import Rate
from alcove.server.store.database import StorageError
from alcove.wire.errors import Code
from alcove.wire.greeting import NewToken
from alcove.wire.invites import NewInvite
from tests.server.io.live import Live, served, serving
from tests.server.io.test_admin import ME, desk_of

OURS = {PAGE: USED}


async def new_secret(live: Live) -> str:
    link = await answer(desk_of(live), PageLink(), ME)
    address, _, secret = link.link.partition("#")
    assert address.endswith("/admin")
    return str(secret)


async def use(live: Live, secret: str, **headers: str) -> ClientResponse:
    sent = {**OURS, "Authorization": f"Bearer {secret}", **headers}
    async with live.web.post(f"{live.address}/admin/session", headers=sent) as response:
        await response.read()
        return response


async def enter(live: Live) -> dict[str, str]:
    """Come by a fresh link, and return the header that shows it."""
    response = await use(live, await new_secret(live))
    assert response.status == 204
    (cookie,) = response.cookies.values()
    return {"Cookie": f"{cookie.key}={cookie.value}"}


async def look(live: Live, *shown: dict[str, str], method: str = "GET") -> tuple[int, Any]:
    headers = {name: value for one in (OURS, *shown) for name, value in one.items()}
    path = "overview" if method == "GET" else "session"
    async with live.web.request(
        method, f"{live.address}/admin/{path}", headers=headers
    ) as response:
        body = await response.read()
        if response.status == 200:
            return 200, msgspec.json.decode(body, type=Overview)
        return response.status, msgspec.json.decode(body)["code"] if body else None


async def kinds(live: Live) -> list[str]:
    page = await answer(desk_of(live), Events(), ME)
    return [f"{one.kind} {one.address}" for one in page.events]


def later(live: Live, milliseconds: int) -> None:
    """Let the page's clock be ahead from now on."""
    live.running.admin_page.clock = lambda: live.now + milliseconds


@served()
async def test_a_link_opens_the_page_and_the_log_tells_who_did_that(live: Live) -> None:
    secret = await new_secret(live)
    assert (await use(live, secret)).status == 204
    assert await kinds(live) == [f"page_link_created {ME.address}", "page_link_used 127.0.0.1"]


@served()
async def test_the_page_shows_what_the_commands_show(live: Live) -> None:
    ada = await live.newcomer("ada")  # Her connection lasts as long as its name.
    cookie = await enter(live)
    status, found = await look(live, cookie)
    assert status == 200
    desk = desk_of(live)
    report = await answer(desk, Stats(), ME)
    assert isinstance(report, Report)
    assert (found.report.totals, found.report.address) == (report.totals, report.address)
    assert report.status is not None
    assert found.report.status == msgspec.structs.replace(
        report.status, now=found.report.status.now, message_rate=found.report.status.message_rate
    )
    assert found.accounts == await answer(desk, Accounts(), ME)
    assert found.events == await answer(desk, Events(), ME)
    assert abs(found.ends_at - live.now - LONGEST_MS) < IDLE_MS
    assert not ada.socket.closed


@served()
async def test_the_page_itself_says_nothing_and_may_be_asked_for_by_anybody(live: Live) -> None:
    await live.newcomer("ada-lovelace")
    async with live.web.get(f"{live.address}/admin") as response:
        page = await response.text()
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
    assert "ada-lovelace" not in page


@served()
async def test_a_link_works_once(live: Live) -> None:
    secret = await new_secret(live)
    statuses = [(await use(live, secret)).status for _ in range(2)]
    assert statuses == [204, 410]
    assert (await kinds(live))[-1] == "link_refused 127.0.0.1"


@served()
async def test_of_two_at_the_same_moment_only_one_gets_in(live: Live) -> None:
    secret = await new_secret(live)
    responses = await asyncio.gather(*(use(live, secret) for _ in range(5)))
    assert sorted(one.status for one in responses) == [204, 410, 410, 410, 410]


@served()
async def test_a_link_ends_after_ten_minutes_and_when_another_is_made(live: Live) -> None:
    first, last = await new_secret(live), await new_secret(live)
    assert (await use(live, first)).status == 410
    later(live, PAGE_LINK_MS)
    assert (await use(live, last)).status == 410


@pytest.mark.parametrize(
    "said",
    ["Bearer wrong", "Bearer ", "Bearer", "Basic abc", "", f"Bearer {'a' * 500}", "Bearer \u00e9"],
)
def test_what_is_no_secret_opens_nothing(said: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as live:
            await new_secret(live)
            response = await use(live, "", Authorization=said)
            assert (response.status, dict(response.cookies)) == (410, {})

    asyncio.run(story())


@served(rate_sign_in=Rate(1, 60, 3))
async def test_who_guesses_is_slowed_down(live: Live) -> None:
    statuses = [(await use(live, "a" * 32)).status for _ in range(4)]
    assert statuses == [410, 410, 410, 429]


@served()
async def test_a_link_of_another_kind_opens_no_page_and_this_one_nothing_else(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    invited = (await ada.ask(NewInvite())).link
    for secret in (token, invited.partition("#")[2].partition(".")[0]):
        assert (await use(live, secret)).status == 410
    secret = await new_secret(live)
    headers = {"Authorization": f"Bearer {secret}"}
    async with live.web.post(f"{live.address}/v1/find", json={}, headers=headers) as response:
        assert response.status == 401
    assert (await look(live, headers))[0] == 401


@served()
async def test_without_a_session_there_is_nothing_to_see(live: Live) -> None:
    cookie = await enter(live)
    name, _, value = cookie["Cookie"].partition("=")
    for shown in ({}, {"Cookie": f"{name}={value[:-1]}"}, {"Cookie": f"other={value}"}):
        assert await look(live, shown) == (401, Code.SIGN_IN_FIRST)


@served()
async def test_pages_of_other_sites_get_nothing(live: Live) -> None:
    cookie = await enter(live)
    secret = await new_secret(live)
    for site in ("cross-site", "same-site", "none"):
        elsewhere = {"Sec-Fetch-Site": site}
        assert await look(live, cookie, elsewhere) == (403, Code.NOT_ALLOWED)
        assert (await use(live, secret, **elsewhere)).status == 403
        assert (await look(live, cookie, elsewhere, method="DELETE"))[0] == 403
    foreign = {"Origin": "https://evil.example"}
    assert (await use(live, secret, **foreign)).status == 403
    assert (await look(live, cookie, foreign, method="DELETE"))[0] == 403
    assert (await look(live, cookie, {PAGE: ""}))[0] == 403
    async with live.web.options(
        f"{live.address}/admin/overview", headers={**foreign, **cookie}
    ) as response:
        assert response.status == 405
        assert [name for name in response.headers if name.startswith("Access-Control")] == []
    own = {"Origin": live.address, "Sec-Fetch-Site": "same-origin"}
    assert (await use(live, secret, **own)).status == 204
    assert (await look(live, cookie, own))[0] == 200


@served()
async def test_answers_are_kept_by_nobody(live: Live) -> None:
    headers = {**await enter(live), **OURS}
    async with live.web.get(f"{live.address}/admin/overview", headers=headers) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


# ---- The cookie ----


async def cookie_of(live: Live) -> Morsel[str]:
    response = await use(live, await new_secret(live))
    (cookie,) = response.cookies.values()
    return cookie


@served()
async def test_the_cookie_is_for_the_page_alone_and_for_no_script(live: Live) -> None:
    cookie = await cookie_of(live)
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/admin", "Strict", True)
    assert (cookie["max-age"], cookie["domain"]) == (str(LONGEST_MS // 1000), "")
    assert cookie["secure"] == ""
    assert cookie.key == f"alcove_admin_{live.world.keys.public.hex()[:8]}"


@served(behind_proxy=True)
async def test_behind_a_proxy_the_cookie_never_goes_without_tls(live: Live) -> None:
    assert (await cookie_of(live))["secure"] is True


@served(self_signed=True)
async def test_with_tls_the_cookie_never_goes_without_it(live: Live) -> None:
    assert (await cookie_of(live))["secure"] is True


# ---- How a session ends ----


@served()
async def test_a_session_ends_when_its_browser_signs_out(live: Live) -> None:
    mine, other = await enter(live), await enter(live)
    headers = {**OURS, **mine}
    async with live.web.delete(f"{live.address}/admin/session", headers=headers) as response:
        assert response.status == 204
        (cookie,) = response.cookies.values()
        assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/admin")
    assert (await look(live, mine))[0] == 401
    assert (await look(live, other))[0] == 200
    assert await look(live, method="DELETE") == (204, None)


@served()
async def test_another_link_in_the_same_browser_takes_the_sessions_place(live: Live) -> None:
    old = await enter(live)
    response = await use(live, await new_secret(live), **old)
    assert response.status == 204
    assert (await look(live, old))[0] == 401


@served()
async def test_a_link_that_fails_leaves_the_session_as_it_is(live: Live) -> None:
    cookie = await enter(live)
    assert (await use(live, "a" * 32, **cookie)).status == 410
    assert (await look(live, cookie))[0] == 200


@served()
async def test_a_session_ends_after_an_hour_untouched_however_often_it_is_asked(live: Live) -> None:
    cookie = await enter(live)
    later(live, IDLE_MS - 60_000)
    assert (await look(live, cookie, {PAGE: "open"}))[0] == 200
    later(live, IDLE_MS)
    assert (await look(live, cookie))[0] == 401


@served()
async def test_a_session_ends_after_eight_hours_however_busy_it_is(live: Live) -> None:
    cookie = await enter(live)
    for hours in range(1, 17):
        later(live, hours * (IDLE_MS // 2) - 60_000)
        assert (await look(live, cookie))[0] == 200
    later(live, LONGEST_MS)
    assert (await look(live, cookie))[0] == 401


def test_a_session_ends_with_the_server_and_a_link_does_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as live:
            cookie = await enter(live)
            secret = await new_secret(live)
        async with serving(tmp_path) as live:
            assert (await look(live, cookie))[0] == 401
            assert (await use(live, secret)).status == 204

    asyncio.run(story())


# ---- When something is wrong ----


@served()
async def test_a_server_that_stops_lets_nobody_in(live: Live) -> None:
    secret = await new_secret(live)
    live.running.door.is_stopping = True
    assert (await use(live, secret)).status == 503


@served()
async def test_a_database_that_does_not_answer_is_said(live: Live) -> None:
    cookie = await enter(live)
    database = live.running.works._database

    def fail() -> None:
        raise StorageError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "reader", fail)
        assert await look(live, cookie) == (503, Code.STORAGE)
    assert (await look(live, cookie))[0] == 200
