SELECT
    coalesce((SELECT max(entries.position) FROM {schema}._agent_store_entries AS entries), 0),
    coalesce((SELECT max(logs.id) FROM {schema}._agent_store_logs AS logs), 0)
