INSERT INTO _agent_store_entries (position, log, seq, content_hash, payload)
SELECT new.position, logs.id, new.seq, new.content_hash, x''
FROM (SELECT ?1 AS position, ?2 AS stream, ?3 AS writer, ?4 AS seq, ?5 AS content_hash) AS new
JOIN _agent_store_logs AS logs ON logs.stream = new.stream AND logs.writer = new.writer
