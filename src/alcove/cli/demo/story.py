"""The story: three people, a server, and what can go wrong between them.

Nothing below is staged.  Every line is told after it has happened and was checked; when a check
fails, the story ends there and the command fails.
"""

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import Any, NamedTuple, Self

from aiohttp import ClientSession

from alcove.cli.demo.files import KEY_BYTES, digest, open_file, seal_file
from alcove.cli.demo.house import House
from alcove.cli.demo.people import LIFETIME_S, Link, Person, read_link
from alcove.cli.demo.room import SUITE, File, Room, Text
from alcove.cli.demo.telling import Teller, Untrue, must
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
from alcove.server.auth import verify
from alcove.wire.codec import encode
from alcove.wire.devices import Claim, Claimed
from alcove.wire.entries import Append, Appended, NewEntries, Read, Routing, Welcome
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import Position, entry_name
from alcove.wire.invites import NewInvite
from alcove.wire.rooms import CreateRoom, GetRooms, RoomChanged, Rooms
from alcove.wire.signed import list_bytes

THINGS = (
    "the big tent", "four sleeping bags", "a lamp and its batteries", "matches, kept dry",
    "the blue pan", "two sharp knives", "a rope of ten metres", "plasters and a bandage",
    "the map with the red cover", "lemons for the fish", "salt, really this time",
    "coffee for five mornings", "a book about birds", "the guitar", "a spare string for it",
    "rain coats for everybody", "dry socks, two pairs each", "the small axe", "soap",
    "the key of the boat house", "money for the ferry", "the warden's telephone number",
    "a cake for Friday", "nothing else, or the car will not start",
)  # fmt: skip
ANSWERED = 12
"""After so many answers Ada's line goes deaf."""
LATE = 20
"""The lines after this one leave when the server is about to be killed."""
FILE_NAME = "family recipes.txt"
RECIPES = "".join(
    f"Recipe {number}: {number * 37 % 900 + 100} g of rice, {number % 7 + 2} lemons, and patience"
    f" for {number * 11 % 90 + 10} minutes.\n"
    for number in range(2500)
).encode()


class Story:
    """Who is in it, and what they have said and sent so far."""

    ada: Person
    bob: Person
    carol: Person
    file: File

    def __init__(self, house: House, web: ClientSession, teller: Teller) -> None:
        self.house, self.web, self.teller = house, web, teller
        self.spoken: list[str] = []

    @property
    def people(self) -> list[Person]:
        """Everybody, also who has left."""
        return [self.ada, self.bob, self.carol]

    def newcomer(self, name: str, link: Link) -> Person:
        """Return somebody with keys whom the server does not know yet."""
        return Person(name, link.server, self.house.url, self.web)

    def text(self, text: str) -> Text:
        """Return something to say, and remember that it was said."""
        self.spoken.append(text)
        return Text(text)

    async def speak(self, speaker: Person, text: str, *listeners: Person) -> int:
        """Let somebody say something, and others read it as it comes."""
        place = await speaker.say(self.text(text))
        for listener in listeners:
            await self.heard(listener, place, speaker, text)
        self.teller.said(speaker.name, text)
        return place

    async def heard(self, listener: Person, place: int, speaker: Person, text: str) -> None:
        """Wait until somebody has read something that somebody else said."""
        await listener.until(place)
        newest = listener.room.said[-1]
        must(newest == (place, speaker.name, Text(text)), f"{listener.name} reads something else.")


async def refused(attempt: Awaitable[Any]) -> Refused:
    """Try what must not work, and return what the server says to it."""
    try:
        await attempt
    except Refused as refusal:
        return refusal
    raise Untrue("The server has done what it must refuse.")


def hexed(data: bytes, count: int = 8) -> str:
    """Return how some bytes begin."""
    return f"{data[:count].hex(' ', 2)} …"


# ---- The chapters ----


async def the_server(story: Story) -> Link:
    """A server is started on an empty folder."""
    house, teller = story.house, story.teller
    teller.heading("1. A server")
    await house.start()
    link = read_link(await house.line_with("/i/"))
    teller.true(f"alcove serve runs on an empty folder, at {house.url}.")
    teller.show(f"its key: {hexed(link.server, 16)}")
    teller.note(
        "Who has no invite stays out. Two pauses between changes of members are switched off, for"
        " the story has no time; all else is as the settings come."
    )
    return link


