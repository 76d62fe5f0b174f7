"""A server put together: one application for the socket, HTTP, files, pages and metrics."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web, web_response

import alcove
from alcove.server.auth import make_server_keys
from alcove.server.door import Door
from alcove.server.hub import Hub
from alcove.server.io.admin_page import AdminPage
from alcove.server.io.blobs import BlobDoor, FileBlobs
from alcove.server.io.figures import Counters, Figures
from alcove.server.io.gate import Gate
from alcove.server.io.guard import guard
from alcove.server.io.http import HttpDoor
from alcove.server.io.noticing import Noticing
from alcove.server.io.pages import Pages
from alcove.server.io.sockets import Sockets
from alcove.server.io.works import Works
from alcove.server.pages import ServerName
from alcove.server.settings import Settings
from alcove.server.store.database import Database
from alcove.server.tx import World

SOFTWARE = f"alcove {alcove.__version__}"
NAME = "Alcove"
"""What every answer says of the program that gave it: no versions, which only help an attacker."""
FIGURES_S = 1


@dataclass
class House:
    """Everything that one running server is made of."""

    settings: Settings
    world: World
    works: Works
    door: Door
    sockets: Sockets
    http: HttpDoor
    blobs: BlobDoor
    figures: Figures
    admin_page: AdminPage
    gate: Gate
    """Counts the connections of the server's port: to be served by a `GatedRunner`."""
    noticing: Noticing
    app: web.Application
    """What the server's port serves."""
    status_app: web.Application
    """What the status listener serves."""

    def apply(self, settings: Settings) -> None:
        """Let other settings count from now on: those that may change while the server runs."""
        self.settings = self.world.settings = self.door.settings = settings

    async def tick(self) -> None:
        """Do what is done every second, for as long as the server runs."""
        while True:
            self.figures.tick()
            await self.figures.measure()
            await self.blobs.drop_files()
            await asyncio.sleep(FIGURES_S)


def build(
    settings: Settings, database: Database, secret: bytes, incarnation: int, address: str = ""
) -> House:
    """Put a server together around an open database."""
    # The library has no other place for it that also reaches what it refuses by itself.
    web_response.SERVER_SOFTWARE = NAME  # type: ignore[attr-defined]
    keys = make_server_keys(secret)
    world = World(settings, keys, os.urandom, incarnation)
    works = Works(database, world, Hub(settings, world.presence))
    door = Door(settings, keys, incarnation, SOFTWARE)
    noticing = Noticing(works)
    works.notice = door.notice = noticing.refused
    sockets, gate = Sockets(works, door), Gate(door)
    folder = Path(settings.blob_folder or Path(settings.data) / "blobs")
    http = HttpDoor(works, door, alcove.__version__)
    blobs = BlobDoor(works, door, http, FileBlobs(folder), world.space)
    figures = Figures(works, sockets, database, folder, Counters(door, noticing, world.audit, gate))
    pages = Pages(settings, works, http, figures, ServerName(settings.name, address))
    admin_page = AdminPage(works, door, http, figures, world)
    app = web.Application(middlewares=[guard(door, gate, http), pages.told_plainly])
    status_app = web.Application(middlewares=[pages.told_plainly])
    app.router.add_get("/v1/socket", sockets.serve)
    blobs.add_to(app)
    http.add_to(app)
    pages.add_to(app)
    admin_page.add_to(app)
    pages.add_status_to(status_app)
    return House(
        settings, world, works, door, sockets, http, blobs, figures, admin_page, gate, noticing,
        app, status_app,
    )  # fmt: skip
