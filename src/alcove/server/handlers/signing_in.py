"""Signing in: a device shows that it is one, the server shows that it is the one, and tokens.

    socket    the greeting's challenge ─► SignIn ─► the connection may do everything
    HTTP      GetChallenge ─► SignIn, token wanted ─► a bearer token, for each request of its own

A token is the lesser right: it cannot open or change boxes, move cursors or make another token, so
one that leaks ends for good when it was not used for a while.
"""

from dataclasses import dataclass

from alcove.server.auth import new_secret, prove, token_hash, verify
from alcove.server.caller import Caller
from alcove.server.effects import Arrived, Ended
from alcove.server.handlers.access import Handler
from alcove.server.handlers.packages import packages_left
from alcove.server.limits import network
from alcove.server.tx import Tx
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import (
    Challenge,
    GetChallenge,
    NewToken,
    SignedIn,
    SignIn,
    SignOut,
    Token,
)
from alcove.wire.signed import sign_in_bytes

CHALLENGE_BYTES = 32
CHALLENGE_MS = 60 * 1000
CHALLENGES_MAX = 10_000
"""How many challenges wait to be signed; the oldest makes room for a new one."""
MINUTE_MS = 60 * 1000
"""Times of last use are right to the minute: writing each would cost more than it tells."""


_UNBLOCKED = """
    AND NOT (r.kind = 'direct' AND EXISTS (
        SELECT 1 FROM room_account o CROSS JOIN block b
        WHERE o.room = m.room AND b.account = m.account AND b.blocked = o.account
    ))
"""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose request it is that came with a token."""

    caller: Caller
    hash: bytes
    is_due: bool
    """Whether `touch_token` should be called: the token was used last more than a minute ago."""


@dataclass(frozen=True, slots=True)
class _Device:
    """A device that tries to sign in, and its account."""

    account: bytes
    public_key: bytes
    revoked_at: int | None
    name: str
    is_host: int
    is_bot: int
    disabled_at: int | None
    shows_online: int
    list_version: int
    list_hash: bytes


# ---- Challenges ----


def get_challenge(tx: Tx, caller: Caller, request: GetChallenge, now: int) -> Challenge:
    """Give out a challenge for signing in over HTTP."""
    challenges = tx.challenges
    while challenges:
        oldest = next(iter(challenges))
        if challenges[oldest] > now and len(challenges) < CHALLENGES_MAX:
            break
        del challenges[oldest]
    challenge = tx.random(CHALLENGE_BYTES)
    challenges[challenge] = now + CHALLENGE_MS
    return Challenge(
        id=request.id, server=tx.keys.public, challenge=challenge, version=caller.version
    )


def _challenge_of(tx: Tx, caller: Caller, request: SignIn, now: int) -> bytes | None:
    """Return the challenge that had to be signed, or None when it was used or is too old."""
    challenge = request.challenge or b""
    if caller.door == "socket":  # The session has put its own one there.
        return challenge
    return challenge if tx.challenges.pop(challenge, 0) > now else None


# ---- Signing in and out ----


def sign_in(tx: Tx, caller: Caller, request: SignIn, now: int) -> SignedIn:
    """Believe a device that signs the challenge, and prove the server's key in return."""
    challenge = _challenge_of(tx, caller, request, now)
    if challenge is None:
        raise Refused(
            Code.NOT_SIGNED, "The challenge was used before or is too old; get a new one."
        )
    device = _find(tx, caller, request, challenge, now)
    client = "".join(letter for letter in caller.client if letter.isprintable())
    tx.presence.see(device.account, request.device, now, client)
    tx.audit("signed_in", device.account, by=request.device, door=caller.door)
    token = _make_token(tx, device.account, request.device, now) if request.token else None
    if caller.door == "socket":
        tx.effects.append(
            Arrived(
                device.account,
                request.device,
                device.name,
                bool(device.is_host),
                bool(device.shows_online),
                _rooms_of(tx, device.account, request.device),
                bool(device.is_bot),
            )
        )
    return SignedIn(
        id=request.id,
        account=device.account,
        name=device.name,
        host=bool(device.is_host),
        bot=bool(device.is_bot),
        proof=prove(tx.keys, request.nonce, challenge, request.device, caller.version),
        counter=tx.highest_request(request.device),
        incarnation=tx.incarnation,
        list_version=device.list_version,
        list_hash=device.list_hash,
        packages=packages_left(tx, request.device),
        inbox=_newest_letter(tx, device.account, request.device),
        token=token,
        idle_ms=_idle_ms(tx) if token else None,
        lock_after_ms=0 if device.is_bot else tx.settings.lock_after_s * 1000,
    )


