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
INSERT INTO _agent_store_meta (key, ival)
VALUES ('_agent_store.format', 1), ('_agent_store.id', random() & 9223372036854775807);
