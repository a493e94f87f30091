INSERT INTO {schema}._agent_store_notes (kind, name, number, note) VALUES (%s, %s, %s, %s)
RETURNING true