async def three_people(story: Story, link: Link) -> None:
    """Ada becomes the host, and invites two."""
    teller = story.teller
    teller.heading("2. Three people")
    ada = story.ada = story.newcomer("Ada", link)
    must((await ada.register(link.secret)).host, "Ada is not the host.")
    teller.true("Ada uses the link that the server printed, and is its host.")
    invited = await ada.ask(NewInvite(uses=2))
    invite = read_link(invited.link)
    story.bob, story.carol = story.newcomer("Bob", invite), story.newcomer("Carol", invite)
    for person in (story.bob, story.carol):
        registered = await person.register(invite.secret)
        must(registered.invited_by == ada.account, f"{person.name} was invited by somebody else.")
    teller.true("She makes an invite for two people. Bob and Carol come by it.")
    mallory = story.newcomer("Mallory", invite)
    refusal = await refused(mallory.register(invite.secret))
    must(refusal.code is Code.LINK_ENDED, "Mallory was refused for another reason.")
    await mallory.leave()
    teller.true(f"Mallory has found the same link. The server tells him: {refusal}")
    for person in story.people:
        teller.show(f"{person.name + ':':<7}identity {hexed(person.identity.public)}")


async def the_room(story: Story) -> None:
    """Ada makes a group of the three."""
    teller, ada = story.teller, story.ada
    teller.heading("3. A room")
    others = [story.bob, story.carol]
    packages = [await claim(ada, other) for other in others]
    teller.true(
        "Ada fetches a key package of Bob's device and one of Carol's. Each carries a certificate,"
        " signed by the identity that stands above."
    )
    room = Room(ada.device, create_group(ada.bundle(), os.urandom(16), ada.policy, os.urandom))
    founding = room.found(ada.account)
    routing = Routing(adds=tuple(other.member for other in others))
    before = entry_name(room.id, founding.header, founding.body)
    adding, welcome = room.commit([Add(package) for package in packages], routing, before)
    assert welcome is not None
    letter = Welcome(tuple(other.device for other in others), welcome)
    request = CreateRoom(room=room.id, kind="group", entries=(founding, adding), welcomes=(letter,))
    room.place(request.entries, await ada.ask(request))
    ada.room = room
    await ada.read()
    for other in others:
        await other.accept_welcome()
    tags = {person.room.group.epoch_authenticator for person in story.people}
    must(len(tags) == 1, "They are not in the same state.")
    suite = ALGORITHMS[SUITE.id]
    teller.true(
        f"She makes an MLS group and adds both with one commit of {len(adding.body):,} bytes. The"
        f" Welcome, {len(welcome):,} bytes, waits in their inboxes; they join. All three have the"
        f" same authenticator: {hexed(tags.pop())}"
    )
    teller.show(
        f"suite {SUITE.id:#06x}: {suite.kem}, {suite.aead}, {suite.hash}, {suite.signature}"
    )


async def claim(ada: Person, other: Person) -> KeyPackage:
    """Fetch a key package of somebody's device, and believe it only as far as it is signed."""
    claimed: Claimed = await ada.ask(Claim(account=other.account))
    (found,) = claimed.packages
    package = decode_key_package(found.package)
    check_lifetime(package.leaf, int(time.time()), longest=LIFETIME_S)
    statement = list_bytes(claimed.list.body)
    is_signed = verify(other.identity.public, statement, claimed.list.signature)
    must(is_signed, f"{other.name}'s devices were signed by somebody else.")
    says = encode(other.certificate)
    must(says in claimed.list.body, f"{other.name}'s list does not have this device.")
    must(package.leaf.credential.data == says, "The key package is of another device.")
    return package


async def talking(story: Story) -> None:
    """They talk, and each reads what the others say."""
    ada, bob, carol = story.people
    story.teller.heading("4. They talk")
    await story.speak(ada, "Can anybody but us three read this?", bob, carol)
    await story.speak(bob, "No. Carol's lake house, Friday at six.", ada, carol)
    await story.speak(carol, "The door code is 4711 again.", ada, bob)
    story.teller.true("Sealed by one device, stored, pushed to the others, and opened there.")


