"""Who is in a room and looks back: what the server cannot give now is had later."""

import pytest

from alcove.client.rooms import acting
from alcove.client.rooms.state import get_room
from alcove.wire.base import Request
from alcove.wire.entries import GetSnapshot, Read
from alcove.wire.errors import Code
from alcove.wire.rooms import GetRows
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import said, state
from tests.client.test_history import MINUTE_MS, TEXTS, past
from tests.client.world import World


@pytest.mark.parametrize("kind", [GetRows, Read, GetSnapshot])
@pytest.mark.parametrize("times", [1, 3])
def test_what_cannot_be_had_of_the_past_now_is_had_later(kind: type[Request], times: int) -> None:
    world = World()
    ada, _, room = past(world)
    cyn = world.register("cyn")
    busy = refuse(kind, Code.BUSY, times)

    def looks_back(request: Request) -> bool:
        if state(cyn, room) != "active":
            return False
        return not isinstance(request, Read) or request.since.seq < cyn.do(get_room, room).seq

    cyn.answers = lambda one: busy(one) if looks_back(one) else None
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(10 * MINUTE_MS)
    assert said(cyn, room) == TEXTS
