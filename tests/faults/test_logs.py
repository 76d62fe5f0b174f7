"""Logs, errors and the disk never tell what is nobody's business: a busy server, grepped.

What people send is remembered by the test, and then looked for, in every way in which bytes are
commonly written, in the log files, on the console, in the sentences of refusals and on the disk.
"""

import asyncio
import base64
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alcove.server.auth import totp_code
from alcove.wire.accounts import ChangeBox, DeleteAccount, OpenBox, PutProfile, SetTotp
from alcove.wire.chats import GetBlocks
from alcove.wire.codec import encode_frame
from alcove.wire.devices import PutPackages
from alcove.wire.directory import Find, Signal
from alcove.wire.entries import Append, Appended, Read
from alcove.wire.errors import Refusal
from alcove.wire.greeting import NewToken, SignIn, SignOut
from alcove.wire.ids import Position
from alcove.wire.invites import NewInvite
from alcove.wire.rooms import GetRooms, PutSlot
from tests.faults.clients import Friend, Gone, found_room
from tests.faults.files import Files
from tests.faults.servers import EAGER, Server

PASSWORD = "correct horse battery staple of this server"
SECRET_KEY = "the-key-from-which-all-secrets-of-this-server-are-made-0123456789"
LOOKED_FOR_BYTES = 12
"""So much of a secret is looked for at least: less would be found by chance."""


class Secrets:
    """What must not be told, by what it is."""

    def __init__(self) -> None:
        self.never_stored: dict[str, bytes] = {}
        """What the server gets to see but must not keep."""
        self.sealed: dict[str, bytes] = {}
        """What it keeps and must not tell: bodies, boxes, files."""
        self.told: list[str] = []
        """The sentences of all refusals."""

    @property
    def all(self) -> dict[str, bytes]:
        return self.never_stored | self.sealed


def spellings(secret: bytes) -> Iterator[bytes]:
    """Yield the ways in which bytes may be written: raw, and as digits, text and escapes."""
    start = secret[:48]
    assert len(start) >= LOOKED_FOR_BYTES
    yield start
    yield start.hex().encode()
    # In base64 the letters depend on where in a group of three bytes a secret begins.
    for skipped in range(3):
        part = start[skipped:]
        whole = part[: len(part) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)
    yield repr(start).encode()[2:-1]
    yield str(list(start)).encode()[1:-1]


