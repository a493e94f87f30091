SELECT
    coalesce((SELECT max(entries.position) FROM {schema}._agent_store_entries AS entries), 0),
    coalesce((SELECT max(logs.id) FROM {schema}._agent_store_logs AS logs), 0),
    ours.id,
    (SELECT max(entries.seq) FROM {schema}._agent_store_entries AS entries WHERE entries.log = ours.id),
    (
        SELECT entries.content_hash FROM {schema}._agent_store_entries AS entries
        WHERE entries.log = ours.id ORDER BY entries.seq DESC LIMIT 1
    )
FROM (SELECT (SELECT logs.id FROM {schema}._agent_store_logs AS logs WHERE logs.stream = %s AND logs.writer = %s)) AS ours (id)
