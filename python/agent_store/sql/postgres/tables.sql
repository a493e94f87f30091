CREATE TABLE {schema}._agent_store_meta (
    key text COLLATE "C" NOT NULL,
    ival bigint NOT NULL,
    CONSTRAINT _agent_store_meta_key PRIMARY KEY (key),
    CONSTRAINT _agent_store_meta_ival_check CHECK (ival >= 0)
);
CREATE TABLE {schema}._agent_store_logs (
    id bigint NOT NULL,
    stream text COLLATE "C" NOT NULL,
    writer text COLLATE "C" NOT NULL,
    CONSTRAINT _agent_store_logs_id PRIMARY KEY (id),
    CONSTRAINT _agent_store_logs_name UNIQUE (stream, writer),
    CONSTRAINT _agent_store_logs_id_check CHECK (id > 0)
);
CREATE TABLE {schema}._agent_store_entries (
    position bigint NOT NULL,
    log bigint NOT NULL,
    seq bigint NOT NULL,
    content_hash bytea NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT _agent_store_entries_position PRIMARY KEY (position),
    CONSTRAINT _agent_store_entries_seq UNIQUE (log, seq),
    CONSTRAINT _agent_store_entries_position_check CHECK (position > 0),
    CONSTRAINT _agent_store_entries_log_check CHECK (log > 0),
    CONSTRAINT _agent_store_entries_seq_check CHECK (seq > 0),
    CONSTRAINT _agent_store_entries_hash_check CHECK (octet_length(content_hash) = 32)
);
CREATE TABLE {schema}._agent_store_tiles (
    level bigint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT _agent_store_tiles_place PRIMARY KEY (level, number),
    CONSTRAINT _agent_store_tiles_level_check CHECK (level >= 0),
    CONSTRAINT _agent_store_tiles_number_check CHECK (number >= 0),
    CONSTRAINT _agent_store_tiles_hashes_check CHECK (
        octet_length(hashes) >= 32 AND octet_length(hashes) <= 8192 AND octet_length(hashes) % 32 = 0
    )
);
CREATE TABLE {schema}._agent_store_notes (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    note text COLLATE "C" NOT NULL,
    CONSTRAINT _agent_store_notes_place PRIMARY KEY (kind, name, number),
    CONSTRAINT _agent_store_notes_number_check CHECK (number >= 0)
);
CREATE TABLE {schema}._agent_store_erasures (
    position bigint NOT NULL,
    payload_len bigint NOT NULL,
    note text COLLATE "C" NOT NULL,
    CONSTRAINT _agent_store_erasures_position PRIMARY KEY (position),
    CONSTRAINT _agent_store_erasures_position_check CHECK (position > 0),
    CONSTRAINT _agent_store_erasures_payload_len_check CHECK (payload_len >= 0)
);
INSERT INTO {schema}._agent_store_meta (key, ival)
VALUES
    ('_agent_store.format', 1),
    ('_agent_store.id', ('x' || translate(gen_random_uuid()::text, '-', ''))::bit(64)::bigint & 9223372036854775807);
