SELECT asked.number, logs.id, head.seq, head.content_hash
FROM unnest(%s, %s) WITH ORDINALITY AS asked (stream, writer, number)
JOIN {schema}._agent_store_logs AS logs ON logs.stream = asked.stream AND logs.writer = asked.writer
LEFT JOIN LATERAL (
    SELECT entries.seq, entries.content_hash FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = logs.id ORDER BY entries.seq DESC LIMIT 1
) AS head ON true
