INSERT INTO _agent_store_logs (id, stream, writer)
VALUES ((SELECT coalesce(max(id), 0) + 1 FROM _agent_store_logs), ?1, ?2)
