-- The server's tables.  One dialect for both databases: SQLite reads this file as it stands, for
-- PostgreSQL `BLOB` becomes `BYTEA`, `INTEGER` becomes `BIGINT`, and `STRICT` and `WITHOUT ROWID` go.
-- Times are milliseconds since 1970.  Ids are 16 bytes, hashes 32.  What is sealed says so.

-- The migrations that made these tables, this file being the first.
CREATE TABLE migration (
    number INTEGER NOT NULL PRIMARY KEY,  -- Of the file.
    name TEXT NOT NULL,                   -- Of the file, without number and ending.
    at INTEGER NOT NULL,                  -- When it was carried out.
    hash BLOB NOT NULL                    -- SHA-256 of its statements: an edited file is noticed.
) STRICT;

-- What the server knows of itself, one line each.
CREATE TABLE server (
    name TEXT NOT NULL PRIMARY KEY,  -- `secret`, `commons_room`, `commons_key`, `commons_link`.
    value BLOB NOT NULL              -- `secret` seeds all secrets of the server; nothing else here is one.
) STRICT;

-- Each restore begins a new incarnation of the logs.
CREATE TABLE incarnation (
    number INTEGER NOT NULL PRIMARY KEY,  -- Part of every position.
    began_at INTEGER NOT NULL             -- When the server was made or restored.
) STRICT;

-- Settings that the host changed while the server ran.
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,  -- As in alcove.toml.
    value TEXT NOT NULL,             -- As it would stand there.
    changed_at INTEGER NOT NULL      -- When.
) STRICT;

-- People and bots.
CREATE TABLE account (
    account BLOB NOT NULL PRIMARY KEY,      -- Drawn by the client that registers.
    name TEXT NOT NULL,                     -- As it was written at registration.
    folded TEXT NOT NULL UNIQUE,            -- The same without case.
    created_at INTEGER NOT NULL,            -- When it registered.
    is_host INTEGER NOT NULL DEFAULT 0,     -- 1 for who redeemed the owner link.
    is_bot INTEGER NOT NULL DEFAULT 0,      -- 1 for who redeemed a bot's enrolment.
    disabled_at INTEGER,                    -- When the host disabled it.
    invited_by BLOB,                        -- The account whose invite it redeemed.
    reset_at INTEGER,                       -- When it came back by a reset link.
    identity BLOB NOT NULL,                 -- Its public identity key.
    list_version INTEGER NOT NULL,          -- Of its newest device list.
    list_hash BLOB NOT NULL,                -- SHA-256 of that list.
    password_login BLOB NOT NULL,           -- Keyed hash of the login key from the password.
    password_box BLOB,                      -- Sealed: the box under the password, if that is strong.
    phrase_login BLOB NOT NULL,             -- Keyed hash of the login key from the phrase.
    phrase_box BLOB,                        -- Sealed: the box under the phrase.
    box_version INTEGER NOT NULL DEFAULT 1, -- Counts changes of the locks: compare and set.
    totp_secret BLOB,                       -- Of the authenticator app, if it is asked for.
    totp_step INTEGER NOT NULL DEFAULT 0,   -- The newest code's step: no code works twice.
    profile BLOB,                           -- Sealed: display name, picture, status line.
    quota_bytes INTEGER,                    -- Space for blobs, if the host set another than the usual.
    shows_online INTEGER NOT NULL DEFAULT 1,    -- 0 hides it from the online list.
    shows_seen INTEGER NOT NULL DEFAULT 1,      -- 0 hides when it was there last.
    findable TEXT NOT NULL DEFAULT 'exact',     -- Or `beginning`.
    seen_at INTEGER                         -- When one of its devices was there and did not hide.
) STRICT;
CREATE INDEX account_findable ON account (folded) WHERE findable = 'beginning';
CREATE INDEX account_host ON account (account) WHERE is_host = 1;
CREATE INDEX account_by_inviter ON account (invited_by) WHERE invited_by IS NOT NULL;

