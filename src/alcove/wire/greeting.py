"""How a connection begins: versions, the server's key, and who is there.

client                                  server
Hello(oldest, newest, nonce)     ──►
                                 ◄──    Greeting(version, server key, challenge)
SignIn(device, signature)        ──►            (a new account sends Register before)
                                 ◄──    SignedIn(proof of the server's key)
"""

from typing import Annotated

from msgspec import Meta

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Hash, Id, Key, Millis, Name, Sentence, Signature, SmallText

VERSION = 1
"""The version of the protocol that this program speaks."""
OLDEST_VERSION = 1
"""The oldest version that it still understands."""

ANNOUNCEMENT_CHARACTERS_MAX = 500
"""How long what the host tells everyone may be."""

Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""32 random bytes that are used once."""


class Hello(Request, frozen=True, tag="hello"):
    """The first message of a connection: the versions of the protocol that the client speaks."""

    oldest: Count
    """The oldest version that the client speaks."""
    newest: Count
    """The newest one."""
    client: SmallText = ""
    """The program's name and version, for the host's statistics."""


class Greeting(Reply, frozen=True, tag="greeting"):
    """What a client must know before it signs in."""

    version: Count
    """The newest version that both sides speak."""
    server: Key
    """The server's public key.  Compare it with the one that was pinned."""
    name: str
    """The server's name, as people see it."""
    software: str
    """The program and its version."""
    challenge: Nonce
    """What `sign_in` on this connection signs."""
    incarnation: Count
    now: Millis
    """The server's clock."""
    registration: str
    """`open`, `password`, `invite` or `closed`."""
    message_bytes_max: Count
    """How large a request may be, but for the kinds that may be large."""
    handshake_bytes_max: Count
    """How large one of those may be."""
    blob_bytes_max: Count
    """How large a blob may be, padded."""
    batch_entries_max: Count
    """How many entries one request may append."""


class SignIn(Request, frozen=True, tag="sign_in"):
    """Prove that this is the device.

    The signature covers the server's key, the challenge, the device's id and the version:
    docs/protocol/connecting.md has the bytes.
    """

    device: Id
    signature: Signature
    """By the device's key."""
    nonce: Nonce
    """What the server has to sign in its turn."""
    challenge: Nonce | None = None
    """Over HTTP, where no greeting came before: what the request `challenge` returned."""
    token: bool = False
    """Whether a bearer token is wanted too.  Over HTTP nothing else comes of signing in."""


class SignedIn(Reply, frozen=True, tag="signed_in"):
    """The device is believed, and here is the server's proof."""

    account: Id
    name: Name
    host: bool
    bot: bool
    proof: Signature
    """By the server's key over the nonce, the challenge, the device's id and the version."""
    counter: Count
    """The highest request id that this device has used.  A device that is behind was restored."""
    incarnation: Count
    list_version: Count
    """Of the account's newest device list."""
    list_hash: Hash
    """SHA-256 of that list's body."""
    packages: Count
    """How many single-use key packages of this device are left."""
    inbox: Count
    """The number of the newest letter in this device's inbox."""
    token: str | None = None
    """A bearer token, if one was asked for: see `new_token`."""
    idle_ms: Count | None = None
    """The token ends when it was not used for so long."""
    lock_after_ms: Count = 0
    """The host's policy: lock the app when nobody used it for so long; 0: as the member likes.
    Always 0 for a bot."""


class GetChallenge(Request, frozen=True, tag="challenge"):
    """Ask for a challenge to sign, over HTTP."""


class Challenge(Reply, frozen=True, tag="challenged"):
    """Sign this within a minute.  It works once."""

    server: Key
    """The server's public key.  Compare it with the one that was pinned."""
    challenge: Nonce
    """What `sign_in` signs."""
    version: Count
    """The newest version that the server speaks: the one to sign, as there was no greeting."""


class NewToken(Request, frozen=True, tag="new_token"):
    """Ask for a bearer token for the HTTP door."""


class Token(Reply, frozen=True, tag="token"):
    """A bearer token of this device.  It is stored as a hash and shown this once."""

    token: str
    """To be sent as `Authorization: Bearer …`."""
    idle_ms: Count
    """It ends when it was not used for so long, by `sign_out` and when the device is revoked."""


class SignOut(Request, frozen=True, tag="sign_out"):
    """End this device's tokens.  The connection ends after the answer."""


class Announcement(Push, frozen=True, tag="announcement"):
    """The host tells everyone who is connected something, such as when the server will be away.

    It is shown once and stored nowhere.  It comes from the server, not from an account, and is not
    sealed: an app shows it as such, and never as a message of a person.
    """

    text: Annotated[str, Meta(min_length=1, max_length=ANNOUNCEMENT_CHARACTERS_MAX)]
    """Plain text in lines, without other control characters."""
    at: Millis
    """When it was said."""


class Missed(Push, frozen=True, tag="missed"):
    """Pushes were left out because this connection read too slowly: read again what they tell of.

    It is said once, when all that waited has been taken.  Rooms that grew are nudged beside it.
    """


class Goodbye(Push, frozen=True, tag="goodbye"):
    """The server is about to close this connection, and why."""

    code: str
    """A refusal's code."""
    why: Sentence
    """A sentence for people."""
    retry_after_ms: Count | None = None
    """When to connect again, if that can help."""
