"""`alcove admin …`: what only the host may do, by a socket in the data folder."""

import click

from alcove.cli.lazy import Lazy, Promise


def _in(module: str, name: str, summary: str) -> Promise:
    return Promise(f"alcove.cli.{module}:{name}", summary)


@click.group(
    cls=Lazy,
    promises={
        "accounts": _in("admin_accounts", "accounts", "List the accounts."),
        "disable": _in("admin_accounts", "disable", "Let an account sign in no more."),
        "enable": _in("admin_accounts", "enable", "Let a disabled account in again."),
        "quota": _in("admin_accounts", "quota", "Give an account its own space for files."),
        "reset": _in("admin_accounts", "reset", "Make a link by which an account comes back."),
        "bot": _in("admin_accounts", "bot", "Make a link by which one bot registers."),
        "invite": _in("admin_links", "invite", "Make a link by which people register."),
        "invites": _in("admin_links", "invites", "List the links that were made."),
        "uninvite": _in("admin_links", "uninvite", "Withdraw a link."),
        "owner-link": _in(
            "admin_links", "owner_link", "Make the link by which somebody becomes the host."
        ),
        "page": _in("admin_page", "page", "Make a one-time link to the admin page."),
        "policy": _in("admin_server", "policy", "Show or change who may do what."),
        "limits": _in("admin_server", "limits", "Show every limit."),
        "tell": _in("admin_server", "tell", "Tell everyone who is connected something."),
        "stats": _in("admin_server", "stats", "Show figures of the server and its database."),
        "backup": _in("admin_server", "backup", "Write everything into one file."),
        "restore": _in("admin_server", "restore", "Bring everything back from a backup."),
        "audit": _in("admin_log", "audit", "Show, export or check the audit log."),
        "clear-audit": _in("admin_log", "clear_audit", "Clear the audit log."),
    },
)
def admin() -> None:
    """Do what only the host may do.

    The commands speak to the running server through a socket in its data folder, or open the
    database themselves when no server runs.  So they are called as the server's own user, and tell
    with --data which server is meant.
    """
