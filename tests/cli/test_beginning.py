"""Coming to a server: a password is judged in time, and nothing stays of a refusal."""

import sys
from collections.abc import Iterator

import pytest

from alcove.cli.member import passwords
from alcove.client.keys.strength import CHARACTERS_MIN, LONG_CHARACTERS_MIN
from tests.cli.people import PASSWORD, Street, Terminal, street_of
from tests.cli.test_chat import Window

WEAK = "Correct-Horse7"
"""It may be chosen, and opens nothing by itself."""
terminals = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


class Typist(Terminal):
    """Somebody who keeps the passphrase in no file."""

    @property
    def variables(self) -> dict[str, str]:
        return {k: v for k, v in super().variables.items() if k != "ALCOVE_PASSPHRASE_FILE"}


def secret(terminal: Terminal, name: str, text: str) -> str:
    path = terminal.folder / name
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def weak(street: Street, name: str) -> tuple[Terminal, str, str]:
    """Return somebody with a weak password, the file of it, and their phrase."""
    found = street.terminal()
    path = secret(found, "weak", WEAK)
    done = found.run("register", "--name", name, "--password-file", path, "--json")
    assert "does not open your account by itself" in done.stderr
    return found, path, found.json("recovery", "--password-file", path)["phrase"]


def test_the_rule_is_told_as_it_is() -> None:
    assert f"{LONG_CHARACTERS_MIN} characters" in passwords.RULE
    assert f"{CHARACTERS_MIN} with" in passwords.RULE


def test_a_password_that_may_not_be_is_refused_before_anything_is_made(street: Street) -> None:
    abe = street.terminal()
    status, sentence = abe.fail("register", "--name", "abe", text="short\n")
    assert (status, "Choose a password of at least 14" in sentence) == (1, True)
    assert not abe.home.exists()


def test_a_weak_password_needs_the_phrase_elsewhere_and_is_told_so(street: Street) -> None:
    bea, path, phrase = weak(street, "bea")
    other = street.terminal()
    assert "not strong enough" in other.fail("login", "--name", "bea", "--password-file", path)[1]
    assert not list(other.home.glob("profiles/*"))
    third = street.terminal()
    done = third.run("login", "--name", "bea", text=f"{WEAK}\n{phrase}\n")
    assert (done.exit_code, "a device of yours" in done.stdout) == (0, True)
    other.say("login", "--name", "bea", text=f"{phrase}\n")
    status, sentence = other.fail("recovery", "--password-file", path)
    assert (status, "only where you have written it" in sentence) == (1, True)
    assert "password is wrong" in bea.fail("recovery", text="Another-Horse8\n")[1]
    done = bea.run("chat", text="exit\n")
    assert "Your recovery phrase is not written down yet" in done.stdout
    bea.say("recovery", "--saved")
    assert "not written down yet" not in bea.say("chat", text="exit\n")


def test_a_weak_password_is_changed_with_the_phrase(street: Street) -> None:
    cal, path, phrase = weak(street, "cal")
    strong = secret(cal, "strong", "cedar lamp oyster twelve bridge")
    words = ("account", "password", "--password-file")
    cal.say(*words, path, "--new-password-file", strong)  # This machine has kept the phrase.
    done = cal.run(*words, strong, "--new-password-file", path)
    assert (done.exit_code, passwords.OPENS_NOT in done.stderr) == (0, True)
    cal.say("recovery", "--saved")
    status, _ = cal.fail(*words, path, "--new-password-file", strong, text="\n")
    assert status == 1
    cal.say(*words, path, "--new-password-file", strong, text=f"{phrase}\n")
    street.terminal().say("login", "--name", "cal", "--password-file", strong)


def test_nothing_stays_of_an_account_that_is_not_there(street: Street) -> None:
    dot = street.terminal()
    assert "password is wrong" in dot.fail("login", "--name", "nobodyhere", *dot.password)[1]
    assert list((dot.home / "profiles").glob("*")) == []
    dot.say("register", "--name", "dot", *dot.password)
    assert dot.json("account", "show")["name"] == "dot"


def test_nothing_stays_of_a_server_that_is_not_there(street: Street) -> None:
    eli = street.newcomer("eli")
    status, _ = eli.fail("login", "localhost:9", "--name", "eli", "--profile", "b", *eli.password)
    assert status == 3
    assert [one.name for one in eli.home.glob("profiles/*")] == ["eli"]
    assert "You are eli" in eli.say("login", "--name", "eli", "--profile", "b", *eli.password)


@terminals
def test_five_words_are_offered_first_and_the_phrase_is_asked_for_until_it_is_right(
    street: Street,
) -> None:
    fay = street.terminal()
    window = Window(fay, "register", "--name", "fay")
    window.sees("New password: ")
    offer = next(line for line in window.seen.splitlines() if line.startswith("  ")).strip()
    window.seen = ""
    window.type("short\n")
    window.sees("New password: ")  # What is typed before the question is thrown away.
    assert "Choose a password of at least" in window.seen
    window.type("\n")
    window.sees("Its first word: ")
    window.type("nonsense\n")
    window.sees("That is not its first word")
    phrase = next(line for line in window.seen.splitlines() if line.startswith("  "))
    window.type(f"{phrase.split()[0]}\n")
    assert window.ends() == 0
    window = Window(street.terminal(), "login", "--name", "fay")  # It stretches as in earnest.
    window.sees("Password or recovery phrase: ")
    window.type(f"{offer}\n")
    window.sees("this machine is a device of yours")
    assert window.ends() == 0


@terminals
def test_a_passphrase_is_typed_twice_and_not_once_more(street: Street) -> None:
    gus = Typist(street, street.folder / "typist")
    window = Window(gus, "register", "--name", "gus", *gus.password)
    for prompt in ("New passphrase: ", "New passphrase again: "):
        window.sees(prompt)
        window.type("heron on one leg\n")
    window.sees("Its first word: ")
    phrase = next(line for line in window.seen.splitlines() if line.startswith("  "))
    window.type(f"{phrase.split()[0]}\n")
    assert window.ends() == 0
    assert "This passphrase is fair." in window.seen
    assert "Passphrase of the profile" not in window.seen
    assert PASSWORD not in window.seen
