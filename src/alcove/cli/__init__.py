"""The command line: `alcove COMMAND …`.

Nothing but click is imported here.  A command's own module is loaded when the command is called, so
that `alcove --help` and shell completion stay quick however much there is behind a command.
"""

import atexit
import gc
import sys

import click

from alcove import __version__
from alcove.cli.lazy import Lazy, Promise

atexit.register(gc.freeze)
"""A program that ends need not look through all that it has loaded for what could be freed."""


def _member(module: str, name: str, summary: str) -> Promise:
    return Promise(f"alcove.cli.member.{module}:{name}", summary)


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    promises={
        "tui": _member("app", "tui", "Open the terminal app."),
        "chat": _member("chat", "chat", "Talk, line by line."),
        "send": _member("talking", "send", "Say something to somebody, or in a room."),
        "listen": _member("talking", "listen", "Show what is said, as it comes."),
        "search": _member(
            "talking", "search", "Find messages that hold all these words, newest first."
        ),
        "rooms": _member(
            "rooms",
            "rooms",
            "List the rooms of this account, the one with the newest message first.",
        ),
        "room": _member(
            "rooms",
            "room",
            "Make a room or join one, see who is in it, and choose what it allows.",
        ),
        "message": _member(
            "messages",
            "message",
            "Edit, delete, answer, react to, pin or forward what was said; ask in polls.",
        ),
        "people": _member(
            "people", "people", "List who is online, or find people by how their names begin."
        ),
        "request": _member("people", "request", "List who asks to chat with you; or ask somebody."),
        "accept": _member(
            "people",
            "accept",
            "Accept requests to chat: the rooms come, with what was said in them.",
        ),
        "decline": _member(
            "people", "decline", "Decline requests to chat: they are gone, and nobody is told."
        ),
        "block": _member(
            "people", "block", "Hear nothing more of people; without a name, list who is blocked."
        ),
        "unblock": _member("people", "unblock", "Hear people again who were blocked."),
        "verify": _member(
            "people",
            "verify",
            "Show the safety number of you and somebody, or compare the one that they read out.",
        ),
        "files": _member(
            "files", "files", "List the files that were sent, newest first; fetch one."
        ),
        "export": _member(
            "exporting",
            "export",
            "Write rooms into a new folder: JSON, pages for any browser, and their files.",
        ),
        "hook": _member(
            "hooking", "hook", "Post to a room what programs on this machine bring, until Ctrl-C."
        ),
        "register": _member("account", "register", "Make an account on a server."),
        "login": _member("account", "login", "Bring an account that you have to this machine."),
        "logout": _member(
            "account",
            "logout",
            "End the session, and erase everything of an account from this machine.",
        ),
        "invite": _member(
            "own_account", "invite", "Make a link by which people can register on this server."
        ),
        "profile": _member(
            "profile",
            "profile",
            "Show or choose how you show yourself; or see how somebody else does.",
        ),
        "account": _member(
            "own_account",
            "account",
            "Change the password, ask for codes of an app, choose who sees you, or delete it all.",
        ),
        "devices": _member(
            "devices", "devices", "List the devices of this account; revoke one that was lost."
        ),
        "recovery": _member("devices", "recovery", "Show the recovery phrase."),
        "doctor": _member("doctor", "doctor", "Find out what is wrong, and what to do."),
        "completion": _member(
            "completion", "completion", "Print what makes a shell complete the commands."
        ),
        "serve": Promise("alcove.cli.serve:serve", "Start the server."),
        "up": Promise("alcove.cli.serve:up", "Set everything up and start it."),
        "demo": Promise(
            "alcove.cli.demo:demo",
            "Tell a story of three people and a server that cannot read them.",
        ),
        "selftest": Promise(
            "alcove.cli.selftest:selftest", "Check that a server works on this machine."
        ),
        "status": Promise(
            "alcove.cli.status:status",
            "Show whether the server runs, and how; and the accounts of this machine.",
        ),
        "admin": Promise("alcove.cli.admin:admin", "Do what only the host may do."),
        "upgrade": Promise(
            "alcove.cli.upgrade:upgrade", "Bring the database up to date with this program."
        ),
    },
    aliases={"server": "serve", "test": "selftest", "client": "chat", "messages": "message"},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", "-V", prog_name="alcove")
@click.pass_context
def main(context: click.Context) -> None:
    """Private conversations on a server you run.

    Without a command it opens the terminal app; `alcove chat` talks line by line, and `alcove
    serve` runs a server.  Every command explains itself with --help.
    """
    if context.invoked_subcommand is not None:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(context.get_help())
        return
    app = main.get_command(context, "tui")
    assert app is not None, "it is one of ours"
    context.invoke(app, profile=None, server=None, config=None, debug=False)
