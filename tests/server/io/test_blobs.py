"""Files over HTTP: uploads that can be taken up again, downloads by parts, and who may do what."""

import asyncio
import base64
import contextlib
import errno
import hashlib
import io
import itertools
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop

from alcove.server.io import blobs as blobs_module
from alcove.server.io.blobs import FileBlobs, Parts
from alcove.server.io.places import blob_path
from alcove.server.settings import Rate
from alcove.server.store.database import StorageError
from alcove.wire.blobs import Blobs, DropBlob, GetBlobs
from alcove.wire.greeting import NewToken
from tests.server.io.live import Line, Live, served, serving

TUS = {"Tus-Resumable": "1.0.0"}
MIB = 1024 * 1024
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Files:
    """One device's way to its files."""

    def __init__(self, live: Live, line: Line, token: str) -> None:
        self.live, self.line, self.token = live, line, token

    async def ask(self, method: str, path: str = "", **given: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        url = f"{self.live.address}/v1/blobs{path}"
        async with self.live.web.request(method, url, headers=headers, **given) as response:
            return Answer(response.status, response.headers, await response.read())

    async def announce(self, size: int, **headers: str) -> str:
        response = await self.ask("POST", headers={**TUS, "Upload-Length": str(size), **headers})
        assert response.status == 201, response.body
        return response.headers["Location"].removeprefix("/v1/blobs")

    async def put(self, path: str, offset: int, data: bytes) -> Answer:
        headers = {**PART, "Upload-Offset": str(offset)}
        return await self.ask("PATCH", path, headers=headers, data=io.BytesIO(data))

    async def upload(self, data: bytes) -> str:
        path = await self.announce(len(data))
        assert (await self.put(path, 0, data)).status == 204
        return path


async def downloads(files: Files, count: int) -> int:
    """Wait until the only blob was downloaded so often, and return its size."""
    while True:  # It is counted after its last byte was sent.
        listed = await files.line.ask(GetBlobs())
        assert isinstance(listed, Blobs)
        (blob,) = listed.blobs
        assert blob.downloads <= count
        if blob.downloads == count:
            return blob.size


async def files_of(live: Live, name: str) -> Files:
    line = await live.newcomer(name)
    return Files(live, line, (await line.ask(NewToken())).token)


@served()
async def test_what_was_uploaded_is_downloaded_by_who_knows_its_id(live: Live) -> None:
    ada, bob = await files_of(live, "ada"), await files_of(live, "bob")
    data = live.random(3_000_000)
    path = await ada.upload(data)
    response = await bob.ask("GET", path)
    body = response.body
    assert (response.status, hashlib.sha256(body).digest()) == (200, hashlib.sha256(data).digest())
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "attachment"
    assert await downloads(ada, 1) == 3_000_000


@served()
async def test_a_part_can_be_asked_for(live: Live) -> None:
    ada = await files_of(live, "ada")
    data = live.random(10_000)
    path = await ada.upload(data)
    response = await ada.ask("GET", path, headers={"Range": "bytes=100-199"})
    assert (response.status, response.body) == (206, data[100:200])
    response = await ada.ask("GET", path, headers={"Range": "bytes=9000-"})
    assert response.body == data[9000:]
    response = await ada.ask("GET", path, headers={"Range": "bytes=20000-"})
    assert response.status == 416
    await downloads(ada, 1)  # Only what reaches the end counts.
    await ada.ask("GET", path)
    await downloads(ada, 2)


@served()
async def test_an_upload_goes_on_where_it_stood(live: Live) -> None:
    ada = await files_of(live, "ada")
    data = live.random(2_500_000)
    path = await ada.announce(len(data))
    assert (await ada.put(path, 0, data[:1_000_000])).headers["Upload-Offset"] == "1000000"
    head = await ada.ask("HEAD", path, headers=TUS)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("1000000", "2500000")
    assert (await ada.put(path, 500_000, data[500_000:])).status == 409
    assert (await ada.ask("GET", path)).status == 404, "it is not whole yet"
    done = await ada.put(path, 1_000_000, data[1_000_000:])
    assert (done.status, done.headers["Upload-Offset"]) == (204, "2500000")
    assert (await ada.ask("GET", path)).body == data


@served()
async def test_a_broken_upload_keeps_what_came(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1_000_000)

    async def breaking() -> Any:
        yield bytes(300_000)
        raise ConnectionResetError

    headers = {**PART, "Upload-Offset": "0"}
    with contextlib.suppress(OSError):
        await ada.ask("PATCH", path, headers=headers, data=breaking())
    offset = 0
    while not offset:  # The server notices a little later.
        head = await ada.ask("HEAD", path, headers=TUS)
        offset = int(head.headers["Upload-Offset"])
    assert 0 < offset <= 300_000
    assert (await ada.put(path, offset, bytes(1_000_000 - offset))).status == 204


@served(blob_bytes_max=1_000_000, account_quota_bytes=1_500_000)
async def test_sizes_and_space_are_limited(live: Live) -> None:
    ada = await files_of(live, "ada")
    headers = {**TUS, "Upload-Length": "1000001"}
    assert (await ada.ask("POST", headers=headers)).status == 413
    path = await ada.announce(1_000_000)
    headers = {**TUS, "Upload-Length": "600000"}
    assert (await ada.ask("POST", headers=headers)).status == 507
    assert (await ada.put(path, 0, bytes(1_000_001))).status == 413


@served()
async def test_only_the_uploader_goes_on_and_deletes(live: Live) -> None:
    ada, eve = await files_of(live, "ada"), await files_of(live, "eve")
    path = await ada.announce(10)
    for method in ("HEAD", "DELETE"):
        assert (await eve.ask(method, path, headers=TUS)).status == 404
    assert (await eve.put(path, 0, bytes(10))).status == 404
    assert (await ada.put(path, 0, bytes(10))).status == 204
    assert (await eve.ask("DELETE", path, headers=TUS)).status == 404
    assert (await ada.ask("DELETE", path, headers=TUS)).status == 204
    assert (await ada.ask("GET", path)).status == 404
    await live.running.blobs.drop_files()
    assert not [one for one in live.running.blobs._blobs._folder.rglob("*") if one.is_file()]  # type: ignore[attr-defined]


@served()
async def test_a_file_that_cannot_be_deleted_is_tried_again_and_keeps_no_other(live: Live) -> None:
    folder = Path(live.running.settings.data) / "blobs"
    ids = [bytes([number]) * 16 for number in range(3)]
    first, *others = [blob_path(folder, blob) for blob in ids]
    first.mkdir(parents=True)  # A folder in its place: deleting it as a file fails.
    for path in others:
        path.parent.mkdir()
        path.write_bytes(b"sealed")
    hub = live.running.works.hub
    hub.blobs_gone += ids
    await live.running.blobs.drop_files()
    assert not any(path.exists() for path in others)
    assert hub.blobs_gone == ids[:1]
    first.rmdir()
    first.write_bytes(b"sealed")
    await live.running.blobs.drop_files()
    assert (first.exists(), hub.blobs_gone) == (False, [])


@served()
async def test_a_blob_is_deleted_over_the_socket_too(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.upload(b"sealed")
    second = await live.again(ada.line)
    blob = bytes.fromhex(path.removeprefix("/"))
    await second.ask(DropBlob(blob=blob))
    assert (await ada.ask("GET", path)).status == 404


@served()
async def test_headers_that_make_no_sense_are_refused(live: Live) -> None:
    ada = await files_of(live, "ada")
    assert (await ada.ask("POST", headers={"Upload-Length": "5"})).status == 412
    assert (await ada.ask("POST", headers=TUS)).status == 400
    assert (await ada.ask("POST", headers={**TUS, "Upload-Length": "-5"})).status == 400
    wrong = base64.b64encode(b"someday").decode()
    for said in (f"expiry {wrong}", "expiry !", "expiry " + "A" * 2000):
        headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": said}
        assert (await ada.ask("POST", headers=headers)).status in (400, 413)
    path = await ada.announce(5)
    plain = {**TUS, "Content-Type": "text/plain", "Upload-Offset": "0"}
    assert (await ada.ask("PATCH", path, headers=plain, data=b"12345")).status == 415
    assert (await ada.ask("GET", "/zz")).status == 404
    assert (await ada.ask("GET", "/" + "zz" * 16)).status == 404
    stranger = Files(live, ada.line, "wrong")
    assert (await stranger.ask("GET", path)).status == 401
    nobody = await live.web.get(f"{live.address}/v1/blobs{path}")
    assert nobody.status == 401


@served()
async def test_expiry_is_said_in_metadata_and_options_tell_the_rest(live: Live) -> None:
    ada = await files_of(live, "ada")
    week = base64.b64encode(b"week").decode()
    path = await ada.announce(5, **{"Upload-Metadata": f"other eA==,expiry {week}"})
    await ada.put(path, 0, b"12345")
    (blob,) = (await ada.line.ask(GetBlobs())).blobs
    assert blob.expires_at > blob.created_at + 6 * 24 * 3600 * 1000
    options = await ada.ask("OPTIONS")
    assert (options.status, options.headers["Tus-Version"]) == (204, "1.0.0")
    assert options.headers["Tus-Max-Size"] == str(live.running.settings.blob_bytes_max)


@served(rate_blob=Rate(1, 60, 3))
async def test_files_are_asked_for_as_often_as_is_set(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = "/" + "00" * 16
    statuses = [(await ada.ask(method, path, headers=TUS)).status for method in ("HEAD", "GET")]
    created = await ada.ask("POST", headers={**TUS, "Upload-Length": "5"})
    refused = await ada.ask("HEAD", path, headers=TUS)
    assert ([*statuses, created.status], refused.status) == ([404, 404, 201], 429)
    assert int(refused.headers["Retry-After"]) > 0


# ---- What tus 1.0.0 asks of a server, in its words ----


def hours_ahead(answer: Answer) -> float:
    """Return how long an upload lasts from now on, by its header, in hours."""
    ends = parsedate_to_datetime(answer.headers["Upload-Expires"])
    return (ends.timestamp() - time.time()) / 3600


@served(upload_hours=5)
async def test_the_expires_header_is_in_every_answer_to_patch_if_the_upload_is_going_to_expire(
    live: Live,
) -> None:
    ada = await files_of(live, "ada")
    created = await ada.ask("POST", headers={**TUS, "Upload-Length": "10"})
    path = created.headers["Location"].removeprefix("/v1/blobs")
    answers = [
        created,
        await ada.put(path, 0, b"1234"),
        await ada.put(path, 1, b"1234"),
        await ada.ask("HEAD", path, headers=TUS),
    ]
    assert [one.status for one in answers] == [201, 204, 409, 200]
    assert [round(hours_ahead(one), 1) for one in answers] == [5.0] * 4
    done = await ada.put(path, 4, b"567890")
    assert (done.status, "Upload-Expires" in done.headers) == (204, False)
    assert "Upload-Expires" not in (await ada.ask("HEAD", path, headers=TUS)).headers


@served(upload_hours=5)
async def test_the_time_runs_from_the_last_byte_that_came(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(10)
    await ada.put(path, 0, b"1234")
    file = live.running.blobs._blobs._path(bytes.fromhex(path[1:]))  # type: ignore[attr-defined]
    begun = await ada.ask("HEAD", path, headers=TUS)
    assert round(hours_ahead(begun), 1) == 5.0
    later = time.time() + 2 * 3600
    os.utime(file, (later, later))
    assert round(hours_ahead(await ada.ask("HEAD", path, headers=TUS)), 1) == 7.0


@pytest.mark.parametrize("expiry", ["never", "day", "week"])
def test_answers_to_head_include_the_metadata_as_it_was_given(tmp_path: Path, expiry: str) -> None:
    async def story() -> None:
        async with serving(tmp_path) as live:
            ada = await files_of(live, "ada")
            said = f"expiry {base64.b64encode(expiry.encode()).decode()}"
            path = await ada.announce(5, **{"Upload-Metadata": said})
            head = await ada.ask("HEAD", path, headers=TUS)
            assert (head.status, head.headers["Upload-Metadata"]) == (200, said)
            await ada.put(path, 0, b"12345")
            head = await ada.ask("HEAD", path, headers=TUS)
            assert (head.headers["Upload-Metadata"], head.headers["Cache-Control"]) == (
                said,
                "no-store",
            )

    asyncio.run(story())


@served()
async def test_the_method_that_the_override_names_is_carried_out_and_the_actual_one_ignored(
    live: Live,
) -> None:
    ada = await files_of(live, "ada")

    async def instead(method: str, actual: str = "POST", **headers: str) -> Answer:
        given = {**TUS, **headers, "X-HTTP-Method-Override": method}
        return await ada.ask(actual, path, headers=given, data=headers and b"12345")

    made = await ada.ask(
        "OPTIONS", headers={**TUS, "Upload-Length": "5", "X-HTTP-Method-Override": "POST"}
    )
    assert made.status == 201
    path = made.headers["Location"].removeprefix("/v1/blobs")
    assert (await instead("HEAD")).headers["Upload-Offset"] == "0"
    patched = await instead("patch", **{**PART, "Upload-Offset": "0"})
    assert (patched.status, patched.headers["Upload-Offset"]) == (204, "5")
    assert (await instead("GET")).body == b"12345"
    assert (await instead("OPTIONS")).headers["Tus-Version"] == "1.0.0"
    wrong = await instead("POST", "PATCH")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PATCH")
    assert (await ada.ask("POST", path, headers=TUS)).status == 405
    assert (await instead("DELETE", "GET")).status == 204
    assert (await instead("HEAD")).status == 404


@served()
async def test_a_page_of_another_site_does_nothing_by_naming_another_method(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.upload(b"sealed")
    headers = {**TUS, "Origin": "https://evil.example", "X-HTTP-Method-Override": "DELETE"}
    for method in ("GET", "POST", "DELETE"):
        refused = await ada.ask(method, path, headers=headers)
        assert (refused.status, b"not_allowed" in refused.body) == (403, True)
    assert (await ada.ask("GET", path)).status == 200


@served()
async def test_every_extension_that_options_names_is_there(live: Live) -> None:
    ada = await files_of(live, "ada")
    for path in ("", await ada.announce(5)):
        options = await ada.ask("OPTIONS", path)
        assert options.headers["Tus-Extension"] == "creation,expiration,termination"


@served()
async def test_an_answer_to_another_version_names_ours_and_every_answer_says_which_it_is(
    live: Live,
) -> None:
    ada = await files_of(live, "ada")
    for method, path in (("POST", ""), ("HEAD", "/" + "00" * 16), ("PATCH", "/" + "00" * 16)):
        refused = await ada.ask(method, path, headers={"Tus-Resumable": "0.2.2"})
        assert (refused.status, refused.headers["Tus-Version"]) == (412, "1.0.0")
        found = await ada.ask(method, path, headers=TUS)
        assert found.headers["Tus-Resumable"] == "1.0.0"


def test_parts_get_smaller_when_many_files_are_under_way() -> None:
    parts, sizes = Parts(), []
    with contextlib.ExitStack() as stack:
        for _ in range(2000):
            sizes.append(parts.size)
            stack.enter_context(parts.one_more())
    assert (sizes[0], sizes[63], sizes[127], sizes[-1]) == (MIB, MIB, MIB // 2, 64 * 1024)
    assert parts.size == MIB


# ---- The disk under a large upload ----


def append(folder: Path, count: int) -> int:
    """Add so many mebibytes to a blob, and return its size when they are safe."""
    blob, blobs = bytes(16), FileBlobs(folder)

    async def parts() -> AsyncIterator[bytes]:
        for number in range(count):
            yield bytes((number,)) * MIB
            await asyncio.sleep(0)

    async def story() -> int:
        await blobs.begin(blob)
        return await blobs.append(blob, 0, parts(), count * MIB)

    with asyncio.Runner() as runner:
        return runner.run(story())


def test_the_disk_works_while_more_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fdatasync

    def noted(file: int) -> None:
        synced.append(os.fstat(file).st_size)
        sync(file)

    monkeypatch.setattr(blobs_module, "SYNCED_BYTES", 2 * MIB)
    monkeypatch.setattr(os, "fdatasync", noted)
    assert append(tmp_path, 9) == 9 * MIB
    assert len(synced) > 1
    assert synced[-1] == 9 * MIB
    assert blob_path(tmp_path, bytes(16)).read_bytes() == b"".join(
        bytes((n,)) * MIB for n in range(9)
    )


@pytest.mark.parametrize("failing", [0, 1])
def test_a_disk_that_fails_meanwhile_is_not_believed(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = itertools.count()

    def broken(_: int) -> None:
        if next(count) == failing:  # The system tells of it once.
            raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(blobs_module, "SYNCED_BYTES", MIB)
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OSError, match="broken"):
        append(tmp_path, 9)


# ---- Uploads that stall ----


class Trickle:
    """A body that has begun to come and then stands still, until it may go on."""

    def __init__(self, begun: bytes, rest: bytes = b"") -> None:
        self.begun, self.rest = begun, rest
        self.may_go_on = asyncio.Event()

    async def __aiter__(self) -> Any:
        yield self.begun
        await self.may_go_on.wait()
        yield self.rest


def begin(files: Files, path: str, trickle: Trickle) -> asyncio.Task[Answer]:
    headers = {**PART, "Upload-Offset": "0"}
    data = aiter(trickle)
    return asyncio.create_task(files.ask("PATCH", path, headers=headers, data=data))


async def running(files: Files) -> None:
    while not files.live.running.blobs._uploading:  # noqa: ASYNC110 - Nobody announces it.
        await asyncio.sleep(0)


@served(upload_timeout_s=1)
async def test_an_upload_that_stands_still_ends_and_can_be_resumed(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1000)
    trickle = Trickle(bytes(300))
    stalled = await begin(ada, path, trickle)
    trickle.may_go_on.set()
    assert (stalled.status, stalled.headers["Upload-Offset"]) == (408, "300")
    assert (await ada.put(path, 300, bytes(700))).status == 204


@pytest.mark.skipif(sys.platform != "linux", reason="Linux sees each byte that moves")
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_download_that_nobody_takes_ends(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with serving(tmp_path, download_timeout_s=1) as live:
            ada = await files_of(live, "ada")
            path = await ada.upload(bytes(16_000_000))  # More than a connection's buffers hold.
            lines = live.running.gate.count
            token = f"Authorization: Bearer {ada.token}"
            request = f"GET /v1/blobs{path} HTTP/1.1\r\nHost: x\r\n{token}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", live.port)) as reader:
                reader.sendall(request.encode())
                assert await asyncio.to_thread(reader.recv, 12) == b"HTTP/1.1 200"
                async with asyncio.timeout(30):
                    while live.running.gate.count > lines:  # noqa: ASYNC110 - Nobody tells.
                        await asyncio.sleep(0)
            assert (await ada.ask("GET", path)).status == 200, "who takes it gets it"
            await downloads(ada, 1)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@served()
async def test_a_newer_upload_takes_the_place_of_one_that_stalls(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1000)
    trickle = Trickle(bytes(300))
    older = begin(ada, path, trickle)
    await running(ada)
    found = await ada.put(path, 0, bytes(1000))
    if found.status == 409:  # What the older one had received was kept.
        found = await ada.put(path, 300, bytes(700))
    assert (found.status, found.headers["Upload-Offset"]) == (204, "1000")
    trickle.may_go_on.set()
    assert (await older).status == 423
    assert (await ada.ask("GET", path)).status == 200


@served()
async def test_an_upload_of_a_file_that_is_deleted_ends_and_keeps_no_space(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1000)
    trickle = Trickle(bytes(300))
    upload = begin(ada, path, trickle)
    await running(ada)
    assert (await ada.ask("DELETE", path, headers=TUS)).status == 204
    await live.running.blobs.drop_files()
    ended = await upload
    assert (ended.status, b'"unknown"' in ended.body) == (404, True)
    assert not live.running.blobs._uploading
    trickle.may_go_on.set()


@served()
async def test_bytes_for_a_file_that_was_just_deleted_make_no_file(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1000)
    files = live.running.blobs._blobs
    await files.drop(bytes.fromhex(path[1:]))
    assert (await ada.put(path, 0, bytes(1000))).status == 404
    assert await files.changed_at(bytes.fromhex(path[1:])) == 0


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_download_of_a_file_that_is_deleted_ends_and_keeps_no_space(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with serving(tmp_path) as live:
            ada = await files_of(live, "ada")
            path = await ada.upload(bytes(16_000_000))  # More than a connection's buffers hold.
            token = f"Authorization: Bearer {ada.token}"
            request = f"GET /v1/blobs{path} HTTP/1.1\r\nHost: x\r\n{token}\r\n\r\n"
            lines = live.running.gate.count
            with socket.create_connection(("127.0.0.1", live.port)) as reader:
                reader.sendall(request.encode())
                assert await asyncio.to_thread(reader.recv, 12) == b"HTTP/1.1 200"
                assert (await ada.ask("DELETE", path, headers=TUS)).status == 204
                await live.running.blobs.drop_files()
                async with asyncio.timeout(30):
                    while live.running.gate.count > lines:  # noqa: ASYNC110 - Nobody tells.
                        await asyncio.sleep(0)
            assert not live.running.blobs._blobs._sending  # type: ignore[attr-defined]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@served()
async def test_an_account_that_was_disabled_meanwhile_finishes_nothing(live: Live) -> None:
    ada = await files_of(live, "ada")
    path = await ada.announce(1000)
    trickle = Trickle(bytes(300), bytes(700))
    upload = begin(ada, path, trickle)
    await running(ada)
    await live.running.works.do(lambda tx: tx.run("UPDATE account SET disabled_at = 1"))
    trickle.may_go_on.set()
    assert (await upload).status == 401
    lines = await live.running.works.look(lambda tx: tx.all("SELECT done_at FROM blob"))
    assert lines == [(None,)]


@served()
async def test_a_database_that_fails_is_said_as_such(live: Live) -> None:
    ada = await files_of(live, "ada")

    async def fail(_: object) -> None:
        raise StorageError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live.running.works, "look", fail)
        for method, path in (("GET", "/" + "00" * 16), ("POST", "")):
            found = await ada.ask(method, path, headers=TUS)
            assert (found.status, b'"storage"' in found.body) == (503, True)
