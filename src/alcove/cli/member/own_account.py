"""`alcove account …` and `alcove invite`: the account itself, what opens it, and who may come."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.advice import say
from alcove.cli.lazy import Lazy, Promise
from alcove.cli.member import saying
from alcove.cli.member.changing import CLOSE_S, told
from alcove.cli.member.devices import with_code
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    Given,
    ask_secret,
    chosen,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    offline_option,
    password_options,
    run,
    secret_file_option,
    secret_from,
)
from alcove.cli.member.passwords import choose_password, with_locks
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client

YES_NO: Final = click.Choice(["yes", "no"])


def _in(name: str, summary: str) -> Promise:
    return Promise(f"alcove.cli.member.own_account:{name}", summary)


@click.group(
    cls=Lazy,
    promises={
        "show": _in(
            "show", "Show which account this is, where, and since when it is on this machine."
        ),
        "password": _in("password", "Take another password."),
        "passphrase": Promise(
            "alcove.cli.member.passphrases:passphrase",
            "Take another passphrase for this machine, or let the system's keyring keep the key.",
        ),
        "leaked": _in("leaked", "The password leaked: take new keys of every kind."),
        "authenticator": _in(
            "authenticator", "Ask for codes of an authenticator app, or no longer."
        ),
        "visibility": _in("visibility", "Choose what others may see of you."),
        "events": _in("events", "Show what the server has written down about the account."),
        "delete": _in("delete", "Delete the account, for good."),
    },
    aliases={"totp": "authenticator", "2fa": "authenticator", "change-password": "password"},
)
def account() -> None:
    """Change the password, ask for codes of an app, choose who sees you, or delete it all.

    `alcove devices` lists the devices, and `alcove recovery` shows the recovery phrase.
    """


def new_password_option(command: Any) -> Any:
    """Add `--new-password-file`."""
    return secret_file_option(
        "--new-password-file", "The file of the new password, for your user alone."
    )(command)


@click.command(
    epilog=examples(
        "alcove account show",
        "alcove account show --profile work --json",
    )
)
@offline_option
@member_options
@json_option
def show(given: Given, *, offline: bool, as_json: bool) -> None:
    """Show which account this is, where, and since when it is on this machine."""

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        who = await client.person(client.name)
        devices = await client.owner.devices()
        since = next(one.added_at for one in devices if one.is_this)
        lasts_ms = int((datetime.now(UTC) - since).total_seconds() * 1000)
        shape = {
            "name": client.name,
            "id": client.account.hex(),
            "server": client.server,
            "profile": client.profile,
            "display_name": who.display_name,
            "devices": len(devices),
            "signed_in_at": saying.stamp(since),
            "signed_in_ms": lasts_ms,
            "online": client.is_online,
            "must_save_phrase": client.owner.must_save_phrase,
        }
        if as_json:
            saying.emit(shape)
            return
        saying.pairs(
            (
                ("name", client.name),
                ("called", who.display_name or "(as the name says)"),
                ("server", client.server),
                ("profile", client.profile),
                ("signed in", f"{saying.moment(since)}, for {saying.lasting(lasts_ms)}"),
                ("line", "connected" if client.is_online else "none to the server at the moment"),
                ("devices", str(len(devices))),
                ("id", client.account.hex()),
            )
        )
        if client.owner.must_save_phrase:
            say(f"\n{saying.PHRASE_WAITS}")

    run(given, story)


# ---- What opens it ----


@click.command(
    epilog=examples(
        "alcove account password",
        "alcove account password --password-file old --new-password-file new",
    )
)
@new_password_option
@password_options
@member_options
@json_option
def password(
    given: Given, password_file: str | None, new_password_file: str | None, *, as_json: bool
) -> None:
    """Take another password.

    Devices that are signed in stay so, and the recovery phrase stays the same.  If somebody else
    may know the old password, `alcove account leaked` does more.
    """
    name = chosen(given)[1].account
    old = secret_from(password_file, f"Password of {name}")
    new = choose_password(new_password_file, name)

    async def story(client: "Client") -> None:
        await line(client)
        await with_locks(
            lambda phrase, code: client.owner.change_password(old, new, phrase=phrase, code=code)
        )
        told("The password is changed.", {"changed": True}, as_json=as_json)

    run(given, story, patience_s=CLOSE_S)


@click.command(
    epilog=examples(
        "alcove account leaked",
    )
)
@new_password_option
@password_options
@member_options
@json_option
def leaked(
    given: Given, password_file: str | None, new_password_file: str | None, *, as_json: bool
) -> None:
    """The password leaked: take new keys of every kind.

    A new password, a new recovery phrase, new identity keys: what somebody could copy with the old
    password opens nothing new.  Everybody who knows you is shown that your keys have changed, and
    should compare your safety number again.  Look at `alcove devices` too, and revoke what is not
    yours.
    """
    name = chosen(given)[1].account
    old = secret_from(password_file, f"Password of {name}")
    new = choose_password(new_password_file, name)

    async def story(client: "Client") -> None:
        await line(client)
        phrase = await with_locks(
            lambda phrase, code: client.owner.renew_keys(old, new, phrase=phrase, code=code)
        )
        told(
            "The keys are new.  The old recovery phrase opens nothing any more; this one does, and"
            f" is shown only now:\n\n  {phrase}\n",
            {"phrase": phrase},
            as_json=as_json,
        )
        if not as_json:
            say("Everybody who knows you is shown that your keys have changed.", err=True)

    run(given, story, patience_s=CLOSE_S)


@click.command(
    epilog=examples(
        "alcove account authenticator on",
        "alcove account authenticator off",
    )
)
@click.argument("wanted", metavar="on|off", type=click.Choice(["on", "off"]))
@password_options
@member_options
@json_option
def authenticator(given: Given, wanted: str, password_file: str | None, *, as_json: bool) -> None:
    """Ask for codes of an authenticator app, or no longer.

    With it, the password alone does not open the account on a new device: a code of six digits that
    an app on your telephone shows is needed too, and whenever a device is revoked or the password
    changed.  Scan what is shown, or type the secret into the app, then type the code that it shows.
    """
    secret_word = secret_from(password_file, f"Password of {chosen(given)[1].account}")
    is_on = wanted == "on"

    async def story(client: "Client") -> None:
        await line(client)
        if not is_on:
            code = await asyncio.to_thread(ask_secret, "Code of the authenticator app")
            await client.owner.ask_for_no_codes(secret_word, code)
            sentence = "No codes are asked for any more: the password alone opens the account."
        else:
            secret, link = client.owner.new_code_secret()
            _show_secret(link)
            code = await asyncio.to_thread(ask_secret, "Code that the app shows now")
            await client.owner.ask_for_codes(secret_word, secret, code)
            sentence = "From now on a code of the app is asked for when the account is opened."
        told(sentence, {"authenticator": is_on}, as_json=as_json)

    run(given, story, patience_s=CLOSE_S)


def _show_secret(link: str) -> None:
    """Show what an authenticator app takes: to be scanned, and to be typed."""
    if sys.stderr.isatty():
        from alcove.server.qr import terminal_qr  # noqa: PLC0415 - Once in a lifetime.

        is_coloured = os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
        click.echo(terminal_qr(link, colours=is_coloured), err=True)
    secret = link.partition("secret=")[2].partition("&")[0]
    click.echo(f"{link}\nThe secret, to type it: {secret}", err=True)


# ---- Who sees it ----


@click.command(
    epilog=examples(
        "alcove account visibility --online no --seen no",
        "alcove account visibility --findable exact",
    )
)
@click.option("--online", type=YES_NO, help="Whether others see you among those who are online.")
@click.option("--seen", type=YES_NO, help="Whether others see when you were there last.")
@click.option(
    "--findable",
    type=click.Choice(["exact", "beginning"]),
    help="By your whole name only, or by how it begins too.",
)
@member_options
@json_option
def visibility(
    given: Given, online: str | None, seen: str | None, findable: str | None, *, as_json: bool
) -> None:
    """Choose what others may see of you.

    What is not named stays as it is.  Who shares a room with you sees you there all the same.
    """
    wanted: dict[str, Any] = {
        "online": None if online is None else online == "yes",
        "seen": None if seen is None else seen == "yes",
        "findable": findable,
    }
    chosen_now = {name: value for name, value in wanted.items() if value is not None}
    if not chosen_now:
        raise click.UsageError("Say what is to be chosen: --online, --seen or --findable.")

    async def story(client: "Client") -> None:
        await line(client)
        await client.owner.set_visibility(**chosen_now)
        words = {True: "yes", False: "no"}
        said = ", ".join(f"{name}: {words.get(one, one)}" for name, one in chosen_now.items())
        told(f"Chosen: {said}.", chosen_now, as_json=as_json)

    run(given, story)


@click.command(
    epilog=examples(
        "alcove account events",
        "alcove account events --suspicious",
    )
)
@click.option("--suspicious", is_flag=True, help="Only what may be an attack.")
@member_options
@json_option
def events(given: Given, *, suspicious: bool, as_json: bool) -> None:
    """Show what the server has written down about the account.

    Sign-ins, devices, wrong passwords: newest first.  `alcove devices` shows who is signed in.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await client.owner.events(suspicious=suspicious)
        if as_json:
            saying.emit([
                {
                    "number": one.number,
                    "at": saying.stamp_ms(one.at),
                    "kind": one.kind,
                    "device": None if one.device is None else one.device.hex(),
                    "address": shown_name(one.address) if one.address else "",
                    "suspicious": one.suspicious,
                }
                for one in found
            ])  # fmt: skip
        elif found:
            rows = [
                (
                    saying.stamp_ms(one.at)[:16].replace("T", " "),
                    shown_name(one.kind).replace("_", " "),
                    "" if one.device is None else one.device.hex()[:8],
                    shown_name(one.address) if one.address else "",
                    "suspicious" if one.suspicious else "",
                )
                for one in found
            ]
            saying.columns(rows, ("WHEN (UTC)", "WHAT", "DEVICE", "FROM", ""))
        else:
            click.echo("Nothing was written down.")

    run(given, story)


