"""How a request is let in: what a handler asks of its caller, and which limit counts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Access = Literal["anyone", "device", "socket", "host"]
"""`device` takes a token too, `socket` only a device that has signed this connection in."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that carries out one kind of request, and the conditions for it."""

    function: Callable[..., Any]
    """(tx, caller, request, now) -> reply."""
    access: Access
    rate: str
    """The setting that limits how often: `rate_read` is `read` here."""
    writes: bool = True
    """False for what only reads: it runs beside the writer and is never remembered."""
    cost: Callable[[Any], int] | None = None
    """How much of the limit a request takes; None for one."""
    is_remembered: bool = True
    """Whether its answer is kept, so that the same request again has no second effect."""
    completed: Callable[[Any, Any], Any] | None = None
    """(tx, reply) -> the same with what must not be kept: it is computed each time.

    So what is asked twice is answered the same byte for byte, but for this part: it depends on the
    settings and the certificate of the moment.
    """
