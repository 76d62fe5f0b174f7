"""Orders of the chat about what was said: edit, delete, answer, react, pin, forward, polls."""

import shlex
from typing import TYPE_CHECKING, Final

from alcove.cli.member import saying
from alcove.cli.member.messages import is_any, is_mine, is_own, is_poll
from alcove.cli.member.orders import Order
from alcove.cli.member.polls import choices
from alcove.cli.member.talking import room_of

if TYPE_CHECKING:
    from alcove.cli.member.talk import Talk

SAID: Final = "What was said"


async def edit(talk: "Talk", rest: str) -> None:
    """Let one's newest message say something else."""
    message, text = talk.pick(rest, is_mine, "text of yours")
    await message.edit(text)
    talk.has_said = True


async def delete(talk: "Talk", rest: str) -> None:
    """Take a message away for everyone."""
    message, reason = talk.pick(rest, is_own, "message of yours")
    await message.delete(reason)
    talk.has_said = True


async def reply(talk: "Talk", rest: str) -> None:
    """Answer a message."""
    message, text = talk.pick(rest, is_any)
    await message.reply(text)
    talk.has_said = True


async def react(talk: "Talk", rest: str) -> None:
    """Put an emoji under a message, or take it back when it is there."""
    message, emoji = talk.pick(rest, is_any)
    mine = [one.emoji for one in message.reactions if any(person.is_me for person in one.people)]
    await message.react(emoji, on=emoji not in mine)
    talk.has_said = True


async def pin(talk: "Talk", rest: str) -> None:
    """Pin a message, or take the pin away when it is there."""
    message, _ = talk.pick(rest, is_any)
    is_pinned = any(one == message for one in message.room.pins())
    await message.pin(on=not is_pinned)
    talk.has_said = True
    talk.screen.show("· pinned no more" if is_pinned else "· pinned")


async def pins(talk: "Talk", rest: str) -> None:
    """Show what is pinned here."""
    del rest
    found = talk.here().pins()
    talk.screen.show("\n".join(talk.line(one) for one in found) or "· nothing is pinned here")


async def forward(talk: "Talk", rest: str) -> None:
    """Say a message in another room too."""
    message, to = talk.pick(rest, is_any)
    room = await room_of(talk.client, to)
    await message.forward(room)
    talk.has_said = True
    talk.screen.show(f"· said in {room.title} too")


async def poll(talk: "Talk", rest: str) -> None:
    """Ask a question with a few answers."""
    question, *answers = [part.strip() for part in rest.split("|") if part.strip()]
    message = await talk.here().poll(question, *answers)
    talk.has_said = True
    talk.screen.show(talk.line(message))


async def vote(talk: "Talk", rest: str) -> None:
    """Answer the newest poll."""
    message, answers = talk.pick(rest, is_poll, "poll")
    await message.vote(*choices(_words(answers)))
    talk.has_said = True
    talk.screen.show(talk.line(message.refreshed()))


async def end_poll(talk: "Talk", rest: str) -> None:
    """Take no more votes."""
    message, _ = talk.pick(rest, is_poll, "poll")
    await message.end_poll()
    talk.has_said = True


async def show(talk: "Talk", rest: str) -> None:
    """Show what a message has said before, and who has read it."""
    message, _ = talk.pick(rest, is_any)
    lines = [talk.line(message)]
    lines += [f"  said before: {one.text}" for one in message.edits[:-1]]
    lines += [f"  {one.emoji}  {saying.names(one.people)}" for one in message.reactions]
    lines.append(f"  read by: {saying.names(message.readers) or 'nobody yet, or it is not told'}")
    talk.screen.show("\n".join(lines))


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:  # A quote that nobody has closed is a letter.
        return tuple(text.split())


_TEXT: Final = "Say what it is to say."
ORDERS: Final[dict[str, Order]] = {
    "edit": Order(
        edit, SAID, "/edit [#7] TEXT", "your newest message says something else",
        "/edit see you at nine", _TEXT,
    ),
    "delete": Order(delete, SAID, "/delete [#7] [WHY]", "takes it away for everyone"),
    "reply": Order(reply, SAID, "/reply [#7] TEXT", "answers a message", "/reply yes!", _TEXT),
    "react": Order(
        react, SAID, "/react [#7] EMOJI", "puts an emoji under it, or takes it back",
        "/react 👍", "Say which emoji: /react 👍",
    ),
    "pin": Order(pin, SAID, "/pin [#7]", "pins a message, or unpins it"),
    "pins": Order(pins, SAID, "/pins", "what is pinned here"),
    "forward": Order(
        forward, SAID, "/forward [#7] ROOM", "says it there too", "/forward #7 @eva",
        "Say where to: a room or @name.",
    ),
    "poll": Order(
        poll, SAID, "/poll QUESTION | A | B", "asks a question with a few answers",
        "/poll Who cooks? | ada | bob | nobody",
        "Say the question and its answers, with | between: /poll Who cooks? | ada | bob",
    ),
    "vote": Order(
        vote, SAID, "/vote [#7] NUMBER", "answers the newest poll", "/vote 2",
        "Say which answer, by its number: /vote 2",
    ),
    "endpoll": Order(end_poll, SAID, "/endpoll [#7]", "takes no more votes"),
    "show": Order(show, SAID, "/show [#7]", "what it said before, and who has read it"),
}  # fmt: skip
