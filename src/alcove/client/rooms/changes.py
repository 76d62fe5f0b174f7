"""From wishes to a commit: what a room shall become.

Leave and lost notices that stand in the log are wishes of everybody: whoever commits next carries
them out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from msgspec import structs

from alcove.client.errors import PeerError
from alcove.client.events import Warned
from alcove.client.rooms import claims, notices, planning
from alcove.client.rooms.committing import rotations
from alcove.client.rooms.extension import Ban, LinkKey, Ranked, RoomState, state_of
from alcove.client.rooms.leaves import certificate_of, identity_hash, leaf_hash
from alcove.client.rooms.roles import is_banned, role, settled
from alcove.client.rooms.state import Room
from alcove.client.tx import Tx
from alcove.mls import Group, LeafNode, MlsError, decode_key_package
from alcove.wire.codec import encode
from alcove.wire.signed import device_id

LOST_MAX = 500
"""So many lost devices are added again by one commit."""


@dataclass
class Plan:
    """A commit to be made, and the wishes that it fulfils."""

    what: planning.Plan
    wishes: list[int] = field(default_factory=list)


def impossible(tx: Tx, here: Room, wishes: Sequence[int], error: Exception) -> None:
    """A commit could not be made: once more without who is lost, and then one wish at a time.

    Those that could not come true alone end once no other is left: what comes true changes what
    the others ask for.  Without them those may go at last who leave.
    """
    if tx.run("DELETE FROM notice WHERE room = ? AND kind = 'lost'", here.room):
        tx.stir(here.room)  # Perhaps it was for one of these.
        return
    if not wishes:
        return
    failed = _failed(tx, here)
    if failed is None:
        tx.memory.alone[here.room] = (here.handshake, {})
    else:
        why = getattr(error, "cause", "") or getattr(error, "rule", "")
        failed |= dict.fromkeys(wishes, str(why or "not-possible"))
    tx.stir(here.room)


def _failed(tx: Tx, here: Room) -> dict[int, str] | None:
    """Return which wishes could not come true alone, and why; None while all are tried together.

    After the next commit, whosever it is, they are tried together again.
    """
    place, failed = tx.memory.alone.get(here.room, (b"", None))
    return failed if place == here.handshake else None


def give_up(tx: Tx, here: Room, failed: dict[int, str]) -> None:
    """End wishes that cannot come true, and say why."""
    tx.memory.alone.pop(here.room, None)
    for number, why in failed.items():
        line = tx.one("DELETE FROM wish WHERE number = ? RETURNING kind, about", number)
        if line is not None:
            tx.tell(Warned(f"not-possible: {line[0]}: {why}", here.room, tx.now))
            tx.stir(here.room)


class Draft:
    """A commit on its way: what has been gathered so far."""

    def __init__(self, tx: Tx, here: Room, group: Group) -> None:
        self.tx, self.here, self.group = tx, here, group
        self.leaves: dict[int, LeafNode] = dict(group.members())
        self.state = state_of(group.public)
        self.packages: list[bytes] = []
        self.removes: dict[int, None] = {}
        self.settles: list[Callable[[RoomState], RoomState]] = []
        """What is wished for of the room's state, one after another."""
        self.lists: list[bytes] = []
        self.notices: list[bytes] = []
        self.wishes: list[int] = []
        self.heals = False
        """Whether to commit even if nothing else is to be done."""

    @property
    def size(self) -> int:
        """How much is gathered: what adds nothing to it asks for nothing."""
        parts = self.packages, self.removes, self.settles, self.lists
        return sum(map(len, parts)) + self.heals

    def leaf_of(self, device: bytes) -> int | None:
        """Return where a device stands."""
        return self._devices.get(device)

    def leaves_of(self, account: bytes) -> list[int]:
        """Return where an account's devices stand."""
        return list(self._accounts.get(account, ()))

    @cached_property
    def _devices(self) -> dict[bytes, int]:
        """Where each device stands: a thousand are looked through once, not for every wish."""
        leaves = reversed(self.leaves.items())  # Of two leaves with one key the first counts.
        return {device_id(leaf.signature_key): index for index, leaf in leaves}

    @cached_property
    def _accounts(self) -> dict[bytes, list[int]]:
        """Where the devices of each account stand."""
        found: dict[bytes, list[int]] = {}
        for index, leaf in self.leaves.items():
            found.setdefault(certificate_of(leaf).account, []).append(index)
        return found

    def identity_of(self, account: bytes) -> bytes | None:
        """Return the hash of the identity with which an account is here."""
        for leaf in self.leaves_of(account):
            return identity_hash(certificate_of(self.leaves[leaf]))
        return None

    def settle(self, state: RoomState) -> RoomState:
        """Return what the wishes make of a state."""
        for wished in self.settles:
            state = wished(state)
        return state

    def stand_aside(self) -> None:
        """Leave everything for the next commit: this one may only take on the new identity."""
        self.packages, self.removes, self.settles = [], {}, []
        self.lists, self.notices, self.wishes = [], [], []
        self.heals = True

    def plan(self) -> planning.Plan | None:
        """Return the commit; None when there is nothing to do."""
        if not (self.packages or self.removes or self.settles or self.heals):
            return None
        return planning.plan(
            self.group.public,
            self.group.me,
            adds=[decode_key_package(package) for package in self.packages],
            removes=tuple(self.removes),
            lists=tuple(dict.fromkeys((*rotations(self.tx, self.group), *self.lists))),
            notices=tuple(self.notices),
            settle=self.settle,
        )


