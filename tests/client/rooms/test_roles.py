"""What an account may do follows from the room's state alone."""

import pytest
from msgspec.structs import replace

from alcove.client.rooms.extension import Ban, Ranked, RoomState
from alcove.client.rooms.roles import Action, is_banned, may, may_remove, role, settled

OWNER, ADMIN, MEMBER, OTHER = (bytes([number] * 32) for number in range(1, 5))
STATE = RoomState("group", (Ranked(OWNER, "owner"), Ranked(ADMIN, "admin")))


def test_everyone_else_is_a_member() -> None:
    assert [role(STATE, one) for one in (OWNER, ADMIN, MEMBER)] == ["owner", "admin", "member"]


@pytest.mark.parametrize("action", ["invite", "post", "pin", "mention_all"])
def test_the_state_says_who_may(action: Action) -> None:
    for who, allowed in {"everyone": 3, "admins": 2, "owners": 1}.items():
        state = replace(STATE, **{f"may_{action}": who})
        answers = [may(state, one, action) for one in (OWNER, ADMIN, MEMBER)]
        assert answers == [True] * allowed + [False] * (3 - allowed)


def test_admins_remove_and_owners_settle() -> None:
    assert [may(STATE, one, "remove") for one in (OWNER, ADMIN, MEMBER)] == [True, True, False]
    assert [may(STATE, one, "settings") for one in (OWNER, ADMIN, MEMBER)] == [True, False, False]


def test_who_is_banned_may_nothing() -> None:
    state = replace(STATE, bans=(Ban(OWNER), Ban(MEMBER, OTHER)))
    assert is_banned(state, OWNER)
    assert is_banned(state, MEMBER)
    assert not is_banned(state, ADMIN)
    assert not may(state, OWNER, "post")
    assert not may(state, MEMBER, "post")
    assert not may_remove(state, OWNER, MEMBER)


def test_admins_make_nobody_go_who_is_an_owner() -> None:
    assert may_remove(STATE, OWNER, ADMIN)
    assert may_remove(STATE, OWNER, OWNER)
    assert may_remove(STATE, ADMIN, MEMBER)
    assert not may_remove(STATE, ADMIN, OWNER)
    assert not may_remove(STATE, MEMBER, OTHER)
    assert not may_remove(replace(STATE, kind="direct"), OWNER, MEMBER)


def test_identities_are_followed_to_the_newest_and_never_for_ever() -> None:
    state = replace(STATE, bans=(Ban(ADMIN, MEMBER), Ban(MEMBER, OTHER)))
    assert settled(state, ADMIN) == settled(state, MEMBER) == settled(state, OTHER) == OTHER
    circle = replace(STATE, bans=(Ban(ADMIN, MEMBER), Ban(MEMBER, ADMIN)))
    assert settled(circle, ADMIN) in (ADMIN, MEMBER)
