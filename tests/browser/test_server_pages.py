"""The server's own pages in a real Chromium: what a visitor sees, copies and sends.

They want `playwright` and Debian's `chromium`; where one is missing they are skipped, and say so.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from alcove.server import pages
from alcove.server.io.static import read_static
from alcove.wire.invites import Invite

STATIC = read_static()
NAME = pages.ServerName("Harbour", "chat.harbour.example")
NOW = 1_790_000_000_000
HEX = "0123456789abcdef" * 4
SECRET = "thesecrethalfofalinkisthislongxx"
KEY = f"{SECRET}.k{HEX}"
CERTIFICATE = f"{KEY}.t{HEX}"
SIZES = [(1280, 800), (390, 844)]
THEMES = ["dark", "light"]

STATUS = pages.Status(
    version="0.2.0",
    now=NOW,
    started_at=NOW - 12 * pages.MS_PER_DAY,
    connected=19,
    connected_limit=5000,
    online=14,
    message_rate=6.24,
    message_rate_peak=1313.1,
    refused=9,
    room_bytes=4_600_000_000,
    file_bytes=18_900_000_000,
    free_bytes=142_000_000_000,
    database="SQLite",
    registration="invite",
    sample_seconds=60,
    connected_samples=tuple(float(18 + (n * 7) % 11) for n in range(60)),
    message_rate_samples=tuple(float((n * n) % 13) for n in range(60)),
)


def invite(uses: int = 5, used: int = 2) -> Invite:
    ends = NOW + 6 * pages.MS_PER_DAY
    return Invite("7Qm2xV", "invite", None, NOW, ends, uses, used)


@dataclass
class Site:
    """A server of the pages alone, on this machine."""

    invite: pages.Page
    address: str = ""
    asked: list[str] = field(default_factory=list)
    up: bool = True
    figures: pages.Status | pages.Outside = STATUS

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path == "/status.json":
            return (
                200 if self.up else 503,
                dict(pages.STATUS_HEADERS),
                pages.status_json(self.figures),
            )
        file = STATIC.files.get(path.removeprefix("/static/"))
        if path.startswith("/static/") and file:
            return 200, {**pages.FILE_HEADERS, "Content-Type": file.content_type}, file.body
        page = pages.error_page(STATIC.templates, NAME, 404, "Nothing is kept at this address.")
        if path == "/status":
            page = pages.status_page(STATIC.templates, NAME)
        if path.startswith("/i/"):
            page = self.invite
        return page.code, dict(pages.PAGE_HEADERS), page.body


@pytest.fixture
def site() -> Iterator[Site]:
    page = pages.invite_page(STATIC.templates, NAME, invite(), "mira", NOW)
    served = Site(page)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = served.answer(self.path)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: the parent's would print."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield served
        server.shutdown()
        thread.join()


@dataclass
class Visit:
    """One open page, and what the browser complained about on it."""

    page: Any
    complaints: list[str]


def visit(browser: Any, url: str, **options: Any) -> Visit:
    page = browser.new_context(**options).new_page()
    seen = Visit(page, [])
    page.on("console", lambda line: seen.complaints.append(line.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(url)
    return seen


def link(site: Site, fragment: str = KEY) -> str:
    return f"{site.address}/i/7Qm2xV#{fragment}"


@pytest.mark.parametrize("fragment", [KEY, CERTIFICATE, f"{KEY}.f{HEX}", f"{CERTIFICATE}.f{HEX}"])
def test_the_whole_link_stands_in_each_command(browser: Any, site: Site, fragment: str) -> None:
    page = visit(browser, link(site, fragment)).page
    shown = page.locator("code").all_text_contents()
    assert shown == [
        command.text.replace("LINK", link(site, fragment)) for command in pages.COMMANDS
    ]
    assert page.locator("#broken").is_hidden()
    assert page.locator("#pinned").is_visible() == (".t" in fragment)


def test_the_secret_is_never_sent(browser: Any, site: Site) -> None:
    visit(browser, link(site)).page.locator("code").first.wait_for(state="attached")
    assert "/i/7Qm2xV" in site.asked
    assert [path for path in site.asked if SECRET in path] == []


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "short",
        SECRET,
        KEY[:-1],
        CERTIFICATE[:-1],
        f"{KEY}.",
        f"{KEY}&a=b",
        f"{KEY}.x&y",
        f"{KEY}';reboot;'",
        f"{KEY}.$(reboot)",
        f"{KEY}.`reboot`",
        f'{KEY}.";reboot;"',
    ],
)
def test_a_damaged_or_wicked_link_never_becomes_a_command(
    browser: Any, site: Site, fragment: str
) -> None:
    page = visit(browser, link(site, fragment)).page
    assert page.locator("code").all_text_contents() == [c.text for c in pages.COMMANDS]
    assert page.locator("#broken").is_visible()
    assert page.locator(".copy:visible").count() == 0


@pytest.mark.parametrize("secure", [True, False], ids=["with TLS", "without"])
def test_the_copy_buttons_copy(browser: Any, site: Site, secure: bool) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    reader = context.new_page()
    reader.goto(f"{site.address}/status")
    page = context.new_page()
    if not secure:
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(link(site))
    for button, text in (
        (".copy:visible", page.locator("code:visible").text_content()),
        ("#copylink", link(site)),
    ):
        page.bring_to_front()
        page.locator(button).click()
        page.get_by_text("Copied.").wait_for(state="attached")
        reader.bring_to_front()
        assert reader.evaluate("navigator.clipboard.readText()") == text
    context.close()


def test_the_systems_are_tabs_for_the_keyboard_too(browser: Any, site: Site) -> None:
    page = visit(browser, link(site)).page
    tabs = page.get_by_role("tab")
    assert tabs.all_text_contents() == ["Linux", "macOS", "Windows"]
    tabs.first.focus()
    for key, name in (("ArrowRight", "macOS"), ("End", "Windows"), ("ArrowRight", "Linux")):
        page.keyboard.press(key)
        assert page.get_by_role("tab", selected=True).all_text_contents() == [name]
        assert page.get_by_role("tabpanel").count() == 1
        assert page.get_by_role("tabpanel", name=name).is_visible()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("tab", selected=True).all_text_contents() == ["Windows"]


def test_without_javascript_the_invite_shows_all_commands_and_says_what_to_put(
    browser: Any, site: Site
) -> None:
    page = visit(browser, link(site), java_script_enabled=False).page
    assert page.locator("code:visible").count() == len(pages.COMMANDS)
    assert page.locator("h3:visible").all_text_contents() == ["Linux", "macOS", "Windows"]
    assert page.locator("noscript").is_visible()
    assert page.locator("button:visible").count() == 0


def test_the_status_page_shows_the_figures(browser: Any, site: Site) -> None:
    seen = visit(browser, f"{site.address}/status", timezone_id="UTC")
    page = seen.page
    page.get_by_text("Running", exact=True).wait_for()
    text = page.locator("body").inner_text()
    for figure in ("19", "of 5,000", "14 people online", "6.2", "peak 1,313", "23.5 GB"):
        assert figure in text
    for figure in ("4.6 GB", "18.9 GB", "142 GB", "0.2.0", "SQLite", "By invite", "12 days"):
        assert figure in text
    assert pages.ENCRYPTION in text
    assert page.title() == "Alcove server"
    label = page.locator("#rate-curve").get_attribute("aria-label")
    assert label == "Messages a second, 1 hour back until now: from 0.0 to 12.0"
    assert seen.complaints == []


def test_the_status_page_says_since_when_nothing_answers_and_recovers(
    browser: Any, site: Site
) -> None:
    page = browser.new_context(timezone_id="UTC").new_page()
    page.clock.install(time=NOW / 1000)
    page.goto(f"{site.address}/status")
    page.clock.run_for(1)
    page.get_by_text("Running", exact=True).wait_for()
    site.up = False
    with page.expect_response("**/status.json"):
        page.clock.run_for(2500)
    page.get_by_text("No answer since").wait_for()
    # The browser's clock goes on by itself, so the last answer may be a second or more later.
    last = page.locator("#answer").inner_text()
    assert page.locator("#state-text").inner_text() == f"No answer since {last}"
    site.up = True
    with page.expect_response("**/status.json"):
        page.clock.run_for(2500)
    page.get_by_text("Running", exact=True).wait_for()


def test_the_status_page_hides_the_figures_that_it_is_not_told(browser: Any, site: Site) -> None:
    site.figures = pages.Outside(version="0.2.0", registration="invite")
    seen = visit(browser, f"{site.address}/status")
    seen.page.get_by_text("Running", exact=True).wait_for()
    assert seen.page.locator("#registration").inner_text() == "By invite"
    assert seen.page.locator(".inside:visible").count() == 0
    assert "on the server's own machine only" in seen.page.locator("#elsewhere").inner_text()
    assert seen.complaints == []


def test_the_status_page_asks_nothing_while_nobody_looks(browser: Any, site: Site) -> None:
    page = browser.new_context().new_page()
    page.add_init_script(
        "let hidden = false; Object.defineProperty(document, 'hidden', {get: () => hidden});"
        "window.look = (away) => { hidden = away;"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.clock.install(time=NOW / 1000)
    page.goto(f"{site.address}/status")
    page.clock.run_for(1)
    page.get_by_text("Running", exact=True).wait_for()
    page.evaluate("look(true)")
    before = site.asked.count("/status.json")
    page.clock.run_for(60_000)
    page.evaluate("fetch('/static/icon.svg')")
    assert site.asked.count("/status.json") == before
    page.evaluate("look(false)")
    with page.expect_response("**/status.json"):
        page.clock.run_for(1)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("path", ["/i/7Qm2xV#" + KEY, "/status", "/nowhere"])
def test_every_page_fits_its_window_and_breaks_no_policy(
    browser: Any, site: Site, path: str, width: int, height: int, theme: str
) -> None:
    size = {"width": width, "height": height}
    seen = visit(browser, site.address + path, viewport=size, color_scheme=theme)
    if path == "/status":
        seen.page.get_by_text("Running", exact=True).wait_for()
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(13, 16, 21)", "light": "rgb(238, 241, 245)"}[theme]
    # Chromium itself reports that /nowhere is a 404.
    assert [line for line in seen.complaints if "404" not in line] == []
    assert [asked for asked in site.asked if not asked.startswith(("/static/", path[:3]))] == []
