SELECT seq, content_hash, position FROM _agent_store_entries WHERE log = ?1 ORDER BY seq DESC LIMIT 1