def is_followed(group: Group) -> bool:
    """Return whether this device stands under an identity that another one has followed."""
    state = state_of(group.public)
    return bool(state.bans) and is_banned(state, identity_hash(certificate_of(group.leaf)))


def plan(tx: Tx, here: Room, group: Group) -> Plan | None:
    """Return the next commit that wishes and notices ask for; None when nothing does."""
    draft, failed = Draft(tx, here, group), _failed(tx, here)
    _wishes(draft, failed)
    if failed and not draft.wishes:
        give_up(tx, here, failed)
        return None
    if failed is None or not draft.wishes:
        _notices(draft)
    if is_followed(group):
        draft.stand_aside()
    (not_before,) = tx.line("SELECT commit_at FROM room WHERE room = ?", here.room)
    try:
        what = draft.plan()
    except (PeerError, MlsError) as error:
        impossible(tx, here, draft.wishes, error)
        return None
    if what is None:
        return None
    if not_before > tx.now:
        tx.wake("room.look_after", here.room, not_before)
        return None
    return Plan(what, draft.wishes)


def _wishes(draft: Draft, failed: dict[int, str] | None) -> None:
    """Gather what is wished for: all of it, or of what has not failed alone the first.

    What waits for a key package asks for nothing yet, and cannot fail.
    """
    tx = draft.tx
    for number, kind, about, detail in tx.all(
        "SELECT number, kind, about, detail FROM wish WHERE room = ? ORDER BY number",
        draft.here.room,
    ):
        if failed is not None and (number in failed or draft.wishes):
            continue
        before = draft.size
        if KINDS[kind](draft, about, detail):
            tx.run("DELETE FROM wish WHERE number = ?", number)  # It is so already.
        elif draft.size != before:
            draft.wishes.append(number)


# ---- Wishes: each returns whether it is fulfilled already ----


def _add(draft: Draft, account: bytes, detail: bytes) -> bool:
    there = draft.leaves_of(account)
    if there and not detail:
        return True
    if claims.is_held(draft.tx, draft.here.room, account):
        return False
    if not detail:
        claims.ask(draft.tx, draft.here.room, account)
        return False
    new = [one for one in claims.decode(detail) if draft.leaf_of(one.device) is None]
    draft.packages += [one.package for one in new]
    return not new


def _add_device(draft: Draft, device: bytes, detail: bytes) -> bool:
    """Add another device of an account that is here."""
    if draft.leaf_of(device) is not None:
        return True
    if not detail:
        claims.ask(draft.tx, draft.here.room, draft.tx.me.account, (device,))
        return False
    draft.packages += [one.package for one in claims.decode(detail)]
    return False


def _drop(draft: Draft, account: bytes, _: bytes) -> bool:
    """Remove an account, by force when it is not one's own."""
    there = draft.leaves_of(account)
    draft.removes |= dict.fromkeys(there)
    return not there


def _drop_device(draft: Draft, device: bytes, signed: bytes) -> bool:
    """Remove a device that its account has revoked: the list that omits it comes along."""
    leaf = draft.leaf_of(device)
    if leaf is None:
        return True
    draft.removes[leaf] = None
    if signed not in draft.lists:
        draft.lists.append(signed)
    return False


def _settings(draft: Draft, _about: bytes, detail: bytes) -> bool:
    """Change what the room allows."""
    wanted: dict[str, Any] = msgspec.msgpack.decode(detail)
    if structs.replace(draft.state, **wanted) == draft.state:
        return True
    draft.settles.append(lambda state: structs.replace(state, **wanted))
    return False


def _role(draft: Draft, account: bytes, detail: bytes) -> bool:
    """Make somebody owner, admin or member."""
    identity = draft.identity_of(account)
    wanted: Any = detail.decode("ascii")
    if identity is None or role(draft.state, identity) == wanted:
        return True

    def settle(state: RoomState) -> RoomState:
        if all(leaf in draft.removes for leaf in draft.leaves_of(account)):
            return state  # It goes by this commit.  Who is only added again has it by the next.
        others = tuple(one for one in state.roles if one.identity != identity)
        mine = () if wanted == "member" else (Ranked(identity, wanted),)
        return structs.replace(state, roles=others + mine)

    draft.settles.append(settle)
    return False


