"""The log of a room: however long it is, only what is near the screen is held."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace
from textual.app import App, ComposeResult

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.log import BURST_LINES, HELD_LINES_MAX, Log

PAGE = 60
LINES = 100_000
FAR = 1_500
START_MS = 1_600_000_000_000
PEOPLE = [shown.Person(account=f"{number:02}", name=f"person{number}") for number in range(4)]


def made_up(number: int) -> shown.Line:
    """Return a line as a desk would give it; three minutes lie between two of them."""
    return shown.Line(
        number=number,
        seq=number,
        room="aa",
        kind="text",
        text=f"line {number} " + "and more " * (number % 40),
        at=START_MS + number * 180_000,
        state="stored",
        author=PEOPLE[number // 3 % len(PEOPLE)],
        is_mine=number // 3 % len(PEOPLE) == 0,
    )


class Room(App[None]):
    """A log, and the desk's pages of a room that was never said."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return look.DARK.variables

    def compose(self) -> ComposeResult:
        yield Log(id="log")

    def on_mount(self) -> None:
        self.most = 0
        first = LINES - PAGE
        self.log_of.show([made_up(one) for one in range(first, LINES)], 0, has_older=True)

    @property
    def log_of(self) -> Log:
        return self.query_one(Log)

    def on_log_wanted(self, event: Log.Wanted) -> None:
        log = self.log_of
        if event.older:
            end = log.lines[0].number
            numbers = range(max(0, end - PAGE), end)
        else:
            start = log.lines[-1].number + 1
            numbers = range(start, min(LINES, start + PAGE))
        more = numbers.start > 0 if event.older else numbers.stop < LINES
        log.add([made_up(one) for one in numbers], older=event.older, more=more)
        self.most = max(self.most, len(log.lines))


def room(story: Callable[[Room, Callable[[], object]], object]) -> Callable[[], None]:
    """Run a story with a log on a screen."""

    def run() -> None:
        async def live() -> None:
            app = Room()
            async with app.run_test(size=(80, 24)) as pilot:
                await story(app, pilot.pause)  # type: ignore[misc]

        asyncio.run(live())

    run.__name__ = getattr(story, "__name__", "story")
    return run


@room
async def test_scrolling_back_far_and_forth_again_holds_few_lines(
    app: Room, pause: Callable[[], object]
) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    assert log.is_at_end
    while log.lines[0].number > LINES - FAR:
        log.scroll_home(animate=False, immediate=True)
        await pause()  # type: ignore[misc]
    assert HELD_LINES_MAX - PAGE < app.most <= HELD_LINES_MAX
    while log.has_newer:
        log.scroll_end(animate=False, immediate=True)
        await pause()  # type: ignore[misc]
    assert log.lines[-1].number == LINES - 1
    assert app.most <= HELD_LINES_MAX


@room
async def test_what_is_on_the_screen_stays_there_while_a_page_comes(
    app: Room, pause: Callable[[], object]
) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    log.scroll_to(y=10, animate=False, immediate=True)
    before = [strip.text for strip in map(log.render_line, range(5, 20))]
    held = len(log.lines)
    while len(log.lines) == held:
        await pause()  # type: ignore[misc]
    assert [strip.text for strip in map(log.render_line, range(5, 20))] == before
    assert log.scroll_offset.y > 10


@room
async def test_who_scrolls_before_a_room_is_laid_out_is_not_pulled_to_its_end(
    app: Room, pause: Callable[[], object]
) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    log.show([made_up(one) for one in range(LINES - PAGE, LINES)], 0, has_older=False)
    log.scroll_to(y=10, animate=False, immediate=True)
    for _ in range(3):
        await pause()  # type: ignore[misc]
    assert log.scroll_offset.y == 10


@room
async def test_who_reads_above_is_not_moved_by_what_comes(
    app: Room, pause: Callable[[], object]
) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    log.has_older = False
    log.scroll_to(y=10, animate=False, immediate=True)
    before = [strip.text for strip in map(log.render_line, range(20))]
    log.change([made_up(LINES), made_up(LINES + 1)], [], 0)
    await pause()  # type: ignore[misc]
    assert [strip.text for strip in map(log.render_line, range(20))] == before
    log.action_newest()
    log.change([made_up(LINES + 2)], [], 0)
    assert log.is_at_end


@room
async def test_of_a_burst_only_the_newest_are_drawn_and_the_rest_is_there_for_who_scrolls(
    app: Room, pause: Callable[[], object]
) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    log.change([made_up(one) for one in range(LINES, LINES + 300)], [], 0)
    await pause()  # type: ignore[misc]
    assert [one.number for one in log.lines] == [*range(LINES + 300 - BURST_LINES, LINES + 300)]
    assert log.is_at_end
    assert log.has_older
    while log.lines[0].number > LINES - PAGE:
        log.scroll_home(animate=False, immediate=True)
        await pause()  # type: ignore[misc]
    held = [one.number for one in log.lines]
    assert held == [*range(held[0], held[0] + len(held))]


@room
async def test_only_what_is_other_is_drawn_again(app: Room, pause: Callable[[], object]) -> None:
    log = app.log_of
    await pause()  # type: ignore[misc]
    before = dict(log._drawn)
    newest = log.lines[-1]
    log.change([replace(newest, text="edited"), made_up(LINES)], [], 0)
    assert {number for number, one in log._drawn.items() if before.get(number) is not one} == {
        newest.number, LINES,
    }  # fmt: skip
