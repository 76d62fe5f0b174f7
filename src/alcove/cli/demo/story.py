"""The story: three people, a server, and what can go wrong between them.

Nothing below is staged.  Every line is told after it has happened and was checked; when a check
fails, the story ends there and the command fails.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable
from typing import Any

from aiohttp import ClientSession

from alcove.cli.demo.evidence import search_and_show
from alcove.cli.demo.files import KEY_BYTES, digest, open_file, seal_file
from alcove.cli.demo.house import House
from alcove.cli.demo.people import LIFETIME_S, Person, read_link
from alcove.cli.demo.room import SUITE, File, Room, Text, certificate_of
from alcove.cli.demo.telling import Teller, must
from alcove.mls import (
    ALGORITHMS,
    Add,
    KeyPackage,
    Remove,
    RuleBroken,
    check_lifetime,
    create_group,
    decode_key_package,
)
from alcove.server.auth import transcript, verify
from alcove.wire.base import Request
from alcove.wire.codec import encode
from alcove.wire.devices import Claim, Claimed
from alcove.wire.entries import Append, Appended, NewEntries, Read, Routing
from alcove.wire.entries import Welcome as Letter
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import Position, entry_name
from alcove.wire.invites import NewInvite
from alcove.wire.rooms import CreateRoom, GetRooms, RoomChanged, Rooms

THINGS = (
    "the big tent", "four sleeping bags", "a lamp and its batteries", "matches, kept dry",
    "the blue pan", "two sharp knives", "a rope of ten metres", "plasters and a bandage",
    "the map with the red cover", "lemons for the fish", "salt, really this time",
    "coffee for five mornings", "a book about birds", "Carol's guitar", "the spare guitar string",
    "rain coats for everybody", "dry socks, two pairs each", "the small axe", "soap",
    "the key of the boat house", "money for the ferry", "the telephone number of the warden",
    "a cake for Friday", "nothing else, or the car will not start",
)  # fmt: skip
AT_ONCE = 8
"""How many requests Ada has under way at a time."""
ANSWERED = 12
"""After so many answers the server is killed."""
RECIPES = b"".join(
    b"%05d: on day %d we cook for %d, with %d grams of rice and a secret: %s\n"
    % (line, line // 3, line % 7 + 2, line * 37 % 900 + 100, hashlib.sha256(b"%d" % line).digest()[:9].hex().encode())
    for line in range(2000)
)


class Story:
    """Who is in it, and what they have said so far."""

    def __init__(self, house: House, web: ClientSession, teller: Teller) -> None:
        self.house, self.web, self.teller = house, web, teller
        self.spoken: list[str] = []
        self.file: File | None = None
