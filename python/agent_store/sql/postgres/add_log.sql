INSERT INTO {schema}._agent_store_logs (id, stream, writer)
VALUES ((SELECT coalesce(max(id), 0) + 1 FROM {schema}._agent_store_logs), %s, %s)
RETURNING true
