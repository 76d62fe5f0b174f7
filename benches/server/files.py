"""Blobs: a file of one GiB up and down again, and how much memory that takes.

Up: announced, then sent in one PATCH of tus 1.0, until the server says that it is on the disk.
Down: one GET, compared byte by byte.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alcove.wire.greeting import NewToken, Token
from benches.server.flow import clock
from benches.server.house import House
from benches.server.link import Address, BenchError, arrive
from benches.server.people import Person
from benches.server.plan import Plan

FILE_BYTES: Final = 1024 * 1024 * 1024
QUICK_FILE_BYTES: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
HEAD_BYTES_MAX: Final = 64 * 1024
TIMEOUT_S: Final = 120


def run(plan: Plan) -> None:
    """Measure blobs, in the open and over TLS."""
    for end, tls in (("", False), ("_tls", True)):
        with plan.house("files", tls=tls) as house:
            token = plan.play(_token(house))
            _carry(plan, house, token, end)


async def _token(house: House) -> str:
    device = await arrive(house.address, Person("carrier"), is_new=True)
    token = await device.do(NewToken(id=device.next_id()))
    assert isinstance(token, Token)
    device.link.close()
    await asyncio.sleep(0)
    return token.token


def _carry(plan: Plan, house: House, token: str, end: str) -> None:
    figures, process = plan.figures, house.running
    size = QUICK_FILE_BYTES if plan.is_quick else FILE_BYTES
    chunk = os.urandom(CHUNK_BYTES)
    _up(house.address, token, chunk, CHUNK_BYTES)  # What is made once is made now.
    before = process.memory_mib()
    process.forget_peak()
    blob, up_s = _up(house.address, token, chunk, size)
    up_mib = process.memory_mib("VmHWM") - before
    process.forget_peak()
    down_s, is_whole = _down(house.address, token, chunk, size, blob)
    down_mib = process.memory_mib("VmHWM") - before
    figures.add(f"blob_up{end}_mbps", size / up_s / 1e6, "MB/s")
    figures.add(f"blob_down{end}_mbps", size / down_s / 1e6, "MB/s")
    figures.add(f"blob{end}_memory_mib", max(up_mib, down_mib), "MiB")
    if not is_whole:
        figures.problem(f"blob{end}: what came back is not what was stored")


@contextmanager
def _asking(address: Address) -> Iterator[socket.socket | ssl.SSLSocket]:
    """Give a connection for requests of HTTP."""
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is None:
            yield plain
        else:
            with address.tls.wrap_socket(plain) as sealed:
                yield sealed


def _head(verb: str, path: str, token: str, **headers: str) -> bytes:
    lines = [
        f"{verb} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Tus-Resumable: 1.0.0",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _answer(asking: socket.socket, status: int) -> tuple[dict[str, str], bytes]:
    """Return the headers of an answer, and the first bytes behind them."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = asking.recv(HEAD_BYTES_MAX)
        if not more or len(got) > HEAD_BYTES_MAX:
            raise BenchError("the server broke off an answer")
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii", "replace").split("\r\n")
    if first.split()[1] != str(status):
        raise BenchError(f"the server answered with {first}: {rest[:200]!r}")
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, rest


def _up(address: Address, token: str, chunk: bytes, size: int) -> tuple[str, float]:
    """Store a file of so many bytes; return its path, and how long it took."""
    with _asking(address) as asking:
        begin = clock()
        asking.sendall(
            _head("POST", "/v1/blobs", token, Upload_Length=str(size), Content_Length="0")
        )
        headers, _ = _answer(asking, 201)
        path = headers["location"]
        asking.sendall(
            _head(
                "PATCH", path, token, Upload_Offset="0", Content_Length=str(size),
                Content_Type="application/offset+octet-stream",
            )
        )  # fmt: skip
        for _ in range(size // CHUNK_BYTES):
            asking.sendall(chunk)
        headers, _ = _answer(asking, 204)
        took = clock() - begin
    if headers["upload-offset"] != str(size):
        raise BenchError(f"the server stored {headers['upload-offset']} bytes of {size}")
    return path, took


def _down(address: Address, token: str, chunk: bytes, size: int, path: str) -> tuple[float, bool]:
    """Read a file again; return how long it took, and whether it was as it should be."""
    # Filled to the end before it is looked at: only whole arrays are compared as fast as memory is.
    piece = bytearray(CHUNK_BYTES)
    with _asking(address) as asking:
        begin = clock()
        asking.sendall(_head("GET", path, token))
        headers, rest = _answer(asking, 200)
        is_whole = headers["content-length"] == str(size)
        got = len(rest)
        piece[:got] = rest
        while got < size:
            at = got % CHUNK_BYTES
            count = asking.recv_into(memoryview(piece)[at:])
            if not count:
                return clock() - begin, False
            got += count
            if got % CHUNK_BYTES == 0:
                is_whole = is_whole and piece == chunk
        return clock() - begin, is_whole
