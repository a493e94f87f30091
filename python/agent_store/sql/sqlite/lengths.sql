SELECT coalesce(erasures.payload_len, length(entries.payload))
FROM _agent_store_entries AS entries LEFT JOIN _agent_store_erasures AS erasures
    ON erasures.position = entries.position
WHERE entries.position >= ?1 AND entries.position <= ?2 ORDER BY entries.position
