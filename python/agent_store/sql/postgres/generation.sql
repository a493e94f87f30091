SELECT ival FROM {schema}._agent_store_meta WHERE key = %s
