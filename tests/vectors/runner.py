"""Which check belongs to which file, and how a file's vectors are counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alcove.mls import MlsError
from tests.vectors.basics import crypto_basics, deserialization, tree_math
from tests.vectors.fields import Failed, Fields, UnknownSuite
from tests.vectors.framing import message_protection
from tests.vectors.joining import passive_client, welcome
from tests.vectors.messages import messages
from tests.vectors.schedule import key_schedule, psk_secret, secret_tree, transcript_hashes
from tests.vectors.trees import tree_operations, tree_validation, treekem

Check = Callable[[Fields], None]

KINDS: dict[str, Check] = {
    "tree-math": tree_math,
    "deserialization": deserialization,
    "crypto-basics": crypto_basics,
    "secret-tree": secret_tree,
    "message-protection": message_protection,
    "key-schedule": key_schedule,
    "psk_secret": psk_secret,
    "transcript-hashes": transcript_hashes,
    "welcome": welcome,
    "tree-operations": tree_operations,
    "tree-validation": tree_validation,
    "treekem": treekem,
    "messages": messages,
    "passive-client-welcome": passive_client,
    "passive-client-handling-commit": passive_client,
    "passive-client-random": passive_client,
    "passive-client": passive_client,
}
"""Each kind under the name of the working group's file; the last stands for those before it."""


class Unusable(Exception):
    """The file or the arguments cannot be used.  The message is a sentence for whoever asked."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One vector that did not pass."""

    index: int
    reason: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a file fared."""

    name: str
    total: int
    broken: list[Broken] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many vectors passed, everything in them checked."""
        return self.total - len(self.broken)

    @property
    def skipped(self) -> int:
        """How many were not run, because their cipher suite is unknown.  They did not pass."""
        return sum(broken.skipped for broken in self.broken)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def kind_named(name: str) -> str:
    """Return the kind that is meant by what somebody wrote."""
    for kind in KINDS:
        if _plain(kind) == _plain(name):
            return kind
    raise Unusable(f"there is no kind {name!r}: it is one of {', '.join(KINDS)}")


def guess_kind(file: Path) -> str:
    """Return the kind whose name stands in the file's; the longest, where there are several."""
    stem = _plain(file.stem)
    found = [kind for kind in KINDS if _plain(kind) in stem]
    if not found:
        raise Unusable(f"{file} does not say in its name what kind it is: say it with --kind")
    return max(found, key=len)


def load(file: Path) -> list[object]:
    """Return a file's vectors, not yet looked at."""
    try:
        vectors: object = json.loads(file.read_bytes())
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Unusable(f"{file} is not JSON") from None
    if not isinstance(vectors, list) or not vectors:
        raise Unusable(f"{file} is not a list of test vectors")
    return vectors


def run(name: str, kind: str, vectors: Sequence[object]) -> Result:
    """Check every vector; what goes wrong in one is that one's affair."""
    result = Result(name, len(vectors))
    for index, data in enumerate(vectors):
        broken = _run_one(KINDS[kind], index, data)
        if broken is not None:
            result.broken.append(broken)
    return result


def _run_one(check: Check, index: int, data: object) -> Broken | None:
    fields = None
    try:
        fields = Fields(data)
        check(fields)
    except Failed as failed:
        return Broken(index, str(failed), skipped=isinstance(failed, UnknownSuite))
    except MlsError as refused:
        return Broken(index, f"{refused}, at {fields.last}" if fields else str(refused))
    except Exception as bug:  # noqa: BLE001 - a check that falls over has not passed; run the rest.
        return Broken(index, f"{type(bug).__name__}: {bug}")
    unread = ", ".join(fields.unread())
    return Broken(index, f"not checked: {unread}") if unread else None
