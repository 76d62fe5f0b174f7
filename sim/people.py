"""Who lives in a world, and what they do there.

Everybody acts now and then on one of their devices, by the same functions that the product's own
shells call.  What somebody may do and when is drawn anew for each world: one with nothing but talk
finds other things than one in which everybody removes everybody.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from alcove.client import chats, receipts, trust
from alcove.client.account import open_request
from alcove.client.devices import revoke
from alcove.client.errors import ClientError
from alcove.client.events import Event, Mended, Warned
from alcove.client.rooms import acting, linking
from alcove.client.rooms.making import create
from alcove.wire.accounts import OpenedBox
from alcove.wire.content import Content, Delete, Edit, Poll, React, Target, Text, Vote
from sim.arrivals import Account, Arrival
from sim.devices import Device
from sim.faults import Faults
from sim.house import House
from sim.malice import Crook
from sim.network import Network
from sim.record import Kind, Record, Utterance
from sim.sealings import Sealings
from sim.world import CHAOS_MS, START_MS, World

NAMES: Final = ("ada", "bob", "cleo", "dora", "emil")
GADGETS: Final = ("phone", "laptop", "tablet")
PAUSE_MS: Final = (1_500, 3_000, 6_000)
"""How long a person waits between two doings, in the mean: drawn for each world."""
MARKS: Final = (b" says 0", b" means 0")
"""Each text that anybody says has one of these in it."""
DEVICES_MAX: Final = 7
ANSWERS: Final = ("yes", "no")
ADDRESS: Final = "https://alcove.example"
EMOJI: Final = ("👍", "🎉", "🙈")
ROOMS_MAX: Final = 4
"""More rooms than that cost time and find nothing."""
ROLL_CALL_MS: Final = 20_000
"""When everybody says something once more, after a server has lied."""
LOOK_MS: Final = 1_000
"""How soon an owner compares a number with somebody of whose devices there are two lists."""
TAKEN_BACK: Final = 0.5
"""How often it is taken back what somebody was given, where a role changes."""
LATELY: Final = 6
"""People react to what was said lately."""


class Person:
    """An account and its devices."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.devices: list[Device] = []
        self.read: dict[tuple[str, bytes], int] = {}
        """How far this person has surely read each room, by device and room."""

    @property
    def id(self) -> bytes:
        """The account's id."""
        return self.account.id


