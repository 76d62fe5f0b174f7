"""The server's own pages: what they say, what they never let through, what they are made of."""

import hashlib
import html
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from alcove.server import pages
from alcove.server.admin_messages import Totals
from alcove.server.io.static import read_static
from alcove.server.settings import Registration
from alcove.wire.invites import Invite

STATIC = read_static()
T = STATIC.templates
FOLDER = Path(pages.__file__).parent / "static"
FILES = sorted(FOLDER.iterdir())
HTML = {name: getattr(T, name) for name in T.__struct_fields__}
SCRIPTS = {
    name: "".join(STATIC.files[f"{part}.js"].body.decode() for part in parts)
    for name, parts in {
        "invite": ("invite",), "status": ("figures", "status"), "admin": ("figures", "admin"),
    }.items()
}  # fmt: skip
"""What runs on each page."""
CSS = STATIC.files["page.css"].body.decode()

NAME = pages.ServerName("Harbour", "chat.harbour.example")
NOW = 1_790_000_000_000
MINUTE, HOUR, DAY = pages.MS_PER_MINUTE, pages.MS_PER_HOUR, pages.MS_PER_DAY


def invite(**changes: object) -> Invite:
    new = Invite("7Qm2xV", "invite", None, NOW, NOW + 6 * DAY, 1, 0)
    return msgspec.structs.replace(new, **changes)


def shown(
    link: Invite | None = None, who: str | None = "mira", name: pages.ServerName = NAME
) -> str:
    return pages.invite_page(T, name, link or invite(), who, NOW).body.decode()


# ---- The invite page ----


def test_an_invite_says_who_invites_to_where_how_often_and_until_when() -> None:
    page = pages.invite_page(T, NAME, invite(), "mira", NOW)
    text = page.body.decode()
    assert page.code == 200
    assert '<h1 id="heading">@mira invites you to this server</h1>' in text
    assert "<b>Harbour</b>" in text
    assert "chat.harbour.example" in text
    assert "Lets one person in." in text
    assert f'data-millis="{NOW + 6 * DAY}">in 6 days<' in text
    assert "Not in the browser yet:" in text
    assert "you need a computer with Python 3.11" in text


def test_an_invite_shows_a_command_for_each_system_and_says_what_is_true_today() -> None:
    text = shown()
    assert [command.system for command in pages.COMMANDS] == ["Linux", "macOS", "Windows"]
    for command in pages.COMMANDS:
        assert command.text.count("LINK") == 1
        assert f'id="system-{command.key}"' in text
        assert f"<h3>{command.system}</h3>" in text
    assert text.count("<b>LINK</b>") == len(pages.COMMANDS)
    assert html.escape(pages.COMMANDS_STATE) in text


@pytest.mark.parametrize("command", pages.COMMANDS)
def test_no_command_fetches_a_program_that_only_shares_our_name(command: pages.Command) -> None:
    assert re.findall(r"(?:install|run|uvx|--spec)\s+[\"']?alcove", command.text) == []


@pytest.mark.parametrize(
    ("uses", "used", "sentence"),
    [
        (1, 0, "Lets one person in."),
        (5, 4, "Lets one more person in."),
        (5, 2, "Lets 3 more people in."),
        (10_000, 0, "Lets 10,000 more people in."),
    ],
)
def test_an_invite_says_how_many_it_still_lets_in(uses: int, used: int, sentence: str) -> None:
    assert f"<dd>{sentence}</dd>" in shown(invite(uses=uses, used=used))


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (1, "in about a minute"),
        (2 * MINUTE, "in 2 minutes"),
        (2 * HOUR - 2 * MINUTE, "in 118 minutes"),
        (2 * HOUR, "in 2 hours"),
        (2 * DAY - HOUR, "in 47 hours"),
        (7 * DAY - 3 * MINUTE, "in 7 days"),
        (6 * DAY + HOUR, "in 6 days"),
        (365 * DAY, "in 365 days"),
    ],
)
def test_an_invite_tells_the_time_that_is_left_as_people_would(left: int, words: str) -> None:
    assert f">{words}</span>" in shown(invite(expires_at=NOW + left))


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("mira", "MI"),
        ("sam.w", "SW"),
        ("ci-alerts_2", "CA"),
        ("x..", "X"),
        ("...", "@"),
        (None, "@"),
    ],
)
def test_a_name_without_a_picture_has_initials(name: str | None, initials: str) -> None:
    assert f'aria-hidden="true">{initials}</span>' in shown(who=name)


