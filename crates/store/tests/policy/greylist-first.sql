-- Greylisting's file as the first release wrote it: before records were found under more than a network.
PRAGMA user_version = 1;
CREATE TABLE triplet (
    id         INTEGER PRIMARY KEY,
    network    TEXT NOT NULL,
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    first_seen INTEGER NOT NULL, -- when it was refused first, ms since 1970
    due        INTEGER NOT NULL, -- the appointment: from then on it passes
    expires    INTEGER NOT NULL, -- the last moment at which this counts
    passed     INTEGER           -- when it was last let in; NULL: it waits
);
CREATE TABLE known (
    network    TEXT PRIMARY KEY,
    passes     INTEGER NOT NULL, -- triplets that came back in their window
    last_used  INTEGER NOT NULL, -- to the hour
    for_good   INTEGER NOT NULL  -- 1: let in without a wait
) WITHOUT ROWID;
INSERT INTO triplet VALUES (7, '192.0.2.0/24', 'a@x.example', 'b@y.example', 1767225600000, 1767225900000, 1767398400000, NULL);
INSERT INTO triplet VALUES (9, '2001:db8:1:2::/64', 'a@x.example', 'b@y.example', 1767225600000, 1767225900000, 1770336000000, 1767225900000);
INSERT INTO known VALUES ('198.51.100.0/24', 1, 1767225600000, 1);
