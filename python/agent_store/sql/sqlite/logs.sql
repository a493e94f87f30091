SELECT id, stream, writer FROM _agent_store_logs ORDER BY stream, writer