# ---- The end ----


@click.command(
    epilog=examples(
        "alcove account delete",
    )
)
@click.option("--name", metavar="NAME", help="The account's name, for scripts; else it is asked.")
@password_options
@member_options
@json_option
def delete(given: Given, name: str | None, password_file: str | None, *, as_json: bool) -> None:
    """Delete the account, for good.

    The server forgets the account, its devices and its files, and nobody reaches it any more; the
    name may be taken by somebody else.  What you have said stays with those who have it.  You are
    asked for the name and the password.
    """
    _, profile = chosen(given)
    if name is None:
        say(f"{profile.account} on {profile.server} will be gone, for good.", err=True)
        name = _asked(f"Type its name, {profile.account}, to go on")
    if name.lower() != profile.account.lower():
        raise Failed(f"The account is called {profile.account}: nothing was deleted.")
    secret = secret_from(password_file, f"Password of {profile.account}")

    async def story(client: "Client") -> None:
        await line(client)
        await with_code(lambda code: client.owner.delete_account(secret, code=code))

    run(given, story)
    told(
        f"{profile.account} on {profile.server} is deleted.",
        {"deleted": profile.account, "profile": profile.name},
        as_json=as_json,
    )
    if not as_json:
        say("What is on this machine is still readable: `alcove logout --local` erases that too.")


