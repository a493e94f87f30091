SELECT entries.position, entries.log, entries.seq, entries.content_hash, entries.payload, erasures.payload_len
FROM _agent_store_entries AS entries LEFT JOIN _agent_store_erasures AS erasures
    ON erasures.position = CASE length(entries.payload) WHEN 0 THEN entries.position END
WHERE entries.position >= ?1 AND entries.position <= ?2 ORDER BY entries.position
