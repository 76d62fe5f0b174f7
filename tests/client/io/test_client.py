"""The SDK on a real server: accounts, rooms, messages, people, and what a program hears."""

import asyncio
from pathlib import Path

import pytest

from alcove.client.errors import OfflineError, RefusedError, StoreError, UsageError
from alcove.client.io import arriving
from alcove.client.io.client import Client
from alcove.client.io.device import Device
from alcove.client.io.news import (
    MessageChanged,
    MessageReceived,
    MessageSent,
    News,
    Offline,
    Online,
    RoomChanged,
    Typing,
)
from alcove.client.io.rooms import Room
from alcove.client.io.vault import WrongPassphraseError
from alcove.wire.base import Reply, Request
from alcove.wire.errors import Refusal
from tests.client.io.live import MENDED_S, PASSWORD, PATIENCE_S, Town, met

# ---- Coming and going ----


@met()
async def test_two_people_talk(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    assert len(ada.recovery_phrase.split()) == 11
    room = await ada.direct("@bob")
    message = await room.send("hello")
    assert (message.text, message.is_mine, message.state) == ("hello", True, "waiting")
    heard = await town.hears(bob, "hello")
    assert str(heard.author) == "ada"
    assert heard.room.title == "ada"
    await heard.reply("hello yourself")
    answer = await town.hears(ada, "hello yourself")
    assert answer.reply_to == message
    assert answer.room == room
    assert (await message.sent(PATIENCE_S)).state in ("stored", "delivered", "read")


@met(registration="invite")
async def test_a_link_leads_to_the_server_and_opens_it(town: Town) -> None:
    with pytest.raises(RefusedError, match="needs an invite"):
        await town.newcomer("ada")
    ada = await town.newcomer("ada", server=await town.link("owner"))
    bob = await town.newcomer("bob", server=town.here(await ada.owner.invite()))
    assert (await ada.person("bob")).account == bob.account
    assert [one.used for one in await ada.owner.invites() if one.kind == "invite"] == [1]


@met()
async def test_a_link_of_another_server_is_not_followed(town: Town) -> None:
    link = await town.link("invite")
    place, _, rest = link.partition(".k")
    with pytest.raises(RefusedError, match="not the server that was pinned"):
        await town.newcomer("ada", server=f"{place}.k{'0' * 64}{rest[64:]}")


@met()
async def test_another_device_reads_everything_and_a_wrong_password_is_refused(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.direct("@bob")
    await (await room.send("before")).sent(PATIENCE_S)
    await town.hears(bob, "before")
    with pytest.raises(RefusedError, match="name or the password is wrong"):
        await town.device("ada", "thief", "heron lakes and cold reeds")
    phone = await town.device("ada", "phone", ada.recovery_phrase)
    assert (phone.name, phone.account) == ("ada", ada.account)
    old = await town.hears(phone, "before")
    assert old.is_mine
    assert len(await ada.owner.devices()) == 2


@met()
async def test_what_is_written_without_a_line_is_sent_when_there_is_one(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await (await ada.direct("@bob")).send("first")).sent(PATIENCE_S)
    await ada.close()
    alone = await Client(town.folder / "ada", passphrase="heron", connect=False)
    message = await alone.room("@bob").send("written in a tunnel")
    with pytest.raises(OfflineError):
        await message.sent(0.01)
    await alone.close(patience_s=0)
    async with Client(town.folder / "ada", passphrase="heron") as again:
        assert again.server == town.address
    await town.hears(bob, "written in a tunnel")


@met()
async def test_a_profile_opens_once_and_with_its_passphrase(town: Town) -> None:
    ada = await town.newcomer("ada")
    with pytest.raises(StoreError, match="in use by the process"):
        await Client(town.folder / "ada", passphrase="heron")
    with pytest.raises(UsageError, match="open already"):
        await ada.open()
    await ada.close()
    with pytest.raises(WrongPassphraseError):
        await Client(town.folder / "ada", passphrase="crane")
    with pytest.raises(UsageError, match="async with"):
        ada.rooms()


@met()
async def test_several_accounts_live_side_by_side(town: Town) -> None:
    home = town.folder / "home"
    with pytest.raises(UsageError, match="no account on this machine"):
        await Client(home=home, passphrase="heron")
    for name in ("ada", "bob"):
        async with Client.register(
            town.address, name, PASSWORD, home=home, passphrase="heron"
        ) as me:
            assert me.profile == name
    async with Client("bob", home=home, passphrase="heron") as bob:
        assert bob.name == "bob"
    async with Client(home=home, passphrase="heron") as me:
        assert me.name == "ada"
    with pytest.raises(UsageError, match="already: take another name"):
        await Client.register(town.address, "ada", PASSWORD, home=home, passphrase="heron")


@met()
async def test_whoever_was_refused_may_try_again_with_the_same_profile(town: Town) -> None:
    ada = await town.newcomer("ada")
    home = town.folder / "home"
    given = {"home": home, "passphrase": "heron", "where": "work"}
    with pytest.raises(RefusedError, match="has this name already"):
        await Client.register(town.address, "ada", PASSWORD, **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no account yet"):
        await Client("work", home=home, passphrase="heron")
    with pytest.raises(UsageError, match="at least 14 characters"):
        await Client.register(town.address, "bob", "short", **given)  # type: ignore[arg-type]
    async with Client.register(town.address, "bob", PASSWORD, **given) as bob:  # type: ignore[arg-type]
        assert bob.name == "bob"
    assert ada.name == "ada"


@met()
async def test_a_program_that_was_killed_while_it_registered_goes_on(town: Town) -> None:
    folder = town.folder / "ada"
    answered = arriving.answer_to

    async def killed(device: Device, request: Request) -> Reply | Refusal:
        await answered(device, request)
        raise KeyboardInterrupt

    arriving.answer_to = killed
    try:
        with pytest.raises(KeyboardInterrupt):
            await Client.register(town.address, "ada", PASSWORD, where=folder, passphrase="heron")
    finally:
        arriving.answer_to = answered
    async with Client(folder, passphrase="heron") as ada:
        await ada.online(PATIENCE_S)
        assert (ada.name, ada.opened.profile.account) == ("ada", "ada")


@pytest.mark.parametrize("name", ["", "a", "a b", "ädä", "x" * 31])
def test_names_that_nobody_may_have_are_refused_before_anything_is_done(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="A name has"):
        Client.register("https://chat.example.org", name, PASSWORD, where=tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# ---- Rooms ----


@met()
async def test_nobody_is_written_to_whom_nobody_knows(town: Town) -> None:
    ada = await town.newcomer("ada")
    for name in ("@nobody", "nobody", "@ada.", "@no one", "@"):
        with pytest.raises(UsageError, match="nothing was sent"):
            await ada.direct(name)
    with pytest.raises(UsageError, match="That is you"):
        await ada.direct("@ADA")
    with pytest.raises(UsageError, match="There is no room"):
        ada.room("Team")
    with pytest.raises(UsageError):
        await ada.create_group("Team", ["@nobody"])
    assert ada.rooms() == []


@met()
async def test_a_group_is_made_grown_and_left(town: Town) -> None:
    ada, bob, cyn = [await town.newcomer(name) for name in ("ada", "bob", "cyn")]
    team = await ada.create_group("Team", ["@bob"], topic="spring")
    assert (team.title, team.topic, team.kind) == ("Team", "spring", "group")
    assert ada.room("team") == ada.room(team.id) == await ada.to("Team") == team
    await team.send("hello all")
    his = (await town.hears(bob, "hello all")).room
    await town.sees(his, lambda room: (room.title, room.topic) == ("Team", "spring"))
    await team.change_profile(name="The team")
    await town.sees(his, lambda room: room.title == "The team")
    assert his == bob.room_of(team.room)
    await town.sees(team, lambda room: room.state == "active")
    await team.invite("cyn")
    await town.hears(cyn, "hello all")
    await town.sees(his, lambda room: len(room.members()) == 3)
    assert [(str(one.person), one.role) for one in his.members()] == [
        (str(one.person), "owner" if one.person.name == "ada" else "member")
        for one in his.members()
    ]
    await team.set_role("@cyn", "admin")
    await town.sees(his, lambda room: room.member("cyn").role == "admin")
    await team.change_settings(may_post="admins")
    await town.sees(his, lambda room: room.settings.may_post == "admins")
    with pytest.raises(UsageError, match="Only some may post"):
        await his.send("may I?")
    theirs = cyn.room_of(team.room)
    await team.remove("cyn")
    await town.sees(theirs, lambda room: not room.is_here)
    assert theirs not in cyn.rooms()
    assert theirs in cyn.rooms(gone=True)
    await his.leave()
    await town.sees(team, lambda room: len(room.members()) == 1)
    with pytest.raises(UsageError, match="is not in this room"):
        await team.remove("@cyn")
    with pytest.raises(UsageError, match="A role is"):
        await team.set_role("@bob", "king")


@met()
async def test_rooms_of_one_name_are_told_apart_by_their_ids(town: Town) -> None:
    ada = await town.newcomer("ada")
    first, second = await ada.create_group("Team"), await ada.create_group("Team")
    with pytest.raises(UsageError, match=f"{first.id}|{second.id}"):
        ada.room("Team")
    assert ada.room(second.id) == second


@met()
async def test_a_note_to_oneself_is_one_room(town: Town) -> None:
    ada = await town.newcomer("ada")
    notes = await ada.note_to_self()
    await notes.send("milk")
    assert await ada.note_to_self() == notes
    assert (notes.title, notes.is_mine_alone) == ("Notes", True)


@met()
async def test_a_link_lets_who_has_it_in_until_it_is_ended(town: Town) -> None:
    ada, bob, cyn = [await town.newcomer(name) for name in ("ada", "bob", "cyn")]
    team = await ada.create_group("Team")
    await (await team.send("welcome")).sent(PATIENCE_S)
    link = await team.link(days=1)
    await town.sees(team, lambda room: [one.works for one in room.links()] == [True])
    his = await bob.join(link)
    await his.send("thank you")
    await town.hears(ada, "thank you")
    (made,) = team.links()
    await team.end_link(made)
    assert team.links() == []
    with pytest.raises(UsageError, match="not a whole link"):
        await cyn.join(link[:-3])


@met()
async def test_a_public_group_is_found_and_joined(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Chess")
    await (await team.send("welcome")).sent(PATIENCE_S)
    await team.publish("chess-club", "Tuesdays at eight")

    async def join() -> Room:
        groups = await bob.find_groups("chess")
        if not groups:
            raise UsageError("Nothing is published yet.")
        (found,) = groups
        assert (found.alias, found.description) == ("chess-club", "Tuesdays at eight")
        return await bob.join_group(found)

    his = await town.soon(join)
    await his.send("hello")
    await town.hears(ada, "hello")


@met()
async def test_everyone_comes_to_the_commons_that_the_host_has_made(town: Town) -> None:
    ada = await town.newcomer("ada", server=await town.link("owner"))
    assert ada.commons() is None
    room = await ada.make_commons()
    await room.send("hello everyone")
    bob = await town.newcomer("bob")
    await town.soon(bob.join_commons)
    heard = await town.hears(bob, "hello everyone", MENDED_S)
    assert heard.room.is_read_by_everyone
    assert bob.commons() == heard.room


# ---- Messages ----


@met()
async def test_messages_are_edited_deleted_pinned_and_reacted_to(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Team", ["bob"])
    first = await team.send("the meeting is at nine")
    heard = await town.hears(bob, "the meeting is at nine")
    await first.edit("the meeting is at ten")
    edited = await town.hears(bob, "the meeting is at ten")
    assert [one.text for one in edited.edits] == [
        "the meeting is at nine", "the meeting is at ten",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="Only your own"):
        await edited.edit("the meeting is off")
    await heard.react("👍")
    await ada.until(lambda: bool(first.reactions), PATIENCE_S)
    assert [(one.emoji, [str(who) for who in one.people]) for one in first.reactions] == [
        ("👍", ["bob"])
    ]
    await heard.react("👍", on=False)
    await ada.until(lambda: not first.reactions, PATIENCE_S)
    await first.pin()
    his = heard.room
    await town.sees(his, lambda room: room.pins() == [edited])
    assert [one.text for one in his.search("MEETING ten")] == ["the meeting is at ten"]
    assert bob.search("nowhere") == []
    await first.delete()
    await bob.until(lambda: heard.refreshed().kind == "gone", PATIENCE_S)
    assert his.search("meeting") == []


@met()
async def test_a_poll_is_answered_and_ended(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Team", ["bob"])
    asked = await team.poll("Lunch?", "soup", "bread")
    heard = await town.hears(bob, "Lunch?\nsoup\nbread")
    await heard.vote("bread")
    await ada.until(lambda: asked.poll is not None and asked.poll.voters == 1, PATIENCE_S)
    assert asked.poll is not None
    assert [(one.text, [str(who) for who in one.people]) for one in asked.poll.options] == [
        ("soup", []), ("bread", ["bob"]),
    ]  # fmt: skip
    for wrong in ((0, 1), (2,), ("cake",)):
        with pytest.raises(UsageError):
            await heard.vote(*wrong)
    await asked.end_poll()
    await bob.until(lambda: heard.poll is not None and heard.poll.is_over, PATIENCE_S)
    with pytest.raises(UsageError, match="no poll"):
        await (await team.send("soup it is")).vote(0)


@met()
async def test_members_are_called_by_name_and_the_rest_is_text(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Team", ["bob"])
    await team.send("plain")
    await team.send("see you, @Bob.")
    await team.send("mail bob@ada.example and @nobody", topic="post")
    assert not (await town.hears(bob, "plain")).mentions_me
    assert (await town.hears(bob, "see you, @Bob.")).mentions_me
    last = await town.hears(bob, "mail bob@ada.example and @nobody")
    assert (last.mentions_me, last.topic) == (False, "post")
    assert [one.text for one in last.room.history(2)] == [
        "see you, @Bob.", "mail bob@ada.example and @nobody",
    ]  # fmt: skip
    older = last.room.history(1, before=last.room.history(2)[0])
    assert [one.text for one in older] == ["plain"]


@met()
async def test_what_cannot_be_said_is_refused_in_a_sentence(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.direct("bob")
    for text, why in ((" \n", "nothing to send"), ("x" * 40_001, "takes 40000 characters")):
        with pytest.raises(UsageError, match=why):
            await room.send(text)
    with pytest.raises(UsageError, match="cannot be sent"):
        await room.poll("Lunch?", "soup")
    with pytest.raises(UsageError, match="cannot be sent"):
        await room.send("half a pair: \ud800")
    message = await room.send("fine")
    with pytest.raises(UsageError, match="cannot be sent"):
        await message.react("two words")
    with pytest.raises(UsageError, match="A name has at most"):
        await ada.create_group("x" * 81)
    await town.hears(bob, "fine")


@met()
async def test_a_message_is_forwarded_and_marked(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    notes = await ada.create_group("Drafts")
    draft = await notes.send("a thought")
    await draft.forward(await ada.direct("bob"))
    heard = await town.hears(bob, "a thought")
    assert heard.is_forwarded
    assert not draft.is_forwarded


# ---- People ----


@met()
async def test_safety_numbers_are_the_same_on_both_sides(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await ada.direct("bob")).send("hello")
    his = (await town.hears(bob, "hello")).author
    hers = await ada.person("bob")
    assert his is not None
    assert hers.safety_number == his.safety_number
    assert (hers.state, str(hers)) == ("unchecked", "bob")
    assert not await hers.verify("0" * 60)
    assert await hers.verify(his.safety_code)
    assert (await ada.person("bob")).state == "checked"
    await hers.unverify()
    assert (await ada.person("bob")).state == "unchecked"
    with pytest.raises(UsageError, match="for two"):
        _ = (await ada.person("ada")).safety_number


@met()
async def test_people_are_found_as_far_as_they_let_themselves_be(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    assert [str(one.person) for one in await ada.who_is_online()] == ["ada", "bob"]
    assert [str(one.person) for one in await ada.find("bo")] == ["bob"]  # He is online.
    await bob.owner.set_visibility(online=False)
    assert [str(one.person) for one in await ada.who_is_online()] == ["ada"]
    assert await ada.find("bo") == []
    assert [str(one.person) for one in await ada.find("BOB")] == ["bob"]
    await bob.owner.set_visibility(findable="beginning")
    assert [str(one.person) for one in await ada.find("@bo")] == ["bob"]


@met(requests="everyone")
async def test_who_is_asked_first_accepts_declines_or_blocks(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await ada.direct("bob")).send("may I?")
    await bob.until(lambda: bool(bob.requests()), PATIENCE_S)
    (request,) = bob.requests()
    assert (str(request.person), request.kind) == ("ada", "direct")
    assert bob.search("may I?") == []
    await request.accept()
    await town.hears(bob, "may I?")
    assert bob.requests() == []
    await (await bob.person("ada")).block()
    assert [str(one) for one in bob.blocked()] == ["ada"]
    await (await bob.person("ada")).unblock()
    assert bob.blocked() == []


@met()
async def test_who_has_read_what_is_known_to_both(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    sent = await (await ada.direct("bob")).send("hello")
    heard = await town.hears(bob, "hello")
    assert (heard.room.unread.lines, heard.room.unread_messages()) == (1, [heard])
    await heard.read()
    assert (heard.room.unread.lines, heard.room.unread_messages()) == (0, [])
    await ada.until(lambda: sent.refreshed().state == "read", PATIENCE_S)
    await heard.room.mark_unread()
    await heard.room.choose(level="mentions", is_pinned=True)
    chosen = heard.room.choice
    assert (chosen.is_marked, chosen.level, chosen.is_pinned) == (True, "mentions", True)


@met()
async def test_who_types_is_shown_to_who_is_there(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.direct("bob")
    await room.send("hello")
    theirs = (await town.hears(bob, "hello")).room
    heard: list[News] = []
    ada.listen(heard.append)
    await theirs.typing()
    await ada.until(lambda: any(isinstance(one, Typing) for one in heard), PATIENCE_S)
    (typing,) = [one for one in heard if isinstance(one, Typing)]
    assert (str(typing.person), typing.room, typing.on) == ("bob", room, True)
    person = await ada.person("bob")
    await ada.until(lambda: person.presence == "online", PATIENCE_S)


@met()
async def test_whom_one_shares_a_room_with_is_listed_and_whose_keys_changed_comes_first(
    town: Town,
) -> None:
    ada, bob, carol = [await town.newcomer(name) for name in ("ada", "bob", "carol")]
    eve = await town.newcomer("eve")
    assert ada.acquaintances() == []
    group = await ada.create_group("Harbour", ["bob", "carol"])
    await town.sees(group, lambda room: len(room.members()) == 3)
    await (await ada.direct("eve")).send("hello")
    assert [str(one) for one in ada.acquaintances()] == ["bob", "carol", "eve"]
    await carol.owner.renew_keys(PASSWORD, PASSWORD + "!")
    await ada.until(lambda: ada.acquaintances()[0].state == "changed", PATIENCE_S)
    assert [str(one) for one in ada.acquaintances()] == ["carol", "bob", "eve"]
    assert ada.acquaintances(1)[0].name == "carol"
    assert ada.shared_rooms(await ada.person("bob")) == [group]
    assert ada.shared_rooms(await ada.person("eve")) == []
    assert ada.answered_ms is not None
    assert (bob.name, eve.name) == ("bob", "eve")


@met()
async def test_people_show_themselves_as_they_like(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await (await ada.direct("bob")).send("hello")
    author = (await town.hears(bob, "hello")).author
    assert author is not None
    await ada.owner.show_me(name="Ada L.", status="on the train")
    await bob.until(lambda: author.display_name == "Ada L.", PATIENCE_S)
    assert (author.name, author.status) == ("ada", "on the train")


# ---- Hearing ----


@met()
async def test_a_program_hears_what_happens(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    heard: list[News] = []
    bob.listen(heard.append)
    events = bob.events()
    room = await ada.direct("bob")
    message = await room.send("hello")
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if isinstance(event, MessageReceived):
                assert (event.message.text, event.message.is_mine) == ("hello", False)
                break
    assert any(isinstance(one, RoomChanged) and one.room.title == "ada" for one in heard)
    mine: list[News] = []
    stop = ada.listen(mine.append)
    await room.send("again")
    await message.sent(PATIENCE_S)
    await ada.settled(PATIENCE_S)
    assert [one.message.text for one in mine if isinstance(one, MessageSent)] == ["again"]
    assert any(isinstance(one, MessageChanged) for one in mine)
    stop()
    count = len(mine)
    await room.send("unheard")
    assert len(mine) == count
    events.close()


@met()
async def test_a_program_hears_when_the_line_breaks_and_comes_back(town: Town) -> None:
    ada = await town.newcomer("ada")
    heard: list[News] = []
    ada.listen(heard.append)
    ada.line.link.hang_up("for a test")
    ada.line.connect()
    await ada.until(lambda: any(isinstance(one, Online) for one in heard), PATIENCE_S)
    assert [type(one) for one in heard if isinstance(one, Online | Offline)] == [Offline, Online]
