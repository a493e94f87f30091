SELECT key, ival FROM {schema}._agent_store_meta WHERE NOT starts_with(key, '_agent_store.') ORDER BY key
