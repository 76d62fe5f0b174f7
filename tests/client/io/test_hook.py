"""Hooks: what programs bring is posted, marked, and limited."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from alcove.client.errors import UsageError
from alcove.client.io.hook import BODY_BYTES_MAX, POSTS_MAX, POSTS_S, Hook, is_name
from tests.client.io.live import Town, met


class Post:
    """What a program on this machine does."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session, self.address = session, address

    async def __call__(
        self, body: bytes | str, media: str = "application/x-www-form-urlencoded"
    ) -> tuple[int, str]:
        """Do what `curl -d BODY ADDRESS` does."""
        headers = {"Content-Type": media}
        async with self.session.post(self.address, data=body, headers=headers) as response:
            return response.status, await response.text()


@asynccontextmanager
async def posting(hook: Hook) -> AsyncIterator[Post]:
    """Listen, and hand out what posts."""
    async with hook.listening() as address, aiohttp.ClientSession() as session:
        yield Post(session, address)


@met()
async def test_what_curl_brings_is_posted_and_marked(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Team", ["bob"])
    async with posting(Hook(ada, team, "builds")) as post:
        assert await post("all tests pass") == (200, "posted\n")
        heard = await town.hears(bob, "all tests pass")
        assert (heard.through, str(heard.author)) == ("builds", "ada")
        body = json.dumps({"text": "a=b&c", "topic": "ci"})
        assert await post(body, "application/json") == (200, "posted\n")
        assert (await town.hears(bob, "a=b&c")).topic == "ci"
    await team.send("by hand")
    assert (await town.hears(bob, "by hand")).through == ""


@met()
async def test_a_hook_refuses_in_sentences(town: Town) -> None:
    ada = await town.newcomer("ada")
    team = await ada.create_group("Team")
    async with posting(Hook(ada, team, "builds")) as post:
        status, why = await post("")
        assert (status, "nothing to send" in why) == (400, True)
        status, why = await post(b"\xff")
        assert (status, "UTF-8" in why) == (400, True)
        status, why = await post('{"body": 1}', "application/json")
        assert (status, "UTF-8" in why) == (400, True)
        status, why = await post(b"x" * (BODY_BYTES_MAX + 1))
        assert (status, "send less" in why) == (413, True)
        async with post.session.get(post.address) as response:
            assert response.status == 405
        for wrong in (post.address[:-1], post.address.replace("builds", "others")):
            async with post.session.post(wrong, data="let me in") as response:
                assert response.status == 404
    assert [message for message in team.history() if message.kind == "text"] == []


@met()
async def test_a_program_that_goes_wrong_floods_nobody(town: Town) -> None:
    ada = await town.newcomer("ada")
    team = await ada.create_group("Team")
    now = 0.0
    hook = Hook(ada, team, "builds", clock=lambda: now)
    async with posting(hook) as post:
        for number in range(POSTS_MAX):
            assert (await post(str(number)))[0] == 200
        async with post.session.post(post.address, data="more") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "61")
        now = POSTS_S
        assert (await post("later"))[0] == 200
    said = [message.text for message in team.history(100) if message.kind == "text"]
    assert said == [*map(str, range(POSTS_MAX)), "later"]


@met()
async def test_the_address_stays_the_same_and_others_cannot_read_it(town: Town) -> None:
    ada = await town.newcomer("ada")
    team = await ada.create_group("Team")
    hook = Hook(ada, team, "builds")
    assert Hook(ada, team, "builds").path == hook.path
    assert Hook(ada, team, "deploys").secret != hook.secret
    place = ada.opened.profile.folder / "hooks" / "builds"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert len(hook.secret) == 24


@met()
async def test_a_hook_listens_at_a_socket_of_its_own_user(town: Town) -> None:
    ada = await town.newcomer("ada")
    team = await ada.create_group("Team")
    place = town.folder / "hook"
    for _ in range(2):  # The second finds the socket of the first, as after a kill.
        async with Hook(ada, team, "builds").listening(place=place) as address:
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
            connector = aiohttp.UnixConnector(str(place))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.post(address, data="by socket") as response,
            ):
                assert response.status == 200
    assert len([one for one in team.history() if one.text == "by socket"]) == 2


@met()
async def test_a_place_that_is_taken_is_said_so(town: Town) -> None:
    ada = await town.newcomer("ada")
    team = await ada.create_group("Team")
    async with Hook(ada, team, "builds").listening() as address:
        port = int(address.split(":")[2].partition("/")[0])
        with pytest.raises(UsageError, match="another port"):
            async with Hook(ada, team, "deploys").listening(port):
                pass
    file = town.folder / "file"
    await asyncio.to_thread(file.write_text, "no socket")
    with pytest.raises(UsageError, match="another port or place"):
        async with Hook(ada, team, "builds").listening(place=file):
            pass
    with pytest.raises(UsageError, match="A hook has a name"):
        Hook(ada, team, "../builds")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("builds", True), ("a.b-c_1", True), ("", False), (".a", False), ("a/b", False),
     ("x" * 41, False), ("ä", False)],
)  # fmt: skip
def test_names_of_hooks_are_plain(name: str, is_one: bool) -> None:
    assert is_name(name) is is_one
