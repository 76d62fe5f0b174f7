"""What an account keeps here for its own devices: its archive of sealed room keys, and its profile.

A row of the archive that is put again gets a new number, as if it were new: so a device that knows
everything up to a number finds all that has changed behind it.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.leftovers import LINES, leave_over, left_until
from alcove.server.handlers.lists import is_near
from alcove.server.handlers.reads import page_length
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.accounts import (
    AccountChanged,
    Archive,
    ArchiveRow,
    GetArchive,
    GetProfile,
    Profile,
    PutArchive,
    PutProfile,
)
from alcove.wire.base import Done
from alcove.wire.errors import Code


def put_profile(tx: Tx, caller: Caller, request: PutProfile, _: int) -> Done:
    """Store the sealed profile of the caller's account."""
    tx.run("UPDATE account SET profile = ? WHERE account = ?", request.body, caller.account)
    tx.push_account(caller.account, AccountChanged(kind="profile"), but=caller.device)
    return Done(id=request.id)


def get_profile(tx: Tx, caller: Caller, request: GetProfile, _: int) -> Profile:
    """Tell the sealed profile of somebody who shares a room with the caller, pending ones too.

    Also to who is blocked there, since nobody is told of that: it is the room that has the key.
    """
    account = request.account
    refuse_unless(is_near(tx, caller.account, account), Code.UNKNOWN)
    (body,) = tx.one("SELECT profile FROM account WHERE account = ?", account) or (None,)
    return Profile(id=request.id, body=body)


def put_archive(tx: Tx, caller: Caller, request: PutArchive, _: int) -> Done:
    """Add rows to the archive of the caller's account; a row of the same name is replaced."""
    account = caller.account
    (newest,) = tx.one(
        "SELECT COALESCE(MAX(number), 0) FROM archive WHERE account = ?", account
    ) or (0,)
    gone = left_until(tx, "archive", account) or 0
    newest = max(newest, gone)  # What has such a number already is not shown, and goes.
    most = tx.settings.account_archive_rows_max
    if newest + len(request.rows) > most:  # Numbers are never fewer than rows, and found at once.
        (count,) = tx.one(
            "SELECT COUNT(*) FROM archive WHERE account = ? AND number > ?",
            account,
            gone,
        ) or (0,)
        refuse_unless(count + len(request.rows) <= most, Code.LIMIT)
    # Of rows of one name the last counts; and one statement must not change a line twice.
    rows = list({(row.room, row.name): row for row in request.rows}.values())
    start = 0
    while start < len(rows):
        # Powers of two, so that there are few statements to prepare.
        part = rows[start : start + (1 << ((len(rows) - start).bit_length() - 1))]
        lines = ", ".join(["(?, ?, ?, ?, ?)"] * len(part))
        tx.run(
            f"""
            INSERT INTO archive (account, room, name, number, body) VALUES {lines}
            ON CONFLICT (account, room, name)
            DO UPDATE SET number = excluded.number, body = excluded.body
            """,  # noqa: S608 - Only marks.
            *(
                value
                for number, row in enumerate(part, start=newest + start + 1)
                for value in (account, row.room, row.name, number, row.body)
            ),
        )
        start += len(part)
    return Done(id=request.id)


def drop_archive(tx: Tx, account: bytes) -> None:
    """Drop the whole archive of an account: from here on nobody is told of it, and then it goes."""
    (newest,) = tx.one(
        "SELECT COALESCE(MAX(number), 0) FROM archive WHERE account = ?", account
    ) or (0,)
    if sweep_archive(tx, account, newest, LINES) == LINES:
        leave_over(tx, "archive", account, newest)


def sweep_archive(tx: Tx, account: bytes, until: int, lines: int) -> int:
    """Delete so many rows of an archive up to a number, and return how many it were."""
    return tx.run(
        """
        DELETE FROM archive WHERE account = ? AND number IN (
            SELECT number FROM archive WHERE account = ? AND number <= ? ORDER BY number LIMIT ?
        )
        """,
        account,
        account,
        until,
        lines,
    )


def get_archive(tx: Tx, caller: Caller, request: GetArchive, _: int) -> Archive:
    """Tell a page of the archive of the caller's account."""
    of_room = "" if request.room is None else "AND room = ?"
    lines = tx.all(
        f"""
        SELECT number, room, name, body FROM archive
        WHERE account = ? AND number > ? {of_room} ORDER BY number LIMIT ?
        """,  # noqa: S608 - Our words.
        caller.account,
        max(request.since, left_until(tx, "archive", caller.account) or 0),
        *([] if request.room is None else [request.room]),
        tx.settings.page_entries_max + 1,
    )
    count = page_length((len(body) for *_, body in lines), tx.settings)
    return Archive(
        id=request.id,
        rows=tuple(ArchiveRow(*row) for _, *row in lines[:count]),
        next=lines[count - 1][0] if count < len(lines) else None,
    )


HANDLERS: dict[type, Handler] = {
    PutProfile: Handler(put_profile, "device", "write"),
    GetProfile: Handler(get_profile, "device", "read", writes=False),
    PutArchive: Handler(put_archive, "device", "write"),
    GetArchive: Handler(get_archive, "device", "read", writes=False),
}