def test_without_somebody_who_invites_the_server_does() -> None:
    text = shown(who=None)
    assert "You are invited to this server" in text
    assert "<div><b>Harbour</b><small>this server</small></div>" in text
    nameless = shown(who=None, name=pages.ServerName("", "10.0.0.7:8888"))
    assert "<div><b>10.0.0.7:8888</b><small>this server</small></div>" in nameless


def test_an_owner_link_says_that_it_makes_the_host() -> None:
    text = shown(invite(kind="owner"), who=None)
    assert "Become the host of this server" in text
    assert "Do not pass it on." in text
    assert "Works once, for the host." in text


def test_a_bots_link_says_that_it_is_for_a_program() -> None:
    text = shown(invite(kind="bot"))
    assert "@mira made a place for a bot" in text
    assert "Works once, for one bot." in text


@pytest.mark.parametrize(
    ("kind", "who", "heading", "advice"),
    [
        ("invite", "mira", "This invite has been used up", "Ask @mira for a new one."),
        ("invite", None, "This invite has been used up", "Ask the host for a new one."),
        ("owner", None, "This server has its host", "look at its audit log."),
        ("bot", "mira", "This bot has been enrolled", "tell @mira."),
    ],
)
def test_a_used_link_says_so_even_when_its_time_is_over_too(
    kind: str, who: str | None, heading: str, advice: str
) -> None:
    link = invite(kind=kind, uses=1, used=1, expires_at=NOW - DAY)
    page = pages.invite_page(T, NAME, link, who, NOW)
    text = page.body.decode()
    assert page.code == 410
    assert f"<h1>{heading}</h1>" in text
    assert advice in text
    assert "LINK" not in text


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("invite", "Ask @mira for a new one."),
        ("owner", "Start the server again: it prints a new one."),
        ("bot", "Ask @mira for a new one."),
    ],
)
def test_an_expired_link_says_since_when_and_whom_to_ask(kind: str, advice: str) -> None:
    link = invite(kind=kind, expires_at=NOW - 3 * DAY)
    page = pages.invite_page(T, NAME, link, "mira", NOW)
    assert page.code == 410
    assert f"Its time ran out 3 days ago. {advice}" in page.body.decode()


def test_a_link_ends_at_the_very_millisecond() -> None:
    ends = invite(expires_at=NOW + 1)
    assert pages.invite_page(T, NAME, ends, "mira", NOW).code == 200
    assert pages.invite_page(T, NAME, ends, "mira", NOW + 1).code == 410


def test_an_unknown_link_tells_nothing_but_where_one_is() -> None:
    page = pages.invite_page(T, NAME, None, None, NOW)
    assert page.code == 404
    assert "<h1>This invite is not known here</h1>" in page.body.decode()
    assert page.body == pages.invite_page(T, NAME, None, "mira", NOW).body


@pytest.mark.parametrize("kind", ["reset", "page"])
def test_a_link_that_is_for_no_newcomer_has_no_page(kind: str) -> None:
    page = pages.invite_page(T, NAME, invite(kind=kind), "mira", NOW)
    assert page == pages.invite_page(T, NAME, None, None, NOW)


def told(link: Invite | None, who: str | None = "mira") -> dict[str, object]:
    said: dict[str, object] = msgspec.json.decode(pages.invite_json(NAME, link, who, NOW))
    return said


