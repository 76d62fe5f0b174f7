"""`alcove admin page`: the link, and the way that it takes to a browser."""

import asyncio
import http.client
import json
import os
import stat
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner, Result

from alcove.cli import admin_page, main
from alcove.cli.links import show_link
from alcove.server.admin_messages import Link
from tests.server.io.live import Live, serving
from tests.server.io.test_admin import door

Browser = Callable[[Live, str], bool]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ALCOVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(admin_page, "OPEN_WAIT_S", 2)
    monkeypatch.setattr("time.sleep", lambda _: None)


def call(tmp_path: Path, *words: str, browser: Browser | None = None) -> Result:
    """Run the command beside a server that runs, with such a browser on the machine."""

    async def story() -> Result:
        async with serving(tmp_path) as live, door(live):
            with pytest.MonkeyPatch.context() as patch:

                def start(url: str) -> bool:
                    assert browser is not None, "no browser was asked for"
                    return browser(live, url)

                patch.setattr(webbrowser, "open", start)
                runner = CliRunner(catch_exceptions=False)
                called = ["admin", "page", "--data", str(tmp_path), *words]
                return await asyncio.to_thread(runner.invoke, main, called)

    return asyncio.run(story())


def file_of(url: str) -> Path:
    assert urlsplit(url).scheme == "file"
    return Path(unquote(urlsplit(url).path))


def secret_in(text: str) -> str:
    return text.partition("/admin#")[2][:32]


def post(live: Live, secret: str) -> int:
    """Do what the page does with a link."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port)
    headers = {"Authorization": f"Bearer {secret}", "Alcove-Page": "used"}
    connection.request("POST", "/admin/session", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_link_alone_goes_to_standard_output(tmp_path: Path) -> None:
    done = call(tmp_path)
    assert done.exit_code == 0
    (link,) = done.stdout.splitlines()
    assert link.startswith("http://127.0.0.1:8888/admin#")
    assert "Whoever opens this link first sees the admin page.  It works once" in done.stderr
    assert "on this machine only" in done.stderr
    assert secret_in(link) not in done.stderr


def test_programs_get_the_link_as_json(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "--json").stdout)
    assert (found["kind"], found["uses"]) == ("page", 1)
    assert len(secret_in(found["link"])) == 32


def test_a_browser_is_led_by_a_file_that_only_this_user_reads_and_that_goes_again(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, int, str]] = []

    def browser(live: Live, url: str) -> bool:
        file = file_of(url)
        text = file.read_text(encoding="utf-8")
        seen.append((url, stat.S_IMODE(file.stat().st_mode), text))
        return post(live, secret_in(text)) == 204

    (tmp_path / admin_page.FILE_NAME).write_text("left behind by one that was killed")
    done = call(tmp_path, "--open", browser=browser)
    assert done.exit_code == 0
    assert done.stderr.endswith("The page is open.\n")
    ((url, mode, text),) = seen
    secret = secret_in(done.stdout)
    assert mode == 0o600
    assert text.count(f"http://127.0.0.1:8888/admin#{secret}") == 2
    assert secret not in url
    assert not file_of(url).exists()


def test_a_browser_that_does_not_open_the_page_is_told(tmp_path: Path) -> None:
    done = call(tmp_path, "--open", browser=lambda *_: True)
    assert done.stderr.endswith("The browser did not open it: open the link yourself.\n")
    assert not (tmp_path / admin_page.FILE_NAME).exists()


def test_where_there_is_no_browser_the_link_is_for_another_machine(tmp_path: Path) -> None:
    done = call(tmp_path, "--open", browser=lambda *_: False)
    assert done.stderr.endswith("There is no browser here: open the link in one of your own.\n")
    assert secret_in(done.stdout) != ""


def test_a_browser_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    def browser(_: Live, __: str) -> bool:
        raise webbrowser.Error

    done = call(tmp_path, "--open", browser=browser)
    assert done.exit_code == 1
    assert "No browser could be started (Error): open the link yourself." in done.stderr
    assert secret_in(done.stdout) not in done.stderr
    assert not (tmp_path / admin_page.FILE_NAME).exists()


def test_without_a_server_there_is_no_page(tmp_path: Path) -> None:
    async def make() -> None:
        async with serving(tmp_path):
            pass

    asyncio.run(make())
    done = CliRunner().invoke(main, ["admin", "page", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "The admin page comes from a running server: start it first" in done.stderr


@pytest.mark.parametrize(
    ("address", "warns"), [("https://chat.example.org", False), ("http://10.0.0.7:8888", True)]
)
def test_a_link_that_goes_over_a_network_without_tls_comes_with_a_warning(
    address: str, warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_link(Link("page", "abc", f"{address}/admin#secret", 1, 1_800_000_000_000))
    said = capsys.readouterr().err
    assert ("goes without TLS" in said) is warns
    assert "on this machine only" not in said
