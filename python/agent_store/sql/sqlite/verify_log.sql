SELECT position, seq, content_hash, payload, log FROM _agent_store_entries
WHERE seq BETWEEN ?1 AND ?2 AND log = ?4 ORDER BY seq LIMIT ?3
