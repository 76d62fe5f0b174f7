"""Blobs: what the server knows of the encrypted files that accounts upload.

Their bytes are plain files that the tus door writes.  It calls `announce`, `finish`, `look_up`,
`count_download`, `expired`, `unfinished` and `give_up`, each inside a transaction.

The expiry of a blob runs from its last byte.  Until that has come, `expires_at` counts from
`created_at`, so that the line knows how long it will be.
"""

from dataclasses import dataclass

from alcove.server.caller import Caller
from alcove.server.effects import BlobGone
from alcove.server.handlers.access import Handler
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.blobs import Blob, BlobEnded, Blobs, DropBlob, Expiry, GetBlobs
from alcove.wire.errors import Code, Refused

BLOBS_PAGE = 256
"""Files in the answer to one request for a list of them."""
BLOB_ID_BYTES = 16
HOUR_MS = 60 * 60 * 1000
EXPIRY_MS: dict[Expiry, int | None] = {
    "never": None,
    "day": 24 * HOUR_MS,
    "week": 7 * 24 * HOUR_MS,
}
EXPIRIES: dict[int | None, Expiry] = {duration: name for name, duration in EXPIRY_MS.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """A blob that is here, or is being uploaded."""

    account: bytes
    """Who uploads it."""
    size: int
    is_done: bool
    """Whether it may be read."""
    expires_at: int | None
    created_at: int
    expiry: Expiry
    """What its uploader asked for."""


# ---- For the tus door ----


def announce(tx: Tx, account: bytes, size: int, expiry: Expiry, now: int) -> bytes:
    """Begin an upload and return the blob's id, or refuse it when there is no space for it."""
    refuse_unless(size > 0, Code.MALFORMED, "A file that is stored is never empty.")
    refuse_unless(size <= tx.settings.blob_bytes_max, Code.TOO_LARGE)
    tx.space.check_addition(account)
    used, quota = _space(tx, account)
    (count,) = tx.one("SELECT COUNT(*) FROM blob WHERE account = ?", account) or (0,)
    refuse_unless(count < tx.settings.account_blobs_max, Code.LIMIT)
    (newest,) = tx.one(
        "SELECT COALESCE(MAX(created_at), 0) FROM blob WHERE account = ?", account
    ) or (0,)
    if quota and used + size > quota:
        tx.audit("quota_hit", account, is_attempt=True, quota="account", size=size)
        raise Refused(Code.QUOTA, "There is no space left for this account.")
    _check_server(tx, account, size)
    blob = tx.random(BLOB_ID_BYTES)
    created_at = max(now, newest + 1)  # No two of an account's are equal: pages end at one.
    duration = EXPIRY_MS[expiry]
    tx.insert(
        "blob (blob, account, size, created_at, expires_at)",
        [(blob, account, size, created_at, None if duration is None else created_at + duration)],
    )
    return blob


def finish(tx: Tx, account: bytes, blob: bytes, now: int) -> None:
    """Note that the last byte of a blob has come; saying so again is harmless."""
    line = tx.one("SELECT size, done_at FROM blob WHERE blob = ? AND account = ?", blob, account)
    if line is None:
        raise Refused(Code.UNKNOWN)
    size, done_at = line
    if done_at is None:
        tx.run(
            """
            UPDATE blob SET done_at = ?, expires_at = expires_at - created_at + ? WHERE blob = ?
            """,
            now,
            now,
            blob,
        )
        tx.audit("blob_uploaded", account, size=size)


def look_up(tx: Tx, blob: bytes, now: int) -> Found:
    """Return what is known of a blob, or refuse when it is not here or has expired."""
    line = tx.one(
        """
        SELECT b.account, b.size, b.done_at, b.created_at, b.expires_at FROM blob b
        JOIN account a ON a.account = b.account WHERE b.blob = ?
        """,
        blob,
    )
    if line is None:
        raise Refused(Code.UNKNOWN)
    account, size, done_at, created_at, expires_at = line
    is_done = done_at is not None
    refuse_unless(not is_done or expires_at is None or expires_at > now, Code.UNKNOWN)
    runs_from = done_at if is_done else created_at
    duration = None if expires_at is None else expires_at - runs_from
    return Found(account, size, is_done, expires_at, created_at, EXPIRIES[duration])


def count_download(tx: Tx, account: bytes, blob: bytes) -> None:
    """Note that an account has read a blob to its end."""
    if tx.run("UPDATE blob SET downloads = downloads + 1 WHERE blob = ?", blob):
        tx.audit("blob_downloaded", account)


def expired(tx: Tx, now: int, limit: int) -> list[bytes]:
    """Drop blobs whose time is over, and return their ids: the files may go."""
    lines = tx.all(
        """
        SELECT blob, account FROM blob
        WHERE expires_at IS NOT NULL AND expires_at <= ? AND done_at IS NOT NULL
        ORDER BY expires_at LIMIT ?
        """,
        now,
        limit,
    )
    for blob, account in lines:
        _drop(tx, account, blob)
        tx.audit("blob_expired", account)
    return [blob for blob, _ in lines]


def unfinished(tx: Tx, now: int, limit: int) -> list[bytes]:
    """Return uploads that began long ago: those whose files stood still since may be given up."""
    lines = tx.all(
        """
        SELECT blob FROM blob WHERE done_at IS NULL AND created_at <= ? ORDER BY created_at LIMIT ?
        """,
        now - tx.settings.upload_hours * HOUR_MS,
        limit,
    )
    return [blob for (blob,) in lines]


def give_up(tx: Tx, blob: bytes) -> None:
    """Drop an upload that was never finished."""
    line = tx.one("SELECT account FROM blob WHERE blob = ? AND done_at IS NULL", blob)
    if line is not None:
        _drop(tx, line[0], blob)


def _check_server(tx: Tx, account: bytes, size: int) -> None:
    quota = tx.settings.server_quota_bytes
    if not quota:
        return
    (used,) = tx.one("SELECT COALESCE(SUM(size), 0) FROM blob") or (0,)
    if used + size > quota:
        tx.audit("quota_hit", account, is_attempt=True, quota="server", size=size)
        raise Refused(Code.QUOTA, "There is no space left on this server; ask its host.")


def _space(tx: Tx, account: bytes) -> tuple[int, int]:
    """Return how much space an account uses, and how much it has: 0 for no limit."""
    line = tx.one(
        """
        SELECT (SELECT COALESCE(SUM(size), 0) FROM blob b WHERE b.account = a.account),
            a.quota_bytes
        FROM account a WHERE a.account = ?
        """,
        account,
    )
    if line is None:
        raise Refused(Code.UNKNOWN)
    used, quota = line
    return int(used), tx.settings.account_quota_bytes if quota is None else quota


def _drop(tx: Tx, account: bytes, blob: bytes, *, but: bytes = b"") -> None:
    tx.run("DELETE FROM blob WHERE blob = ?", blob)
    tx.effects.append(BlobGone(blob))
    tx.push_account(account, BlobEnded(blob=blob), but=but)


# ---- Requests ----


def get_blobs(tx: Tx, caller: Caller, request: GetBlobs, now: int) -> Blobs:
    """Return a page of the blobs of this account, newest first, and its space."""
    older = "" if request.before is None else "AND created_at < ?"
    lines = tx.all(
        f"""
        SELECT blob, size, done_at, created_at, expires_at, downloads FROM blob
        WHERE account = ? AND (expires_at IS NULL OR expires_at > ? OR done_at IS NULL) {older}
        ORDER BY created_at DESC LIMIT ?
        """,  # noqa: S608 - Our words.
        caller.account,
        now,
        *(() if request.before is None else (request.before,)),
        BLOBS_PAGE + 1,
    )
    used, quota = _space(tx, caller.account)
    page = lines[:BLOBS_PAGE]
    blobs = tuple(
        Blob(blob, size, 0 if done_at is None else size, created_at, expires_at, downloads)
        for blob, size, done_at, created_at, expires_at, downloads in page
    )
    more = blobs[-1].created_at if len(lines) > BLOBS_PAGE else None
    return Blobs(id=request.id, blobs=blobs, used_bytes=used, quota_bytes=quota, next=more)


def drop_blob(tx: Tx, caller: Caller, request: DropBlob, _: int) -> Done:
    """Delete a blob that this account uploaded, finished or not."""
    line = tx.one(
        "SELECT size FROM blob WHERE blob = ? AND account = ?", request.blob, caller.account
    )
    if line is None:
        raise Refused(Code.UNKNOWN)
    _drop(tx, caller.account, request.blob, but=caller.device)
    tx.audit("blob_deleted", caller.account, size=line[0])
    return Done(id=request.id)


HANDLERS: dict[type, Handler] = {
    GetBlobs: Handler(get_blobs, "device", "read", writes=False),
    DropBlob: Handler(drop_blob, "device", "write"),
}
