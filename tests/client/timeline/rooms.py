"""A room for the tests of the timeline: a device in memory, roles, and people who speak."""

from collections.abc import Sequence
from typing import Any

from alcove.client import timeline
from alcove.client.events import Event
from alcove.client.store.database import Database, open_memory
from alcove.client.timeline import Line, Opened, Rights
from alcove.client.tx import Memory, Tx
from alcove.wire.content import Content, Edit, Said, Target, Text

ROOM = b"r" * 16
OTHER_ROOM = b"o" * 16
OLGA, ADAM, ADA, MIA, MAX = (letter * 16 for letter in (b"O", b"A", b"B", b"M", b"X"))
"""An owner, two admins, two members."""
ROLES = {OLGA: "owner", ADAM: "admin", ADA: "admin", MIA: "member", MAX: "member"}
NOW = 1_800_000_000_000


def role_of(_tx: Tx, _room: bytes, account: bytes, _seq: int) -> str | None:
    return ROLES.get(account)


def may(_tx: Tx, _room: bytes, account: bytes, _seq: int, _what: str) -> bool:
    return ROLES.get(account) in {"owner", "admin"}


RIGHTS = Rights(role_of, may)


def identity(number: int | str) -> bytes:
    """Return the content id that the tests call by a number."""
    return f"{number}".encode().rjust(16, b".")


def said(content: Content | str) -> Said:
    """Return a content as it is sealed."""
    if isinstance(content, str):
        content = Text(content)
    return Said(content, 0, bytes(32), 0, NOW)


class Device:
    """One device, of Mia if nothing else is said."""

    def __init__(self, account: bytes = MIA, db: Database | None = None) -> None:
        self.db = open_memory() if db is None else db
        self.account, self.now = account, NOW
        self.memory = Memory()
        self.told: list[Event] = []
        self.db.run(
            """
            INSERT INTO me (one, account, name, device, server, signing_key, identity,
                certificate, archive_key, state)
            VALUES (1, ?, 'mia', ?, x'', ?, x'', x'', x'', 'in')
            """,
            account, account, bytes(32),
        )  # fmt: skip

    def do(self, step: Any, *args: Any, **named: Any) -> Any:
        """Carry out one step as the engine does."""
        tx = Tx(self.db, self.memory, bytes, self.now)
        self.db.begin()
        try:
            result = step(tx, *args, **named)
            timeline.settle_index(tx)
            self.db.commit()
        except BaseException:
            self.db.rollback()
            raise
        self.told += tx.told
        return result

    def hears(self, entry: Opened, room: bytes = ROOM) -> None:
        """Take an entry of the log."""
        self.do(timeline.take, room, entry, RIGHTS)

    def says(self, number: int | str, content: Content | str, **named: Any) -> int:
        """Show what this device is about to say."""
        return int(
            self.do(
                timeline.show_own, ROOM, identity(number), said(content), rights=RIGHTS, **named
            )
        )

    def is_stored(self, number: int | str, seq: int) -> None:
        """Learn the place of what this device has said."""
        self.do(timeline.stored, ROOM, identity(number), seq, NOW + seq, RIGHTS)

    def lines(self, room: bytes = ROOM, **named: Any) -> list[Line]:
        return timeline.lines(self.db, room, **named)

    def texts(self, room: bytes = ROOM) -> list[str]:
        return [line.cause or line.text for line in self.lines(room)]

    def finds(self, words: str, **named: Any) -> list[str]:
        return [line.text for line in timeline.search(self.db, words, **named)]


def entry(
    seq: int,
    account: bytes,
    content: Content | str | None,
    number: int | str | None = None,
    expires_at: int | None = None,
) -> Opened:
    """Return an entry of the log; its content's id is called like its place."""
    return Opened(
        seq,
        NOW + seq,
        account,
        account,
        identity(seq if number is None else number),
        None if content is None else said(content),
        expires_at,
    )


def about(account: bytes, number: int | str) -> Target:
    return Target(account, identity(number))


def edit(number: int | str, text: str) -> Edit:
    return Edit(identity(number), text)


def heard(entries: Sequence[Opened], account: bytes = MIA) -> Device:
    """Return a device that has heard these, in this order."""
    device = Device(account)
    for one in entries:
        device.hears(one)
    return device
