"""The terminal app: five places, one key map, and a room that scrolls as far as it goes back.

    app         what is always there: top bar, keys, palette, and the desk in its thread
    door        coming in: accounts of this machine, registering, signing in
    chats       the list, the room, its people       log, composer: its halves
    asking, groups, files, security, profile         the other places, and who asks to chat
    look        colours, signs, and how times and sizes are written

It speaks with `alcove.desk` alone.  Nothing here waits for the engine.
"""
