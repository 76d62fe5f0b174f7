"""`alcove register`, `login` and `logout`: coming to a server, and going."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    LINE_S,
    Given,
    Here,
    ask_secret,
    chosen,
    examples,
    here,
    json_option,
    keep_passphrase,
    line,
    member_options,
    passphrase_of,
    password_options,
    refused_option,
    run,
    secret_file_option,
    secret_from,
)
from alcove.cli.member.passwords import TRIES_MAX, choose_password, new_password

if TYPE_CHECKING:
    from alcove.client import Client

PHRASE_SAID = (
    "This is your recovery phrase.  It opens your account when the password is forgotten: write it"
    " on paper, and keep it where nobody else looks.  `alcove recovery` shows it again, for the"
    " password."
)
generate_option = click.option(
    "--generate", is_flag=True, help="Take a password of five words, and show it once."
)
phrase_option = click.option(
    "--phrase-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write the recovery phrase into a new file for your user alone.",
)
PHRASE_NEEDED = (
    "The password is right, but not strong enough to open the account on a new machine.  Recovery"
    " phrase"
)
HISTORY_S = 20.0
"""So long the first program on a new machine waits for what was said before."""
KEEPING = "Type its first word when it is written down; Enter alone: ask me again later."
NOT_IT = "That is not its first word: look again at what you have written down."
LATER = "`alcove chat` reminds you, until `alcove recovery --saved` says that it is written down."


@click.command(
    epilog=examples(
        "alcove register 'https://chat.example.org/i/…#…'",
        "alcove register localhost:8888 --name ada --generate",
    )
)
@click.argument("link", required=False)
@click.option("--name", "-n", metavar="NAME", help="The name of the new account.")
@password_options
@generate_option
@phrase_option
@click.option(
    "--ask-server-password", is_flag=True, help="Ask for the password that the server asks for."
)
@secret_file_option("--server-password-file", "The file of the server's password.")
@refused_option("--server-password")
@member_options
@json_option
def register(
    given: Given,
    link: str | None,
    name: str | None,
    password_file: str | None,
    phrase_file: str | None,
    server_password_file: str | None,
    *,
    generate: bool,
    ask_server_password: bool,
    as_json: bool,
) -> None:
    """Make an account on a server.

    LINK is the invite link that you were given, or the server's address.  You are asked for a name
    and a password; the recovery phrase is shown once.
    """
    from alcove.client import Client  # noqa: PLC0415 - With it comes everything.

    around = here(given)
    target = link or around.settings.server
    name = name or _ask_name("Name")
    password = _new_password(password_file, name, generate=generate)
    server_password = None
    if ask_server_password or server_password_file:
        server_password = secret_from(server_password_file, "Password of the server")
    _check_new(phrase_file)
    passphrase = _passphrase(around, given, name)
    client = Client.register(
        target,
        name,
        password,
        where=given.profile,
        home=around.profiles.home,
        passphrase=passphrase,
        server_password=server_password,
    )
    new = _New(password_file, phrase_file, generate, as_json, passphrase)
    _come_anew(around, given, client, password, new)
    if not as_json:
        say("`alcove chat` begins to talk; `alcove send @name hello` says one thing.")


@click.command(
    epilog=examples(
        "alcove login chat.example.org --name ada",
        "alcove login localhost:8888 --name ada --profile work",
        "alcove login --reset 'https://chat.example.org/i/…#…' --name ada",
    )
)
@click.argument("link", required=False)
@click.option("--name", "-n", metavar="NAME", help="The name of your account.")
@click.option(
    "--reset", metavar="LINK", help="Come back by a link of the host, with a new password."
)
@password_options
@generate_option
@phrase_option
@member_options
@json_option
def login(
    given: Given,
    link: str | None,
    name: str | None,
    reset: str | None,
    password_file: str | None,
    phrase_file: str | None,
    *,
    generate: bool,
    as_json: bool,
) -> None:
    """Bring an account that you have to this machine.

    LINK is the server's address.  Instead of the password, the recovery phrase may be typed; it is
    asked for where the password alone is too weak.  What was said before comes with it, the newest
    first.

    Who has lost both asks the host for a reset link (`alcove admin reset NAME`), and gives it with
    --reset: you choose a new password, your other devices end, what was said before stays lost on
    this one, and everybody is shown that your keys have changed.
    """
    from alcove.client import (  # noqa: PLC0415 - With it comes everything.
        Client,
        PhraseNeededError,
        RefusedError,
    )

    around = here(given)
    name = name or _ask_name("Name")
    if reset is not None:
        _reset(around, given, reset, name, _New(password_file, phrase_file, generate, as_json))
        return
    if generate or phrase_file:
        raise click.UsageError("--generate and --phrase-file go with --reset.")
    typed = secret_from(password_file, "Password or recovery phrase")
    passphrase = _passphrase(around, given, name)
    code: str | None = None
    told: dict[str, Any] = {}
    while not told:
        client = Client.sign_in(
            link or around.settings.server,
            name,
            typed,
            code=code,
            where=given.profile,
            home=around.profiles.home,
            passphrase=passphrase,
        )
        try:
            told = _come(client, HISTORY_S)
        except PhraseNeededError:
            typed, code = ask_secret(PHRASE_NEEDED), None
        except RefusedError as error:
            if error.code != "code_needed" or code is not None:
                raise
            code = ask_secret("Code of the authenticator app")
    keep_passphrase(around, told["profile"], passphrase)
    if as_json:
        saying.emit(told)
    else:
        click.echo(
            f"You are {told['name']} on {told['server']}; this machine is a device of yours."
        )
        say("`alcove chat` begins to talk.")


@click.command(
    epilog=examples(
        "alcove logout",
        "alcove logout --profile work --local --yes",
    )
)
@click.option("--local", is_flag=True, help="Without asking the server: only erase what is here.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")
@refused_option("--password")
@member_options
@json_option
def logout(given: Given, *, local: bool, yes: bool, as_json: bool) -> None:
    """End the session, and erase everything of an account from this machine.

    What was said stays on your other devices, and comes back with `alcove login`, but for rooms
    without history.  The account's list names this machine until another device revokes it.
    """
    from alcove.client import find_keyring, kept_by  # noqa: PLC0415

    around, profile = chosen(given)
    if not yes:
        if profile.must_save_phrase:
            say(saying.PHRASE_WAITS, err=True)
        question = f"Erase everything of {profile.account} on {profile.server} from this machine?"
        click.confirm(question, abort=True)
    device = "" if local else run(given, _sign_out)
    keyring = find_keyring() if kept_by(profile.folder) == "keyring" else None
    around.profiles.remove(profile.name, keyring)
    if as_json:
        shown = {"profile": profile.name, "account": profile.account, "device": device}
        saying.emit(shown)
        return
    click.echo(f"{profile.account} on {profile.server} is gone from this machine.")
    say(f"On another device, `alcove devices --revoke {device[:8] or 'ID'}` takes it off the list.")


async def _sign_out(client: "Client") -> str:
    """End the session at the server; return this device's id."""
    await line(client)
    await client.settled(LINE_S)
    await client.owner.sign_out()
    return client.who.device.hex()


