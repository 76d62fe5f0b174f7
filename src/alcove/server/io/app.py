"""A server put together: one application for the socket, HTTP, files, pages and metrics."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

import alcove
from alcove.server.auth import make_server_keys
from alcove.server.door import Door
from alcove.server.hub import Hub
from alcove.server.io.blobs import BlobDoor, FileBlobs
from alcove.server.io.figures import Figures
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
            await self.blobs.drop_files()
            await asyncio.sleep(FIGURES_S)


def build(
    settings: Settings, database: Database, secret: bytes, incarnation: int, address: str = ""
) -> House:
    """Put a server together around an open database."""
    keys = make_server_keys(secret)
    world = World(settings, keys, os.urandom, incarnation)
    works = Works(database, world, Hub(settings, world.presence))
    door = Door(settings, keys, incarnation, SOFTWARE)
    sockets, gate, noticing = Sockets(works, door), Gate(door), Noticing(works)
    folder = Path(settings.blob_folder or Path(settings.data) / "blobs")
    http = HttpDoor(works, door, noticing, alcove.__version__)
    blobs = BlobDoor(works, door, http, FileBlobs(folder))
    figures = Figures(works, door, sockets, database, folder)
    pages = Pages(settings, works, http, figures, ServerName(settings.name, address))
    app = web.Application(middlewares=[guard(door, gate, http)])
    status_app = web.Application()
    app.router.add_get("/v1/socket", sockets.serve)
    blobs.add_to(app)
    http.add_to(app)
    pages.add_to(app)
    pages.add_status_to(status_app)
    return House(
        settings, world, works, door, sockets, http, blobs, figures, gate, noticing, app, status_app
    )
