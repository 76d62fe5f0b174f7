"""`alcove message …`: edit, delete, answer, react to, pin and forward what was said; polls."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.lazy import Lazy, Promise
from alcove.cli.member import saying
from alcove.cli.member.changing import CLOSE_S, carried, there
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    Given,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    offline_option,
    run,
)
from alcove.cli.member.talking import room_of
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.client import Client, Message, Room

NUMBER_DIGITS_MIN: Final = 12
"""Numbers of messages are long, so that a room may be called 2026."""
LOOKED_AT: Final = 200
"""So far back the newest message that fits is looked for."""


def _in(name: str, summary: str, module: str = "messages") -> Promise:
    return Promise(f"alcove.cli.member.{module}:{name}", summary)


@click.group(
    cls=Lazy,
    promises={
        "list": _in("list_", "List the newest messages of a room, with their numbers."),
        "show": _in("show", "Show all about a message: versions, reactions, who has read it."),
        "reply": _in("reply", "Answer a message."),
        "edit": _in("edit", "Let a message of yours say something else."),
        "delete": _in("delete", "Take a message away for everyone."),
        "react": _in("react", "Put an emoji under a message, or take it back."),
        "pin": _in("pin", "Keep a message in everyone's sight, or no longer."),
        "forward": _in("forward", "Say the same in another room, marked as forwarded."),
        "poll": _in("poll", "Ask a question with a few answers.", "polls"),
        "vote": _in("vote", "Answer a poll.", "polls"),
        "end-poll": _in("end_poll", "Take no more votes.", "polls"),
        "retry": _in("retry", "Send again what has failed."),
    },
    aliases={"answer": "reply", "remove": "delete"},
)
def message() -> None:
    """Edit, delete, answer, react to, pin or forward what was said; ask in polls.

    MESSAGE is the number of a message, as `alcove message list ROOM` shows it; or a room or
    `@name`, for the newest one there.
    """


def message_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add MESSAGE."""
    return click.argument("which", metavar="MESSAGE")(command)


# ---- Which message ----


def is_any(found: "Message") -> bool:
    """Return whether somebody has said it."""
    return found.kind in ("text", "poll")


def is_mine(found: "Message") -> bool:
    """Return whether it is a text of one's own."""
    return found.kind == "text" and found.is_mine


def is_own(found: "Message") -> bool:
    """Return whether it is one's own."""
    return found.kind in ("text", "poll") and found.is_mine


def is_poll(found: "Message") -> bool:
    """Return whether it is a poll."""
    return found.kind == "poll"


def newest(room: "Room", fits: Callable[["Message"], bool], what: str = "message") -> "Message":
    """Return the newest message of a room that fits."""
    for one in reversed(room.history(LOOKED_AT)):
        if fits(one) and one.state != "failed":
            return one
    raise Failed(f"There is no {what} in {room.title} yet.")


async def message_of(
    client: "Client", which: str, fits: Callable[["Message"], bool] = is_any, what: str = "message"
) -> "Message":
    """Return the message that is meant: by its number, or the newest one of a room that fits."""
    if which.isdigit() and len(which) >= NUMBER_DIGITS_MIN:
        return client.message_of(int(which))
    return newest(await room_of(client, which), fits, what)


def change_message(
    given: Given,
    which: str,
    change: Callable[["Message"], Awaitable[str]],
    *,
    as_json: bool,
    fits: Callable[["Message"], bool] = is_any,
    what: str = "message",
) -> None:
    """Do something to a message, wait until the server has it, and tell it in a sentence."""

    async def story(client: "Client") -> None:
        await fresh(client)
        await line(client)
        found = await message_of(client, which, fits, what)
        async with carried(found.room):
            sentence = await change(found)
        if as_json:
            saying.emit(details(found.refreshed()))
        else:
            click.echo(sentence)

    run(given, story, patience_s=CLOSE_S)


