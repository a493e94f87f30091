INSERT INTO {schema}._agent_store_entries (position, log, seq, content_hash, payload)
SELECT new.position, new.log, new.seq, new.content_hash, new.payload
FROM unnest(%s, %s, %s, %s, %s) AS new (position, log, seq, content_hash, payload)
RETURNING position
