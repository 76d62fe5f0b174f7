"""Messages, as a program meets them: what was said, what became of it, what one can do to it."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alcove.client import attaching, outbox, timeline
from alcove.client.causes import sentence_of, told_of
from alcove.client.errors import UsageError
from alcove.client.io.people import Person, moment
from alcove.client.timeline import Edited, Line
from alcove.wire.codec import MALFORMED
from alcove.wire.content import (
    SAID_BYTES_MAX,
    TEXT_CHARACTERS_MAX,
    Content,
    Delete,
    Edit,
    EndPoll,
    File,
    Pin,
    React,
    Target,
    Text,
    Unknown,
    Vote,
    decode_content,
    encode_content,
    shown_name,
)

if TYPE_CHECKING:
    from alcove.client.io.carrying import Progress, Transfer
    from alcove.client.io.client import Client
    from alcove.client.io.rooms import Room

ALL = "all"
"""`@all` calls everybody in a room, for those who may."""
_CALLED = re.compile(r"(?<![A-Za-z0-9._-])@([A-Za-z0-9](?:[A-Za-z0-9._-]{1,28}[A-Za-z0-9])?)")
"""A name behind an `@`; the full stop of a sentence is none of it."""


class Reaction(NamedTuple):
    """One emoji under a message, and who put it there."""

    emoji: str
    people: tuple[Person, ...]


class Option(NamedTuple):
    """One answer of a poll, and who chose it."""

    text: str
    people: tuple[Person, ...]


class PollResults(NamedTuple):
    """A poll, as it stands."""

    question: str
    options: tuple[Option, ...]
    voters: int
    is_multiple: bool
    closes_at: datetime | None
    is_over: bool


class Message:
    """One line of a room, as it stood when it was looked up: `refreshed` looks again."""

    def __init__(self, client: "Client", line: Line) -> None:
        self.client, self.line = client, line

    def __repr__(self) -> str:
        return f"<Message {self.number} {self.kind} {self.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    # ---- What it is ----

    @property
    def number(self) -> int:
        """Its number on this device: newer lines mostly have higher ones."""
        return self.line.number

    @property
    def room(self) -> "Room":
        """The room in which it was said."""
        return self.client.room_of(self.line.room)

    @property
    def kind(self) -> str:
        """text, poll, unknown, note (of what happened), gap (not readable yet), gone (deleted)."""
        return self.line.kind

    @property
    def text(self) -> str:
        """What it says, as last edited, fit to be shown; empty for a file without a word."""
        lines = self.line.text.split("\n")
        names = [shown_name(one.name) for one in self.files]  # The search finds them there too.
        return "\n".join(lines[: -len(names)] if names and lines[-len(names) :] == names else lines)

    @property
    def cause(self) -> str:
        """Of notes and gaps: a code that docs/causes.md explains."""
        return self.line.cause

    @property
    def author(self) -> Person | None:
        """Whose it is; None for notes about nobody."""
        return None if self.line.account is None else self.client.person_of(self.line.account)

    @property
    def is_mine(self) -> bool:
        """Whether this account said it, on whichever device."""
        return self.line.account == self.client.account

    @property
    def mentions_me(self) -> bool:
        """Whether it calls this account, by its name or with all."""
        return self.line.names_me

    @property
    def at(self) -> datetime:
        """When the server took it; while it waits, when it was written."""
        return moment(self.line.at)

    @property
    def state(self) -> str:
        """waiting, stored, delivered, read, or failed: then `why` says why."""
        return self.line.state

    @property
    def why(self) -> str:
        """Why it could not be sent, or what a note or gap means, in a sentence."""
        return self.line.why or sentence_of(self.line.cause)

    @property
    def told(self) -> str:
        """What a note or a gap tells, in a few words, with the name of whom it is about."""
        name = "" if self.author is None else shown_name(self.author.name)
        return told_of(self.line.cause, name, is_mine=self.is_mine)

    @property
    def topic(self) -> str:
        """Of which of the room's threads it is; empty for none."""
        return self.line.said.topic if isinstance(self.line.said, Text) else ""

    @property
    def is_forwarded(self) -> bool:
        """Whether it was said elsewhere before."""
        return isinstance(self.line.said, Text) and self.line.said.is_forwarded

    @property
    def through(self) -> str:
        """The hook by which a program has posted it, as its writer says; empty for none."""
        said = self.line.said
        return shown_name(said.through) if isinstance(said, Text) and said.through else ""

    @property
    def files(self) -> tuple[File, ...]:
        """The files that belong to it; nothing of them is fetched before you ask."""
        return self.line.said.files if isinstance(self.line.said, Text) else ()

    @property
    def reply_to(self) -> "Message | None":
        """The message that it answers; None for none, and where that is not known here."""
        said = self.line.said
        if not isinstance(said, Text) or said.reply_to is None:
            return None
        found = timeline.line_of(
            self.client.db, self.line.room, said.reply_to.account, said.reply_to.content
        )
        return None if found is None else Message(self.client, found)

    @property
    def edits(self) -> list[Edited]:
        """What it has said since it was written, from the first version on."""
        return timeline.edits(self.client.db, self.number)

    @property
    def reactions(self) -> list[Reaction]:
        """The emoji under it."""
        found = timeline.reactions(self.client.db, self.number)
        return [Reaction(one.emoji, self._people(one.accounts)) for one in found]

    @property
    def readers(self) -> tuple[Person, ...]:
        """Who says that they have read it; not told in large rooms."""
        if self.line.seq is None:
            return ()
        return self._people(timeline.readers(self.client.db, self.line.room, self.line.seq))

    @property
    def poll(self) -> PollResults | None:
        """How a poll stands; None for what is none."""
        found = timeline.poll(self.client.db, self.number)
        if found is None:
            return None
        options = tuple(Option(one.text, self._people(one.accounts)) for one in found.options)
        closes_at = None if found.closes_at is None else moment(found.closes_at)
        return PollResults(
            found.question, options, found.voters, found.is_multiple, closes_at, found.is_over
        )

    def _people(self, accounts: Iterable[bytes]) -> tuple[Person, ...]:
        return tuple(self.client.person_of(account) for account in accounts)

    @property
    def target(self) -> Target:
        """What names this message to others; notes have nothing of the kind."""
        if self.line.account is None or self.line.content_id is None:
            raise UsageError("This line tells what happened, and nobody said it: choose a message.")
        return Target(self.line.account, self.line.content_id)

    def refreshed(self) -> "Message":
        """Return the message as it stands now."""
        found = timeline.line(self.client.db, self.number)
        return self if found is None else Message(self.client, found)

    # ---- What one can do ----

    async def reply(self, text: str) -> "Message":
        """Answer it."""
        return await self.room.send(text, reply_to=self)

    async def edit(self, text: str) -> None:
        """Let one's own message say something else."""
        if not self.is_mine or self.kind != "text":
            raise UsageError("Only your own messages can be edited: answer this one instead.")
        mentions, calls_all = self.room.called(text)
        self._say(Edit(self.target.content, checked_text(text), mentions, calls_all))

    async def delete(self, reason: str = "") -> None:
        """Take it away for everyone: one's own, or as an admin another's."""
        target = self.target
        if self.is_mine and self.client.do(attaching.take_back, self.line.room, target.content):
            return  # A removal would overtake it.
        self._say(Delete(target, reason))

    async def react(self, emoji: str, *, on: bool = True) -> None:
        """Put an emoji under it, or take it back."""
        self._say(React(self.target, emoji, on))

    async def pin(self, *, on: bool = True) -> None:
        """Keep it in everyone's sight, or no longer."""
        self._say(Pin(self.target, on))

    async def vote(self, *options: int | str) -> None:
        """Answer a poll by numbers from 0, or by the answers' texts; nothing takes a vote back."""
        results = self.poll
        if results is None:
            raise UsageError("This is no poll: there is nothing to vote on.")
        texts = [one.text.casefold() for one in results.options]
        chosen = tuple(dict.fromkeys(_choice(texts, option) for option in options))
        if len(chosen) > 1 and not results.is_multiple:
            raise UsageError("This poll takes one answer: choose the one that you like best.")
        self._say(Vote(self.target, chosen))

    async def end_poll(self) -> None:
        """Take no more votes."""
        self._say(EndPoll(self.target))

    async def forward(self, room: "Room") -> "Message":
        """Say the same in another room, marked as forwarded."""
        said = self.line.said
        if not isinstance(said, Text):
            raise UsageError("Only what somebody wrote can be forwarded.")
        return room.say(Text(said.text, is_forwarded=True, preview=said.preview, files=said.files))

    async def save_file(
        self, target: str | Path, place: int = 0, *, progress: "Progress | None" = None
    ) -> Path:
        """Fetch one of its files, check it, and return where it lies.

        A folder gets it under its own name.  What is there already stays: the new one gets a
        number behind its name.  Nothing is opened.
        """
        return await self.client.files.save(self, place, Path(target), progress)

    @property
    def transfers(self) -> "list[Transfer]":
        """Its files on their way, or through."""
        return self.client.files.of(self)

    async def read(self) -> None:
        """Note that everything up to it was read."""
        await self.room.read(self)

    async def sent(self, patience_s: float | None = None) -> "Message":
        """Wait until the server has it, and return it as it stands then; raise why it cannot be."""
        await self.client.until(
            lambda: self.refreshed().state != "waiting" or self._is_hidden, patience_s
        )
        now = self.refreshed()
        if self._is_hidden:
            raise UsageError("An admin has muted you in this room: nobody sees what you said.")
        if now.state == "failed":
            raise UsageError(now.why)
        return now

    @property
    def _is_hidden(self) -> bool:
        """Whether it has left, and is shown to nobody."""
        waits = self.client.db.one(
            "SELECT 1 FROM outbox WHERE room = ? AND content = ?",
            self.line.room, self.line.content_id,
        )  # fmt: skip
        return waits is None and timeline.line(self.client.db, self.number) is None

    async def cancel(self) -> bool:
        """Take back what waits and was not sent yet; return whether that was still possible."""
        return self.client.do(outbox.cancel, self.line.room, self.target.content)

    async def retry(self) -> None:
        """Try to send again what has failed."""
        self.client.do(outbox.retry, self.line.room, self.target.content)

    def _say(self, content: Content) -> None:
        self.room.say(content)


