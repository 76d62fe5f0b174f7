"""`alcove completion`: what makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from alcove.cli.member.opening import examples


@click.command(
    epilog=examples(
        'eval "$(alcove completion bash)"     # in ~/.bashrc',
        "alcove completion zsh > ~/.zfunc/_alcove",
        "alcove completion fish > ~/.config/fish/completions/alcove.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete the commands.

    Its output is read by the shell when it starts: see the examples.
    """
    from alcove.cli import main  # noqa: PLC0415 - The group that this is in.

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "alcove", "_ALCOVE_COMPLETE").source())
