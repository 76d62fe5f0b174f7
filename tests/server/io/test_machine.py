"""What the machine gives the server, and what is said when it does not."""

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from alcove.server.io import machine
from alcove.server.io.machine import (
    CannotStart,
    listen_at,
    loop_factory,
    own_address,
    raise_file_limit,
)


def close(sockets: tuple[socket.socket, ...]) -> None:
    for one in sockets:
        one.close()


def test_a_free_port_is_taken_and_then_nobody_else_can_have_it() -> None:
    listener = listen_at("127.0.0.1", 0)
    assert listener.port == listener.sockets[0].getsockname()[1]
    with pytest.raises(CannotStart, match="Address already in use"):
        listen_at("127.0.0.1", listener.port)
    close(listener.sockets)
    close(listen_at("127.0.0.1", listener.port).sockets)


def addresses(*found: tuple[int, str]) -> Callable[..., Any]:
    """Return a stand-in for the look-up of a name that has these addresses."""
    return lambda *_, **__: [
        (
            family,
            socket.SOCK_STREAM,
            0,
            "",
            (host, 0) if family == socket.AF_INET else (host, 0, 0, 0),
        )
        for family, host in found
    ]


def test_a_name_with_several_addresses_has_one_port_at_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = addresses(
        (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2")
    )
    monkeypatch.setattr(socket, "getaddrinfo", found)
    listener = listen_at("name", 0)
    assert [one.getsockname() for one in listener.sockets] == [
        ("127.0.0.1", listener.port),
        ("127.0.0.2", listener.port),
    ]
    close(listener.sockets)


def test_an_address_of_a_name_that_this_machine_has_not_got_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = addresses((socket.AF_INET, "203.0.113.9"), (socket.AF_INET, "127.0.0.1"))
    monkeypatch.setattr(socket, "getaddrinfo", found)
    listener = listen_at("name", 0)
    assert len(listener.sockets) == 1
    close(listener.sockets)


def test_when_one_address_cannot_be_had_the_others_are_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        found = addresses((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2"))
        monkeypatch.setattr(socket, "getaddrinfo", found)
        with pytest.raises(CannotStart, match="Address already in use"):
            listen_at("name", port)
        close(listen_one(port).sockets)


def listen_one(port: int) -> machine.Listener:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", addresses((socket.AF_INET, "127.0.0.1")))
        return listen_at("name", port)


def test_ipv6_has_a_socket_of_its_own() -> None:
    try:
        listener = listen_at("::1", 0)
    except CannotStart:
        pytest.skip("this machine has no IPv6")
    assert listener.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    close(listener.sockets)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "Permission denied: port 80 needs a right that this user has not got;"),
        (errno.EAFNOSUPPORT, "Port 80 on 127.0.0.1 cannot be used: no such luck."),
        (errno.ENOBUFS, "Port 80 on 127.0.0.1 cannot be used: no such luck."),
    ],
)
def test_what_the_system_refuses_is_said_with_a_cure(
    monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(number, "no such luck")

    monkeypatch.setattr(machine, "_listen", refuse)
    with pytest.raises(CannotStart) as refused:
        listen_at("127.0.0.1", 80)
    assert str(refused.value).startswith(why)


def test_windows_would_let_two_programs_share_a_port_if_it_was_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    listener = listen_at("127.0.0.1", 0)
    assert listener.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    close(listener.sockets)


def test_the_machines_own_address_is_asked_of_its_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_address().count(".") == 3
    monkeypatch.setattr(machine, "ELSEWHERE", ("255.255.255.255", 9))
    assert own_address() == "127.0.0.1"


class Limits:
    """Stands in for the module of the system's limits."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft: int, hard: int, *, refuses: bool = False) -> None:
        self.limits = (soft, hard)
        self.refuses = refuses

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if self.refuses:
            raise ValueError
        self.limits = limits


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (Limits(256, 4096), 1512),
        (Limits(256, 1000), 1000),
        (Limits(256, -1), 1512),
        (Limits(9000, 9000), 9000),
        (Limits(-1, -1), None),
        (Limits(256, -1, refuses=True), 256),
        (None, None),
    ],
)
def test_the_number_of_open_files_is_raised_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, limits: Limits | None, files: int | None
) -> None:
    monkeypatch.setitem(sys.modules, "resource", limits)
    assert raise_file_limit(1000) == files


def test_the_fastest_loop_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    name, factory = loop_factory()
    assert name == "uvloop"
    factory().close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() == ("asyncio", asyncio.new_event_loop)


def test_a_host_that_this_machine_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(CannotStart, match="The host name is no address and no name"):
        listen_at("name", 0)
    monkeypatch.setattr(socket, "getaddrinfo", addresses((socket.AF_INET, "203.0.113.9")))
    with pytest.raises(CannotStart, match="The host name is not an address of this machine"):
        listen_at("name", 0)
