-- What people said, and what this device shows of it.

-- One line for each content of a log, shown or not: messages and polls are shown themselves; edits,
-- reactions and the like change what is shown of their target.  Beside them stand notes of what
-- happened in a room.  All of it is a function of the log and of what waits in the outbox, whatever
-- the order in which it came.
CREATE TABLE line (
    -- (when it came into the room, in ms) × 8192 + a counter: the newest have the highest numbers,
    -- so that the search below can go from the newest on without sorting.
    number INTEGER PRIMARY KEY,
    room BLOB NOT NULL,
    is_shown INTEGER NOT NULL,               -- whether people see it
    seq INTEGER NOT NULL,                    -- its place; from 2^52 on: it waits, in this order
    cause TEXT NOT NULL DEFAULT '',          -- of a note: what happened
    kind TEXT NOT NULL,                      -- text, edit, …; note, gap; gone: without a body
    state TEXT NOT NULL,                     -- waiting, stored, failed
    why TEXT NOT NULL DEFAULT '',            -- why it failed
    at INTEGER NOT NULL,                     -- by the server's clock; while it waits, by ours
    account BLOB NOT NULL,                   -- who said it; empty in notes about nobody
    device BLOB NOT NULL DEFAULT x'',        -- from which
    content BLOB,                            -- the content's id; notes have none
    target BLOB,                             -- the id of the content that it is about,
    target_account BLOB,                     -- and whose; or who is muted
    is_on INTEGER NOT NULL DEFAULT 1,        -- react, pin, mute: or no longer; text: may call all
    word TEXT NOT NULL DEFAULT '',           -- the emoji, the reason, the topic
    counts INTEGER NOT NULL DEFAULT 1,       -- its writer might do this, there
    is_muted INTEGER NOT NULL DEFAULT 0,     -- its writer was muted, there
    deleted_by BLOB NOT NULL DEFAULT x'',    -- the account that took it away
    edited_at INTEGER NOT NULL DEFAULT 0,    -- when it was last edited; 0 for never
    expires_at INTEGER NOT NULL DEFAULT 0,   -- when it goes; 0 for never
    names_me INTEGER NOT NULL DEFAULT 0,     -- this account is mentioned
    files INTEGER NOT NULL DEFAULT 0,        -- how many belong to it
    text TEXT NOT NULL DEFAULT '',           -- what the search knows of it; empty if it is not shown
    body BLOB NOT NULL DEFAULT x'',          -- the content in msgpack
    edit BLOB NOT NULL DEFAULT x''           -- the newest edit that counts, in msgpack
) STRICT;

-- Notes stand behind what was said at their place, in the order of their numbers.
CREATE INDEX line_place ON line (room, is_shown, seq, (content IS NULL));
CREATE INDEX line_content ON line (content) WHERE content IS NOT NULL;
CREATE INDEX line_target ON line (target) WHERE target IS NOT NULL;
CREATE INDEX line_mute ON line (room, target_account, seq) WHERE kind = 'mute';
CREATE INDEX line_pin ON line (room) WHERE kind = 'pin';
CREATE INDEX line_files ON line (room) WHERE files > 0;
CREATE INDEX line_topic ON line (room, word) WHERE kind = 'text' AND word != '';
CREATE INDEX line_expires ON line (expires_at) WHERE expires_at > 0;

-- Every piece of three characters of what is shown, by the number of its line.  A room is three
-- characters that no text holds, so a search in one room never touches what was said in others.
CREATE VIRTUAL TABLE search USING fts5 (text, room, content = '', tokenize = 'trigram');
-- Rather a few pieces more to look into than every line written six times.
INSERT INTO search (search, rank) VALUES ('automerge', 8);

-- One line: up to which number the index knows the lines; a search reads those after it itself.
CREATE TABLE indexed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL                  -- of a line
) STRICT;
INSERT INTO indexed (one, number) VALUES (1, 0);

-- How far each device has stored a room's log, as the server says.
CREATE TABLE passed (
    room BLOB NOT NULL,
    device BLOB NOT NULL,
    seq INTEGER NOT NULL,                    -- up to here
    PRIMARY KEY (room, device)
) STRICT, WITHOUT ROWID;

-- How far each account has read, as it says itself.
CREATE TABLE read_mark (
    room BLOB NOT NULL,
    account BLOB NOT NULL,
    seq INTEGER NOT NULL,                    -- up to here
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;
