SELECT id, stream, writer FROM _agent_store_logs INDEXED BY sqlite_autoindex__agent_store_logs_1
WHERE id <= ?1 ORDER BY stream, writer
