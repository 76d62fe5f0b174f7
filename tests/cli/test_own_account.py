"""`alcove account …`, `profile` and `invite`: the account itself, and how it shows itself."""

import json
from base64 import b32encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from alcove.client.io import opening
from alcove.client.io.owner import Owner
from tests.cli.people import PASSWORD, Street, Terminal, street_of
from tests.client.io.test_owner import code_of
from tests.client.io.test_vault import Keyring

OTHER = "cedar lamp oyster twelve bridge"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


def secret_file(terminal: Terminal, text: str) -> str:
    path = terminal.folder / "new"
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_an_account_says_who_and_where_it_is(street: Street) -> None:
    ada = street.newcomer("ada")
    shown = ada.json("account", "show")
    assert (shown["name"], shown["server"], shown["devices"]) == ("ada", street.address, 1)
    assert shown["online"]
    assert 0 <= shown["signed_in_ms"] < 600_000
    assert not ada.json("account", "show", "--offline")["online"]
    assert "signed in" in ada.say("account", "show")
    assert not shown["must_save_phrase"]  # This password opens the account by itself.
    assert "written down" not in ada.say("account", "show")
    weak = street.terminal()
    weak.say("register", "--name", "ann", "--password-file", secret_file(weak, "Summer2026!"))
    assert weak.json("account", "show")["must_save_phrase"]
    assert "not written down yet" in weak.say("account", "show")
    told = "The recovery phrase of ann is not written down yet: "
    assert told in weak.run("status", "--data", str(weak.folder)).stdout
    assert "not written down yet" in weak.run("logout", text="n\n").stderr
    weak.say("recovery", "--saved")
    assert told not in weak.run("status", "--data", str(weak.folder)).stdout
    assert "written down" not in weak.say("account", "show")


def test_one_server_has_one_address_whatever_it_is_called(street: Street) -> None:
    hob = street.terminal()
    named = street.address.replace("127.0.0.1", "localhost")
    said = hob.say("register", named, "--name", "hob", *hob.password)
    assert f"You are hob on {street.address}." in said
    assert hob.json("account", "show", "--server", named)["server"] == street.address
    assert street.address in hob.run("status", "--data", str(hob.folder)).stdout


