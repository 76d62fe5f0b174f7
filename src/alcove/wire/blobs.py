"""Blobs: encrypted files.  Their bytes go over HTTP by tus 1.0; here is what is asked about them.

Who holds a blob's id and is signed in may read it: the id travels sealed, with the key.
"""

from typing import Literal

from msgspec import Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Id, Millis

Expiry = Literal["never", "day", "week"]
"""How long a blob stays after its last byte came."""


class Blob(Struct, frozen=True):
    """One stored file, as the server knows it."""

    blob: Id
    size: Count
    """Padded, as it was announced."""
    offset: Count
    """How much of it is here: less than the size while it is being uploaded."""
    created_at: Millis
    expires_at: Millis | None
    downloads: Count
    """How often it was read to its end."""


class GetBlobs(Request, frozen=True, tag="get_blobs"):
    """List the blobs that this account uploaded, newest first."""

    before: Count | None = None
    """`next` of the page before; None for the first."""


class Blobs(Reply, frozen=True, tag="blobs"):
    """A page of blobs, and how much space this account has."""

    blobs: tuple[Blob, ...]
    used_bytes: Count
    """How much space this account's blobs take."""
    quota_bytes: Count
    """How much they may take; 0 for no limit."""
    next: Count | None


class DropBlob(Request, frozen=True, tag="drop_blob"):
    """Delete a blob that this account uploaded."""

    blob: Id


class BlobEnded(Push, frozen=True, tag="blob_ended"):
    """A blob of this account was deleted or has expired."""

    blob: Id
