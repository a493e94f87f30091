SELECT position, content_hash FROM {schema}._agent_store_entries
WHERE position IN (%s, (SELECT max(position) FROM {schema}._agent_store_entries))
