"""The server: keeps ordered rooms that it cannot read, and gets every entry to every member device.

It knows accounts, devices, key packages, rooms, blobs and who may reach whom.  What is inside a
body it cannot know: this package never imports `alcove.mls`, and a test checks that.

    a request's way       session ─► door ─► batch ─► handlers/ ─► tx ─► store/
    and back              effects ─► hub ─► session

    who asks              session, door, caller, limits, auth, page_sessions
    what is carried out   batch, answers, tx, effects, roomstate, handlers/
    what others see       hub, presence
    what is bounded       backlog (outgoing), incoming (parts of frames), space (disk and day)
    what is written down  audit, audit_kinds, audit_log, suspicion
    what goes in time     keeping
    what a host sets      settings, settings_sources, settings_together, values, policy
    what a host asks      admin, admin_messages
    what is shown         pages, qr, openapi, blobs (the headers of uploads)
    where it is kept      store/: SQLite and PostgreSQL behind one small interface
    what waits            io/: sockets, HTTP, files, clock, dice, threads

All but `io/` and the drivers in `store/` is pure: time and dice are arguments.
"""