def _choice(texts: Sequence[str], option: int | str) -> int:
    if isinstance(option, str) and option.casefold() in texts:
        return texts.index(option.casefold())
    if isinstance(option, int) and 0 <= option < len(texts):
        return option
    raise UsageError("This poll has no such answer: choose one of those that it names.")


# ---- What is about to be said ----


def checked_text(text: str) -> str:
    """Return a text that can be said; one that is empty or too long is refused."""
    if not text.strip():
        raise UsageError("There is nothing to send: write something first.")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise UsageError(
            f"A message takes {TEXT_CHARACTERS_MAX} characters, and this is {len(text)}: send it"
            " as a file, or in parts."
        )
    return text


def checked(content: Content) -> Content:
    """Return a content that others will read too; refuse what has a wrong form."""
    try:
        data = encode_content(content)
        is_fine = not isinstance(decode_content(data), Unknown) and len(data) < SAID_BYTES_MAX
    except (UnicodeEncodeError, *MALFORMED):
        is_fine = False
    if not is_fine:
        raise UsageError("This cannot be sent: a part of it is too long, empty or no text.")
    return content


def names_in(text: str) -> list[str]:
    """Return the names that a text calls with an `@`, in small letters."""
    return list(dict.fromkeys(found.lower() for found in _CALLED.findall(text)))
