"""Requests that would add to a log, while it is not known what that log has become.

After a restore they wait.  Then what the log can tell of is derived from it, and only a commit of
which nothing is known is sent as it was.
"""

from typing import Any, Final, Union

import msgspec

from alcove.client.tx import Tx
from alcove.wire import REQUESTS
from alcove.wire.codec import decode_header
from alcove.wire.entries import Append, HandshakeHeader
from alcove.wire.ids import entry_name

NEVER: Final = 2**53
"""Requests that wait for a room's place to be known have this time."""
APPENDS: Final = ("wishes.appended", "notices.appended", "joining.came_in", "lost.came_back")
"""Requests that add to a log: they wait until it is known what that log is now."""

FORGET: Final = "rewinding.forget_bodies"
"""The alarm that forgets raw handshakes that no server can ask for any more."""
KEPT_MS: Final = 30 * 24 * 60 * 60 * 1000
DAY_MS: Final = 24 * 60 * 60 * 1000

_decode_request: Any = msgspec.msgpack.Decoder(Union[REQUESTS]).decode  # noqa: UP007


def withhold(tx: Tx) -> None:
    """Let all such requests wait."""
    tx.run(
        f"UPDATE request SET not_before = ? WHERE answered_by IN {APPENDS}",  # noqa: S608
        NEVER,
    )
    tx.sent = [one for one in tx.sent if not isinstance(one, Append)]


def send(tx: Tx, room: bytes) -> None:
    """Send those of a room of which its log cannot say what became of them; forget the others.

    Only for who is signed in: the log was read just now.
    """
    for number, body, answered_by in tx.all(
        f"SELECT id, body, answered_by FROM request WHERE answered_by IN {APPENDS}"  # noqa: S608
        " AND not_before = ? ORDER BY id",
        NEVER,
    ):
        request: Append = _decode_request(body)
        if request.room != room:
            continue
        if answered_by == "notices.appended" or _is_pending(tx, request):
            tx.run("UPDATE request SET not_before = 0 WHERE id = ?", number)
            tx.sent.append(request)
            continue
        tx.run("DELETE FROM request WHERE id = ?", number)
        tx.run("UPDATE outbox SET request = NULL WHERE request = ?", number)
    _forget_commit(tx, room)
    tx.stir(room)


def _forget_commit(tx: Tx, room: bytes) -> None:
    """Forget a commit that nothing brings any more: a server took it, and has lost it unread."""
    if tx.one("SELECT 1 FROM pending WHERE room = ?", room) is None:
        return
    sql = f"SELECT body FROM request WHERE answered_by IN {APPENDS}"  # noqa: S608
    requests: list[Append] = [_decode_request(body) for (body,) in tx.all(sql)]
    if not any(one.room == room and _is_pending(tx, one) for one in requests):
        tx.run("DELETE FROM pending WHERE room = ?", room)


def drop(tx: Tx, room: bytes, since: int = 0) -> None:
    """Forget what was to be added to a log on which this device does not stand any more.

    With `NEVER` only what waits is forgotten, and not what it asks for in order to come in.
    """
    for number, body in tx.all(
        f"SELECT id, body FROM request WHERE answered_by IN {APPENDS}"  # noqa: S608
        " AND not_before >= ?",
        since,
    ):
        request: Append = _decode_request(body)
        if request.room != room:
            continue
        if _is_pending(tx, request):
            tx.run("DELETE FROM pending WHERE room = ?", room)
        tx.run("DELETE FROM request WHERE id = ?", number)
        tx.run("UPDATE outbox SET request = NULL WHERE request = ?", number)


def _is_pending(tx: Tx, request: Append) -> bool:
    """Return whether a request carries a commit of which nothing is known."""
    names = [
        entry_name(request.room, entry.header, entry.body)
        for entry in request.entries
        if isinstance(decode_header(entry.header), HandshakeHeader)
    ]
    line = tx.one("SELECT name FROM pending WHERE room = ?", request.room)
    return line is not None and line[0] in names


# ---- Raw handshakes ----


def forget_bodies(tx: Tx, _about: bytes) -> None:
    """Forget raw handshakes that no restored server asks for any more."""
    tx.run(
        "UPDATE handshake SET header = NULL, body = NULL WHERE at < ? AND body IS NOT NULL",
        tx.now - KEPT_MS,
    )
    tx.wake(FORGET, b"", tx.now + DAY_MS)
