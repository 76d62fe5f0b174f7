"""What the owner of an account does with the account itself: devices, password, phrase, invites.

The password is asked for whenever the account's box is opened, and is not kept.  Where the account
asks for codes of an authenticator app, each works once: `code` is then a function that asks.
"""

import asyncio
import os
import time
from base64 import b32encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from alcove.client import account, devices, pairing, profiles
from alcove.client.account import Locks, Opener, Unlocked, unlock
from alcove.client.errors import PeerError, PhraseNeededError, UsageError
from alcove.client.io.arriving import after_pause, locks_of, opened_box, opener_of, salt_for
from alcove.client.io.clearing import Cleared
from alcove.client.io.images import avatar
from alcove.client.io.people import Device, Reach, moment
from alcove.client.io.vault import stretch
from alcove.client.keys.lock import PHRASE_BYTES
from alcove.client.keys.phrase import write_phrase
from alcove.client.profiles import AccountProfile
from alcove.wire.accounts import OpenedBox
from alcove.wire.devices import GetDevices
from alcove.wire.directory import SetVisibility
from alcove.wire.events import Event, GetEvents
from alcove.wire.greeting import SignOut
from alcove.wire.invites import DropInvite, GetInvites, Invite, NewInvite

if TYPE_CHECKING:
    from alcove.client.io.client import Client

Code = str | Callable[[], str] | None
_SHOWN: Final = """
SELECT 1 FROM alarm WHERE kind = 'receipts.slot'
UNION ALL SELECT 1 FROM request WHERE answered_by IN ('profiles.mine', 'receipts.stored') LIMIT 1
"""
TOTP_BYTES: Final = 20
"""What RFC 4226 recommends for the secret of an authenticator app."""


class Held(NamedTuple):
    """A box that was opened, and what opens it."""

    opener: Opener
    opened: OpenedBox
    unlocked: Unlocked
    locks: Locks
    """Both ways in, as they are now."""


async def _code(code: Code) -> str | None:
    return await asyncio.to_thread(code) if callable(code) else code


