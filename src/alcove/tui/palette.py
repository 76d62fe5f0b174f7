"""The palette: every command, chat and person, found by typing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alcove.desk import shown
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


def _chats(main: "Main") -> Any:
    from alcove.tui.chats import Chats  # noqa: PLC0415 - It is one of the places.

    main.go(0)
    return main.query_one(Chats)


def _groups(main: "Main") -> Any:
    from alcove.tui.groups import Groups  # noqa: PLC0415 - It is one of the places.

    main.go(1)
    return main.query_one(Groups)


def _profile(main: "Main") -> Any:
    from alcove.tui.profile import Profile  # noqa: PLC0415 - It is one of the places.

    main.go(4)
    return main.query_one(Profile)


def _security(main: "Main") -> Any:
    from alcove.tui.security import Security  # noqa: PLC0415 - It is one of the places.

    main.go(3)
    return main.query_one(Security)


COMMANDS: Final = (
    Command("new chat", "^n", lambda main: _chats(main).action_new()),
    Command("who wants to chat, who is online", "a", lambda main: _chats(main).action_asks()),
    Command("find what was said", "^f", lambda main: _chats(main).action_find_here()),
    Command("next unread", "^u", lambda main: _chats(main).action_next_unread()),
    Command("send a file", "^o", lambda main: _chats(main).room.action_attach()),
    Command("jump to a day", "^t", lambda main: _chats(main).room.action_date()),
    Command(
        "ask a question with answers: a poll", "", lambda main: _chats(main).room.action_poll()
    ),
    Command(
        "go on in a room of which others see another version",
        "",
        lambda main: _chats(main).room.action_overlook(),
    ),
    Command("new group", "", lambda main: _groups(main).action_new()),
    Command("find a group", "", lambda main: _groups(main).action_find()),
    Command("join by a link", "", lambda main: _groups(main).action_join()),
    Command(
        "join the room of everyone on this server", "", lambda main: _groups(main).action_commons()
    ),
    Command("notes to myself", "", lambda main: _groups(main).action_notes()),
    Command("how others see me", "", lambda main: _profile(main).action_edit()),
    Command("hide that I am online, or show it", "", lambda main: _profile(main).action_hide()),
    Command("invite somebody to this server", "", lambda main: _profile(main).action_invite()),
    Command("change my password", "", lambda main: _profile(main).action_password()),
    Command("log out, and clear this machine", "", lambda main: _profile(main).action_log_out()),
    Command("my recovery phrase", "", lambda main: _security(main).action_phrase()),
    Command("quiet hours: when nothing rings", "", lambda main: _profile(main).action_quiet()),
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
    rooms = sorted(app.chats.values(), key=lambda one: -(one.last_at or 0))
    choices += [
        Choice(f"room{one.room}", f"{GO}{_titled(one)}", "chat")
        for one in rooms
        if one.state != "gone"
    ]
    chosen = await app.push_screen_wait(Chooser("All commands, chats, people", choices))
    if chosen is None:
        return
    if chosen.startswith("place"):
        main.go(int(chosen[5:]))
    elif chosen.startswith("room"):
        await _chats(main).open(chosen[4:])
    else:
        todo = COMMANDS[int(chosen[2:])].do(main)
        if hasattr(todo, "__await__") and not hasattr(todo, "is_running"):
            await todo
