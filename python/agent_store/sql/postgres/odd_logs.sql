SELECT id FROM {schema}._agent_store_logs WHERE id < 1 OR stream IS NULL OR writer IS NULL ORDER BY id LIMIT 1000
