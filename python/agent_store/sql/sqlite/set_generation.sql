INSERT INTO _agent_store_meta (key, ival) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET ival = excluded.ival
