SELECT position, seq, content_hash, payload, log FROM _agent_store_entries
WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3
