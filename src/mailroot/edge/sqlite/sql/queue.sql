-- name: pragma_before_creation
-- What must be set before the first table exists; no effect on a database that does.
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = incremental;

-- name: pragmas
-- Commits survive a power cut (FULL); the writer makes its own checkpoints; nobody else opens the file (EXCLUSIVE).
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA cache_size = -16384;

-- name: schema
-- An entry is a row with its content (NULL: the content is a file); a recipient's place is entry * 2^24 + its number.
-- A due of 2^62 marks a leased recipient, 2^62 + 1 one that was set aside because its entry is damaged. Neither stands
-- in the index of the due ones, so that to lease and to settle costs nothing there. `held` says who is held and why.
-- `added` has the recipients that joined an entry later. (Numbers of 2^62 are written out: an index must match word
-- by word.)
CREATE TABLE store (tag INTEGER NOT NULL, reserved INTEGER NOT NULL) STRICT;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    size INTEGER NOT NULL,
    words BLOB NOT NULL,
    content BLOB
) STRICT;
CREATE TABLE recipient (
    place INTEGER PRIMARY KEY,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    delay_reported INTEGER NOT NULL DEFAULT 0,
    last TEXT,
    held TEXT,
    via TEXT
) STRICT;
CREATE INDEX recipient_due ON recipient (due) WHERE due < 4611686018427387904 AND held IS NULL;
CREATE INDEX recipient_held_due ON recipient (due) WHERE held IS NOT NULL;
CREATE INDEX recipient_held ON recipient (held) WHERE held IS NOT NULL;
CREATE INDEX recipient_attempts ON recipient (attempts) WHERE attempts > 0;
CREATE TABLE added (place INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, words BLOB NOT NULL) STRICT;
CREATE TABLE failure (entry INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
CREATE TABLE claim (claim TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = 3;

-- name: upgrade_from_1
-- Schema 1 had every recipient in the index of the due ones, and nobody held, rerouted or added.
DROP INDEX recipient_due;
ALTER TABLE recipient ADD COLUMN held TEXT;
ALTER TABLE recipient ADD COLUMN via TEXT;
CREATE INDEX recipient_due ON recipient (due) WHERE due < 4611686018427387904 AND held IS NULL;
CREATE INDEX recipient_held_due ON recipient (due) WHERE held IS NOT NULL;
CREATE INDEX recipient_held ON recipient (held) WHERE held IS NOT NULL;
CREATE TABLE added (place INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, words BLOB NOT NULL) STRICT;
PRAGMA user_version = 2;

-- name: upgrade_from_2
-- Schema 2 could not list by attempts. Who was not tried is not in the index: what is delivered at once costs nothing.
CREATE INDEX recipient_attempts ON recipient (attempts) WHERE attempts > 0;
PRAGMA user_version = 3;

-- name: create_store
-- The store's own row: its tag, and the first number that was never given to an entry.
INSERT INTO store (tag, reserved) VALUES (?, 1);

-- name: read_store
-- The store's tag and the first number that no run has reserved yet.
SELECT tag, reserved FROM store;

-- name: reserve
-- Reserve numbers below this one, so that none is ever given twice.
UPDATE store SET reserved = ?;

-- name: insert_entries
-- Put messages in; the row of values is repeated for each of them.
INSERT INTO entry (id, checksum, size, words, content) VALUES (?, ?, ?, ?, ?);

-- name: insert_recipients
-- Put recipients in that all have the same due.
INSERT INTO recipient (place, due) SELECT value, :due FROM carray(:places);

-- name: known_claims
-- Those of these claims that were committed before.
SELECT claim FROM claim WHERE claim IN carray(:claims);

-- name: insert_claims
-- Remember claims.
INSERT INTO claim (claim) SELECT value FROM carray(:claims);

-- name: forget_claims
-- Drop the memory of claims.
DELETE FROM claim WHERE claim IN carray(:claims);

-- name: delete_recipients
-- Recipients that were served leave.
DELETE FROM recipient WHERE place IN carray(:places);

-- name: delete_entries
-- Those of these entries leave that have no recipient left.
DELETE FROM entry WHERE id IN carray(:entries) AND NOT EXISTS (
    SELECT 1 FROM recipient WHERE place BETWEEN entry.id << 24 AND (entry.id << 24) + 16777215
);

-- name: delete_failures
-- Entries whose work has ended well, or which are gone, have no failures.
DELETE FROM failure WHERE entry IN carray(:entries) AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE place BETWEEN failure.entry << 24 AND (failure.entry << 24) + 16777215 AND due = 4611686018427387904
);

-- name: defer_recipients
-- Recipients that wait again, as rows of place, due, attempts, delay_reported, last, held (null: as held as before).
UPDATE recipient SET due = new.value ->> 1, attempts = new.value ->> 2, delay_reported = new.value ->> 3,
    last = new.value ->> 4, held = coalesce(new.value ->> 5, held)
FROM json_each(:rows) AS new WHERE place = new.value ->> 0;

-- name: due_recipients
-- Who is due, the longest due first.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE due <= :now AND due < 4611686018427387904 AND held IS NULL ORDER BY due LIMIT :limit;

-- name: misdated_recipients
-- Whose due lies so far ahead that only a clock that jumped back explains it.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE due > :horizon AND due < 4611686018427387904 AND held IS NULL ORDER BY due LIMIT :limit;

-- name: due_held_recipients
-- Who is held, and of whom something is due to the sender.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE due <= :now AND held IS NOT NULL ORDER BY due LIMIT :limit;

-- name: held_recipients
-- Who is held for one cause and domain, as `held` says it, from the one after a place.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE held = :held AND place > :after AND due < 4611686018427387904 ORDER BY place LIMIT :limit;

-- name: next_held
-- The first text of `held` in a range.
SELECT min(held) FROM recipient WHERE held >= :first AND held < :end;

-- name: count_held
-- How many recipients have a text of `held` in a range.
SELECT count(*) FROM recipient WHERE held >= :first AND held < :end;

-- name: any_held
-- Whether anybody is held.
SELECT 1 FROM recipient WHERE held IS NOT NULL LIMIT 1;

-- name: thaw
-- So many of those whose `held` is in a range are held no longer.
UPDATE recipient SET held = NULL, due = :now WHERE place IN (
    SELECT place FROM recipient WHERE held >= :first AND held < :end AND due < 4611686018427387904 LIMIT :limit
);

-- name: change_recipients
-- What an operator changed, as rows of place, due (null: as before), held, via. A lease is kept.
UPDATE recipient SET due = iif(due = 4611686018427387904, due, coalesce(new.value ->> 1, due)),
    held = new.value ->> 2, via = new.value ->> 3
FROM json_each(:rows) AS new WHERE place = new.value ->> 0;

-- name: set_due
-- Give recipients the same due: leased, set aside, or a time.
UPDATE recipient SET due = :due WHERE place IN carray(:places);

-- name: sizes
-- How much memory the contents of these entries take.
SELECT id, iif(content IS NULL, 0, size) FROM entry WHERE id IN carray(:entries);

-- name: read_entries
-- Entries whole, with their failures.
SELECT entry.id, checksum, size, words, content, coalesce(count, 0) FROM entry
LEFT JOIN failure ON failure.entry = entry.id WHERE entry.id IN carray(:entries);

-- name: read_words
-- What lists need of entries, without their contents.
SELECT id, size, words FROM entry WHERE id IN carray(:entries);

-- name: recipients_of
-- The waiting recipients of one entry.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient WHERE place BETWEEN :first AND :end;

-- name: page
-- Waiting recipients from the one after a place, up to another.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE place > :after AND place <= :end ORDER BY place LIMIT :limit;

-- name: place_up
-- Waiting recipients in the order of their entries, behind a place and up to another.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE place > :place AND place <= :end ORDER BY place LIMIT :limit;

-- name: place_down
-- The same from the last one.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE place < :place AND place >= :first ORDER BY place DESC LIMIT :limit;

-- name: due_up
-- Who waits for an attempt, in the order of these, behind a due and a place.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE due < 4611686018427387904 AND held IS NULL AND (due, place) > (:value, :place) ORDER BY due, place LIMIT :limit;

-- name: due_down
-- The same from the last one.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE due < 4611686018427387904 AND held IS NULL AND (due, place) < (:value, :place)
ORDER BY due DESC, place DESC LIMIT :limit;

-- name: attempts_up
-- Who was tried, in the order of attempts, behind a number of these and a place.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE attempts > 0 AND (attempts, place) > (:value, :place) ORDER BY attempts, place LIMIT :limit;

-- name: attempts_down
-- The same from the last one.
SELECT place, due, attempts, delay_reported, last, held, via FROM recipient
WHERE attempts > 0 AND (attempts, place) < (:value, :place) ORDER BY attempts DESC, place DESC LIMIT :limit;

-- name: end_of_part
-- The place of the last of so many recipients behind a place; how many they are.
SELECT max(place), count(*) FROM (SELECT place FROM recipient WHERE place > :after ORDER BY place LIMIT :limit);

-- name: sums
-- Recipients between two places by domain and way: entries (first, last, how many), those held until a directory
-- answers, held otherwise, leased, tried, not tried; arrival, due, attempts; of the latest due, its due with its last
-- outcome. The words of an entry are a list: its arrival stands at 10, the domain of its first recipient at 14.
SELECT domain, via, min(entry), max(entry), count(DISTINCT entry),
    sum(held IS 'directory'), sum(held IS NOT NULL AND held <> 'directory'), sum(held IS NULL AND leased),
    sum(held IS NULL AND NOT leased AND attempts > 0), sum(held IS NULL AND NOT leased AND attempts = 0),
    min(arrived), min(iif(held IS NULL AND NOT leased, due, NULL)), max(attempts),
    max(iif(last IS NULL, NULL, printf('%020d', due) || last))
FROM (
    SELECT place >> 24 AS entry, due >= 4611686018427387904 AS leased, due, attempts, last, held, via,
        json_extract(CAST(words AS TEXT), '$[' || (14 + 4 * (place & 16777215)) || ']') AS domain,
        json_extract(CAST(words AS TEXT), '$[10]') AS arrived
    FROM recipient JOIN entry ON entry.id = recipient.place >> 24
    WHERE place > :after AND place <= :end
) GROUP BY domain, via;

-- name: first_due
-- When the earliest recipient that is neither leased nor held is due.
SELECT min(due) FROM recipient WHERE due < 4611686018427387904 AND held IS NULL;

-- name: last_due
-- When the latest recipient that is neither leased nor held is due.
SELECT max(due) FROM recipient WHERE due < 4611686018427387904 AND held IS NULL;

-- name: first_held_due
-- When something is due to the sender of one who is held.
SELECT min(due) FROM recipient WHERE due < 4611686018427387904 AND held IS NOT NULL;

-- name: count_recipients
-- How many recipients wait, leased ones included.
SELECT count(*) FROM recipient;

-- name: extended
-- Entries that recipients were added to.
SELECT DISTINCT place >> 24 FROM added;

-- name: count_added
-- How many recipients were added to an entry.
SELECT count(*) FROM added WHERE place BETWEEN :first AND :end;

-- name: insert_added
-- A recipient that joins an entry.
INSERT INTO added (place, checksum, words) VALUES (?, ?, ?);

-- name: read_added
-- The recipients that were added to an entry, in their order.
SELECT checksum, words FROM added WHERE place BETWEEN :first AND :end ORDER BY place;

-- name: delete_added
-- What was added to entries that are gone, goes.
DELETE FROM added WHERE place BETWEEN :first AND :end AND NOT EXISTS (SELECT 1 FROM entry WHERE id = :entry);

-- name: count_failure
-- One more failure of the work on an entry that still exists; how many there were then.
INSERT INTO failure (entry, count) SELECT id, 1 FROM entry WHERE id = :entry
ON CONFLICT (entry) DO UPDATE SET count = count + 1 RETURNING count;

-- name: troubled
-- Entries that have failures.
SELECT entry FROM failure;

-- name: count_void_leases
-- Entries that were being worked on when the process ended have one more failure, until they are suspect.
INSERT INTO failure (entry, count) SELECT DISTINCT place >> 24, 1 FROM recipient WHERE due = 4611686018427387904
ON CONFLICT (entry) DO UPDATE SET count = count + 1 WHERE count < :suspect;

-- name: void_leases
-- Leases of a process that has ended are void: their recipients are due now.
UPDATE recipient SET due = :now WHERE due = 4611686018427387904;

-- name: file_entries
-- Those of these entries whose contents are files.
SELECT id FROM entry WHERE id IN carray(:entries) AND content IS NULL;

-- name: release
-- Those of these recipients that are leased are due at this time.
UPDATE recipient SET due = :due WHERE place IN carray(:places) AND due = 4611686018427387904;
