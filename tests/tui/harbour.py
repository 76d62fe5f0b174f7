"""What stands on the stage in pictures: a small team at a quay, on a Friday morning."""

from io import BytesIO
from typing import Any, Final

from msgspec.structs import replace
from PIL import Image

from alcove.desk import news, shown
from tests.tui.stage import NOW, Stage

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
TEN: Final = NOW - 6 * MINUTE_MS
"""Ten o'clock."""
KB, MB = 1_000, 1_000_000


def _someone(number: int, name: str, called: str, **facts: Any) -> shown.Person:
    base = {"trust": "checked", "presence": "online"} | facts
    return shown.Person(account=f"{number:02x}", name=name, called=called, **base)


MIRA = _someone(1, "mira", "Mira Okafor", is_me=True, status="On the quay until four")
JONAS = _someone(2, "jonas", "Jonas Lindqvist")
PRIYA = _someone(3, "priya", "Priya Raman", status="at the desk until four")
AIKO = _someone(4, "aiko", "Aiko Mori", status="reading proofs")
NOOR = _someone(5, "noor", "Noor Haddad", status="on the pier")
TOMAS = _someone(6, "tomas", "Tomás Vidal", trust="changed", presence="offline")
LENA = _someone(7, "lena", "Lena Brandt", trust="unchecked", presence="offline")
NOLAN = _someone(8, "nolan", "Nolan Achterberg", trust="unchecked", presence="offline")
SAM = _someone(9, "sam", "Sam Whitlock", trust="unchecked")
SEUN = _someone(10, "seun", "Oluwaseun Bello", trust="unchecked", status="night shift")
MARTA = _someone(11, "marta", "Marta Kowalczyk", trust="unchecked")
TEO = _someone(12, "teo", "Teo Nakamura", trust="unchecked", status="back on Monday")
ILSE = _someone(13, "ilse", "Ilse Verhoeven", trust="unchecked")
DIMA = _someone(14, "dima.s", "Dmitri Sokolov", trust="unchecked")

TEAM: Final = tuple(
    shown.Member(person=one, role=role, devices=devices)
    for one, role, devices in (
        (MIRA, "owner", 3), (JONAS, "admin", 1), (AIKO, "member", 2), (LENA, "member", 1),
        (NOLAN, "member", 1), (NOOR, "member", 1), (PRIYA, "member", 2), (TOMAS, "member", 1),
    )
)  # fmt: skip


def dawn() -> bytes:
    """Return a picture: sky, sun, sea, and a crane."""
    picture = Image.new("RGB", (56, 24))
    for y in range(24):
        for x in range(56):
            if y < 15:
                colour = (38 + 12 * y, 52 + 6 * y, 92)
            else:
                colour = (70 - 4 * (y - 15), 84 - 4 * (y - 15), 110 - 4 * (y - 15))
            if (x - 38) ** 2 + (y - 12) ** 2 < 20 and y < 15:
                colour = (255, 226, 150)
            if (6 < x < 9 and 3 < y < 15) or (3 < x < 22 and y == 3) or (x < 16 and y > 13):
                colour = (24, 27, 36)
            picture.putpixel((x, y), colour)
    held = BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


def _line(at: int, author: shown.Person, text: str = "", **facts: Any) -> dict[str, Any]:
    base = {"kind": "text", "state": "stored", "is_mine": author.is_me}
    return {"at": at, "author": author, "text": text} | base | facts


