SELECT seq, content_hash, position FROM _agent_store_entries WHERE log = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1
