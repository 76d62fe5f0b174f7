"""Alcove as a peer: MLS clients that a test drives over stdin and stdout.

    {"id": 1, "cmd": "init", "suite": 1}     one request a line in,
    {"id": 1, "ok": true, "kdf_nh": 32, …}   one reply a line out, in order.

Run it with `python -m tests.interop.peer`.  README.md, beside this file, has the protocol verb by
verb; tsmls_peer.mjs speaks the same one.  A process holds any number of clients, told apart by the
field `client`, so that twenty members need not be twenty processes.

What the library refuses is an answer.  Anything else that is raised is a bug of ours, and ends the
program with its traceback, which the driver shows.

For tests only: it believes every credential and gives private keys away on request.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Final

from alcove.mls import MlsError
from tests.interop.client import Client, Fields
from tests.interop.protocol import Json
from tests.interop.requests import Request, RequestError
from tests.interop.suites import SUITE_NAMES

VERBS: Final[dict[str, Callable[[Client, Request], Fields]]] = {
    "key_package": Client.key_package,
    "psk": Client.psk,
    "create_group": Client.create_group,
    "propose": Client.propose,
    "commit": Client.commit,
    "merge": Client.merge,
    "discard": Client.discard,
    "process": Client.process,
    "send": Client.send,
    "join": Client.join,
    "group_info": Client.group_info,
    "join_external": Client.join_external,
    "propose_add_external": Client.propose_add_external,
    "reinit": Client.reinit,
    "branch": Client.branch,
    "export": Client.export,
    "state": Client.state,
    "save": Client.save,
    "load": Client.load,
}


class Peer:
    """All clients of this process."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}

    def answer(self, verb: str, request: Request) -> Fields:
        """Do what a request says; return the fields of its reply."""
        name = request.text_or("client", "")
        if verb == "suites":
            return {"suites": {text: number for number, text in SUITE_NAMES.items()}}
        if verb == "init":
            self.clients[name] = Client(request)
            return self.clients[name].init(request)
        if verb not in VERBS:
            raise RequestError(f"unknown cmd {verb}")
        if name not in self.clients:
            raise RequestError("init comes first")
        return VERBS[verb](self.clients[name], request)

    def reply(self, line: str) -> tuple[Fields, bool]:
        """Answer one line; the second value says whether it was the last."""
        number: Json = None
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise RequestError("not an object")
            number = fields.get("id")
            request = Request(fields)
            verb = request.text("cmd")
            if verb == "quit":
                return {"id": number, "ok": True}, True
            return {"id": number, "ok": True, **self.answer(verb, request)}, False
        except (MlsError, RequestError, json.JSONDecodeError) as error:
            told = f"{type(error).__name__}: {error}"
            return {"id": number, "ok": False, "error": told}, False


def main() -> None:
    """Answer every line of stdin until it ends."""
    peer = Peer()
    for line in sys.stdin:
        fields, is_last = peer.reply(line)
        print(json.dumps(fields), flush=True)
        if is_last:
            return


if __name__ == "__main__":
    main()