def test_programs_are_told_what_the_page_of_an_invite_tells() -> None:
    ends = NOW + 6 * DAY
    known = {"kind": "invite", "inviter": "mira", "ends_at": ends, "server": "Harbour"}
    assert told(invite()) == {"state": "open", **known}
    assert told(invite(used=1)) == {"state": "used", **known}
    assert told(invite(expires_at=NOW)) == {"state": "ended", **known, "ends_at": NOW}
    assert told(invite(), None) == {"state": "open", **known, "inviter": ""}


@pytest.mark.parametrize("link", [None, invite(kind="reset"), invite(kind="page")])
def test_programs_learn_nothing_of_a_link_that_is_for_no_newcomer(link: Invite | None) -> None:
    nothing = {"state": "unknown", "kind": "", "inviter": "", "ends_at": None, "server": "Harbour"}
    assert told(link) == nothing


# ---- Nothing from outside becomes markup ----

WICKED = "<script>\"'&{{state}}"
ESCAPED = "&lt;script&gt;&quot;&#x27;&amp;{{state}}"


def every_page(name: pages.ServerName, who: str | None, sentence: str) -> list[pages.Page]:
    links = [
        invite(kind=kind, uses=2, used=used, expires_at=NOW + left)
        for kind in ("invite", "owner", "bot")
        for used in (0, 2)
        for left in (DAY, -DAY)
    ]
    return [
        *(pages.invite_page(T, name, link, who, NOW) for link in (*links, None)),
        pages.error_page(T, name, 404, sentence),
        pages.home_page(T, name, "open"),
        pages.status_page(T, name),
        pages.admin_page(T, name),
    ]


def test_names_and_sentences_are_escaped_on_every_page() -> None:
    for page in every_page(pages.ServerName(WICKED, WICKED), WICKED, WICKED):
        text = page.body.decode()
        assert WICKED not in text
        assert ESCAPED in text
        assert re.findall(r"<script(?! src=\"/static/[a-z]+\.js\" defer></script>)", text) == []


def test_every_slot_of_every_page_is_filled() -> None:
    for page in every_page(NAME, "mira", "Gone."):
        assert re.findall(r"[{}]", page.body.decode()) == []


# ---- Other pages ----


@pytest.mark.parametrize(
    ("code", "heading"), [(404, "There is nothing here"), (418, "That did not work")]
)
def test_an_error_page_says_its_sentence(code: int, heading: str) -> None:
    page = pages.error_page(T, NAME, code, "Look at the link again.")
    assert page.code == code
    assert f"<h1>{heading}</h1>" in page.body.decode()
    assert "Look at the link again." in page.body.decode()


def test_who_asked_for_no_page_gets_the_same_in_one_line() -> None:
    assert pages.error_text(404, "Look again.") == "There is nothing here. Look again.\n"
    assert pages.error_text(418, "Look again.") == "That did not work. Look again.\n"


@pytest.mark.parametrize("registration", get_args(Registration))
def test_the_front_page_says_what_this_is_and_how_to_join(registration: Registration) -> None:
    page = pages.home_page(T, NAME, registration)
    text = page.body.decode()
    assert page.code == 200
    assert "<h1>Harbour</h1>" in text
    assert "chat.harbour.example" in text
    assert html.escape(pages.JOINING[registration]) in text
    assert 'href="/v1/openapi.json"' in text
    assert 'href="/status"' in text
    unnamed = pages.home_page(T, pages.ServerName("", "chat.example"), registration)
    assert "<h1>chat.example</h1>" in unnamed.body.decode()


def test_the_status_page_says_who_can_read_what_before_any_figure_has_come() -> None:
    page = pages.status_page(T, NAME)
    assert page.code == 200
    assert "<title>Alcove server</title>" in page.body.decode()
    assert html.escape(pages.ENCRYPTION) in page.body.decode()


