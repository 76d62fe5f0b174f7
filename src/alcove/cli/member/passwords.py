"""Choosing a password, and giving what opens the account: told in time what it is good for."""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from alcove.cli.advice import say
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import ask_secret, secret_from

T = TypeVar("T")
Code = Callable[[], str] | None

RULE: Final = (
    "or type one of your own: 14 characters or more, or 8 with capitals, small letters, digits and"
    " symbols."
)
"""What a password must be; a test compares it."""
OPENS_NOT: Final = (
    "This password does not open your account by itself: whoever stole the server's disks could"
    " guess it.  On another machine, or to change it, the recovery phrase is needed too: write that"
    " down."
)
TRIES_MAX: Final = 20


def new_password() -> str:
    """Return a password of five words."""
    from alcove.client import PASSWORD_ENTROPY_BYTES, new_password  # noqa: PLC0415

    return new_password(os.urandom(PASSWORD_ENTROPY_BYTES))


def choose_password(path: str | None, name: str) -> str:
    """Return a new password that is allowed, and say when it does not open the account alone."""
    if path is not None or not sys.stdin.isatty():
        chosen = secret_from(path, "New password", is_new=True)
        why = refused(chosen, name)
        if why:
            raise Failed(why)
    else:
        chosen = _chosen(name)
    if not opens(chosen, name):
        say(OPENS_NOT, err=True)
    return chosen


def _chosen(name: str) -> str:
    """Offer a password at a terminal, and take that or another, typed twice."""
    offer = new_password()
    say(f"This password opens your account everywhere; it is shown only now:\n\n  {offer}\n")
    say(f"Write it down and press Enter to take it, {RULE}")
    for _ in range(TRIES_MAX):
        typed = str(
            click.prompt(
                "New password", hide_input=True, default="", show_default=False, prompt_suffix=": "
            )
        )
        if not typed:
            return offer
        why = refused(typed, name)
        if why:
            click.echo(why, err=True)
        elif ask_secret("New password again") == typed:
            return typed
        else:
            click.echo("These were not the same: once more.", err=True)
    raise Failed("No password was chosen, so nothing was done.")


def refused(password: str, name: str) -> str:
    """Return why a password may not be chosen; empty when it may."""
    from alcove.client import strength  # noqa: PLC0415 - With it comes everything.

    judged = strength(password, name)
    return "" if judged.is_allowed else judged.warning


def opens(password: str, name: str) -> bool:
    """Whether a password opens an account by itself, on a machine where it is not yet."""
    from alcove.client import strength  # noqa: PLC0415 - With it comes everything.

    return strength(password, name).opens_the_box


async def with_locks(do: Callable[[str, Code], Awaitable[T]]) -> T:
    """Do something with the account's locks: ask for the phrase, or a code, where it is needed."""
    from alcove.client import PhraseNeededError, RefusedError  # noqa: PLC0415

    phrase, code = "", None
    while True:
        try:
            return await do(phrase, code)
        except PhraseNeededError:
            if phrase:
                raise
            phrase = ask_secret("The password opens not all by itself.  Recovery phrase")
        except RefusedError as error:
            if error.code != "code_needed" or code is not None:
                raise
            code = _code


def _code() -> str:
    return ask_secret("Code of the authenticator app")