-- Every version of every signed device list: who is told a version can be shown it.
CREATE TABLE device_list (
    account BLOB NOT NULL,    -- Whose.
    version INTEGER NOT NULL, -- Counts up by one.
    body BLOB NOT NULL,       -- As it was signed: names, public keys, browser or not.
    signature BLOB NOT NULL,  -- By the identity key.
    old_signature BLOB,       -- By the identity key before, at a rotation.
    at INTEGER NOT NULL,      -- When it came.
    PRIMARY KEY (account, version)
) STRICT;

-- Devices that stand on a list, or stood there.
CREATE TABLE device (
    device BLOB NOT NULL PRIMARY KEY,       -- From the hash of its public key.
    account BLOB NOT NULL,                  -- Whose.
    public_key BLOB NOT NULL,               -- It signs challenges.
    is_browser INTEGER NOT NULL,            -- 1 when its code comes from the server.
    added_at INTEGER NOT NULL,              -- When its first list came.
    revoked_at INTEGER,                     -- When a list came without it.
    seen_at INTEGER,                        -- When it was there last.
    client TEXT NOT NULL DEFAULT ''         -- Its program's name and version.
) STRICT;
CREATE INDEX device_by_account ON device (account);

-- Bearer tokens for the HTTP door.
CREATE TABLE token (
    hash BLOB NOT NULL PRIMARY KEY,  -- Keyed hash: the token itself is only with its device.
    device BLOB NOT NULL,            -- Whose.
    made_at INTEGER NOT NULL,        -- When.
    used_at INTEGER NOT NULL         -- It ends when idle for too long.
) STRICT;
CREATE INDEX token_by_device ON token (device);
CREATE INDEX token_by_use ON token (used_at);

-- Key packages: public keys with which others add a device to a room.
CREATE TABLE package (
    device BLOB NOT NULL,             -- Whose.
    number INTEGER NOT NULL,          -- The oldest is handed out first; 0 is the last resort.
    body BLOB NOT NULL,               -- An MLS key package.
    used INTEGER NOT NULL DEFAULT 0,  -- How often the last resort was handed out.
    claim BLOB,                       -- Hash of the request that took it: it may come once more.
    claimed_at INTEGER,               -- When it was taken; an hour later the line goes.
    PRIMARY KEY (device, number)
) STRICT;
CREATE INDEX package_claimed ON package (claimed_at) WHERE claimed_at IS NOT NULL;

-- Links that were made: invites, the owner's, enrolments of bots, resets.
CREATE TABLE invite (
    invite TEXT NOT NULL PRIMARY KEY,   -- The part of the link before the `#`.
    secret_hash BLOB NOT NULL UNIQUE,   -- Keyed hash of the part after it.
    kind TEXT NOT NULL,                 -- `owner`, `invite`, `bot`, `reset` or `page`.
    account BLOB,                       -- For `reset`: whose.
    made_by BLOB,                       -- The account that made it; none for the server's own.
    made_at INTEGER NOT NULL,           -- When.
    expires_at INTEGER NOT NULL,        -- Until when it works.
    uses INTEGER NOT NULL,              -- How often it may be used.
    used INTEGER NOT NULL DEFAULT 0     -- How often it was.
) STRICT;
CREATE INDEX invite_by_maker ON invite (made_by);
CREATE INDEX invite_by_age ON invite (made_at DESC, invite);
CREATE INDEX invite_by_end ON invite (expires_at);
CREATE INDEX invite_owner ON invite (invite) WHERE kind = 'owner';
CREATE INDEX invite_by_account ON invite (account) WHERE account IS NOT NULL;

