SELECT stream, writer FROM _agent_store_logs WHERE id = ?1