def details(found: "Message") -> dict[str, Any]:
    """Return all about a message: what `message_shape` says, and what happened to it since."""
    poll = found.poll
    return saying.message_shape(found) | {
        "edits": [
            {"at": saying.stamp_ms(one.at), "text": shown_text(one.text)} for one in found.edits
        ],
        "reactions": [
            {"emoji": shown_name(one.emoji), "people": _people(one.people)}
            for one in found.reactions
        ],
        "readers": _people(found.readers),
        "forwarded": found.is_forwarded,
        "poll": None
        if poll is None
        else {
            "question": shown_text(poll.question),
            "options": [
                {"text": shown_text(one.text), "people": _people(one.people)}
                for one in poll.options
            ],
            "voters": poll.voters,
            "multiple": poll.is_multiple,
            "closes_at": saying.stamp(poll.closes_at),
            "over": poll.is_over,
        },
    }


def _people(people: Any) -> list[Any]:
    return [saying.person_shape(one) for one in people]


def _short(found: "Message") -> str:
    """Return how a message is called in a sentence."""
    text = saying.told(found).partition("\n")[0]
    return f"“{text[:40]}{'…' if len(text) > 40 else ''}”"


# ---- Looking ----


@click.command(
    "list",
    epilog=examples(
        "alcove message list kitchen",
        "alcove message list @bob --limit 5 --json | jq -r '.[].number'",
    ),
)
@click.argument("room")
@click.option(
    "--limit",
    metavar="NUMBER",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="At most so many.",
)
@offline_option
@member_options
@json_option
def list_(given: Given, room: str, limit: int, *, offline: bool, as_json: bool) -> None:
    """List the newest messages of a room, with their numbers.

    The numbers are those of this machine: another one has others.
    """

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        found = (await room_of(client, room)).history(limit)
        if as_json:
            saying.emit([saying.message_shape(one) for one in found])
        for one in [] if as_json else found:
            click.echo(f"{one.number}  {saying.line(one, with_room=False)}")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove message show kitchen",
        "alcove message show 1786000000000000 --json",
    )
)
@message_argument
@offline_option
@member_options
@json_option
def show(given: Given, which: str, *, offline: bool, as_json: bool) -> None:
    """Show all about a message: versions, reactions, who has read it."""

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline, marks=True)
        found = await message_of(client, which)
        if as_json:
            saying.emit(details(found))
            return
        click.echo(saying.line(found))
        click.echo()
        rows = [("number", str(found.number)), ("state", found.state)]
        rows += [("why", found.why)] if found.why else []
        if found.reply_to is not None:
            rows.append(("answers", _short(found.reply_to)))
        edits = found.edits
        rows += [("said before", shown_text(one.text)) for one in edits[:-1]]
        rows += [(shown_name(one.emoji), saying.names(one.people)) for one in found.reactions]
        rows.append(("read by", saying.names(found.readers) or "(nobody yet, or not told)"))
        saying.pairs(rows)

    run(given, story)


# ---- Saying more ----


@click.command(
    epilog=examples(
        "alcove message reply @bob 'yes, at eight'",
    )
)
@message_argument
@click.argument("text")
@member_options
@json_option
def reply(given: Given, which: str, text: str, *, as_json: bool) -> None:
    """Answer a message.

    With a room or `@name`, the newest message there is answered.
    """

    async def story(client: "Client") -> None:
        await fresh(client)
        await line(client)
        found = await message_of(client, which)
        async with carried(found.room):
            said = await found.reply(text)
        if as_json:
            saying.emit(saying.message_shape(said.refreshed()))
        else:
            click.echo(f"{_short(found)} is answered.")

    run(given, story, patience_s=CLOSE_S)


