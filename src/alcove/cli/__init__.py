"""The command line: `alcove COMMAND …`.

Nothing but click is imported here.  A command's own module is loaded when the command is called, so
that `alcove --help` and shell completion stay quick however much there is behind a command.
"""

import click

from alcove import __version__
from alcove.cli.lazy import Lazy, Promise


@click.group(
    cls=Lazy,
    promises={
        "serve": Promise("alcove.cli.serve:serve", "Start the server."),
        "up": Promise("alcove.cli.serve:up", "Set everything up and start it."),
        "demo": Promise(
            "alcove.cli.demo:demo",
            "Tell a story of three people and a server, which shows what exists today.",
        ),
        "selftest": Promise(
            "alcove.cli.selftest:selftest", "Check that a server works on this machine."
        ),
        "status": Promise("alcove.cli.status:status", "Show whether the server runs, and how."),
        "admin": Promise("alcove.cli.admin:admin", "Do what only the host may do."),
        "upgrade": Promise(
            "alcove.cli.upgrade:upgrade", "Bring the database up to date with this program."
        ),
    },
    aliases={"server": "serve", "test": "selftest"},
    unlisted={
        name: Promise("alcove.cli.client:client", "Say that the program for members comes later.")
        for name in ("client", "register", "login", "chat", "tui")
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", "-V", prog_name="alcove")
def main() -> None:
    """Private conversations on a server you run.

    Try `alcove serve` on this machine; every command explains itself with --help.
    """
