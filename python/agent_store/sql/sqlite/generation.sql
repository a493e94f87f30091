SELECT ival FROM _agent_store_meta WHERE key = ?1
