"""Saying something, and what can be done with what was said."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from alcove import client as sdk
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers
from alcove.desk.chats import line_of, room_of
from alcove.desk.paths import path_of

if TYPE_CHECKING:
    from alcove.desk.desk import Desk


class Send(Call[shown.Line], frozen=True, kw_only=True):
    """Say something; it is stored here when this is answered."""

    room: str
    text: str
    reply_to: int | None = None
    topic: str = ""
    expires_at: int | None = None


@answers(Send)
async def send(desk: "Desk", call: Send) -> shown.Line:
    """Say it, and return the line that shows it."""
    room = room_of(desk, call.room)
    answered = None if call.reply_to is None else line_of(desk, call.reply_to)
    at = None if call.expires_at is None else sdk.moment(call.expires_at)
    message = await room.send(call.text, reply_to=answered, topic=call.topic, expires_at=at)
    await room.keep_draft("")
    return values.line(message)


class SendFiles(Call[shown.Line], frozen=True, kw_only=True):
    """Send files of this machine, with a text beside them."""

    room: str
    paths: tuple[str, ...]
    text: str = ""
    expiry: str = "never"


@answers(SendFiles)
async def send_files(desk: "Desk", call: SendFiles) -> shown.Line:
    """Begin to send them; the message goes when all are on the server."""
    paths = await asyncio.to_thread(_paths, call.paths)
    message = await room_of(desk, call.room).send_file(
        *paths,
        text=call.text,
        expiry=call.expiry,  # type: ignore[arg-type]
    )
    return values.line(message)


def _paths(names: tuple[str, ...]) -> list[Path]:
    return [path_of(name) for name in names]


class Ask(Call[shown.Line], frozen=True, kw_only=True):
    """Ask a question with a few answers."""

    room: str
    question: str
    options: tuple[str, ...]
    is_multiple: bool = False
    closes_at: int | None = None


@answers(Ask)
async def ask(desk: "Desk", call: Ask) -> shown.Line:
    """Ask it."""
    closes_at = None if call.closes_at is None else sdk.moment(call.closes_at)
    message = await room_of(desk, call.room).poll(
        call.question, *call.options, is_multiple=call.is_multiple, closes_at=closes_at
    )
    return values.line(message)


class Edit(Call[None], frozen=True, kw_only=True):
    """Let one's own message say something else."""

    line: int
    text: str


@answers(Edit)
async def edit(desk: "Desk", call: Edit) -> None:
    """Say so to all who have it."""
    await line_of(desk, call.line).edit(call.text)


class Delete(Call[None], frozen=True, kw_only=True):
    """Take a message away for everyone."""

    line: int
    reason: str = ""


@answers(Delete)
async def delete(desk: "Desk", call: Delete) -> None:
    """Say so to all who have it."""
    await line_of(desk, call.line).delete(call.reason)


class React(Call[None], frozen=True, kw_only=True):
    """Put an emoji under a message, or take it back."""

    line: int
    emoji: str
    on: bool = True


@answers(React)
async def react(desk: "Desk", call: React) -> None:
    """Say so."""
    await line_of(desk, call.line).react(call.emoji, on=call.on)


class Pin(Call[None], frozen=True, kw_only=True):
    """Keep a message in everyone's sight, or no longer."""

    line: int
    on: bool = True


@answers(Pin)
async def pin(desk: "Desk", call: Pin) -> None:
    """Say so."""
    await line_of(desk, call.line).pin(on=call.on)


class Vote(Call[None], frozen=True, kw_only=True):
    """Answer a poll, by the numbers of its options."""

    line: int
    options: tuple[int, ...]


@answers(Vote)
async def vote(desk: "Desk", call: Vote) -> None:
    """Say so."""
    await line_of(desk, call.line).vote(*call.options)


class EndPoll(Call[None], frozen=True, kw_only=True):
    """Take no more votes."""

    line: int


@answers(EndPoll)
async def end_poll(desk: "Desk", call: EndPoll) -> None:
    """Say so."""
    await line_of(desk, call.line).end_poll()


class Forward(Call[shown.Line], frozen=True, kw_only=True):
    """Say the same in another room."""

    line: int
    room: str


@answers(Forward)
async def forward(desk: "Desk", call: Forward) -> shown.Line:
    """Say it there."""
    return values.line(await line_of(desk, call.line).forward(room_of(desk, call.room)))


class Cancel(Call[bool], frozen=True, kw_only=True):
    """Take back what waits; false when it has left already."""

    line: int


@answers(Cancel)
async def cancel(desk: "Desk", call: Cancel) -> bool:
    """Take it back."""
    return await line_of(desk, call.line).cancel()


class Retry(Call[None], frozen=True, kw_only=True):
    """Try to send again what has failed."""

    line: int


@answers(Retry)
async def retry(desk: "Desk", call: Retry) -> None:
    """Try it."""
    await line_of(desk, call.line).retry()


class GetAbout(Call[shown.About], frozen=True, kw_only=True):
    """What more is known of a message: who has read it, and what it said before."""

    line: int


@answers(GetAbout)
async def about(desk: "Desk", call: GetAbout) -> shown.About:
    """Look it up."""
    message = line_of(desk, call.line)
    return shown.About(
        line=values.line(message),
        title=message.room.title,
        readers=values.readers(message),
        edits=tuple((one.at, one.text) for one in message.edits),
    )
