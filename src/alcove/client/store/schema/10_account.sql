-- Who this device is, and what it asks of its server.

-- One line: the account, this device, and the server that both belong to.
CREATE TABLE me (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    account BLOB NOT NULL,              -- its id
    name TEXT NOT NULL,                 -- the account's, as it was first written
    device BLOB NOT NULL,               -- its id
    server BLOB NOT NULL,               -- the server's public key, pinned
    signing_key BLOB NOT NULL,          -- this device's private key
    identity BLOB NOT NULL,             -- the account's public identity key
    certificate BLOB NOT NULL,          -- a SignedCertificate in msgpack: the newest of this device
    archive_key BLOB NOT NULL,          -- the public key to which the archive is sealed
    state TEXT NOT NULL,                -- new: not known to the server yet; in; revoked; restored
    is_host INTEGER NOT NULL DEFAULT 0, -- the server says: this account may do what the host may
    is_bot INTEGER NOT NULL DEFAULT 0,  -- this account was enrolled as a bot
    counter INTEGER NOT NULL DEFAULT 0, -- the highest request number that was ever used
    sent INTEGER NOT NULL DEFAULT 0,    -- the highest one that may have left this device
    seals INTEGER NOT NULL DEFAULT 0,   -- how often this device has sealed: only ever more
    incarnation INTEGER NOT NULL DEFAULT 0, -- of the server, as it was told at the last sign-in
    restored_at INTEGER NOT NULL DEFAULT 0, -- when that one was last another than before; 0: never
    clock INTEGER NOT NULL DEFAULT 0,   -- about when it was last used, by its own clock
    is_archive_closed INTEGER NOT NULL DEFAULT 0 -- it was renewed before this device had read it
) STRICT;

-- Requests that are sent again, with their numbers, until they are answered.
CREATE TABLE request (
    id INTEGER PRIMARY KEY,             -- its number, which the server remembers
    body BLOB NOT NULL,                 -- the request in msgpack
    answered_by TEXT NOT NULL,          -- who takes the answer: a name in engine.ANSWERS
    note BLOB NOT NULL,                 -- what that one wants to know again
    not_before INTEGER NOT NULL DEFAULT 0  -- refused as too early: not before then
) STRICT;

-- What is to be done at a time.
CREATE TABLE alarm (
    kind TEXT NOT NULL,                 -- a name in engine.ALARMS
    about BLOB NOT NULL,                -- a room, mostly
    at INTEGER NOT NULL,                -- when
    PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;

CREATE INDEX alarm_at ON alarm (at);
