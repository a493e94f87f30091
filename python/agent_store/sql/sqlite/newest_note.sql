SELECT number, note FROM _agent_store_notes
WHERE kind = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1
