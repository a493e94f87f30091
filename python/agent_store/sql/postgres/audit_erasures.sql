SELECT
    erasures.position, erasures.payload_len, erasures.note, entries.log, entries.seq, octet_length(entries.payload)::bigint
FROM {schema}._agent_store_erasures AS erasures
LEFT JOIN {schema}._agent_store_entries AS entries ON entries.position = erasures.position
WHERE erasures.position > %s ORDER BY erasures.position LIMIT %s
