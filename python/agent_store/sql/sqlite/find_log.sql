SELECT id FROM _agent_store_logs WHERE stream = ?1 AND writer = ?2
