"""The story: three people, a server, and what can go wrong between them.

Nothing below is staged.  Every line is told after it has happened and was checked; when a check
fails, the story ends there and the command fails.
"""

import asyncio
import time
from collections.abc import Awaitable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alcove.cli.demo.house import House
from alcove.cli.demo.people import PASSPHRASE, Person, RefusalError
from alcove.cli.demo.telling import Teller, Untrue, must
from alcove.cli.demo.wire import Recorder
from alcove.wire.codec import decode_header
from alcove.wire.entries import MessageHeader

THINGS: Final = (
    "the big tent", "four sleeping bags", "a lamp and its batteries", "matches, kept dry",
    "the blue pan", "two sharp knives", "a rope of ten metres", "plasters and a bandage",
    "the map with the red cover", "lemons for the fish", "salt, really this time",
    "coffee for five mornings", "a book about birds", "the guitar", "a spare string for it",
    "rain coats for everybody", "dry socks, two pairs each", "the small axe", "soap",
    "the key of the boat house", "money for the ferry", "the warden's telephone number",
    "a cake for Friday", "nothing else, or the car will not start",
)  # fmt: skip
KEPT: Final = 1
"""The number of kept messages among the forms of entries in the server's database."""
BEFORE: Final = 12
"""So many of them the server has answered when it is killed."""
PASSWORDS: Final = {
    "Ada": "violin harbour ten maple cloud",
    "Bob": "lantern gravel otter mango frost",
    "Carol": "thimble canyon velvet seven plum",
}
ROOM_NAME: Final = "The lake house in October"
ROOM_TOPIC: Final = "who brings what, and who drives"
MAY_I: Final = "Bob, it is Ada from the choir. May I write to you here?"
YOU_MAY: Final = "Ada! Of course. Is Carol coming too?"
QUESTION: Final = "Can anybody but us three read this?"
EMOJI: Final = "👍"
LATE_TEXT: Final = "Hello? Is the server asleep, or am I?"
FILE_NAME: Final = "family recipes.txt"
FILE_TEXT: Final = "What we cook at the lake, all of it:"
RECIPES: Final = "".join(
    f"Recipe {number}: {number * 37 % 900 + 100} g of rice, {number % 7 + 2} lemons, and patience"
    f" for {number * 11 % 90 + 10} minutes.\n"
    for number in range(700)
).encode()
DOWNLOADS: Final = "downloads"
"""What people have taken out of their encrypted stores."""
TO_ALL: Final = "To all who sing: rehearsal is at seven on Thursday."
SURPRISE: Final = "A surprise: we give Carol the canoe."


class Story:
    """Who is in it, and what they have said so far."""

    ada: Person
    bob: Person
    carol: Person
    laptop: Person
    address: str
    """Where people find the server: the recorder's port."""
    direct: str
    room: str
    commons: str
    """The rooms, by their ids."""
    names: str
    """The names in the server's database."""

    def __init__(self, house: House, wire: Recorder, teller: Teller, folder: Path) -> None:
        self.house, self.wire, self.teller, self.folder = house, wire, teller, folder
        self.spoken: list[str] = []
        self.everyone: list[Person] = []

    @property
    def people(self) -> list[Person]:
        """The three, also who has left."""
        return [self.ada, self.bob, self.carol]

    def newcomer(self, name: str, device: str = "") -> Person:
        """Return somebody at a device that is new."""
        person = Person(name, self.folder / f"{name.lower()}{device}", PASSWORDS[name])
        person.secrets += [PASSWORDS[name].encode(), PASSPHRASE.encode()]
        self.everyone.append(person)
        return person

    async def speak(self, room: str, speaker: Person, text: str, *listeners: Person) -> None:
        """Let somebody say something, and others read it as it comes."""
        self.spoken.append(text)
        await speaker.do("say", room=room, text=text)
        await asyncio.gather(*(self.heard(room, one, speaker, text) for one in listeners))
        self.teller.said(speaker.name, text)

    async def heard(self, room: str, listener: Person, speaker: Person, text: str) -> None:
        """Wait until somebody has read something that somebody else said."""
        author = await listener.do("hears", room=room, text=text)
        must(author == speaker.name.lower(), f"{listener.name} reads it under another name.")

    async def same(self, room: str, *readers: Person) -> list[Any]:
        """Return what was said in a room, if all of these have read the same."""
        first, *others = [await reader.do("lines", room=room) for reader in readers]
        must(all(one == first for one in others), "They have not read the same.")
        return list(first)

    async def end(self) -> None:
        """Leave no process behind."""
        for person in self.everyone:
            await person.kill()


