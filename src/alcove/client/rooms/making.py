"""Making a room: from *I want to talk with them* to a log that begins with a message.

    create ──► making ── key packages of everyone asked have come ──► founded, sent ──► active
                 │                                                        │
                 └── what is said meanwhile waits in the outbox           └── exists: the room that
                                                                              is there is used
A room is founded with its first members and messages in one request: the sender is done at once.
"""

from msgspec import structs

from alcove.client import chats, profiles, trust
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import RoomChanged, Warned
from alcove.client.packages import own_bundle
from alcove.client.rooms import log, successors
from alcove.client.rooms.claims import Claims, claims_of
from alcove.client.rooms.committing import Made, commit, found
from alcove.client.rooms.extension import Ranked, RoomState, extension, state_of
from alcove.client.rooms.handshakes import cause_of, own_key
from alcove.client.rooms.leaves import certificate_of, key_hash
from alcove.client.rooms.looking import look_at
from alcove.client.rooms.planning import plan
from alcove.client.rooms.standing import stand
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    forget_group,
    get_room,
    keep_group,
    policy_of,
    public_of,
)
from alcove.client.rooms.wish import add_wish, bring_siblings
from alcove.client.tx import Tx
from alcove.mls import MlsError, create_group, decode_key_package
from alcove.wire.codec import decode_header
from alcove.wire.entries import (
    Appended,
    HandshakeHeader,
    History,
    NewEntry,
    Row,
    Welcome,
)
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import CreateRoom, Kind

ID_BYTES = 16
CLAIM_AGAIN_MS = 60_000
"""So late others are claimed in place of key packages that cannot be used together."""
NOT_MEANT = "This was meant for somebody else; the server has led it into another room."
"""Why something is not said in a direct room that turns out to be with others."""
WAS_MADE = "There is such a room already; if you have made it, this is said once you are in it."
"""Why something waits for a room that this device does not know to have made."""


def create(
    tx: Tx, kind: Kind, accounts: tuple[bytes, ...] = (), *, history: History = "open",
    profile: bytes | None = None,
) -> bytes:  # fmt: skip
    """Make a room with these accounts; it is there at once, and reaches the server when it can.

    A direct room that is there is returned, unless it ended with the other one's old keys.
    """
    predecessor: bytes | None = None
    if kind == "direct":
        (partner,) = accounts
        for there in successors.with_partner(tx.db, partner):
            if not successors.is_over(tx, get_room(tx, there)):
                return there
            predecessor = predecessor or there
        if predecessor is not None:
            _end(tx, predecessor)
        if partner == tx.me.account:
            raise UsageError('That is you: write to yourself in a room of your own, "Notes".')
    elif not all(trust.may_send(tx.db, account) for account in accounts):
        raise UsageError(trust.LOOK_FIRST)
    room = tx.random(16)
    tx.run(
        """
        INSERT INTO room (room, kind, history, partner, state, chain, handshake, profile,
            predecessor)
        VALUES (?, ?, ?, ?, 'making', ?, ?, ?, ?)
        """,
        room, kind, history, accounts[0] if kind == "direct" else None, NOTHING_BEFORE,
        NOTHING_BEFORE, profile, predecessor,
    )  # fmt: skip
    for account in accounts:
        add_wish(tx, room, "add", account)
    tx.tell(RoomChanged(room))
    tx.stir(room)
    return room


def _end(tx: Tx, room: bytes) -> None:
    """Say of all that waits in a room that ended that it cannot be said there."""
    from alcove.client import outbox  # noqa: PLC0415  # It says that a room has become ready.

    outbox.stop(tx, room, successors.OVER)


