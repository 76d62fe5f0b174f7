"""Which reply belongs to which request, and how a request may be asked: what the line checks.

A server that answers with something else has broken the protocol, and no step ever sees it.
"""

from alcove.wire.accounts import (
    Archive,
    ChangeBox,
    ChangedBox,
    DeleteAccount,
    GetArchive,
    GetProfile,
    GetSalt,
    OpenBox,
    OpenedBox,
    OpenedReset,
    OpenReset,
    Profile,
    PutArchive,
    PutProfile,
    Register,
    Registered,
    Reset,
    Salt,
    SetTotp,
)
from alcove.wire.base import Done, Reply, Request
from alcove.wire.blobs import Blobs, DropBlob, GetBlobs
from alcove.wire.chats import Answer, Asks, AsksLeft, Block, Blocks, GetAsks, GetBlocks
from alcove.wire.devices import (
    Claim,
    Claimed,
    Devices,
    GetDevices,
    GetLists,
    Lists,
    PackagesLeft,
    PutList,
    PutPackages,
)
from alcove.wire.directory import (
    Find,
    FindRooms,
    GetOnline,
    People,
    PublicRooms,
    PutAlias,
    SetPresence,
    SetVisibility,
    Signal,
)
from alcove.wire.entries import (
    Append,
    Appended,
    DropBodies,
    Entries,
    GetSnapshot,
    Offered,
    OfferHandshakes,
    Passed,
    PutSnapshot,
    Read,
    Snapshot,
)
from alcove.wire.events import Events, GetEvents
from alcove.wire.greeting import (
    Challenge,
    GetChallenge,
    Greeting,
    Hello,
    NewToken,
    SignedIn,
    SignIn,
    SignOut,
    Token,
)
from alcove.wire.invites import DropInvite, GetInvites, Invited, Invites, NewInvite
from alcove.wire.rooms import (
    ClearInbox,
    Commons,
    CreateRoom,
    DropLink,
    GetCommons,
    GetInbox,
    GetMembers,
    GetRooms,
    GetRows,
    GetSlots,
    Inbox,
    Members,
    OpenedLink,
    OpenLink,
    PutCommons,
    PutLink,
    PutRows,
    PutSlot,
    RoomRows,
    Rooms,
    SendLetter,
    Slots,
)

READS: dict[type[Request], type[Reply]] = {
    GetSalt: Salt,
    GetProfile: Profile,
    GetArchive: Archive,
    GetLists: Lists,
    GetDevices: Devices,
    GetInvites: Invites,
    GetRooms: Rooms,
    GetMembers: Members,
    Read: Entries,
    GetRows: RoomRows,
    GetSlots: Slots,
    GetSnapshot: Snapshot,
    OpenLink: OpenedLink,
    GetInbox: Inbox,
    GetCommons: Commons,
    GetAsks: Asks,
    GetBlocks: Blocks,
    Find: People,
    GetOnline: People,
    FindRooms: PublicRooms,
    GetBlobs: Blobs,
    GetEvents: Events,
}
"""What only reads: the server carries it out beside the changes, a few at a time."""

PASSING: dict[type[Request], type[Reply]] = {
    Hello: Greeting,
    SignIn: SignedIn,
    NewToken: Token,
    OpenBox: OpenedBox,
    OpenReset: OpenedReset,
    DeleteAccount: Done,
    Claim: Claimed,
    Passed: Done,
    SetPresence: Done,
    Signal: Done,
}
"""Changes whose answers the server does not keep: their numbers do not count, and may be any."""

KEPT: dict[type[Request], type[Reply]] = {
    GetChallenge: Challenge,
    SignOut: Done,
    Register: Registered,
    Reset: Registered,
    ChangeBox: ChangedBox,
    SetTotp: Done,
    PutProfile: Done,
    PutArchive: Done,
    PutList: Done,
    PutPackages: PackagesLeft,
    NewInvite: Invited,
    DropInvite: Done,
    CreateRoom: Appended,
    Append: Appended,
    DropBodies: Done,
    OfferHandshakes: Offered,
    PutRows: Done,
    PutSlot: Done,
    PutSnapshot: Done,
    PutLink: Done,
    DropLink: Done,
    ClearInbox: Done,
    SendLetter: Done,
    PutCommons: Done,
    Answer: AsksLeft,
    Block: Done,
    SetVisibility: Done,
    PutAlias: Done,
    DropBlob: Done,
}
"""Changes whose answers the server keeps by their numbers.  A signed-in device must take these from
its counter: with a number far beyond it, all that it asks later would be refused as too old."""

COUNTED: frozenset[type[Request]] = frozenset({*KEPT, Claim})
"""Requests with numbers from a device's counter.  For a claim's number the server gives the same
key packages again, for an hour: a number that comes again after a restart would use them twice."""

REPLIES: dict[type[Request], type[Reply]] = READS | PASSING | KEPT
"""Every request, and what it is answered with when it is not refused."""

UNSIGNED = (GetSalt, GetChallenge, Register, OpenBox, PutList, OpenReset, Reset)
"""What anyone may ask before signing in."""
