"""Which kinds of events the audit log knows, with a sentence for people about each.

A kind's name says what it is about and what became of it.  The docs are made from this table, and
an event of any other kind is our own mistake.
"""

from typing import Final

KINDS: Final[dict[str, str]] = {
    # Signing in.
    "box_opened": "The password or phrase was right, and the sealed box was handed out.",
    "login_failed": "Somebody gave a wrong password or phrase for this account.",
    "login_unknown": "Somebody tried to open an account with a name that nobody has here.",
    "code_failed": "The password or phrase was right, but the authenticator's code was not.",
    "signed_in": "A device signed in.",
    "sign_in_failed": "A device's signature did not fit when it tried to sign in.",
    "sign_in_revoked": "A device that was removed from its account tried to sign in.",
    "sign_in_disabled": "A device of an account that the host has disabled tried to sign in.",
    "signed_out": "A device signed out, and its tokens ended.",
    "token_created": "A device got a bearer token for the HTTP door.",
    # Accounts.
    "account_created": "An account was made.",
    "account_deleted": "An account was deleted, and all that was kept for it.",
    "account_disabled": "The host disabled an account.",
    "account_enabled": "The host enabled an account again.",
    "account_reset": "An account came back by a reset link, with a new identity.",
    "locks_changed": "The password or the phrase of an account was changed.",
    "identity_changed": "An account changed its identity key.",
    "totp_enabled": "The account asks for a code of an authenticator app from now on.",
    "totp_disabled": "The account asks for no code any more.",
    "registration_refused": "Somebody tried to register without a valid invite or password.",
    # Devices and keys.
    "device_added": "A device was added to the account.",
    "device_revoked": "A device was removed from the account.",
    "list_published": "A new version of the account's device list was published.",
    "list_refused": "A device list was refused, because its account could not have signed it.",
    "device_restored": "A device used a number again: its disk may have been restored or copied.",
    "packages_added": "A device stored new key packages.",
    "packages_claimed": "An account claimed key packages of another account's devices.",
    "packages_taken": "Key packages of this account's devices were handed out to somebody else.",
    "last_resort_claimed": "A device's last key package was handed out, since no other was left.",
    # Links.
    "invite_created": "An invite was made.",
    "invite_used": "Somebody registered with an invite.",
    "invite_withdrawn": "An invite was withdrawn.",
    "owner_link_used": "The owner link was used: this account is the host.",
    "bot_enrolled": "A bot registered with its enrolment.",
    "reset_link_created": "The host made a link by which an account can be reset.",
    "page_link_created": "A one-time link to the admin page was made.",
    "page_link_used": "Somebody opened the admin page with a one-time link.",
    "link_refused": "Somebody tried a link that has ended or never was.",
    # Rooms.
    "room_created": "A room was made.",
    "room_link_created": "A link by which people can join a room was made.",
    "room_link_withdrawn": "A link by which people could join a room was withdrawn.",
    "public_link_ended": "Nobody can join the commons or a public group any more: its link ended.",
    "alias_published": "An owner let a group be found by a public name.",
    "alias_withdrawn": "A group can no longer be found by its public name.",
    "handshakes_offered": "A device brought back handshakes that a restored log had lost.",
    "messages_counted": "So many messages were stored for the account since the last count.",
    # Requests to chat.
    "request_sent": "The account asked somebody to chat.",
    "request_accepted": "The account accepted a request to chat.",
    "request_declined": "The account declined a request to chat.",
    "request_unwanted": "A request to chat of this account was declined.",
    "account_blocked": "The account blocked another one.",
    "account_unblocked": "The account lifted a block.",
    # Blobs.
    "blob_uploaded": "A file was uploaded.",
    "blob_downloaded": "A file was downloaded.",
    "blob_deleted": "A file was deleted by its uploader.",
    "blob_expired": "A file reached its expiry and was deleted.",
    # Limits.
    "limit_hit": "Requests were refused because they were too many, too large or over a limit.",
    "quota_hit": "An upload was refused because there was no space left for it.",
    "server_full": "A connection was refused because there were as many as the server accepts.",
    # The host and the server.
    "host_only_refused": "Somebody tried what only the host may do.",
    "policy_changed": "The host changed who may register or ask to chat.",
    "setting_changed": "The host changed a setting or a limit.",
    "quota_changed": "The host changed how much space an account has.",
    "host_told": "The host told everyone who was connected something.",
    "disk_short": "The disk was nearly full: new messages and files were refused from then on.",
    "disk_enough": "There was space on the disk again.",
    "server_started": "The server started.",
    "server_stopped": "The server stopped.",
    "server_restored": "The server was restored from a backup.",
    "server_upgraded": "The server's storage was brought up to a newer version.",
    "backup_created": "A backup was made.",
    "log_exported": "The audit log was exported.",
    "log_cleared": "The audit log was cleared up to here.",
    "suspicious": "One of the rules about suspicious patterns found something.",
}

HOST_ONLY: Final = ("request_unwanted",)
"""Kinds that an account is not shown about itself: nobody is told that a request was declined."""

HOST_ADDRESS: Final = "unix:"
"""Begins the address of what the host did on the server's own machine; the user's name follows."""


def shown_address(address: str) -> str:
    """Return an address as accounts see it: who uses the server's machine is the host's affair."""
    return HOST_ADDRESS if address.startswith(HOST_ADDRESS) else address
