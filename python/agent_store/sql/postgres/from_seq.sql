SELECT asked.log, found.seq, found.position
FROM unnest(%s, %s) AS asked (log, seq)
CROSS JOIN LATERAL (
    SELECT entries.seq, entries.position FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = asked.log AND entries.seq >= asked.seq ORDER BY entries.seq LIMIT 1
) AS found
