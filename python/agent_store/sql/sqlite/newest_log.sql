SELECT coalesce(max(id), 0) FROM _agent_store_logs
