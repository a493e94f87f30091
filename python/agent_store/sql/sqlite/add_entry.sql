INSERT INTO _agent_store_entries (position, log, seq, content_hash, payload) VALUES (?1, ?2, ?3, ?4, ?5)
