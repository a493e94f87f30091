INSERT INTO _agent_store_notes (kind, name, number, note) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (kind, name, number) DO UPDATE SET note = excluded.note
