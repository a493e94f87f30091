SELECT coalesce(erasures.payload_len, octet_length(entries.payload)::bigint)
FROM {schema}._agent_store_entries AS entries
LEFT JOIN {schema}._agent_store_erasures AS erasures ON erasures.position = entries.position
WHERE entries.position >= %s AND entries.position <= %s ORDER BY entries.position
