SELECT content_hash FROM _agent_store_entries WHERE position = ?1
