"""The inbox: Welcomes, and sealed letters of other devices; and the word that there is one.

Letters are dropped by the server once what follows from them is stored here.
"""

from alcove.client import asking, chats
from alcove.client.rooms import joining, log, rewinding
from alcove.client.tx import Tx
from alcove.wire.errors import Refusal
from alcove.wire.rooms import ClearInbox, GetInbox, Inbox, NewLetter
from alcove.wire.rooms import RoomChanged as RoomMoved


def ask_inbox(tx: Tx) -> None:
    """Read what lies in the inbox, unless that is being done."""
    if not any(one.answered_by == "letters.inbox" for one in tx.memory.asked.values()):
        tx.ask(GetInbox(), "letters.inbox")


def new_letter(tx: Tx, _: NewLetter) -> None:
    """Something is in the inbox."""
    ask_inbox(tx)


def inbox(tx: Tx, request: GetInbox, answer: Inbox | Refusal, _: bytes) -> None:
    """Take letters, and have the server drop them once they are stored."""
    if isinstance(answer, Refusal) or not answer.letters:
        return
    for letter in answer.letters:
        if letter.kind == "welcome":
            joining.welcome(tx, letter)
        else:
            asking.take(tx, letter)
    tx.order(ClearInbox(until=answer.letters[-1].number), "letters.cleared")
    if answer.more and answer.letters[-1].number > request.since:
        tx.ask(GetInbox(since=answer.letters[-1].number), "letters.inbox")


def cleared(tx: Tx, request: ClearInbox, answer: object, _: bytes) -> None:
    """The server has dropped what was stored here."""


def moved(tx: Tx, push: RoomMoved) -> None:
    """This device was added to a room, or is routed there no more."""
    chats.moved(tx, push)
    if push.state == "active":
        ask_inbox(tx)
        joining.look_for(tx, push.room)
        if not rewinding.is_known(tx, push.room):
            joining.list_rooms(tx)  # For where its log stands since the server was restored.
        return
    log.shut_out(tx, push.room)
