SELECT id, stream, writer FROM _agent_store_logs WHERE stream = ?1 AND coalesce(writer <> ?2, 1) ORDER BY writer
