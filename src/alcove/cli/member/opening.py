"""Which account a command means, what opens it, and a client that is open for one command.

An account's passphrase and password are asked for, or read from a file of its owner.  They are
never words of a command: those are seen by everybody on the machine, and kept by the shell.
"""

import asyncio
import functools
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from alcove.cli.advice import note_place, say
from alcove.cli.member.ending import NO_LINE, STORE, Failed, plainly_ended
from alcove.cli.member.logbook import keep_log

if TYPE_CHECKING:
    from alcove.client import Client, ClientSettings, Profile, Profiles

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

LINE_S: Final = 15.0
"""How long a command that needs the server waits for it."""
KEYS_S: Final = 2.0
"""How long the end of a command waits until keys are in the account's archive."""
NEWS_S: Final = 5.0
"""How long a command that only looks waits for what is new."""
SECRET_CHARACTERS_MAX: Final = 1_000
SECRET_FILE_BYTES_MAX: Final = 8_192

PASSPHRASES: Final = "alcove.passphrases"
"""Where a program remembers what was typed."""

ANOTHER: Final = "`alcove account passphrase` takes another."
IN_THE_OPEN: Final = (
    "A password does not belong into a command: everybody on this machine sees it, and the shell"
    " keeps it.  Leave {option} out and you are asked, or name a file of yours with"
    " {option}-file."
)


class Given(NamedTuple):
    """What was said about which account is meant, and how."""

    profile: str | None
    server: str | None
    config: str | None
    debug: bool


class Here(NamedTuple):
    """The settings, and the profiles of this user."""

    settings: "ClientSettings"
    profiles: "Profiles"
    notices: tuple[str, ...]


# ---- Options ----


