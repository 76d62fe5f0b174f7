"""What makes a stranger's first message suspicious, and what does not."""

import pytest

from alcove.client.timeline import spam
from alcove.client.timeline.spam import Heard, suspicion
from alcove.wire.content import Content, File, Poll, SealedBlob, Text
from tests.client.timeline.rooms import MAX, NOW

BLOB = SealedBlob(b"b" * 16, bytes(32), bytes(32), 5)


def others(text: str, count: int, apart_ms: int) -> list[Heard]:
    return [
        Heard(number.to_bytes(16, "big"), NOW - number * apart_ms, Text(text))
        for number in range(1, count + 1)
    ]


def judged(said: Content | str, recent: list[Heard] | None = None) -> spam.Suspicion:
    content = Text(said) if isinstance(said, str) else said
    return suspicion(Heard(MAX, NOW, content), recent or [])


@pytest.mark.parametrize(
    "said",
    [
        "Hello, this is Max from the tea club",
        "Here is the plan: https://example.org/plan",
        "OK THANKS",
        "one\r\ntwo",
        Text("the minutes", files=(File("minutes.pdf", "application/pdf", BLOB),)),
        Poll("Tea?", ("yes", "no")),
    ],
)
def test_an_ordinary_first_message_is_not_suspicious(said: Content | str) -> None:
    assert judged(said, others("Hello, I am new here as well", 3, 1000)) == (0, ())


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        ("https://a.example", ("only-a-link",)),
        ("win http://a.example http://b.example www.c.example", ("many-links",)),
        ("free\u202e money", ("hidden-characters",)),
        ("BUY NOW BEFORE IT IS TOO LATE", ("shouting",)),
        (Text("look", files=(File("x.pdf.exe", "application/pdf", BLOB),)), ("runs",)),
    ],
)
def test_a_message_shows_what_it_is(said: Content | str, reasons: tuple[str, ...]) -> None:
    assert judged(said).reasons == reasons


def test_the_same_words_from_many_strangers_are_spam() -> None:
    recent = others("Make MONEY 12 fast at https://x.example/a", 1, 60_000)
    found = judged("make money 99 fast at https://x.example/b", recent)
    assert found.reasons == ("same-words",)
    assert found.is_spam
    assert not judged("hello", others("hello", 1, 60_000)).is_spam


def test_many_strangers_at_once_are_a_flood() -> None:
    assert judged("hi", others("hello", spam.FLOOD_REQUESTS - 1, 1000)).reasons == ("flood",)
    assert judged("hi", others("hello", spam.FLOOD_REQUESTS - 2, 1000)).reasons == ()
    assert judged("hi", others("hello", 50, spam.FLOOD_MS + 1)).reasons == ()


def test_ones_own_words_are_no_flood() -> None:
    same = [Heard(MAX, NOW, Text("Hello, this is Max again"))] * 20
    assert judged("Hello, this is Max again", same) == (0, ())


def test_the_score_ends_at_a_hundred() -> None:
    recent = others("BUY ALL OF THIS AND THAT", 20, 1000)
    said = "BUY ALL OF THIS AND THAT\u202e http://a.a http://b.b http://c.c"
    assert judged(said, recent).score == spam.SCORE_MAX
