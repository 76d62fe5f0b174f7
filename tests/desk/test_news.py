"""What was told fast is told together: of each row and each line what came last."""

from alcove.desk import shown
from alcove.desk.news import AskingChanged, ChatsChanged, LinesChanged, together


def chat(room: str, last: str) -> shown.Chat:
    return shown.Chat(room=room, kind="group", title=room, state="active", last=last)


def line(number: int, text: str, room: str = "a") -> shown.Line:
    return shown.Line(number=number, room=room, kind="text", text=text, at=0, state="stored")


def test_rows_and_lines_are_told_once_as_they_are_now() -> None:
    told = together([
        ChatsChanged(chats=(chat("a", "one"), chat("b", "two"))),
        LinesChanged(room="a", lines=(line(1, "one"), line(2, "two"))),
        AskingChanged(count=1),
        LinesChanged(room="b", lines=(line(3, "three", "b"),)),
        ChatsChanged(chats=(chat("a", "edited"),), gone=("b",)),
        LinesChanged(room="a", lines=(line(1, "edited"),), gone=(2,)),
        AskingChanged(count=2),
    ])  # fmt: skip
    assert told == [
        AskingChanged(count=1),
        AskingChanged(count=2),
        ChatsChanged(chats=(chat("a", "edited"),), gone=("b",)),
        LinesChanged(room="a", lines=(line(1, "edited"),), gone=(2,)),
        LinesChanged(room="b", lines=(line(3, "three", "b"),)),
    ]


def test_what_went_and_came_again_is_there() -> None:
    told = together([
        LinesChanged(room="a", lines=(), gone=(1,)),
        LinesChanged(room="a", lines=(line(1, "again"),)),
    ])  # fmt: skip
    assert told == [LinesChanged(room="a", lines=(line(1, "again"),))]


def test_nothing_told_is_nothing() -> None:
    assert together([]) == []