async def refused(attempt: Awaitable[Any]) -> RefusalError:
    """Try what must not work, and return what is said to it."""
    try:
        await attempt
    except RefusalError as refusal:
        return refusal
    raise Untrue("The server has done what it must refuse.")


def hexed(data: bytes, count: int = 8) -> str:
    """Return how some bytes begin."""
    return f"{data[:count].hex(' ', 2)} …"


def told(refusal: RefusalError) -> str:
    """Return what somebody was told who was refused."""
    return str(refusal).partition(": ")[2]


# ---- The chapters ----


async def the_server(story: Story) -> str:
    """A server is started on an empty folder, with a recorder in front of it."""
    house, teller = story.house, story.teller
    teller.heading("1. A server")
    story.address = await story.wire.start()
    (story.folder / DOWNLOADS).mkdir()
    people = [story.newcomer(name) for name in PASSWORDS]
    story.ada, story.bob, story.carol = people
    await asyncio.gather(*(person.wake() for person in people))  # They start while it does.
    await house.start(story.address)
    story.wire.server_port = house.port
    link = await house.line_with("/i/")
    teller.true(f"alcove serve runs on an empty folder, as process {house.number}.")
    teller.note(
        f"People find it at {story.address}: there a recorder writes down every byte that goes to"
        " the server or comes from it, without TLS around it. Who has no invite stays out. Pauses"
        " between changes of members are switched off, for the story has no time."
    )
    return link


async def three_people(story: Story, link: str) -> None:
    """Ada becomes the host, and invites two."""
    teller = story.teller
    teller.heading("2. Three people, each in a process of their own")
    await story.ada.register(link)
    teller.true(f"Ada (process {story.ada.number}) uses the link that the server printed.")
    invite = await story.ada.do("invite", uses=2)
    await asyncio.gather(story.bob.register(invite), story.carol.register(invite))
    teller.true(
        f"She makes a link for two. Bob ({story.bob.number}) and Carol ({story.carol.number}) come"
        " by it."
    )


async def asking(story: Story) -> None:
    """Ada asks Bob whether she may write to him."""
    teller, ada, bob = story.teller, story.ada, story.bob
    teller.heading("3. May I?")
    story.direct = await ada.do("direct", name="@bob")
    story.spoken += [MAY_I]
    await ada.do("say", room=story.direct, text=MAY_I)
    who = await bob.do("asked")
    must(who == ["ada"], "Somebody else asks.")
    must(await bob.do("lines", room=story.direct) == [], "Bob sees what a stranger says.")
    teller.true("Ada writes to Bob. He sees that she asks, and nothing of what she says.")
    await bob.do("accept")
    await story.heard(story.direct, bob, ada, MAY_I)
    teller.true("He accepts, and her message is there.")
    teller.said("Ada", MAY_I)
    await story.speak(story.direct, bob, YOU_MAY, ada)
    numbers = {
        await ada.do("safety_number", name="@bob"),
        await bob.do("safety_number", name="@ada"),
    }
    must(len(numbers) == 1, "Their safety numbers differ.")
    teller.true("On both screens stands the same safety number:")
    teller.show(spaced(numbers.pop()))


def spaced(digits: str) -> str:
    """Return a safety number as people read it out."""
    bare = "".join(digits.split())
    return " ".join(bare[at : at + 5] for at in range(0, len(bare), 5))


