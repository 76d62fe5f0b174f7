"""`alcove chat`: the menu, the line that is typed, and a conversation at a real terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from alcove.cli.member.editor import Editor, draw, erase
from alcove.cli.member.talk import ENCRYPTION, ORDERS
from alcove.cli.wrapping import cells, wrapped
from alcove.mls import DEFAULT_SUITE, standard_suites
from tests.cli.people import PASSWORD, Street, Terminal, street_of

if sys.platform != "win32":
    import pty
    import select


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


# ---- Through a pipe ----


def test_the_menu_registers_and_the_chat_begins(street: Street) -> None:
    ada = street.terminal()
    typed = f"x\n1\n\nada\n{PASSWORD}\nexit\n"
    said = ada.say("chat", text=typed)
    assert "1 Register  2 Login  3 Exit" in said
    assert "Type 1, 2 or 3." in said
    assert f"You are ada on {street.address}." in said
    assert ENCRYPTION in said


def test_the_menu_ends_with_3_and_at_the_end_of_what_is_typed(street: Street) -> None:
    nobody = street.terminal()
    assert nobody.run("chat", text="3\n").exit_code == 0
    assert nobody.run("chat", text="").exit_code == 0


def test_the_menu_tells_what_went_wrong(street: Street) -> None:
    nobody = street.terminal()
    done = nobody.run("chat", text=f"2\n\nnosuchone\n{PASSWORD}\n")
    assert done.exit_code == 1
    assert "Error: The name or the password is wrong." in done.stderr


def test_a_script_talks_through_a_pipe(street: Street) -> None:
    bob, eva = street.newcomer("bob"), street.newcomer("eva")
    said = bob.say(
        "chat",
        text="@eva hello\n@nosuchone secret\n/nonsense\nto nobody\n@eva\nhow are you?\n/history 9\n"
        "/groups\n/members\n/requests\n/help\n/verify @eva\n/search hello\n/to nowhere\n/to\n"
        "//slash\n/get x\n/new kitchen @eva\n/leave\nexit\n",
    )
    assert "! Nobody on this server is called @nosuchone, so nothing was sent." in said
    assert "! There is no /nonsense, and nothing was sent" in said
    assert "! Nothing was sent: there is no room of everyone here." in said
    assert "eva  (direct)" in said
    assert "· nobody asks" in said
    assert "! Say where to: a room, @name or everyone." in said
    heard = eva.say("accept", "@bob")
    assert "hello" in heard
    assert "how are you?" in heard
    assert "/slash" in heard
    for text in ("secret", "to nobody"):
        assert eva.fail("search", text)[0] == 1


def test_the_chat_accepts_declines_and_blocks(street: Street) -> None:
    fay, gil = street.newcomer("fay"), street.newcomer("gil")
    gil.say("send", "@fay", "hello")
    said = fay.say("chat", text="/requests\n/accept @gil\n/accept @gil\n/block @gil\nexit\n")
    assert "1 ask to chat with you: /requests" in said
    assert "you talk with gil: session established" in said
    assert "! No such request waits: /requests lists them." in said
    assert "you hear nothing more of gil" in said


def test_what_was_said_can_be_changed_answered_and_asked_about_in_the_chat(street: Street) -> None:
    pat = street.newcomer("pat")
    street.newcomer("rex")
    typed = (
        "@rex hello rex", "@rex", "are you there?", "/edit are you there, rex?", "/react 👍",
        "/react 👍", "/show", "/react", "/reply yes", "/pin #1", "/pins", "/poll Who? | pat | rex",
        "/vote 2", "/vote 'rex", "/endpoll", "/delete #1 wrong", "/show #2", "/show #99",
        "/new den", "/forward #2 den", "/history", "/get", "exit",
    )  # fmt: skip
    said = pat.say("chat", text="\n".join(typed) + "\n")
    assert "rex has not accepted yet: what you say here is shown when they do" in said
    assert "· pinned\n" in said
    assert "2. rex  1: pat" in said
    assert "! This poll has no such answer" in said
    assert "Who? (over)" in said or "Who? (over)" in pat.say("message", "list", "@rex")
    assert "  said before: are you there?" in said
    assert "! No message here has the number #99: /history shows them." in said
    assert "! Say which emoji: /react 👍" in said
    assert "· said in den too" in said
    assert "! There is no message with a file in den yet." in said
    found = [one for one in pat.json("message", "list", "@rex") if one["kind"] != "note"]
    assert [one["kind"] for one in found] == ["gone", "text", "text", "poll"]
    assert found[-2]["reply_to"] is not None


def test_a_room_is_looked_after_in_the_chat(street: Street) -> None:
    sue, tim = street.newcomer("sue"), street.newcomer("tim")
    typed = (
        "/topic x", "/new loft", "/topic old things", "/name attic", "/settings",
        "/settings foo bar", "/settings post nobody", "/settings pin admins", "/link 7",
        "/unread", "/groups", "/notify x", "/notify none", "/read", "/archive", "/groups",
        "/archive", "/called Sue S.",
        "/status on the roof", "/profile", "/invite", "/find", "/join nothing", "/ban @tim",
        "/unban @tim", "/mute @tim", "/unmute @tim", "/role @tim admin", "/unblock @tim",
        "/help poll", "/help /role", "exit",
    )  # fmt: skip
    said = sue.say("chat", text="\n".join(typed) + "\n")
    for shown in (
        "! You are in no room yet",
        "· old things",
        "may post: everyone",
        "! There is no such setting: there is invite, post, pin, all, history, files.",
        "! No setting can be so",
        "· the room allows that from now on",
        "· whoever has it can join",
        "attic  (group)  unread",
        "! You are notified of all, mentions or none",
        "· archived\n· you are in no room yet",
        "· in the list again",
        "sue  Sue S.  on the roof",
        "· no group was found",
        "! No group here is called nothing in public",
        "! tim is not in this room",
        "· you hear tim again",
        "For example: /poll Who cooks? | ada | bob | nobody",
        "/role @name ROLE\n  makes somebody owner, admin or member",
    ):
        assert shown in said, said
    link = next(line for line in said.splitlines() if "/r/" in line)
    heard = tim.say("chat", text=f"/join {link}\n/members\n/settings post admins\nexit\n")
    assert "sue  owner" in heard
    assert "! Only owners change a room's settings" in heard
    again = sue.say(
        "chat", "attic",
        text="/role @tim admin\n/mute @tim loud\n/unmute @tim\n/ban @tim\n/unban @tim\nexit\n",
    )  # fmt: skip
    assert "· tim is admin now" in again
    assert "· tim is shut out" in again
    assert "tim may come again" in again


def test_every_order_is_in_the_help(street: Street) -> None:
    said = street.newcomer("hal").say("chat", text="/help\nexit\n")
    assert [one for one in ORDERS if f"/{one}" not in said and one != "rooms"] == []


def test_the_line_about_encryption_names_the_suite_in_use() -> None:
    algorithms = standard_suites()[DEFAULT_SUITE]
    assert algorithms.hash_name == "sha384"
    assert "X25519 with ML-KEM-768, AES-256-GCM" in ENCRYPTION


# ---- At a terminal ----


class Window:
    """A process at a terminal of its own."""

    def __init__(self, terminal: Terminal, *words: str) -> None:
        command, variables = terminal.command(*words)
        self.number, child = pty.openpty()
        variables |= {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            command, env=variables, stdin=child, stdout=child, stderr=child, start_new_session=True
        )
        os.close(child)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.number, text.encode())

    def sees(self, text: str, patience_s: float = 60) -> None:
        """Wait until a text is on the screen."""
        end = time.monotonic() + patience_s
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, self.seen
            ready, _, _ = select.select([self.number], [], [], left)
            if ready:
                try:
                    data = os.read(self.number, 65536)
                except OSError:
                    data = b""
                assert data, self.seen
                self.seen += data.decode("utf-8", "replace")

    def ends(self) -> int:
        status = self.process.wait(60)
        os.close(self.number)
        return status


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize("options", [(), ("--plain",)])
def test_what_comes_in_stands_above_what_is_typed(street: Street, options: tuple[str, ...]) -> None:
    name = "ina" if options else "jan"
    here, kim = street.newcomer(name), street.newcomer(f"kim-of-{name}")
    here.say("send", f"@kim-of-{name}", "first")
    kim.say("accept", f"@{name}")
    window = Window(here, "chat", f"@kim-of-{name}", *options)
    window.sees(f"[@kim-of-{name}] Enter message: ")
    window.type("hal")
    kim.say("send", f"@{name}", "from outside")
    window.sees("from outside")
    if not options:
        window.sees("Enter message: hal", 20)
    window.type("lo\r" if not options else "lo\n")
    heard = kim.say("listen", "--last", "9", "--for", "3", "--json")
    window.type("exit\r" if not options else "exit\n")
    assert window.ends() == 0
    assert '"text":"hallo"' in heard or "hallo" in kim.say("search", "hallo")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_password_is_not_seen_while_it_is_typed(street: Street) -> None:
    window = Window(street.terminal(), "register", "--name", "lia")
    window.sees("New password: ")
    window.type(f"{PASSWORD}\n")
    window.sees("New password again: ")
    window.type(f"{PASSWORD}\n")
    window.sees("Its first word: ")
    window.type("\n")
    assert window.ends() == 0
    assert PASSWORD not in window.seen


# ---- The line that is typed ----


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hello\r", "hello"),
        ("helo\x1b[Dl\r", "hello"),
        ("xhello\x01\x1b[3~\r", "hello"),
        ("hellox\x7f\r", "hello"),
        ("say  hello\x17bye\r", "say  bye"),
        ("away\x15hello\r", "hello"),
        ("hello away\x02\x02\x02\x02\x02\x0b\r", "hello"),
        ("b\x1b[Ha\x05c\r", "abc"),
        ("\x1b[200~one\ntwo\x1b[201~\r", "one two"),
        ("naïve 漢字\r", "naïve 漢字"),
        ("a\x07\x1bxb\x1b[5~\r", "ab"),
    ],
)
def test_keys_edit_the_line(keys: str, line: str) -> None:
    assert Editor().feed(keys.encode()).lines == (line,)


def test_bytes_may_come_one_by_one() -> None:
    editor = Editor()
    lines = [one for byte in "é\x1b[Dx\r".encode() for one in editor.feed(bytes([byte])).lines]
    assert lines == ["xé"]


def test_lines_before_come_back() -> None:
    editor = Editor()
    editor.feed(b"one\rtwo\rthr")
    editor.feed(b"\x1b[A\x1b[A")
    assert editor.text == "one"
    editor.feed(b"\x1b[B\x1b[B")
    assert editor.text == "thr"


def test_ctrl_c_and_ctrl_d_end_it() -> None:
    assert Editor().feed(b"text\x03").is_ended
    assert Editor().feed(b"\x04").is_ended
    assert not Editor().feed(b"text\x04").is_ended


def test_names_are_completed_as_far_as_that_is_clear() -> None:
    names = ["@bob", "@bobby", "@eva"]
    editor = Editor(lambda word: [one for one in names if one.startswith(word)])
    editor.feed(b"hi @e\t")
    assert editor.text == "hi @eva "
    editor.feed(b"@b\t")
    assert editor.text == "hi @eva @bob"
    editor.feed(b"\t @x\t")
    assert editor.text == "hi @eva @bob @x"


def test_a_long_line_is_drawn_over_rows_and_taken_away_again() -> None:
    editor = Editor()
    editor.prompt = "> "
    editor.feed(b"abcdefgh")
    text, drawn = draw(editor, 5)
    assert (text, drawn.row) == ("> abcdefgh\r\n", 2)
    assert erase(drawn) == "\x1b[2A\r\x1b[J"
    editor.feed(b"\x01")
    text, drawn = draw(editor, 5)
    assert (text, drawn.row) == ("> abcdefgh\r\n\x1b[2A\r\x1b[2C", 0)


def test_wide_letters_take_two_cells_and_marks_none() -> None:
    assert (cells("漢"), cells("e\u0301"), cells("a")) == (2, 1, 1)


def test_lines_are_broken_between_words_and_never_inside_a_command() -> None:
    assert wrapped("short", 5) == "short"
    assert wrapped("one two  three\nfour", 8) == "one two\nthree\nfour"
    assert wrapped("  a phrase of words", 10) == "  a phrase\n  of words"
    assert wrapped("type `alcove room show kitchen` now", 12) == (
        "type\n`alcove room show kitchen`\nnow"
    )
    assert wrapped("https://chat.example.org/i/long now", 10) == (
        "https://chat.example.org/i/long\nnow"
    )
    assert wrapped("漢字 漢字 \x1b[1mb\x1b[0m", 9) == "漢字 漢字\n\x1b[1mb\x1b[0m"
    assert wrapped("an ` alone here", 9) == "an `\nalone\nhere"
