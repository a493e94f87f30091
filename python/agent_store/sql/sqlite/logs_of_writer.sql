SELECT id, stream, writer FROM _agent_store_logs WHERE writer = ?1 ORDER BY stream
