SELECT logs.id, logs.stream, logs.writer, entries.seq, entries.content_hash, entries.position
FROM _agent_store_logs AS logs LEFT JOIN _agent_store_entries AS entries ON entries.log = logs.id
    AND entries.seq = (SELECT max(seq) FROM _agent_store_entries WHERE log = logs.id)
WHERE coalesce(logs.writer <> ?1, 1) ORDER BY logs.stream, logs.writer
