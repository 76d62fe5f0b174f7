-- Whom this device believes, and what it needs to come to its server and to be added to rooms.

-- The newest device list of each account that was checked, and what the owner says of its keys.
CREATE TABLE pin (
    account BLOB PRIMARY KEY,
    name TEXT NOT NULL,                 -- the account's
    identity BLOB NOT NULL,             -- the account's public identity key
    version INTEGER NOT NULL,           -- the highest that was seen
    signed BLOB NOT NULL,               -- a SignedList; empty where only a certificate was seen
    first_seen INTEGER NOT NULL,        -- when
    checked BLOB NOT NULL DEFAULT x'',  -- the identity key whose safety number was compared
    change TEXT NOT NULL DEFAULT '',    -- rotated, reset or forked, until the owner has looked
    changed_at INTEGER NOT NULL DEFAULT 0 -- when it changed
) STRICT, WITHOUT ROWID;

-- Which list had which version: a second one of the same version is an alarm.
CREATE TABLE seen_list (
    account BLOB NOT NULL,
    version INTEGER NOT NULL,           -- of the list
    hash BLOB NOT NULL,                 -- of its bytes
    identity BLOB NOT NULL,             -- the key that signed it
    PRIMARY KEY (account, version)
) STRICT, WITHOUT ROWID;

-- Accounts whose lists are asked for, again after each sign-in, until they have come.
CREATE TABLE wanted_list (
    account BLOB PRIMARY KEY,
    signed BLOB NOT NULL                -- a list that came before those between; empty: none did
) STRICT, WITHOUT ROWID;

-- This account's own lists: a server that was restored gets them back.
CREATE TABLE own_list (
    version INTEGER PRIMARY KEY,        -- of the list
    signed BLOB NOT NULL                -- a SignedList in msgpack
) STRICT;

-- The devices that this account had when its newest list was looked at.
CREATE TABLE own_device (
    device BLOB PRIMARY KEY,
    is_browser INTEGER NOT NULL,        -- it is a page, and no installed program
    added_at INTEGER NOT NULL           -- when
) STRICT, WITHOUT ROWID;

-- Key packages of this device: the private halves of what the server hands out.
CREATE TABLE package (
    reference BLOB PRIMARY KEY,         -- the hash by which a Welcome names it
    bundle BLOB NOT NULL,               -- the key package and its private keys
    is_last_resort INTEGER NOT NULL,    -- it may be used again when no other is left
    made_at INTEGER NOT NULL,           -- when
    is_spent INTEGER NOT NULL DEFAULT 0 -- a last resort that was used, and is being replaced
) STRICT, WITHOUT ROWID;

-- One line while this device comes to its server: what it says until it is answered.
CREATE TABLE entering (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    request BLOB NOT NULL               -- a Register, Reset or PutList in msgpack
) STRICT;

-- One line while a new device shows a code, and does not know yet whose it is.
CREATE TABLE pairing (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    drawn BLOB NOT NULL                 -- when it ends, and what opens the answer to it, in msgpack
) STRICT;

-- One line until a new device has read the archive: the seeds that open it, in msgpack.
CREATE TABLE archive_seeds (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seeds BLOB NOT NULL                 -- from the box; the line is deleted afterwards
) STRICT;

-- One line while the recovery phrase was not saved: it lies here, sealed under the password.
CREATE TABLE phrase (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sealed BLOB NOT NULL                -- an envelope: docs/protocol/sealing.md
) STRICT;
