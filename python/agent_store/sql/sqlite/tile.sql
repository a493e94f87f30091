SELECT hashes FROM _agent_store_tiles WHERE level = ?1 AND number = ?2
