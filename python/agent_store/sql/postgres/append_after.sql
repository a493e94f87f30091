INSERT INTO {schema}._agent_store_entries (position, log, seq, content_hash, payload)
SELECT
    coalesce((SELECT max(entries.position) FROM {schema}._agent_store_entries AS entries), 0) + 1, logs.id, %s, %s, %s
FROM {schema}._agent_store_logs AS logs
WHERE logs.stream = %s AND logs.writer = %s AND logs.id = %s AND {entries}::oid::bigint = %s
    AND pg_catalog.current_setting('transaction_isolation') = 'read committed'
    AND (
        SELECT head.seq = %s AND head.content_hash = %s FROM {schema}._agent_store_entries AS head
        WHERE head.log = logs.id ORDER BY head.seq DESC LIMIT 1
    )
RETURNING position