async def the_room(story: Story) -> None:
    """Ada makes a group of the three, and they talk."""
    teller, ada, bob, carol = story.teller, *story.people
    teller.heading("4. A room")
    story.room = await ada.do("group", name=ROOM_NAME, topic=ROOM_TOPIC, members=["bob", "carol"])
    story.spoken += [ROOM_NAME, ROOM_TOPIC]
    must(await carol.do("asked") == ["ada"], "Carol is not asked.")
    await carol.do("accept")
    for person in story.people:
        await person.do("is_in", room=story.room, people=3, title=ROOM_NAME)
    teller.true(
        f"Ada makes “{ROOM_NAME}” with Bob and Carol. Carol does not know her yet: she is asked,"
        " and accepts. All three see the room's name, which the server does not know."
    )
    await story.speak(story.room, ada, QUESTION, bob, carol)
    await story.speak(story.room, bob, "No. Carol's lake house, Friday at six.", ada, carol)
    await story.speak(story.room, carol, "The door code is 4711 again.", ada, bob)
    await bob.do("react", room=story.room, text="The door code", emoji=EMOJI)
    for person in (ada, carol):
        under = await person.do("reactions", room=story.room, text="The door code")
        must(under == [f"{EMOJI} bob"], "Bob's emoji is not there.")
    teller.show(f"       {EMOJI} Bob")
    teller.true("Sealed by one device, stored, pushed to the others, and opened there.")


async def carol_goes(story: Story) -> None:
    """Carol is removed: she gets nothing more, and could not open it."""
    teller, (ada, bob, carol) = story.teller, story.people
    teller.heading("5. Carol is removed")
    await carol.tell_secrets()
    await ada.do("remove", room=story.room, name="carol")
    await carol.do("is_out", room=story.room)
    await bob.do("is_in", room=story.room, people=2)
    teller.true("Ada takes Carol out of the room; Carol is told.")
    await story.speak(story.room, bob, SURPRISE, ada)
    lines = await carol.do("lines", room=story.room)
    must(lines, "What Carol had read is gone.")
    must(all(text != SURPRISE for _, text in lines), "Carol reads what was said after.")
    refusal = await refused(carol.do("read_on", room=story.room))
    must(refusal.code == "not_a_member", "Carol was refused for another reason.")
    teller.true(
        f"Carol keeps the {len(lines)} messages that she had, and gets nothing more. When her"
        f" program asks for it, the server says: {told(refusal)}"
    )
    named = newest_key(story)
    for person, must_have in ((ada, True), (bob, True), (carol, False)):
        keys = await person.do("keys_of", room=story.room)
        must((named in keys) == must_have, f"{person.name} has other keys than they should.")
    count = len(await carol.do("keys_of", room=story.room))
    teller.true(
        "And if a friend gave her the sealed bytes? They were sealed with a key that Ada and Bob"
        f" have, and that is not among the {count} of her device."
    )


def newest_key(story: Story) -> str:
    """Return the name of the key under which the newest message of the room is sealed."""
    ((raw,),) = story.house.ask(
        """
        SELECT header FROM entry WHERE form = ? AND room = (SELECT number FROM room WHERE room = ?)
        ORDER BY seq DESC LIMIT 1
        """,
        KEPT,
        bytes.fromhex(story.room),
    )
    header = decode_header(raw)
    assert isinstance(header, MessageHeader)
    assert header.key is not None
    return header.key.hex()


async def everyone(story: Story) -> None:
    """The host speaks to all who are on the server."""
    teller, ada, bob, carol = story.teller, *story.people
    teller.heading("6. To everyone")
    story.commons = await ada.do("make_commons")
    await asyncio.gather(bob.do("join_commons"), carol.do("join_commons"))
    teller.true(
        "Ada, the host, makes the commons: a room that everybody on this server may come to. Bob"
        " and Carol do."
    )
    await story.speak(story.commons, ada, TO_ALL, bob, carol)
    teller.true(
        "Both have it, Carol too: out of one room is not out of all. It is sealed as everything is;"
        " but whoever can come in can read it, the host of the server included."
    )


def things() -> list[str]:
    """Return what Ada writes when the plug is pulled, line by line."""
    return [
        f"Bring along, {number} of {len(THINGS)}: {thing}"
        for number, thing in enumerate(THINGS, start=1)
    ]


