-- What stands around talking: who asks to chat, who is blocked, what was read, who is who.

-- Requests to chat, of others to this account.
CREATE TABLE ask (
    room BLOB PRIMARY KEY,
    kind TEXT NOT NULL,                      -- the room's
    account BLOB NOT NULL,                   -- who asks
    name TEXT NOT NULL,                      -- theirs
    at INTEGER NOT NULL,                     -- when
    wanted TEXT NOT NULL DEFAULT '',         -- accept or decline, as the owner has said
    request INTEGER                          -- the request that says so, until it is answered
) STRICT, WITHOUT ROWID;

-- Strangers' rooms that were accepted: what they said first may still be a flood.
CREATE TABLE accepted (
    room BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    at INTEGER NOT NULL                      -- when they asked
) STRICT, WITHOUT ROWID;

-- Whom this device has asked, until they accept.  Nobody is told of a request that was declined.
CREATE TABLE asked (
    room BLOB NOT NULL,
    account BLOB NOT NULL,
    at INTEGER NOT NULL,                     -- when
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;

-- Whom this account has blocked.
CREATE TABLE block (
    account BLOB PRIMARY KEY,
    name TEXT NOT NULL,                      -- theirs
    at INTEGER NOT NULL,                     -- since when
    is_ended INTEGER NOT NULL DEFAULT 0,     -- lifted again; kept until the server knows
    request INTEGER                          -- the newest request about it, until it is answered
) STRICT, WITHOUT ROWID;

-- How far the server was told that this device has stored each log.
CREATE TABLE told_passed (
    room BLOB PRIMARY KEY,
    incarnation INTEGER NOT NULL,            -- of the server that was told
    seq INTEGER NOT NULL                     -- up to here
) STRICT, WITHOUT ROWID;

-- This account's slot in each room, as it was stored last.
CREATE TABLE slot (
    room BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,                    -- how far it says that was read; -1: say it again
    profile_key BLOB NOT NULL,               -- the key of this account's profile in it, or empty
    at INTEGER NOT NULL                      -- when
) STRICT, WITHOUT ROWID;

-- What the owner has chosen for a room, on this device.
CREATE TABLE room_choice (
    room BLOB PRIMARY KEY,
    level TEXT NOT NULL DEFAULT 'all',       -- of what the owner is notified: all, mentions, none
    is_pinned INTEGER NOT NULL DEFAULT 0,    -- it stands on top of the list
    is_archived INTEGER NOT NULL DEFAULT 0,  -- it is out of sight
    is_marked INTEGER NOT NULL DEFAULT 0,    -- marked as unread, whatever was read
    draft TEXT NOT NULL DEFAULT ''           -- what was begun there and not said yet
) STRICT, WITHOUT ROWID;

-- One line: how the owner wants to be there.
CREATE TABLE presence (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    wanted TEXT NOT NULL                     -- online, away or invisible
) STRICT;

-- Links into rooms that were made on this device.
CREATE TABLE room_link (
    hash BLOB PRIMARY KEY,                   -- what the server knows it by
    room BLOB NOT NULL,
    secret BLOB NOT NULL,                    -- what the link holds
    key BLOB NOT NULL,                       -- the public key that stands in the room's state
    at INTEGER NOT NULL,                     -- when it was made
    expires_at INTEGER,                      -- when the server ends it
    uses INTEGER,                            -- how many the server lets in by it
    purpose TEXT NOT NULL,                   -- hand: given to people; commons; alias
    alias TEXT NOT NULL DEFAULT '',          -- the public name that it belongs to
    description TEXT NOT NULL DEFAULT '',    -- what people who look for the alias read
    is_put INTEGER NOT NULL DEFAULT 0        -- the server has it
) STRICT, WITHOUT ROWID;

-- Rooms that this device is on its way into by a link.
CREATE TABLE way_in (
    room BLOB PRIMARY KEY,
    secret BLOB NOT NULL,                    -- of the link
    inviter BLOB NOT NULL,                   -- the hash of the inviter's identity; empty: any
    epoch INTEGER NOT NULL                   -- an older state of the room is a lie
) STRICT, WITHOUT ROWID;

-- How people show themselves, as they say it in rooms of which they told the key.
CREATE TABLE person (
    account BLOB PRIMARY KEY,
    key BLOB NOT NULL,                       -- opens the account's profile at the server
    body BLOB NOT NULL DEFAULT x'',          -- what it says, in msgpack; empty until it has come
    is_mine INTEGER NOT NULL DEFAULT 0       -- this device has written it
) STRICT, WITHOUT ROWID;
