SELECT position, payload_len, note FROM _agent_store_erasures
WHERE position > ?1 ORDER BY position LIMIT ?2
