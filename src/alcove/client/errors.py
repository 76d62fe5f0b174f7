"""Errors of the client, by whose fault it is.  Each says what happened, why, and what to do.

ClientError
├── UsageError      the caller's: what was asked for cannot be done
│   └── PhraseNeededError   the recovery phrase has to be given too
├── PeerError       another device or the server sent what it must not; `cause` names it
├── RefusedError    the server said no; `code` is its refusal
├── OfflineError    there is no line to the server
└── StoreError      the local database cannot be used
"""


class ClientError(Exception):
    """Something went wrong.  The text is one sentence for people."""


class UsageError(ClientError):
    """What was asked for cannot be done; the text says what can."""


class PhraseNeededError(UsageError):
    """The password is right, but too weak to open the account: the recovery phrase does that."""

    def __init__(self) -> None:
        super().__init__(
            "The password is not strong enough to open the account by itself: give the recovery"
            " phrase."
        )


class PeerError(ClientError):
    """Another device, or the server, sent something that it must not.  Never shows their bytes."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"rejected: {cause}")


class RefusedError(ClientError):
    """The server said no."""

    def __init__(self, code: str, why: str, retry_after_ms: int | None = None) -> None:
        self.code, self.retry_after_ms = code, retry_after_ms
        super().__init__(why)


class OfflineError(ClientError):
    """There is no line to the server; what was said waits in the outbox.  `code` says why."""

    def __init__(
        self,
        why: str = "There is no connection to the server at the moment; try again when there is.",
        code: str = "offline",
        retry_after_ms: int | None = None,
    ) -> None:
        self.code, self.retry_after_ms = code, retry_after_ms
        super().__init__(why)

    def again(self) -> "OfflineError":
        """Return the same error, for somebody else."""
        return OfflineError(str(self), self.code, self.retry_after_ms)


class StoreError(ClientError):
    """The local database cannot be used; nothing in it was changed."""
