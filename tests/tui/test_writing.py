"""What is written goes where it was meant, and is lost by nothing: keys, refusals, edits, a cut."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from alcove.client import UsageError
from alcove.desk import chats, messages, people, shown
from alcove.desk.calls import Call
from alcove.tui.comparing import Comparing
from alcove.tui.main import Main
from alcove.tui.profile import Profile
from alcove.tui.room import RoomView
from tests.tui import harbour
from tests.tui.stage import NOW, Stage, Staged

ONE, OTHER = "a0", "a2"


class Gate(Stage):
    """A stage that answers some calls only when it is told to, or not at all."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.waits_for: Callable[[Call[Any]], bool] = lambda _: False
        self.refuses: Callable[[Call[Any]], bool] = lambda _: False
        self.waiting: list[asyncio.Event] = []
        self.edits: list[tuple[int, str]] = []

    async def ask(self, call: "Call[Any]") -> Any:
        if self.waits_for(call):
            event = asyncio.Event()
            self.waiting.append(event)
            await event.wait()
        if self.refuses(call):
            self.asked.append(call)
            raise UsageError("This cannot be said.")
        if isinstance(call, messages.Edit):
            self.asked.append(call)
            return None
        if isinstance(call, people.Verify):
            return False
        if isinstance(call, people.Direct):
            return OTHER
        return await super().ask(call)

    def go_on(self) -> None:
        self.waits_for = lambda _: False
        for event in self.waiting:
            event.set()
        self.waiting.clear()

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.asked if isinstance(one, kind)]


def line(number: int, **facts: Any) -> shown.Line:
    base: dict[str, Any] = {
        "seq": number, "room": ONE, "kind": "text", "at": NOW, "state": "stored",
        "author": harbour.MIRA, "is_mine": True, "text": "as it was",
    }  # fmt: skip
    return shown.Line(number=number, **(base | facts))


