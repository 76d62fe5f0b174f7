"""A server's life: everything is checked, then it serves, then it stops and loses nothing.

    folder, lock ─► database ─► port ─► TLS ─► threads ─► listeners ─► ready
    ready ─► a signal ─► no new requests ─► answers ─► goodbyes ─► housekeeping's counts ─► closed

What keeps it from starting is one sentence with its cure.  A second signal ends it at once, which is
no harm: what was answered is on the disk.
"""
