-- What this device remembers of disks that were set back, servers that were restored, and lies.

-- One line for a room in which something went wrong with this device's own place.
CREATE TABLE trouble (
    room BLOB PRIMARY KEY,
    must_return INTEGER NOT NULL DEFAULT 0,  -- this disk was set back: nothing is said here before
                                             --   this device has come in anew
    strangers INTEGER NOT NULL DEFAULT 0,    -- commits by this device's leaf that it did not make
    culprit BLOB                             -- the account whose commit it could not follow
) STRICT, WITHOUT ROWID;

-- Who has claimed that a room's log is another one; until the owner has looked, nothing is said.
CREATE TABLE doubt (
    room BLOB NOT NULL,
    account BLOB NOT NULL,                   -- empty: the server itself
    seq INTEGER NOT NULL,                    -- the place that they have read otherwise
    is_seen INTEGER NOT NULL DEFAULT 0,      -- the owner has looked
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;

-- What a restored server has undone: who this device saw removed, and roles that it saw taken.
CREATE TABLE undone (
    room BLOB NOT NULL,
    kind TEXT NOT NULL,                      -- account, device or role
    about BLOB NOT NULL,                     -- the account; the device
    detail BLOB NOT NULL,                    -- nothing; its account; the role that it had at last
    seq INTEGER NOT NULL,                    -- up to here the log is as it was
    PRIMARY KEY (room, kind, about)
) STRICT, WITHOUT ROWID;
