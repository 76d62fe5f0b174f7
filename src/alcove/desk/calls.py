"""Calls: what a face asks of the desk, each a struct that names what it is answered with.

@call
class Send(Call[Line], frozen=True):
    room: str
    text: str

A noun's module holds its calls and, below each, the function that answers it.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

R = TypeVar("R")
C = TypeVar("C", bound="Call[Any]")


class Call(
    Struct, Generic[R], frozen=True, kw_only=True, tag_field="call", forbid_unknown_fields=True
):
    """Something asked; `R` is what answers it."""


Answer = Callable[["Desk", Any], Awaitable[Any]]
TABLE: dict[type, Answer] = {}
"""Who answers which call."""


def answers(
    kind: type[C],
) -> Callable[[Callable[["Desk", C], Awaitable[R]]], Callable[["Desk", C], Awaitable[R]]]:
    """Enter a function into the table of answers."""

    def enter(function: Callable[["Desk", C], Awaitable[R]]) -> Callable[["Desk", C], Awaitable[R]]:
        assert kind not in TABLE, "a call has one answer"
        TABLE[kind] = function
        return function

    return enter