-- Rooms.
CREATE TABLE room (
    number INTEGER NOT NULL PRIMARY KEY,  -- Short name for the other tables.
    room BLOB NOT NULL UNIQUE,            -- Drawn by who made it: the MLS group id.
    kind TEXT NOT NULL,                   -- `direct`, `group`, `channel`, `commons`, `mailbox`.
    created_at INTEGER NOT NULL,          -- When.
    created_by BLOB,                      -- The account.
    pair BLOB UNIQUE,                     -- For direct rooms: hash of both identity keys.
    history TEXT NOT NULL DEFAULT 'open', -- Or `closed`, `none`.
    keep_ms INTEGER NOT NULL DEFAULT 0,   -- How long kept bodies stay; 0 for ever.
    closing_seq INTEGER NOT NULL DEFAULT 0, -- The newest closing commit.
    recent BLOB NOT NULL,                 -- The newest handshakes: seq, name, renews.
    paused BLOB NOT NULL                  -- When barriers, closing and healing commits came last.
) STRICT;
CREATE INDEX room_by_maker ON room (created_by);

-- Accounts in rooms.
CREATE TABLE room_account (
    room INTEGER NOT NULL,                  -- Its number.
    account BLOB NOT NULL,                  -- Who.
    role TEXT NOT NULL DEFAULT 'member',    -- As the room's commits say: `owner`, `admin`.
    state TEXT NOT NULL DEFAULT 'active',   -- `pending` until a request is accepted.
    asked_by BLOB,                          -- Who asked, when it was or is pending.
    asked_at INTEGER,                       -- When.
    declined_at INTEGER,                    -- When it declined: the asker sees it as pending on.
    slot BLOB,                              -- Sealed: its read position.
    PRIMARY KEY (room, account)
) STRICT;
CREATE INDEX room_account_by_account ON room_account (account, room);
CREATE INDEX room_account_pending ON room_account (room, account) WHERE state = 'pending';
CREATE INDEX room_account_by_asker ON room_account (asked_by, asked_at);
CREATE INDEX room_account_declined ON room_account (declined_at) WHERE declined_at IS NOT NULL;