# ---- Pieces ----


class _New(NamedTuple):
    """What somebody wants of new locks, and how to tell them."""

    password_file: str | None
    phrase_file: str | None
    generate: bool
    as_json: bool
    passphrase: str | None = None
    """What opens the profile, where somebody has typed it."""


def _reset(around: Here, given: Given, link: str, name: str, new: _New) -> None:
    """Come back by a link of the host."""
    from alcove.client import Client  # noqa: PLC0415 - With it comes everything.

    password = _new_password(new.password_file, name, generate=new.generate)
    _check_new(new.phrase_file)
    new = new._replace(passphrase=_passphrase(around, given, name))
    client = Client.reset(
        link,
        name,
        password,
        where=given.profile,
        home=around.profiles.home,
        passphrase=new.passphrase,
    )
    _come_anew(around, given, client, password, new)
    if not new.as_json:
        say(
            "Everybody is shown that your keys have changed: let them compare your safety number."
            "  Groups have to invite you again."
        )


def _come_anew(around: Here, given: Given, client: "Client", password: str, new: _New) -> None:
    """Make an account or take it over, and show the phrase, once."""
    told = _come(client)
    keep_passphrase(around, told["profile"], new.passphrase)
    _keep_phrase(client.recovery_phrase, new.phrase_file)
    if new.as_json:
        shown = {"recovery_phrase": client.recovery_phrase}
        if new.generate:
            shown["password"] = password
        saying.emit(told | shown)
        return
    click.echo(f"You are {told['name']} on {told['server']}.")
    if new.generate:
        click.echo(f"Your password, which is shown only now:\n\n  {password}\n")
    if not new.phrase_file:
        say(f"{PHRASE_SAID}\n\n  {client.recovery_phrase}\n")
        _note_phrase(given, told["profile"], client.recovery_phrase)


def _check_new(path: str | None) -> None:
    if path and Path(path).exists():
        raise Failed(f"{path} is there already: name a file that is new.")


def _ask_name(prompt: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(prompt, prompt_suffix=": "))
    return ask_secret(prompt)


def _new_password(path: str | None, name: str, *, generate: bool) -> str:
    return new_password() if generate else choose_password(path, name)


def _passphrase(around: Here, given: Given, name: str) -> str | None:
    return passphrase_of(around, given.profile or name.lower())


def _come(client: "Client", history_s: float = 0.0) -> dict[str, Any]:
    """Make the account or the device, let what was said before come, and return who that is."""
    from alcove.client import OfflineError, caught_up  # noqa: PLC0415

    async def live() -> dict[str, Any]:
        await client.open()
        try:
            await line(client, LINE_S)
            if history_s:
                with suppress(OfflineError):  # The rest comes with the next program.
                    await caught_up(client, history_s, whole=True)
            return {
                "account": client.account.hex(),
                "name": client.name,
                "server": client.server,
                "profile": client.profile,
            }
        finally:
            await client.close(0)

    return asyncio.run(live())


def _keep_phrase(phrase: str, path: str | None) -> None:
    if path:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - For this user alone from the start.
            file.write(f"{phrase}\n")


def _note_phrase(given: Given, profile: str, phrase: str) -> None:
    """Ask whether the phrase was written down; only then this device forgets it."""
    if not sys.stdin.isatty():
        return
    say(KEEPING)
    for _ in range(TRIES_MAX):
        typed = click.prompt("Its first word", default="", show_default=False, prompt_suffix=": ")
        if typed.strip().lower() == phrase.split(maxsplit=1)[0]:
            run(given._replace(profile=profile), _saved)
            return
        if not typed.strip():
            break
        say(NOT_IT, err=True)
    say(LATER)


async def _saved(client: "Client") -> None:
    await client.owner.phrase_saved()