def make(tx: Tx, here: Room, messages: int) -> None:
    """Found a room, when everybody's key packages are here, and send it with what was said."""
    from alcove.client import outbox  # noqa: PLC0415  # It says that a room has become ready.

    claims = claims_of(tx, here.room)
    if not claims.are_complete:
        return
    if not _are_of_now(tx, here, claims):
        tx.run("UPDATE wish SET detail = x'' WHERE room = ? AND kind = 'add'", here.room)
        tx.stir(here.room)
        return  # The keys have changed since: others are claimed.
    state = _first_state(tx, here, claims)
    group = create_group(
        own_bundle(tx), here.room, policy_of(tx), tx.random, extensions=(extension(state),)
    )
    first, name = found(tx, here, group)
    here = here._replace(handshake=name, room_key=name)
    added: Made | None = None
    if claims.packages:
        adds = [decode_key_package(package) for package in claims.packages]
        try:
            added = commit(tx, here, group, plan(group.public, group.me, adds=adds))
        except (PeerError, MlsError) as error:
            _not_together(tx, here, error)
            return
    keep_group(tx, here.room, group)
    stand(tx, here.room, 1, None, group.public)
    own_key(tx, here.room, name, group)
    entries: list[NewEntry] = [first]
    welcomes: tuple[Welcome, ...] = ()
    rows: tuple[Row, ...] = ()
    if added is not None:
        entries.append(added.entry)
        assert added.welcome is not None
        welcomes = (Welcome(tuple(one.device for one in claims.members), added.welcome),)
        rows = added.rows
        own_key(tx, here.room, added.name, added.after)
        here = here._replace(handshake=added.name, room_key=added.name)
    # Live messages are sealed with the group that the request leads to: they wait for it.
    waits = here_is_live(state) or outbox.expires(tx, here.room)
    sealed = [] if waits else outbox.waiting(tx, here)[:messages]
    entries += [entry for _, entry in sealed]
    request = CreateRoom(
        room=here.room, kind=_kind(here), entries=tuple(entries), welcomes=welcomes, rows=rows,
        partner=_partner(tx, here.room),
    )  # fmt: skip
    number = tx.order(request, "making.made")
    outbox.carried(tx, sealed, number)
    change(tx, here.room, state="founded")
    tx.run("DELETE FROM wish WHERE room = ? AND kind = 'add'", here.room)


def _not_together(tx: Tx, here: Room, error: Exception) -> None:
    """Key packages that were taken one by one do not go together: others are claimed later."""
    tx.run("UPDATE wish SET detail = x'' WHERE room = ? AND kind = 'add'", here.room)
    tx.tell(Warned(f"not-possible: add: {cause_of(error)}", here.room, tx.now))
    tx.wake("room.look_after", here.room, tx.now + CLAIM_AGAIN_MS)


def _are_of_now(tx: Tx, here: Room, claims: Claims) -> bool:
    """Return whether what was claimed for a direct room is under the keys that are known now."""
    pin = None if here.partner is None else trust.pin_of(tx.db, here.partner)
    return pin is None or all(one == key_hash(pin.identity) for one in claims.identities)


def here_is_live(state: RoomState) -> bool:
    """Return whether a room keeps nothing."""
    return state.history == "none"


def _kind(here: Room) -> Kind:
    kind: Kind = here.kind  # type: ignore[assignment]
    return kind


def _partner(tx: Tx, room: bytes) -> bytes | None:
    partner: bytes | None = tx.line("SELECT partner FROM room WHERE room = ?", room)[0]
    return partner


def _first_state(tx: Tx, here: Room, claims: Claims) -> RoomState:
    """Return the signed state with which a room begins."""
    history, predecessor = tx.line(
        "SELECT history, predecessor FROM room WHERE room = ?", here.room
    )
    owners = {key_hash(tx.me.identity): None}
    if here.kind == "direct":
        owners |= dict.fromkeys(claims.identities)
    roles = tuple(Ranked(identity, "owner") for identity in owners)
    state = RoomState(
        _kind(here), roles, history=history, predecessor=predecessor,
        founder=key_hash(tx.me.identity), founded_at=tx.now,
    )  # fmt: skip
    if here.kind in {"channel", "commons"}:
        state = structs.replace(state, may_invite="admins", may_pin="admins")
    if here.kind == "commons":
        state = structs.replace(state, may_mention_all="admins")
    return state


def made(tx: Tx, request: CreateRoom, answer: Appended | Refusal, _: bytes) -> None:
    """The room is on the server, or cannot be."""
    room = request.room
    if isinstance(answer, Refusal):
        _not_made(tx, request, answer)
        return
    (incarnation,) = tx.line("SELECT incarnation FROM me")
    change(
        tx,
        room,
        state="active",
        seq=0,
        incarnation=incarnation,
        handshake=NOTHING_BEFORE,
        chain=NOTHING_BEFORE,
    )
    log.place(tx, room, request.entries, answer)
    tx.run("UPDATE outbox SET request = NULL WHERE request = ?", request.id)
    chats.asked_first(tx, request, answer)
    bring_siblings(tx, room)
    profiles.put(tx, room)
    if request.kind == "commons":
        from alcove.client import commons  # noqa: PLC0415  # It makes rooms by this module.

        commons.made(tx, room)
    tx.tell(RoomChanged(room))
    log.read_on(tx, room)