async def until(pilot: Any, is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    del pilot  # It would wait for handlers that wait for the gate.
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - Nobody else tells.
            await asyncio.sleep(0.01)


def writing(story: Callable[..., Awaitable[None]]) -> Callable[[], None]:
    """Run a story with one of two rooms open."""

    def run() -> None:
        async def live() -> None:
            stage = Gate()
            for title in ("One", "Middle", "Other"):
                stage.add_room(title, 3, line)
            app = stage.app()
            async with app.run_test(size=(140, 40)) as pilot:
                app.enter()
                main = lambda: isinstance(app.screen, Main) and app.screen.query(Profile)  # noqa: E731
                await until(pilot, main)
                assert isinstance(app.screen, Main)
                place = await app.screen.chats()
                await place.open(ONE)
                await pilot.pause()
                await story(stage, app, pilot, place.room)

        asyncio.run(live())

    run.__name__, run.__doc__ = getattr(story, "__name__", ""), story.__doc__
    return run


def opens(room: str) -> Callable[[Call[Any]], bool]:
    return lambda call: isinstance(call, chats.OpenRoom) and call.room == room


@writing
async def test_what_is_typed_while_a_room_opens_is_said_there(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    view.text.text = "a draft for one"
    stage.waits_for = opens(OTHER)
    opening = asyncio.create_task(view.open(OTHER))
    await until(pilot, lambda: stage.waiting)
    await pilot.press("h", "i", "enter", "m", "o", "r", "e")
    stage.go_on()
    await opening
    await until(pilot, lambda: stage.of(messages.Send))
    assert [(one.room, one.text) for one in stage.of(messages.Send)] == [(OTHER, "hi")]
    assert view.text.text == "more"
    assert chats.KeepDraft(room=ONE, text="a draft for one") in stage.asked
    del app


@writing
async def test_a_room_that_cannot_be_opened_leaves_all_as_it_was(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    view.text.text = "a draft for one"
    stage.refuses = opens(OTHER)
    assert isinstance(app.screen, Main)
    await (await app.screen.chats()).open(OTHER)
    assert view.is_open(ONE)
    assert view.text.text == "a draft for one"
    await pilot.press("enter")
    await until(pilot, lambda: stage.of(messages.Send))
    assert stage.of(messages.Send)[0].room == ONE


@writing
async def test_a_look_at_one_room_does_not_come_back_into_another(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    stage.waits_for = opens(OTHER)
    opening = asyncio.create_task(view.open(OTHER))
    await until(pilot, lambda: stage.waiting)
    look = asyncio.create_task(view.look_again())
    await pilot.pause()
    stage.go_on()
    await asyncio.gather(opening, look)
    assert view.is_open(OTHER)
    del app


@writing
async def test_what_is_refused_waits_in_its_own_room(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    def says(call: Call[Any]) -> bool:
        return isinstance(call, messages.Send)

    stage.waits_for = stage.refuses = says
    view.text.text = "for one alone"
    view.text.action_send()
    await until(pilot, lambda: stage.waiting)
    await view.open(OTHER)
    stage.go_on()
    await until(pilot, lambda: chats.KeepDraft(room=ONE, text="for one alone") in stage.asked)
    assert view.text.text == ""
    assert [one.message for one in app._notifications] == ["This cannot be said."]


@writing
async def test_what_is_refused_stands_before_what_was_typed_since(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    stage.waits_for = stage.refuses = lambda call: isinstance(call, messages.Send)
    view.text.text = "first"
    view.text.action_send()
    await until(pilot, lambda: stage.waiting)
    view.text.insert("x")
    stage.go_on()
    await until(pilot, lambda: view.text.text == "firstx")
    del app


@writing
async def test_an_edit_sets_the_draft_aside_and_gives_it_back(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    view.text.text = "begun"
    view.edit(view.talk.lines[-1])
    assert view.text.text == "as it was"
    assert view.draft == "begun"
    view.focus_text()
    await pilot.press("!", "enter")
    await until(pilot, lambda: stage.of(messages.Edit))
    assert stage.of(messages.Edit)[0].text == "as it was!"
    await until(pilot, lambda: view.text.text == "begun")
    view.edit(view.talk.lines[-1])
    await pilot.press("escape")
    await until(pilot, lambda: view.text.text == "begun")
    assert view.edited is None
    del app


@writing
async def test_an_edit_that_is_refused_can_be_tried_again(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    stage.refuses = lambda call: isinstance(call, messages.Edit)
    view.edit(view.talk.lines[-1])
    view.focus_text()
    await pilot.press("!", "enter")
    await until(pilot, lambda: stage.of(messages.Edit))
    await until(pilot, lambda: view.edited is not None and view.text.text == "as it was!")
    del app


@writing
async def test_who_writes_without_a_rest_has_it_kept(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    view.focus_text()
    while not stage.of(chats.KeepDraft):
        await pilot.press("x")
    assert stage.of(chats.KeepDraft)[0].text
    del app


@writing
async def test_a_page_that_is_refused_can_be_asked_for_again(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    stage.refuses = lambda call: isinstance(call, chats.GetLines)
    view.talk.has_older, view.talk._is_asking = True, True
    view._fetch(older=True)
    await until(pilot, lambda: not view.talk._is_asking)
    assert [one.message for one in app._notifications] == ["This cannot be said."]


@writing
async def test_what_cannot_be_done_takes_no_keys_away(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    """A handler that raises ends its loop in Textual; here it says why, and goes on."""
    stage.refuses = lambda call: isinstance(call, chats.GetChats)
    await pilot.press("ctrl+k", "slash", "@", "x", "enter")
    stage.refuses = lambda call: isinstance(call, chats.CloseRoom)
    await (await app.screen.chats()).open(OTHER)  # type: ignore[attr-defined]
    stage.refuses = lambda _: False
    await (await app.screen.chats()).open(OTHER)  # type: ignore[attr-defined]
    view.focus_text()
    await pilot.press("h", "enter")
    await until(pilot, lambda: stage.of(messages.Send))


@writing
async def test_a_number_that_is_no_longer_theirs_is_not_called_checked(
    stage: Gate, app: Staged, pilot: Any, view: RoomView
) -> None:
    stage.safety = harbour.stage().safety
    window = Comparing(harbour.JONAS.account)
    app.push_screen(window)
    await until(pilot, lambda: window._safety)
    window.action_agree()
    await until(pilot, lambda: len(app._notifications))
    assert [one.message for one in app._notifications] == [
        "The keys have changed while you compared: compare them again."
    ]
    del view
