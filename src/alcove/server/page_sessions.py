"""Who may see the admin page: sessions of browsers that came by a one-time link.

    link used ─► begin ─► look, look, look ─► 1 hour without a touch, 8 hours, or `end`

They are in memory only, as keyed hashes: no disk and no backup has them, and a restart ends all.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from alcove.server.auth import ServerKeys, new_secret, token_hash
from alcove.server.limits import SteadyClock

HOUR_MS: Final = 3_600_000
IDLE_MS: Final = HOUR_MS
"""A session ends when nobody has touched its page for so long."""
LONGEST_MS: Final = 8 * HOUR_MS
"""It ends then in any case."""
SESSIONS_MAX: Final = 16
"""So many browsers at one time; one more, and the one longest untouched goes."""


class _Session(Struct, frozen=True):
    """One browser's session."""

    ends_at: int
    touched_at: int


class PageSessions:
    """The sessions there are."""

    def __init__(self, keys: ServerKeys, random: Callable[[int], bytes]) -> None:
        self._keys, self._random = keys, random
        self._sessions: dict[bytes, _Session] = {}
        # A clock that was set back gives nobody more time.
        self._clock = SteadyClock()

    def begin(self, now_ms: int) -> str:
        """Begin a session, and return the token by which its browser is known."""
        now = self._clock.read(now_ms)
        self._drop_ended(now)
        if len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda one: self._sessions[one].touched_at)]
        token = new_secret(self._random)
        self._sessions[token_hash(self._keys, token)] = _Session(now + LONGEST_MS, now)
        return token

    def left_ms(self, token: str, now_ms: int, *, touches: bool) -> int | None:
        """Return how long a session may still last at most; None when there is none (any more).

        `touches` says that a person did something on the page: a page that only asks for new
        figures by itself does not keep its session from ending.
        """
        now = self._clock.read(now_ms)
        self._drop_ended(now)
        name = token_hash(self._keys, token)
        session = self._sessions.get(name)
        if session is None:
            return None
        if touches:
            self._sessions[name] = _Session(session.ends_at, now)
        return session.ends_at - now

    def end(self, token: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(token_hash(self._keys, token), None)

    def _drop_ended(self, now: int) -> None:
        self._sessions = {
            name: session
            for name, session in self._sessions.items()
            if now < session.ends_at and now < session.touched_at + IDLE_MS
        }
