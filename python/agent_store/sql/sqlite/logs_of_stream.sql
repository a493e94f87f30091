SELECT id, stream, writer FROM _agent_store_logs WHERE stream = ?1 ORDER BY writer
