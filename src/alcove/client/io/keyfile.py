"""key.json: who keeps the data key of a profile, and under what.

Apart from the vault, which opens it: a program that asks for a passphrase looks here first, and
loads meanwhile what computes with it.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from alcove.client.store.disk import read_small
from alcove.client.store.failures import DamagedError

KEY_NAME: Final = "key.json"
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_FILE_BYTES_MAX: Final = 4_096
"""The largest key.json that is read."""
PASSPHRASE_VARIABLE: Final = "ALCOVE_PASSPHRASE_FILE"  # noqa: S105 - Where it is, not what.


class SealedKey(Struct, frozen=True, tag="passphrase", tag_field="kept_by"):
    """The data key as a passphrase keeps it."""

    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    sealed: Annotated[bytes, Meta(min_length=KEY_BYTES + 16, max_length=KEY_BYTES + 16)]
    memory_kib: Annotated[int, Meta(ge=8 * 1024, le=1024 * 1024)]
    passes: Annotated[int, Meta(ge=1, le=16)]
    lanes: Annotated[int, Meta(ge=1, le=16)]


class NamedKey(Struct, frozen=True, tag="keyring", tag_field="kept_by"):
    """The data key as the system's keyring keeps it."""

    name: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


KeyFile = SealedKey | NamedKey
_decode: Any = msgspec.json.Decoder(KeyFile).decode


def kept_by(folder: Path) -> Literal["passphrase", "keyring"] | None:
    """Return who keeps the key of the profile in this folder; None when there is no key yet."""
    match read_key_file(folder):
        case SealedKey():
            return "passphrase"
        case NamedKey():
            return "keyring"
    return None


def read_key_file(folder: Path) -> KeyFile | None:
    """Return what stands in the file of a profile's folder; None when it is not there."""
    path = folder / KEY_NAME
    content = read_small(path, KEY_FILE_BYTES_MAX)
    if content is None:
        return None
    try:
        file: KeyFile = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise DamagedError(
            f"{path} is damaged, and without it nobody can open this profile: put back a copy of"
            " it, or sign in anew as another profile."
        ) from None
    return file
