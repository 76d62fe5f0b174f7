"""The desk: what a face shows and asks, as plain values, and the thread in which that is answered.

    face ── ask(call) ──► Desk ──► Client       a face is the terminal app, or the page
         ◄─── reply ────
         ◄─── News ─────                        what changed, gathered for a moment

A face never waits for the engine and never holds anything of it: what it is given does not change
any more.  The same calls and replies go through a window's socket, where they are JSON.

    shown       what is shown: a chat, a line, a person, a file
    calls       the base of all calls, and the table of who answers which
    door, chats, rooms, messages, people, files, security, profile      a noun each
    desk        one account, open, and the news of it
    thread      the desk in a thread of its own, for faces with a loop of theirs
"""
