"""`alcove status`: whether the server runs, how it is, and which accounts are here."""

import http.client
import socket
from pathlib import Path
from typing import Any

import click
import msgspec

from alcove.cli.advice import say
from alcove.cli.asking import over_socket
from alcove.cli.shared import facts, json_option, load, place_options, size, table, when
from alcove.server.admin_messages import Report, Stats
from alcove.server.pages import ENCRYPTION, Outside, Status
from alcove.server.settings import Settings
from alcove.server.settings_together import has_tls

WAIT_S = 3


@click.command
@place_options
@json_option
def status(data: str | None, config: str | None, *, as_json: bool) -> None:
    """Show whether the server runs, and how; and the accounts of this machine.

    Asks the server of this data folder, and nobody else who may have its ports; and the server of
    each account that is on this machine.  The exit status is 0 when the server here runs, or where
    there is none, when those of all accounts answer; else it is 1.
    """
    settings = load(data, config)
    found, address = _ask(settings)
    is_it = found is not None and address is not None
    accounts = _accounts(config)
    if as_json:
        shown = {"running": is_it, "status": found if is_it else None, "accounts": accounts}
        click.echo(msgspec.json.encode(shown))
    elif found is not None and address is not None:
        _show(found, address, settings.disk_free_min_bytes)
    else:
        other = "" if found is None else "  (Another server answers on its ports here.)"
        say(f"No server runs here (data folder {settings.data}): `alcove serve` starts it.{other}")
    if accounts and not as_json:
        click.echo()
        table([_account_row(one) for one in accounts], ("ACCOUNT", "PROFILE", "SERVER", ""))
        for one in accounts:
            if one.must_save_phrase:
                say(PHRASE_WAITS.format(one=one))
    answer_all = bool(accounts) and all(one.answers for one in accounts)
    if not is_it and not answer_all:
        raise SystemExit(1)


class Account(msgspec.Struct, frozen=True):
    """An account of this machine."""

    profile: str
    account: str
    server: str
    answers: bool
    """Whether its server does."""
    must_save_phrase: bool
    """Whether its recovery phrase has still to be written down."""


PHRASE_WAITS = (
    "The recovery phrase of {one.account} is not written down yet: `alcove recovery"
    " --profile {one.profile}` shows it."
)


def _accounts(config: str | None) -> list[Account]:
    """Return the accounts of this user, and whether their servers answer."""
    from alcove.client import (  # noqa: PLC0415 - Only where somebody is a member.
        ClientError,
        Profiles,
        load_settings,
        parse_address,
    )

    try:
        profiles = Profiles(load_settings({}, config=Path(config) if config else None).home)
        found = [profiles.profile(name) for name in profiles.names()]
    except ClientError as error:
        raise click.ClickException(str(error)) from error
    accounts = []
    for one in found:
        if one.account:
            address = parse_address(one.server).by_number
            accounts.append(
                Account(
                    one.name, one.account, str(address), _listens(address), one.must_save_phrase
                )
            )  # fmt: skip
    return accounts


def _listens(address: Any) -> bool:
    try:
        socket.create_connection((address.host, address.port), WAIT_S).close()
    except OSError:
        return False
    return True


def _account_row(one: Account) -> tuple[str, ...]:
    return one.account, one.profile, one.server, "answers" if one.answers else "does not answer"


def _ask(settings: Settings) -> tuple[Status | Outside | None, str | None]:
    """Return what the server says, and its address: None when that is another server's word."""
    made = over_socket(settings, Stats(), wait_s=WAIT_S)
    if made is not None:
        if made.error:
            raise click.ClickException(f"The server runs, but cannot say how it is.  {made.error}")
        report = msgspec.json.decode(made.ok, type=Report)
        return report.status, report.address
    # There is a server without such a socket too: where the path is long, or the disk shared.
    other = None
    for port in (settings.status_port, 0 if has_tls(settings) else settings.port):
        found = _over_http(port) if port else None
        if found is not None and found.server and _is_ours(settings, found.server):
            return found, f"http://127.0.0.1:{port}"
        other = other or found
    return other, None


def _is_ours(settings: Settings, key: str) -> bool:
    """Whether the server of this key, in hexadecimal digits, is the one of this data folder.

    A copy that was restored from a backup has the same key: so somebody must hold the folder too.
    """
    from alcove.server.io.admin import known_key  # noqa: PLC0415 - Seldom needed, and much.
    from alcove.server.io.places import is_held  # noqa: PLC0415

    return (known_key(settings) or b"").hex() == key and is_held(settings)


def _over_http(port: int) -> Status | Outside | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", "/status.json")
        return _read(connection.getresponse().read(1 << 20))
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()


def _read(body: bytes) -> Status | Outside:
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.ValidationError:  # It takes us for somebody from outside.
        return msgspec.json.decode(body, type=Outside)


def _show(found: Status | Outside, address: str, free_min_bytes: int) -> None:
    if isinstance(found, Outside):
        facts({
            "running": "yes; its figures are on its status port, and in its data folder",
            "version": found.version,
            "address": address,
            "registration": found.registration,
            "encryption": ENCRYPTION,
        })  # fmt: skip
        return
    storage = f"{found.database} {size(found.room_bytes)}, files {size(found.file_bytes)}"
    free = "" if found.free_bytes is None else f"; {size(found.free_bytes)} free"
    if found.free_bytes is not None and found.free_bytes < free_min_bytes:
        free += ", which is too little (disk_free_min_bytes): nothing new is stored"
    facts({
        "running": f"yes, since {when(found.started_at)}",
        "version": found.version,
        "address": address,
        "connected": f"{found.connected:,} of {found.connected_limit:,}",
        "online": f"{found.online:,} people",
        "messages": f"{found.message_rate:g} a second; at most {found.message_rate_peak:g}",
        "storage": storage + free,
        "registration": found.registration,
        "refused": f"{found.refused:,} requests by a limit, since the start",
        "encryption": ENCRYPTION,
    })  # fmt: skip