def _not_made(tx: Tx, request: CreateRoom, refusal: Refusal) -> None:
    """A room was refused: use the one that is there, or say why."""
    from alcove.client import outbox  # noqa: PLC0415
    from alcove.client.rooms import approach  # noqa: PLC0415

    room = request.room
    here = get_room(tx, room)
    if refusal.code in {Code.LIMIT, Code.TOO_LARGE} and outbox.put_back(tx, request.id):
        alone = tuple(one for one in request.entries if is_handshake(one))
        tx.order(structs.replace(request, entries=alone), "making.made")
        return  # The host lets a request carry less than that: first the room, then the words.
    tx.run("DELETE FROM pending WHERE room = ?", room)
    tx.run("UPDATE outbox SET request = NULL, header = NULL, body = NULL WHERE room = ?", room)
    if refusal.code == Code.EXISTS and here.kind == "direct" and _use(tx, here, refusal.head):
        return
    was_made = refusal.code == Code.EXISTS
    forget_group(tx, room)  # No room has begun with it.
    change(tx, room, state="gone", public=None)
    outbox.stop(tx, room, WAS_MADE if was_made else refusal.why)
    tx.tell(Warned("room-refused", room, tx.now))
    tx.tell(RoomChanged(room))
    if was_made:  # By this device, perhaps, before its disk was set back: the list says so.
        approach.list_rooms(tx)


def is_handshake(entry: NewEntry) -> bool:
    """Return whether an entry of this device is a handshake."""
    return isinstance(decode_header(entry.header), HandshakeHeader)


def _use(tx: Tx, here: Room, there: bytes | None) -> bool:
    """Say in the room that is there what was to be said in the one that was refused.

    The server names it, so it is not believed: who is in it is compared when this device is.
    """
    from alcove.client.rooms import approach  # noqa: PLC0415

    room = here.room
    if there is None or len(there) != ID_BYTES or there == room:
        return False
    known = find_room(tx, there)
    is_new = known is None or (known.state == "outside" and known.partner is None)
    said = None if known is None or is_new else (known.kind, known.partner)
    if said not in {None, ("direct", here.partner)}:
        return False
    tx.run("UPDATE outbox SET room = ? WHERE room = ?", there, room)
    tx.run("UPDATE line SET room = ? WHERE room = ?", there, room)
    (predecessor,) = tx.line("SELECT predecessor FROM room WHERE room = ?", room)
    forget_group(tx, room)
    tx.run("DELETE FROM room WHERE room = ?", room)
    approach.look_for(tx, there, is_wanted=True)
    change(tx, there, partner=here.partner, predecessor=predecessor)
    tx.stir(there)
    tx.tell(RoomChanged(there))
    return True


def meet(tx: Tx, room: bytes) -> None:
    """Write down who the other one of a direct room is, once this device is in it.

    What was meant for one person is not said to another, whatever the server says of the room.
    """
    from alcove.client import outbox  # noqa: PLC0415

    public, expected = public_of(tx, room), _partner(tx, room)
    assert public is not None
    for _, leaf in public.tree.leaves():
        look_at(tx, room, leaf)
    state = state_of(public)
    kind = state.kind
    accounts = [certificate_of(leaf).account for _, leaf in public.tree.leaves()]
    others = [account for account in accounts if account != tx.me.account]
    partner = None if kind != "direct" else others[0] if others else expected
    change(tx, room, kind=kind, partner=partner)
    if expected is None and partner is not None:  # It has just come.
        change(tx, room, predecessor=successors.before(tx, room, partner, state.predecessor))
    if expected not in {None, partner}:
        outbox.stop(tx, room, NOT_MEANT)
    elif state.history == "none":
        is_read(tx, room)  # Nothing shows what was said there.


def is_read(tx: Tx, room: bytes) -> None:
    """All of a room is read: what was to be said as it was made is said now, or was before."""
    from alcove.client import outbox  # noqa: PLC0415

    if tx.one("SELECT 1 FROM stay WHERE room = ? AND since = 1 AND device = ?", room, tx.me.device):
        outbox.say_now(tx, room, WAS_MADE)  # Its founding is signed by this device.
