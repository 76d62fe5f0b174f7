"""The admin page: a one-time link, a session in a cookie, and figures for the host.

    GET    /admin             the page, the same for everyone: it shows nothing by itself
    POST   /admin/session     the link's secret, as a bearer token ─► a cookie
    DELETE /admin/session     the session ends
    GET    /admin/overview    what the page shows, with the cookie only

Another site's page gets nothing.  It cannot make the browser send the cookie (`SameSite`), nor the
header `PAGE` without asking first, which nobody here answers; and `Sec-Fetch-Site` says that it is
another.  The cookie goes nowhere but below `/admin`, and no script can read it.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from alcove.server import admin
from alcove.server.admin_messages import Overview
from alcove.server.door import Door
from alcove.server.handlers.invites import use_page_link
from alcove.server.io.figures import Figures
from alcove.server.io.http import TOKEN_CHARACTERS_MAX, HttpDoor
from alcove.server.io.works import Works, now_ms
from alcove.server.page_sessions import LONGEST_MS, PageSessions
from alcove.server.pages import STATUS_HEADERS
from alcove.server.settings_together import has_tls
from alcove.server.store.database import StorageError
from alcove.server.tx import World
from alcove.wire.errors import Code, Refused

PLACE: Final = "/admin"
PAGE: Final = "Alcove-Page"
"""The page's script sends it with every question: `used` when a person did something meanwhile."""
USED: Final = "used"
SAME: Final = "same-origin"
HEADERS: Final = {**STATUS_HEADERS, "Cross-Origin-Resource-Policy": SAME}
ENDED: Final = "There is no session (any more): `alcove admin page` makes a link to this page."
ELSEWHERE: Final = "Only the admin page of this server may do this."


class AdminPage:
    """The session's routes; the page itself is among the `Pages`."""

    def __init__(
        self,
        works: Works,
        door: Door,
        http: HttpDoor,
        figures: Figures,
        world: World,
    ) -> None:
        self._works, self._door, self._http, self._figures = works, door, http, figures
        self.sessions = PageSessions(world.keys, world.random)
        self.clock: Callable[[], int] = now_ms
        # Cookies do not tell the ports of a machine apart, and it may have several servers.
        self._cookie = f"alcove_admin_{door.server.hex()[:8]}"

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post(f"{PLACE}/session", self.begin)
        app.router.add_delete(f"{PLACE}/session", self.end)
        app.router.add_get(f"{PLACE}/overview", self.overview)

    async def begin(self, request: web.Request) -> web.Response:
        """Take a link's secret, once, and give a session for it."""
        try:
            _check_page(request)
            if self._door.is_stopping:
                raise Refused(Code.STOPPING)
            settings = self._door.settings
            self._http.count_stranger("page link", request, settings.rate_sign_in)
            secret = _secret_of(request)
            now = self.clock()
            await self._works.do(
                lambda tx: use_page_link(tx, secret, now), self._http.stranger(request)
            )
        except Refused as refused:
            return self._http.refuse(refused, request, None)
        self.sessions.end(self._token_of(request))  # Of two in one browser, nobody could use one.
        response = web.Response(status=204, headers=HEADERS)
        response.set_cookie(
            self._cookie,
            self.sessions.begin(now),
            max_age=LONGEST_MS // 1000,
            path=PLACE,
            secure=has_tls(settings) or settings.behind_proxy,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def end(self, request: web.Request) -> web.Response:
        """End the session of this browser."""
        try:
            _check_page(request)
        except Refused as refused:
            return self._http.refuse(refused, request, None)
        self.sessions.end(self._token_of(request))
        response = web.Response(status=204, headers=HEADERS)
        response.del_cookie(self._cookie, path=PLACE)
        return response

    async def overview(self, request: web.Request) -> web.Response:
        """Answer with what the page shows."""
        try:
            touches = _check_page(request) == USED
            now = self.clock()
            left = self.sessions.left_ms(self._token_of(request), now, touches=touches)
            if left is None:
                raise Refused(Code.SIGN_IN_FIRST, ENDED)
            found = await self._look(now + left)
        except Refused as refused:
            return self._http.refuse(refused, request, None)
        return web.Response(body=msgspec.json.encode(found), headers=HEADERS)

    def _token_of(self, request: web.Request) -> str:
        return request.cookies.get(self._cookie, "")

    async def _look(self, ends_at: int) -> Overview:
        status = self._figures.status()
        try:
            return await self._works.count(lambda tx: admin.overview(tx, status, ends_at))
        except StorageError as error:
            raise Refused(Code.STORAGE) from error


def _check_page(request: web.Request) -> str:
    """Return what our page says of itself, or refuse what comes from anywhere else."""
    said = request.headers.get(PAGE, "")
    if not said or request.headers.get("Sec-Fetch-Site", SAME) != SAME:
        raise Refused(Code.NOT_ALLOWED, ELSEWHERE)
    return said


def _secret_of(request: web.Request) -> str:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(secret) <= TOKEN_CHARACTERS_MAX:
        raise Refused(Code.LINK_ENDED)
    return secret
