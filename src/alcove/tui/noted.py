"""What the server has written down about an account, in words."""

from typing import Final

from alcove.desk import shown

EVENTS: Final = {
    "account_created": "Account created", "account_disabled": "Account disabled by the host",
    "account_enabled": "Account enabled again", "account_reset": "Came back by a reset link",
    "account_blocked": "Somebody blocked", "account_unblocked": "Block lifted",
    "box_opened": "Password or phrase was right", "login_failed": "Wrong password or phrase",
    "code_failed": "Wrong code of the authenticator app", "locks_changed": "Password changed",
    "identity_changed": "Identity key changed", "totp_enabled": "Second factor on",
    "totp_disabled": "Second factor off", "signed_in": "Signed in", "signed_out": "Signed out",
    "sign_in_failed": "Wrong signature at sign-in", "sign_in_revoked": "Removed device tried",
    "token_created": "Token made", "device_added": "Device added",
    "device_revoked": "Device revoked", "device_restored": "Device restored or copied",
    "list_published": "Device list signed", "list_refused": "Device list refused",
    "packages_claimed": "Keys of others fetched", "packages_taken": "Keys fetched by others",
    "packages_added": "New keys laid out", "room_created": "Room made",
    "room_link_created": "Link to a room made", "room_link_withdrawn": "Link to a room ended",
    "alias_published": "Group made public", "alias_withdrawn": "Group no longer public",
    "invite_created": "Invite made", "invite_used": "Invite used",
    "invite_withdrawn": "Invite withdrawn", "request_sent": "Request sent",
    "request_accepted": "Request accepted", "request_declined": "Request declined",
    "blob_uploaded": "File sent", "blob_downloaded": "File fetched",
    "blob_deleted": "File deleted", "blob_expired": "File expired",
    "limit_hit": "Too many requests", "quota_hit": "No space left for a file",
    "log_cleared": "Log cleared up to here",
}  # fmt: skip
"""The commonest kinds; others are shown by their own names."""
RULES: Final = {
    "password_guessing": "Wrong passwords, one after the other",
    "code_guessing": "Wrong codes: somebody knows the password",
    "device_forging": "Somebody tries to be one of your devices",
    "revoked_device": "A removed device tried to sign in",
    "box_after_new_device": "Everything was fetched after a new device came",
    "many_devices": "Many new devices in an hour",
    "many_claims": "Keys of very many others fetched",
    "unwanted_requests": "Many requests were declined",
    "limits_hit": "Over the limits, again and again",
    "many_downloads": "Very many files fetched",
}


def in_words(event: shown.Event) -> tuple[str, str]:
    """Return what happened, and what more is known of it."""
    detail = dict(part.partition("=")[::2] for part in event.text.split() if "=" in part)
    if event.kind == "suspicious" and "rule" in detail:
        rule = detail["rule"]
        words, more = RULES.get(rule, rule.replace("_", " ")), ""
        if "count" in detail:
            more = f"{detail['count']} times"
    else:
        words = EVENTS.get(event.kind, event.kind.replace("_", " "))
        more = event.text
    where = f"from {event.address}" if event.address else ""
    return words, ", ".join(part for part in (more, where) if part)
