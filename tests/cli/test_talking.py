"""Members' commands against a real server: register, send, listen, search, export, and the rest."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from alcove.client import Client, restored
from tests.cli.people import PASSPHRASE, PASSWORD, Street, Terminal, street_of


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


# ---- From nothing to an export ----


def test_two_people_register_talk_search_and_export(street: Street, tmp_path: Path) -> None:
    ada, bob = street.newcomer("ada"), street.newcomer("bob")
    sent = ada.json("send", "@bob", "the invoice of March")
    assert (sent["text"], sent["state"], sent["mine"]) == ("the invoice of March", "stored", True)
    assert [one["person"]["name"] for one in bob.json("request")] == ["ada"]
    assert "the invoice of March" in bob.say("accept", "@ada")
    assert bob.json("request") == []
    bob.say("send", "@ada", "-", "--wait", "20", text="thank you\nfor it\n")
    heard = ada.say("listen", "@bob", "--last", "1", "--for", "3", "--json")
    assert "thank you\nfor it" in [json.loads(one)["text"] for one in heard.splitlines()]
    assert [one["text"] for one in _lines(ada.say("search", "invoice", "--json"))] == [
        "the invoice of March"
    ]
    assert "the invoice of March" in ada.say("search", "--room", "@bob", "--offline", "invoice")
    assert ada.fail("search", "nonsense") == (1, "Nothing was found on this machine.")

    done = ada.json("export", str(tmp_path / "export"))
    assert (done["rooms"], done["files"]) == (1, 0)
    room = json.loads(next((tmp_path / "export" / "rooms").glob("*.json")).read_text())
    assert "thank you\nfor it" in [one["text"] for one in room["messages"]]
    page = next((tmp_path / "export" / "rooms").glob("*.html")).read_text()
    assert "the invoice of March" in page
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o700
    assert ada.fail("export", str(tmp_path / "export"))[0] == 1


def _lines(text: str) -> list[dict[str, str]]:
    return [json.loads(one) for one in text.splitlines()]


def test_a_file_travels_and_is_exported(street: Street, tmp_path: Path) -> None:
    eva, fritz = street.newcomer("eva"), street.newcomer("fritz")
    report = tmp_path / "report.txt"
    report.write_text("figures\n" * 100, encoding="utf-8")
    eva.say(
        "send", "@fritz", "the figures", "--file", str(report), "--expiry", "week", "--wait", "30"
    )
    fritz.say("accept", "@eva")
    listed = fritz.json("files")
    assert [(one["name"], one["size"]) for one in listed] == [("report.txt", 800)]
    assert (listed[0]["kind"], listed[0]["saved"], listed[0]["downloads"]) == (
        "personal", False, None,
    )  # fmt: skip
    assert listed[0]["ends_at"] > listed[0]["at"]
    assert fritz.say("files", "--groups").strip() == "No files were sent."
    bare = str(tmp_path / "figures")
    status, said = fritz.fail("files", "--get", listed[0]["file"], "--to", bare)
    assert (status, f"no folder {bare}: with {bare}/" in " ".join(said.split())) == (1, True)
    got = fritz.json("files", "--get", listed[0]["file"], "--to", f"{bare}/")
    assert Path(got["path"]) == tmp_path / "figures" / "report.txt"
    assert Path(got["path"]).read_text() == report.read_text()
    done = fritz.json("export", str(tmp_path / "export"))
    assert (done["files"], done["files_missing"]) == (1, 0)
    copies = list((tmp_path / "export" / "files").iterdir())
    assert [one.read_text() for one in copies] == [report.read_text()]
    assert "here" in fritz.say("files", "--personal", "--offline")
    (mine,) = eva.json("files")
    assert mine["downloads"] == 1
    assert "once" in eva.say("files", "@fritz")


# ---- Who is meant ----


def test_a_message_to_nobody_is_refused_and_goes_nowhere(street: Street) -> None:
    gus = street.newcomer("gus")
    assert gus.fail("send", "@nosuchone", "secret") == (
        1,
        "Error: Nobody on this server is called @nosuchone, so nothing was sent.",
    )
    assert gus.fail("send", "nowhere", "secret")[0] == 1
    assert gus.fail("send", "everyone", "secret")[0] == 1
    assert gus.json("rooms") == []


def test_people_rooms_and_roles(street: Street) -> None:
    ida, jon = street.newcomer("ida"), street.newcomer("jon")
    ida.say("send", "@jon", "hello")
    jon.say("accept", "@ida")
    made = ida.json("room", "new", "kitchen", "@jon", "--topic", "who cooks")
    assert (made["title"], made["topic"], made["kind"]) == ("kitchen", "who cooks", "group")
    assert "kitchen" in ida.say("rooms")
    assert ida.fail("room", "new", "x", "@nosuchone")[0] == 1
    assert "ida" in ida.say("people")
    assert ida.json("people", "jon")[0]["person"]["name"] == "jon"
    shown = ida.json("room", "show", "kitchen")
    assert {one["person"]["name"]: one["role"] for one in shown["members"]}["ida"] == "owner"
    assert "ROLE" in ida.say("room", "show", "kitchen")


def test_a_safety_number_is_the_same_for_both_and_can_be_compared(street: Street) -> None:
    kim, leo = street.newcomer("kim"), street.newcomer("leo")
    kim.say("send", "@leo", "hello")
    leo.say("send", "@kim", "hello")  # An answer accepts the request.
    mine, theirs = kim.json("verify", "@leo"), leo.json("verify", "@kim")
    assert mine["safety_number"] == theirs["safety_number"]
    assert mine["keys"] == "unchecked"
    assert kim.json("verify", "@leo", theirs["safety_number"])["keys"] == "checked"
    assert kim.run("verify", "@leo", "1" * 60).exit_code == 1
    assert kim.json("verify", "@leo", "--undo")["keys"] == "unchecked"


def test_requests_are_declined_and_people_blocked(street: Street) -> None:
    mia, ned = street.newcomer("mia"), street.newcomer("ned")
    ned.say("request", "@mia", "buy my things")
    assert "ned" in mia.say("request")
    assert mia.say("decline", "@ned") == "Declined: 1.\n"
    assert mia.say("request") == "Nobody asks.\n"
    assert mia.json("block", "@ned")[0]["name"] == "ned"
    assert mia.say("block") == "Blocked: ned\n"
    mia.say("unblock", "@ned")
    assert mia.say("block") == "Nobody is blocked.\n"
    assert mia.fail("decline")[0] == 2
    assert mia.fail("accept", "@ned")[1].startswith("Error: No request of ned waits")


# ---- Devices, phrase and the end ----


def test_an_account_comes_to_a_second_machine_and_leaves_it_again(street: Street) -> None:
    ola = street.newcomer("ola")
    second = street.terminal()
    second.say("login", "--name", "ola", *second.password)
    listed = ola.json("devices")
    assert len(listed) == 2
    assert "this one" in ola.say("devices")
    (other,) = [one for one in listed if not one["this"]]
    said = second.say("logout", "--yes")
    assert "is gone from this machine" in said
    assert f"--revoke {other['id'][:8]}" in said
    assert not list((second.home / "profiles").iterdir())
    assert second.fail("rooms")[0] == 1
    assert other["added_at"] > next(one["added_at"] for one in listed if one["this"])
    revoke = ("devices", "--revoke", other["id"][:8], *ola.password)
    assert "for good? [y/N]" in ola.run(*revoke, text="n\n").output
    ola.say(*revoke, "--yes")
    assert len(ola.json("devices")) == 1


def test_the_recovery_phrase_opens_the_account(street: Street) -> None:
    pia = street.newcomer("pia")
    phrase = pia.json("recovery", *pia.password)["phrase"]
    assert len(phrase.split()) == 11
    second = street.terminal()
    second.say("login", "--name", "pia", text=f"{phrase}\n")
    assert second.json("recovery", "--saved") == {"saved": True}
    new = pia.folder / "new"
    new.write_text("another harbour eleven maple\n", encoding="utf-8")
    new.chmod(0o600)
    pia.say("account", "password", "--new-password-file", str(new), *pia.password)
    third = street.terminal()
    assert third.fail("login", "--name", "pia", *third.password) == (
        1,
        "Error: The name or the password is wrong.",
    )


def test_who_has_lost_password_and_phrase_comes_back_by_a_link_of_the_host(street: Street) -> None:
    wim, xena = street.newcomer("wim"), street.newcomer("xena")
    wim.say("send", "@xena", "before")
    xena.say("accept", "@wim")
    second = street.terminal()
    link = street.reset_link("wim")
    told = json.loads(second.say("login", "--reset", link, "--name", "Wim", "--generate", "--json"))
    assert (told["name"], len(told["recovery_phrase"].split())) == ("wim", 11)
    assert second.json("rooms") == []
    status, said = xena.fail("send", "@wim", "is it you?")
    assert (status, "@wim NUMBER --accept-change" in " ".join(said.split())) == (3, True)
    status, said = xena.fail("chat", text="@wim anyone?\nexit\n")
    assert (status, "keys of @wim have changed" in said, "a line to" in said) == (3, True, False)
    second.say("send", "@xena", "it is")
    assert "▲ wim: it is" in xena.say("listen", "--last", "9", "--for", "0")
    for number in ((), ("1" * 15,)):  # Which keys those are, their number says.
        assert xena.fail("verify", "@wim", *number, "--accept-change")[0] == 1
    shown = xena.json("verify", "@wim")
    assert shown["keys"] == "changed"
    seen = xena.json("verify", "@wim", shown["safety_number"][:17], "--accept-change")
    assert (seen["keys"], seen["matches"]) == ("unchecked", None)
    talk = xena.say("chat", text="/verify @wim seen\n/verify @wim seen\nexit\n")
    assert " ".join(shown["safety_number"].split()) in " ".join(talk.split())  # It is shown first.
    assert "you go on with the new keys of wim" in talk
    third = street.terminal()
    status, said = third.fail("login", "--reset", link, "--name", "wim", *third.password)
    assert status == 1
    assert "link" in said
    assert wim.fail("rooms")[0] != 0 or "revoked" in wim.say("status")
    status, said = third.fail("login", "--name", "wim", "--generate")
    assert (status, "--reset" in said) == (2, True)


def test_a_generated_password_and_phrase_are_told_once(street: Street) -> None:
    found = street.terminal()
    kept = found.folder / "phrase"
    told = json.loads(
        found.say("register", "--name", "quinn", "--generate", "--phrase-file", str(kept), "--json")
    )
    assert kept.read_text() == told["recovery_phrase"] + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert told["password"].count("-") == 4


def test_a_name_that_is_taken_is_refused(street: Street) -> None:
    street.newcomer("rosa")
    found = street.terminal()
    status, said = found.fail("register", "--name", "Rosa", *found.password)
    assert (status, said) == (1, "Error: Somebody here has this name already; choose another one.")


# ---- Without a line ----


def test_without_a_line_what_is_said_waits_and_the_status_says_so(street: Street) -> None:
    sam, tom = street.newcomer("sam"), street.newcomer("tom")
    sam.say("send", "@tom", "hello")
    profile = sam.home / "profiles" / "sam" / "profile.json"
    text = profile.read_text()
    profile.write_text(text.replace(street.address, "http://127.0.0.1:9"))
    status, said = sam.fail("send", "@tom", "are you there?", "--wait", "0.2")
    assert (status, said.split(",")[0]) == (3, "Error: What you said is stored here")
    assert sam.fail("people")[0] == 3
    assert "hello" in sam.say("search", "--offline", "hello")
    profile.write_text(text)
    sam.say("rooms")
    sam.say("send", "@tom", "now you are")
    tom.say("accept", "@sam")
    texts = [
        one["text"] for one in _lines(tom.say("listen", "--last", "9", "--for", "2", "--json"))
    ]
    assert texts.count("are you there?") == 1


def test_two_processes_on_one_profile_are_told_apart(street: Street) -> None:
    from alcove.client import Profiles  # noqa: PLC0415
    from alcove.client.io.profiles import held  # noqa: PLC0415

    uwe = street.newcomer("uwe")
    with held(Profiles(uwe.home).profile("uwe")):
        status, said = uwe.fail("rooms")
    assert status == 4
    assert "is in use by the process" in said


# ---- Secrets ----


@pytest.mark.parametrize("command", ["register", "login", "logout", "devices", "recovery"])
def test_a_password_in_a_command_is_refused_with_the_reason(street: Street, command: str) -> None:
    found = street.terminal()
    status, said = found.fail(command, "--password", PASSWORD)
    assert status == 2
    assert "everybody on this machine sees it" in said
    assert PASSWORD not in said


def test_a_password_file_that_others_can_read_is_refused(street: Street) -> None:
    found = street.terminal()
    path = found.folder / "password"
    path.chmod(0o644)
    status, said = found.fail("register", "--name", "vera", *found.password)
    assert (status, said) == (
        1,
        f"Error: Others can read {path}: make it yours alone, as with chmod 600 {path}.",
    )
    path.chmod(0o600)
    path.write_text("two\nlines\n", encoding="utf-8")
    assert "one line of text" in found.fail("register", "--name", "vera", *found.password)[1]


def test_debug_shows_where_an_error_comes_from_and_no_secret(street: Street) -> None:
    found = street.newcomer("wes")
    path = found.folder / "password"
    path.write_text("a wrong password of some length\n", encoding="utf-8")
    done = found.run("recovery", "--debug", *found.password)
    assert done.exit_code == 1
    assert "RefusedError, from" in done.stderr
    assert "a wrong password" not in done.output


# ---- The room of everyone, and rooms that are told in two ways ----


def test_the_host_makes_the_commons_and_nobody_else_does(street: Street) -> None:
    host, guest = street.host("hostess"), street.newcomer("guest")
    status, sentence = guest.fail("room", "commons")
    assert (status, "Only the host of this server makes its commons" in sentence) == (1, True)
    made = host.json("room", "commons")
    assert (made["kind"], made["state"]) == ("commons", "active")
    assert host.json("room", "commons")["id"] == made["id"]
    assert "is made" in host.say("room", "commons")


def test_a_room_is_held_only_where_healing_is_refused(street: Street) -> None:
    yan = street.newcomer("yan")
    yan.say("room", "new", "loft")
    assert "nothing to wait for" in yan.fail("room", "hold", "loft")[1]
    _refuse(yan, "loft")
    assert "waits until your keys were renewed" in yan.say("room", "hold", "loft")
    assert yan.json("room", "hold", "loft")["title"] == "loft"
    assert "goes on its way" in yan.say("room", "hold", "loft", "--off")


def test_a_room_whose_log_is_told_in_two_ways_goes_on_when_its_owner_says_so(
    street: Street,
) -> None:
    zoe = street.newcomer("zoe")
    zoe.say("room", "new", "shed")
    assert "Nothing was held back in shed." in zoe.say("room", "overlook", "shed", "--yes")
    _doubt(zoe, "shed")
    zoe.run("send", "shed", "is anybody there?", "--wait", "1")
    assert "shed" in [one["title"] for one in zoe.json("rooms")]
    assert zoe.run("room", "overlook", "shed", text="n\n").exit_code == 1
    assert "goes on its way" in zoe.say("room", "overlook", "shed", text="y\n")
    assert zoe.json("room", "overlook", "shed", "--yes")["title"] == "shed"
    assert "is anybody there?" in zoe.say("search", "anybody", "--offline")


def _refuse(peer: Terminal, title: str) -> None:
    """Let a device have been refused to renew its keys."""

    async def story() -> None:
        async with Client(home=peer.home, passphrase=PASSPHRASE, connect=False) as client:
            room = client.room(title)
            client.db.run("UPDATE room SET refused_at = 1 WHERE room = ?", room.room)
            assert not room.is_held

    asyncio.run(story())


def _doubt(peer: Terminal, title: str) -> None:
    """Let a device have heard that others read another log."""

    async def story() -> None:
        async with Client(home=peer.home, passphrase=PASSPHRASE) as client:
            room = client.room(title)
            client.do(restored.doubt, room.room, 1, bytes(16), "another-log")
            assert room.is_doubted

    asyncio.run(story())
