-- What this device wants to say: a line before it is shown, until the log has it.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,              -- in this order it is said
    room BLOB NOT NULL,
    content BLOB NOT NULL,                   -- the content's id
    plain BLOB NOT NULL,                     -- what is said, in msgpack
    at INTEGER NOT NULL,                     -- when it was written, or stored at its place
    expires_at INTEGER,                      -- when it ends for everyone
    files INTEGER NOT NULL DEFAULT 0,        -- how many files it waits for
    tries INTEGER NOT NULL DEFAULT 0,        -- how often it was sealed
    header BLOB,                             -- as it was sealed, before it was first sent
    body BLOB,                               -- sealed
    request INTEGER,                         -- the request that carries it now
    seq INTEGER,                             -- its place, where the log is not read so far yet
    failed TEXT                              -- why it cannot be said
) STRICT;

CREATE INDEX outbox_room ON outbox (room, number);
