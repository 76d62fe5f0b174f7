"""Events: what an account may read of the audit log, and the host of all of it."""

import msgspec

from alcove.server.audit_kinds import HOST_ONLY, shown_address
from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.store.database import Value
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.errors import Code
from alcove.wire.events import Event, Events, GetEvents

EVENTS_PAGE = 200
"""Audit events in the answer to one request for an account's own."""

_decode_detail = msgspec.json.Decoder(dict[str, str | int]).decode


def get_events(tx: Tx, caller: Caller, request: GetEvents, _: int) -> Events:
    """Return a page of events, newest first: one's own, or for the host everyone's."""
    refuse_unless(caller.is_host or not request.everyone, Code.HOST_ONLY)
    conditions: list[str] = []
    values: list[Value] = []
    if not request.everyone:
        hidden = ", ".join("?" * len(HOST_ONLY))
        conditions.append(f"account = ? AND kind NOT IN ({hidden})")
        values += (caller.account, *HOST_ONLY)
    if request.suspicious:
        conditions.append("suspicious = 1")
    if request.before is not None:
        conditions.append("number < ?")
        values.append(request.before)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    lines = tx.all(
        f"""
        SELECT number, at, kind, account, device, address, detail, suspicious, chain FROM event
        {where} ORDER BY number DESC LIMIT ?
        """,  # noqa: S608 - Our words.
        *values,
        EVENTS_PAGE + 1,
    )
    page = lines[:EVENTS_PAGE]
    events = tuple(
        Event(
            number, at, kind, who, device, address if request.everyone else shown_address(address),
            _decode_detail(detail), bool(odd), chain,
        )
        for number, at, kind, who, device, address, detail, odd, chain in page
    )  # fmt: skip
    more = page[-1][0] if len(lines) > EVENTS_PAGE else None
    return Events(id=request.id, events=events, next=more)


HANDLERS: dict[type, Handler] = {
    GetEvents: Handler(get_events, "device", "read", writes=False),
}
