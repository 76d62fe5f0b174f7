"""What a link tells its owner, in one screen, and its sentences for people."""

from typing import Any

from msgspec import Struct

from alcove.wire.errors import SENTENCES, Code
from alcove.wire.greeting import Greeting, SignedIn
from alcove.wire.ids import Millis

WRONG_KEY = "wrong_key"
"""The code of a server that is not the one whose key was pinned."""
SILENT = "silent"
"""The code of a line on which no answer comes any more."""

_OURS = {
    WRONG_KEY: "This is not the server that was pinned: its key is another one. Somebody may stand"
    " between you and it; ask its host in another way before you trust the new key.",
    SILENT: "The server does not answer any more; the connection is made anew.",
    Code.MALFORMED: "The server sent something that does not follow the protocol; the connection"
    " is made anew.",
    Code.CHANGED: "This device has signed in somewhere else: another program runs with the same"
    " profile, or with a copy of it. Close the other one, then connect again.",
}


class Event(Struct, frozen=True):
    """Something that the owner of a link does or passes on."""


class Connect(Event, frozen=True, tag="connect"):
    """Open a connection now, and say `opened` or `closed`."""


class Hangup(Event, frozen=True, tag="hangup"):
    """Close the connection, or stop trying to open it, and say `closed`."""

    why: str
    """A sentence for people."""


class Greeted(Event, frozen=True, tag="greeted"):
    """The server has said who it is.  At first contact its key is news: the owner decides."""

    greeting: Greeting


class Entered(Event, frozen=True, tag="entered"):
    """The device is believed, and the server has proved its key."""

    reply: SignedIn


class Said(Event, frozen=True, tag="said"):
    """The server has answered a request that had a number, or has said something unasked."""

    message: Any
    """A `Reply`, a `Refusal` or a `Push`."""


class Heard(Event, frozen=True, tag="heard"):
    """The server has answered what was sent without a number of its own."""

    number: int
    """As `send` returned it."""
    answer: Any
    """A `Reply` or a `Refusal`."""


class TurnedAway(Event, frozen=True, tag="turned_away"):
    """The server does not want this device, or is not to be trusted: `code` says why."""

    code: str
    why: str
    """A sentence for people."""
    is_final: bool
    """Whether nothing more is tried until the owner says `connect`."""


class Down(Event, frozen=True, tag="down"):
    """The connection has ended, or did not come about.  What waited for answers has none."""

    was_in: bool
    """Whether the device was signed in."""
    why: str
    """A sentence for people; empty when nobody said anything."""
    retry_at: Millis | None
    """When the next try is; None when the owner must ask for it."""


def sentence(code: str, theirs: str = "") -> str:
    """Return what people are told when a connection ends with this code."""
    return _OURS.get(code) or theirs or SENTENCES.get(code, "")  # type: ignore[call-overload]
