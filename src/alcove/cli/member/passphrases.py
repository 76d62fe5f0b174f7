"""`alcove account passphrase`: what keeps the key of this machine's copy of an account."""

import os

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.opening import (
    Given,
    chosen,
    examples,
    json_option,
    keep_passphrase,
    member_options,
    passphrase_of,
    refused_option,
    secret_file_option,
    secret_from,
    tell_strength,
)

VARIABLE = "ALCOVE_PASSPHRASE_FILE"
FILE_IS_OLD = f"The file that {VARIABLE} names still holds the old one: write the new one there."


@click.command(
    epilog=examples(
        "alcove account passphrase",
        "alcove account passphrase --keyring",
    )
)
@click.option("--keyring", is_flag=True, help="Let the system's keyring keep the key from now on.")
@secret_file_option("--new-passphrase-file", "The file of the new passphrase, for your user alone.")
@refused_option("--new-passphrase")
@member_options
@json_option
def passphrase(
    given: Given, new_passphrase_file: str | None, *, keyring: bool, as_json: bool
) -> None:
    """Take another passphrase for this machine, or let the system's keyring keep the key.

    The passphrase opens what is kept here, and nothing else: your password, and your other
    machines, stay as they are.  Without --keyring a passphrase keeps the key, also where the
    keyring did so far.  An old copy of the file `key.json` still opens with the old passphrase.
    """
    from alcove.client import keep_key  # noqa: PLC0415 - With it comes everything.

    if keyring and new_passphrase_file:
        raise click.UsageError("--keyring and --new-passphrase-file are for one at a time.")
    around, profile = chosen(given)
    old = passphrase_of(around, profile.name)
    new = None if keyring else secret_from(new_passphrase_file, "New passphrase", is_new=True)
    keep_key(profile, old, new)
    if new is not None:
        tell_strength(new, profile.account)
    keep_passphrase(around, profile.name, new)
    if as_json:
        saying.emit({"profile": profile.name, "kept_by": "passphrase" if new else "keyring"})
        return
    keeper = "The new passphrase" if new else "The system's keyring"
    click.echo(f"{keeper} keeps the key of the profile {profile.name} from now on.")
    if new and os.environ.get(VARIABLE):
        say(FILE_IS_OLD, err=True)
