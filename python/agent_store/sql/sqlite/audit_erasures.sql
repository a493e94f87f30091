SELECT erasures.position, erasures.payload_len, erasures.note, entries.log, entries.seq, length(entries.payload)
FROM _agent_store_erasures AS erasures LEFT JOIN _agent_store_entries AS entries ON entries.position = erasures.position
WHERE erasures.position > ?1 ORDER BY erasures.position LIMIT ?2
