SELECT id, stream, writer FROM _agent_store_logs WHERE coalesce(writer <> ?1, 1) ORDER BY stream, writer
