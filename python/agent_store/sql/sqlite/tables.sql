CREATE TABLE IF NOT EXISTS _agent_store_meta (key TEXT PRIMARY KEY, ival INTEGER NOT NULL);
CREATE TABLE _agent_store_logs (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id > 0),
    stream TEXT NOT NULL,
    writer TEXT NOT NULL,
    UNIQUE (stream, writer)
) STRICT;
CREATE TABLE _agent_store_entries (
    position INTEGER PRIMARY KEY NOT NULL CHECK (position > 0),
    log INTEGER NOT NULL CHECK (log > 0),
    seq INTEGER NOT NULL CHECK (seq > 0),
    content_hash BLOB NOT NULL CHECK (length(content_hash) = 32),
    payload BLOB NOT NULL,
    UNIQUE (log, seq)
) STRICT;
CREATE TABLE _agent_store_tiles (
    level INTEGER NOT NULL CHECK (level >= 0),
    number INTEGER NOT NULL CHECK (number >= 0),
    hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, number)
) STRICT;
CREATE TABLE _agent_store_notes (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    note TEXT NOT NULL,
    PRIMARY KEY (kind, name, number)
) STRICT;
CREATE TABLE _agent_store_erasures (
    position INTEGER PRIMARY KEY NOT NULL CHECK (position > 0),
    payload_len INTEGER NOT NULL CHECK (payload_len >= 0),
    note TEXT NOT NULL
) STRICT;
INSERT INTO _agent_store_meta (key, ival)
VALUES ('_agent_store.format', 1), ('_agent_store.id', random() & 9223372036854775807);
