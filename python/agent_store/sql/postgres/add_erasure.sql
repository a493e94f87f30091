INSERT INTO {schema}._agent_store_erasures (position, payload_len, note) VALUES (%s, %s, %s)
RETURNING true