@click.command(
    epilog=examples(
        "alcove message edit @bob 'see you at nine'",
    )
)
@message_argument
@click.argument("text")
@member_options
@json_option
def edit(given: Given, which: str, text: str, *, as_json: bool) -> None:
    """Let a message of yours say something else.

    With a room or `@name`, your newest message there is meant.  Everybody can see that it was
    edited, and what it said before.
    """

    async def change(found: "Message") -> str:
        before = _short(found)
        await found.edit(text)
        return f"{before} says {_short(found.refreshed())} now."

    change_message(given, which, change, as_json=as_json, fits=is_mine, what="text of yours")


@click.command(
    epilog=examples(
        "alcove message delete @bob",
        "alcove message delete 1786000000000000 --reason 'an advert'",
    )
)
@message_argument
@click.option("--reason", metavar="TEXT", default="", help="Why; everybody there can read it.")
@member_options
@json_option
def delete(given: Given, which: str, reason: str, *, as_json: bool) -> None:
    """Take a message away for everyone.

    With a room or `@name`, your newest message there is meant.  Admins may take away what others
    have said.  Who has read it has read it, and a changed program may keep it.
    """

    async def change(found: "Message") -> str:
        sentence = f"{_short(found)} is taken away."
        await found.delete(reason)
        return sentence

    change_message(given, which, change, as_json=as_json, fits=is_own, what="message of yours")


@click.command(
    epilog=examples(
        "alcove message react @bob 👍",
        "alcove message react @bob 👍 --undo",
    )
)
@message_argument
@click.argument("emoji")
@click.option("--undo", is_flag=True, help="Take it back.")
@member_options
@json_option
def react(given: Given, which: str, emoji: str, *, undo: bool, as_json: bool) -> None:
    """Put an emoji under a message, or take it back."""

    async def change(found: "Message") -> str:
        await found.react(emoji, on=not undo)
        return f"{_short(found)}: {shown_name(emoji)} {'is taken back' if undo else 'is there'}."

    change_message(given, which, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove message pin kitchen",
        "alcove message pin 1786000000000000 --undo",
    )
)
@message_argument
@click.option("--undo", is_flag=True, help="Keep it there no longer.")
@member_options
@json_option
def pin(given: Given, which: str, *, undo: bool, as_json: bool) -> None:
    """Keep a message in everyone's sight, or no longer.

    Who may, the room says: `alcove room settings`.  `alcove room pins` shows what is pinned.
    """

    async def change(found: "Message") -> str:
        await found.pin(on=not undo)
        return f"{_short(found)} is pinned{' no more' if undo else ''}."

    change_message(given, which, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove message forward kitchen @eva",
    )
)
@message_argument
@click.argument("to")
@member_options
@json_option
def forward(given: Given, which: str, to: str, *, as_json: bool) -> None:
    """Say the same in another room, marked as forwarded.

    TO is `@name` or a room.  Its files go with it.  Who said it first is not told.
    """

    async def story(client: "Client") -> None:
        target = await there(client, to)
        found = await message_of(client, which)
        async with carried(target):
            said = await found.forward(target)
        if as_json:
            saying.emit(saying.message_shape(said.refreshed()))
        else:
            click.echo(f"{_short(found)} is said in {target.title} too.")

    run(given, story, patience_s=CLOSE_S)


# ---- What failed ----


@click.command(
    epilog=examples(
        "alcove message retry kitchen",
    )
)
@click.argument("room")
@member_options
@json_option
def retry(given: Given, room: str, *, as_json: bool) -> None:
    """Send again what has failed.

    `alcove message list` marks it with an exclamation mark, and `alcove message show` says why.
    """

    async def story(client: "Client") -> None:
        found = await there(client, room)
        failed = [one for one in found.history(LOOKED_AT) if one.state == "failed"]
        async with carried(found):
            await found.retry_all()
        if as_json:
            saying.emit([saying.message_shape(one.refreshed()) for one in failed])
        else:
            click.echo(f"Sent again in {found.title}: {len(failed)}.")

    run(given, story, patience_s=CLOSE_S)
