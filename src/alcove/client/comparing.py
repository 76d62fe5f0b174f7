"""Two people compare their safety number: the one proof of keys that no server can make."""

from typing import NamedTuple

from alcove.client import trust
from alcove.client.keys.safety import Person, begins, code_of, compare, in_groups, safety_number
from alcove.client.store.database import Database
from alcove.client.tx import Tx


class Safety(NamedTuple):
    """What two people compare."""

    digits: str
    """As it is read out: twelve groups of five."""
    code: str
    """The text of the code that the other one scans."""
    identity: bytes
    """Their identity key, for which the number stands: `trust.checked` takes it."""


def safety(db: Database, account: bytes) -> Safety | None:
    """Return the safety number of the owner and somebody else; None for who was never seen."""
    pin = trust.pin_of(db, account)
    line = db.one("SELECT name, server, identity FROM me")
    if pin is None or line is None:
        return None
    number = safety_number(Person(*line), Person(pin.name, line[1], pin.identity))
    return Safety(in_groups(number), code_of(number), pin.identity)


def compared(tx: Tx, account: bytes, theirs: str) -> bool:
    """Compare what the other one has read out, or what was scanned, and note it if it is right."""
    ours = safety(tx.db, account)
    if ours is None or not compare(ours.digits.replace(" ", ""), theirs):
        return False
    return trust.checked(tx, account, ours.identity)


def looked(tx: Tx, account: bytes, shown: str) -> bool:
    """Go on with changed keys that the owner has looked at, though they were not compared.

    Which those were the number says that was shown of them, or its beginning.  False when they have
    changed again since.
    """
    ours = safety(tx.db, account)
    if ours is None or not begins(ours.digits.replace(" ", ""), shown):
        return False
    return trust.seen(tx, account, ours.identity)
