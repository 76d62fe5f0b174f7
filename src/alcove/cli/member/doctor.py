"""`alcove doctor`: finds what is wrong, and says what to do."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.advice import advised, say
from alcove.cli.member import checks, saying
from alcove.cli.member.checks import Finding, ok, wrong
from alcove.cli.member.ending import failed
from alcove.cli.member.opening import (
    Given,
    Here,
    examples,
    here,
    json_option,
    member_options,
    passphrase_of,
)

if TYPE_CHECKING:
    from alcove.client import Profile

SIGN_IN_S: Final = 10.0
MARKS: Final = {"ok": "✓", "note": "·", "wrong": "✗"}

CURES: Final = {
    "wrong_login": "Look for typing mistakes; `alcove recovery` or the recovery phrase helps.",
    "revoked": "`alcove logout --local`, then `alcove login` makes this machine a device again.",
    "disabled": "Ask the host: `alcove admin enable` lets an account in again.",
    "version": "Update the older of the two: this program, or the server.",
    "full": "Try again later, or ask the host to raise max_clients.",
}
ELSE: Final = "Do it again with --debug; the server's own log may say more."
HELP: Final = (
    "More help: docs/howto/troubleshooting.md.  `alcove selftest` checks the encryption and a whole"
    " server on this machine; --debug shows where errors come from; the server's log lies in the"
    " folder logs of its data folder."
)


@click.command(
    epilog=examples(
        "alcove doctor",
        "alcove doctor --server chat.example.org",
        "alcove doctor --repair",
        "alcove doctor --json | jq '.[] | select(.state == \"wrong\")'",
    )
)
@click.option("--no-sign-in", is_flag=True, help="Open no account: no passphrase is asked for.")
@click.option("--repair", is_flag=True, help="Offer to set a damaged local database aside.")
@member_options
@json_option
def doctor(given: Given, *, no_sign_in: bool, repair: bool, as_json: bool) -> None:
    """Find out what is wrong, and what to do.

    Looks at the program, its libraries and the encryption, at the settings, at each account here,
    at the way to its server, at ports, the server's database and Docker.  Changes nothing without
    --repair, and with it asks first.  The exit status is 1 when something is wrong.
    """
    if repair:
        _repair(given)
        return
    found: list[Finding] = []
    for one in _all(given, signs_in=not no_sign_in):
        found.append(one)
        if not as_json:
            click.echo(advised(f"{MARKS[one.state]} {one.name}: {one.text}"))
            if one.cure:
                click.echo(advised(f"    {one.cure}"))
    is_wrong = any(one.state == "wrong" for one in found)
    if as_json:
        saying.emit(found)
    else:
        say(f"\n{HELP}" if is_wrong else "\nNothing is wrong.")
    if is_wrong:
        raise SystemExit(1)


def _all(given: Given, *, signs_in: bool) -> Iterator[Finding]:
    yield checks.python()
    yield from checks.libraries()
    yield checks.encryption()
    try:
        around = here(given)
    except Exception as error:  # noqa: BLE001 - It is a finding like any other.
        yield wrong("settings", failed(error).format_message(), "Mend that place, then again.")
        return
    yield ok("settings", "They can be read.")
    for notice in around.notices:
        yield Finding("settings", "note", notice)
    yield from checks.around()
    profiles = [around.profiles.profile(name) for name in around.profiles.names()]
    for profile in profiles:
        yield from checks.account(profile)
    if not profiles:
        cure = "`alcove register` makes one, `alcove login` brings one that you have."
        yield Finding("accounts", "note", "There is none on this machine yet.", cure)
    yield from _servers(given, around.settings.address, profiles)
    yield from _this_machine()
    yield from checks.docker()
    if signs_in:
        for profile in profiles:
            if profile.account and profile.is_finished:
                yield _signs_in(given, profile)


def _servers(given: Given, address: Any, profiles: "list[Profile]") -> Iterator[Finding]:
    """Look at the server that was named, or else at those of all accounts."""
    from alcove.client import parse_address  # noqa: PLC0415

    wanted = {str(address): address}
    if not given.server and profiles:
        wanted = {one.server: parse_address(one.server) for one in profiles}
    for one in wanted.values():
        yield from checks.server(one)


def _this_machine() -> Iterator[Finding]:
    """Look at a server of this machine: its port, and its database."""
    from alcove.cli.asking import over_socket  # noqa: PLC0415
    from alcove.cli.shared import load  # noqa: PLC0415
    from alcove.server.admin_messages import Stats  # noqa: PLC0415

    try:
        settings = load(None, None)
        is_ours = over_socket(settings, Stats(), wait_s=checks.WAIT_S) is not None
    except click.ClickException as error:
        yield Finding("server here", "note", error.format_message())
        return
    yield checks.port(settings.port, is_ours=is_ours)
    yield from checks.database(settings)


def _repair(given: Given) -> None:
    """Set damaged databases aside, each after a question; the archive brings back what they had."""
    around = here(given)
    damaged = 0
    for name in around.profiles.names():
        profile = around.profiles.profile(name)
        if not profile.is_finished or (given.profile and given.profile != name):
            continue
        lines = _damage(around, profile)
        if not lines:
            say(f"{MARKS['ok']} database {name}: It was read to its end, and is whole.")
            continue
        damaged += 1
        for one in lines:
            say(f"{MARKS['wrong']} database {name}: {one}")
        say(
            "What it held is on your other devices and, for rooms that keep history, in your"
            " archive on the server.  What had not left this machine is only in the damaged file."
        )
        if click.confirm(f"Set it aside, and make {name} a new device of your account?"):
            say(around.profiles.set_aside(name))
            say(f"Now `alcove login --profile {name}` brings back what the archive has.")
    if not damaged:
        say("\nNothing is to be repaired.")


def _damage(around: Here, profile: "Profile") -> tuple[str, ...]:
    """Return what is wrong with a profile's database: nothing, or some lines."""
    from alcove.client import DamagedError, examine  # noqa: PLC0415

    try:
        return examine(around.profiles, profile, passphrase_of(around, profile.name))
    except DamagedError as error:
        return (str(error),)


def _signs_in(given: Given, profile: "Profile") -> Finding:
    """Open an account, and sign in to its server."""
    from alcove.client import Client, ClientError  # noqa: PLC0415

    name = f"sign-in {profile.name}"
    around = here(given)

    async def story(passphrase: str | None) -> None:
        client = Client(profile.name, passphrase=passphrase, home=around.profiles.home)
        await client.open()
        try:
            await client.online(SIGN_IN_S)
        finally:
            await client.close(0)

    try:
        asyncio.run(story(passphrase_of(around, profile.name)))
    except ClientError as error:
        code = str(getattr(error, "code", ""))
        return wrong(name, str(error), CURES.get(code, ELSE))
    return ok(name, f"{profile.account} is let in: the database opens, and the keys are right.")
