"""`alcove hook`: a small door on this machine that posts what programs bring."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alcove.cli.member import saying
from alcove.cli.member.opening import Given, examples, json_option, line, member_options, run
from alcove.cli.member.talking import room_of

if TYPE_CHECKING:
    from alcove.client import Client


@click.command(
    epilog=examples(
        "alcove hook builds --name ci --port 8095",
        "curl -d 'all tests pass' http://127.0.0.1:8095/ci/SECRET",
    )
)
@click.argument("to")
@click.option(
    "--name", "-n", metavar="NAME", default="hook", show_default=True, help="What it is called."
)
@click.option(
    "--port",
    metavar="NUMBER",
    type=click.IntRange(0, 65_535),
    default=0,
    help="The port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--socket",
    "place",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A Unix socket that only your user can use, in place of a port.",
)
@member_options
@json_option
def hook(given: Given, to: str, name: str, port: int, place: Path | None, *, as_json: bool) -> None:
    """Post to a room what programs on this machine bring, until Ctrl-C.

    TO is a room, `@name` or `everyone`.  The address holds a secret: who knows it may post.  Its
    messages say that they came through this hook.
    """

    async def story(client: "Client") -> None:
        from alcove.client import Hook  # noqa: PLC0415

        await line(client)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows ends programs in its own way.
                loop.add_signal_handler(number, ended.set)
        room = await room_of(client, to)
        async with Hook(client, room, name).listening(port, place=place) as address:
            if as_json:
                saying.emit({"address": address, "room": room.id, "name": name})
            else:
                click.echo(f"What is posted here goes to {room.title}; keep the address secret:\n")
                click.echo(address)
            await ended.wait()

    run(given, story, patience_s=10)