STATUS = pages.Status(
    version="0.2.0",
    now=NOW,
    started_at=NOW - DAY,
    connected=1,
    connected_limit=5000,
    online=1,
    message_rate=0.5,
    message_rate_peak=3.0,
    refused=0,
    room_bytes=1,
    file_bytes=2,
    free_bytes=None,
    database="PostgreSQL",
    registration="invite",
    sample_seconds=60,
    message_rate_samples=(0.0, 0.5),
)


def test_the_figures_are_json_that_reads_back() -> None:
    data = pages.status_json(STATUS)
    assert msgspec.json.decode(data, type=pages.Status) == STATUS
    assert msgspec.json.decode(data)["encryption"] == pages.ENCRYPTION
    outside = pages.Outside(version="0.2.0", registration="invite", server="ab")
    assert msgspec.json.decode(pages.status_json(outside)) == {
        "running": True,
        "version": "0.2.0",
        "registration": "invite",
        "encryption": pages.ENCRYPTION,
        "server": "ab",
    }


def test_the_status_page_shows_every_figure_and_no_other() -> None:
    fields = set(pages.Status.__struct_fields__)
    used = set(re.findall(r"\bstatus\.([a-z_]+)\b(?!\")", SCRIPTS["status"]))
    # The page has the sentence about encryption in it from the start, and who answers runs.
    # The server's key is for programs.
    assert used == fields - {"encryption", "running", "server"}


def test_the_admin_page_shows_every_total_and_nothing_before_it_has_a_session() -> None:
    used = set(re.findall(r"\btotals\.([a-z_]+)\b", SCRIPTS["admin"]))
    apart = re.search(r"const \{ ([a-z_, ]+) \} = totals;", SCRIPTS["admin"])
    assert apart is not None
    assert used | set(apart[1].split(", ")) == set(Totals.__struct_fields__)
    page = pages.admin_page(T, NAME)
    assert page.code == 200
    assert '<div class="opened" id="opened" hidden>' in page.body.decode()


def test_the_status_page_has_words_for_every_registration_policy() -> None:
    words = re.findall(r"const REGISTRATION = \{(.*?)\};", SCRIPTS["status"], re.DOTALL)[0]
    assert re.findall(r"^\s*([a-z]+):", words, re.MULTILINE) == list(get_args(Registration))


# ---- Headers and files ----


def test_every_page_forbids_what_it_does_not_need() -> None:
    for headers in (pages.PAGE_HEADERS, pages.STATUS_HEADERS, pages.FILE_HEADERS):
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert pages.PAGE_HEADERS["Cache-Control"] == "no-store"
    assert pages.STATUS_HEADERS["Cache-Control"] == "no-store"
    assert pages.PAGE_HEADERS["Content-Type"] == "text/html; charset=utf-8"


EXTERNAL = re.compile(r"(?:[a-z]+:)?//[^\s/]|@import|url\(|data:")


def external(text: str) -> list[str]:
    """Return what a page would load from elsewhere; SVG's namespace is only a name."""
    bare = text.replace("http://www.w3.org/2000/svg", "")
    bare = re.sub(r"^\s*//.*$", "", bare, flags=re.MULTILINE)
    return EXTERNAL.findall(bare)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_loads_anything_from_elsewhere(file: Path) -> None:
    assert external(file.read_text(encoding="utf-8")) == []


def test_a_file_that_loads_from_elsewhere_is_found() -> None:
    for text in ('<img src="https://a.example/b">', "<img src='//a.example'>", "url(x)"):
        assert external(text) != []


INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=)|<base|<form")


@pytest.mark.parametrize("name", HTML)
def test_no_template_has_a_script_or_a_style_inside(name: str) -> None:
    assert INLINE.findall(HTML[name]) == []
    assert INLINE.findall('<p style="a"><script>') == [" style=", "<script"]


