CREATE VIEW _agent_store_log (stream, writer, seq, prev_hash, content_hash, payload) AS
SELECT logs.stream, logs.writer, entries.seq,
    (SELECT before.content_hash FROM _agent_store_entries AS before
     WHERE before.log = entries.log AND before.seq = entries.seq - 1),
    entries.content_hash, entries.payload
FROM _agent_store_logs AS logs JOIN _agent_store_entries AS entries ON entries.log = logs.id;

CREATE TRIGGER _agent_store_log_insert INSTEAD OF INSERT ON _agent_store_log
BEGIN
    SELECT CASE
        WHEN typeof(new.stream) <> 'text' OR typeof(new.writer) <> 'text'
            THEN RAISE(ABORT, 'agent-store: stream and writer must be text')
        WHEN length(CAST(new.stream AS BLOB)) + length(CAST(new.writer AS BLOB)) > 65400
            THEN RAISE(ABORT, 'agent-store: stream and writer together must be at most 65,400 bytes')
        WHEN typeof(new.payload) <> 'blob'
            THEN RAISE(ABORT, 'agent-store: payload must be a blob')
        WHEN typeof(new.content_hash) <> 'blob' OR length(new.content_hash) <> 32
            THEN RAISE(ABORT, 'agent-store: content_hash must be a blob of 32 bytes')
        WHEN typeof(new.seq) <> 'integer' OR new.seq <> coalesce(head.seq, 0) + 1
            THEN RAISE(ABORT, 'agent-store: seq must be one more than the head of the log')
        WHEN new.prev_hash IS NOT head.content_hash
            THEN RAISE(ABORT, 'agent-store: prev_hash must be the content_hash of the head of the log')
    END
    FROM (SELECT 1) LEFT JOIN (
        SELECT seq, content_hash FROM _agent_store_entries
        WHERE log = (SELECT id FROM _agent_store_logs WHERE stream = new.stream AND writer = new.writer)
        ORDER BY seq DESC LIMIT 1
    ) AS head;
    INSERT INTO _agent_store_logs (id, stream, writer)
    SELECT (SELECT coalesce(max(id), 0) + 1 FROM _agent_store_logs), new.stream, new.writer
    WHERE NOT EXISTS (SELECT 1 FROM _agent_store_logs WHERE stream = new.stream AND writer = new.writer);
    INSERT INTO _agent_store_entries (position, log, seq, content_hash, payload)
    SELECT (SELECT coalesce(max(position), 0) + 1 FROM _agent_store_entries),
        id, new.seq, new.content_hash, new.payload
    FROM _agent_store_logs WHERE stream = new.stream AND writer = new.writer;
END;

CREATE TRIGGER _agent_store_log_update INSTEAD OF UPDATE ON _agent_store_log
BEGIN
    SELECT RAISE(ABORT, 'agent-store: an entry is never changed');
END;

CREATE TRIGGER _agent_store_log_delete INSTEAD OF DELETE ON _agent_store_log
BEGIN
    SELECT RAISE(ABORT, 'agent-store: an entry is never removed');
END;

CREATE TRIGGER _agent_store_entries_update BEFORE UPDATE ON _agent_store_entries
WHEN new.position IS NOT old.position OR new.log IS NOT old.log OR new.seq IS NOT old.seq
    OR new.content_hash IS NOT old.content_hash OR new.payload IS NOT x'' OR NOT EXISTS (
        SELECT 1 FROM _agent_store_erasures
        WHERE position = old.position AND payload_len = length(old.payload)
    )
BEGIN
    SELECT RAISE(ABORT, 'agent-store: an entry is never changed');
END;

CREATE TRIGGER _agent_store_entries_delete BEFORE DELETE ON _agent_store_entries
BEGIN
    SELECT RAISE(ABORT, 'agent-store: an entry is never removed');
END;

CREATE TRIGGER _agent_store_logs_insert BEFORE INSERT ON _agent_store_logs
WHEN EXISTS (SELECT 1 FROM _agent_store_logs WHERE id = new.id)
    OR EXISTS (SELECT 1 FROM _agent_store_logs WHERE stream = new.stream AND writer = new.writer)
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a log is never replaced');
END;

CREATE TRIGGER _agent_store_logs_update BEFORE UPDATE ON _agent_store_logs
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a log is never renamed');
END;

CREATE TRIGGER _agent_store_logs_delete BEFORE DELETE ON _agent_store_logs
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a log is never removed');
END;

CREATE TRIGGER _agent_store_meta_insert BEFORE INSERT ON _agent_store_meta
WHEN typeof(new.key) <> 'text' OR substr(new.key, 1, 13) = '_agent_store.'
    OR typeof(new.ival) <> 'integer' OR new.ival < 0
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a generation is a key outside _agent_store. with an integer from 0 to 2^63 - 1');
END;

CREATE TRIGGER _agent_store_meta_update BEFORE UPDATE ON _agent_store_meta
WHEN new.key IS NOT old.key OR substr(old.key, 1, 13) = '_agent_store.'
    OR typeof(new.ival) <> 'integer' OR new.ival < old.ival OR new.ival < 0
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a generation keeps its key and only rises, up to 2^63 - 1');
END;

CREATE TRIGGER _agent_store_meta_delete BEFORE DELETE ON _agent_store_meta
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a generation is never removed');
END;

CREATE TRIGGER _agent_store_notes_insert BEFORE INSERT ON _agent_store_notes
WHEN new.kind IS NOT 'cosignature' AND EXISTS (
    SELECT 1 FROM _agent_store_notes WHERE kind = new.kind AND name = new.name AND number = new.number
)
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a signed note is never replaced');
END;

CREATE TRIGGER _agent_store_notes_update BEFORE UPDATE ON _agent_store_notes
WHEN old.kind IS NOT 'cosignature' OR new.kind IS NOT old.kind OR new.name IS NOT old.name
    OR new.number IS NOT old.number
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a signed note is never changed');
END;

CREATE TRIGGER _agent_store_notes_delete BEFORE DELETE ON _agent_store_notes
BEGIN
    SELECT RAISE(ABORT, 'agent-store: a signed note is never removed');
END;

CREATE TRIGGER _agent_store_erasures_insert BEFORE INSERT ON _agent_store_erasures
WHEN EXISTS (SELECT 1 FROM _agent_store_erasures WHERE position = new.position) OR NOT EXISTS (
    SELECT 1 FROM _agent_store_entries
    WHERE position = new.position AND (length(payload) = new.payload_len OR payload = x'')
)
BEGIN
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM _agent_store_erasures WHERE position = new.position)
            THEN RAISE(ABORT, 'agent-store: the record of an erasure is never replaced')
        ELSE RAISE(ABORT, 'agent-store: the record of an erasure is of an entry, and says how long its payload was')
    END;
END;

CREATE TRIGGER _agent_store_erasures_update BEFORE UPDATE ON _agent_store_erasures
BEGIN
    SELECT RAISE(ABORT, 'agent-store: the record of an erasure is never changed');
END;

CREATE TRIGGER _agent_store_erasures_delete BEFORE DELETE ON _agent_store_erasures
BEGIN
    SELECT RAISE(ABORT, 'agent-store: the record of an erasure is never removed');
END;
