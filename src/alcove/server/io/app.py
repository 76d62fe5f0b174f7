"""The running server: one port for the socket, HTTP, pages and metrics, and what stands behind it."""

import os
from dataclasses import dataclass

from aiohttp import web

from alcove.server.auth import make_server_keys
from alcove.server.door import Door
from alcove.server.hub import Hub
from alcove.server.io.sockets import Sockets
from alcove.server.io.works import Works
from alcove.server.settings import Settings
from alcove.server.store.database import Database
from alcove.server.tx import World


@dataclass
class House:
    """Everything that one running server is made of."""

    settings: Settings
    world: World
    works: Works
    door: Door
    sockets: Sockets
    app: web.Application


def build(settings: Settings, database: Database, secret: bytes, incarnation: int) -> House:
    """Put a server together around an open database."""
    keys = make_server_keys(secret)
    world = World(settings, keys, os.urandom, incarnation)
    works = Works(database, world, Hub(settings))
    door = Door(settings, keys, incarnation, "alcove")
    sockets = Sockets(works, door)
    app = web.Application()
    app.router.add_get("/v1/socket", sockets.serve)
    return House(settings, world, works, door, sockets, app)
