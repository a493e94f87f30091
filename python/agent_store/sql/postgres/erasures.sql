SELECT position, payload_len, note FROM {schema}._agent_store_erasures
WHERE position > %s ORDER BY position LIMIT %s
