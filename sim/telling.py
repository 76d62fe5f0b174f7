"""The logs of a world in words, for who looks for what went wrong."""

from typing import TYPE_CHECKING

from alcove.wire.entries import MessageHeader

if TYPE_CHECKING:
    from sim.checks import Checks
    from sim.places import Place


def told(checks: "Checks") -> str:
    """Return all logs in words."""
    lines = []
    for room, log in checks.logs_of_all.items():
        lines.append(f"{checks.name(room)}: {room.hex()[:8]}")
        lines += [
            f"{place.seq:6} {checks.name(place.header.sender):14} {_words(checks, place)}"
            for place in log
        ]
    return "\n".join(lines)


def _words(checks: "Checks", place: "Place") -> str:
    header, name = place.header, checks.name
    if isinstance(header, MessageHeader):
        key = (checks.accounts[header.sender], header.content)
        said = checks.people.record.by_content.get(key)
        what = header.notice or (f"{said.kind} {said.text}" if said else "?")
        return f"{header.form} {what}{'' if place.body else ' (dropped)'}"
    routing, words = header.routing, ["handshake"]
    words += [f"+{name(one.device)}" for one in routing.adds]
    words += [f"-{name(one.device)}" for one in routing.removes]
    words += [f"{name(one)} is {role}" for one, role in routing.roles]
    words += [f"history {routing.history}"] if routing.history else []
    words += ["renews"] if header.renews else []
    words += ["closes"] if header.closes else []
    return " ".join([*words, f"joins by {header.joins}" if header.joins else ""]).rstrip()