def found_in(haystack: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [
        name
        for name, secret in secrets.items()
        if any(spelling in haystack for spelling in spellings(secret))
    ]


class Busy:
    """Somebody who does everything that a client can do, right and wrong."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.secrets = Secrets()
        self.dice = random.Random(9)
        self.ada = Friend(self.dice, "ada")
        self.bob = Friend(self.dice, "bob")

    async def ask(self, friend: Friend, request: Any) -> Any:
        reply = await friend.ask(request)
        if isinstance(reply, Refusal):
            self.secrets.told.append(reply.why)
        return reply

    async def refused(self, friend: Friend, request: Any) -> None:
        assert isinstance(await self.ask(friend, request), Refusal)

    async def live(self) -> None:
        """Do it all, then end."""
        try:
            await self.come()
            await self.sign_in_wrongly()
            await self.use_boxes()
            talk = await self.talk()
            await self.use_files()
            await self.use_http()
            await self.talk_without_a_disk(talk)
            await self.send_nonsense()
            await self.go()
        finally:
            await self.ada.close()
            await self.bob.close()

    def _keep(self, friend: Friend) -> None:
        person, name = friend.person, friend.name
        assert person is not None
        for lock, sealed in (("password", person.password), ("phrase", person.phrase)):
            self.secrets.never_stored[f"{name}'s {lock} login"] = sealed.login
            assert sealed.box is not None
            self.secrets.sealed[f"{name}'s {lock} box"] = sealed.box
        self.secrets.sealed[f"{name}'s public key"] = person.phone.key.public
        self.secrets.sealed[f"{name}'s identity"] = person.identity.public

    async def come(self) -> None:
        """Register by the password, wrongly first, and then by an invite."""
        await self.ada.open(self.server.url)
        person = self.ada.person
        assert person is not None
        wrong = "a wrong password of this server"
        self.secrets.never_stored |= {
            "the server's password": PASSWORD.encode(),
            "a wrong password": wrong.encode(),
            "the secret key": SECRET_KEY.encode(),
        }
        await self.refused(self.ada, person.register(server_password=wrong))
        request = person.register(
            server_password=PASSWORD, packages=person.packages(3), last_resort=bytes(100)
        )
        await self.ask(self.ada, request)
        person.keep(request.list)
        await self.ada.connect(self.server.url)
        invited = await self.ask(self.ada, NewInvite(id=self.ada.next_id()))
        secret = invited.link.partition("#")[2].partition(".")[0]
        self.secrets.never_stored["the secret of a link"] = secret.encode()
        await self.bob.open(self.server.url)
        person = self.bob.person
        assert person is not None
        await self.refused(self.bob, person.register(invite=secret[::-1]))
        request = person.register(invite=secret)
        await self.ask(self.bob, request)
        person.keep(request.list)
        await self.refused(self.bob, person.register(invite=secret, account=bytes(16)))
        await self.bob.connect(self.server.url)
        for friend in (self.ada, self.bob):
            self._keep(friend)

    async def sign_in_wrongly(self) -> None:
        stranger = Friend(self.dice, "stranger")
        greeting = await stranger.open(self.server.url)
        person = self.ada.person
        assert person is not None
        for signature in (bytes(64), self.dice.randbytes(64)):
            wrong = SignIn(device=person.phone.id, signature=signature, nonce=bytes(32))
            await self.refused(stranger, wrong)
        await self.refused(stranger, person.sign_in(person.phone, greeting.challenge))
        await self.refused(stranger, GetRooms())
        await stranger.close()

    async def use_boxes(self) -> None:
        person = self.ada.person
        assert person is not None
        wrong = self.dice.randbytes(32)
        self.secrets.never_stored["a wrong login"] = wrong
        lock, name = person.password, person.name
        await self.refused(self.ada, OpenBox(name=name, lock="password", login=wrong))
        await self.refused(self.ada, OpenBox(name="nobody", lock="password", login=wrong))
        opened = await self.ask(
            self.bob, OpenBox(name=name, lock="phrase", login=person.phrase.login)
        )
        changed = person.sealed()
        change = ChangeBox(
            id=self.ada.next_id(),
            version=1,
            login=person.phrase.login,
            lock="phrase",
            phrase=changed,
        )
        await self.ask(self.ada, change)
        self.secrets.never_stored["a new login"] = changed.login
        secret = self.dice.randbytes(32)
        self.secrets.sealed["the secret of an authenticator"] = secret
        for code in ("000000", totp_code(secret, opened.id)):
            number = self.ada.next_id()
            request = SetTotp(
                id=number, login=lock.login, lock="password", secret=secret, code=code
            )
            await self.refused(self.ada, request)
        profile = self.dice.randbytes(300)
        self.secrets.sealed["a profile"] = profile
        await self.ask(self.ada, PutProfile(id=self.ada.next_id(), body=profile))
        package = self.dice.randbytes(300)
        self.secrets.sealed["a key package"] = package
        await self.ask(self.ada, PutPackages(id=self.ada.next_id(), packages=(package,)))

    async def talk(self) -> Any:
        talk = await found_room(self.ada, self.bob)
        for number in range(20):
            entry = self.ada.message(talk.handshake, 400)
            self.secrets.sealed[f"body {number}"] = entry.body
            assert isinstance(await self.ask(self.ada, self.ada.append(talk, entry)), Appended)
        stale = self.ada.message(self.dice.randbytes(32))
        self.secrets.sealed["a body that was refused"] = stale.body
        await self.refused(self.ada, self.ada.append(talk, stale))
        slot = self.dice.randbytes(100)
        self.secrets.sealed["a read position"] = slot
        await self.ask(self.ada, PutSlot(id=self.ada.next_id(), room=talk.room, body=slot))
        typing = self.dice.randbytes(100)
        self.secrets.never_stored["a signal"] = typing
        await self.ask(self.bob, Signal(room=talk.room, body=typing))
        await self.refused(self.bob, Read(room=bytes(16), since=Position(0, 0)))
        await self.ask(self.bob, Find(name="a name that is looked for"))
        return talk

    async def use_files(self) -> None:
        files = await Files.of(self.bob, self.server.url)
        self.secrets.never_stored["a token"] = files.token.encode()
        data = self.dice.randbytes(5000)
        self.secrets.sealed["a file"] = data
        place = await files.announce(len(data))
        assert (await files.send(place, 7, data))[0] == 409
        assert (await files.send(place, 0, data + data))[0] == 413
        assert await files.send(place, 0, data) == (204, "")
        assert await files.fetch(place) == (200, data)
        assert (await files.fetch(place.replace("/v1/blobs/", "/v1/blobs/f")))[0] >= 400

    async def use_http(self) -> None:
        """Send things to the HTTP door with wrong tokens, in wrong places and in wrong forms."""
        token = (await self.ask(self.ada, NewToken(id=self.ada.next_id()))).token
        wrong = "a-token-that-nobody-has-given-out"
        marked = "a text that stands where none should stand"
        self.secrets.never_stored |= {
            "another token": token.encode(),
            "a wrong token": wrong.encode(),
            "a misplaced text": marked.encode(),
        }
        bodies = (
            b"{}",
            b"{",
            marked.encode(),
            b'{"name": "' + marked.encode() + b'"}',
            b"\xff" * 20,
        )
        async with aiohttp.ClientSession() as session:
            for given in (token, wrong, marked, ""):
                for verb in ("get_rooms", "find", "salt", "no_such_verb", "append"):
                    for body in bodies:
                        headers = {"Authorization": f"Bearer {given}"}
                        url = f"{self.server.url}/v1/{verb}?token={token}"
                        async with session.post(url, data=body, headers=headers) as response:
                            self.secrets.told.append(await response.text())
                            assert response.status < 500
            for path in (f"/{token}", f"/i/{token}", f"/v1/{token}", f"/v1/blobs/{token}"):
                async with session.get(self.server.url + path) as response:
                    self.secrets.told.append(await response.text())

    async def talk_without_a_disk(self, talk: Any) -> None:
        """Provoke errors that are logged."""
        file = self.server.data / "alcove.sqlite"
        elsewhere = self.server.data / "elsewhere.sqlite"
        file.rename(elsewhere)
        for number in range(3):
            entry = self.ada.message(talk.handshake, 400)
            self.secrets.sealed[f"body {number} without a disk"] = entry.body
            await self.refused(self.ada, self.ada.append(talk, entry))
        await self.refused(self.ada, NewToken(id=self.ada.next_id()))
        elsewhere.rename(file)

    async def send_nonsense(self) -> None:
        marked = b"bytes in a frame that cannot be read"
        self.secrets.never_stored["bytes that cannot be read"] = marked
        stranger = Friend(self.dice, "stranger")
        person = self.bob.person
        assert person is not None
        frames = (
            marked,
            b"\x91" + marked,
            encode_frame([GetBlocks()]) + marked,
            b"\x91\xd9\x24" + marked,
        )
        for frame in frames:
            with contextlib.suppress(Gone):
                await stranger.open(self.server.url)
                stranger.listens_only()
                await stranger.send_frame(frame)
                await self.refused(stranger, SignOut())
        await stranger.close()

    async def go(self) -> None:
        person = self.bob.person
        assert person is not None
        wrong = DeleteAccount(id=self.bob.next_id(), lock="phrase", login=bytes(32))
        await self.refused(self.bob, wrong)
        await self.ask(self.ada, SignOut(id=self.ada.next_id()))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_people_send_is_found_in_logs_errors_or_where_it_is_not_stored(
    tmp_path: Path, log_format: str
) -> None:
    settings = {
        **EAGER,
        "registration": "password",
        "server_password": PASSWORD,
        "secret_key": SECRET_KEY,
        "log_level": "debug",
        "log_format": log_format,
    }
    with Server(tmp_path, **settings) as server:
        server.start()
        assert server.process is not None
        busy = Busy(server)
        asyncio.run(busy.live())
        arguments = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        stored = b"".join(
            file.read_bytes() for file in sorted(server.data.rglob("*")) if file.is_file()
        )
        assert server.stop() == 0
    secrets = busy.secrets
    logged = server.logs()
    assert "StorageError" in logged, "something was logged"
    written = (logged + server.words() + "\n".join(secrets.told)).encode() + arguments
    assert found_in(written, secrets.all) == []
    assert found_in(stored, secrets.never_stored) == []
    # The same search finds what is there.
    assert set(found_in(stored, secrets.sealed)) >= {"body 3", "a profile", "a file"}


def test_a_secret_is_found_however_it_is_written() -> None:
    secret = bytes(range(100, 140))
    written = (
        b"xx" + secret,
        secret.hex().encode(),
        base64.b64encode(b"x" + secret),
        base64.urlsafe_b64encode(b"xx" + secret),
        repr(secret).encode(),
        str(list(secret)).encode(),
    )
    for line in written:
        assert found_in(b"... " + line + b" ...", {"it": secret}) == ["it"]
    assert found_in(b"nothing here", {"it": secret}) == []


def test_a_request_that_is_shown_by_mistake_would_be_found() -> None:
    entry = Friend(random.Random(1), "ada").dice.randbytes(64)
    shown = repr(Append(room=bytes(16), entries=())).encode() + repr(entry).encode()
    assert found_in(shown, {"a body": entry}) == ["a body"]
