"""The palette: every command, chat and person, found by typing."""

from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from textual.worker import Worker

from alcove.desk import people, shown
from alcove.tui import acts
from alcove.tui.choosing import Choice, Chooser
from alcove.tui.shell import PLACES, app_of

if TYPE_CHECKING:
    from alcove.tui.app import Alcove
    from alcove.tui.main import Main

GO: Final = "Go to "


class Command(NamedTuple):
    """Something that can be done from anywhere."""

    words: str
    key: str
    do: Callable[["Main"], Any]


def _there(number: int, act: Callable[[Any], Any]) -> Callable[["Main"], Any]:
    """Return what goes to a place and does something there."""

    async def do(main: "Main") -> Any:
        return act(await main.go(number))

    return do


_chats, _groups, _files, _security, _profile = (partial(_there, one) for one in range(len(PLACES)))


async def _unblock(app: "Alcove") -> None:
    """Hear somebody again who was blocked."""
    found = await app.tried(people.GetBlocked())
    if not found:
        app.tell("Nobody is blocked.", is_bad=False)
        return
    choices = [Choice(one.account, one.name) for one in found]
    account = await app.push_screen_wait(Chooser("Hear again", choices))
    if account is not None:
        await app.tried(people.Block(account=account, on=False))


COMMANDS: Final = (
    Command("new chat", "^n", _chats(lambda chats: chats.action_new())),
    Command("who wants to chat, who is online", "a", _chats(lambda chats: chats.action_asks())),
    Command("find what was said", "^f", _chats(lambda chats: chats.action_find_here())),
    Command("next unread", "alt u", _chats(lambda chats: chats.action_next_unread())),
    Command("send a file", "^o", _chats(lambda chats: chats.room.action_attach())),
    Command("record a voice note", "", _chats(lambda chats: acts.record(chats.room))),
    Command("jump to a day", "^t", _chats(lambda chats: chats.room.action_date())),
    Command(
        "ask a question with answers: a poll", "", _chats(lambda chats: chats.room.action_poll())
    ),
    Command(
        "go on in a room of which others see another version",
        "",
        _chats(lambda chats: chats.room.action_overlook()),
    ),
    Command(
        "share a file with a group or somebody", "", _files(lambda files: files.action_share())
    ),
    Command("who is blocked: hear somebody again", "", lambda main: _unblock(app_of(main))),
    Command("new group", "", _groups(lambda groups: groups.action_new())),
    Command("find a group", "", _groups(lambda groups: groups.action_find())),
    Command("join by a link", "", _groups(lambda groups: groups.action_join())),
    Command(
        "join the room of everyone on this server",
        "",
        _groups(lambda groups: groups.action_commons()),
    ),
    Command("notes to myself", "", _groups(lambda groups: groups.action_notes())),
    Command("how others see me", "", _profile(lambda profile: profile.action_edit())),
    Command(
        "hide that I am online, or show it", "", _profile(lambda profile: profile.action_hide())
    ),
    Command(
        "invite somebody to this server", "", _profile(lambda profile: profile.action_invite())
    ),
    Command("change my password", "", _profile(lambda profile: profile.action_password())),
    Command(
        "log out, and clear this machine", "", _profile(lambda profile: profile.action_log_out())
    ),
    Command("my recovery phrase", "", _security(lambda security: security.action_phrase())),
    Command(
        "clear what the server has noted from my view",
        "",
        _security(lambda security: security.clear()),
    ),
    Command("lock when idle: after how long", "", _profile(lambda profile: profile.action_idle())),
    Command(
        "quiet hours: when nothing rings", "", _profile(lambda profile: profile.action_quiet())
    ),
    Command("theme: light or dark", "", lambda main: app_of(main).action_other_light()),
    Command("switch account", "^s", lambda main: main.action_switch()),
    Command("lock", "^l", lambda main: main.action_lock()),
    Command("quit", "^q", lambda main: app_of(main).action_leave()),
)


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _titled(chat: shown.Chat) -> str:
    """Return what a chat is called; of a person both names are found."""
    if chat.person is None or not chat.person.called:
        return chat.title
    return f"{chat.person.called} @{chat.person.name}"


async def ask(app: "Alcove", main: "Main") -> None:
    """Let somebody choose, and do it."""
    choices = [
        Choice(f"place{number}", f"{GO}{name}", "place", str(number + 1))
        for number, name in enumerate(PLACES)
    ]
    choices += [
        Choice(f"do{number}", _begun(one.words), key=one.key) for number, one in enumerate(COMMANDS)
    ]
    choices += [
        Choice(f"room{one.room}", f"{GO}{_titled(one)}", "chat")
        for one in app.newest_chats()
        if one.state != "gone"
    ]
    chosen = await app.push_screen_wait(Chooser("All commands, chats, people", choices))
    if chosen is None:
        return
    if chosen.startswith("place"):
        await main.go(int(chosen[5:]))
    elif chosen.startswith("room"):
        await (await main.chats()).open(chosen[4:])
    else:
        todo = COMMANDS[int(chosen[2:])].do(main)
        while isawaitable(todo) and not isinstance(todo, Worker):
            todo = await todo
