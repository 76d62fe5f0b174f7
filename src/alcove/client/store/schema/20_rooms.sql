-- Rooms: where this device stands in each, who else stands there, and the keys of what was said.

CREATE TABLE room (
    room BLOB PRIMARY KEY,
    kind TEXT NOT NULL,        -- direct, group, channel, commons or mailbox
    history TEXT NOT NULL,     -- open, closed or none
    profile BLOB,              -- name, topic and picture, in msgpack; NULL while not known
    predecessor BLOB,          -- of a direct room after a reset: the one before
    partner BLOB,              -- of a direct room: the other account
    state TEXT NOT NULL,       -- making, founded, joining, active, outside (routed, without a leaf yet), gone
    seq INTEGER NOT NULL DEFAULT 0,          -- the log is processed up to here, without a gap
    head INTEGER NOT NULL DEFAULT 0,         -- the newest place that the server has told of
    chain BLOB,                              -- the running hash up to `seq`; NULL when not known
    anchor_seq INTEGER NOT NULL DEFAULT 0,   -- a place of which the server told the hash: compared,
    anchor_chain BLOB,                       --   or believed by who joins in the middle of a log
    incarnation INTEGER NOT NULL DEFAULT 0,  -- in which `seq` was read
    handshake BLOB NOT NULL,                 -- the name of the newest handshake up to `seq`
    room_key BLOB,                           -- the name of the newest renewing handshake
    renewed_at INTEGER NOT NULL DEFAULT 0,   -- when that one came
    healed_at INTEGER NOT NULL DEFAULT 0,    -- when this device's own path was renewed last
    refused_at INTEGER NOT NULL DEFAULT 0,   -- when that was refused first since; 0 for not at all
    is_held INTEGER NOT NULL DEFAULT 0,      -- its owner says nothing here until that is taken again
    sends INTEGER NOT NULL DEFAULT 0,        -- what it has said since
    is_lost INTEGER NOT NULL DEFAULT 0,      -- the group went on, and this device could not follow
    joined_seq INTEGER NOT NULL DEFAULT 0,   -- what stands before was there before this device
    opened_seq INTEGER NOT NULL DEFAULT 0,   -- newcomers may not have what stands before, though it is open now
    commit_at INTEGER NOT NULL DEFAULT 0,    -- no commit before this time
    heal_at INTEGER NOT NULL DEFAULT 0,      -- no healing before this time
    lost_tries INTEGER NOT NULL DEFAULT 0,   -- how often it has said that it is lost
    base BLOB,                               -- the tree of a snapshot, to begin to follow from
    known BLOB,                              -- the public state when the server said that it is over
    was_restored INTEGER NOT NULL DEFAULT 0, -- since then, or that is why: the log may be shorter
    version INTEGER NOT NULL DEFAULT 0,      -- of the group below: compared before it is set
    public BLOB                              -- the group's public state, where there are no secrets
) STRICT;

-- The MLS group of each room.  With a thousand members it has megabytes, and SQLite writes a line as a
-- whole: so it lies apart from what each message changes, and in two parts.
CREATE TABLE group_epoch (
    room BLOB PRIMARY KEY,
    body BLOB NOT NULL                       -- what commits change
) STRICT;

CREATE TABLE group_messages (
    room BLOB PRIMARY KEY,
    body BLOB NOT NULL                       -- what sealing changes
) STRICT;

-- Which device stood in a room from which place on, and until where.
CREATE TABLE stay (
    room BLOB NOT NULL,
    device BLOB NOT NULL,
    account BLOB NOT NULL,
    since INTEGER NOT NULL,                  -- the place of the handshake that brought it
    until INTEGER,                           -- the place of the one that took it away
    leaf INTEGER NOT NULL,                   -- where it stands in the group's tree
    key BLOB NOT NULL,                       -- the device's public key
    certificate BLOB NOT NULL,               -- a SignedCertificate in msgpack
    PRIMARY KEY (room, device, since)
) STRICT, WITHOUT ROWID;

CREATE INDEX stay_account ON stay (account) WHERE until IS NULL;

-- Handshakes as they stood in the log.
CREATE TABLE handshake (
    room BLOB NOT NULL,
    seq INTEGER NOT NULL,
    name BLOB NOT NULL,                      -- the hash by which others name it
    at INTEGER NOT NULL,                     -- when the log got it
    sender BLOB NOT NULL,                    -- the device
    epoch INTEGER NOT NULL,                  -- the one that begins here, or goes on
    renews INTEGER NOT NULL,                 -- it begins a room key
    closes INTEGER NOT NULL,                 -- messages from before it come too late
    header BLOB,                             -- kept for 30 days: a restored server may have lost it
    body BLOB,                               -- commit and GroupInfo; goes with the header
    PRIMARY KEY (room, seq)
) STRICT;  -- With a rowid: else a body of a megabyte is read whenever its place is looked for.

CREATE UNIQUE INDEX handshake_name ON handshake (room, name);

