"""Extensions, and the few that the library itself reads (RFC 9420, section 13).

An extension that nobody here knows is carried as it came: unknown values are ignored, never
refused, except in the GroupContext, where every member must support every extension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from alcove.mls.codec import Reader, opaque, u16, vector
from alcove.mls.credentials import Credential
from alcove.mls.errors import DecodeError, UsageError

T = TypeVar("T")

APPLICATION_ID: Final = 1
RATCHET_TREE: Final = 2
REQUIRED_CAPABILITIES: Final = 3
EXTERNAL_PUB: Final = 4
EXTERNAL_SENDERS: Final = 5
LAST_RESORT: Final = 0x000A
"""In a key package: it may be used more than once, when no other is left."""

DEFAULT_EXTENSIONS: Final = frozenset(
    {APPLICATION_ID, RATCHET_TREE, REQUIRED_CAPABILITIES, EXTERNAL_PUB, EXTERNAL_SENDERS}
)
"""Everyone supports these; they are not listed in capabilities."""

GREASE: Final = tuple(0x0A0A + 0x1010 * step for step in range(15))
"""Values that mean nothing, sent so that nobody forgets to ignore what they do not know."""


class Extension(NamedTuple):
    """One extension: its type and its content, unread."""

    type: int
    data: bytes


Extensions = tuple[Extension, ...]
"""A list of extensions, no type twice."""


def find_extension(extensions: Iterable[Extension], extension_type: int) -> bytes | None:
    """Return the content of the extension of that type, or None."""
    for extension in extensions:
        if extension.type == extension_type:
            return extension.data
    return None


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """Return `Extension extensions<V>`."""
    return vector(u16(kind) + opaque(data) for kind, data in extensions)


def _read_extension(reader: Reader) -> Extension:
    return Extension(reader.u16(), reader.opaque())


def read_extensions(reader: Reader) -> Extensions:
    """Read `Extension extensions<V>`.  Section 13.4: no list may hold one type twice."""
    if reader.at < reader.end and reader.data[reader.at] == 0:  # The usual case, made quick.
        reader.at += 1
        return ()
    extensions = reader.vector(_read_extension)
    if len({extension.type for extension in extensions}) != len(extensions):
        raise DecodeError("ext-no-duplicate-types")
    return extensions


def check_own_extensions(extensions: Sequence[Extension]) -> None:
    """Sections 13.4 and 13.5: every extension of our making stands once and means something."""
    check_no_twins(extensions)
    if any(extension.type in GREASE for extension in extensions):
        raise UsageError("a group's extensions must have a meaning, and GREASE has none")


def check_no_twins(extensions: Sequence[Extension]) -> None:
    """Section 13.4: no type stands twice in a list of our making."""
    if len({extension.type for extension in extensions}) != len(extensions):
        raise UsageError("a list of extensions holds no type twice")


class RequiredCapabilities(NamedTuple):
    """What every member must support (section 11.1)."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def extension(self) -> Extension:
        """Return this as a GroupContext extension."""
        lists = (vector(u16(value) for value in values) for values in self)
        return Extension(REQUIRED_CAPABILITIES, b"".join(lists))


class ExternalSender(NamedTuple):
    """Someone outside the group who may propose to it (section 12.1.8.1)."""

    signature_key: bytes
    credential: Credential

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return opaque(self.signature_key) + self.credential.encode()


def external_senders(senders: Iterable[ExternalSender]) -> Extension:
    """Return the GroupContext extension that lets `senders` propose."""
    return Extension(EXTERNAL_SENDERS, vector(sender.encode() for sender in senders))


def _read_whole(data: bytes, read: Callable[[Reader], T]) -> T:
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value


def required_capabilities(extensions: Iterable[Extension]) -> RequiredCapabilities:
    """Return the group's required capabilities; empty lists when it has none."""
    data = find_extension(extensions, REQUIRED_CAPABILITIES)
    if data is None:
        return RequiredCapabilities()

    def read(reader: Reader) -> RequiredCapabilities:
        lists = [reader.numbers("H") for _ in range(3)]
        return RequiredCapabilities(*lists)

    return _read_whole(data, read)


def allowed_senders(extensions: Iterable[Extension]) -> tuple[ExternalSender, ...]:
    """Return the group's external senders, in order; none when it names none."""
    data = find_extension(extensions, EXTERNAL_SENDERS)
    if data is None:
        return ()

    def read(reader: Reader) -> ExternalSender:
        return ExternalSender(reader.opaque(), Credential.read(reader))

    return _read_whole(data, lambda reader: reader.vector(read))


def external_pub(extensions: Iterable[Extension]) -> bytes | None:
    """Return the key for external commits from a GroupInfo's extensions, or None."""
    data = find_extension(extensions, EXTERNAL_PUB)
    return None if data is None else _read_whole(data, Reader.opaque)