def _ban(draft: Draft, identity: bytes, account: bytes) -> bool:
    """Shut an identity out; whoever stands here under it goes."""
    draft.removes |= dict.fromkeys(
        index
        for index in draft.leaves_of(account)
        if identity_hash(certificate_of(draft.leaves[index])) == identity
    )
    if is_banned(draft.state, identity):
        return True
    draft.settles.append(lambda state: structs.replace(state, bans=(*state.bans, Ban(identity))))
    return False


def _unban(draft: Draft, identity: bytes, _: bytes) -> bool:
    """Let an identity in again."""
    ban = Ban(identity)
    if ban not in draft.state.bans:
        return True
    draft.settles.append(
        lambda state: structs.replace(state, bans=tuple(one for one in state.bans if one != ban))
    )
    return False


def _leave(draft: Draft, _about: bytes, _detail: bytes) -> bool:
    """Let this account's other devices go, and then say that this one does."""
    others = [one for one in draft.leaves_of(draft.tx.me.account) if one != draft.group.me]
    draft.removes |= dict.fromkeys(others)
    if not others:
        notices.send(draft.tx, draft.here, "leave")
    return not others


def _heal(draft: Draft, epoch: bytes, _detail: bytes) -> bool:
    """Renew this device's keys, unless anybody has committed since."""
    is_due = draft.group.epoch <= int.from_bytes(epoch, "big")
    draft.heals = draft.heals or is_due
    return not is_due


def _swap_leaf(draft: Draft, _about: bytes, _detail: bytes) -> bool:
    """Let this device's leaf be under the identity that its account has now."""
    is_swapped = certificate_of(draft.group.leaf).identity == draft.tx.me.identity
    draft.heals = draft.heals or not is_swapped
    return is_swapped


def _link(draft: Draft, key: bytes, made_by: bytes) -> bool:
    """Let who has a link's key come in."""
    if any(one.key == key for one in draft.state.links):
        return True
    link = LinkKey(key, made_by)
    draft.settles.append(lambda state: structs.replace(state, links=(*state.links, link)))
    return False


def _unlink(draft: Draft, key: bytes, _: bytes) -> bool:
    """Let nobody come in by a link any more."""
    if all(one.key != key for one in draft.state.links):
        return True

    def settle(state: RoomState) -> RoomState:
        return structs.replace(state, links=tuple(one for one in state.links if one.key != key))

    draft.settles.append(settle)
    return False


KINDS = {
    "leave": _leave,
    "link": _link,
    "unlink": _unlink,
    "add": _add,
    "add_device": _add_device,
    "drop": _drop,
    "drop_device": _drop_device,
    "settings": _settings,
    "role": _role,
    "ban": _ban,
    "unban": _unban,
    "heal": _heal,
    "swap_leaf": _swap_leaf,
}


# ---- Notices ----


def _notices(draft: Draft) -> None:
    """Carry out what devices that leave or are lost have asked for, while their leaves stand."""
    lost = 0
    for device, kind, leaf, package, body, ready_at in draft.tx.all(
        """
        SELECT device, kind, leaf, package, body, ready_at FROM notice WHERE room = ?
        ORDER BY kind, seq  -- Who leaves comes before who is lost: these stay.
        """,
        draft.here.room,
    ):  # fmt: skip
        index = draft.leaf_of(device)
        if (
            index is None
            or leaf_hash(draft.leaves[index]) != leaf
            or _must_stay(draft, kind, index)
        ):
            draft.tx.run(
                "DELETE FROM notice WHERE room = ? AND device = ?", draft.here.room, device
            )
            continue
        if index in draft.removes or device == draft.tx.me.device:
            continue
        if kind == "leave":
            draft.removes[index] = None
            draft.notices.append(body)
        elif ready_at <= draft.tx.now and lost < LOST_MAX:
            lost += 1
            draft.removes[index] = None
            draft.packages.append(package)
            draft.notices.append(body)
        else:
            draft.tx.wake("room.look_after", draft.here.room, ready_at)


def _must_stay(draft: Draft, kind: str, index: int) -> bool:
    """Return whether a leaf cannot leave: it is the last owner's, and the rules forbid it.

    Two owners may have left at once; and with it no other wish of this room would come true.
    """
    mine = settled(draft.state, identity_hash(certificate_of(draft.leaves[index])))
    if kind != "leave" or role(draft.state, mine) != "owner":
        return False
    there = frozenset(
        settled(draft.state, identity_hash(certificate_of(leaf)))
        for place, leaf in draft.leaves.items()
        if place != index and place not in draft.removes
    )
    return not any(one.rank == "owner" and one.identity in there for one in draft.state.roles)


def settings(changes: dict[str, Any]) -> bytes:
    """Return the detail of a wish for other settings."""
    return encode(changes)
