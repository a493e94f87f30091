SELECT key, ival FROM {schema}._agent_store_meta
WHERE ival < 0 OR ival IS NULL OR (key = '_agent_store.format' AND ival <> 1)
    OR (starts_with(key, '_agent_store.') AND key NOT IN ('_agent_store.format', '_agent_store.id'))
ORDER BY key LIMIT 1000