class Owner:
    """The account of a client, and what only its owner may do with it."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    # ---- Opening the box ----

    async def _open(self, password: str, phrase: str, code: Code) -> Held:
        """Open the box by the password, or where that is too weak for it by the phrase."""
        client = self.client
        salt = await salt_for(client.line, client.name)
        by_password = await opener_of(salt, "password", password, await _code(code))
        opened = await opened_box(client.line, client.name, by_password)
        opener = by_password
        if opened.box is None:
            phrase = phrase or self._kept_phrase(by_password.stretched)
            if not phrase:
                raise PhraseNeededError
            opener = await opener_of(salt, "phrase", phrase, await _code(code))
            opened = await opened_box(client.line, client.name, opener)
        unlocked = unlock(opened, opener.stretched, client.who.server)
        locks = Locks(
            by_password.stretched,
            await stretch(unlocked.box.phrase, salt),
            is_strong=opener is by_password,
        )
        return Held(opener._replace(code=await _code(code)), opened, unlocked, locks)

    def _kept_phrase(self, stretched: bytes) -> str:
        """Return the phrase while this device keeps it for the owner; else nothing."""
        try:
            kept = self.client.do(account.show_phrase, stretched)
        except PeerError:
            return ""  # Another password than the one that it was kept under.
        return "" if kept is None else write_phrase(kept)

    # ---- Devices ----

    async def devices(self) -> list[Device]:
        """Return this account's devices, oldest first, with what the server knows of each.

        Without a line, `added_at` is when this device has heard of one.
        """
        seen: dict[bytes, Any] = {}
        if self.client.is_online:
            seen = {one.device: one for one in (await self.client.ask(GetDevices())).devices}
        found = []
        for device, is_browser, heard_at, is_me in devices.own_devices(self.client.db):
            known = seen.get(device)
            added_at = heard_at if known is None else known.added_at
            seen_at = None if known is None or known.seen_at is None else moment(known.seen_at)
            found.append(
                Device(
                    device.hex(), is_me, is_browser, moment(added_at), seen_at,
                    "" if known is None else known.client,
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: one.added_at)

    def reach(self, device: str) -> list[Reach]:
        """Return what a device could read, and since when: what to tell after it was lost."""
        return [
            Reach(
                self.client.room_of(one.room),
                None if one.since_at is None else moment(one.since_at),
                None if one.until_at is None else moment(one.until_at),
            )
            for one in devices.reach(self.client.db, self._device(device))
        ]

    async def revoke(
        self, device: str, password: str, *, phrase: str = "", code: Code = None
    ) -> None:
        """Take a device off the account, and then out of its rooms: it reads nothing new."""
        held = await self._open(password, phrase, code)
        await self.client.line.order(
            devices.revoke, held.opened, held.opener, held.locks, self._device(device)
        )

    async def certify(
        self, shown: str, password: str, *, phrase: str = "", code: Code = None,
        is_browser: bool = True,
    ) -> None:  # fmt: skip
        """Let the device that shows this code into the account: see `Client.pair`.

        Unlike one that is signed in by the password, it never learns that.
        """
        held = await self._open(password, phrase, code)
        await self.client.line.order(
            pairing.certify, held.opened, held.opener, shown, is_browser=is_browser
        )

    def _device(self, device: str) -> bytes:
        """Return a device by its id, or by how that begins."""
        there = [one.device for one in devices.own_devices(self.client.db)]
        found = [one for one in there if device and one.hex().startswith(device.lower())]
        if len(found) != 1:
            raise UsageError("No one device of yours has this id: look at the list of devices.")
        return found[0]

    async def sign_out(self) -> None:
        """End what this device may do by token; the account's list keeps it until it is revoked."""
        await self.client.ask(SignOut())

    # ---- Password and phrase ----

    async def recovery_phrase(self, password: str, *, code: Code = None) -> str:
        """Return the words that open the account when the password is forgotten."""
        client = self.client
        salt = await salt_for(client.line, client.name)
        kept = self._kept_phrase(await stretch(password, salt))
        if kept:
            return kept
        return write_phrase((await self._open(password, "", code)).unlocked.box.phrase)

    @property
    def must_save_phrase(self) -> bool:
        """Whether the recovery phrase has still to be written down."""
        return self.client.do(account.must_save_phrase)

    async def phrase_saved(self) -> None:
        """Note that the phrase was written down: this device forgets it."""
        self.client.do(account.phrase_saved)
        self.client.note_phrase()

    async def change_password(
        self, password: str, new: str, *, phrase: str = "", code: Code = None
    ) -> None:
        """Take another password; the phrase stays."""
        held = await self._open(password, phrase, code)
        locks = await self._locks(new, held.unlocked.box.phrase)
        await self.client.line.order(
            account.change_locks, held.opened, held.opener, locks, held.unlocked.box.phrase
        )

    async def renew_keys(
        self, password: str, new: str, *, phrase: str = "", code: Code = None
    ) -> str:
        """My password leaked: take other keys of every kind, and return the new phrase.

        Everybody who knows this account is shown that its keys have changed.
        """
        held = await self._open(password, phrase, code)
        fresh = os.urandom(PHRASE_BYTES)
        locks = await self._locks(new, fresh)
        await self.client.line.order(account.rotate, held.opened, held.opener, locks, fresh)
        return write_phrase(fresh)

    async def _locks(self, password: str, phrase: bytes) -> Locks:
        client = self.client
        salt = await salt_for(client.line, client.name)
        return await locks_of(salt, client.name, password, phrase)

    # ---- Codes of an authenticator app ----

    def new_code_secret(self) -> tuple[bytes, str]:
        """Return a secret for an authenticator app, and the link that such an app scans."""
        secret = os.urandom(TOTP_BYTES)
        label = quote(f"Alcove:{self.client.name}")
        text = b32encode(secret).decode("ascii")
        return secret, f"otpauth://totp/{label}?secret={text}&issuer=Alcove"

    async def ask_for_codes(self, password: str, secret: bytes, code: str) -> None:
        """Let the account ask for codes; the first one shows that the app has the secret."""
        await self._set_codes(password, secret, code)

    async def ask_for_no_codes(self, password: str, code: str) -> None:
        """Let the account ask for no codes any more."""
        await self._set_codes(password, None, code)

    async def _set_codes(self, password: str, secret: bytes | None, code: str) -> None:
        salt = await salt_for(self.client.line, self.client.name)
        opener = await opener_of(salt, "password", password, None)
        line = self.client.line
        await after_pause(lambda: line.order(account.set_totp, opener, secret, code))

    # ---- The end ----

    async def delete_account(self, password: str, *, code: Code = None) -> None:
        """Delete the account and all that the server keeps for it.  It cannot be undone."""
        salt = await salt_for(self.client.line, self.client.name)
        opener = await opener_of(salt, "password", password, await _code(code))
        line = self.client.line
        await after_pause(lambda: line.order(account.delete, opener))

    async def show_me(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        picture: bytes | Path | None = None,
    ) -> None:
        """Show this account so to those who share a room with it; None leaves what it is.

        A picture is a small JPEG, or the path of one that is made small.
        """
        if isinstance(picture, Path):
            picture = await asyncio.to_thread(avatar, str(picture))
        before = profiles.person(self.client.db, self.client.account)
        self.client.do(
            profiles.set_mine,
            AccountProfile(
                before.name if name is None else name,
                before.status if status is None else status,
                before.picture if picture is None else picture,
            ),
        )

    @property
    def is_shown(self) -> bool:
        """Whether everybody who shares a room with this account can see how it shows itself."""
        return self.client.db.one(_SHOWN) is None

    # ---- Others, and what the server writes down ----

    async def invite(self, *, uses: int = 1, days: int = 7) -> str:
        """Return a new link by which people can register on this server."""
        link: str = (await self.client.ask(NewInvite(uses=uses, days=days))).link
        return link

    async def invites(self) -> list[Invite]:
        """Return the invites that this account made, newest first."""
        return list((await self.client.ask(GetInvites())).invites)

    async def withdraw_invite(self, invite: str) -> None:
        """End an invite, by its id."""
        await self.client.ask(DropInvite(invite=invite))

    async def set_visibility(
        self, *, online: bool | None = None, seen: bool | None = None, findable: Any = None
    ) -> None:
        """Choose what others may see of this account; None leaves a choice as it is."""
        await self.client.ask(SetVisibility(online=online, seen=seen, findable=findable))

    async def events(self, *, suspicious: bool = False) -> list[Event]:
        """Return what the server has written down about this account lately, newest first."""
        return list((await self.client.ask(GetEvents(suspicious=suspicious))).events)

    async def clear_events(self) -> Cleared:
        """Show on this machine only what comes after now; the server keeps all of it.

        What was put out of sight, and when, is written down.
        """
        found = await self.events()
        before = self.cleared
        cleared = Cleared(
            number=max((one.number for one in found), default=before.number),
            at=int(time.time() * 1000),
            events=sum(one.number > before.number for one in found),
        )
        await asyncio.to_thread(cleared.keep, self.client.opened.profile.folder)
        return cleared

    @property
    def cleared(self) -> Cleared:
        """What of the events was put out of sight on this machine."""
        return Cleared.of(self.client.opened.profile.folder)
