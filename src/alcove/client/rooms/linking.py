"""Links into rooms: made by who may invite, and used by whoever was given one.

    make    a key in the room's signed state, by the next commit, and its hash at the server
    join    does it work? ──► snapshot, handshakes, followed in public ──► a commit of one's own

What lets somebody in is the room's own state and not the server: the link key must stand there, in
the name of the inviter whom the link names, and the state must not be older than the link.
"""

from typing import Final, NamedTuple

from alcove.client.errors import UsageError
from alcove.client.events import RoomChanged, Warned
from alcove.client.rooms import acting, links
from alcove.client.rooms.extension import LINKS_MAX, RoomState, state_of
from alcove.client.rooms.leaves import certificate_of, identity_hash, key_hash
from alcove.client.rooms.links import RoomLink, link_hash, link_key, read_link, write_link
from alcove.client.rooms.note import LinkProof
from alcove.client.rooms.roles import settled
from alcove.client.rooms.state import find_room, forget_group
from alcove.client.rooms.wish import add_wish, bring_siblings
from alcove.client.tx import Tx
from alcove.mls import PublicGroup
from alcove.wire.entries import GetSnapshot
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import Millis
from alcove.wire.rooms import DropLink, OpenedLink, OpenLink, PutLink

LINKED_KINDS: Final = ("group", "channel", "commons")
DAY_MS: Final = 24 * 60 * 60 * 1000
DAYS_MAX: Final = 365
"""The longest that a link into a room may last."""
USES_MAX: Final = 100_000
"""How many people one link may let in."""
OPEN_AGAIN: Final = "linking.open_again"
"""The alarm that asks again whether a link works."""
AGAIN_MS: Final = 5_000
ENDED: Final = (Code.LINK_ENDED, Code.NOT_A_MEMBER, Code.NOT_ALLOWED, Code.UNKNOWN, Code.LIMIT)
"""Refusals after which trying again is of no use."""


class Made(NamedTuple):
    """A link that was made on this device and may still let people in."""

    hash: bytes
    at: Millis
    expires_at: Millis | None
    uses: int | None
    """How often it may be used in all; None for any number."""
    works: bool
    """Whether its key stands in the room's state and the server has it: before, nobody comes in."""


# ---- Making ----


def make_link(
    tx: Tx, room: bytes, address: str, *, certificate: bytes | None = None,
    days: int | None = None, uses: int | None = None,
) -> str:  # fmt: skip
    """Return a new link into a room; it works within moments, once the room's state has its key.

    The address is the server's, with `https://`; the certificate the SHA-256 of one that is
    self-signed.
    """
    if not 1 <= (days or 1) <= DAYS_MAX or not 1 <= (uses or 1) <= USES_MAX:
        raise UsageError(f"A link lasts 1 to {DAYS_MAX} days, for 1 to {USES_MAX} people.")
    expires_at = None if days is None else tx.now + days * DAY_MS
    secret, epoch = new_link(tx, room, "hand", expires_at=expires_at, uses=uses)
    link = RoomLink(
        address, secret, tx.me.server, certificate, room, key_hash(tx.me.identity), epoch
    )
    return write_link(link)