-- What became of each entry of the log.
CREATE TABLE entry (
    room BLOB NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB,                              -- the running hash after it
    device BLOB NOT NULL,                    -- who wrote it
    content BLOB,                            -- the content's id, for messages
    cause TEXT,                              -- why it could not be opened; a code of docs/causes.md
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX entry_content ON entry (room, device, content) WHERE content IS NOT NULL;

-- Room keys, named by the handshake that began them.
CREATE TABLE room_key (
    room BLOB NOT NULL,
    name BLOB NOT NULL,                      -- the handshake
    secret BLOB NOT NULL,                    -- what the group exported
    is_sure INTEGER NOT NULL DEFAULT 0,      -- of this device's own group, or it has opened something
    is_archived INTEGER NOT NULL DEFAULT 0,  -- the archive on the server has it
    PRIMARY KEY (room, name)
) STRICT, WITHOUT ROWID;

-- What this device wants a room to become; each ends when it is so, or cannot be.
CREATE TABLE wish (
    number INTEGER PRIMARY KEY,              -- in this order they are carried out
    room BLOB NOT NULL,
    kind TEXT NOT NULL,                      -- a name in rooms.wishes
    about BLOB NOT NULL,                     -- an account, a device, or what the kind needs
    detail BLOB NOT NULL,                    -- what else the kind needs
    since INTEGER NOT NULL                   -- when it was wished
) STRICT;

CREATE INDEX wish_room ON wish (room);

-- One commit of this device that waits for its answer.
CREATE TABLE pending (
    room BLOB PRIMARY KEY,
    name BLOB NOT NULL,                      -- of its entry
    epoch_part BLOB NOT NULL,                -- the group that it leads to
    message_part BLOB NOT NULL               -- and the other part of it
) STRICT;

-- Roles above that of a member, and from which place on.
CREATE TABLE rank (
    room BLOB NOT NULL,
    account BLOB NOT NULL,
    since INTEGER NOT NULL,
    role TEXT NOT NULL,                      -- owner, admin or member
    PRIMARY KEY (room, account, since)
) STRICT, WITHOUT ROWID;

-- Messages whose key this device has not got yet: opened when it comes.
CREATE TABLE unopened (
    room BLOB NOT NULL,
    seq INTEGER NOT NULL,
    key BLOB NOT NULL,                       -- the room key that seals it
    at INTEGER NOT NULL,                     -- when the log got it
    header BLOB NOT NULL,                    -- as it stands in the log
    body BLOB NOT NULL,                      -- as it stands in the log
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

-- Devices that leave or are lost: whoever commits next acts on it, while that leaf stands.
CREATE TABLE notice (
    room BLOB NOT NULL,
    device BLOB NOT NULL,
    seq INTEGER NOT NULL,                    -- where it stands in the log
    kind TEXT NOT NULL,                      -- leave or lost
    leaf BLOB NOT NULL,                      -- the hash of the leaf for which it counts
    package BLOB,                            -- by which a lost device is added again
    body BLOB NOT NULL,                      -- the notice, signed
    ready_at INTEGER NOT NULL,               -- not before then: somebody else may be faster
    PRIMARY KEY (room, device)
) STRICT, WITHOUT ROWID;

-- How far a room's past is fetched: all from `low` on is here, and who stood there from `known` on.
CREATE TABLE past (
    room BLOB PRIMARY KEY,
    low INTEGER NOT NULL,                    -- the lowest place that is here
    known INTEGER NOT NULL,                  -- from here on it is known who stood there
    is_done INTEGER NOT NULL DEFAULT 0,      -- there is nothing more to fetch
    tries INTEGER NOT NULL DEFAULT 0,        -- how often keys were looked for in vain
    base BLOB,                               -- the tree of the snapshot to begin to follow from
    context BLOB                             -- a hash of the group's context at `known`
) STRICT, WITHOUT ROWID;

-- Handshakes that this device has followed in a room that it is to come into anew.
CREATE TABLE walked (
    room BLOB NOT NULL,
    name BLOB NOT NULL,                      -- of the handshake
    PRIMARY KEY (room, name)
) STRICT, WITHOUT ROWID;

-- The newest Welcome to a room, until it is known whether the group that is there still lives.
CREATE TABLE welcome (
    room BLOB PRIMARY KEY,
    body BLOB NOT NULL                       -- as it came
) STRICT, WITHOUT ROWID;

-- Room keys that were asked for, and the seed of the key to which answers are sealed.
CREATE TABLE question (
    room BLOB PRIMARY KEY,
    seed BLOB NOT NULL,                      -- of the key pair
    names BLOB NOT NULL,                     -- which keys: hashes, one behind the other
    at INTEGER NOT NULL                      -- when it was last asked
) STRICT, WITHOUT ROWID;

-- Whose questions were answered when.
CREATE TABLE answered (
    room BLOB NOT NULL,
    device BLOB NOT NULL,
    at INTEGER NOT NULL,                     -- when the last answer left
    PRIMARY KEY (room, device)
) STRICT, WITHOUT ROWID;

-- Who may post, pin and call all, and from which place on.
CREATE TABLE posting (
    room BLOB NOT NULL,
    since INTEGER NOT NULL,
    who TEXT NOT NULL,                       -- who may post: everyone, admins or owners
    pin TEXT NOT NULL,                       -- who may pin: everyone, admins or owners
    call TEXT NOT NULL,                      -- whose `@all` counts: everyone, admins or owners
    PRIMARY KEY (room, since)
) STRICT, WITHOUT ROWID;
