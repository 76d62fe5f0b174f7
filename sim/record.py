"""What people did, as the simulator saw it: the truth that the checks compare with.

It is written down here, beside the product and not with its help.  What was done in the moment in
which a device was killed may have been stored or not: then it may stand in the log, and need not.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["text", "edit", "delete", "react", "poll", "vote"]


@dataclass(eq=False)
class Utterance:
    """Something that somebody said, or did to something that was said."""

    number: int
    room: bytes
    account: bytes
    device: bytes
    content: bytes
    """The content's id, as the device drew it."""
    kind: Kind
    text: str
    """The text, or the emoji."""
    target: "Utterance | None"
    is_certain: bool
    """Whether the device has told its owner that it is stored."""
    is_on: bool = True
    """For a reaction: whether it is put or taken back."""


class Forgotten(NamedTuple):
    """What a device had read of a room, and does not know any more: its disk was set back."""

    device: bytes
    room: bytes
    since: int
    """The last place that the old disk knows."""
    head: int
    """The last place of the log, when it was put back."""


@dataclass(eq=False)
class Record:
    """Everything that was said, and the rooms that were made."""

    said: list[Utterance] = field(default_factory=list)
    by_content: dict[tuple[bytes, bytes], Utterance] = field(default_factory=dict)
    """By account and content id."""
    rooms: list[bytes] = field(default_factory=list)
    restricted: dict[bytes, None] = field(default_factory=dict)
    """Rooms in which somebody once wanted only admins to post."""
    revoked: dict[bytes, None] = field(default_factory=dict)
    """Devices that somebody wanted off their account's list."""
    forgotten: list[Forgotten] = field(default_factory=list)
    lost_until: int = 0
    """What has a number up to this was said before a restore, and may be said again after it."""

    def add(self, utterance: Utterance) -> None:
        """Write down that something was said."""
        self.said.append(utterance)
        self.by_content[utterance.account, utterance.content] = utterance

    def changed_in_vain(self, stored: list[Utterance]) -> set[int]:
        """Return the ids of what was changed by something that a restored server lost for good.

        A writer who has lost it, too, does not say it again; but others may have read it.
        """
        there = {id(one) for one in stored}
        return {
            id(one.target)
            for one in self.said
            if one.target is not None and one.number <= self.lost_until and id(one) not in there
        }

    def not_needed(self, stored: list[Utterance]) -> set[int]:
        """Return the ids of edits of what was removed: one that waits then is never sent."""
        gone = {id(one.target) for one in stored if one.kind == "delete"}
        return {id(one) for one in self.said if one.kind == "edit" and id(one.target) in gone}

    def taken_away(self) -> set[int]:
        """Return the ids of what nobody has any more, to say it again after a restore.

        That is what was removed before it, and what was said about that.
        """
        gone = {
            id(one.target)
            for one in self.said
            if one.kind == "delete" and one.number <= self.lost_until
        }
        return gone | {
            id(one) for one in self.said if one.kind != "delete" and id(one.target) in gone
        }

    def doubt(self, device: bytes, stored: frozenset[tuple[bytes, bytes]]) -> None:
        """A device has lost its memory: what is not in a log by now may never be."""
        for one in self.said:
            if one.device == device and (one.account, one.content) not in stored:
                one.is_certain = False
