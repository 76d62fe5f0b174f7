"""Where to begin: which state of a room is believed by who comes into it.

    the founding entry   nobody's word: what counts after it, commit by commit, is the room
    a snapshot           its maker's word alone, whatever else it says.  It is believed once a
                         commit on it counts that a device on this account's list has made, or those
                         of `VOUCHING_MIN` others, more than there are devices whose handshakes do
                         not count on it

A commit is signed over the whole state that it changes: nobody vouches for a lie without knowing
it.  Where a snapshot is not vouched for, an older one is looked at, twice as far back; at last all
is followed from the founding entry on.  Where the server has dropped the first handshakes, a room
begins with the oldest snapshot that is left.

A survey changes nothing of what is known: the room is followed after it, from where it begins.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from alcove.client import trust
from alcove.client.errors import PeerError
from alcove.client.rooms import approach, linking, welcomes
from alcove.client.rooms.handshakes import decode_body, public_after
from alcove.client.rooms.leaves import certificate_of
from alcove.client.rooms.state import Room
from alcove.client.tx import Tx
from alcove.mls import MlsError, PublicGroup, decode_group_info
from alcove.wire.codec import decode_header
from alcove.wire.entries import Entries, GetSnapshot, HandshakeHeader, Read, Stored
from alcove.wire.errors import Refused
from alcove.wire.ids import NOTHING_BEFORE, entry_name

SURVEY: Final = b"survey"
"""Why handshakes are read: to find out where to begin."""
OLDEST: Final = b"oldest"
"""Why a snapshot is asked for: nothing before it is left."""
REACH: Final = "survey reaches back"
VOUCHING_MIN: Final = 8
"""So many accounts vouch for a state on which one's own account has made no commit."""


class Survey(NamedTuple):
    """How far handshakes were followed in public, and who vouches for where that began."""

    since: int
    """From here on is read next."""
    base: bytes | None
    """The tree of the snapshot that it begins with; None for the founding entry."""
    start: int
    """The place where it began."""
    is_last: bool
    """Whether nothing older is left to begin with."""
    is_certain: bool
    """Whether it needs nobody else to vouch for it."""
    public: PublicGroup | None = None
    name: bytes = NOTHING_BEFORE
    """The newest handshake, whether it counts or not."""
    vouching: frozenset[bytes] = frozenset()
    """The identities of those whose commits count."""
    against: frozenset[bytes] = frozenset()
    """The devices whose handshakes do not count."""
    place: welcomes.Place | None = None
    """Where this device was added, if it has a Welcome."""

    @property
    def is_believed(self) -> bool:
        """Whether this is how the room stands."""
        count = len(self.vouching)
        return self.is_certain or (count >= VOUCHING_MIN and count > len(self.against))


def begin(tx: Tx, here: Room, since: int, base: bytes | None, *, is_oldest: bool) -> None:
    """Begin to survey a room, with the handshake that comes after a place."""
    is_last = is_oldest or base is None
    tx.memory.surveys[here.room] = Survey(since, base, since + 1, is_last, is_certain=is_last)
    approach.read_handshakes(tx, here.room, here.incarnation, since, SURVEY)


def forget(tx: Tx, room: bytes) -> None:
    """Begin with the newest snapshot again."""
    tx.memory.tries.pop((REACH, room), None)


def further_back(tx: Tx, room: bytes, survey: Survey) -> None:
    """Ask for an older snapshot: so that twice as much is looked at, also where less was shown."""
    length = max(survey.since - survey.start, 0) + 1
    reach = max(length, 2 * tx.memory.tries.get((REACH, room), 0))
    tx.memory.tries[REACH, room] = reach
    _ask(tx, room, max(survey.start - reach, 0), SURVEY)


def from_oldest(tx: Tx, room: bytes, seq: int) -> None:
    """Ask for the snapshot of the first handshake that the server has not dropped."""
    _ask(tx, room, seq, OLDEST)


def _ask(tx: Tx, room: bytes, until: int, why: bytes) -> None:
    link = linking.hash_for(tx, room)
    tx.ask(GetSnapshot(room=room, link=link, until=until), "joining.snapshot", why)


def take(tx: Tx, here: Room, request: Read, answer: Entries) -> Survey | None:
    """Take a page; returns the survey once no more of the log is needed."""
    survey: Survey | None = tx.memory.surveys.get(here.room)
    if survey is None or survey.since != request.since.seq:
        return None  # It was begun anew since this was asked.
    for stored, header in handshakes_of(answer, survey.since):
        if survey.public is None:
            if survey.base is None and header.before != NOTHING_BEFORE:
                from_oldest(tx, here.room, stored.seq)
                return None
            if stored.seq != survey.start:
                return survey  # The server withholds what it begins with.
        survey = _step(tx, here, survey._replace(since=stored.seq), stored, header)
        if survey.public is None or (survey.is_certain and survey.place is not None):
            return survey
    survey = survey._replace(since=end_of(answer, survey.since))
    if not answer.more or survey.since == request.since.seq:
        return survey
    tx.memory.surveys[here.room] = survey
    approach.read_handshakes(tx, here.room, answer.incarnation, survey.since, SURVEY)
    return None


def handshakes_of(answer: Entries, since: int) -> Iterator[tuple[Stored, HandshakeHeader]]:
    """Yield the handshakes of a page after a place, but those whose bodies have been dropped."""
    for stored in answer.entries:
        try:
            header = decode_header(stored.header)
        except Refused:
            continue
        if isinstance(header, HandshakeHeader) and stored.body is not None and stored.seq > since:
            yield stored, header
            since = stored.seq


def end_of(answer: Entries, since: int) -> int:
    """Return how far a page goes that was read after a place."""
    return max([since, *(stored.seq for stored in answer.entries[-1:])])


def _step(tx: Tx, here: Room, survey: Survey, stored: Stored, header: HandshakeHeader) -> Survey:
    """Return a survey after one more handshake, whether that counts or not."""
    before, name = survey.public, entry_name(here.room, stored.header, stored.body or b"")
    public, vouching, against, is_mine = before, survey.vouching, survey.against, False
    try:
        if before is not None and header.before != survey.name:
            raise PeerError("handshake-order")
        body = decode_body(stored.body)
        public = public_after(tx, here.room, header, body, before, survey.base)
        leaf = public.tree.leaf(decode_group_info(body.info).signer)
        assert leaf is not None, "its signature was checked"
        identity = certificate_of(leaf).identity
        vouching |= {identity}
        is_mine = identity == tx.me.identity and _is_on_own_list(tx, header.sender)
    except (PeerError, MlsError):
        against |= {header.sender}
    place = survey.place
    if place is None and here.state == "joining" and public is not None:
        place = welcomes.look(tx, here, stored, header, name, public, counts=public is not before)
    return survey._replace(
        public=public,
        name=name,
        is_certain=survey.is_certain or is_mine or header.before == NOTHING_BEFORE,
        vouching=vouching,
        against=against,
        place=place,
    )


def _is_on_own_list(tx: Tx, device: bytes) -> bool:
    """Return whether a device is one of this account's now: one that was revoked may still sign."""
    return device in trust.devices_pinned(tx.db, tx.me.account)
