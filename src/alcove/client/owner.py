"""What the owner asks the server directly, because the engine need not know of it."""

from alcove.client.events import Answered, Pushed
from alcove.client.replies import KEPT
from alcove.client.tx import Tx
from alcove.wire.base import Push, Reply, Request


def ask(tx: Tx, request: Request) -> int:
    """Ask something for the owner; returns the number that `Answered` will have.

    What the server remembers is stored and asked again until it is answered, as all changes are.
    """
    send = tx.order if type(request) in KEPT else tx.ask
    return send(request, "owner")


def answered(tx: Tx, request: Request, answer: Reply, _: bytes) -> None:
    """Hand the answer on."""
    tx.tell(Answered(request.id, answer))


def heard(tx: Tx, push: Push) -> None:
    """Hand on what only the owner need hear."""
    tx.tell(Pushed(push))
