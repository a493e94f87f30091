SELECT
    {entries}::oid,
    pg_catalog.pg_current_snapshot(),
    pg_catalog.pg_is_in_recovery(),
    coalesce((SELECT max(entries.position) FROM {schema}._agent_store_entries AS entries), 0)
