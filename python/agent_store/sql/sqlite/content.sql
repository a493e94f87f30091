SELECT content_hash, payload FROM _agent_store_entries WHERE position = ?1
