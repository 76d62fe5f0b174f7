"""What can be done with a picked message, and in a room: each act by one key."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from textual.content import Content

from alcove.client import ClientError
from alcove.desk import chats, messages, shown, voice
from alcove.tui import drawing, look, sounds
from alcove.tui.about import about
from alcove.tui.choosing import Choice, Chooser, ShowText
from alcove.tui.emoji import EMOJI, QUICK
from alcove.tui.saving import save
from alcove.tui.shell import Field, Form, Question, app_of

if TYPE_CHECKING:
    from alcove.tui.room import RoomView

SOUND: Final = "sound"
"""What plays is a worker of this group: there is one at most."""
LINES_MAX: Final = 2_000
"""So many lines of a message are shown in a window."""
CAUSES: Final = "docs/causes.md explains the code; most causes mend themselves, and say so here."


def keys(view: "RoomView") -> Sequence[tuple[str, str]]:
    """Return what can be done with the message that is picked."""
    line = view.talk.line
    if line is None:
        return (
            ("↑ ↓", "pick a message"),
            ("home end", "oldest, newest"),
            ("^t", "jump to date"),
            ("^f", "search"),
            ("esc", "chats"),
        )
    return (*_keys_of(line), ("esc", "back"))


def _keys_of(line: shown.Line) -> list[tuple[str, str]]:
    is_said = line.kind in ("text", "poll")
    is_open = line.poll is not None and not line.poll.is_over
    return [
        *([("i", "why")] if line.kind == "gap" else []),
        *([("r", "reply"), ("+", "react")] if is_said else []),
        *([("1-9", "vote")] if is_open else []),
        *([("x", "end it")] if is_open and line.is_mine else []),
        *([("space", "play or stop")] if _voice(line) is not None else []),
        *([("s", "save")] if line.files else []),
        *([("g", "to what it answers")] if line.reply is not None else []),
        *([("r", "retry"), ("x", "drop")] if line.state == "failed" else []),
        *([("x", "take back")] if line.state == "waiting" else []),
        *([("e", "edit")] if line.is_mine and line.kind == "text" else []),
        *(_MORE if is_said else []),
    ]


_MORE: Final = (("y", "copy"), ("p", "pin"), ("f", "forward"), ("d", "delete"), ("i", "about it"))


def act(view: "RoomView", name: str) -> None:
    """Do something with the picked message, if it is possible with this one."""
    line = view.talk.line
    if name == "compare":
        _go(view, _compare(view))
    elif line is not None:
        todo = _ACTS[name](view, line)
        if todo is not None:
            _go(view, todo)


def _go(view: "RoomView", todo: Coroutine[Any, Any, Any]) -> None:
    view.run_worker(todo, group="act")


Todo = Coroutine[Any, Any, Any] | None


def _reply(view: "RoomView", line: shown.Line) -> Todo:
    if line.state == "failed":
        return app_of(view).tried(messages.Retry(line=line.number))
    if line.kind in ("text", "poll"):
        view.reply, view.edited = line, None
        view._draw_border()
        view.talk.pick(None)
        view.focus_text()
    return None


def _edit(view: "RoomView", line: shown.Line) -> Todo:
    if line.is_mine and line.kind == "text":
        view.edit(line)
        view.talk.pick(None)
        view.focus_text()
    return None


async def _react(view: "RoomView", line: shown.Line) -> None:
    mine = {one.emoji for one in line.reactions if one.is_mine}
    offered = dict.fromkeys((*mine, *QUICK, *EMOJI.values()))
    names = {emoji: name for name, emoji in EMOJI.items()}
    choices = [
        Choice(
            emoji, f"{emoji}  {names.get(emoji, '')}{'  (take it back)' if emoji in mine else ''}"
        )
        for emoji in offered
    ]
    emoji = await view.app.push_screen_wait(Chooser("React with", choices))
    if emoji:
        await app_of(view).tried(
            messages.React(line=line.number, emoji=emoji, on=emoji not in mine)
        )


async def _delete(view: "RoomView", line: shown.Line) -> None:
    words = (
        "Take your message away for everyone?"
        if line.is_mine
        else "Take this message away for everyone, as an admin?"
    )
    if await view.app.push_screen_wait(Question(words, "Delete")):
        await app_of(view).tried(messages.Delete(line=line.number))


def _copy(view: "RoomView", line: shown.Line) -> Todo:
    view.app.copy_to_clipboard(line.text)
    app_of(view).tell("Copied.", is_bad=False)
    return None


async def _save(view: "RoomView", line: shown.Line) -> None:
    if not line.files:
        return
    file = line.files[0]
    if len(line.files) > 1:
        named = {str(one.place): one for one in line.files}
        choices = [Choice(key, f"{one.name}  {look.size(one.size)}") for key, one in named.items()]
        chosen = await view.app.push_screen_wait(Chooser("Which file", choices))
        if chosen is None:
            return
        file = named[chosen]
    await save(app_of(view), line, file)


def _voice(line: shown.Line) -> shown.Attached | None:
    """Return the voice note of a message."""
    return next((one for one in line.files if one.length_ms), None)


def _play(view: "RoomView", line: shown.Line) -> Todo:
    """Play the voice note of a message; what is playing already stops."""
    note = _voice(line)
    playing = [one for one in view.workers if one.group == SOUND and one.is_running]
    for one in playing:
        one.cancel()
    if note is not None and not playing:
        view.run_worker(_heard(view, line, note), group=SOUND)
    return None


async def _heard(view: "RoomView", line: shown.Line, note: shown.Attached) -> None:
    if note.size > sounds.VOICE_BYTES_MAX:
        app_of(view).tell(f"It has {look.size(note.size)}: save it, and play what you have saved.")
        return
    app = app_of(view)
    try:
        path = await app.ask(voice.Hear(line=line.number, place=note.place))
        await sounds.play(Path(path))
    except ClientError as error:
        app.tell(str(error))
    finally:
        with suppress(ClientError):  # The account was closed, and it went with it.
            await app.ask(voice.Heard())


def _pin(view: "RoomView", line: shown.Line) -> Todo:
    return app_of(view).tried(messages.Pin(line=line.number, on=not line.is_pinned))


async def _forward(view: "RoomView", line: shown.Line) -> None:
    rooms = app_of(view).newest_chats()
    choices = [Choice(one.room, one.title) for one in rooms if one.state == "active"]
    room = await view.app.push_screen_wait(Chooser("Forward to", choices))
    if not room:
        return
    said = await app_of(view).tried(messages.Forward(line=line.number, room=room))
    if said is not None:
        app_of(view).tell("Forwarded.", is_bad=False)


async def _about(view: "RoomView", line: shown.Line) -> None:
    app = app_of(view)
    if line.cause:
        text = f"{line.text or line.why}\n\nCause: {line.cause}\n\n{CAUSES}"
        await view.app.push_screen_wait(ShowText("Why", Content(text)))
        return
    found = await app.tried(messages.GetAbout(line=line.number))
    if found is not None:
        await view.app.push_screen_wait(ShowText("About this message", about(found, app.now())))


async def _drop(view: "RoomView", line: shown.Line) -> None:
    if line.poll is not None and line.is_mine and not line.poll.is_over:
        if await view.app.push_screen_wait(Question("Take no more votes?", "End it")):
            await app_of(view).tried(messages.EndPoll(line=line.number))
    elif line.state in ("waiting", "failed"):
        was_here = await app_of(view).tried(messages.Cancel(line=line.number))
        if was_here is False:
            app_of(view).tell("It has left already: delete it instead.")


def _origin(view: "RoomView", line: shown.Line) -> Todo:
    if line.reply is not None:
        view.go_to(line.reply.number)
    return None


async def _open(view: "RoomView", line: shown.Line) -> None:
    if line.files:
        await _save(view, line)
    elif len(line.text) >= drawing.ROWS_MAX:
        lines = line.text.split("\n", LINES_MAX)
        more = "\n\n… y copies all of it." if len(lines) > LINES_MAX else ""
        text = Content("\n".join(lines[:LINES_MAX]) + more)
        await view.app.push_screen_wait(ShowText("All of it", text))


async def _compare(view: "RoomView") -> None:
    from alcove.tui.comparing import Comparing  # noqa: PLC0415 - It draws a code.

    room = view.room
    account = None if room is None else await _other(view, room)
    if account is not None:
        await view.app.push_screen_wait(Comparing(account))
        await view.look_again()


async def _other(view: "RoomView", room: shown.Room) -> str | None:
    """Return with whom to compare: in a group, whose keys have changed stand first."""
    if room.chat.person is not None:
        return room.chat.person.account
    others = [one.person for one in room.members if not one.person.is_me]
    others.sort(key=lambda one: (one.trust != "changed", one.trust == "checked", one.name))
    choices = [Choice(one.account, one.name, f"{look.trust(one)[0]} {one.trust}") for one in others]
    return await view.app.push_screen_wait(Chooser("Compare safety numbers with", choices))


_ACTS: Final[dict[str, Callable[["RoomView", shown.Line], Any]]] = {
    "reply": _reply, "edit": _edit, "react": _react, "delete": _delete, "copy": _copy,
    "save": _save, "pin": _pin, "forward": _forward, "about": _about, "drop": _drop,
    "origin": _origin, "open": _open, "play": _play,
}  # fmt: skip


def vote(view: "RoomView", option: int) -> None:
    """Choose an answer of the picked poll."""
    line = view.talk.line
    if line is None or line.poll is None or not option < len(line.poll.options):
        return
    chosen = {place for place, one in enumerate(line.poll.options) if one.is_mine}
    wanted = (chosen ^ {option}) if line.poll.is_multiple else {option}
    _go(view, app_of(view).tried(messages.Vote(line=line.number, options=tuple(sorted(wanted)))))


# ---- In a room ----


def attach(view: "RoomView", path: str) -> None:
    """Send a file, after a look at it."""
    _go(view, _attach(view, path))


async def _attach(view: "RoomView", path: str) -> None:
    from alcove.tui import attaching  # noqa: PLC0415 - Only when it is asked for.

    if view.room is not None:
        said = await attaching.attach(app_of(view), view.room.chat.room, path)
        if said is not None:
            await view.show_said(said)


def record(view: "RoomView") -> None:
    """Record a voice note, and send it."""
    _go(view, _record(view))


async def _record(view: "RoomView") -> None:
    from alcove.tui import recording  # noqa: PLC0415 - Only when it is asked for.

    if view.room is not None:
        said = await recording.record(app_of(view), view.room.chat.room)
        if said is not None:
            await view.show_said(said)


def jump(view: "RoomView") -> None:
    """Go to a day."""
    _go(view, _jump(view))


async def _jump(view: "RoomView") -> None:
    if view.room is None:
        return
    room = view.room.chat.room
    asked = await view.app.push_screen_wait(
        Form("Jump to a day", [Field("Day", note="2026-11-20", id="day")], "go")
    )
    if asked is None:
        return
    try:
        at = datetime.strptime(asked["day"].strip(), "%Y-%m-%d").astimezone()
    except (ValueError, OverflowError):
        app_of(view).tell("A day is written like 2026-11-20: year, month, day.")
        return
    line = await app_of(view).ask(chats.LineAt(room=room, at=int(at.timestamp() * 1000)))
    if not view.is_open(room):
        return
    if line is None:
        app_of(view).tell("Nothing was said from that day on.", is_bad=False)
    else:
        view.go_to(line)


def poll(view: "RoomView") -> None:
    """Ask a question with a few answers."""
    _go(view, _ask(view))


async def _ask(view: "RoomView") -> None:
    if view.room is None:
        return
    fields = [
        Field("Question", id="question"),
        *(Field(f"Answer {n}", id=f"answer{n}") for n in range(1, 6)),
    ]
    asked = await view.app.push_screen_wait(Form("A poll", fields, "ask"))
    if asked is not None:
        options = tuple(
            asked[f"answer{n}"].strip() for n in range(1, 6) if asked[f"answer{n}"].strip()
        )
        call = messages.Ask(room=view.room.chat.room, question=asked["question"], options=options)
        await app_of(view).tried(call)


def search(view: "RoomView") -> None:
    """Find what was said."""
    _go(view, _search(view))


async def _search(view: "RoomView") -> None:
    from alcove.tui.finding import Finding  # noqa: PLC0415 - Only when it is asked for.

    found = await view.app.push_screen_wait(Finding(None if view.room is None else view.room.chat))
    if found is None:
        return
    room, line = found
    if view.room is not None and view.room.chat.room == room:
        view.go_to(line)
        return
    from alcove.tui.chats import Chats  # noqa: PLC0415 - It holds the view.

    for one in view.ancestors:
        if isinstance(one, Chats):
            await one.open(room, line=line)
