"""Makes what is shown out of what the client has."""

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from msgspec import structs

from alcove import client as sdk
from alcove.desk import shown

if TYPE_CHECKING:
    from alcove.client import Client, Member, Message, Person, Presence, Room, Transfer

PREVIEW_CHARACTERS: Final = 120
"""So much of the last message stands in the list of chats."""
QUOTE_CHARACTERS: Final = 160
NOTHING: Final = range(0)
"""No places of a log."""


def millis(at: datetime | None) -> int | None:
    """Return a time as faces have it."""
    return None if at is None else round(at.timestamp() * 1000)


def person(one: "Person", presence: str | None = None) -> shown.Person:
    """Return somebody; what nobody may know without a line is unknown."""
    if presence is None:
        presence = one.presence if one.client.is_online else "unknown"
    return shown.Person(
        account=one.id,
        name=one.name,
        called=one.display_name,
        status=one.status,
        trust=one.state,
        presence=presence,  # type: ignore[arg-type]
        is_me=one.is_me,
        is_blocked=one.is_blocked,
    )


def listed(one: "Presence") -> shown.Person:
    """Return somebody whom the directory shows."""
    found = person(one.person, one.presence)
    return structs.replace(
        found, is_bot=one.is_bot, seen_at=millis(one.seen_at), rooms=met_in(one.person)
    )


def met_in(one: "Person") -> tuple[str, ...]:
    """Return the titles of the groups in which one meets somebody too."""
    return tuple(room.title for room in one.client.shared_rooms(one))


# ---- Rooms ----


def chat(room: "Room", typing: tuple[str, ...] = ()) -> shown.Chat:
    """Return a room as a row of the list."""
    partner, unread, choice = room.partner, room.unread, room.choice
    found = room.history(1)
    last = found[-1] if found else None
    is_said = last is not None and last.kind not in ("note", "gap")
    return shown.Chat(
        room=room.id,
        kind=room.kind,
        title=room.title,
        state=room.state,
        person=None if partner is None else person(partner),
        last="" if last is None else preview(last, PREVIEW_CHARACTERS),
        last_kind="" if last is None else _kind(last),
        last_by="" if not is_said or last is None or last.author is None else last.author.name,
        last_at=None if last is None else millis(last.at),
        last_state=last.state if last is not None and is_said and last.is_mine else "",
        unread=unread.lines,
        calls=unread.mentions,
        is_marked=choice.is_marked,
        is_pinned=choice.is_pinned,
        is_archived=choice.is_archived,
        level=choice.level,
        draft=choice.draft,
        typing=typing,
        waits_for=tuple(one.name for one in room.asked),
    )


def _kind(message: "Message") -> Literal["", "file", "image", "voice", "note"]:
    """Return what the newest message of a room is, where that is no text."""
    if message.kind in ("note", "gap"):
        return "note"
    first = message.files[0] if message.files and not message.text else None
    if first is None:
        return ""
    if first.media.startswith("image/"):
        return "image"
    return "voice" if first.length_ms else "file"


def preview(message: "Message", size: int) -> str:
    """Return the beginning of what a message says, on one line."""
    words = " ".join((message.text or _said_of(message))[: size * 2].split())
    return words[: size - 1] + "…" if len(words) > size else words


def _said_of(message: "Message") -> str:
    """Return what is shown in one line for what has no text."""
    if message.kind in ("note", "gap"):
        return _words(message)
    if message.kind == "gone":
        return "taken away"
    if message.files:
        return ", ".join(sdk.shown_name(one.name) for one in message.files)
    return "" if message.poll is None else message.poll.question


def room(one: "Room", typing: tuple[str, ...] = ()) -> shown.Room:
    """Return a room with its people, its settings and what I may do there."""
    members = tuple(
        shown.Member(person=person(each.person), role=each.role, devices=each.devices)
        for each in sorted(one.members(), key=_by_rank)
    )
    role = next((each.role for each in members if each.person.is_me), "member")
    base = shown.Room(
        chat=chat(one, typing),
        topic=one.topic,
        members=members,
        role=role,
        is_doubted=one.is_doubted,
        created_by=_founder(one),
        created_at=millis(one.created_at) if _is_founded(one) else None,
        pins=tuple(line(each) for each in one.pins()),
        topics=tuple(each.name for each in one.topics()),
    )
    if one.state != "active":
        return base
    settings = one.settings
    return structs.replace(
        base,
        history=settings.history,
        expires_ms=settings.expires_ms or None,
        may_invite=settings.may_invite,
        may_post=settings.may_post,
        may_pin=settings.may_pin,
        may=shown.Allowed(
            post=role in _INCLUDED[settings.may_post],
            invite=one.kind != "direct" and role in _INCLUDED[settings.may_invite],
            pin=role in _INCLUDED[settings.may_pin],
            remove=one.kind != "direct" and role != "member",
            settings=one.kind != "direct" and role == "owner",
        ),
    )