WORDING: Final = "I pushed the new backup wording, could someone read it before lunch?"
PDF: Final = shown.Attached(
    place=0, name="safety-words.pdf", type="application/pdf", size=1_500_000,
    transfer=shown.Transfer(
        number=1, name="safety-words.pdf", is_upload=True, size=1_500_000, done=930_000,
        state="open", line=8, place=0,
    ),
)  # fmt: skip
HARBOUR: Final = (
    _line(
        NOW - DAY_MS + 6 * HOUR_MS + 52 * MINUTE_MS, LENA, "quay-at-dawn.jpg",
        files=(shown.Attached(
            place=0, name="quay-at-dawn.jpg", type="image/jpeg", size=212 * KB, width=1280,
            height=720, thumbnail=dawn(),
        ),),
    ),
    _line(
        NOW - DAY_MS + 6 * HOUR_MS + 53 * MINUTE_MS, LENA, "gulls.ogg",
        files=(shown.Attached(
            place=0, name="gulls.ogg", type="audio/ogg", size=88 * KB, length_ms=42_000,
            waveform=bytes(40 + (number * 37) % 200 for number in range(60)),
        ),),
    ),
    _line(
        TEN, MIRA, WORDING, is_edited=True, state="read", readers=6,
        reactions=(
            shown.Reaction(emoji="👍", people=("jonas", "priya", "noor")),
            shown.Reaction(emoji="🎉", people=("aiko", "mira"), is_mine=True),
        ),
    ),
    _line(
        TEN + MINUTE_MS, MIRA, "See https://docs.example.org/alcove/backup", state="delivered"
    ),
    _line(
        TEN + 2 * MINUTE_MS, TOMAS, "", kind="gap", cause="no-key",
        why="The key of this message has not come yet; other devices are asked for it.",
    ),
    _line(
        TEN + 3 * MINUTE_MS, AIKO,
        "@mira the second paragraph still says “server” where it should say “device”.",
        is_new=True, calls_me=True, reply=shown.Quote(number=2, by="mira", text=WORDING),
    ),
    _line(
        TEN + 4 * MINUTE_MS, AIKO, "Gate code tonight: 4471", is_new=True,
        expires_at=NOW + 23 * HOUR_MS + MINUTE_MS,
    ),
    _line(TEN + 5 * MINUTE_MS, MIRA, "Good catch, fixed."),
    _line(TEN + 6 * MINUTE_MS, MIRA, "safety-words.pdf", state="waiting", seq=None, files=(PDF,)),
)  # fmt: skip


def _said(stage: Stage, title: str, said: tuple[dict[str, Any], ...], **facts: Any) -> str:
    room = f"{len(stage.rooms) + 0xA0:02x}"
    lines = []
    for number, one in enumerate(said):
        facts_of_one: dict[str, Any] = {"number": number, "seq": number, "room": room} | one
        lines.append(shown.Line(**facts_of_one))
    return stage.add_room(title, len(lines), lines.__getitem__, **facts)


def _direct(stage: Stage, person: shown.Person, at: int, text: str, **facts: Any) -> str:
    mine = facts.pop("mine", "")
    by = MIRA if mine else person
    members = tuple(shown.Member(person=one, role="member", devices=1) for one in (MIRA, person))
    return _said(
        stage, person.name, (_line(at, by, text),), kind="direct", person=person,
        members=members, history="open", last_state=mine, **facts,
    )  # fmt: skip


def stage(*, is_offline: bool = False) -> Stage:
    """Return the stage with all that stands on it."""
    found = Stage()
    connection = found.me.connection
    if is_offline:
        connection = shown.Connection(state="offline", again_at=NOW + 4_000)
    found.me = shown.Me(
        person=MIRA, server="https://harbour.example.org", profile="harbour", is_host=True,
        since=NOW - 25 * MINUTE_MS, connection=connection, server_key="7f3a91c20be4", waiting=1,
    )  # fmt: skip
    _rooms(found)
    _others(found)
    _noted(found)
    _filed(found)
    _lies_there(found)
    if is_offline:
        _nobody_is_known(found)
    return found


def _rooms(found: Stage) -> None:
    _said(
        found, "Harbour team", HARBOUR, topic="Quay 4, the boats and the gate", role="owner",
        history="open", members=TEAM, typing=("priya",), may_invite="admins",
        may_post="everyone", may_pin="admins", level="mentions", last="safety-words.pdf",
        created_by="mira", created_at=NOW - 262 * DAY_MS, last_kind="file", last_by="mira",
        last_state="waiting",
        may=shown.Allowed(post=True, invite=True, pin=True, settings=True, remove=True),
    )  # fmt: skip
    _direct(found, JONAS, TEN + 2 * MINUTE_MS, "Shall I bring the spare cable?", unread=2)
    _said(
        found, "Release 0.4", (_line(TEN - 9 * MINUTE_MS, TOMAS, "tagged, notes are up"),),
        role="admin", history="closed", members=TEAM[:5], unread=11, calls=1,
        created_by="tomas", created_at=NOW - 90 * DAY_MS,
    )  # fmt: skip
    _direct(found, NOOR, TEN - 20 * MINUTE_MS, "See you at the quay", mine="read")
    _said(
        found, "Sunday lunch", (_line(NOW - DAY_MS, AIKO, "Who brings bread?"),),
        history="open", members=TEAM[:5], draft="I can bring the bread, and some of the soup",
    )  # fmt: skip
    _direct(found, TOMAS, NOW - DAY_MS - HOUR_MS, "I am back, with another phone")
    _direct(found, AIKO, NOW - DAY_MS - 2 * HOUR_MS, "tide-table.csv")
    _direct(found, LENA, NOW - 2 * DAY_MS, "The plan is in the drawer")
    _said(
        found, "Commons", (_line(NOW - 2 * DAY_MS, JONAS, "Server moves on Saturday, 07:00"),),
        kind="commons", history="open", members=TEAM,
    )  # fmt: skip
    _said(
        found, "Pilots and tides", (_line(NOW - 3 * DAY_MS, PRIYA, "High water is at 04:10"),),
        history="open", members=TEAM, is_pinned=False,
    )  # fmt: skip
    _said(
        found, "Alerts", (_line(NOW - 4 * DAY_MS, SAM, "Disk of the gate camera is full"),),
        history="none", members=TEAM[:6], level="none", unread=3,
    )  # fmt: skip
    _direct(found, NOLAN, NOW - 4 * DAY_MS, "thanks, that makes five", mine="delivered")


