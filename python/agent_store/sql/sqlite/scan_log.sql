SELECT position, log, seq, content_hash, payload FROM _agent_store_entries
WHERE log = ?1 AND seq >= ?2 AND seq <= ?3 ORDER BY seq
