SELECT position, content_hash FROM _agent_store_entries ORDER BY position DESC LIMIT 1
