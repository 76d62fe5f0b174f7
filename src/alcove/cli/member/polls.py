"""`alcove message poll`, `vote` and `end-poll`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from alcove.cli.member import saying
from alcove.cli.member.changing import CLOSE_S, carried, there
from alcove.cli.member.messages import change_message, details, is_poll, message_argument
from alcove.cli.member.opening import Given, examples, json_option, member_options, run

if TYPE_CHECKING:
    from alcove.client import Client, Message


@click.command(
    epilog=examples(
        "alcove message poll kitchen 'Who cooks?' ada bob nobody",
        "alcove message poll kitchen 'Which days?' Monday Friday --multiple",
    )
)
@click.argument("room")
@click.argument("question")
@click.argument("answers", nargs=-1, required=True)
@click.option("--multiple", is_flag=True, help="Several answers may be chosen.")
@click.option(
    "--closes",
    metavar="TIME",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]),
    help="It takes no votes after that: 2026-12-31, or '2026-12-31 18:00'.",
)
@member_options
@json_option
def poll(
    given: Given,
    room: str,
    question: str,
    answers: tuple[str, ...],
    closes: datetime | None,
    *,
    multiple: bool,
    as_json: bool,
) -> None:
    """Ask a question with a few answers.

    Two to twenty ANSWERS.  Everybody there sees who chose what; `alcove message vote` chooses.
    """
    if len(answers) == 1:
        raise click.UsageError("ANSWERS must be two at least.")

    async def story(client: "Client") -> None:
        found = await there(client, room)
        ends = None if closes is None else closes.astimezone(UTC)
        async with carried(found):
            said = await found.poll(question, *answers, is_multiple=multiple, closes_at=ends)
        said = said.refreshed()
        if as_json:
            saying.emit(details(said))
        else:
            click.echo(saying.line(said))

    run(given, story, patience_s=CLOSE_S)


@click.command(
    epilog=examples(
        "alcove message vote kitchen 2",
        "alcove message vote kitchen Monday Friday",
        "alcove message vote kitchen --undo",
    )
)
@message_argument
@click.argument("answers", nargs=-1)
@click.option("--undo", is_flag=True, help="Take your vote back.")
@member_options
@json_option
def vote(given: Given, which: str, answers: tuple[str, ...], *, undo: bool, as_json: bool) -> None:
    """Answer a poll.

    ANSWERS are their numbers, from 1, or their texts.  With a room or `@name`, the newest poll
    there is meant.  The newest vote counts.
    """
    if undo == bool(answers):
        raise click.UsageError("Say ANSWERS, or --undo.")

    async def change(found: "Message") -> str:
        await found.vote(*choices(answers))
        return saying.told(found.refreshed())

    change_message(given, which, change, as_json=as_json, fits=is_poll, what="poll")


def choices(answers: tuple[str, ...]) -> list[int | str]:
    """Return answers as the poll takes them: numbers that people count from 1, or texts."""
    return [int(one) - 1 if one.isdigit() else one for one in answers]


@click.command(
    epilog=examples(
        "alcove message end-poll kitchen",
    )
)
@message_argument
@member_options
@json_option
def end_poll(given: Given, which: str, *, as_json: bool) -> None:
    """Take no more votes.

    Who asked may, and admins.  With a room or `@name`, the newest poll there is meant.
    """

    async def change(found: "Message") -> str:
        await found.end_poll()
        return saying.told(found.refreshed())

    change_message(given, which, change, as_json=as_json, fits=is_poll, what="poll")
