INSERT INTO {schema}._agent_store_notes (kind, name, number, note) VALUES (%s, %s, %s, %s)
ON CONFLICT (kind, name, number) DO UPDATE SET note = excluded.note
RETURNING true
