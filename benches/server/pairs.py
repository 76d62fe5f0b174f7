"""W1: a hundred pairs talk, or one: how many messages a second, and how long does each take?

Each of a hundred people sends to a partner in a direct room and keeps 32 messages under way, or
one.  A message counts when the partner has it.  Answers that come in one frame are followed by as
many messages in one frame, as a client would do it; `single` gives each message its own frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benches.server.flow import Measured, Receiver, Run, Sender, measure
from benches.server.house import House
from benches.server.link import Address, Device, arrive_all
from benches.server.people import people
from benches.server.plan import Plan
from benches.server.rooms import Messages, Room, follow, make_room

PAIRS: Final = 100
WINDOW: Final = 32


@dataclass
class Pair:
    """Two people and their room."""

    sender: Device
    receiver: Device
    room: Room
    head: int
    """The place of the newest entry."""


async def make_pairs(address: Address, count: int = PAIRS) -> list[Pair]:
    """Let people register in pairs, and each pair make a room that both accept."""
    everyone = await arrive_all(address, people(2 * count), is_new=True)
    pairs = []
    for sender, receiver in zip(everyone[::2], everyone[1::2], strict=True):
        room = await make_room(sender, [receiver], "direct")
        head = await follow(receiver, room.room)
        pairs.append(Pair(sender, receiver, room, head))
    return pairs


async def talk(
    plan: Plan,
    house: House,
    pairs: list[Pair],
    window: int,
    name: str,
    *,
    is_single: bool = False,
    seconds: float | None = None,
) -> Measured:
    """Let pairs talk for a while."""
    run = Run(name, plan.figures)
    streams = [Messages(pair.sender, pair.room) for pair in pairs]
    senders = [
        Sender(run, pair.sender, [stream], window, is_single=is_single)
        for pair, stream in zip(pairs, streams, strict=True)
    ]
    receivers = [
        Receiver(run, pair.receiver, [(stream, pair.head)])
        for pair, stream in zip(pairs, streams, strict=True)
    ]
    measured = await measure(
        run,
        [*receivers, *senders],
        seconds or plan.seconds,
        warm_s=plan.warm_s,
        cpu_s=house.running.cpu_s,
    )
    for pair, stream in zip(pairs, streams, strict=True):
        pair.head += len(stream.sent_at)
    return measured


def run(plan: Plan) -> None:
    """Measure W1, in the open and over TLS."""
    with plan.house("pairs") as house:
        plan.play(_plain(plan, house))
    with plan.house("pairs", tls=True) as house:
        plan.play(_over_tls(plan, house))


async def _plain(plan: Plan, house: House) -> None:
    figures = plan.figures
    pairs = await make_pairs(house.address)
    alone = await talk(plan, house, pairs[:1], 1, "w1_pair")
    figures.add("w1_pair_p50_ms", alone.deliver_ms[0], "ms")
    figures.add("w1_pair_p99_ms", alone.deliver_ms[1], "ms")
    figures.add("w1_pair_ack_p50_ms", alone.acknowledge_ms[0], "ms")
    one = await talk(plan, house, pairs, 1, "w1_1")
    figures.add("w1_1_rate", one.delivered, "/s")
    figures.add("w1_1_p50_ms", one.deliver_ms[0], "ms")
    figures.add("w1_1_p99_ms", one.deliver_ms[1], "ms")
    _add_costs(plan, "w1_1", one)
    many = await talk(plan, house, pairs, WINDOW, "w1_32")
    figures.add("w1_32_rate", many.delivered, "/s")
    figures.add("w1_32_p50_ms", many.deliver_ms[0], "ms")
    figures.add("w1_32_p99_ms", many.deliver_ms[1], "ms")
    _add_costs(plan, "w1_32", many)
    single = await talk(plan, house, pairs, WINDOW, "w1_32_single", is_single=True)
    figures.add("w1_32_single_rate", single.delivered, "/s")


async def _over_tls(plan: Plan, house: House) -> None:
    pairs = await make_pairs(house.address)
    many = await talk(plan, house, pairs, WINDOW, "w1_32_tls")
    plan.figures.add("w1_32_tls_rate", many.delivered, "/s")
    one = await talk(plan, house, pairs, 1, "w1_1_tls")
    plan.figures.add("w1_1_tls_rate", one.delivered, "/s")


def _add_costs(plan: Plan, name: str, measured: Measured) -> None:
    plan.figures.add(f"{name}_server_us", measured.server_us, "us/message")
    plan.figures.add(f"{name}_generator_busy", measured.generator * 100, "%")