async def the_plug(story: Story) -> None:
    """The server is killed while Ada writes and Carol uploads, and nothing is lost."""
    teller, carol = story.teller, story.carol
    teller.heading("5. Somebody pulls the plug")
    await story.bob.leave()
    teller.true("Bob drives into a tunnel: he is away from here on.")
    key = os.urandom(KEY_BYTES)
    upload = await Upload.begin(carol, seal_file(RECIPES, key))
    requests, answers = await until_killed(story, upload)
    teller.true(
        f"Ada sends a list of {len(requests)} lines. After {len(answers)} answers her line goes"
        " deaf, and a moment later the server gets SIGKILL. Carol was uploading a sealed file:"
        f" {upload.half:,} of its {len(upload.blob):,} bytes had been answered for."
    )
    await mended(story, requests, answers)
    await upload.second()
    story.file = File(FILE_NAME, upload.name, key, len(RECIPES), digest(RECIPES))
    await carol.until(story.ada.room.position)
    await story.ada.until(await carol.say(story.file))
    teller.true("Carol's half is still there. She sends the other, and the key to the room.")


class Upload(NamedTuple):
    """A file that arrives in two halves."""

    person: Person
    name: str
    blob: bytes

    @classmethod
    async def begin(cls, person: Person, blob: bytes) -> Self:
        """Announce it."""
        return cls(person, await person.carrier.announce(len(blob)), blob)

    @property
    def half(self) -> int:
        """How much is sent at first."""
        return len(self.blob) // 2

    async def first(self) -> None:
        """Send the first half."""
        await self.person.carrier.send(self.name, 0, self.blob[: self.half])

    async def second(self) -> None:
        """Send the other half, if the first has stayed."""
        there = await self.person.carrier.there(self.name)
        must(there == self.half, "Bytes that had arrived are gone.")
        await self.person.carrier.send(self.name, there, self.blob[there:])


async def until_killed(story: Story, upload: Upload) -> tuple[list[Append], list[Appended]]:
    """Let Ada and Carol send, and kill the server; return Ada's requests, and what she heard."""
    ada, requests = story.ada, []
    for number, thing in enumerate(THINGS, start=1):
        text = story.text(f"Bring along, {number} of {len(THINGS)}: {thing}")
        entry = ada.room.seal(text, os.urandom(16))
        requests.append(ada.numbered(Append(room=ada.room.id, entries=(entry,))))
    heard = [await ada.line.send(request) for request in requests[:ANSWERED]]
    answers = await asyncio.gather(*heard)
    ada.line.deafen()
    for request in requests[ANSWERED:LATE]:
        await ada.line.send(request)
    await upload.first()
    for request in requests[LATE:]:
        await ada.line.send(request)
    await story.house.kill()
    return requests, answers


async def mended(story: Story, requests: list[Append], answers: list[Appended]) -> None:
    """Start the server again, and let Ada send everything once more with the same numbers."""
    teller, ada, carol = story.teller, story.ada, story.carol
    began = time.perf_counter()
    await story.house.start()
    teller.true(f"It is started again, and serves after {time.perf_counter() - began:.1f} seconds.")
    await ada.come_back()
    await carol.come_back()
    await carol.read()
    stored = await ada.read()
    places = [ada.room.where(request.entries[0]) for request in requests]
    answered = [answer.first for answer in answers]
    must(places[: len(answers)] == answered, "A line that was answered is gone, or elsewhere.")
    teller.true(f"All {len(answers)} are there, each once and at the place that she was told.")
    again = [await ada.line.ask(request) for request in requests]
    must(again[: len(answers)] == answers, "A repeated request was answered differently.")
    must(places[:stored] == [one.first for one in again[:stored]], "A line was stored twice.")
    for request, answer in zip(requests[stored:], again[stored:], strict=True):
        ada.room.place(request.entries, answer)
    teller.true(
        f"Ada cannot know which of the other {len(requests) - len(answers)} had arrived"
        f" ({stored - len(answers)} had). So she sends all {len(requests)} again, with their"
        " numbers: what was answered gets the same answer, and the log has every line once."
    )


