SELECT seq, content_hash, position FROM _agent_store_entries
WHERE log = ?1 AND seq < ?2 AND typeof(seq) = 'integer' ORDER BY seq DESC LIMIT 1
