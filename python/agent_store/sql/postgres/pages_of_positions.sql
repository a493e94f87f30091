SELECT position, log, seq, content_hash, payload FROM {schema}._agent_store_entries
WHERE position >= %s AND position <= %s ORDER BY position LIMIT 512
