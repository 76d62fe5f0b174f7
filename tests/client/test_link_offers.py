"""How soon a device that was turned away says what may let it in."""

from pathlib import Path

import pytest

from alcove.client.link import RETRY_MIN_MS, Link
from alcove.client.link_events import Entered, Event, TurnedAway
from alcove.wire.greeting import GetChallenge
from tests.client.test_link import Street


def test_what_may_let_a_device_in_is_said_soon_and_later_each_time_that_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street, link_events = Street(tmp_path), Link.events

    def events(link: Link) -> list[Event]:
        said = link_events(link)
        if any(isinstance(one, TurnedAway) for one in said):
            link.offer([GetChallenge()])
        return said

    street.link.connect(street.now)
    street.sign_in()
    for _ in range(8):  # Nobody is there, for long.
        street.news()
        street.link.closed(street.now)
        street.now = street.link.deadline() or 0
        street.link.tick(street.now)
    monkeypatch.setattr(Link, "events", events)
    waits = []
    for _ in range(6):
        *_, down = street.talk()
        waits.append(down.retry_at - street.now)
        street.now = down.retry_at
        street.link.tick(street.now)
    assert waits[0] <= RETRY_MIN_MS
    assert waits == sorted(waits)
    street.ada.come()
    assert isinstance(street.talk()[-1], Entered)
    street.link.offer([GetChallenge()])
    street.link.hang_up("")
    *_, down = street.events()
    assert down.retry_at - street.now <= RETRY_MIN_MS
