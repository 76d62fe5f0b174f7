"""The client's side of a connection, against the server's own side of it, in memory."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.client.keys.suite import SUITE
from alcove.client.lanes import (
    CHANGES_MAX,
    IN_FLIGHT_BYTES_MAX,
    READS_MAX,
    SILENT_MS,
    UNANSWERED_MS,
)
from alcove.client.link import (
    DISABLED_MS,
    FRAME_BYTES_MAX,
    OWN_FROM,
    RETRY_AFTER_MAX_MS,
    RETRY_MAX_MS,
    RETRY_MIN_MS,
    STABLE_MS,
    Link,
    State,
)
from alcove.client.link_events import (
    WRONG_KEY,
    Connect,
    Entered,
    Event,
    Greeted,
    Hangup,
    Heard,
    sentence,
)
from alcove.client.replies import KEPT, PASSING, READS, REPLIES, UNSIGNED
from alcove.server.door import Door
from alcove.server.effects import Arrived
from alcove.server.handlers import TABLE
from alcove.server.session import Session
from alcove.wire import REQUESTS
from alcove.wire.accounts import GetProfile, GetSalt, PutProfile, Register, Registered, Salt
from alcove.wire.base import Done, Request
from alcove.wire.chats import GetAsks
from alcove.wire.codec import decode_requests, encode, encode_frame
from alcove.wire.directory import Find, SetVisibility, Signal
from alcove.wire.entries import Append, NewEntry, Nudge
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import Announcement, Goodbye, Hello, SignedIn, SignIn
from alcove.wire.rooms import GetRooms, Rooms
from tests.server.house import House
from tests.server.people import Someone

ROOM = bytes(16)


class Street:
    """A server and one link, and a line between them that the test holds."""

    def __init__(self, folder: Path, *, pinned: bool = True, **settings: Any) -> None:
        self.house = House(folder, registration="open", **settings)
        world = self.house.world
        self.door = Door(self.house.settings, world.keys, world.incarnation, "alcove test")
        self.ada = Someone(self.house, "ada")
        self.key = SUITE.signing_key(self.ada.phone.key._private.private_bytes_raw())
        self.now = self.house.now
        self.link = Link(
            random.Random(7).randbytes, "test 1", world.keys.public if pinned else None
        )
        self.session: Session | None = None
        self.sent: list[list[Request]] = []
        """What the link sent, frame by frame."""

    def sign_in(self) -> None:
        self.link.sign_in(self.ada.phone.id, self.key, self.now)

    def events(self) -> list[Any]:
        """Do what the link wants done with its connection, and return what it says."""
        events: list[Event] = []
        while new := self.link.events():
            events += new
            for event in new:
                if isinstance(event, Connect):
                    self.session = Session(
                        self.door, "203.0.113.7", self.house.random(32), self.now
                    )
                    self.link.opened(self.now)
                elif isinstance(event, Hangup):
                    self.session = None
                    self.link.closed(self.now)
        return events

    def news(self) -> list[Any]:
        """Return what the link says, and do nothing of it."""
        return [*self.link.events()]

    def talk(self) -> list[Any]:
        """Carry everything there and back until nobody says anything more."""
        events = self.events()
        while self.session is not None and (frames := self.link.requests(self.now)):
            for frame in frames:
                self.sent.append(decode_requests(frame))
                self.session.receive(frame, self.now)
            self.work(self.session)
            self.say(self.session)
            events += self.events()
        return events

    def work(self, session: Session) -> None:
        """Carry out what was asked."""
        for job in session.events():
            reply = self.house.ask(job.caller, job.request)
            for effect in self.house.told:
                if isinstance(effect, Arrived):
                    session.sign_in(effect)
            session.answer(encode(reply), reads=not TABLE[type(job.request)].writes)

    def say(self, session: Session) -> None:
        """Let the server say what waits, and then close the line if it wants to."""
        while frame := session.requests():
            self.link.receive(frame, self.now)
        if session.goodbye is not None and self.session is session:
            self.session = None
            self.link.closed(self.now)

    def tell(self, *messages: Any) -> list[Any]:
        """Let the link hear something from whoever sits at the other end."""
        self.link.receive(encode_frame(messages), self.now)
        return self.events()

    def enter(self) -> "Street":
        """Register, sign in, and forget what was said."""
        self.ada.come()
        self.link.connect(self.now)
        self.sign_in()
        assert isinstance(self.talk()[-1], Entered)
        self.sent.clear()
        return self

    def numbered(self, request: Request) -> Request:
        """Return a request as an engine would send it."""
        return msgspec.structs.replace(request, id=self.house.next_id())

    def unanswered(self, *requests: Request) -> list[list[Request]]:
        """Send requests to a server that answers nothing; return the frames."""
        for request in requests:
            self.link.send(request)
        return [decode_requests(frame) for frame in self.link.requests(self.now)]


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


@pytest.fixture
def home(street: Street) -> Street:
    return street.enter()


def rooms(number: int) -> Rooms:
    return Rooms(id=number, rooms=(), next=None, incarnation=1)


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


# ---- What the client must know of the server ----


def test_the_client_knows_every_request_and_what_answers_it() -> None:
    assert set(REPLIES) == set(REQUESTS)
    assert len(REPLIES) == len(READS) + len(PASSING) + len(KEPT)
    for kind, handler in TABLE.items():
        assert REPLIES[kind] is handler.function.__annotations__["return"], kind


def test_the_client_knows_what_only_reads_what_is_kept_and_what_anyone_may_ask() -> None:
    assert set(READS) == {kind for kind, handler in TABLE.items() if not handler.writes}
    kept = {kind for kind, handler in TABLE.items() if handler.writes and handler.is_remembered}
    assert set(KEPT) == kept
    anyone = {kind for kind, handler in TABLE.items() if handler.access == "anyone"}
    assert set(UNSIGNED) == anyone - {SignIn}


# ---- Greeting and signing in ----


def test_nothing_happens_before_a_connection_is_wanted(street: Street) -> None:
    street.link.tick(street.now)
    assert (street.link.deadline(), street.link.events()) == (None, [])
    street.link.connect(street.now)
    assert kinds(street.link.events()) == ["Connect"]
    assert street.link.deadline() is None


def test_a_device_signs_in_and_the_server_proves_its_key(street: Street) -> None:
    street.ada.come()
    street.link.connect(street.now)
    street.sign_in()
    events = street.talk()
    assert kinds(events) == ["Connect", "Greeted", "Entered"]
    assert events[1].greeting.server == street.house.world.keys.public
    assert (events[2].reply.name, street.link.state) == ("ada", State.IN)
    assert [[type(one) for one in frame] for frame in street.sent] == [[Hello], [SignIn]]
    assert street.link.is_quiet


def test_at_first_contact_the_servers_key_is_told_and_kept(tmp_path: Path) -> None:
    street = Street(tmp_path, pinned=False)
    street.ada.come()
    street.link.connect(street.now)
    greeted = street.talk()[-1]
    assert isinstance(greeted, Greeted)
    assert street.link.server == greeted.greeting.server == street.house.world.keys.public
    street.sign_in()
    assert kinds(street.talk()) == ["Entered"]


def test_an_account_is_made_on_a_connection_that_is_not_signed_in(street: Street) -> None:
    street.link.connect(street.now)
    salted = street.link.send(GetSalt(name="ada"))
    registered = street.link.send(street.ada.register())
    waiting = street.link.send(GetRooms())
    events = street.talk()
    assert kinds(events) == ["Connect", "Greeted", "Heard", "Heard"]
    answers = {event.number: event.answer for event in events[2:]}
    assert isinstance(answers[salted], Salt)
    assert isinstance(answers[registered], Registered)
    street.sign_in()
    events = street.talk()
    assert kinds(events) == ["Entered", "Heard"]
    assert (events[1].number, type(events[1].answer)) == (waiting, Rooms)


def test_what_waits_for_a_sign_in_is_sent_after_it_and_what_is_said_unasked_is_passed_on(
    home: Street,
) -> None:
    events = home.tell(Nudge(room=ROOM, head=3), Announcement(text="soon", at=1))
    said = Nudge(room=ROOM, head=3), Announcement(text="soon", at=1)
    assert tuple(event.message for event in events) == said


def test_nothing_is_passed_on_before_the_server_has_proved_its_key(street: Street) -> None:
    street.link.connect(street.now)
    street.events()
    assert street.tell(Nudge(room=ROOM, head=3)) == []


def test_a_server_with_another_key_is_told_nothing_and_not_tried_again(street: Street) -> None:
    street.link.server = bytes(32)
    street.sign_in()
    street.link.connect(street.now)
    _, turned, _, down = street.talk()
    assert (turned.code, turned.is_final) == (WRONG_KEY, True)
    assert (down.why, down.retry_at) == (turned.why, None)
    assert street.link.deadline() is None
    assert [[type(one) for one in frame] for frame in street.sent] == [[Hello]]


def test_a_server_without_the_key_it_names_is_found_out(street: Street) -> None:
    street.link.connect(street.now)
    street.sign_in()
    street.events()
    street.link.requests(street.now)
    assert street.session is not None
    greeting = street.door.greet(Hello(oldest=1, newest=1), bytes(32), street.now)
    street.tell(msgspec.structs.replace(greeting, id=OWN_FROM + 1))
    assert street.link.state is State.SIGNING
    signed_in = SignedIn(
        id=OWN_FROM + 2, account=bytes(16), name="ada", host=False, bot=False, proof=bytes(64),
        counter=0, incarnation=1, list_version=1, list_hash=bytes(32), packages=0, inbox=0,
    )  # fmt: skip
    turned, hangup, down = street.tell(signed_in)
    assert (turned.code, turned.is_final, down.was_in) == (WRONG_KEY, True, False)
    assert hangup.why == sentence(WRONG_KEY)


def test_versions_that_do_not_meet_end_all_tries(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.client.link.OLDEST_VERSION", 2)
    monkeypatch.setattr("alcove.client.link.VERSION", 2)
    street.link.connect(street.now)
    street.sign_in()
    _, turned, _, down = street.talk()
    assert (turned.code, turned.is_final, down.retry_at) == (Code.VERSION, True, None)
    assert [part in turned.why for part in ("1 to 1", "2 to 2")] == [True, True]


def test_a_server_that_speaks_a_version_which_nobody_asked_for_is_left(street: Street) -> None:
    street.link.connect(street.now)
    street.events()
    street.link.requests(street.now)
    greeting = street.door.greet(Hello(oldest=1, newest=1), bytes(32), street.now)
    turned, *_ = street.tell(msgspec.structs.replace(greeting, id=OWN_FROM + 1, version=9))
    assert turned.code == Code.VERSION


def test_a_device_that_is_not_on_its_list_stops(street: Street) -> None:
    street.link.connect(street.now)
    street.sign_in()
    *_, turned, _, down = street.talk()
    assert (turned.code, turned.is_final, down.retry_at) == (Code.REVOKED, True, None)
    street.ada.come()
    street.link.connect(street.now)
    assert isinstance(street.talk()[-1], Entered)


def test_a_device_that_was_turned_away_may_say_what_lets_it_in_before_it_signs_in(
    street: Street,
) -> None:
    street.link.connect(street.now)
    street.sign_in()
    *_, turned, _, _ = street.talk()
    assert turned.code == Code.REVOKED
    street.sent.clear()
    street.link.offer([street.ada.register()])
    street.link.connect(street.now)
    assert isinstance(street.talk()[-1], Entered)
    said = [type(one) for frame in street.sent for one in frame]
    assert said[:3] == [Hello, Register, SignIn]
    street.sent.clear()
    street.link.hang_up("")
    street.events()
    street.link.connect(street.now)
    assert isinstance(street.talk()[-1], Entered)
    assert Register not in [type(one) for frame in street.sent for one in frame]


def test_what_lets_a_device_in_is_said_again_where_the_line_broke_before_an_answer(
    street: Street,
) -> None:
    street.link.connect(street.now)
    street.sign_in()
    street.talk()
    street.link.offer([street.ada.register()])
    street.link.connect(street.now)
    street.events()
    street.link.requests(street.now)
    greeting = street.door.greet(Hello(oldest=1, newest=1), bytes(32), street.now)
    number = street.link._number
    street.tell(msgspec.structs.replace(greeting, id=number))
    street.link.requests(street.now)  # It says them, and the server never hears it.
    street.link.hang_up("")
    street.events()
    street.link.connect(street.now)
    assert isinstance(street.talk()[-1], Entered)


def test_a_disabled_account_asks_again_but_seldom(street: Street) -> None:
    street.ada.come()
    street.house.connection.run("UPDATE account SET disabled_at = 1")
    street.link.connect(street.now)
    street.sign_in()
    *_, turned, _, down = street.talk()
    assert (turned.code, turned.is_final) == (Code.DISABLED, False)
    assert DISABLED_MS <= down.retry_at - street.now <= DISABLED_MS * 5 // 4


def test_a_sign_in_that_is_refused_for_the_moment_is_tried_again(street: Street) -> None:
    street.link.connect(street.now)
    street.sign_in()
    street.events()
    refusal = Refusal(OWN_FROM + 1, Code.BUSY, "Later.", retry_after_ms=9_000)
    _, down = street.tell(refusal)
    assert down.why == "Later."
    assert 9_000 <= down.retry_at - street.now <= 9_000 * 5 // 4


# ---- Answers ----


def test_only_an_answer_to_what_was_asked_is_passed_on(home: Street) -> None:
    home.unanswered(GetRooms(id=77))
    assert home.tell(rooms(78)) == []
    assert home.tell(Done(id=OWN_FROM + 1)) == []
    (said,) = home.tell(rooms(77))
    assert said.message.id == 77
    assert home.tell(rooms(77)) == []


def test_an_answer_of_another_kind_ends_the_connection(home: Street) -> None:
    home.unanswered(GetRooms(id=77), GetRooms(id=78))
    events = home.tell(Done(id=77), rooms(78), Nudge(room=ROOM, head=1))
    assert kinds(events) == ["Hangup", "Down"]
    assert events[0].why == sentence(Code.MALFORMED)


def test_a_refusal_is_an_answer(home: Street) -> None:
    home.link.send(GetProfile(id=5, account=bytes(16)))
    (said,) = home.talk()
    assert (said.message.id, said.message.code) == (5, Code.UNKNOWN)


def test_a_second_sign_in_that_nobody_asked_for_is_not_believed(home: Street) -> None:
    reply = SignedIn(
        id=0, account=bytes(16), name="eve", host=False, bot=False, proof=bytes(64), counter=0,
        incarnation=1, list_version=1, list_hash=bytes(32), packages=0, inbox=0,
    )  # fmt: skip
    assert home.tell(reply) == []
    assert home.link.state is State.IN


@pytest.mark.parametrize("frame", [b"", b"\xc0", b"\x91\xc0", b"garbage", b"\x91\x81\xa4type\xa1x"])
def test_garbage_ends_the_connection_and_another_one_follows(home: Street, frame: bytes) -> None:
    home.link.receive(frame, home.now)
    hangup, down = home.events()
    assert (hangup.why, down.was_in) == (sentence(Code.MALFORMED), True)
    assert RETRY_MIN_MS // 2 <= down.retry_at - home.now <= RETRY_MIN_MS
    home.now = down.retry_at
    home.link.tick(home.now)
    assert kinds(home.talk()) == ["Connect", "Greeted", "Entered"]


def test_a_frame_that_is_too_large_is_not_even_looked_at(home: Street) -> None:
    home.link.receive(bytes(FRAME_BYTES_MAX + 1), home.now)
    assert kinds(home.events()) == ["Hangup", "Down"]


def test_a_server_that_could_not_read_a_frame_is_left(home: Street) -> None:
    assert kinds(home.tell(Refusal(0, Code.MALFORMED, "?"))) == ["Hangup", "Down"]


def test_what_comes_after_the_end_is_not_heard(home: Street) -> None:
    home.link.hang_up("Enough.")
    home.link.receive(encode_frame([Nudge(room=ROOM, head=1)]), home.now)
    home.link.hang_up("Enough, again.")
    hangup, down = home.events()
    assert (hangup.why, down.why) == ("Enough.", "Enough.")
    home.link.closed(home.now)
    assert home.events() == []


# ---- Sending ----


def test_changes_go_in_order_and_as_many_as_the_server_takes(home: Street) -> None:
    requests = [SetVisibility(id=n, findable=None, online=True) for n in range(1, CHANGES_MAX + 11)]
    frames = home.unanswered(*requests)
    assert [request.id for frame in frames for request in frame] == [*range(1, CHANGES_MAX + 1)]
    assert [len(frame) for frame in frames] == [CHANGES_MAX]
    home.tell(Done(id=1), Done(id=2))
    (frame,) = home.unanswered()
    assert [request.id for request in frame] == [CHANGES_MAX + 1, CHANGES_MAX + 2]


def test_reads_have_a_window_of_their_own(home: Street) -> None:
    reads = [GetRooms(id=n) for n in range(100, 100 + READS_MAX + 2)]
    change = SetVisibility(id=5, findable=None, online=True)
    (frame,) = home.unanswered(*reads, change)
    assert [request.id for request in frame] == [*range(100, 100 + READS_MAX), 5]
    home.tell(rooms(103))
    (frame,) = home.unanswered()
    assert [request.id for request in frame] == [100 + READS_MAX]


def test_what_is_read_and_what_is_changed_goes_in_the_order_in_which_it_was_sent(
    home: Street,
) -> None:
    change, read = SetVisibility(id=5, findable=None, online=True), GetRooms(id=6)
    (frame,) = home.unanswered(read, change, GetRooms(id=7))
    assert [request.id for request in frame] == [6, 5, 7]


def test_large_requests_go_alone_and_bytes_that_wait_are_bounded(home: Street) -> None:
    large = NewEntry(b"h", bytes(200 * 1024))
    requests = [Append(id=n, room=ROOM, entries=(large,)) for n in range(1, 9)]
    frames = home.unanswered(*requests)
    assert [len(frame) for frame in frames] == [1] * (IN_FLIGHT_BYTES_MAX // (200 * 1024) + 1)
    home.tell(Refusal(1, Code.CONFLICT, "?"))
    assert [frame[0].id for frame in home.unanswered()] == [7]


def test_a_request_that_is_under_way_is_not_sent_twice(home: Street) -> None:
    request = SetVisibility(id=5, findable=None, online=True)
    assert home.unanswered(request, request) == [[request]]


def test_what_has_no_number_gets_one_and_its_answer_finds_back(home: Street) -> None:
    number = home.link.send(GetRooms())
    (heard,) = home.talk()
    assert isinstance(heard, Heard)
    assert (heard.number, heard.answer.id, number > OWN_FROM) == (number, number, True)


def test_a_change_whose_answer_is_kept_needs_a_number_of_the_device(home: Street) -> None:
    with pytest.raises(AssertionError):
        home.link.send(PutProfile(body=None))
    home.link.send(Signal(room=ROOM, body=b"x"))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Find(id=9, name="x" * 31), Code.MALFORMED),
        (PutProfile(id=9, body=bytes(300 * 1024)), Code.MALFORMED),
        (Append(id=9, room=ROOM, entries=(NewEntry(b"h", bytes(9 << 20)),)), Code.TOO_LARGE),
    ],
)
def test_what_the_server_could_not_read_is_refused_here_and_harms_nothing_else(
    home: Street, request_: Request, code: Code
) -> None:
    home.link.send(request_)
    home.link.send(GetRooms(id=10))
    refused, answered = home.talk()
    assert (refused.message.id, refused.message.code) == (9, code)
    assert isinstance(answered.message, Rooms)


def test_the_sizes_are_those_that_the_server_has_named(tmp_path: Path) -> None:
    home = Street(tmp_path, message_bytes_max=4096).enter()
    home.link.send(PutProfile(id=9, body=bytes(10_000)))
    assert [one.message.code for one in home.talk()] == [Code.MALFORMED]


# ---- Ending and coming back ----


def test_a_line_that_ends_is_opened_again_later_each_time_and_never_in_step(
    street: Street,
) -> None:
    street.sign_in()
    street.link.connect(street.now)
    waits = []
    for _ in range(10):
        assert kinds(street.link.events()) == ["Connect"]
        street.link.closed(street.now, "Nobody answers.")
        (down,) = street.news()
        assert (down.was_in, down.why) == (False, "Nobody answers.")
        waits.append(down.retry_at - street.now)
        assert street.link.deadline() == down.retry_at
        street.link.tick(down.retry_at - 1)
        street.now = down.retry_at
        street.link.tick(street.now)
    for number, wait in enumerate(waits):
        longest = min(RETRY_MIN_MS * 2**number, RETRY_MAX_MS)
        assert longest // 2 <= wait <= longest
    assert len(set(waits[7:])) == 3


def test_after_a_stable_minute_the_waiting_begins_anew(home: Street) -> None:
    for _ in range(5):
        home.link.closed(home.now)
        home.now = home.events()[-1].retry_at
        home.link.tick(home.now)
        home.talk()
    home.link.closed(home.now + STABLE_MS - 1)
    late = home.events()[-1].retry_at - home.now - STABLE_MS
    home.now += STABLE_MS + late
    home.link.tick(home.now)
    home.talk()
    home.link.closed(home.now + STABLE_MS)
    (down,) = home.events()
    assert down.was_in
    assert late > RETRY_MIN_MS >= down.retry_at - home.now - STABLE_MS


def test_what_waited_is_forgotten_with_the_line(home: Street) -> None:
    home.unanswered(*(SetVisibility(id=n, findable=None, online=True) for n in range(1, 400)))
    home.link.closed(home.now)
    (down,) = home.events()
    home.link.send(GetRooms())
    for old in (GetAsks(id=900), GetSalt(id=901, name="ada")):  # They may be void by then.
        home.link.send(old)
    home.link.closed(home.now)
    home.now = down.retry_at
    home.link.tick(home.now)
    home.sent.clear()
    assert kinds(home.talk()) == ["Connect", "Greeted", "Entered", "Heard"]
    assert [type(one) for frame in home.sent for one in frame] == [Hello, SignIn, GetRooms]


def test_who_has_no_account_does_not_hold_the_line(street: Street) -> None:
    street.link.connect(street.now)
    street.talk()
    street.link.closed(street.now)
    (down,) = street.events()
    assert (down.retry_at, street.link.deadline()) == (None, None)
    street.link.connect(street.now)
    assert kinds(street.talk()) == ["Connect", "Greeted"]


@pytest.mark.parametrize("code", [Code.STOPPING, Code.STORAGE, Code.SIGN_IN_FIRST, "news"])
def test_a_goodbye_for_a_while_brings_the_device_back_when_the_server_says(
    home: Street, code: str
) -> None:
    hangup, down = home.tell(Goodbye(code=code, why="Soon.", retry_after_ms=7_000))
    assert (hangup.why, down.why, down.was_in) == ("Soon.", "Soon.", True)
    assert 7_000 <= down.retry_at - home.now <= 7_000 * 5 // 4


@pytest.mark.parametrize("code", [Code.REVOKED, Code.CHANGED, Code.VERSION])
def test_a_goodbye_for_good_is_told_and_ends_all_tries(home: Street, code: str) -> None:
    turned, _, down = home.tell(Goodbye(code=code, why="No."))
    assert (turned.code, turned.is_final, down.retry_at) == (code, True, None)
    home.link.tick(home.now + 10**9)
    assert home.events() == []


def test_what_was_answered_before_a_goodbye_is_still_heard(home: Street) -> None:
    home.unanswered(GetRooms(id=77))
    events = home.tell(Goodbye(code=Code.STOPPING, why="Soon."), rooms(77))
    assert kinds(events) == ["Said", "Hangup", "Down"]


def test_a_goodbye_beside_garbage_changes_nothing(home: Street) -> None:
    events = home.tell(Refusal(0, Code.MALFORMED, "?"), Goodbye(code=Code.REVOKED, why="No."))
    assert kinds(events) == ["Hangup", "Down"]


def test_no_server_sends_a_device_away_for_days(home: Street) -> None:
    *_, down = home.tell(Goodbye(code=Code.STOPPING, why="", retry_after_ms=10**10))
    assert down.retry_at - home.now <= RETRY_AFTER_MAX_MS * 5 // 4


def test_a_server_that_cannot_be_reached_may_say_when_it_can(street: Street) -> None:
    street.sign_in()
    street.link.connect(street.now)
    street.link.events()
    street.link.closed(street.now, "It is full.", 20_000)
    (down,) = street.news()
    assert 20_000 <= down.retry_at - street.now <= 20_000 * 5 // 4


def test_a_server_that_speaks_another_version_may_say_so_at_its_door(street: Street) -> None:
    street.sign_in()
    street.link.connect(street.now)
    street.link.events()
    street.link.closed(street.now, "Update.", code=Code.VERSION)
    turned, down = street.news()
    assert (turned.code, turned.why, turned.is_final) == (Code.VERSION, "Update.", True)
    assert (down.retry_at, street.link.deadline()) == (None, None)


def test_a_line_on_which_no_answer_comes_is_given_up(home: Street) -> None:
    assert home.link.deadline() is None
    home.unanswered(GetRooms(id=77))
    assert home.link.deadline() == home.now + SILENT_MS
    home.now += SILENT_MS - 1
    home.link.tick(home.now)
    assert home.events() == []
    home.now += 1
    home.link.tick(home.now)
    hangup, down = home.events()
    assert hangup.why == down.why == sentence("silent")


def test_a_line_on_which_bytes_move_is_given_more_time_but_not_for_ever(home: Street) -> None:
    home.unanswered(GetRooms(id=77))
    begun = home.now
    while home.link.state is State.IN:
        home.now += SILENT_MS // 2
        home.link.alive(home.now)
        home.link.tick(home.now)
    assert home.now == begun + UNANSWERED_MS


def test_a_server_that_does_not_greet_is_given_up_too(street: Street) -> None:
    street.link.connect(street.now)
    street.events()
    street.link.requests(street.now)
    street.now += SILENT_MS
    street.link.tick(street.now)
    assert kinds(street.events()) == ["Hangup", "Down"]


def test_a_clock_that_was_set_back_keeps_nobody_away(home: Street) -> None:
    home.unanswered(GetRooms(id=77))
    home.now -= 10**9
    home.link.tick(home.now)
    home.now += SILENT_MS
    home.link.tick(home.now)
    assert kinds(home.events()) == ["Hangup", "Down"]
    home.now -= 10**9
    home.link.tick(home.now)
    home.now += RETRY_MIN_MS
    home.link.tick(home.now)
    assert kinds(home.talk()) == ["Connect", "Greeted", "Entered"]


def test_who_stops_is_not_connected_again(home: Street) -> None:
    home.link.stop()
    _, down = home.events()
    assert (down.retry_at, home.link.deadline()) == (None, None)
    home.link.stop()
    assert home.events() == []


def test_one_device_signs_in_twice_and_the_first_one_stops(home: Street) -> None:
    assert home.session is not None
    home.session.end(Code.CHANGED)
    home.say(home.session)
    turned, *_ = home.events()
    assert (turned.code, turned.is_final) == (Code.CHANGED, True)
    assert "another program" in turned.why
