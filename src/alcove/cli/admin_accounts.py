"""`alcove admin accounts`, `disable`, `enable`, `quota`, `reset` and `bot`."""

import click
import msgspec

from alcove.cli.advice import say
from alcove.cli.asking import ask
from alcove.cli.links import show_link
from alcove.cli.shared import (
    exact_size,
    json_option,
    load,
    place_options,
    size,
    table,
    when,
)
from alcove.server.admin_messages import (
    Account,
    AccountPage,
    Accounts,
    BotLink,
    Disable,
    Link,
    Quota,
    ResetLink,
)
from alcove.server.settings import BYTES_MAX, Settings
from alcove.server.values import parse_size

HEADS = ("NAME", "SINCE", "LAST SEEN", "DEVICES", "ROOMS", "FILES", "")


@click.command
@place_options
@json_option
def accounts(data: str | None, config: str | None, *, as_json: bool) -> None:
    """List the accounts.

    By name, with what the server knows of them: not the names of rooms, nor what is said there.
    """
    found = _all(load(data, config))
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        table([_row(one) for one in found], HEADS)
    else:
        say("Nobody has registered yet: `alcove admin owner-link` begins.")


def _all(settings: Settings) -> list[Account]:
    found: list[Account] = []
    after: str | None = ""
    while after is not None:
        page = ask(settings, Accounts(after), AccountPage)
        found += page.accounts
        after = page.next
    return found


def _row(one: Account) -> tuple[str, ...]:
    marks = [
        word
        for word, holds in (("host", one.host), ("bot", one.bot), ("disabled", one.disabled_at))
        if holds
    ]
    return (
        one.name,
        when(one.created_at),
        when(one.seen_at),
        str(one.devices),
        str(one.rooms),
        size(one.files_bytes),
        " ".join(marks),
    )


@click.command
@click.argument("name")
@place_options
@json_option
def disable(name: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Let an account sign in no more.

    Its connections and tokens end at once.  What it wrote stays, and so do its places in rooms.
    When it is a host's, you are told what that means.
    """
    account = ask(load(data, config), Disable(name), Account)
    _show(account, f"{account.name} is disabled, and connected no more.", as_json=as_json)
    if account.host:
        warning = "is a host: what only a host may do waits until `alcove admin enable"
        say(f"{account.name} {warning} {account.name}`, or for another host.", err=True)


@click.command
@click.argument("name")
@place_options
@json_option
def enable(name: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Let a disabled account in again."""
    account = ask(load(data, config), Disable(name, disabled=False), Account)
    _show(account, f"{account.name} may sign in again.", as_json=as_json)


@click.command
@click.argument("name")
@click.argument("size", metavar="SIZE")
@place_options
@json_option
def quota(name: str, size: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Give an account its own space for files.

    SIZE is written like "5 GB", and a number alone is bytes; 0 is no limit, and `default` is what
    everyone has.
    """
    limit = None if size == "default" else parse_size(size)
    if size != "default" and (limit is None or limit > BYTES_MAX):
        raise click.ClickException('SIZE must be a size such as "5 GB", 0, or default.')
    account = ask(load(data, config), Quota(name, limit), Account)
    given = account.quota_bytes
    space = f"at most {exact_size(given)} of files" if given else "files without a limit of its own"
    _show(account, f"{account.name} may store {space}.", as_json=as_json)


def _show(account: Account, said: str, *, as_json: bool) -> None:
    click.echo(msgspec.json.encode(account) if as_json else said)


@click.command
@click.argument("name")
@place_options
@json_option
def reset(name: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Make a link by which an account comes back.

    For somebody who has lost password and recovery phrase, and whom you know: whoever uses the link
    takes the account over with new keys, and everyone is shown that it changed.
    """
    _show_link(ask(load(data, config), ResetLink(name), Link), as_json=as_json)


@click.command
@click.argument("name")
@place_options
@json_option
def bot(name: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Make a link by which one bot registers.

    NAME is the name that you want the bot to take; whether it is free is checked now.
    """
    _show_link(ask(load(data, config), BotLink(name), Link), as_json=as_json)


def _show_link(link: Link, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(link))
    else:
        show_link(link)
