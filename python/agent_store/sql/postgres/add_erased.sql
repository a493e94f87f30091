INSERT INTO {schema}._agent_store_entries (position, log, seq, content_hash, payload)
SELECT new.position, logs.id, new.seq, new.content_hash, ''
FROM (SELECT %s AS position, %s AS stream, %s AS writer, %s AS seq, %s AS content_hash) AS new
JOIN {schema}._agent_store_logs AS logs ON logs.stream = new.stream AND logs.writer = new.writer
RETURNING true