-- Devices in rooms: who gets the entries.
CREATE TABLE member (
    room INTEGER NOT NULL,               -- Its number.
    device BLOB NOT NULL,                -- Which device.
    account BLOB NOT NULL,               -- Whose.
    since INTEGER NOT NULL,              -- The handshake that added it.
    passed INTEGER NOT NULL DEFAULT 0,   -- How far it has stored the log.
    left_at INTEGER,                     -- When it said that it leaves: anyone may commit its Remove.
    PRIMARY KEY (room, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_device ON member (device, room);

-- The logs.
CREATE TABLE entry (
    room INTEGER NOT NULL,     -- Its number.
    seq INTEGER NOT NULL,      -- Its place in the log, from 1, without a gap.
    at INTEGER NOT NULL,       -- When it was stored.
    form INTEGER NOT NULL,     -- 0 handshake, 1 kept, 2 live, 3 notice.
    header BLOB NOT NULL,      -- Sender's device, content id, key name; a handshake's routing.
    body BLOB,                 -- Sealed (a handshake: public); none after it was dropped.
    body_hash BLOB,            -- SHA-256 of a body that was dropped.
    chain BLOB NOT NULL,       -- The running hash of the log up to here.
    expires_at INTEGER,        -- When the body is dropped.
    PRIMARY KEY (room, seq)
) STRICT;
CREATE INDEX entry_handshake ON entry (room, seq) WHERE form = 0;
CREATE INDEX entry_live ON entry (room, seq) WHERE form = 2 AND body IS NOT NULL;
CREATE INDEX entry_expiring ON entry (expires_at) WHERE expires_at IS NOT NULL;

-- Answers that were given, so that a request that comes again gets the same one: a line a batch.
CREATE TABLE answer (
    number INTEGER NOT NULL PRIMARY KEY,  -- Counts up: the oldest answers are forgotten first.
    at INTEGER NOT NULL,       -- When.
    replies BLOB NOT NULL      -- For each device: its line before this one, and what it was told.
) STRICT;

-- How far each device has counted its requests; the newest 256 lines of `answer` may know better.
CREATE TABLE counter (
    device BLOB NOT NULL PRIMARY KEY,  -- Who asks; with an "h" behind it for what it asks over HTTP.
    last INTEGER NOT NULL,             -- Its highest request id.
    line INTEGER NOT NULL              -- The newest line of `answer` with answers for it.
) STRICT;

-- Sealed rows beside the logs.
CREATE TABLE room_row (
    room INTEGER NOT NULL,     -- Its number.
    kind TEXT NOT NULL,        -- `profile` or `chain`.
    name BLOB NOT NULL,        -- The handshake whose room key seals it.
    number INTEGER NOT NULL,   -- Counts up within the room.
    body BLOB NOT NULL,        -- Sealed: name, topic and picture; or the key before.
    PRIMARY KEY (room, kind, name)
) STRICT;
CREATE INDEX room_row_by_number ON room_row (room, kind, number);

-- Public states of rooms, for who joins.
CREATE TABLE snapshot (
    room INTEGER NOT NULL,     -- Its number.
    seq INTEGER NOT NULL,      -- The handshake after which it is the state.
    name BLOB NOT NULL,        -- That handshake's name.
    at INTEGER NOT NULL,       -- When it was stored.
    made_by BLOB,              -- The account that stored it; none when that is gone.
    body BLOB NOT NULL,        -- The ratchet tree: devices' public keys and certificates.
    PRIMARY KEY (room, seq)
) STRICT;
CREATE INDEX snapshot_by_maker ON snapshot (made_by);

-- Links by which people join rooms.
CREATE TABLE link (
    hash BLOB NOT NULL PRIMARY KEY,     -- SHA-256 of the secret after the `#`.
    room INTEGER NOT NULL,              -- Its number.
    made_by BLOB NOT NULL,              -- The account.
    expires_at INTEGER,                 -- Until when it works.
    uses INTEGER,                       -- How often it may be used, if that is limited.
    used INTEGER NOT NULL DEFAULT 0     -- How often it was.
) STRICT;
CREATE INDEX link_by_room ON link (room);
CREATE INDEX link_by_maker ON link (made_by);
CREATE INDEX link_by_end ON link (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX link_used_up ON link (hash) WHERE used >= uses;

-- Groups that their owners let be found.
CREATE TABLE alias (
    alias TEXT NOT NULL PRIMARY KEY,  -- Public by its owner's choice.
    room INTEGER NOT NULL UNIQUE,     -- Its number.
    description TEXT NOT NULL,        -- Public by its owner's choice.
    link_key BLOB,                    -- By which anyone may join, if the owner wants that.
    link BLOB                         -- Its hash in `link`.
) STRICT;

-- Letters: Welcomes and sealed words between devices.
CREATE TABLE letter (
    number INTEGER NOT NULL PRIMARY KEY,  -- Counts up.
    kind TEXT NOT NULL,                   -- `welcome` or `sealed`.
    room INTEGER NOT NULL,                -- The room that it is about.
    sender BLOB NOT NULL,                 -- The device that sent it.
    at INTEGER NOT NULL,                  -- When.
    body BLOB NOT NULL                    -- Sealed.
) STRICT;
CREATE INDEX letter_by_age ON letter (at);
CREATE INDEX letter_by_room ON letter (room);

-- Which device has which letters to fetch.
CREATE TABLE inbox (
    device BLOB NOT NULL,       -- For whom.
    letter INTEGER NOT NULL,    -- Which.
    kind TEXT NOT NULL,         -- `welcome`, `hidden` (the same, before its room is accepted), `own`, `sealed`.
    sender BLOB,                -- For `sealed`: the account that sent it, which has its share.
    room INTEGER,               -- For Welcomes: the room's number.
    PRIMARY KEY (device, letter)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_by_letter ON inbox (letter);
CREATE INDEX inbox_by_kind ON inbox (device, kind);
CREATE INDEX inbox_by_sender ON inbox (sender, device) WHERE sender IS NOT NULL;
CREATE INDEX inbox_by_room ON inbox (room, device) WHERE room IS NOT NULL;

-- The archives of accounts.
CREATE TABLE archive (
    account BLOB NOT NULL,      -- Whose.
    room BLOB NOT NULL,         -- The room's id.
    name BLOB NOT NULL,         -- The handshake whose room key this is.
    number INTEGER NOT NULL,    -- Counts up within the account.
    body BLOB NOT NULL,         -- Sealed: a room key.
    PRIMARY KEY (account, room, name)
) STRICT;
CREATE INDEX archive_by_number ON archive (account, number);
CREATE INDEX archive_by_room ON archive (account, room, number);

-- Requests to chat that were not accepted, the newest of each pair: they cannot be repeated for a while.
CREATE TABLE ask (
    asker BLOB NOT NULL,        -- Who asked.
    account BLOB NOT NULL,      -- Who was asked.
    asked_at INTEGER NOT NULL,  -- When.
    declined_at INTEGER,        -- When it was declined, if it was.
    PRIMARY KEY (asker, account)
) STRICT;
CREATE INDEX ask_by_account ON ask (account);
CREATE INDEX ask_by_age ON ask (declined_at, asked_at);

-- Who wants nothing from whom.
CREATE TABLE block (
    account BLOB NOT NULL,  -- Who blocks.
    blocked BLOB NOT NULL,  -- Whom.
    at INTEGER NOT NULL,    -- Since when.
    PRIMARY KEY (account, blocked)
) STRICT;
CREATE INDEX block_by_blocked ON block (blocked);

-- Encrypted files; their bytes are plain files beside the database.
CREATE TABLE blob (
    blob BLOB NOT NULL PRIMARY KEY,         -- Its id, which is also its file's name.
    account BLOB NOT NULL,                  -- Who uploads it.
    size INTEGER NOT NULL,                  -- Padded, as it was announced.
    done_at INTEGER,                        -- When its last byte came.
    created_at INTEGER NOT NULL,            -- When it was announced.
    expires_at INTEGER,                     -- When it goes.
    downloads INTEGER NOT NULL DEFAULT 0    -- How often it was read to its end.
) STRICT;
CREATE INDEX blob_by_account ON blob (account, created_at);
CREATE INDEX blob_by_size ON blob (account, size);
CREATE INDEX blob_expiring ON blob (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX blob_unfinished ON blob (created_at) WHERE done_at IS NULL;

-- What deleted accounts, devices and rooms had so much of that it goes bit by bit.
CREATE TABLE leftover (
    kind TEXT NOT NULL,     -- Of what: `account`, `archive`, `device`, `inbox` or `room`.
    name BLOB NOT NULL,     -- Its id; that of the account for `archive`, of the device for `inbox`.
    until INTEGER NOT NULL, -- Up to which event, row or letter it goes, where numbers count.
    PRIMARY KEY (kind, name)
) STRICT;

-- What was done: append-only and hash-chained.
CREATE TABLE event (
    number INTEGER NOT NULL PRIMARY KEY,  -- Counts up without a gap.
    at INTEGER NOT NULL,                  -- When.
    kind TEXT NOT NULL,                   -- See docs/protocol/audit.md.
    account BLOB,                         -- Whose event it is.
    device BLOB,                          -- Which device did it.
    address TEXT NOT NULL,                -- From where.
    detail TEXT NOT NULL,                 -- JSON: counts and names, never a body or a secret.
    suspicious INTEGER NOT NULL,          -- 1 when a rule raised it.
    chain BLOB NOT NULL                   -- Running hash of the log up to here.
) STRICT;
CREATE INDEX event_by_account ON event (account, number);
CREATE INDEX event_by_device ON event (device, account, number);
CREATE INDEX event_suspicious ON event (account, number) WHERE suspicious = 1;
CREATE INDEX event_suspicious_all ON event (number) WHERE suspicious = 1;
CREATE INDEX event_cleared ON event (number) WHERE kind = 'log_cleared';
