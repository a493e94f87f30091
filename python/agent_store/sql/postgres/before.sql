SELECT asked.log, asked.seq, found.seq, found.content_hash, found.position
FROM unnest(%s, %s) AS asked (log, seq)
CROSS JOIN LATERAL (
    SELECT entries.seq, entries.content_hash, entries.position FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = asked.log AND entries.seq < asked.seq ORDER BY entries.seq DESC LIMIT 1
) AS found
