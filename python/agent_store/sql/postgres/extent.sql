SELECT
    coalesce((SELECT max(position) FROM {schema}._agent_store_entries), 0),
    (SELECT count(*) FROM {schema}._agent_store_logs)
