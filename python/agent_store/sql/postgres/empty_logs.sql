SELECT logs.id FROM {schema}._agent_store_logs AS logs
WHERE logs.id > %s AND logs.id <= %s
    AND NOT EXISTS (SELECT 1 FROM {schema}._agent_store_entries AS entries WHERE entries.log = logs.id)
ORDER BY logs.id LIMIT 10000
