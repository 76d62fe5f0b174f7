"""The server: keeps ordered rooms that it cannot read, and gets every entry to every member device.

It knows accounts, devices, key packages, rooms, blobs and who may reach whom.  What is inside a
body it cannot know: this package never imports `alcove.mls`, and a test checks that.

    settings, settings_sources, values      what a host can set
    handlers/                               one function for each request: check, then write
    store/                                  SQLite and PostgreSQL behind one small interface
    io/                                     sockets, HTTP, files, clock, threads: all that waits
"""
