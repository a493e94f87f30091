SELECT id, stream, writer FROM _agent_store_logs NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3
