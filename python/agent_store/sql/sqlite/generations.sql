SELECT key, ival FROM _agent_store_meta WHERE substr(key, 1, 13) <> '_agent_store.' ORDER BY key