async def bob_returns(story: Story) -> None:
    """Bob reads what he has missed."""
    teller, (ada, bob, carol) = story.teller, story.people
    teller.heading("6. Bob comes out of the tunnel")
    await bob.come_back()
    missed = await bob.read()
    listed: Rooms = await bob.ask(GetRooms())
    (room,) = listed.rooms
    here = (bob.room.position, bob.room.chain, bob.room.handshake)
    must(here == (room.head, room.chain, room.handshake), "Bob's log is not the server's.")
    await carol.until(bob.room.position)
    must(ada.room.said == bob.room.said == carol.room.said, "They have not read the same.")
    teller.true(
        f"He has missed {missed} entries. They come in order, each opens once, and the running hash"
        f" over all {room.head} is Ada's: {hexed(room.chain)}"
    )
    file = bob.room.said[-1].content
    assert isinstance(file, File)
    recipes = open_file(await bob.carrier.fetch(file.blob), file.key, file.size)
    must(digest(recipes) == file.hash == digest(RECIPES), "Bob's file is not Carol's.")
    teller.true(
        f'He fetches "{file.name}" and opens it: {len(recipes):,} bytes, SHA-256'
        f" {hexed(file.hash)}, as Carol said."
    )


async def carol_goes(story: Story) -> None:
    """Carol is removed: what was sealed before must not come after, and she gets nothing more."""
    teller, (ada, bob, carol) = story.teller, story.people
    teller.heading("7. Carol is removed")
    surprise, content_id = story.text("A surprise: we give Carol the canoe."), os.urandom(16)
    early = bob.room.seal(surprise, content_id)
    teller.true("Bob writes something that Carol must not read. It is sealed, and not sent yet.")
    routing = Routing(removes=(carol.member,))
    removal = Remove(ada.room.leaf_of(carol.name))
    commit, _ = ada.room.commit([removal], routing, ada.room.handshake)
    removed = await ada.append(Append(room=ada.room.id, entries=(commit,)))
    teller.true(f"Ada removes Carol: a commit of {len(commit.body):,} bytes, entry {removed}.")
    refusal = await refused(bob.append(Append(room=bob.room.id, entries=(early,))))
    must(refusal.code is Code.CLOSED, "Bob was refused for another reason.")
    teller.true(f"Now Bob's device sends. The server refuses: {refusal}")
    await bob.until(removed)
    later = bob.room.seal(surprise, content_id)
    place = await bob.append(Append(room=bob.room.id, entries=(later,)))
    await story.heard(ada, place, bob, surprise.text)
    teller.true("It seals the text again, with keys that Carol never had. Ada reads it:")
    teller.said("Bob", surprise.text)
    await nothing_more(story, later.body)


async def nothing_more(story: Story, body: bytes) -> None:
    """Check that somebody who was removed gets nothing, and could not open it."""
    teller, carol = story.teller, story.carol
    since = Position(carol.incarnation, carol.room.position)
    refusal = await refused(carol.ask(Read(room=carol.room.id, since=since)))
    must(refusal.code is Code.NOT_A_MEMBER, "Carol was refused for another reason.")
    listed: Rooms = await carol.ask(GetRooms())
    pushed = carol.line.pushed()
    must(listed.rooms == (), "Carol's device is still routed.")
    gone = RoomChanged(room=carol.room.id, state="gone")
    must(gone in pushed, "Carol was not told that she is out.")
    must(not any(isinstance(push, NewEntries) for push in pushed), "Carol still gets entries.")
    rule = broken_rule(carol, body)
    teller.true(
        f"Carol is told that she is out, and gets nothing more. When she asks: {refusal} Given the"
        f" sealed bytes by a friend, her keys do not open them ({rule})."
    )


def broken_rule(person: Person, body: bytes) -> str:
    """Return the rule by which somebody's keys do not open a message."""
    try:
        person.room.group.receive(body)
    except RuleBroken as broken:
        return broken.rule
    raise Untrue(f"{person.name} can open what was sealed for others.")