async def the_plug(story: Story) -> None:
    """The server is killed while Ada writes, and nothing is lost."""
    teller, ada, bob, _ = story.teller, *story.people
    teller.heading("7. Somebody pulls the plug")
    await bob.kill()
    teller.true("Bob's battery is empty: his process gets SIGKILL in the middle of everything.")
    path = story.folder / FILE_NAME
    path.write_bytes(RECIPES)
    texts = things()
    story.spoken += [*texts, LATE_TEXT, FILE_TEXT]
    await ada.do("say_all", room=story.room, texts=texts[:BEFORE])
    await ada.do("settled")
    await ada.do("send_file", room=story.room, path=str(path), text=FILE_TEXT)
    await ada.do("say_all", room=story.room, texts=texts[BEFORE:])
    await story.house.kill()
    states = await ada.do("states", room=story.room)
    waiting = states.count("waiting")
    must(states.count("failed") == 0, "Something that Ada said was given up.")
    teller.true(
        f"Ada sends a list of {len(texts)} lines. The server has answered for {BEFORE} of them and"
        f" more are on their way when it gets SIGKILL: for {waiting} she has no answer. She was"
        f" just sending “{FILE_NAME}”, too."
    )
    await ada.do("say_all", room=story.room, texts=[LATE_TEXT])
    teller.true("She goes on writing without a server. What she says is stored, and waits.")
    teller.said("Ada", LATE_TEXT)
    began = time.perf_counter()
    await story.house.start(story.address)
    await ada.do("settled")
    took_s = time.perf_counter() - began
    teller.true(
        f"It is started again. {took_s:.1f} seconds later it has all, the file too: Ada did not"
        " have to do anything."
    )


async def bob_returns(story: Story) -> None:
    """Bob reads what he has missed."""
    teller, (ada, bob, _) = story.teller, story.people
    teller.heading("8. Bob finds a socket")
    await bob.come_back()
    await bob.do("hears", room=story.room, text=FILE_TEXT)
    await bob.do("caught_up")
    lines = [text for _, text in await story.same(story.room, ada, bob)]
    wanted = [*things(), LATE_TEXT]
    there = [text for text in lines if text in wanted]
    must(there == wanted, "A line is missing, came twice, or stands elsewhere.")
    here = await bob.do("log", room=story.room)
    must(here == await ada.do("log", room=story.room), "Bob's log is not Ada's.")
    seq, chain = here
    teller.true(
        f"His process starts again on what it had on the disk, and reads what it has missed: all"
        f" {len(wanted)} lines, each once, in the order of the writing. The running hash over all"
        f" {seq} entries is Ada's: {hexed(bytes.fromhex(chain))}"
    )
    path = await bob.do(
        "save_file", room=story.room, text=FILE_TEXT, folder=str(story.folder / DOWNLOADS)
    )
    saved = await asyncio.to_thread(Path(path).read_bytes)
    must(Path(path).name == FILE_NAME and saved == RECIPES, "Bob's file is not Ada's.")
    teller.true(
        f"He fetches “{FILE_NAME}” and opens it: {len(saved):,} bytes, SHA-256"
        f" {hexed(sha256(saved).digest())}, as it was on Ada's disk."
    )


async def another_device(story: Story) -> None:
    """Bob signs in at a laptop while nobody else is online, and reads everything."""
    teller, (ada, bob, _) = story.teller, story.people
    teller.heading("9. Bob's new laptop")
    both = [await story.same(room, ada, bob) for room in (story.direct, story.room)]
    await asyncio.gather(ada.do("is_archived"), bob.do("is_archived"))
    await asyncio.gather(*(person.tell_secrets() for person in story.people))
    await asyncio.gather(*(person.kill() for person in story.people))
    teller.true("Everybody goes home: not one process of theirs is left, only the server's.")
    laptop = story.laptop = story.newcomer("Bob", "-laptop")
    await laptop.wake()
    began = time.perf_counter()
    await laptop.sign_in(story.address)
    for room, lines in zip((story.direct, story.room), both, strict=True):
        await laptop.do("hears", room=room, text=lines[0][1])
    await laptop.do("caught_up")
    for room, lines in zip((story.direct, story.room), both, strict=True):
        must(await laptop.do("lines", room=room) == lines, "The laptop reads something else.")
    took_s = time.perf_counter() - began
    await laptop.tell_secrets()
    teller.true(
        f"With his password, and nobody there to ask, he reads all {sum(map(len, both))} messages"
        f" of both rooms, {took_s:.1f} seconds after he has typed it."
    )