def _is_founded(one: "Room") -> bool:
    """Whether it can be said who made a room: two who chat have both."""
    return one.state == "active" and one.kind != "direct"


def _founder(one: "Room") -> str:
    by = one.created_by if _is_founded(one) else None
    return "" if by is None else by.name


def _by_rank(member: "Member") -> tuple[int, str]:
    return ("owner", "admin", "member").index(member.role), member.person.name.lower()


_INCLUDED: Final = {
    "everyone": ("owner", "admin", "member"),
    "admins": ("owner", "admin"),
    "owners": ("owner",),
}


# ---- Lines ----


def line(
    message: "Message", pinned: frozenset[int] = frozenset(), unread: range = NOTHING
) -> shown.Line:
    """Return a message as a line of its room."""
    said = message.line
    author = message.author
    return shown.Line(
        number=message.number,
        seq=said.seq,
        room=said.room.hex(),
        kind=message.kind,
        text=_words(message) if message.kind == "note" else message.text,
        at=said.at,
        state=message.state,
        author=None if author is None else person(author),
        cause=message.cause,
        why=message.why or (_words(message) if message.kind == "gap" else ""),
        is_mine=message.is_mine,
        calls_me=message.mentions_me,
        is_edited=said.edited_at is not None,
        is_pinned=message.number in pinned,
        is_forwarded=message.is_forwarded,
        is_new=bool(
            said.seq is not None
            and said.seq in unread
            and not message.is_mine
            and message.kind in ("text", "poll", "unknown")
        ),
        through=message.through,
        topic=message.topic,
        expires_at=said.expires_at,
        readers=len(readers(message)) if message.state == "read" else 0,
        reply=_quote(message.reply_to),
        reactions=tuple(
            shown.Reaction(
                emoji=one.emoji,
                people=tuple(who.name for who in one.people),
                is_mine=any(who.is_me for who in one.people),
            )
            for one in message.reactions
        ),
        poll=_poll(message),
        files=_files(message),
    )


def readers(message: "Message") -> tuple[str, ...]:
    """Return who of a group says that they have read one's own message."""
    if not message.is_mine or message.room.kind == "direct":
        return ()
    return tuple(one.name for one in message.readers if not one.is_me)


def _words(message: "Message") -> str:
    return message.told if message.cause else message.text


def _quote(answered: "Message | None") -> shown.Quote | None:
    if answered is None:
        return None
    by = "" if answered.author is None else answered.author.name
    return shown.Quote(number=answered.number, by=by, text=preview(answered, QUOTE_CHARACTERS))


def _poll(message: "Message") -> shown.Poll | None:
    found = message.poll if message.kind == "poll" else None
    if found is None:
        return None
    return shown.Poll(
        question=found.question,
        options=tuple(
            shown.Option(
                text=one.text,
                people=tuple(who.name for who in one.people),
                is_mine=any(who.is_me for who in one.people),
            )
            for one in found.options
        ),
        voters=found.voters,
        is_multiple=found.is_multiple,
        is_over=found.is_over,
        closes_at=millis(found.closes_at),
    )


def _files(message: "Message") -> tuple[shown.Attached, ...]:
    if not message.files:
        return ()
    moving = {one.found.place: one for one in message.transfers}
    return tuple(
        shown.Attached(
            place=place,
            name=sdk.shown_name(one.name),
            type=one.media,
            size=one.sealed.size,
            thumbnail=one.thumbnail,
            width=one.width,
            height=one.height,
            length_ms=one.length_ms,
            waveform=one.waveform,
            ends_at=one.expires_at,
            blob=one.sealed.blob.hex() if any(one.sealed.blob) else "",
            transfer=transfer(moving[place]) if place in moving else None,
        )
        for place, one in enumerate(message.files)
    )


def transfer(one: "Transfer") -> shown.Transfer:
    """Return a file on its way."""
    return shown.Transfer(
        number=one.number,
        name=one.name,
        is_upload=one.is_upload,
        size=one.size,
        done=one.done,
        state=one.state,
        why=one.why,
        path=str(one.path),
        room=one.found.room.hex(),
        line=one.message_number,
        place=one.place,
        at=millis(one.at) or 0,
    )


def connection(client: "Client", now_ms: int) -> shown.Connection:
    """Return how the line to the server stands."""
    line = client.line
    if line.turned_away is not None and line.turned_away.is_final:
        return shown.Connection(state="away", why=line.turned_away.why)
    if client.is_online:
        return shown.Connection(state="online", answered_ms=client.answered_ms)
    again = line.link.deadline()
    if again is not None and again > now_ms:
        return shown.Connection(state="offline", why=line.why, again_at=again)
    return shown.Connection(state="connecting", why=line.why)
