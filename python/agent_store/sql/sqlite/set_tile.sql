INSERT INTO _agent_store_tiles (level, number, hashes) VALUES (?1, ?2, ?3)
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
