"""The inbox: Welcomes, and sealed letters of other devices; and the word that there is one.

Letters are dropped by the server once what follows from them is stored here.
"""

from alcove.client import asking, chats
from alcove.client.rooms import approach, log, rewinding, welcomes
from alcove.client.tx import Tx
from alcove.wire.errors import Refusal
from alcove.wire.rooms import ClearInbox, GetInbox, Inbox, NewLetter
from alcove.wire.rooms import RoomChanged as RoomMoved

AGAIN = "letters.again"
"""The alarm that reads the inbox once more."""
AGAIN_MS = 2_000


def ask_inbox(tx: Tx, _about: bytes = b"") -> None:
    """Read what lies in the inbox; where that is being done, once more: it may be on its way."""
    if any(one.answered_by == "letters.inbox" for one in tx.memory.asked.values()):
        tx.memory.has_letters = True
    else:
        tx.memory.has_letters = False
        tx.ask(GetInbox(), "letters.inbox")


def new_letter(tx: Tx, _: NewLetter) -> None:
    """Something is in the inbox."""
    ask_inbox(tx)


def inbox(tx: Tx, request: GetInbox, answer: Inbox | Refusal, _: bytes) -> None:
    """Take letters, and have the server drop them once they are stored."""
    if isinstance(answer, Refusal):
        tx.wake(AGAIN, b"", tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    for letter in answer.letters:
        if letter.kind == "welcome":
            welcomes.welcome(tx, letter)
        else:
            asking.take(tx, letter)
    last = answer.letters[-1].number if answer.letters else 0
    if last:
        tx.order(ClearInbox(until=last), "letters.cleared")
    if answer.more and last > request.since:
        tx.ask(GetInbox(since=last), "letters.inbox")
    elif tx.memory.has_letters:
        tx.memory.has_letters = False
        tx.ask(GetInbox(since=max(last, request.since)), "letters.inbox")


def cleared(tx: Tx, request: ClearInbox, answer: object, _: bytes) -> None:
    """The server has dropped what was stored here."""


def moved(tx: Tx, push: RoomMoved) -> None:
    """This device was added to a room, or is routed there no more."""
    chats.moved(tx, push)
    if push.state == "active":
        ask_inbox(tx)
        approach.look_for(tx, push.room)
        if not rewinding.is_known(tx, push.room):
            approach.list_rooms(tx)  # For where its log stands since the server was restored.
        return
    log.shut_out(tx, push.room)
