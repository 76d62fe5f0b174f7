"""Somebody whose device is set up, as far as files need it."""

from alcove.client.keys.suite import SUITE
from alcove.client.store.database import Database

SIGNING_KEY = bytes(range(32))


def settle(db: Database, account: bytes, device: bytes) -> None:
    """Write down who a device is."""
    SUITE.signing_key(SIGNING_KEY)
    db.run(
        """
        INSERT INTO me (one, account, name, device, server, signing_key, identity, certificate,
            archive_key, state)
        VALUES (1, ?, 'ada', ?, x'', ?, x'', x'', x'', 'in')
        """,
        account, device, SIGNING_KEY,
    )  # fmt: skip
