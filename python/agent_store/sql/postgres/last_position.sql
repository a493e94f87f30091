SELECT coalesce(max(position), 0) FROM {schema}._agent_store_entries
