SELECT key, ival FROM {schema}._agent_store_meta
WHERE (ival < 0 OR ival IS NULL OR key IS NULL) AND NOT starts_with(coalesce(key, ''), '_agent_store.')
ORDER BY key LIMIT 1000
