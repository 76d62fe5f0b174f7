"""The pages and figures that are not the protocol: status, invites, health and metrics."""

import hmac
import ipaddress
import re
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from alcove.server.door import other_version
from alcove.server.handlers.invites import look_at_invite
from alcove.server.io.figures import Figures
from alcove.server.io.http import HttpDoor, address_of, refusal_response
from alcove.server.io.origins import is_own_host
from alcove.server.io.static import read_static
from alcove.server.io.works import Works, now_ms
from alcove.server.pages import (
    FILE_HEADERS,
    PAGE_HEADERS,
    STATUS_HEADERS,
    Page,
    ServerName,
    admin_page,
    error_page,
    error_text,
    home_page,
    invite_json,
    invite_page,
    status_json,
    status_page,
)
from alcove.server.settings import Settings
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused

METRICS_TOKEN = "metrics-token"  # noqa: S105 - The name of a file in the data folder.
INVITE_CHARACTERS_MAX = 64
"""The id of an invite in an address; what follows is not looked at."""
BUSY_STATUS = 503
PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "Via")
"""What a proxy adds, even one that the settings do not know of."""
PROTOCOL: Final = "/v1/"
"""What programs ask below this is refused as the protocol has it."""
_VERSION: Final = re.compile(r"/v(\d{1,9})/", re.ASCII)
ELSEWHERE: Final = "Check the address, or ask who sent it."


class Pages:
    """The routes that people and their monitoring open."""

    def __init__(
        self, settings: Settings, works: Works, door: HttpDoor, figures: Figures, name: ServerName
    ) -> None:
        self._settings, self._works, self._door = settings, works, door
        self._figures, self._name = figures, name
        self._static = read_static()
        self._registry = CollectorRegistry()
        self._registry.register(figures)

    def add_to(self, app: web.Application) -> None:
        """Add all routes; the status listener has only those of `add_status_to`."""
        self._add_common(app)
        app.router.add_get("/", self.home)
        app.router.add_get("/status.json", self.status_json)
        app.router.add_get("/i/{invite}", self.invite)
        app.router.add_get("/admin", self.admin)
        app.router.add_get("/metrics", self.metrics)

    def add_status_to(self, app: web.Application) -> None:
        """Add the routes of the status listener, which only this machine reaches."""
        self._add_common(app)
        app.router.add_get("/", self.to_status)
        app.router.add_get("/status.json", self.figures_json)

    def _add_common(self, app: web.Application) -> None:
        app.router.add_get("/health", self.health)
        app.router.add_get("/status", self.status)
        app.router.add_get("/static/{name}", self.file)

    async def health(self, _: web.Request) -> web.Response:
        """Answer when the database does."""

        def look(tx: Tx) -> object:
            return tx.one("SELECT 1")

        try:
            await self._works.look(look)
        except Exception:  # noqa: BLE001 - Whatever it is, the server is not well.
            return web.Response(status=503, text="The database does not answer.\n")
        return web.Response(text="ok\n")

    async def home(self, _: web.Request) -> web.Response:
        """Answer with the front page."""
        registration = self._figures.outside().registration
        return _page(home_page(self._static.templates, self._name, registration))

    async def to_status(self, _: web.Request) -> web.Response:
        """Lead who came to the status listener to its only page."""
        return web.Response(status=302, headers={"Location": "/status"})

    async def status(self, _: web.Request) -> web.Response:
        """Answer with the page of figures."""
        return _page(status_page(self._static.templates, self._name))

    async def admin(self, _: web.Request) -> web.Response:
        """Answer with the host's page, which shows nothing before it has a session."""
        return _page(admin_page(self._static.templates, self._name))

    async def status_json(self, request: web.Request) -> web.Response:
        """Answer with the figures on this machine, and elsewhere only that the server runs."""
        if self._is_here(request):
            return await self.figures_json(request)
        return web.Response(body=status_json(self._figures.outside()), headers=STATUS_HEADERS)

    async def figures_json(self, _: web.Request) -> web.Response:
        """Answer with the figures."""
        return web.Response(body=status_json(self._figures.status()), headers=STATUS_HEADERS)

    async def file(self, request: web.Request) -> web.Response:
        """Answer with one of the files beside the pages."""
        file = self._static.files.get(request.match_info["name"])
        if file is None:
            return self._error(request, 404, ELSEWHERE)
        headers = {**FILE_HEADERS, "ETag": file.etag, "Content-Type": file.content_type}
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers=headers)

    async def invite(self, request: web.Request) -> web.Response:
        """Answer with the page of an invite: who invites, and to where."""
        invite = request.match_info["invite"][:INVITE_CHARACTERS_MAX]

        try:
            found = await self._door.look(lambda tx: look_at_invite(tx, invite))
        except Refused as refused:
            templates = self._static.templates
            return _page(error_page(templates, self._name, BUSY_STATUS, refused.why))
        known, inviter = found or (None, None)
        if "application/json" in request.headers.get("Accept", ""):
            body = invite_json(self._name, known, inviter, now_ms())
            return web.Response(body=body, headers=STATUS_HEADERS)
        return _page(invite_page(self._static.templates, self._name, known, inviter, now_ms()))

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer the host's monitoring, and nobody else's."""
        if not await self._may_measure(request):
            return self._error(request, 404, ELSEWHERE)
        return web.Response(
            body=generate_latest(self._registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _may_measure(self, request: web.Request) -> bool:
        """Whether this is the host: by the folder's token, by a device, or on this machine."""
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        if token:
            file = Path(self._settings.data) / METRICS_TOKEN
            given = token.encode("utf-8", "surrogateescape")
            if file.exists() and hmac.compare_digest(file.read_bytes().strip(), given):
                return True
            try:
                return (await self._door.caller(request)).is_host
            except Refused:
                return False
        return self._is_here(request)

    def _is_here(self, request: web.Request) -> bool:
        """Whether somebody on this machine asks, and no proxy and no page of another site."""
        if self._settings.behind_proxy or any(name in request.headers for name in PROXY_HEADERS):
            return False  # Everything comes from the proxy, which stands on this machine.
        if not is_own_host(request, self._settings):
            return False
        address = address_of(request, is_behind_proxy=False)
        try:
            return ipaddress.ip_address(address).is_loopback
        except ValueError:
            return False

    # ---- What is not there ----

    @web.middleware
    async def told_plainly(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Say in our own way what the router finds wrong with an address or a method."""
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            response = self._wrong(request, 405, f"This address takes {allowed} only.")
            response.headers["Allow"] = allowed
            return response
        except web.HTTPNotFound:
            version = _VERSION.match(request.path)
            if version is not None and request.path[: version.end()] != PROTOCOL:
                theirs = int(version[1])
                return refusal_response(other_version(theirs, theirs))
            return self._wrong(request, 404, ELSEWHERE)

    def _wrong(self, request: web.Request, status: int, sentence: str) -> web.Response:
        if not request.path.startswith(PROTOCOL):
            return self._error(request, status, sentence)
        missing = "There is no such request; see /v1/openapi.json."
        response = refusal_response(Refused(Code.UNKNOWN, missing if status == 404 else sentence))
        response.set_status(status)
        return response

    def _error(self, request: web.Request, status: int, sentence: str) -> web.Response:
        """Answer a browser with a page, and a program with one line."""
        if "text/html" in request.headers.get("Accept", ""):
            return _page(error_page(self._static.templates, self._name, status, sentence))
        return web.Response(text=error_text(status, sentence), status=status)


def _page(page: Page) -> web.Response:
    return web.Response(body=page.body, status=page.code, headers=PAGE_HEADERS)