def _others(found: Stage) -> None:
    found.accounts = (
        shown.Account(
            profile="harbour", name="mira", server="https://harbour.example.org",
            asks_passphrase=True,
        ),
        shown.Account(profile="clinic", name="m.okafor", server="https://clinic.example.net"),
    )  # fmt: skip
    found.server = shown.Server(
        address="harbour.example.org", name="harbour.example.org", registration="invite",
        invite="open", inviter="jonas",
    )  # fmt: skip
    found.requests = (
        shown.Asking(room="e1", person=ILSE, kind="direct", at=NOW - 5 * MINUTE_MS),
        shown.Asking(
            room="e2", person=replace(DIMA, rooms=("Release 0.4",)), kind="direct",
            at=NOW - HOUR_MS, is_spam=True, reasons=("only-a-link", "many-links"),
        ),
    )  # fmt: skip
    found.online = (
        MIRA, replace(PRIYA, rooms=("Harbour team", "Release 0.4")),
        replace(NOOR, rooms=("Harbour team", "Pilots and tides")),
        replace(JONAS, rooms=("Harbour team", "Release 0.4")),
        replace(AIKO, rooms=("Harbour team",)), SAM, replace(SEUN, rooms=("Sunday lunch",)), MARTA,
        replace(TEO, rooms=("Pilots and tides",)),
    )  # fmt: skip
    found.safety = {
        one.account: shown.Safety(
            person=one,
            digits="217822683829280261558115037538119895466172687931950465542810",
            code="alcove-safety-1:217822683829280261558115037538119895466172687931950465542810",
        )
        for one in (TOMAS, LENA, NOLAN, JONAS, PRIYA, AIKO, NOOR)
    }
    found.public = (
        shown.PublicRoom(
            room="f1", alias="quay-volunteers", about="Who helps when", members=24, is_open=True
        ),
        shown.PublicRoom(
            room="f2", alias="quayside-reading", about="A book a month", members=9, is_open=False
        ),
    )


def _noted(found: Stage) -> None:
    found.devices = (
        shown.Device(
            id="7f3a91c20be4", program="alcove 0.1", is_this=True, is_browser=False,
            added_at=NOW - 262 * DAY_MS, seen_at=NOW,
        ),
        shown.Device(
            id="19d24c07a1b2", program="alcove 0.1", is_this=False, is_browser=True,
            added_at=NOW - DAY_MS, seen_at=NOW - 22 * MINUTE_MS,
        ),
        shown.Device(
            id="c45e00d911f8", program="alcove 0.1", is_this=False, is_browser=False,
            added_at=NOW - 240 * DAY_MS, seen_at=NOW - 71 * DAY_MS,
        ),
    )  # fmt: skip
    found.events = tuple(
        shown.Event(at=at, kind=kind, text=text, address=address, is_suspicious=is_suspicious)
        for at, kind, text, address, is_suspicious in (
            (
                TEN + 4 * MINUTE_MS,
                "suspicious",
                "count=6 rule=password_guessing",
                "203.0.113.77",
                True,
            ),
            (TEN + 4 * MINUTE_MS, "login_failed", "", "203.0.113.77", False),
            (TEN - 19 * MINUTE_MS, "signed_in", "", "198.51.100.7", False),
            (TEN - 19 * MINUTE_MS, "blob_downloaded", "", "198.51.100.7", False),
            (TEN - 90 * MINUTE_MS, "request_accepted", "", "198.51.100.7", False),
            (NOW - DAY_MS, "device_added", "", "198.51.100.7", False),
            (NOW - DAY_MS, "list_published", "version=7", "198.51.100.7", False),
            (NOW - 2 * DAY_MS, "room_link_created", "", "198.51.100.7", False),
        )
    )


