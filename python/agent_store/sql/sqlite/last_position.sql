SELECT coalesce(max(position), 0) FROM _agent_store_entries
