"""`alcove export`: what was said, as files that anything can read."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from alcove.cli.member import saying
from alcove.cli.member.opening import (
    Given,
    examples,
    json_option,
    member_options,
    offline_option,
    run,
)
from alcove.cli.member.talking import room_of

if TYPE_CHECKING:
    from alcove.client import Client, Message, Room

WHOLE_S: Final = 600.0
"""How long to wait for what was said before this device came."""
FILES_MAX: Final = 1_000
"""So many of a room's newest files are fetched."""


@click.command(
    epilog=examples(
        "alcove export backup-2027",
        "alcove export kitchen-2027 kitchen",
    )
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("rooms", nargs=-1)
@click.option("--no-files", is_flag=True, help="Fetch no files: copy what is here already.")
@offline_option
@member_options
@json_option
def export(
    given: Given,
    folder: Path,
    rooms: tuple[str, ...],
    *,
    no_files: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Write rooms into a new folder: JSON, pages for any browser, and their files.

    ROOMS are rooms or `@names`; without them, everything.  What is written is plain text, for your
    user alone: whoever has the folder can read it.
    """

    async def story(client: "Client") -> None:
        from alcove.client import OfflineError, caught_up, fetching_folder  # noqa: PLC0415
        from alcove.client import export as write  # noqa: PLC0415

        if not offline:
            with suppress(OfflineError):
                await caught_up(client, WHOLE_S if client.is_online else 5.0, whole=True)
        chosen = [await room_of(client, one) for one in rooms] or client.rooms(gone=True)
        place = fetching_folder(folder)
        fetched = {} if no_files or not client.is_online else await _fetch(chosen, place)

        def find(message: "Message", number: int) -> Path | None:
            here = fetched.get((message.number, number))
            return here or _saved(message, number)

        done = write(client, folder, chosen, find=find)
        if as_json:
            saying.emit(
                {
                    "folder": str(done.folder),
                    "rooms": done.rooms,
                    "messages": done.messages,
                    "files": done.files,
                    "files_missing": done.missing,
                }
            )
            return
        told = "1 room" if done.rooms == 1 else f"{done.rooms} rooms"
        lines = "1 line" if done.messages == 1 else f"{done.messages} lines"
        are = "is" if done.rooms == 1 else "are"
        click.echo(f"{told} with {lines} {are} in {done.folder}.")
        if done.missing:
            click.echo(f"{done.missing} files could not be fetched: they are named only.")
        click.echo(f"Open {done.folder / 'index.html'} in a browser.")

    run(given, story)


def _saved(message: "Message", place: int) -> Path | None:
    """Return where a file of a message lies on this machine, if it does."""
    if message.author is None:
        return None
    for one in message.transfers:
        if one.found.place == place and one.path.is_file():
            return one.path
    return None


async def _fetch(rooms: "list[Room]", folder: Path) -> dict[tuple[int, int], Path]:
    """Fetch every file that is not here, as far as the server still has it."""
    from alcove.client import ClientError  # noqa: PLC0415

    found: dict[tuple[int, int], Path] = {}
    for room in rooms:
        for number in sorted({one.number for one in room.files(FILES_MAX)}):
            message = room.client.message_of(number)
            for place in range(len(message.files)):
                if _saved(message, place) is None:
                    with suppress(ClientError):
                        found[number, place] = await message.save_file(folder, place)
    return found
