SELECT newest.position, newest.content_hash,
    logs.id, logs.stream, logs.writer, entries.seq, entries.content_hash, entries.position
FROM (SELECT 1) LEFT JOIN _agent_store_entries AS newest
    ON newest.position = (SELECT max(position) FROM _agent_store_entries)
LEFT JOIN _agent_store_logs AS logs ON logs.stream = ?1 AND logs.writer = ?2
LEFT JOIN _agent_store_entries AS entries ON entries.log = logs.id
    AND entries.seq = (SELECT max(seq) FROM _agent_store_entries WHERE log = logs.id)
