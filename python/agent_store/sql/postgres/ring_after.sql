SELECT pg_catalog.pg_notify(%s, '') FROM {schema}._agent_store_entries AS entries
WHERE entries.log = %s AND entries.seq = %s AND entries.content_hash = %s
