-- A spool as version 1 of the tables had it: one mail, one appointment.
PRAGMA journal_mode = WAL;
CREATE TABLE message (
    id        INTEGER PRIMARY KEY,  -- microseconds since 1970 when it was made
    received  INTEGER NOT NULL,
    octets    INTEGER NOT NULL,     -- of its content
    envelope  TEXT NOT NULL         -- JSON: sender, recipients, content, origin
) STRICT;
CREATE TABLE body (                 -- content up to 64 KiB; larger content is in body/XX/ID
    message   INTEGER PRIMARY KEY,
    content   BLOB NOT NULL
) STRICT;
CREATE TABLE progress (             -- one row for each recipient that is not done
    message            INTEGER NOT NULL,
    recipient          INTEGER NOT NULL,  -- its place in the envelope, from 0
    state              TEXT NOT NULL,     -- waiting, held
    due                INTEGER NOT NULL,
    expires            INTEGER NOT NULL,
    wake               INTEGER NOT NULL,  -- when something has to be done about it
    attempts           INTEGER NOT NULL,
    backoff_steps      INTEGER NOT NULL,
    broken             INTEGER NOT NULL,  -- appointments in a row that the receiver broke
    appointment_host   TEXT,
    appointment_secs   INTEGER,
    appointment_tongue TEXT,              -- keyword, draft, prose
    parked             TEXT,              -- the key of the hold it waits under
    stretched          INTEGER NOT NULL,
    delay_notice       INTEGER,
    last_reply         TEXT,
    PRIMARY KEY (message, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_wake ON progress (wake, message, recipient);
CREATE INDEX progress_parked ON progress (parked, message, recipient) WHERE parked IS NOT NULL;
CREATE TABLE hold (
    key       TEXT PRIMARY KEY,     -- host ADDRESS:PORT, mailbox ADDRESS
    until     INTEGER NOT NULL,
    failures  INTEGER NOT NULL,
    reason    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    last_id    INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    recipients INTEGER NOT NULL
) STRICT;
INSERT INTO message VALUES (1700000000000000, 1700000000000, 6,
    '{"sender":{"address":"c@d.example"},"recipients":[{"address":"a@b.example"}],"content":{"size":6,"eight_bit":false,"utf8_header":false,"received":0},"origin":{}}');
INSERT INTO body VALUES (1700000000000000, x'0d0a780d0a0a');
INSERT INTO progress VALUES (1700000000000000, 0, 'waiting', 1700000300000, 1700432000000, 1700000300000, 1, 0, 0,
    '192.0.2.1:25', 300, 'keyword', NULL, 0, NULL, '450 4.2.0 TIME=300 Greylisted');
INSERT INTO state VALUES (1700000000000000, 1, 1);
PRAGMA application_id = 0x50445350;
PRAGMA user_version = 1;
