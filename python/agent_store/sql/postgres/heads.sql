SELECT logs.id, logs.stream, logs.writer, head.seq, head.content_hash, head.position
FROM {schema}._agent_store_logs AS logs LEFT JOIN LATERAL (
    SELECT entries.seq, entries.content_hash, entries.position FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = logs.id ORDER BY entries.seq DESC LIMIT 1
) AS head ON true
WHERE coalesce(logs.writer <> %s, true)
ORDER BY logs.stream, logs.writer
