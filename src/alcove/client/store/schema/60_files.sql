-- Files on their way: what is left to do of each, so that it goes on after any break.

CREATE TABLE transfer (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: a temporary file is named by it
    is_upload INTEGER NOT NULL,              -- else it is a download
    room BLOB NOT NULL,
    account BLOB NOT NULL,                   -- whose message it belongs to
    content BLOB NOT NULL,                   -- the message; one that is to be sent waits for it
    place INTEGER NOT NULL,                  -- which of the message's files
    path TEXT NOT NULL,                      -- the file on this device; its wished place at first
    file BLOB NOT NULL,                      -- a File in msgpack: name, key, hash, size, looks
    blob BLOB,                               -- its name at the server, once there is one
    is_looked_at INTEGER NOT NULL,           -- whether the hash is that of the whole file
    expiry TEXT NOT NULL,                    -- how long the server keeps it: never, day or week
    done INTEGER NOT NULL DEFAULT 0,         -- bytes of the plain file, to be shown
    changes INTEGER NOT NULL DEFAULT 0,      -- how often the file changed while it was sent
    state TEXT NOT NULL,                     -- open, paused, failed, done, cancelled
    why TEXT NOT NULL DEFAULT '',            -- why it waits or has failed, for people
    at INTEGER NOT NULL                      -- when it began
) STRICT;

CREATE INDEX transfer_content ON transfer (room, content);
CREATE INDEX transfer_open ON transfer (number) WHERE state IN ('open', 'cancelled');