def _asked(prompt: str) -> str:
    """Ask for a word that may be seen; a script writes it into the program as a line."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, prompt_suffix=": "))
    return ask_secret(prompt)


# ---- Who may come ----


@click.command(
    epilog=examples(
        "alcove invite",
        "alcove invite --uses 5 --days 30",
        "alcove invite --list",
        "alcove invite --withdraw 4f2a81c0",
    )
)
@click.option(
    "--uses",
    metavar="NUMBER",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="How many people may register by it.",
)
@click.option(
    "--days",
    metavar="NUMBER",
    type=click.IntRange(1, 365),
    default=7,
    show_default=True,
    help="How many days it works.",
)
@click.option("--list", "lists", is_flag=True, help="List the links that you have made.")
@click.option("--withdraw", metavar="ID", help="End a link.")
@member_options
@json_option
def invite(
    given: Given, uses: int, days: int, withdraw: str | None, *, lists: bool, as_json: bool
) -> None:
    """Make a link by which people can register on this server.

    Where its host lets members invite.  It leads to the server, not into a room: for people who
    have an account, `alcove room add` and `alcove room link` do that.
    """
    if lists and withdraw:
        raise click.UsageError("--list and --withdraw are for one at a time.")

    async def story(client: "Client") -> None:
        await line(client)
        if lists:
            _list_invites(await client.owner.invites(), as_json=as_json)
        elif withdraw:
            await client.owner.withdraw_invite(withdraw)
            told("The link works no more.", {"withdrawn": withdraw}, as_json=as_json)
        else:
            link = await client.owner.invite(uses=uses, days=days)
            id_ = link.partition("/i/")[2].partition("#")[0]
            told(link, {"id": id_, "link": link, "uses": uses, "days": days}, as_json=as_json)

    run(given, story)


def _list_invites(found: Any, *, as_json: bool) -> None:
    if as_json:
        saying.emit([
            {
                "id": one.invite,
                "kind": one.kind,
                "made_at": saying.stamp_ms(one.made_at),
                "expires_at": saying.stamp_ms(one.expires_at),
                "uses": one.uses,
                "used": one.used,
            }
            for one in found
        ])  # fmt: skip
    elif found:
        rows = [
            (
                one.invite,
                one.kind,
                saying.stamp_ms(one.expires_at)[:16].replace("T", " "),
                f"{one.used} of {one.uses}",
            )
            for one in found
        ]
        saying.columns(rows, ("ID", "FOR", "ENDS (UTC)", "USED"))
    else:
        click.echo("You have made no link.")
