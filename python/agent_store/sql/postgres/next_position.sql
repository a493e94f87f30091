SELECT min(position) FROM {schema}._agent_store_entries WHERE position >= %s
