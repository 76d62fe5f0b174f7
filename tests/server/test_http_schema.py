"""The HTTP door does what its own description says: schemathesis reads that and tries everything.

Each operation is called without a token and with one, with requests of the right form and of wrong
ones.  No answer is a failure of the server, and each has the status and the form that is described.
`make soak` tries hundreds of requests where this tries a few.
"""

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Union, get_type_hints

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from alcove.server.handlers import TABLE
from alcove.server.openapi import describe, verbs
from alcove.server.store.opening import open_sqlite
from alcove.wire.errors import Refusal
from alcove.wire.greeting import NewToken, Token
from fuzz.frames import RATES
from tests.faults.clients import Friend
from tests.faults.inside import NOW, Inside, inside

IS_LONG = "ALCOVE_TEST_HTTP_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("ALCOVE_TEST_HTTP_EXAMPLES", "4"))
START_S = 60
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def loosened(node: Any) -> Any:
    """Return the description without tuples inside: schemathesis cannot read its own form of them.

    What comes back is decoded as well, and that minds them.
    """
    if isinstance(node, dict):
        changed = {key: loosened(value) for key, value in node.items()}
        if "prefixItems" in changed and changed.get("items") is False:
            changed["items"] = {"anyOf": changed.pop("prefixItems")}
        return changed
    return [loosened(value) for value in node] if isinstance(node, list) else node


schema = schemathesis.openapi.from_dict(loosened(msgspec.json.decode(describe("test"))))


class Served:
    """A server in a thread of its own, and somebody who asks for tokens there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.friend = Friend(random.Random(1), "ada")
        self._ready: Future[Inside] = Future()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.url = self._ready.result(START_S).url

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        database = open_sqlite(str(self.folder / "alcove.sqlite"), NOW)
        async with inside(self.folder, database, **RATES) as server:
            self._ready.set_result(server)
            await self._end.wait()
            await self.friend.close()

    def token(self) -> str:
        """Return a token that works now."""
        return asyncio.run_coroutine_threadsafe(self._token(), self.loop).result(START_S)

    async def _token(self) -> str:
        while True:
            if not self.friend.is_connected:
                await self.friend.close()
                # An account that was deleted on the way is followed by another one.
                self.friend = Friend(self.friend.dice, f"ada{self.friend.dice.randrange(10**9)}")
                await self.friend.connect(self.url)
            token = await self.friend.ask(NewToken(id=self.friend.next_id()))
            if isinstance(token, Token):
                return token.token
            await self.friend.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("http"))
    yield server
    server.stop()


chosen = settings(
    max_examples=EXAMPLES,
    # The other phases try every edge of every field: that is for the long tests.
    phases=(*((Phase.explicit,) if IS_LONG else ()), Phase.generate, Phase.shrink),
    deadline=None,
    database=None,
    derandomize=not IS_LONG,
    suppress_health_check=list(HealthCheck),
)


def reply_types(verb: str) -> Any:
    """Return what may come back from a verb: its reply or a refusal."""
    reply = get_type_hints(TABLE[verbs()[verb]].function)["return"]
    return Union[reply, Refusal]  # noqa: UP007 - Both are values here.


@schema.parametrize()
@chosen
def test_every_request_is_answered_as_described(case: Any, served: Served) -> None:
    strangers: dict[str, str] = {}
    for headers in (strangers, {"Authorization": f"Bearer {served.token()}"}):
        response = case.call(base_url=served.url, headers=headers)
        case.validate_response(response, checks=CHECKS)
        msgspec.json.decode(response.content, type=reply_types(case.path.rpartition("/")[2]))


def test_everything_that_is_offered_is_tried() -> None:
    operations: list[Any] = list(schema.get_all_operations())
    tried = {operation.ok().label for operation in operations}
    assert tried == {f"POST /v1/{verb}" for verb in verbs()}
