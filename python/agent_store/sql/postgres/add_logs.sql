INSERT INTO {schema}._agent_store_logs (id, stream, writer)
SELECT new.id, new.stream, new.writer FROM unnest(%s, %s, %s) AS new (id, stream, writer)
