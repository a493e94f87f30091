INSERT INTO _agent_store_erasures (position, payload_len, note) VALUES (?1, ?2, ?3)