def _find(tx: Tx, caller: Caller, request: SignIn, challenge: bytes, now: int) -> _Device:
    """Return the device if the signature is its own, and if it may sign in."""
    line = tx.one(
        """
        SELECT d.account, d.public_key, d.revoked_at, a.name, a.is_host,
            a.is_bot, a.disabled_at, a.shows_online, a.list_version, a.list_hash
        FROM device d JOIN account a ON a.account = d.account WHERE d.device = ?
        """,
        request.device,
    )
    if line is None:
        _audit_failure(tx, caller, "sign_in_failed", None, request.device, now)
        raise Refused(Code.REVOKED)
    device = _Device(*line)
    statement = sign_in_bytes(tx.keys.public, challenge, request.device, caller.version)
    if not verify(device.public_key, statement, request.signature):
        _audit_failure(tx, caller, "sign_in_failed", device.account, request.device, now)
        raise Refused(Code.NOT_SIGNED)
    if device.revoked_at is not None:
        _audit_knock(tx, caller, "sign_in_revoked", device.account, request.device, now)
        raise Refused(Code.REVOKED)
    if device.disabled_at is not None:
        _audit_knock(tx, caller, "sign_in_disabled", device.account, request.device, now)
        raise Refused(Code.DISABLED)
    return device


def _audit_failure(
    tx: Tx, caller: Caller, kind: str, account: bytes | None, device: bytes, now: int
) -> None:
    """Write a failure down, once a minute: a stranger must not fill the log with them.

    That it was this device nobody has proved: it is what somebody said.
    """
    if tx.pauses.once((kind, account, network(caller.address)), MINUTE_MS, now) == 0:
        tx.audit(kind, account, is_attempt=True, device=device.hex())


def _audit_knock(
    tx: Tx, caller: Caller, kind: str, account: bytes, device: bytes, now: int
) -> None:
    """Write down that a device knocked that may not come in, once a minute for each."""
    if tx.pauses.once((kind, device, network(caller.address)), MINUTE_MS, now) == 0:
        tx.audit(kind, account, is_attempt=True, by=device)


def _rooms_of(tx: Tx, account: bytes, device: bytes) -> tuple[bytes, ...]:
    """Return the rooms whose entries the device gets: not of direct rooms with who is blocked."""
    blocks = tx.one("SELECT 1 FROM block WHERE account = ? LIMIT 1", account)
    only = "" if blocks is None else _UNBLOCKED
    lines = tx.all(
        f"""
        SELECT r.room FROM member m
        JOIN room r ON r.number = m.room
        JOIN room_account a ON a.room = m.room AND a.account = m.account
        WHERE m.device = ? AND m.left_at IS NULL AND a.state = 'active' {only}
        ORDER BY r.number
        """,  # noqa: S608 - Our words.
        device,
    )
    return tuple(room for (room,) in lines)


def _newest_letter(tx: Tx, account: bytes, device: bytes) -> int:
    """Return the number of the newest letter that a device may see: see `letters`."""
    (newest,) = tx.one(
        """
        SELECT COALESCE(MAX(i.letter), 0)
        FROM inbox i JOIN letter l ON l.number = i.letter
        LEFT JOIN room_account a ON a.room = l.room AND a.account = ?
        WHERE i.device = ? AND (l.kind = 'sealed' OR a.state = 'active')
        """,
        account,
        device,
    ) or (0,)
    return int(newest)


