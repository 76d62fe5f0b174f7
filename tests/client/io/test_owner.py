"""What an owner does with the account itself, against a real server."""

import asyncio
import base64
import hashlib
import hmac
import struct
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from alcove.client import pairing
from alcove.client.errors import RefusedError, UsageError
from alcove.client.io import arriving
from alcove.client.io.client import Client
from alcove.client.io.news import Alert, News
from alcove.client.tx import Tx
from alcove.server.tx import Tx as ServerTx
from tests.client.io.live import PASSWORD, PATIENCE_S, Town, met

OTHER = "cedar lamp oyster twelve bridge"
WEAK = "Summer2026!"


def code_of(secret: bytes, step: int = 0) -> str:
    """Return what an authenticator app shows (RFC 6238)."""
    digest = hmac.digest(secret, struct.pack(">Q", int(time.time()) // 30 + step), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


@met()
async def test_a_device_that_came_after_the_backup_comes_in_again_when_the_server_was_restored(
    town: Town,
) -> None:
    ada = await town.newcomer("ada")
    phone = await town.device("ada", "phone")
    device = phone.who.device
    await ada.close(0)
    await phone.close(0)

    def restore(tx: ServerTx) -> None:
        (body,) = tx.one("SELECT body FROM device_list WHERE version = 1") or (b"",)
        tx.run("DELETE FROM device_list WHERE version > 1")
        tx.run("DELETE FROM device WHERE device = ?", device)
        hashed = hashlib.sha256(body).digest()
        tx.run("UPDATE account SET list_version = 1, list_hash = ?", hashed)

    await town.live.running.works.do(restore)
    again = await town.opened(Client(town.folder / "phone", passphrase="heron"))
    assert again.who.device == device
    assert len(await again.owner.devices()) == 2


@met()
async def test_a_device_comes_in_by_the_code_that_it_shows_and_reads_what_was_said(
    town: Town,
) -> None:
    patch = town.patched()
    patch.setattr(arriving, "PAIRING_S", 0.05)
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await (await bob.direct("ada")).send("hello")).sent(PATIENCE_S)
    await town.hears(ada, "hello")
    codes: list[str] = []
    scanned: list[asyncio.Task[None]] = []

    def show(code: str) -> None:
        codes.append(code)
        scanned.append(asyncio.create_task(ada.owner.certify(code, PASSWORD)))

    new = Client.pair(town.address, show, where=town.folder / "browser", passphrase="heron")
    browser = await town.opened(new)
    await asyncio.gather(*scanned)
    assert (browser.name, browser.account) == ("ada", ada.account)
    await town.hears(browser, "hello")
    assert [one.is_browser for one in await ada.owner.devices()] == [False, True]
    with pytest.raises(UsageError, match="used already"):
        await ada.owner.certify(codes[0], PASSWORD)


@met()
async def test_a_code_that_nobody_scans_ends_and_one_that_is_answered_falsely_too(
    town: Town,
) -> None:
    patch = town.patched()
    patch.setattr(arriving, "PAIRING_S", 0.05)
    patch.setattr(pairing, "ENDS_MS", 100)
    with pytest.raises(UsageError, match="has ended"):
        await Client.pair(town.address, str, where=town.folder / "late", passphrase="heron")

    def given_up(tx: Tx) -> bool:
        return not tx.run("DELETE FROM pairing")

    patch.setattr(pairing, "has_ended", given_up)
    with pytest.raises(UsageError, match="answered to the code"):
        await Client.pair(town.address, str, where=town.folder / "false", passphrase="heron")


@met()
async def test_a_lost_device_is_taken_off_and_reads_nothing_new(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.direct("bob")
    await (await room.send("before")).sent(PATIENCE_S)
    phone = await town.device("ada", "phone")
    await town.hears(phone, "before")
    heard: list[News] = []
    phone.listen(heard.append)
    here, there = await ada.owner.devices()
    assert (here.is_this, there.is_this) == (True, False)
    with pytest.raises(UsageError, match="No one device"):
        await ada.owner.revoke("zz", PASSWORD)
    with pytest.raises(RefusedError, match="password is wrong"):
        await ada.owner.revoke(there.id, OTHER)
    await ada.owner.revoke(there.id[:8], PASSWORD)
    await phone.line._until(lambda: phone.line.turned_away is not None, PATIENCE_S)
    assert phone.line.turned_away is not None
    assert phone.line.turned_away.code == "revoked"
    with pytest.raises(UsageError, match="removed from your account"):
        await phone.room(room.id).send("to nobody")
    assert [one.id for one in await ada.owner.devices()] == [here.id]
    assert [one.room for one in ada.owner.reach(here.id)] == [room]
    await (await room.send("after")).sent(PATIENCE_S)
    await town.hears(bob, "after")
    assert phone.search("after") == []


@met()
async def test_the_password_changes_and_the_phrase_stays(town: Town) -> None:
    ada = await town.newcomer("ada")
    assert await ada.owner.recovery_phrase(PASSWORD) == ada.recovery_phrase
    assert not ada.owner.must_save_phrase
    await ada.owner.change_password(PASSWORD, OTHER)
    with pytest.raises(RefusedError, match="password is wrong"):
        await town.device("ada", "phone")
    await town.device("ada", "tablet", OTHER)
    assert await ada.owner.recovery_phrase(OTHER) == ada.recovery_phrase
    with pytest.raises(UsageError, match="at least 14"):
        await ada.owner.change_password(OTHER, "short")


@met()
async def test_a_weak_password_opens_the_account_together_with_the_phrase(town: Town) -> None:
    ada = await town.newcomer("ada", password=WEAK)
    must_save = [ada.owner.must_save_phrase]
    assert await ada.owner.recovery_phrase(WEAK) == ada.recovery_phrase
    await ada.owner.phrase_saved()
    must_save.append(ada.owner.must_save_phrase)
    assert must_save == [True, False]
    with pytest.raises(UsageError, match="recovery phrase"):
        await town.device("ada", "phone", WEAK)
    await town.device("ada", "tablet", ada.recovery_phrase)
    with pytest.raises(UsageError, match="give the recovery phrase"):
        await ada.owner.change_password(WEAK, OTHER)
    await ada.owner.change_password(WEAK, OTHER, phrase=ada.recovery_phrase)
    await town.device("ada", "laptop", OTHER)


@met()
async def test_keys_are_renewed_and_everybody_is_shown_it(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await ada.direct("bob")).send("hello")
    await town.hears(bob, "hello")
    his = await bob.person("ada")
    before = his.safety_number
    phrase = await ada.owner.renew_keys(PASSWORD, OTHER)
    assert phrase != ada.recovery_phrase
    await bob.until(lambda: his.state == "changed", PATIENCE_S)
    assert his.safety_number != before
    waiting = await bob.room("@ada").send("is it you?")
    assert waiting.refreshed().state == "waiting"
    await his.accept_change(his.safety_number)
    assert (await bob.person("ada")).state == "unchecked"
    await town.hears(ada, "is it you?")


@met()
async def test_an_account_asks_for_codes_when_its_owner_wants_it(town: Town) -> None:
    ada = await town.newcomer("ada")
    secret, link = ada.owner.new_code_secret()
    assert base64.b32decode(parse_qs(urlsplit(link).query)["secret"][0]) == secret
    with pytest.raises(RefusedError, match="code is wrong"):
        await ada.owner.ask_for_codes(PASSWORD, secret, "000000")
    await ada.owner.ask_for_codes(PASSWORD, secret, code_of(secret, -1))
    with pytest.raises(RefusedError, match="authenticator app"):
        await town.device("ada", "phone")
    client = Client.sign_in(
        town.address, "ada", PASSWORD, code=code_of(secret), where=town.folder / "tablet",
        passphrase="heron",
    )  # fmt: skip
    await town.opened(client)
    await ada.owner.ask_for_no_codes(PASSWORD, code_of(secret, 1))
    await town.device("ada", "laptop")


@met()
async def test_what_others_do_with_the_account_is_heard(town: Town) -> None:
    ada = await town.newcomer("ada")
    heard: list[News] = []
    ada.listen(heard.append)
    phone = await town.device("ada", "phone")
    await ada.until(lambda: any(isinstance(one, Alert) for one in heard), PATIENCE_S)
    (alert,) = [one for one in heard if isinstance(one, Alert)]
    assert (alert.code, "new device" in alert.text) == ("device-added", True)
    assert "device_added" in [one.kind for one in await phone.owner.events()]


@met()
async def test_an_account_is_deleted_and_its_name_is_free(town: Town) -> None:
    ada = await town.newcomer("ada")
    await ada.owner.delete_account(PASSWORD)
    await ada.close(patience_s=0)
    again = await town.newcomer("ada", where=town.folder / "again")
    assert again.rooms() == []


@met()
async def test_invites_are_listed_and_withdrawn(town: Town) -> None:
    ada = await town.newcomer("ada")
    link = await ada.owner.invite(uses=2, days=1)
    (invite,) = await ada.owner.invites()
    assert (invite.uses, invite.invite in link) == (2, True)
    await ada.owner.withdraw_invite(invite.invite)
    assert await ada.owner.invites() == []
    await ada.owner.sign_out()
