"""`alcove client`, `register`, `login`, `chat` and `tui`: for members, and not here yet."""

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def client(words: tuple[str, ...]) -> None:
    """Say that the program for members comes later."""
    del words
    raise click.ClickException(
        "The program for members comes with the client, in a later release: so far there is the"
        " server, `alcove serve`, and `alcove demo` shows people who use it."
    )