def member_options(command: F) -> F:
    """Add what every member's command takes; the command gets it as one argument, `given`."""

    @functools.wraps(command)
    def wrapped(
        *words: Any, profile: str | None, server: str | None, config: str | None, **options: Any
    ) -> Any:
        given = Given(profile, server, config, options.pop("debug"))
        with plainly_ended(debug=given.debug):
            return command(given, *words, **options)

    for option in reversed(
        (
            click.option(
                "--profile",
                "-p",
                metavar="NAME",
                callback=note_place,
                help="Which of this machine's accounts is meant.",
            ),
            click.option(
                "--server", metavar="ADDRESS", help="The server, or the account that is there."
            ),
            click.option(
                "--config",
                metavar="FILE",
                callback=note_place,
                help="The file of settings, in place of alcove.toml.",
            ),
            click.option(
                "--debug", is_flag=True, help="Show where errors come from; never a secret."
            ),
        )
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def examples(*lines: str) -> str:
    """Return what stands below a command's help: how it is typed."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON, for programs.")(
        command
    )


def offline_option(command: F) -> F:
    """Add `--offline`."""
    return click.option(
        "--offline", is_flag=True, help="Only look at what is here, without asking the server."
    )(command)


def password_options(command: F) -> F:
    """Add `--password-file`; `--password` is refused with the reason."""
    command = secret_file_option(
        "--password-file", "The file of the account's password, for your user alone."
    )(command)
    return refused_option("--password")(command)


def secret_file_option(name: str, text: str) -> Callable[[F], F]:
    """Return an option that names a file with a secret."""
    return click.option(name, metavar="FILE", type=click.Path(dir_okay=False), help=text)


def refused_option(name: str) -> Callable[[F], F]:
    """Return an option that people try, and that is refused with the reason."""

    def refuse(context: click.Context, option: click.Parameter, value: str | None) -> None:
        del option
        if value is not None:
            raise click.UsageError(IN_THE_OPEN.format(option=name), context)

    return click.option(
        name, hidden=True, expose_value=False, callback=refuse, help="Is refused: see the reason."
    )


# ---- Which account ----


def here(given: Given) -> Here:
    """Read the settings, and find the profiles."""
    from alcove.client import Profiles, load_settings  # noqa: PLC0415 - Only when one is called.

    overrides = {"server": given.server or "", "profile": given.profile or ""}
    if given.debug:
        overrides["debug"] = "true"
    config = Path(given.config) if given.config else None
    loaded = load_settings(overrides, config=config)
    keep_log(loaded.home, loaded.settings.level, debug=loaded.settings.debug)
    return Here(loaded.settings, Profiles(loaded.home), loaded.notices)


def chosen(given: Given) -> tuple[Here, "Profile"]:
    """Return the profile that is meant: the one named, the one on a server, or the default."""
    from alcove.client import parse_address  # noqa: PLC0415

    around = here(given)
    profiles = around.profiles
    if around.settings.profile:
        return around, profiles.profile(around.settings.profile)
    names = [name for name in profiles.names() if profiles.profile(name).account]
    if given.server:
        address = parse_address(given.server).by_number
        names = [
            name for name in names
            if parse_address(profiles.profile(name).server).by_number == address
        ]  # fmt: skip
        if not names:
            raise Failed(f"No account of this machine is on {address}: `alcove login` brings it.")
    default = profiles.default()
    if default in names:
        return around, profiles.profile(default)
    if len(names) == 1:
        return around, profiles.profile(names[0])
    if not names:
        raise Failed(
            "There is no account on this machine yet: `alcove register` makes one, `alcove login`"
            " brings one that you have."
        )
    raise Failed(f"Several accounts are on this machine ({', '.join(names)}): say --profile NAME.")


# ---- Secrets ----


def ask_secret(prompt: str) -> str:
    """Ask for a secret, unseen; a script writes it into the program as a line."""
    if sys.stdin.isatty():
        typed = str(click.prompt(prompt, hide_input=True, prompt_suffix=": "))
    else:
        typed = sys.stdin.readline(SECRET_CHARACTERS_MAX + 2).rstrip("\r\n")
    if not typed:
        raise Failed(f"{prompt}: nothing was typed, so nothing was done.")
    return typed


def ask_new_secret(prompt: str) -> str:
    """Ask for a new secret: twice, where it cannot be seen while it is typed."""
    while True:
        typed = ask_secret(prompt)
        if not sys.stdin.isatty() or ask_secret(f"{prompt} again") == typed:
            return typed
        click.echo("These were not the same: once more.", err=True)


def secret_from(path: str | None, prompt: str, *, is_new: bool = False) -> str:
    """Return a secret from a file of its owner, or ask for it."""
    if path is not None:
        return _read_secret(Path(path))
    return ask_new_secret(prompt) if is_new else ask_secret(prompt)


def _read_secret(path: Path) -> str:
    """Return the one line of a file that only its owner can read."""
    status = path.stat()
    is_open = sys.platform != "win32" and bool(status.st_mode & 0o077)
    if stat.S_ISREG(status.st_mode) and is_open:
        raise Failed(f"Others can read {path}: make it yours alone, as with chmod 600 {path}.")
    with path.open("rb") as file:
        content = file.read(SECRET_FILE_BYTES_MAX).decode("utf-8-sig", "replace")
    text = content.removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text or len(text) > SECRET_CHARACTERS_MAX:
        raise Failed(f"{path} must hold the secret as one line of text: write it there.")
    return text


def passphrase_of(around: Here, name: str) -> str | None:
    """Return what opens a profile; None where a file or the system's keyring does.

    It is asked here, before anything runs, so that Ctrl-C ends the question.
    """
    from alcove.client import find_keyring, kept_by  # noqa: PLC0415

    if around.settings.passphrase_file:
        return None
    profiles = around.profiles
    known = _typed().get(str(profiles.home / name))
    if known is not None:
        return known
    keeper = kept_by(profiles.profile(name).folder) if name in profiles.names() else None
    if keeper == "passphrase":
        return ask_secret(f"Passphrase of the profile {name}")
    if keeper == "keyring" or find_keyring() is not None:
        return None
    say(
        "What is kept on this machine is encrypted.  No keyring is here to keep the key: choose a"
        " passphrase, which is asked for each time (ALCOVE_PASSPHRASE_FILE can name a file of it).",
        err=True,
    )
    chosen = ask_new_secret("New passphrase")
    tell_strength(chosen, name)
    return chosen


def tell_strength(passphrase: str, name: str) -> None:
    """Say how hard a new passphrase of this machine is to guess; a weak one is taken too."""
    from alcove.client import passphrase_strength  # noqa: PLC0415 - With it comes everything.

    found = passphrase_strength(passphrase, name)
    if found.warning:
        say(f"This passphrase is {found.word}.  {found.warning}  {ANOTHER}", err=True)
    elif sys.stdin.isatty():
        say(f"This passphrase is {found.word}.", err=True)


def keep_passphrase(around: Here, name: str, passphrase: str | None) -> None:
    """Remember what has opened a profile, so that this program does not ask for it again."""
    if passphrase is not None:
        _typed()[str(around.profiles.home / name)] = passphrase


def _typed() -> dict[str, str]:
    context = click.get_current_context(silent=True)
    known: dict[str, str] = {} if context is None else context.meta.setdefault(PASSPHRASES, {})
    return known


# ---- A client for one command ----


def run(
    given: Given, story: Callable[["Client"], Awaitable[T]], *, patience_s: float | None = 0.0
) -> T:
    """Open the account that is meant, and carry a story out with it.

    `patience_s` is how long the closing waits for what was said to reach the server.
    """
    from alcove.client import Client, ClientError  # noqa: PLC0415 - With it comes everything.

    around, profile = chosen(given)
    passphrase = passphrase_of(around, profile.name)

    async def live() -> T:
        client = Client(profile.name, passphrase=passphrase, home=around.profiles.home)
        await client.open()
        try:
            return await story(client)
        finally:
            is_reached = client.is_online or client.line.trouble is None
            if client.is_online:
                with suppress(ClientError):  # Whoever is here for a moment leaves keys too.
                    await client.keys_kept(KEYS_S)
            await client.close((patience_s or 0) if is_reached else 0)

    return asyncio.run(live())


async def line(client: "Client", patience_s: float = LINE_S) -> None:
    """Wait for the server; without it the command cannot go on."""
    from alcove.client import reached  # noqa: PLC0415 - With it comes everything.

    await reached(client, patience_s)


async def fresh(client: "Client", *, offline: bool = False, marks: bool = False) -> bool:
    """Wait a moment for what is new; say so when only what was here before is known.

    With `marks` also for what was read, and how people show themselves.
    """
    if offline:
        return False
    from alcove.client import OfflineError, caught_up  # noqa: PLC0415

    try:
        await caught_up(client, NEWS_S, marks=marks)
    except OfflineError as error:
        say(f"This is what this machine knew before: {error}", err=True)
        return False
    return True


def stored_only(what: str, *, is_online: bool) -> Failed:
    """Return how a command ends when what it said has not left in time."""
    when = "has the time" if is_online else "has a line to the server"
    return Failed(
        f"{what} is stored here, and leaves when a program of this account next {when}.", NO_LINE
    )


def full_disk(what: str) -> Failed:
    """Return how a command ends when what it said is stored, and nothing more can be."""
    return Failed(
        f"{what} is stored here, but the disk is full: make some space, and it leaves when a"
        " program of this account runs next.",
        STORE,
    )
