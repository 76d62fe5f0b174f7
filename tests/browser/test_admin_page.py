"""The admin page in a real Chromium, before a real server: how the host comes in, sees and leaves.

They want `playwright` and Debian's `chromium`; where one is missing they are skipped, and say so.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from alcove.server.admin import OVERVIEW_EVENTS
from alcove.server.handlers.invites import page_link
from alcove.server.page_sessions import IDLE_MS
from tests.browser.test_server_pages import SIZES, THEMES, Visit, visit
from tests.server.io.live import Line, Live, serving

pytestmark = pytest.mark.slow

PATIENCE_S = 30


class Site:
    """A server in a thread of its own: Playwright wants this one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self.live: Live
        self._lines: list[Line] = []
        """Kept, so that they stay connected."""

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._folder) as self.live:
            self._ready.set()
            await self._end.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def run(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Carry something out beside the server, and return what it returns."""
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(PATIENCE_S)

    def link(self) -> str:
        works = self.live.running.works
        _, link = self.run(lambda: works.do(lambda tx: page_link(tx, tx.now)))
        return f"{self.live.address}/admin#{link.partition('#')[2]}"

    def newcomer(self, name: str) -> None:
        self._lines.append(self.run(lambda: self.live.newcomer(name)))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.start()
    yield made
    made.stop()


def enter(browser: Any, site: Site, **options: Any) -> Visit:
    seen = visit(browser, site.link(), **options)
    seen.page.get_by_text("Running", exact=True).wait_for()
    return seen


def is_shut(page: Any, why: str) -> bool:
    page.get_by_text(why).wait_for()
    return bool(page.locator("#opened").is_hidden() and page.locator("#leave").is_hidden())


def test_a_link_opens_the_page_and_leaves_no_secret_behind(browser: Any, site: Site) -> None:
    site.newcomer("ada-lovelace")
    seen = enter(browser, site)
    page = seen.page
    assert page.url == f"{site.live.address}/admin"
    assert page.evaluate("history.length") <= 2
    assert page.evaluate("document.cookie") == ""
    assert page.locator("#accounts tr").count() == 1
    row = page.locator("#accounts tr").inner_text()
    assert row.split("\t")[:4] == ["ada-lovelace", "member", "1", "0"]
    assert page.locator("#connected").inner_text() == "1"
    assert "page link used" in page.locator("#events").inner_text()
    assert page.locator("#total-accounts").inner_text() == "1 (0 bots, 0 disabled)"
    assert seen.complaints == []


def test_a_reload_goes_on_with_the_session(browser: Any, site: Site) -> None:
    page = enter(browser, site).page
    page.reload()
    page.get_by_text("Running", exact=True).wait_for()
    assert page.locator("#opened").is_visible()


def test_what_happens_is_shown_by_itself_newest_first(browser: Any, site: Site) -> None:
    page = enter(browser, site).page
    site.newcomer("bob")
    page.locator("#accounts tr", has_text="bob").wait_for()
    assert "signed in" in page.locator("#events tr").first.inner_text()
    assert page.locator("#events tr").count() <= OVERVIEW_EVENTS


def test_signing_out_shows_nothing_any_more_also_after_a_reload(browser: Any, site: Site) -> None:
    site.newcomer("ada")
    page = enter(browser, site).page
    page.get_by_role("button", name="Sign out").click()
    assert is_shut(page, "You are signed out.")
    assert page.locator("#accounts tr").count() == 0
    page.reload()
    assert is_shut(page, "No link was used in this browser")


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "No link was used in this browser"),
        ("#short", "This link is not whole"),
        ("#" + "a" * 32, "This link has ended"),
        ("#<img src=x onerror=alert(1)>", "This link is not whole"),
    ],
)
def test_without_a_link_that_works_the_page_says_how_to_get_one(
    browser: Any, site: Site, secret: str, why: str
) -> None:
    page = visit(browser, f"{site.live.address}/admin{secret}").page
    assert is_shut(page, why)
    assert page.get_by_text("alcove admin page").is_visible()
    assert page.url == f"{site.live.address}/admin"


def test_a_link_used_twice_in_one_browser_shows_the_page_again(browser: Any, site: Site) -> None:
    page = browser.new_context().new_page()
    link = site.link()
    for _ in range(2):
        page.goto("about:blank")
        page.goto(link)
        page.get_by_text("Running", exact=True).wait_for()
    assert page.locator("#opened").is_visible()


def test_a_link_that_is_put_into_the_open_page_works(browser: Any, site: Site) -> None:
    page = visit(browser, f"{site.live.address}/admin").page
    assert is_shut(page, "No link was used in this browser")
    page.goto(site.link())
    page.get_by_text("Running", exact=True).wait_for()
    assert page.locator("#opened").is_visible()


def test_a_page_that_nobody_touches_signs_itself_out(browser: Any, site: Site) -> None:
    page = enter(browser, site).page
    admin_page = site.live.running.admin_page
    admin_page.clock = lambda: site.live.now + IDLE_MS
    assert is_shut(page, "No link was used in this browser, or its time is over.")


def test_a_server_that_is_gone_is_said_and_the_figures_stay(browser: Any, site: Site) -> None:
    page = enter(browser, site).page
    page.route("**/admin/overview", lambda route: route.abort())
    page.get_by_text("No answer since").wait_for()
    assert page.locator("#opened").is_visible()
    page.unroute("**/admin/overview")
    page.get_by_text("Running", exact=True).wait_for()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_fits_its_window_and_breaks_no_policy(
    browser: Any, site: Site, width: int, height: int, theme: str
) -> None:
    site.newcomer("a-name-of-thirty-characters-x.")
    site.newcomer("bob")
    size = {"width": width, "height": height}
    seen = enter(browser, site, viewport=size, color_scheme=theme)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    button = seen.page.get_by_role("button", name="Sign out").bounding_box()
    assert button["height"] >= 44
    assert button["x"] + button["width"] <= width
    assert seen.complaints == []