@pytest.mark.parametrize("name", HTML)
def test_every_file_that_a_page_asks_for_is_there(name: str) -> None:
    asked = re.findall(r'(?:src|href)="/static/([^"]*)"', HTML[name])
    assert [file for file in asked if file not in STATIC.files] == []


def test_every_file_in_the_folder_is_used_once() -> None:
    templates = [f"{name}.html" for name in HTML]
    assert sorted([*templates, *STATIC.files]) == [file.name for file in FILES]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_place_that_a_script_writes_to_is_in_its_page(name: str) -> None:
    script = SCRIPTS[name]
    wanted = re.findall(r'(?:byId|say)\("([a-z-]+)"', script)
    drawn = re.findall(r'draw\("([a-z]+)"', script)
    wanted += [f"{curve}-{part}" for curve in drawn for part in ("curve", "since", "now")]
    assert len(wanted) > 3
    page = HTML[name].replace("{{figures}}", HTML["figures"])
    assert [place for place in wanted if f'id="{place}"' not in page] == []


def test_every_file_has_its_type_and_an_etag_of_its_content() -> None:
    for name, file in STATIC.files.items():
        assert file.body == (FOLDER / name).read_bytes()
        assert file.etag == f'"{hashlib.sha256(file.body).hexdigest()[:32]}"'
    types = {name: file.content_type for name, file in STATIC.files.items()}
    assert types["page.css"] == "text/css; charset=utf-8"
    scripts = [types[name] for name in types if name.endswith(".js")]
    assert scripts == ["text/javascript; charset=utf-8"] * 4
    assert types["icon.svg"] == "image/svg+xml"


def test_the_pages_are_small() -> None:
    assert sum(file.stat().st_size for file in FILES) < 48 * 1024


# ---- Contrast (WCAG 2, AA), computed from the sheet's own colours ----

TEXT_PAIRS = [
    ("text", "ground"), ("text", "panel"), ("text", "field"), ("text", "rail"),
    ("text", "amber-ground"), ("second", "ground"), ("second", "panel"), ("second", "field"),
    ("second", "rail"), ("second", "amber-ground"), ("quiet", "ground"), ("quiet", "panel"),
    ("amber", "panel"), ("amber", "rail"), ("amber", "amber-ground"), ("green", "field"),
    ("green", "rail"), ("red", "red-ground"), ("red", "panel"), ("link", "ground"),
    ("link", "amber-ground"),
]  # fmt: skip
SHAPE_PAIRS = [("green-line", "panel"), ("amber", "panel"), ("link", "panel"), ("quiet", "field")]


def colours(theme: str) -> dict[str, tuple[float, ...]]:
    """Return the sheet's opaque colours; the light theme changes some of the dark ones."""
    dark, light = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    chosen = dark + (light if theme == "light" else "")
    return {
        name: tuple(int(value[at : at + 2], 16) / 255 for at in (0, 2, 4))
        for name, value in re.findall(r"--([a-z-]+): #([0-9a-f]{6})\b", chosen)
    }


def luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_can_be_read_on_its_ground(theme: str) -> None:
    sheet = colours(theme)
    pairs = [(pair, 4.5) for pair in TEXT_PAIRS] + [(pair, 3.0) for pair in SHAPE_PAIRS]
    assert [pair for pair, least in pairs if contrast(sheet[pair[0]], sheet[pair[1]]) < least] == []
    # The glow at the top of a page lies over its ground: at its strongest there.
    alpha = int(re.findall(r"--glow: #[0-9a-f]{6}([0-9a-f]{2})", CSS)[theme == "light"], 16) / 255
    glow = tuple(
        alpha * of_glow + (1 - alpha) * of_ground
        for of_glow, of_ground in zip(sheet["fill"], sheet["ground"], strict=True)
    )
    assert [name for name in ("text", "second", "quiet") if contrast(sheet[name], glow) < 4.5] == []


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