class People:
    """Everybody."""

    def __init__(
        self, world: World, faults: Faults, house: House, network: Network, sealings: Sealings
    ) -> None:
        self.world, self.faults, self.house, self.network = world, faults, house, network
        self.sealings = sealings
        self.record = Record()
        self.people: list[Person] = []
        self.done: dict[str, int] = {}
        """How often each thing was done."""
        self.refused: dict[str, int] = {}
        """How often the product said that something cannot be done, by its sentence."""
        self.warned: list[tuple[str, str, bytes]] = []
        """What devices have warned their owners of: (device, code, about)."""
        self.mended: dict[str, int] = {}
        """How often each thing went wrong in a room and was shown there, by its cause."""
        self.links: list[str] = []
        """Links that were handed on."""
        self.liars: list[str] = []
        """Who does harm in this world."""
        self.stuck: list[str] = []
        """Who was seen to know of more than it had read, for too long."""
        self._number = 0
        self._ranked: list[tuple[bytes, Person]] = []
        """Who was made owner or admin of a room."""
        self._moods = random.Random(f"{world.seed} moods")
        """Dice for what came later than most, so that the same seed is nearly the same world."""
        dice = world.dice
        self._pause_ms = dice.choice(PAUSE_MS)
        self._weights = {name: dice.choice(choices) for name, choices in DOINGS.items()}
        for name in NAMES[: dice.randint(2, 4)]:
            person = Person(Account(house, name))
            self.people.append(person)
            self.new_device(person)
        for person in self.people:
            world.later(world.wait_ms(self._pause_ms), self._act, person)
        if faults.has_lies:
            world.at(START_MS + CHAOS_MS + ROLL_CALL_MS, self._call_the_roll)
        if faults.has_harm:
            device = self.people[-1].devices[0]
            self.liars.append(device.name)
            Crook(world, faults, device)

    @property
    def devices(self) -> list[Device]:
        """All devices of all."""
        return [device for person in self.people for device in person.devices]

    def new_device(self, person: Person) -> None:
        """Give somebody a device that comes in by itself."""
        name = f"{person.account.name}'s {GADGETS[len(person.devices)]}"
        device = Device(self.world, self.faults, self.house, self.network, self.sealings, name)
        Arrival(person.account, device, is_first=not person.devices)
        person.devices.append(device)
        device.hear = lambda event: self._hear(device, event)
        device.boot()

    def _hear(self, device: Device, event: Event) -> None:
        """Write down what a device tells its owner, where that is more than news."""
        if isinstance(event, Warned):
            self.warned.append((device.name, event.code, event.about))
            device.tell(f"warns: {event.code} ({self.world.name(event.about)})")
            if event.code == "keys-forked" and self.faults.counts["server is restored"]:
                self.world.later(LOOK_MS, self._look, device, event.about)
        elif isinstance(event, Mended):
            self.mended[event.cause] = self.mended.get(event.cause, 0) + 1
            if event.cause.startswith("lost"):
                self.faults.count("devices were lost")
            elif event.cause == "found":
                self.faults.count("devices were found")
            device.tell(f"mends: {event.cause} at {event.seq} in {self.world.name(event.room)}")

    def _look(self, device: Device, account: bytes) -> None:
        """Have an owner go on with somebody whose newest list a restored server has lost."""
        if not device.is_free:
            self.world.later(LOOK_MS, self._look, device, account)
        elif device.disk.one("SELECT 1 FROM me WHERE account = ?", account) is None:
            pin = trust.pin_of(device.disk, account)
            assert pin is not None, "it was told of their keys"
            self.ask(device, trust.seen, account, pin.identity)

    def _call_the_roll(self) -> None:
        """Everybody says something in each room: then all can know what the others have read."""
        for person in self.people:
            for device in person.devices:
                for room in self._rooms(device) if device.is_free else ():
                    text = self._next_text(person.account.name, "says")
                    self._say(person, device, room, "text", Text(text), text)

    # ---- Doing something ----

    def _act(self, person: Person) -> None:
        if self.world.is_calm:
            return
        self.world.later(1 + self.world.wait_ms(self._pause_ms), self._act, person)
        device = self.world.dice.choice(person.devices)
        if not device.is_free or not device.is_in:
            return
        names = list(self._weights)
        (name,) = self.world.dice.choices(names, [self._weights[name] for name in names])
        doing: Callable[[Person, Device], bool] = getattr(self, f"do_{name}")
        if doing(person, device):
            self.done[name] = self.done.get(name, 0) + 1

    def ask(self, device: Device, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Have a device do something; None when it could not."""
        try:
            return device.do(step, *args, **kwargs)
        except ClientError as error:
            why = str(error)
            self.refused[why] = self.refused.get(why, 0) + 1
            device.tell(f"cannot: {why}")
            return None

    def _rooms(self, device: Device, state: str = "active") -> list[bytes]:
        return [
            room
            for (room,) in device.disk.all(
                "SELECT room FROM room WHERE state = ? ORDER BY room", state
            )
        ]

    def _room(self, device: Device) -> bytes | None:
        rooms = self._rooms(device) or self._rooms(device, "making")
        return self.world.dice.choice(rooms) if rooms else None

    def _others(self, person: Person) -> list[Person]:
        return [one for one in self.people if one is not person and one.id]

    # ---- Talking ----

    def _say(
        self,
        person: Person,
        device: Device,
        room: bytes,
        kind: Kind,
        content: Content,
        text: str,
        target: Utterance | None = None,
        *,
        is_on: bool = True,
    ) -> bool:
        before = device.disk.one("SELECT MAX(number) FROM outbox") or (None,)
        number = self.ask(device, acting.say, room, content)
        line = device.disk.one(
            "SELECT content FROM outbox WHERE room = ? AND number > ? ORDER BY number DESC",
            room, before[0] or 0,
        )  # fmt: skip
        if line is None:
            return False
        me = device.id
        said = Utterance(
            self._number, room, person.id, me, line[0], kind, text, target, number is not None,
            is_on,
        )  # fmt: skip
        self.record.add(said)
        device.tell(f"{kind}s in {self.world.name(room)}: {text}")
        return True

    def _next_text(self, who: str, does: str) -> str:
        self._number += 1
        return f"{who} {does} {self._number:05}"

    def do_say(self, person: Person, device: Device) -> bool:
        """Say something in a room."""
        room = self._room(device)
        if room is None:
            return False
        text = self._next_text(person.account.name, "says")
        return self._say(person, device, room, "text", Text(text), text)

    def _said_lately(self, room: bytes, account: bytes | None = None) -> Utterance | None:
        texts = [
            one
            for one in self.record.said
            if one.room == room and one.kind == "text" and account in (None, one.account)
        ]
        return self.world.dice.choice(texts[-LATELY:]) if texts else None

    def do_edit(self, person: Person, device: Device) -> bool:
        """Say something of one's own in other words."""
        room = self._room(device)
        target = self._said_lately(room, person.id) if room else None
        if room is None or target is None:
            return False
        text = self._next_text(person.account.name, "means")
        return self._say(person, device, room, "edit", Edit(target.content, text), text, target)

    def do_delete(self, person: Person, device: Device) -> bool:
        """Take back something of one's own."""
        room = self._room(device)
        target = self._said_lately(room, person.id) if room else None
        if room is None or target is None:
            return False
        content = Delete(Target(target.account, target.content))
        return self._say(person, device, room, "delete", content, target.text, target)

    def do_react(self, person: Person, device: Device) -> bool:
        """Put an emoji under something, or take it back."""
        room = self._room(device)
        target = self._said_lately(room) if room else None
        if room is None or target is None:
            return False
        emoji, is_on = self.world.dice.choice(EMOJI), self.world.chance(0.7)
        content = React(Target(target.account, target.content), emoji, is_on)
        return self._say(person, device, room, "react", content, emoji, target, is_on=is_on)

    def do_poll(self, person: Person, device: Device) -> bool:
        """Ask everybody in a room."""
        room = self._room(device)
        if room is None:
            return False
        text = self._next_text(person.account.name, "says")
        return self._say(person, device, room, "poll", Poll(text, ANSWERS), text)

    def do_vote(self, person: Person, device: Device) -> bool:
        """Answer what was asked, or take the answer back."""
        room = self._room(device)
        polls = [one for one in self.record.said if one.room == room and one.kind == "poll"]
        if room is None or not polls:
            return False
        poll = self.world.dice.choice(polls[-LATELY:])
        chosen = self.world.dice.choice(((0,), (1,), ()))
        content = Vote(Target(poll.account, poll.content), chosen)
        return self._say(person, device, room, "vote", content, str(chosen), poll)

    # ---- Rooms ----

    def do_create_group(self, person: Person, device: Device) -> bool:
        """Make a group with some of the others."""
        others = self._others(person)
        if not others:
            return False
        some = self.world.dice.sample(others, self.world.dice.randint(1, len(others)))
        history = self.world.dice.choice(("open", "open", "closed", "none"))
        accounts = tuple(one.id for one in some)
        return self._create(device, "group", accounts, history)

    def do_create_direct(self, person: Person, device: Device) -> bool:
        """Make a direct room."""
        others = self._others(person)
        if not others:
            return False
        partner = self.world.dice.choice(others)
        return self._create(device, "direct", (partner.id,), "open")

    def _create(self, device: Device, kind: str, accounts: tuple[bytes, ...], history: str) -> bool:
        if len(self.record.rooms) >= ROOMS_MAX:
            return False
        room = self.ask(device, create, kind, accounts, history=history)
        if room is None:
            return False
        if room not in self.record.rooms:
            self.record.rooms.append(room)
            self.world.call(room, f"{kind} {len(self.record.rooms)}")
        names = ", ".join(self.world.name(one) for one in accounts)
        device.tell(f"makes {self.world.name(room)} with {names}, history {history}")
        return True

    def _group(self, device: Device) -> bytes | None:
        rooms = [
            room
            for (room,) in device.disk.all(
                "SELECT room FROM room WHERE state = 'active' AND kind = 'group' ORDER BY room"
            )
        ]
        return self.world.dice.choice(rooms) if rooms else None

    def _with_somebody(
        self, person: Person, device: Device, does: str, step: Callable[..., Any], *more: Any
    ) -> bool:
        room, others = self._group(device), self._others(person)
        if room is None or not others:
            return False
        self._with(self.world.dice.choice(others), device, room, does, step, *more)
        return True

    def _with(
        self, about: Person, device: Device, room: bytes, does: str, step: Callable[..., Any],
        *more: Any,
    ) -> None:  # fmt: skip
        what = " ".join((does, about.account.name, *map(str, more)))
        device.tell(f"{what} in {self.world.name(room)}")
        self.ask(device, step, room, about.id, *more)

    def do_add(self, person: Person, device: Device) -> bool:
        """Bring somebody into a group."""
        return self._with_somebody(person, device, "adds", acting.invite)

    def do_remove(self, person: Person, device: Device) -> bool:
        """Remove somebody from a group."""
        return self._with_somebody(person, device, "removes", acting.remove)

    def do_role(self, person: Person, device: Device) -> bool:
        """Give somebody another role, or take back what somebody was given."""
        role = self.world.dice.choice(("owner", "admin", "member"))
        if self._ranked and self._moods.random() < TAKEN_BACK:
            where, whom = self._moods.choice(self._ranked)
            if where in self._rooms(device) and whom is not person:
                self._with(whom, device, where, "makes", acting.set_role, "member")
                return True
        room, others = self._group(device), self._others(person)
        if room is None or not others:
            return False
        about = self.world.dice.choice(others)
        self._with(about, device, room, "makes", acting.set_role, role)
        if role != "member":
            self._ranked.append((room, about))
        return True

    def do_settings(self, _person: Person, device: Device) -> bool:
        """Change what a group allows."""
        room = self._group(device)
        if room is None:
            return False
        name = self.world.dice.choice(("may_invite", "may_post", "may_pin", "history"))
        choices = ("open", "closed", "none") if name == "history" else ("everyone", "admins")
        wanted = {name: self.world.dice.choice(choices)}
        if wanted.get("may_post") == "admins":
            self.record.restricted[room] = None
        device.tell(f"sets {wanted} in {self.world.name(room)}")
        self.ask(device, acting.change_settings, room, **wanted)
        return True

    def do_leave(self, _person: Person, device: Device) -> bool:
        """Leave a group; its only owner is told to name another one first."""
        room = self._group(device)
        if room is None:
            return False
        device.tell(f"leaves {self.world.name(room)}")
        self.ask(device, acting.leave, room)
        return True

    def do_link(self, _person: Person, device: Device) -> bool:
        """Make a link into a group."""
        room = self._group(device)
        text = room and self.ask(device, linking.make_link, room, ADDRESS)
        if not room or not text:
            return False
        self.links.append(text)
        device.tell(f"makes a link into {self.world.name(room)}")
        return True

    def do_join(self, _person: Person, device: Device) -> bool:
        """Join a group by a link."""
        if not self.links:
            return False
        room = self.ask(device, linking.join_by_link, self.world.dice.choice(self.links))
        device.tell(f"goes by a link into {self.world.name(room)}")
        return True

    def do_answer(self, _person: Person, device: Device) -> bool:
        """Accept requests to chat, or sometimes decline one."""
        waiting = chats.asks(device.disk)
        if not waiting:
            return False
        answer = chats.accept if self.world.chance(0.8) else chats.decline
        device.tell(f"{answer.__name__}s {self.world.name(waiting[0].room)}")
        self.ask(device, answer, waiting[0].room)
        return True

    def do_read(self, person: Person, device: Device) -> bool:
        """Read a room, up to somewhere."""
        room = self._room(device)
        line = device.disk.one("SELECT seq, state FROM room WHERE room = ?", room)
        if room is None or line is None or line[1] != "active":
            return False
        seq = self.world.dice.randint(0, line[0])
        life = device.life
        self.ask(device, receipts.read, room, seq)
        if device.life == life:  # Who was killed meanwhile may have read it or not.
            key = (device.name, room)
            person.read[key] = max(person.read.get(key, 0), seq)
        return True

    # ---- Devices ----

    def do_new_device(self, person: Person, _device: Device) -> bool:
        """Get another device."""
        if len(person.devices) == len(GADGETS) or len(self.devices) >= DEVICES_MAX:
            return False
        self.new_device(person)
        return True

    def do_revoke(self, person: Person, device: Device) -> bool:
        """Take another device of one's own off the list."""
        others = [one for one in person.devices if one is not device and one.is_in]
        if not others or device.line is None:
            return False
        other, account = self.world.dice.choice(others), person.account
        life = device.life

        def opened(answer: Any) -> None:
            if isinstance(answer, OpenedBox) and device.life == life:
                device.tell(f"revokes {other.name}")
                self.record.revoked[other.id] = None
                self.ask(device, revoke, answer, account.opener, account.locks, other.id)

        device.call(open_request(account.name, account.opener), opened)
        return True


DOINGS: Final[dict[str, tuple[int, ...]]] = {
    "say": (10, 20, 40),
    "edit": (0, 2),
    "delete": (0, 1),
    "react": (0, 3),
    "create_group": (1, 2),
    "create_direct": (0, 1),
    "add": (0, 2, 6),
    "remove": (0, 1, 4),
    "role": (0, 1, 3),
    "settings": (0, 0, 2),
    "leave": (0, 0, 1),
    "link": (0, 0, 1),
    "join": (0, 1),
    "answer": (4,),
    "read": (0, 2, 5),
    "poll": (0, 0, 2),
    "vote": (0, 3),
    "new_device": (0, 1, 2),
    "revoke": (0, 0, 1),
}
"""How often each thing is done, for each world one of these: `do_` and the name is who does it."""
