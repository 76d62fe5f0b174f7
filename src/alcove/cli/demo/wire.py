"""A recorder between the people and the server: everything that crosses the line, both ways.

    people ──► its port ──► the server's port        what an eavesdropper has, and a little more:
           ◄──           ◄──                          the demo's line is not encrypted by TLS

What browsers and clients send over a WebSocket is masked (RFC 6455, 5.3), with the mask beside it:
`text` takes it off, so that nothing hides behind it from a search.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

PIECE_BYTES: Final = 64 * 1024
RECORDED_BYTES_MAX: Final = 256 * 1024 * 1024
"""Far more than the story says."""

_HEAD_ENDS: Final = b"\r\n\r\n"
_UPGRADE: Final = b"upgrade: websocket"


class Recorder:
    """A port in front of another one."""

    _server: asyncio.Server

    def __init__(self) -> None:
        self.server_port = 0
        """Where the server listens."""
        self._said: list[tuple[bytearray, bytearray]] = []
        """What each connection has carried, to the server and from it."""
        self._recorded = 0
        self._open: set[StreamWriter] = set()

    async def start(self) -> str:
        """Listen, and return the address that people use."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Hang up."""
        self._server.close()
        for writer in list(self._open):
            writer.close()

    # ---- What was heard ----

    def connections(self) -> int:
        """Return how many connections there were."""
        return len(self._said)

    def to_server(self) -> bytes:
        """Return all that was sent to the server, as it was sent, and again without masks."""
        return b"".join(bytes(up) + unmasked(bytes(up)) for up, _ in self._said)

    def from_server(self) -> bytes:
        """Return all that the server sent."""
        return b"".join(bytes(down) for _, down in self._said)

    def write(self, folder: Path) -> None:
        """Write down what was heard, for whoever wants to search it by other means."""
        folder.mkdir()
        (folder / "to-server").write_bytes(self.to_server())
        (folder / "from-server").write_bytes(self.from_server())

    def size(self) -> int:
        """Return how many bytes were carried."""
        return self._recorded

    # ---- Carrying ----

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry one connection."""
        try:
            far, to_far = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:  # There is no server at the moment: so there is no connection.
            writer.close()
            return
        up, down = bytearray(), bytearray()
        self._said.append((up, down))
        self._open |= {writer, to_far}
        try:
            await asyncio.gather(self._pass(reader, to_far, up), self._pass(far, writer, down))
        finally:
            self._open -= {writer, to_far}

    async def _pass(self, reader: StreamReader, writer: StreamWriter, heard: bytearray) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                self._recorded += len(piece)
                assert self._recorded <= RECORDED_BYTES_MAX
                heard += piece
                writer.write(piece)
                await writer.drain()
        writer.close()


def unmasked(said: bytes) -> bytes:
    """Return what the frames of a WebSocket's client say; nothing where it is none."""
    head, _, frames = said.partition(_HEAD_ENDS)
    return b"".join(_frames(frames)) if _UPGRADE in head.lower() else b""


def _frames(said: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 <= len(said):
        size, at = said[at + 1] & 0x7F, at + 2
        wide = {126: 2, 127: 8}.get(size, 0)
        if wide:
            size, at = int.from_bytes(said[at : at + wide], "big"), at + wide
        mask, at = said[at : at + 4], at + 4
        masked, at = said[at : at + size], at + size
        yield _xor(masked, mask)


def _xor(masked: bytes, mask: bytes) -> bytes:
    """Return bytes with a mask taken off; all of them at once, as one long number."""
    key = (mask * (len(masked) // 4 + 1))[: len(masked)]
    plain = int.from_bytes(masked, "big") ^ int.from_bytes(key, "big")
    return plain.to_bytes(len(masked), "big")
