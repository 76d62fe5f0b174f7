"""Who takes what: every answer, push and alarm, and the function that it goes to.

One line here for each thing that can happen to a device: this is the map of the client.
"""

from collections.abc import Callable
from typing import Any

from alcove.client import (
    account,
    archive,
    asking,
    chats,
    commons,
    devices,
    dropping,
    history,
    letters,
    mending,
    owner,
    packages,
    pairing,
    profiles,
    receipts,
    signals,
    signing_in,
    timeline,
    trust,
)
from alcove.client.files import transfers
from alcove.client.rooms import (
    approach,
    claims,
    handshakes,
    joining,
    linking,
    listing,
    log,
    looking,
    lost,
    making,
    messages,
    notices,
    public,
    remade,
    rewinding,
    walk,
    welcomes,
    wishes,
    withheld,
)
from alcove.client.timeline.effects import DROP
from alcove.client.tx import Tx
from alcove.wire.accounts import AccountChanged
from alcove.wire.base import Push
from alcove.wire.chats import Answered, Asked
from alcove.wire.devices import ListChanged, PackagesLow
from alcove.wire.directory import PresenceChanged, Signalled
from alcove.wire.entries import Delivered, Dropped, NewEntries, Nudge
from alcove.wire.events import NewEvent
from alcove.wire.rooms import NewLetter, RoomChanged, SlotsChanged

ANSWERS: dict[str, Callable[[Tx, Any, Any, bytes], None]] = {
    "owner": owner.answered,
    "log.entries": log.entries,
    "wishes.appended": wishes.appended,
    "notices.appended": notices.appended,
    "making.made": making.made,
    "claims.claimed": claims.claimed,
    "letters.inbox": letters.inbox,
    "letters.cleared": letters.cleared,
    "joining.rooms": listing.listed,
    "joining.snapshot": joining.snapshot,
    "joining.handshakes": joining.handshakes_read,
    "joining.came_in": joining.came_in,
    "lost.stored": lost.stored,
    "lost.came_back": lost.came_back,
    "remade.asked": remade.asked,
    "rewinding.compared": rewinding.compared,
    "rewinding.offered": rewinding.offered,
    "remade.made_again": remade.made_again,
    "account.box_changed": account.box_changed,
    "account.deleted": account.deleted,
    "account.told": account.told,
    "asking.sent": asking.sent,
    "archive.page": archive.page,
    "archive.stored": archive.stored,
    "history.chain": history.chain,
    "history.handshakes": history.handshakes_read,
    "mending.looked": mending.looked,
    "mending.put": mending.put,
    "history.page": history.page,
    "history.snapshot": history.snapshot,
    "devices.earlier": devices.earlier,
    "dropping.dropped": dropping.dropped,
    "files.dropped": transfers.dropped,
    "devices.put_back": devices.put_back,
    "pairing.row": pairing.row,
    "pairing.listed": pairing.listed,
    "pairing.said": pairing.said,
    "pairing.certified": pairing.certified,
    "packages.put": packages.put,
    "chats.asks": chats.listed,
    "chats.answered": chats.answered,
    "chats.blocks": chats.blocks,
    "chats.blocked": chats.blocked_now,
    "chats.members": chats.members,
    "receipts.told": receipts.told,
    "receipts.stored": receipts.stored,
    "receipts.slots": receipts.slots,
    "receipts.members": receipts.members,
    "signals.sent": signals.sent,
    "signals.set": signals.was_set,
    "signals.online": signals.online,
    "profiles.put": profiles.was_put,
    "profiles.rows": profiles.rows,
    "profiles.mine": profiles.mine_put,
    "profiles.person": profiles.told,
    "public.put": public.put,
    "commons.there": commons.there,
    "linking.put": linking.put,
    "linking.dropped": linking.dropped,
    "linking.opened": linking.opened,
    "trust.newest": trust.newest,
    "trust.later": trust.later,
}
"""Who takes an answer: f(tx, request, reply or refusal, note)."""

PUSHES: dict[type[Push], Callable[[Tx, Any], None]] = {
    NewEntries: log.pushed,
    Nudge: log.nudged,
    Dropped: log.dropped,
    NewLetter: letters.new_letter,
    RoomChanged: letters.moved,
    Asked: chats.asked,
    Answered: chats.accepted,
    Delivered: receipts.delivered_to,
    SlotsChanged: receipts.changed,
    Signalled: signals.heard,
    PresenceChanged: signals.presence_changed,
    ListChanged: trust.list_changed,
    PackagesLow: packages.low,
    AccountChanged: account.changed_elsewhere,
    NewEvent: account.noted,
}
"""Who takes a push."""

ALARMS: dict[str, Callable[[Tx, bytes], None]] = {
    "log.read_on": log.read_on,
    "room.look_after": wishes.wake,
    approach.LIST: listing.again,
    letters.AGAIN: letters.ask_inbox,
    "joining.outside": joining.outside,
    handshakes.WELCOME: welcomes.accept,
    "joining.again": joining.again,
    handshakes.ARCHIVE: archive.put,
    walk.MEND_CHAIN: mending.mend,
    history.GO_ON: history.go_on,
    messages.LOOK_AGAIN: history.look_again,
    lost.NOTICE: lost.say_so,
    lost.RESYNC: lost.resync,
    withheld.FORGET: withheld.forget_bodies,
    notices.AGAIN: notices.again,
    rewinding.RELEASE: rewinding.release,
    account.ARCHIVE: archive.read,
    devices.SWEEP: devices.sweep,
    devices.EARLIER: devices.ask_earlier,
    trust.OWN: devices.look_at_own,
    pairing.LOOK: pairing.look,
    packages.LAST_RESORT: packages.renew_last_resort,
    "expire": timeline.expire_due,
    DROP: dropping.drop,
    packages.RENEW: packages.renew,
    chats.ASK_AGAIN: chats.ask_again,
    "receipts.passed": receipts.passed,
    receipts.SLOT: receipts.put,
    receipts.LOOK: receipts.look,
    "receipts.once": receipts.once,
    profiles.LOOK: profiles.look,
    profiles.PUT_BACK: profiles.put_back,
    walk.MEND_PROFILE: profiles.mend,
    linking.OPEN_AGAIN: linking.open_again,
    commons.JOIN: commons.join,
    trust.LOOK: looking.look_again,
    trust.WANTED: trust.ask_wanted,
    trust.REFRESH: trust.refresh,
}
"""Who does what is due, by the kind of alarm: f(tx, about)."""

ON_SIGNED_IN = signing_in.signed_in
"""Looks at what the server says of this device, and asks what is new."""

LOOK_AFTER = wishes.look_after
"""Does for a room what can be done now."""

AT_THE_END = timeline.settle_index
"""Writes what a step has gathered, last of all."""
