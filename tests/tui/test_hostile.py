"""What members, servers and files of all kinds do to the terminal: nothing but what they may."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image
from textual.css.query import NoMatches
from textual.events import Paste

from alcove.desk import news, shown
from alcove.tui import drawing, guard, pictures, wording
from alcove.tui.chats import Chats
from alcove.tui.choosing import ShowText
from alcove.tui.door import Door
from alcove.tui.drawing import ROWS_MAX, Pen
from alcove.tui.log import Log
from alcove.tui.main import Main
from alcove.tui.profile import Profile
from alcove.tui.shell import Rows
from tests.tui import harbour
from tests.tui.stage import NOW, Stage, Staged

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EVIL = "[bold]x[/] [/] [@click=app.leave]y \x1b]52;c;QQ==\x1b\\ \x1b]0;t\x1b\\ \u202eevil \t \u0301"
LONGEST = 40_000


def lines_of(app: Staged) -> list[str]:
    """Return what stands on the screen, as it goes to the terminal."""
    return ["".join(one.text for one in each) for each in app.screen._compositor.render_strips()]


def staged(
    size: tuple[int, int] = (80, 24),
) -> Callable[[Callable[..., Awaitable[None]]], Callable[[], None]]:
    """Run a story behind the door of a stage."""

    def wrap(story: Callable[..., Awaitable[None]]) -> Callable[[], None]:
        def run() -> None:
            async def live() -> None:
                stage = harbour.stage()
                app = stage.app()
                async with app.run_test(size=size) as pilot:
                    app.enter()
                    await until(
                        pilot, lambda: isinstance(app.screen, Main) and app.screen.query(Profile)
                    )
                    await story(stage, app, pilot)

            asyncio.run(live())

        run.__name__, run.__doc__ = getattr(story, "__name__", ""), story.__doc__
        return run

    return wrap


async def until(pilot: Any, is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not is_so():
            await pilot.pause()


def line(number: int, text: str = "hi", **facts: Any) -> shown.Line:
    base: dict[str, Any] = {
        "seq": number, "room": "a0", "kind": "text", "at": NOW, "state": "stored",
        "author": harbour.JONAS,
    }  # fmt: skip
    return shown.Line(number=number, text=text, **(base | facts))


async def opened(stage: Stage, app: Staged, pilot: Any, room: str) -> None:
    """Open a room that came onto the stage after the app did."""
    stage.tell(news.ChatsChanged(chats=(stage.rooms[room].chat,)))
    await until(pilot, lambda: room in app.chats)
    assert isinstance(app.screen, Main)
    await (await app.screen.chats()).open(room)
    await pilot.pause()


# ---- Nothing steers the terminal ----


@staged()
async def test_no_sign_that_steers_a_terminal_reaches_it(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    kinds = ("text", "poll", "unknown", "gone", "note", "gap")
    option = shown.Option(text=f"{EVIL}\nz", people=())
    said = [
        line(
            number, EVIL, kind=kind, cause=EVIL, why=EVIL, through=EVIL,
            reply=shown.Quote(number=1, by=EVIL, text=EVIL),
            reactions=(shown.Reaction(emoji=EVIL, people=("a",)),),
            poll=shown.Poll(question=EVIL, options=(option,) * 20, voters=0)
            if kind == "poll" else None,
            files=(shown.Attached(place=0, name=EVIL, type="image/png", size=1, thumbnail=b"?"),),
        )
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    bad = replace(harbour.JONAS, called=EVIL, status=EVIL)
    member = shown.Member(person=bad, role="owner", devices=2**53)
    room = stage.add_room(EVIL, len(said), said.__getitem__, topic=f"{EVIL}\n\n", members=(member,))
    await opened(stage, app, pilot, room)
    stage.tell(news.Alert(code="x", text=EVIL), news.Announced(text=EVIL))
    stage.events = (shown.Event(at=2**53 - 1, kind=EVIL, text=EVIL, address=EVIL),)
    for width, height in ((80, 24), (140, 40), (46, 20), (20, 10)):
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        assert not [one for one in lines_of(app) if STEERING.search(one)]
    await pilot.press("4")
    await pilot.pause()
    assert not [one for one in lines_of(app) if STEERING.search(one)]


@staged()
async def test_what_people_call_a_group_is_never_markup(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    title = "[/] [@click=app.leave]x"
    await opened(stage, app, pilot, stage.add_room(title, 1, line))
    await pilot.press("ctrl+f", "h", "i")
    await until(pilot, lambda: f"in {title}" in "\n".join(lines_of(app)))


@staged()
async def test_what_is_pasted_stands_there_once_and_steers_nothing(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    await opened(stage, app, pilot, "a1")
    text = app.screen.query_one(Chats).room.text
    app.post_message(Paste("two\r\nlines"))
    await until(pilot, lambda: text.text == "two\nlines")
    text.text = ""
    app.post_message(Paste("a\x1b]0;b\x07c"))
    await until(pilot, lambda: text.text == "a]0;bc")
    text.text = ""
    app.post_message(Paste("x" * (LONGEST + 1)))
    await until(pilot, lambda: len(text.text) == LONGEST)


def test_a_letter_carries_no_more_marks_than_any_language_has() -> None:
    assert len(wording.calm("a" + "\u0301" * LONGEST)) == 1 + wording.MARKS_MAX
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    assert wording.calm(f"{flag} é \U0001f468\u200d\U0001f469") == (
        f"{flag} é \U0001f468\u200d\U0001f469"
    )


# ---- What is long, or many ----


@pytest.mark.parametrize(
    "text",
    ["\n" * LONGEST + "x", "a" * LONGEST, "```" + "a" * LONGEST, "```\n" * 9_000, "你" * LONGEST],
)
@pytest.mark.parametrize("width", [20, 80])
def test_the_longest_message_takes_some_rows_and_no_more(text: str, width: int) -> None:
    drawn = drawing.drawn_line(line(1, text), Pen(width, "mira", NOW))
    assert len(drawn.rows) <= ROWS_MAX + 2


def test_code_stands_between_fences_and_three_signs_alone_are_only_signs() -> None:
    assert wording.drawn("a ```python\nx = 1\n``` b", "mira").plain == "a x = 1 b"
    assert wording.drawn("```word```", "mira").plain == "word"
    assert wording.drawn("a ```b``` c ```d", "mira").plain == "a b c ```d"


@staged()
async def test_a_long_message_is_read_whole_in_a_window(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    text = "\n".join(f"row {number}" for number in range(300))
    room = stage.add_room("Long", 1, lambda number: line(number, text, room="ac"))
    await opened(stage, app, pilot, room)
    await until(pilot, lambda: "… enter all of it" in "\n".join(lines_of(app)))
    await pilot.press("up", "enter")
    await until(pilot, lambda: isinstance(app.screen, ShowText))
    assert isinstance(app.screen, ShowText)
    assert str(app.screen._text) == text


@staged()
async def test_who_floods_with_alerts_hides_nothing_and_fills_nothing(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    for number in range(400):
        stage.tell(news.Alert(code="x", text=f"look at {number % 200}"), news.Announced(text="hi"))
    await until(pilot, lambda: any(one.text == "look at 199" for one in app.alerts))
    assert len(app.alerts) <= 100
    assert len(app._notifications) <= 5


@staged()
async def test_the_terminal_rings_once_for_many_who_call(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    rung: list[str] = []
    app.notice = rung.append  # type: ignore[method-assign, assignment]
    app.app_focus = False
    called = [news.Called(line=line(number, f"hey {number}"), title="t") for number in range(50)]
    stage.tell(*called)
    await until(pilot, lambda: rung)
    stage.now += 3_000
    stage.tell(news.Called(line=line(51, "again"), title="t"))
    await until(pilot, lambda: len(rung) == 2)
    assert rung == ["t: hey 0", "(49 more) t: again"]


@staged()
async def test_nothing_rings_where_the_account_is_locked(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    rung: list[str] = []
    app.notice = rung.append  # type: ignore[method-assign, assignment]
    app.app_focus = False
    app.run_worker(app.lock(), group="screens")
    await until(pilot, lambda: isinstance(app.screen, Door))
    stage.tell(news.Called(line=line(1, "a secret"), title="t"), news.Announced(text="until six"))
    await until(pilot, lambda: any("until six" in one.message for one in app._notifications))
    assert rung == []


def test_what_is_missed_is_logged_by_its_place_and_not_by_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise NoMatches("#a-secret")
    except NoMatches as error:
        guard.note_miss(error)
    (said,) = caplog.messages
    assert said.startswith("NoMatches\n")
    assert __file__ in said
    assert "#a-secret" not in said.replace('raise NoMatches("#a-secret")', "")
    caplog.clear()


# ---- A server that lies ----


@staged()
async def test_who_is_listed_twice_ends_nothing(stage: Stage, app: Staged, pilot: Any) -> None:
    stage.online = (harbour.JONAS, harbour.JONAS)
    stage.public = (stage.public[0],) * 2
    stage.devices = (stage.devices[0],) * 2
    await pilot.press("4")
    await until(pilot, lambda: "Your devices 2" in "\n".join(lines_of(app)))
    await pilot.press("2", "slash")
    await until(pilot, lambda: "Join a group" in "\n".join(lines_of(app)))
    await pilot.press("escape", "1", "a")
    await until(pilot, lambda: "People online 2" in "\n".join(lines_of(app)))


@staged()
async def test_a_key_meant_for_a_request_that_is_gone_answers_no_other(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    await pilot.press("1", "a")
    rows = app.screen.query_one("#waiting", Rows)
    await until(pilot, lambda: rows.option_count == 2 and rows.highlighted == 0)
    stage.requests = stage.requests[1:]
    stage.tell(news.AskingChanged(count=1))
    await until(pilot, lambda: rows.option_count == 1)
    assert rows.highlighted is None
    stage.requests = (*harbour.stage().requests,)
    rows.highlighted = 0
    stage.tell(news.AskingChanged(count=2))
    await until(pilot, lambda: rows.option_count == 2)
    assert rows.highlighted == 1  # It is the same one as before.


# ---- Pictures ----


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    held = BytesIO()
    Image.new("RGB", (width, height)).save(held, kind)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_ends_too_early_is_none(kind: str) -> None:
    whole = picture(40, 40, kind)
    for end in range(0, len(whole) - 40, 7):
        pictures.blocks(whole[:end], 28, 6)
    assert len(pictures.blocks(whole, 28, 6)) == 6


def test_pictures_of_odd_shapes_stay_within_their_cells() -> None:
    assert pictures.blocks(picture(20_000, 20_000), 28, 6) == ()
    for size in ((1, 100_000), (100_000, 1)):
        drawn = pictures.blocks(picture(*size), 28, 6)
        assert len(drawn) <= 6
        assert all(one.cell_length <= 28 for one in drawn)


# ---- The log ----


@staged()
async def test_a_reaction_to_something_old_leaves_no_hole_in_the_log(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    room = stage.add_room("Deep", 1_000, lambda number: line(number, f"said {number}", room="ac"))
    await opened(stage, app, pilot, room)
    log = app.screen.query_one(Log)
    await until(pilot, lambda: log.lines and log.lines[-1].number == 999)
    reacted = (shown.Reaction(emoji="👍", people=("ada",)),)
    stage.tell(
        news.LinesChanged(room=room, lines=(line(3, "said 3", room=room, reactions=reacted),))
    )
    newest = replace(log.lines[-1], reactions=reacted)
    stage.tell(news.LinesChanged(room=room, lines=(newest,)))
    await until(pilot, lambda: log.lines[-1].reactions)
    numbers = [one.number for one in log.lines]
    assert numbers == list(range(numbers[0], 1_000))
    assert numbers[0] > 3


# ---- Our own mistakes ----


def test_a_mistake_is_told_without_what_was_typed() -> None:
    def go_wrong(password: str) -> None:
        raise KeyError(password)

    typed = "-".join(("correct", "horse"))
    with pytest.raises(KeyError) as caught:
        go_wrong(typed)
    said = "".join(one.text for one in guard.report(caught.value).segments)
    assert "go_wrong" in said
    assert "KeyError" in said
    assert typed not in said


def test_the_app_tells_its_own_mistakes_so(capsys: pytest.CaptureFixture[str]) -> None:
    typed = "-".join(("correct", "horse"))

    async def live() -> None:
        app = harbour.stage().app()
        async with app.run_test():
            app._handle_exception(ZeroDivisionError(typed))

    with pytest.raises(ZeroDivisionError):
        asyncio.run(live())
    said = capsys.readouterr()
    assert typed not in said.out + said.err
    assert "has made a mistake" in said.out + said.err


@staged()
async def test_keys_in_one_burst_leave_the_app_where_keys_work(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    """A window is left once, however often its key is pressed; what lies below it stays."""
    del stage
    await asyncio.gather(*(pilot.press("ctrl+p") for _ in range(3)))
    await asyncio.gather(*(pilot.press("escape") for _ in range(5)))
    await asyncio.gather(*(pilot.press(key) for key in ("f1", "escape", "escape", "ctrl+l")))
    await asyncio.gather(*(pilot.press("ctrl+l") for _ in range(3)))
    await until(pilot, lambda: "Welcome back" in "\n".join(lines_of(app)))
    assert len(app.screen_stack) == 2


@staged()
async def test_every_place_can_be_as_small_as_a_terminal_gets(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    del stage
    for place in "12345":
        await pilot.press(place)
        for size in ((1, 1), (2, 1), (1, 3), (46, 2), (200, 60)):
            await pilot.resize_terminal(*size)
    await until(pilot, lambda: "Quick actions" in "\n".join(lines_of(app)))


# ---- What is left behind ----


@staged()
async def test_what_was_heard_of_one_account_is_not_shown_to_the_next(
    stage: Stage, app: Staged, pilot: Any
) -> None:
    app._rests_until_s = asyncio.get_running_loop().time() + 1_000
    app.copy_to_clipboard("a link")
    app.tell("a secret")
    stage.tell(news.Alert(code="x", text="of mira"), news.ChatsChanged(chats=()))
    await pilot.press("ctrl+l")
    await until(pilot, lambda: "Welcome back" in "\n".join(lines_of(app)))
    app._take()
    assert (app.alerts, app.chats, app.clipboard) == ([], {}, "")
    assert not list(app._notifications)
