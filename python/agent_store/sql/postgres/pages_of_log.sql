SELECT position, log, seq, content_hash, payload FROM {schema}._agent_store_entries
WHERE log = %s AND seq >= %s AND seq <= %s ORDER BY seq LIMIT 512
