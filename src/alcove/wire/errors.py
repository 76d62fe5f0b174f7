"""Every way in which a server says no: one list, a code and a sentence each.

A refusal has changed nothing.  Its sentence is for people, its code for programs.
"""

from enum import StrEnum

from msgspec import Struct

from alcove.wire.ids import Count, Millis, RequestId, Sentence


class Code(StrEnum):
    """Why a request was refused."""

    # The connection.
    VERSION = "version"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    HELLO_FIRST = "hello_first"
    SIGN_IN_FIRST = "sign_in_first"
    SOCKET_ONLY = "socket_only"
    HOST_ONLY = "host_only"
    FULL = "full"
    STOPPING = "stopping"
    # How much.
    TOO_MANY = "too_many"
    TOO_SOON = "too_soon"
    LIMIT = "limit"
    QUOTA = "quota"
    BUSY = "busy"
    # Accounts and devices.
    NAME_TAKEN = "name_taken"
    NOT_INVITED = "not_invited"
    WRONG_LOGIN = "wrong_login"
    CODE_NEEDED = "code_needed"
    WRONG_CODE = "wrong_code"
    NOT_SIGNED = "not_signed"
    BAD_LIST = "bad_list"
    STALE_LIST = "stale_list"
    CHANGED = "changed"
    DISABLED = "disabled"
    REVOKED = "revoked"
    LINK_ENDED = "link_ended"
    # Rooms.
    UNKNOWN = "unknown"
    EXISTS = "exists"
    NOT_A_MEMBER = "not_a_member"
    CONFLICT = "conflict"
    CLOSED = "closed"
    OLD_KEY = "old_key"
    BAD_HEADER = "bad_header"
    NOT_ALLOWED = "not_allowed"
    RESTORED = "restored"
    # Everything.
    REUSED = "reused"
    TOO_OLD = "too_old"
    STORAGE = "storage"
    INTERNAL = "internal"


SENTENCES: dict[Code, str] = {
    Code.VERSION: "This server and your app speak different versions; update the older one.",
    Code.MALFORMED: "The request does not have the form that the protocol asks for.",
    Code.TOO_LARGE: "The request is larger than this server accepts.",
    Code.HELLO_FIRST: "A connection begins with a hello that names its versions.",
    Code.SIGN_IN_FIRST: "Sign in first.",
    Code.SOCKET_ONLY: "This can only be done over a signed-in socket, not with a token.",
    Code.HOST_ONLY: "Only the host of this server may do this.",
    Code.FULL: "The server has as many connections as it accepts; try again later.",
    Code.STOPPING: "The server is stopping; connect again in a moment.",
    Code.TOO_MANY: "Too many requests in a short time; wait a little and try again.",
    Code.TOO_SOON: "This was done a moment ago and may be done again after a pause.",
    Code.LIMIT: "This would go beyond a limit of the server.",
    Code.QUOTA: "There is no space left for this account or on this server.",
    Code.BUSY: "Too many requests are waiting on this connection; wait for answers first.",
    Code.NAME_TAKEN: "Somebody here has this name already; choose another one.",
    Code.NOT_INVITED: "Registration here needs an invite or a password that is valid.",
    Code.WRONG_LOGIN: "The name or the password is wrong.",
    Code.CODE_NEEDED: "This account asks for a code from its authenticator app.",
    Code.WRONG_CODE: "The code is wrong or was used before; wait for the next one.",
    Code.NOT_SIGNED: "The signature does not fit.",
    Code.BAD_LIST: "The device list is not one that this account could have signed.",
    Code.STALE_LIST: "The device list has changed since; read it and try again.",
    Code.CHANGED: "This was changed by another device; read it and try again.",
    Code.DISABLED: "The host has disabled this account.",
    Code.REVOKED: "This device is not on its account's list; it was removed or never added.",
    Code.LINK_ENDED: "The link has expired, was used up or was withdrawn.",
    Code.UNKNOWN: "There is no such thing here, or it is not yours to see.",
    Code.EXISTS: "It exists already.",
    Code.NOT_A_MEMBER: "This device is not a member of the room.",
    Code.CONFLICT: "Another handshake came first; read it and try again.",
    Code.CLOSED: "Members or settings changed since this was sealed; seal it again.",
    Code.OLD_KEY: "This was sealed with a key that is too old; seal it again.",
    Code.BAD_HEADER: "The entry's header does not fit its sender, its lane or the room.",
    Code.NOT_ALLOWED: "You may not do this here.",
    Code.RESTORED: "That place is of another life of this log; ask where it stands now.",
    Code.REUSED: "Another request used this number; was this device restored from a copy?",
    Code.TOO_OLD: "This number is far behind those that the device has used; count on from them.",
    Code.STORAGE: "The server cannot store anything at the moment; nothing was changed.",
    Code.INTERNAL: "Something went wrong in the server; nothing was changed.",
}


class Refusal(Struct, frozen=True, tag="refusal"):
    """The answer to a request that was not carried out and has changed nothing."""

    id: RequestId
    code: Code
    """For programs."""
    why: Sentence
    """A sentence for people."""
    retry_after_ms: Count | None = None
    """When to try again, if trying again can help."""
    head: bytes | None = None
    """For `conflict`: the name of the last handshake."""
    ours: tuple[int, int] | None = None
    """For `version`: the oldest and the newest version that the server speaks."""
    at: Millis | None = None
    """For `restored`: since when the log is another: when the server was restored."""


class Refused(Exception):
    """Raised by whoever finds that a request must not be carried out: it says what happened."""

    def __init__(
        self,
        code: Code,
        why: str | None = None,
        *,
        retry_after_ms: int | None = None,
        head: bytes | None = None,
        ours: tuple[int, int] | None = None,
        at: int | None = None,
    ) -> None:
        self.code = code
        self.why = why or SENTENCES[code]
        self.retry_after_ms = retry_after_ms
        self.head = head
        self.ours = ours
        self.at = at
        super().__init__(self.why)

    def reply(self, request_id: int) -> Refusal:
        """Return what the other side is told."""
        return Refusal(
            request_id, self.code, self.why, self.retry_after_ms, self.head, self.ours, self.at
        )
