"""The HTTP door does what its own description says: schemathesis reads that and tries everything.

Each operation is called without a token and with one, with requests of the right form and of wrong
ones.  No answer is a failure of the server, and each has the status and the form that is described.
`make soak` tries hundreds of requests where this tries a few.
"""

import asyncio
import os
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Union, get_type_hints

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import alcove
from alcove.server.blobs import CONTENT_TYPE
from alcove.server.handlers import TABLE
from alcove.server.io.blobs import BlobDoor
from alcove.server.openapi import describe, verbs
from alcove.wire.errors import Refusal
from alcove.wire.greeting import NewToken, Token
from fuzz.frames import RATES
from tests.faults.clients import Friend
from tests.server.io.live import serving

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


DESCRIPTION = msgspec.json.decode(describe(alcove.__version__))
schema = schemathesis.openapi.from_dict(loosened(DESCRIPTION))


class Served:
    """A server in a thread of its own, and somebody who asks for tokens there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.friend = Friend(random.Random(1), "ada")
        self._ready: Future[str] = Future()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.url = self._ready.result(START_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with serving(self.folder, **RATES) as live:
            self._ready.set_result(live.address)
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


BLOBS = "^/v1/blobs"


@schemathesis.serializer(CONTENT_TYPE)
def as_it_is(_: Any, value: Any) -> bytes:
    """Return the body of an upload: bytes are sent as they are."""
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode()


@schema.exclude(path_regex=BLOBS).parametrize()
@chosen
def test_every_request_is_answered_as_described(case: Any, served: Served) -> None:
    strangers: dict[str, str] = {}
    for headers in (strangers, {"Authorization": f"Bearer {served.token()}"}):
        response = case.call(base_url=served.url, headers=headers)
        case.validate_response(response, checks=CHECKS)
        msgspec.json.decode(response.content, type=reply_types(case.path.rpartition("/")[2]))


@schema.include(path_regex=BLOBS).parametrize()
@chosen
def test_every_request_about_files_is_answered_as_described(case: Any, served: Served) -> None:
    strangers: dict[str, str] = {}
    for headers in (strangers, {"Authorization": f"Bearer {served.token()}"}):
        response = case.call(base_url=served.url, headers=headers)
        case.validate_response(response, checks=CHECKS)


def test_the_server_gives_the_description_that_is_tried(served: Served) -> None:
    connection = HTTPConnection(served.url.removeprefix("http://"))
    connection.request("GET", "/v1/openapi.json")
    assert msgspec.json.decode(connection.getresponse().read()) == DESCRIPTION
    connection.close()


def test_everything_that_is_offered_is_tried() -> None:
    operations: list[Any] = list(schema.get_all_operations())
    tried = {operation.ok().label for operation in operations}
    about_files = {
        *("OPTIONS /v1/blobs", "POST /v1/blobs", "GET /v1/blobs/{blob}", "HEAD /v1/blobs/{blob}"),
        *("PATCH /v1/blobs/{blob}", "DELETE /v1/blobs/{blob}"),
        *("OPTIONS /v1/blobs/{blob}", "POST /v1/blobs/{blob}"),
    }
    assert tried == {f"POST /v1/{verb}" for verb in verbs()} | about_files


# ---- The description itself ----

DOCUMENT: dict[str, Any] = msgspec.json.decode(describe("test"))


def texts(node: Any) -> Iterator[str]:
    """Return every text for people in a description."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary") and isinstance(value, str):
                yield value
            else:
                yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def test_the_description_is_one() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for name, one in DOCUMENT["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(one), name


def test_texts_are_written_for_people_and_not_indented() -> None:
    said = list(texts(DOCUMENT))
    assert len(said) > 100
    assert [text for text in said if re.search(r"  |\n(?!\n)[ \t]|\s$", text)] == []


def test_a_request_may_leave_its_type_out_and_an_answer_has_it() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for tag, kind in verbs().items():
        assert "type" not in schemas[kind.__name__].get("required", []), tag
        assert schemas[kind.__name__]["properties"]["type"]["enum"] == [tag]
    assert "type" in schemas["Refusal"]["required"]
    assert msgspec.json.decode(b'{"name": "ada"}', type=verbs()["find"]).name == "ada"


def test_what_is_said_of_files_is_what_the_files_door_knows() -> None:
    app = web.Application()
    BlobDoor.__new__(BlobDoor).add_to(app)
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }
    methods = ("get", "head", "post", "patch", "delete", "options")
    described = {
        (method, path)
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method in methods and path.startswith("/v1/blobs")
    }
    assert described == routes