def test_a_machine_takes_another_passphrase_or_its_keyring(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    cas = street.newcomer("cas")
    new = secret_file(cas, "heron reeds lantern")
    said = cas.run("account", "passphrase", "--new-passphrase-file", new)
    assert "The new passphrase keeps the key of the profile cas" in said.stdout
    assert "still holds the old one" in said.stderr
    assert cas.fail("rooms", "--offline")[1].startswith("Error: This is not the passphrase")
    assert cas.run("rooms", "--offline", ALCOVE_PASSPHRASE_FILE=new).exit_code == 0
    wrong = cas.fail("account", "passphrase", "--new-passphrase-file", new)
    assert wrong[1].startswith("Error: This is not the passphrase")
    assert cas.fail("account", "passphrase", "--keyring", "--new-passphrase-file", new)[0] == 2

    ring = Keyring()
    monkeypatch.setattr(opening, "find_keyring", lambda: ring)
    done = cas.run("account", "passphrase", "--keyring", "--json", ALCOVE_PASSPHRASE_FILE=new)
    assert json.loads(done.stdout) == {"profile": "cas", "kept_by": "keyring"}
    assert cas.run("rooms", "--offline", ALCOVE_PASSPHRASE_FILE="").exit_code == 0
    again = cas.run("account", "passphrase", text="one more heron\n", ALCOVE_PASSPHRASE_FILE="")
    assert "The new passphrase keeps the key" in again.stdout
    assert "This passphrase is" not in again.stderr
    assert ring.kept == {}
    both = "one more heron\nabc\n"
    weak = cas.run("account", "passphrase", text=both, ALCOVE_PASSPHRASE_FILE="")
    assert (weak.exit_code, "This passphrase is weak.  Whoever" in weak.stderr) == (0, True)
    monkeypatch.setattr(opening, "find_keyring", lambda: None)
    typed = cas.run("account", "passphrase", "--keyring", text="abc\n", ALCOVE_PASSPHRASE_FILE="")
    assert "There is no keyring here" in typed.stderr


def test_the_password_is_changed_and_a_leaked_one_takes_all_keys_along(street: Street) -> None:
    bob = street.newcomer("bob")
    phrase = bob.json("recovery", *bob.password)["phrase"]
    new = secret_file(bob, OTHER)
    assert "is changed" in bob.say("account", "password", "--new-password-file", new, *bob.password)
    assert "password is wrong" in street.terminal().fail(
        "login", "--name", "bob", text=f"{PASSWORD}\n"
    )[1]  # fmt: skip
    said = bob.run(
        "account", "leaked", "--password-file", new, "--new-password-file",
        str(bob.folder / "password"),
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "your keys have changed" in said.stderr
    assert bob.json("recovery", *bob.password)["phrase"] != phrase
    other = street.terminal()
    other.say("login", "--name", "bob", *other.password)
    assert len(bob.json("devices")) == 2


def test_an_account_asks_for_codes_of_an_app_and_no_longer(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = bytes(range(20))
    text = b32encode(secret).decode()
    link = f"otpauth://totp/Alcove%3Acyn?secret={text}&issuer=Alcove"
    monkeypatch.setattr(Owner, "new_code_secret", lambda _: (secret, link))
    cyn = street.newcomer("cyn")
    done = cyn.run("account", "authenticator", "on", *cyn.password, text=f"{code_of(secret)}\n")
    assert (done.exit_code, "From now on a code" in done.stdout) == (0, True), done.output
    assert link in done.stderr
    assert f"to type it: {text}" in done.stderr
    other = street.terminal()
    assert other.fail("login", "--name", "cyn", *other.password)[0] == 1
    status, sentence = cyn.fail("account", "authenticator", "off", *cyn.password, text="000000\n")
    assert (status, "code" in sentence) == (1, True)
    answer = cyn.say(
        "account", "authenticator", "off", *cyn.password, text=f"{code_of(secret, 1)}\n"
    )
    assert "No codes are asked for any more" in answer
    other.say("login", "--name", "cyn", *other.password)


def test_what_others_may_see_is_chosen_and_what_happened_is_listed(street: Street) -> None:
    dan, eva = street.newcomer("dan"), street.newcomer("eva")
    assert dan.say("account", "visibility", "--online", "no", "--seen", "no") == (
        "Chosen: online: no, seen: no.\n"
    )
    assert dan.json("account", "visibility", "--findable", "exact") == {"findable": "exact"}
    assert [one for one in eva.json("people", "da") if one["person"]["name"] == "dan"] == []
    assert dan.fail("account", "visibility")[0] == 2
    assert "WHAT" in dan.say("account", "events")
    assert dan.json("account", "events")[0]["kind"]
    assert dan.json("account", "events", "--suspicious") == []
    assert dan.say("account", "events", "--suspicious") == "Nothing was written down.\n"


def test_an_account_is_deleted_after_its_name_and_password_were_said(street: Street) -> None:
    fay = street.newcomer("fay")
    wrong = secret_file(fay, OTHER)
    assert "nothing was deleted" in fay.fail("account", "delete", "--name", "ina")[1]
    assert "password is wrong" in fay.fail(
        "account", "delete", "--name", "fay", "--password-file", wrong
    )[1]  # fmt: skip
    said = fay.say("account", "delete", *fay.password, text="fay\n")
    assert "fay on" in said
    assert "is deleted" in said
    assert "logout --local" in said
    assert fay.fail("people")[0] in {1, 3}
    fay.say("logout", "--local", "--yes")
    fay.say("register", "--name", "gil", *fay.password)


def test_people_choose_how_they_are_called(street: Street, tmp_path: Path) -> None:
    hal, ida = street.newcomer("hal"), street.newcomer("ida")
    ida.say("send", "@hal", "hello")
    hal.say("accept", "@ida")
    said = hal.say("profile", "--name", "Hal 9", "--status", "on the ship")
    assert "Hal 9" in said
    seen = ida.json("profile", "@hal")
    assert (seen["name"], seen["display_name"], seen["status"]) == ("hal", "Hal 9", "on the ship")
    image = pytest.importorskip("PIL.Image", reason="pictures are an extra")
    image.new("RGB", (640, 480), "teal").save(tmp_path / "me.png")
    assert hal.json("profile", "--picture", str(tmp_path / "me.png"))["picture_bytes"] > 0
    assert hal.json("profile", "--status", "")["display_name"] == "Hal 9"
    target = tmp_path / "hal.jpg"
    ida.say("profile", "@hal", "--save-picture", str(target))
    with image.open(target) as drawn:
        assert drawn.size == (128, 96)
    assert hal.json("profile", "--no-picture")["picture_bytes"] == 0
    assert "shows no picture" in ida.fail("profile", "--save-picture", str(tmp_path / "x"))[1]
    assert "can be made small" in hal.fail("profile", "--picture", __file__)[1]
    assert ida.fail("profile", "@hal", "--name", "mine")[0] == 2


def test_members_invite_people_to_the_server(street: Street) -> None:
    jan = street.newcomer("jan")
    assert jan.say("invite", "--list") == "You have made no link.\n"
    made = json.loads(jan.say("invite", "--uses", "2", "--days", "3", "--json"))
    link = f"{street.address}/i/{made['link'].partition('/i/')[2]}"
    newcomer = street.terminal()
    newcomer.say("register", link, "--name", "kim", *newcomer.password)
    (listed,) = jan.json("invite", "--list")
    assert (listed["id"], listed["uses"], listed["used"]) == (made["id"], 2, 1)
    assert "1 of 2" in jan.say("invite", "--list")
    assert jan.say("invite", "--withdraw", made["id"]) == "The link works no more.\n"
    late = street.terminal()
    assert late.fail("register", link, "--name", "leo", *late.password)[0] == 1
    assert jan.fail("invite", "--list", "--withdraw", "x")[0] == 2
