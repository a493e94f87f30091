SELECT
    coalesce((SELECT max(position) FROM {schema}._agent_store_entries), 0),
    (SELECT count(*) FROM {schema}._agent_store_logs),
    coalesce((SELECT max(id) FROM {schema}._agent_store_logs), 0)
