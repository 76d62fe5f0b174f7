"""A server that says no, and one that writes down what it is asked: for tests of a device."""

from typing import Any

import pytest

from alcove.wire.base import Request
from alcove.wire.errors import Code, Refusal
from tests.client.world import Peer, Server


def refuse(peer: Peer, kind: type[Request], code: Code, retry_after_ms: int | None = None) -> int:
    """Refuse what a device asks of one kind now; all else goes its way.  Returns how many."""
    requests = peer.engine.requests()
    refused = [request for request in requests if isinstance(request, kind)]
    peer.engine._requests += [request for request in requests if not isinstance(request, kind)]
    for request in refused:
        answer(peer, Refusal(request.id, code, "", retry_after_ms=retry_after_ms))
    return len(refused)


STEPS_MAX = 300


def refuse_next(peer: Peer, kind: type[Request], code: Code) -> None:
    """Let a device go on, alone, until it asks one kind of thing, and refuse that."""
    for _ in range(STEPS_MAX):
        if refuse(peer, kind, code):
            return
        peer.step()
        peer.world.now += 100
        peer.engine.tick(peer.world.now)
    raise AssertionError("it was not asked")


def answer(peer: Peer, message: Any) -> None:
    """Say something to a device, whatever it is."""
    peer.engine.receive(message, peer.world.now)


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Return a list in which all stands that the server is asked from now on."""
    asked: list[Request] = []
    take = Server.take

    def watched(self: Server, session: Any, request: Request, now: int) -> None:
        asked.append(request)
        take(self, session, request, now)

    monkeypatch.setattr(Server, "take", watched)
    return asked