def new_link(
    tx: Tx, room: bytes, purpose: str, *, alias: str = "", description: str = "",
    expires_at: Millis | None = None, uses: int | None = None,
) -> tuple[bytes, int]:  # fmt: skip
    """Wish a link into a room's state and tell the server; returns its secret and the epoch."""
    here, public, state = acting.here_and_state(tx, room)
    if here.kind not in LINKED_KINDS:
        raise UsageError("Only groups, channels and the commons have links; make a group.")
    acting.may_i(tx, state, "invite", "Only some may invite to this room; ask an admin for a link.")
    if len(state.links) >= LINKS_MAX:
        raise UsageError(f"A room has at most {LINKS_MAX} links; end one of them first.")
    secret = tx.random(links.SECRET_BYTES)
    key, named = link_key(secret).public, link_hash(secret)
    tx.run(
        """
        INSERT INTO room_link (hash, room, secret, key, at, expires_at, uses, purpose, alias,
            description)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        named, room, secret, key, tx.now, expires_at, uses, purpose, alias, description,
    )  # fmt: skip
    add_wish(tx, room, "link", key, key_hash(tx.me.identity))
    tx.order(PutLink(room=room, link=named, expires_at=expires_at, uses=uses), "linking.put")
    return secret, public.epoch


def put(tx: Tx, request: PutLink, answer: object, _: bytes) -> None:
    """The server has a link, or wants none of it."""
    if isinstance(answer, Refusal):
        tx.tell(Warned(f"link-refused: {answer.code}", request.room, tx.now))
        _end(tx, request.room, request.link)
        return
    line = tx.one("UPDATE room_link SET is_put = 1 WHERE hash = ? RETURNING purpose", request.link)
    if line is not None and line[0] != "hand":
        from alcove.client.rooms import public  # noqa: PLC0415  # It makes links by this module.

        public.publish(tx, request.room, request.link)
    tx.tell(RoomChanged(request.room))


def made(tx: Tx, room: bytes) -> list[Made]:
    """Return the links of a room that this device has made and that have not ended, oldest first.

    Links end by their time, by `drop_link`, and when somebody is removed: who goes may know them.
    """
    _, _, state = acting.here_and_state(tx, room)
    there = [link.key for link in state.links]
    found = []
    for named, key, at, expires_at, uses, is_put in tx.all(
        """
        SELECT hash, key, at, expires_at, uses, is_put FROM room_link
        WHERE room = ? AND purpose = 'hand' AND (expires_at IS NULL OR expires_at > ?)
        ORDER BY at, hash
        """,
        room, tx.now,
    ):  # fmt: skip
        is_wished = tx.one(
            "SELECT 1 FROM wish WHERE room = ? AND kind = 'link' AND about = ?", room, key
        )
        if key in there or is_wished:
            found.append(Made(named, at, expires_at, uses, key in there and bool(is_put)))
    return found


def drop_link(tx: Tx, room: bytes, named: bytes) -> None:
    """End a link that was made on this device."""
    if tx.one("SELECT 1 FROM room_link WHERE hash = ? AND room = ?", named, room) is None:
        raise UsageError("This device has made no such link; end it where it was made.")
    tx.order(DropLink(room=room, link=named), "linking.dropped")
    _end(tx, room, named)


def _end(tx: Tx, room: bytes, named: bytes) -> None:
    """Take a link's key out of the room's state again."""
    line = tx.one("DELETE FROM room_link WHERE hash = ? RETURNING key", named)
    if line is None:
        return
    tx.run("DELETE FROM wish WHERE room = ? AND kind = 'link' AND about = ?", room, line[0])
    add_wish(tx, room, "unlink", line[0])
    tx.tell(RoomChanged(room))


def dropped(_tx: Tx, _request: DropLink, _answer: object, _: bytes) -> None:
    """The server has forgotten a link, or had done so before."""


# ---- Joining ----


def join_by_link(tx: Tx, text: str) -> bytes:
    """Join a room by a link that somebody was given; returns the room, which comes soon."""
    link = read_link(text)
    if link.server != tx.me.server:
        raise UsageError("This link leads to another server; join the room with an account there.")
    begin(tx, link.room, link.secret, link.inviter, link.epoch)
    return link.room


def begin(tx: Tx, room: bytes, secret: bytes, inviter: bytes = b"", epoch: int = 0) -> None:
    """Begin to come into a room by a link's secret, unless this device is there."""
    here = find_room(tx, room)
    if here is not None and here.state not in {"gone", "outside"}:
        return
    tx.run(
        """
        INSERT INTO way_in (room, secret, inviter, epoch) VALUES (?, ?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET secret = excluded.secret, inviter = excluded.inviter,
            epoch = excluded.epoch
        """,
        room, secret, inviter, epoch,
    )  # fmt: skip
    tx.ask(OpenLink(link=link_hash(secret)), "linking.opened", room)


def signed_in(tx: Tx) -> None:
    """Go on with what a broken line has ended."""
    for room, secret in tx.all("SELECT room, secret FROM way_in ORDER BY room"):
        tx.ask(OpenLink(link=link_hash(secret)), "linking.opened", room)


def open_again(tx: Tx, room: bytes) -> None:
    """Ask again whether a link works."""
    line = tx.one("SELECT secret FROM way_in WHERE room = ?", room)
    if line is not None and tx.memory.is_signed_in:
        tx.ask(OpenLink(link=link_hash(line[0])), "linking.opened", room)


def opened(tx: Tx, _request: OpenLink, answer: OpenedLink | Refusal, room: bytes) -> None:
    """The server says whether a link works, and where it leads."""
    if tx.one("SELECT 1 FROM way_in WHERE room = ?", room) is None:
        return
    if isinstance(answer, Refusal):
        if not refused(tx, room, answer):
            tx.wake(OPEN_AGAIN, room, tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    if answer.room != room or answer.kind not in LINKED_KINDS:
        give_up(tx, room, "link-elsewhere")
        return
    here = find_room(tx, room)
    if here is not None and here.state == "active":
        came_in(tx, room)  # A Welcome was faster.
        return
    from alcove.client.rooms import approach  # noqa: PLC0415  # It asks this module for the way in.

    approach.look_for(tx, room, is_wanted=True)
    tx.ask(GetSnapshot(room=room, link=hash_for(tx, room)), "joining.snapshot")


def hash_for(tx: Tx, room: bytes) -> bytes | None:
    """Return the hash of the link by which this device comes into a room, if it does by one."""
    line = tx.one("SELECT secret FROM way_in WHERE room = ?", room)
    return None if line is None else link_hash(line[0])


def way_in(
    tx: Tx, room: bytes, public: PublicGroup, credential: bytes
) -> tuple[bytes, LinkProof] | None:
    """Return what a commit says that comes in by a link: its hash, and a proof for a credential.

    Without a link, or with one that this state of the room does not bear out, None.
    """
    line = tx.one("SELECT secret, inviter, epoch FROM way_in WHERE room = ?", room)
    if line is None:
        tx.tell(Warned("no-right-to-join", room, tx.now))
        return None
    secret, inviter, epoch = line
    state = state_of(public)
    proof = links.prove(secret, room, public.epoch, tx.me.key.public, credential)
    there = frozenset(
        settled(state, identity_hash(certificate_of(leaf))) for _, leaf in public.tree.leaves()
    )
    place = room, public.epoch, tx.me.key.public, credential
    if public.epoch < epoch:
        give_up(tx, room, "link-older-state")
    elif inviter and not _is_made_by(state, proof.key, inviter):
        give_up(tx, room, "link-other-inviter")
    elif not links.lets_in(state, there, proof, place):
        give_up(tx, room, "link-ended")
    else:
        return link_hash(secret), proof
    return None


def _is_made_by(state: RoomState, key: bytes, inviter: bytes) -> bool:
    """Return whether the one whom a link names has put its key there, if anybody has."""
    makers = [settled(state, one.made_by) for one in state.links if one.key == key]
    return all(maker == settled(state, inviter) for maker in makers)


def came_in(tx: Tx, room: bytes) -> None:
    """This device is in: it needs the link no more, and brings its siblings."""
    if tx.run("DELETE FROM way_in WHERE room = ?", room):
        bring_siblings(tx, room)


def refused(tx: Tx, room: bytes, refusal: Refusal) -> bool:
    """Give up a link after a refusal that will not pass; returns whether that was done."""
    is_over = refusal.code in ENDED and hash_for(tx, room) is not None
    if is_over:
        code = Code.LINK_ENDED if refusal.code in ENDED[:-1] else refusal.code
        give_up(tx, room, "link-ended" if code == Code.LINK_ENDED else f"not-joined: {code}")
    return is_over


def give_up(tx: Tx, room: bytes, cause: str) -> None:
    """Forget a room into which no link leads, and say why; what was there before stays.

    Somebody may have added this device meanwhile: then it comes in without a link.
    """
    from alcove.client.rooms import approach  # noqa: PLC0415  # It asks this module for the way in.

    tx.run("DELETE FROM way_in WHERE room = ?", room)
    here = find_room(tx, room)
    if here is not None and here.state in {"joining", "active"}:
        tx.wake("joining.outside", room, tx.now + AGAIN_MS)
        return
    approach.list_rooms(tx)
    if here is not None and here.joined_seq:
        tx.run("UPDATE room SET state = 'gone' WHERE room = ?", room)
    elif here is not None:
        forget_group(tx, room)
        for table in ("stay", "rank", "posting", "handshake", "room"):
            tx.run(f"DELETE FROM {table} WHERE room = ?", room)  # noqa: S608  # Names of ours.
    tx.tell(Warned(cause, room, tx.now))
    tx.tell(RoomChanged(room))