def sign_out(tx: Tx, caller: Caller, request: SignOut, _: int) -> Done:
    """End the tokens and the connections of the caller's device."""
    tx.run("DELETE FROM token WHERE device = ?", caller.device)
    tx.audit("signed_out", caller.account)
    tx.effects.append(Ended((caller.device,), Code.SIGN_IN_FIRST))
    return Done(id=request.id)


# ---- Tokens ----


def new_token(tx: Tx, caller: Caller, request: NewToken, now: int) -> Token:
    """Make a bearer token for the device that has signed this connection in."""
    token = _make_token(tx, caller.account, caller.device, now)
    return Token(id=request.id, token=token, idle_ms=_idle_ms(tx))


def _make_token(tx: Tx, account: bytes, device: bytes, now: int) -> str:
    """Make a token, and drop those of the device that have ended or are too many."""
    tx.run("DELETE FROM token WHERE device = ? AND used_at < ?", device, now - _idle_ms(tx))
    lines = tx.all(
        "SELECT hash FROM token WHERE device = ? ORDER BY used_at DESC, made_at DESC, hash", device
    )
    for (old,) in lines[tx.settings.device_tokens_max - 1 :]:
        tx.run("DELETE FROM token WHERE hash = ?", old)
    token = new_secret(tx.random)
    line = (token_hash(tx.keys, token), device, now, now)
    tx.insert("token (hash, device, made_at, used_at)", [line])
    tx.audit("token_created", account, by=device)
    return token


def caller_of_token(tx: Tx, token: str, address: str, now: int) -> Bearer | None:
    """Return who sends this token, or None when it is none or has ended.  It writes nothing."""
    hashed = token_hash(tx.keys, token)
    line = tx.one(
        """
        SELECT t.used_at, d.device, d.client, a.account, a.name, a.is_host
        FROM token t
        JOIN device d ON d.device = t.device
        JOIN account a ON a.account = d.account
        WHERE t.hash = ? AND t.used_at BETWEEN ? AND ?
          AND d.revoked_at IS NULL AND a.disabled_at IS NULL
        """,
        hashed,
        now - _idle_ms(tx),
        now + _idle_ms(tx),  # Later means that the clock was set back since.
    )
    if line is None:
        return None
    used_at, device, client, account, name, is_host = line
    caller = Caller(address, "http", account, device, name, bool(is_host), client, token=hashed)
    return Bearer(caller, hashed, now - used_at >= MINUTE_MS)


def check_token(tx: Tx, caller: Caller) -> None:
    """Refuse what came with a token that has ended since it was looked up."""
    line = tx.one(
        """
        SELECT 1 FROM token t
        JOIN device d ON d.device = t.device
        JOIN account a ON a.account = d.account
        WHERE t.hash = ? AND d.revoked_at IS NULL AND a.disabled_at IS NULL
        """,
        caller.token,
    )
    if line is None:
        raise Refused(Code.SIGN_IN_FIRST)


def touch_token(tx: Tx, bearer: Bearer, now: int) -> None:
    """Note that a token was used, and that its device was there."""
    tx.run("UPDATE token SET used_at = ? WHERE hash = ? AND used_at < ?", now, bearer.hash, now)
    tx.presence.see(bearer.caller.account, bearer.caller.device, now)


def _idle_ms(tx: Tx) -> int:
    return tx.settings.session_timeout_s * 1000


HANDLERS: dict[type, Handler] = {
    # What writes nothing runs here too, because challenges are kept by the one who writes.
    GetChallenge: Handler(get_challenge, "anyone", "read"),
    # Answers with a token are not kept: of those only a hash may be stored.
    SignIn: Handler(sign_in, "anyone", "read", is_remembered=False),
    NewToken: Handler(new_token, "socket", "write", is_remembered=False),
    SignOut: Handler(sign_out, "device", "write"),
}