def _filed(found: Stage) -> None:
    found.transfers = (
        shown.Transfer(
            number=1, name="safety-words.pdf", is_upload=True, size=1_500_000, done=930_000,
            state="open", at=NOW, room="a0",
        ),
        shown.Transfer(
            number=2, name="backup-0.4.tar.gz", is_upload=False, size=47 * MB, done=14_600_000,
            state="paused", at=NOW, room="a2",
        ),
        shown.Transfer(
            number=3, name="drone-pass.mp4", is_upload=True, size=74 * MB, done=0,
            state="failed", why="The limit is 50 MB per file.", at=NOW, room="a0",
        ),
    )  # fmt: skip
    rows = (
        (0, "tide-table.csv", "text/csv", 38 * KB, AIKO, 17 * HOUR_MS, None),
        (1, "quay-at-dawn.jpg", "image/jpeg", 212 * KB, LENA, 17 * HOUR_MS, 6 * DAY_MS),
        (2, "mooring-plan.pdf", "application/pdf", 4_100 * KB, MIRA, 49 * HOUR_MS, None),
        (3, "invoice-0311.xlsx", "application/x", 64 * KB, NOOR, 68 * HOUR_MS, None),
        (4, "pilot-briefing.mp3", "audio/mpeg", 18 * MB, PRIYA, 74 * HOUR_MS, 20 * HOUR_MS),
        (5, "backup-0.4.tar.gz", "application/gzip", 47 * MB, TOMAS, 84 * HOUR_MS, None),
        (6, "crew-list.docx", "application/x", 29 * KB, MIRA, 95 * HOUR_MS, 3 * DAY_MS),
        (7, "gate-camera.png", "image/png", 1_200 * KB, SAM, 6 * DAY_MS, 2 * HOUR_MS),
        (8, "relay.json", "application/json", 6 * KB, JONAS, 7 * DAY_MS, None),
    )
    homes = ("a6", "a0", "a0", "a3", "a9", "a2", "a0", "aa", "a2")
    found.files = tuple(
        shown.Line(
            number=number, seq=number, room=room, kind="text", text=name, at=NOW - ago,
            state="stored", author=author, is_mine=author.is_me,
            expires_at=None if lasts is None else NOW + lasts,
            files=(shown.Attached(
                place=0, name=name, type=kind, size=size,
                length_ms=754_000 if kind.startswith("audio") else 0,
                blob=f"c{number}",
                ends_at=NOW - HOUR_MS if name == "relay.json" else None,
            ),),
        )
        for (number, name, kind, size, author, ago, lasts), room in zip(rows, homes, strict=True)
    )  # fmt: skip


def _lies_there(found: Stage) -> None:
    """Lay out what is on this machine and on the server, and what is known besides."""
    found.space = shown.Space(
        used=118 * MB, quota=2_000 * MB, downloads={"c2": 7, "c6": 2},
    )  # fmt: skip
    found.folder = shown.Folder(
        path="/home/mira",
        entries=(
            shown.Entry(name="Documents", is_folder=True, size=0, is_usual=True),
            shown.Entry(name="Pictures", is_folder=True, size=0, is_usual=True),
            shown.Entry(name="crane.blend", is_folder=False, size=8 * MB, is_usual=False),
            shown.Entry(name="mooring-plan.pdf", is_folder=False, size=4_100 * KB, is_usual=True),
        ),
    )
    found.cleared = shown.Cleared(at=NOW - 3 * DAY_MS, events=214)
    found.links = (shown.RoomLink(id="5f20aa31", ends_at=NOW + 2 * DAY_MS),)


def _nobody_is_known(found: Stage) -> None:
    def unknown(one: shown.Person) -> shown.Person:
        return replace(one, presence="unknown")

    for room, one in found.rooms.items():
        members = tuple(replace(each, person=unknown(each.person)) for each in one.members)
        person = None if one.chat.person is None else unknown(one.chat.person)
        chat = replace(one.chat, person=person, typing=())
        found.rooms[room] = replace(one, members=members, chat=chat)


ALERTS: Final = (
    news.Alert(code="password_guessing", text="Somebody tried wrong passwords for your account."),
    news.Alert(
        code="changed",
        text="The keys of tomas have changed: compare before you write.",
        about=TOMAS.account,
    ),
)
